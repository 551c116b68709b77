//! For whom is a stored response, where the operator narrows its reuse to who filled it?
//!
//! RFC 9111 section 3.5 says what may be shared at all, and is asked as ever; section 1.1 allows a cache to do less. What
//! another partition holds is as if it were not there: nothing tells an asker that somebody else has asked before.
//!
//! # Deviations
//!
//! none

use http::header::{self, HeaderMap};

use super::authorization::is_listed_cookie;
use super::query::Named;
use crate::config::settings::{Credentials, PartitionBy};
use crate::fields::trim_ows;
use crate::keyed::Keyed;

/// The requests among which a stored response is reused, validated, offered and waited for.
///
/// Two are the same only if they were made the same way: what was stored under one kind is not there under another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Partition {
    /// All requests.
    #[default]
    Common,
    /// Those of one credential class.
    Credential(u128),
    /// Those of one verified user.
    Principal(u128),
}

/// Which of the responses that are stored for a key are there for a request at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Those of its partition.
    pub partition: Partition,
    /// Those that its target selects.
    pub named: Named,
}

impl From<Partition> for Sight {
    /// Of a request whose target as sent is its key.
    fn from(partition: Partition) -> Self {
        Self { partition, named: Named::EXACT }
    }
}

/// Who asks, as keyed hashes: all that is remembered of it when the request is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// All credentials of the request; those without any are one class.
    pub class: u128,
    /// The user that the gateway verified; nobody is one of them.
    pub principal: u128,
}

impl Partition {
    /// The partition of who asks, under a policy that divides by this.
    #[must_use]
    pub fn of(by: PartitionBy, identity: impl FnOnce() -> Identity) -> Self {
        match by {
            PartitionBy::Nothing => Self::Common,
            PartitionBy::Credential => Self::Credential(identity().class),
            PartitionBy::Principal => Self::Principal(identity().principal),
        }
    }

    /// A number that no two partitions share; 0 for all requests.
    #[must_use]
    pub fn number(self) -> u128 {
        match self {
            Self::Common => 0,
            Self::Credential(hash) | Self::Principal(hash) => hash,
        }
    }
}

/// A keyed hash of every credential that a request brings: `Authorization`, listed fields and cookies, and its `query`, to
/// be given if a credential is in it.
///
/// Source: RFC 9111 section 3.5, RFC 6265 section 4.2.1, RFC 6750 section 2.3.
#[must_use]
pub fn credential_class(keyed: &Keyed, fields: &HeaderMap, query: Option<&str>, listed: &Credentials) -> u128 {
    let mut hash = keyed.start("credential class");
    if let Some(query) = query {
        hash.number(1).part(query.as_bytes());
    }
    for name in std::iter::once(&header::AUTHORIZATION).chain(&listed.headers) {
        for line in fields.get_all(name) {
            hash.number(2).part(name.as_str().as_bytes()).part(line.as_bytes());
        }
    }
    // The whole pair, commas and all: a value that was cut short could be somebody else's.
    let pairs = fields.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    for pair in pairs.filter(|pair| !listed.cookies.is_empty() && is_listed_cookie(pair, &listed.cookies)) {
        hash.number(3).part(trim_ows(pair));
    }
    hash.finish()
}

/// The class of a request whose credentials speak for its connection: of no other request.
///
/// Source: RFC 4559 section 6.
#[must_use]
pub fn class_of_one(keyed: &Keyed, id: u64) -> u128 {
    keyed.start("credential class of one request").number(id).finish()
}

/// A keyed hash of the user that the gateway verified.
#[must_use]
pub fn principal_hash(keyed: &Keyed, name: Option<&str>) -> u128 {
    let mut hash = keyed.start("principal");
    if let Some(name) = name {
        hash.part(name.as_bytes());
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::rules::authorization::request_credentials;
    use crate::cache::tests::{Lines, fields, names};

    fn class(keyed: &Keyed, request: Lines<'_>, query: Option<&str>) -> u128 {
        let listed = Credentials { headers: names(&["x-api-key"]), cookies: vec!["sid".to_owned()], ..Credentials::default() };
        let request = fields(request);
        let credentials = request_credentials(&request, query, &listed);
        credential_class(keyed, &request, query.filter(|_| credentials.in_query), &listed)
    }

    #[test]
    fn d6_a_class_is_all_credentials_and_nothing_else() {
        let keyed = Keyed::random().unwrap();
        let nobody = class(&keyed, &[], None);
        for (request, query) in [
            (&[("cookie", "theme=dark"), ("user-agent", "a"), ("proxy-authorization", "Basic YTph")][..], None),
            (&[("cookie", "xsid=1; sidx=2")], Some("page=2")),
        ] {
            assert_eq!(class(&keyed, request, query), nobody, "{request:?} {query:?}");
        }
        let apart = [
            (&[("authorization", "Bearer a")][..], None),
            (&[("authorization", "Bearer b")], None),
            (&[("authorization", "")], None),
            (&[("x-api-key", "Bearer a")], None),
            (&[("x-api-key", "a"), ("x-api-key", "b")], None),
            (&[("x-api-key", "ab")], None),
            (&[("authorization", "Bearer a"), ("x-api-key", "b")], None),
            (&[("authorization", "Bearer a"), ("cookie", "sid=1")], None),
            (&[("cookie", "sid=1")], None),
            (&[("cookie", "sid=2")], None),
            (&[("cookie", "sid=")], None),
            (&[("cookie", "sid=1,2")], None),
            (&[("cookie", "sid=1,3")], None),
            (&[("cookie", "sid=1; sid=2")], None),
            (&[("cookie", "a=b, sid=1")], None),
            (&[], Some("access_token=a")),
            (&[], Some("access_token=b")),
            (&[("authorization", "Bearer a")], Some("access_token=a")),
        ];
        let mut seen = vec![nobody];
        for (request, query) in apart {
            let class = class(&keyed, request, query);
            assert!(!seen.contains(&class), "{request:?} {query:?}");
            seen.push(class);
        }
        for (a, b) in [("theme=dark; sid=1", "sid=1;theme=light"), ("sid=1", " sid=1 ")] {
            assert_eq!(class(&keyed, &[("cookie", a)], None), class(&keyed, &[("cookie", b)], None), "{a} and {b}");
        }
        assert_ne!(class_of_one(&keyed, 1), class_of_one(&keyed, 2));
    }

    #[test]
    fn d6_nobody_is_a_principal_apart_from_every_name() {
        let keyed = Keyed::random().unwrap();
        let all = [None, Some(""), Some("alice"), Some("bob")].map(|name| principal_hash(&keyed, name));
        assert!((1..all.len()).all(|at| !all.iter().take(at).any(|other| *other == all[at])));
        assert_eq!(principal_hash(&keyed, Some("alice")), all[2]);
    }

    #[test]
    fn each_kind_of_partition_looks_at_its_own_hash() {
        let identity = |class, principal| move || Identity { class, principal };
        assert_eq!(Partition::of(PartitionBy::Nothing, || unreachable!()), Partition::Common);
        for (by, same, other) in [(PartitionBy::Credential, (1, 9), (9, 2)), (PartitionBy::Principal, (9, 2), (1, 9))] {
            let own = Partition::of(by, identity(1, 2));
            assert_eq!(own, Partition::of(by, identity(same.0, same.1)));
            assert_ne!(own, Partition::of(by, identity(other.0, other.1)));
        }
        assert_ne!(Partition::Credential(1), Partition::Principal(1));
    }
}
