use super::*;
use crate::cache::tests::{Lines, cache_control, fields, names};

#[test]
fn n055_public_s_maxage_and_must_revalidate_permit_and_nothing_else() {
    let public = Some(PermissionReason::Public);
    let s_maxage = Some(PermissionReason::SMaxage);
    let must_revalidate = Some(PermissionReason::MustRevalidate);
    for (value, expected) in [
        ("public", public),
        ("Public, max-age=60", public),
        ("s-maxage=60", s_maxage),
        ("s-maxage=0", s_maxage),
        ("s-maxage=\"60\"", s_maxage),
        ("must-revalidate", must_revalidate),
        ("max-age=60, MUST-REVALIDATE", must_revalidate),
        ("must-revalidate, s-maxage=1, public", public),
        ("", None),
        ("max-age=60", None),
        ("max-age=60, proxy-revalidate", None),
        ("no-cache", None),
        ("no-cache=\"x\", immutable", None),
        ("must-understand", None),
        ("stale-while-revalidate=60, stale-if-error=60", None),
        ("max-age=60, max-age=61", None),
        ("max-age=60, foo=1, foo=2", None),
        ("max-age=60, s-maxage", None),
        ("max-age=60, s-maxage=abc", None),
        ("s-maxage=5, s-maxage=x", None),
        ("max-age=60, public=\"x\"", None),
        ("must-revalidate=1", None),
        ("max-age=60, ext=\"a, public\"", None),
        ("max-age=60, ext=\"a, public, b\"", None),
        ("max-age=60, ext=\"a,s-maxage=9,b\"", None),
        ("max-age=60, ext=\"public\"", None),
    ] {
        assert_eq!(permission(&ResponseDirectives::parse(&cache_control(value))), expected, "{value}");
    }
}

#[test]
fn t11_other_fields_permit_nothing() {
    for lines in [&[("vary", "authorization")][..], &[("expires", "Fri, 15 Jan 2038 08:00:00 GMT")], &[("pragma", "public")]] {
        assert_eq!(permission(&ResponseDirectives::parse(&fields(lines))), None, "{lines:?}");
    }
}

fn credentials(request: Lines<'_>, query: Option<&str>) -> RequestCredentials {
    let listed =
        Credentials { query: vec!["access_token".to_owned()], headers: names(&["x-api-key"]), cookies: vec!["sid".to_owned()] };
    request_credentials(&fields(request), query, &listed)
}

#[test]
fn n054_presence_counts_not_validity() {
    for lines in [
        &[("authorization", "Basic x")][..],
        &[("authorization", "")],
        &[("AUTHORIZATION", "\u{fffd}")],
        &[("x-api-key", "")],
        &[("cookie", "a=1; sid=2")],
        &[("cookie", "a=1"), ("cookie", "sid")],
        &[("cookie", "a=1,sid=")],
    ] {
        assert_eq!(credentials(lines, None), RequestCredentials { any: true, in_query: false }, "{lines:?}");
    }
}

#[test]
fn n054_proxy_authorization_and_other_cookies_are_no_credentials() {
    for lines in
        [&[("proxy-authorization", "Basic x")][..], &[("cookie", "asid=1; sidx=2; a=sid; SID=1")], &[("x-api-keys", "1")], &[]]
    {
        assert!(!credentials(lines, Some("q=access_token")).any, "{lines:?}");
    }
}

#[test]
fn x021_an_access_token_in_the_query_is_a_credential() {
    for query in
        ["access_token=x", "a=1&access_token", "a;access_token=", "%61ccess_token=x", "ACCESS_Token=1", "access%5ftoken=1"]
    {
        assert_eq!(credentials(&[], Some(query)), RequestCredentials { any: true, in_query: true }, "{query}");
    }
    for query in ["", "access_tokens=x", "xaccess_token=x", "a=access_token", "access%5token=1", "access%", "access_toke%6"] {
        assert!(!credentials(&[], Some(query)).any, "{query}");
    }
}
