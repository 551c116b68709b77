//! A `[[policy]]` with conditions on the response: what it changes where a response fits.
//!
//! RFC 9110 section 8.3.1 (media types), section 15 (status codes).
//!
//! # Deviations
//!
//! none

use std::fmt;
use std::time::Duration;

use super::{AnonymousEntries, PolicyAuthorization, PolicyMatch, SetCookie};
use crate::fields::is_token;

/// One `[[policy]]` whose match names `content_types` or `statuses`.
#[derive(Clone, Debug)]
pub struct ResponsePolicy {
    /// The name in explanations.
    pub name: String,
    /// Which requests it looks at; no condition: all.
    pub matches: PolicyMatch,
    /// Media types of the response; empty: any, none included.
    pub content_types: Vec<MediaPattern>,
    /// Status codes of the response; empty: any.
    pub statuses: Vec<StatusRange>,
    /// What it sets.
    pub changes: Changes,
}

/// What a policy with conditions on the response sets; `None` leaves what the request's policy says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// `cache = "bypass"`: such a response is not stored.
    pub bypass: bool,
    /// The stricter of this and what the request's policy says counts.
    pub authorization: Option<PolicyAuthorization>,
    /// The stricter of this and what the request's policy says counts.
    pub anonymous_entries: Option<AnonymousEntries>,
    /// As in [`super::Policy`].
    pub set_cookie: Option<SetCookie>,
    /// As in [`super::Policy`].
    pub default_ttl: Option<Duration>,
    /// As in [`super::Policy`].
    pub heuristic: Option<bool>,
    /// As in [`super::Policy`].
    pub min_ttl: Option<Duration>,
    /// As in [`super::Policy`].
    pub max_ttl: Option<Duration>,
    /// As in [`super::Policy`].
    pub negative_ttl: Option<Duration>,
    /// As in [`super::Policy`].
    pub max_object_bytes: Option<u64>,
    /// As in [`super::Policy`].
    pub stale_while_revalidate: Option<Duration>,
    /// As in [`super::Policy`].
    pub stale_if_error: Option<Duration>,
    /// As in [`super::Policy`].
    pub max_stale_disconnected: Option<Duration>,
}

/// A media type, or with `/*` every subtype of a type; in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPattern {
    kind: Box<str>,
    /// None: every one.
    subtype: Option<Box<str>>,
}

/// Status codes from one to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusRange {
    first: u16,
    last: u16,
}

impl MediaPattern {
    /// Reads `type/subtype` or `type/*`, in any case; no parameters.
    ///
    /// Source: RFC 9110 section 8.3.1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, subtype) = text.split_once('/')?;
        let is_name = |name: &str| is_token(name.as_bytes()) && !name.contains('*');
        let is_pattern = is_name(kind) && (subtype == "*" || is_name(subtype));
        let lower = |name: &str| Box::from(name.to_ascii_lowercase());
        is_pattern.then(|| Self { kind: lower(kind), subtype: (subtype != "*").then(|| lower(subtype)) })
    }

    /// Does this pattern cover all that the other covers?
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        self.kind == other.kind && (self.subtype.is_none() || self.subtype == other.subtype)
    }

    /// Does this pattern cover a media type, given without its parameters?
    ///
    /// Source: RFC 9110 section 8.3.1 ("case-insensitive tokens").
    #[must_use]
    pub fn matches(&self, kind: &[u8], subtype: &[u8]) -> bool {
        kind.eq_ignore_ascii_case(self.kind.as_bytes())
            && self.subtype.as_ref().is_none_or(|wanted| subtype.eq_ignore_ascii_case(wanted.as_bytes()))
    }
}

impl StatusRange {
    /// All codes from `first` to `last`; none if there is none, or one that is no status code.
    ///
    /// Source: RFC 9110 section 15 (100 to 599).
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (100 <= first && first <= last && last <= 599).then_some(Self { first, last })
    }

    /// Reads a class such as `5xx` or a range such as `500-504`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx") {
            let first = class.parse::<u16>().ok().filter(|_| class.len() == 1)? * 100;
            return Self::new(first, first + 99);
        }
        let (first, last) = text.split_once('-')?;
        let code = |text: &str| text.parse::<u16>().ok().filter(|_| text.len() == 3);
        Self::new(code(first)?, code(last)?)
    }

    /// Is this one of them?
    #[must_use]
    pub fn has(self, status: u16) -> bool {
        (self.first..=self.last).contains(&status)
    }

    /// The only one, where it is written by itself.
    #[must_use]
    pub fn single(self) -> Option<u16> {
        (self.first == self.last).then_some(self.first)
    }

    /// Every one of them.
    pub fn codes(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }
}

impl fmt::Display for MediaPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.subtype.as_deref().unwrap_or("*"))
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.first, self.last) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) if first % 100 == 0 && last == first + 99 => write!(f, "{}xx", first / 100),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_compared_without_regard_to_case() {
        let covers = |pattern: &str, kind: &str, subtype: &str| {
            MediaPattern::parse(pattern).unwrap().matches(kind.as_bytes(), subtype.as_bytes())
        };
        assert!(covers("Text/HTML", "text", "html") && covers("text/html", "TEXT", "Html"));
        assert!(covers("image/*", "image", "svg+xml") && !covers("image/*", "images", "png"));
        assert!(!covers("text/html", "text", "html5") && !covers("text/html", "application", "html"));
        for wrong in
            ["", "text", "/", "text/", "/html", "*/*", "*/html", "text/h*", "text/html; charset=utf-8", "te xt/html", "a/b/c"]
        {
            assert_eq!(MediaPattern::parse(wrong), None, "{wrong}");
        }
        assert_eq!(MediaPattern::parse("Image/*").unwrap().to_string(), "image/*");
    }

    #[test]
    fn statuses_are_codes_classes_and_ranges() {
        let shown = |text: &str| StatusRange::parse(text).map(|range| range.to_string());
        assert_eq!(shown("5xx").as_deref(), Some("5xx"));
        assert_eq!(shown("500-504").as_deref(), Some("500-504"));
        assert_eq!(StatusRange::new(404, 404).unwrap().to_string(), "404");
        let class = StatusRange::parse("4xx").unwrap();
        assert!(class.has(400) && class.has(499) && !class.has(500) && !class.has(399));
        for wrong in ["", "xx", "0xx", "6xx", "40xx", "+4xx", "404", "500-", "-500", "504-500", "099-200", "500-600", "+500-504"]
        {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
        assert_eq!((StatusRange::new(99, 99), StatusRange::new(600, 600)), (None, None));
    }
}
