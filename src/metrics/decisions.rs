//! Authentication crossed with what the cache did: one counter for each combination that occurs.
//!
//! A combination is found without a lock, a hash or an allocation; it is registered when it first occurs.

use std::sync::OnceLock;
use std::time::Duration;

use http::{Method, StatusCode};
use metrics::Counter;
use metrics_exporter_prometheus::PrometheusRecorder;

use super::{OUTCOMES, families};
use crate::auth::Outcome;
use crate::cache::CacheResult;
use crate::config::settings::Settings;
use crate::upstream::Destination;

/// How one exchange ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// Index into `Settings::listeners`.
    pub listener: usize,
    /// Request method.
    pub method: &'a Method,
    /// Status code of the final response.
    pub code: StatusCode,
    /// Where the request was to go; none: it was answered before that was known.
    pub destination: Option<Destination>,
    /// What came of authentication; none: nobody asked, or it did not come to that.
    pub auth: Option<Outcome>,
    /// What the cache contributed.
    pub result: CacheResult,
    /// The word that decided.
    pub reason: &'static str,
    /// Content bytes sent.
    pub bytes: u64,
    /// From request head to the end of the content.
    pub duration: Duration,
}

/// Upstreams that are told apart; the rest, and what never came to one, is [`OTHER`].
const MOST_ROUTES: usize = 64;
/// Words that are told apart for one route, result and outcome; the rest is [`OTHER`].
const MOST_REASONS: usize = 48;
const RESULTS: usize = CacheResult::ALL.len();
const OTHER: &str = "other";

/// The counters of `vouchsafe_decisions_total`.
pub(super) struct Decisions {
    /// The upstreams, then forward, then other.
    routes: Vec<Route>,
}

struct Route {
    name: String,
    /// One list of words for each result and outcome, made when it first occurs.
    cells: Vec<OnceLock<Words>>,
}

/// Words and their counters, in the order in which they first occurred.
struct Words(Vec<OnceLock<(&'static str, Counter)>>);

impl Decisions {
    pub(super) fn new(settings: &Settings) -> Self {
        let upstreams = settings.upstreams.iter().take(MOST_ROUTES).map(|upstream| upstream.name.as_str());
        Self { routes: upstreams.chain(["forward", OTHER]).map(Route::new).collect() }
    }

    /// Counts one exchange in its combination.
    pub(super) fn count(&self, ended: &Ended<'_>, recorder: &PrometheusRecorder) {
        let Some(route) = self.route(ended.destination) else { return };
        let auth = ended.auth.map_or(0, |outcome| outcome as usize + 1);
        let Some(cell) = route.cells.get(auth * RESULTS + ended.result as usize) else { return };
        cell.get_or_init(Words::new).count(ended.reason, &|reason| {
            let (name, cache) = (route.name.clone(), ended.result.as_str());
            let auth = ended.auth.map_or("none", Outcome::as_str);
            metrics::with_local_recorder(
                recorder,
                || metrics::counter!(families::DECISIONS, "route" => name, "cache" => cache, "auth" => auth, "reason" => reason),
            )
        });
    }

    fn route(&self, destination: Option<Destination>) -> Option<&Route> {
        let named = self.routes.len().saturating_sub(2);
        self.routes.get(match destination {
            Some(Destination::Upstream(number)) if number < named => number,
            Some(Destination::Forward) => named,
            Some(Destination::Upstream(_)) | None => named + 1,
        })
    }
}

impl Route {
    fn new(name: &str) -> Self {
        let cells = std::iter::repeat_with(OnceLock::new).take((OUTCOMES + 1) * RESULTS).collect();
        Self { name: name.to_owned(), cells }
    }
}

impl Words {
    fn new() -> Self {
        Self(std::iter::repeat_with(OnceLock::new).take(MOST_REASONS).collect())
    }

    /// Looks the word up and takes the next free place if it is new. Two who come with new words at once find out
    /// by the word that is there: whoever was late goes one place on.
    fn count(&self, reason: &'static str, register: &dyn Fn(&'static str) -> Counter) {
        let reason = if reason.is_empty() { OTHER } else { reason };
        let Some((last, places)) = self.0.split_last() else { return };
        for place in places {
            let (word, counter) = place.get_or_init(|| (reason, register(reason)));
            if *word == reason {
                return counter.increment(1);
            }
        }
        last.get_or_init(|| (OTHER, register(OTHER))).1.increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    /// As many counts as words, whoever comes first; and nobody takes more places than there are.
    #[test]
    fn words_beyond_the_bound_are_other() {
        let recorder = super::super::exposition::recorder();
        let words = Words::new();
        let register =
            |word: &'static str| metrics::with_local_recorder(&recorder, || metrics::counter!("words", "word" => word));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for at in (0..WORDS.len()).cycle().take(10 * WORDS.len()) {
                        words.count(&WORDS[at..=at], &register);
                    }
                });
            }
        });
        let text = recorder.handle().render();
        let values: Vec<(&str, u64)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("words{word=\"")?.split_once("\"} "))
            .map(|(word, value)| (word, value.parse().unwrap()))
            .collect();
        assert_eq!(values.len(), MOST_REASONS, "{text}");
        assert_eq!(values.iter().map(|(_, value)| value).sum::<u64>(), 40 * WORDS.len() as u64, "{text}");
        let others = values.iter().find(|(word, _)| *word == OTHER).unwrap().1;
        assert_eq!(others, 40 * (WORDS.len() - MOST_REASONS + 1) as u64);
    }
}
