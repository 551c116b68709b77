//! A part of a representation in the store: may it be stored, what does it answer, what does it join?
//!
//! RFC 9111 sections 3.3 and 3.4, RFC 9110 sections 14.4 and 15.3.7.
//!
//! # Deviations
//!
//! - A part without one strong entity tag is not stored, although RFC 9111 section 3.3 allows it: it
//!   could never be combined, and nobody could tell which representation it belongs to.
//! - A part that a credentialed request brought is not stored, whatever permits it; so no two users'
//!   parts are ever put together.
//! - Several parts in one response, and a part of unknown complete length, are not stored; nor is a 200
//!   that broke off.
//! - Of two parts with a gap between them the newer one stays.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::directives::Qualified;
use super::range::{self, Part, Span};
use super::validate::{is_weak, strong_match};
use crate::cache::entry::Head;
use crate::fields::{is_decisive, trim_ows};

/// Which bytes of a representation a stored part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Their positions.
    pub span: Span,
    /// Bytes of the complete representation.
    pub complete: u64,
}

/// What a 206 brings that may be stored as a part; `None` for every other response, and for a 206 that
/// is malformed or for its asker alone.
///
/// Source: RFC 9111 section 3.3, RFC 9110 section 15.3.7.1.
#[must_use]
pub fn stored_part(request: &HeaderMap, credentialed: bool, status: StatusCode, response: &HeaderMap) -> Option<StoredPart> {
    if status != StatusCode::PARTIAL_CONTENT || credentialed || !request.contains_key(header::RANGE) {
        return None;
    }
    let part = parse_content_range(single(response, &header::CONTENT_RANGE)?)?;
    let is_identified = single(response, &header::ETAG).is_some_and(is_strong_tag);
    let is_as_long = !response.contains_key(header::CONTENT_LENGTH)
        || single(response, &header::CONTENT_LENGTH).and_then(number) == Some(part.span.length());
    let is_multipart = response.get_all(header::CONTENT_TYPE).iter().any(|line| {
        let start = line.as_bytes().get(..20);
        start.is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/byteranges"))
    });
    (is_identified && is_as_long && !is_multipart).then_some(part)
}

/// The fields of a 206 as those of the representation that it is a part of, which the storing rules
/// then judge like a 200.
///
/// Source: RFC 9111 section 3.4.
#[must_use]
pub fn as_whole(fields: &HeaderMap, part: StoredPart) -> HeaderMap {
    let mut fields = fields.clone();
    fields.remove(header::CONTENT_RANGE);
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(part.complete));
    fields
}

/// May this stored part answer? Only a GET for one range that lies inside; so its tag is looked at for
/// no other request.
///
/// Source: RFC 9111 sections 3.3 and 4.3.2.
#[must_use]
pub fn answers(method: &Method, request: &HeaderMap, head: &Head, part: StoredPart) -> bool {
    matches!(range::select(method, request, head, part.complete), Part::Range(span) if part.span.contains(span))
}

/// The head of two parts put together: the stored fields, with those of the newer part in place of
/// their namesakes. `None` when they must not be combined.
///
/// A newer part that leaves out a field which caching decisions rest on was judged by less than both
/// say: then the two are not combined.
///
/// Source: RFC 9111 sections 3.2 and 3.4.
#[must_use]
pub fn combined_head(stored: &Head, newer: &Head) -> Option<Head> {
    let is_same = stored.etag().zip(newer.etag()).is_some_and(|(a, b)| strong_match(a, b));
    if !is_same || stored.credentialed || newer.credentialed {
        return None;
    }
    let absent = |name: &&HeaderName| !newer.fields.contains_key(*name);
    let rested_on = |name: &HeaderName| is_decisive(name, &[]) || name.as_str().ends_with("cache-control");
    if stored.fields.names().filter(absent).any(rested_on) {
        return None;
    }
    let withheld = newer.directives.private.fields();
    let mut fields = newer.fields.to_map(0);
    for (name, value) in &stored.fields.to_map(0) {
        if newer.fields.contains_key(name) || withheld.contains(name) {
            continue;
        }
        fields.append(name.clone(), value.clone());
    }
    let mut head = Head { fields: (&fields).into(), is_plain: false, ..newer.clone() };
    // What the older one shows only when it was validated stays so.
    let unvalidated = stored.directives.no_cache.fields().iter().filter(|name| !newer.fields.contains_key(*name));
    let unvalidated: Vec<HeaderName> = unvalidated.cloned().collect();
    if !unvalidated.is_empty() {
        Arc::make_mut(&mut head.directives).no_cache.merge(Qualified::Fields(unvalidated));
    }
    Some(head)
}

/// ABNF: `Content-Range = range-unit SP first-pos "-" last-pos "/" complete-length`, of bytes.
///
/// Source: RFC 9110 section 14.4.
fn parse_content_range(value: &[u8]) -> Option<StoredPart> {
    let (unit, rest) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    let (range, complete) = rest.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, complete) = (number(first.as_bytes())?, number(last.as_bytes())?, number(complete.as_bytes())?);
    let is_valid = unit.eq_ignore_ascii_case("bytes") && first <= last && last < complete;
    is_valid.then_some(StoredPart { span: Span { first, last }, complete })
}

/// Digits only, and no more than fit.
fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

/// ABNF: `opaque-tag = DQUOTE *etagc DQUOTE`, without `W/`.
///
/// Source: RFC 9110 section 8.8.3.
fn is_strong_tag(tag: &[u8]) -> bool {
    let inner = tag.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    !is_weak(tag) && inner.is_some_and(|inner| !inner.contains(&b'"'))
}

/// The value of a field that stands there once.
fn single<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = fields.get_all(name).iter();
    let line = lines.next()?;
    lines.next().is_none().then(|| trim_ows(line.as_bytes()))
}

#[cfg(test)]
mod tests;
