//! The patterns that access rules, routes and policies name hosts and paths with.
//!
//! RFC 9110 section 4.2.3 (hosts compare without regard to case; [`Host`] is in one spelling
//! already, so that plain comparison does).
//!
//! # Deviations
//!
//! - Paths compare exactly as sent; who must not be fooled by another spelling of the same path
//!   compares several spellings ([`crate::access`]).

use std::fmt;

use crate::target::{Host, Target};

/// A host name, or with `*.` in front every name below it (not the name itself).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Any host: `*`.
    Any,
    /// This host alone.
    Exact(Host),
    /// Every name below, stored with its leading dot (`.example.com`).
    Below(Box<str>),
}

/// A path, or with a trailing `*` every path that starts like it, or one with `*` elsewhere for any characters, slashes
/// included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// This path alone, without query.
    Exact(Box<str>),
    /// Every path that starts with this.
    Prefix(Box<str>),
    /// Every path that is this with something, or nothing, in place of each `*`; at least one is not the last character.
    Glob(Box<str>),
}

impl HostPattern {
    /// Reads `*`, a host, or a name with `*.` in front.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let Some(name) = text.strip_prefix("*.") else {
            return Host::parse(text).ok().map(Self::Exact);
        };
        match Host::parse(name).ok()? {
            Host::Name(name) => Some(Self::Below(format!(".{name}").into())),
            Host::Address(_) => None,
        }
    }

    /// Does this pattern cover the host? An IPv4 address is the same in its IPv6-mapped spelling.
    ///
    /// Source: RFC 4291 section 2.5.5.2.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exact(Host::Address(one)), Host::Address(other)) => one.to_canonical() == other.to_canonical(),
            (Self::Exact(one), other) => one == other,
            (Self::Below(suffix), Host::Name(name)) => name.len() > suffix.len() && name.ends_with(&**suffix),
            (Self::Below(_), Host::Address(_)) => false,
        }
    }
}

impl HostPattern {
    /// Does this pattern cover all that the other covers?
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (one, Self::Exact(host)) => one.matches(host),
            (Self::Below(wide), Self::Below(narrow)) => narrow.ends_with(&**wide),
            (Self::Below(_) | Self::Exact(_), Self::Any) | (Self::Exact(_), Self::Below(_)) => false,
        }
    }
}

impl PathPattern {
    /// Does this pattern cover all that the other covers?
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (one, Self::Exact(path)) => one.matches(path),
            (Self::Prefix(wide), Self::Prefix(_) | Self::Glob(_)) => other.start().starts_with(&**wide),
            (Self::Glob(one), Self::Glob(other)) => one == other,
            (Self::Exact(_) | Self::Glob(_), _) => false,
        }
    }

    /// May there be a path that both cover? Said of two patterns with `*` inside whenever their beginnings agree.
    #[must_use]
    pub fn may_meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(path), pattern) | (pattern, Self::Exact(path)) => pattern.matches(path),
            (one, other) => one.start().starts_with(other.start()) || other.start().starts_with(one.start()),
        }
    }

    /// What every path that it covers starts with.
    #[must_use]
    pub fn start(&self) -> &str {
        match self {
            Self::Exact(path) | Self::Prefix(path) => path,
            Self::Glob(pattern) => pattern.split('*').next().unwrap_or_default(),
        }
    }

    /// Reads a path, or with a trailing `*` a prefix, or with `*` elsewhere a pattern; two stars in a row or a query are none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.starts_with('/') || text.contains(['?', '#', ' ']) || text.contains("**") {
            return None;
        }
        Some(match text.strip_suffix('*') {
            _ if !text.contains('*') => Self::Exact(text.into()),
            Some(start) if !start.contains('*') => Self::Prefix(start.into()),
            _ => Self::Glob(text.into()),
        })
    }

    /// Does this pattern cover the target's path? Where every path will do, none is looked for.
    #[must_use]
    pub fn covers(&self, target: &Target) -> bool {
        matches!(self, Self::Prefix(prefix) if &**prefix == "/") || self.matches(target.path())
    }

    /// Does this pattern cover the path (without query)?
    ///
    /// `/*` covers everything, the target `*` of OPTIONS and the empty path of CONNECT included.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *path,
            Self::Prefix(prefix) => &**prefix == "/" || path.starts_with(&**prefix),
            Self::Glob(pattern) => matches_glob(pattern, path),
        }
    }
}

/// Is the path the pattern with something in place of each `*`? Taking each piece where it comes first leaves the most for
/// those behind it.
fn matches_glob(pattern: &str, path: &str) -> bool {
    let mut pieces = pattern.split('*');
    let (Some(first), Some(last)) = (pieces.next(), pieces.next_back()) else { return false };
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(host) => host.fmt(f),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(path) => write!(f, "{path}*"),
            Self::Glob(pattern) => f.write_str(pattern),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_patterns_cover_names_below_but_not_the_name() {
        let below = HostPattern::parse("*.Example.com").unwrap();
        assert_eq!(below.to_string(), "*.example.com");
        for (host, expect) in
            [("a.example.com", true), ("A.b.EXAMPLE.com.", true), ("example.com", false), ("badexample.com", false)]
        {
            assert_eq!(below.matches(&Host::parse(host).unwrap()), expect, "{host}");
        }
        let address = HostPattern::parse("10.0.0.1").unwrap();
        assert!(address.matches(&Host::parse("[::ffff:10.0.0.1]").unwrap()));
        assert!(HostPattern::parse("*").unwrap().matches(&Host::parse("10.0.0.1").unwrap()));
        for bad in ["", "*.", "*.10.0.0.1", "a b", "a.*.com", "0x7f.1", "http://a"] {
            assert_eq!(HostPattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_star_inside_a_path_stands_for_anything() {
        let cases: [(&str, &[&str], &[&str]); 5] = [
            ("/*/feed", &["/a/feed", "/a/b/feed", "//feed"], &["/feed", "/a/feeds", "/a/feed/", "a/feed", "*"]),
            ("/a*b", &["/ab", "/a-b", "/a/b/b"], &["/a", "/a-bc", "/b"]),
            ("/v1/*/items/*", &["/v1/x/items/", "/v1/x/y/items/7", "/v1//items/"], &["/v1/items/7", "/v1/x/items"]),
            ("/*aa*aa", &["/aaaa", "/xaaxaa", "/aaaaa"], &["/aaa", "/aa", "/aaxa"]),
            ("/*.jpg*x", &["/.jpgx", "/a.jpg.jpgx"], &["/a.jpg", "/a.png/x"]),
        ];
        for (pattern, covered, others) in cases {
            let parsed = PathPattern::parse(pattern).unwrap();
            assert_eq!(parsed.to_string(), pattern);
            for path in covered {
                assert!(parsed.matches(path) && path.starts_with(parsed.start()), "{pattern} {path}");
            }
            for path in others {
                assert!(!parsed.matches(path), "{pattern} {path}");
            }
        }
        let of = |text| PathPattern::parse(text).unwrap();
        assert!(of("/v1/*").includes(&of("/v1/*/x")) && !of("/v1/*/x").includes(&of("/v1/*")));
        assert!(of("/*/x").includes(&of("/a/x")) && of("/*/x").includes(&of("/*/x")) && !of("/*/x").includes(&of("/*/y")));
        assert!(of("/v1/*").may_meet(&of("/*/x")) && of("/*/x").may_meet(&of("/v1/*")) && of("/*/x").may_meet(&of("/a/x")));
        assert!(!of("/v1/*/x").may_meet(&of("/v2/*")) && !of("/*/x").may_meet(&of("/a/y")) && of("/a*").may_meet(&of("/ab*")));
    }

    #[test]
    fn path_patterns_are_exact_or_prefixes() {
        let prefix = PathPattern::parse("/v1/*").unwrap();
        assert!(prefix.matches("/v1/") && prefix.matches("/v1/a/b") && !prefix.matches("/v1"));
        let exact = PathPattern::parse("/v1").unwrap();
        assert!(exact.matches("/v1") && !exact.matches("/v1/"));
        assert!(PathPattern::parse("/*").unwrap().matches("*"));
        for bad in ["", "v1", "*", "/a?b=1", "/a**", "/**/b", "/a b", "/a*#b"] {
            assert_eq!(PathPattern::parse(bad), None, "{bad}");
        }
    }
}
