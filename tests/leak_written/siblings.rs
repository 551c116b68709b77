//! Tags of variants that others filled are offered to the origin for nobody with credentials (RFC 9111 section 4.3.1).

use crate::table::Outcome::{Own, Validated};
use crate::table::{Fields, Mode, NOBODY, Written, case, run};

const EN: Fields = &[("accept-language", "en")];
const FR: Fields = &[("accept-language", "fr")];
const ALICE_EN: Fields = &[("authorization", "Bearer alice"), ("accept-language", "en")];
const ALICE_FR: Fields = &[("authorization", "Bearer alice"), ("accept-language", "fr")];
const BOB_FR: Fields = &[("authorization", "Bearer bob"), ("accept-language", "fr")];
const SHARED: Fields = &[("cache-control", "public, max-age=60"), ("vary", "accept-language")];
const MINUTE: Fields = &[("cache-control", "max-age=60"), ("vary", "accept-language")];

pub const OFFERED: &[Written] = &[
    case("nobody's variant, for nobody", MINUTE, Validated).filled(EN).asked(FR),
    case("nobody's variant, for somebody", MINUTE, Own).filled(EN).asked(BOB_FR),
    case("somebody's variant, for nobody", SHARED, Own).filled(ALICE_EN).asked(FR),
    case("somebody's variant, for another", SHARED, Own).filled(ALICE_EN).asked(BOB_FR),
    case("somebody's variant, for the same", SHARED, Own).filled(ALICE_EN).asked(ALICE_FR),
    case("a session's variant, for nobody", SHARED, Own)
        .filled(&[("cookie", "sid=one"), ("accept-language", "en")])
        .asked(FR)
        .policy("credentials = { cookies = [\"sid\"] }"),
    case("nobody's variant, for a session", MINUTE, Own)
        .filled(EN)
        .asked(&[("cookie", "sid=one"), ("accept-language", "fr")])
        .policy("credentials = { cookies = [\"sid\"] }"),
    case("a variant by credential", &[("cache-control", "public, max-age=60"), ("vary", "authorization")], Own).asked(NOBODY),
    case(
        "a variant by credential and language",
        &[("cache-control", "public, max-age=60"), ("vary", "authorization, accept-language")],
        Own,
    )
    .filled(ALICE_EN)
    .asked(BOB_FR),
];

#[tokio::test]
async fn n079_no_tag_is_offered_across_credentials() {
    run(Mode::Gateway, OFFERED).await;
}
