//! What an operator does with a running gateway, over the admin listener and with `vouchsafe admin`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use support::cases::Cases;
use support::{Answer, Gateway, Origin, reply, secs, test_clock};

async fn post(gateway: &Gateway, path: &str, order: Value) -> Answer {
    gateway.admin().request("POST", path).field("content-type", "application/json").body(order.to_string()).send().await
}

/// Runs `vouchsafe admin` against this gateway.
async fn admin(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
    command.args(["admin", "--address", &gateway.admin_address().to_string()]).args(arguments);
    let Output { status, stdout, stderr } = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// What is stored is listed with what decides about it, and nothing of its content.
#[tokio::test]
async fn entries_below_a_prefix_are_listed() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let answer = reply(200).field("cache-control", "public, max-age=60").field("surrogate-key", "red").body("secret");
        if request.target.contains("vary") { answer.field("vary", "accept-language, x-v") } else { answer }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).policy("partition = \"credential\"").start().await;
    let alice = gateway.anonymous().authorization("Bearer a");
    for path in ["/b/2?q=1", "/b/vary", "/c"] {
        alice.get(path).await;
    }
    gateway.anonymous().host("other.test").get("/b/2").await;
    gateway.anonymous().get("/b/1").await;
    clock.advance(secs(70));
    alice.with("cache-control", "max-stale").get("/b/2?q=1").await;
    let listed = post(&gateway, "/entries", json!({"prefix": "http://app.test/b/"})).await.json();
    let expected = json!({"entries": [
        {"url": "http://app.test/b/1", "status": 200, "bytes": 6, "part": false, "age": 70, "ttl": -10,
         "permission": "uncredentialed", "partition": "credential", "query": "exact", "vary": [], "tags": ["red"]},
        {"url": "http://app.test/b/2?q=1", "status": 200, "bytes": 6, "part": false, "age": 70, "ttl": -10,
         "permission": "permit-public", "partition": "credential", "query": "exact", "vary": [], "tags": ["red"]},
        {"url": "http://app.test/b/vary", "status": 200, "bytes": 6, "part": false, "age": 70, "ttl": -10,
         "permission": "permit-public", "partition": "credential", "query": "exact", "vary": ["accept-language", "x-v"], "tags": ["red"]},
    ], "more": false});
    assert_eq!(listed, expected);
    let listed = post(&gateway, "/entries", json!({"prefix": "http://app.test/", "limit": 3})).await.json();
    assert_eq!((listed["entries"].as_array().unwrap().len(), &listed["more"]), (3, &json!(true)));
    post(&gateway, "/purge", json!({"prefix": "http://app.test/b/"})).await;
    let listed = post(&gateway, "/entries", json!({"prefix": "http://app.test/b/"})).await.json();
    assert_eq!(listed, json!({"entries": [], "more": false}));
    let rebound = gateway.admin().request("POST", "/entries").field("host", "rebound.test");
    let rebound = rebound.field("content-type", "application/json").body("{\"prefix\": \"http://app.test/\"}");
    assert_eq!(rebound.send().await.status, 403, "what is stored is told to the operator alone");
}

/// A revoked user is nobody, whatever was remembered, in every scheme, until that is lifted; others go on.
#[tokio::test]
async fn who_is_revoked_is_challenged_whatever_was_remembered() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "public, max-age=60").body("a")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).policy("max_ttl = \"1h\"").start().await;
    let (alice, bob) = (gateway.client("alice"), gateway.client("bob"));
    let challenge = gateway.digest_challenge().await;
    let uri = origin.url("/x");
    let digest = |count| {
        let credentials = challenge.credentials("alice", "GET", &uri).nc(count).value();
        gateway.anonymous().with("proxy-authorization", &credentials).get("/x")
    };
    assert_eq!((alice.get("/x").await.status, bob.get("/x").await.status, digest(1).await.status), (200, 200, 200));
    let mut cases = Cases::new();
    let revoked = post(&gateway, "/revoke", json!({"principal": "alice"})).await;
    assert_eq!((revoked.status, revoked.json()), (200, json!({"revoked": true})));
    let refused = alice.get("/x").await;
    cases.expect("basic", (refused.status, refused.field("proxy-authenticate").is_some()), (407, true));
    cases.expect("digest", digest(2).await.status, 407);
    cases.expect("another user", bob.get("/x").await.status, 200);
    gateway.reload(|text| text.replace("max_ttl = \"1h\"", "max_ttl = \"2h\"")).await.unwrap();
    cases.expect("after a reload", alice.get("/x").await.status, 407);
    let lifted = post(&gateway, "/revoke", json!({"principal": "alice", "lift": true})).await;
    cases.expect("lifted", (lifted.json(), alice.get("/x").await.status), (json!({"revoked": false}), 200));
    cases.expect("digest again", digest(3).await.status, 200);
    cases.finish(6);
    gateway.metric_is("vouchsafe_auth_total", &[("scheme", "basic"), ("outcome", "revoked")], 2.0).await;
    gateway.metric_is("vouchsafe_auth_total", &[("scheme", "digest"), ("outcome", "revoked")], 1.0).await;
}

/// `POST /reload` tells what changed, or why nothing did.
#[tokio::test]
async fn a_reload_is_asked_for_over_the_admin_listener() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::reverse(&origin, &clock).policy("max_ttl = \"1h\"").start().await;
    // The first answer of a running server.
    gateway.anonymous().get("/").await;
    let file = gateway.directory().join("test.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("1h", "2h")).unwrap();
    let done = post(&gateway, "/reload", json!({})).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let added = done.json()["added"].to_string();
    assert!(added.contains("to 2h"), "{added}");
    std::fs::write(&file, text.replace("max_ttl", "max_tt")).unwrap();
    let refused = post(&gateway, "/reload", json!({})).await;
    assert!(refused.status == 409 && refused.text().contains("did you mean `max_ttl`"), "{}", refused.text());
    assert_eq!(gateway.admin().request("POST", "/reload").send().await.status, 415, "no page in a browser reloads");
}

/// The command line says the same, with exit codes for scripts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_asks_and_tells() {
    let clock = test_clock();
    let origin =
        Origin::serving(|_| reply(200).field("cache-control", "public, max-age=60").field("surrogate-key", "red").body("a"))
            .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for path in ["/1", "/2"] {
        gateway.anonymous().get(path).await;
    }
    let mut cases = Cases::new();
    for (arguments, code, out, error) in [
        (&["purge", "--tag", "red", "--dry-run"][..], 0, r#"{"what":"tag","soft":false,"dry_run":true,"count":2}"#, ""),
        (&["purge", "--url", "http://app.test/1", "--soft"], 0, r#"{"what":"url","soft":true,"dry_run":false,"count":1}"#, ""),
        (&["entries", "--prefix", "http://app.test/2"], 0, r#""url":"http://app.test/2""#, ""),
        (&["purge", "--prefix", "http://app.test/2"], 0, r#"{"what":"prefix","soft":false"#, ""),
        (&["entries", "--prefix", "http://app.test/2"], 0, r#"{"entries":[],"more":false}"#, ""),
        (&["purge", "--principal", "alice"], 0, r#"{"what":"principal""#, ""),
        (&["purge", "--credential", "00ff00ff00ff00ff"], 0, r#"{"what":"credential""#, ""),
        (&["purge", "--all"], 0, r#"{"what":"all""#, ""),
        (&["revoke", "alice"], 0, r#"{"revoked":true}"#, ""),
        (&["revoke", "alice", "--lift"], 0, r#"{"revoked":false}"#, ""),
        (&["reload"], 0, r#"{"removed":[],"added":[]}"#, ""),
        (&["metrics"], 0, "vouchsafe_build_info", ""),
        (&["status"], 0, r#""refusals":["#, ""),
        (&["explain", "http://app.test/1?a=b&c=%41%20d"], 0, r#"{"url":"http://app.test/1","#, ""),
        (&["explain", "/1"], 2, "", "url: expected a URI with scheme and host"),
        (&["purge", "--url", "/1"], 2, "", "url: expected a URI with scheme and host"),
        (&["log", "debug"], 1, "", "409 Conflict: the log of this process was set up elsewhere"),
        (&["purge"], 2, "", "required"),
        (&["purge", "--all", "--tag", "a"], 2, "", "cannot be used with"),
        (&["--token-file", "/nowhere/token", "metrics"], 2, "", "/nowhere/token"),
    ] {
        let (found, stdout, stderr) = admin(&gateway, arguments).await;
        cases.expect(&format!("{arguments:?} code"), found, Some(code));
        cases.check(
            &format!("{arguments:?} output"),
            stdout.contains(out) && stderr.contains(error),
            format!("{stdout} {stderr}"),
        );
        cases.check(&format!("{arguments:?} quiet"), stdout.is_empty() || stderr.is_empty(), format!("{stdout} {stderr}"));
    }
    cases.finish(51);
    let address = gateway.admin_address().to_string();
    gateway.stopped().await;
    let nobody =
        Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(["admin", "--address", &address, "metrics"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8(nobody.stderr).unwrap().starts_with(&format!("vouchsafe: cannot ask {address}: ")));
}

/// The real program, killed at the end.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// A token on a listener that needs it, the level of the log while it runs, and that every order is logged.
#[test]
fn the_real_program_logs_every_order_and_more_when_told() {
    let directory = tempfile::tempdir().unwrap();
    let (file, token) = (directory.path().join("v.toml"), directory.path().join("admin.token"));
    std::fs::write(&token, "the-token\n").unwrap();
    let text = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n\
                [admin]\naddress = \"127.0.0.1:0\"\ntoken_file = \"admin.token\"\n[log]\naccess = \"off\"\nformat = \"json\"\n";
    std::fs::write(&file, text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_vouchsafe"))
        .args(["serve", "--config", file.to_str().unwrap()])
        .env_remove("VOUCHSAFE_LOG")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let _program = Program(child);
    let mut until = |word: &str| -> Value {
        let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word}"));
        serde_json::from_str(&line).unwrap()
    };
    let address = until("admin listening")["address"].as_str().unwrap().to_owned();
    let admin = |arguments: &[&str], with_token: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(["admin", "--address", &address]).args(arguments);
        if with_token {
            command.arg("--token-file").arg(&token);
        }
        command.output().unwrap()
    };
    let refused = admin(&["purge", "--all"], false);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("401 Unauthorized: a bearer token is needed here"));
    assert_eq!(admin(&["purge", "--url", "http://a.test/hush?secret"], true).status.code(), Some(0));
    let line = until("withdrew");
    assert_eq!((&line["what"], &line["host"], &line["level"]), (&json!("url"), &json!("a.test"), &json!("INFO")));
    assert!(line["client"].as_str().is_some_and(|client| client.starts_with("127.0.0.1:")) && !line.to_string().contains("hush"));
    for level in ["error", "debug"] {
        let set = admin(&["log", level], true);
        assert_eq!(String::from_utf8(set.stdout).unwrap(), format!("{{\"level\":\"{level}\"}}\n"));
        // In the log of errors too; and the order of the last turn, at that level, is not.
        let line = until("operator ");
        assert_eq!((&line["setting"], &line["level"]), (&json!(level), &json!("ERROR")), "{line}");
        assert_eq!(admin(&["purge", "--tag", level], true).status.code(), Some(0));
    }
    assert_eq!(until("operator ")["what"], json!("tag"));
    assert_eq!(admin(&["revoke", "alice"], true).status.code(), Some(0));
    let line = until("revoked a user");
    assert!(!line.to_string().contains("alice"), "{line}");
}
