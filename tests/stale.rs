//! Stale responses and reloads through real sockets: when what is stored answers although a validation seems due.
//!
//! RFC 8246 (immutable).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::cases::Cases;
use support::{Gateway, Origin, reply, secs, test_clock};

/// RFC 8246 section 2.1: a reload of what is immutable and fresh stays here; a forced one does not.
#[tokio::test]
async fn x031_a_reload_of_what_is_immutable_does_not_reach_the_origin() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let status = if request.field("if-none-match") == Some("\"v1\"") { 304 } else { 200 };
        let says = if request.target == "/fixed" { "max-age=100, immutable=?1, immutable" } else { "max-age=100" };
        reply(status).field("cache-control", says).field("etag", "\"v1\"").body("abc")
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut cases = Cases::new();
    for target in ["/fixed", "/plain"] {
        gateway.anonymous().get(target).await;
    }
    clock.advance(secs(20));
    for (target, asked, condition, status, decision) in [
        ("/fixed", "max-age=0", "", 200, "hit"),
        ("/fixed", "max-age=0", "\"v1\"", 304, "hit"),
        ("/fixed", "max-age=0", "\"other\"", 200, "hit"),
        ("/plain", "max-age=0", "", 200, "fwd=request"),
        ("/fixed", "no-cache", "", 200, "fwd=request"),
    ] {
        let before = origin.count();
        let request = gateway.anonymous().request("GET", target).field("cache-control", asked);
        let request = if condition.is_empty() { request } else { request.field("if-none-match", condition) };
        let answer = request.send().await;
        let id = format!("{target} {asked} {condition}");
        cases.expect(&id, (answer.status, answer.decision().as_str()), (status, decision));
        cases.expect(&id, origin.count() - before, usize::from(decision != "hit"));
    }
    // Only while it is fresh.
    clock.advance(secs(100));
    let reload = gateway.anonymous().with("cache-control", "max-age=0").get("/fixed").await;
    cases.expect("stale", reload.decision().as_str(), "fwd=request");
    cases.finish(11);
}
