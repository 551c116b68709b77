//! Interim responses (1xx): whoever asked hears them, and nobody else (RFC 9110 section 15.2).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::{Answer, Gate, Gateway, Origin, Reply, raw, reply, secs, test_clock};

fn statuses(answer: &Answer) -> Vec<u16> {
    answer.interim.iter().map(|(status, _)| *status).collect()
}

fn line(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// 102, two 103 and an unknown one before a response that may be stored.
fn hinted() -> Reply {
    let early = reply(200).interim(102, &[]).interim(103, &[("link", "</a>"), ("link", "</b>"), ("x-own", "1")]);
    early.interim(103, &[("link", "</c>")]).interim(199, &[("x-odd", "2")]).field("cache-control", "max-age=60").body("final")
}

#[tokio::test]
async fn x008_interim_responses_are_forwarded_in_order_with_their_fields() {
    let clock = test_clock();
    let origin = Origin::serving(|_| hinted()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let answer = gateway.anonymous().get("/x").await;
    let expected = vec![
        (102, vec![]),
        (103, vec![line("link", "</a>"), line("link", "</b>"), line("x-own", "1")]),
        (103, vec![line("link", "</c>")]),
        (199, vec![line("x-odd", "2")]),
    ];
    assert_eq!(answer.interim, expected);
    assert_eq!((answer.status, answer.text().as_str(), answer.field("link")), (200, "final", None));
}

/// The hint is of use only before the response: it does not wait for it.
#[tokio::test]
async fn x008_an_interim_response_does_not_wait_for_the_final_one() {
    let clock = test_clock();
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |_| hinted().gate(&held)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wire = gateway.anonymous().open().await;
    wire.send("GET /x HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    for expected in ["HTTP/1.1 102 Processing", "HTTP/1.1 103 Early Hints", "HTTP/1.1 103 Early Hints", "HTTP/1.1 199 "] {
        let head = support::within("an interim head", wire.head()).await.expect("a head");
        assert_eq!(head.start_line, expected);
    }
    gate.open();
    assert_eq!(wire.answer("GET").await.text(), "final");
}

#[tokio::test]
async fn x008_none_on_a_hit_and_the_final_response_alone_is_stored() {
    let clock = test_clock();
    let origin = Origin::serving(|_| hinted()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    assert_eq!(client.get("/x").await.interim.len(), 4);
    for method in ["GET", "HEAD", "GET"] {
        let hit = client.request(method, "/x").send().await;
        assert!(hit.hit() && hit.interim.is_empty(), "{method}: {:?}", hit.interim);
        assert_eq!((hit.status, hit.field("link"), hit.field("x-own"), hit.field("x-odd")), (200, None, None, None));
    }
    assert_eq!((client.get("/x").await.text().as_str(), origin.count()), ("final", 1));
}

#[tokio::test]
async fn x008_none_to_http10() {
    let clock = test_clock();
    let origin = Origin::serving(|_| hinted()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let old = gateway.anonymous().request("GET", "/x").http10().send().await;
    assert_eq!((old.status, old.text().as_str(), old.interim.len()), (200, "final", 0));
    let mut wire = gateway.anonymous().open().await;
    wire.send("GET /y HTTP/1.0\r\nhost: app.test\r\nconnection: keep-alive\r\n\r\n").await;
    assert_eq!(wire.answer("GET").await.interim.len(), 0);
    wire.send("GET /z HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    assert_eq!(wire.answer("GET").await.interim.len(), 4, "each request by its own version");
}

#[tokio::test]
async fn x008_only_end_to_end_fields_go_on() {
    let clock = test_clock();
    let fields = [
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=9"),
        ("proxy-authenticate", "Basic realm=\"other\""),
        ("proxy-authentication-info", "a=b"),
        ("proxy-connection", "close"),
        ("upgrade", "h2c"),
        ("te", "trailers"),
        ("link", "</a>"),
    ];
    let origin = Origin::serving(move |_| reply(200).interim(103, &fields).body("final")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let answer = gateway.anonymous().get("/x").await;
    assert_eq!(answer.interim, [(103, vec![line("link", "</a>")])]);
    assert_eq!((answer.status, answer.text().as_str()), (200, "final"));
}

/// RFC 9110 section 10.1.1: 100 comes from this hop, once and only when asked for.
#[tokio::test]
async fn n123_a_100_of_the_origin_is_not_forwarded() {
    let clock = test_clock();
    let answer = || reply(200).interim(100, &[("x-own", "1")]).interim(103, &[("link", "</a>")]).interim(100, &[]);
    let origin = Origin::serving(move |_| answer().body("final")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    assert_eq!(statuses(&gateway.anonymous().get("/x").await), [103]);
    let expecting = gateway.anonymous().request("POST", "/x").body("content").expect_continue().send().await;
    assert_eq!((statuses(&expecting), expecting.status), (vec![100, 103], 200));
    assert_eq!(origin.last().text(), "content");
}

/// RFC 9110 section 7.8: nobody asked for another protocol.
#[tokio::test]
async fn x010_a_101_nobody_asked_for_is_refused_after_interim_responses_too() {
    let clock = test_clock();
    let switching = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    let origin = Origin::serving(move |_| raw(switching)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let answer = gateway.anonymous().get("/x").await;
    assert_eq!((answer.status, statuses(&answer)), (502, vec![103]));
}

/// RFC 9112 section 9.3.2: every message at its place.
#[tokio::test]
async fn x008_kept_and_pipelined_connections_stay_in_step() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/large" => reply(200).interim(103, &[("link", "</large>")]).body(vec![b'x'; 3 << 20]),
        "/small" => hinted(),
        other => reply(200).interim(103, &[("link", &format!("<{other}>"))]).body(other),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wire = gateway.anonymous().open().await;
    let targets = ["/small", "/large", "/a", "/small", "/large", "/b", "/c"];
    let requests: String = targets.iter().map(|target| format!("GET {target} HTTP/1.1\r\nhost: app.test\r\n\r\n")).collect();
    wire.send(requests).await;
    for (number, target) in targets.iter().enumerate() {
        let answer = wire.answer("GET").await;
        assert_eq!((answer.status, answer.complete), (200, true), "{number}");
        match *target {
            "/small" => assert_eq!(answer.interim.len(), if number == 0 { 4 } else { 0 }, "{number}"),
            _ => assert_eq!(answer.interim, [(103, vec![line("link", &format!("<{target}>"))])]),
        }
        let length = if *target == "/large" { 3 << 20 } else { answer.body.len() };
        assert_eq!(answer.body.len(), length, "{number}");
    }
    assert!(wire.is_quiet().await, "nothing is left over");
}

/// RFC 9111 section 4.3: the asker of a validation hears what the origin says to it.
#[tokio::test]
async fn x008_interim_responses_of_a_validation_reach_its_asker_alone() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.field("if-none-match") {
        None => reply(200).field("etag", "\"a\"").field("cache-control", "max-age=10").body("final"),
        Some(_) => reply(304).interim(103, &[("link", "</v>")]).field("etag", "\"a\"").field("cache-control", "max-age=10"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    assert!(client.get("/x").await.interim.is_empty());
    clock.advance(secs(20));
    let validated = client.get("/x").await;
    assert_eq!((statuses(&validated), validated.status, validated.text().as_str()), (vec![103], 200, "final"));
    let hit = client.get("/x").await;
    assert!(hit.hit() && hit.interim.is_empty() && hit.field("link").is_none());
}

#[tokio::test]
async fn x008_interim_responses_over_tls_and_through_a_forward_proxy() {
    let clock = test_clock();
    let origin = Origin::serving(|_| hinted()).await;
    let gateway = Gateway::reverse(&origin, &clock).tls().start().await;
    let answer = gateway.anonymous().get("/x").await;
    assert_eq!((statuses(&answer), answer.text().as_str()), (vec![102, 103, 103, 199], "final"));
    let proxy = Gateway::forward(&clock).origin(&origin).start().await;
    let answer = proxy.client("alice").get("/x").await;
    assert_eq!((statuses(&answer), answer.text().as_str()), (vec![102, 103, 103, 199], "final"));
    let refused = proxy.anonymous().get("/y").await;
    assert_eq!((refused.status, refused.interim.len()), (407, 0));
}

#[tokio::test]
async fn x008_a_hundred_interim_responses_arrive_in_order() {
    let clock = test_clock();
    let many =
        (0..100).fold(reply(200).body("final"), |answer, number| answer.interim(103, &[("x-number", &number.to_string())]));
    let origin = Origin::serving(move |_| many.clone()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let answer = gateway.anonymous().get("/x").await;
    let numbers: Vec<String> = answer.interim.iter().map(|(_, fields)| fields[0].1.clone()).collect();
    assert_eq!(numbers, (0..100).map(|number: u32| number.to_string()).collect::<Vec<_>>());
    assert_eq!(answer.text(), "final");
}

/// A client that does not read gets fewer hints, whole ones, and then its response.
#[tokio::test]
async fn x008_a_client_that_reads_late_gets_whole_heads_and_its_response() {
    let clock = test_clock();
    let long = "x".repeat(4000);
    let many = (0..4000).fold(reply(200).body("final"), |answer, _| answer.interim(103, &[("link", &long)]));
    let origin = Origin::serving(move |_| many.clone()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wire = gateway.anonymous().open().await;
    wire.send("GET /x HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    // While nothing is read here, another client is served, so the flood has passed through by then.
    origin.wait_for(1).await;
    assert_eq!(gateway.anonymous().get("/y").await.text(), "final");
    let answer = wire.answer("GET").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "final"));
    assert!(answer.interim.iter().all(|(status, fields)| *status == 103 && *fields == [line("link", &long)]));
    assert!(wire.is_quiet().await, "nothing is left over");
}
