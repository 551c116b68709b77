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

/// A path, or with a trailing `*` every path that starts like it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathPattern {
    /// This path alone, without query.
    Exact(Box<str>),
    /// Every path that starts with this.
    Prefix(Box<str>),
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
            (Self::Prefix(wide), Self::Prefix(narrow)) => narrow.starts_with(&**wide),
            (Self::Exact(_), Self::Prefix(_)) => false,
        }
    }

    /// Reads a path, or with a trailing `*` a prefix; a `*` elsewhere or a query is no pattern.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (path, prefix) = text.strip_suffix('*').map_or((text, false), |path| (path, true));
        if !path.starts_with('/') || path.contains(['*', '?', '#', ' ']) {
            return None;
        }
        Some(if prefix { Self::Prefix(path.into()) } else { Self::Exact(path.into()) })
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
        }
    }
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
    fn path_patterns_are_exact_or_prefixes() {
        let prefix = PathPattern::parse("/v1/*").unwrap();
        assert!(prefix.matches("/v1/") && prefix.matches("/v1/a/b") && !prefix.matches("/v1"));
        let exact = PathPattern::parse("/v1").unwrap();
        assert!(exact.matches("/v1") && !exact.matches("/v1/"));
        assert!(PathPattern::parse("/*").unwrap().matches("*"));
        for bad in ["", "v1", "*", "/a*b", "/a?b=1", "/a**"] {
            assert_eq!(PathPattern::parse(bad), None, "{bad}");
        }
    }
}
