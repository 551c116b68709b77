//! The cache through real sockets: what is stored, and what answers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::cases::Cases;
use support::{Gateway, Origin, Reply, date_at, http_date, reply, secs, test_clock};

fn fresh(seconds: u32) -> Reply {
    reply(200).field("cache-control", format!("max-age={seconds}"))
}

/// RFC 9111 sections 4 and 5.1: Age is what has passed, Date and everything else are as stored.
#[tokio::test]
async fn n061_a_hit_tells_its_age_and_keeps_the_fields() {
    let clock = test_clock();
    let date = date_at(&clock, 0);
    let script =
        fresh(60).field("x-unknown", "a").field("x-unknown", "b").field("connection", "x-hop").field("x-hop", "1").body("abc");
    let origin = Origin::script([script.field("age", "5")]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    let first = client.get("/x").await;
    assert_eq!((first.age(), first.decision().as_str()), (Some(5), "fwd=uri-miss; stored"));
    clock.advance(secs(10));
    let second = client.get("/x").await;
    assert_eq!((second.age(), second.ttl(), second.decision().as_str()), (Some(15), Some(45), "hit"));
    assert_eq!((second.text().as_str(), second.field("content-length")), ("abc", Some("3")));
    assert_eq!(second.fields_named("x-unknown"), ["a", "b"]);
    assert_eq!((second.field("date"), second.field("x-hop")), (Some(date.as_str()), None));
    assert_eq!(second.fields_named("age").len(), 1);
    clock.advance(secs(46));
    client.get("/x").await;
    assert_eq!(origin.count(), 2);
}

/// RFC 9110 section 9.3.2.
#[tokio::test]
async fn n119_a_stored_get_answers_head_and_a_head_is_not_stored() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh(60).body("abc")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    let head = client.head("/x").await;
    assert_eq!((head.hit(), head.stored(), head.field("content-length")), (false, false, Some("3")));
    assert!(!client.get("/x").await.hit());
    let head = client.head("/x").await;
    assert_eq!((head.hit(), head.field("content-length"), head.body.len()), (true, Some("3"), 0));
    assert_eq!(origin.count(), 2);
}

/// RFC 9110 section 14, from a stored 200.
#[tokio::test]
async fn n129_parts_of_a_stored_response() {
    let clock = test_clock();
    let modified = date_at(&clock, -1000);
    let answer = fresh(600).field("etag", "\"v\"").field("last-modified", &modified).body("0123456789");
    let origin = Origin::serving(move |_| answer.clone()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    let mut cases = Cases::new();
    for (range, condition, status, content_range, text) in [
        ("bytes=0-3", "", 206, Some("bytes 0-3/10"), "0123"),
        ("bytes=8-99", "", 206, Some("bytes 8-9/10"), "89"),
        ("bytes=7-", "", 206, Some("bytes 7-9/10"), "789"),
        ("bytes=-2", "", 206, Some("bytes 8-9/10"), "89"),
        ("bytes=10-", "", 416, Some("bytes */10"), ""),
        ("bytes=3-1", "", 200, None, "0123456789"),
        ("bytes=0-1,2-3", "", 206, Some("bytes 0-3/10"), "0123"),
        ("bytes=0-5,2-6,4-7", "", 200, None, "0123456789"),
        ("lines=0-1", "", 200, None, "0123456789"),
        ("bytes=0-1", "\"v\"", 206, Some("bytes 0-1/10"), "01"),
        ("bytes=0-1", "\"w\"", 200, None, "0123456789"),
        ("bytes=0-1", "W/\"v\"", 200, None, "0123456789"),
        ("bytes=0-1", modified.as_str(), 206, Some("bytes 0-1/10"), "01"),
        ("bytes=0-1", "Thu, 01 Jan 1970 00:00:00 GMT", 200, None, "0123456789"),
    ] {
        let id = format!("{range} {condition}");
        let mut request = client.request("GET", "/x").field("range", range);
        if !condition.is_empty() {
            request = request.field("if-range", condition);
        }
        let answer = request.send().await;
        cases.expect(&id, (answer.status, answer.field("content-range"), answer.text().as_str()), (status, content_range, text));
        let kept = answer.hit() && answer.field("etag") == Some("\"v\"") && answer.field("date").is_some();
        cases.check(&id, kept, &answer.fields);
    }
    cases.finish(26);
    assert_eq!(origin.count(), 1);
}

/// RFC 9111 section 5.2.2.6: nobody's content is touched, and what may not be transformed may be stored.
#[tokio::test]
async fn n109_content_passes_and_is_stored_octet_for_octet() {
    let clock = test_clock();
    let octets: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let described = [("content-type", "Image/PNG; a=b"), ("content-encoding", "gzip"), ("content-language", "de")];
    for control in ["max-age=60, no-transform", "max-age=60"] {
        let answer =
            described.iter().fold(reply(200).field("cache-control", control), |answer, (name, value)| answer.field(name, value));
        let answer = answer.body(&octets);
        let origin = Origin::serving(move |_| answer.clone()).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        for is_hit in [false, true] {
            let answer = gateway.anonymous().with("accept-encoding", "br").get("/x").await;
            assert_eq!((answer.hit(), answer.field("cache-control")), (is_hit, Some(control)));
            assert!(answer.body == octets, "{control}: {} octets", answer.body.len());
            assert!(described.iter().all(|(name, value)| answer.field(name) == Some(value)), "{:?}", answer.fields);
        }
    }
}

/// RFC 9111 section 4.3.2, RFC 9110 section 15.4.5.
#[tokio::test]
async fn n082_n084_the_clients_own_conditions_are_answered_from_the_store() {
    let clock = test_clock();
    let (modified, earlier, later) = (date_at(&clock, -100), date_at(&clock, -101), date_at(&clock, -50));
    let answer =
        fresh(600).field("etag", "\"v\"").field("last-modified", &modified).field("vary", "accept").field("expires", "0");
    let origin = Origin::serving(move |_| answer.clone().body("abc")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    let mut cases = Cases::new();
    for (lines, status) in [
        (vec![("if-none-match", "\"v\"")], 304),
        (vec![("if-none-match", "W/\"v\"")], 304),
        (vec![("if-none-match", "\"a\", \"v\"")], 304),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-none-match", "\"a\"")], 200),
        (vec![("if-modified-since", modified.as_str())], 304),
        (vec![("if-modified-since", later.as_str())], 304),
        (vec![("if-modified-since", earlier.as_str())], 200),
        (vec![("if-modified-since", "yesterday")], 200),
        (vec![("if-none-match", "\"a\""), ("if-modified-since", later.as_str())], 200),
    ] {
        let id = format!("{lines:?}");
        let request = lines.iter().fold(client.request("GET", "/x"), |request, (name, value)| request.field(name, value));
        let answer = request.send().await;
        cases.expect(&id, (answer.status, answer.hit()), (status, true));
        if status == 304 {
            let told = ["etag", "date", "vary", "cache-control", "expires"].iter().all(|name| answer.field(name).is_some());
            cases.check(&id, told && answer.body.is_empty(), &answer.fields);
        }
    }
    cases.finish(15);
    assert_eq!(origin.count(), 1);
}

/// RFC 9111 section 4.1.
#[tokio::test]
async fn n066_variants_are_kept_apart() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let vary = if request.target == "/any" { "*" } else { "Accept-Language, X-Two" };
        fresh(60).field("vary", vary).body(request.field("accept-language").unwrap_or("none"))
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let ask = |language: &'static str, two: &'static str| {
        gateway.anonymous().with("accept-language", language).with("x-two", two).get("/x")
    };
    assert_eq!(ask("de", "1").await.decision(), "fwd=uri-miss; stored");
    assert_eq!(ask("fr", "1").await.decision(), "fwd=vary-miss; stored");
    assert_eq!(ask("fr", "2").await.decision(), "fwd=vary-miss; stored");
    assert_eq!((ask("de", "1").await.decision().as_str(), ask("fr", "2").await.decision().as_str()), ("hit", "hit"));
    assert_eq!(gateway.anonymous().get("/x").await.text(), "none");
    assert_eq!((ask("de", "1").await.text().as_str(), ask("fr", "1").await.text().as_str()), ("de", "fr"));
    assert_eq!(origin.count(), 4);
    for _ in 0..2 {
        assert!(!gateway.anonymous().get("/any").await.hit(), "n068");
    }
}

/// RFC 9111 section 5.2.1.
#[tokio::test]
async fn n103_request_directives_are_honoured() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh(60).body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut cases = Cases::new();
    for (index, (age, directives, expected)) in [
        (30, "max-age=30", "hit"),
        (30, "max-age=29", "fwd=request; stored"),
        (30, "max-age=0", "fwd=request; stored"),
        (30, "min-fresh=30", "hit"),
        (30, "min-fresh=31", "fwd=request; stored"),
        (30, "no-cache", "fwd=request; stored"),
        (30, "MAX-AGE=\"31\"", "hit"),
        (30, "only-if-cached", "hit"),
        (70, "max-stale", "hit"),
        (70, "max-stale=10", "hit"),
        (70, "max-stale=9", "fwd=stale; stored"),
        (70, "x-unknown=1", "fwd=stale; stored"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{index}");
        gateway.anonymous().get(&path).await;
        clock.advance(secs(age));
        let answer = gateway.anonymous().with("cache-control", directives).get(&path).await;
        let id = format!("{age} s old, {directives}");
        cases.expect(&id, (answer.decision().as_str(), answer.status), (expected, 200));
    }
    cases.finish(12);
}

/// RFC 9111 sections 5.2.1.5 and 5.2.1.7.
#[tokio::test]
async fn n101_only_if_cached_gets_504_and_n102_no_store_is_not_stored() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh(60).body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let only = gateway.anonymous().with("cache-control", "only-if-cached").get("/x").await;
    assert_eq!((only.status, origin.count()), (504, 0));
    let asked = gateway.anonymous().with("cache-control", "no-store").get("/x").await;
    assert_eq!((asked.stored(), asked.detail()), (false, Some("request-no-store")));
    assert!(!gateway.anonymous().get("/x").await.hit());
    assert!(gateway.anonymous().get("/x").await.hit());
}

/// RFC 9111 section 4.4.
#[tokio::test]
async fn n094_unsafe_methods_invalidate_unless_they_fail() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match (request.method.as_str(), request.field("x-answer")) {
        ("GET" | "HEAD", _) => fresh(600).body("a"),
        (_, Some("elsewhere")) => reply(201).field("location", "http://other.test/x"),
        (_, Some("location")) => reply(201).field("location", "/x"),
        (_, Some("content-location")) => reply(200).field("content-location", "http://app.test/x"),
        (_, Some(status)) => reply(status.parse().expect("a status code")),
        (_, None) => reply(200),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    let mut cases = Cases::new();
    for (method, path, answer, hit) in [
        ("POST", "/x", "200", false),
        ("PUT", "/x", "204", false),
        ("DELETE", "/x", "200", false),
        ("PATCH", "/x", "200", false),
        ("M-SEARCH", "/x", "200", false),
        ("POST", "/x", "303", false),
        ("POST", "/y", "location", false),
        ("POST", "/y", "content-location", false),
        ("POST", "/y", "elsewhere", true),
        ("POST", "/x?q", "200", true),
        ("POST", "/x", "400", true),
        ("DELETE", "/x", "403", true),
        ("POST", "/x", "500", true),
        ("OPTIONS", "/x", "200", true),
        ("HEAD", "/x", "200", true),
    ] {
        client.get("/x").await;
        client.request(method, path).field("x-answer", answer).send().await;
        cases.expect(&format!("{method} {path} {answer}"), client.get("/x").await.hit(), hit);
    }
    cases.finish(15);
}

/// RFC 9111 sections 4.2.1, 4.2.2 and 5.3.
#[tokio::test]
async fn n073_lifetimes_in_their_order() {
    let clock = test_clock();
    let (soon, old, past) = (date_at(&clock, 100), date_at(&clock, -1000), date_at(&clock, -1));
    let mut cases = Cases::new();
    for (lines, ttl) in [
        (vec![("cache-control", "max-age=10, s-maxage=20"), ("expires", soon.as_str())], Some(20)),
        (vec![("cache-control", "max-age=10"), ("expires", soon.as_str())], Some(10)),
        (vec![("expires", soon.as_str())], Some(100)),
        (vec![("last-modified", old.as_str())], Some(100)),
        (vec![("cache-control", "max-age=99999999999999999999")], Some(86_400)),
        (vec![("expires", "0"), ("last-modified", old.as_str())], Some(0)),
        (vec![("expires", past.as_str()), ("etag", "\"a\"")], Some(0)),
        (vec![("cache-control", "s-maxage=x, max-age=10"), ("etag", "\"a\"")], Some(0)),
        (vec![("cache-control", "max-age=10, max-age=20")], Some(10)),
    ] {
        let id = format!("{lines:?}");
        let answer = lines.iter().fold(reply(200).body("a"), |answer, (name, value)| answer.field(name, value));
        let origin = Origin::script([answer]).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let found = gateway.anonymous().get("/x").await;
        cases.check(&id, found.ttl().map(|ttl| ttl.max(0)) == ttl && found.stored(), (found.cache_status(), ttl));
    }
    cases.finish(9);
}

/// RFC 9111 section 7.3: a cookie is made for one client.
#[tokio::test]
async fn d12_set_cookie_is_refused_stripped_or_stored_as_the_policy_says() {
    let clock = test_clock();
    for (line, stored, cookie) in [
        ("set_cookie = \"refuse\"", false, Some("a=b")),
        ("set_cookie = \"strip\"", true, None),
        ("set_cookie = \"store\"", true, Some("a=b")),
    ] {
        let origin = Origin::serving(|_| fresh(60).field("set-cookie", "a=b").body("a")).await;
        let gateway = Gateway::reverse(&origin, &clock).policy(line).start().await;
        let first = gateway.anonymous().get("/x").await;
        assert_eq!((first.stored(), first.field("set-cookie")), (stored, Some("a=b")), "{line}");
        let second = gateway.anonymous().get("/x").await;
        assert_eq!((second.hit(), second.field("set-cookie")), (stored, cookie), "{line}");
    }
}

/// RFC 9213 section 2.2: the target list of a gateway; a forward proxy is no CDN.
#[tokio::test]
async fn x026_a_targeted_field_decides_in_gateway_mode_only() {
    let clock = test_clock();
    let script = || reply(200).field("cache-control", "no-store").field("cdn-cache-control", "max-age=60").body("a");
    let origin = Origin::serving(move |_| script()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    let hit = gateway.anonymous().get("/x").await;
    assert_eq!(
        (hit.hit(), hit.field("cache-control"), hit.field("cdn-cache-control")),
        (true, Some("no-store"), Some("max-age=60"))
    );
    let credentialed = gateway.anonymous().authorization("a").get("/y").await;
    assert_eq!((credentialed.stored(), credentialed.detail()), (false, Some("no-permit")));
    let forward = Gateway::forward(&clock).origin(&origin).start().await;
    assert_eq!(forward.client("alice").get("/x").await.detail(), Some("no-store"));
}

/// RFC 9111 section 2: the target URI, query included, after safe normalisation.
#[tokio::test]
async fn n056_the_key_is_the_target_uri() {
    let clock = test_clock();
    let origin = Origin::serving(|request| fresh(60).body(&request.target)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    for target in ["/x", "/x?", "/x?a", "/x?b", "/X", "/x/", "//x", "/%78", "/x?a&b", "/x?b&a"] {
        let answer = client.get(target).await;
        assert_eq!((answer.hit(), answer.text().as_str()), (false, target), "{target}");
    }
    assert!(client.clone().host("APP.test:80").get("/x").await.hit());
    assert!(client.get("http://App.Test/x").await.hit());
    assert!(!client.clone().host("app.test:81").get("/x").await.hit());
    assert!(!client.host("b.test").get("/x").await.hit());
}

/// Only GET is stored.
#[tokio::test]
async fn n035_post_is_forwarded_every_time() {
    let clock = test_clock();
    let origin = Origin::serving(|request| fresh(60).body(request.text())).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for text in ["one", "two"] {
        let answer = gateway.anonymous().request("POST", "/x").body(text).send().await;
        assert_eq!((answer.text().as_str(), answer.decision().as_str()), (text, "fwd=method"));
    }
    assert!(!gateway.anonymous().get("/x").await.hit());
}

/// RFC 9111 section 5.1, RFC 9110 section 6.6.1: a response without Date gets one.
#[tokio::test]
async fn n124_a_missing_date_is_filled_in() {
    let clock = test_clock();
    let origin = Origin::script([fresh(60).no_date().body("a")]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let now = http_date(clock.now());
    assert_eq!(gateway.anonymous().get("/x").await.field("date"), Some(now.as_str()));
    clock.advance(secs(20));
    let hit = gateway.anonymous().get("/x").await;
    assert_eq!((hit.field("date"), hit.age()), (Some(now.as_str()), Some(20)));
}

/// RFC 9111 section 3.3: a part is no whole, and what is stored answers for its parts.
#[tokio::test]
async fn n037_a_partial_response_is_relayed_and_not_stored() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.field("range") {
        Some(_) => reply(206).field("cache-control", "max-age=60").field("content-range", "bytes 0-1/4").body("ab"),
        None => fresh(60).body("abcd"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let part = || gateway.anonymous().with("range", "bytes=0-1").get("/x");
    for _ in 0..2 {
        let answer = part().await;
        assert_eq!((answer.status, answer.text().as_str(), answer.detail()), (206, "ab", Some("partial")));
    }
    assert_eq!(gateway.anonymous().get("/x").await.text(), "abcd");
    let answer = part().await;
    assert_eq!((answer.status, answer.text().as_str(), answer.hit()), (206, "ab", true));
}

/// RFC 9110 section 13.2.2: conditions that only the origin can judge go to it, and content of a GET is its business.
#[tokio::test]
async fn n083_what_is_for_the_origin_goes_to_the_origin() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.field("if-match") {
        Some("\"old\"") => reply(412),
        _ => fresh(60).field("etag", "\"a\"").body(request.text()),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    assert_eq!(gateway.anonymous().with("if-match", "\"old\"").get("/x").await.status, 412);
    let since = date_at(&clock, -10);
    assert!(!gateway.anonymous().with("if-unmodified-since", &since).get("/x").await.hit());
    let with_content = gateway.anonymous().request("GET", "/x").body("question").send().await;
    assert_eq!((with_content.text().as_str(), with_content.hit()), ("question", false));
    let hit = gateway.anonymous().get("/x").await;
    assert_eq!((hit.hit(), hit.text().as_str()), (true, ""), "the stored response is not the answer to that content");
}

/// RFC 9110 section 15.1: other status codes are stored where they say so, or where the code is known for it.
#[tokio::test]
async fn n074_status_codes_other_than_200() {
    let clock = test_clock();
    let old = date_at(&clock, -1000);
    let mut cases = Cases::new();
    for (status, explicit, by_heuristic) in [
        (203, true, true),
        (204, true, true),
        (300, true, true),
        (301, true, true),
        (302, true, false),
        (307, true, false),
        (308, true, true),
        (401, false, false),
        (403, true, false),
        (404, true, true),
        (405, true, true),
        (410, true, true),
        (412, false, false),
        (414, true, true),
        (416, false, false),
        (417, false, false),
        (428, false, false),
        (429, false, false),
        (431, false, false),
        (500, true, false),
        (501, true, true),
        (503, true, false),
        (511, false, false),
    ] {
        let old = old.clone();
        let origin = Origin::serving(move |request| match request.target.as_str() {
            "/explicit" => reply(status).field("cache-control", "max-age=60"),
            _ => reply(status).field("last-modified", &old),
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        for (path, expected) in [("/explicit", explicit), ("/heuristic", by_heuristic)] {
            gateway.anonymous().get(path).await;
            let second = gateway.anonymous().get(path).await;
            cases.expect(&format!("{status} {path}"), (second.status, second.hit()), (status, expected));
        }
    }
    cases.finish(46);
}

/// A stored refusal never answers somebody with credentials (RFC 9111 section 3.5 leaves it open; it would shut them out).
#[tokio::test]
async fn d7_a_stored_403_is_for_those_without_credentials() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.field("authorization") {
        Some(_) => reply(200).body("yours"),
        None => reply(403).field("cache-control", "max-age=60").body("no"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    assert!(gateway.anonymous().get("/x").await.hit());
    assert_eq!(gateway.anonymous().authorization("Bearer a").get("/x").await.text(), "yours");
}
