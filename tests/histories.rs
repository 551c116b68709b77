//! Random histories against a model: requests of several askers, answers of an origin that changes its mind, time that goes
//! on and sometimes back.
//!
//! 100,000 histories each run, always the same; `SEED=n HISTORIES=1000000` tries others, `SEED=n HISTORIES=1` repeats one that
//! failed.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message, and uses a part of the oracle's files"
)]

#[path = "oracle/dates.rs"]
mod dates;
#[path = "histories/engine.rs"]
mod engine;
#[path = "histories/generate.rs"]
mod generate;
#[path = "histories/known.rs"]
mod known;
#[path = "histories/model.rs"]
mod model;
#[path = "histories/origin.rs"]
mod origin;
#[path = "oracle/random.rs"]
mod random;
#[path = "histories/reading.rs"]
mod reading;
#[path = "histories/step.rs"]
mod step;
#[path = "histories/wire.rs"]
mod wire;

use std::fmt::Write as _;

use engine::{Engine, Told};
use model::Model;
use random::{Random, count};
use step::{History, PATHS, Step};

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    gets: u64,
    reused: u64,
}

/// Lives through a history; the first thing that must not be is the error, with the number of its step.
fn live(engine: &Engine, history: &History, mut text: Option<&mut String>) -> Result<Tally, (usize, String)> {
    let mut run = engine.begin(history);
    let mut model = Model::new(history.operator);
    for (at, step) in history.steps.iter().enumerate() {
        match step {
            Step::Wait(time) => run.now += time,
            Step::NewPolicy => {
                run.change_policy();
                model.change_policy();
            }
            Step::Request(request) => {
                let mut asked_at = run.now;
                for told in run.ask(request) {
                    if let Some(text) = text.as_deref_mut() {
                        tell(text, at, &told);
                    }
                    model.look(&told.request, &told.given, &told.exchanges, asked_at).map_err(|wrong| (at, wrong))?;
                    asked_at = told.given.now;
                }
            }
        }
        if let (Some(text), Step::Wait(_) | Step::NewPolicy) = (text.as_deref_mut(), step) {
            writeln!(text, "{at}. {step:?}, now {}", run.now).unwrap();
        }
    }
    Ok(Tally { gets: model.gets, reused: model.reused })
}

/// One step in words.
fn tell(text: &mut String, at: usize, Told { request, given, exchanges }: &Told) {
    writeln!(text, "{at}. {} {} {:?}", request.method, PATHS[request.path], request.fields).unwrap();
    for exchange in exchanges {
        let answer = exchange.answer.as_ref().map(|answer| (answer.status, &answer.body, &answer.fields));
        writeln!(text, "     origin asked {:?}\n     origin said {answer:?}", exchange.sent).unwrap();
    }
    writeln!(text, "     {:?} {} {:?} {:?}", given.how, given.status, given.body, given.fields).unwrap();
}

/// Leaves out whatever the history fails without.
fn shrunk(engine: &Engine, mut history: History, at: usize) -> History {
    history.steps.truncate(at + 1);
    let mut is_smaller = true;
    while is_smaller {
        is_smaller = false;
        for at in (0..history.steps.len()).rev() {
            let mut fewer = history.clone();
            fewer.steps.remove(at);
            if let Err((end, _)) = live(engine, &fewer, None) {
                fewer.steps.truncate(end + 1);
                (history, is_smaller) = (fewer, true);
                break;
            }
        }
    }
    history
}

fn histories(seed: u64, number: u64) -> Tally {
    let engine = Engine::new();
    let mut total = Tally::default();
    for at in 0..number {
        // Each history has its own seed, so that a failing one can be run alone.
        let one = seed.wrapping_add(at);
        let history = generate::history(&mut Random::new(one));
        match live(&engine, &history, None) {
            Ok(tally) => {
                total.gets += tally.gets;
                total.reused += tally.reused;
            }
            Err((at, wrong)) => {
                let history = shrunk(&engine, history, at);
                let mut text = String::new();
                let again = live(&engine, &history, Some(&mut text));
                panic!("SEED={one} HISTORIES=1\n{wrong}\n{:?}\n{text}\n{again:?}", history.operator);
            }
        }
    }
    total
}

#[test]
fn n054_no_history_shows_anybody_what_is_not_for_them() {
    // The same histories in every run, so that a change is judged by itself; others by hand.
    let (seed, number) = (count("SEED", 1), count("HISTORIES", 100_000));
    println!("SEED={seed}");
    let threads = if number < 1000 { 1 } else { 2 };
    let share = number / threads;
    let parts: Vec<_> =
        (0..threads).map(|at| std::thread::spawn(move || histories(seed.wrapping_add(at * share), share))).collect();
    let mut total = Tally::default();
    for part in parts {
        let tally = part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        total.gets += tally.gets;
        total.reused += tally.reused;
    }
    println!("{total:?}");
    // A cache that stores nothing breaks no rule either.
    assert!(number < 1000 || total.reused * 5 > total.gets, "expected a fifth of all GETs from the store, found {total:?}");
}
