//! `POST /purge` of the admin listener through real sockets: what is withdrawn, what stays, and what is on its way.
//!
//! RFC 9111 section 4.4 (to invalidate is to remove, or to mark as in need of validation).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use serde_json::{Value, json};
use support::cases::Cases;
use support::{Client, Gate, Gateway, Origin, Reply, SeenRequest, reply, secs, test_clock};

/// Sends an order and gives back what was done.
async fn purge(gateway: &Gateway, order: Value) -> Value {
    let request = gateway.admin().request("POST", "/purge").field("content-type", "application/json");
    let answer = request.body(order.to_string()).send().await;
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")), "{order}: {}", answer.text());
    answer.json()
}

/// Tags by path, and confirms to everybody who asks.
fn answer(request: &SeenRequest) -> Reply {
    let status = if request.field("if-none-match").is_some() { 304 } else { 200 };
    let answer = reply(status).field("cache-control", "public, max-age=60").field("etag", "\"v1\"");
    let answer = match request.target.as_str() {
        target if target.contains("red") => answer.field("surrogate-key", "other red"),
        target if target.contains("green") => answer.field("cache-groups", "\"green\""),
        target if target.contains("vary") => answer.field("vary", "accept-language"),
        _ => answer,
    };
    if status == 304 { answer } else { answer.body("a") }
}

const PATHS: [&str; 5] = ["/news/red", "/news/green?page=2", "/shop/red", "/vary", "/plain"];

/// Fills everything for two hosts.
async fn filled(gateway: &Gateway) {
    for host in ["a.test", "b.test"] {
        for path in PATHS {
            for language in ["de", "en"] {
                gateway.anonymous().host(host).with("accept-language", language).get(path).await;
            }
        }
    }
}

/// What is left: `a/news/red` stands for a hit in both languages.
async fn left(gateway: &Gateway) -> Vec<String> {
    let mut left = Vec::new();
    for host in ["a.test", "b.test"] {
        for path in PATHS {
            let client = gateway.anonymous().host(host).with("cache-control", "only-if-cached");
            let is_hit = async |language| client.clone().with("accept-language", language).get(path).await.hit();
            match (is_hit("de").await, is_hit("en").await) {
                (true, true) => left.push(format!("{}{path}", &host[..1])),
                (false, false) => {}
                _ => panic!("one variant of {host}{path} is left"),
            }
        }
    }
    left
}

/// Each kind of order: what goes, what is counted before, and that asking changes nothing.
#[tokio::test]
async fn n094_what_is_named_goes_and_nothing_else() {
    let all = ["a/news/red", "a/news/green?page=2", "a/shop/red", "a/vary", "a/plain", "b/news/red", "b/news/green?page=2"];
    let all: Vec<_> = all.into_iter().chain(["b/shop/red", "b/vary", "b/plain"]).map(str::to_owned).collect();
    let mut cases = Cases::new();
    for (order, gone, count, counted) in [
        (json!({"url": "http://a.test/vary"}), &["a/vary"][..], 2, json!(2)),
        (json!({"url": "http://a.test/news/green?page=2"}), &["a/news/green?page=2"], 1, json!(1)),
        (json!({"url": "http://a.test/news/green"}), &[], 0, json!(0)),
        (json!({"url": "https://a.test/plain"}), &[], 0, json!(0)),
        (json!({"prefix": "http://A.test:80/news/"}), &["a/news/red", "a/news/green?page=2"], 2, Value::Null),
        (
            json!({"prefix": "http://b.test"}),
            &["b/news/red", "b/news/green?page=2", "b/shop/red", "b/vary", "b/plain"],
            6,
            Value::Null,
        ),
        (json!({"prefix": "http://c.test"}), &[], 0, Value::Null),
        (json!({"tag": "red"}), &["a/news/red", "a/shop/red", "b/news/red", "b/shop/red"], 4, Value::Null),
        (json!({"tag": "green"}), &["a/news/green?page=2", "b/news/green?page=2"], 2, Value::Null),
        (json!({"tag": "other red"}), &[], 0, Value::Null),
        (json!({"all": true}), &all.iter().map(String::as_str).collect::<Vec<_>>(), 12, Value::Null),
    ] {
        let clock = test_clock();
        let origin = Origin::serving(answer).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        filled(&gateway).await;
        let mut dry = order.clone();
        dry["dry_run"] = json!(true);
        cases.expect(&format!("{order} asked"), purge(&gateway, dry).await["count"].clone(), json!(count));
        assert_eq!(left(&gateway).await, all, "{order}: asking changes nothing");
        cases.expect(&format!("{order} counted"), purge(&gateway, order.clone()).await["count"].clone(), counted);
        let expected: Vec<_> = all.iter().filter(|name| !gone.contains(&name.as_str())).cloned().collect();
        cases.expect(&format!("{order} left"), left(&gateway).await, expected);
        let mut again = order.clone();
        again["dry_run"] = json!(true);
        cases.expect(&format!("{order} again"), purge(&gateway, again).await["count"].clone(), json!(0));
        filled(&gateway).await;
        assert_eq!(left(&gateway).await, all, "{order}: what is fetched afterwards is stored as ever");
    }
    cases.finish(44);
}

/// `"soft": true`: the origin is asked once, and then it is fresh again.
#[tokio::test]
async fn n094_a_soft_order_asks_for_validation() {
    let mut cases = Cases::new();
    for order in [
        json!({"url": "http://app.test/red"}),
        json!({"prefix": "http://app.test/"}),
        json!({"tag": "red"}),
        json!({"all": true}),
    ] {
        let clock = test_clock();
        let origin = Origin::serving(answer).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let client = gateway.anonymous();
        client.get("/red").await;
        clock.advance(secs(1));
        let mut soft = order.clone();
        soft["soft"] = json!(true);
        assert_eq!(purge(&gateway, soft).await["soft"], json!(true));
        let first = client.get("/red").await;
        cases.expect(
            &format!("{order} first"),
            (first.fwd(), first.fwd_status(), first.text().as_str()),
            (Some("stale"), Some("304"), "a"),
        );
        cases.expect(&format!("{order} then"), client.get("/red").await.hit(), true);
        assert_eq!(origin.count(), 2);
    }
    cases.finish(8);
}

/// By whom it was filled, whoever validates it afterwards.
#[tokio::test]
async fn d6_what_one_filled_is_dropped_whoever_validated_it() {
    let clock = test_clock();
    let origin = Origin::serving(answer).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let (alice, bob) = (gateway.client("alice"), gateway.client("bob"));
    alice.get("/hers").await;
    bob.get("/his").await;
    clock.advance(secs(100));
    assert_eq!(bob.get("/hers").await.detail(), Some("validated"));
    assert_eq!(alice.get("/his").await.detail(), Some("validated"));
    for nobody in ["carol", "Alice", "ali"] {
        purge(&gateway, json!({"principal": nobody})).await;
    }
    assert!(bob.get("/hers").await.hit() && alice.get("/his").await.hit());
    assert_eq!(purge(&gateway, json!({"principal": "alice", "dry_run": true})).await["count"], json!(1));
    purge(&gateway, json!({"principal": "alice"})).await;
    assert_eq!((bob.get("/hers").await.fwd(), alice.get("/his").await.hit()), (Some("uri-miss"), true));
    assert!(alice.get("/hers").await.hit(), "bob filled it since");
    purge(&gateway, json!({"principal": "bob", "soft": true})).await;
    assert_eq!(alice.get("/his").await.fwd_status(), Some("304"));
    assert!(alice.get("/his").await.hit());
    purge(&gateway, json!({"principal": "bob"})).await;
    assert!(!alice.get("/hers").await.hit() && !alice.get("/his").await.hit());
}

/// By credential, as the access log shows it.
#[tokio::test]
async fn d6_what_a_credential_filled_is_dropped_by_the_hash_in_the_log() {
    let clock = test_clock();
    let origin = Origin::serving(answer).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let (a, b) = (gateway.anonymous().authorization("Bearer a"), gateway.anonymous().authorization("Bearer b"));
    a.get("/a").await;
    b.get("/b").await;
    gateway.anonymous().get("/nobody").await;
    let lines = gateway.log_lines(3).await;
    let of = |path: &str| lines.iter().find(|line| line["path"] == path).map(|line| line["credential"].clone()).unwrap();
    assert!(of("/a").is_string() && of("/a") != of("/b") && of("/nobody").is_null());
    purge(&gateway, json!({"credential": of("/a")})).await;
    assert_eq!((b.get("/a").await.fwd(), a.get("/b").await.hit(), a.get("/nobody").await.hit()), (Some("uri-miss"), true, true));
}

fn orders() -> [(Value, bool); 9] {
    [
        (json!({"url": "http://app.test/red"}), false),
        (json!({"prefix": "http://app.test/r"}), false),
        (json!({"tag": "red"}), false),
        (json!({"all": true}), false),
        (json!({"url": "http://app.test/red", "soft": true}), false),
        (json!({"prefix": "http://app.test/r", "soft": true}), false),
        (json!({"tag": "red", "soft": true}), false),
        (json!({"all": true, "soft": true}), false),
        (json!({"tag": "blue"}), true),
    ]
}

/// What was asked for before an order and comes after it answers who asked, and nobody after the order.
#[tokio::test]
async fn n094_a_response_on_its_way_is_withdrawn_too() {
    let mut cases = Cases::new();
    for (order, survives) in orders() {
        let clock = test_clock();
        let gate = Gate::new();
        let held = gate.clone();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let origin = Origin::serving(move |request| {
            let is_first = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            if is_first { answer(request).gate(&held) } else { answer(request) }
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let first = tokio::spawn(gateway.anonymous().get("/red"));
        gate.wait_reached().await;
        purge(&gateway, order.clone()).await;
        gate.open();
        assert_eq!(first.await.unwrap().text(), "a");
        cases.expect(&order.to_string(), gateway.anonymous().get("/red").await.hit(), survives);
        assert!(gateway.anonymous().get("/red").await.hit(), "{order}");
    }
    cases.finish(9);
}

/// Nobody who waits is given what was asked for before an order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n094_who_waits_is_not_given_what_was_withdrawn_meanwhile() {
    let mut cases = Cases::new();
    for (order, survives) in orders() {
        let gate = Gate::new();
        let held = gate.clone();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let origin = Origin::serving(move |request| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let answer = reply(200).field("cache-control", "public, max-age=60").field("surrogate-key", "red");
            assert_eq!(request.target, "/red");
            // Its content comes in two pieces, so that it is on its way when the head is known.
            let answer = answer.body_pieces([format!("{number}"), " end".to_owned()]);
            if number == 0 { answer.gate(&held) } else { answer }
        })
        .await;
        let gateway = Gateway::reverse(&origin, &test_clock()).set("cache", "collapse_wait = \"60s\"").start().await;
        let leader = tokio::spawn(gateway.anonymous().get("/red"));
        gate.wait_reached().await;
        let follower = tokio::spawn(gateway.anonymous().get("/red"));
        gateway.metric_is("vouchsafe_flight_waiting", &[], 1.0).await;
        purge(&gateway, order.clone()).await;
        gate.open();
        assert_eq!(leader.await.unwrap().text(), "0 end");
        let expected = if survives { "0 end" } else { "1 end" };
        cases.expect(&order.to_string(), follower.await.unwrap().text(), expected.to_owned());
    }
    cases.finish(9);
}

/// Nor a confirmation of what was withdrawn meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n094_who_waits_for_a_validation_is_not_given_what_was_withdrawn_meanwhile() {
    let mut cases = Cases::new();
    for (order, survives) in orders() {
        let (clock, gate) = (test_clock(), Gate::new());
        let held = gate.clone();
        let origin = Origin::serving(move |request| {
            let is_validation = request.field("if-none-match").is_some();
            if is_validation { answer(request).gate(&held) } else { answer(request) }
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).set("cache", "collapse_wait = \"60s\"").start().await;
        gateway.anonymous().get("/red").await;
        clock.advance(secs(100));
        let leader = tokio::spawn(gateway.anonymous().get("/red"));
        gate.wait_reached().await;
        let follower = tokio::spawn(gateway.anonymous().get("/red"));
        gateway.metric_is("vouchsafe_flight_waiting", &[], 1.0).await;
        purge(&gateway, order.clone()).await;
        gate.open();
        assert_eq!(leader.await.unwrap().detail(), Some("validated"));
        let answer = follower.await.unwrap();
        cases.expect(&order.to_string(), answer.cache_parameter("collapsed") == Some(""), survives);
    }
    cases.finish(9);
}

/// RFC 9111 section 4.3.4: what a 304 selects for another request is still what the first one filled.
#[tokio::test]
async fn d6_what_was_selected_for_another_is_still_who_filled_it() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let answer = reply(if request.field("if-none-match").is_some() { 304 } else { 200 }).field("etag", "\"v1\"");
        answer.field("cache-control", "max-age=60").field("vary", "accept-language").body("a")
    })
    .await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let (alice, bob) = (gateway.client("alice"), gateway.client("bob").with("accept-language", "en"));
    alice.get("/x").await;
    assert_eq!((bob.get("/x").await.fwd_status(), bob.get("/x").await.hit()), (Some("304"), true));
    purge(&gateway, json!({"principal": "bob"})).await;
    assert!(bob.get("/x").await.hit());
    purge(&gateway, json!({"principal": "alice"})).await;
    assert!(!bob.get("/x").await.hit() && !alice.get("/x").await.hit());
}

/// A validation that was asked for before a soft order does not make fresh what the order made stale.
#[tokio::test]
async fn n094_a_validation_on_its_way_ends_no_soft_order() {
    let mut cases = Cases::new();
    for (order, survives) in orders() {
        let clock = test_clock();
        let gate = Gate::new();
        let held = gate.clone();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let origin = Origin::serving(move |request| {
            let is_second = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1;
            if is_second { answer(request).gate(&held) } else { answer(request) }
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let client: Client = gateway.anonymous();
        client.get("/red").await;
        clock.advance(secs(100));
        let asking = tokio::spawn(client.clone().get("/red"));
        gate.wait_reached().await;
        purge(&gateway, order.clone()).await;
        gate.open();
        assert_eq!(asking.await.unwrap().detail(), Some("validated"));
        cases.expect(&order.to_string(), client.get("/red").await.hit(), survives);
        assert!(client.get("/red").await.hit(), "{order}");
    }
    cases.finish(9);
}

/// What a response is tagged with is what its last validation says.
#[tokio::test]
async fn a_304_changes_the_tags() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let (status, tag) = if request.field("if-none-match").is_some() { (304, "new") } else { (200, "old") };
        reply(status).field("cache-control", "max-age=10").field("etag", "\"v1\"").field("surrogate-key", tag).body("a")
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    assert_eq!(client.get("/x").await.detail(), Some("validated"));
    purge(&gateway, json!({"tag": "old"})).await;
    assert!(client.get("/x").await.hit());
    purge(&gateway, json!({"tag": "new"})).await;
    assert_eq!(client.get("/x").await.fwd(), Some("uri-miss"));
}

/// An order is for the operator: nobody else's browser, no other listener, nothing that is unclear.
#[tokio::test]
async fn an_order_is_refused_where_it_is_not_the_operators() {
    let clock = test_clock();
    let origin = Origin::serving(answer).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    let all = json!({"all": true}).to_string();
    let mut cases = Cases::new();
    for (host, content_type, content, status) in [
        ("127.0.0.1", "text/plain", all.as_str(), 415),
        ("127.0.0.1", "application/x-www-form-urlencoded", &all, 415),
        ("rebound.example", "application/json", &all, 403),
        ("127.0.0.1", "application/json", "{\"everything\": true}", 400),
        ("127.0.0.1", "application/json", "{\"url\": \"/x\"}", 400),
    ] {
        let request = gateway.admin().request("POST", "/purge").field("host", host).field("content-type", content_type);
        cases.expect(&format!("{host} {content_type} {content}"), request.body(content).send().await.status, status);
    }
    cases.finish(5);
    gateway.anonymous().request("POST", "/purge").field("content-type", "application/json").body(&all).send().await;
    assert_eq!(origin.last().target, "/purge", "the traffic listener knows no orders");
    assert!(gateway.anonymous().get("/x").await.hit());
}
