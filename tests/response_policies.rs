//! Policies with conditions on the response: tried on every response whose request they fit, and never less strict about
//! credentials than the policy of the request.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::cases::Cases;
use support::{Gateway, Origin, reply, secs, test_clock};

fn policy(matches: &str, lines: &str) -> String {
    format!("\n[[policy]]\nname = \"s\"\nmatch = {{ {matches} }}\n{lines}\n")
}

/// Says 404 below /missing, 500 below /failed; HTML at `*.html`, an image at `*.png`.
async fn origin() -> Origin {
    Origin::serving(|request| {
        let path = request.target.split('?').next().unwrap();
        let status = match path {
            _ if request.field("if-none-match").is_some() => 304,
            path if path.starts_with("/missing") => 404,
            path if path.starts_with("/failed") => 500,
            _ => 200,
        };
        let answer = reply(status).field("cache-control", "public, max-age=60").field("etag", "\"a\"");
        let answer = match path.rsplit('.').next().unwrap() {
            "html" => answer.field("content-type", "text/html; charset=utf-8"),
            "png" => answer.field("content-type", "Image/PNG"),
            _ => answer,
        };
        if status == 304 { answer } else { answer.body("a") }
    })
    .await
}

/// Every key that a response may decide, on responses that fit and on those that do not.
#[tokio::test]
async fn d4_a_response_decides_what_its_policy_sets() {
    let clock = test_clock();
    let mut cases = Cases::new();
    let html = "content_types = [\"text/html\"]";
    // The policy, what is asked for, who fills, who asks, and what the second one is told.
    for (matches, line, path, first, second, decision) in [
        (html, "cache = \"bypass\"", "/x.html", "", "", "fwd=uri-miss"),
        (html, "cache = \"bypass\"", "/x.png", "", "", "hit"),
        (html, "cache = \"bypass\"", "/x", "", "", "hit"),
        (html, "authorization = \"never\"", "/x.html", "a", "b", "fwd=uri-miss"),
        (html, "authorization = \"never\"", "/x.html", "", "b", "hit"),
        (html, "authorization = \"never\"", "/x.png", "a", "b", "hit"),
        (html, "authorization = \"always-validate\"", "/x.html", "a", "b", "fwd=stale"),
        (html, "anonymous_entries = \"validate\"", "/x.html", "", "b", "fwd=stale"),
        (html, "anonymous_entries = \"bypass\"", "/x.html", "", "b", "fwd=bypass"),
        (html, "anonymous_entries = \"bypass\"", "/x.png", "", "b", "hit"),
        ("content_types = [\"image/*\"]", "cache = \"bypass\"", "/x.png", "a", "b", "fwd=uri-miss"),
        ("content_types = [\"image/jpeg\"]", "cache = \"bypass\"", "/x.png", "a", "b", "hit"),
        ("statuses = [404]", "cache = \"bypass\"", "/missing", "", "", "fwd=uri-miss"),
        ("statuses = [404]", "cache = \"bypass\"", "/x", "", "", "hit"),
        ("statuses = [\"5xx\", 404]", "cache = \"bypass\"", "/failed", "", "", "fwd=uri-miss"),
        ("statuses = [\"501-504\"]", "cache = \"bypass\"", "/failed", "", "", "hit"),
        ("statuses = [404], paths = [\"/v1/*\"]", "cache = \"bypass\"", "/missing", "", "", "hit"),
        ("statuses = [404], content_types = [\"text/html\"]", "cache = \"bypass\"", "/missing.png", "", "", "hit"),
        ("statuses = [404], content_types = [\"text/html\"]", "cache = \"bypass\"", "/missing.html", "", "", "fwd=uri-miss"),
    ] {
        let origin = origin().await;
        let gateway = Gateway::reverse(&origin, &clock).append(&policy(matches, line)).start().await;
        let client = |who: &str| if who.is_empty() { gateway.anonymous() } else { gateway.anonymous().authorization(who) };
        client(first).get(path).await;
        let found = client(second).get(path).await;
        let id = format!("{matches}: {line}, {path} for {first:?} then {second:?}");
        cases.expect(&id, found.decision().trim_end_matches("; stored"), decision);
    }
    cases.finish(19);
}

/// A response never gets back what the policy of its request took.
#[tokio::test]
async fn d4_the_stricter_of_both_counts() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (of_request, of_response, decision) in [
        ("authorization = \"never\"", "authorization = \"always-validate\"", "fwd=uri-miss"),
        ("authorization = \"never\"", "max_ttl = \"1h\"", "fwd=uri-miss"),
        ("authorization = \"always-validate\"", "max_ttl = \"1h\"", "fwd=stale"),
        ("cache = \"bypass\"", "max_ttl = \"1h\"", "fwd=bypass"),
    ] {
        let origin = origin().await;
        let builder = Gateway::reverse(&origin, &clock).policy(of_request);
        let gateway = builder.append(&policy("content_types = [\"text/html\"]", of_response)).start().await;
        gateway.anonymous().authorization("a").get("/x.html").await;
        let found = gateway.anonymous().authorization("b").get("/x.html").await;
        cases.expect(&format!("{of_request}, {of_response}"), found.decision().trim_end_matches("; stored"), decision);
    }
    cases.finish(4);
}

/// Lifetimes by status, of a route's policy too, and the first in the order of the text.
#[tokio::test]
async fn the_first_that_fits_the_response_sets_its_lifetime() {
    let clock = test_clock();
    let origin = origin().await;
    let text = "\n[[policy]]\nname = \"missing\"\nmatch = { statuses = [404] }\nmax_ttl = \"5s\"\n\
                [[policy]]\nname = \"all\"\nmatch = { statuses = [\"2xx\", \"4xx\"] }\nmax_ttl = \"9s\"\n\
                [[policy]]\nname = \"short\"\nmatch = { hosts = [\"nowhere.test\"] }\nmax_ttl = \"30s\"\n\
                [[route]]\npath = \"/failed/*\"\nupstream = \"origin\"\npolicy = \"short\"\n\
                [[route]]\npath = \"/missing/*\"\nupstream = \"origin\"\npolicy = \"short\"\n";
    let gateway = Gateway::reverse(&origin, &clock).append(text).start().await;
    let client = gateway.anonymous();
    assert_eq!(client.get("/missing").await.ttl(), Some(5));
    assert_eq!(client.get("/x").await.ttl(), Some(9));
    assert_eq!(client.get("/failed").await.ttl(), Some(60));
    // A route names their request's policy.
    assert_eq!(client.get("/missing/x").await.ttl(), Some(5));
    assert_eq!(client.get("/failed/x").await.ttl(), Some(30));
    clock.advance(secs(6));
    assert_eq!((client.get("/missing").await.hit(), client.get("/x").await.hit()), (false, true));
}

/// A 304 may name another media type: the merged response is judged by the policy of that.
#[tokio::test]
async fn a_304_that_changes_the_media_type_changes_the_policy() {
    let clock = test_clock();
    for (line, stays) in [("max_ttl = \"7s\"", true), ("cache = \"bypass\"", false)] {
        let is_html = Arc::new(AtomicBool::new(false));
        let says = Arc::clone(&is_html);
        let origin = Origin::serving(move |request| {
            let is_known = request.field("if-none-match").is_some();
            let media_type = if says.load(Ordering::SeqCst) { "text/html" } else { "text/plain" };
            let answer = reply(if is_known { 304 } else { 200 }).field("etag", "\"a\"").field("content-type", media_type);
            let answer = answer.field("cache-control", "public, max-age=60");
            if is_known { answer } else { answer.body("a") }
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).append(&policy("content_types = [\"text/html\"]", line)).start().await;
        let client = gateway.anonymous();
        assert_eq!(client.get("/x").await.ttl(), Some(60), "{line}");
        is_html.store(true, Ordering::SeqCst);
        clock.advance(secs(61));
        let confirmed = client.get("/x").await;
        assert_eq!((confirmed.status, confirmed.text().as_str(), confirmed.fwd()), (200, "a", Some("stale")), "{line}");
        clock.advance(secs(6));
        let after = client.get("/x").await;
        assert_eq!((after.hit(), after.fwd()), (stays, if stays { None } else { Some("uri-miss") }), "{line}");
        if stays {
            assert_eq!(after.ttl(), Some(1));
        }
    }
}

/// D15: what is stored is held against the policies of now, not found again by those of then.
#[tokio::test]
async fn d15_a_new_policy_for_a_status_reaches_what_is_stored() {
    let clock = test_clock();
    let origin = origin().await;
    let gateway = Gateway::reverse(&origin, &clock).append(&policy("statuses = [410]", "max_ttl = \"1h\"")).start().await;
    let client = gateway.anonymous();
    for path in ["/missing", "/x"] {
        client.get(path).await;
        assert!(client.get(path).await.hit());
    }
    gateway.reload(|text| text.replace("statuses = [410]", "statuses = [404]").replace("\"1h\"", "\"50s\"")).await.unwrap();
    let found = client.get("/missing").await;
    assert_eq!((found.fwd(), found.ttl()), (Some("stale"), Some(50)), "{}", found.cache_status());
    assert!(client.get("/missing").await.hit());
    assert!(client.get("/x").await.hit(), "nothing changed for it");
    // A policy put before the one it was stored under.
    let first = policy("statuses = [\"4xx\"]", "cache = \"bypass\"").replace("\"s\"", "\"none\"");
    gateway
        .reload(|text| text.replace("\n[[policy]]\nname = \"s\"", &format!("{first}\n[[policy]]\nname = \"s\"")))
        .await
        .unwrap();
    assert_eq!(client.get("/missing").await.fwd(), Some("stale"));
    assert_eq!(client.get("/missing").await.fwd(), Some("uri-miss"), "what the origin confirmed is not to be stored any more");
}

/// How stale a response may be in place of an error is its own policy's affair.
#[tokio::test]
async fn grace_is_that_of_the_stored_response() {
    let clock = test_clock();
    let is_down = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&is_down);
    let origin = Origin::serving(move |request| {
        let media_type = if request.target.ends_with("png") { "image/png" } else { "text/html" };
        match says.load(Ordering::SeqCst) {
            true => reply(503).body("down"),
            false => {
                reply(200).field("cache-control", "max-age=10").field("content-type", media_type).field("etag", "\"a\"").body("a")
            }
        }
    })
    .await;
    let lines = policy("content_types = [\"image/*\"]", "stale_if_error = \"60s\"");
    let gateway = Gateway::reverse(&origin, &clock).append(&lines).start().await;
    let client = gateway.anonymous();
    for path in ["/x.png", "/x.html"] {
        client.get(path).await;
    }
    is_down.store(true, Ordering::SeqCst);
    clock.advance(secs(20));
    assert_eq!((client.get("/x.png").await.status, client.get("/x.html").await.status), (200, 503));
}

/// `GET /explain` and `vouchsafe explain` say which policy decides.
#[tokio::test]
async fn the_live_explanation_names_the_policy_of_the_response() {
    let clock = test_clock();
    let origin = origin().await;
    let text = policy("statuses = [404]", "anonymous_entries = \"bypass\"");
    let gateway = Gateway::reverse(&origin, &clock).append(&text).start().await;
    let client = gateway.anonymous();
    for (path, name, worth) in
        [("/missing", Some("s on default"), "origin: the policy says so"), ("/x", None, "answer from the store")]
    {
        client.get(path).await;
        let found = gateway.admin().get(&format!("/explain?url=http://app.test{path}")).await;
        let json = found.json();
        let entry = &json["stored"][0];
        assert_eq!((entry["policy"].as_str(), entry["with_credentials"].as_str()), (name, Some(worth)), "{json}");
    }
}
