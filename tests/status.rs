//! The operator's page and what it asks for: state, recent refusals, why a URL is answered as it is, and reloading.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::{Gateway, Origin, eventually, reply, secs, test_clock};

async fn origin() -> Origin {
    Origin::serving(|request| {
        let says = match request.target.split('?').next().unwrap() {
            "/shared" => "public, max-age=60",
            path if path.starts_with("/own") => "max-age=60",
            _ => "private",
        };
        reply(200).field("cache-control", says).field("etag", "\"1\"").body("abc")
    })
    .await
}

async fn status(gateway: &Gateway) -> Value {
    gateway.admin().get("/status").await.json()
}

async fn explained(gateway: &Gateway, url: &str) -> Value {
    gateway.admin().get(&format!("/explain?url={url}")).await.json()
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere_and_holds_no_data() {
    let (clock, origin) = (test_clock(), origin().await);
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let page = gateway.admin().get("/").await;
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let text = page.text();
    for part in ["<link", "src=", "@import", "url("] {
        assert!(!text.contains(part), "{part}");
    }
    assert!(text.contains("lang=\"en\"") && text.contains("name=\"viewport\"") && text.contains("prefers-color-scheme: dark"));
    // Every table that the script fills is there, and every table is filled.
    let named = |before: &str| {
        let mut names: Vec<_> = text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(named("<table id=\""), named("fill(by(\""));
    // Every input has its label around it.
    assert_eq!(text.matches("<input").count(), text.matches("<label>").count());
}

#[tokio::test]
async fn refusals_are_told_with_their_rule_and_without_secrets() {
    let (clock, origin) = (test_clock(), origin().await);
    for log in ["off", "access.log"] {
        let gateway = Gateway::reverse(&origin, &clock)
            .set("log", &format!("access = \"{log}\""))
            .append("[[access]]\nname = \"shut\"\nallow = false\npaths = [\"/shut\"]\n[[access]]\nname = \"all\"\nallow = true\n")
            .start()
            .await;
        let alice = gateway.anonymous().authorization("Bearer alice-secret");
        for target in ["/own?hidden=1", "/shared", "/shared", "/private", "/shut"] {
            alice.get(target).await;
        }
        gateway.anonymous().get("/private").await;
        let refusals = eventually("three refusals", || async {
            let found = status(&gateway).await["refusals"].as_array().unwrap().clone();
            if found.len() == 3 { Ok(found) } else { Err(format!("{found:?}")) }
        })
        .await;
        let told: Vec<_> =
            refusals.iter().map(|refusal| (refusal["reason"].as_str().unwrap(), refusal["source"].as_str().unwrap())).collect();
        assert_eq!(told[1..], [("private", "RFC 9111 section 5.2.2.7"), ("no-permit", "RFC 9111 section 3.5")]);
        assert_eq!((&refusals[0]["status"], &refusals[2]["path"]), (&403.into(), &"/own".into()));
        let text = status(&gateway).await.to_string();
        assert!(!text.contains("secret") && !text.contains("hidden"), "{text}");
    }
}

/// A miss is explained from the page and from the command line with the same words.
#[tokio::test]
async fn a_url_is_explained_with_the_words_of_the_command() {
    let (clock, origin) = (test_clock(), origin().await);
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let alice = gateway.anonymous().authorization("Bearer alice");
    alice.get("/own").await;
    alice.get("/shared").await;
    let live = eventually("the refusal", || async {
        let live = explained(&gateway, "http%3A%2F%2Fapp.test%2Fown").await;
        if live["last_refusal"].is_object() { Ok(live) } else { Err(live.to_string()) }
    })
    .await;
    let flags = ["explain", "-H", "Authorization: Bearer x", "-R", "Cache-Control: max-age=60"];
    let output = Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(flags).output().unwrap();
    let offline = String::from_utf8_lossy(&output.stdout).into_owned();
    let refusal = &live["last_refusal"];
    let words = format!(
        "no ({}): {}  [{}]",
        refusal["reason"].as_str().unwrap(),
        refusal["rule"].as_str().unwrap(),
        refusal["source"].as_str().unwrap()
    );
    assert!(offline.contains(&words), "{words}\n{offline}");
    assert_eq!(live["stored"], Value::Array(Vec::new()));
    clock.advance(secs(20));
    let shared = explained(&gateway, "http://app.test/shared").await["stored"][0].clone();
    assert_eq!((&shared["reason"], &shared["age"], &shared["fresh_for"]), (&"permit-public".into(), &20.into(), &40.into()));
    assert_eq!(shared["with_credentials"], "answer from the store");
    clock.advance(secs(60));
    let stale = explained(&gateway, "http://app.test/shared").await["stored"][0].clone();
    assert!(stale["with_credentials"].as_str().unwrap().contains("it is stale"), "{stale}");
    gateway.reload(|text| text + "[[policy]]\nname = \"default\"\nmax_ttl = \"1h\"\n").await.unwrap();
    clock.advance(secs(0));
    let changed = explained(&gateway, "http://app.test/shared").await["stored"][0].clone();
    assert!(changed["without_credentials"].as_str().unwrap().contains("the policy says so, or was changed"), "{changed}");
}

#[tokio::test]
async fn a_server_that_cannot_be_connected_to_is_named() {
    let (clock, origin) = (test_clock(), origin().await);
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let servers = status(&gateway).await["servers"].clone();
    assert_eq!((servers[0]["up"].as_bool(), servers[0]["upstream"].as_str()), (Some(true), Some("origin")));
    origin.stop().await;
    gateway.anonymous().get("/x").await;
    assert_eq!(status(&gateway).await["servers"][0]["up"], false);
}

/// The browser that Debian packages; without it the page is not looked at, and the test says so.
const CHROMIUM: &str = "/usr/bin/chromium";

fn browse(url: &str, arguments: &[&str]) -> Option<String> {
    if !Path::new(CHROMIUM).exists() {
        eprintln!("NOT RUN: the status page in a browser: there is no {CHROMIUM}");
        return None;
    }
    let profile = tempfile::tempdir().unwrap();
    let quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    let output = Command::new(CHROMIUM)
        .args(quiet)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=6000", "--dump-dom"])
        .args(arguments)
        .arg(url)
        .output()
        .unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_the_figures_and_escapes_what_comes_from_outside() {
    let (clock, origin) = (test_clock(), origin().await);
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let alice = gateway.anonymous().authorization("Bearer alice");
    for target in ["/shared", "/shared", "/shared", "/own/%3Cscript%3Edocument.title=1%3C/script%3E"] {
        alice.get(target).await;
    }
    gateway.metric_is("vouchsafe_requests_total", &[], 4.0).await;
    let url = format!("http://{}/", gateway.admin_address());
    let seen = tokio::task::spawn_blocking(move || browse(&url, &[])).await.unwrap();
    let Some(page) = seen else { return };
    assert!(page.contains("50.0 %") && page.contains("2 of 4 requests since the start"), "{page}");
    assert!(
        page.contains("class=\"good\">running<") && page.contains("no-permit") && page.contains("RFC 9111 section 3.5"),
        "{page}"
    );
    assert!(page.contains("<title>Vouchsafe</title>"), "{page}");
}
