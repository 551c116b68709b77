//! The schemes of challenges and credentials.
//!
//! RFC 9110 section 11.4, RFC 4559 section 6 (credentials that speak for the connection).

use http::header::HeaderValue;

/// The scheme of a challenge or of credentials, as written.
///
/// ABNF: `credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]`.
///
/// Source: RFC 9110 section 11.4.
#[must_use]
pub fn scheme(value: &HeaderValue) -> &[u8] {
    value.as_bytes().split(|b| *b == b' ' || *b == b',').next().unwrap_or_default()
}

/// Whether a challenge or credentials belong to a scheme that authenticates the connection.
///
/// Source: RFC 4559 section 6.
#[must_use]
pub fn is_connection_scheme(value: &HeaderValue) -> bool {
    scheme(value).eq_ignore_ascii_case(b"negotiate") || scheme(value).eq_ignore_ascii_case(b"ntlm")
}
