//! What the public cache test suite asks in its newer state only, or asks without looking: its ids stand in the rows.
//!
//! Beside this: tests/interim.rs (interim-102, -103, -no-header-reuse, -not-cached), tests/framing.rs and tests/streaming.rs
//! (trailers, truncation), tests/ranges.rs (If-Range, several ranges), tests/caching.rs (If-Match, conditions of clients).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::cases::Cases;
use support::{Gateway, Origin, Reply, date_at, reply, secs, test_clock};

type Lines = &'static [(&'static str, &'static str)];

fn with_lines(answer: Reply, lines: Lines) -> Reply {
    lines.iter().fold(answer, |answer, (name, value)| answer.field(name, value))
}

/// An origin that answers `/n` with the n-th of these field lines.
async fn by_number(rows: Vec<Vec<(&'static str, &'static str)>>) -> Origin {
    Origin::serving(move |request| {
        let row = &rows[request.target[1..].parse::<usize>().unwrap()];
        row.iter().fold(reply(200).body("abc"), |answer, (name, value)| answer.field(name, value))
    })
    .await
}

/// `CDN-Cache-Control`, the other lines, and whether 3 s later a gateway and a forward proxy answer from the store.
struct Targeted(&'static str, &'static [&'static str], Lines, bool, bool);

const FRESH: Lines = &[("cache-control", "max-age=3600")];
const SHORT: Lines = &[("cache-control", "max-age=1")];
const NO_STORE: Lines = &[("cache-control", "no-store")];
const AGED: Lines = &[("age", "12000"), ("cache-control", "max-age=99999")];
const EXPIRED: Lines = &[("expires", "Fri, 01 Jan 2010 00:00:00 GMT")];
const EXPIRING: Lines = &[("expires", "Fri, 01 Jan 2100 00:00:00 GMT")];
const SHORT_AND_INVALID: Lines = &[("cache-control", "max-age=1"), ("expires", "0")];

const TARGETED: [Targeted; 24] = [
    Targeted("cdn-max-age", &["max-age=3600"], &[], true, false),
    Targeted("cdn-max-age-max", &["max-age=2147483648"], &[], true, false),
    Targeted("cdn-max-age-max-plus", &["max-age=99999999999"], &[], true, false),
    Targeted("cdn-max-age-extension", &["foobar, max-age=3600"], &[], true, false),
    Targeted("cdn-max-age-expires", &["max-age=3600"], EXPIRED, true, false),
    Targeted("cdn-max-age-cc-max-age-invalid-expires", &["max-age=3600"], SHORT_AND_INVALID, true, false),
    Targeted("cdn-max-age-short-cc-max-age", &["max-age=3600"], SHORT, true, false),
    Targeted("cdn-max-age-age", &["max-age=3600"], AGED, false, true),
    Targeted("cdn-max-age-0", &["max-age=0"], FRESH, false, true),
    Targeted("cdn-max-age-0-expires", &["max-age=0"], EXPIRING, false, true),
    Targeted("cdn-max-age-long-cc-max-age", &["max-age=1"], FRESH, false, true),
    Targeted("cdn-private", &["max-age=3600, private"], FRESH, false, true),
    Targeted("cdn-no-cache", &["max-age=3600, no-cache"], FRESH, false, true),
    Targeted("cdn-no-store-cc-fresh", &["no-store"], FRESH, false, true),
    Targeted("cdn-fresh-cc-nostore", &["max-age=3600"], NO_STORE, true, false),
    Targeted("cdn-cc-invalid-sh-type-unknown", &["max-age=3600, &&&&&"], NO_STORE, false, false),
    Targeted("the same with a fresh Cache-Control", &["no-store, &&&&&"], FRESH, true, true),
    Targeted("cdn-cc-invalid-sh-type-wrong", &["max-age=\"3600\""], NO_STORE, false, false),
    Targeted("cdn-max-age-space-before-equals", &["max-age =3600"], SHORT, false, false),
    Targeted("cdn-max-age-space-after-equals", &["max-age= 3600"], SHORT, false, false),
    Targeted("cdn-max-age-case-insensitive", &["MaX-aGe=3600"], SHORT, false, false),
    Targeted("an empty field is none", &[""], FRESH, true, true),
    Targeted("lines are one dictionary", &["max-age=1", "max-age=3600"], SHORT, true, false),
    Targeted("and the later member counts", &["max-age=3600", "max-age=1"], FRESH, false, true),
];

/// RFC 9213 section 2.2: on the target list of a gateway, `CDN-Cache-Control` alone decides; a forward proxy, which is none
/// of the origin's, is not moved by it. Both pass it on (cdn-remove-header).
#[tokio::test]
async fn x026_cdn_cache_control_moves_a_gateway_and_no_forward_proxy() {
    let clock = test_clock();
    let row = |Targeted(_, targeted, rest, ..): &Targeted| {
        targeted.iter().map(|value| ("cdn-cache-control", *value)).chain(rest.iter().copied()).collect()
    };
    let origin = by_number(TARGETED.iter().map(row).collect()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let forward = Gateway::forward(&clock).auth("none").origin(&origin).start().await;
    let mut cases = Cases::new();
    for (number, Targeted(id, targeted, _, in_gateway, in_forward)) in TARGETED.iter().enumerate() {
        let target = format!("/{number}");
        for (mode, gateway) in [("gateway", &gateway), ("forward", &forward)] {
            let first = gateway.anonymous().get(&target).await;
            clock.advance(secs(3));
            let second = gateway.anonymous().get(&target).await;
            let id = format!("{id} ({mode})");
            cases.expect(&id, second.hit(), if mode == "gateway" { *in_gateway } else { *in_forward });
            for answer in [first, second] {
                cases.expect(&id, answer.fields_named("cdn-cache-control"), targeted.to_vec());
            }
        }
    }
    cases.finish(144);
}

/// cdn-remove-age-exceed, cdn-date-update-exceed, cdn-expires-update-exceed: a lifetime beyond that of `Cache-Control` is no
/// reason to touch what the next cache computes with (RFC 9213 section 2.2).
#[tokio::test]
async fn x026_a_longer_targeted_lifetime_leaves_age_date_and_expires_alone() {
    let clock = test_clock();
    let (date, expires) = (date_at(&clock, 0), date_at(&clock, 60));
    let answer = reply(200).field("date", &date).field("expires", &expires).field("age", "100");
    let answer = answer.field("cache-control", "max-age=60").field("cdn-cache-control", "max-age=3600").body("abc");
    let origin = Origin::serving(move |_| answer.clone()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(500));
    let hit = gateway.anonymous().get("/x").await;
    assert_eq!((hit.hit(), hit.age(), hit.ttl()), (true, Some(600), Some(3000)));
    assert_eq!((hit.fields_named("date"), hit.fields_named("expires")), (vec![date.as_str()], vec![expires.as_str()]));
}

/// The headers-store-* tests that pass whatever is in the second answer: fields of the connection to the origin and of
/// another proxy's authentication are not stored (for Transfer-Encoding see tests/framing.rs).
#[tokio::test]
async fn n043_n044_fields_of_one_connection_are_never_stored() {
    let clock = test_clock();
    let rows: Vec<Vec<_>> = [
        vec![("connection", "x-marked"), ("x-marked", "marker")],
        vec![("connection", "marker")],
        vec![("keep-alive", "timeout=5, marker")],
        vec![("proxy-authenticate", "Basic realm=\"marker\"")],
        vec![("proxy-authentication-info", "nextnonce=\"marker\"")],
        vec![("proxy-authorization", "Basic marker")],
        vec![("proxy-connection", "marker")],
        vec![("te", "marker")],
        vec![("upgrade", "marker/1")],
    ]
    .into_iter()
    .map(|mut row| {
        row.extend([("cache-control", "max-age=60"), ("x-kept", "1")]);
        row
    })
    .collect();
    let origin = by_number(rows.clone()).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut cases = Cases::new();
    for (number, row) in rows.iter().enumerate() {
        for is_hit in [false, true] {
            let answer = gateway.anonymous().get(&format!("/{number}")).await;
            let id = format!("headers-store-{} (hit: {is_hit})", row[0].0);
            cases.expect(&id, (answer.hit(), answer.text().as_str(), answer.field("x-kept")), (is_hit, "abc", Some("1")));
            let is_marked = |(name, value): &&(String, String)| is_hit && (name.contains("mark") || value.contains("mark"));
            cases.expect(&id, answer.fields.iter().find(is_marked), None);
        }
    }
    cases.finish(36);
}

/// RFC 9111 sections 5.2.2.4 and 5.2.2.7: with names, the directives are about these fields and not about the response. The
/// first asker gets them, the store does not.
#[tokio::test]
async fn n107_n110_fields_that_no_cache_and_private_name_are_not_reused() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for directive in ["private=\"x-a\"", "no-cache=\"x-a\"", "private=\" x-b ,X-A \"", "no-cache=\"X-A,,x-none\"", "Private=x-a"]
    {
        let answer = reply(200).field("cache-control", format!("max-age=60, {directive}"));
        let answer = answer.field("x-a", "1").field("x-a", "2").field("x-kept", "3").body("abc");
        let origin = Origin::serving(move |_| answer.clone()).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let first = gateway.anonymous().get("/x").await;
        cases.expect(directive, (first.hit(), first.fields_named("x-a")), (false, vec!["1", "2"]));
        let second = gateway.anonymous().get("/x").await;
        cases.expect(directive, (second.hit(), second.fields_named("x-a"), second.field("x-kept")), (true, vec![], Some("3")));
    }
    cases.finish(10);
}

/// conditional-etag-strong-generate, -weak-generate-weak, -strong-generate-unquoted, -vary-headers: our own condition carries
/// the stored tag as it came and the fields that select the variant. What is no entity tag is repaired by nobody.
#[tokio::test]
async fn n079_a_validation_carries_the_tag_verbatim_and_the_selecting_fields() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for tag in ["\"abcdef\"", "W/\"abcdef\"", "abcdef", "w/\"abcdef\"", "\"a\\\"b\"", "\"a, b\"", "\"\""] {
        let fields = move |answer: Reply| answer.field("cache-control", "max-age=1").field("etag", tag).field("vary", "abc");
        let origin = Origin::serving(move |request| match request.field("if-none-match") {
            Some(_) => fields(reply(304)),
            None => fields(reply(200)).body("abc"),
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let client = gateway.anonymous().with("abc", "123");
        client.get("/x").await;
        clock.advance(secs(3));
        let validated = client.get("/x").await;
        cases.expect(tag, (validated.status, validated.text().as_str(), validated.field("etag")), (200, "abc", Some(tag)));
        let asked = origin.last();
        cases.check(tag, asked.fields_named("if-none-match").iter().all(|sent| *sent == tag), &asked.fields);
        cases.expect(tag, (asked.field("abc"), origin.count()), (Some("123"), 2));
    }
    cases.finish(21);
}

/// conditional-etag-quoted-respond-unquoted, -unquoted-respond-quoted, -forward, -forward-unquoted: a client's condition is
/// compared, and forwarded, as it is written.
#[tokio::test]
async fn n084_a_clients_tag_is_compared_and_forwarded_as_written() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (stored, asked, status) in [
        ("\"abcdef\"", "\"abcdef\"", 304),
        ("\"abcdef\"", "abcdef", 200),
        ("abcdef", "\"abcdef\"", 200),
        ("\"abcdef\"", "w/\"abcdef\"", 200),
        ("\"abcdef\"", "\"ABCDEF\"", 200),
        ("\"abcdef\"", "\"abc\\def\"", 200),
        ("\"a\"", "\"a, \"a\"", 200),
    ] {
        let answer = with_lines(reply(200), FRESH).field("etag", stored).body("abc");
        let origin = Origin::serving(move |_| answer.clone()).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        let client = gateway.anonymous().with("if-none-match", asked);
        let id = format!("{stored} for {asked}");
        client.get("/x").await;
        cases.expect(&id, origin.last().field("if-none-match"), Some(asked));
        let answer = client.get("/x").await;
        cases.expect(&id, (answer.status, answer.hit()), (status, true));
    }
    cases.finish(14);
}
