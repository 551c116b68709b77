//! Credentials and permission: the rule this project exists for.
//!
//! RFC 9111 section 3.5: a shared cache must not use a response to a request with `Authorization` for
//! another request, unless the response carries a directive that permits it.
//!
//! # Deviations
//!
//! - More than `Authorization` counts as a credential: an access token in the query (RFC 6750 section
//!   2.3) and what a policy lists. This only narrows reuse.

use http::header::{self, HeaderMap};

use super::directives::{ResponseDirectives, Seconds};
use crate::cache::words::PermissionReason;
use crate::config::settings::Credentials;

/// What a request brings to prove who it is to the origin, judged by presence alone.
///
/// An empty or malformed value is a credential too: what the origin makes of it is not ours to guess.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCredentials {
    /// Some credential is present.
    pub any: bool,
    /// One of them is in the query, so that a key would hold it.
    pub in_query: bool,
}

/// Which credentials does a request carry? To be asked of the request as received, before anything
/// is removed.
///
/// Source: RFC 9111 section 3.5, RFC 9110 section 11.6.2, RFC 6750 section 2.3.
#[must_use]
pub fn request_credentials(fields: &HeaderMap, query: Option<&str>, listed: &Credentials) -> RequestCredentials {
    let in_query = query.is_some_and(|query| has_query_credential(query, &listed.query));
    let in_fields = fields.contains_key(header::AUTHORIZATION) || listed.headers.iter().any(|name| fields.contains_key(name));
    let in_cookies = !listed.cookies.is_empty() && has_listed_cookie(fields, &listed.cookies);
    RequestCredentials { any: in_query || in_fields || in_cookies, in_query }
}

/// A parameter of a listed name, its percent-encoding undone.
fn has_query_credential(query: &str, names: &[String]) -> bool {
    !names.is_empty()
        && query.split(['&', ';']).any(|pair| {
            let name = pair.split('=').next().unwrap_or_default();
            names.iter().any(|listed| names_equal(name, listed))
        })
}

/// Compares a parameter name as written with a listed one: `%61ccess_token` is `access_token`, and a
/// different letter case is close enough for a rule that only narrows.
fn names_equal(written: &str, listed: &str) -> bool {
    let mut bytes = written.bytes();
    let mut listed = listed.bytes();
    loop {
        let next = match bytes.next() {
            Some(b'%') => {
                let digits = [bytes.next(), bytes.next()].map(|digit| digit.and_then(|d| char::from(d).to_digit(16)));
                match digits {
                    [Some(high), Some(low)] => u8::try_from(high * 16 + low).ok(),
                    _ => return false,
                }
            }
            other => other,
        };
        match (next, listed.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(&b) => {}
            _ => return false,
        }
    }
}

/// ABNF (RFC 6265): `cookie-string = cookie-pair *( ";" SP cookie-pair )`.
fn has_listed_cookie(fields: &HeaderMap, names: &[String]) -> bool {
    fields
        .get_all(header::COOKIE)
        .iter()
        .any(|line| line.as_bytes().split(|b| *b == b';').any(|pair| is_listed_cookie(pair, names)))
}

/// Is this cookie pair one of a listed name? Some origins divide pairs at commas too.
pub(super) fn is_listed_cookie(pair: &[u8], names: &[String]) -> bool {
    pair.split(|b| *b == b',').any(|pair| {
        let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
        let name = crate::fields::trim_ows(name);
        names.iter().any(|listed| listed.as_bytes() == name)
    })
}

/// Which directive, if any, permits a shared cache to use this response for other requests?
///
/// `s-maxage` counts only with a valid number; `proxy-revalidate`, `no-cache`, `max-age`,
/// `immutable`, `Expires` and `Vary` never do.
///
/// Source: RFC 9111 sections 3.5, 5.2.2.2, 5.2.2.9 and 5.2.2.10.
#[must_use]
pub fn permission(directives: &ResponseDirectives) -> Option<PermissionReason> {
    if directives.public {
        return Some(PermissionReason::Public);
    }
    if matches!(directives.s_maxage, Some(Seconds::Valid(_))) {
        return Some(PermissionReason::SMaxage);
    }
    directives.must_revalidate_permits.then_some(PermissionReason::MustRevalidate)
}

#[cfg(test)]
mod tests;
