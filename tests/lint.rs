//! `vouchsafe lint`: the built program against origins that mean well and others.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{Gateway, Origin, SeenRequest, reply, test_clock};
use tempfile::TempDir;

/// Two credentials in files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let files = Self(folder);
        files.write("alice", "Authorization: Bearer alice-hush\n");
        files.write("bob", "\nauthorization: Bearer bob-hush\r\n\n");
        files
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a writable directory");
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

async fn run(files: &Files, url: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
    command.args(["lint", url, "--credential-file"]).arg(files.path("alice"));
    command.arg("--credential-file").arg(files.path("bob")).args(more);
    tokio::task::spawn_blocking(move || command.output().expect("the program starts")).await.expect("it ran")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Severity and rule of everything that was found.
fn rules(output: &Output) -> Vec<String> {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let word = |finding: &Value, key: &str| finding[key].as_str().expect("a word").to_owned();
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().map(|finding| format!("{} {}", word(finding, "severity"), word(finding, "rule"))).collect()
}

fn name(request: &SeenRequest) -> &'static str {
    match request.field("authorization") {
        Some("Bearer alice-hush") => "alice",
        Some("Bearer bob-hush") => "bob",
        None => "nobody",
        Some(other) => panic!("a credential that nobody has: {other}"),
    }
}

/// Each content is its asker's, and shared.
async fn careless() -> Origin {
    Origin::serving(|request| {
        reply(200).field("cache-control", "public, max-age=60").body(format!("account of {}-hush", name(request)))
    })
    .await
}

/// Members are judged, the content is the same, and confirmed to members alone.
async fn careful() -> Origin {
    Origin::serving(|request| match (name(request), request.field("if-none-match")) {
        ("nobody", _) => reply(401).field("www-authenticate", "Bearer"),
        (_, Some("\"1\"")) => reply(304).field("etag", "\"1\""),
        _ => reply(200).field("cache-control", "s-maxage=0").field("etag", "\"1\"").body("for members"),
    })
    .await
}

#[tokio::test]
async fn n054_what_is_unsafe_is_found_out_and_no_value_is_shown() {
    let (files, origin) = (Files::new(), careless().await);
    origin.dated_by(&test_clock());
    let url = origin.url("/account?session=url-hush");
    let output = run(&files, &url, &[]).await;
    let page = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{page}{}", text(&output.stderr));
    for expected in ["unsafe    somebody-elses-answer  [RFC 9111 section 3.5]", "send    Cache-Control: private", "/account\n"] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
    let json = run(&files, &url, &["--json"]).await;
    assert_eq!(json.status.code(), Some(1));
    assert_eq!(rules(&json), ["unsafe somebody-elses-answer", "unsafe answer-made-for-nobody", "wasteful no-validator"]);
    for shown in [&output.stdout, &output.stderr, &json.stdout, &json.stderr] {
        assert!(!text(shown).contains("hush"), "{}", text(shown));
    }
    let asked: Vec<_> = origin.requests().iter().map(name).collect();
    assert_eq!(asked[..6], ["alice", "bob", "nobody", "alice", "bob", "nobody"]);
    assert_eq!(origin.count(), 12);
}

#[tokio::test]
async fn what_is_safe_is_exit_code_zero() {
    let (files, origin) = (Files::new(), careful().await);
    origin.dated_by(&test_clock());
    let output = run(&files, &origin.url("/x"), &["--json"]).await;
    assert_eq!((output.status.code(), rules(&output)), (Some(0), vec![]), "{}", text(&output.stderr));
    // What the first credential got is asked about by everybody, with their own credentials.
    let conditional: Vec<_> =
        origin.requests().iter().skip(6).map(|seen| (name(seen), seen.field("if-none-match").map(str::to_owned))).collect();
    assert_eq!(conditional, ["alice", "bob", "nobody"].map(|who| (who, Some("\"1\"".to_owned()))));
}

/// An origin that looks at the tag first and at the credential never.
#[tokio::test]
async fn n095_a_304_to_whom_it_is_not_for_is_found_out() {
    let origin = Origin::serving(|request| match (name(request), request.field("if-none-match")) {
        (_, Some("\"1\"")) => reply(304).field("etag", "\"1\""),
        ("nobody", _) => reply(401),
        _ => reply(200).field("cache-control", "s-maxage=0").field("etag", "\"1\"").body("for members"),
    })
    .await;
    origin.dated_by(&test_clock());
    let output = run(&Files::new(), &origin.url("/x"), &["--json"]).await;
    assert_eq!((output.status.code(), rules(&output)), (Some(1), vec!["unsafe confirms-what-was-not-theirs".to_owned()]));
}

#[tokio::test]
async fn https_is_fetched_with_a_certificate_that_is_believed_only() {
    let files = Files::new();
    let origin =
        Origin::tls_serving(|_| reply(200).field("cache-control", "private").field("etag", "\"1\"").body("for everybody")).await;
    origin.dated_by(&test_clock());
    let refused = run(&files, &origin.url("/x"), &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("with the first credential"), "{}", text(&refused.stderr));
    assert_eq!(origin.count(), 0);
    let output = run(&files, &origin.url("/x"), &["--json", "--ca-file", &origin.ca_file().display().to_string()]).await;
    assert_eq!((output.status.code(), rules(&output)[0].as_str()), (Some(0), "wasteful same-for-everybody"));
}

/// Through a forward proxy, which has to be told who asks it.
#[tokio::test]
async fn a_proxy_is_asked_in_absolute_form_with_its_own_credentials() {
    let (files, clock) = (Files::new(), test_clock());
    let origin = Origin::serving(|_| reply(200).field("cache-control", "no-store").body("a")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let proxy = ["--proxy", &format!("http://{}", gateway.address()), "--json"];
    let challenged = run(&files, &origin.url("/x"), &proxy).await;
    assert!(rules(&challenged).contains(&"note refused".to_owned()), "{}", text(&challenged.stdout));
    assert_eq!(origin.count(), 0);
    let header = files.write("header", &format!("Proxy-Authorization: {}\n", support::client::basic("alice", "alice-secret")));
    let output = run(&files, &origin.url("/x"), &[&proxy[..], &["--header-file", &header.display().to_string()]].concat()).await;
    assert_eq!(rules(&output)[0], "wasteful same-for-everybody", "{}", text(&output.stdout));
    assert_eq!(origin.count(), 6);
    assert!(origin.requests().iter().all(|seen| seen.field("proxy-authorization").is_none()));
    let without = run(&files, &origin.url("/x"), &["--header-file", &header.display().to_string()]).await;
    assert_eq!(without.status.code(), Some(2));
    assert_eq!(origin.count(), 6);
}

/// Nobody there, or somebody who hangs up: what was tried, for whom, and 1.
#[tokio::test]
async fn an_origin_that_does_not_answer_is_a_failure_at_run_time() {
    let files = Files::new();
    let origin = Origin::script([reply(200).body("whole"), reply(200).body("broken off").truncate_after(3)]).await;
    let output = run(&files, &origin.url("/x"), &[]).await;
    let message = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{message}");
    assert!(
        message.starts_with(&format!("vouchsafe: cannot ask {} with the second credential: ", origin.address())),
        "{message}"
    );
    origin.stop().await;
    let output = run(&files, &origin.url("/x"), &[]).await;
    let message = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{message}");
    assert!(message.contains("with the first credential: ") && message.contains("refused"), "{message}");
}

/// 2, with what was expected; never a value of a file, nor the query of a URL.
#[tokio::test]
async fn mistakes_are_usage_errors() {
    let files = Files::new();
    files.write("empty", "\n");
    files.write("same", "Authorization: Bearer alice-hush");
    files.write("words", "Bearer alice-hush\n");
    files.write("host", "Authorization: Bearer alice-hush\nHost: hush\n");
    let vouchsafe = |url: &str, names: &[&str], more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
        command.args(["lint", url]);
        for name in names {
            command.arg("--credential-file").arg(files.path(name));
        }
        command.args(more).output().expect("the program starts")
    };
    let at = |name: &str| Path::display(&files.path(name)).to_string();
    let url = "http://127.0.0.1:1/x?hush";
    let both: &[&str] = &["alice", "bob"];
    let cases: [(&str, &[&str], &[&str], String); 12] = [
        ("ftp://127.0.0.1/x?hush", both, &[], "the URL: ".to_owned()),
        ("127.0.0.1/x?hush", both, &[], "the URL: ".to_owned()),
        (url, &[], &[], "--credential-file <FILE>".to_owned()),
        (url, &["alice"], &[], "expected --credential-file twice, found 1".to_owned()),
        (url, &["alice", "missing"], &[], format!("{}: expected a readable file", at("missing"))),
        (url, &["alice", "empty"], &[], format!("{}: expected a field line", at("empty"))),
        (url, &["alice", "same"], &[], "expected two credentials that differ".to_owned()),
        (url, &["alice", "words"], &[], format!("{}:1: expected \"Name: value\"", at("words"))),
        (url, &["host", "bob"], &[], format!("{}:2: expected a field that says who asks, found host", at("host"))),
        (url, both, &["--proxy", "http://hush:hush@127.0.0.1:1"], "without a user".to_owned()),
        (url, both, &["--proxy", "https://127.0.0.1:1"], "--proxy: expected http://HOST:PORT".to_owned()),
        ("https://127.0.0.1:1/x", both, &["--proxy", "http://127.0.0.1:1"], "found https".to_owned()),
    ];
    for (url, names, more, expected) in cases {
        let output = vouchsafe(url, names, more);
        let message = text(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{names:?} {more:?}: {message}");
        assert!(message.contains(&expected) && !message.contains("hush"), "{expected}: {message}");
    }
}
