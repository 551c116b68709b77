//! `benches/compare`: its table has every row, and an answer that is not what was asked for is an error, never a figure.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// As little of everything as makes a figure; nothing is repeated for the sake of quiet.
const TINY: [&str; 20] = [
    "--peers",
    "none",
    "--rounds",
    "1",
    "--seconds",
    "0.05",
    "--quiet",
    "9",
    "--rate",
    "200",
    "--objects",
    "1000",
    "--idle",
    "20",
    "--bursts",
    "1",
    "--delay",
    "40",
    "--retries",
    "0",
];

/// Every scenario and how many rows it has.
const ROWS: [(&str, usize); 22] = [
    ("hit", 1),
    ("basic", 1),
    ("digest", 1),
    ("zipf", 1),
    ("hit100k", 1),
    ("hit1m", 1),
    ("miss", 1),
    ("validate", 1),
    ("connection", 1),
    ("connect1k", 1),
    ("connect1m", 1),
    ("followers", 3),
    ("memory", 1),
    ("start", 1),
    ("herd", 2),
    ("herd-vary", 2),
    ("herd-private", 2),
    ("log", 1),
    ("scale", 3),
    ("million", 1),
    ("idle", 3),
    ("streams", 1),
];

/// The program that asks and answers, built as this test was.
fn load() -> PathBuf {
    let build = ["build", "--example", "load", "--locked", "--message-format", "json", "--quiet"];
    let output = Command::new(env!("CARGO")).args(build).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("text");
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    programs.next().expect("cargo names the program")
}

/// Can it run here: is there python3, and are there two processors?
fn is_possible() -> bool {
    let python = Command::new("python3").arg("--version").output().is_ok_and(|output| output.status.success());
    let is_possible = python && std::thread::available_parallelism().is_ok_and(|count| count.get() >= 2);
    if !is_possible {
        eprintln!("NOT RUN: benches/compare needs python3 and two processors");
    }
    is_possible
}

fn compare(load: &Path, options: &[&str], json: &Path) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/compare");
    let mut command = Command::new("python3");
    command.arg(script).args(TINY).args(options).arg("--binary").arg(env!("CARGO_BIN_EXE_vouchsafe"));
    command.arg("--load").arg(load).arg("--json").arg(json).output().expect("python3 runs")
}

/// The rows that were printed, as cells, and those that were written.
fn rows(output: &Output, json: &Path) -> (Vec<Vec<String>>, Vec<Value>) {
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let written = std::fs::read(json).unwrap_or_else(|error| panic!("{error}\n{printed}\n{errors}"));
    let lines = printed.lines().filter(|line| line.starts_with('|')).map(|line| line.trim_matches('|'));
    let cells = lines.map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect()).collect();
    let written: Value = serde_json::from_slice(&written).expect("JSON");
    (cells, written["rows"].as_array().expect("rows").clone())
}

#[test]
fn the_table_has_every_row() {
    if !is_possible() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("rows.json");
    let output = compare(&load(), &[], &json);
    let (printed, written) = rows(&output, &json);
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let expected: Vec<&str> = ROWS.iter().flat_map(|(name, count)| vec![*name; *count]).collect();
    let found: Vec<&str> = written.iter().filter_map(|row| row["scenario"].as_str()).collect();
    assert_eq!(found, expected);
    assert_eq!(printed[0][..4], ["scenario", "unit", "Vouchsafe", "bare server"]);
    assert_eq!(printed.len(), 2 + written.len(), "{printed:?}");
    for (cells, row) in printed[2..].iter().zip(&written) {
        assert_eq!((cells.len(), cells[0].as_str()), (printed[0].len(), row["title"].as_str().expect("a title")), "{cells:?}");
        let figure = &row["contenders"]["vouchsafe"]["figure"];
        assert!(figure.as_f64().is_some_and(f64::is_finite) && !cells[2].is_empty(), "{cells:?} {row}");
        assert_eq!(row["aim"] == "", row["met"].is_null(), "{row}");
    }
    let asked =
        |name: &str| written.iter().find(|row| row["scenario"] == name).map(|row| &row["contenders"]["vouchsafe"]["figure"]);
    for (name, count) in [("herd", 1.0), ("herd-vary", 10.0), ("herd-private", 200.0)] {
        assert_eq!(asked(name).and_then(Value::as_f64), Some(count), "{name}");
    }
}

#[test]
fn an_origin_that_lies_about_the_number_leaves_no_figure() {
    if !is_possible() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("rows.json");
    // One scenario for each way of measuring.
    let some = "basic,digest,hit1m,miss,validate,connect1k,followers,memory,start,herd-private,log,million,idle,streams";
    let output = compare(&load(), &["--lie", "number", "--scenario", some], &json);
    let (printed, written) = rows(&output, &json);
    assert_eq!((output.status.code(), written.len()), (Some(1), 19), "{printed:?}");
    for (cells, row) in printed[2..].iter().zip(&written) {
        assert_eq!((cells[2].as_str(), &row["met"]), ("error", &Value::Bool(false)), "{cells:?}");
        assert!(row["contenders"]["vouchsafe"].get("figure").is_none(), "{row}");
    }
}

#[test]
fn every_kind_of_wrong_answer_is_named() {
    if !is_possible() {
        return;
    }
    let (folder, load) = (tempfile::tempdir().expect("a folder"), load());
    for (lie, scenario, expected) in [
        ("number", "hit", "expected content made of 000000001.00000, found 000000002.00000"),
        ("length", "hit", "expected Content-Length 1024, found 1023"),
        ("status", "hit", "expected status 200, found 503"),
        ("storing", "hit", "expected 0 requests at the origin"),
        ("storing", "herd", "expected 1 requests at the origin for 200 answers, found 200"),
    ] {
        let json = folder.path().join("rows.json");
        let output = compare(&load, &["--lie", lie, "--scenario", scenario], &json);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(1) && text.contains("| error |") && text.contains(expected), "{lie}: {text}");
    }
}
