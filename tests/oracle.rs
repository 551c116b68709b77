//! Two implementations agree: the engine, and a naive oracle written from the sentences of RFC 9111.
//!
//! 200,000 pairs of exchange and request each run; `PAIRS=5000000` tries more, `SEED=n` repeats.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
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

use std::collections::BTreeMap;
use std::time::SystemTime;

use case::Case;
use engine::{Engine, map, time};
use random::{Random, count, seed};
use vouchsafe::cache::rules::age::age_base;
use vouchsafe::cache::rules::directives::{ResponseDirectives, canonical};
use vouchsafe::fields::{http_date, parse_http_date};

/// One part of the pairs: what was decided how often.
fn agree(seed: u64, pairs: u64) -> BTreeMap<String, u64> {
    let engine = Engine::new();
    let mut decided = BTreeMap::new();
    for at in 0..pairs {
        // Each pair has its own seed, so that a failing one can be run alone.
        let one = seed.wrapping_add(at);
        let case = generate::case(&mut Random::new(one));
        let (answer, why) = engine.answer(&case);
        let expected = naive::answer(&case);
        assert!(answer == expected, "SEED={one} PAIRS=1\n{case:#?}\nengine {answer:?} ({why:?})\noracle {expected:?}");
        let kind = if answer.stored.is_some() { "stored" } else { "not stored" };
        *decided.entry(format!("{kind}, {}", answer.decision)).or_insert(0) += 1;
        for (survives, failure) in [(answer.survives_errors, "errors"), (answer.survives_silence, "silence")] {
            *decided.entry(format!("stored, survives {failure}")).or_insert(0) += u64::from(survives);
        }
    }
    decided
}

/// Dumber than the oracle: words that must or must not be in the bytes of what is served.
fn assert_no_naive_rule_is_broken(case: &Case, decision: &str, seed: u64) {
    if !decision.starts_with("serve") {
        return;
    }
    let text = |fields, name| naive::lines(fields, name).join(", ").to_ascii_lowercase();
    let said = text(&case.response, "cache-control");
    let is_authorized = |fields| !naive::lines(fields, "authorization").is_empty();
    let words = ["public", "s-maxage=", "must-revalidate"];
    let permits = words.iter().any(|word| said.contains(word));
    assert!(!is_authorized(&case.first.fields) || permits, "SEED={seed} PAIRS=4: no permission\n{case:#?}");
    let forbids = said.contains("no-store") && !said.contains("must-understand");
    assert!(!forbids || said.contains('"'), "SEED={seed} PAIRS=4: no-store\n{case:#?}");
    let members: Vec<String> =
        naive::lines(&case.response, "cache-control").iter().flat_map(|line| naive::members(line).0).collect();
    let is_private = members.iter().any(|member| ["private", "no-cache"].iter().any(|word| member.eq_ignore_ascii_case(word)));
    assert!(!is_private, "SEED={seed} PAIRS=4: private or no-cache\n{case:#?}");
    assert!(!text(&case.response, "vary").contains('*'), "SEED={seed} PAIRS=4: vary\n{case:#?}");
    let most = said.split(|c: char| !c.is_ascii_digit()).filter_map(naive::delta_seconds).max().unwrap_or(0);
    let (waited, is_stale) = ((case.now - case.response_time) / 1_000_000, decision != "serve");
    let is_assumed = said.contains('"') || !said.contains("max-age") && !said.contains("s-maxage");
    assert!(is_stale || is_assumed || waited <= most, "SEED={seed} PAIRS=4: too old\n{case:#?}");
    assert!(
        ["GET", "POST"].contains(&case.first.method) && ![401, 407, 999].contains(&case.status),
        "SEED={seed} PAIRS=4\n{case:#?}"
    );
}

#[test]
fn engine_and_oracle_agree_on_every_pair() {
    let (seed, pairs) = (seed(), count("PAIRS", 200_000));
    let threads = if pairs < 1000 { 1 } else { 2 };
    let share = pairs / threads;
    let parts: Vec<_> = (0..threads).map(|at| std::thread::spawn(move || agree(seed.wrapping_add(at * share), share))).collect();
    let mut decided = BTreeMap::new();
    for part in parts {
        for (kind, times) in part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            *decided.entry(kind).or_insert(0) += times;
        }
    }
    println!("{decided:#?}");
    // A generator that never comes to a decision shows nothing about it.
    let kinds =
        ["serve", "serve-stale", "serve-and-validate", "validate", "forward", "refuse", "survives errors", "survives silence"];
    let is_reached = |kind: &&str| decided.get(&format!("stored, {kind}")).is_some_and(|times| times * 1000 > pairs);
    assert!(pairs < 10_000 || kinds.iter().all(is_reached), "{decided:#?}");
}

#[test]
fn n038_n054_nothing_is_served_that_a_naive_rule_forbids() {
    let (seed, engine) = (seed(), Engine::new());
    for at in 0..count("PAIRS", 200_000) / 4 {
        let one = seed.wrapping_add(at);
        let case = generate::case(&mut Random::new(one));
        assert_no_naive_rule_is_broken(&case, engine.answer(&case).0.decision, one);
    }
}

#[test]
fn n058_order_case_and_white_space_change_no_answer() {
    let (seed, engine) = (seed(), Engine::new());
    for at in 0..count("PAIRS", 200_000) / 10 {
        let one = seed.wrapping_add(at);
        let mut random = Random::new(one);
        let case = generate::case(&mut random);
        let other = generate::rewritten(&mut random, &case);
        let (answer, rewritten) = (engine.answer(&case), engine.answer(&other));
        assert!(answer.0 == rewritten.0, "SEED={one} PAIRS=10\n{case:#?}\n{answer:?}\n{other:#?}\n{rewritten:?}");
    }
}

#[test]
fn n098_parse_then_print_is_stable() {
    let seed = seed();
    for at in 0..count("PAIRS", 200_000) / 10 {
        let one = seed.wrapping_add(at);
        let case = generate::case(&mut Random::new(one));
        let printed = canonical(&ResponseDirectives::parse(&map(&case.response)));
        let again = canonical(&ResponseDirectives::parse(&map(&vec![("cache-control".to_owned(), printed.clone())])));
        assert_eq!(printed, again, "SEED={one} PAIRS=10\n{:#?}", case.response);
        for name in ["date", "expires", "last-modified"] {
            let lines = naive::lines(&case.response, name);
            for parsed in lines.iter().filter_map(|line| parse_http_date(line.as_bytes(), time(case.now))) {
                let written = http_date(parsed);
                assert_eq!(parse_http_date(written.as_bytes(), time(case.now)), Some(parsed), "SEED={one}: {written:?}");
            }
        }
    }
}

#[test]
fn n075_age_never_decreases_while_time_goes_on() {
    let seed = seed();
    for at in 0..count("PAIRS", 200_000) / 10 {
        let one = seed.wrapping_add(at);
        let mut random = Random::new(one);
        let case = generate::case(&mut random);
        let base = age_base(&map(&case.response), time(case.request_time), time(case.response_time));
        let mut now = case.response_time;
        let mut known = None;
        for _ in 0..8 {
            now += i64::try_from(random.below(1 << 34)).unwrap();
            let age = base.current_age(time(now));
            assert!(age.is_some() && age >= known, "SEED={one}\n{case:#?}");
            let resident = time(now).duration_since(time(case.response_time)).unwrap();
            assert!(age >= Some(resident), "SEED={one}: younger than its time here\n{case:#?}");
            known = age;
        }
        assert!(base.current_age(SystemTime::UNIX_EPOCH).is_none());
    }
}

#[test]
fn n092_engine_and_oracle_agree_on_what_a_304_selects() {
    use vouchsafe::cache::rules::validate::selects;
    let tags = [None, Some("\"a\""), Some("\"b\""), Some("W/\"a\""), Some("W/\"b\""), Some("a"), Some("\"\"")];
    let dates = [None, Some("Fri, 15 Jan 2027 08:00:00 GMT"), Some("Fri, 15 Jan 2027 08:00:01 GMT")];
    let engine = Engine::new();
    let fields = |tag: Option<&str>, date: Option<&str>| {
        let line = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        tag.map(|tag| line("etag", tag)).into_iter().chain(date.map(|date| line("last-modified", date))).collect::<Vec<_>>()
    };
    for (old_tag, old_date) in tags.iter().flat_map(|tag| dates.map(|date| (*tag, date))) {
        let head = engine.stored_with(&fields(old_tag, old_date));
        for (new_tag, new_date) in tags.iter().flat_map(|tag| dates.map(|date| (*tag, date))) {
            let expected = naive::selects(new_tag, new_date, old_tag, old_date);
            let answer = selects(&map(&fields(new_tag, new_date)), &head);
            assert_eq!(answer, expected, "304 {new_tag:?} {new_date:?}, stored {old_tag:?} {old_date:?}");
        }
    }
}

/// RFC 9111 section 4.2: the zone that the machine is in has no say. The tests above once more, elsewhere.
#[test]
fn n071_the_local_time_zone_changes_no_age() {
    let again = ["engine_and_oracle_agree_on_every_pair", "n075_age_never_decreases_while_time_goes_on"];
    for zone in ["Pacific/Kiritimati", "XXX+9:30"] {
        let mut elsewhere = std::process::Command::new(std::env::current_exe().unwrap());
        let output = elsewhere.arg("--exact").args(again).env("TZ", zone).env("PAIRS", "2000").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("2 passed"), "{zone}: {text}");
    }
}
