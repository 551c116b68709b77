//! Stale answers and credentials: behind a validation, and in place of an error (RFC 9111 section 4.2.4, RFC 5861).

use crate::table::Outcome::{Behind, Instead, Own, Validated};
use crate::table::{ALICE, Fields, Mode, NOBODY, Written, case, run};

const BEHIND: Fields = &[("cache-control", "public, max-age=10, stale-while-revalidate=60")];
const INSTEAD: Fields = &[("cache-control", "public, max-age=10, stale-if-error=60")];

const fn at_20(id: &'static str, says: Fields, outcome: crate::table::Outcome) -> Written {
    case(id, says, outcome).later(20)
}

macro_rules! says {
    ($($line:expr),*) => { &[$(("cache-control", $line)),*] };
}

pub const REVALIDATED: &[Written] = &[
    at_20("public, for another", BEHIND, Behind),
    at_20("public, for nobody", BEHIND, Behind).asked(NOBODY),
    at_20("public, for the same", BEHIND, Behind).asked(ALICE),
    at_20("without permission", says!["max-age=10, stale-while-revalidate=60"], Own),
    at_20("filled by nobody", says!["max-age=10, stale-while-revalidate=60"], Behind).filled(NOBODY),
    at_20("against s-maxage", says!["s-maxage=10, stale-while-revalidate=60"], Validated),
    at_20("against must-revalidate", says!["must-revalidate, max-age=10, stale-while-revalidate=60"], Validated),
    at_20("against proxy-revalidate", says!["public, proxy-revalidate, max-age=10, stale-while-revalidate=60"], Validated),
    at_20("against no-cache", says!["public, no-cache, max-age=10, stale-while-revalidate=60"], Validated),
    at_20("private", says!["private, max-age=10, stale-while-revalidate=60"], Own),
    at_20("a broken window", says!["public, max-age=10, stale-while-revalidate=x"], Validated),
    at_20("when the window is over", BEHIND, Validated).later(100),
    at_20("by policy, of credentials", says!["public, max-age=10"], Validated).policy("stale_while_revalidate = \"60s\""),
    at_20("where the asker wants it validated", BEHIND, Validated)
        .asked(&[("authorization", "Bearer bob"), ("cache-control", "no-cache")]),
];

const fn failing(id: &'static str, says: Fields, outcome: crate::table::Outcome) -> Written {
    at_20(id, says, outcome).asked(&[("authorization", "Bearer bob"), ("x-status", "503")])
}

const fn refused(id: &'static str, asker: Fields) -> Written {
    at_20(id, INSTEAD, Own).asked(asker)
}

pub const FAILED: &[Written] = &[
    failing("public, for another", INSTEAD, Instead),
    failing("public, for nobody", INSTEAD, Instead).asked(&[("x-status", "500")]),
    failing("filled by nobody", says!["max-age=10, stale-if-error=60"], Instead).filled(NOBODY),
    failing("without permission", says!["max-age=10, stale-if-error=60"], Own),
    failing("private", says!["private, max-age=10, stale-if-error=60"], Own),
    failing("against s-maxage", says!["s-maxage=10, stale-if-error=60"], Own),
    failing("against must-revalidate", says!["must-revalidate, max-age=10, stale-if-error=60"], Own),
    failing("against proxy-revalidate", says!["public, proxy-revalidate, max-age=10, stale-if-error=60"], Own),
    failing("against no-cache", says!["public, no-cache, stale-if-error=60"], Own),
    failing("when the window is over", INSTEAD, Own).later(100),
    failing("told apart by Vary", &[("cache-control", "public, max-age=10, stale-if-error=60"), ("vary", "authorization")], Own),
    refused("a 401 is an answer", &[("authorization", "Bearer bob"), ("x-status", "401")]),
    refused("a 403 is an answer", &[("authorization", "Bearer bob"), ("x-status", "403")]),
    refused("a 403 to nobody is an answer", &[("x-status", "403")]),
    refused("a 429 is an answer", &[("authorization", "Bearer bob"), ("x-status", "429")]),
];

#[tokio::test]
async fn x029_stale_answers_behind_a_validation() {
    run(Mode::Gateway, REVALIDATED).await;
}

#[tokio::test]
async fn x030_n077_stale_answers_in_place_of_an_error() {
    run(Mode::Gateway, FAILED).await;
}
