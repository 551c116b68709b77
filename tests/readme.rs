//! What the README promises: its commands, its configurations, the words of its tables.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use vouchsafe::cli::check;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("a README")
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1).filter_map(|part| part.split("\n```").next());
    parts.map(|block| format!("{block}\n")).collect()
}

/// The one command in the block after a mark.
fn command(mark: &str) -> String {
    let text = readme();
    let (_, after) =
        text.split_once(&format!("<!-- command: {mark} -->\n```sh\n")).unwrap_or_else(|| panic!("no command {mark}"));
    let block = after.split("\n```").next().unwrap_or_default();
    assert_eq!(block.lines().count(), 1, "{block}");
    block.to_owned()
}

#[test]
fn the_first_command_runs_the_gateway_and_the_second_the_tests() {
    assert_eq!(command("run"), "cargo run --release");
    let test = command("test");
    assert!(test.starts_with("cargo test"), "{test}");
    let run = fs::read_to_string(root().join(".ci/run")).expect("the checks");
    assert!(run.contains("command: test") || run.contains(&test), "the checks run the README's test command");
}

/// One user in the realm of the README; any 64 hex digits will do.
const DIGESTS: &str = "alice:office:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
const PASSWORDS: &str = "alice:$2y$04$OU8rmx6CSQT1P1z2v0XcVu0VSgtbSFyZLZOhW/nLsmvAF7cRlfLqm\n";

/// What the README's [shadow] names.
const CANDIDATE: &str = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";

#[test]
fn every_configuration_passes_the_check() {
    let configurations = blocks(&readme(), "toml");
    for text in &configurations {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for (name, content) in
            [("users.htpasswd", PASSWORDS), ("users.htdigest", DIGESTS), ("candidate.toml", CANDIDATE), ("gateway.toml", text)]
        {
            let path = folder.path().join(name);
            fs::write(&path, content).expect("a writable directory");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file of our own");
        }
        let report =
            check::report(&folder.path().join("gateway.toml")).unwrap_or_else(|mistakes| panic!("{mistakes}\nin\n{text}"));
        assert!(report.contains("listeners\n"), "{report}");
    }
    assert!(configurations.len() >= 2, "{}", configurations.len());
}

fn source(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("a readable folder").map(|entry| entry.expect("a readable folder").path());
    let text = |path: PathBuf| if path.is_dir() { source(&path) } else { fs::read_to_string(&path).unwrap_or_default() };
    entries.map(text).collect()
}

/// What stands between backticks in the first column of the table under this heading.
fn words(heading: &str) -> Vec<String> {
    let text = readme();
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("no section {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1).take_while(|line| line.starts_with('|'));
    let columns: Vec<&str> = rows.filter_map(|row| row.split('|').nth(1)).collect();
    columns.iter().flat_map(|column| column.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

#[test]
fn every_word_of_cache_status_is_in_the_source_and_the_other_way_round() {
    let (words, source) = (words("## What the cache does"), source(&root().join("src")));
    for word in &words {
        assert!(source.contains(&format!("\"{word}\"")), "{word} is not in the source");
    }
    assert!(words.len() >= 20, "{words:?}");
    // Every reason against storing is explained.
    let storable = fs::read_to_string(root().join("src/cache/rules/storable.rs")).expect("the rules of storing");
    let reasons = storable.split("Self::").skip(1).filter_map(|arm| arm.split_once(" => \"")?.1.split('"').next());
    let missing: Vec<&str> = reasons.filter(|reason| !words.iter().any(|word| word == reason)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in the README");
}

#[test]
fn every_metric_that_documents_name_exists() {
    let families = fs::read_to_string(root().join("src/metrics/families.rs")).expect("the metric families");
    let mut seen = 0;
    for document in ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "docs/METRICS.md"] {
        let text = fs::read_to_string(root().join(document)).expect("a document");
        for name in text.split(|c: char| !c.is_ascii_lowercase() && c != '_').filter(|word| word.starts_with("vouchsafe_")) {
            assert!(families.contains(&format!("\"{name}\"")), "{document}: {name}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

/// Files that the documents point to.
#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for document in ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(document)).expect("a document");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.contains("://") && !target.starts_with('#') {
                assert!(root().join(target).exists(), "{document}: {target}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 5, "{seen}");
}
