//! Fields that are wrong in every way known: what a proxy must pass it passes, nothing is answered from the store that
//! should not be, and nobody after it is the worse for it (RFC 9110 section 5.5, RFC 9111 sections 4.2.1 and 5).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::cases::Cases;
use support::{Gateway, Origin, raw, reply, secs, test_clock};

type Lines = &'static [(&'static str, &'static str)];

/// Field lines of a 200, and whether it answers another request 3 s later.
struct Odd(Lines, bool);

const FRESH: (&str, &str) = ("cache-control", "max-age=60");
const SHORT: (&str, &str) = ("cache-control", "max-age=1");

const DIRECTIVES: [Odd; 28] = [
    Odd(&[("cache-control", "max-age")], false),
    Odd(&[("cache-control", "max-age=")], false),
    Odd(&[("cache-control", "max-age=x")], false),
    Odd(&[("cache-control", "max-age=-60")], false),
    Odd(&[("cache-control", "max-age=+60")], false),
    Odd(&[("cache-control", "max-age=60.0")], false),
    Odd(&[("cache-control", "max-age=6 0")], false),
    Odd(&[("cache-control", "max-age =60")], false),
    Odd(&[("cache-control", "max-age= 60")], false),
    Odd(&[("cache-control", "max-age='60'")], false),
    Odd(&[("cache-control", "max-age=60;no-store")], false),
    Odd(&[("cache-control", "max-age=\"60")], false),
    Odd(&[("cache-control", "=60")], false),
    Odd(&[("cache-control", "max-age=1, max-age=60")], false),
    Odd(&[("cache-control", "max-age=60, s-maxage=x")], false),
    Odd(&[("cache-control", "max-age=60, no-store=\"")], false),
    Odd(&[("cache-control", "max-age=60, No-Store=x")], false),
    Odd(&[("cache-control", "max-age=60, private=")], false),
    Odd(&[("cache-control", "max-age=60, no-cache=\"")], false),
    Odd(&[("cache-control", "x=\"max-age=60")], false),
    Odd(&[("cache-control", "x=\"max-age=60\"")], false),
    Odd(&[("cache-control", "")], false),
    Odd(&[("cache-control", "max-age=99999999999999999999999")], true),
    Odd(&[("cache-control", ",, ,max-age=60,,")], true),
    Odd(&[("cache-control", "max-age=\"60\"")], true),
    Odd(&[("cache-control", "max-age=60, =, x=, ;, @, \u{fc}, y=\"\\")], true),
    Odd(&[("cache-control", "max-age=60, stale-while-revalidate=x, stale-if-error=-1")], true),
    Odd(&[("pragma", "no-cache, max-age=\""), FRESH], true),
];

const DATES_AND_AGES: [Odd; 18] = [
    Odd(&[("expires", "0")], false),
    Odd(&[("expires", "")], false),
    Odd(&[("expires", "-1")], false),
    Odd(&[("expires", "in an hour")], false),
    Odd(&[("expires", "Thu, 31 Foo 2099 00:00:00 GMT")], false),
    Odd(&[("expires", "Thu, 31 Feb 2099 00:00:00 GMT")], false),
    Odd(&[("expires", "Thu, 01 Jan 2099 25:61:61 GMT")], false),
    Odd(&[("expires", "Thu, 01 Jan 2099 00:00:00 CET")], false),
    Odd(&[("expires", "Thu, 01 Jan 99999 00:00:00 GMT")], false),
    Odd(&[("expires", "Thu, 01 Jan 2099 00:00:00 GMT"), ("expires", "Thu, 01 Jan 2099 00:00:00 GMT")], false),
    Odd(&[("last-modified", "last year")], false),
    Odd(&[("last-modified", "Fri, 01 Jan 2999 00:00:00 GMT")], false),
    Odd(&[("date", "Thu, 01 Jan 1970 00:00:00 GMT"), FRESH], false),
    Odd(&[("age", "99999999999999999999999"), FRESH], false),
    Odd(&[("age", "x"), FRESH], true),
    Odd(&[("age", "-5"), FRESH], true),
    Odd(&[("age", "5, 99999"), FRESH], true),
    Odd(&[("expires", "x"), ("last-modified", "y"), FRESH], true),
];

const VALIDATORS_AND_SELECTION: [Odd; 21] = [
    Odd(&[("etag", "x"), SHORT], false),
    Odd(&[("etag", ""), SHORT], false),
    Odd(&[("etag", "\""), SHORT], false),
    Odd(&[("etag", "W/"), SHORT], false),
    Odd(&[("etag", "*"), SHORT], false),
    Odd(&[("etag", "\"a\" \"b\", W/\"c"), SHORT], false),
    Odd(&[("etag", "\"a\""), ("etag", "\"b\""), SHORT], false),
    Odd(&[("etag", "\"\u{fc}\""), ("last-modified", "\u{fc}"), SHORT], false),
    Odd(&[("vary", "*"), FRESH], false),
    Odd(&[("vary", "accept, *"), FRESH], false),
    Odd(&[("vary", "accept"), ("vary", " ,*,"), FRESH], false),
    Odd(&[("vary", "accept, a b"), FRESH], false),
    Odd(&[("vary", "accept;q=1"), FRESH], false),
    Odd(&[("vary", "\"accept\""), FRESH], false),
    Odd(&[("vary", "\u{fc}"), FRESH], false),
    Odd(&[("vary", ""), FRESH], true),
    Odd(&[("vary", ", ,accept,,"), FRESH], true),
    Odd(&[("content-range", "bytes 5-1/0"), FRESH], true),
    Odd(&[("content-encoding", ",, x y"), FRESH], true),
    Odd(&[("content-type", "/"), ("content-location", "http://["), ("location", "::"), FRESH], true),
    Odd(&[("connection", ", ,@,\u{fc}"), ("warning", "x"), ("accept-ranges", "="), FRESH], true),
];

/// Fields that the next hop sees otherwise, whatever is in them.
const OWN: [&str; 2] = ["age", "connection"];

#[tokio::test]
async fn n114_odd_fields_of_a_response_pass_and_make_nothing_reusable() {
    let rows: Vec<&Odd> = DIRECTIVES.iter().chain(&DATES_AND_AGES).chain(&VALIDATORS_AND_SELECTION).collect();
    let clock = test_clock();
    let lines: Vec<Lines> = rows.iter().map(|Odd(lines, _)| *lines).collect();
    let origin = Origin::serving(move |request| {
        let number: usize = request.target[1..].parse().unwrap();
        lines[number].iter().fold(reply(200).body("abcd"), |answer, (name, value)| answer.field(name, value))
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut cases = Cases::new();
    for (number, Odd(lines, is_reused)) in rows.into_iter().enumerate() {
        let id = format!("{lines:?}");
        let target = format!("/{number}");
        for is_second in [false, true] {
            let answer = gateway.anonymous().get(&target).await;
            cases.expect(&id, (answer.status, answer.text().as_str(), answer.hit()), (200, "abcd", is_second && *is_reused));
            for (name, value) in lines.iter().filter(|(name, _)| !OWN.contains(name)) {
                cases.check(&id, answer.fields_named(name).contains(&value.trim()), answer.fields_named(name));
            }
            clock.advance(secs(3));
        }
    }
    cases.finish(250);
    gateway.stopped().await;
}

/// What frames no message is an error of the origin's; what only looks odd passes. Neither leaves anything behind.
#[tokio::test]
async fn x015_x016_odd_messages_of_an_origin_pass_or_become_502() {
    const ROWS: [(&str, &str, u16); 22] = [
        ("HTTP/1.1 999 Odd", "content-length: 1\r\n\r\na", 999),
        ("HTTP/1.1 599 ", "content-length: 1\r\n\r\na", 599),
        ("HTTP/1.1 200", "content-length: 1\r\n\r\na", 200),
        ("HTTP/1.1 200 OK", "content-length: 1, 1\r\n\r\na", 200),
        ("HTTP/1.1 200 OK", "transfer-encoding: x-fold\r\n\r\na", 200),
        ("HTTP/1.1 206 Partial Content", "content-range: bytes 5-1/10\r\ncontent-length: 1\r\n\r\na", 206),
        ("HTTP/1.1 206 Partial Content", "content-range: bytes 0-999/1000\r\ncontent-length: 1\r\n\r\na", 206),
        ("HTTP/1.1 206 Partial Content", "content-range: bytes 0-0/*\r\ncontent-length: 1\r\n\r\na", 206),
        ("HTTP/1.1 206 Partial Content", "content-range: x\r\netag: \"a\"\r\ncontent-length: 1\r\n\r\na", 206),
        ("HTTP/1.1 206 Partial Content", "content-length: 1\r\n\r\na", 206),
        ("HTTP/1.1 099 Odd", "content-length: 1\r\n\r\na", 502),
        ("HTTP/1.1 1000 Odd", "content-length: 1\r\n\r\na", 502),
        ("HTTP/1.1 20 Odd", "content-length: 1\r\n\r\na", 502),
        ("HTTP/9.9 200 OK", "content-length: 1\r\n\r\na", 502),
        ("HTTP/1.1 200 OK", "content-length: 1, 2\r\n\r\na", 502),
        ("HTTP/1.1 200 OK", "content-length: 1\r\ncontent-length: 2\r\n\r\na", 502),
        ("HTTP/1.1 200 OK", "content-length: -1\r\n\r\na", 502),
        ("HTTP/1.1 200 OK", "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 502),
        ("HTTP/1.1 200 OK", "transfer-encoding: gzip\r\n\r\na", 502),
        ("HTTP/1.1 200 OK", "transfer-encoding: chunked, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 502),
        ("HTTP/1.1 200 OK", "x: \0\r\ncontent-length: 1\r\n\r\na", 502),
        ("HTTP/1.1 200 OK", "x y: 1\r\ncontent-length: 1\r\n\r\na", 502),
    ];
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target[1..].parse::<usize>() {
        Ok(number) => raw(format!("{}\r\ncache-control: no-cache\r\n{}", ROWS[number].0, ROWS[number].1)).close(),
        Err(_) => reply(200).body("well"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut cases = Cases::new();
    for (number, (line, rest, status)) in ROWS.iter().enumerate() {
        let id = format!("{line}, {rest:?}");
        for _ in 0..2 {
            let answer = gateway.anonymous().with("range", "bytes=0-0").get(&format!("/{number}")).await;
            cases.expect(&id, (answer.status, answer.hit(), answer.complete), (*status, false, true));
            cases.check(&id, *status == 502 || answer.text() == "a", answer.text());
            cases.expect(&id, gateway.anonymous().get("/well").await.text(), "well");
        }
    }
    cases.finish(132);
    gateway.stopped().await;
}

/// Odd fields of a request for something fresh: it is answered with all of it, from the store or from the origin.
#[tokio::test]
async fn n114_odd_fields_of_a_request_get_the_whole_response() {
    let clock = test_clock();
    let answer =
        reply(200).field("cache-control", "max-age=60").field("etag", "\"a\"").field("vary", "accept-language").body("abcd");
    let origin = Origin::serving(move |_| answer.clone()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    let mut cases = Cases::new();
    for (name, values, is_hit) in [
        ("range", &["bytes=", "bytes=--", "bytes=3-1", "bytes=a-b", "=0-1", "bytes 0-1", "bytes=0-1;x", "\u{fc}"][..], true),
        ("if-range", &["x", "W/", "yesterday"], true),
        ("if-none-match", &["x", "W/", "\"", "\"b\" \"a\"", "a", "\u{fc}"], true),
        ("if-modified-since", &["", "x", "0", "Thu, 31 Feb 2099 00:00:00 GMT"], true),
        ("cache-control", &["max-age=x", "max-stale=x, =, @", "x=\"no-cache", "\u{fc}", ",,,"], true),
        ("cache-control", &["min-fresh=99999999999999999999", "no-cache=\""], false),
        ("accept-encoding", &["gzip;q=x", ";;;", "\u{fc}"], true),
        ("max-forwards", &["-1", "x"], true),
        ("accept-language", &[";;q=9", "de;q=", "\u{fc}"], false),
    ] {
        for value in values {
            let request = gateway.anonymous().request("GET", "/x").field(name, *value);
            let request = if name == "if-range" { request.field("range", "bytes=0-1") } else { request };
            let answer = request.send().await;
            cases.expect(
                &format!("{name}: {value}"),
                (answer.status, answer.text().as_str(), answer.hit()),
                (200, "abcd", is_hit),
            );
        }
    }
    cases.finish(35);
    gateway.stopped().await;
}
