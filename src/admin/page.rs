//! What is looked at: the status page, the state behind it, and why a URL is answered as it is.

use http::header::HeaderValue;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::operator::Operator;
use super::{JSON, TEXT, typed};
use bytes::Bytes;

/// The page, complete: style and script are in it, and it loads nothing from elsewhere.
const PAGE: &str = include_str!("status.html");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// The page may run its own script and talk to this listener, and nothing else.
const CONFINED: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The status page; it holds no data, its script asks for them.
pub(super) fn page() -> Response<Full<Bytes>> {
    let mut response = typed(StatusCode::OK, HTML, PAGE);
    response.headers_mut().insert(http::header::CONTENT_SECURITY_POLICY, CONFINED);
    response.headers_mut().insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The state of servers and store, and the last refusals.
pub(super) fn status(operator: &Operator) -> Response<Full<Bytes>> {
    operator.health().map_or_else(|| typed(StatusCode::SERVICE_UNAVAILABLE, TEXT, "not running\n"), |health| json(&health))
}

/// A document.
fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(document) => typed(StatusCode::OK, JSON, document),
        Err(_) => typed(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "failed\n"),
    }
}

/// What is stored for the URI in the query's `url`, percent-encoded.
pub(super) fn explain(operator: &Operator, query: Option<&str>) -> Response<Full<Bytes>> {
    let pair = |pair: &str| pair.strip_prefix("url=").map(decode);
    match query.unwrap_or_default().split('&').find_map(pair) {
        None => typed(StatusCode::BAD_REQUEST, TEXT, "expected /explain?url=URL, with the URL percent-encoded, found no url\n"),
        Some(None) => typed(StatusCode::BAD_REQUEST, TEXT, "url: expected percent-encoded UTF-8, found something else\n"),
        Some(Some(url)) => match operator.explain(&url) {
            Ok(found) => json(&found),
            Err(error) => typed(StatusCode::BAD_REQUEST, TEXT, format!("{error}\n")),
        },
    }
}

/// Source: RFC 3986 section 2.1, and `+` for a space as forms write it.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?,
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_decoded_as_forms_and_scripts_write_it() {
        for (text, expect) in [
            ("http%3A%2F%2Fa.test%2F%3Fx%3D1%26y", Some("http://a.test/?x=1&y")),
            ("http://a.test/", Some("http://a.test/")),
            ("a+b", Some("a b")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decode(text).as_deref(), expect, "{text}");
        }
    }
}
