use super::*;
use crate::cache::tests::{DATE, Lines, entry, fields};

const LM: (&str, &str) = ("last-modified", "Fri, 15 Jan 2027 07:00:00 GMT");
const OTHER_LM: (&str, &str) = ("last-modified", "Fri, 15 Jan 2027 07:30:00 GMT");

fn head(validators: Lines<'_>) -> Head {
    let mut lines = vec![("cache-control", "max-age=60"), DATE];
    lines.extend(validators);
    entry(&[], &lines)
}

#[test]
fn n079_n080_stored_validators_are_sent_as_they_are() {
    for (validators, expected) in [
        (&[("etag", "\"a\"")][..], &[("if-none-match", "\"a\"")][..]),
        (&[("etag", "W/\"a\"")], &[("if-none-match", "W/\"a\"")]),
        (&[LM], &[("if-modified-since", LM.1)]),
        (&[("etag", "\"a\""), LM], &[("if-none-match", "\"a\""), ("if-modified-since", LM.1)]),
        (&[("etag", "unquoted")], &[("if-none-match", "unquoted")]),
    ] {
        assert_eq!(sent(&[], &conditions(&head(validators))), fields(expected));
    }
}

/// What an origin sees of a request with these fields.
fn sent(client: Lines<'_>, instead: &[Instead]) -> HeaderMap {
    let mut map = fields(client);
    for (name, value) in instead {
        map.remove(name);
        map.extend(value.clone().map(|value| (name.clone(), value)));
    }
    map
}

#[test]
fn t24_the_clients_conditions_are_replaced_not_mixed() {
    let client: Lines<'_> =
        &[("if-none-match", "\"x\""), ("if-none-match", "\"y\""), ("if-modified-since", OTHER_LM.1), ("accept", "a")];
    assert_eq!(sent(client, &conditions(&head(&[("etag", "\"a\"")]))), fields(&[("accept", "a"), ("if-none-match", "\"a\"")]));
    assert_eq!(sent(client, &conditions(&head(&[]))), fields(&[("accept", "a")]), "nothing to validate with");
    assert_eq!(sent(client, &NO_CONDITIONS), fields(&[("accept", "a")]));
}

#[test]
fn n090_n091_t22_which_304_confirms_the_stored_response() {
    for (not_modified, stored, expected) in [
        // Strong validators must be the same.
        (&[("etag", "\"a\"")][..], &[("etag", "\"a\"")][..], true),
        (&[("etag", "\"b\"")], &[("etag", "\"a\"")], false),
        (&[("etag", "\"a\"")], &[("etag", "W/\"a\"")], false),
        (&[("etag", "\"a\"")], &[LM], false),
        (&[("etag", "\"b\""), LM], &[("etag", "\"a\""), LM], false),
        // Weak ones must match weakly.
        (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], true),
        (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], true),
        (&[("etag", "W/\"b\"")], &[("etag", "W/\"a\"")], false),
        (&[("etag", "w/\"a\"")], &[("etag", "W/\"a\"")], false),
        (&[LM], &[LM], true),
        (&[OTHER_LM], &[LM], false),
        (&[LM], &[("etag", "\"a\""), LM], true),
        (&[LM], &[], false),
        // None: the response that the condition was made from.
        (&[], &[("etag", "\"a\"")], true),
        (&[], &[], true),
    ] {
        assert_eq!(selects(&fields(not_modified), &head(stored)), expected, "{not_modified:?} for {stored:?}");
    }
}

#[test]
fn n125_weak_and_strong_comparison() {
    // RFC 9110 section 8.8.3.2, table 3.
    for (a, b, strong, weak) in [
        ("W/\"1\"", "W/\"1\"", false, true),
        ("W/\"1\"", "W/\"2\"", false, false),
        ("W/\"1\"", "\"1\"", false, true),
        ("\"1\"", "\"1\"", true, true),
    ] {
        assert_eq!((strong_match(a.as_bytes(), b.as_bytes()), weak_match(a.as_bytes(), b.as_bytes())), (strong, weak), "{a} {b}");
        assert_eq!((strong_match(b.as_bytes(), a.as_bytes()), weak_match(b.as_bytes(), a.as_bytes())), (strong, weak), "{b} {a}");
    }
}

/// RFC 9111 section 4.3.5.
#[test]
fn n093_what_a_head_received_must_match_and_what_it_left_out_does_not_count() {
    let stored = head(&[("etag", "\"a\""), LM]);
    for (answer, expected) in [
        (&[][..], true),
        (&[("etag", "\"a\""), LM, ("content-length", "3")], true),
        (&[("etag", "W/\"a\"")], false),
        (&[("etag", "\"b\""), LM], false),
        (&[OTHER_LM], false),
        (&[("content-length", "4")], false),
        (&[("content-length", "three")], false),
    ] {
        assert_eq!(is_described_by(&fields(answer), &stored, 3), expected, "{answer:?}");
    }
    assert!(!is_described_by(&fields(&[("etag", "\"a\"")]), &head(&[LM]), 3), "a validator that was never stored");
}
