use std::time::Duration;

use super::*;
use crate::cache::rules::authorization::request_credentials;
use crate::cache::tests::{ALICE, Given, Lines, at, entry, fields, filler, policy};
use crate::config::settings::Policy;

/// What a 304 with these fields, to a request with those, makes of the entry.
fn word(stored: &Head, request: Lines<'_>, not_modified: Lines<'_>) -> &'static str {
    let (request, not_modified) = (fields(request), fields(not_modified));
    let policy = policy(Policy::default());
    let directives = RequestDirectives::parse(&request);
    let credentials = request_credentials(&request, None, &policy.settings.credentials);
    let filler = Filler { request_time: at(1), response_time: at(1), ..filler(&directives, credentials) };
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

/// RFC 9111 section 4.3.4: a head whose times alone are made anew is the one that judging the merged fields makes.
#[test]
fn n092_what_is_said_again_comes_out_as_if_it_were_judged_again() {
    let date = ("date", "Fri, 15 Jan 2027 08:00:05 GMT");
    let directives = [
        "max-age=60",
        "s-maxage=0",
        "public",
        "no-cache=\"x-a\", s-maxage=5",
        "private=\"x-a\", s-maxage=5",
        "public, stale-while-revalidate=9",
        "x",
    ];
    let more: [Lines<'_>; 6] = [
        &[],
        &[("expires", "Fri, 15 Jan 2027 09:00:00 GMT")],
        &[("last-modified", "Fri, 01 Jan 2027 08:00:00 GMT"), ("cache-groups", "\"g\""), ("surrogate-key", "k")],
        &[("vary", "x-a"), ("x-a", "1"), ("x-a", "2")],
        &[("cdn-cache-control", "max-age=7")],
        &[("connection", "surrogate-key"), ("surrogate-key", "k")],
    ];
    let consumed = [HeaderName::from_static("x-a")];
    let targets = [HeaderName::from_static("cdn-cache-control")];
    let mut short = 0;
    for (directives, more) in directives.iter().flat_map(|one| more.map(|other| (*one, other))) {
        let lines = [&[date, ("cache-control", directives), ("etag", "\"a\"")][..], more].concat();
        for (filled_by, asked_by) in [(&[][..], &[][..]), (&[], &[ALICE]), (&[ALICE], &[]), (&[ALICE], &[ALICE])] {
            for first in [&targets[..], &[]] {
                let given = Given { request: filled_by, response: &lines, targets: first, ..Given::default() };
                let Ok(stored) = given.judge() else { continue };
                for (consumed, targets) in [(&[][..], &targets[..]), (&consumed, &targets), (&[], &[])] {
                    short += usize::from(as_judged(&stored, asked_by, &lines, (consumed, targets)));
                    short += usize::from(as_judged(&stored, asked_by, &[date], (consumed, targets)));
                }
            }
        }
    }
    assert!(short > 40, "{short} were not judged again");
}

/// Compares what is made of a stored response with what judging its merged fields makes; whether it was not judged.
fn as_judged(stored: &Head, request: Lines<'_>, not_modified: Lines<'_>, lists: (&[HeaderName], &[HeaderName])) -> bool {
    let (request, not_modified) = (fields(request), fields(not_modified));
    let bypass = CompiledPolicy { fingerprint: 8, ..policy(Policy { bypass: true, ..Policy::default() }) };
    let mut was_short = false;
    for (policy, no_store) in [(policy(Policy::default()), false), (policy(Policy::default()), true), (bypass, false)] {
        let directives = RequestDirectives { no_store, ..RequestDirectives::default() };
        let credentials = request_credentials(&request, None, &policy.settings.credentials);
        let (request_time, response_time) = (at(70), at(71));
        let filler = Filler {
            consumed: lists.0,
            targets: lists.1,
            born: 3,
            request_time,
            response_time,
            ..filler(&directives, credentials)
        };
        let fresh = crate::hop::response_fields(&not_modified, at(71));
        let answer = AnswerFields { received: &not_modified, kept: &fresh };
        was_short |= said_again(stored, &filler_of_both(&filler, stored), answer, &policy).is_some();
        let short = by_not_modified(stored, &filler, answer, &policy).verdict;
        let judged = by_not_modified(&Head { is_plain: false, ..stored.clone() }, &filler, answer, &policy).verdict;
        let told = |verdict: Result<Head, NotStored>| {
            verdict.map(|head| {
                let whose = (head.credentialed, head.named, head.permission, head.policy_fingerprint, head.is_plain);
                let tags = (head.tags, head.born);
                (head.status, head.fields.to_map(0), head.directives, head.lifetime, head.age, whose, tags)
            })
        };
        assert_eq!(told(short), told(judged), "{request:?} {not_modified:?} {stored:?}");
    }
    was_short
}

/// RFC 9111 section 4.3.4: what was said a moment before is not done again; whatever differs is.
#[test]
fn n092_a_304_that_says_what_the_last_one_said_within_its_second_leaves_the_head() {
    let lines: Lines<'_> =
        &[("date", "Fri, 15 Jan 2027 08:00:05 GMT"), ("cache-control", "public, s-maxage=0"), ("etag", "\"a\"")];
    let said = |request: Lines<'_>, not_modified: Lines<'_>, change: &dyn Fn(&mut Filler<'_>), policy: &CompiledPolicy| {
        let stored = entry(&[], lines);
        let (request, not_modified) = (fields(request), fields(not_modified));
        let directives = RequestDirectives::parse(&request);
        let credentials = request_credentials(&request, None, &policy.settings.credentials);
        let mut filler = Filler { response_time: at(0) + Duration::from_millis(999), ..filler(&directives, credentials) };
        change(&mut filler);
        let kept = crate::hop::response_fields(&not_modified, at(0));
        let answer = AnswerFields { received: &not_modified, kept: &kept };
        let is_said = is_said_already(&stored, &filler, answer, policy);
        if is_said {
            let anew = by_not_modified(&stored, &filler, answer, policy).verdict.unwrap();
            let told = |head: &Head| {
                let whose = (head.credentialed, head.named, head.permission, head.policy_fingerprint, head.is_plain, head.born);
                (head.fields.to_map(0), Arc::clone(&head.directives), head.lifetime, whose)
            };
            assert_eq!(told(&anew), told(&stored));
        }
        is_said
    };
    let (usual, other) = (policy(Policy::default()), CompiledPolicy { fingerprint: 8, ..policy(Policy::default()) });
    let as_is: &dyn Fn(&mut Filler<'_>) = &|_| ();
    assert!(said(&[], lines, as_is, &usual) && said(&[], &lines[..1], as_is, &usual));
    assert!(said(&[], lines, &|filler| filler.response_time = at(0) - Duration::from_secs(1), &usual), "one that came late");
    let later = ("date", "Fri, 15 Jan 2027 08:00:06 GMT");
    let differing: [Lines<'_>; 5] =
        [&[later, lines[1], lines[2]], &[lines[0], lines[0]], &lines[1..], &[lines[0], ("x-a", "1")], &[lines[0], ("age", "0")]];
    for not_modified in differing {
        assert!(!said(&[], not_modified, as_is, &usual), "{not_modified:?}");
    }
    for request in [&[ALICE][..], &[("cache-control", "no-store")]] {
        assert!(!said(request, lines, as_is, &usual), "{request:?}");
    }
    assert!(!said(&[], lines, as_is, &other), "under another policy");
    assert!(!said(&[], lines, &|filler| filler.response_time = at(1), &usual), "a second later");
    assert!(!said(&[], lines, &|filler| filler.born = 1, &usual), "asked for after an invalidation");
}
