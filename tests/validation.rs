//! Validation through real sockets: whose credentials go, what a 304 changes, and what happens when nobody answers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::cases::Cases;
use support::{Gate, Gateway, Origin, Reply, http_date, raw, reply, secs, test_clock};

fn tagged(cache_control: &str) -> Reply {
    reply(200).field("cache-control", cache_control).field("etag", "\"v1\"")
}

fn confirmed(cache_control: &str) -> Reply {
    reply(304).field("cache-control", cache_control).field("etag", "\"v1\"")
}

/// RFC 9111 sections 3.2 and 4.3.4: the fields of the 304 replace their namesakes, those of the stored form stay.
#[tokio::test]
async fn n046_a_304_freshens_the_stored_fields() {
    let clock = test_clock();
    let stored = tagged("max-age=10").field("x-a", "1").field("x-b", "1").field("x-b", "2").field("content-type", "text/a");
    let update = reply(304).field("cache-control", "max-age=100").field("etag", "\"v1\"").field("x-b", "3").field("x-c", "4");
    let update =
        update.field("content-type", "text/b").field("content-length", "99").field("connection", "x-hop").field("x-hop", "1");
    let origin = Origin::script([stored.body("abc"), update]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    let validated = client.get("/x").await;
    let asked = origin.last();
    assert_eq!(
        (asked.field("if-none-match"), validated.fwd_status(), validated.detail()),
        (Some("\"v1\""), Some("304"), Some("validated"))
    );
    clock.advance(secs(90));
    let hit = client.get("/x").await;
    assert_eq!((hit.decision().as_str(), hit.age(), hit.ttl()), ("hit", Some(90), Some(10)));
    for answer in [validated, hit] {
        assert_eq!((answer.status, answer.text().as_str(), answer.field("content-length")), (200, "abc", Some("3")));
        assert_eq!((answer.field("x-a"), answer.fields_named("x-b"), answer.field("x-c")), (Some("1"), vec!["3"], Some("4")));
        assert_eq!((answer.field("content-type"), answer.field("x-hop")), (Some("text/b"), None));
        assert_eq!(answer.field("cache-control"), Some("max-age=100"));
    }
}

/// RFC 9111 section 4.3.1: entity tag and date both go along.
#[tokio::test]
async fn n080_both_validators_are_sent_and_a_304_without_validators_counts() {
    let clock = test_clock();
    let modified = support::date_at(&clock, -500);
    let origin = Origin::script([
        tagged("max-age=10").field("last-modified", &modified).body("abc"),
        reply(304).field("cache-control", "max-age=10"),
        reply(304).field("etag", "\"v2\"").field("cache-control", "max-age=10"),
        tagged("max-age=10").body("def"),
    ])
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    assert_eq!(client.get("/x").await.text(), "abc");
    assert_eq!(
        (origin.last().field("if-none-match"), origin.last().field("if-modified-since")),
        (Some("\"v1\""), Some(modified.as_str()))
    );
    clock.advance(secs(20));
    let anew = client.get("/x").await;
    assert_eq!((anew.text().as_str(), origin.count()), ("def", 4), "t22: a 304 for another response is asked again");
    assert_eq!((origin.last().field("if-none-match"), origin.last().field("if-modified-since")), (None, None));
}

/// RFC 9111 section 4.3.3: each asker's own credentials, and refusals for the asker alone.
#[tokio::test]
async fn n006_validation_carries_the_askers_credentials_and_refusals_stay_with_them() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.field("authorization") {
        Some("Bearer eve") => reply(403).body("not you"),
        Some("Bearer old") => reply(401).field("www-authenticate", "Bearer").body("who"),
        _ if request.field("if-none-match").is_some() => reply(304).field("cache-control", "s-maxage=0").field("etag", "\"v1\""),
        _ => tagged("s-maxage=0").body("shared"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let ask = |who: &'static str| gateway.anonymous().authorization(who).get("/x");
    let mut cases = Cases::new();
    for (who, status, text) in [
        ("Bearer alice", 200, "shared"),
        ("Bearer bob", 200, "shared"),
        ("Bearer eve", 403, "not you"),
        ("Bearer old", 401, "who"),
        ("Bearer alice", 200, "shared"),
    ] {
        let answer = ask(who).await;
        cases.expect(who, (answer.status, answer.text().as_str()), (status, text));
        cases.expect(who, origin.last().field("authorization"), Some(who));
    }
    cases.finish(10);
    let conditional = origin.requests().iter().filter(|request| request.field("if-none-match").is_some()).count();
    assert_eq!((origin.count(), conditional), (5, 4), "t21: the entry outlives refusals");
    for (outcome, count) in [("not-modified", 2.0), ("forbidden", 1.0), ("unauthorized", 1.0)] {
        gateway.metric_is("vouchsafe_validations_total", &[("outcome", outcome)], count).await;
    }
}

/// RFC 9111 sections 4.2.4 and 5.2.2.2: no answer, and stale only where nothing forbids it.
#[tokio::test]
async fn n105_without_an_origin_stale_or_504() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (directives, request, age, status) in [
        ("max-age=10", "", 20, 200),
        ("max-age=10", "", 3_609, 200),
        ("max-age=10", "", 3_620, 504),
        ("max-age=10, must-revalidate", "", 20, 504),
        ("max-age=10, proxy-revalidate", "", 20, 504),
        ("s-maxage=10", "", 20, 504),
        ("no-cache", "", 20, 504),
        ("max-age=10, no-cache", "", 5, 504),
        ("max-age=10, must-revalidate", "", 5, 200),
        ("max-age=10", "no-cache", 5, 504),
        ("max-age=10", "max-age=0", 5, 504),
    ] {
        let answer = tagged(directives).body("xyz");
        let origin = Origin::serving(move |_| answer.clone()).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        gateway.anonymous().get("/x").await;
        clock.advance(secs(age));
        origin.stop().await;
        let client = if request.is_empty() { gateway.anonymous() } else { gateway.anonymous().with("cache-control", request) };
        let answer = client.get("/x").await;
        let id = format!("{directives}, {age} s old, {request}");
        cases.expect(&id, answer.status, status);
        if status == 200 {
            cases.expect(&id, (answer.text().as_str(), answer.age()), ("xyz", Some(age)));
        } else {
            cases.expect(&id, (answer.proxy_error(), answer.text().contains("xyz")), (Some("connection_refused"), false));
        }
    }
    cases.finish(22);
}

/// RFC 9111 section 4.3.3: the origin's own error is its answer.
#[tokio::test]
async fn n088_an_error_on_validation_is_relayed_and_the_entry_stays() {
    let clock = test_clock();
    let again = reply(304).field("etag", "\"v1\"").field("cache-control", "max-age=10");
    let origin = Origin::script([tagged("max-age=10").body("abc"), reply(503).body("sorry"), reply(500), again]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(20));
    let relayed = gateway.anonymous().get("/x").await;
    assert_eq!((relayed.status, relayed.text().as_str(), relayed.stored()), (503, "sorry", false));
    assert_eq!(gateway.anonymous().get("/x").await.status, 500);
    assert_eq!(gateway.anonymous().get("/x").await.text(), "abc");
    gateway.metric_is("vouchsafe_validations_total", &[("outcome", "server-error")], 2.0).await;
}

/// RFC 9111 section 4.3.2: whose tag it was decides who gets 304.
#[tokio::test]
async fn n087_the_clients_tag_and_ours_are_not_confused() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let tag = request.field("if-none-match").unwrap_or_default();
        if tag.contains("\"v1\"") {
            reply(304).field("etag", "\"v1\"").field("cache-control", "s-maxage=0")
        } else {
            tagged("s-maxage=0").body("abc")
        }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    for (tag, status, text) in [("\"old\"", 200, "abc"), ("\"v1\"", 304, ""), ("\"old\", W/\"v1\"", 304, "")] {
        let answer = client.clone().with("if-none-match", tag).get("/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "t24: {tag}");
        assert_eq!(origin.last().field("if-none-match"), Some("\"v1\""), "{tag}");
    }
}

/// RFC 9111 section 4.3.3: a full response takes the entry's place, and is judged anew.
#[tokio::test]
async fn n089_a_full_response_replaces_the_entry_if_it_may_be_stored() {
    let clock = test_clock();
    let origin = Origin::script([
        tagged("public, max-age=10").body("old"),
        reply(200).field("cache-control", "public, max-age=10").field("etag", "\"v2\"").body("new"),
        reply(200).field("cache-control", "private").field("etag", "\"v3\"").body("mine"),
        reply(200).field("cache-control", "no-store").body("last"),
    ])
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous().authorization("Bearer a");
    client.get("/x").await;
    clock.advance(secs(20));
    let replaced = client.get("/x").await;
    assert_eq!((replaced.text().as_str(), replaced.decision().as_str()), ("new", "fwd=stale; stored"));
    assert_eq!((client.get("/x").await.text().as_str(), client.get("/x").await.hit()), ("new", true));
    clock.advance(secs(20));
    assert_eq!((client.get("/x").await.detail(), origin.last().field("if-none-match")), (Some("private"), Some("\"v2\"")));
    assert_eq!(client.get("/x").await.text(), "last");
}

/// RFC 9111 section 3.5, decided anew after each 304: what forbids sharing ends it.
#[tokio::test]
async fn n054_a_304_that_takes_the_permission_back_ends_the_sharing() {
    let clock = test_clock();
    for forbidding in ["private, max-age=100", "no-store", "max-age=100"] {
        let origin = Origin::script([
            tagged("public, max-age=10").body("abc"),
            reply(304).field("etag", "\"v1\"").field("cache-control", forbidding),
            tagged("public, max-age=10").body("anew"),
        ])
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let alice = gateway.anonymous().authorization("Bearer alice");
        alice.get("/x").await;
        clock.advance(secs(20));
        assert_eq!(alice.get("/x").await.text(), "abc", "{forbidding}: this asker was confirmed");
        let other = gateway.anonymous().authorization("Bearer bob").get("/x").await;
        assert_eq!((other.text().as_str(), other.hit()), ("anew", false), "{forbidding}");
    }
}

/// An origin that breaks off during validation has not answered.
#[tokio::test]
async fn t51_a_validation_that_breaks_off_obeys_must_revalidate() {
    let clock = test_clock();
    for (directives, status) in [("max-age=10, must-revalidate", 504), ("max-age=10", 200)] {
        let origin = Origin::script([tagged(directives).body("abc"), raw("").close(), raw("").close()]).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        gateway.anonymous().get("/x").await;
        clock.advance(secs(20));
        assert_eq!(gateway.anonymous().get("/x").await.status, status, "{directives}");
        gateway.metric_is("vouchsafe_validations_total", &[("outcome", "unreachable")], 1.0).await;
    }
}

/// RFC 9110 section 11.6.3: what the origin says to one asker in a 304 reaches that asker and nobody else.
#[tokio::test]
async fn n026_fields_of_one_exchange_reach_the_asker_of_a_validation_alone() {
    let clock = test_clock();
    let update = confirmed("public, max-age=10").field("authentication-info", "nextnonce=\"n\"");
    let origin = Origin::script([tagged("public, max-age=10").body("abc"), update]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let (alice, bob) = (gateway.anonymous().authorization("Digest alice"), gateway.anonymous().authorization("Digest bob"));
    alice.get("/x").await;
    clock.advance(secs(20));
    let validated = bob.get("/x").await;
    assert_eq!((validated.detail(), validated.field("authentication-info")), (Some("validated"), Some("nextnonce=\"n\"")));
    let hit = alice.get("/x").await;
    assert_eq!((hit.hit(), hit.field("authentication-info")), (true, None));
}

/// RFC 9111 section 4.3.4: confirmations of one second are answered alike, whatever an origin says to one asker beside them; and
/// what is new in one of them counts.
#[tokio::test]
async fn n092_confirmations_of_one_second_are_answered_alike_and_what_is_new_counts() {
    let clock = test_clock();
    let date = http_date(clock.now());
    let said = |status: u16| {
        let said = reply(status).field("cache-control", "public, s-maxage=0").field("etag", "\"v1\"");
        said.field("date", &date).field("x-a", if status == 200 { "1" } else { "2" })
    };
    let to_one = said(304).field("authentication-info", "nextnonce=\"n\"");
    let changed = reply(304).field("cache-control", "public, s-maxage=9").field("etag", "\"v1\"").field("date", &date);
    let script = [said(200).body("abc"), said(304), said(304), said(304), to_one, said(304), changed];
    let origin = Origin::script(script).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    for at in 1..=5 {
        let answer = client.get("/x").await;
        assert_eq!((answer.fwd_status(), answer.detail(), answer.ttl()), (Some("304"), Some("validated"), Some(0)), "{at}");
        assert_eq!((answer.text().as_str(), answer.fields_named("x-a"), answer.age()), ("abc", vec!["2"], None), "{at}");
        assert_eq!(answer.fields_named("date"), [date.as_str()], "{at}");
        assert_eq!(answer.field("authentication-info"), (at == 4).then_some("nextnonce=\"n\""), "{at}");
    }
    assert_eq!((client.get("/x").await.ttl(), client.get("/x").await.hit()), (Some(9), true));
    assert_eq!(origin.requests().len(), 7);
}

/// RFC 9111 section 3.5: a policy that never stores for credentials does not make their validations evict.
#[tokio::test]
async fn n055_a_validation_by_credentials_leaves_an_anonymous_entry_under_a_strict_policy() {
    let clock = test_clock();
    let origin = Origin::serving(|seen| {
        let is_known = seen.field("if-none-match") == Some("\"v1\"");
        if is_known { reply(304).field("etag", "\"v1\"") } else { tagged("max-age=10").body("abc") }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).policy("authorization = \"never\"").start().await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(20));
    assert_eq!(gateway.anonymous().authorization("Bearer alice").get("/x").await.text(), "abc");
    let later = gateway.anonymous().get("/x").await;
    assert_eq!((later.detail(), later.fwd_status()), (Some("validated"), Some("304")), "the entry was kept");
}

/// RFC 9111 section 4.2.3: the time that the origin takes to confirm is part of the answer's age.
#[tokio::test]
async fn n061_a_slow_validation_tells_its_age_as_of_the_answer() {
    let clock = test_clock();
    let gate = support::Gate::new();
    let update = confirmed("max-age=100").field("age", "7");
    let origin = Origin::script([tagged("max-age=10").body("abc"), update.gate(&gate)]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(20));
    let (validated, ()) = tokio::join!(client.get("/x"), async {
        gate.wait_reached().await;
        clock.advance(secs(5));
        gate.open();
    });
    assert_eq!((validated.age(), validated.ttl()), (Some(12), Some(88)), "the 304's age, and five seconds of waiting");
}

/// RFC 9111 section 4.3.4: a 304 speaks of all stored responses with its strong tag that could have answered, and not of the
/// chosen one alone.
#[tokio::test]
async fn n090_n092_a_304_reaches_all_that_share_its_strong_tag() {
    const LONG: &str = "public, max-age=600";
    let mut cases = Cases::new();
    for (other_tag, tag, says, decision, cache_control) in [
        ("\"v1\"", "\"v1\"", "private", "fwd=uri-miss", "no-store"),
        ("\"v1\"", "\"v1\"", "no-store", "fwd=uri-miss", "no-store"),
        ("\"v1\"", "\"v1\"", "public, max-age=0", "fwd=stale", "no-store"),
        ("\"v1\"", "\"v1\"", "public, max-age=700", "hit", "public, max-age=700"),
        ("\"v0\"", "\"v1\"", "private", "hit", LONG),
        ("W/\"v1\"", "\"v1\"", "private", "hit", LONG),
        ("\"v1\"", "W/\"v1\"", "public, max-age=700", "hit", LONG),
    ] {
        let clock = test_clock();
        let whole = |tag| reply(200).field("cache-control", LONG).field("etag", tag);
        let origin = Origin::script([
            whole(other_tag).body("abc"),
            whole("\"v1\"").field("vary", "x-v").body("abc"),
            reply(304).field("cache-control", says).field("etag", tag),
            reply(200).field("cache-control", "no-store").body("new"),
        ])
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        gateway.anonymous().get("/x").await;
        clock.advance(secs(1));
        for _ in 0..2 {
            // Of the two that match from now on the one with `Vary` is chosen.
            gateway.anonymous().with("x-v", "1").with("cache-control", "no-cache").get("/x").await;
        }
        let answer = gateway.anonymous().get("/x").await;
        let id = format!("{other_tag} beside a 304 with {tag}, {says}");
        cases.expect(&id, answer.decision().as_str(), decision);
        cases.expect(&id, answer.field("cache-control"), Some(cache_control));
    }
    cases.finish(14);
}

/// RFC 9111 section 4.3.4: the confirmation that comes last counts, also one that says what was stored when its request was
/// sent and is stored no more.
#[tokio::test]
async fn n092_a_confirmation_that_comes_last_is_what_is_stored() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| match (request.field("if-none-match"), request.field("authorization")) {
        (None, _) => tagged("s-maxage=0").body("abc"),
        (_, Some("Bearer alice")) => confirmed("s-maxage=0").gate(&held),
        _ => confirmed("s-maxage=60"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &test_clock()).start().await;
    let person = |name: &str| gateway.anonymous().authorization(&format!("Bearer {name}"));
    person("alice").get("/x").await;
    let slow = tokio::spawn(person("alice").get("/x"));
    gate.wait_reached().await;
    assert_eq!(person("bob").get("/x").await.detail(), Some("validated"));
    assert!(person("carol").get("/x").await.hit(), "bob's confirmation is stored");
    gate.open();
    assert_eq!(slow.await.unwrap().detail(), Some("validated"));
    let after = person("carol").get("/x").await;
    assert_eq!((after.fwd(), after.detail()), (Some("stale"), Some("validated")), "alice's is");
}
