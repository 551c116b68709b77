//! Which requests may wait for each other's answer.
//!
//! RFC 9111 section 4: "a cache can use a response that is stored or storable to satisfy multiple requests", provided
//! that it may be reused for each of them. RFC 9111 section 4.3 for validations.
//!
//! # Deviations
//!
//! - A request that leads others is always a plain GET: what an origin answers to HEAD, to a range or to the client's own
//!   conditions is of no use to who waits. Such requests may follow.
//! - One validation serves several requests only if nothing that the origin can tell them apart by differs, but for what
//!   describes the client's software or the way.

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};

use super::directives::RequestDirectives;
use crate::fields::is_connection_scheme;
use crate::keyed::Keyed;

/// May this request wait for another one's response head?
///
/// Source: RFC 9111 sections 4 and 5.2.1.
#[must_use]
pub fn may_follow(method: &Method, request: &HeaderMap, directives: &RequestDirectives) -> bool {
    let wants_own = directives.no_cache || directives.no_store || directives.max_age == Some(0);
    (method == Method::GET || method == Method::HEAD) && !wants_own && !is_connection_bound(request)
}

/// May others wait for the response to this request?
///
/// Source: RFC 9111 section 4.
#[must_use]
pub fn may_lead(method: &Method, request: &HeaderMap, directives: &RequestDirectives) -> bool {
    const OWN: [HeaderName; 4] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE, header::RANGE];
    method == Method::GET && may_follow(method, request, directives) && !request.keys().any(|name| OWN.contains(name))
}

/// Credentials of schemes that speak for a connection and not for a request alone.
///
/// Source: RFC 4559 section 6.
fn is_connection_bound(request: &HeaderMap) -> bool {
    request.get_all(header::AUTHORIZATION).iter().any(is_connection_scheme)
}

/// Does this answer say something about the key, so that nobody need wait for the next one? A refusal or a failure says
/// something about one request alone.
#[must_use]
pub fn tells_of_the_key(status: StatusCode) -> bool {
    !status.is_server_error() && !matches!(status.as_u16(), 401 | 403 | 407 | 408 | 429)
}

/// Fields that describe the client's software, or the way, and that no origin judges a validation by.
const ASIDE: [&str; 22] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "b3",
    "baggage",
    "connection",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "referer",
    "te",
    "traceparent",
    "tracestate",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-correlation-id",
    "x-request-id",
    "x-trace-id",
];

/// What two requests must have in common to be confirmed by one validation; `Authorization`, `Cookie` and everything
/// unknown counts.
///
/// Source: RFC 9111 section 4.3.
#[must_use]
pub fn validation_class(keyed: &Keyed, method: &Method, request: &HeaderMap) -> u128 {
    let counts = |name: &HeaderName| !ASIDE.contains(&name.as_str());
    let mut hash = keyed.start("validation class");
    hash.part(method.as_str().as_bytes());
    for (name, value) in request.iter().filter(|(name, _)| counts(name)) {
        hash.part(name.as_str().as_bytes()).part(value.as_bytes());
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::fields;

    #[test]
    fn n063_who_leads_and_who_follows() {
        for (method, line, leads, follows) in [
            (Method::GET, ("accept", "x"), true, true),
            (Method::GET, ("authorization", "Bearer a"), true, true),
            (Method::GET, ("authorization", "nTLM abc"), false, false),
            (Method::GET, ("authorization", "Negotiate"), false, false),
            (Method::GET, ("range", "bytes=0-1"), false, true),
            (Method::GET, ("if-none-match", "\"a\""), false, true),
            (Method::GET, ("if-modified-since", "x"), false, true),
            (Method::GET, ("cache-control", "no-store"), false, false),
            (Method::GET, ("cache-control", "no-cache"), false, false),
            (Method::GET, ("cache-control", "max-age=0"), false, false),
            (Method::GET, ("cache-control", "max-age=9"), true, true),
            (Method::HEAD, ("accept", "x"), false, true),
            (Method::POST, ("accept", "x"), false, false),
        ] {
            let request = fields(&[line]);
            let directives = RequestDirectives::parse(&request);
            let found = (may_lead(&method, &request, &directives), may_follow(&method, &request, &directives));
            assert_eq!(found, (leads, follows), "{method} {line:?}");
        }
    }

    #[test]
    fn n063_a_validation_is_shared_by_equal_requests_alone() {
        let keyed = Keyed::random().unwrap();
        let class = |method: &Method, lines: &[(&str, &str)]| validation_class(&keyed, method, &fields(lines));
        let own = class(&Method::GET, &[("authorization", "a"), ("user-agent", "curl"), ("accept", "x")]);
        assert_eq!(
            own,
            class(&Method::GET, &[("authorization", "a"), ("traceparent", "1"), ("referer", "r"), ("if-none-match", "x")])
        );
        for lines in [
            &[("authorization", "b")][..],
            &[],
            &[("authorization", "a"), ("cookie", "s=1")],
            &[("authorization", "a"), ("x-api-key", "1")],
            &[("authorization", "a"), ("range", "bytes=0-1")],
            &[("authorization", "a"), ("x-unknown", "")],
            &[("authorization", ""), ("x", "a")],
        ] {
            assert_ne!(own, class(&Method::GET, lines), "{lines:?}");
        }
        assert_ne!(own, class(&Method::HEAD, &[("authorization", "a")]));
    }

    #[test]
    fn n063_a_refusal_or_a_failure_says_nothing_of_the_key() {
        for (status, tells) in
            [(200, true), (404, true), (302, true), (401, false), (403, false), (500, false), (503, false), (429, false)]
        {
            assert_eq!(tells_of_the_key(StatusCode::from_u16(status).unwrap()), tells, "{status}");
        }
    }
}
