//! A recorded access log through other policies: what they would have answered from the store.
//!
//! Nothing is decided here but by the functions that serve: [`Head::judge`] on what a line says of the response, and
//! [`reuse::decide`] on what a line says of the request. RFC 9111 sections 3 and 4.
//!
//! # Deviations
//!
//! - What a line does not hold is taken as it was: a response that was not stored for a reason outside the log (a cookie, a
//!   nominated field, its size) is not stored here, and a request that asked for validation is validated.
//! - Responses are taken to be the same as long as their entity tag is.
//! - A line names its key by a hash: what a candidate's `query` would merge or part cannot be told, and an unsafe request
//!   invalidates the key that its line names.
//! - A response is there for the next line at once: who waited for it is a hit.

mod line;
mod report;

use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, StatusCode, header};
use moka::sync::Cache;

use crate::cache::entry::{Filler, Head};
use crate::cache::fields::Fields;
use crate::cache::rules::authorization::RequestCredentials;
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::query::Named;
use crate::cache::rules::reuse::{self, Asker, Reuse};
use crate::config::settings::{Listener, ListenerAuth, Mode, Settings};
use crate::hop::{self, consumed_fields};
use crate::policy::{Candidates, Policies, Routes, Selected};
use crate::target::Target;

pub use line::{Line, Result as LoggedResult};
pub use report::{Report, Tally};

/// Bytes that an entry takes besides its content.
const OVERHEAD_BYTES: u64 = 700;

/// One stored response, as far as later decisions depend on it.
#[derive(Clone)]
struct Stored {
    head: Arc<Head>,
    etag: Option<Box<str>>,
    bytes: u64,
    /// Count of invalidations of its URL that it has seen.
    epoch: u32,
}

/// What would have been done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered from the store.
    Hit,
    /// Answered from the store after the origin confirmed it.
    Validated,
    /// Answered by the origin.
    Origin,
    /// It never came to the cache: refused, challenged, a tunnel.
    None,
}

/// The policies of one configuration, and a store without content.
pub struct Simulation {
    settings: Settings,
    policies: Policies,
    routes: Routes,
    entries: Cache<(u64, u64), Stored>,
    /// By URL: how often it was invalidated.
    epochs: Cache<u64, u32>,
    report: Report,
}

impl Simulation {
    /// Nothing is stored yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let weigh = |_: &(u64, u64), stored: &Stored| u32::try_from(stored.bytes + OVERHEAD_BYTES).unwrap_or(u32::MAX);
        Self {
            policies: Policies::new(&settings),
            routes: Routes::new(&settings),
            entries: Cache::builder().max_capacity(settings.cache.memory_bytes).weigher(weigh).build(),
            epochs: Cache::new(100_000),
            report: Report::default(),
            settings,
        }
    }

    /// What was counted.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Replays one line; lines are expected in the order of time.
    pub fn replay(&mut self, line: &Line<'_>) {
        let outcome = self.decide(line);
        self.report.count(line, outcome);
    }

    fn decide(&self, line: &Line<'_>) -> Outcome {
        let (Some(url), Some(time), Some(target)) = (line.url(), line.time(), line.target()) else { return Outcome::None };
        if line.result == LoggedResult::None {
            return Outcome::None;
        }
        let Ok(method) = Method::from_bytes(line.method.as_bytes()) else { return Outcome::None };
        let Some(selected) = self.policy(line, &target, &method) else { return Outcome::None };
        let policy = &selected.policy;
        if method != Method::GET && method != Method::HEAD {
            if !method.is_safe() && (200..400).contains(&line.status) {
                self.epochs.insert(url, self.epochs.get(&url).unwrap_or_default() + 1);
            }
            return Outcome::Origin;
        }
        let is_left_out = method == Method::HEAD && !policy.settings.methods.head;
        if policy.settings.bypass || is_left_out || line.reason == "request-content" {
            return Outcome::Origin;
        }
        let key = (url, line.variant(policy.settings.partition));
        let stored = self.entries.get(&key).filter(|stored| stored.epoch == self.epochs.get(&url).unwrap_or_default());
        let outcome = stored.as_ref().map_or(Outcome::Origin, |stored| reuse(stored, line, &selected, time));
        if outcome != Outcome::Hit && method == Method::GET {
            // A confirmed response is still the one that was filled with credentials.
            let confirmed = stored.filter(|_| outcome == Outcome::Validated);
            let credentialed = line.credentialed || confirmed.is_some_and(|stored| stored.head.credentialed);
            self.fill((key, url), (line, &target, time), credentialed, &selected);
        }
        outcome
    }

    fn policy(&self, line: &Line<'_>, target: &Target, method: &Method) -> Option<Selected> {
        let listener = self.listener(line);
        let is_gateway = listener.is_some_and(|listener| listener.mode == Mode::Gateway);
        let named = self.routes.select(target).filter(|_| is_gateway).and_then(|route| route.policy);
        self.policies.select(named, method, target)
    }

    fn listener(&self, line: &Line<'_>) -> Option<&Listener> {
        let listeners = &self.settings.listeners;
        listeners.iter().find(|listener| listener.name == line.listener).or(listeners.first())
    }

    /// Stores what the origin answered, if these policies say so.
    fn fill(
        &self,
        (key, url): ((u64, u64), u64),
        (line, target, time): (&Line<'_>, &Target, SystemTime),
        credentialed: bool,
        Selected { policy, candidates }: &Selected,
    ) {
        let (fields, candidates) = (line.response(time), *candidates);
        let Ok(status) = StatusCode::from_u16(line.status) else { return };
        if line.is_unstorable(policy.for_response(candidates, status, &fields)) {
            return;
        }
        let directives = RequestDirectives::default();
        let listener = self.listener(line);
        let consumed = consumed_fields(listener.is_some_and(|l| l.auth == ListenerAuth::Origin));
        let filler = Filler {
            method: &Method::GET,
            path_and_query: &target.path_and_query,
            directives: &directives,
            credentials: RequestCredentials { any: credentialed, in_query: false },
            named: Named::EXACT,
            consumed: &consumed,
            targets: &[],
            candidates,
            is_located: false,
            born: 0,
            request_time: time,
            response_time: time,
        };
        let kept = hop::response_fields(&fields, time);
        let judged = Head::judge(&filler, status, &fields, &kept, policy);
        let Ok(mut head) = judged.map(Box::new) else {
            return;
        };
        let decides = policy.for_response(candidates, status, &fields);
        if line.bytes > decides.most_bytes(self.settings.cache.max_object_bytes) {
            return;
        }
        // Decisions look at no other any more, and there are many entries.
        let media_type = fields.get(header::CONTENT_TYPE).filter(|_| candidates != Candidates::NONE);
        head.fields = Fields::new(media_type.map(|media_type| (&header::CONTENT_TYPE, media_type)).into_iter());
        let etag = line.etag.as_deref().map(Box::from);
        let epoch = self.epochs.get(&url).unwrap_or_default();
        self.entries.insert(key, Stored { head: Arc::from(head), etag, bytes: line.bytes, epoch });
    }
}

/// What a stored response is worth to the request of a line.
fn reuse(stored: &Stored, line: &Line<'_>, selected: &Selected, time: SystemTime) -> Outcome {
    let Selected { policy, candidates } = selected;
    let directives = RequestDirectives { no_cache: line.asked_for_validation(), ..RequestDirectives::default() };
    let directives = if policy.settings.ignore_request_cache_control { directives.only_binding() } else { directives };
    let asker = Asker { directives: &directives, credentialed: line.credentialed, now: time, candidates: *candidates };
    match reuse::decide(&stored.head, &asker, policy) {
        Reuse::Fresh | Reuse::AcceptedStale | Reuse::WhileRevalidating => Outcome::Hit,
        Reuse::Validate(_) if stored.etag.is_some() && stored.etag.as_deref() == line.etag.as_deref() => Outcome::Validated,
        Reuse::Validate(_) | Reuse::Never(_) => Outcome::Origin,
    }
}
