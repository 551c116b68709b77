//! Partitions through real sockets: what may be shared answers only who filled it.
//!
//! RFC 9111 sections 1.1 (a cache may do less) and 3.5 (what may be shared at all).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use support::cases::Cases;
use support::{Client, Gate, Gateway, Origin, Reply, SeenRequest, eventually, reply, secs, test_clock};
use tokio::task::JoinSet;

const BY_CREDENTIAL: &str = "partition = \"credential\"";
const BY_PRINCIPAL: &str = "partition = \"principal\"";
const LISTED: &str = "credentials = { query = [\"access_token\"], headers = [\"X-Api-Key\"], cookies = [\"sid\"] }";

/// Numbers its answers, so that a test sees which one it was given.
async fn numbering(answer: impl Fn(&SeenRequest) -> Reply + Send + Sync + 'static) -> Origin {
    let count = AtomicUsize::new(0);
    Origin::serving(move |request| answer(request).body(format!("answer {}", count.fetch_add(1, Ordering::SeqCst)))).await
}

fn public(_: &SeenRequest) -> Reply {
    reply(200).field("cache-control", "public, max-age=60").field("etag", "\"v1\"")
}

/// Sends all at once and gives back what each was told.
async fn at_once(clients: Vec<Client>) -> Vec<String> {
    let mut all = JoinSet::new();
    for (at, client) in clients.into_iter().enumerate() {
        all.spawn(async move { (at, client.get("/x").await.text()) });
    }
    let mut answers = all.join_all().await;
    answers.sort();
    answers.into_iter().map(|(_, text)| text).collect()
}

/// D6: each credential class by itself, and nobody's is one of them.
#[tokio::test]
async fn d6_each_credential_class_is_answered_from_its_own() {
    let clock = test_clock();
    let origin = numbering(public).await;
    let gateway = Gateway::reverse(&origin, &clock).policy(BY_CREDENTIAL).policy(LISTED).start().await;
    let who: [&[(&str, &str)]; 9] = [
        &[],
        &[("authorization", "Bearer a")],
        &[("authorization", "Bearer b")],
        &[("authorization", "")],
        &[("x-api-key", "Bearer a")],
        &[("cookie", "sid=a")],
        &[("cookie", "sid=b; theme=dark")],
        &[("authorization", "Bearer a"), ("cookie", "sid=a")],
        &[("authorization", "Bearer a"), ("x-api-key", "1")],
    ];
    let client =
        |lines: &[(&str, &str)]| lines.iter().fold(gateway.anonymous(), |client, (name, value)| client.with(name, value));
    let mut cases = Cases::new();
    for (number, lines) in who.iter().enumerate() {
        let answer = client(lines).get("/x").await;
        cases.expect(
            &format!("{lines:?} first"),
            (answer.decision(), answer.text()),
            ("fwd=uri-miss; stored".to_owned(), format!("answer {number}")),
        );
    }
    for (number, lines) in who.iter().enumerate() {
        let answer = client(lines).with("user-agent", "another").get("/x").await;
        cases.expect(
            &format!("{lines:?} again"),
            (answer.decision(), answer.text()),
            ("hit".to_owned(), format!("answer {number}")),
        );
    }
    let unlisted = gateway.anonymous().with("cookie", "theme=dark").get("/x").await;
    cases.expect("a cookie that is not listed", unlisted.text(), "answer 0".to_owned());
    cases.finish(19);
    assert_eq!(origin.count(), who.len());
}

/// RFC 4559 section 6: what speaks for a connection is nobody's twice.
#[tokio::test]
async fn d6_credentials_of_a_connection_are_a_class_of_one_request() {
    let clock = test_clock();
    let origin = numbering(public).await;
    let gateway = Gateway::reverse(&origin, &clock).policy(BY_CREDENTIAL).start().await;
    for number in 0..2 {
        let answer = gateway.anonymous().authorization("NTLM abc").get("/x").await;
        assert_eq!((answer.fwd(), answer.text()), (Some("uri-miss"), format!("answer {number}")));
    }
}

/// By verified user, in forward mode: the credentials for the origin make no difference, the user does.
#[tokio::test]
async fn d6_each_user_is_answered_from_their_own() {
    let clock = test_clock();
    let origin = numbering(public).await;
    let gateway = Gateway::forward(&clock).origin(&origin).policy(BY_PRINCIPAL).start().await;
    let (alice, bob) = (|| gateway.client("alice"), || gateway.client("bob"));
    assert_eq!(alice().authorization("Bearer a").get("/x").await.decision(), "fwd=uri-miss; stored");
    assert_eq!(bob().authorization("Bearer a").get("/x").await.text(), "answer 1");
    for client in [alice(), alice().authorization("Bearer b")] {
        let answer = client.get("/x").await;
        assert_eq!((answer.cache_status().as_str(), answer.text().as_str()), ("hit; ttl=60; detail=permit-public", "answer 0"));
    }
    assert_eq!(bob().get("/x").await.text(), "answer 1");
    assert_eq!(gateway.client("carol").with("cache-control", "only-if-cached").get("/x").await.status, 504);
    assert_eq!(origin.count(), 2);
}

/// Without partitions the same requests share, so that the tests above show what the policy does.
#[tokio::test]
async fn without_partitions_the_same_requests_share() {
    let clock = test_clock();
    let origin = numbering(public).await;
    let gateway = Gateway::forward(&clock).origin(&origin).policy("partition = \"none\"").start().await;
    gateway.client("alice").authorization("Bearer a").get("/x").await;
    assert!(gateway.client("bob").get("/x").await.hit());
}

/// D4: a partition narrows and never allows: what RFC 9111 section 3.5 forbids is not even stored for its asker.
#[tokio::test]
async fn d4_a_partition_stores_nothing_that_may_not_be_shared() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (partition, directives, detail) in [BY_CREDENTIAL, BY_PRINCIPAL].into_iter().flat_map(|partition| {
        [("max-age=60", "no-permit"), ("private, max-age=60", "private"), ("no-store", "no-store")]
            .map(|(directives, detail)| (partition, directives, detail))
    }) {
        let origin = Origin::serving(move |_| reply(200).field("cache-control", directives).body("a")).await;
        let gateway = Gateway::forward(&clock).origin(&origin).policy(partition).start().await;
        for _ in 0..2 {
            let answer = gateway.client("alice").authorization("Bearer a").get("/x").await;
            cases.expect(
                &format!("{partition} {directives}"),
                (answer.hit(), answer.stored(), answer.detail()),
                (false, false, Some(detail)),
            );
        }
    }
    cases.finish(12);
}

/// Requests of two partitions never wait for each other, however equal they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d6_two_partitions_never_board_one_flight() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = numbering(move |request| public(request).gate(&held)).await;
    let builder = Gateway::forward(&test_clock()).origin(&origin).set("cache", "collapse_wait = \"60s\"");
    let gateway = builder.policy(BY_PRINCIPAL).start().await;
    let crowd = (0..10).map(|at| gateway.client(if at % 2 == 0 { "alice" } else { "bob" })).collect();
    let asking = tokio::spawn(at_once(crowd));
    origin.wait_for(2).await;
    gateway.metric_is("vouchsafe_flight_waiting", &[], 8.0).await;
    gate.open();
    let answers = asking.await.unwrap();
    let (alices, bobs): (Vec<_>, Vec<_>) = answers.chunks(2).map(|pair| (&pair[0], &pair[1])).unzip();
    assert!(alices.iter().all(|text| *text == alices[0]) && bobs.iter().all(|text| *text == bobs[0]));
    assert_ne!(alices[0], bobs[0]);
    assert_eq!(origin.count(), 2);
}

/// Nor is a validation of one for the other, nor does it change what the other has stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d6_validations_stay_in_their_partition() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = numbering(move |request| {
        let status = if request.field("if-none-match").is_some() { 304 } else { 200 };
        let answer = reply(status).field("cache-control", "s-maxage=0").field("etag", "\"v1\"");
        if status == 304 { answer.gate(&held) } else { answer }
    })
    .await;
    let builder = Gateway::forward(&test_clock()).origin(&origin).set("cache", "collapse_wait = \"60s\"");
    let gateway = builder.policy(BY_PRINCIPAL).start().await;
    for user in ["alice", "bob"] {
        assert_eq!(gateway.client(user).get("/x").await.decision(), "fwd=uri-miss; stored");
    }
    let crowd = (0..10).map(|at| gateway.client(if at % 2 == 0 { "alice" } else { "bob" })).collect();
    let asking = tokio::spawn(at_once(crowd));
    origin.wait_for(4).await;
    gateway.metric_is("vouchsafe_flight_waiting", &[], 8.0).await;
    gate.open();
    for (at, text) in asking.await.unwrap().iter().enumerate() {
        assert_eq!(*text, format!("answer {}", at % 2), "{at}");
    }
    assert_eq!(origin.count(), 4);
}

/// RFC 9111 sections 4.3.1, 4.3.4 and 4.3.5: one person's tags are no question for another, and one person's HEAD says
/// nothing of what another has.
#[tokio::test]
async fn d6_nothing_is_offered_or_freshened_across_partitions() {
    let clock = test_clock();
    let origin = numbering(|request| {
        let is_known = request.field("if-none-match").is_some();
        let answer =
            reply(if is_known { 304 } else { 200 }).field("cache-control", "max-age=60").field("vary", "accept-language");
        answer.field("etag", if request.method == "HEAD" { "\"v2\"" } else { "\"v1\"" })
    })
    .await;
    let gateway = Gateway::forward(&clock).origin(&origin).policy(BY_PRINCIPAL).start().await;
    let ask = |user, language| gateway.client(user).with("accept-language", language).get("/x");
    ask("alice", "de").await;
    assert_eq!(ask("bob", "en").await.fwd(), Some("uri-miss"));
    assert_eq!(origin.last().field("if-none-match"), None);
    assert_eq!(ask("alice", "en").await.text(), "answer 0");
    assert_eq!(origin.last().field("if-none-match"), Some("\"v1\""), "her own are offered");
    let kept = ask("alice", "en").await;
    assert_eq!((kept.hit(), kept.text().as_str()), (true, "answer 0"), "and kept for her");
    clock.advance(secs(30));
    gateway.client("bob").with("accept-language", "de").with("cache-control", "no-cache").request("HEAD", "/x").send().await;
    assert!(ask("alice", "de").await.hit(), "another version seen by bob");
    gateway.client("alice").with("accept-language", "de").with("cache-control", "no-cache").request("HEAD", "/x").send().await;
    assert!(!ask("alice", "de").await.hit(), "another version seen by alice");
}

/// RFC 9111 section 4.1: variants within partitions, together at most `vary_limit`.
#[tokio::test]
async fn d6_partitions_have_variants_of_their_own() {
    let clock = test_clock();
    let origin = numbering(|request| public(request).field("vary", "x-v")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).policy(BY_PRINCIPAL).policy("vary_limit = 3").start().await;
    let ask = |user, value| gateway.client(user).with("x-v", value).get("/x");
    for (number, (user, value)) in [("alice", "1"), ("alice", "2"), ("bob", "1")].into_iter().enumerate() {
        assert_eq!(ask(user, value).await.text(), format!("answer {number}"));
    }
    for (number, (user, value)) in [("alice", "1"), ("alice", "2"), ("bob", "1")].into_iter().enumerate() {
        let answer = ask(user, value).await;
        assert_eq!((answer.hit(), answer.text()), (true, format!("answer {number}")));
    }
    assert_eq!(ask("bob", "2").await.fwd(), Some("vary-miss"));
    assert!(ask("alice", "2").await.hit() && ask("bob", "1").await.hit());
    assert_eq!(ask("alice", "1").await.fwd(), Some("vary-miss"), "the one used longest ago went");
}

/// RFC 9111 section 4.4: an invalidation is about the resource, whoever caused it.
#[tokio::test]
async fn n094_an_invalidation_reaches_every_partition() {
    let clock = test_clock();
    let origin = numbering(|request| if request.method == "POST" { reply(204) } else { public(request) }).await;
    let gateway = Gateway::forward(&clock).origin(&origin).policy(BY_PRINCIPAL).start().await;
    gateway.client("alice").get("/x").await;
    assert!(gateway.client("alice").get("/x").await.hit());
    gateway.client("bob").request("POST", "/x").body("new").send().await;
    assert_eq!(gateway.client("alice").get("/x").await.fwd(), Some("uri-miss"));
}

/// RFC 5861 section 3: what is validated in the background stays with whom it was stored for.
#[tokio::test]
async fn x029_a_validation_in_the_background_stays_in_its_partition() {
    let clock = test_clock();
    let origin = numbering(|_| reply(200).field("cache-control", "public, max-age=10, stale-while-revalidate=60")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).policy(BY_PRINCIPAL).start().await;
    for user in ["alice", "bob"] {
        gateway.client(user).get("/x").await;
    }
    clock.advance(secs(20));
    let alice = gateway.client("alice");
    eventually("a fresh answer for alice", || async {
        let answer = alice.get("/x").await;
        if answer.text() == "answer 2" { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    assert_eq!(origin.count(), 3);
    assert_eq!(gateway.client("bob").with("cache-control", "only-if-cached").get("/x").await.text(), "answer 1");
}

/// D15: under another kind of partition nothing is there that was stored before, neither for others nor for who filled it;
/// what was on its way when the policy changed belongs to the partition that it was asked for in.
#[tokio::test]
async fn d15_a_changed_partition_never_widens_who_sees_what_was_stored_before() {
    let words = ["none", "credential", "principal"];
    let mut cases = Cases::new();
    for (before, after) in words.iter().flat_map(|before| words.iter().map(move |after| (*before, *after))) {
        let clock = test_clock();
        let gate = Gate::new();
        let held = gate.clone();
        let origin = numbering(
            move |request| if request.target.ends_with("/held") { public(request).gate(&held) } else { public(request) },
        )
        .await;
        let line = |word: &str| format!("partition = \"{word}\"");
        let gateway = Gateway::forward(&clock).origin(&origin).policy(&line(before)).start().await;
        let alice = gateway.client("alice").authorization("Bearer a");
        let bob = gateway.client("bob").authorization("Bearer b");
        alice.get("/x").await;
        let on_its_way = tokio::spawn(alice.clone().get("/held"));
        gate.wait_reached().await;
        gateway.reload(|text| text.replace(&line(before), &line(after))).await.unwrap();
        gate.open();
        on_its_way.await.unwrap();
        let is_there = before == after;
        for path in ["/x", "/held"] {
            let only = |client: &Client| client.clone().with("cache-control", "only-if-cached").get(path);
            let (hers, his) = (only(&alice).await.status, only(&bob).await.status);
            let expected = (if is_there { 200 } else { 504 }, if is_there && after == "none" { 200 } else { 504 });
            cases.expect(&format!("{before} to {after}, {path}"), (hers, his), expected);
        }
    }
    cases.finish(18);
}
