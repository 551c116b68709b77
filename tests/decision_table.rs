//! The table of ARCHITECTURE.md: what the engine decides for each directive, credential and freshness.
//!
//! `UPDATE_TABLE=1 cargo test --test decision_table` rewrites it.

#![allow(
    dead_code,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message, and uses a part of the oracle's files"
)]

#[path = "oracle/case.rs"]
mod case;
#[path = "oracle/dates.rs"]
mod dates;
#[path = "oracle/engine.rs"]
mod engine;
#[path = "oracle/generate.rs"]
mod generate;
#[path = "oracle/naive.rs"]
mod naive;
#[path = "oracle/random.rs"]
mod random;

use std::fmt::Write as _;
use std::path::Path;

use case::{Case, Operator, Request};
use engine::Engine;

/// What a 200 with an entity tag says in `Cache-Control`.
const DIRECTIVES: [&str; 27] = [
    "",
    "max-age=60",
    "max-age=60, public",
    "public",
    "s-maxage=60",
    "s-maxage=0",
    "s-maxage=x, max-age=60",
    "max-age=60, must-revalidate",
    "max-age=60, proxy-revalidate",
    "max-age=60, immutable",
    "max-age=60, stale-if-error=60",
    "max-age=60, stale-if-error=60, public",
    "s-maxage=60, stale-if-error=60",
    "max-age=60, stale-while-revalidate=60",
    "max-age=60, stale-while-revalidate=60, public",
    "max-age=60, stale-while-revalidate=60, must-revalidate",
    "s-maxage=60, stale-while-revalidate=60",
    "max-age=60, private",
    "max-age=60, private=\"x-a\"",
    "max-age=60, private=\"x-a\", public",
    "max-age=60, no-store",
    "max-age=60, no-store, public",
    "max-age=60, no-store, must-understand",
    "max-age=60, no-cache",
    "max-age=60, no-cache, public",
    "max-age=60, no-cache=\"x-a\", public",
    "max-age=60, Public=yes",
];

const HEADINGS: [&str; 8] = [
    "anonymous → anonymous, fresh",
    "… stale",
    "anonymous → Bob, fresh",
    "… stale",
    "Alice → Bob, fresh",
    "… stale",
    "Alice → anonymous, fresh",
    "… stale",
];

fn request(credential: Option<&str>) -> Request {
    let fields = credential.map(|value| ("authorization".to_owned(), value.to_owned())).into_iter().collect();
    Request { method: "GET", fields, has_content: false }
}

fn decision(engine: &Engine, directives: &str, filler: Option<&str>, asker: Option<&str>, waited: i64) -> &'static str {
    const START: i64 = 1_800_000_000_000_000;
    let mut response = vec![("etag".to_owned(), "\"a\"".to_owned())];
    if !directives.is_empty() {
        response.push(("cache-control".to_owned(), directives.to_owned()));
    }
    let policy = Operator {
        bypass: false,
        authorization: "standard",
        anonymous_entries: "reuse",
        set_cookie: "refuse",
        default_ttl: 0,
        min_ttl: 0,
        max_ttl: 86_400,
        negative_ttl: None,
        answers_head: true,
        stores_post: true,
        stale_while_revalidate: 0,
        stale_if_error: 0,
        max_stale_disconnected: 3_600,
        heuristic: true,
        ignore_request_cache_control: false,
        credential_field: None,
        credential_cookie: None,
        is_changed: false,
    };
    let case = Case {
        first: request(filler),
        query: "",
        status: 200,
        response,
        request_time: START,
        response_time: START,
        second: request(asker),
        now: START + waited * 1_000_000,
        policy,
    };
    let (answer, _) = engine.answer(&case);
    assert_eq!(answer, naive::answer(&case), "{case:#?}");
    match answer.decision {
        "forward" if answer.stored.is_none() => "not stored",
        "serve-and-validate" => "serve, validate behind",
        "validate" if answer.survives_errors => "validate, on error stale",
        other => other,
    }
}

fn table() -> String {
    let engine = Engine::new();
    let mut text = format!("| `Cache-Control` | {} |\n|---|{}\n", HEADINGS.join(" | "), "---|".repeat(HEADINGS.len()));
    for directives in DIRECTIVES {
        let shown = if directives.is_empty() { "(none)".to_owned() } else { format!("`{directives}`") };
        write!(text, "| {shown} |").unwrap();
        for (filler, asker) in
            [(None, None), (None, Some("Bearer bob")), (Some("Bearer alice"), Some("Bearer bob")), (Some("Bearer alice"), None)]
        {
            for waited in [1, 61] {
                write!(text, " {} |", decision(&engine, directives, filler, asker, waited)).unwrap();
            }
        }
        text.push('\n');
    }
    text
}

#[test]
fn n050_architecture_shows_what_the_engine_decides() {
    const BEGIN: &str = "<!-- decision table: begin -->\n";
    const END: &str = "<!-- decision table: end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the beginning of the table");
    let (known, after) = rest.split_once(END).expect("the end of the table");
    let table = table();
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(known, table, "run UPDATE_TABLE=1 cargo test --test decision_table");
    }
}
