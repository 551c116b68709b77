//! Stale responses and reloads through real sockets: when what is stored answers although a validation seems due.
//!
//! RFC 5861 section 4 (stale-if-error), RFC 8246 (immutable).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::cases::Cases;
use support::{Gateway, Origin, Reply, eventually, raw, reply, secs, test_clock};

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

/// A response to fill the store with.
fn tagged(cache_control: &str) -> Reply {
    reply(200).field("cache-control", cache_control).field("etag", "\"v1\"").body("abc")
}

/// RFC 5861 section 4: which errors, for how long, and what forbids it.
#[tokio::test]
async fn x030_n077_stale_in_place_of_an_error_as_long_as_somebody_allows_it() {
    let clock = test_clock();
    let mut cases = Cases::new();
    // 0: the origin closes the connection without an answer.
    for (says, asks, policy, failure, age, status) in [
        ("max-age=10, stale-if-error=60", "", "", 500, 70, 200),
        ("max-age=10, stale-if-error=60", "", "", 502, 11, 200),
        ("max-age=10, stale-if-error=60", "", "", 503, 11, 200),
        ("max-age=10, stale-if-error=60", "", "", 504, 11, 200),
        ("max-age=10, stale-if-error=60", "", "", 503, 71, 503),
        ("max-age=10, stale-if-error=60", "", "max_stale_disconnected = \"0s\"", 0, 70, 200),
        ("max-age=10, stale-if-error=60", "", "max_stale_disconnected = \"0s\"", 0, 71, 504),
        ("max-age=10, stale-if-error=60", "", "", 0, 71, 200),
        ("max-age=10, stale-if-error=60", "", "", 501, 11, 501),
        ("max-age=10, stale-if-error=60", "", "", 505, 11, 505),
        ("max-age=10, stale-if-error=60", "", "", 404, 11, 404),
        ("max-age=10, stale-if-error=60", "", "", 401, 11, 401),
        ("max-age=10, stale-if-error=60", "", "", 403, 11, 403),
        ("max-age=10, stale-if-error=60", "no-cache", "", 503, 11, 503),
        ("max-age=10, stale-if-error=60", "max-age=0", "", 503, 11, 503),
        ("max-age=10", "", "", 503, 11, 503),
        ("max-age=10", "stale-if-error=60", "", 503, 11, 200),
        ("max-age=10", "stale-if-error=60", "ignore_request_cache_control = true", 503, 11, 503),
        ("max-age=10", "", "stale_if_error = \"1m\"", 503, 70, 200),
        ("max-age=10", "", "stale_if_error = \"1m\"", 503, 71, 503),
        ("max-age=10, stale-if-error=0", "", "stale_if_error = \"1m\"", 503, 11, 503),
        ("max-age=10, stale-if-error=60, must-revalidate", "stale-if-error=60", "stale_if_error = \"1m\"", 503, 11, 503),
        ("max-age=10, stale-if-error=60, proxy-revalidate", "stale-if-error=60", "stale_if_error = \"1m\"", 503, 11, 503),
        ("max-age=10, stale-if-error=60, s-maxage=5", "stale-if-error=60", "stale_if_error = \"1m\"", 503, 11, 503),
        ("max-age=10, stale-if-error=60, no-cache", "stale-if-error=60", "stale_if_error = \"1m\"", 503, 11, 503),
        ("max-age=10, stale-if-error=60, must-revalidate", "", "", 0, 11, 504),
    ] {
        let fails = if failure == 0 { raw("").close() } else { reply(failure).body("sorry") };
        let origin = Origin::script([tagged(says), fails.clone(), fails]).await;
        let gateway = Gateway::reverse(&origin, &clock).policy(policy).start().await;
        gateway.anonymous().get("/x").await;
        clock.advance(secs(age));
        let client = if asks.is_empty() { gateway.anonymous() } else { gateway.anonymous().with("cache-control", asks) };
        let answer = client.get("/x").await;
        let id = format!("{says}; {asks}; {policy}; {failure} after {age} s");
        cases.expect(&id, answer.status, status);
        if status == 200 {
            cases.expect(&id, (answer.text().as_str(), answer.age()), ("abc", Some(age)));
        } else {
            cases.expect(&id, (answer.text() == "sorry", answer.text().contains("abc")), (failure != 0, false));
        }
    }
    cases.finish(52);
}

/// RFC 9211 section 2.1: an answer that was asked for in vain is told as one; one that could not be asked for is a hit.
#[tokio::test]
async fn x030_the_stale_answer_says_what_happened() {
    let clock = test_clock();
    let origin = Origin::script([tagged("max-age=10, stale-if-error=60"), reply(503), raw("").close(), raw("").close()]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(30));
    let failed = gateway.anonymous().get("/x").await;
    assert_eq!(failed.cache_status(), "fwd=stale; fwd-status=503; ttl=-20; detail=stale-if-error");
    let silent = gateway.anonymous().get("/x").await;
    assert_eq!(silent.cache_status(), "hit; ttl=-20; detail=stale-if-error");
    for answer in [failed, silent] {
        assert_eq!((answer.status, answer.text().as_str(), answer.age()), (200, "abc", Some(30)));
        assert_eq!(answer.field("cache-control"), Some("max-age=10, stale-if-error=60"));
    }
    gateway.metric_is("vouchsafe_cache_requests_total", &[("result", "stale")], 2.0).await;
    gateway.metric_is("vouchsafe_validations_total", &[("outcome", "server-error")], 1.0).await;
    gateway.metric_is("vouchsafe_validations_total", &[("outcome", "unreachable")], 1.0).await;
}

/// RFC 9111 section 4.2.3: the limit is on the age of the answer, and the wait for the error is part of it.
#[tokio::test]
async fn x030_an_error_that_comes_late_finds_the_window_closed() {
    let clock = test_clock();
    let gate = support::Gate::new();
    let origin = Origin::script([tagged("max-age=10, stale-if-error=60"), reply(503).gate(&gate)]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(70));
    let (late, ()) = tokio::join!(client.get("/x"), async {
        gate.wait_reached().await;
        clock.advance(secs(1));
        gate.open();
    });
    assert_eq!(late.status, 503);
}

/// RFC 9111 section 3.5 stands before RFC 5861: who is refused is refused, and who may see it sees it, each by their own
/// credentials.
#[tokio::test]
async fn x030_t20_a_refusal_is_no_error_and_permission_comes_first() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match (request.field("if-none-match"), request.field("authorization")) {
        (None, _) => tagged("public, max-age=10, stale-if-error=60"),
        (_, Some("Bearer eve")) => reply(403).body("not you"),
        (_, None) => reply(401).field("www-authenticate", "Bearer"),
        _ => reply(503),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().authorization("Bearer alice").get("/x").await;
    clock.advance(secs(20));
    let bob = gateway.anonymous().authorization("Bearer bob").get("/x").await;
    assert_eq!((bob.status, bob.text().as_str(), bob.detail()), (200, "abc", Some("stale-if-error")));
    assert_eq!(origin.last().field("authorization"), Some("Bearer bob"));
    assert_eq!(gateway.anonymous().authorization("Bearer eve").get("/x").await.text(), "not you");
    assert_eq!(gateway.anonymous().get("/x").await.status, 401);
}

/// RFC 9110 sections 13 and 14: a stale stored response answers what was asked.
#[tokio::test]
async fn x030_the_stand_in_obeys_method_condition_and_range() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        if request.field("if-none-match").is_some() { reply(500).body("oops") } else { tagged("max-age=10, stale-if-error=60") }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    let head = client.head("/x").await;
    assert_eq!((head.status, head.field("content-length"), head.detail()), (200, Some("3"), Some("stale-if-error")));
    let known = client.clone().with("if-none-match", "\"v1\"").get("/x").await;
    assert_eq!((known.status, known.detail()), (304, Some("stale-if-error")));
    let part = client.clone().with("range", "bytes=1-1").get("/x").await;
    assert_eq!((part.status, part.text().as_str(), part.detail()), (206, "b", Some("stale-if-error")));
}

/// RFC 9112 section 9.3: an error that nobody reads does not cost a connection each time.
#[tokio::test]
async fn x030_the_connection_of_an_unread_error_is_used_again() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let is_asked = request.field("if-none-match").is_some();
        if is_asked { reply(503).body("x".repeat(5_000)) } else { tagged("max-age=10, stale-if-error=60") }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    eventually("an error's connection to be used again", || async {
        assert_eq!(client.get("/x").await.text(), "abc");
        let errors: Vec<usize> = origin.requests().iter().skip(1).map(|request| request.connection_number).collect();
        let (last, before) = errors.split_last().expect("one at least");
        if before.contains(last) { Ok(()) } else { Err(format!("connections {errors:?}")) }
    })
    .await;
}
