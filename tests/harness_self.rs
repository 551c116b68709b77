//! The harness itself: origin, wire, client and barriers, talking to each other without a gateway.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::cases::Cases;
use support::client::basic;
use support::digest::{Challenge, hash};
use support::observe::sum_of;
use support::toml::{USERS, password_of, write_users};
use support::wire::{Fields, Wire};
use support::{Answer, Client, Gate, Gateway, Origin, http_date, raw, reply, secs, test_clock};

fn client(origin: &Origin) -> Client {
    Client::to(origin.address())
}

#[tokio::test]
async fn replies_come_in_order_and_requests_are_remembered() {
    let origin = Origin::script([reply(200).field("x", "1").field("x", "2").body("a"), reply(404)]).await;
    let client = client(&origin);
    let first = client.request("POST", "/x?q").field("Accept", "text/plain").body("content").send().await;
    let second = client.get("/y").await;
    let third = client.get("/z").await;

    assert_eq!((first.status, first.text().as_str(), first.complete), (200, "a", true));
    assert_eq!(first.fields_named("X"), ["1", "2"]);
    assert_eq!((second.status, second.field("content-length")), (404, Some("0")));
    assert_eq!(third.status, 599, "the script is exhausted");
    let seen = origin.take();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str(), seen[0].version.as_str()), ("POST", "/x?q", "HTTP/1.1"));
    assert_eq!((seen[0].field("accept"), seen[0].text().as_str(), seen[0].complete), (Some("text/plain"), "content", true));
    assert_eq!(seen[0].fields_named("host"), [origin.address().to_string()]);
    assert!(seen.iter().all(|request| request.connection_number == 1), "the connection is kept");
    assert_eq!((seen.len(), origin.count(), origin.connections()), (3, 0, 1));
}

#[tokio::test]
async fn a_closure_decides_by_the_request() {
    let origin = Origin::serving(|request| reply(200).body(request.field("authorization").unwrap_or("nobody"))).await;
    let alice = client(&origin).authorization("Bearer alice");
    assert_eq!(alice.get("/").await.text(), "Bearer alice");
    assert_eq!(alice.request("GET", "/").field("authorization", "Bearer bob").send().await.text(), "Bearer bob");
    assert_eq!(alice.without("Authorization").get("/").await.text(), "nobody");
}

#[tokio::test]
async fn a_gate_holds_the_head_until_it_is_opened() {
    let gate = Gate::new();
    let origin = Origin::script([reply(200).gate(&gate).body("slow"), reply(200).body("fast")]).await;
    let client = client(&origin);
    let (slow, fast) = tokio::join!(client.get("/slow"), async {
        gate.wait_reached().await;
        let fast = client.get("/fast").await;
        gate.open();
        fast
    });
    assert_eq!((slow.text().as_str(), fast.text().as_str()), ("slow", "fast"));
    assert_eq!((gate.reached(), origin.connections()), (1, 2));
}

#[tokio::test]
async fn a_body_gate_holds_the_pieces_after_the_first() {
    for answer in [reply(200).body("abcd"), reply(200).body_pieces(["ab", "cd"]), reply(200).chunked(["ab", "cd"])] {
        let gate = Gate::new();
        let origin = Origin::script([answer.body_gate(&gate)]).await;
        let mut incoming = client(&origin).request("GET", "/").begin().await;
        assert_eq!(incoming.body_of(2).await, b"ab");
        gate.wait_reached().await;
        gate.open();
        let answer = incoming.finish().await;
        assert_eq!((answer.text().as_str(), answer.complete), ("abcd", true));
    }
}

#[tokio::test]
async fn chunks_and_trailers_go_both_ways() {
    let origin = Origin::script([reply(200).chunked(["ab", "cde"]).trailer("x-sum", "5")]).await;
    let answer = client(&origin).request("PUT", "/").chunked(["1", "23"]).send().await;
    assert_eq!((answer.text().as_str(), answer.complete), ("abcde", true));
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "5".to_owned())]);
    assert_eq!((origin.last().text().as_str(), origin.last().complete), ("123", true));
}

#[tokio::test]
async fn truncated_content_is_seen_as_incomplete() {
    for answer in [reply(200).body("abcdef"), reply(200).chunked(["abcdef"]), reply(200).chunked(["abc", "def"])] {
        let origin = Origin::script([answer.truncate_after(3), reply(200)]).await;
        let client = client(&origin);
        let answer = client.get("/").await;
        assert_eq!((answer.text().as_str(), answer.complete), ("abc", false));
        assert_eq!(client.get("/").await.status, 200, "over another connection");
        assert_eq!(origin.connections(), 2);
    }
}

#[tokio::test]
async fn content_until_close_and_raw_bytes_are_framed_as_sent() {
    let bad_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz\r\n";
    let script = [reply(200).body("to the end").no_length(), raw(bad_chunk).close(), raw("").close(), raw("garbage").close()];
    let origin = Origin::script(script).await;
    let client = client(&origin);
    let answers = [client.get("/").await, client.get("/").await, client.get("/").await, client.get("/").await];
    let seen = answers.each_ref().map(|answer| (answer.status, answer.text(), answer.complete));
    let expected = [(200, "to the end", true), (200, "ab", false), (0, "", false), (0, "", false)];
    assert_eq!(seen.each_ref().map(|(status, text, complete)| (*status, text.as_str(), *complete)), expected);
}

#[tokio::test]
async fn answers_without_content_end_with_their_head() {
    let origin =
        Origin::script([reply(200).body("abc"), reply(304).field("etag", "\"a\""), reply(204), reply(200).body("z")]).await;
    let client = client(&origin);
    let head = client.head("/").await;
    assert_eq!((head.field("content-length"), head.body.len(), head.complete), (Some("3"), 0, true));
    assert_eq!(client.get("/").await.status, 304);
    assert_eq!(client.get("/").await.status, 204);
    assert_eq!(client.get("/").await.text(), "z");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn interim_answers_come_before_the_final_one() {
    let origin = Origin::script([reply(200).interim(103, &[("link", "</a>")]).body("a")]).await;
    let answer = client(&origin).request("POST", "/").body("content").expect_continue().send().await;
    let statuses: Vec<u16> = answer.interim.iter().map(|(status, _)| *status).collect();
    assert_eq!((statuses.as_slice(), answer.status), ([100, 103].as_slice(), 200));
    assert_eq!(origin.last().text(), "content");
}

#[tokio::test]
async fn a_request_that_breaks_off_is_recorded_as_incomplete() {
    let origin = Origin::script([]).await;
    let mut wire = client(&origin).open().await;
    wire.send("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").await;
    drop(wire);
    origin.wait_for(1).await;
    assert_eq!((origin.last().text().as_str(), origin.last().complete), ("abc", false));
}

#[tokio::test]
async fn answers_are_dated_by_the_clock_of_the_test() {
    let clock = test_clock();
    let origin = Origin::script([reply(200), reply(200), reply(200).no_date(), reply(200).date(clock.now() - secs(9))]).await;
    origin.dated_by(&clock);
    let client = client(&origin);
    assert_eq!(client.get("/").await.field("date"), Some("Wed, 01 May 2030 10:00:00 GMT"));
    clock.advance(secs(61));
    assert_eq!(client.get("/").await.field("date"), Some(http_date(clock.now()).as_str()));
    assert_eq!(client.get("/").await.field("date"), None);
    assert_eq!(client.get("/").await.field("date"), Some("Wed, 01 May 2030 09:59:51 GMT"));
}

#[tokio::test]
async fn a_stopped_origin_refuses_and_a_resumed_one_answers() {
    let origin = Origin::serving(|_| reply(200)).await;
    assert_eq!(client(&origin).get("/").await.status, 200);
    origin.stop().await;
    let refused = tokio::net::TcpStream::connect(origin.address()).await.map(drop);
    assert_eq!(refused.map_err(|error| error.kind()), Err(std::io::ErrorKind::ConnectionRefused));
    origin.resume().await;
    assert_eq!(client(&origin).get("/").await.status, 200);
}

/// Another test that asks for a free port must never be given one that an origin means to come back to.
#[tokio::test]
async fn the_port_of_an_origin_is_never_free() {
    let origin = Origin::serving(|_| reply(200)).await;
    let (address, done) = (origin.address(), Arc::new(AtomicBool::new(false)));
    let over = Arc::clone(&done);
    let intruder = std::thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            if std::net::TcpListener::bind(address).is_ok() {
                return true;
            }
        }
        false
    });
    for _ in 0..200 {
        origin.stop().await;
        origin.resume().await;
    }
    done.store(true, Ordering::Relaxed);
    assert!(!intruder.join().expect("the other thread"), "the port was given to somebody else");
}

#[tokio::test]
async fn tls_is_trusted_through_the_authority_of_the_origin() {
    let origin = Origin::tls_script([reply(200).body("secret")]).await;
    assert_eq!(client(&origin).tls(origin.ca_file()).get("/").await.text(), "secret");
    assert!(origin.url("/x").starts_with("https://127.0.0.1:"));
}

#[tokio::test]
async fn a_client_of_a_forward_proxy_sends_the_absolute_form() {
    let proxy = Origin::serving(|_| reply(200)).await;
    let client = client(&proxy).absolute("http", "origin.test:81").proxy_user("alice");
    client.get("/x").await;
    let seen = proxy.last();
    assert_eq!((seen.target.as_str(), seen.fields_named("host")), ("http://origin.test:81/x", vec!["origin.test:81"]));
    assert_eq!(seen.field("proxy-authorization"), Some(basic("alice", "alice-secret").as_str()));
}

#[tokio::test]
async fn connect_gives_a_tunnel_or_the_refusal() {
    let proxy = Origin::script([raw("HTTP/1.1 200 OK\r\n\r\nhello"), reply(403).body("no")]).await;
    let mut tunnel = client(&proxy).connect("origin.test:443").await.expect("a tunnel");
    assert_eq!(tunnel.bytes(5).await, b"hello");
    let refusal = client(&proxy).connect("origin.test:444").await.err().expect("a refusal");
    assert_eq!((refusal.status, refusal.text().as_str()), (403, "no"));
    assert_eq!((proxy.last().target.as_str(), proxy.last().field("host")), ("origin.test:444", Some("origin.test:444")));
}

#[tokio::test]
async fn one_connection_carries_pipelined_requests() {
    let origin = Origin::script([reply(200).body("1"), reply(200).body("2")]).await;
    let mut wire: Wire = client(&origin).open().await;
    wire.send("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!((wire.answer("GET").await.text(), wire.answer("GET").await.text()), ("1".to_owned(), "2".to_owned()));
}

fn answer_with(lines: &[(&str, &str)]) -> Answer {
    let fields: Fields = lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer { status: 407, fields, ..Answer::default() }
}

/// RFC 9211 section 2: a list; ours is the member of our name, the last one if there are several.
#[test]
fn cache_status_is_read_from_the_member_of_the_gateway() {
    let answer = answer_with(&[
        ("Cache-Status", r#"other; hit; detail="a, b; c""#),
        ("Cache-Status", "vouchsafe; fwd=stale; fwd-status=304; collapsed; stored; ttl=-3; detail=validated, last; hit"),
    ]);
    assert_eq!(answer.cache_status(), "fwd=stale; fwd-status=304; collapsed; stored; ttl=-3; detail=validated");
    assert_eq!(answer.decision(), "fwd=stale; collapsed; stored");
    assert_eq!((answer.hit(), answer.fwd(), answer.fwd_status(), answer.ttl()), (false, Some("stale"), Some("304"), Some(-3)));
    assert_eq!((answer.stored(), answer.collapsed(), answer.detail()), (true, true, Some("validated")));
    assert_eq!(answer_with(&[("cache-status", "vouchsafe; hit; ttl=30")]).decision(), "hit");
    assert_eq!(answer_with(&[]).cache_status(), "");
    assert_eq!(answer_with(&[("proxy-status", "vouchsafe; error=dns_error")]).proxy_error(), Some("dns_error"));
}

/// The example of RFC 7616 section 3.9.1, both algorithms.
#[test]
fn digest_credentials_are_those_of_the_rfc() {
    let expected = [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ];
    for (algorithm, response) in expected {
        let answer = answer_with(&[
            ("proxy-authenticate", "Basic realm=\"x\""),
            (
                "proxy-authenticate",
                &format!(
                    "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
                ),
            ),
        ]);
        let challenge = Challenge::of(&answer);
        let credentials = challenge.credentials("Mufasa", "GET", "/dir/index.html").password("Circle of Life");
        let credentials = credentials.set("cnonce", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        assert_eq!(credentials.response(), response);
        assert!(credentials.value().contains(&format!("response=\"{response}\"")));
        assert!(credentials.value().contains(&format!("algorithm={algorithm}, ")));
        let spoilt = credentials.set("response", "0").duplicate("nc", "00000002").remove("opaque").value();
        assert!(spoilt.contains("response=\"0\"") && !spoilt.contains("opaque") && spoilt.matches("nc=").count() == 2);
    }
    assert!(!Challenge::of(&answer_with(&[("proxy-authenticate", "digest realm=\"a\"")])).stale());
}

#[test]
fn hashes_have_the_length_of_their_algorithm() {
    assert_eq!(["MD5", "SHA-256", "SHA-256-sess", "SHA-512-256"].map(|name| hash(name, "").len()), [32, 64, 64, 64]);
}

#[test]
fn metrics_are_summed_over_the_labels_left_open() {
    let text = "# TYPE a counter\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\na{ax=\"1\"} 9\nab 5\na_sum{x=\"1\"} 0.5\n";
    assert!((sum_of(text, "a", &[("x", "1")]) - 7.0).abs() < 1e-9);
    assert!((sum_of(text, "a", &[("x", "1"), ("y", "3")]) - 4.0).abs() < 1e-9);
    assert!((sum_of(text, "ab", &[]) - 5.0).abs() < 1e-9);
    assert!(sum_of(text, "missing", &[]).abs() < 1e-9);
}

#[tokio::test]
async fn the_configuration_is_toml_and_says_what_was_asked() {
    let (clock, origin, tls_origin) = (test_clock(), Origin::script([]).await, Origin::tls_script([]).await);
    let forward = Gateway::forward(&clock).origin(&origin).origin(&tls_origin).port(9).listeners(2).tls();
    let forward = forward.set("auth.digest", "algorithms = [\"MD5\"]").limit("idle_time = \"1s\"").policy("heuristic = false");
    let forward = forward.set("forward", "allow_ports = [1]").append("[[access]]\nname = \"all\"\nallow = true");
    let parsed: toml::Table = forward.text().parse().expect("valid TOML");
    let ports = [origin.address().port(), tls_origin.address().port(), 9];
    assert_eq!(parsed["listener"].as_array().map(Vec::len), Some(2));
    assert_eq!(parsed["listener"][1]["name"].as_str(), Some("edge-1"));
    assert!(parsed["listener"][0]["tls"]["key"].as_str().is_some_and(|file| file.ends_with("server.key")));
    assert_eq!(parsed["forward"]["connect_ports"], toml::Value::from(ports.map(i64::from).to_vec()));
    assert_eq!(parsed["forward"]["allow_ports"], toml::Value::from(vec![1]));
    assert_eq!(parsed["forward"]["ca_file"].as_str(), tls_origin.ca_file().to_str());
    assert_eq!(parsed["auth"]["digest"]["algorithms"][0].as_str(), Some("MD5"));
    assert_eq!(parsed["policy"][0]["heuristic"].as_bool(), Some(false));
    assert_eq!((parsed["limits"]["idle_time"].as_str(), parsed["access"][0]["allow"].as_bool()), (Some("1s"), Some(true)));

    let reverse: toml::Table = Gateway::reverse(&origin, &clock).text().parse().expect("valid TOML");
    assert_eq!(reverse["upstream"][0]["servers"][0].as_str(), Some(origin.url("").as_str()));
    assert_eq!(reverse["route"][0]["upstream"].as_str(), Some("origin"));
    assert_eq!(reverse["listener"][0]["auth"].as_str(), Some("none"));
}

#[test]
fn the_user_files_hold_every_user() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_users(directory.path());
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("a readable file");
    let (htpasswd, htdigest) = (read("users.htpasswd"), read("users.htdigest"));
    for user in USERS {
        let line = htpasswd.lines().find_map(|line| line.strip_prefix(user)?.strip_prefix(':')).expect("a line of the user");
        assert!(bcrypt::verify(password_of(user), line).expect("a bcrypt hash"));
        assert_eq!(htdigest.lines().filter(|line| line.starts_with(&format!("{user}:vouchsafe:"))).count(), 3);
    }
}

#[test]
#[should_panic(expected = "these do not hold:\n  second: expected 3, found 2")]
fn a_table_of_cases_tells_what_differs() {
    let mut cases = Cases::new();
    cases.expect("first", 1, 1);
    cases.expect("second", 2, 3);
    cases.finish(2);
}
