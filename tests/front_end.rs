//! The front end through real sockets: challenges, credentials, access rules, and requests that are refused outright.

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

/// A request without content, byte for byte.
fn get(target: &str, lines: &[&str]) -> String {
    format!("GET {target} HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n"))
}

/// RFC 9110 section 11.7.1: one field line a challenge, the strongest first, and a text that says what to do.
#[tokio::test]
async fn n027_a_407_offers_every_scheme_strongest_first_and_keeps_the_connection() {
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
        ("t55 a name of 8 KiB", basic(&"a".repeat(8 << 10), "x"), 407),
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
        ("t55 a name of 8 KiB", 407),
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
            "t55 a name of 8 KiB" => credentials.set("username", &"a".repeat(8 << 10)),
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

/// RFC 9110 section 15.5.4, section 11.4: valid credentials that do not suffice are no reason to ask for others.
#[tokio::test]
async fn n021_a_known_user_without_right_gets_403() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let rules = "[[access]]\nname = \"no-secrets\"\nallow = false\npaths = [\"/secret/*\"]\n\
                 [[access]]\nname = \"staff\"\nallow = true\nusers = [\"alice\"]\n\
                 [[access]]\nname = \"readers\"\nallow = true\nusers = [\"bob\"]\nmethods = [\"GET\"]\n";
    let gateway = Gateway::forward(&clock).origin(&origin).append(rules).start().await;
    let mut cases = Cases::new();
    for (user, method, path, status) in [
        ("alice", "GET", "/x", 200),
        ("alice", "POST", "/x", 200),
        ("alice", "GET", "/secret/x", 403),
        ("alice", "GET", "/%73ecret/x", 403),
        ("alice", "GET", "/a/../secret/x", 403),
        ("bob", "GET", "/x", 200),
        ("bob", "POST", "/x", 403),
        ("carol", "GET", "/x", 403),
    ] {
        let answer = gateway.client(user).request(method, path).send().await;
        let id = format!("{user} {method} {path}");
        cases.expect(&id, answer.status, status);
        cases.expect(&id, answer.field("proxy-authenticate"), None);
    }
    cases.finish(16);
    assert_eq!(origin.count(), 3);
    gateway.metric_is("vouchsafe_access_denied_total", &[("rule", "no-secrets")], 3.0).await;
    gateway.metric_is("vouchsafe_access_denied_total", &[("rule", "no-match")], 2.0).await;
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
    wire.send(get("/inside", &["host: a"])).await;
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
async fn n012_proxy_authorization_stays_here_and_authorization_goes_on_unmodified() {
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

/// RFC 9110 section 9.3.8: nothing is reflected.
#[tokio::test]
async fn n122_trace_is_not_allowed() {
    let (_clock, origin, gateway) = proxy().await;
    for client in [gateway.client("alice"), gateway.anonymous()] {
        let answer = client.with("cookie", "canary").request("TRACE", "/x").send().await;
        assert_eq!((answer.status, answer.text().contains("canary")), (405, false));
        assert!(answer.field("allow").is_some_and(|allow| allow.contains("GET") && !allow.contains("TRACE")));
    }
    assert_eq!(origin.count(), 0);
}

/// RFC 9112 sections 2.2, 3.2 and 5; RFC 9110 sections 4.2.4 and 7.6.1: what is ambiguous is refused.
#[tokio::test]
async fn x011_ambiguous_requests_get_400() {
    let (_clock, origin, gateway) = proxy().await;
    let url = origin.url("/x");
    let proxy_authorization = format!("proxy-authorization: {}", basic("alice", "alice-secret"));
    let (known, host) = (proxy_authorization.as_str(), "host: a.test");
    let userinfo = url.replace("http://", "http://user:pass@");
    let mut table: Vec<(&str, String)> = vec![
        ("x011 no Host", get(&url, &[known])),
        ("x011 two Hosts", get(&url, &[host, host, known])),
        ("x011 two different Hosts", get(&url, &[host, "host: b.test", known])),
        ("x011 a list of Hosts", get(&url, &["host: a.test, b.test", known])),
        ("x011 a Host with userinfo", get(&url, &["host: u@a.test", known])),
        ("x011 a Host with a path", get(&url, &["host: a.test/x", known])),
        ("t42 two Authorizations", get(&url, &[host, known, "authorization: a", "authorization: b"])),
        ("t42 two equal Authorizations", get(&url, &[host, known, "authorization: a", "authorization: a"])),
        ("t42 two Proxy-Authorizations", get(&url, &[host, known, known])),
        ("x014 obs-fold", get(&url, &[host, known, "x: a\r\n b"])),
        ("x014 obs-fold in credentials", get(&url, &[host, known, "authorization: a\r\n b"])),
        ("x013 white space before the colon", get(&url, &[host, known, "x : a"])),
        ("x017 a bare CR in a value", get(&url, &[host, known, "x: a\rb: c"])),
        ("a NUL in a value", get(&url, &[host, known, "x: a\0b"])),
        ("userinfo in the target", get(&userinfo, &[host, known])),
        ("an invalid port", get("http://a.test:99999/", &[host, known])),
        ("port 0", get("http://a.test:0/", &[host, known])),
        ("another scheme", get("ftp://a.test/", &[host, known])),
        ("origin-form to a proxy", get("/x", &[host, known])),
        ("an address in an odd spelling", get("http://0x7f.1/", &[host, known])),
        ("an address as one number", get("http://2130706433/", &[host, known])),
        ("n120 CONNECT without a port", format!("CONNECT a.test HTTP/1.1\r\n{host}\r\n{known}\r\n\r\n")),
        ("n120 CONNECT with an empty port", format!("CONNECT a.test: HTTP/1.1\r\n{host}\r\n{known}\r\n\r\n")),
        ("n120 CONNECT with an invalid port", format!("CONNECT a.test:x HTTP/1.1\r\n{host}\r\n{known}\r\n\r\n")),
        (
            "x016 two lengths",
            format!("POST {url} HTTP/1.1\r\n{host}\r\n{known}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na"),
        ),
        ("x016 a length with a sign", format!("POST {url} HTTP/1.1\r\n{host}\r\n{known}\r\ncontent-length: +1\r\n\r\na")),
        ("x015 an unknown coding", format!("POST {url} HTTP/1.1\r\n{host}\r\n{known}\r\ntransfer-encoding: xchunked\r\n\r\na")),
    ];
    let nominated = [
        "Authorization",
        "authorization",
        "Cookie",
        "Host",
        "Cache-Control",
        "If-None-Match",
        "X-Forwarded-For",
        "Proxy-Authorization",
        "Range",
        "Vary",
        "Via",
        "Content-Length",
        "Expect",
    ];
    let lines: Vec<String> = nominated.iter().map(|name| format!("connection: close, {name}")).collect();
    table.extend(lines.iter().map(|line| ("t34 a protected field nominated", get(&url, &[host, known, line]))));
    let mut cases = Cases::new();
    for (id, request) in table {
        let answer = gateway.anonymous().raw(&request).await;
        cases.expect(&format!("{id}: {}", request.lines().last().unwrap_or_default()), answer.status, 400);
    }
    cases.finish(40);
    assert_eq!(origin.count(), 0);
}

/// RFC 9112 section 3.2.2: the absolute-form wins, and the origin hears its authority.
#[tokio::test]
async fn x012_the_absolute_form_wins_over_host() {
    let (_clock, origin, gateway) = proxy().await;
    let answer = gateway.client("alice").host("elsewhere.test").request("GET", &origin.url("/x")).send().await;
    assert_eq!((answer.status, origin.last().field("host")), (200, Some(origin.address().to_string().as_str())));
    assert_eq!(origin.last().target, "/x");
}

/// The destination guard: loopback is not the public internet, whatever its name.
#[tokio::test]
async fn d26_destinations_outside_the_internet_are_refused_unless_listed() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::forward(&clock).origin(&origin).set("forward", "allow_networks = []").start().await;
    let port = origin.address().port();
    let mut cases = Cases::new();
    for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.9.9.9", "10.0.0.1", "169.254.169.254"] {
        let client = gateway.client("alice");
        let plain = client.request("GET", &format!("http://{host}:{port}/")).send().await;
        cases.expect(host, (plain.status, plain.proxy_error()), (403, Some("destination_ip_prohibited")));
        let tunnel = client.connect(&format!("{host}:{port}")).await.err().map(|answer| answer.status);
        cases.expect(host, tunnel, Some(403));
    }
    cases.finish(16);
    assert_eq!(origin.connections(), 0);
    gateway.metric_is("vouchsafe_access_denied_total", &[("rule", "destination")], 16.0).await;

    let listed = Gateway::forward(&clock).origin(&origin).start().await;
    assert_eq!(listed.client("alice").get("/x").await.status, 200);
    assert_eq!(listed.client("alice").request("GET", &format!("http://localhost:{port}/")).send().await.status, 200);
}

/// A free port of loopback, known before a gateway is configured for it.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket").port()
}

/// Our own listeners are never targets, whatever is configured.
#[tokio::test]
async fn d26_the_gateway_never_connects_to_itself() {
    let clock = test_clock();
    let (front, admin) = (free_port(), free_port());
    let text = format!(
        "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:{front}\"\nmode = \"forward\"\nauth = \"none\"\n\
         [admin]\naddress = \"127.0.0.1:{admin}\"\n[log]\naccess = \"off\"\n\
         [forward]\nallow_ports = [{front}, {admin}]\nconnect_ports = [{front}, {admin}]\nallow_networks = [\"0.0.0.0/0\", \"::/0\"]\n"
    );
    let gateway = Gateway::toml(text, &clock).start().await;
    let client = Client::to(gateway.address());
    for port in [front, admin] {
        for host in ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"] {
            let plain = client.request("GET", &format!("http://{host}:{port}/metrics")).send().await;
            assert_eq!(plain.status, 403, "{host}:{port}");
            let tunnel = client.connect(&format!("{host}:{port}")).await.err().map(|answer| answer.status);
            assert_eq!(tunnel, Some(403), "{host}:{port}");
        }
    }
}

/// RFC 9110 section 7.6.3: both ways; a request that was here before goes no further (section 7.6).
#[tokio::test]
async fn x001_via_names_this_hop_both_ways_and_betrays_a_loop() {
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
