use super::*;
use crate::cache::tests::{DATE, Given, Lines, Random, entry, fields};

fn part(range: &str, length: u64) -> Part {
    select(&Method::GET, &fields(&[("range", range)]), &entry(&[], &[("cache-control", "max-age=9"), DATE]), length)
}

fn bytes(first: u64, last: u64) -> Part {
    Part::Range(span(first, last))
}

fn span(first: u64, last: u64) -> Span {
    Span { first, last }
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
fn n129_what_is_no_valid_range_is_ignored() {
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=a-1",
        "bytes=1-b",
        "bytes=1",
        "bytes=,",
        "bytes=0-1,3",
        "bytes=0-1,5-2",
        "bytes=0-1;3-4",
        "bytes=0-1,lines=3-4",
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
    assert_eq!(content_range(span(0, 499), 1234), "bytes 0-499/1234");
    assert_eq!(unsatisfied_range(47_022), "bytes */47022");
}

#[test]
fn n129_several_ranges_in_the_order_asked_and_joined_where_they_touch() {
    for (range, expected) in [
        ("bytes=0-1,4-5", vec![(0, 1), (4, 5)]),
        ("bytes= 8-9 ,\t0-0", vec![(8, 9), (0, 0)]),
        ("bytes=0-0,-1", vec![(0, 0), (9, 9)]),
        ("bytes=0-1,,4-5,", vec![(0, 1), (4, 5)]),
        ("bytes=0-1,", vec![(0, 1)]),
        ("bytes=0-3,2-5", vec![(0, 5)]),
        ("bytes=0-3,2-5,9-9", vec![(0, 5), (9, 9)]),
        ("bytes=0-1,2-3", vec![(0, 3)]),
        ("bytes=4-5,0-1,2-3", vec![(0, 5)]),
        ("bytes=8-8,0-1,4-5,2-3", vec![(8, 8), (0, 5)]),
        ("bytes=0-0,5-5,99-", vec![(0, 0), (5, 5)]),
        ("bytes=0-0,99-", vec![(0, 0)]),
        ("bytes=99-,-0", vec![]),
        ("bytes=0-0,2-2,4-4,6-6,8-8", vec![(0, 0), (2, 2), (4, 4), (6, 6), (8, 8)]),
    ] {
        let spans: Vec<Span> = expected.into_iter().map(|(first, last)| span(first, last)).collect();
        let expected = match *spans {
            [] => Part::NotSatisfiable,
            [one] => Part::Range(one),
            _ => Part::Ranges(spans),
        };
        assert_eq!(part(range, 10), expected, "{range}");
    }
}

#[test]
fn n129_many_or_overlapping_ranges_are_ignored() {
    for range in [
        "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12",
        "bytes=0-,0-,0-",
        "bytes=0-5,3-8,7-9",
        "bytes=0-9,1-1,5-5",
        "bytes=0-0,,,,,,,,,,,,,2-2",
    ] {
        assert_eq!(part(range, 100), Part::Whole, "{range}");
    }
    assert_eq!(part(&format!("bytes=0-0{}", ",1-1".repeat(2000)), 100), Part::Whole);
    assert_eq!(part("bytes=0-0,-5", 0), Part::Whole, "of nothing, a suffix is all");
}

/// A range header somebody might send: mostly well formed, often absurd.
fn any_range(random: &mut Random) -> String {
    let members: Vec<String> = (0..=random.below(7))
        .map(|_| {
            let first = random.below(14);
            let last = first + random.below(4);
            let range = match random.below(40) {
                0 => "18446744073709551615-".to_owned(),
                1 => "0-99999999999999999999999999".to_owned(),
                2 => format!("{}-{}", random.next(), random.next()),
                3 => random.pick(&["", "-", "--1", "1", "0x1-2", "2-1", "+1-2", "1 -2", "*"]).to_owned(),
                4..8 => format!("-{last}"),
                8..12 => format!("{first}-"),
                _ => format!("{first}-{last}"),
            };
            format!("{}{range}{}", random.ows(), random.ows())
        })
        .collect();
    let unit = random.pick(&["bytes=", "bytes=", "bytes=", "bytes=", "Bytes=", "bytes", "lines=", "="]);
    format!("{unit}{}", members.join(random.pick(&[",", ",", ",", ",", ";"])))
}

#[test]
fn n129_no_range_header_yields_a_byte_outside_the_content() {
    let mut random = Random::new();
    let mut seen = [0; 3];
    for _ in 0..100_000 {
        let (range, length) = (any_range(&mut random), *[0, 1, 10, u64::MAX].get(random.below(4)).unwrap());
        let spans = match part(&range, length) {
            Part::Whole => vec![],
            Part::NotSatisfiable => vec![],
            Part::Range(span) => vec![span],
            Part::Ranges(spans) => {
                assert!((2..=MOST_RANGES).contains(&spans.len()), "{range}");
                spans
            }
        };
        seen[spans.len().min(2)] += 1;
        for (at, span) in spans.iter().enumerate() {
            assert!(span.first <= span.last && span.last < length, "{range} of {length}: {span:?}");
            assert!(spans.iter().skip(at + 1).all(|other| other.join(*span).is_none()), "{range}: {spans:?}");
        }
    }
    assert!(seen[0] > 1000 && seen[1] > 1000 && seen[2] > 1000, "{seen:?}");
}
