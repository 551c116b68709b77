//! Validation in the background through real sockets: who is answered at once, what is asked, and what becomes of it.
//!
//! RFC 5861 section 3 (stale-while-revalidate).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::cases::Cases;
use support::{Client, Gate, Gateway, Origin, Reply, eventually, raw, reply, secs, test_clock};

const SAYS: &str = "max-age=10, stale-while-revalidate=60";
const WHILE: Option<&str> = Some("stale-while-revalidate");

fn tagged(cache_control: &str) -> Reply {
    reply(200).field("cache-control", cache_control).field("etag", "\"v1\"").body("abc")
}

fn confirmed(cache_control: &str) -> Reply {
    reply(304).field("cache-control", cache_control).field("etag", "\"v1\"")
}

/// Serves one response and confirms it to everybody who asks.
async fn confirming(says: &'static str) -> Origin {
    let answer = move |is_known| if is_known { confirmed(says) } else { tagged(says) };
    Origin::serving(move |request| answer(request.field("if-none-match").is_some())).await
}

async fn validations(gateway: &Gateway, outcome: &str, count: f64) {
    gateway.metric_is("vouchsafe_validations_total", &[("outcome", outcome)], count).await;
}

/// Asks until the answer is fresh, and counts on the way that nobody gets anything but `text`.
async fn until_fresh(client: &Client, text: &str) {
    eventually("a fresh answer", || async {
        let answer = client.get("/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, text), "{}", answer.cache_status());
        if answer.hit() && answer.detail() != WHILE { Ok(()) } else { Err(answer.cache_status()) }
    })
    .await;
}

/// RFC 5861 section 3: "the cache SHOULD attempt to revalidate it while still serving stale responses (i.e., without
/// blocking)", and once is enough.
#[tokio::test]
async fn x029_everybody_is_answered_at_once_and_the_origin_is_asked_once() {
    let clock = test_clock();
    let gate = Gate::new();
    let held = gate.clone();
    let origin =
        Origin::serving(
            move |request| {
                if request.field("if-none-match").is_some() { confirmed(SAYS).gate(&held) } else { tagged(SAYS) }
            },
        )
        .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous().unpooled();
    client.get("/x").await;
    clock.advance(secs(20));
    for _ in 0..5 {
        let stale = client.get("/x").await;
        assert_eq!(stale.cache_status(), "hit; ttl=-10; detail=stale-while-revalidate");
        assert_eq!((stale.status, stale.text().as_str(), stale.age()), (200, "abc", Some(20)));
        gate.wait_reached().await;
    }
    let asked = origin.last();
    assert_eq!((asked.method.as_str(), asked.target.as_str(), asked.field("if-none-match")), ("GET", "/x", Some("\"v1\"")));
    gate.open();
    validations(&gateway, "not-modified", 1.0).await;
    let fresh = client.get("/x").await;
    assert_eq!((fresh.cache_status().as_str(), fresh.age()), ("hit; ttl=10; detail=uncredentialed", Some(0)));
    assert_eq!(origin.count(), 2);
    gateway.metric_is("vouchsafe_cache_requests_total", &[("result", "stale")], 5.0).await;
    gateway.metric_is("vouchsafe_cache_requests_total", &[("result", "validated")], 0.0).await;
}

/// RFC 9111 section 4.2.4 stands before RFC 5861, and so does what a request asks for; after the window everything is as usual.
#[tokio::test]
async fn x029_n077_who_waits_for_a_validation() {
    let clock = test_clock();
    let mut cases = Cases::new();
    let grace = "stale_while_revalidate = \"1m\"";
    for (says, filler, asks, policy, age, is_at_once) in [
        (SAYS, "", "", "", 70, true),
        (SAYS, "", "", "", 71, false),
        (SAYS, "", "no-cache", "", 20, false),
        (SAYS, "", "no-store", "", 20, false),
        (SAYS, "", "max-age=0", "", 20, false),
        (SAYS, "", "max-age=60", "", 20, false),
        (SAYS, "", "min-fresh=1", "", 20, false),
        (SAYS, "", "max-stale=5", "", 20, false),
        (SAYS, "", "max-age=0", "ignore_request_cache_control = true", 20, true),
        ("max-age=10, stale-while-revalidate=60, must-revalidate", "", "", "", 20, false),
        ("max-age=10, stale-while-revalidate=60, proxy-revalidate", "", "", "", 20, false),
        ("s-maxage=10, stale-while-revalidate=60", "", "", "", 20, false),
        ("max-age=10, stale-while-revalidate=60, no-cache", "", "", "", 5, false),
        ("max-age=10, stale-while-revalidate=60, public", "Bearer alice", "", "", 70, true),
        ("max-age=10, stale-while-revalidate=60, public", "Bearer alice", "", "", 71, false),
        ("max-age=10, stale-while-revalidate=60, public", "Bearer alice", "", "authorization = \"always-validate\"", 20, false),
        ("max-age=10", "", "", "", 20, false),
        ("max-age=10", "", "", grace, 70, true),
        ("max-age=10", "", "", grace, 71, false),
        ("max-age=10, stale-while-revalidate=0", "", "", grace, 20, false),
        ("max-age=10, must-revalidate", "", "", grace, 20, false),
        ("max-age=10, public", "Bearer alice", "", grace, 20, false),
    ] {
        let origin = confirming(says).await;
        let gateway = Gateway::reverse(&origin, &clock).policy(policy).start().await;
        let client = |who: &str| if who.is_empty() { gateway.anonymous() } else { gateway.anonymous().authorization(who) };
        client(filler).get("/x").await;
        clock.advance(secs(age));
        let asker = if asks.is_empty() { gateway.anonymous() } else { gateway.anonymous().with("cache-control", asks) };
        let answer = asker.get("/x").await;
        let id = format!("{says} by {filler:?}; {asks}; {policy}; {age} s old: {}", answer.cache_status());
        cases.expect(&id, (answer.text().as_str(), answer.detail() == WHILE), ("abc", is_at_once));
        cases.expect(&id, answer.fwd().is_none(), is_at_once);
        origin.wait_for(2).await;
    }
    cases.finish(44);
}

/// Refusals and errors in the background are dropped; a later request has the turn.
#[tokio::test]
async fn x029_t18_t21_what_fails_in_the_background_leaves_the_entry_and_is_tried_again() {
    for failing in
        [reply(500), reply(503).body("x".repeat(5_000)), reply(401), reply(403), reply(407), reply(429), raw("").close()]
    {
        let clock = test_clock();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&asked), failing.field("cache-control", "public, max-age=100"));
        let origin = Origin::serving(move |request| {
            let Some(_) = request.field("if-none-match") else { return tagged(SAYS) };
            if count.fetch_add(1, Ordering::SeqCst) < 4 { answer.clone() } else { confirmed(SAYS) }
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        gateway.anonymous().get("/x").await;
        clock.advance(secs(20));
        until_fresh(&gateway.anonymous(), "abc").await;
        assert_eq!(asked.load(Ordering::SeqCst), 5, "four that failed and one that did not");
    }
}

/// RFC 9111 section 3.5: what is asked goes with the credentials of the one who was answered, and with no others.
#[tokio::test]
async fn x029_n006_the_origin_sees_the_credentials_of_the_one_who_was_answered() {
    let clock = test_clock();
    let origin = confirming("max-age=10, stale-while-revalidate=60, public").await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    gateway.client("alice").authorization("Bearer alice").get("/x").await;
    clock.advance(secs(20));
    let stale = gateway.client("bob").authorization("Bearer bob").with("accept-language", "de").get("/x").await;
    assert_eq!((stale.text().as_str(), stale.detail()), ("abc", WHILE));
    origin.wait_for(2).await;
    let asked = origin.last();
    assert_eq!((asked.fields_named("authorization"), asked.field("accept-language")), (vec!["Bearer bob"], Some("de")));
    assert_eq!((asked.field("proxy-authorization"), asked.field("via").is_some()), (None, true));
    validations(&gateway, "not-modified", 1.0).await;
    assert_eq!(gateway.client("alice").get("/x").await.detail(), Some("permit-public"));
}

/// RFC 9111 section 3.5, for what comes back: what was made for one is not stored for others, and does not drive the entry out.
/// The origin has something else to say, so nobody is answered unasked until it has confirmed the entry.
#[tokio::test]
async fn x029_t18_what_was_made_for_one_reaches_nobody_else() {
    let clock = test_clock();
    let says = "max-age=10, stale-while-revalidate=600, public";
    for personal in ["private, max-age=100", "no-store", "max-age=100"] {
        let origin = Origin::serving(move |request| match (request.field("if-none-match"), request.field("authorization")) {
            (None, _) => tagged(says),
            (_, Some("Bearer dave")) => confirmed(says),
            (_, who) => reply(200).field("cache-control", personal).body(format!("for {who:?}")),
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let person = |name: &str| gateway.anonymous().authorization(&format!("Bearer {name}"));
        person("alice").get("/x").await;
        clock.advance(secs(20));
        assert_eq!(person("bob").get("/x").await.text(), "abc");
        validations(&gateway, "replaced", 1.0).await;
        let carol = person("carol").get("/x").await;
        assert_eq!((carol.text().as_str(), carol.fwd()), ("for Some(\"Bearer carol\")", Some("stale")), "{personal}");
        let dave = person("dave").get("/x").await;
        assert_eq!((dave.text().as_str(), dave.detail()), ("abc", Some("validated")), "{personal}: the entry is there");
        clock.advance(secs(20));
        assert_eq!(person("erin").get("/x").await.detail(), WHILE, "{personal}: confirmed, it is as it was");
    }
}

/// A full response takes the place of the stored one, with what it says itself.
#[tokio::test]
async fn x029_n089_a_full_response_takes_the_place() {
    let clock = test_clock();
    for (says, then) in
        [(SAYS, WHILE), ("max-age=10", Some("validated")), ("s-maxage=10, stale-while-revalidate=60", Some("validated"))]
    {
        let origin = Origin::serving(move |request| match request.field("if-none-match") {
            None => tagged(SAYS),
            Some("\"v2\"") => reply(304).field("etag", "\"v2\"").field("cache-control", says),
            Some(_) => reply(200).field("etag", "\"v2\"").field("cache-control", says).body("defg"),
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let client = gateway.anonymous();
        client.get("/x").await;
        clock.advance(secs(20));
        assert_eq!(client.get("/x").await.text(), "abc");
        eventually("the new response", || async {
            let text = client.get("/x").await.text();
            if text == "defg" { Ok(()) } else { Err(text) }
        })
        .await;
        clock.advance(secs(20));
        let later = client.get("/x").await;
        assert_eq!((later.text().as_str(), later.detail()), ("defg", then), "{says}");
    }
}

/// Until the new response is stored the old one answers, and the origin is not asked again.
#[tokio::test]
async fn x029_a_response_on_its_way_is_not_asked_for_again() {
    let clock = test_clock();
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| match request.field("if-none-match") {
        None => tagged(SAYS),
        Some(_) => reply(200).field("etag", "\"v2\"").field("cache-control", SAYS).body("defg").body_gate(&held),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    client.get("/x").await;
    gate.wait_reached().await;
    validations(&gateway, "replaced", 1.0).await;
    for _ in 0..3 {
        assert_eq!(client.get("/x").await.text(), "abc");
    }
    gate.open();
    eventually("the new response", || async {
        let text = client.get("/x").await.text();
        if text == "defg" { Ok(()) } else { Err(text) }
    })
    .await;
    assert_eq!(origin.count(), 2);
}

/// RFC 9110 sections 13 and 14: the stale response answers what was asked, and what goes to the origin is a plain GET.
#[tokio::test]
async fn x029_head_conditions_and_ranges_are_answered_and_the_whole_is_asked_for() {
    let clock = test_clock();
    for (method, name, value, status, text) in [
        ("HEAD", "x-a", "1", 200, ""),
        ("GET", "range", "bytes=1-1", 206, "b"),
        ("GET", "if-none-match", "\"v1\", \"w\"", 304, ""),
        ("GET", "if-none-match", "\"w\"", 200, "abc"),
        ("GET", "if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT", 304, ""),
    ] {
        let origin = Origin::serving(|request| match request.field("if-none-match") {
            None => tagged(SAYS),
            Some(_) => reply(200).field("etag", "\"v2\"").field("cache-control", SAYS).body("defg"),
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        gateway.anonymous().get("/x").await;
        clock.advance(secs(20));
        let id = format!("{method} {name}: {value}");
        let stale = gateway.anonymous().request(method, "/x").field(name, value).field("if-range", "\"v1\"").send().await;
        assert_eq!((stale.status, stale.text().as_str(), stale.detail()), (status, text, WHILE), "{id}");
        origin.wait_for(2).await;
        let asked = origin.last();
        assert_eq!((asked.method.as_str(), asked.fields_named("if-none-match")), ("GET", vec!["\"v1\""]), "{id}");
        for gone in ["range", "if-range", "if-modified-since"] {
            assert_eq!(asked.field(gone), None, "{id}");
        }
        eventually("the whole new response", || async {
            let text = gateway.anonymous().get("/x").await.text();
            if text == "defg" { Ok(()) } else { Err(text) }
        })
        .await;
    }
}

/// Credentials that belong to a connection, or to one method and one set of fields, do not go with another request.
#[tokio::test]
async fn x029_t23_t37_credentials_that_cannot_go_alone_wait_for_the_validation() {
    let clock = test_clock();
    for (method, credentials, is_at_once) in [
        ("GET", "NTLM TlRM", false),
        ("GET", "Negotiate YII", false),
        ("GET", "Digest username=\"a\"", true),
        ("HEAD", "Digest username=\"a\"", false),
        ("HEAD", "Basic YTph", true),
    ] {
        let origin = confirming(SAYS).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        gateway.anonymous().get("/x").await;
        clock.advance(secs(20));
        let answer = gateway.anonymous().authorization(credentials).request(method, "/x").send().await;
        assert_eq!((answer.status, answer.detail() == WHILE), (200, is_at_once), "{method} {credentials}");
        origin.wait_for(2).await;
        assert_eq!(origin.last().method, if is_at_once { "GET" } else { method }, "{method} {credentials}");
    }
}

/// RFC 9111 section 4.3.4: a 304 for another response is asked again without conditions, here too.
#[tokio::test]
async fn x029_t22_a_304_for_another_response_is_asked_again() {
    let clock = test_clock();
    let origin = Origin::script([
        tagged(SAYS),
        reply(304).field("etag", "\"v2\""),
        reply(200).field("etag", "\"v2\"").field("cache-control", SAYS).body("defg"),
    ])
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(20));
    assert_eq!(gateway.anonymous().get("/x").await.text(), "abc");
    eventually("the new response", || async {
        let text = gateway.anonymous().get("/x").await.text();
        if text == "defg" { Ok(()) } else { Err(text) }
    })
    .await;
    assert_eq!((origin.count(), origin.last().field("if-none-match")), (3, None));
}

/// RFC 9111 section 4.4: what was asked for before an invalidation is not stored after it.
#[tokio::test]
async fn x029_n094_an_invalidation_meanwhile_wins() {
    let clock = test_clock();
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| match (request.method.as_str(), request.field("if-none-match")) {
        ("POST", _) => reply(204),
        (_, None) => tagged(SAYS),
        (_, Some(_)) => reply(200).field("etag", "\"v2\"").field("cache-control", SAYS).gate(&held),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    client.get("/x").await;
    gate.wait_reached().await;
    assert_eq!(client.request("POST", "/x").body("a").send().await.status, 204);
    gate.open();
    validations(&gateway, "replaced", 1.0).await;
    let anew = client.get("/x").await;
    assert_eq!((anew.text().as_str(), anew.fwd()), ("abc", Some("uri-miss")));
}

/// RFC 9111 section 5.2.1.7: what is stored answers, and nothing goes to the origin for it.
#[tokio::test]
async fn x029_n101_only_if_cached_asks_nobody() {
    let clock = test_clock();
    let origin = confirming(SAYS).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    let stored = client.clone().with("cache-control", "only-if-cached").get("/x").await;
    assert_eq!((stored.status, stored.detail()), (200, WHILE));
    client.get("/x").await;
    until_fresh(&client, "abc").await;
    assert_eq!((origin.count(), origin.last().field("cache-control")), (2, None), "one asked, and it was not the first");
}

/// Who may send HEAD and not GET causes no GET.
#[tokio::test]
async fn x029_access_rules_hold_for_what_is_asked_in_the_background() {
    let clock = test_clock();
    let origin = confirming(SAYS).await;
    let rules = "[[access]]\nname = \"all\"\nallow = true\nusers = [\"alice\"]\n\
                 [[access]]\nname = \"heads\"\nallow = true\nusers = [\"bob\"]\nmethods = [\"HEAD\"]\n";
    let gateway = Gateway::forward(&clock).origin(&origin).append(rules).start().await;
    let (alice, bob) = (gateway.client("alice"), gateway.client("bob"));
    alice.get("/x").await;
    clock.advance(secs(20));
    assert_eq!(bob.get("/x").await.status, 403);
    let stale = bob.with("x-who", "bob").head("/x").await;
    assert_eq!((stale.status, stale.detail()), (200, WHILE));
    until_fresh(&alice, "abc").await;
    assert_eq!((origin.count(), origin.last().field("x-who")), (2, None));
}

/// However many entries are stale at once, only so many are asked about at one time; the others have their turn later.
#[tokio::test]
async fn x029_what_runs_in_the_background_is_bounded() {
    const MOST: usize = 128;
    let clock = test_clock();
    let gate = Gate::new();
    let held = gate.clone();
    let origin =
        Origin::serving(
            move |request| {
                if request.field("if-none-match").is_some() { confirmed(SAYS).gate(&held) } else { tagged(SAYS) }
            },
        )
        .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    for number in 0..=MOST {
        client.get(&format!("/{number}")).await;
    }
    clock.advance(secs(20));
    for number in 0..=MOST {
        assert_eq!(client.get(&format!("/{number}")).await.detail(), WHILE);
    }
    gate.wait_reached_by(MOST).await;
    gate.open();
    validations(&gateway, "not-modified", 128.0).await;
    assert_eq!(origin.count(), MOST + 1 + MOST);
    client.get(&format!("/{MOST}")).await;
    validations(&gateway, "not-modified", 129.0).await;
}

/// RFC 9112 section 9.6: nobody waits for it, so neither does the end of the process.
#[tokio::test]
async fn x029_a_stopping_gateway_does_not_wait_for_it() {
    let clock = test_clock();
    let gate = Gate::new();
    let origin = Origin::script([tagged(SAYS), confirmed(SAYS).gate(&gate)]).await;
    let gateway = Gateway::reverse(&origin, &clock).limit("drain_time = \"1h\"").start().await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(20));
    gateway.anonymous().get("/x").await;
    gate.wait_reached().await;
    gateway.stopped().await;
    gate.open();
}
