//! `Cache-Control`: a strict parser and the directives it understands.
//!
//! RFC 9111 section 5.2. All lines of the field are read; names compare without regard to case;
//! quoted strings are opaque, whatever they contain; arguments may be tokens or quoted strings.
//!
//! A directive that restricts keeps its force whatever is wrong with its argument. A directive that
//! permits or prolongs loses it: a broken `s-maxage` permits nothing and makes the response stale.
//! So does one on a line after a quoted string that never ends: the two readings of the field, line by
//! line and combined, differ, and nothing is granted that only one of them contains; what either restricts is restricted.
//!
//! # Deviations
//!
//! - `private` and `no-cache` with an argument that is not a list of field names count as
//!   unqualified (RFC 9111 section 5.2.2.7 notes that caches commonly do so for every argument).
//! - Of several valid lifetimes of one name the first counts; if any is broken, none does
//!   (RFC 9111 section 4.2.1 allows the first, or to consider the response stale).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::fields::{is_tchar, is_token, list_members, parse_delta_seconds, split_list, trim_ows};

/// A number of seconds that a directive states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seconds {
    /// A valid delta-seconds, at most 2^31 (RFC 9111 section 1.2.2).
    Valid(u32),
    /// Present, but not a number: the response is stale (RFC 9111 section 4.2.1).
    Broken,
}

/// A directive that may be limited to some fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Qualified {
    /// Not present.
    #[default]
    Absent,
    /// Present for the whole response.
    Whole,
    /// Present for these fields only (RFC 9111 sections 5.2.2.4 and 5.2.2.7).
    Fields(Vec<HeaderName>),
}

/// The response directives that a shared cache obeys.
///
/// Source: RFC 9111 section 5.2.2, RFC 5861, RFC 8246.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResponseDirectives {
    /// `max-age`.
    pub max_age: Option<Seconds>,
    /// `s-maxage`.
    pub s_maxage: Option<Seconds>,
    /// `must-revalidate`, as a restriction.
    pub must_revalidate: bool,
    /// `must-revalidate` without an argument: the form that also permits.
    pub must_revalidate_permits: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `public` without an argument.
    pub public: bool,
    /// `private`.
    pub private: Qualified,
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`.
    pub no_cache: Qualified,
    /// `must-understand`.
    pub must_understand: bool,
    /// `immutable`; an argument means nothing, unless it is none by the grammar (RFC 8246 section 2).
    pub immutable: bool,
    /// `stale-while-revalidate` (RFC 5861 section 3).
    pub stale_while_revalidate: Option<Seconds>,
    /// `stale-if-error` (RFC 5861 section 4).
    pub stale_if_error: Option<Seconds>,
}

/// The request directives that the gateway obeys.
///
/// Source: RFC 9111 section 5.2.1, RFC 5861 section 4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// `max-age`.
    pub max_age: Option<u32>,
    /// `max-stale`; without argument any staleness (`u32::MAX`).
    pub max_stale: Option<u32>,
    /// `min-fresh`.
    pub min_fresh: Option<u32>,
    /// `no-cache`.
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
    /// `stale-if-error` (RFC 5861 section 4).
    pub stale_if_error: Option<u32>,
}

/// Bytes of the longest name of a response directive that is understood: `stale-while-revalidate`.
const LONGEST_NAME: usize = 22;

/// One directive as it was written.
struct Directive<'a> {
    name: &'a [u8],
    argument: Argument<'a>,
}

enum Argument<'a> {
    None,
    /// A token, or the inside of a quoted string without escapes undone.
    Text(&'a [u8]),
    /// Something that is neither.
    Broken,
}

/// ABNF: `cache-directive = token [ "=" ( token / quoted-string ) ]`.
///
/// Nothing may stand around the equals sign; a member that is not of this form keeps its name, so that
/// a restriction survives, and has a broken argument.
fn parse_member(member: &[u8]) -> Directive<'_> {
    let end = member.iter().position(|b| !is_tchar(*b)).unwrap_or(member.len());
    let (name, rest) = member.split_at(end);
    let argument = match rest.split_first() {
        None => Argument::None,
        Some((b'=', value)) if is_token(value) => Argument::Text(value),
        Some((b'=', value)) => unquote(value).map_or(Argument::Broken, Argument::Text),
        Some(_) => Argument::Broken,
    };
    Directive { name, argument }
}

/// The inside of a quoted string that spans the whole value.
///
/// ABNF: `quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE`.
fn unquote(value: &[u8]) -> Option<&[u8]> {
    let inner = value.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut escaped = false;
    for byte in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return None,
            _ => {}
        }
    }
    (!escaped).then_some(inner)
}

/// Whether a line ends inside a quoted string, which a line after it would continue.
///
/// Source: RFC 9110 sections 5.3 and 5.6.4.
fn ends_in_quotes(line: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    quoted
}

impl Argument<'_> {
    fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    fn seconds(&self) -> Seconds {
        match self {
            Self::Text(text) => parse_delta_seconds(text).map_or(Seconds::Broken, Seconds::Valid),
            Self::None | Self::Broken => Seconds::Broken,
        }
    }

    /// ABNF: `#field-name`.
    fn qualified(&self) -> Qualified {
        let Self::Text(text) = self else { return Qualified::Whole };
        let names: Option<Vec<HeaderName>> = split_list(text).map(|name| HeaderName::from_bytes(name).ok()).collect();
        match names {
            Some(names) if !names.is_empty() => Qualified::Fields(names),
            _ => Qualified::Whole,
        }
    }
}

/// Merges a further occurrence: the first valid number stays unless one is broken.
fn merge_seconds(known: &mut Option<Seconds>, new: Seconds) {
    *known = match (*known, new) {
        (Some(Seconds::Broken), _) | (_, Seconds::Broken) => Some(Seconds::Broken),
        (Some(first), _) => Some(first),
        (None, new) => Some(new),
    };
}

impl Qualified {
    /// Whether the directive stands for the whole response.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// The fields it is limited to.
    #[must_use]
    pub fn fields(&self) -> &[HeaderName] {
        match self {
            Self::Fields(names) => names,
            Self::Absent | Self::Whole => &[],
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        *self = match (std::mem::take(self), other) {
            (Self::Whole, _) | (_, Self::Whole) => Self::Whole,
            (Self::Fields(mut names), Self::Fields(more)) => {
                names.extend(more);
                Self::Fields(names)
            }
            (known, Self::Absent) => known,
            (Self::Absent, other) => other,
        };
    }
}

impl ResponseDirectives {
    /// Reads every `Cache-Control` line of a response.
    ///
    /// Source: RFC 9111 section 5.2.
    #[must_use]
    pub fn parse(fields: &HeaderMap) -> Self {
        let mut directives = Self::default();
        let mut is_quoted = false;
        let mut lines = fields.get_all(header::CACHE_CONTROL).iter().peekable();
        while let Some(line) = lines.next() {
            for member in split_list(line.as_bytes()) {
                let mut directive = parse_member(member);
                // Combined with the lines before it, this one stands in a quoted string (RFC 9110 section 5.3).
                if is_quoted {
                    directive.argument = Argument::Broken;
                }
                directives.add(&directive);
            }
            is_quoted |= lines.peek().is_some() && ends_in_quotes(line.as_bytes());
        }
        if is_quoted {
            directives.restrict_as_combined(fields);
        }
        directives
    }

    /// Adds what restricts where all lines are read as one. A lifetime that is stated there alone, or broken there, is none.
    ///
    /// Source: RFC 9110 section 5.3.
    fn restrict_as_combined(&mut self, fields: &HeaderMap) {
        let lines: Vec<&[u8]> = fields.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
        let mut combined = Self::default();
        for member in split_list(&lines.join(&b", "[..])) {
            combined.add(&parse_member(member));
        }
        for (known, other) in [(&mut self.max_age, combined.max_age), (&mut self.s_maxage, combined.s_maxage)] {
            if other.is_some_and(|other| other == Seconds::Broken || known.is_none()) {
                *known = Some(Seconds::Broken);
            }
        }
        self.must_revalidate |= combined.must_revalidate;
        self.proxy_revalidate |= combined.proxy_revalidate;
        self.private.merge(combined.private);
        self.no_store |= combined.no_store;
        self.no_cache.merge(combined.no_cache);
    }

    /// Unknown directives change nothing (RFC 9111 section 5.2.3).
    fn add(&mut self, directive: &Directive<'_>) {
        let argument = &directive.argument;
        let mut room = [0; LONGEST_NAME];
        let Some(name) = room.get_mut(..directive.name.len()) else { return };
        name.copy_from_slice(directive.name);
        name.make_ascii_lowercase();
        match &*name {
            b"max-age" => merge_seconds(&mut self.max_age, argument.seconds()),
            b"s-maxage" => merge_seconds(&mut self.s_maxage, argument.seconds()),
            b"must-revalidate" => {
                self.must_revalidate = true;
                self.must_revalidate_permits |= argument.is_none();
            }
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"public" => self.public |= argument.is_none(),
            b"private" => self.private.merge(argument.qualified()),
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache.merge(argument.qualified()),
            b"must-understand" => self.must_understand |= argument.is_none(),
            b"immutable" => self.immutable |= !matches!(argument, Argument::Broken),
            b"stale-while-revalidate" => merge_seconds(&mut self.stale_while_revalidate, argument.seconds()),
            b"stale-if-error" => merge_seconds(&mut self.stale_if_error, argument.seconds()),
            _ => {}
        }
    }

    /// Whether the response states a lifetime of its own, valid or not.
    #[must_use]
    pub fn states_lifetime(&self) -> bool {
        self.max_age.is_some() || self.s_maxage.is_some()
    }

    /// Whether a stale response must not be used without successful validation, whatever the client
    /// or the operator allow.
    ///
    /// Source: RFC 9111 sections 4.2.4, 5.2.2.2, 5.2.2.4, 5.2.2.8 and 5.2.2.10.
    #[must_use]
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some() || self.no_cache != Qualified::Absent
    }
}

impl RequestDirectives {
    /// Reads every `Cache-Control` line of a request; broken arguments count as absent, apart from
    /// `max-age`, where they count as zero.
    ///
    /// `Pragma` is ignored: RFC 9111 section 5.4 deprecates it.
    ///
    /// Source: RFC 9111 section 5.2.1.
    #[must_use]
    pub fn parse(fields: &HeaderMap) -> Self {
        let mut directives = Self::default();
        if !fields.contains_key(header::CACHE_CONTROL) {
            return directives;
        }
        for member in list_members(fields, &header::CACHE_CONTROL) {
            let Directive { name, argument } = parse_member(member);
            let seconds = match argument.seconds() {
                Seconds::Valid(seconds) => Some(seconds),
                Seconds::Broken => None,
            };
            match name.to_ascii_lowercase().as_slice() {
                b"max-age" => directives.max_age = directives.max_age.or(Some(seconds.unwrap_or(0))),
                b"max-stale" if argument.is_none() => directives.max_stale = Some(u32::MAX),
                b"max-stale" => directives.max_stale = directives.max_stale.or(seconds),
                b"min-fresh" => directives.min_fresh = directives.min_fresh.or(seconds),
                b"no-cache" => directives.no_cache = true,
                b"no-store" => directives.no_store = true,
                b"only-if-cached" => directives.only_if_cached = true,
                b"stale-if-error" => directives.stale_if_error = directives.stale_if_error.or(seconds),
                _ => {}
            }
        }
        directives
    }

    /// What is left under `ignore_request_cache_control`: `no-store` and `only-if-cached`.
    #[must_use]
    pub fn only_binding(self) -> Self {
        Self { no_store: self.no_store, only_if_cached: self.only_if_cached, ..Self::default() }
    }
}

/// Lower-cased, unquoted and in a fixed order: the form in which another implementation may read the
/// directives without sharing our parser's input.
///
/// Directives whose argument is broken are given in their most restrictive form.
#[must_use]
pub fn canonical(directives: &ResponseDirectives) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut flag = |present: bool, name: &str| {
        if present {
            parts.push(name.to_owned());
        }
    };
    flag(directives.public, "public");
    flag(directives.private != Qualified::Absent, "private");
    flag(directives.no_store, "no-store");
    flag(directives.no_cache != Qualified::Absent, "no-cache");
    flag(directives.must_revalidate_permits, "must-revalidate");
    flag(directives.proxy_revalidate, "proxy-revalidate");
    for (name, seconds) in [("max-age", directives.max_age), ("s-maxage", directives.s_maxage)] {
        if let Some(Seconds::Valid(seconds)) = seconds {
            parts.push(format!("{name}={seconds}"));
        }
    }
    parts.join(", ")
}

/// Whether the bytes of a field line contain a word that forbids sharing, read as dumbly as possible.
///
/// Source: RFC 9111 sections 5.2.2.5 and 5.2.2.7; a guard beside the parser, not a parser.
#[must_use]
pub fn mentions_prohibition(line: &[u8]) -> bool {
    let lower = trim_ows(line).to_ascii_lowercase();
    let mentions = |word: &[u8]| lower.windows(word.len()).any(|window| window == word);
    mentions(b"private") || mentions(b"no-store")
}

#[cfg(test)]
mod tests;
