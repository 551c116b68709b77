//! What an operator writes to have stored responses withdrawn.
//!
//! # Deviations
//!
//! none

use serde::{Deserialize, Serialize};

use crate::auth::grammar;
use crate::cache::rules::partition::{Identity, principal_hash};
use crate::cache::store::{FilledBy, Manner, Withdrawal};
use crate::keyed::Keyed;
use crate::target::{self, Target, TargetError};

/// An order that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// What it is about.
    pub(super) what: Withdrawal,
    /// Dropped, or made stale.
    pub(super) manner: Manner,
    /// Only counts.
    pub(super) is_dry_run: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The key that named what it was about.
    what: &'static str,
    soft: bool,
    dry_run: bool,
    /// Stored responses it reached; none where they were not counted.
    count: Option<usize>,
}

/// Why an order is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// No JSON, unknown keys, values of another kind.
    #[error("expected a JSON object with one of url, prefix, tag, all, principal, credential, and soft or dry_run; {0}")]
    Json(#[from] serde_json::Error),
    /// Nothing, or several things at once.
    #[error("expected exactly one of url, prefix, tag, all, principal, credential; found {0}")]
    Several(usize),
    /// A URI that no request can have.
    #[error("{0}: expected a URI with scheme and host such as \"http://example.com/path\"; {1}")]
    Uri(&'static str, TargetError),
    /// `all` is no question.
    #[error("all: expected true, found false")]
    NotAll,
    /// No listing.
    #[error("expected a JSON object with prefix, and limit; {0}")]
    Listing(#[source] serde_json::Error),
    /// A limit outside its bounds.
    #[error("limit: expected a number from 1 to {0}, found another")]
    Limit(usize),
    /// No revocation.
    #[error("expected a JSON object with principal, and lift; {0}")]
    Revocation(#[source] serde_json::Error),
    /// No level.
    #[error("expected a JSON object with level; {0}")]
    Level(#[source] serde_json::Error),
    /// Another level.
    #[error("level: expected error, warn, info, debug or trace, found something else")]
    UnknownLevel,
    /// An empty name.
    #[error("{0}: expected a name, found none")]
    Empty(&'static str),
    /// No hash.
    #[error("credential: expected 16 hex digits as the access log shows them, found something else")]
    Credential,
}

/// The order as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    url: Option<String>,
    prefix: Option<String>,
    tag: Option<String>,
    all: Option<bool>,
    principal: Option<String>,
    credential: Option<String>,
    #[serde(default)]
    soft: bool,
    #[serde(default)]
    dry_run: bool,
}

impl Order {
    /// Reads an order.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &[u8], keyed: &Keyed) -> Result<Self, OrderError> {
        let written: Written = serde_json::from_slice(text)?;
        let (manner, is_dry_run) = (if written.soft { Manner::Stale } else { Manner::Dropped }, written.dry_run);
        let mut named = written.withdrawals(keyed)?;
        match (named.pop(), named.len()) {
            (Some(what), 0) => Ok(Self { what, manner, is_dry_run }),
            (last, others) => Err(OrderError::Several(others + usize::from(last.is_some()))),
        }
    }

    /// What is told of it when it was carried out.
    pub(super) fn report(&self, count: Option<usize>) -> Report {
        Report { what: self.word(), soft: self.manner == Manner::Stale, dry_run: self.is_dry_run, count }
    }

    /// The key that names what it is about.
    pub(super) fn word(&self) -> &'static str {
        match self.what {
            Withdrawal::All => "all",
            Withdrawal::Credential(_) => "credential",
            Withdrawal::Prefix(_) => "prefix",
            Withdrawal::Principal(_) => "principal",
            Withdrawal::Tag(_) => "tag",
            Withdrawal::Url(_) => "url",
        }
    }

    /// The host that it is about, if it names one; the rest of a URI may hold a secret.
    pub(super) fn host(&self) -> Option<String> {
        match &self.what {
            Withdrawal::Prefix(target) | Withdrawal::Url(target) => Some(target.authority()),
            Withdrawal::All | Withdrawal::Credential(_) | Withdrawal::Principal(_) | Withdrawal::Tag(_) => None,
        }
    }
}

impl Written {
    fn withdrawals(self, keyed: &Keyed) -> Result<Vec<Withdrawal>, OrderError> {
        let Self { url, prefix, tag, all, principal, credential, soft: _, dry_run: _ } = self;
        let named = [
            url.map(|text| target("url", &text).map(Withdrawal::Url)),
            prefix.map(|text| target("prefix", &text).map(Withdrawal::Prefix)),
            tag.map(|tag| name("tag", &tag).map(|tag| Withdrawal::Tag(tag.into()))),
            all.map(|all| if all { Ok(Withdrawal::All) } else { Err(OrderError::NotAll) }),
            principal.map(|user| name("principal", &user).map(|user| Withdrawal::Principal(person(keyed, user)))),
            credential.map(|digits| class(&digits).map(Withdrawal::Credential)),
        ];
        named.into_iter().flatten().collect()
    }
}

/// A URI with scheme and host.
pub(super) fn target(key: &'static str, text: &str) -> Result<Target, OrderError> {
    target::parse_uri(text).map_err(|error| OrderError::Uri(key, error))
}

/// A name that is not empty.
pub(super) fn name<'a>(key: &'static str, text: &'a str) -> Result<&'a str, OrderError> {
    if text.is_empty() { Err(OrderError::Empty(key)) } else { Ok(text) }
}

/// User names are compared in one normalization form (RFC 7617 section 2.1).
fn person(keyed: &Keyed, user: &str) -> u64 {
    let principal = principal_hash(keyed, Some(&grammar::normalise(user)));
    FilledBy { identity: Identity { class: 0, principal }, asked: 0 }.principal()
}

fn class(digits: &str) -> Result<u64, OrderError> {
    let is_hash = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| is_hash).ok_or(OrderError::Credential)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Order, String> {
        Order::parse(text.as_bytes(), &Keyed::random().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_key_names_what_is_withdrawn() {
        for (text, word, host) in [
            (r#"{"url": "http://a.example/x?y=z"}"#, "url", Some("a.example")),
            (r#"{"url": "HTTPS://A.example:443/x"}"#, "url", Some("a.example")),
            (r#"{"prefix": "http://a.example:8080"}"#, "prefix", Some("a.example:8080")),
            (r#"{"tag": "news"}"#, "tag", None),
            (r#"{"all": true}"#, "all", None),
            (r#"{"principal": "alice"}"#, "principal", None),
            (r#"{"credential": "00ff00ff00ff00ff"}"#, "credential", None),
        ] {
            let order = read(text).unwrap();
            assert_eq!((order.word(), order.host().as_deref()), (word, host), "{text}");
            assert_eq!((order.manner, order.is_dry_run), (Manner::Dropped, false));
        }
        let order = read(r#"{"all": true, "soft": true, "dry_run": true}"#).unwrap();
        assert_eq!((order.manner, order.is_dry_run), (Manner::Stale, true));
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for (text, start) in [
            ("", "expected a JSON object"),
            ("[]", "expected a JSON object"),
            (r#"{"urls": "x"}"#, "expected a JSON object"),
            (r#"{"url": 1}"#, "expected a JSON object"),
            ("{}", "expected exactly one of url, prefix, tag, all, principal, credential; found 0"),
            (r#"{"soft": true}"#, "expected exactly one"),
            (r#"{"tag": "a", "all": true}"#, "expected exactly one of url, prefix, tag, all, principal, credential; found 2"),
            (r#"{"all": false}"#, "all: expected true, found false"),
            (r#"{"tag": ""}"#, "tag: expected a name, found none"),
            (r#"{"principal": ""}"#, "principal: expected a name, found none"),
            (r#"{"url": "/x"}"#, "url: expected a URI with scheme and host"),
            (r#"{"url": "a.example/x"}"#, "url: expected a URI with scheme and host"),
            (r#"{"prefix": "ftp://a.example/x"}"#, "prefix: expected a URI with scheme and host"),
            (r#"{"prefix": "http://user@a.example/x"}"#, "prefix: expected a URI with scheme and host"),
            (r#"{"credential": "12"}"#, "credential: expected 16 hex digits"),
            (r#"{"credential": "+0ff00ff00ff00ff"}"#, "credential: expected 16 hex digits"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.starts_with(start), "{text}: {message}");
        }
    }

    #[test]
    fn a_name_is_one_however_it_is_spelled() {
        let keyed = Keyed::random().unwrap();
        assert_eq!(person(&keyed, "a\u{308}"), person(&keyed, "\u{e4}"));
        assert_ne!(person(&keyed, "alice"), person(&keyed, "bob"));
    }
}
