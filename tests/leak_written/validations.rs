//! What a confirmation changes for those who come after: it loosens and tightens (RFC 9111 sections 3.2, 4.3.3 and 4.3.4).
//!
//! Alice fills, Bob is confirmed by the origin, and Carol asks.

use crate::table::Outcome::{Own, Shared, Validated};
use crate::table::{BOB, CAROL, Fields, Mode, NOBODY, Written, case, run};

const JUDGED: Fields = &[("cache-control", "s-maxage=0")];

const fn then(id: &'static str, confirms: Fields, outcome: crate::table::Outcome) -> Written {
    case(id, JUDGED, outcome).confirms(confirms).between(&[BOB]).asked(CAROL)
}

macro_rules! says {
    ($($line:expr),*) => { &[$(("cache-control", $line)),*] };
}

pub const LOOSENED: &[Written] = &[
    then("to s-maxage", says!["s-maxage=60"], Shared),
    then("to public", says!["public, max-age=60"], Shared),
    then("to must-revalidate", says!["must-revalidate, max-age=60"], Shared),
    then("to public on two lines", says!["max-age=60", "public"], Shared),
    then("by the targeted field", &[("cache-control", "s-maxage=0"), ("cdn-cache-control", "public, max-age=60")], Shared),
    then("for others too, by an anonymous confirmation", says!["s-maxage=60"], Shared).between(&[NOBODY]),
    then("of what nobody filled", says!["public, max-age=60"], Shared).filled(NOBODY),
];

pub const KEPT: &[Written] = &[
    then("said again", says!["s-maxage=0"], Validated),
    then("nothing said", &[], Validated),
    then("public without a lifetime", says!["public"], Validated),
    then("public, no-cache", says!["public, no-cache"], Validated),
    then("stale at once", says!["public, max-age=0"], Validated),
    then("with a cookie for who was confirmed", &[("cache-control", "s-maxage=0"), ("set-cookie", "sid=bob")], Validated),
];

pub const TIGHTENED: &[Written] = &[
    then("to private", says!["private, max-age=60"], Own),
    then("to PRIVATE", says!["PRIVATE, max-age=60"], Own),
    then("to private beside public", says!["public, max-age=60", "private"], Own),
    then("to private of a field", says!["public, max-age=60, private=\"x-note\""], Own),
    then("to no-store", says!["no-store"], Own),
    then("to no-store with an argument", says!["no-store=1, public, max-age=60"], Own),
    then("to a lifetime alone", says!["max-age=60"], Own),
    then("to an immutable lifetime", says!["max-age=60, immutable"], Own),
    then("to no-cache alone", says!["no-cache"], Own),
    then("to proxy-revalidate", says!["proxy-revalidate, max-age=60"], Own),
    then("to a broken number", says!["s-maxage=60s"], Own),
    then("to a negative number", says!["s-maxage=-1"], Own),
    then("to public with an argument", says!["public=1, max-age=60"], Own),
    then("to quoted public", says!["\"public\", max-age=60"], Own),
    then("to everything in Vary", &[("cache-control", "s-maxage=60"), ("vary", "*")], Own),
    // What the filler sent in it, nobody knows.
    then("to Vary by a field that was no matter before", &[("cache-control", "s-maxage=60"), ("vary", "accept-language")], Own),
    then("to Vary by credential", &[("cache-control", "s-maxage=60"), ("vary", "authorization")], Own),
    then(
        "by the targeted field, without permission",
        &[("cache-control", "s-maxage=60"), ("cdn-cache-control", "max-age=60")],
        Own,
    ),
    then("by the targeted field, private", &[("cache-control", "s-maxage=60"), ("cdn-cache-control", "private")], Own),
    then("nominating what decides", &[("cache-control", "s-maxage=60"), ("connection", "cache-control")], Own),
    then("of what nobody filled, to private", says!["private"], Own).filled(NOBODY),
];

#[tokio::test]
async fn n092_a_304_that_loosens_is_believed() {
    run(Mode::Gateway, LOOSENED).await;
}

#[tokio::test]
async fn n092_a_304_that_changes_nothing_leaves_the_origin_its_say() {
    run(Mode::Gateway, KEPT).await;
}

#[tokio::test]
async fn n092_a_304_that_tightens_ends_sharing() {
    run(Mode::Gateway, TIGHTENED).await;
}
