use super::*;
use crate::cache::tests::{DATE, Given, Lines, entry, fields};

fn part(range: &str, length: u64) -> Part {
    select(&Method::GET, &fields(&[("range", range)]), &entry(&[], &[("cache-control", "max-age=9"), DATE]), length)
}

fn bytes(first: u64, last: u64) -> Part {
    Part::Range { first, last }
}

#[test]
fn rfc_9110_section_14_1_2_examples() {
    for (range, expected) in [
        ("bytes=0-499", bytes(0, 499)),
        ("bytes=500-999", bytes(500, 999)),
        ("bytes=-500", bytes(9500, 9999)),
        ("bytes=9500-", bytes(9500, 9999)),
    ] {
        assert_eq!(part(range, 10_000), expected, "{range}");
    }
}

#[test]
fn n129_one_range_of_bytes_in_its_limits() {
    for (range, length, expected) in [
        ("bytes=0-0", 10, bytes(0, 0)),
        ("bytes=9-9", 10, bytes(9, 9)),
        ("bytes=5-99", 10, bytes(5, 9)),
        ("BYTES= 0-1 ", 10, bytes(0, 1)),
        ("bytes=-1", 10, bytes(9, 9)),
        ("bytes=-99", 10, bytes(0, 9)),
        ("bytes=0-18446744073709551615", 10, bytes(0, 9)),
        ("bytes=0-99999999999999999999999", 10, bytes(0, 9)),
        ("bytes=-99999999999999999999999", 10, bytes(0, 9)),
        ("bytes=10-", 10, Part::NotSatisfiable),
        ("bytes=10-11", 10, Part::NotSatisfiable),
        ("bytes=-0", 10, Part::NotSatisfiable),
        ("bytes=99999999999999999999999-", 10, Part::NotSatisfiable),
        ("bytes=0-", 0, Part::NotSatisfiable),
        ("bytes=0-0", 0, Part::NotSatisfiable),
        // RFC 9110 section 14.1.2: of nothing, a suffix is the only satisfiable range.
        ("bytes=-5", 0, Part::Whole),
        ("bytes=0-", u64::MAX, bytes(0, u64::MAX - 1)),
    ] {
        assert_eq!(part(range, length), expected, "{range} of {length}");
    }
}

#[test]
fn n129_what_is_no_valid_single_range_is_ignored() {
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-1",
        "bytes=1-b",
        "bytes=1",
        "bytes=0-1,3-4",
        "bytes=0-1,",
        "lines=0-1",
        "bytes=+1-2",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes =0-1",
    ] {
        assert_eq!(part(range, 10), Part::Whole, "{range}");
    }
    let head = entry(&[], &[("cache-control", "max-age=9")]);
    let twice = fields(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]);
    assert_eq!(select(&Method::GET, &twice, &head, 10), Part::Whole);
}

#[test]
fn n129_only_get_and_only_of_a_200() {
    let range = fields(&[("range", "bytes=0-1")]);
    let head = entry(&[], &[("cache-control", "max-age=9")]);
    assert_eq!(select(&Method::HEAD, &range, &head, 10), Part::Whole);
    let gone = Given { status: 404, response: &[("cache-control", "max-age=9")], ..Given::default() }.judge().unwrap();
    assert_eq!(select(&Method::GET, &range, &gone, 10), Part::Whole);
}

#[test]
fn n127_if_range_holds_for_a_strong_match_only() {
    let of = |etag: &str, modified: &str, conditions: Lines<'_>| {
        let head = entry(&[], &[("cache-control", "max-age=9"), DATE, ("etag", etag), ("last-modified", modified)]);
        let mut request = fields(&[("range", "bytes=0-1")]);
        request.extend(fields(conditions));
        select(&Method::GET, &request, &head, 10) == bytes(0, 1)
    };
    const LONG_AGO: &str = "Fri, 15 Jan 2027 07:00:00 GMT";
    let holds = |etag, condition| of(etag, LONG_AGO, &[("if-range", condition)]);
    assert!(holds("\"a\"", "\"a\""));
    for (etag, condition) in
        [("\"a\"", "\"b\""), ("W/\"a\"", "W/\"a\""), ("\"a\"", "W/\"a\""), ("W/\"a\"", "\"a\""), ("\"a\"", "a"), ("\"a\"", "")]
    {
        assert!(!holds(etag, condition), "{etag} {condition}");
    }
    assert!(holds("\"a\"", LONG_AGO));
    assert!(!holds("\"a\"", "Fri, 15 Jan 2027 07:00:01 GMT"), "a date must match exactly");
    assert!(!of("\"a\"", DATE.1, &[("if-range", DATE.1)]), "as old as the response: a weak validator");
    assert!(!of("\"a\"", LONG_AGO, &[("if-range", "\"a\""), ("if-range", "\"a\"")]));
}

#[test]
fn n127_if_range_without_range_is_ignored() {
    let head = entry(&[], &[("cache-control", "max-age=9"), ("etag", "\"a\"")]);
    assert_eq!(select(&Method::GET, &fields(&[("if-range", "\"b\"")]), &head, 10), Part::Whole);
}

#[test]
fn n130_content_range_tells_positions_and_length() {
    assert_eq!(content_range(bytes(0, 499), 1234).unwrap(), "bytes 0-499/1234");
    assert_eq!(content_range(Part::NotSatisfiable, 47_022).unwrap(), "bytes */47022");
    assert_eq!(content_range(Part::Whole, 5), None);
}
