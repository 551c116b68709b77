//! The canary: what the origin would have said to the asker of a shared answer is compared with the answer.
//!
//! RFC 9111 section 3.5.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use support::cases::Cases;
use support::{Gateway, Origin, SeenRequest, eventually, reply, secs, test_clock};

const EACH: &str = "canary = 1.0";
const SAYS: &str = "max-age=60, public";
const SUSPECT: &str = "vouchsafe_leak_suspect_total";
const OUTCOMES: &str = "vouchsafe_canary_total";

/// What this process has logged so far.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).init();
        log
    })
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Says to each asker who they are, and that everybody may see it.
fn personal(request: &SeenRequest) -> support::Reply {
    let asker = request.field("authorization").unwrap_or("nobody").to_owned();
    reply(200).field("cache-control", SAYS).body(format!("for {asker}"))
}

#[tokio::test]
async fn an_origin_that_shares_what_is_personal_is_reported_without_a_name() {
    let log = log();
    let clock = test_clock();
    let origin = Origin::serving(personal).await;
    let gateway = Gateway::reverse(&origin, &clock).policy(EACH).start().await;
    gateway.anonymous().authorization("Bearer alice-secret").get("/private-path?q=hidden").await;
    let bob = gateway.anonymous().authorization("Bearer bob-secret").get("/private-path?q=hidden").await;
    assert_eq!((bob.hit(), bob.text().as_str()), (true, "for Bearer alice-secret"), "the answer is what the rules make of it");
    gateway.metric_is(SUSPECT, &[], 1.0).await;
    let asked = origin.last();
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/private-path?q=hidden"));
    assert_eq!((asked.field("authorization"), asked.field("if-none-match")), (Some("Bearer bob-secret"), None));
    assert_eq!(origin.count(), 2);
    // The comparison left no trace in the store.
    let carol = gateway.anonymous().authorization("Bearer carol-secret").get("/private-path?q=hidden").await;
    assert_eq!(carol.text(), "for Bearer alice-secret");
    gateway.metric_is(OUTCOMES, &[("outcome", "suspect")], 2.0).await;
    eventually("a line that names hash and rule", || async {
        let text = log.text();
        let line = text.lines().find(|line| line.contains("leak suspect")).ok_or_else(|| "none".to_owned())?;
        let fields = serde_json::from_str::<serde_json::Value>(line).unwrap()["fields"].clone();
        assert_eq!((fields["rule"].as_str(), fields["difference"].as_str()), (Some("permit-public"), Some("content")), "{line}");
        let logged = gateway.log_lines(2).await;
        assert_eq!(fields["url_hash"], logged[1]["url_hash"], "the same hash as in the access log");
        assert!(["secret", "hidden", "private-path"].iter().all(|word| !line.contains(word)), "{line}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_the_origin_says_to_the_asker_decides() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (alice, bob, expect) in [
        ((200, "same"), (200, "same"), "same"),
        ((200, "same"), (200, "samf"), "suspect"),
        ((200, "same"), (200, "sam"), "suspect"),
        ((200, "same"), (200, "same "), "suspect"),
        ((200, ""), (200, ""), "same"),
        ((200, "same"), (401, "same"), "suspect"),
        ((200, "same"), (403, "no"), "suspect"),
        ((200, "same"), (404, ""), "suspect"),
        ((404, "none"), (404, "none"), "same"),
        ((200, "same"), (500, "oops"), "unknown"),
        ((200, "same"), (429, "slow"), "unknown"),
    ] {
        let origin = Origin::serving(move |request| {
            let (status, text) = if request.field("authorization") == Some("Bearer alice") { alice } else { bob };
            reply(status).field("cache-control", SAYS).body(text)
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).policy(EACH).start().await;
        gateway.anonymous().authorization("Bearer alice").get("/x").await;
        let answer = gateway.anonymous().authorization("Bearer bob").get("/x").await;
        cases.expect(&format!("{alice:?} {bob:?}"), (answer.hit(), answer.text().as_str()), (true, alice.1));
        gateway.metric_is(OUTCOMES, &[("outcome", expect)], 1.0).await;
        gateway.metric_is(SUSPECT, &[], if expect == "suspect" { 1.0 } else { 0.0 }).await;
        let again = gateway.anonymous().authorization("Bearer alice").head("/x").await;
        cases.expect(&format!("{alice:?} {bob:?} later"), again.hit(), true);
    }
    cases.finish(16);
}

#[tokio::test]
async fn an_origin_that_breaks_off_tells_nothing() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let whole = reply(200).field("cache-control", SAYS).body("a whole answer");
        if request.field("authorization") == Some("Bearer alice") { whole } else { whole.truncate_after(7) }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).policy(EACH).start().await;
    gateway.anonymous().authorization("Bearer alice").get("/x").await;
    assert_eq!(gateway.anonymous().authorization("Bearer bob").get("/x").await.text(), "a whole answer");
    gateway.metric_is(OUTCOMES, &[("outcome", "unknown")], 1.0).await;
    gateway.metric_is(SUSPECT, &[], 0.0).await;
}

/// Only what crosses from one requester to another is asked for again, and nothing unless somebody wants it.
#[tokio::test]
async fn which_reuses_are_doubted() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (policy, says, filler, asker, method, age, is_doubted) in [
        (EACH, SAYS, "Bearer alice", "Bearer bob", "GET", 0, true),
        (EACH, SAYS, "Bearer alice", "Bearer bob", "HEAD", 0, true),
        (EACH, SAYS, "Bearer alice", "", "GET", 0, true),
        (EACH, SAYS, "", "Bearer bob", "GET", 0, true),
        (EACH, SAYS, "", "", "GET", 0, false),
        ("canary = 0", SAYS, "Bearer alice", "Bearer bob", "GET", 0, false),
        ("heuristic = true", SAYS, "Bearer alice", "Bearer bob", "GET", 0, false),
        // Stale answers may differ from what the origin says now.
        (EACH, "max-age=10, stale-while-revalidate=60, public", "Bearer alice", "Bearer bob", "GET", 20, false),
    ] {
        let origin = Origin::serving(move |_| reply(200).field("cache-control", says).field("etag", "\"1\"").body("x")).await;
        let gateway = Gateway::reverse(&origin, &clock).policy(policy).start().await;
        let by = |who: &str| {
            let client = gateway.anonymous();
            if who.is_empty() { client } else { client.authorization(who) }
        };
        by(filler).get("/x").await;
        clock.advance(secs(age));
        let answer = by(asker).request(method, "/x").send().await;
        let case = format!("{policy}, {says}: {filler:?}, {asker:?} {method}");
        cases.expect(&case, answer.hit(), true);
        if is_doubted {
            gateway.metric_is(OUTCOMES, &[("outcome", "same")], 1.0).await;
            cases.expect(&case, origin.count(), 2);
        } else {
            // What follows on the same connection to the origin comes after a request that was on its way.
            gateway.anonymous().get("/other").await;
            let doubted =
                origin.requests().iter().filter(|seen| seen.target == "/x" && seen.field("if-none-match").is_none()).count();
            cases.expect(&case, doubted, 1);
            let compared = gateway.metric(OUTCOMES, &[]).await;
            cases.check(&case, compared < 1.0, compared);
        }
    }
    cases.finish(16);
}
