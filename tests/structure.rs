//! The house rules that a compiler does not know: pure modules, one reader of the clock, sizes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file in a folder and below; a file alone.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut found: Vec<PathBuf> = entries.flat_map(|entry| files(&entry.expect("a readable folder").path())).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "rs"));
    found.sort();
    found
}

/// Is this a file of tests: `tests.rs`, or below a folder `tests`?
fn is_test(path: &Path) -> bool {
    let inside = path.strip_prefix(source()).unwrap_or(path);
    inside.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
}

/// The code of a file with the numbers of its lines: without comments and without the tests at its end.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines: Vec<&str> = text.lines().collect();
    let is_end =
        |at: &usize| lines[*at].trim() == "#[cfg(test)]" && lines.get(at + 1).is_some_and(|next| next.starts_with("mod tests {"));
    let end = (0..lines.len()).find(is_end).unwrap_or(lines.len());
    let numbered =
        lines[..end].iter().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default().to_owned()));
    numbered.filter(|(_, line)| !line.trim().is_empty()).collect()
}

/// Modules that decide and do not act.
const PURE: [&str; 27] = [
    "auth/grammar.rs",
    "auth/challenge.rs",
    "auth/basic.rs",
    "auth/digest.rs",
    "auth/digest",
    "access.rs",
    "access",
    "policy.rs",
    "policy",
    "index.rs",
    "index",
    "cache/rules",
    "cache/key.rs",
    "cache/lookup.rs",
    "cache/admit.rs",
    "cache/confirm.rs",
    "cache/entry.rs",
    "fields.rs",
    "reply.rs",
    "reply",
    "hop.rs",
    "lint.rs",
    "lint",
    "target.rs",
    "trace.rs",
    "cache/words.rs",
    "auth/words.rs",
];

/// What a pure module never names.
const IMPURE: [&str; 16] = [
    "tokio",
    "moka",
    "metrics::",
    "crate::metrics",
    "crate::clock",
    "Clock::",
    "SystemTime::now",
    "Instant::now",
    "async ",
    ".await",
    "std::fs",
    "std::io",
    "std::process",
    "std::env",
    "TcpStream",
    "TcpListener",
];

#[test]
fn rule_modules_are_pure() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for path in PURE.iter().flat_map(|name| files(&source().join(name))).filter(|path| !is_test(path)) {
        seen += 1;
        for (number, line) in code(&path) {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{number}: {word}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 30, "expected at least 30 pure files, found {seen}");
}

/// Whatever concerns fields names nothing of ours that may rest on it.
#[test]
fn fields_rest_on_nothing() {
    let mut seen = 0;
    for path in ["fields.rs", "fields"].iter().flat_map(|name| files(&source().join(name))).filter(|path| !is_test(path)) {
        seen += 1;
        for (number, line) in code(&path) {
            assert!(!line.contains("crate::"), "{}:{number}: {line}", path.display());
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn only_the_clock_reads_the_time() {
    let mut seen = 0;
    for path in files(&source()).into_iter().filter(|path| !is_test(path) && !path.ends_with("clock.rs")) {
        seen += 1;
        for (number, line) in code(&path) {
            let reads = ["SystemTime::now", "Instant::now", ".elapsed()", "chrono", "time::OffsetDateTime"]
                .iter()
                .any(|word| line.contains(word));
            assert!(!reads, "{}:{number}: {line}", path.display());
        }
    }
    assert!(seen >= 90, "expected at least 90 files, found {seen}");
}

#[test]
fn the_second_key_alone_uses_http_cache_semantics() {
    let mut users = Vec::new();
    for path in files(&source()) {
        if code(&path).iter().any(|(_, line)| line.contains("http_cache_semantics")) {
            users.push(path.strip_prefix(source()).expect("a file of ours").to_owned());
        }
    }
    assert_eq!(users, [Path::new("cache/second_key.rs")]);
}

/// Who makes a key has to ask the policy's query rule: in the gateway one function does, and the explanation another;
/// the lint is about caches that have none.
#[test]
fn keys_are_made_in_one_place() {
    let mut makers = Vec::new();
    for path in files(&source()).into_iter().filter(|path| !is_test(path)) {
        let made = code(&path).iter().filter(|(_, line)| line.contains("CacheKey::new(")).count();
        if made > 0 {
            makers.push((path.strip_prefix(source()).expect("a file of ours").to_owned(), made));
        }
    }
    assert_eq!(
        makers,
        [
            (PathBuf::from("explain.rs"), 2),
            (PathBuf::from("gateway/way.rs"), 1),
            (PathBuf::from("lint/crossing.rs"), 1),
            (PathBuf::from("shadow.rs"), 1)
        ]
    );
}

/// A file is split at 400 lines; its tests do not count, but a file of tests does.
#[test]
fn files_stay_readable() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in files(&source()) {
        seen += 1;
        let text = fs::read_to_string(&path).expect("a readable file");
        let lines = code(&path).last().map_or(0, |(number, _)| *number);
        let most = if is_test(&path) { 700 } else { 400 };
        if lines > most {
            wrong.push(format!("{}: {lines} lines", path.display()));
        }
        if !is_test(&path) && !text.starts_with("//!") {
            wrong.push(format!("{}: no header that says what it decides", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 110, "expected at least 110 files, found {seen}");
}

/// Names that say nothing, for rooms that would hold everything.
#[test]
fn no_room_is_called_after_nothing() {
    let names = ["util", "utils", "helper", "helpers", "common", "misc", "manager"];
    for path in files(&source()) {
        let inside = path.strip_prefix(source()).expect("a file of ours").with_extension("");
        let odd = inside.iter().any(|part| names.contains(&part.to_str().unwrap_or_default()));
        assert!(!odd, "{}", path.display());
    }
}
