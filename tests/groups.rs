//! Cache groups (RFC 9875) through real sockets.

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

/// Stores `/x` in the groups of `member`, then asks `method` for `/y`, which says that it invalidates `named`; is `/x`
/// still there?
async fn survives(member: &'static str, method: &'static str, status: u16, named: &'static str) -> bool {
    let clock = test_clock();
    let origin = Origin::serving(move |seen| {
        if seen.target.ends_with("/x") {
            return reply(200).field("cache-control", "max-age=600").field("cache-groups", member).body("x");
        }
        reply(status).field("cache-control", "no-store").field("cache-group-invalidation", named).body("y")
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    assert!(client.get("/x").await.hit());
    client.request(method, "/y").send().await;
    let survives = client.get("/x").await.hit();
    assert!(client.get("/x").await.hit(), "what is fetched afterwards is stored as ever");
    survives
}

/// RFC 9875 sections 2.1, 3.
#[tokio::test]
async fn x033_only_what_an_unsafe_method_names_goes() {
    let mut cases = Cases::new();
    for (member, method, status, named, expected) in [
        (r#""a""#, "POST", 200, r#""a""#, false),
        (r#""b", "a""#, "DELETE", 204, r#""c", "a""#, false),
        (r#""a""#, "M-SEARCH", 200, r#""a";x"#, false),
        (r#""a""#, "POST", 303, r#""a""#, false),
        (r#""a""#, "POST", 200, r#""b""#, true),
        (r#""a""#, "POST", 200, r#""A""#, true),
        (r#""a""#, "POST", 200, "a", true),
        (r#""a""#, "POST", 500, r#""a""#, true),
        (r#""a""#, "POST", 403, r#""a""#, true),
        (r#""a""#, "GET", 200, r#""a""#, true),
        (r#""a""#, "HEAD", 200, r#""a""#, true),
        (r#""a""#, "OPTIONS", 200, r#""a""#, true),
        ("a", "POST", 200, r#""a""#, true),
    ] {
        let id = format!("{member} {method} {status} {named}");
        cases.expect(&id, survives(member, method, status, named).await, expected);
    }
    cases.finish(13);
}

/// RFC 9875 section 2.1: the same origin only.
#[tokio::test]
async fn x032_groups_end_at_the_origin() {
    let clock = test_clock();
    let origin = Origin::serving(|seen| {
        let answer = reply(200).field("cache-control", "max-age=600").field("cache-groups", "\"a\"").body("x");
        if seen.method == "POST" { answer.field("cache-group-invalidation", "\"a\"") } else { answer }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let (one, two) = (gateway.anonymous().host("one.example"), gateway.anonymous().host("two.example"));
    for client in [&one, &two] {
        client.get("/x").await;
        assert!(client.get("/x").await.hit());
    }
    one.request("POST", "/y").send().await;
    assert!(!one.get("/x").await.hit() && two.get("/x").await.hit());
}

/// RFC 9875 section 2.2.1: an invalidation takes along one group, and of a validated response it takes what it is in now.
#[tokio::test]
async fn x033_nothing_cascades_and_a_304_changes_the_groups() {
    let clock = test_clock();
    let origin = Origin::serving(|seen| {
        let tagged = |status, groups: &str| {
            reply(status).field("cache-control", "max-age=60").field("etag", "\"v\"").field("cache-groups", groups)
        };
        match (seen.method.as_str(), seen.target.as_str(), seen.field("if-none-match")) {
            ("POST", target, _) => reply(204).field("cache-group-invalidation", format!("\"{}\"", &target[target.len() - 1..])),
            (_, target, None) if target.ends_with("/both") => tagged(200, "\"a\", \"b\"").body("both"),
            (_, _, None) => tagged(200, "\"b\"").body("one"),
            _ => tagged(304, "\"c\""),
        }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/both").await;
    client.get("/one").await;
    client.request("POST", "/a").send().await;
    assert!(!client.get("/both").await.hit(), "its group a was named");
    assert!(client.get("/one").await.hit(), "it shares group b with what went");
    clock.advance(secs(100));
    assert_eq!(client.get("/one").await.detail(), Some("validated"));
    client.request("POST", "/b").send().await;
    assert!(client.get("/one").await.hit(), "the 304 took it out of b");
    client.request("POST", "/c").send().await;
    assert!(!client.get("/one").await.hit(), "the 304 put it into c");
}

/// A response that was asked for before an invalidation does not outlive it.
#[tokio::test]
async fn x033_a_response_on_its_way_is_invalidated_too() {
    let clock = test_clock();
    let gate = support::Gate::new();
    let grouped = reply(200).field("cache-control", "max-age=600").field("cache-groups", "\"a\"").body("x");
    let posted = reply(204).field("cache-group-invalidation", "\"a\"");
    let origin = Origin::script([grouped.clone().gate(&gate), posted, grouped.clone(), grouped]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let (reader, writer) = (gateway.anonymous(), gateway.anonymous());
    let (first, ()) = tokio::join!(reader.get("/x"), async {
        gate.wait_reached().await;
        writer.request("POST", "/y").send().await;
        gate.open();
    });
    assert_eq!(first.text(), "x");
    assert!(!reader.get("/x").await.hit(), "it was asked for before the group was invalidated");
    assert!(reader.get("/x").await.hit());
}
