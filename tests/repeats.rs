//! Requests that come again byte for byte through real sockets: they are answered as before, and as soon as anything that
//! the answer rested on has changed, they are not.
//!
//! RFC 9111 section 4 (when a stored response answers), section 4.4 (invalidation), RFC 9112 section 9.3 (one connection,
//! many requests), RFC 7616 section 3.4 (a nonce count is used once).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use serde_json::json;
use support::cases::Cases;
use support::wire::Wire;
use support::{Answer, Gateway, Origin, Reply, SeenRequest, reply, secs, test_clock};

const HEAD: &str = "GET /x HTTP/1.1\r\nhost: app.test\r\n\r\n";

async fn repeated(gateway: &Gateway) -> f64 {
    gateway.metric("vouchsafe_cache_repeated_total", &[]).await
}

async fn ask(wire: &mut Wire, head: &str) -> Answer {
    assert!(wire.send(head).await);
    wire.answer(if head.starts_with("HEAD") { "HEAD" } else { "GET" }).await
}

/// Asks until the answer is given again; gives back how often that was, and the last answer.
async fn warm(gateway: &Gateway, wire: &mut Wire, head: &str) -> (f64, Answer) {
    let before = repeated(gateway).await;
    let mut answer = ask(wire, head).await;
    for _ in 0..4 {
        answer = ask(wire, head).await;
    }
    (repeated(gateway).await - before, answer)
}

fn shareable(_: &SeenRequest) -> Reply {
    reply(200).field("cache-control", "public, max-age=60").field("etag", "\"1\"").field("x-tag", "a").body("abc")
}

/// Everything but the two counts of seconds is the same, these count on, and each is an exchange like any other.
#[tokio::test]
async fn n066_what_is_given_again_counts_on_until_it_is_stale() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wire = gateway.anonymous().open().await;
    let (mut count, answer) = warm(&gateway, &mut wire, HEAD).await;
    assert!(count >= 2.0 && answer.hit(), "{count} {}", answer.cache_status());
    let other = |answer: &Answer| {
        let fields = answer.fields.clone();
        fields.into_iter().filter(|(name, _)| name != "age" && name != "cache-status").collect::<Vec<_>>()
    };
    for age in 1..60 {
        clock.advance(secs(1));
        let next = ask(&mut wire, HEAD).await;
        assert_eq!(next.status, 200, "{age} {:?} {}", next.fields, next.text());
        assert_eq!((next.age(), next.ttl(), next.text()), (Some(age), Some(60 - i64::try_from(age).unwrap()), "abc".to_owned()));
        assert_eq!((next.hit(), next.detail(), other(&next)), (true, answer.detail(), other(&answer)), "{age}");
    }
    let later = repeated(&gateway).await;
    assert!(later > count + 5.0, "other seconds as well: {later}");
    count = later;
    clock.advance(secs(1));
    assert_eq!(ask(&mut wire, HEAD).await.fwd(), Some("stale"));
    assert_eq!((repeated(&gateway).await, origin.count()), (count, 2));
    let requests = 5.0 + 59.0 + 1.0;
    gateway.metric_is("vouchsafe_requests_total", &[("code", "200")], requests).await;
    gateway.metric_is("vouchsafe_cache_requests_total", &[("result", "hit")], requests - 2.0).await;
    gateway.metric_is("vouchsafe_response_bytes_total", &[], 3.0 * requests).await;
    let lines = gateway.log_lines(65).await;
    let mut ids: Vec<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 65, "an id is given once");
    for (line, age) in lines[5..64].iter().zip(1..) {
        let found = (&line["result"], &line["age"], &line["bytes"], &line["complete"]);
        assert_eq!(found, (&json!("hit"), &json!(age.to_string()), &json!(3), &json!(true)), "{line}");
    }
}

/// Whatever makes the stored response unusable is heard at once.
#[tokio::test]
async fn n094_what_changed_is_not_given_again() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for what in ["post", "related", "group", "purge", "stale", "tag", "prefix", "all", "reload", "replaced"] {
        let origin = Origin::serving(|request| match (&*request.method, &*request.target) {
            ("POST", "/other") => reply(200).field("location", "/x").field("cache-group-invalidation", "\"g\"").body("done"),
            ("POST", _) => reply(200).body("done"),
            _ if request.field("if-none-match").is_some() => reply(200).field("cache-control", "public, max-age=60").body("new"),
            _ => shareable(request).field("cache-groups", "\"g\"").field("surrogate-key", "tag"),
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).policy("stale_if_error = \"0s\"").start().await;
        let mut wire = gateway.anonymous().open().await;
        let (count, answer) = warm(&gateway, &mut wire, HEAD).await;
        cases.check(what, count >= 2.0 && answer.hit(), (count, answer.cache_status()));
        let asked = origin.count();
        let purge = async |order: serde_json::Value| {
            let request = gateway.admin().request("POST", "/purge").field("content-type", "application/json");
            request.body(order.to_string()).send().await.status
        };
        let post = async |path: &str| gateway.anonymous().host("app.test").request("POST", path).body("").send().await.status;
        let status = match what {
            "post" => post("/x").await,
            "related" | "group" => post("/other").await,
            "purge" => purge(json!({"url": "http://app.test/x"})).await,
            "stale" => purge(json!({"url": "http://app.test/x", "soft": true})).await,
            "tag" => purge(json!({"tag": "tag"})).await,
            "prefix" => purge(json!({"prefix": "http://app.test/"})).await,
            "all" => purge(json!({"all": true})).await,
            "reload" => {
                let bypassing = |text: String| text.replace("stale_if_error = \"0s\"", "cache = \"bypass\"");
                gateway.reload(bypassing).await.map_or(500, |_| 200)
            }
            _ => gateway.anonymous().host("app.test").with("cache-control", "no-cache").get("/x").await.status,
        };
        cases.expect(what, status, 200);
        let next = ask(&mut wire, HEAD).await;
        match what {
            "replaced" => cases.expect(what, (next.hit(), next.text()), (true, "new".to_owned())),
            _ => cases.check(what, !next.hit() && origin.count() > asked, next.cache_status()),
        }
    }
    cases.finish(30);
}

/// Credentials are judged each time: those that count their uses are, and those of a revoked user are nobody's.
#[tokio::test]
async fn x029_credentials_that_come_again_are_judged_again() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    let gateway = Gateway::forward(&clock).origin(&origin).set("auth.basic", "verdict_ttl = \"5s\"").start().await;
    let head = |credentials: &str| {
        let uri = format!("http://{}/x", origin.address());
        format!("GET {uri} HTTP/1.1\r\nhost: {}\r\nproxy-authorization: {credentials}\r\n\r\n", origin.address())
    };
    let alice = head("Basic YWxpY2U6YWxpY2Utc2VjcmV0");
    let mut wire = gateway.anonymous().open().await;
    let (count, answer) = warm(&gateway, &mut wire, &alice).await;
    assert!(count >= 2.0 && answer.hit(), "{count} {}", answer.status);
    gateway.metric_is("vouchsafe_auth_total", &[("scheme", "basic"), ("outcome", "ok")], 5.0).await;
    let wrong = head("Basic YWxpY2U6YWxpY2Utc2VjcmV1");
    for _ in 0..4 {
        assert_eq!(ask(&mut wire, &wrong).await.status, 407);
    }
    clock.advance(secs(5));
    let (before, again) = (repeated(&gateway).await, ask(&mut wire, &alice).await);
    assert_eq!((again.status, repeated(&gateway).await), (200, before), "the verdict is too old");
    let (count, _) = warm(&gateway, &mut wire, &alice).await;
    assert!(count >= 2.0);
    let order = json!({"principal": "alice"}).to_string();
    let revoked = gateway.admin().request("POST", "/revoke").field("content-type", "application/json").body(order).send().await;
    assert_eq!((revoked.status, ask(&mut wire, &alice).await.status), (200, 407));

    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let uri = format!("http://{}/x", origin.address());
    let mut wire = gateway.anonymous().open().await;
    let once = head(&gateway.digest_challenge().await.credentials("alice", "GET", &uri).value());
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(ask(&mut wire, &once).await.status);
    }
    assert_eq!((statuses, repeated(&gateway).await), (vec![200, 407, 407, 407, 407], 0.0));
}

/// Digest credentials are others each time, and judged each time: an answer is given again to a proof that was not used yet, of
/// the user whom it was given to.
#[tokio::test]
async fn x029_who_proves_it_anew_is_given_the_same_answer() {
    let clock = test_clock();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let origin = Origin::serving(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        reply(200).field("cache-control", "public, max-age=60").body(format!("answer {number}"))
    })
    .await;
    let gateway = Gateway::forward(&clock).origin(&origin).policy("partition = \"principal\"").start().await;
    let uri = format!("http://{}/x", origin.address());
    let head = |credentials: &str| {
        format!("GET {uri} HTTP/1.1\r\nhost: {}\r\nproxy-authorization: {credentials}\r\n\r\n", origin.address())
    };
    let challenge = gateway.digest_challenge().await;
    let by = |user: &str, nc: u32| head(&challenge.credentials(user, "GET", &uri).nc(nc).value());
    let bobs = gateway.digest_challenge().await;
    let by_bob = |nc: u32| head(&bobs.credentials("bob", "GET", &uri).nc(nc).value());
    let mut wire = gateway.anonymous().open().await;
    for nc in 1..=6 {
        assert_eq!(ask(&mut wire, &by("alice", nc)).await.text(), "answer 0");
        assert_eq!(ask(&mut wire, &by_bob(nc)).await.text(), "answer 1", "bob's own, though he asks for the same");
    }
    let before = repeated(&gateway).await;
    assert!(before >= 6.0, "{before}");
    gateway.metric_is("vouchsafe_auth_total", &[("scheme", "digest"), ("outcome", "ok")], 12.0).await;

    let refused = |text: String| text.replace("response=\"", "response=\"0");
    let wrong = challenge.credentials("alice", "GET", &uri).nc(7).password("hush").value();
    let elsewhere = challenge.credentials("alice", "GET", &format!("{uri}/y")).nc(7).value();
    let twice = by("alice", 7).replace("\r\n\r\n", &format!("\r\nproxy-authorization: {wrong}\r\n\r\n"));
    for (what, head, status) in [
        ("a proof that was used", by("alice", 6), 407),
        ("a wrong password", head(&wrong), 407),
        ("another target", head(&elsewhere), 400),
        ("a response of another length", refused(by("alice", 7)), 407),
        ("two proofs", twice, 400),
    ] {
        assert_eq!(ask(&mut wire, &head).await.status, status, "{what}");
        assert_eq!(repeated(&gateway).await, before, "{what}");
    }
    assert_eq!(ask(&mut wire, &by("alice", 7)).await.text(), "answer 0", "none of these used it");
    assert_eq!(repeated(&gateway).await, before + 1.0);
    assert_eq!(ask(&mut wire, &by("alice", 7)).await.status, 407, "and this did");

    let order = json!({"principal": "alice"}).to_string();
    let revoked = gateway.admin().request("POST", "/revoke").field("content-type", "application/json").body(order).send().await;
    assert_eq!((revoked.status, ask(&mut wire, &by("alice", 8)).await.status), (200, 407));
    assert_eq!(ask(&mut wire, &by_bob(7)).await.text(), "answer 1");
    clock.advance(secs(301));
    assert_eq!(ask(&mut wire, &by_bob(8)).await.status, 407, "the nonce is too old");
}

/// Where Digest is for `Authorization`, or a policy takes the value for a credential of the origin's, each goes its own way.
#[tokio::test]
async fn x029_a_proof_that_the_cache_looks_at_is_not_given_an_answer_again() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    let listed = Gateway::forward(&clock).origin(&origin).policy("credentials = { headers = [\"Proxy-Authorization\"] }");
    let gateway = listed.start().await;
    let uri = format!("http://{}/x", origin.address());
    let challenge = gateway.digest_challenge().await;
    let mut wire = gateway.anonymous().open().await;
    for nc in 1..=6 {
        let credentials = challenge.credentials("alice", "GET", &uri).nc(nc).value();
        let head = format!("GET {uri} HTTP/1.1\r\nhost: {}\r\nproxy-authorization: {credentials}\r\n\r\n", origin.address());
        assert_eq!(ask(&mut wire, &head).await.status, 200);
    }
    assert_eq!(repeated(&gateway).await, 0.0);
    let gateway = Gateway::reverse(&origin, &clock).auth("origin").start().await;
    let challenge = gateway.digest_challenge().await;
    let mut wire = gateway.anonymous().open().await;
    for nc in 1..=6 {
        let credentials = challenge.credentials("alice", "GET", "/x").nc(nc).value();
        let head = format!("GET /x HTTP/1.1\r\nhost: app.test\r\nauthorization: {credentials}\r\n\r\n");
        assert_eq!(ask(&mut wire, &head).await.status, 200);
    }
    assert_eq!(repeated(&gateway).await, 0.0);
}

/// What a response's own rules keep for one is for one, however often the same bytes ask.
#[tokio::test]
async fn n016_what_has_no_permission_reaches_the_origin_each_time() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("alice's")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wire = gateway.anonymous().open().await;
    let head = "GET /x HTTP/1.1\r\nhost: app.test\r\nauthorization: Bearer alice\r\n\r\n";
    let (count, answer) = warm(&gateway, &mut wire, head).await;
    assert_eq!((count, answer.fwd(), origin.count()), (0.0, Some("uri-miss"), 5));
}

/// Requests whose answer is their own: a bound of seconds, a boundary between parts, a last word, a share that is doubted.
#[tokio::test]
async fn what_is_one_requests_own_is_not_given_again() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let with = |line: &str| format!("GET /x HTTP/1.1\r\nhost: app.test\r\n{line}\r\n\r\n");
    let mut wire = gateway.anonymous().open().await;
    let (count, _) = warm(&gateway, &mut wire, &with("cache-control: max-age=2")).await;
    assert!(count >= 2.0, "within its second");
    clock.advance(secs(3));
    assert_eq!(ask(&mut wire, &with("cache-control: max-age=2")).await.fwd(), Some("request"));
    let (count, parts) = warm(&gateway, &mut wire, &with("range: bytes=0-0,2-2")).await;
    assert_eq!((count, parts.status), (0.0, 206));
    let (count, _) = warm(&gateway, &mut wire, &with("if-none-match: \"1\"")).await;
    assert!(count >= 2.0);
    assert_eq!(ask(&mut wire, &with("if-none-match: \"1\"")).await.status, 304);
    let (count, head) = warm(&gateway, &mut wire, "HEAD /x HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    assert_eq!((count >= 2.0, head.status, head.field("content-length")), (true, 200, Some("3")));
    let (count, _) = warm(&gateway, &mut wire, &with("connection: Keep-Alive")).await;
    assert!(count >= 2.0, "what is so without being said");
    let before = repeated(&gateway).await;
    for line in ["connection: close, x", "connection: x", "connection: keep-alive, x"] {
        for _ in 0..4 {
            let mut wire = gateway.anonymous().open().await;
            let answer = ask(&mut wire, &with(line)).await;
            assert_eq!((answer.status, answer.field("connection").is_some()), (200, line.contains("close")));
            assert!(!line.contains("close") || wire.rest().await.is_empty());
        }
    }
    assert_eq!(repeated(&gateway).await, before);
    for _ in 0..2 {
        assert!(warm(&gateway, &mut wire, &with("connection: x")).await.0 < 1.0);
    }
    let doubting = Gateway::reverse(&origin, &clock).policy("canary = 1.0").start().await;
    let mut wire = doubting.anonymous().open().await;
    assert_eq!(warm(&doubting, &mut wire, HEAD).await.0, 0.0);
    let folder = tempfile::tempdir().unwrap();
    let candidate = folder.path().join("candidate.toml");
    let listener = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";
    std::fs::write(&candidate, listener).unwrap();
    let shadow = format!("[shadow]\nconfig = \"{}\"\n", candidate.display());
    let shadowed = Gateway::reverse(&origin, &clock).append(&shadow).start().await;
    let mut wire = shadowed.anonymous().open().await;
    assert_eq!(warm(&shadowed, &mut wire, HEAD).await.0, 0.0);
    let stale = "GET /stale HTTP/1.1\r\nhost: app.test\r\ncache-control: max-stale\r\n\r\n";
    let mut wire = gateway.anonymous().open().await;
    ask(&mut wire, stale).await;
    clock.advance(secs(70));
    let (count, answer) = warm(&gateway, &mut wire, stale).await;
    assert_eq!((count, answer.ttl()), (0.0, Some(-10)));
}

/// An origin may know who asks from the connection alone: there, what others are given again is not.
#[tokio::test]
async fn n017_on_a_connection_that_proved_itself_nothing_is_given_again() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut known = gateway.anonymous().open().await;
    ask(&mut known, "GET /proof HTTP/1.1\r\nhost: app.test\r\nauthorization: Negotiate YII\r\n\r\n").await;
    let mut wire = gateway.anonymous().open().await;
    assert!(warm(&gateway, &mut wire, HEAD).await.0 >= 2.0);
    assert_eq!(warm(&gateway, &mut known, HEAD).await.0, 0.0);
}

/// What one listener's clients are given again is counted, and judged, as that listener's alone.
#[tokio::test]
async fn another_listener_is_another_question() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    let gateway = Gateway::reverse(&origin, &clock).listeners(2).start().await;
    for listener in 0..2 {
        let mut wire = gateway.anonymous_at(listener).open().await;
        warm(&gateway, &mut wire, HEAD).await;
    }
    let text = gateway.metrics().await;
    let series = text.lines().filter(|line| line.starts_with("vouchsafe_requests_total{"));
    let counts: Vec<_> = series.map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(counts, ["5", "5"], "{text}");
}

/// Bytes are never taken for a request that are not surely one.
#[tokio::test]
async fn x001_content_and_pieces_are_not_taken_for_a_request_that_came_before() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match &*request.method {
        "POST" => reply(201).body(format!("posted {}", request.body.len())),
        _ => shareable(request),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut first = gateway.anonymous().open().await;
    assert!(warm(&gateway, &mut first, HEAD).await.0 >= 2.0);
    let asked = repeated(&gateway).await;

    // The content of a request is such a head.
    let mut wire = gateway.anonymous().open().await;
    let post = format!("POST /p HTTP/1.1\r\nhost: app.test\r\ncontent-length: {}\r\n\r\n", HEAD.len());
    assert!(wire.send(&post).await);
    assert!(wire.is_quiet().await);
    assert!(wire.send(HEAD).await);
    assert_eq!(wire.answer("POST").await.text(), format!("posted {}", HEAD.len()));
    assert_eq!(ask(&mut wire, "GET /y HTTP/1.1\r\nhost: app.test\r\n\r\n").await.text(), "abc");

    // Two at once, and one in two pieces.
    let mut wire = gateway.anonymous().open().await;
    assert!(wire.send(format!("{HEAD}{HEAD}")).await);
    for _ in 0..2 {
        assert_eq!(wire.answer("GET").await.text(), "abc");
    }
    let mut wire = gateway.anonymous().open().await;
    let (half, rest) = HEAD.split_at(9);
    assert!(wire.send(half).await);
    assert!(wire.is_quiet().await);
    assert_eq!(ask(&mut wire, rest).await.text(), "abc");
    assert!(wire.is_quiet().await, "one answer to one request");
    assert_eq!(repeated(&gateway).await, asked, "none of these was one");
    assert_eq!(ask(&mut first, HEAD).await.text(), "abc");
    assert_eq!(repeated(&gateway).await, asked + 1.0, "and this was");
}

/// Through TLS as well.
#[tokio::test]
async fn a_secured_connection_is_answered_again() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    let gateway = Gateway::reverse(&origin, &clock).tls().start().await;
    let mut wire = gateway.anonymous().open().await;
    let (count, answer) = warm(&gateway, &mut wire, HEAD).await;
    assert_eq!((count >= 2.0, answer.text().as_str(), answer.hit()), (true, "abc", true));
}

/// Of a long answer the head is kept and the content is what is stored; it counts on like a short one.
#[tokio::test]
async fn n066_a_long_answer_is_given_again_from_what_is_stored() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let length = if request.target == "/longest" { 400 << 10 } else { (400 << 10) + 1 };
        let content: Vec<u8> = (0..length).map(|at| (at / 7) as u8).collect();
        reply(200).field("cache-control", "public, max-age=60").body(content)
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut wire = gateway.anonymous().open().await;
    let head = "GET /longest HTTP/1.1\r\nhost: app.test\r\n\r\n";
    let first = ask(&mut wire, head).await;
    let (count, answer) = warm(&gateway, &mut wire, head).await;
    assert_eq!((count >= 2.0, answer.hit(), answer.complete, answer.body == first.body), (true, true, true, true));
    clock.advance(secs(1));
    let answer = ask(&mut wire, head).await;
    assert_eq!((answer.age(), answer.ttl(), answer.body == first.body), (Some(1), Some(59), true));
    assert_eq!(repeated(&gateway).await, count + 1.0);
    let (count, without) = warm(&gateway, &mut wire, "HEAD /longest HTTP/1.1\r\nhost: app.test\r\n\r\n").await;
    assert_eq!((count >= 2.0, without.field("content-length"), without.body.len()), (true, Some("409600"), 0));
    for line in &gateway.log_lines(12).await[..7] {
        assert_eq!((&line["bytes"], &line["complete"]), (&json!(409_600), &json!(true)), "{line}");
    }
    let (count, longer) = warm(&gateway, &mut wire, HEAD).await;
    assert_eq!((count, longer.body.len(), longer.hit()), (0.0, (400 << 10) + 1, true));
}

/// Who wants a last answer is given it again, over whatever connection, and the connection ends with it.
#[tokio::test]
async fn a_last_answer_that_comes_again_ends_the_connection() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    for secured in [false, true] {
        let gateway = Gateway::reverse(&origin, &clock);
        let gateway = if secured { gateway.tls() } else { gateway }.start().await;
        let last = "GET /x HTTP/1.1\r\nhost: app.test\r\nConnection: close\r\n\r\n";
        for _ in 0..6 {
            let mut wire = gateway.anonymous().open().await;
            let answer = ask(&mut wire, last).await;
            assert_eq!((answer.status, answer.field("connection"), answer.text().as_str()), (200, Some("close"), "abc"));
            assert!(wire.rest().await.is_empty());
        }
        let count = repeated(&gateway).await;
        assert!(count >= 2.0, "{count}");
        let mut wire = gateway.anonymous().open().await;
        assert_eq!(ask(&mut wire, "GET /y HTTP/1.1\r\nhost: app.test\r\n\r\n").await.field("connection"), None);
        assert_eq!(ask(&mut wire, last).await.text(), "abc", "after another one");
        assert!(wire.rest().await.is_empty());
        assert_eq!(repeated(&gateway).await, count + 1.0);
        assert!(warm(&gateway, &mut gateway.anonymous().open().await, HEAD).await.0 >= 2.0, "what stays is another question");
    }
}

/// What is not stored any more is not given again, though its key stands as it stood: it was evicted.
#[tokio::test]
async fn long_content_that_was_evicted_is_fetched_anew() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "public, max-age=60").body(vec![b'x'; 300_000])).await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "memory = \"1MiB\"").start().await;
    let mut wire = gateway.anonymous().open().await;
    let (count, answer) = warm(&gateway, &mut wire, HEAD).await;
    assert_eq!((count >= 2.0, answer.hit()), (true, true));
    let mut other = gateway.anonymous().open().await;
    for number in 0..40 {
        ask(&mut other, &format!("GET /{number} HTTP/1.1\r\nhost: app.test\r\n\r\n")).await;
        ask(&mut other, &format!("GET /{number} HTTP/1.1\r\nhost: app.test\r\n\r\n")).await;
    }
    let before = origin.count();
    let answer = ask(&mut wire, HEAD).await;
    assert_eq!((answer.status, answer.body.len()), (200, 300_000));
    assert_eq!((answer.hit(), origin.count()), (false, before + 1));
}

/// Where a rule looks at where a request comes from, another client's answer is not this one's.
#[tokio::test]
async fn x010_another_address_is_another_question() {
    let clock = test_clock();
    let origin = Origin::serving(shareable).await;
    let rules = "[[access]]\nname = \"here\"\nallow = true\nnetworks = [\"127.0.0.1/32\"]\n";
    let gateway = Gateway::reverse(&origin, &clock).append(rules).start().await;
    let mut wire = gateway.anonymous().open().await;
    assert!(warm(&gateway, &mut wire, HEAD).await.0 >= 2.0);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut elsewhere = Wire::new(socket.connect(gateway.address()).await.unwrap());
    assert_eq!(ask(&mut elsewhere, HEAD).await.status, 403);
    assert!(ask(&mut wire, HEAD).await.hit());
}

/// Many who ask for the same, in turn and over connections of their own, each several times within a second: nobody is given
/// what was made for another, whatever else is given again.
#[tokio::test]
async fn n016_who_asks_again_among_others_is_given_what_is_theirs() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let (who, language) = (request.field("authorization").unwrap_or("nobody"), request.field("accept-language"));
        let says = match &*request.target {
            "/own" => "max-age=60",
            "/private" => "private, max-age=60",
            "/judged" => "s-maxage=0",
            _ => "public, max-age=60",
        };
        let text = format!("{} for {who} in {}", request.target, language.unwrap_or("no"));
        reply(200).field("cache-control", says).field("vary", "accept-language").body(text)
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let mut askers = Vec::new();
    for who in ["alice", "bob", "carol"] {
        for language in ["de", "en"] {
            askers.push((who, language, gateway.anonymous().open().await));
        }
    }
    for _ in 0..5 {
        for (who, language, wire) in &mut askers {
            for path in ["/own", "/private", "/judged", "/public"] {
                let fields = format!("host: app.test\r\nauthorization: Bearer {who}\r\naccept-language: {language}");
                let answer = ask(wire, &format!("GET {path} HTTP/1.1\r\n{fields}\r\n\r\n")).await;
                let filler = if path == "/public" { "alice" } else { *who };
                assert_eq!(answer.text(), format!("{path} for Bearer {filler} in {language}"));
            }
        }
    }
    let given_again = repeated(&gateway).await;
    assert!(given_again >= 12.0, "of 30 answers to /public: {given_again}");
    assert_eq!(origin.count(), 3 * 6 * 5 + 2);
}
