//! Query rules through real sockets: which spellings of a query share what was stored without credentials.
//!
//! RFC 9111 sections 4 (the target URI matches) and 4.4 (whoever stored it, and however it was spelled).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use support::cases::Cases;
use support::{Answer, Client, Gate, Gateway, Origin, Reply, SeenRequest, eventually, reply, secs, test_clock};
use tokio::task::JoinSet;
use vouchsafe::clock::Clock;

const SORTED: &str = "query = \"sorted\"";
const DROP: &str = "query = { drop = [\"utm_*\"] }";

fn public(_: &SeenRequest) -> Reply {
    reply(200).field("cache-control", "public, max-age=60").field("etag", "\"v1\"")
}

/// Numbers its answers and names the target of each, so that a test sees which one it was given.
async fn numbering(answer: impl Fn(&SeenRequest) -> Reply + Send + Sync + 'static) -> Origin {
    let count = AtomicUsize::new(0);
    Origin::serving(move |request| {
        let number = count.fetch_add(1, Ordering::SeqCst);
        answer(request).body(format!("{number} {}", request.target))
    })
    .await
}

async fn gateway(origin: &Origin, clock: &Clock, rule: &str) -> Gateway {
    Gateway::reverse(origin, clock).policy(rule).start().await
}

fn only(client: &Client) -> Client {
    client.clone().with("cache-control", "only-if-cached")
}

fn bearer(gateway: &Gateway) -> Client {
    gateway.anonymous().authorization("Bearer a")
}

/// Which of these targets are answered from the store for this client.
async fn there(client: &Client, targets: &[&'static str]) -> Vec<&'static str> {
    let mut there = Vec::new();
    for target in targets {
        if only(client).get(target).await.hit() {
            there.push(*target);
        }
    }
    there
}

/// What each rule merges and what it does not, and that the origin sees none of it.
#[tokio::test]
async fn d4_each_rule_merges_what_it_says() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (rule, filled, asked, is_hit) in [
        ("query = \"all\"", "/x?b&a", "/x?a&b", false),
        ("query = \"all\"", "/x?", "/x", false),
        ("query = \"none\"", "/x?b&a", "/x?c", true),
        ("query = \"none\"", "/x?b&a", "/x", true),
        ("query = \"none\"", "/x?b&a", "/y?b&a", false),
        (SORTED, "/x?b=1&a=1", "/x?a=1&b=1", true),
        (SORTED, "/x?a=1&a=2", "/x?a=2&a=1", false),
        (SORTED, "/x?a=1&b=1", "/x?a=1&b=2", false),
        ("query = { keep = [\"id\"] }", "/x?id=1&t=9", "/x?u&id=1", true),
        ("query = { keep = [\"id\"] }", "/x?id=1&t=9", "/x?id=2&t=9", false),
        ("query = { keep = [\"id\"] }", "/x?id=1", "/x?id=1&id[]=2", false),
        (DROP, "/x?utm_source=a&id=1", "/x?id=1&utm_medium=b", true),
        (DROP, "/x?utm_source=a", "/x", true),
        (DROP, "/x?utm_source=a;id=1", "/x?utm_source=a;id=2", false),
        (DROP, "/x?id=1&p=1", "/x?p=1&id=1", false),
    ] {
        let origin = numbering(public).await;
        let gateway = gateway(&origin, &clock, rule).await;
        let first = gateway.anonymous().get(filled).await;
        let second = gateway.anonymous().get(asked).await;
        let told = if is_hit { first.text() } else { format!("1 {asked}") };
        cases.expect(&format!("{rule} {filled} {asked}"), (second.hit(), second.text()), (is_hit, told));
        let sent: Vec<String> = origin.requests().into_iter().map(|request| request.target).collect();
        let expected = if is_hit { vec![filled] } else { vec![filled, asked] };
        cases.expect(&format!("{rule} {filled} {asked}, at the origin"), sent, expected);
    }
    cases.finish(30);
}

/// Who filled and who asks, with credentials or none, for the key itself or for another target that belongs to it.
#[tokio::test]
async fn d4_what_credentials_filled_or_ask_for_is_the_very_target() {
    let clock = test_clock();
    let mut cases = Cases::new();
    let (own, other) = ("/x", "/x?utm_a=1");
    for (filler, filled, asker, asked, is_hit) in [
        ("", own, "", other, true),
        ("", other, "", own, true),
        ("", other, "", "/x?utm_a=2", true),
        ("", own, "b", own, true),
        ("", own, "b", other, false),
        ("", other, "b", own, false),
        ("", other, "b", other, false),
        ("a", own, "", own, true),
        ("a", own, "", other, false),
        ("a", other, "", other, false),
        ("a", other, "", own, false),
        ("a", own, "b", own, true),
        ("a", other, "b", other, true),
        ("a", own, "b", other, false),
        ("a", other, "b", own, false),
    ] {
        let origin = numbering(public).await;
        let gateway = gateway(&origin, &clock, DROP).await;
        let client = |who: &str| if who.is_empty() { gateway.anonymous() } else { gateway.anonymous().authorization(who) };
        client(filler).get(filled).await;
        let answer = client(asker).get(asked).await;
        let told = if is_hit { format!("0 {filled}") } else { format!("1 {asked}") };
        let case = format!("{filler:?} {filled} then {asker:?} {asked}");
        cases.expect(&case, (answer.hit(), answer.text()), (is_hit, told));
    }
    cases.finish(15);
}

/// What neither sees of the other's stays: no fill takes the place of one that others still need.
#[tokio::test]
async fn d4_what_is_for_others_is_not_replaced() {
    let clock = test_clock();
    let origin = numbering(public).await;
    let gateway = gateway(&origin, &clock, DROP).await;
    gateway.anonymous().get("/x?utm_a=1").await;
    bearer(&gateway).get("/x").await;
    assert_eq!(origin.count(), 2);
    let (nobody, alice) = (gateway.anonymous(), bearer(&gateway));
    assert_eq!(only(&nobody).get("/x?utm_b=2").await.text(), "0 /x?utm_a=1");
    assert_eq!(only(&alice).get("/x").await.text(), "1 /x");
    // Who asks for the key itself has a choice, and gets the newer one.
    clock.advance(secs(1));
    nobody.clone().with("cache-control", "no-cache").get("/x?utm_b=2").await;
    assert_eq!(only(&alice).get("/x").await.text(), "1 /x");
}

/// D5: presence of a credential counts before anything is left out.
#[tokio::test]
async fn d5_a_credential_in_the_query_is_never_left_out() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for rule in ["query = \"none\"", "query = { keep = [\"id\"] }", "query = { drop = [\"access*\"] }"] {
        let origin = numbering(public).await;
        let gateway = gateway(&origin, &clock, rule).await;
        gateway.anonymous().get("/x").await;
        for target in ["/x?access_token=secret", "/x?%61ccess_token=secret", "/x?ACCESS_TOKEN"] {
            for _ in 0..2 {
                let answer = gateway.anonymous().get(target).await;
                let found = (answer.hit(), answer.stored(), answer.detail());
                cases.expect(&format!("{rule} {target}"), found, (false, false, Some("query-credential")));
                cases.expect(&format!("{rule} {target} sent"), origin.last().target, target);
            }
        }
        cases.check(rule, only(&gateway.anonymous()).get("/x").await.text() == "0 /x", "what nobody filled");
    }
    cases.finish(39);
}

/// RFC 9111 section 4.4: however the target of an unsafe request is spelled, and whoever sends it.
#[tokio::test]
async fn n094_an_unsafe_request_reaches_every_spelling() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (rule, filled, posted, is_gone) in [
        (SORTED, "/x?b&a", "/x?b&a", true),
        (SORTED, "/x?b&a", "/x?a&b", true),
        (SORTED, "/x?b&a", "/x?b", false),
        (DROP, "/x?utm_a", "/x?utm_b", true),
        (DROP, "/x?utm_a", "/x", true),
        (DROP, "/x?utm_a", "/x?b", false),
        ("query = \"none\"", "/x?a", "/x?b", true),
        ("query = \"none\"", "/x?a", "/y?a", false),
    ] {
        for is_credentialed in [false, true] {
            let origin = numbering(|request| if request.method == "POST" { reply(204) } else { public(request) }).await;
            let gateway = gateway(&origin, &clock, rule).await;
            gateway.anonymous().get(filled).await;
            let poster = if is_credentialed { bearer(&gateway) } else { gateway.anonymous() };
            poster.request("POST", posted).body("new").send().await;
            let is_there = only(&gateway.anonymous()).get(filled).await.hit();
            cases.expect(&format!("{rule} {filled}, POST {posted}, credentials: {is_credentialed}"), is_there, !is_gone);
        }
    }
    // A credentialed entry is at the target as sent, which is not what the rule makes of the unsafe request's.
    let origin = numbering(|request| if request.method == "POST" { reply(204) } else { public(request) }).await;
    let gateway = gateway(&origin, &clock, SORTED).await;
    bearer(&gateway).get("/x?b&a").await;
    gateway.anonymous().request("POST", "/x?b&a").body("new").send().await;
    cases.expect("filled with credentials", only(&bearer(&gateway)).get("/x?b&a").await.hit(), false);
    cases.finish(17);
}

/// The same of what the answer to it points at.
#[tokio::test]
async fn n095_what_an_answer_points_at_is_reached_in_every_spelling() {
    let clock = test_clock();
    let origin = numbering(|request| match request.method.as_str() {
        "POST" => reply(201).field("location", "/y?b&a").field("content-location", "/z?b&a"),
        _ => public(request),
    })
    .await;
    let gateway = gateway(&origin, &clock, SORTED).await;
    let targets = ["/y?a&b", "/z?b&a", "/y?a"];
    for target in targets {
        gateway.anonymous().get(target).await;
    }
    bearer(&gateway).get("/z?b&a").await;
    gateway.anonymous().request("POST", "/x").body("new").send().await;
    assert_eq!(there(&gateway.anonymous(), &targets).await, ["/y?a"]);
    assert_eq!(there(&bearer(&gateway), &["/z?b&a"]).await.len(), 0);
}

/// A rule that a reload took away keeps nothing from being invalidated; put back, it finds nothing that was.
#[tokio::test]
async fn n094_a_rule_that_was_away_finds_nothing_that_was_invalidated_meanwhile() {
    let clock = test_clock();
    let origin = numbering(|request| if request.method == "POST" { reply(204) } else { public(request) }).await;
    let gateway = gateway(&origin, &clock, DROP).await;
    for target in ["/x?utm_a", "/y?utm_a"] {
        gateway.anonymous().get(target).await;
    }
    gateway.reload(|text| text.replace(DROP, "query = \"all\"")).await.unwrap();
    gateway.anonymous().request("POST", "/x?utm_a").body("new").send().await;
    gateway.reload(|text| text.replace("query = \"all\"", DROP)).await.unwrap();
    assert_eq!(there(&gateway.anonymous(), &["/x?utm_b", "/y?utm_b"]).await, ["/y?utm_b"]);
}

/// D15: under another rule nobody is answered, nor is the origin asked, by what the old one merged.
#[tokio::test]
async fn d15_a_changed_rule_merges_nothing_that_the_old_one_did() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (before, after) in [
        (DROP, "query = \"all\""),
        (DROP, SORTED),
        (DROP, "query = { drop = [\"utm_*\", \"ref\"] }"),
        ("query = { drop = [\"page\"] }", DROP),
    ] {
        let origin = numbering(validated).await;
        let gateway = gateway(&origin, &clock, before).await;
        for target in ["/x?utm_a&page", "/x?page", "/y"] {
            gateway.anonymous().get(target).await;
        }
        gateway.reload(|text| text.replace(before, after)).await.unwrap();
        for target in ["/x?page", "/x?utm_a"] {
            let answer = gateway.anonymous().get(target).await;
            let asked = origin.last();
            let case = format!("{before} to {after} {target}");
            cases.expect(&case, (answer.status, answer.fwd(), asked.field("if-none-match")), (200, Some("uri-miss"), None));
        }
        let own = gateway.anonymous().get("/y").await;
        cases.expect(&format!("{before} to {after}, its own"), own.fwd_status(), Some("304"));
    }
    cases.finish(12);
}

async fn admin(gateway: &Gateway, path: &str, order: Value) -> Value {
    let request = gateway.admin().request("POST", path).field("content-type", "application/json");
    let answer = request.body(order.to_string()).send().await;
    assert_eq!(answer.status, 200, "{order}: {}", answer.text());
    answer.json()
}

/// What an operator names goes, under whatever URI it is kept.
#[tokio::test]
async fn n094_an_order_reaches_what_a_rule_keeps() {
    let clock = test_clock();
    let targets = ["/x?utm_a", "/x?p=1&utm_a", "/xy?utm_a"];
    let mut cases = Cases::new();
    for (order, count, left) in [
        (json!({"url": "/x?utm_a"}), 1, &targets[1..]),
        (json!({"url": "/x?utm_b"}), 1, &targets[1..]),
        (json!({"url": "/x"}), 1, &targets[1..]),
        (json!({"url": "/x?utm_b&p=1"}), 1, &["/x?utm_a", "/xy?utm_a"]),
        (json!({"url": "/x?p=2"}), 0, &targets[..]),
        (json!({"prefix": "/x?utm"}), 2, &targets[2..]),
        (json!({"prefix": "/xy"}), 1, &targets[..2]),
        (json!({"prefix": "/x"}), 3, &[]),
    ] {
        for is_soft in [false, true] {
            let origin = numbering(public).await;
            let gateway = gateway(&origin, &clock, DROP).await;
            for target in targets {
                gateway.anonymous().get(target).await;
            }
            let (kind, path) = order.as_object().unwrap().iter().next().unwrap();
            let uri = format!("http://app.test{}", path.as_str().unwrap());
            let order = |is_dry: bool| json!({ kind: uri, "soft": is_soft, "dry_run": is_dry });
            let case = format!("{kind} {path}, soft: {is_soft}");
            cases.expect(
                &format!("{case}, counted"),
                admin(&gateway, "/purge", order(true)).await["count"].as_u64(),
                Some(count),
            );
            assert_eq!(there(&gateway.anonymous(), &targets).await, targets);
            admin(&gateway, "/purge", order(false)).await;
            cases.expect(&case, there(&gateway.anonymous(), &targets).await, left);
            let fwd = gateway.anonymous().get("/x?utm_a").await.fwd().map(str::to_owned);
            let expected = if left.contains(&"/x?utm_a") { None } else { Some(if is_soft { "stale" } else { "uri-miss" }) };
            cases.expect(&format!("{case}, asked again"), fwd.as_deref(), expected);
        }
    }
    cases.finish(48);
}

/// Where no rule merges, a prefix is what it says.
#[tokio::test]
async fn n094_a_prefix_with_a_query_is_exact_without_a_rule() {
    let clock = test_clock();
    let origin = numbering(public).await;
    let gateway = gateway(&origin, &clock, DROP).await;
    let alice = bearer(&gateway);
    for target in ["/x?p=1", "/x?q=1"] {
        alice.get(target).await;
    }
    admin(&gateway, "/purge", json!({"prefix": "http://app.test/x?p"})).await;
    assert_eq!(there(&alice, &["/x?p=1", "/x?q=1"]).await, ["/x?q=1"]);
}

/// The operator's views name the key and find it by any spelling; the log shows the hash that was used.
#[tokio::test]
async fn views_of_the_store_find_what_a_rule_keeps() {
    let clock = test_clock();
    let origin = numbering(public).await;
    let gateway = gateway(&origin, &clock, DROP).await;
    gateway.anonymous().get("/x?utm_a").await;
    bearer(&gateway).get("/x?utm_a").await;
    let listed = admin(&gateway, "/entries", json!({"prefix": "http://app.test/"})).await;
    let entry = |at: usize, key: &str| listed["entries"][at][key].clone();
    assert_eq!((entry(0, "url"), entry(0, "query")), (json!("http://app.test/x"), json!("rule")));
    assert_eq!((entry(1, "url"), entry(1, "query")), (json!("http://app.test/x?utm_a"), json!("exact")));
    let explain = async |path: &str| {
        let url = format!("http://app.test{path}").replace('?', "%3F").replace('&', "%26");
        gateway.admin().get(&format!("/explain?url={url}")).await.json()
    };
    let (store, elsewhere) = ("answer from the store", "origin: it is kept for other queries or other requests");
    let worth = |found: &Value| -> Vec<(String, String)> {
        let word = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
        let entries = found["stored"].as_array().unwrap().iter();
        entries.map(|entry| (word(entry, "without_credentials"), word(entry, "with_credentials"))).collect()
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let found = explain("/x?utm_a").await;
    assert_eq!(worth(&found), [pair(store, elsewhere), pair(elsewhere, store)]);
    let lines = gateway.log_lines(2).await;
    assert_eq!((&lines[0]["url_hash"], &lines[1]["url_hash"]), (&found["url_hash"], &found["credentialed_url_hash"]));
    assert_eq!(worth(&explain("/x?utm_b").await), [pair(store, elsewhere)]);
    let own = explain("/x").await;
    assert_eq!((worth(&own), &own["credentialed_url_hash"]), (vec![pair(store, elsewhere)], &Value::Null));
    gateway.anonymous().get("/x").await;
    assert_eq!(worth(&explain("/x").await), [pair(store, elsewhere)], "it answered; nothing is stored for the very URL");
}

/// All at once, each told what it was given.
async fn at_once(client: &Client, targets: &[&'static str]) -> Vec<Answer> {
    let mut all = JoinSet::new();
    for (at, target) in targets.iter().copied().enumerate() {
        let asking = client.clone().get(target);
        all.spawn(async move { (at, asking.await) });
    }
    let mut answers = all.join_all().await;
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Spellings wait for each other; credentials wait for nobody's other target.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d4_spellings_board_one_flight_and_credentials_another() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = numbering(move |request| public(request).gate(&held)).await;
    let builder = Gateway::reverse(&origin, &test_clock()).set("cache", "collapse_wait = \"60s\"").policy(DROP);
    let gateway = builder.start().await;
    let (nobody, alice) = (gateway.anonymous(), bearer(&gateway));
    let spelled = tokio::spawn(async move { at_once(&nobody, &["/x?utm_a", "/x", "/x?utm_b", "/x?utm_a&utm_b"]).await });
    let exact = tokio::spawn(async move { at_once(&alice, &["/x", "/x"]).await });
    origin.wait_for(2).await;
    gateway.metric_is("vouchsafe_flight_waiting", &[], 4.0).await;
    gate.open();
    let (spelled, exact) = (spelled.await.unwrap(), exact.await.unwrap());
    assert!(spelled.iter().all(|answer| answer.text() == spelled[0].text()));
    assert!(exact.iter().all(|answer| answer.text() == exact[0].text() && answer.text().ends_with(" /x")));
    assert_ne!(spelled[0].text(), exact[0].text());
    assert_eq!(origin.count(), 2);
}

/// What is on its way is kept out by an unsafe request to any spelling.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n094_what_is_on_its_way_is_reached_too() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = numbering(move |request| match request.method.as_str() {
        "POST" => reply(204),
        _ if request.target == "/x?utm_a" => public(request).gate(&held),
        _ => public(request),
    })
    .await;
    let gateway = gateway(&origin, &test_clock(), DROP).await;
    let first = tokio::spawn(gateway.anonymous().get("/x?utm_a"));
    gate.wait_reached().await;
    gateway.anonymous().request("POST", "/x?utm_b").body("new").send().await;
    gate.open();
    assert_eq!(first.await.unwrap().text(), "0 /x?utm_a");
    assert!(!only(&gateway.anonymous()).get("/x?utm_a").await.hit());
}

fn validated(request: &SeenRequest) -> Reply {
    let status = if request.field("if-none-match").is_some() { 304 } else { 200 };
    reply(status).field("cache-control", "public, max-age=10").field("etag", "\"v1\"")
}

/// RFC 9111 section 4.3: the origin is asked with the asker's own target; what it says of that one is not said of the key.
#[tokio::test]
async fn n088_a_validation_asks_for_the_target_as_sent() {
    let clock = test_clock();
    let origin = numbering(validated).await;
    let gateway = gateway(&origin, &clock, DROP).await;
    let nobody = gateway.anonymous();
    nobody.get("/x").await;
    assert_eq!(there(&bearer(&gateway), &["/x"]).await, ["/x"]);
    clock.advance(secs(20));
    let answer = nobody.get("/x?utm_a").await;
    assert_eq!((answer.fwd_status(), answer.text().as_str()), (Some("304"), "0 /x"));
    assert_eq!((origin.last().target.as_str(), origin.last().field("if-none-match")), ("/x?utm_a", Some("\"v1\"")));
    assert!(nobody.get("/x?utm_b").await.hit());
    let answer = bearer(&gateway).get("/x").await;
    assert_eq!((answer.hit(), answer.text().as_str()), (false, "2 /x"), "what another target freshened");
    assert_eq!(origin.last().field("if-none-match"), None);
    assert_eq!(only(&nobody).get("/x?utm_b").await.text(), "0 /x");
}

/// RFC 9111 section 4.3.5: the same of HEAD.
#[tokio::test]
async fn n093_a_head_speaks_of_the_target_as_sent() {
    let clock = test_clock();
    let origin = numbering(|request| {
        reply(200).field("cache-control", "public, max-age=60").field(
            "etag",
            match request.target.as_str() {
                "/x?utm_new" => "\"v2\"",
                _ => "\"v1\"",
            },
        )
    })
    .await;
    let gateway = gateway(&origin, &clock, DROP).await;
    let reload = |client: Client, target: &'static str| client.with("cache-control", "no-cache").head(target);
    gateway.anonymous().get("/x?utm_a").await;
    clock.advance(secs(30));
    reload(bearer(&gateway), "/x?utm_new").await;
    reload(bearer(&gateway), "/x").await;
    assert!(gateway.anonymous().get("/x").await.hit(), "credentials say nothing of it");
    reload(gateway.anonymous(), "/x?utm_new").await;
    assert_eq!(gateway.anonymous().get("/x").await.fwd(), Some("stale"), "another version");
}

/// RFC 5861 section 3: in the background too, and a policy for GET alone does not mistake what it asks about.
#[tokio::test]
async fn x029_a_validation_in_the_background_stays_with_its_key() {
    let clock = test_clock();
    let origin = numbering(|request| {
        let answer = reply(200).field("cache-control", "public, max-age=10, stale-while-revalidate=600");
        answer.field("content-location", &request.target)
    })
    .await;
    let heads = "[[policy]]\nname = \"heads\"\nmatch = { methods = [\"HEAD\", \"POST\"] }\n";
    let gateway = Gateway::reverse(&origin, &clock).policy(DROP).append(heads).start().await;
    let nobody = gateway.anonymous();
    nobody.get("/x?utm_a").await;
    clock.advance(secs(20));
    assert_eq!(nobody.get("/x?utm_b").await.detail(), Some("stale-while-revalidate"));
    origin.wait_for(2).await;
    assert_eq!(origin.last().target, "/x?utm_b");
    eventually("the answer to the last asker", || async {
        let answer = only(&nobody).get("/x").await;
        if answer.text() == "1 /x?utm_b" { Ok(()) } else { Err(answer.text()) }
    })
    .await;
    // What a POST stored is kept, and a HEAD looks for it, by a policy without a rule; a GET goes by the one with it.
    nobody.request("POST", "/y?utm_a").body("new").send().await;
    clock.advance(secs(20));
    assert_eq!(nobody.head("/y?utm_a").await.detail(), Some("stale-while-revalidate"));
    assert_eq!(nobody.get("/z").await.status, 200);
    assert_eq!(origin.requests().iter().filter(|seen| seen.target.starts_with("/y")).count(), 1);
}

/// RFC 9111 section 3.4: parts of one key are put together if they are there for the same requests.
#[tokio::test]
async fn n052_parts_are_put_together_for_whom_both_are() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let (range, content) = match request.field("range") {
            Some("bytes=0-4") => ("bytes 0-4/10", "01234"),
            _ => ("bytes 5-9/10", "56789"),
        };
        reply(206).field("content-range", range).field("cache-control", "max-age=60").field("etag", "\"v1\"").body(content)
    })
    .await;
    let gateway = gateway(&origin, &clock, DROP).await;
    let part = |target: &'static str, range: &str| gateway.anonymous().with("range", range).get(target);
    part("/x?utm_a", "bytes=0-4").await;
    part("/x?utm_b", "bytes=5-9").await;
    assert_eq!(only(&gateway.anonymous()).get("/x").await.text(), "0123456789");
    part("/y", "bytes=0-4").await;
    part("/y?utm_b", "bytes=5-9").await;
    assert_eq!(only(&gateway.anonymous()).get("/y").await.status, 504);
    assert_eq!(there(&bearer(&gateway).with("range", "bytes=1-2"), &["/y"]).await, ["/y"]);
    assert!(there(&bearer(&gateway).with("range", "bytes=6-7"), &["/y"]).await.is_empty());
}

/// RFC 9111 section 4.3.1: tags are offered among those that a response could be for.
#[tokio::test]
async fn n079_tags_are_offered_across_spellings_and_kept_for_them() {
    let clock = test_clock();
    let origin = numbering(|request| validated(request).field("vary", "accept-language")).await;
    let gateway = gateway(&origin, &clock, DROP).await;
    let ask = |target: &'static str, language: &str| gateway.anonymous().with("accept-language", language).get(target);
    ask("/x?utm_a", "de").await;
    assert_eq!(ask("/x?utm_b", "en").await.text(), "0 /x?utm_a");
    assert_eq!((origin.last().target.as_str(), origin.last().field("if-none-match")), ("/x?utm_b", Some("\"v1\"")));
    assert!(ask("/x?utm_c", "en").await.hit());
    assert!(there(&bearer(&gateway).with("accept-language", "en"), &["/x"]).await.is_empty());
}

/// RFC 9110 section 9.3.3: what a POST made of the very target it names is kept where a GET looks for it.
#[tokio::test]
async fn n035_a_post_located_at_its_target_is_found_by_every_spelling() {
    let clock = test_clock();
    let origin = numbering(|request| public(request).field("content-location", &request.target)).await;
    let gateway = gateway(&origin, &clock, DROP).await;
    gateway.anonymous().request("POST", "/x?utm_a").body("new").send().await;
    assert_eq!(there(&gateway.anonymous(), &["/x?utm_a", "/x", "/x?utm_b"]).await.len(), 3);
    bearer(&gateway).request("POST", "/x?utm_a").body("new").send().await;
    assert_eq!(there(&gateway.anonymous(), &["/x?utm_a", "/x"]).await.len(), 0, "it invalidates what it does not replace");
    assert_eq!(there(&bearer(&gateway), &["/x?utm_a", "/x"]).await, ["/x?utm_a"]);
}
