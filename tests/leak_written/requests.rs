//! What others ask for, and how: methods, ranges, conditions, request directives, and who invalidates (RFC 9110 sections 9.3,
//! 13 and 14; RFC 9111 sections 4.4 and 5.2.1).

use crate::TAG;
use crate::table::Outcome::{Own, Refused, Shared, Validated};
use crate::table::{ALICE, BOB, CAROL, Fields, Mode, NOBODY, Written, case, run};

const PUBLIC: Fields = &[("cache-control", "public, max-age=60")];
const MINUTE: Fields = &[("cache-control", "max-age=60")];

macro_rules! bob {
    ($($field:expr),*) => { &[("authorization", "Bearer bob"), $($field),*] };
}

macro_rules! alice {
    ($($field:expr),*) => { &[("authorization", "Bearer alice"), $($field),*] };
}

pub const ASKED: &[Written] = &[
    case("HEAD of what is shared", PUBLIC, Shared).asked(bob![(":method", "HEAD")]),
    case("HEAD of what is not", MINUTE, Own).asked(bob![(":method", "HEAD")]),
    case("a range of what is shared", PUBLIC, Shared).asked(bob![("range", "bytes=0-3")]),
    case("a range of what is not", MINUTE, Own).asked(bob![("range", "bytes=0-3")]),
    case("two ranges of what is shared", PUBLIC, Shared).asked(bob![("range", "bytes=0-3,8-9")]),
    case("a range if it is still the same", PUBLIC, Shared).asked(bob![("range", "bytes=0-3"), ("if-range", TAG)]),
    case("a range if it is still the same, of what is not shared", MINUTE, Own)
        .asked(bob![("range", "bytes=0-3"), ("if-range", TAG)]),
    case("the tag of what is shared", PUBLIC, Shared).asked(bob![("if-none-match", TAG)]),
    case("the tag of what is not", MINUTE, Own).asked(bob![("if-none-match", TAG)]),
    case("any tag, of what is not shared", MINUTE, Own).asked(bob![("if-none-match", "*")]),
    case("another tag, of what is shared", PUBLIC, Shared).asked(bob![("if-none-match", "\"v0\"")]),
    case("only from the store, shared", PUBLIC, Shared).asked(bob![("cache-control", "only-if-cached")]),
    case("only from the store, not shared", MINUTE, Refused(504)).asked(bob![("cache-control", "only-if-cached")]),
    case("only from the store, and stale", MINUTE, Refused(504))
        .later(100)
        .asked(bob![("cache-control", "only-if-cached, max-stale")]),
    case("max-stale permits nothing", MINUTE, Own).later(100).asked(bob![("cache-control", "max-stale=1000")]),
    case("max-stale against s-maxage", &[("cache-control", "s-maxage=60")], Validated)
        .later(100)
        .asked(bob![("cache-control", "max-stale")]),
    case("public in the request", MINUTE, Own).asked(bob![("cache-control", "public, s-maxage=60")]),
    case("no-cache in the request", PUBLIC, Validated).asked(bob![("cache-control", "no-cache")]),
    case("max-age=0 in the request, a second later", PUBLIC, Validated).later(1).asked(bob![("cache-control", "max-age=0")]),
    case("max-age=0 in the request, at once", PUBLIC, Shared).asked(bob![("cache-control", "max-age=0")]),
    case("min-fresh in the request", PUBLIC, Validated).asked(bob![("cache-control", "min-fresh=120")]),
    case("Pragma in the request is deprecated", PUBLIC, Shared).asked(bob![("pragma", "no-cache")]),
    case("a POST is nobody's hit", PUBLIC, Own).asked(bob![(":method", "POST"), (":body", "a")]),
    case("OPTIONS is nobody's hit", PUBLIC, Own).asked(bob![(":method", "OPTIONS")]),
];

pub const FILLED: &[Written] = &[
    case("HEAD stores nothing for GET", PUBLIC, Own).filled(alice![(":method", "HEAD")]),
    case("a range that was answered with all of it", PUBLIC, Shared).filled(alice![("range", "bytes=0-3")]),
    case("asked for with no-store", PUBLIC, Own).filled(alice![("cache-control", "no-store")]),
    case("asked for with no-cache", PUBLIC, Shared).filled(alice![("cache-control", "no-cache")]),
    case(
        "a POST located at its target, with permission",
        &[("cache-control", "public, max-age=60"), ("content-location", "/x")],
        Shared,
    )
    .filled(alice![(":method", "POST"), (":body", "a")]),
    case("a POST located at its target, without permission", &[("cache-control", "max-age=60"), ("content-location", "/x")], Own)
        .filled(alice![(":method", "POST"), (":body", "a")]),
    case("a POST located at its target, private", &[("cache-control", "private, max-age=60"), ("content-location", "/x")], Own)
        .filled(alice![(":method", "POST"), (":body", "a")]),
    case("a POST located elsewhere", &[("cache-control", "public, max-age=60"), ("content-location", "/y")], Own)
        .filled(alice![(":method", "POST"), (":body", "a")])
        .asked(bob![(":path", "/y")]),
    case("a POST that is not located", PUBLIC, Own).filled(alice![(":method", "POST"), (":body", "a")]),
    case("a PUT is stored for nobody", &[("cache-control", "public, max-age=60"), ("content-location", "/x")], Own)
        .filled(alice![(":method", "PUT"), (":body", "a")]),
    case("a GET with content", PUBLIC, Own).filled(alice![(":body", "a")]),
    case("a refusal that says public", PUBLIC, Own).filled(alice![("x-status", "401")]),
];

const GROUPED: Fields =
    &[("cache-control", "public, max-age=60"), ("cache-groups", "\"a\""), ("cache-group-invalidation", "\"a\"")];

pub const INVALIDATED: &[Written] = &[
    case("a group without permission is not shared", &[("cache-control", "max-age=60"), ("cache-groups", "\"a\"")], Own),
    case("a group that nobody invalidated", GROUPED, Shared).between(&[&[(":path", "/y")]]),
    case("a group, by POST", GROUPED, Own).between(&[&[(":method", "POST"), (":path", "/y"), (":body", "a")]]),
    case("a group, by a refused POST", GROUPED, Shared).between(&[&[
        (":method", "POST"),
        (":path", "/y"),
        (":body", "a"),
        ("x-status", "403"),
    ]]),
    case("a group, by a POST without credentials", GROUPED, Shared).between(&[&[
        (":method", "POST"),
        (":path", "/y"),
        (":body", "a"),
        ("x-status", "401"),
    ]]),
    case("a group, by a failed DELETE", GROUPED, Shared).between(&[&[
        (":method", "DELETE"),
        (":path", "/y"),
        ("x-status", "500"),
    ]]),
    case("a refused PUT", PUBLIC, Shared).between(&[&[(":method", "PUT"), (":body", "a"), ("x-status", "403")]]),
    case("a PUT", PUBLIC, Own).between(&[&[(":method", "PUT"), (":body", "a"), ("x-status", "204")]]),
    case("an unknown method", PUBLIC, Own).between(&[&[(":method", "FROB"), (":body", "a")]]),
    case("what was invalidated is fetched for its asker alone", MINUTE, Own)
        .filled(NOBODY)
        .between(&[&[(":method", "POST"), (":body", "a")], ALICE])
        .asked(BOB),
    case("what is fetched again is shared again", PUBLIC, Own).between(&[&[(":method", "POST"), (":body", "a")]]).asked(CAROL),
];

#[tokio::test]
async fn n054_however_it_is_asked_for() {
    run(Mode::Gateway, ASKED).await;
}

#[tokio::test]
async fn n054_however_it_was_filled() {
    run(Mode::Gateway, FILLED).await;
}

#[tokio::test]
async fn n094_x033_who_may_invalidate() {
    run(Mode::Gateway, INVALIDATED).await;
}
