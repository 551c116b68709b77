//! The cache key: the target URI exactly as the origin sees it.
//!
//! RFC 9111 sections 2 and 4. Scheme and host are in one spelling and the default port is filled in
//! (RFC 3986 section 6.2.3); path and query are kept octet for octet, because nobody but the origin
//! knows what may be changed in them. Where an operator knows too, the query rule of a policy decides under which query a
//! request without credentials looks and is kept: [`KeyPath`].
//!
//! # Deviations
//!
//! none

use super::rules::authorization::RequestCredentials;
use super::rules::query::{Named, QueryRule};
use crate::access::Permit;
use crate::keyed::Keyed;
use crate::target::{Host, Scheme, Target};

/// The key of one exchange: a keyed hash for look-up, and the URI it was made of for comparison.
///
/// Made from a [`Permit`] only, so that nothing is looked up for somebody who was not let through.
#[derive(Clone, Copy, Debug)]
pub struct CacheKey<'a> {
    hash: u128,
    target: &'a Target,
    path_and_query: &'a str,
}

/// The path and query that a request's responses are kept under, by the policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPath {
    /// None: as sent.
    changed: Option<Box<str>>,
    named: Named,
}

/// A URI as far as it selects stored responses.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    origin: (Scheme, &'a Host, u16),
    path_and_query: &'a str,
}

/// The key as an entry keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    hash: u128,
    scheme: Scheme,
    host: Host,
    port: u16,
    path_and_query: Box<str>,
}

impl<'a> CacheKey<'a> {
    /// The key of the permitted target, under this path and query.
    #[must_use]
    pub fn new(permit: &'a Permit, path: &'a KeyPath, keyed: &Keyed) -> Self {
        let target = permit.target();
        let path_and_query = path.of_target(target);
        Self { hash: hash_of(keyed, target, path_and_query), target, path_and_query }
    }

    /// The same, of which [`CacheKey::new`] has told the hash.
    #[must_use]
    pub fn known(permit: &'a Permit, path: &'a KeyPath, hash: u128) -> Self {
        let target = permit.target();
        Self { hash, target, path_and_query: path.of_target(target) }
    }

    /// The hash under which the entry is found.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// The target it was made from, as sent.
    #[must_use]
    pub fn target(&self) -> &'a Target {
        self.target
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> (Scheme, &Host, u16) {
        (self.target.scheme, &self.target.host, self.target.port)
    }

    /// The URI.
    #[must_use]
    pub fn located(&self) -> Located<'a> {
        Located { path_and_query: self.path_and_query, ..Located::of(self.target) }
    }

    /// The form that an entry keeps.
    #[must_use]
    pub fn to_stored(self) -> StoredKey {
        StoredKey {
            hash: self.hash,
            scheme: self.target.scheme,
            host: self.target.host.clone(),
            port: self.target.port,
            path_and_query: self.path_and_query.into(),
        }
    }
}

impl StoredKey {
    /// Whether the entry is for this target: hashes may collide, URIs may not.
    ///
    /// Source: RFC 9111 section 4: the presented target URI and that of the stored response match.
    #[must_use]
    pub fn is_for(&self, key: &CacheKey<'_>) -> bool {
        let target = key.target;
        *self.path_and_query == *key.path_and_query
            && self.host == target.host
            && self.port == target.port
            && self.scheme == target.scheme
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> (Scheme, &Host, u16) {
        (self.scheme, &self.host, self.port)
    }

    /// The URI.
    #[must_use]
    pub fn located(&self) -> Located<'_> {
        Located { origin: self.origin(), path_and_query: &self.path_and_query }
    }

    /// The hash under which the entry is kept.
    #[must_use]
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// The URI as text.
    #[must_use]
    pub fn to_uri(&self) -> String {
        let (scheme, path_and_query) = (self.scheme, self.path_and_query.clone());
        let target = Target { scheme, host: self.host.clone(), port: self.port, path_and_query };
        format!("{}://{}{}", scheme.as_str(), target.authority(), target.path_and_query)
    }

    /// Bytes in memory besides itself, about; hosts are shared.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        self.path_and_query.len() + 8
    }
}

impl<'a> Located<'a> {
    /// Of this target.
    pub(super) fn of(target: &'a Target) -> Self {
        Self { origin: (target.scheme, &target.host, target.port), path_and_query: &target.path_and_query }
    }

    /// Is it this one, with this path and query in place of its own?
    #[must_use]
    pub fn is(&self, target: &Target, path_and_query: &str) -> bool {
        self.path_and_query == path_and_query && self.origin == Located::of(target).origin
    }

    /// Does it differ from this one in the query at most?
    #[must_use]
    pub fn is_beside(&self, target: &Target) -> bool {
        self.path_and_query.split('?').next() == Some(target.path()) && self.origin == Located::of(target).origin
    }

    /// Does it begin with this one, on the same origin?
    #[must_use]
    pub fn is_below(&self, prefix: &Target) -> bool {
        let other = Located::of(prefix);
        self.path_and_query.starts_with(other.path_and_query) && self.origin == other.origin
    }
}

impl KeyPath {
    /// The target as sent.
    pub const AS_SENT: Self = Self { changed: None, named: Named::EXACT };

    /// For a request with these credentials, under a policy with this rule. A rule is for requests without any: whose answer
    /// may depend on who asks is kept and looked for under the target as sent.
    ///
    /// Source: RFC 9111 sections 3.5 and 4.
    #[must_use]
    pub fn of(target: &Target, rule: &QueryRule, credentials: RequestCredentials) -> Self {
        if credentials.any || rule.mark().is_none() {
            return Self::AS_SENT;
        }
        let changed = rule.key_of(&target.path_and_query);
        let named = Named { is_exact: changed.is_none(), rule: rule.mark() };
        Self { changed, named }
    }

    /// The path and query of this target.
    #[must_use]
    pub fn of_target<'a>(&'a self, target: &'a Target) -> &'a str {
        self.changed.as_deref().unwrap_or(&target.path_and_query)
    }

    /// How the target relates to it.
    #[must_use]
    pub fn named(&self) -> Named {
        self.named
    }
}

/// The hash under which responses for this URI are kept, with this path and query in place of its own.
#[must_use]
pub fn hash_of(keyed: &Keyed, target: &Target, path_and_query: &str) -> u128 {
    let mut hash = keyed.start("key");
    hash.part(target.scheme.as_str().as_bytes());
    match &target.host {
        Host::Name(name) => hash.number(0).part(name.as_bytes()),
        Host::Address(std::net::IpAddr::V4(address)) => hash.number(4).part(&address.octets()),
        Host::Address(std::net::IpAddr::V6(address)) => hash.number(6).part(&address.octets()),
    };
    hash.number(target.port.into()).part(path_and_query.as_bytes());
    hash.finish()
}

#[cfg(test)]
mod tests;
