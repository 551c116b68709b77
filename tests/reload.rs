//! Reloading: another configuration in force, or the old one whole; connections, store and counters go on.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use support::cases::Cases;
use support::{Gate, Gateway, Origin, reply, test_clock, within};
use tokio::task::JoinSet;

const RELOADS: &str = "vouchsafe_config_reloads_total";

async fn reloads(gateway: &Gateway, outcome: &str, count: f64) {
    gateway.metric_is(RELOADS, &[("outcome", outcome)], count).await;
}

fn shareable() -> support::Reply {
    reply(200).field("cache-control", "max-age=60, public").field("etag", "\"1\"").body("abc")
}

#[tokio::test]
async fn the_next_request_on_an_open_connection_finds_the_new_settings_and_the_old_store() {
    let clock = test_clock();
    let origin = Origin::serving(|_| shareable()).await;
    let gateway = Gateway::reverse(&origin, &clock).policy("stale_if_error = \"0s\"").start().await;
    let mut wire = gateway.anonymous().open().await;
    let get = "GET /x HTTP/1.1\r\nhost: app.test\r\n\r\n";
    wire.send(get).await;
    assert_eq!(wire.answer("GET").await.text(), "abc");
    let changes = gateway
        .reload(|text| text.replace("connections_per_address", "").replace("stale_if_error", "canary = 0.0\nstale_if_error"))
        .await
        .unwrap();
    assert!(changes.is_empty(), "a comment or a default changes nothing: {changes}");
    wire.send(get).await;
    assert!(wire.answer("GET").await.hit(), "what was stored is still there");
    let changes = gateway.reload(|text| text.replace("stale_if_error = \"0s\"", "cache = \"bypass\"")).await.unwrap();
    assert!(changes.to_string().contains("+ "), "{changes}");
    wire.send(get).await;
    assert_eq!(wire.answer("GET").await.fwd(), Some("bypass"));
    assert_eq!(origin.count(), 2);
    gateway.metric_is("vouchsafe_connections", &[], 1.0).await;
    gateway.metric_is("vouchsafe_requests_total", &[("code", "200")], 3.0).await;
    reloads(&gateway, "applied", 2.0).await;
    let lines = gateway.log_lines(3).await;
    let mut ids: Vec<_> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "an id is given once");
}

/// D15: under another policy an entry serves nothing but the validation of its asker.
#[tokio::test]
async fn a_changed_policy_never_widens_who_sees_what_was_stored_before() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for (before, after) in [
        ("credentials = { headers = [\"x-key\"] }", "credentials = { headers = [] }"),
        ("anonymous_entries = \"bypass\"", "anonymous_entries = \"reuse\""),
        ("authorization = \"always-validate\"", "authorization = \"standard\""),
        ("max_ttl = \"1m\"", "max_ttl = \"1h\""),
    ] {
        let origin = Origin::serving(|request| {
            let is_known = request.field("if-none-match").is_some();
            let answer = reply(if is_known { 304 } else { 200 }).field("cache-control", "max-age=3600, public");
            let answer = answer.field("etag", "\"1\"");
            if is_known { answer } else { answer.body("abc") }
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).policy(before).start().await;
        gateway.anonymous().with("x-key", "alice").get("/x").await;
        gateway.reload(|text| text.replace(before, after)).await.unwrap();
        let bob = gateway.anonymous().authorization("Bearer bob").get("/x").await;
        cases.check(after, !bob.hit() && origin.count() == 2, bob.cache_status());
        cases.expect(after, origin.last().field("authorization"), Some("Bearer bob"));
    }
    cases.finish(8);
}

#[tokio::test]
async fn a_configuration_with_mistakes_changes_nothing_and_says_so() {
    let clock = test_clock();
    let mut cases = Cases::new();
    let origin = Origin::serving(|_| shareable()).await;
    let gateway = Gateway::reverse(&origin, &clock).auth("origin").start().await;
    let good = std::fs::read_to_string(gateway.directory().join("test.toml")).unwrap();
    let mut refused = 0.0;
    let mistakes: [(&str, &str, &str); 6] = [
        ("[log]", "[lag]", "did you mean `log`"),
        (
            "address = \"127.0.0.1:0\"\nmode",
            "address = \"127.0.0.1:0\"\ntls = { certificate = \"no.pem\", key = \"no.pem\" }\nmode",
            "no.pem",
        ),
        ("address = \"127.0.0.1:0\"\nmode", "address = \"192.0.2.1:80\"\nmode", "192.0.2.1"),
        ("[log]\n", "[cache]\nmemory = \"1MiB\"\n[log]\n", "restart"),
        ("[log]\n", "[log]\nformat = \"text\"\n", "restart"),
        ("[[route]]", "[[rout]]", "route"),
    ];
    for (from, to, expect) in mistakes {
        assert!(good.contains(from), "{good}");
        let error = gateway.reload(|_| good.replacen(from, to, 1)).await.unwrap_err();
        cases.check(to, error.contains(expect), &error);
        let answer = gateway.client("alice").get("/x").await;
        cases.expect(to, answer.status, 200);
        refused += 1.0;
        reloads(&gateway, "refused", refused).await;
        gateway.metric_is("vouchsafe_config_last_reload_successful", &[], 0.0).await;
    }
    std::fs::write(gateway.directory().join("users.htpasswd"), "alice:no hash\n").unwrap();
    let error = gateway.reload(|_| good.clone()).await.unwrap_err();
    cases.check("users", error.contains("users.htpasswd") && !error.contains("no hash"), &error);
    cases.expect("users", gateway.client("bob").get("/x").await.status, 200);
    support::toml::write_users(gateway.directory());
    cases.check("mended", gateway.reload(|_| good.clone()).await.is_ok(), "refused");
    gateway.metric_is("vouchsafe_config_last_reload_successful", &[], 1.0).await;
    cases.finish(14);
}

#[tokio::test]
async fn users_are_read_again_and_nonces_stay_good() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("abc")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let challenge = gateway.digest_challenge().await;
    let digest = |count| challenge.credentials("bob", "GET", &origin.url("/x")).nc(count).value();
    let with_digest = |count| gateway.anonymous().with("proxy-authorization", &digest(count));
    assert_eq!(with_digest(1).get("/x").await.status, 200);
    assert_eq!(gateway.client("alice").get("/x").await.status, 200);
    let file = gateway.directory().join("users.htpasswd");
    let users = std::fs::read_to_string(&file).unwrap();
    let rest: String = users.lines().filter(|line| !line.starts_with("alice:")).map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, rest).unwrap();
    assert!(gateway.reload(|text| text).await.unwrap().is_empty());
    assert_eq!(gateway.client("alice").get("/x").await.status, 407, "a remembered password is forgotten");
    assert_eq!(with_digest(2).get("/x").await.status, 200, "no client has to answer a new challenge");
    assert_eq!(with_digest(2).get("/x").await.status, 407, "and replays are known as before");
}

#[tokio::test]
async fn listeners_come_and_go() {
    let clock = test_clock();
    let gate = Gate::new();
    let held = gate.clone();
    let origin =
        Origin::serving(move |request| if request.target == "/held" { reply(200).body("late").gate(&held) } else { shareable() })
            .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let second = "[[listener]]\nname = \"second\"\naddress = \"127.0.0.1:0\"\nmode = \"gateway\"\nauth = \"none\"\n";
    // In front: the listener that stays gets another number.
    let changes = gateway.reload(|text| format!("{second}{text}")).await.unwrap();
    assert!(changes.added.iter().any(|line| line.contains("second")), "{changes}");
    let added = gateway.anonymous_now_at(0).await;
    assert_eq!(added.get("/x").await.status, 200);
    assert!(gateway.anonymous().get("/x").await.hit(), "the old one keeps its port");
    gateway.metric_is("vouchsafe_requests_total", &[("listener", "second")], 1.0).await;
    // One exchange is in the air on the listener that goes.
    let asking = tokio::spawn(added.get("/held"));
    gate.wait_reached().await;
    gateway.reload(|text| text.replace(second, "")).await.unwrap();
    gate.open();
    let late = within("the answer", asking).await.unwrap();
    assert_eq!((late.status, late.text().as_str()), (200, "late"));
    support::eventually("the listener to be closed", || async {
        match tokio::net::TcpStream::connect(added.address()).await {
            Ok(_) => Err("accepted".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
    assert!(gateway.anonymous().get("/x").await.hit());
}

/// What issue trackers of other proxies are full of: requests lost while the configuration changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_load_lose_no_request() {
    let clock = test_clock();
    let origin = Origin::serving(|_| shareable()).await;
    let gateway = Arc::new(Gateway::forward(&clock).origin(&origin).policy("max_ttl = \"1h\"").start().await);
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut asking = JoinSet::new();
    for worker in 0..8 {
        let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
        let client = gateway.client("alice").authorization(&format!("Bearer {worker}"));
        asking.spawn(async move {
            let mut turn = 0;
            while !is_over.load(Ordering::Relaxed) {
                turn += 1;
                let target = if turn % 3 == 0 { format!("/{worker}/{turn}") } else { "/shared".to_owned() };
                let answer = client.get(&target).await;
                assert_eq!((answer.status, answer.complete), (200, true), "{target}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for turn in 0..100 {
        let before = answered.load(Ordering::Relaxed);
        let (from, to) = if turn % 2 == 0 { ("\"1h\"", "\"2h\"") } else { ("\"2h\"", "\"1h\"") };
        gateway.reload(|text| text.replace(&format!("max_ttl = {from}"), &format!("max_ttl = {to}"))).await.unwrap();
        support::eventually("requests between reloads", || async {
            if answered.load(Ordering::Relaxed) > before { Ok(()) } else { Err("none".to_owned()) }
        })
        .await;
    }
    is_over.store(true, Ordering::Relaxed);
    while let Some(ended) = within("the workers", asking.join_next()).await {
        ended.unwrap();
    }
    reloads(&gateway, "applied", 100.0).await;
    let count = answered.load(Ordering::Relaxed);
    assert!(count >= 100, "{count}");
}

/// What log rotation does: the file is moved away, and a reload that changes nothing else opens it anew.
#[tokio::test]
async fn the_access_log_is_opened_anew() {
    let (clock, origin) = (test_clock(), Origin::serving(|_| shareable()).await);
    let gateway = Gateway::reverse(&origin, &clock).set("log", "access = \"access.log\"").start().await;
    let (file, moved) = (gateway.directory().join("access.log"), gateway.directory().join("access.log.1"));
    let lines = |file: &std::path::Path| std::fs::read_to_string(file).unwrap_or_default().lines().count();
    gateway.anonymous().get("/before").await;
    support::eventually("a line", || async { if lines(&file) == 1 { Ok(()) } else { Err(lines(&file).to_string()) } }).await;
    std::fs::rename(&file, &moved).unwrap();
    assert!(gateway.reload(|text| text).await.unwrap().is_empty(), "no setting changed");
    gateway.anonymous().get("/after").await;
    support::eventually("a line in a new file", || async {
        if lines(&file) == 1 { Ok(()) } else { Err(lines(&file).to_string()) }
    })
    .await;
    assert_eq!(lines(&moved), 1);
}

/// The real program: SIGHUP, and what it says about it.
#[test]
fn sighup_reloads_and_says_what_changed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("v.toml");
    let text = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n[log]\naccess = \"off\"\n\
                [[policy]]\nname = \"none\"\nmatch = { statuses = [401] }\nmax_ttl = \"1s\"\n";
    std::fs::write(&file, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_vouchsafe"))
        .args(["serve", "--config", file.to_str().unwrap()])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut until =
        |word: &str| lines.by_ref().map(Result::unwrap).find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word}"));
    until("listening");
    // What is in force and changes nothing.
    let warning = "v.toml:10:9: policy[0].match.statuses: expected statuses that may be stored, found 401";
    until(warning);
    let pid = child.id().to_string();
    let hang_up = || assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    std::fs::write(&file, format!("{text}[limits]\nidle_time = \"7s\"\n")).unwrap();
    hang_up();
    until(warning);
    let said = until("reloaded");
    assert!(said.contains("idle_time 7s"), "{said}");
    std::fs::write(&file, format!("{text}[limits]\nidle_tim = \"7s\"\n")).unwrap();
    hang_up();
    let said = until("not reloaded");
    assert!(said.contains("did you mean `idle_time`") && said.contains("stays in force"), "{said}");
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}
