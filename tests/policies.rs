//! What an operator's policy changes: it may tighten the rules and never loosen them.

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

/// `cache`, `authorization` and `anonymous_entries`.
#[tokio::test]
async fn d4_a_policy_tightens_what_is_shared() {
    let clock = test_clock();
    let mut cases = Cases::new();
    // Who fills, who asks, and what the second one is told.
    for (line, first, second, decision) in [
        ("authorization = \"standard\"", "a", "b", "hit"),
        ("authorization = \"never\"", "a", "b", "fwd=uri-miss"),
        ("authorization = \"always-validate\"", "a", "b", "fwd=stale"),
        ("cache = \"bypass\"", "a", "b", "fwd=bypass"),
        ("cache = \"bypass\"", "", "", "fwd=bypass"),
        ("anonymous_entries = \"reuse\"", "", "b", "hit"),
        ("anonymous_entries = \"validate\"", "", "b", "fwd=stale"),
        ("anonymous_entries = \"bypass\"", "", "b", "fwd=bypass"),
        ("anonymous_entries = \"bypass\"", "", "", "hit"),
        ("authorization = \"never\"", "", "", "hit"),
    ] {
        let origin = Origin::serving(|request| {
            let status = if request.field("if-none-match").is_some() { 304 } else { 200 };
            reply(status).field("cache-control", "public, max-age=60").field("etag", "\"a\"").body("a")
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).policy(line).start().await;
        let client = |who: &str| if who.is_empty() { gateway.anonymous() } else { gateway.anonymous().authorization(who) };
        client(first).get("/x").await;
        let found = client(second).get("/x").await;
        cases.expect(&format!("{line}, {first:?} then {second:?}"), found.decision().trim_end_matches("; stored"), decision);
    }
    cases.finish(10);
}

/// `default_ttl`, `min_ttl`, `max_ttl` and `heuristic`: where the origin left it open, and for nobody's credentials.
#[tokio::test]
async fn d4_lifetimes_of_a_policy_fill_gaps_only() {
    let clock = test_clock();
    let old = support::date_at(&clock, -1000);
    let mut cases = Cases::new();
    for (lines, fields, authorization, ttl) in [
        ("default_ttl = \"50s\"", vec![], "", Some(50)),
        ("default_ttl = \"50s\"", vec![("cache-control", "max-age=5")], "", Some(5)),
        ("default_ttl = \"50s\"", vec![("cache-control", "no-store")], "", None),
        ("default_ttl = \"50s\"", vec![("cache-control", "private")], "", None),
        ("default_ttl = \"50s\"", vec![], "a", None),
        ("heuristic = true", vec![("last-modified", old.as_str())], "", Some(100)),
        ("heuristic = false", vec![("last-modified", old.as_str())], "", Some(0)),
        ("min_ttl = \"500s\"", vec![("last-modified", old.as_str())], "", Some(500)),
        ("min_ttl = \"500s\"", vec![("cache-control", "max-age=5")], "", Some(5)),
        ("max_ttl = \"9s\"", vec![("cache-control", "max-age=500")], "", Some(9)),
        ("max_ttl = \"9s\"", vec![("cache-control", "public, max-age=500")], "a", Some(9)),
    ] {
        let answer = fields.iter().fold(reply(200).body("a"), |answer, (name, value)| answer.field(name, value));
        let origin = Origin::script([answer]).await;
        let gateway = Gateway::reverse(&origin, &clock).policy(lines).start().await;
        let client = gateway.anonymous();
        let client = if authorization.is_empty() { client } else { client.authorization(authorization) };
        let found = client.get("/x").await;
        cases.expect(&format!("{lines}, {fields:?}"), (found.stored(), found.ttl().map(|ttl| ttl.max(0))), (ttl.is_some(), ttl));
    }
    cases.finish(11);
}

/// D5: what counts as a credential besides Authorization.
#[tokio::test]
async fn t10_listed_credentials_count_as_authorization_does() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("a")).await;
    let line = "credentials = { query = [\"access_token\", \"sig\"], headers = [\"X-Api-Key\"], cookies = [\"session\"] }";
    let gateway = Gateway::reverse(&origin, &clock).policy(line).start().await;
    let mut cases = Cases::new();
    for (path, field, value, detail) in [
        ("/1", "x-other", "k", "uncredentialed"),
        ("/2", "x-api-key", "k", "no-permit"),
        ("/3", "X-API-KEY", "", "no-permit"),
        ("/4", "cookie", "other=1", "uncredentialed"),
        ("/5", "cookie", "other=1; session=abc", "no-permit"),
        ("/6?access_token=x", "x-other", "k", "query-credential"),
        ("/7?a=b&access_token=", "x-other", "k", "query-credential"),
        ("/8?a=b&sig", "x-other", "k", "query-credential"),
        ("/9?a=access_token", "x-other", "k", "uncredentialed"),
        ("/10?%61ccess_token=x", "x-other", "k", "query-credential"),
        ("/11", "authorization", "", "no-permit"),
    ] {
        let answer = gateway.anonymous().with(field, value).get(path).await;
        cases.expect(&format!("{path} {field}: {value}"), answer.detail(), Some(detail));
    }
    cases.finish(11);
}

/// Other policies for other resources, the first that fits; `default` for the rest.
#[tokio::test]
async fn the_first_policy_that_fits_applies() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("a")).await;
    let policies = "[[policy]]\nname = \"no\"\nmatch = { paths = [\"/live/*\"] }\ncache = \"bypass\"\n\
                    [[policy]]\nname = \"short\"\nmatch = { hosts = [\"short.test\"] }\nmax_ttl = \"5s\"\n";
    let gateway = Gateway::reverse(&origin, &clock).append(policies).start().await;
    let client = gateway.anonymous();
    assert_eq!(client.get("/live/x").await.decision(), "fwd=bypass");
    assert_eq!(client.get("/x").await.ttl(), Some(60));
    let short = client.host("short.test");
    assert_eq!((short.get("/x").await.ttl(), short.get("/live/x").await.decision().as_str()), (Some(5), "fwd=bypass"));
}

/// `ignore_request_cache_control`: all but `no-store` and `only-if-cached`.
#[tokio::test]
async fn request_directives_may_be_ignored_but_for_two() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).policy("ignore_request_cache_control = true").start().await;
    let ask = |directives: &'static str, path: &'static str| gateway.anonymous().with("cache-control", directives).get(path);
    gateway.anonymous().get("/x").await;
    for directives in ["no-cache", "max-age=0", "min-fresh=1000"] {
        assert!(ask(directives, "/x").await.hit(), "{directives}");
    }
    assert!(gateway.anonymous().with("pragma", "no-cache").get("/x").await.hit());
    assert_eq!(ask("only-if-cached", "/y").await.status, 504);
    assert!(!ask("no-store", "/y").await.stored());
    clock.advance(secs(100));
    assert!(!ask("max-stale", "/x").await.hit());
}

/// At most so many variants of one key; the one used longest ago goes.
#[tokio::test]
async fn t12_variants_are_bounded() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        reply(200).field("cache-control", "max-age=60").field("vary", "x-v").body(request.field("x-v").unwrap_or_default())
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).policy("vary_limit = 2").start().await;
    let ask = |value: &'static str| gateway.anonymous().with("x-v", value).get("/x");
    for value in ["1", "2"] {
        ask(value).await;
        clock.advance(secs(1));
    }
    assert!(ask("1").await.hit());
    clock.advance(secs(1));
    assert_eq!(ask("3").await.text(), "3");
    assert!(ask("1").await.hit() && ask("3").await.hit());
    assert!(!ask("2").await.hit(), "the one used longest ago went");
}
