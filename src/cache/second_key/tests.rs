use std::collections::HashMap;

use super::*;
use crate::cache::rules::authorization::{RequestCredentials, permission};
use crate::cache::rules::directives::{RequestDirectives, ResponseDirectives};
use crate::cache::rules::storable::NotStored;
use crate::cache::tests::{ALICE, Given, Lines, Random, at, cache_control, fields, filler};
use http::{HeaderMap, StatusCode};

/// What the second implementation says when it is given our canonical directives.
fn on_canonical(status: u16, lines: &HeaderMap) -> bool {
    let directives = RequestDirectives::default();
    let filler = filler(&directives, RequestCredentials { any: true, in_query: false });
    let answered = Answered {
        status: StatusCode::from_u16(status).unwrap(),
        fields: lines,
        directives: &ResponseDirectives::parse(lines),
        is_targeted: false,
        credentialed: true,
        response_time: at(0),
    };
    agrees(&filler, &answered)
}

/// What it would say of the fields as received.
fn on_raw(lines: &HeaderMap) -> bool {
    let mut request = Request::new(());
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("x"));
    let mut response = Response::new(());
    *response.headers_mut() = lines.clone();
    CachePolicy::new(&request, &response).is_storable()
}

/// Field lines of a response to a credentialed request; whether it may be stored; what release 3.0.0
/// makes of the raw fields.
const PINNED: [(Lines<'_>, bool, bool); 22] = [
    (&[("cache-control", "Private, max-age=60")], false, false),
    (&[("cache-control", "PRIVATE, public, max-age=60")], false, true),
    (&[("cache-control", "Private, public, max-age=60")], false, true),
    (&[("cache-control", "No-Store, public")], false, true),
    (&[("cache-control", "max-age=60, ext=\"a, public, b\"")], false, true),
    (&[("cache-control", "max-age=60, ext=\"a,s-maxage=9,b\"")], false, true),
    (&[("cache-control", "max-age=60, ext=\"a, public\"")], false, false),
    (&[("cache-control", "max-age=60, ext=\"public\"")], false, false),
    (&[("cache-control", "max-age=60, max-age=61")], false, true),
    (&[("cache-control", "max-age=1"), ("cache-control", "max-age=2")], false, true),
    (&[("cache-control", "max-age=60, foo=1, foo=2")], false, true),
    (&[("cache-control", "max-age=60, s-maxage")], false, true),
    (&[("cache-control", "max-age=60, s-maxage=abc")], false, true),
    (&[("cache-control", "private, max-age=60, x=\"\u{ff}\"")], false, false),
    (&[("cache-control", "public, max-age=60"), ("cache-control", "no-store, x=\u{ff}")], false, true),
    (&[("cache-control", "private=\"set-cookie, x\", public, max-age=60")], false, false),
    (&[("cache-control", "max-age=60, proxy-revalidate")], false, false),
    (&[("cache-control", "Public, max-age=60")], true, false),
    (&[("cache-control", "public, max-age=60")], true, true),
    (&[("cache-control", "s-maxage=\"60\"")], true, true),
    (&[("cache-control", "must-revalidate, max-age=60")], true, true),
    (&[("cache-control", "public, max-age=60, no-cache=\"set-cookie\"")], true, true),
];

#[test]
fn n054_raw_fields_would_leak_and_canonical_ones_do_not() {
    let mut leaks = 0;
    for (lines, expected, raw) in PINNED {
        let received = fields(lines);
        assert_eq!(on_raw(&received), raw, "the library changed its reading of {lines:?}");
        assert_eq!(on_canonical(200, &received), expected, "{lines:?}");
        let mut response = lines.to_vec();
        response.push(("etag", "\"a\""));
        let verdict = Given { request: &[ALICE], response: &response, ..Given::default() }.judge();
        assert_eq!(verdict.is_ok(), expected, "{lines:?}");
        leaks += u32::from(raw && !expected);
    }
    assert_eq!(leaks, 11);
}

#[test]
fn its_fourteen_statuses_and_no_other() {
    const KNOWN: [u16; 14] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501];
    const OURS: [u16; 11] = [206, 304, 401, 407, 412, 416, 417, 428, 429, 431, 511];
    let lines = cache_control("public, max-age=60");
    for status in (200..600).filter(|status| !OURS.contains(status)) {
        assert_eq!(on_canonical(status, &lines), KNOWN.contains(&status), "{status}");
        let given = Given { request: &[ALICE], status, response: &[("cache-control", "public, max-age=60")], ..Given::default() };
        let expected = if KNOWN.contains(&status) { None } else { Some(NotStored::SecondKey) };
        assert_eq!(given.judge().err(), expected, "{status}");
    }
}

#[test]
fn it_is_asked_for_credentialed_responses_only() {
    let response: Lines<'_> = &[("cache-control", "max-age=60")];
    assert!(Given { status: 451, response, ..Given::default() }.judge().is_ok());
}

/// A lost authorization check, an inverted condition: what the second key is there for.
#[test]
fn n054_it_refuses_where_our_own_permission_were_lost() {
    for value in
        ["max-age=60", "no-cache", "proxy-revalidate, max-age=60", "private, public", "no-store, s-maxage=60", "immutable"]
    {
        assert!(!on_canonical(200, &cache_control(value)), "{value}");
    }
}

#[test]
fn property_the_two_keys_agree_on_known_statuses() {
    const MEMBERS: [&str; 14] = [
        "public",
        "private",
        "no-store",
        "no-cache",
        "must-revalidate",
        "proxy-revalidate",
        "s-maxage=0",
        "s-maxage=60",
        "max-age=60",
        "max-age=0",
        "immutable",
        "foo=\"public\"",
        "x",
        "S-MAXAGE=5",
    ];
    let mut random = Random::new();
    let mut seen: HashMap<bool, u32> = HashMap::new();
    for _ in 0..5_000 {
        let value: Vec<&str> = (0..=random.below(4)).map(|_| random.pick(&MEMBERS)).collect();
        let lines = cache_control(&value.join(", "));
        let read = ResponseDirectives::parse(&lines);
        let ours = permission(&read).is_some() && !read.no_store && !read.private.is_whole();
        assert_eq!(on_canonical(200, &lines), ours, "{value:?}");
        *seen.entry(ours).or_default() += 1;
    }
    assert!(seen.values().all(|count| *count > 500), "{seen:?}");
}
