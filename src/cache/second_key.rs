//! The second key: another implementation must also call a credentialed response storable.
//!
//! RFC 9111 sections 3 and 3.5, as read by `http-cache-semantics`. It is fed a synthetic request and
//! our canonical directives only: given raw fields, release 3.0.0 reads directive names with regard
//! to case, splits quoted strings at commas and takes conflicting duplicates for permission. It
//! therefore checks our logic (an inverted condition, a lost authorization check), not our parser;
//! the parser's guard is the tripwire in [`super::rules::storable`].
//!
//! # Deviations
//!
//! - It knows fourteen status codes; a credentialed response with another one is not stored.

use http::header::{self, HeaderValue};
use http::{Request, Response};
use http_cache_semantics::CachePolicy;

use super::entry::Filler;
use super::rules::directives::canonical;
use super::rules::freshness::Answered;

/// Does the second implementation call this response to a credentialed request storable?
///
/// Source: RFC 9111 sections 3 and 3.5.
#[must_use]
pub fn agrees(filler: &Filler<'_>, answered: &Answered<'_>) -> bool {
    let mut request = Request::new(());
    *request.method_mut() = filler.method.clone();
    *request.uri_mut() = filler.path_and_query.parse().unwrap_or_default();
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("x"));
    let mut response = Response::new(());
    *response.status_mut() = answered.status;
    let Ok(directives) = HeaderValue::try_from(canonical(answered.directives)) else { return false };
    response.headers_mut().insert(header::CACHE_CONTROL, directives);
    if !answered.is_targeted && answered.fields.contains_key(header::EXPIRES) {
        response.headers_mut().insert(header::EXPIRES, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"));
    }
    CachePolicy::new(&request, &response).is_storable()
}

#[cfg(test)]
mod tests;
