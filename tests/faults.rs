//! Origins at fault, and what a client is told: the right status, a reason, and nothing of what it sent.

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
use support::{Answer, Client, Gate, Gateway, Origin, Reply, raw, reply, test_clock};

fn faulty(path: &str, never: &Gate) -> Reply {
    match path {
        "/closes" => raw("").close(),
        "/garbage" => raw("this is not HTTP at all\r\n\r\n").close(),
        "/ssh" => raw("SSH-2.0-OpenSSH_9.2\r\n").close(),
        "/half-a-head" => raw("HTTP/1.1 200 OK\r\nx: ").close(),
        "/bad-status" => raw("HTTP/1.1 abc OK\r\n\r\n").close(),
        "/two-lengths" => raw("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na").close(),
        "/bad-length" => raw("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\na").close(),
        "/silent" => reply(200).gate(never),
        "/switches" => raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n").close(),
        _ => reply(200).body("well"),
    }
}

/// RFC 9110 sections 15.6.3 and 15.6.5, RFC 9209: a gateway's own answer says why it had none.
#[tokio::test]
async fn faults_of_the_origin_become_502_or_504_with_their_reason() {
    let clock = test_clock();
    let never = Gate::new();
    let gate = never.clone();
    let origin = Origin::serving(move |request| faulty(&request.target, &gate)).await;
    let gateway = Gateway::reverse(&origin, &clock).limit("first_byte_time = \"200ms\"").start().await;
    let client = gateway.anonymous();
    let mut cases = Cases::new();
    for (path, status, errors) in [
        ("/closes", 502, vec!["connection_terminated", "http_response_incomplete"]),
        ("/garbage", 502, vec!["http_protocol_error"]),
        ("/ssh", 502, vec!["http_protocol_error"]),
        ("/half-a-head", 502, vec!["connection_terminated", "http_response_incomplete"]),
        ("/bad-status", 502, vec!["http_protocol_error"]),
        ("/two-lengths", 502, vec!["http_protocol_error"]),
        ("/bad-length", 502, vec!["http_protocol_error"]),
        ("/silent", 504, vec!["http_response_timeout"]),
        ("/switches", 502, vec!["http_protocol_error", "connection_terminated"]),
    ] {
        let answer = client.get(path).await;
        cases.expect(path, answer.status, status);
        cases.check(path, answer.proxy_error().is_some_and(|error| errors.contains(&error)), answer.proxy_error());
        cases.expect(path, answer.field("content-type"), Some("application/problem+json"));
        cases.check(
            path,
            answer.complete && answer.json()["status"] == status && answer.json()["request_id"].is_string(),
            answer.text(),
        );
        cases.expect(path, client.get("/well").await.text().as_str(), "well");
    }
    never.open();
    cases.finish(45);
}

/// RFC 9112 section 8: content shorter than announced is never passed on as complete.
#[tokio::test]
async fn x016_short_content_is_seen_to_be_short() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/length" => raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").close(),
        "/chunks" => raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").close(),
        _ => raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n").close(),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for method in ["GET", "POST"] {
        for path in ["/length", "/chunks", "/bad-chunk"] {
            let answer = gateway.anonymous().request(method, path).send().await;
            assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "abc", false), "{method} {path}");
        }
    }
}

/// An origin that starts to answer before it has read the request's content is heard.
#[tokio::test]
async fn an_early_answer_of_the_origin_reaches_the_client() {
    let clock = test_clock();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let text = format!(
        "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"gateway\"\nauth = \"none\"\n[log]\naccess = \"off\"\n\
         [[upstream]]\nname = \"early\"\nservers = [\"http://{address}\"]\n[[route]]\nupstream = \"early\"\n"
    );
    let gateway = Gateway::toml(text, &clock).start().await;
    let early = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut wire = support::wire::Wire::new(stream);
        wire.head().await.expect("a request");
        wire.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nbig").await;
        wire
    });
    let mut wire = Client::to(gateway.address()).open().await;
    wire.send(format!("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\nabc", 1 << 20)).await;
    let answer = wire.answer("POST").await;
    assert_eq!((answer.status, answer.text().as_str()), (413, "big"));
    drop(early.await.expect("no panic"));
}

const CANARY: &str = "canary7c4f1b";

/// One request with the canary wherever a client can put one.
async fn ask(client: &Client, method: &str, target: &str, user: &str) -> Answer {
    let target = target.replace("CANARY", CANARY);
    let client = client.clone().with("proxy-authorization", &basic(user, CANARY));
    let client = client.authorization(&format!("Bearer {CANARY}")).with("cookie", CANARY).with("x-canary", CANARY);
    client.with("user-agent", CANARY).with("referer", &format!("http://{CANARY}.test/")).request(method, &target).send().await
}

/// RFC 9110 section 17.16.1: neither answers of our own, nor the access log, nor metrics repeat what a client sent.
#[tokio::test]
async fn n034_no_answer_log_or_metric_echoes_the_request() {
    let clock = test_clock();
    let origin = Origin::script([]).await;
    let rules =
        "[[access]]\nname = \"no-rights\"\nallow = false\nusers = [\"carol\"]\n[[access]]\nname = \"rest\"\nallow = true\n";
    let gateway = Gateway::forward(&clock).origin(&origin).append(rules).start().await;
    origin.stop().await;
    let (port, anonymous) = (origin.address().port(), gateway.anonymous());
    let mut answers = Vec::new();
    for accept in ["*/*", "text/html"] {
        let client = anonymous.clone().with("accept", accept);
        for (method, target) in [
            ("GET", "/x?access_token=CANARY"),
            ("GET", "http://CANARY.invalid/x"),
            ("GET", "http://CANARY@a.test/"),
            ("GET", "ftp://CANARY/"),
            ("GET", "http://127.0.0.1:1/?CANARY"),
            ("TRACE", "/x?CANARY"),
            ("CANARY7c4f1b", "/x"),
            ("CONNECT", "127.0.0.1:22"),
        ] {
            answers.push(ask(&client, method, target, "alice").await);
            answers.push(ask(&client, method, target, CANARY).await);
            let known = client.clone().proxy_user("alice").authorization(CANARY);
            answers.push(known.request(method, &target.replace("CANARY", CANARY)).field("x-canary", CANARY).send().await);
        }
        let dead = format!("http://127.0.0.1:{port}/?q={CANARY}");
        for user in ["alice", "carol"] {
            answers.push(client.clone().proxy_user(user).authorization(CANARY).request("GET", &dead).send().await);
        }
        answers.push(client.raw(format!("GET {dead} HTTP/1.1\r\nhost: {CANARY}\r\nhost: {CANARY}\r\n\r\n")).await);
        answers.push(client.raw(format!("GET {dead} HTTP/1.1\r\n{CANARY} : x\r\n\r\n")).await);
        answers.push(client.raw(format!("GET {dead} HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", CANARY.repeat(9000))).await);
    }
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [400, 403, 405, 407, 431, 502], "every kind of refusal was seen");
    for answer in &answers {
        let all = format!("{:?} {}", answer.fields, answer.text()).to_ascii_lowercase();
        assert!(!all.contains(CANARY), "{all}");
    }
    let log = gateway.log_lines(answers.len() - 4).await;
    for line in log {
        // Host, path and method are in the log by contract; nothing else of a request is.
        let mut rest = line.clone();
        for named in ["host", "path", "method"] {
            rest[named] = serde_json::Value::Null;
        }
        assert!(!rest.to_string().to_ascii_lowercase().contains(CANARY), "{line}");
        assert!(!line["path"].as_str().unwrap_or_default().contains(CANARY), "{line}");
    }
    let metrics = gateway.metrics().await.to_ascii_lowercase();
    assert!(!metrics.contains(CANARY) && !metrics.contains("alice") && !metrics.contains("127.0.0.1"), "{metrics}");
}

/// RFC 9110 section 12.5.1: a browser gets a page.
#[tokio::test]
async fn a_browser_gets_a_page_and_a_program_a_document() {
    let clock = test_clock();
    let origin = Origin::script([]).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    for (accept, expected) in [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("*/*", "application/problem+json"),
    ] {
        let answer = gateway.anonymous().with("accept", accept).get("/x").await;
        assert_eq!((answer.status, answer.field("content-type")), (407, Some(expected)), "{accept}");
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        let is_page = answer.text().starts_with("<!doctype html>");
        assert_eq!(is_page, expected.starts_with("text/html"), "{}", answer.text());
    }
}

/// SIGTERM's half in the library: what is being answered is finished, nothing new is taken.
#[tokio::test]
async fn a_stopping_gateway_finishes_what_it_is_answering() {
    let clock = test_clock();
    let gate = Gate::new();
    let origin = Origin::script([reply(200).body_pieces(["first ", "last"]).body_gate(&gate)]).await;
    let mut gateway = Gateway::reverse(&origin, &clock).start().await;
    let address = gateway.address();
    let mut incoming = gateway.anonymous().request("GET", "/x").begin().await;
    incoming.body_of(6).await;
    gateway.begin_stop();
    support::eventually("new connections to be refused", async || match tokio::net::TcpStream::connect(address).await {
        Ok(_) => Err("a connection".to_owned()),
        Err(_) => Ok(()),
    })
    .await;
    gate.open();
    let answer = incoming.finish().await;
    assert_eq!((answer.text().as_str(), answer.complete), ("first last", true));
    gateway.stopped().await;
}

/// A server that cannot even be asked politely: heads beyond the limits.
#[tokio::test]
async fn x007_heads_beyond_the_limits_are_refused() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for length in [9 << 10, 40 << 10] {
        let large = gateway.anonymous().with("x", &"a".repeat(length)).get("/x").await;
        assert!(matches!(large.status, 400 | 431), "{length}: {}", large.status);
        let long = gateway.anonymous().get(&format!("/{}", "a".repeat(length))).await;
        assert!(matches!(long.status, 400 | 414 | 431), "{length}: {}", long.status);
    }
    let many = (0..150).fold(gateway.anonymous(), |client, number| client.with(&format!("x-{number}"), "a")).get("/x").await;
    assert!(matches!(many.status, 400 | 431), "{}", many.status);
    let fits = gateway.anonymous().with("x", &"a".repeat(7 << 10)).get("/x").await;
    assert_eq!((fits.status, origin.count()), (200, 1));
}

/// Nobody who merely keeps a connection open delays the end; a tunnel is cut when the time to drain is over.
#[tokio::test]
async fn idle_connections_and_tunnels_do_not_delay_the_end() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let mut gateway = Gateway::forward(&clock).origin(&origin).limit("drain_time = \"60s\"").start().await;
    let client = gateway.client("alice");
    assert_eq!(client.get("/x").await.status, 200);
    let idle = client.open().await;
    gateway.begin_stop();
    gateway.stopped().await;
    drop((client, idle));

    let gateway = Gateway::forward(&clock).origin(&origin).limit("drain_time = \"100ms\"").start().await;
    let mut tunnel = gateway.client("alice").connect(&origin.address().to_string()).await.expect("a tunnel");
    gateway.stopped().await;
    assert!(support::within("the tunnel to be cut", tunnel.rest()).await.is_empty());
}

/// RFC 9110 section 7.8: nobody asked for another protocol, so nobody gets it, and nobody waits for it.
#[tokio::test]
async fn x010_an_upgrade_that_nobody_asked_for_is_no_answer() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/x" => raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nevil"),
        _ => reply(200).body("well"),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).limit("first_byte_time = \"300ms\"").start().await;
    let client = gateway.anonymous().with("connection", "upgrade").with("upgrade", "x");
    for _ in 0..2 {
        let answer = client.get("/x").await;
        assert!(matches!(answer.status, 502 | 504), "{}", answer.status);
        assert_eq!(gateway.anonymous().get("/y").await.text(), "well");
    }
    assert!(origin.requests().iter().all(|request| request.field("upgrade").is_none()));
}
