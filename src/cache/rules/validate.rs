//! Validation: what is asked of the origin, and what its 304 is worth.
//!
//! RFC 9111 sections 4.3.1, 4.3.4 and 4.3.5, RFC 9110 sections 8.8.3.2 and 13.1.
//!
//! # Deviations
//!
//! - The client's own preconditions are replaced by ours and evaluated here against the validated
//!   response; RFC 9111 section 4.3.2 would also allow a union of entity tags.
//! - A 304 without any validator confirms the response that the condition was made from, although
//!   that response has one (RFC 9111 section 4.3.4 says so only of a response without): origins leave
//!   `ETag` out against RFC 9110 section 15.4.5, and the condition named one response alone.
//! - A request for a range is validated like any other, with `If-None-Match` or `If-Modified-Since`: neither
//!   `If-Unmodified-Since` nor `If-Range` is made of a stored `Last-Modified` (two MAYs of RFC 9111 section 4.3.1).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::cache::entry::Head;
use crate::fields::trim_ows;
use crate::hop::Instead;

/// What is said in place of the preconditions of a request that is about to be forwarded: the stored validators, of which
/// there may be none, so that the request goes out unconditionally.
///
/// Source: RFC 9111 section 4.3.1.
#[must_use]
pub fn conditions(stored: &Head) -> [Instead; 2] {
    [
        (header::IF_NONE_MATCH, stored.fields.get(header::ETAG)),
        (header::IF_MODIFIED_SINCE, stored.fields.get(header::LAST_MODIFIED)),
    ]
}

/// The preconditions that a cache may evaluate itself, left out.
///
/// Source: RFC 9111 section 4.3.2.
pub const NO_CONDITIONS: [Instead; 2] = [(header::IF_NONE_MATCH, None), (header::IF_MODIFIED_SINCE, None)];

/// Whether a 304 selects this stored response for update.
///
/// With a strong validator the two must be identical; with a weak one they must match weakly; with
/// none, the response that the condition was made from is the one.
///
/// Source: RFC 9111 section 4.3.4.
#[must_use]
pub fn selects(not_modified: &HeaderMap, stored: &Head) -> bool {
    let (new_tag, old_tag) = (not_modified.get(header::ETAG), stored.etag());
    if let Some(new_tag) = new_tag {
        let new_tag = trim_ows(new_tag.as_bytes());
        let Some(old_tag) = old_tag else { return false };
        let old_tag = trim_ows(old_tag);
        return if is_weak(new_tag) { weak_match(new_tag, old_tag) } else { new_tag == old_tag };
    }
    match (not_modified.get(header::LAST_MODIFIED), stored.fields.get(header::LAST_MODIFIED)) {
        (Some(new), Some(old)) => *new == old,
        // A date alone is a weak validator; one that we never stored selects nothing.
        (Some(_), None) => old_tag.is_some(),
        (None, _) => true,
    }
}

/// Does a 200 to HEAD describe this stored response? Validators and length count where they were received.
///
/// Source: RFC 9111 section 4.3.5.
#[must_use]
pub fn is_described_by(answer: &HeaderMap, stored: &Head, length: u64) -> bool {
    let is_same = |name: &HeaderName| answer.get(name).is_none_or(|received| stored.fields.get(name).as_ref() == Some(received));
    let is_length = |value: &HeaderValue| value.to_str().ok().and_then(|text| text.parse().ok()) == Some(length);
    is_same(&header::ETAG) && is_same(&header::LAST_MODIFIED) && answer.get_all(header::CONTENT_LENGTH).iter().all(is_length)
}

/// ABNF: `entity-tag = [ weak ] opaque-tag`, `weak = %s"W/"`.
#[must_use]
pub fn is_weak(tag: &[u8]) -> bool {
    tag.starts_with(b"W/")
}

/// Weak comparison: the opaque tags are equal byte for byte, weak or not.
///
/// Source: RFC 9110 section 8.8.3.2.
#[must_use]
pub fn weak_match(a: &[u8], b: &[u8]) -> bool {
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_owned();
    opaque(a) == opaque(b)
}

/// Strong comparison: both strong and equal byte for byte.
///
/// Source: RFC 9110 section 8.8.3.2.
#[must_use]
pub fn strong_match(a: &[u8], b: &[u8]) -> bool {
    !is_weak(a) && a == b
}

#[cfg(test)]
mod tests;
