//! `vouchsafe simulate`: what a replay says is what a gateway with that configuration does.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::process::{Command, Output};

use support::cases::Cases;
use support::{Gateway, Origin, reply, secs, test_clock};
use vouchsafe::clock::Clock;

/// Requests of one run.
const REQUESTS: usize = 3_000;

/// A stream of numbers from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }
}

/// Says different things about different paths.
async fn origin() -> Origin {
    Origin::serving(|request| {
        let number: usize = request.target.trim_start_matches("/page/").split('?').next().unwrap().parse().unwrap_or_default();
        let says =
            ["max-age=60", "public, max-age=30", "private, max-age=60", "s-maxage=20", "s-maxage=0", "no-store", "max-age=600"]
                [number % 7];
        let is_known = request.field("if-none-match").is_some();
        let answer = reply(if is_known { 304 } else { 200 }).field("cache-control", says).field("etag", "\"1\"");
        let media_type = ["text/html; charset=utf-8", "text/plain", "image/png"][number % 3];
        let answer = answer.field("content-type", media_type);
        let answer = if number.is_multiple_of(11) { answer.field("vary", "accept-language") } else { answer };
        if is_known { answer } else { answer.body("x".repeat(100 + number)) }
    })
    .await
}

/// Sends the same requests to a gateway with this policy; back come its log and its own hit ratio.
async fn live(policy: &str) -> (Gateway, f64) {
    let (clock, origin): (Clock, Origin) = (test_clock(), origin().await);
    let gateway = Gateway::reverse(&origin, &clock).policy(policy).start().await;
    let mut chance = Chance(7);
    let client = gateway.anonymous();
    for _ in 0..REQUESTS {
        // The lower numbers are asked for more often.
        let page = chance.below(60).min(chance.below(60)).min(chance.below(60));
        let who = ["", "", "Bearer alice", "Bearer bob"][usize::try_from(chance.below(4)).unwrap()];
        let language = ["de", "en"][usize::try_from(chance.below(2)).unwrap()];
        let asker = if who.is_empty() { client.clone() } else { client.clone().authorization(who) };
        let answer = asker.with("accept-language", language).get(&format!("/page/{page}")).await;
        assert_eq!(answer.status, 200);
        clock.advance(secs(chance.below(3)));
    }
    gateway.log_lines(REQUESTS).await;
    let hits = gateway.metric("vouchsafe_cache_requests_total", &[("result", "hit")]).await;
    let ratio = hits / f64::from(u32::try_from(REQUESTS).unwrap());
    drop(origin);
    (gateway, ratio)
}

fn simulate(gateway: &Gateway, configuration: &str, flags: &[&str]) -> Output {
    let file = gateway.directory().join("candidate.toml");
    std::fs::write(&file, configuration).unwrap();
    let log = gateway.directory().join("access.log");
    let arguments = ["simulate", "--config", file.to_str().unwrap(), "--log", log.to_str().unwrap()];
    Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(arguments).args(flags).output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The same requests, through the log of one configuration and through a gateway of another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulated_hit_ratio_is_that_of_a_gateway_within_two_points() {
    let mut cases = Cases::new();
    let today = "anonymous_entries = \"reuse\"";
    let (logged, logged_ratio) = live(today).await;
    let text = std::fs::read_to_string(logged.directory().join("test.toml")).unwrap();
    for candidate in [
        today,
        "authorization = \"never\"",
        "authorization = \"always-validate\"",
        "anonymous_entries = \"validate\"",
        "anonymous_entries = \"bypass\"",
        "max_ttl = \"15s\"",
        "cache = \"bypass\"",
        "partition = \"credential\"",
        "[[policy]]\nname = \"pages\"\nmatch = { content_types = [\"text/html\"] }\nmax_ttl = \"5s\"\nauthorization = \"never\"",
        "[[policy]]\nname = \"pages\"\nmatch = { content_types = [\"image/*\"] }\ncache = \"bypass\"",
    ] {
        let report = json(&simulate(&logged, &text.replace(today, candidate), &["--json"]));
        let simulated = report["simulated"]["hit_ratio"].as_f64().unwrap();
        let (_, live) = if candidate == today {
            (None, logged_ratio)
        } else {
            let (gateway, ratio) = live(candidate).await;
            (Some(gateway), ratio)
        };
        cases.check(candidate, (simulated - live).abs() < 0.02, (simulated, live));
        cases.expect(candidate, report["lines"].as_u64(), Some(REQUESTS as u64));
        let logged = report["logged"]["hit_ratio"].as_f64().unwrap();
        cases.check(candidate, (logged - logged_ratio).abs() < 0.001, (logged, logged_ratio));
        if candidate.starts_with("authorization") {
            cases.expect(candidate, report["newly_shared"]["requests"].as_u64(), Some(0));
            let refused = report["newly_refused"]["requests"].as_u64();
            cases.check(candidate, refused > Some(0) || candidate.contains("validate"), refused);
        }
    }
    cases.finish(24);
    let output = simulate(&logged, &text, &[]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("hit ratio") && shown.contains("newly shared"), "{shown}");
    assert!(output.stderr.is_empty(), "no progress bar where nobody looks");
}

fn line(number: usize, method: &str, rest: &str) -> String {
    format!(
        "{{\"time\":\"2026-11-21T10:00:{:02}.000Z\",\"listener\":\"edge\",\"method\":\"{method}\",\"host\":\"a.test\",\"path\":\"/x\",\
         \"url_hash\":\"00000000000000aa\",\"status\":200,\"bytes\":10,\"reason\":\"uri-miss\",\"fwd_status\":200,\"etag\":\"aa\",{rest}}}\n",
        number
    )
}

fn run(log: &str, configuration: &str) -> (Output, serde_json::Value) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("v.toml"), configuration).unwrap();
    std::fs::write(path("access.log"), log).unwrap();
    let arguments = ["simulate", "--json", "--config", &path("v.toml"), "--log", &path("access.log")];
    let output = Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(arguments).output().unwrap();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, json)
}

const OPEN: &str = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";

#[test]
fn a_policy_that_would_share_more_says_where() {
    let refused = r#""credentialed":true,"result":"miss","cache_control":"public, max-age=60""#;
    let log: String = (0..4).map(|number| line(number, "GET", refused)).collect();
    let (_, report) = run(&log, OPEN);
    assert_eq!((&report["simulated"]["counts"]["hits"], &report["logged"]["counts"]["hits"]), (&3.into(), &0.into()));
    assert_eq!(report["newly_shared"]["paths"][0], serde_json::json!({ "path": "a.test/x", "requests": 3 }));
    // RFC 9111 section 4.4: a successful unsafe request ends it.
    let anonymous = r#""credentialed":false,"result":"miss","cache_control":"max-age=60""#;
    let log =
        [line(0, "GET", anonymous), line(1, "DELETE", anonymous), line(2, "GET", anonymous), line(3, "GET", anonymous)].concat();
    let (_, report) = run(&log, OPEN);
    assert_eq!(report["simulated"]["counts"]["hits"], 1);
}

/// The log has no queries: a candidate with a rule is replayed under the keys that were, and says so.
#[test]
fn a_query_rule_is_named_and_not_replayed() {
    let log = line(0, "GET", r#""credentialed":false,"result":"miss","cache_control":"max-age=60""#);
    let ruled = format!("{OPEN}[[policy]]\nname = \"pages\"\nquery = \"none\"\n[[policy]]\nname = \"rest\"\n");
    let (_, report) = run(&log, &ruled);
    assert_eq!(report["query_not_replayed"], serde_json::json!(["pages"]));
    let (_, report) = run(&log, OPEN);
    assert_eq!(report["query_not_replayed"], serde_json::json!([]));
}

#[test]
fn mistakes_change_nothing_and_are_told() {
    let good = line(0, "GET", r#""credentialed":false,"result":"miss","cache_control":"max-age=60""#);
    let mut cases = Cases::new();
    for (log, configuration, code, expect) in [
        (
            format!("{good}a.test - - \"GET /secret\"\n{{\"a\":1}}\n{good}"),
            OPEN,
            0,
            "access.log:2: expected a line as log.access writes it, found another: it is no JSON",
        ),
        (format!("{good}{{\"a\":1}}\n"), OPEN, 0, "1 of 2 lines were left out"),
        (format!("{good}{}", &good[..40]), OPEN, 0, "access.log:2"),
        ("127.0.0.1 - - \"GET /secret\"\n".to_owned(), OPEN, 1, "no line could be replayed"),
        (String::new(), OPEN, 1, "expected lines, found none"),
        (good, "[[lisener]]\n", 2, "lisener"),
    ] {
        let (output, _) = run(&log, configuration);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        cases.expect(expect, output.status.code(), Some(code));
        cases.check(expect, said.contains(expect) && !said.contains("secret"), &said);
    }
    cases.finish(12);
}
