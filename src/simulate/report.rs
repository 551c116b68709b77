//! What a replay counted, beside what the log says.

use std::collections::HashMap;

use serde::Serialize;

use super::Outcome;
use super::line::{Line, Result as Logged};

/// Most paths that are counted apart; further ones are counted together.
const PATHS: usize = 10_000;
/// Most paths that are shown.
const SHOWN: usize = 10;

/// Requests and bytes, by who answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Requests that came to the cache.
    pub requests: u64,
    /// Answered from the store without the origin.
    pub hits: u64,
    /// Answered from the store after the origin confirmed it.
    pub validated: u64,
    /// Requests to the origin, validations included.
    pub origin_requests: u64,
    /// Content bytes to clients.
    pub bytes: u64,
    /// Those that the origin did not have to send.
    pub saved_bytes: u64,
}

/// A whole replay.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Lines that were replayed.
    pub lines: u64,
    /// As the log says it was.
    pub logged: Tally,
    /// As it would have been.
    pub simulated: Tally,
    #[serde(skip)]
    shared: Paths,
    #[serde(skip)]
    refused: Paths,
}

/// Requests by host and path.
#[derive(Clone, Debug, Default)]
struct Paths {
    counts: HashMap<String, u64>,
    others: u64,
}

impl Tally {
    /// The share of requests that the origin was not asked for.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        ratio(self.hits, self.requests)
    }

    /// The share of bytes that the origin did not have to send.
    #[must_use]
    pub fn byte_ratio(&self) -> f64 {
        ratio(self.saved_bytes, self.bytes)
    }

    fn count(&mut self, outcome: Outcome, bytes: u64) {
        if outcome == Outcome::None {
            return;
        }
        self.requests += 1;
        self.bytes += bytes;
        self.hits += u64::from(outcome == Outcome::Hit);
        self.validated += u64::from(outcome == Outcome::Validated);
        self.origin_requests += u64::from(outcome != Outcome::Hit);
        self.saved_bytes += if outcome == Outcome::Origin { 0 } else { bytes };
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio of counts is shown with one decimal")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Paths {
    fn add(&mut self, line: &Line<'_>) {
        let name = format!("{}{}", line.host.as_deref().unwrap_or_default(), line.path.as_deref().unwrap_or_default());
        if let Some(count) = self.counts.get_mut(&name) {
            *count += 1;
        } else if self.counts.len() < PATHS {
            self.counts.insert(name, 1);
        } else {
            self.others += 1;
        }
    }

    /// The most frequent ones first.
    fn top(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(SHOWN);
        all
    }

    fn total(&self) -> u64 {
        self.counts.values().sum::<u64>() + self.others
    }
}

impl Report {
    pub(super) fn count(&mut self, line: &Line<'_>, simulated: Outcome) {
        let logged = match line.result {
            Logged::Hit | Logged::Stale | Logged::Collapsed => Outcome::Hit,
            Logged::Validated => Outcome::Validated,
            Logged::Miss | Logged::Bypass => Outcome::Origin,
            Logged::None => Outcome::None,
        };
        self.lines += 1;
        self.logged.count(logged, line.bytes);
        self.simulated.count(simulated, line.bytes);
        let from_store = |outcome| matches!(outcome, Outcome::Hit | Outcome::Validated);
        if line.credentialed && from_store(simulated) && !from_store(logged) {
            self.shared.add(line);
        } else if line.credentialed && from_store(logged) && !from_store(simulated) {
            self.refused.add(line);
        }
    }

    /// Paths of requests with credentials that the store would have answered and did not, most frequent first, and how many
    /// such requests there were.
    #[must_use]
    pub fn newly_shared(&self) -> (Vec<(&str, u64)>, u64) {
        (self.shared.top(), self.shared.total())
    }

    /// The same the other way round.
    #[must_use]
    pub fn newly_refused(&self) -> (Vec<(&str, u64)>, u64) {
        (self.refused.top(), self.refused.total())
    }
}
