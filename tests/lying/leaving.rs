//! Clients that leave: after any byte of a request, and after any piece of an answer that somebody else reads too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::cases::Cases;
use crate::support::{Gate, Gateway, Origin, Reply, SeenRequest, reply, test_clock};

const CONTENT: &str = "0123456789";

fn made_for(request: &SeenRequest) -> String {
    format!("[{}]", request.field("authorization").unwrap_or("nobody"))
}

/// `/shared` may be shown to everybody, `/own` to nobody else.
fn answer(request: &SeenRequest) -> Reply {
    let says = if request.target.starts_with("/shared") { "public, max-age=60" } else { "max-age=60" };
    reply(200).field("cache-control", says)
}

/// Sends these bytes and goes: politely, or with a reset.
async fn leave_after(gateway: &Gateway, bytes: &[u8], resets: bool) {
    let mut stream = TcpStream::connect(gateway.address()).await.expect("somebody listens there");
    stream.write_all(bytes).await.expect("a connection");
    if resets {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option of the socket");
    }
}

/// Nothing is left of those who went.
async fn is_quiet(gateway: &Gateway) {
    for gauge in ["vouchsafe_flights", "vouchsafe_flight_waiting", "vouchsafe_connections"] {
        gateway.metric_is(gauge, &[], 0.0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_a_client_may_leave_after_any_byte_of_its_request_head() {
    let clock = test_clock();
    let origin = Origin::serving(|request| answer(request).body(made_for(request))).await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "collapse_wait = \"60s\"").start().await;
    let mut cases = Cases::new();
    for kind in ["shared", "own"] {
        let mut cut = 0;
        loop {
            let target = format!("/{kind}/{cut}");
            let head = gateway.anonymous().authorization("Bearer alice").request("GET", &target).bytes();
            let bob = gateway.anonymous().authorization("Bearer bob").unpooled();
            let (answer, ()) = tokio::join!(bob.get(&target), leave_after(&gateway, &head[..cut], cut % 2 == 1));
            let late = bob.get(&target).await;
            for answer in [answer, late] {
                let text = answer.text();
                // Who sent all of it may have led.
                let is_alices = kind == "shared" && cut == head.len() && text == "[Bearer alice]";
                cases.check(&target, answer.status == 200 && answer.complete && (text == "[Bearer bob]" || is_alices), text);
            }
            if cut == head.len() {
                break;
            }
            cut += 1;
        }
    }
    assert!(origin.requests().iter().all(|seen| seen.complete && seen.method == "GET"));
    is_quiet(&gateway).await;
    cases.finish(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n094_a_client_may_leave_after_any_byte_of_its_content() {
    let clock = test_clock();
    let origin = Origin::serving(|request| answer(request).body(made_for(request))).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let bob = gateway.anonymous().authorization("Bearer bob").unpooled();
    let mut cases = Cases::new();
    for is_chunked in [false, true] {
        let mut left = 1;
        loop {
            let target = format!("/shared/{is_chunked}/{left}");
            cases.expect(&target, bob.get(&target).await.stored(), true);
            let request = gateway.anonymous().authorization("Bearer alice").request("POST", &target);
            let request = if is_chunked { request.chunked(["01234", "56789"]) } else { request.body(CONTENT) };
            let bytes = request.bytes();
            let head = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
            leave_after(&gateway, &bytes[..bytes.len() - left], left % 2 == 1).await;
            // Nobody has answered the request that broke off: what is stored stays.
            let answer = bob.get(&target).await;
            cases.expect(&target, (answer.hit(), answer.text().as_str(), answer.complete), (true, "[Bearer bob]", true));
            left += 1;
            if bytes.len() - left < head {
                break;
            }
        }
    }
    is_quiet(&gateway).await;
    for seen in origin.requests().iter().filter(|seen| seen.method == "POST") {
        cases.check(&seen.target, !seen.complete && CONTENT.starts_with(&seen.text()), (seen.complete, seen.text()));
    }
    cases.finish(70);
}

const PIECES: usize = 6;

/// Content in pieces that say for whom they were made; the rest is held back after the first.
fn in_pieces(request: &SeenRequest, held: &Mutex<HashMap<String, Gate>>) -> Reply {
    let pieces = vec![made_for(request); PIECES];
    let says = answer(request);
    let reply = match request.target.split('/').nth(2) {
        Some("length") => says.body_pieces(pieces),
        Some("chunks") => says.chunked(pieces),
        _ => says.field("connection", "close").body_pieces(pieces).no_length(),
    };
    reply.body_gate(&held.lock().unwrap()[&request.target])
}

/// Alice leads, Bob reads beside her, and she goes after some of the pieces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_n063_a_leader_may_leave_after_any_piece_of_the_answer() {
    let clock = test_clock();
    let gates = Arc::new(Mutex::new(HashMap::new()));
    let held = Arc::clone(&gates);
    let origin = Origin::serving(move |request| in_pieces(request, &held)).await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "collapse_wait = \"60s\"").start().await;
    let person = |who: &str| gateway.anonymous().authorization(&format!("Bearer {who}")).unpooled();
    let piece = "[Bearer alice]".len();
    let mut cases = Cases::new();
    for framing in ["length", "chunks", "close"] {
        for (kind, made_for) in [("shared", "[Bearer alice]"), ("own", "[Bearer bob]")] {
            let is_shared = kind == "shared";
            for read in 1..=PIECES {
                let id = format!("/{kind}/{framing}/{read}");
                let gate = Gate::new();
                gates.lock().unwrap().insert(id.clone(), gate.clone());
                let mut alice = person("alice").request("GET", &id).begin().await;
                cases.expect(&id, alice.body_of(piece).await.len(), piece);
                let bob = person("bob").request("GET", &id).begin().await;
                cases.expect(&id, bob.answer.collapsed(), is_shared);
                gate.open();
                alice.body_of(piece * read).await;
                drop(alice);
                let (bob, whole) = (bob.finish().await, made_for.repeat(PIECES));
                cases.expect(&id, (bob.text(), bob.complete), (whole.clone(), true));
                let late = person("bob").get(&id).await;
                cases.expect(&id, (late.text(), late.complete, late.hit()), (whole, true, is_shared));
            }
        }
    }
    is_quiet(&gateway).await;
    cases.finish(3 * 2 * PIECES * 4);
}

/// She goes before there is an answer: who waits for it is answered by the one fetch that there was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n063_a_leader_may_leave_before_its_answer() {
    let clock = test_clock();
    for resets in [false, true] {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serving(move |request| answer(request).body(made_for(request)).gate(&held)).await;
        let gateway = Gateway::reverse(&origin, &clock).set("cache", "collapse_wait = \"60s\"").start().await;
        let person = |who: &str| gateway.anonymous().authorization(&format!("Bearer {who}")).unpooled();
        for target in ["/shared", "/own"] {
            leave_after(&gateway, &person("alice").request("GET", target).bytes(), resets).await;
        }
        gate.wait_reached_by(2).await;
        let waiting = ["/shared", "/own"].map(|target| tokio::spawn(person("bob").get(target)));
        gateway.metric_is("vouchsafe_flight_waiting", &[], 2.0).await;
        gate.open();
        for (bob, made_for) in waiting.into_iter().zip(["[Bearer alice]", "[Bearer bob]"]) {
            let answer = bob.await.expect("an answer");
            assert_eq!((answer.text().as_str(), answer.complete), (made_for, true), "resets: {resets}");
        }
        assert_eq!(origin.count(), 3);
        is_quiet(&gateway).await;
    }
}
