//! To the origin and back: routes, balance, TLS, message forms, and what changes on a message at this hop.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::collections::HashMap;
use std::sync::Mutex;

use support::authority::Authority;
use support::cases::Cases;
use support::{Client, Gateway, Origin, raw, reply, test_clock};

async fn named(name: &'static str) -> Origin {
    Origin::serving(move |_| reply(200).body(name)).await
}

fn upstream(name: &str, origin: &Origin) -> String {
    format!("[[upstream]]\nname = \"{name}\"\nservers = [\"{}\"]\n", origin.url(""))
}

fn route(host: &str, path: &str, upstream: &str) -> String {
    format!("[[route]]\nhost = \"{host}\"\npath = \"{path}\"\nupstream = \"{upstream}\"\n")
}

/// The most specific host wins, then the longest path.
#[tokio::test]
async fn the_most_specific_route_wins() {
    let clock = test_clock();
    let (rest, exact, wild, deep) = (named("rest").await, named("exact").await, named("wild").await, named("deep").await);
    let tables = [
        upstream("exact", &exact),
        upstream("wild", &wild),
        upstream("deep", &deep),
        route("*.test", "/*", "wild"),
        route("api.test", "/v1/*", "exact"),
        route("api.test", "/v1/deep/*", "deep"),
    ];
    let gateway = Gateway::reverse(&rest, &clock).append(&tables.concat()).start().await;
    let mut cases = Cases::new();
    for (host, path, expected) in [
        ("api.test", "/v1/x", "exact"),
        ("API.test:80", "/v1/x", "exact"),
        ("api.test", "/v1/deep/x", "deep"),
        ("api.test", "/v2", "wild"),
        ("www.test", "/v1/x", "wild"),
        ("a.b.test", "/", "wild"),
        ("test", "/", "rest"),
        ("other.example", "/v1/x", "rest"),
        ("127.0.0.1", "/", "rest"),
    ] {
        let answer = gateway.anonymous().host(host).get(path).await;
        cases.expect(&format!("{host}{path}"), answer.text().as_str(), expected);
    }
    cases.finish(9);
}

/// No route: 404 of our own, and nobody is asked.
#[tokio::test]
async fn x009_a_request_without_a_route_gets_404_and_no_421() {
    let clock = test_clock();
    let origin = named("a").await;
    let tables = upstream("only", &origin) + &route("only.test", "/x/*", "only");
    let text = format!(
        "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"gateway\"\nauth = \"none\"\n[log]\naccess = \"off\"\n{tables}"
    );
    let gateway = Gateway::toml(text, &clock).start().await;
    let client = Client::to(gateway.address());
    assert_eq!(client.clone().host("only.test").get("/x/1").await.text(), "a");
    for (host, path) in [("only.test", "/y"), ("other.test", "/x/1")] {
        let answer = client.clone().host(host).get(path).await;
        assert_eq!((answer.status, answer.field("content-type")), (404, Some("application/problem+json")), "{host}{path}");
        assert!(answer.proxy_error().is_some() && !answer.text().contains("only"));
    }
    assert_eq!(origin.count(), 1);
}

/// Servers take turns; only a failed connect speaks against one, and the last one left is always tried.
#[tokio::test]
async fn servers_take_turns_and_dead_ones_are_skipped() {
    let clock = test_clock();
    let (one, two) = (named("one").await, named("two").await);
    let gateway = Gateway::reverse(&one, &clock).origin(&two).start().await;
    let client = gateway.anonymous();
    for _ in 0..6 {
        client.request("POST", "/x").body("a").send().await;
    }
    assert_eq!((one.count(), two.count()), (3, 3));
    one.stop().await;
    for _ in 0..6 {
        assert_eq!(client.request("POST", "/x").body("a").send().await.text(), "two");
    }
    two.stop().await;
    assert_eq!(client.get("/x").await.status, 502);
    one.resume().await;
    assert_eq!(client.get("/x").await.text(), "one", "the last one left is tried again at once");
}

/// An origin's errors are answers, not reasons to ask another server.
#[tokio::test]
async fn x005_an_answer_of_500_is_relayed_and_never_retried() {
    let clock = test_clock();
    let (one, two) = (Origin::serving(|_| reply(500)).await, named("two").await);
    let gateway = Gateway::reverse(&one, &clock).origin(&two).start().await;
    let statuses = [gateway.anonymous().get("/1").await.status, gateway.anonymous().get("/2").await.status];
    assert_eq!((statuses, one.count(), two.count()), ([500, 200], 1, 1));
}

/// RFC 9110 section 9.2.2: a request that is not idempotent is sent once, whatever happens to it.
#[tokio::test]
async fn x005_post_is_not_sent_twice_and_get_survives_a_dead_connection() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/dies" => raw("").close(),
        _ => reply(200).body("a"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/warm").await;
    let dead = client.request("POST", "/dies").body("a").send().await;
    assert_eq!((dead.status, origin.count()), (502, 2));
    client.get("/warm").await;
    origin.stop().await;
    origin.resume().await;
    assert_eq!(client.get("/again").await.status, 200, "the idle connection was closed by the origin");
}

/// RFC 9110 section 4.3.4: https upstreams are verified against the given bundle.
#[tokio::test]
async fn https_upstreams_are_verified() {
    let clock = test_clock();
    let origin = Origin::tls_serving(|_| reply(200).body("secure")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    assert_eq!(gateway.anonymous().get("/x").await.text(), "secure");

    let stranger = Authority::new();
    for ca_file in [String::new(), format!("ca_file = \"{}\"\n", stranger.ca_file().display())] {
        let tables = upstream("strict", &origin) + &ca_file + &route("strict.test", "/*", "strict");
        let gateway = Gateway::reverse(&named("rest").await, &clock).append(&tables).start().await;
        let answer = gateway.anonymous().host("strict.test").get("/x").await;
        let error = answer.proxy_error().unwrap_or_default().to_owned();
        assert!(answer.status == 502 && error.starts_with("tls_"), "{} {error}", answer.status);
    }
    assert_eq!(origin.count(), 1, "nothing is sent to a server that was not verified");
}

/// A forward proxy fetches https targets itself when asked to, and verifies them too.
#[tokio::test]
async fn https_targets_of_a_forward_proxy_are_verified() {
    let clock = test_clock();
    let origin = Origin::tls_serving(|_| reply(200).field("cache-control", "max-age=9").body("secure")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    assert_eq!(gateway.client("alice").get("/x").await.text(), "secure");
    assert!(gateway.client("bob").get("/x").await.hit());
    let stranger = Authority::new();
    let ca_file = format!("ca_file = \"{}\"", stranger.ca_file().display());
    let gateway = Gateway::forward(&clock).origin(&origin).set("forward", &ca_file).start().await;
    assert_eq!(gateway.client("alice").get("/x").await.status, 502);
}

/// TLS towards the client: origin-form then means https.
#[tokio::test]
async fn a_tls_listener_serves_and_says_https() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).tls().start().await;
    assert_eq!(gateway.anonymous().get("/x").await.text(), "a");
    assert_eq!(origin.last().field("x-forwarded-proto"), Some("https"));
}

/// RFC 9112 section 3.2: absolute-form is accepted everywhere; path and query go on as they came (RFC 9110 section 7.7).
#[tokio::test]
async fn x004_the_target_goes_on_as_it_came() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for target in ["/a%2Fb/../c;d?x=%20&&y", "/?", "/%7e~", "//double", "/x?a=http://b/"] {
        gateway.anonymous().get(target).await;
        assert_eq!((origin.last().target.as_str(), origin.last().field("host")), (target, Some("app.test")));
    }
    gateway.anonymous().host("ignored.test").get("http://other.test/x").await;
    assert_eq!((origin.last().target.as_str(), origin.last().field("host")), ("/x", Some("other.test")));
    gateway.anonymous().request("OPTIONS", "*").send().await;
    assert_eq!(origin.last().target, "*");
}

/// RFC 9112 section 7: content goes on as it is framed, and ends where it ended.
#[tokio::test]
async fn request_content_streams_through_in_either_framing() {
    let clock = test_clock();
    let origin = Origin::serving(|request| reply(200).body(&request.body)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    assert_eq!(client.request("POST", "/x").chunked(["ab", "cde"]).send().await.text(), "abcde");
    assert_eq!(client.request("PUT", "/x").body("fgh").send().await.text(), "fgh");
    assert_eq!(origin.last().field("content-length"), Some("3"));
    let large = vec![b'x'; 3 << 20];
    assert_eq!(client.request("POST", "/x").body(&large).send().await.body.len(), large.len());
    let get = client.request("GET", "/x").body("content of a GET").send().await;
    assert_eq!((get.text().as_str(), get.stored()), ("content of a GET", false));
}

/// RFC 9112 section 7.1: a broken request is never completed on its way.
#[tokio::test]
async fn t59_a_bad_chunk_aborts_the_request_upstream() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("taken for complete")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let head = "POST /x HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n";
    for bad in ["3\r\nabc\r\nZZ\r\n", "3\r\nabcdef\r\n0\r\n\r\n", "-1\r\n\r\n"] {
        let answer = gateway.anonymous().raw(format!("{head}{bad}")).await;
        assert!(answer.status == 400 || answer.status == 0, "{bad:?}: {}", answer.status);
    }
    let mut wire = gateway.anonymous().open().await;
    wire.send("POST /x HTTP/1.1\r\nhost: app.test\r\ncontent-length: 10\r\n\r\nabc").await;
    drop(wire);
    assert_eq!(gateway.anonymous().get("/y").await.text(), "taken for complete");
    assert!(origin.requests().iter().all(|request| request.method == "GET" || !request.complete), "{:?}", origin.requests());
}

/// RFC 9110 section 6.2, RFC 9112 section 9.3: an HTTP/1.0 client gets what it understands.
#[tokio::test]
async fn http_1_0_clients_get_content_without_chunks() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/chunks" => reply(200).chunked(["ab", "cd"]),
        _ => reply(200).body("abcd"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for path in ["/chunks", "/length"] {
        let answer = gateway.anonymous().request("GET", path).http10().send().await;
        assert_eq!((answer.status, answer.text().as_str(), answer.field("transfer-encoding")), (200, "abcd", None), "{path}");
        assert_eq!(origin.last().version, "HTTP/1.1");
        assert!(origin.last().field("via").is_some_and(|via| via.starts_with("1.0 ")), "{:?}", origin.last().fields);
    }
    let chunked = "POST /x HTTP/1.0\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    assert_eq!(gateway.anonymous().raw(chunked).await.status, 400);
}

/// RFC 9110 section 7.6.1.
#[tokio::test]
async fn n118_connection_and_what_it_nominates_ends_here_both_ways() {
    let clock = test_clock();
    let hops =
        [("keep-alive", "x"), ("proxy-connection", "x"), ("te", "gzip"), ("upgrade", "x"), ("x-hop", "1"), ("x-stays", "1")];
    let script =
        hops.iter().filter(|(name, _)| *name != "upgrade").fold(reply(200), |answer, (name, value)| answer.field(name, value));
    let origin = Origin::script([script.field("connection", "X-Hop").field("connection", "close")]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = hops.iter().fold(gateway.anonymous(), |client, (name, value)| client.with(name, value));
    let answer = client.with("connection", "X-Hop, TE, upgrade").get("/x").await;
    let (seen, kept) = (origin.last(), |name: &str| name == "x-stays");
    for (name, _) in hops {
        assert_eq!((seen.field(name).is_some(), answer.field(name).is_some()), (kept(name), kept(name)), "{name}");
    }
    assert!(!seen.fields_named("connection").iter().any(|value| value.to_ascii_lowercase().contains("x-hop")));
}

/// RFC 9110 sections 11.6.1 to 11.6.3: an origin's authentication passes unmodified, Digest too (RFC 7616 section 3.6); a
/// proxy's does not pass (RFC 9110 section 11.7, RFC 7615 section 4).
#[tokio::test]
async fn n024_n028_n147_n153_n154_authentication_of_the_origin_passes_and_a_proxys_does_not() {
    let clock = test_clock();
    let lines = ["Basic realm=\"a\",Digest  realm=\"b\" , nonce=\"c\"", "Negotiate", "Odd"];
    let script = lines.iter().fold(reply(401), |answer, line| answer.field("www-authenticate", line));
    let info = "nextnonce=\"a\",  rspauth=\"b\"";
    let origin = Origin::script([
        script.field("proxy-authenticate", "Basic realm=\"p\""),
        reply(200)
            .field("authentication-info", info)
            .field("proxy-authentication-info", "a=b")
            .field("cache-control", "public, max-age=9"),
        reply(407).field("proxy-authenticate", "Basic realm=\"p\""),
    ])
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let credentials = "Digest  username=\"a\",nc=00000001 , uri=\"/x\"";
    let client = gateway.anonymous().authorization(credentials);
    let refused = client.get("/x").await;
    assert_eq!(origin.last().field("authorization"), Some(credentials));
    assert_eq!((refused.status, refused.fields_named("www-authenticate")), (401, lines.to_vec()));
    assert_eq!((refused.field("proxy-authenticate"), refused.stored()), (None, false));
    let admitted = client.get("/x").await;
    assert_eq!((admitted.field("authentication-info"), admitted.field("proxy-authentication-info")), (Some(info), None));
    assert_eq!((client.get("/x").await.hit(), client.get("/x").await.field("authentication-info")), (true, None), "t36");
    let other = gateway.anonymous().get("/y").await;
    assert_eq!((other.status, other.field("proxy-authenticate"), other.proxy_error().is_some()), (502, None, true), "n011");
}

/// RFC 9110 section 15: what a status code means is between origin and client.
#[tokio::test]
async fn odd_status_codes_are_passed_on_and_not_stored() {
    let clock = test_clock();
    for status in [299, 499, 599, 999] {
        let answer = reply(status).field("etag", "\"a\"").body("odd");
        let origin = Origin::serving(move |_| answer.clone()).await;
        let gateway = Gateway::reverse(&origin, &clock).start().await;
        for _ in 0..2 {
            let answer = gateway.anonymous().get("/x").await;
            assert_eq!((answer.status, answer.text().as_str(), answer.hit()), (status, "odd", false));
        }
    }
}

/// RFC 9112 section 6.3: no content where a status has none.
#[tokio::test]
async fn t58_answers_without_content_end_with_their_head() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/204" => raw("HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello").close(),
        "/304" => raw("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: \"a\"\r\n\r\nhello").close(),
        "/length" => raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"),
        _ => reply(200).body("next"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous().with("if-none-match", "\"a\"");
    for (path, status, text) in [("/204", 204, ""), ("/304", 304, ""), ("/length", 200, "ab")] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{path}");
        assert_eq!(gateway.anonymous().get("/next").await.text(), "next", "after {path}");
    }
}

/// RFC 9111 section 5.2: directives pass, understood or not.
#[tokio::test]
async fn n098_cache_directives_pass_through_both_ways() {
    let clock = test_clock();
    let value = "max-age=9, X-Odd=\"a, b\",  public";
    let origin = Origin::script([reply(200).field("cache-control", value)]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let answer = gateway.anonymous().with("cache-control", "max-age=1, x-odd").get("/x").await;
    assert_eq!((answer.field("cache-control"), origin.last().field("cache-control")), (Some(value), Some("max-age=1, x-odd")));
}

/// RFC 9112 section 9.3.2: pipelined requests are answered in order.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let clock = test_clock();
    let origin = Origin::serving(|request| reply(200).body(&request.target)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wire = gateway.anonymous().open().await;
    let requests: String = (0..5).map(|number| format!("GET /{number} HTTP/1.1\r\nhost: app.test\r\n\r\n")).collect();
    wire.send(requests).await;
    for number in 0..5 {
        assert_eq!(wire.answer("GET").await.text(), format!("/{number}"));
    }
}

/// RFC 4559 section 6: what authenticates a connection belongs to one client connection, and ends with it.
#[tokio::test]
async fn t37_a_connection_that_authenticates_belongs_to_one_client_connection() {
    let clock = test_clock();
    // Says for whom it takes each connection, as NTLM servers do: by the last credentials that came over it.
    let known: Mutex<HashMap<usize, String>> = Mutex::default();
    let origin = Origin::serving(move |request| {
        let mut known = known.lock().unwrap();
        match request.field("authorization") {
            Some("NTLM one") => return reply(401).field("www-authenticate", "NTLM two").body(""),
            Some(proof) => drop(known.insert(request.connection_number, proof.to_owned())),
            None => {}
        }
        let who = known.get(&request.connection_number).cloned().unwrap_or_else(|| "nobody".to_owned());
        reply(200).field("cache-control", "max-age=60").field("etag", "\"v1\"").body(who)
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wires = [gateway.anonymous().open().await, gateway.anonymous().open().await];
    for (wire, proof) in wires.iter_mut().zip(["NTLM alice", "NTLM bob"]) {
        for (credentials, status) in [("NTLM one", 401), (proof, 200)] {
            wire.send(format!("GET /x HTTP/1.1\r\nHost: app.test\r\nAuthorization: {credentials}\r\n\r\n")).await;
            assert_eq!(wire.answer("GET").await.status, status, "{proof}");
        }
    }
    let anonymous = gateway.anonymous().get("/y").await;
    assert_eq!(anonymous.text(), "nobody");
    for round in 0..2 {
        for (wire, proof) in wires.iter_mut().zip(["NTLM alice", "NTLM bob"]) {
            let path = ["/x", "/z"][round];
            wire.send(format!("GET {path} HTTP/1.1\r\nHost: app.test\r\n\r\n")).await;
            let answer = wire.answer("GET").await;
            assert_eq!((answer.status, answer.text().as_str()), (200, proof), "the origin knows it from the connection");
            assert!(!answer.stored(), "what was made for one whom a connection names is a credentialed response");
        }
    }
    for path in ["/x", "/z"] {
        assert_eq!(gateway.anonymous().get(path).await.text(), "nobody");
    }
    let before = origin.connections();
    drop(wires);
    gateway.anonymous().get("/fresh").await;
    assert_eq!(gateway.anonymous().get("/fresh?2").await.text(), "nobody");
    assert_eq!(origin.connections(), before, "requests of others stay on connections of their own");
}
