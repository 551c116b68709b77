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

fn stored_as(seconds: u32, tag: &str) -> Reply {
    fresh(seconds).field("etag", tag).field("x-test", "old").body("abc")
}

/// What a GET finds after a stored `abc` went stale and a HEAD was answered like this.
async fn after_head(head: Reply) -> (support::Answer, support::Answer, Origin) {
    let clock = test_clock();
    let origin = Origin::serving(move |seen| match seen.method.as_str() {
        "HEAD" => head.clone(),
        _ if seen.field("if-none-match").is_some() => reply(304).field("etag", "\"v1\"").field("x-test", "304"),
        _ => stored_as(10, "\"v1\""),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(20));
    let head = gateway.anonymous().head("/x").await;
    assert_eq!(origin.last().method, "HEAD", "t23: HEAD goes out as HEAD");
    let get = gateway.anonymous().get("/x").await;
    (head, get, origin)
}

/// RFC 9111 section 4.3.5.
#[tokio::test]
async fn n093_a_200_to_head_freshens_what_it_describes() {
    let mut cases = Cases::new();
    for (validators, hits) in [
        (&[][..], true),
        (&[("etag", "\"v1\"")], true),
        (&[("content-length", "3")], true),
        (&[("etag", "\"v2\"")], false),
        (&[("etag", "W/\"v1\"")], false),
        (&[("last-modified", "Fri, 15 Jan 2027 07:00:00 GMT")], false),
        (&[("content-length", "4")], false),
    ] {
        let update = fresh(100).field("x-test", "new").field("content-type", "x/y").no_length();
        let update = validators.iter().fold(update, |update, (name, value)| update.field(name, value));
        let (head, get, origin) = after_head(update).await;
        let id = format!("{validators:?}");
        cases.expect(&id, (head.status, head.body.len(), head.field("x-test")), (200, 0, Some("new")));
        cases.expect(&id, (get.text().as_str(), get.hit(), origin.count()), ("abc", hits, if hits { 2 } else { 3 }));
        cases.expect(&id, get.field("x-test"), Some(if hits { "new" } else { "304" }));
        cases.expect(&id, get.field("content-type"), hits.then_some("x/y"));
    }
    cases.finish(28);
}

/// RFC 9111 section 4.3.5: only a 200 to HEAD says anything of what GET stored.
#[tokio::test]
async fn n093_other_statuses_to_head_change_nothing() {
    for status in [204, 403, 404, 410, 500] {
        let (head, get, origin) = after_head(reply(status).field("cache-control", "max-age=100").field("x-test", "new")).await;
        assert_eq!((head.status, get.text().as_str()), (status, "abc"));
        assert_eq!((get.hit(), get.field("x-test"), origin.count()), (false, Some("304"), 3), "{status}: validated as before");
    }
}

/// RFC 9111 section 4.3.5: a fresh stored response that HEAD contradicts is validated before it is used again.
#[tokio::test]
async fn n093_a_head_with_other_validators_makes_a_fresh_response_stale() {
    let clock = test_clock();
    let origin = Origin::serving(|seen| match (seen.method.as_str(), seen.field("if-none-match")) {
        ("HEAD", _) => fresh(100).field("etag", "\"v2\""),
        ("GET", Some(_)) => fresh(100).field("etag", "\"v2\"").body("new"),
        _ => stored_as(100, "\"v1\""),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    clock.advance(secs(1));
    client.clone().with("cache-control", "no-cache").head("/x").await;
    let answer = client.get("/x").await;
    assert_eq!((answer.text().as_str(), answer.fwd(), origin.count()), ("new", Some("stale"), 3));
}

/// RFC 9111 section 3.5: what HEAD says to a credentialed asker reaches others by its own permission alone.
#[tokio::test]
async fn n054_a_credentialed_head_freshens_only_what_it_may_share() {
    for (stored, head, shown, hits) in [
        ("public, max-age=10", "public, max-age=100", Some("alice"), true),
        ("public, max-age=10", "max-age=100", None, false),
        ("public, max-age=10", "", None, false),
        ("public, max-age=10", "private, max-age=100", None, false),
        ("max-age=10", "max-age=100", None, false),
        ("max-age=10", "s-maxage=100", Some("alice"), true),
    ] {
        let clock = test_clock();
        let origin = Origin::serving(move |seen| {
            if seen.method == "HEAD" {
                let answer = reply(200).field("etag", "\"v1\"").field("x-user", "alice").no_length();
                return if head.is_empty() { answer } else { answer.field("cache-control", head) };
            }
            reply(200).field("cache-control", stored).field("etag", "\"v1\"").body("abc")
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        gateway.anonymous().get("/x").await;
        clock.advance(secs(20));
        gateway.anonymous().authorization("Bearer alice").head("/x").await;
        let answer = gateway.anonymous().authorization("Bearer bob").get("/x").await;
        assert_eq!((answer.hit(), answer.field("x-user")), (hits, shown), "{stored}; {head}");
    }
}

/// RFC 9110 section 9.3.3, RFC 9111 section 4.4: first invalidated, then stored.
#[tokio::test]
async fn n035_a_response_to_post_that_is_the_target_answers_later_gets() {
    let mut cases = Cases::new();
    for (location, directives, who, hits) in [
        (Some("/x"), "max-age=60", "", true),
        (Some("/y"), "max-age=60", "", false),
        (None, "max-age=60", "", false),
        (Some("http://elsewhere.example/x"), "max-age=60", "", false),
        (Some("/x"), "public", "", false),
        (Some("/x"), "private, max-age=60", "", false),
        (Some("/x"), "max-age=60", "Bearer alice", false),
        (Some("/x"), "s-maxage=60", "Bearer alice", true),
        (Some("/x"), "private, s-maxage=60", "Bearer alice", false),
    ] {
        let clock = test_clock();
        let origin = Origin::serving(move |seen| {
            if seen.method == "GET" {
                return fresh(600).body("got");
            }
            let answer = reply(200).field("cache-control", directives).body("posted");
            location.map_or(answer.clone(), |location| answer.field("content-location", location))
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        gateway.anonymous().get("/x").await;
        let client = if who.is_empty() { gateway.anonymous() } else { gateway.anonymous().authorization(who) };
        let posted = client.request("POST", "/x").body("content").send().await;
        let id = format!("{location:?} {directives} {who}");
        cases.expect(&id, (posted.text().as_str(), posted.stored()), ("posted", hits));
        let got = gateway.anonymous().get("/x").await;
        cases.expect(&id, (got.text().as_str(), got.hit()), if hits { ("posted", true) } else { ("got", false) });
        let head = gateway.anonymous().head("/x").await;
        cases.expect(&id, head.hit(), true);
        let again = gateway.anonymous().request("POST", "/x").body("content").send().await;
        cases.expect(&id, again.hit(), false);
    }
    cases.finish(36);
}

/// RFC 9110 section 7.6.2.
#[tokio::test]
async fn x003_options_goes_as_far_as_it_may() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(204)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let ask = |method: &'static str, left: &'static str| {
        let request = gateway.anonymous().request(method, "/x").field("max-forwards", left);
        async move { request.send().await }
    };
    let last = ask("OPTIONS", "0").await;
    assert_eq!((last.status, last.field("content-length"), origin.count()), (200, Some("0"), 0));
    assert!(last.field("allow").is_some_and(|allowed| allowed.contains("OPTIONS")));
    for (method, received, sent) in
        [("OPTIONS", "1", "0"), ("OPTIONS", "07", "6"), ("OPTIONS", "x", "x"), ("GET", "0", "0"), ("GET", "5", "5")]
    {
        assert_eq!(ask(method, received).await.status, 204, "{method} {received}");
        assert_eq!(origin.last().field("max-forwards"), Some(sent), "{method} {received}");
    }
    assert_eq!(ask("TRACE", "0").await.status, 405);
}
