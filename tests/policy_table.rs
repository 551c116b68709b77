//! `vouchsafe policy table`: its cells are what a gateway does.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::cases::Cases;
use support::{Gateway, Origin, date_at, reply, secs, test_clock};

fn policy_table(configuration: &str, flags: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("v.toml");
    std::fs::write(&file, configuration).unwrap();
    let arguments = ["policy", "table", "--config", file.to_str().unwrap()];
    Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(arguments).args(flags).output().unwrap()
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The block of this language in the README that holds this text.
fn block(language: &str, mark: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks = readme.split(&fence).skip(1).filter_map(|part| part.split("\n```").next());
    let found: Vec<&str> = blocks.filter(|block| block.contains(mark)).collect();
    assert_eq!(found.len(), 1, "{language} {mark}");
    format!("{}\n", found[0])
}

#[test]
fn the_readme_shows_what_the_command_prints() {
    let shown = text(&policy_table(&block("toml", "name    = \"missing\""), &[]));
    let example = block("text", "policy missing on default");
    assert!(shown.contains(&example), "expected\n{example}\nfound\n{shown}");
    for line in shown.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_mistake_in_the_configuration_is_told() {
    let output = policy_table("[[lisener]]\n", &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("v.toml:1:3: lisener: expected a known key"), "{output:?}");
    let missing = Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(["policy", "table"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

/// What the answer to a row's request says; the Last-Modified of the table is 10 hours old.
fn said(says: &str, date: &str) -> Vec<(&'static str, String)> {
    let directives = says.split("; ").next().unwrap();
    let mut fields: Vec<(&'static str, String)> = match directives {
        "nothing" => Vec::new(),
        "ETag" => vec![("etag", "\"1\"".to_owned())],
        "Last-Modified 10 h ago" => vec![("last-modified", date.to_owned())],
        directives => vec![("cache-control", directives.to_owned()), ("etag", "\"1\"".to_owned())],
    };
    if says.ends_with("cookie") {
        fields.push(("set-cookie", "a=b".to_owned()));
    }
    fields
}

const ALL: &str = "default_ttl = \"20s\"\nstale_if_error = \"30s\"\nset_cookie = \"strip\"\n\
                   [[policy]]\nname = \"errors\"\nmatch = { statuses = [404, 500] }\nnegative_ttl = \"7s\"\nanonymous_entries = \"validate\"\n\
                   [[policy]]\nname = \"images\"\nmatch = { content_types = [\"image/*\"] }\nauthorization = \"always-validate\"\n\
                   stale_while_revalidate = \"30s\"\n";

/// Every row, sent through a gateway: by somebody without and with credentials, and asked for by others.
#[tokio::test]
async fn every_row_is_what_a_gateway_does() {
    let clock = test_clock();
    let mut cases = Cases::new();
    for policy in
        ["anonymous_entries = \"reuse\"", ALL, "partition = \"credential\"", "authorization = \"never\"", "cache = \"bypass\""]
    {
        let origin = Origin::serving(|request| {
            // The rest of the target says what to answer.
            let (status, rest) = request.target.trim_start_matches('/').split_once('/').unwrap();
            let fields = rest.split('/').nth(1).unwrap();
            let fields: Vec<(String, String)> =
                serde_json::from_slice(&hex(fields)).unwrap_or_else(|error| panic!("{fields}: {error}"));
            fields.iter().fold(reply(status.parse().unwrap()), |reply, (name, value)| reply.field(name, value)).body("x")
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).policy(policy).start().await;
        let configuration = std::fs::read_to_string(gateway.directory().join("test.toml")).unwrap();
        let file = gateway.directory().join("test.toml");
        let arguments = ["policy", "table", "--json", "--config", file.to_str().unwrap()];
        let output = Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(arguments).output().unwrap();
        let tables: serde_json::Value = serde_json::from_str(&text(&output)).unwrap();
        assert!(configuration.contains(policy.lines().next().unwrap()));
        for (at, row) in tables.as_array().unwrap().iter().flat_map(|table| rows(table)).enumerate() {
            let (table, row, credentialed) = row;
            let says = row["says"].as_str().unwrap();
            let status = match says.rsplit_once("it is a ") {
                Some((_, status)) => status.to_owned(),
                None => table["status"].to_string(),
            };
            let mut fields = if says == "anything" { Vec::new() } else { said(says, &date_at(&clock, -36_000)) };
            fields.extend(table["content_type"].as_str().map(|value| ("content-type", value.to_owned())));
            let fields: String = serde_json::to_vec(&fields).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
            let path = |asker: &str| format!("/{status}/{at}-{credentialed}-{}/{fields}", asker.replace(' ', "-"));
            let ask = |who: &str| match who {
                "anonymous" => gateway.anonymous(),
                "the same" => gateway.anonymous().authorization("Bearer alice"),
                _ => gateway.anonymous().authorization("Bearer bob"),
            };
            let id = format!("{} {row}", table["policy"]);
            let askers: &[&str] = if credentialed { &["anonymous", "the same", "others"] } else { &["anonymous", "others"] };
            let mut answered = (Vec::new(), Vec::new());
            for asker in askers {
                let filler = ask(if credentialed { "the same" } else { "anonymous" });
                let first = filler.get(&path(asker)).await;
                cases.expect(&id, (first.stored(), first.detail()), (row["stored"] == true, row["reason"].as_str()));
                cases.expect(&id, first.ttl().map(|ttl| ttl.max(0)), row["fresh_for"].as_i64().filter(|_| first.stored()));
                let second = ask(asker).get(&path(asker)).await;
                if second.hit() {
                    answered.0.push(*asker);
                } else if second.fwd() == Some("stale") {
                    answered.1.push(*asker);
                }
            }
            let named = |list: &[&str]| if list.len() == askers.len() { "everybody".to_owned() } else { list.join(", ") };
            let expect = match (answered.0.as_slice(), answered.1.as_slice()) {
                ([], []) => "nobody".to_owned(),
                (at_once, []) => named(at_once),
                ([], confirmed) => format!("{}, confirmed", named(confirmed)),
                (at_once, confirmed) => format!("{}; {} confirmed", named(at_once), named(confirmed)),
            };
            cases.expect(&id, row["answers"].as_str().unwrap(), expect.as_str());
            // A second later it is stale.
            if row["stored"] == true {
                ask(if credentialed { "the same" } else { "anonymous" }).get(&path("late")).await;
                clock.advance(secs(row["fresh_for"].as_u64().unwrap() + 1));
                let late = ask(askers[0]).get(&path("late")).await;
                let is_behind = late.detail() == Some("stale-while-revalidate");
                cases.expect(&format!("{id}, stale"), is_behind, row["stale_while_revalidating"] == true);
            }
        }
    }
    cases.finish(500);
}

/// A table's rows, one for each kind of request.
fn rows(table: &serde_json::Value) -> Vec<(&serde_json::Value, &serde_json::Value, bool)> {
    let each = |row| {
        let credentialed: &serde_json::Value = &table["rows"][row]["credentialed"];
        let kinds = if credentialed.is_null() { vec![false, true] } else { vec![credentialed == true] };
        kinds.into_iter().map(move |credentialed| (table, &table["rows"][row], credentialed))
    };
    (0..table["rows"].as_array().unwrap().len()).flat_map(each).collect()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}
