//! The values that authentication takes and gives, and the words for them in metrics and logs.
//!
//! # Deviations
//!
//! none

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, Method, Uri};

use super::basic::BasicCredentials;
use crate::error::ClientError;
use crate::target::Target;

/// Somebody whose credentials were verified, or nobody in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The verified user name; none on a listener that asks nobody.
    pub name: Option<Arc<str>>,
    /// How the name was proven.
    pub scheme: Scheme,
}

/// The scheme of presented credentials, as metrics and logs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RFC 7617.
    Basic,
    /// RFC 7616.
    Digest,
    /// No credentials, or of a scheme we do not know.
    None,
}

/// What became of an authentication, as metrics and logs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Verified, or nobody had to be.
    Ok,
    /// No credentials were sent.
    Missing,
    /// Credentials that do not parse, or lack a part.
    Malformed,
    /// The user does not exist.
    UnknownUser,
    /// The password, or the digest made of it, is wrong.
    WrongPassword,
    /// The digest is right for a nonce that is no longer good.
    StaleNonce,
    /// A nonce count was used twice.
    Replayed,
    /// The scheme is not offered here.
    UnsupportedScheme,
    /// The Digest `uri` names another resource.
    UriMismatch,
    /// The verification could not be made.
    Unavailable,
    /// The operator refuses this user.
    Revoked,
}

impl Scheme {
    /// The metric label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Digest => "digest",
            Self::None => "none",
        }
    }
}

impl Outcome {
    /// The metric label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::UnknownUser => "unknown-user",
            Self::WrongPassword => "wrong-password",
            Self::StaleNonce => "stale-nonce",
            Self::Replayed => "replayed",
            Self::UnsupportedScheme => "unsupported-scheme",
            Self::UriMismatch => "uri-mismatch",
            Self::Unavailable => "unavailable",
            Self::Revoked => "revoked",
        }
    }
}

/// What a request presents to be authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// Request method; part of a digest.
    pub method: &'a Method,
    /// The request target as sent; a Digest `uri` is compared with it.
    pub uri: &'a Uri,
    /// The target URI it means.
    pub target: &'a Target,
    /// All request fields.
    pub fields: &'a HeaderMap,
    /// The time of the request.
    pub now: SystemTime,
}

/// Why a request was not authenticated.
#[derive(Debug)]
pub struct Rejection {
    /// The scheme that was presented.
    pub scheme: Scheme,
    /// What was wrong.
    pub outcome: Outcome,
    /// What the answer is.
    pub answer: Answer,
}

/// What a rejected request is answered with.
#[derive(Debug)]
pub enum Answer {
    /// 407 or 401 with these challenges, one field line each, strongest first.
    ///
    /// Source: RFC 9110 sections 11.4, 15.5.2 and 15.5.8.
    Challenge(Vec<HeaderValue>),
    /// Something that no challenge mends: 400.
    Refuse(ClientError),
}

/// What is known of who asks without computing a password's hash.
#[derive(Debug)]
pub enum Recognised {
    /// Everything.
    Known(Result<Principal, Rejection>),
    /// A password is to be verified first.
    Unverified(Unverified),
}

/// A user and a password that nobody has verified yet.
#[derive(Debug)]
pub struct Unverified {
    /// Keyed hash of listener and field value.
    pub(super) key: u128,
    pub(super) credentials: BasicCredentials,
}
