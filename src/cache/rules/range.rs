//! A part of a stored response.
//!
//! RFC 9110 section 14 (ranges), section 13.1.5 (If-Range), sections 15.3.7 and 15.5.17.
//!
//! # Deviations
//!
//! - A request for several ranges gets the whole representation (RFC 9110 section 14.2 lets a server
//!   ignore `Range`).

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};

use super::validate::strong_match;
use crate::cache::entry::Head;
use crate::fields::{parse_http_date, trim_ows};

/// What a request asks of a representation of known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes, first and last included.
    Range {
        /// First byte position.
        first: u64,
        /// Last byte position.
        last: u64,
    },
    /// A range outside it: 416.
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
        return stored.etag().is_some_and(|etag| strong_match(condition, etag.as_bytes()));
    }
    let now = stored.age.response_time;
    let date = |value: &HeaderValue| parse_http_date(value.as_bytes(), now);
    let (modified, dated) =
        (stored.fields.get(header::LAST_MODIFIED).and_then(date), stored.fields.get(header::DATE).and_then(date));
    // RFC 9110 section 8.8.2.2: a date is strong when it is at least a second older than Date.
    let is_strong =
        modified.zip(dated).is_some_and(|(modified, dated)| dated.duration_since(modified).is_ok_and(|gap| gap.as_secs() >= 1));
    is_strong && parse_http_date(condition, now).is_some_and(|since| Some(since) == modified)
}

/// ABNF: `ranges-specifier = range-unit "=" range-set`; one `int-range` or `suffix-range` of bytes.
///
/// What does not parse is ignored (RFC 9110 section 14.2).
fn parse(value: &[u8], length: u64) -> Part {
    let Some(set) = std::str::from_utf8(value).ok().and_then(strip_unit) else { return Part::Whole };
    let Some((first, last)) = set.split_once('-') else { return Part::Whole };
    match (position(first), position(last)) {
        (Some(Some(first)), Some(last)) => {
            if last.is_some_and(|last| last < first) {
                return Part::Whole;
            }
            if first >= length {
                return Part::NotSatisfiable;
            }
            Part::Range { first, last: last.unwrap_or(u64::MAX).min(length - 1) }
        }
        (Some(None), Some(Some(suffix))) => {
            if suffix == 0 {
                return Part::NotSatisfiable;
            }
            // Any suffix of nothing is satisfiable and is all of it (RFC 9110 section 14.1.2); no
            // Content-Range could say so.
            if length == 0 {
                return Part::Whole;
            }
            Part::Range { first: length.saturating_sub(suffix), last: length - 1 }
        }
        _ => Part::Whole,
    }
}

/// `bytes=` in any case; several ranges are not for us.
fn strip_unit(value: &str) -> Option<&str> {
    let (unit, set) = value.split_once('=')?;
    let set = set.trim_matches([' ', '\t']);
    (unit.eq_ignore_ascii_case("bytes") && !set.contains(',')).then_some(set)
}

/// `None`: not a position. `Some(None)`: left out. Beyond `u64` counts as its largest value.
fn position(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

/// The value of `Content-Range` for a part, or for a range that cannot be satisfied.
///
/// Source: RFC 9110 section 14.4.
#[must_use]
pub fn content_range(part: Part, length: u64) -> Option<HeaderValue> {
    let text = match part {
        Part::Whole => return None,
        Part::Range { first, last } => format!("bytes {first}-{last}/{length}"),
        Part::NotSatisfiable => format!("bytes */{length}"),
    };
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests;
