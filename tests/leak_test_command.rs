//! `vouchsafe leak-test`: our gateway leaks nothing in any mode, alone and under load; what does leak is found out.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::large_futures,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

#[path = "leak_test_command/unsafe_cache.rs"]
mod unsafe_cache;

use std::process::{Command, Output};

use support::{Gateway, test_clock};
use unsafe_cache::{Sin, UnsafeCache};
use vouchsafe::cli::leak_test::{Aim, Figures, LeakTest, Report};
use vouchsafe::clock::Clock;

async fn bind(clock: &Clock) -> LeakTest {
    LeakTest::bind("127.0.0.1:0".parse().expect("an address"), clock.clone()).await.expect("a free port")
}

/// A gateway in front of the origin of the test.
async fn in_front_of(test: &LeakTest, clock: &Clock) -> Gateway {
    let listener = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"gateway\"\nauth = \"none\"\n";
    let upstream = format!("[[upstream]]\nname = \"origin\"\nservers = [\"http://{}\"]\n", test.origin_address());
    let rest = "[[route]]\nupstream = \"origin\"\n[log]\naccess = \"off\"\n";
    Gateway::toml(format!("{listener}{upstream}{rest}"), clock).start().await
}

/// Nothing leaked, nothing wrong, next to nothing missed; and every outcome occurred.
fn assert_clean(report: &Report, passes: usize) {
    println!("{report}");
    let Figures { cases, reused, validated, fetched, missed, wrong, leaks } = report.total;
    assert!(report.is_clean() && (leaks, wrong) == (0, 0), "{report}");
    assert!(missed <= 5, "{report}");
    assert_eq!(cases, passes * LeakTest::cases());
    assert!(LeakTest::cases() >= 1_500, "{}", LeakTest::cases());
    assert!([reused, validated, fetched].iter().all(|count| *count > cases / 50), "every outcome occurs: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_a_gateway_leaks_nothing() {
    let clock = test_clock();
    let test = bind(&clock).await;
    let gateway = in_front_of(&test, &clock).await;
    let aim = Aim::base(&format!("http://{}/", gateway.address())).expect("a URL");
    assert_clean(&test.run(&aim, 1, 1).await.expect("a report"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_a_forward_proxy_leaks_nothing() {
    let clock = test_clock();
    let test = bind(&clock).await;
    let gateway = Gateway::forward(&clock).auth("none").port(test.origin_address().port()).start().await;
    let aim = Aim::proxy(&format!("http://{}", gateway.address())).expect("a URL");
    assert_clean(&test.run(&aim, 1, 1).await.expect("a report"), 1);
    let repeated = gateway.metric("vouchsafe_cache_repeated_total", &[]).await;
    assert!(repeated > 100.0, "what is given again without a look is judged, too: {repeated}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_an_authenticating_forward_proxy_leaks_nothing() {
    let clock = test_clock();
    let test = bind(&clock).await;
    let gateway = Gateway::forward(&clock).port(test.origin_address().port()).start().await;
    let aim = Aim::proxy(&format!("http://alice:alice-secret@{}", gateway.address())).expect("a URL");
    assert_clean(&test.run(&aim, 1, 1).await.expect("a report"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_nothing_leaks_under_load() {
    let clock = test_clock();
    let test = bind(&clock).await;
    let gateway = in_front_of(&test, &clock).await;
    let aim = Aim::base(&format!("http://{}", gateway.address())).expect("a URL");
    assert_clean(&test.run(&aim, 3, 1).await.expect("a report"), 3);
}

fn figures(report: &Report, row: &str) -> Figures {
    report.rows.iter().find(|(name, _)| *name == row).unwrap_or_else(|| panic!("no row {row}")).1
}

async fn run_against(sin: Sin) -> Report {
    let clock = test_clock();
    let test = bind(&clock).await;
    let cache = UnsafeCache::start(sin).await;
    let aim = Aim::proxy(&format!("http://{}", cache.address)).expect("a URL");
    test.run(&aim, 1, 1).await.expect("a report")
}

/// The test must be able to fail: a cache that goes by the URL alone leaks in every part of the matrix.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_goes_by_the_url_alone_is_found_out() {
    let report = run_against(Sin::ReusesByUrl).await;
    for row in ["no permission", "private, no-store", "permission", "odd spelling", "stale", "concurrent"] {
        let Figures { leaks, wrong, .. } = figures(&report, row);
        assert!(leaks >= 20 && wrong >= 20, "{row}: {report}");
    }
    assert!(figures(&report, "permission").reused > 100 && report.total.missed == 0, "{report}");
    let what: Vec<&str> = report.findings.iter().map(|finding| finding.what).collect();
    for expected in ["no permission", "Vary tells them apart", "the origin was not asked", "another variant", "stale"] {
        assert!(what.contains(&expected), "{expected}: {report}");
    }
    let told = ": alice in en, then bob in fr: content made for alice in en (request 1)";
    assert!(report.findings.iter().any(|finding| finding.what == "no permission" && finding.case.ends_with(told)), "{report}");
}

/// One that stores nothing and hands the leader's response to whoever waits is found out by the concurrent part alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_shares_flights_blindly_is_found_out() {
    let report = run_against(Sin::SharesFlights).await;
    let Figures { leaks, wrong, .. } = figures(&report, "concurrent");
    assert_eq!((leaks, wrong), (report.total.leaks, report.total.wrong), "{report}");
    assert!(leaks >= 20, "{report}");
    assert!(report.findings.iter().any(|finding| finding.what == "another's refusal"), "{report}");
}

/// Truncated content that is framed as complete is wrong, though nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_completes_what_broke_off_is_found_out() {
    let report = run_against(Sin::CompletesWhatBroke).await;
    assert!(report.total.leaks == 0 && report.total.wrong > 0, "{report}");
    let wrong: Vec<&str> = report.findings.iter().filter(|finding| finding.kind == "wrong").map(|finding| finding.what).collect();
    assert!(wrong.iter().all(|what| *what == "truncated or mixed content, framed as complete"), "{wrong:?}");
}

/// One that keeps nothing misses all that is permitted, and that is no fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_is_clean_and_misses_everything() {
    let report = run_against(Sin::None).await;
    assert!(report.is_clean() && report.total.missed > 500, "{report}");
    assert_eq!((report.total.reused, report.total.validated), (0, 0), "{report}");
}

fn vouchsafe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe")).arg("leak-test").args(arguments).output().expect("the program runs")
}

/// 0 no leak, 1 a leak: and the table or the JSON of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_says_by_its_exit_code_what_its_table_says() {
    let (relay, leaking) = (UnsafeCache::start(Sin::None).await, UnsafeCache::start(Sin::ReusesByUrl).await);
    let table = tokio::task::spawn_blocking(move || vouchsafe(&["--proxy", &format!("http://{}", relay.address)]));
    let json = tokio::task::spawn_blocking(move || vouchsafe(&["--proxy", &format!("http://{}", leaking.address), "--json"]));
    let (table, json) = (table.await.expect("it ran"), json.await.expect("it ran"));
    let text = String::from_utf8(table.stdout).expect("text");
    assert_eq!(table.status.code(), Some(0), "{text}");
    let last = text.lines().find(|line| line.starts_with("all ")).expect("a line for all");
    let figures: Vec<usize> = last.split_whitespace().skip(1).map(|figure| figure.parse().expect("a number")).collect();
    assert_eq!((figures[0], figures[5], figures[6]), (LeakTest::cases(), 0, 0), "{text}");
    assert!(String::from_utf8_lossy(&table.stderr).starts_with("origin http://127.0.0.1:"));

    assert_eq!(json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON alone on standard output");
    assert!(report["total"]["leaks"].as_u64() > Some(100), "{}", report["total"]);
    assert!(report["findings"].as_array().expect("a list").iter().any(|finding| finding["kind"] == "leak"));
}

/// The table of the README was made by the matrix as it is.
#[test]
fn the_readme_tells_how_many_cases_there_are() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(path).expect("a README");
    let (thousands, rest) = (LeakTest::cases() / 1000, LeakTest::cases() % 1000);
    let rows = text.lines().filter(|line| line.starts_with('|') && line.contains(&format!("| {thousands},{rest:03} |")));
    assert_eq!(rows.count(), 7, "{thousands},{rest:03}");
}

/// 2 for usage, with what was expected; never a password.
#[test]
fn mistakes_are_usage_errors() {
    let mistakes: [(&[&str], &str); 7] = [
        (&[], "--proxy"),
        (&["--proxy", "http://a:1", "--base", "http://a:1"], "cannot be used with"),
        (&["--proxy", "https://127.0.0.1:1"], "expected http://HOST:PORT"),
        (&["--proxy", "127.0.0.1:1"], "expected http://HOST:PORT"),
        (&["--proxy", "http://127.0.0.1:1/path"], "expected no path"),
        (&["--base", "http://127.0.0.1:1/?a=b"], "without a query"),
        (&["--base", "http://127.0.0.1:1", "--load", "0"], "--load"),
    ];
    for (arguments, expected) in mistakes {
        let output = vouchsafe(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), text.contains(expected)), (Some(2), true), "{arguments:?}: {text}");
    }
}

/// A cache that does not reach the origin: what was expected, and 1.
#[tokio::test]
async fn a_cache_that_is_not_there_is_a_failure_at_run_time() {
    let nobody = tokio::net::TcpSocket::new_v4().expect("a socket");
    nobody.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = nobody.local_addr().expect("a bound socket");
    let output = vouchsafe(&["--base", &format!("http://{address}"), "--wait", "0"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("configure the cache to forward to it") && text.contains("no request came through"), "{text}");
}
