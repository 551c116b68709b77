use super::*;
use crate::cache::tests::{ALICE, Given, Lines, entry, fields};

fn span(first: u64, last: u64) -> Span {
    Span { first, last }
}

const RANGE: Lines<'_> = &[("range", "bytes=0-4")];

fn of(request: Lines<'_>, credentialed: bool, status: u16, response: Lines<'_>) -> Option<StoredPart> {
    stored_part(&fields(request), credentialed, StatusCode::from_u16(status).unwrap(), &fields(response))
}

#[test]
fn n048_a_part_is_stored_as_what_its_content_range_says() {
    let tag = ("etag", "\"a\"");
    for (range, expected) in [
        ("bytes 0-4/10", Some((0, 4, 10))),
        ("Bytes 9-9/10", Some((9, 9, 10))),
        ("bytes 0-9/10", Some((0, 9, 10))),
        ("bytes 0-18446744073709551614/18446744073709551615", Some((0, u64::MAX - 1, u64::MAX))),
        ("bytes 0-4/*", None),
        ("bytes */10", None),
        ("bytes 4-0/10", None),
        ("bytes 5-10/10", None),
        ("bytes 0-4/0", None),
        ("bytes=0-4/10", None),
        ("bytes  0-4/10", None),
        ("bytes 0 - 4/10", None),
        ("bytes +0-4/10", None),
        ("bytes 0-4/18446744073709551616", None),
        ("bytes 0-4/10, bytes 5-9/10", None),
        ("lines 0-4/10", None),
        ("0-4/10", None),
        ("", None),
    ] {
        let expected = expected.map(|(first, last, complete)| StoredPart { span: span(first, last), complete });
        assert_eq!(of(RANGE, false, 206, &[tag, ("content-range", range)]), expected, "{range}");
    }
}

#[test]
fn n049_what_is_no_part_for_everybody_is_not_stored() {
    let (tag, range) = (("etag", "\"a\""), ("content-range", "bytes 0-4/10"));
    assert!(of(RANGE, false, 206, &[tag, range, ("content-length", "5")]).is_some());
    for (title, request, credentialed, status, response) in [
        ("credentialed", RANGE, true, 206, &[tag, range][..]),
        ("unasked", &[], false, 206, &[tag, range]),
        ("whole", RANGE, false, 200, &[tag, range]),
        ("no tag", RANGE, false, 206, &[range]),
        ("weak", RANGE, false, 206, &[("etag", "W/\"a\""), range]),
        ("unquoted", RANGE, false, 206, &[("etag", "a"), range]),
        ("half a tag", RANGE, false, 206, &[("etag", "\""), range]),
        ("two tags", RANGE, false, 206, &[tag, tag, range]),
        ("a date alone", RANGE, false, 206, &[("last-modified", "Fri, 15 Jan 2027 07:00:00 GMT"), range]),
        ("no range", RANGE, false, 206, &[tag]),
        ("two ranges", RANGE, false, 206, &[tag, range, range]),
        ("too short", RANGE, false, 206, &[tag, range, ("content-length", "4")]),
        ("odd length", RANGE, false, 206, &[tag, range, ("content-length", "+5")]),
        ("several", RANGE, false, 206, &[tag, range, ("content-type", "Multipart/ByteRanges; boundary=x")]),
    ] {
        assert_eq!(of(request, credentialed, status, response), None, "{title}");
    }
}

#[test]
fn n050_a_part_answers_what_lies_inside_and_nothing_else() {
    let head = entry(&[], &[("cache-control", "max-age=60"), ("etag", "\"a\"")]);
    let part = StoredPart { span: span(2, 5), complete: 10 };
    let asked = |method: Method, lines: Lines<'_>| answers(&method, &fields(lines), &head, part);
    for (range, is_inside) in [
        ("bytes=2-5", true),
        ("bytes=3-3", true),
        ("bytes=2-3,4-5", true),
        ("bytes=2-2,5-5", false),
        ("bytes=1-5", false),
        ("bytes=2-6", false),
        ("bytes=2-", false),
        ("bytes=-4", false),
        ("bytes=-8", false),
        ("bytes=10-", false),
        ("bytes=5-2", false),
        ("lines=2-5", false),
    ] {
        assert_eq!(asked(Method::GET, &[("range", range)]), is_inside, "{range}");
        assert!(!asked(Method::HEAD, &[("range", range)]), "n129: {range}");
    }
    assert!(!asked(Method::GET, &[]), "n086: its tag is for nobody who wants the whole");
    assert!(!asked(Method::GET, &[("if-none-match", "\"a\"")]));
    assert!(asked(Method::GET, &[("range", "bytes=2-5"), ("if-range", "\"a\"")]));
    assert!(!asked(Method::GET, &[("range", "bytes=2-5"), ("if-range", "\"b\"")]));
    let end = StoredPart { span: span(8, 9), complete: 10 };
    assert!(answers(&Method::GET, &fields(&[("range", "bytes=-1")]), &head, end));
}

#[test]
fn n052_only_the_same_strong_tag_combines() {
    let with = |tag: &str| entry(&[], &[("cache-control", "max-age=60"), ("etag", tag)]);
    assert!(combined_head(&with("\"a\""), &with("\"a\"")).is_some());
    for (old, new) in [("\"a\"", "\"b\""), ("W/\"a\"", "W/\"a\""), ("\"a\"", "W/\"a\""), ("W/\"a\"", "\"a\"")] {
        assert!(combined_head(&with(old), &with(new)).is_none(), "{old} {new}");
    }
    let public: Lines<'_> = &[("cache-control", "public, max-age=60"), ("etag", "\"a\"")];
    let (shared, anonymous) = (entry(&[ALICE], public), entry(&[], public));
    assert!(combined_head(&shared, &anonymous).is_none() && combined_head(&anonymous, &shared).is_none());
}

#[test]
fn n053_the_newer_parts_fields_replace_their_namesakes() {
    let head = |lines: Lines<'_>| Given { response: lines, ..Given::default() }.judge().unwrap();
    let old = head(&[("cache-control", "max-age=60"), ("etag", "\"a\""), ("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
    let new = head(&[("cache-control", "max-age=9, no-cache=\"c\", private=\"d\""), ("etag", "\"a\""), ("a", "2")]);
    let both = combined_head(&old, &new).unwrap();
    let value = |name: &str| both.fields.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!((value("a").as_deref(), value("b").as_deref(), value("d")), (Some("2"), Some("1"), None));
    assert_eq!(both.fields.names().filter(|name| *name == "a").count(), 1);
    assert!(both.fields.contains_key("c") && !both.reusable_fields().contains_key("c"));
    assert_eq!(both.lifetime, new.lifetime);
    let old = head(&[("cache-control", "max-age=60, no-cache=\"a, b\""), ("etag", "\"a\""), ("a", "1"), ("b", "1")]);
    let new = head(&[("cache-control", "max-age=9"), ("etag", "\"a\""), ("a", "2")]);
    let both = combined_head(&old, &new).unwrap();
    assert!(both.fields.contains_key("b") && !both.reusable_fields().contains_key("b"), "the older one's, as it said");
    assert!(both.reusable_fields().contains_key("a"), "the newer one's, as that says");
    let silent = head(&[("etag", "\"a\""), ("expires", "Fri, 15 Jan 2027 09:00:00 GMT")]);
    assert!(combined_head(&old, &silent).is_none(), "less than both say");
}

#[test]
fn n053_a_part_is_judged_as_what_it_belongs_to() {
    let part = StoredPart { span: span(0, 4), complete: 10 };
    let whole = as_whole(&fields(&[("content-range", "bytes 0-4/10"), ("content-length", "5"), ("etag", "\"a\"")]), part);
    assert_eq!(whole, fields(&[("content-length", "10"), ("etag", "\"a\"")]));
}
