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

/// `negative_ttl`: errors that state no lifetime, and nothing else of the policy's assumptions then.
#[tokio::test]
async fn d4_errors_have_a_lifetime_of_their_own() {
    let clock = test_clock();
    let old = support::date_at(&clock, -1000);
    let mut cases = Cases::new();
    let seven = "default_ttl = \"50s\"\nmin_ttl = \"20s\"\nnegative_ttl = \"7s\"";
    for (lines, status, fields, authorization, ttl) in [
        (seven, 404, vec![], "", Some(7)),
        (seven, 405, vec![], "", Some(7)),
        (seven, 410, vec![], "", Some(7)),
        (seven, 414, vec![], "", Some(7)),
        (seven, 501, vec![], "", Some(7)),
        (seven, 200, vec![], "", Some(50)),
        (seven, 301, vec![], "", Some(50)),
        // Not heuristically cacheable (RFC 9110 section 15.1).
        (seven, 400, vec![], "", None),
        (seven, 403, vec![], "", None),
        (seven, 500, vec![], "", None),
        (seven, 404, vec![("last-modified", old.as_str())], "", Some(7)),
        (seven, 404, vec![("cache-control", "max-age=90")], "", Some(90)),
        (seven, 404, vec![("cache-control", "max-age=0")], "", Some(0)),
        (seven, 404, vec![("expires", "0")], "", Some(0)),
        (seven, 404, vec![("cache-control", "must-revalidate")], "", None),
        (seven, 404, vec![("cache-control", "no-store")], "", None),
        (seven, 404, vec![], "a", None),
        (seven, 404, vec![("cache-control", "public"), ("etag", "\"x\"")], "a", Some(0)),
        ("default_ttl = \"50s\"", 404, vec![], "", Some(50)),
        ("default_ttl = \"50s\"\nnegative_ttl = \"0s\"", 404, vec![], "", None),
    ] {
        let answer = fields.iter().fold(reply(status).body("a"), |answer, (name, value)| answer.field(name, value));
        let origin = Origin::script([answer]).await;
        let gateway = lines.lines().fold(Gateway::reverse(&origin, &clock), |builder, line| builder.policy(line)).start().await;
        let client = gateway.anonymous();
        let client = if authorization.is_empty() { client } else { client.authorization(authorization) };
        let found = client.get("/x").await;
        let id = format!("{lines}: {status} {fields:?} {authorization}");
        cases.expect(&id, (found.stored(), found.ttl().map(|ttl| ttl.max(0))), (ttl.is_some(), ttl));
    }
    cases.finish(20);
}

/// `methods`: HEAD goes to the origin, and what answers POST is not stored.
#[tokio::test]
async fn methods_that_are_left_out_go_to_the_origin() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (line, head, post) in [
        ("methods = [\"GET\", \"HEAD\", \"POST\"]", "hit", "hit"),
        ("methods = [\"GET\", \"POST\"]", "fwd=bypass", "hit"),
        ("methods = [\"GET\", \"HEAD\"]", "hit", "fwd=uri-miss"),
    ] {
        let origin = Origin::serving(|request| {
            let answer = reply(200).field("cache-control", "max-age=60").field("etag", "\"a\"");
            let answer = answer.field("content-location", request.target.as_str());
            if request.method == "HEAD" { answer } else { answer.body("a") }
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).policy(line).start().await;
        let client = gateway.anonymous();
        client.get("/x").await;
        cases.check(&format!("{line}, GET"), client.get("/x").await.hit(), "no hit");
        cases.expect(&format!("{line}, HEAD"), client.request("HEAD", "/x").send().await.decision().as_str(), head);
        client.request("POST", "/y").send().await;
        cases.expect(&format!("{line}, POST"), client.get("/y").await.decision().trim_end_matches("; stored"), post);
    }
    cases.finish(9);
}

/// `max_object` of a policy, with and without a stated length, and by what the response is.
#[tokio::test]
async fn a_policy_keeps_what_is_small_enough() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let answer = reply(200).field("cache-control", "max-age=60");
        let answer = if request.target.contains("png") { answer.field("content-type", "image/png") } else { answer };
        let body = "x".repeat(if request.target.contains("big") { 3000 } else { 100 });
        if request.target.contains("chunked") { answer.body_pieces([body.clone(), body]) } else { answer.body(body) }
    })
    .await;
    let of_images = "[[policy]]\nname = \"images\"\nmatch = { content_types = [\"image/*\"] }\nmax_object = \"4KiB\"\n";
    let gateway = Gateway::reverse(&origin, &clock).policy("max_object = \"2KiB\"").append(of_images).start().await;
    let client = gateway.anonymous();
    let mut cases = Cases::new();
    for (path, stored) in [
        ("/small", true),
        ("/big", false),
        ("/small-chunked", true),
        ("/big-chunked", false),
        ("/big-png", true),
        ("/big-png-chunked", false),
        ("/small-png-chunked", true),
    ] {
        let first = client.get(path).await;
        cases.check(path, first.complete, first.text());
        cases.expect(path, client.get(path).await.hit(), stored);
        if path == "/big" {
            cases.expect(path, first.detail(), Some("too-large"));
        }
    }
    cases.finish(15);
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
