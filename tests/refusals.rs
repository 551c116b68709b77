//! Requests that go nowhere: without right, ambiguous, to forbidden destinations.

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
use support::{Client, Gateway, Origin, reply, test_clock};
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
async fn x011_x013_x014_x017_ambiguous_requests_get_400() {
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

/// A gateway and its two ports, which its own configuration lets requests go to.
async fn allowing_itself() -> (Gateway, [u16; 2]) {
    loop {
        // Known before the gateway is configured; both are taken until both are known.
        let free = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
        let ports = free.map(|listener| listener.local_addr().expect("a bound socket").port());
        let [front, admin] = ports;
        let text = format!(
            "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:{front}\"\nmode = \"forward\"\nauth = \"none\"\n\
             [admin]\naddress = \"127.0.0.1:{admin}\"\n[log]\naccess = \"off\"\n[forward]\nallow_ports = [{front}, {admin}]\n\
             connect_ports = [{front}, {admin}]\nallow_networks = [\"0.0.0.0/0\", \"::/0\"]\n"
        );
        match Gateway::toml(text, &test_clock()).try_start().await {
            Ok(gateway) => return (gateway, ports),
            // Another test was given one in between.
            Err(error) => assert!(error.contains("in use"), "{error}"),
        }
    }
}

/// Our own listeners are never targets, whatever is configured.
#[tokio::test]
async fn d26_the_gateway_never_connects_to_itself() {
    let (gateway, ports) = allowing_itself().await;
    let client = Client::to(gateway.address());
    for port in ports {
        for host in ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"] {
            let plain = client.request("GET", &format!("http://{host}:{port}/metrics")).send().await;
            assert_eq!(plain.status, 403, "{host}:{port}");
            let tunnel = client.connect(&format!("{host}:{port}")).await.err().map(|answer| answer.status);
            assert_eq!(tunnel, Some(403), "{host}:{port}");
        }
    }
}

/// RFC 9211 section 2, RFC 9209 section 2.3: a refusal comes out of no cache, says of what kind it is, and names nothing of
/// what is configured here.
#[tokio::test]
async fn x022_x025_a_refusal_tells_its_kind_and_nothing_of_the_inside() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "public, max-age=60").body("a")).await;
    let rules =
        "[[access]]\nname = \"inner-rule\"\nallow = false\nusers = [\"carol\"]\n[[access]]\nname = \"rest\"\nallow = true\n";
    let gateway = Gateway::forward(&clock).origin(&origin).append(rules).start().await;
    assert!(gateway.client("alice").get("/x").await.field("cache-status").is_some());
    for (client, method, status, kind) in [
        (gateway.client("carol"), "GET", 403, Some("http_request_denied")),
        (gateway.anonymous(), "GET", 407, None),
        (gateway.client("alice"), "TRACE", 405, Some("http_request_error")),
    ] {
        let answer = client.request(method, "/x").send().await;
        assert_eq!(
            (answer.status, answer.field("cache-status"), answer.proxy_error()),
            (status, None, kind),
            "{:?}",
            answer.fields
        );
        let all = format!("{:?} {}", answer.fields, answer.text());
        assert!(!all.contains("inner-rule") && !all.contains("edge"), "{all}");
    }
}
