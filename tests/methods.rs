//! Methods and selection through real sockets: variants compared by meaning, HEAD that freshens, POST that is stored,
//! OPTIONS that ends here.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::cases::Cases;
use support::{Gateway, Origin, Reply, reply, secs, test_clock};

fn fresh(seconds: u32) -> Reply {
    reply(200).field("cache-control", format!("max-age={seconds}"))
}

/// RFC 9111 section 4.1, RFC 9110 sections 12.5.3 and 12.5.4.
#[tokio::test]
async fn n067_languages_and_codings_select_by_meaning_unless_the_policy_says_by_spelling() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (policy, field, first, second, hits) in [
        ("", "accept-language", "en, de", "eN,  De", true),
        ("", "accept-language", "en, de", "de, en", true),
        ("", "accept-language", "en, de", "fr;q=0.5, de;q=1.0", false),
        ("", "accept-encoding", "gzip, br", "BR, gzip", true),
        ("", "accept-encoding", "gzip", "br", false),
        ("vary_normalise = false", "accept-language", "en, de", "de, en", false),
        ("vary_normalise = false", "accept-language", "en, de", "en,de", true),
        ("vary_normalise = false", "accept-encoding", "gzip", "GZIP", false),
    ] {
        let origin = Origin::serving(move |_| fresh(60).field("vary", field).field("content-language", "de").body("abc")).await;
        let gateway = Gateway::reverse(&origin, &clock).policy(policy).start().await;
        gateway.anonymous().with(field, first).get("/x").await;
        let answer = gateway.anonymous().with(field, second).get("/x").await;
        cases.expect(&format!("{policy} {first} then {second}"), answer.hit(), hits);
    }
    cases.finish(8);
}
