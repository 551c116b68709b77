//! Where one message ends and the next begins, in both directions (RFC 9112 sections 6 and 9).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::wire::Wire;
use support::{Client, Gateway, Origin, raw, reply, test_clock};

const HEAD: &str = "POST /x HTTP/1.1\r\nhost: app.test\r\n";
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: app.test\r\n\r\n";

/// RFC 9112 section 6.3: whatever a client means by two framings, the origin sees one request and nothing is left over.
#[tokio::test]
async fn x015_a_request_with_two_framings_never_becomes_two_requests() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for fields in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 400\r\n",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: identity, chunked\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked;a=b\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding:\u{b}chunked\r\n",
        "transfer-encoding : chunked\r\ncontent-length: 5\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 5, 6\r\n",
        "content-length: -5\r\n",
        "content-length: 0x5\r\n",
        "content-length: 5 5\r\n",
        "content-length: 99999999999999999999999\r\n",
    ] {
        let mut wire = gateway.anonymous().open().await;
        wire.send(format!("{HEAD}{fields}\r\n0\r\n\r\n{SMUGGLED}")).await;
        let first = wire.answer("POST").await;
        let rest = support::within(&format!("the connection to close after {fields:?} {}", first.status), wire.rest()).await;
        assert!(rest.is_empty(), "{fields:?}: {} {}", first.status, String::from_utf8_lossy(&rest));
        assert!(origin.take().iter().all(|request| request.target == "/x"), "{fields:?}");
    }
}

/// The content of a refused or short-circuited request is no request.
#[tokio::test]
async fn content_is_never_read_as_a_request() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    let length = SMUGGLED.len();
    for (method, fields) in [
        ("GET", ""),
        ("HEAD", ""),
        ("GET", "cache-control: only-if-cached\r\n"),
        ("GET", "if-none-match: *\r\n"),
        ("TRACE", ""),
        ("POST", "connection: authorization\r\n"),
        ("POST", "expect: 100-continue\r\n"),
        ("OPTIONS", ""),
    ] {
        let mut wire = gateway.anonymous().open().await;
        let head = format!("{method} /x HTTP/1.1\r\nhost: app.test\r\n{fields}content-length: {length}\r\n\r\n");
        wire.send(format!("{head}{SMUGGLED}GET /next HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n")).await;
        let first = wire.answer(method).await;
        assert!(first.status != 0, "{method} {fields:?}");
        support::within("the connection to close", wire.rest()).await;
        let seen: Vec<String> = origin.take().into_iter().map(|request| request.target).collect();
        assert!(!seen.iter().any(|target| target == "/smuggled"), "{method} {fields:?}: {seen:?}");
    }
}

/// RFC 9112 section 6.3: extra bytes of an origin belong to nobody.
#[tokio::test]
async fn bytes_after_a_response_reach_nobody() {
    let clock = test_clock();
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    let endings = [
        format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na{evil}"),
        format!("HTTP/1.1 204 No Content\r\n\r\n{evil}"),
        format!("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n{evil}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n{evil}"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{evil}"),
    ];
    for ending in endings {
        let bad = ending.clone();
        let origin = Origin::serving(move |request| match request.target.as_str() {
            "/bad" => raw(&bad),
            _ => reply(200).body("well"),
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        for method in ["GET", "HEAD", "POST"] {
            let bad = gateway.anonymous().request(method, "/bad").field("if-none-match", "\"a\"").send().await;
            assert!(!bad.text().contains("evil"), "{method} {ending:?}");
            for _ in 0..3 {
                let next = gateway.anonymous().get("/well").await;
                assert!(
                    next.status == 200 && next.text() == "well" || next.status == 502,
                    "{method} {ending:?}: {}",
                    next.text()
                );
            }
        }
    }
}

/// RFC 9112 section 6.3, item 4: a response in an unknown coding without `chunked` ends with its connection; the field goes
/// no further than that connection.
#[tokio::test]
async fn x015_an_unknown_transfer_coding_is_read_to_the_close_and_the_field_dropped() {
    let clock = test_clock();
    let answer = reply(200).field("cache-control", "max-age=60").field("transfer-encoding", "x-fold").body("whole").no_length();
    let origin = Origin::serving(move |_| answer.clone()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for decision in ["fwd=uri-miss; stored", "hit"] {
        let answer = gateway.anonymous().get("/x").await;
        assert_eq!((answer.decision().as_str(), answer.text().as_str(), answer.complete), (decision, "whole", true));
        assert!(!answer.fields_named("transfer-encoding").contains(&"x-fold"));
    }
}

/// RFC 9110 section 15.2: interim responses are not final ones.
#[tokio::test]
async fn x008_interim_responses_of_the_origin_do_not_end_the_exchange() {
    let clock = test_clock();
    let answer = reply(200).interim(100, &[]).interim(103, &[("link", "</a>")]).interim(102, &[]);
    let origin = Origin::serving(move |_| answer.clone().field("cache-control", "max-age=60").body("final")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    for _ in 0..2 {
        let answer = client.get("/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "final"));
    }
    let old = client.request("GET", "/y").http10().send().await;
    assert_eq!((old.status, old.interim.len()), (200, 0));
}

/// RFC 9111 section 3.1: trailers never become fields.
#[tokio::test]
async fn n045_trailers_are_not_folded_into_the_stored_fields() {
    let clock = test_clock();
    let answer = reply(200).field("cache-control", "max-age=60").field("trailer", "x-sum").chunked(["ab", "cd"]);
    let answer = answer.trailer("x-sum", "1").trailer("set-cookie", "a=b").trailer("cache-control", "no-store");
    let origin = Origin::serving(move |_| answer.clone()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    assert_eq!(client.get("/x").await.text(), "abcd");
    let hit = client.get("/x").await;
    assert_eq!((hit.hit(), hit.text().as_str(), hit.field("content-length")), (true, "abcd", Some("4")));
    assert_eq!((hit.field("x-sum"), hit.field("set-cookie"), hit.field("cache-control")), (None, None, Some("max-age=60")));
}

/// RFC 9112 section 9.6: a client may end its half and still read the answer.
#[tokio::test]
async fn a_client_that_ends_its_half_gets_its_answer() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wire = gateway.anonymous().open().await;
    wire.send("GET /x HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    wire.shutdown().await;
    assert_eq!(wire.answer("GET").await.text(), "a");
    assert!(support::within("the other end", wire.rest()).await.is_empty());
}

/// RFC 9112 section 9.3: persistent by default, closed when asked and after HTTP/1.0.
#[tokio::test]
async fn x018_connections_are_kept_and_closed_as_asked() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let exchange = async |wire: &mut Wire, version: &str, fields: &str| {
        wire.send(format!("GET /x {version}\r\nhost: app.test\r\n{fields}\r\n")).await;
        wire.answer("GET").await
    };
    let mut wire = gateway.anonymous().open().await;
    for _ in 0..3 {
        assert_eq!(exchange(&mut wire, "HTTP/1.1", "").await.text(), "a");
    }
    assert_eq!(exchange(&mut wire, "HTTP/1.1", "connection: close\r\n").await.text(), "a");
    assert!(support::within("the connection to close", wire.rest()).await.is_empty());
    let mut old = gateway.anonymous().open().await;
    assert_eq!(exchange(&mut old, "HTTP/1.0", "").await.text(), "a");
    assert!(support::within("the connection to close", old.rest()).await.is_empty());
    assert_eq!(origin.connections(), 1, "the way to the origin is kept as well");
}

/// RFC 9112 section 3: what is no request gets 400 or the end of the connection, and never an origin's time.
#[tokio::test]
async fn nonsense_is_refused_without_a_hang() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let tls_hello = b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03".as_slice();
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice();
    for bytes in [
        b"\0\0\0\0\r\n\r\n".as_slice(),
        tls_hello,
        http2,
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/3.0\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nno colon\r\n\r\n",
        b"GET / x HTTP/1.1\r\nhost: a\r\n\r\n",
        b"G(T / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: \xff\r\n\r\n",
    ] {
        let mut wire = gateway.anonymous().open().await;
        wire.send(bytes).await;
        wire.shutdown().await;
        let answer = wire.answer("GET").await;
        let shown = String::from_utf8_lossy(bytes);
        assert!(matches!(answer.status, 0 | 400 | 505), "{shown:?}: {}", answer.status);
        support::within("the connection to close", wire.rest()).await;
    }
    assert_eq!(origin.count(), 0);
    assert_eq!(Client::to(gateway.address()).get("/x").await.status, 200, "and everybody else is served");
}
