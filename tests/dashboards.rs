//! The dashboards, the rules and the deployment: what they name exists, and what they ask is answered.
//!
//! A real Prometheus scrapes a real gateway under traffic; each query of each panel and variable is then put to it and has
//! to return numbers. Where a program is missing the test says NOT RUN; `.ci/run` installs them.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

#[path = "dashboards/files.rs"]
mod files;
#[path = "dashboards/prometheus.rs"]
mod prometheus;
#[path = "dashboards/traffic.rs"]
mod traffic;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use files::{dashboards, families, panels, queries, root, rules, variables, words};
use prometheus::{Prometheus, has_numbers, is_missing};
use serde_json::Value;

/// Uids are what links and provisioning hold on to; a panel that overlaps another is moved by Grafana as it likes.
#[test]
fn every_dashboard_is_whole() {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert_eq!(dashboard["uid"], format!("vouchsafe-{name}"));
        assert!(
            uids.insert(dashboard["uid"].to_string()) && dashboard["title"].is_string() && dashboard["tags"][0] == "vouchsafe"
        );
        let variables: Vec<_> = dashboard["templating"]["list"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(variables, ["datasource", "job", "instance", "listener"], "{name}");
        let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap_or_else(|| panic!("{name}: a panel without a title"));
            assert!(ids.insert(panel["id"].as_u64()), "{name}: {title}: its id is taken");
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap_or_else(|| panic!("{name}: {title}: no {key}"));
            assert!(at("x") + at("w") <= 24, "{name}: {title}: beyond the right edge");
            for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
                assert!(cells.insert((x, y)), "{name}: {title} overlaps another panel");
            }
        }
        for (title, panel) in panels(&dashboard) {
            assert!(panel["description"].as_str().is_some_and(|text| text.len() > 10), "{name}: {title}: no description");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{name}: {title}: no unit");
        }
    }
}

/// What is asked for is counted, and what is counted is shown.
#[test]
fn dashboards_and_rules_name_metrics_that_exist_and_all_of_them() {
    let families = families();
    let recorded: BTreeSet<String> = files::recorded().into_iter().collect();
    let mut named = BTreeSet::new();
    let expressions =
        dashboards().iter().flat_map(|(_, dashboard)| [queries(dashboard), variables(dashboard)].concat()).collect();
    let expressions: Vec<(String, String)> = expressions;
    assert!(expressions.len() > 60, "{}", expressions.len());
    let rules = rules();
    for (place, expression) in
        expressions.iter().map(|(place, text)| (place.as_str(), text.as_str())).chain([("rules.yml", rules.as_str())])
    {
        for word in words(expression).filter(|word| word.contains("vouchsafe_")) {
            if word.contains(':') {
                assert!(recorded.contains(word), "{place}: nobody records {word}");
                continue;
            }
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            assert!(families.contains(family), "{place}: nobody counts {word}");
            named.insert(family.to_owned());
        }
    }
    // Nobody decides anything by when a configuration was read.
    let shown_nowhere: Vec<_> = families.iter().filter(|family| !named.contains(*family)).collect();
    assert_eq!(shown_nowhere, ["vouchsafe_config_timestamp_seconds"], "expected every other metric in a panel or rule; add one");
}

/// `promtool` on the rules, their tests and the scrape configuration.
#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    let rules = rules();
    let tests = fs::read_to_string(root().join("deploy/prometheus/rules.test.yml")).expect("tests of the rules");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 8, "{alerts:?}");
    for alert in alerts {
        let count = |what: &str| tests.lines().filter(|line| line.contains(what) && line.contains(alert)).count();
        let all = count("alertname: ");
        let silent = tests.lines().filter(|line| line.contains(alert) && line.contains("exp_alerts: []")).count();
        assert!(silent >= 1 && all > silent, "{alert}: {all} tests, {silent} of them of silence");
    }
    for arguments in [
        ["check", "rules", "deploy/prometheus/rules.yml"].as_slice(),
        &["test", "rules", "deploy/prometheus/rules.test.yml"],
        &["check", "config", "--syntax-only", "deploy/prometheus/prometheus.yml"],
    ] {
        let run = Command::new("promtool").args(arguments).current_dir(root()).output();
        if is_missing("promtool", &run) {
            return;
        }
        let run = run.expect("promtool runs");
        let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "promtool {arguments:?}:\n{said}");
    }
}

/// Files that the deployment points to are there, its YAML is YAML, and its gateway passes the check.
#[test]
fn the_deployment_is_whole() {
    let folder = root().join("deploy");
    let compose = fs::read_to_string(folder.join("compose.yaml")).expect("a composition");
    let mounts = compose.split(|c: char| c.is_whitespace() || c == '"').filter_map(|word| word.split_once(':'));
    let mounts: Vec<&str> =
        mounts.map(|(host, _)| host).filter(|host| host.starts_with("./") || host.starts_with("../")).collect();
    assert_eq!(mounts.len(), 5, "{mounts:?}");
    for path in mounts {
        assert!(folder.join(path).exists(), "compose.yaml: {path}");
    }
    // The composition puts the token there.
    let (token, elsewhere) = ("/run/secrets/admin_token", tempfile::tempdir().expect("a temporary directory"));
    fs::write(elsewhere.path().join("admin.token"), "token\n").expect("a writable directory");
    let text = fs::read_to_string(folder.join("gateway.toml")).expect("a configuration");
    assert!(text.contains(token) && compose.contains("secrets: [admin_token]"), "{text}");
    vouchsafe::config::parse(&text.replace(token, "admin.token"), "gateway.toml", elsewhere.path())
        .unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let yaml = ["compose.yaml", "grafana/datasources.yaml", "grafana/dashboards.yaml", "prometheus/prometheus.yml"];
    let script = "import sys, yaml\nfor name in sys.argv[1:]: assert isinstance(yaml.safe_load(open(name)), dict), name";
    let run = Command::new("python3").args(["-c", script]).args(yaml).current_dir(&folder).output();
    if is_missing("python3", &run) {
        return;
    }
    let run = run.expect("python3 runs");
    let said = String::from_utf8_lossy(&run.stderr);
    if said.contains("No module named 'yaml'") {
        eprintln!("NOT RUN: reading the deployment's YAML: python3 has no module yaml");
        return;
    }
    assert!(run.status.success(), "{said}");
}

/// Every query of every panel and variable, and every rule, on what a real Prometheus scraped from a real gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_returns_data_from_a_real_run() {
    let traffic = traffic::Traffic::start().await;
    let Some(prometheus) = Prometheus::start(traffic.admin_address(), &root().join("deploy/prometheus/rules.yml")).await else {
        return;
    };
    // What appears in the first round has grown in the second.
    for round in 0..2 {
        traffic.round(round).await;
        prometheus.scrapes_more().await;
    }
    let held = traffic.hold().await;
    prometheus.scrapes_more().await;
    let instance = traffic.admin_address().to_string();
    let (mut seen, mut empty, mut flat) = (0, Vec::new(), Vec::new());
    for (name, dashboard) in dashboards() {
        for (place, expression) in queries(&dashboard) {
            let answer = prometheus.query(&files::expanded(&expression, &instance)).await;
            seen += 1;
            if !has_numbers(&answer, |number| number.is_finite()) {
                empty.push(format!("{name}: {place}: {expression}: {answer}"));
            } else if !has_numbers(&answer, |number| number > 0.0) {
                flat.push(place);
            }
        }
        for (variable, expression) in variables(&dashboard) {
            let values = prometheus.values(&variable, &files::expanded(&expression, &instance)).await;
            assert!(values.iter().any(|value| !value.is_empty()), "{name}: ${variable}: {expression} offers nothing");
        }
    }
    assert!(empty.is_empty(), "{} of {seen} queries return no number:\n{}", empty.len(), empty.join("\n"));
    assert!(seen > 50, "{seen}");
    // What did not happen here; everything else has to move.
    assert_eq!(flat, QUIET, "of {seen} queries");
    for name in files::recorded() {
        let what = format!("{name} to be recorded");
        support::eventually(&what, async || {
            let answer = prometheus.query(&name).await;
            if has_numbers(&answer, |number| number.is_finite()) { Ok(()) } else { Err(answer.to_string()) }
        })
        .await;
    }
    let sick: Vec<Value> = prometheus.rules().await.into_iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(sick.is_empty(), "{sick:?}");
    held.end().await;
}

/// Queries that are answered by zero: nothing of the kind happened. Nothing is given again beside a shadow and a canary.
const QUIET: [&str; 6] = [
    "Unavailable A",
    "Throttled and turned away A",
    "Throttled and turned away B",
    "Refused by the second key A",
    "Origin load C",
    "Access log lines lost A",
];
