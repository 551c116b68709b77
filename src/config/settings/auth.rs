//! Who may be asked for credentials, and how: `[auth]` and its tables.
//!
//! RFC 9110 section 11.5 (realm), RFC 7617 section 2 (Basic), RFC 7616 section 3.3 (Digest
//! challenges and their order).
//!
//! # Deviations
//!
//! none

use std::path::PathBuf;
use std::time::Duration;

/// `[auth]` and its tables.
#[derive(Clone, Debug)]
pub struct Auth {
    /// The protection space's name.
    pub realm: String,
    /// Offered in this order.
    pub schemes: Vec<AuthScheme>,
    /// `[auth.basic]`.
    pub basic: Basic,
    /// `[auth.digest]`.
    pub digest: Digest,
    /// The embedded default's single user; never written in a configuration file.
    pub builtin_user: Option<BuiltinUser>,
}

/// An authentication scheme that this version can offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// RFC 7617.
    Basic,
    /// RFC 7616.
    Digest,
}

/// `[auth.basic]`.
#[derive(Clone, Debug)]
pub struct Basic {
    /// htpasswd file; none: the scheme has no users.
    pub htpasswd: Option<PathBuf>,
    /// How long a verified password is remembered, as a keyed hash.
    pub verdict_ttl: Duration,
    /// Allows Basic on a listener that is neither TLS nor loopback.
    pub allow_cleartext: bool,
}

/// `[auth.digest]`.
#[derive(Clone, Debug)]
pub struct Digest {
    /// htdigest file; none: the scheme has no users.
    pub htdigest: Option<PathBuf>,
    /// Strongest first.
    pub algorithms: Vec<DigestAlgorithm>,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
}

/// A Digest algorithm of RFC 7616 section 3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// `SHA-256`.
    Sha256,
    /// `SHA-512-256`.
    Sha512_256,
    /// `MD5`, only when asked for.
    Md5,
}

/// The one user of the embedded default configuration.
#[derive(Clone)]
pub struct BuiltinUser {
    /// User name.
    pub name: String,
    /// Clear-text password, random per start.
    pub password: String,
}

impl std::fmt::Debug for BuiltinUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuiltinUser").field("name", &self.name).field("password", &"***").finish()
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            realm: "vouchsafe".to_owned(),
            schemes: vec![AuthScheme::Digest, AuthScheme::Basic],
            basic: Basic::default(),
            digest: Digest::default(),
            builtin_user: None,
        }
    }
}

impl Default for Basic {
    fn default() -> Self {
        Self { htpasswd: None, verdict_ttl: Duration::from_secs(60), allow_cleartext: false }
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self { htdigest: None, algorithms: vec![DigestAlgorithm::Sha256], nonce_lifetime: Duration::from_secs(300) }
    }
}

impl Auth {
    /// Whether anybody could answer a challenge of this scheme: it has a password file, or the
    /// built-in user.
    #[must_use]
    pub fn has_users(&self, scheme: AuthScheme) -> bool {
        let file = match scheme {
            AuthScheme::Basic => &self.basic.htpasswd,
            AuthScheme::Digest => &self.digest.htdigest,
        };
        file.is_some() || self.builtin_user.is_some()
    }
}

impl AuthScheme {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Digest => "digest",
        }
    }
}

impl DigestAlgorithm {
    /// The registered name, as challenges carry it.
    ///
    /// Source: RFC 7616 section 6.1.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512_256 => "SHA-512-256",
            Self::Md5 => "MD5",
        }
    }
}
