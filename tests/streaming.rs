//! Bodies on their way to client and store at once: nothing waits, nothing incomplete is kept, memory has a bound.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::{Gate, Gateway, Origin, Reply, reply, test_clock};

fn fresh(seconds: u32) -> Reply {
    reply(200).field("cache-control", format!("max-age={seconds}"))
}

/// RFC 9112 section 8: what broke off is no response, whatever its framing.
#[tokio::test]
async fn n050_truncated_content_is_never_committed() {
    let clock = test_clock();
    for whole in [fresh(60).body("abcdef"), fresh(60).chunked(["abc", "def"]), fresh(60).chunked(["abcdef"])] {
        let origin = Origin::script([whole.clone().truncate_after(3), whole]).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let broken = gateway.anonymous().get("/x").await;
        assert_eq!((broken.text().as_str(), broken.complete), ("abc", false));
        let second = gateway.anonymous().get("/x").await;
        assert_eq!((second.text().as_str(), second.complete, second.hit()), ("abcdef", true, false));
        assert!(gateway.anonymous().get("/x").await.hit());
    }
}

/// A response larger than `max_object` goes through whole and is not kept.
#[tokio::test]
async fn a_response_larger_than_max_object_is_passed_on_and_not_kept() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/length" => fresh(60).body(vec![b'x'; 5000]),
        "/chunks" => fresh(60).chunked(vec![[b'x'; 1000]; 5]),
        _ => fresh(60).chunked(vec![[b'x'; 1000]; 4]),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "max_object = \"4096B\"").start().await;
    let client = gateway.anonymous();
    for (path, length, hit) in [("/length", 5000, false), ("/chunks", 5000, false), ("/fits", 4000, true)] {
        let first = client.get(path).await;
        assert_eq!((first.body.len(), first.complete), (length, true), "{path}");
        let second = client.get(path).await;
        assert_eq!((second.body.len(), second.complete, second.hit()), (length, true, hit), "{path}");
    }
}

/// The first bytes reach the client while the origin still holds the last ones.
#[tokio::test]
async fn content_streams_to_client_and_store_at_once() {
    let clock = test_clock();
    for answer in [fresh(60).body_pieces(["first ", "last"]), fresh(60).chunked(["first ", "last"])] {
        let gate = Gate::new();
        let origin = Origin::script([answer.body_gate(&gate)]).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let mut incoming = gateway.anonymous().request("GET", "/x").begin().await;
        assert_eq!(incoming.body_of(6).await, b"first ");
        gate.open();
        let answer = incoming.finish().await;
        assert_eq!((answer.text().as_str(), answer.complete), ("first last", true));
        assert_eq!(gateway.anonymous().get("/x").await.decision(), "hit", "the entry is there as soon as the client has the end");
    }
}

/// A client that does not read holds neither the store nor another client.
#[tokio::test]
async fn a_slow_reader_does_not_hold_others() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh(60).body(vec![b'x'; 16 << 20])).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut slow = gateway.anonymous().request("GET", "/x").begin().await;
    assert!(!slow.body_of(1).await.is_empty());
    support::eventually("the entry of a client that does not read", async || {
        let answer = gateway.anonymous().with("cache-control", "only-if-cached").get("/x").await;
        if answer.hit() && answer.body.len() == 16 << 20 { Ok(()) } else { Err(answer.cache_status()) }
    })
    .await;
    let answer = slow.finish().await;
    assert_eq!((answer.body.len(), answer.complete, origin.count()), (16 << 20, true, 1));
}

/// Whoever leaves in the middle leaves the rest to the store.
#[tokio::test]
async fn a_client_that_leaves_in_the_middle_leaves_a_stored_response() {
    let clock = test_clock();
    let gate = Gate::new();
    let rest = vec![b'x'; 4 << 20];
    let origin = Origin::script([fresh(60).body_pieces([b"first ".as_slice(), &rest]).body_gate(&gate)]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut incoming = gateway.anonymous().request("GET", "/x").begin().await;
    incoming.body_of(6).await;
    drop(incoming);
    gate.open();
    support::eventually("the rest in the store", async || {
        let answer = gateway.anonymous().with("cache-control", "only-if-cached").get("/x").await;
        if answer.hit() && answer.body.len() == rest.len() + 6 { Ok(()) } else { Err(answer.cache_status()) }
    })
    .await;
    assert_eq!(origin.count(), 1);
}

/// `memory` bounds what is kept, and what leaves is counted.
#[tokio::test]
async fn memory_is_bounded() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh(60).body(vec![b'x'; 64 << 10])).await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "memory = \"1MiB\"").start().await;
    let client = gateway.anonymous();
    for number in 0..100 {
        assert_eq!(client.get(&format!("/{number}")).await.body.len(), 64 << 10);
    }
    support::eventually("the gauges to settle within the bound", async || {
        let bytes = gateway.metric("vouchsafe_cache_bytes", &[("tier", "memory")]).await;
        let entries = gateway.metric("vouchsafe_cache_entries", &[("tier", "memory")]).await;
        let evicted = gateway.metric("vouchsafe_cache_evictions_total", &[("tier", "memory")]).await;
        let settled = bytes > 500e3 && bytes <= f64::from(1 << 20) && entries >= 8.0 && entries + evicted >= 100.0;
        if settled { Ok(()) } else { Err(format!("{bytes} bytes, {entries} entries, {evicted} evicted")) }
    })
    .await;
}

/// RFC 9111 section 4.4 in flight: what was asked for before an invalidation is not stored after it.
#[tokio::test]
async fn n094_a_response_in_flight_does_not_survive_an_invalidation() {
    let clock = test_clock();
    let gate = Gate::new();
    let held = fresh(60).gate(&gate).body("old");
    let origin = Origin::serving(move |request| if request.method == "GET" { held.clone() } else { reply(200) }).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let early = tokio::spawn(gateway.anonymous().get("/x"));
    gate.wait_reached().await;
    assert_eq!(gateway.anonymous().request("POST", "/x").send().await.status, 200);
    gate.open();
    assert_eq!(early.await.expect("no panic").text(), "old");
    assert!(!gateway.anonymous().get("/x").await.hit());
}
