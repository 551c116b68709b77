use super::*;
use crate::cache::tests::{DATE, Given, Lines, entry, fields};

const LM: (&str, &str) = ("last-modified", "Fri, 15 Jan 2027 07:00:00 GMT");
const LATER: &str = "Fri, 15 Jan 2027 07:00:01 GMT";
const EARLIER: &str = "Fri, 15 Jan 2027 06:59:59 GMT";

fn is_304(request: Lines<'_>, stored: Lines<'_>) -> bool {
    let mut lines = vec![("cache-control", "max-age=60"), DATE];
    lines.extend(stored);
    is_not_modified(&Method::GET, &fields(request), &entry(&[], &lines))
}

#[test]
fn n084_n125_if_none_match_compares_weakly_over_all_members() {
    let stored: Lines<'_> = &[("etag", "\"a\"")];
    for condition in ["\"a\"", "W/\"a\"", "\"x\", \"a\"", "\"x,y\",\"a\" , \"z\"", "*", ", \"a\","] {
        assert!(is_304(&[("if-none-match", condition)], stored), "{condition}");
    }
    assert!(is_304(&[("if-none-match", "\"x\""), ("if-none-match", "\"a\"")], stored));
    for condition in ["", "\"A\"", "a", "\"a", "\"x, \\\"a\\\"\"", "w/\"a\"", "\"*\""] {
        assert!(!is_304(&[("if-none-match", condition)], stored), "{condition}");
    }
    assert!(is_304(&[("if-none-match", "\"a\"")], &[("etag", "W/\"a\"")]));
    assert!(!is_304(&[("if-none-match", "\"a\"")], &[]));
    assert!(!is_304(&[("if-none-match", "\"a\"")], &[("etag", "a")]), "what is not quoted is not repaired");
}

#[test]
fn n126_if_modified_since() {
    for (since, expected) in [
        (LM.1, true),
        (LATER, true),
        (EARLIER, false),
        ("Friday, 15-Jan-27 07:00:00 GMT", true),
        ("Fri Jan 15 07:00:00 2027", true),
        ("fri, 15 jan 2027 07:00:00 gmt", true),
        ("Fri, 15 Jan 2027 07:00:00 UTC", false),
        ("tomorrow", false),
        ("", false),
    ] {
        assert_eq!(is_304(&[("if-modified-since", since)], &[LM]), expected, "{since}");
    }
    assert!(!is_304(&[("if-modified-since", LATER), ("if-modified-since", LATER)], &[LM]), "several lines");
    assert!(
        !is_304(&[("if-none-match", "\"x\""), ("if-modified-since", LATER)], &[LM, ("etag", "\"a\"")]),
        "If-None-Match goes first"
    );
    let stored = entry(&[], &[("cache-control", "max-age=60"), LM]);
    let since = fields(&[("if-modified-since", LATER)]);
    assert!(is_not_modified(&Method::HEAD, &since, &stored) && !is_not_modified(&Method::POST, &since, &stored));
}

#[test]
fn n085_without_last_modified_the_date_stands_in() {
    assert!(is_304(&[("if-modified-since", DATE.1)], &[]));
    assert!(!is_304(&[("if-modified-since", LATER)], &[]), "before the Date");
    let older = entry(&[], &[("cache-control", "max-age=60"), ("date", EARLIER)]);
    assert!(is_not_modified(&Method::GET, &fields(&[("if-modified-since", LM.1)]), &older), "not the time of receipt");
    let received = entry(&[], &[("cache-control", "max-age=60"), ("date", "never")]);
    assert!(is_not_modified(&Method::GET, &fields(&[("if-modified-since", DATE.1)]), &received), "the time of receipt");
}

#[test]
fn n084_preconditions_are_for_what_would_be_a_200() {
    let gone = Given { status: 404, response: &[("cache-control", "max-age=60"), ("etag", "\"a\"")], ..Given::default() }
        .judge()
        .unwrap();
    assert!(!is_not_modified(&Method::GET, &fields(&[("if-none-match", "\"a\"")]), &gone));
}

#[test]
fn n083_n128_if_match_and_if_unmodified_since_are_for_the_origin() {
    assert!(is_for_origin(&fields(&[("if-match", "*")])) && is_for_origin(&fields(&[("if-unmodified-since", LATER)])));
    assert!(!is_for_origin(&fields(&[("if-none-match", "*"), ("if-modified-since", LATER), ("if-range", "\"a\"")])));
}

#[test]
fn n131_a_304_carries_what_a_cache_needs_and_nothing_of_the_representation() {
    let needed = [
        ("content-location", "/y"),
        DATE,
        ("etag", "\"a\""),
        ("vary", "accept"),
        ("cache-control", "max-age=60"),
        ("expires", LATER),
        ("x-any", "1"),
    ];
    let mut all = needed.to_vec();
    all.extend([
        ("content-length", "5"),
        ("content-type", "text/a"),
        ("content-encoding", "x"),
        ("content-language", "de"),
        ("content-range", "bytes 0-1/2"),
    ]);
    assert_eq!(not_modified_fields(&fields(&all)), fields(&needed));
}
