//! An origin whose every few bytes say for whom they were made, and which remembers who asked for what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use vouchsafe::clock::Clock;

use crate::axes::Case;
use crate::support::{Origin, Reply, SeenRequest, date_at, reply};

/// What the origin saw, by target.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<HashMap<String, Vec<SeenRequest>>>>);

impl Ledger {
    /// Notes a request; returns how many came for this target so far.
    fn note(&self, request: &SeenRequest) -> usize {
        let mut by_target = self.0.lock().expect("no panic while held");
        let seen = by_target.entry(request.target.clone()).or_default();
        seen.push(request.clone());
        seen.len()
    }

    /// The requests for a target.
    pub fn of(&self, target: &str) -> Vec<SeenRequest> {
        self.0.lock().expect("no panic while held").get(target).cloned().unwrap_or_default()
    }
}

/// Serves every case of the matrix. A conditional request is confirmed to anybody, so that a gateway that validates what
/// it must not even look at is found out by the bytes it then shows.
pub async fn marking(clock: &Clock) -> (Origin, Ledger) {
    let (ledger, clock) = (Ledger::default(), clock.clone());
    let noting = ledger.clone();
    let origin = Origin::serving(move |request| answer(request, noting.note(request), &clock)).await;
    (origin, ledger)
}

fn answer(request: &SeenRequest, hit: usize, clock: &Clock) -> Reply {
    let case = Case::of(&request.target);
    let tag = tag_of(&case);
    let is_current = request.field("if-none-match") == Some(tag.as_str());
    let mut answer = reply(if is_current { 304 } else { 200 }).field("etag", &tag);
    for line in case.spelling().lines {
        answer = answer.field("Cache-Control", line);
    }
    if case.spelling().expires {
        answer = answer.field("Expires", date_at(clock, 60));
    }
    if let Some(vary) = case.vary() {
        answer = answer.field("Vary", vary);
    }
    let sent: Vec<(&str, &str)> = request.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    answer.field("X-Note", "for one").body(content(&label(&sent, &request.target), hit))
}

/// The entity tag of a case's response, whoever asks.
pub fn tag_of(case: &Case) -> String {
    format!("\"{}-{}-{}-{}\"", case.spelling, case.pair, case.vary, case.moment)
}

/// Whose request this is, as the origin can tell: every credential, as sent.
pub fn label(fields: &[(&str, &str)], target: &str) -> String {
    let mut label = String::new();
    for name in ["authorization", "x-api-key", "cookie"] {
        for (_, value) in fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name)) {
            label += &format!("{name}={};", value.trim());
        }
    }
    label + target.split_once('?').map_or("", |(_, query)| query)
}

fn content(label: &str, hit: usize) -> String {
    format!("[{label}#{hit}]").repeat(6)
}

/// For whom all of these bytes were made; none if they are not of one making.
pub fn maker(content: &str) -> Option<(String, usize)> {
    let (mark, _) = content.strip_prefix('[')?.split_once(']')?;
    let (label, hit) = mark.rsplit_once('#')?;
    let hit = hit.parse().ok()?;
    (content == self::content(label, hit)).then(|| (label.to_owned(), hit))
}
