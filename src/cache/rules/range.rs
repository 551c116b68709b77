//! Which part of a representation a request asks for.
//!
//! RFC 9110 section 14 (ranges), section 13.1.5 (If-Range), sections 15.3.7 and 15.5.17.
//!
//! # Deviations
//!
//! - `Range` is ignored when it names more than [`MOST_RANGES`] ranges or when more than two of them
//!   overlap (RFC 9110 section 14.2 suggests both); ranges that overlap or adjoin become one.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::validate::strong_match;
use crate::cache::entry::Head;
use crate::fields::{Lines, parse_http_date, trim_ows};

/// Ranges that one request may name.
pub const MOST_RANGES: usize = 6;

/// Bytes of a representation, by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte position.
    pub first: u64,
    /// Last byte position, included; never before the first.
    pub last: u64,
}

impl Span {
    /// Bytes in it.
    #[must_use]
    pub fn length(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    /// Whether the other lies inside.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// One span of both, if no byte is missing between them.
    #[must_use]
    pub fn join(self, other: Self) -> Option<Self> {
        let adjoins = self.first <= other.last.saturating_add(1) && other.first <= self.last.saturating_add(1);
        adjoins.then(|| Self { first: self.first.min(other.first), last: self.last.max(other.last) })
    }
}

/// What a request asks of a representation of known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Range(Span),
    /// At least two spans, in the order of the request, that neither overlap nor adjoin.
    Ranges(Vec<Span>),
    /// Only ranges outside it: 416.
    NotSatisfiable,
}

/// Which part of a stored 200 does this request want?
///
/// Source: RFC 9110 sections 14.2 and 14.1.2.
#[must_use]
pub fn select(method: &Method, request: &HeaderMap, stored: &Head, length: u64) -> Part {
    if method != Method::GET || stored.status != StatusCode::OK {
        return Part::Whole;
    }
    let mut lines = request.get_all(header::RANGE).iter();
    let (Some(range), None) = (lines.next(), lines.next()) else { return Part::Whole };
    if !if_range_holds(request, stored) {
        return Part::Whole;
    }
    parse(range.as_bytes(), length)
}

/// ABNF: `If-Range = entity-tag / HTTP-date`; a weak tag never holds, a date only when it is exactly a
/// strong `Last-Modified`.
///
/// Source: RFC 9110 section 13.1.5.
fn if_range_holds(request: &HeaderMap, stored: &Head) -> bool {
    let mut lines = request.get_all(header::IF_RANGE).iter();
    let Some(condition) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    let condition = trim_ows(condition.as_bytes());
    if condition.ends_with(b"\"") {
        return stored.etag().is_some_and(|etag| strong_match(condition, etag));
    }
    let now = stored.age.response_time;
    let date = |name| stored.fields.lines(&name).next().and_then(|value| parse_http_date(value, now));
    let (modified, dated) = (date(header::LAST_MODIFIED), date(header::DATE));
    // RFC 9110 section 8.8.2.2: a date is strong when it is at least a second older than Date.
    let is_strong =
        modified.zip(dated).is_some_and(|(modified, dated)| dated.duration_since(modified).is_ok_and(|gap| gap.as_secs() >= 1));
    is_strong && parse_http_date(condition, now).is_some_and(|since| Some(since) == modified)
}

/// ABNF: `ranges-specifier = range-unit "=" range-set`, `range-set = 1#range-spec`, of bytes.
///
/// What does not parse, or asks for too much, is ignored (RFC 9110 section 14.2).
pub(super) fn parse(value: &[u8], length: u64) -> Part {
    let Some(set) = std::str::from_utf8(value).ok().and_then(strip_unit) else { return Part::Whole };
    // RFC 9110 section 5.6.1.2: a reasonable number of empty members is ignored.
    if set.split(',').count() > 2 * MOST_RANGES {
        return Part::Whole;
    }
    let members = set.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty());
    let Some(wanted) = members.map(|member| range_spec(member, length)).collect::<Option<Vec<_>>>() else {
        return Part::Whole;
    };
    let takes_all = wanted.contains(&Wanted::AllOfNothing);
    if wanted.is_empty() || wanted.len() > MOST_RANGES || takes_all {
        return Part::Whole;
    }
    let spans: Vec<Span> =
        wanted.into_iter().filter_map(|wanted| if let Wanted::Bytes(span) = wanted { Some(span) } else { None }).collect();
    if overlapping(&spans) > 2 {
        return Part::Whole;
    }
    let spans = coalesce(spans);
    match *spans {
        [] => Part::NotSatisfiable,
        [span] => Part::Range(span),
        _ => Part::Ranges(spans),
    }
}

/// `bytes=` in any case.
fn strip_unit(value: &str) -> Option<&str> {
    let (unit, set) = value.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then_some(set)
}

/// One valid range of a request, against a length.
#[derive(PartialEq, Eq)]
enum Wanted {
    Bytes(Span),
    /// A suffix of nothing: satisfiable, and all of it; no `Content-Range` could say so.
    AllOfNothing,
    Outside,
}

/// ABNF: `int-range = first-pos "-" [ last-pos ]`, `suffix-range = "-" suffix-length`; `None`: neither.
///
/// Source: RFC 9110 sections 14.1.1 and 14.1.2.
fn range_spec(text: &str, length: u64) -> Option<Wanted> {
    let (first, last) = text.split_once('-')?;
    let end = length.checked_sub(1);
    Some(match (position(first)?, position(last)?) {
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), last) => match end {
            Some(end) if first <= end => Wanted::Bytes(Span { first, last: last.unwrap_or(end).min(end) }),
            _ => Wanted::Outside,
        },
        (None, Some(0)) => Wanted::Outside,
        (None, Some(suffix)) => {
            end.map_or(Wanted::AllOfNothing, |last| Wanted::Bytes(Span { first: length.saturating_sub(suffix), last }))
        }
        (None, None) => return None,
    })
}

/// How many of the spans overlap another one.
fn overlapping(spans: &[Span]) -> usize {
    let overlaps_another =
        |(at, span): &(usize, &Span)| spans.iter().enumerate().any(|(other_at, other)| other_at != *at && span.overlaps(*other));
    spans.iter().enumerate().filter(overlaps_another).count()
}

/// The same bytes as spans that neither overlap nor adjoin, each in the place of its first part.
///
/// Source: RFC 9110 section 15.3.7.2.
fn coalesce(spans: Vec<Span>) -> Vec<Span> {
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        let adjoins = |other: &Span| other.join(span).is_some();
        let place = apart.iter().position(adjoins).unwrap_or(apart.len());
        let (joined, mut rest): (Vec<Span>, Vec<Span>) = apart.into_iter().partition(adjoins);
        rest.insert(place, joined.into_iter().fold(span, |sum, other| sum.join(other).unwrap_or(sum)));
        apart = rest;
    }
    apart
}

/// `None`: not a position. `Some(None)`: left out. Beyond `u64` counts as its largest value.
fn position(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

/// The value of `Content-Range` for these bytes of a representation of this length.
///
/// Source: RFC 9110 section 14.4.
#[must_use]
pub fn content_range(span: Span, complete: u64) -> HeaderValue {
    written(format!("bytes {}-{}/{complete}", span.first, span.last))
}

/// The value of `Content-Range` when no range can be satisfied.
///
/// Source: RFC 9110 section 15.5.17.
#[must_use]
pub fn unsatisfied_range(complete: u64) -> HeaderValue {
    written(format!("bytes */{complete}"))
}

/// Digits and the like always make a field value; the fallback states nothing.
fn written(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}

#[cfg(test)]
mod tests;
