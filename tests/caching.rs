//! The cache through real sockets: what is stored, what answers, and how bodies stream.

mod support;

use support::cases::Cases;
use support::{Gate, Gateway, Origin, Reply, date_at, http_date, reply, secs, test_clock};

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
        ("bytes=0-1,4-5", "", 200, None, "0123456789"),
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

/// RFC 9111 section 4.3.2, RFC 9110 section 15.4.5.
#[tokio::test]
async fn n084_the_clients_own_conditions_are_answered_from_the_store() {
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

/// RFC 9112 section 8: what broke off is no response, whatever its framing.
#[tokio::test]
async fn n050_truncated_content_is_never_committed() {
    let clock = test_clock();
    for whole in [fresh(60).body("abcdef"), fresh(60).chunked(["abc", "def"]), fresh(60).chunked(["abcdef"])] {
        let origin = Origin::script([whole.clone().truncate_after(3), whole]).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let broken = gateway.anonymous().get("/x").await;
        assert_eq!((broken.text().as_str(), broken.complete), ("abc", false));
        let second = gateway.anonymous().get("/x").await;
        assert_eq!((second.text().as_str(), second.complete, second.hit()), ("abcdef", true, false));
        assert!(gateway.anonymous().get("/x").await.hit());
    }
}

/// A response larger than `max_object` goes through whole and is not kept.
#[tokio::test]
async fn a_response_larger_than_max_object_is_passed_on_and_not_kept() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/length" => fresh(60).body(vec![b'x'; 5000]),
        "/chunks" => fresh(60).chunked(vec![[b'x'; 1000]; 5]),
        _ => fresh(60).chunked(vec![[b'x'; 1000]; 4]),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "max_object = \"4096B\"").start().await;
    let client = gateway.anonymous();
    for (path, length, hit) in [("/length", 5000, false), ("/chunks", 5000, false), ("/fits", 4000, true)] {
        let first = client.get(path).await;
        assert_eq!((first.body.len(), first.complete), (length, true), "{path}");
        let second = client.get(path).await;
        assert_eq!((second.body.len(), second.complete, second.hit()), (length, true, hit), "{path}");
    }
}

/// The first bytes reach the client while the origin still holds the last ones.
#[tokio::test]
async fn content_streams_to_client_and_store_at_once() {
    let clock = test_clock();
    for answer in [fresh(60).body_pieces(["first ", "last"]), fresh(60).chunked(["first ", "last"])] {
        let gate = Gate::new();
        let origin = Origin::script([answer.body_gate(&gate)]).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let mut incoming = gateway.anonymous().request("GET", "/x").begin().await;
        assert_eq!(incoming.body_of(6).await, b"first ");
        gate.open();
        let answer = incoming.finish().await;
        assert_eq!((answer.text().as_str(), answer.complete), ("first last", true));
        assert_eq!(gateway.anonymous().get("/x").await.decision(), "hit", "the entry is there as soon as the client has the end");
    }
}

/// A client that does not read holds neither the store nor another client.
#[tokio::test]
async fn a_slow_reader_does_not_hold_others() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh(60).body(vec![b'x'; 16 << 20])).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut slow = gateway.anonymous().request("GET", "/x").begin().await;
    assert!(!slow.body_of(1).await.is_empty());
    support::eventually("the entry of a client that does not read", async || {
        let answer = gateway.anonymous().with("cache-control", "only-if-cached").get("/x").await;
        if answer.hit() && answer.body.len() == 16 << 20 { Ok(()) } else { Err(answer.cache_status()) }
    })
    .await;
    let answer = slow.finish().await;
    assert_eq!((answer.body.len(), answer.complete, origin.count()), (16 << 20, true, 1));
}

/// Whoever leaves in the middle leaves the rest to the store.
#[tokio::test]
async fn a_client_that_leaves_in_the_middle_leaves_a_stored_response() {
    let clock = test_clock();
    let gate = Gate::new();
    let rest = vec![b'x'; 4 << 20];
    let origin = Origin::script([fresh(60).body_pieces([b"first ".as_slice(), &rest]).body_gate(&gate)]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut incoming = gateway.anonymous().request("GET", "/x").begin().await;
    incoming.body_of(6).await;
    drop(incoming);
    gate.open();
    support::eventually("the rest in the store", async || {
        let answer = gateway.anonymous().with("cache-control", "only-if-cached").get("/x").await;
        if answer.hit() && answer.body.len() == rest.len() + 6 { Ok(()) } else { Err(answer.cache_status()) }
    })
    .await;
    assert_eq!(origin.count(), 1);
}

/// `memory` bounds what is kept, and what leaves is counted.
#[tokio::test]
async fn memory_is_bounded() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh(60).body(vec![b'x'; 64 << 10])).await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "memory = \"1MiB\"").start().await;
    let client = gateway.anonymous();
    for number in 0..100 {
        assert_eq!(client.get(&format!("/{number}")).await.body.len(), 64 << 10);
    }
    support::eventually("the gauges to settle within the bound", async || {
        let bytes = gateway.metric("vouchsafe_cache_bytes", &[("tier", "memory")]).await;
        let entries = gateway.metric("vouchsafe_cache_entries", &[("tier", "memory")]).await;
        let evicted = gateway.metric("vouchsafe_cache_evictions_total", &[("tier", "memory")]).await;
        let settled = bytes > 500e3 && bytes <= f64::from(1 << 20) && entries >= 8.0 && entries + evicted >= 100.0;
        if settled { Ok(()) } else { Err(format!("{bytes} bytes, {entries} entries, {evicted} evicted")) }
    })
    .await;
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
