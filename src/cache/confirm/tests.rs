use super::*;
use crate::cache::rules::authorization::request_credentials;
use crate::cache::tests::{ALICE, Lines, at, entry, fields, policy};
use crate::config::settings::Policy;
use crate::policy::Candidates;

/// What a 304 with these fields, to a request with those, makes of the entry.
fn word(stored: &Head, request: Lines<'_>, not_modified: Lines<'_>) -> &'static str {
    let (request, not_modified) = (fields(request), fields(not_modified));
    let policy = policy(Policy::default());
    let filler = Filler {
        method: &Method::GET,
        path_and_query: "/x",
        directives: &RequestDirectives::parse(&request),
        credentials: request_credentials(&request, None, &policy.settings.credentials),
        named: crate::cache::rules::query::Named::EXACT,
        consumed: &[],
        targets: &[],
        candidates: Candidates::NONE,
        is_located: false,
        born: 0,
        request_time: at(1),
        response_time: at(1),
    };
    let answer = AnswerFields { received: &not_modified, kept: &not_modified };
    let confirmed = by_not_modified(stored, &filler, answer, &policy);
    let names = vary::names(&stored.fields).unwrap();
    match becomes(confirmed.verdict, stored, &names, confirmed.credentialed) {
        Becomes::Freshened(_) => "freshened",
        Becomes::Left => "left",
        Becomes::Outdated => "outdated",
        Becomes::Dropped => "dropped",
    }
}

/// RFC 9111 section 4.3.4: what the origin takes back with a 304 is taken back, whoever asked and however.
#[test]
fn n092_a_304_takes_back_whoever_asked() {
    let no_store = ("cache-control", "no-store");
    let cookie = ("set-cookie", "s=1");
    for (request, not_modified, expected) in [
        (&[][..], &[("cache-control", "max-age=5")][..], "freshened"),
        (&[], &[("cache-control", "private")], "dropped"),
        (&[], &[("vary", "x-b")], "dropped"),
        (&[], &[cookie], "outdated"),
        (&[], &[cookie, ("vary", "x-b")], "dropped"),
        (&[], &[cookie, ("cache-control", "no-store")], "dropped"),
        (&[no_store], &[("cache-control", "max-age=5")], "left"),
        (&[no_store], &[("cache-control", "private")], "dropped"),
        (&[no_store], &[("vary", "x-b")], "dropped"),
        (&[no_store], &[cookie], "outdated"),
        (&[ALICE], &[("cache-control", "max-age=5")], "left"),
        (&[ALICE], &[("cache-control", "public, max-age=5")], "freshened"),
        (&[ALICE], &[("cache-control", "private")], "dropped"),
        (&[ALICE, no_store], &[("cache-control", "public, max-age=5")], "left"),
    ] {
        let stored = entry(&[], &[("cache-control", "max-age=60"), ("etag", "\"a\""), ("vary", "x-a")]);
        assert_eq!(word(&stored, request, not_modified), expected, "{request:?} {not_modified:?}");
    }
}

/// RFC 9111 section 3.5: without a permission in the merged fields an entry of Alice's is for Alice alone.
#[test]
fn n054_an_entry_of_credentials_that_loses_its_permission_goes() {
    let stored = entry(&[ALICE], &[("cache-control", "public, max-age=60"), ("etag", "\"a\"")]);
    assert_eq!(word(&stored, &[], &[("cache-control", "max-age=60")]), "dropped");
    assert_eq!(word(&stored, &[ALICE], &[("cache-control", "max-age=60")]), "dropped");
    assert_eq!(word(&stored, &[], &[("cache-control", "s-maxage=60")]), "freshened");
}
