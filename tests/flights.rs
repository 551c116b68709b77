//! One fetch for many requests, through real sockets: who shares, who goes alone, and that nobody inherits more than a
//! response. Barriers hold the origin's answers until everybody waits.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::{Answer, Client, Gate, Gateway, Origin, Reply, SeenRequest, raw, reply, secs, test_clock};
use tokio::task::JoinSet;

fn who(request: &SeenRequest) -> String {
    request.field("authorization").unwrap_or("nobody").to_owned()
}

fn shareable(request: &SeenRequest) -> Reply {
    reply(200).field("cache-control", "public, max-age=60").field("etag", "\"v1\"").body(format!("made for {}", who(request)))
}

/// Sends all at once and gives back the answers in order.
async fn at_once(clients: Vec<(Client, &'static str, &'static str)>) -> Vec<Answer> {
    let mut all = JoinSet::new();
    for (at, (client, method, path)) in clients.into_iter().enumerate() {
        all.spawn(async move { (at, client.request(method, path).send().await) });
    }
    let mut answers = all.join_all().await;
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

const PUBLIC: &str = "public, max-age=60";

/// `count` requests of as many people for one path.
fn crowd(gateway: &Gateway, count: usize, path: &'static str) -> Vec<(Client, &'static str, &'static str)> {
    (0..count).map(|at| (gateway.anonymous().authorization(&format!("Bearer user-{at}")), "GET", path)).collect()
}

async fn gateway(origin: &Origin) -> Gateway {
    Gateway::reverse(origin, &test_clock()).set("cache", "collapse_wait = \"60s\"").start().await
}

async fn wait_for_waiting(gateway: &Gateway, count: u32) {
    gateway.metric_is("vouchsafe_flight_waiting", &[], f64::from(count)).await;
}

/// RFC 9111 section 4: one fetch for everybody whom the response may answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n063_two_hundred_people_and_one_request() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| shareable(request).gate(&held)).await;
    let gateway = gateway(&origin).await;
    let asking = tokio::spawn(at_once(crowd(&gateway, 200, "/x")));
    wait_for_waiting(&gateway, 199).await;
    gate.open();
    let answers = asking.await.unwrap();
    assert_eq!(origin.count(), 1);
    let made_for = answers[0].text();
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.complete && answer.text() == made_for));
    let collapsed: Vec<_> = answers.iter().filter(|answer| answer.collapsed()).collect();
    assert_eq!(collapsed.len(), 199, "{:?}", answers.iter().map(Answer::cache_status).collect::<Vec<_>>());
    assert!(collapsed.iter().all(|answer| answer.detail() == Some("permit-public") && answer.fwd() == Some("uri-miss")));
    gateway.metric_is("vouchsafe_cache_requests_total", &[("result", "collapsed")], 199.0).await;
    gateway.metric_is("vouchsafe_flight_followers_total", &[("outcome", "shared")], 199.0).await;
    gateway.metric_is("vouchsafe_flight_waiting", &[], 0.0).await;
    assert!(gateway.anonymous().get("/x").await.hit());
}

/// RFC 9111 section 3.5: what is for one alone goes to each in parallel, with each one's own credentials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_what_is_not_for_sharing_is_fetched_in_parallel() {
    for directives in ["private, max-age=60", "max-age=60", "no-store", "proxy-revalidate, max-age=60"] {
        let (first, rest) = (Gate::new(), Gate::new());
        let gates = (first.clone(), rest.clone());
        let is_first = std::sync::atomic::AtomicBool::new(true);
        let origin = Origin::serving(move |request| {
            let gate = if is_first.swap(false, std::sync::atomic::Ordering::SeqCst) { &gates.0 } else { &gates.1 };
            reply(200).field("cache-control", directives).field("etag", "\"v1\"").body(who(request)).gate(gate)
        })
        .await;
        let gateway = gateway(&origin).await;
        let asking = tokio::spawn(at_once(crowd(&gateway, 60, "/x")));
        wait_for_waiting(&gateway, 59).await;
        first.open();
        origin.wait_for(60).await;
        rest.open();
        for (at, answer) in asking.await.unwrap().iter().enumerate() {
            assert_eq!((answer.status, answer.text()), (200, format!("Bearer user-{at}")), "{directives}");
        }
        assert_eq!(origin.count(), 60);
        gateway.metric_is("vouchsafe_flight_followers_total", &[("outcome", "released")], 59.0).await;
        // Known by now: nobody waits for anybody.
        let again = at_once(crowd(&gateway, 20, "/x")).await;
        assert!(again.iter().all(|answer| answer.cache_parameter("collapsed").is_none()));
        gateway.metric_is("vouchsafe_flight_followers_total", &[("outcome", "released")], 59.0).await;
    }
}

/// RFC 9111 section 4.1: those whom the nominated fields tell apart fly in groups.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n066_each_variant_is_fetched_once() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| {
        let answer = reply(200).field("cache-control", PUBLIC).field("vary", "Authorization").body(who(request));
        if request.target == "/held" { answer.gate(&held) } else { answer }
    })
    .await;
    let gateway = gateway(&origin).await;
    let of_ten = |path| (0..200).map(move |at| (format!("Bearer user-{}", at % 10), path));
    for path in ["/held", "/held?again"] {
        let clients = of_ten(path).map(|(who, path)| (gateway.anonymous().authorization(&who), "GET", path)).collect();
        let asking = tokio::spawn(at_once(clients));
        if path == "/held" {
            wait_for_waiting(&gateway, 199).await;
            gate.open();
        }
        for (at, answer) in asking.await.unwrap().iter().enumerate() {
            assert_eq!((answer.status, answer.text()), (200, format!("Bearer user-{}", at % 10)));
        }
    }
    assert_eq!(origin.count(), 20, "ten a path");
}

/// D10: a leader's failure or refusal is its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n063_a_failure_is_not_inherited() {
    for failing in [
        reply(500).body("broken"),
        reply(503).field("cache-control", "no-store"),
        reply(401).field("www-authenticate", "Bearer").body("who?"),
        reply(403).field("cache-control", PUBLIC).body("not you"),
        reply(407).field("proxy-authenticate", "Basic realm=\"x\""),
        raw("HTTP/1.1 2x0 nonsense\r\n\r\n").close(),
    ] {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serving(move |request| {
            if request.field("authorization") == Some("Bearer leader") { failing.clone().gate(&held) } else { shareable(request) }
        })
        .await;
        let gateway = gateway(&origin).await;
        let leader = tokio::spawn(gateway.anonymous().authorization("Bearer leader").get("/x"));
        gate.wait_reached().await;
        let followers = tokio::spawn(at_once(crowd(&gateway, 20, "/x")));
        wait_for_waiting(&gateway, 20).await;
        gate.open();
        let refused = leader.await.unwrap();
        assert!(refused.status >= 400, "{}", refused.status);
        for answer in followers.await.unwrap() {
            assert_eq!(answer.status, 200, "after {}", refused.status);
            assert!(answer.text().starts_with("made for Bearer user-"), "{}", answer.text());
        }
    }
}

/// D10: a leader that leaves takes nothing with it, whenever it leaves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n063_a_leader_may_leave() {
    let (head, rest) = (Gate::new(), Gate::new());
    let gates = (head.clone(), rest.clone());
    let origin = Origin::serving(move |request| {
        let answer = reply(200).field("cache-control", PUBLIC).body_pieces(["first ", "last"]);
        if request.target == "/head" { answer.gate(&gates.0) } else { answer.body_gate(&gates.1) }
    })
    .await;
    let gateway = gateway(&origin).await;
    let leader = tokio::spawn(gateway.anonymous().unpooled().get("/head"));
    head.wait_reached().await;
    let follower = tokio::spawn(gateway.anonymous().authorization("Bearer bob").get("/head"));
    wait_for_waiting(&gateway, 1).await;
    leader.abort();
    head.open();
    let answer = follower.await.unwrap();
    assert_eq!((answer.status, answer.text().as_str(), answer.complete), (200, "first last", true));

    let before = origin.count();
    let mut leader = gateway.anonymous().unpooled().request("GET", "/body").begin().await;
    assert_eq!(leader.body_of(6).await, b"first ");
    let mut follower = gateway.anonymous().authorization("Bearer bob").request("GET", "/body").begin().await;
    assert_eq!(follower.body_of(6).await, b"first ");
    assert!(follower.answer.collapsed());
    drop(leader);
    rest.open();
    let answer = follower.finish().await;
    assert_eq!((answer.text().as_str(), answer.complete), ("first last", true));
    assert!(gateway.anonymous().get("/body").await.hit());
    assert_eq!(origin.count(), before + 1);
}

/// RFC 9112 section 8: what broke off is complete for nobody, and is not stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n050_a_transfer_that_breaks_off_is_complete_for_nobody() {
    for whole in [reply(200).body_pieces(["first ", "last"]), reply(200).chunked(["first ", "last"])] {
        let gate = Gate::new();
        let broken = whole.field("cache-control", PUBLIC).body_gate(&gate).truncate_after(8);
        let origin = Origin::script([broken, reply(200).field("cache-control", PUBLIC).body("whole")]).await;
        let gateway = gateway(&origin).await;
        let mut leader = gateway.anonymous().request("GET", "/x").begin().await;
        assert_eq!(leader.body_of(6).await, b"first ");
        let follower = gateway.anonymous().authorization("Bearer bob").request("GET", "/x").begin().await;
        gate.open();
        for incoming in [leader, follower] {
            let answer = incoming.finish().await;
            assert!(!answer.complete, "{}", answer.text());
        }
        let next = gateway.anonymous().get("/x").await;
        assert_eq!((next.text().as_str(), next.hit()), ("whole", false));
    }
}

/// RFC 9110 sections 13 and 14: who asks for less than the whole is answered out of what arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n084_n129_head_ranges_and_conditions_follow_too() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| {
        let answer = reply(200).field("cache-control", PUBLIC).field("etag", "\"v1\"");
        if request.target == "/chunks" { answer.chunked(["0123", "456789"]) } else { answer.body_pieces(["0123", "456789"]) }
            .body_gate(&held)
    })
    .await;
    let gateway = gateway(&origin).await;
    let mut leaders = Vec::new();
    for path in ["/length", "/chunks"] {
        let mut leader = gateway.anonymous().request("GET", path).begin().await;
        assert_eq!(leader.body_of(4).await, b"0123");
        leaders.push(leader);
    }
    let mut asking = Vec::new();
    for (path, method, name, value, status, body) in [
        ("/length", "HEAD", "accept", "*/*", 200, ""),
        ("/length", "GET", "range", "bytes=1-2", 206, "12"),
        ("/length", "GET", "range", "bytes=3-5", 206, "345"),
        ("/length", "GET", "range", "bytes=-2", 206, "89"),
        ("/length", "GET", "range", "bytes=10-", 416, ""),
        ("/length", "GET", "range", "bytes=0-0,5-5", 200, "0123456789"),
        ("/length", "GET", "if-none-match", "\"v1\"", 304, ""),
        ("/length", "GET", "if-none-match", "\"v2\"", 200, "0123456789"),
        ("/chunks", "GET", "range", "bytes=1-2", 200, "0123456789"),
        ("/chunks", "HEAD", "accept", "*/*", 200, ""),
        ("/chunks", "GET", "accept", "*/*", 200, "0123456789"),
    ] {
        let request = gateway.anonymous().authorization("Bearer bob").request(method, path).field(name, value);
        let label = format!("{method} {path} {name}: {value}");
        asking.push((request.begin().await, label, status, body));
    }
    gate.open();
    for (incoming, label, status, body) in asking {
        let answer = incoming.finish().await;
        assert_eq!((answer.status, answer.text().as_str(), answer.complete), (status, body, true), "{label}");
        assert!(answer.collapsed(), "{label}: {}", answer.cache_status());
    }
    for leader in leaders {
        assert_eq!(leader.finish().await.text(), "0123456789");
    }
    assert_eq!(origin.count(), 2);
}

/// A stalled leader holds others no longer than `collapse_wait`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n063_nobody_waits_longer_than_configured() {
    for wait in ["1ms", "0s"] {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serving(move |request| shareable(request).gate(&held)).await;
        let line = format!("collapse_wait = \"{wait}\"");
        let gateway = Gateway::reverse(&origin, &test_clock()).set("cache", &line).start().await;
        let asking = tokio::spawn(at_once(crowd(&gateway, 10, "/x")));
        origin.wait_for(10).await;
        gate.open();
        assert!(asking.await.unwrap().iter().all(|answer| answer.status == 200));
    }
}

/// RFC 9111 section 4.4: what was asked for before an invalidation is not for who comes after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n094_nobody_boards_a_flight_from_before_an_invalidation() {
    let gate = Gate::new();
    let held = gate.clone();
    let version = std::sync::atomic::AtomicUsize::new(0);
    let origin = Origin::serving(move |request| {
        if request.method == "POST" {
            return reply(204);
        }
        let number = version.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let answer = reply(200).field("cache-control", PUBLIC).body_pieces([format!("version {number}"), " end".to_owned()]);
        if number == 0 { answer.body_gate(&held) } else { answer }
    })
    .await;
    let gateway = gateway(&origin).await;
    let mut old = gateway.anonymous().request("GET", "/x").begin().await;
    assert_eq!(old.body_of(9).await, b"version 0");
    gateway.anonymous().request("POST", "/x").body("new").send().await;
    assert_eq!(gateway.anonymous().get("/x").await.text(), "version 1 end");
    gate.open();
    assert_eq!(old.finish().await.text(), "version 0 end");
    assert_eq!(gateway.anonymous().get("/x").await.text(), "version 1 end");
}

/// D8: equal requests share a validation, and nothing that the origin could tell apart does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n006_a_validation_is_shared_by_equal_requests_alone() {
    for (shares, expected) in [("true", 3), ("false", 30)] {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serving(move |request| match request.field("if-none-match") {
            Some(_) => reply(304).field("cache-control", "s-maxage=0").field("etag", "\"v1\"").gate(&held),
            None => reply(200).field("cache-control", "s-maxage=0").field("etag", "\"v1\"").body("shared"),
        })
        .await;
        let line = format!("share_validations = {shares}");
        let builder = Gateway::reverse(&origin, &test_clock()).set("cache", "collapse_wait = \"60s\"").policy(&line);
        let gateway = builder.start().await;
        gateway.anonymous().authorization("Bearer filler").get("/x").await;
        origin.take();
        let mut clients = Vec::new();
        for at in 0..10 {
            let client = || gateway.anonymous().with("user-agent", &format!("agent {at}"));
            clients.push((client().authorization("Bearer alice"), "GET", "/x"));
            clients.push((client().authorization("Bearer bob"), "GET", "/x"));
            clients.push((client().authorization("Bearer bob").with("cookie", "tab=2"), "GET", "/x"));
        }
        let asking = tokio::spawn(at_once(clients));
        if shares == "true" {
            wait_for_waiting(&gateway, 27).await;
        } else {
            origin.wait_for(30).await;
        }
        gate.open();
        let answers = asking.await.unwrap();
        assert!(answers.iter().all(|answer| answer.text() == "shared" && answer.detail() == Some("validated")));
        assert_eq!(origin.count(), expected);
        for who in ["Bearer alice", "Bearer bob"] {
            assert!(origin.requests().iter().any(|seen| seen.field("authorization") == Some(who)));
        }
        let collapsed = answers.iter().filter(|answer| answer.collapsed()).count();
        assert_eq!(collapsed, 30 - expected);
    }
}

/// D8: a validation that brings anything but a plain confirmation speaks for its own request alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n088_what_else_a_validation_brings_is_for_one() {
    for (outcome, status) in [
        (reply(401).field("www-authenticate", "Bearer").body("first"), 200),
        (reply(403).body("first"), 200),
        (reply(500).body("first"), 200),
        (reply(304).field("cache-control", "private").field("etag", "\"v1\"").field("x-first", "yes"), 200),
        (reply(304).field("cache-control", "no-store").field("etag", "\"v1\"").field("x-first", "yes"), 200),
        (reply(304).field("cache-control", "max-age=60").field("etag", "\"v1\"").field("x-first", "yes"), 200),
        (reply(200).field("cache-control", "private").body("first"), 200),
    ] {
        let gate = Gate::new();
        let (held, count) = (gate.clone(), std::sync::atomic::AtomicUsize::new(0));
        let origin = Origin::serving(move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => reply(200).field("cache-control", "s-maxage=0").field("etag", "\"v1\"").body("shared"),
            1 => outcome.clone().gate(&held),
            _ => reply(200).field("cache-control", "private").body("own"),
        })
        .await;
        let gateway = gateway(&origin).await;
        let client = || gateway.anonymous().authorization("Bearer alice");
        client().get("/x").await;
        let first = tokio::spawn(client().get("/x"));
        gate.wait_reached().await;
        let followers = tokio::spawn(at_once((0..5).map(|_| (client(), "GET", "/x")).collect()));
        wait_for_waiting(&gateway, 5).await;
        gate.open();
        let first = first.await.unwrap();
        for answer in followers.await.unwrap() {
            assert_eq!((answer.status, answer.text().as_str()), (status, "own"), "after {} {:?}", first.status, first.fields);
            assert_eq!(answer.field("x-first"), None);
        }
        assert_eq!(origin.count(), 7);
    }
}

/// RFC 4559 section 6: credentials that speak for a connection are never put together with others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_connection_bound_credentials_fly_alone() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| shareable(request).gate(&held)).await;
    let gateway = gateway(&origin).await;
    let clients = ["NTLM abc", "Negotiate abc"].map(|value| (gateway.anonymous().authorization(value), "GET", "/x"));
    let asking = tokio::spawn(at_once(clients.into()));
    origin.wait_for(2).await;
    gate.open();
    assert_eq!(asking.await.unwrap().len(), 2);
}

/// A clock that stands for the life of what is remembered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n063_a_key_is_waited_for_again_after_a_while() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let directives = if request.field("x-late").is_some() { PUBLIC } else { "private" };
        reply(200).field("cache-control", directives).body(who(request))
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "collapse_wait = \"60s\"").start().await;
    let ask = |late: bool| {
        let client = gateway.anonymous().authorization("Bearer alice");
        if late { client.with("x-late", "1") } else { client }.get("/x")
    };
    assert!(!ask(false).await.stored());
    clock.advance(secs(61));
    assert!(ask(true).await.stored());
    assert!(ask(true).await.hit());
}

/// RFC 9111 section 3.5: what may be shared only after validation is judged by the origin for each asker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n007_each_follower_takes_the_whole_reuse_decision() {
    let asked_by_all = ["s-maxage=0", "public, no-cache", "public, max-age=0", "must-revalidate, max-age=0"];
    for (directives, policy) in asked_by_all.map(|directives| (directives, "vary_limit = 64")).into_iter().chain([
        (PUBLIC, "authorization = \"always-validate\""),
        (PUBLIC, "authorization = \"never\""),
        (PUBLIC, "cache = \"bypass\""),
    ]) {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serving(move |request| {
            let answer = reply(if request.field("if-none-match").is_some() { 304 } else { 200 });
            answer.field("cache-control", directives).field("etag", "\"v1\"").body_pieces(["ab", "cd"]).gate(&held)
        })
        .await;
        let builder = Gateway::reverse(&origin, &test_clock()).set("cache", "collapse_wait = \"60s\"").policy(policy);
        let gateway = builder.start().await;
        let asking = tokio::spawn(at_once(crowd(&gateway, 20, "/x")));
        gate.wait_reached().await;
        gate.open();
        assert!(
            asking.await.unwrap().iter().all(|answer| answer.status == 200 && answer.text() == "abcd"),
            "{directives} {policy}"
        );
        let mut seen: Vec<_> = origin.requests().iter().map(who).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 20, "{directives} {policy}: the origin judges every credential");
    }
}

/// What one person's credentials make unfit for sharing is fetched once for all who have none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_the_uncredentialed_regroup_behind_a_credentialed_leader() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| {
        let answer = reply(200).field("cache-control", "max-age=60").body(who(request));
        if request.field("authorization").is_some() { answer.gate(&held) } else { answer }
    })
    .await;
    let gateway = gateway(&origin).await;
    let leader = tokio::spawn(gateway.anonymous().authorization("Bearer alice").get("/x"));
    gate.wait_reached().await;
    let followers = tokio::spawn(at_once((0..20).map(|_| (gateway.anonymous(), "GET", "/x")).collect()));
    wait_for_waiting(&gateway, 20).await;
    gate.open();
    assert_eq!(leader.await.unwrap().text(), "Bearer alice");
    assert!(followers.await.unwrap().iter().all(|answer| answer.text() == "nobody"));
    assert_eq!(origin.count(), 2);
}
