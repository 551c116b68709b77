//! The front end through real sockets: challenges, credentials, access rules, and requests that are refused outright.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::cases::Cases;
use support::client::basic;
use support::digest::Challenge;
use support::toml::password_of;
use support::{Answer, Client, Gateway, Origin, reply, secs, test_clock};
use vouchsafe::clock::Clock;

/// A forward proxy in front of an origin that answers everything.
async fn proxy() -> (Clock, Origin, Gateway) {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    (clock, origin, gateway)
}

/// RFC 9110 section 11.7.1: one field line a challenge, the strongest first, and a text that says what to do.
#[tokio::test]
async fn n004_n027_a_407_offers_every_scheme_strongest_first_and_keeps_the_connection() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway =
        Gateway::forward(&clock).origin(&origin).set("auth.digest", "algorithms = [\"SHA-256\", \"MD5\"]").start().await;
    let mut wire = gateway.anonymous().open().await;
    wire.send(gateway.anonymous().request("GET", "/x").bytes()).await;
    let refused = wire.answer("GET").await;

    let challenges = refused.fields_named("proxy-authenticate");
    assert_eq!((refused.status, challenges.len()), (407, 3), "{challenges:?}");
    assert!(challenges[0].starts_with("Digest ") && challenges[0].contains("algorithm=SHA-256"), "{}", challenges[0]);
    assert!(challenges[1].starts_with("Digest ") && challenges[1].contains("algorithm=MD5"), "{}", challenges[1]);
    assert!(challenges[2].starts_with("Basic realm=\"vouchsafe\""), "{}", challenges[2]);
    assert_eq!(refused.field("content-type"), Some("application/problem+json"));
    let advice = refused.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(advice.contains("Proxy-Authorization") && advice.contains("--proxy-user"), "{advice}");
    assert_eq!((refused.field("connection"), refused.field("cache-status"), origin.count()), (None, None, 0));

    wire.send(gateway.client("alice").request("GET", "/x").bytes()).await;
    assert_eq!(wire.answer("GET").await.status, 200, "on the same connection");
}

/// RFC 7617 section 2, RFC 9110 section 11.1.
#[tokio::test]
async fn n133_basic_credentials_are_judged() {
    let (_clock, origin, gateway) = proxy().await;
    let right = basic("alice", &password_of("alice"));
    let token = right.trim_start_matches("Basic ").to_owned();
    let table = [
        ("right", right.clone(), 200),
        ("n016 lower-case scheme", format!("basic {token}"), 200),
        ("n016 upper-case scheme", format!("BASIC {token}"), 200),
        ("wrong password", basic("alice", "wrong"), 407),
        ("empty password", basic("alice", ""), 407),
        ("unknown user", basic("mallory", &password_of("alice")), 407),
        ("no colon", "Basic YWxpY2U=".to_owned(), 407),
        ("no base64", "Basic %%%".to_owned(), 407),
        ("no credentials", "Basic".to_owned(), 407),
        ("empty", String::new(), 407),
        ("another scheme", "Bearer abc".to_owned(), 407),
        ("t55 a name of 5 KiB", basic(&"a".repeat(5 << 10), "x"), 407),
        ("n134 a control character", basic("ali\u{7}ce", "x"), 407),
    ];
    let mut cases = Cases::new();
    for (id, credentials, status) in table {
        let answer = gateway.anonymous().with("proxy-authorization", &credentials).get("/x").await;
        cases.expect(id, answer.status, status);
        cases.check(id, status == 200 || !answer.fields_named("proxy-authenticate").is_empty(), &answer.fields);
        cases.check(id, answer.status != 407 || Challenge::all(&answer).iter().all(|challenge| !challenge.stale()), "stale");
    }
    cases.finish(39);
    assert_eq!(origin.count(), 3);
}

/// A line of more than 8 KiB is beyond the limits: an answer, nothing else, and the connection of the next request is no other's.
#[tokio::test]
async fn t55_credentials_beyond_the_limits_get_an_answer() {
    let (_clock, origin, gateway) = proxy().await;
    let long = "a".repeat(9 << 10);
    let digest = gateway.digest_challenge().await.credentials("alice", "GET", &origin.url("/x")).set("username", &long);
    for credentials in [basic(&long, "x"), digest.value(), format!("Digest realm=\"{long}\""), long] {
        let answer = gateway.anonymous().with("proxy-authorization", &credentials).get("/x").await;
        assert_eq!((answer.status, answer.complete), (431, true));
        assert_eq!(gateway.client("alice").get("/x").await.status, 200);
    }
    assert_eq!(origin.count(), 4);
}

/// RFC 7616 section 3.4, each parameter's rule.
#[tokio::test]
async fn n142_digest_credentials_are_judged() {
    let (_clock, origin, gateway) = proxy().await;
    let (url, other) = (origin.url("/x?q=1"), origin.url("/y"));
    let mut cases = Cases::new();
    let mut nc = 0;
    let challenge = gateway.digest_challenge().await;
    for (id, status) in [
        ("right", 200),
        ("n145 the path and query only", 200),
        ("n144 userhash", 200),
        ("wrong password", 407),
        ("unknown user", 407),
        ("n142 no qop", 407),
        ("n142 no cnonce", 407),
        ("n142 nc of seven digits", 407),
        ("n142 another qop", 407),
        ("n017 a repeated parameter", 407),
        ("n144 username and username*", 407),
        ("a realm of somebody else", 407),
        ("an algorithm that was not offered", 407),
        ("a nonce of somebody else", 407),
        ("n145 another resource", 400),
        ("t55 a name of 7 KiB", 407),
    ] {
        nc += 1;
        let credentials = challenge.credentials("alice", "GET", &url).nc(nc);
        let credentials = match id {
            "n145 the path and query only" => credentials.set("uri", "/x?q=1"),
            "n144 userhash" => credentials.userhash(),
            "wrong password" => credentials.password("wrong"),
            "unknown user" => credentials.set("username", "mallory"),
            "n142 no qop" => credentials.remove("qop"),
            "n142 no cnonce" => credentials.remove("cnonce"),
            "n142 nc of seven digits" => credentials.set("nc", "0000009"),
            "n142 another qop" => credentials.set("qop", "auth-int"),
            "n017 a repeated parameter" => credentials.duplicate("nonce", "x"),
            "n144 username and username*" => credentials.duplicate("username*", "UTF-8''alice"),
            "a realm of somebody else" => credentials.set("realm", "other"),
            "an algorithm that was not offered" => credentials.set("algorithm", "MD5"),
            "a nonce of somebody else" => credentials.set("nonce", "dcd98b7102dd2f0e8b11d0f600bfb0c093"),
            "n145 another resource" => credentials.set("uri", &other),
            "t55 a name of 7 KiB" => credentials.set("username", &"a".repeat(7 << 10)),
            _ => credentials,
        };
        let answer = gateway.anonymous().with("proxy-authorization", &credentials.value()).get("/x?q=1").await;
        cases.expect(id, answer.status, status);
    }
    cases.finish(16);
    assert_eq!(origin.count(), 3);
}

/// RFC 7616 section 5.5, and what parallel connections do to the order of `nc`.
#[tokio::test]
async fn n143_one_nonce_serves_many_connections_in_any_order_and_each_count_once() {
    let (_clock, origin, gateway) = proxy().await;
    let challenge = gateway.digest_challenge().await;
    let url = origin.url("/x");
    let ask = |nc: u32| {
        let credentials = challenge.credentials("bob", "GET", &url).nc(nc).value();
        gateway.anonymous().with("proxy-authorization", &credentials).get("/x")
    };
    let counts = [3, 1, 7, 2, 20, 4, 6, 19, 5, 11, 8, 16, 9, 12, 10, 15, 13, 18, 14, 17];
    let first: Vec<_> = counts.iter().map(|nc| tokio::spawn(ask(*nc))).collect();
    for asked in first {
        assert_eq!(asked.await.expect("no panic").status, 200);
    }
    assert_eq!(origin.count(), counts.len());
    for nc in counts {
        assert_eq!(ask(nc).await.status, 407, "nc {nc} again");
    }
    assert_eq!(origin.count(), counts.len(), "a replay is not forwarded");
    gateway.metric_is("vouchsafe_auth_total", &[("scheme", "digest"), ("outcome", "replayed")], 20.0).await;
}

/// RFC 7616 section 3.3: `stale=true` says that only the nonce was at fault.
#[tokio::test]
async fn n139_an_old_nonce_is_stale_for_right_credentials_only() {
    let (clock, origin, gateway) = proxy().await;
    let challenge = gateway.digest_challenge().await;
    clock.advance(secs(301));
    let credentials = challenge.credentials("alice", "GET", &origin.url("/x"));
    let with = |value: String| gateway.anonymous().with("proxy-authorization", &value).get("/x");
    let old = with(credentials.clone().value()).await;
    assert_eq!((old.status, Challenge::of(&old).stale()), (407, true));
    let wrong = with(credentials.password("wrong").value()).await;
    assert_eq!((wrong.status, Challenge::of(&wrong).stale()), (407, false));
    let again = Challenge::of(&old).credentials("alice", "GET", &origin.url("/x")).value();
    assert_eq!(with(again).await.status, 200, "the new nonce serves");
}

/// RFC 9110 section 11.6: as an origin, the gateway asks with 401 and consumes what answers it.
#[tokio::test]
async fn n020_an_origin_listener_asks_with_401_and_consumes_authorization() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).auth("origin").start().await;
    let refused = gateway.anonymous().get("/x").await;
    let challenges = refused.fields_named("www-authenticate");
    assert_eq!((refused.status, challenges.len(), refused.field("proxy-authenticate")), (401, 2, None));
    assert_eq!(gateway.client("alice").get("/x").await.status, 200);
    let digest = Challenge::of(&refused).credentials("alice", "GET", "/x").value();
    assert_eq!(gateway.anonymous().authorization(&digest).get("/x").await.status, 200);
    assert_eq!(gateway.anonymous().with("proxy-authorization", &basic("alice", "alice-secret")).get("/x").await.status, 401);
    assert!(origin.requests().iter().all(|request| request.field("authorization").is_none()), "consumed here");
    assert_eq!(origin.count(), 2);
}

/// RFC 9110 sections 9.3.6 and 11.7.1: CONNECT is asked for credentials like everything else.
#[tokio::test]
async fn n003_connect_is_challenged_and_its_connection_kept_for_the_answer() {
    let (_clock, origin, gateway) = proxy().await;
    let authority = origin.address().to_string();
    let mut wire = gateway.anonymous().open().await;
    wire.send(format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n")).await;
    let refused = wire.answer("CONNECT").await;
    assert_eq!((refused.status, refused.fields_named("proxy-authenticate").len()), (407, 2));
    let credentials = Challenge::of(&refused).credentials("alice", "CONNECT", &authority).value();
    wire.send(format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nproxy-authorization: {credentials}\r\n\r\n")).await;
    assert_eq!(wire.answer("CONNECT").await.status, 200);
    wire.send("GET /inside HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(wire.answer("GET").await.text(), "a");
    assert_eq!((origin.count(), origin.connections()), (1, 1));
}

/// RFC 9112 section 9.3: content that nobody wanted is read, or the connection closed; the answer arrives in any case.
#[tokio::test]
async fn x018_a_407_to_a_request_with_content_leaves_no_bytes_behind() {
    let (_clock, origin, gateway) = proxy().await;
    let follower = gateway.client("alice").request("GET", "/x").bytes();
    for size in [10, 60 << 10, 1 << 20, 8 << 20] {
        let mut wire = gateway.anonymous().open().await;
        let request = gateway.anonymous().request("POST", "/x").body(vec![b'x'; size]);
        wire.send(request.bytes()).await;
        let refused = wire.answer("POST").await;
        assert_eq!((refused.status, refused.complete), (407, true), "{size} bytes");
        let closes = refused.field("connection") == Some("close");
        assert!(closes || size < 1 << 20, "{size} bytes: {:?}", refused.fields);
        if closes {
            assert!(wire.rest().await.is_empty(), "{size} bytes");
        } else {
            wire.send(&follower).await;
            assert_eq!(wire.answer("GET").await.status, 200, "{size} bytes");
        }
    }
    for chunks in [2, 200] {
        let mut wire = gateway.anonymous().open().await;
        wire.send(gateway.anonymous().request("POST", "/x").chunked(vec![[b'x'; 1024]; chunks]).bytes()).await;
        assert_eq!(wire.answer("POST").await.status, 407, "{chunks} chunks");
    }
    assert!(origin.requests().iter().all(|request| request.method == "GET"));
}

/// RFC 9110 section 10.1.1: who waits for 100 gets the final answer, and only that.
#[tokio::test]
async fn n123_a_refusal_comes_in_place_of_100_continue() {
    let (_clock, origin, gateway) = proxy().await;
    let refused = gateway.anonymous().request("POST", "/x").body("content").expect_continue().send().await;
    assert_eq!((refused.status, refused.interim.len(), origin.count()), (407, 0, 0));
    let admitted = gateway.client("alice").request("POST", "/x").body("content").expect_continue().send().await;
    assert_eq!((admitted.status, admitted.interim.len(), origin.last().text().as_str()), (200, 1, "content"));
    assert_eq!(origin.last().field("expect"), None);
}

/// `curl --proxy-digest` asks for a challenge before each of its requests; that is no guessing.
#[tokio::test]
async fn t61_sixty_requests_for_a_challenge_on_one_connection_are_answered() {
    let (_clock, origin, gateway) = proxy().await;
    let mut wire = gateway.anonymous().open().await;
    let (anonymous, mut nonces) = (gateway.anonymous().request("GET", "/x").bytes(), std::collections::HashSet::new());
    for _ in 0..60 {
        wire.send(&anonymous).await;
        let refused = wire.answer("GET").await;
        assert_eq!((refused.status, refused.field("connection")), (407, None));
        nonces.insert(Challenge::of(&refused).parameter("nonce").expect("a nonce").to_owned());
    }
    assert_eq!((nonces.len(), origin.count()), (60, 0));
    let credentials = gateway.digest_challenge().await.credentials("bob", "GET", &origin.url("/x")).value();
    assert_eq!(gateway.anonymous().with("proxy-authorization", &credentials).get("/x").await.status, 200);
}

/// RFC 9110 section 11.7.2: consumed here; Authorization goes on as it came (section 11.6.2).
#[tokio::test]
async fn n012_n029_proxy_authorization_stays_here_and_authorization_goes_on_unmodified() {
    let (_clock, origin, gateway) = proxy().await;
    let odd = "Custom  a=\"b\" , c";
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        gateway.client("alice").authorization(odd).request(method, "/x").send().await;
    }
    assert_eq!(origin.count(), 7);
    for request in origin.requests() {
        assert_eq!(
            (request.field("proxy-authorization"), request.field("authorization")),
            (None, Some(odd)),
            "{}",
            request.method
        );
    }
}

/// RFC 9112 section 3.2.2: the absolute-form wins, and the origin hears its authority.
#[tokio::test]
async fn x012_the_absolute_form_wins_over_host() {
    let (_clock, origin, gateway) = proxy().await;
    let answer = gateway.client("alice").host("elsewhere.test").request("GET", &origin.url("/x")).send().await;
    assert_eq!((answer.status, origin.last().field("host")), (200, Some(origin.address().to_string().as_str())));
    assert_eq!(origin.last().target, "/x");
}

/// RFC 9110 section 7.6.3: both ways; a request that was here before goes no further (section 7.6).
#[tokio::test]
async fn x001_x002_via_names_this_hop_both_ways_and_betrays_a_loop() {
    let (_clock, origin, gateway) = proxy().await;
    let answer = gateway.client("alice").with("via", "1.0 earlier").get("/x").await;
    assert!(answer.field("via").is_some_and(|via| via.starts_with("1.1 vouchsafe")), "{:?}", answer.fields);
    let seen = origin.last();
    let lines = seen.fields_named("via");
    assert!(lines[0] == "1.0 earlier" && lines[1].starts_with("1.1 vouchsafe"), "{lines:?}");
    let looped = gateway.client("alice").with("via", &lines.join(", ")).get("/x").await;
    assert_eq!((looped.status, looped.proxy_error(), origin.count()), (502, Some("proxy_loop_detected"), 1));
}

const REPORTS: [(&str, &str); 7] = [
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-port", "1"),
    ("forwarded", "for=6.6.6.6"),
    ("x-original-url", "/admin"),
    ("x-rewrite-url", "/admin"),
];

fn reporting(client: Client) -> Client {
    REPORTS.iter().fold(client, |client, (name, value)| client.with(name, value))
}

/// Only a trusted peer's word about earlier hops is believed.
#[tokio::test]
async fn n117_reports_about_earlier_hops_are_removed() {
    let (clock, origin, gateway) = proxy().await;
    reporting(gateway.client("alice")).get("/x").await;
    let seen = origin.last();
    assert!(REPORTS.iter().all(|(name, _)| seen.field(name).is_none()), "{:?}", seen.fields);

    let gateway = Gateway::reverse(&origin, &clock).start().await;
    reporting(gateway.anonymous()).get("/x").await;
    let seen = origin.last();
    assert_eq!(seen.fields_named("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!((seen.field("x-forwarded-host"), seen.field("x-forwarded-proto")), (Some("app.test"), Some("http")));
    assert!(REPORTS[3..].iter().all(|(name, _)| seen.field(name).is_none()), "{:?}", seen.fields);

    let gateway = Gateway::reverse(&origin, &clock).listener("trusted_peers = [\"127.0.0.0/8\"]").start().await;
    reporting(gateway.anonymous()).get("/x").await;
    assert_eq!(origin.last().fields_named("x-forwarded-for").join(", "), "6.6.6.6, 127.0.0.1");
    assert_eq!(origin.last().field("x-forwarded-host"), Some("evil.test"));
}

/// The verdict belongs to the request: right and wrong credentials at the same time, many times.
#[tokio::test]
async fn t52_parallel_clients_get_each_their_own_verdict() {
    let (_clock, origin, gateway) = proxy().await;
    let challenge = gateway.digest_challenge().await;
    let mut asked = Vec::new();
    for round in 1..=40_u32 {
        let (user, password, status) = if round % 2 == 0 { ("alice", "alice-secret", 200) } else { ("alice", "bob-secret", 407) };
        let digest = challenge.credentials(user, "GET", &origin.url("/x")).password(password).nc(round).value();
        for credentials in [digest, basic(user, password)] {
            let client = gateway.anonymous().with("proxy-authorization", &credentials);
            asked.push((status, tokio::spawn(client.get("/x"))));
        }
    }
    for (status, answer) in asked {
        let answer: Answer = answer.await.expect("no panic");
        assert_eq!(answer.status, status);
    }
    assert_eq!(origin.count(), 40);
}

/// A challenge to a request whose content nobody reads: a small one is read and the connection kept; where the client waits
/// to be asked for it, the challenge says that the connection ends (RFC 9110 section 10.1.1, RFC 9112 section 9.3).
#[tokio::test]
async fn a_challenge_settles_the_content_it_did_not_want() {
    let clock = test_clock();
    let gateway = Gateway::forward(&clock).start().await;
    let post = |more: &str| format!("POST http://a.test/ HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3\r\n{more}");
    let waiting = gateway.anonymous().raw(post("expect: 100-continue\r\n\r\n")).await;
    assert_eq!((waiting.status, waiting.field("connection")), (407, Some("close")), "nobody asks for what waits");
    let mut wire = gateway.anonymous().open().await;
    for count in [2.0, 3.0] {
        wire.send(post("\r\n")).await;
        gateway.metric_is("vouchsafe_auth_total", &[("scheme", "none"), ("outcome", "missing")], count).await;
        // It comes when the refusal is certain.
        wire.send("abc").await;
        let answer = wire.answer("POST").await;
        assert_eq!((answer.status, answer.field("connection")), (407, None), "small: the connection goes on");
    }
}
