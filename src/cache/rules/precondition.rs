//! The client's own preconditions, evaluated against a stored response.
//!
//! RFC 9111 section 4.3.2, RFC 9110 section 13.
//!
//! # Deviations
//!
//! - `If-Match` and `If-Unmodified-Since` are left to the origin (RFC 9110 section 13.2.2 allows it).

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};

use super::validate::weak_match;
use crate::cache::entry::Head;
use crate::fields::{date_field, split_list};

/// Whether the request carries a precondition that only the origin evaluates.
///
/// Source: RFC 9110 sections 13.1.1, 13.1.4 and 13.2.2.
#[must_use]
pub fn is_for_origin(request: &HeaderMap) -> bool {
    request.contains_key(header::IF_MATCH) || request.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// Does the client already have what the stored response holds, so that 304 is the answer?
///
/// `If-Modified-Since` counts only without `If-None-Match`, only when it is one valid date, and only
/// for GET and HEAD; without `Last-Modified` the stored `Date` stands in.
///
/// Source: RFC 9111 section 4.3.2, RFC 9110 sections 13.1.2 and 13.1.3.
#[must_use]
pub fn is_not_modified(method: &Method, request: &HeaderMap, stored: &Head) -> bool {
    // Preconditions apply to what would have been a 200 (RFC 9110 section 13.2.1).
    if stored.status != StatusCode::OK {
        return false;
    }
    if request.contains_key(header::IF_NONE_MATCH) {
        return matches_none_match(request, stored);
    }
    let is_safe = method == Method::GET || method == Method::HEAD;
    let now = stored.age.response_time;
    let Some(since) = date_field(request, &header::IF_MODIFIED_SINCE, now).filter(|_| is_safe) else { return false };
    let modified = date_field(&stored.fields, &header::LAST_MODIFIED, now)
        .or_else(|| date_field(&stored.fields, &header::DATE, now))
        .unwrap_or(stored.age.response_time);
    modified <= since
}

/// ABNF: `If-None-Match = "*" / #entity-tag`.
///
/// Source: RFC 9110 section 13.1.2.
fn matches_none_match(request: &HeaderMap, stored: &Head) -> bool {
    let mut members = request.get_all(header::IF_NONE_MATCH).iter().flat_map(|line| split_list(line.as_bytes()));
    members.any(|member| member == b"*" || stored.etag().is_some_and(|etag| weak_match(member, etag)))
}

/// The fields of a 304 made from a stored response.
///
/// Source: RFC 9110 section 15.4.5.
#[must_use]
pub fn not_modified_fields(fields: &HeaderMap) -> HeaderMap {
    const DESCRIBING: [HeaderName; 5] =
        [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_RANGE, header::CONTENT_TYPE];
    let mut kept = fields.clone();
    for name in &DESCRIBING {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
mod tests;
