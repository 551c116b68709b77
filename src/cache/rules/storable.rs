//! May a response be stored?
//!
//! RFC 9111 section 3 (storing), section 3.1 (fields), section 3.5 (credentials); RFC 6585.
//!
//! # Deviations
//!
//! - 206 is not stored as it is: see `partial` for the parts that are (RFC 9111 section 3.3); neither
//!   is a response to HEAD, nor one to
//!   POST but a 200 that says how long it is fresh and that it is what GET would get (RFC 9110 section 9.3.3).
//! - 401 and 407 are never stored, 1xx and 304 have no entry of their own.
//! - Nor are 412, 416 and 417 stored, whatever permits it: they judge conditions, a range or an expectation that are no part
//!   of the key, and anybody could have them stored for everybody.
//! - A response that could never be used without fetching it anew (no lifetime, no validator) is not
//!   stored: it would only cost memory.
//! - `Vary: *` is not stored: it never matches (RFC 9111 section 4.1).
//! - `Set-Cookie` bars storing unless the policy says otherwise (RFC 9111 section 7.3 warns of it).
//! - `private="..."` that names `Vary`, `Cache-Control` or the like counts as unqualified.
//! - `Proxy-Authenticate` and the like are left out of what is stored (RFC 9111 section 3.1), and so are
//!   `Authentication-Info` and, of a response to a credentialed request, `WWW-Authenticate`: a proof, a mutual token
//!   or a nonce is for one exchange.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::authorization::{RequestCredentials, permission};
use super::directives::{RequestDirectives, ResponseDirectives, mentions_prohibition};
use super::freshness::{Answered, LifetimeSource, explicit_lifetime, is_heuristically_cacheable, lifetime};
use super::vary;
use crate::cache::words::PermissionReason;
use crate::config::settings::{Policy, PolicyAuthorization, SetCookie};
use crate::fields::{is_decisive, nominates_cache_field};

/// Why a response is not stored; the word appears as `detail` in `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotStored {
    /// The method is not one whose responses are stored here.
    Method,
    /// The status code is not final, not understood, or never stored (401, 407, 412, 416, 417, 428, 429, 431, 511).
    Status,
    /// A partial response.
    Partial,
    /// The request had content, which is no part of the key.
    RequestContent,
    /// The request said `no-store`.
    RequestNoStore,
    /// The response says `no-store`.
    NoStore,
    /// The response says `private`.
    Private,
    /// The request was credentialed and no directive permits sharing.
    NoPermit,
    /// Neither an explicit lifetime nor a heuristically cacheable status.
    NotCacheable,
    /// Nothing that would ever save a fetch: no lifetime and no validator.
    NoLifetime,
    /// `Vary: *`, or a field that the gateway strips or consumes, or too many.
    Vary,
    /// The response sets cookies and the policy refuses those.
    SetCookie,
    /// `Connection` nominates a field that the decision rests on.
    Nominated,
    /// A credential in the query: the key would hold it.
    QueryCredential,
    /// The operator's policy refuses.
    Policy,
    /// The second key or the tripwire refuses.
    SecondKey,
    /// The content is larger than `max_object`, or the memory for transfers is used up.
    TooLarge,
}

impl NotStored {
    /// The word in `Cache-Status` and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Status => "status",
            Self::Partial => "partial",
            Self::RequestContent => "request-content",
            Self::RequestNoStore => "request-no-store",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::NoPermit => "no-permit",
            Self::NotCacheable => "not-cacheable",
            Self::NoLifetime => "no-lifetime",
            Self::Vary => "vary",
            Self::SetCookie => "set-cookie",
            Self::Nominated => "nominated",
            Self::QueryCredential => "query-credential",
            Self::Policy => "policy",
            Self::SecondKey => "second-key-refused",
            Self::TooLarge => "too-large",
        }
    }
}

/// The request a response belongs to, as far as storing depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Request method.
    pub method: &'a Method,
    /// Request directives in force.
    pub directives: &'a RequestDirectives,
    /// Credentials of the request as received.
    pub credentials: RequestCredentials,
    /// Fields that never reach the origin as the client sent them: a `Vary` on one cannot be honoured.
    pub consumed: &'a [HeaderName],
    /// The listener's RFC 9213 target list.
    pub targets: &'a [HeaderName],
    /// The response's `Content-Location` is the request's target URI.
    pub is_located: bool,
}

/// May a shared cache store this response? On success: the permission that the entry records, none
/// for a response to an uncredentialed request.
///
/// # Errors
///
/// The first reason against it, in the order of RFC 9111 section 3.
///
/// Source: RFC 9111 sections 3 and 3.5.
pub fn storable(asked: &Asked<'_>, answered: &Answered<'_>, policy: &Policy) -> Result<Option<PermissionReason>, NotStored> {
    if policy.bypass {
        return Err(NotStored::Policy);
    }
    // "the request method is understood by the cache"
    if asked.method != Method::GET && !is_storable_post(asked, answered) {
        return Err(NotStored::Method);
    }
    if asked.method == Method::POST && !policy.methods.post {
        return Err(NotStored::Policy);
    }
    check_status(answered)?;
    if asked.directives.no_store {
        return Err(NotStored::RequestNoStore);
    }
    // "the no-store cache directive is not present in the response"
    if answered.directives.no_store && !may_ignore_no_store(answered) {
        return Err(NotStored::NoStore);
    }
    // "if the cache is shared: the private response directive is either not present or allows a shared
    // cache to store a modified response"
    if answered.directives.private.is_whole() || withholds_decisive(answered.directives, asked.targets) {
        return Err(NotStored::Private);
    }
    // "if the cache is shared: the Authorization header field is not present in the request or a
    // response directive is present that explicitly allows shared caching"
    let permission = check_authorization(asked, answered, policy)?;
    // "the response contains at least one of the following"
    check_explicit_or_heuristic(answered, policy)?;
    check_fields(asked, answered, policy)?;
    Ok(permission)
}

/// A response to POST that answers later GETs: explicitly fresh, and a representation of the target.
///
/// Source: RFC 9110 sections 8.7 and 9.3.3.
fn is_storable_post(asked: &Asked<'_>, answered: &Answered<'_>) -> bool {
    asked.method == Method::POST && answered.status == StatusCode::OK && asked.is_located && explicit_lifetime(answered).is_some()
}

/// Whether no response with this status code has an entry of its own, whatever permits it.
///
/// Source: RFC 9111 sections 3 and 3.3, RFC 9110 section 15.
#[must_use]
pub fn is_never_stored(status: StatusCode) -> bool {
    match status {
        // A part belongs to a 200.
        StatusCode::PARTIAL_CONTENT => true,
        StatusCode::NOT_MODIFIED | StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => true,
        // Codes above 599 are invalid (RFC 9110 section 15): passed on, never stored.
        status => is_about_one_request(status) || status.is_informational() || status.as_u16() > 599,
    }
}

/// "the response status code is final" and understood.
///
/// Source: RFC 9111 section 3.
fn check_status(answered: &Answered<'_>) -> Result<(), NotStored> {
    match answered.status {
        StatusCode::PARTIAL_CONTENT => Err(NotStored::Partial),
        status if is_never_stored(status) => Err(NotStored::Status),
        status if answered.directives.must_understand && !is_understood(status) => Err(NotStored::Status),
        _ => Ok(()),
    }
}

/// The status codes that say something of the request's own fields, of its client or of the way, and nothing of the target.
/// For 428, 429, 431 and 511: "Responses [...] MUST NOT be stored by a cache".
///
/// Source: RFC 6585 sections 3 to 6, RFC 9110 sections 15.5.13, 15.5.17 and 15.5.18.
fn is_about_one_request(status: StatusCode) -> bool {
    matches!(status.as_u16(), 412 | 416 | 417 | 428 | 429 | 431 | 511)
}

/// The status codes whose caching behaviour this cache implements.
///
/// Source: RFC 9110 section 15.
fn is_understood(status: StatusCode) -> bool {
    status.canonical_reason().is_some()
}

/// `must-understand` with an understood status lets a cache ignore `no-store`; for uncredentialed
/// requests only.
///
/// Source: RFC 9111 section 5.2.2.3.
fn may_ignore_no_store(answered: &Answered<'_>) -> bool {
    answered.directives.must_understand && is_understood(answered.status) && !answered.credentialed
}

/// A `private="..."` that names a field which reuse is decided on: without it the stored response would
/// be judged by less than the origin said.
///
/// Source: RFC 9111 section 5.2.2.7.
fn withholds_decisive(directives: &ResponseDirectives, targets: &[HeaderName]) -> bool {
    directives.private.fields().iter().any(|name| is_decisive(name, targets))
}

/// Source: RFC 9111 section 3.5.
fn check_authorization(
    asked: &Asked<'_>,
    answered: &Answered<'_>,
    policy: &Policy,
) -> Result<Option<PermissionReason>, NotStored> {
    if !asked.credentials.any {
        return Ok(None);
    }
    if asked.credentials.in_query {
        return Err(NotStored::QueryCredential);
    }
    if policy.authorization == PolicyAuthorization::Never {
        return Err(NotStored::Policy);
    }
    let permission = permission(answered.directives).ok_or(NotStored::NoPermit)?;
    if is_tripped(answered.fields, asked.targets) {
        return Err(NotStored::SecondKey);
    }
    Ok(Some(permission))
}

/// The tripwire: the raw bytes of a decisive field mention a prohibition, whatever the parser made of
/// them.
fn is_tripped(fields: &HeaderMap, targets: &[HeaderName]) -> bool {
    std::iter::once(&header::CACHE_CONTROL)
        .chain(targets)
        .any(|name| fields.get_all(name).iter().any(|line| mentions_prohibition(line.as_bytes())))
}

/// Source: RFC 9111 section 3, last item of the list.
fn check_explicit_or_heuristic(answered: &Answered<'_>, policy: &Policy) -> Result<(), NotStored> {
    let is_explicit = answered.directives.public || explicit_lifetime(answered).is_some();
    if !is_explicit && !is_heuristically_cacheable(answered.status) {
        return Err(NotStored::NotCacheable);
    }
    let has_validator = answered.fields.contains_key(header::ETAG) || answered.fields.contains_key(header::LAST_MODIFIED);
    let lifetime = lifetime(answered, policy);
    if lifetime.source == LifetimeSource::None && !has_validator {
        return Err(NotStored::NoLifetime);
    }
    Ok(())
}

/// Conditions on single fields.
fn check_fields(asked: &Asked<'_>, answered: &Answered<'_>, policy: &Policy) -> Result<(), NotStored> {
    if nominates_cache_field(answered.fields, asked.targets) {
        return Err(NotStored::Nominated);
    }
    if !vary::is_storable(answered.fields, asked.consumed) {
        return Err(NotStored::Vary);
    }
    if policy.set_cookie == SetCookie::Refuse && answered.fields.contains_key(header::SET_COOKIE) {
        return Err(NotStored::SetCookie);
    }
    Ok(())
}

/// The fields that are kept of a response that may be stored, hop-by-hop fields already removed.
///
/// Left out: proxy fields and per-exchange authentication fields, fields that `private="..."`
/// names, `Set-Cookie` where the policy strips it, and `Age`, which is computed anew.
///
/// Source: RFC 9111 sections 3.1 and 5.2.2.7, RFC 9110 section 11.6.3.
pub fn stored_fields<'f>(
    fields: &'f HeaderMap,
    directives: &'f ResponseDirectives,
    policy: &Policy,
    credentialed: bool,
) -> impl Iterator<Item = (&'f HeaderName, &'f HeaderValue)> + use<'f> {
    let takes_cookies = policy.set_cookie == SetCookie::Store;
    let is_kept = move |name: &HeaderName| match *name {
        header::WWW_AUTHENTICATE if credentialed => false,
        header::SET_COOKIE if !takes_cookies => false,
        _ => !NEVER_STORED.contains(name) && !directives.private.fields().contains(name),
    };
    fields.iter().filter(move |(name, _)| is_kept(name))
}

/// Fields of one exchange or one hop.
///
/// Source: RFC 9111 section 3.1, RFC 9110 sections 11.6.1, 11.6.3, 11.7.1 and 11.7.3.
const NEVER_STORED: [HeaderName; 6] = [
    header::AGE,
    HeaderName::from_static("authentication-info"),
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-status"),
];

#[cfg(test)]
mod tests;
