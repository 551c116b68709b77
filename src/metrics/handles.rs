//! Handles made at load or when first counted, addressed by small numbers instead of names.

use std::collections::HashMap;
use std::sync::OnceLock;

use http::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram};
use parking_lot::RwLock;

use super::families;
use crate::cache::CacheResult;

pub(super) struct PerListener {
    pub(super) name: String,
    /// One table of codes a method; a table is made when its method is first seen.
    pub(super) requests: Vec<OnceLock<Lazily>>,
    pub(super) durations: Vec<Histogram>,
    /// Content bytes by what the cache contributed.
    pub(super) bytes: Vec<Counter>,
    pub(super) connections: Gauge,
    pub(super) refused: [Counter; 2],
}

pub(super) struct PerUpstream {
    pub(super) name: String,
    /// The last place counts exchanges without a response.
    pub(super) codes: Lazily,
    pub(super) duration: Histogram,
}

/// Counters registered when first counted, addressed by a small number.
pub(super) struct Lazily(Vec<OnceLock<Counter>>);

/// Counters registered when first counted, addressed by a name that the configuration or the source
/// bounds.
pub(super) struct ByName(RwLock<HashMap<String, Counter>>);

/// Places for the codes 100 to 999, and one for "none".
pub(super) const CODES: usize = 901;
pub(super) const NO_CODE: usize = 900;
pub(super) const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "other"];

impl PerListener {
    pub(super) fn new(name: &str) -> Self {
        let duration = |result: CacheResult| metrics::histogram!(families::REQUEST_DURATION, "listener" => name.to_owned(), "result" => result.as_str());
        let bytes = |result: CacheResult| metrics::counter!(families::RESPONSE_BYTES, "listener" => name.to_owned(), "result" => result.as_str());
        let refused = |reason: &'static str| metrics::counter!(families::CONNECTIONS_REFUSED, "listener" => name.to_owned(), "reason" => reason);
        Self {
            name: name.to_owned(),
            requests: METHODS.iter().map(|_| OnceLock::new()).collect(),
            durations: CacheResult::ALL.map(duration).into(),
            bytes: CacheResult::ALL.map(bytes).into(),
            connections: metrics::gauge!(families::CONNECTIONS, "listener" => name.to_owned()),
            refused: ["address-limit", "handshake"].map(refused),
        }
    }
}

impl PerUpstream {
    pub(super) fn new(name: String) -> Self {
        let duration = metrics::histogram!(families::UPSTREAM_DURATION, "upstream" => name.clone());
        Self { name, codes: Lazily::new(CODES), duration }
    }
}

impl Lazily {
    pub(super) fn new(places: usize) -> Self {
        Self(std::iter::repeat_with(OnceLock::new).take(places).collect())
    }

    pub(super) fn count(&self, place: usize, register: impl FnOnce() -> Counter) {
        if let Some(place) = self.0.get(place) {
            place.get_or_init(register).increment(1);
        }
    }
}

impl Default for ByName {
    fn default() -> Self {
        Self(RwLock::new(HashMap::new()))
    }
}

impl ByName {
    pub(super) fn of(&self, name: &str, register: impl FnOnce() -> Counter) -> Counter {
        if let Some(counter) = self.0.read().get(name) {
            return counter.clone();
        }
        self.0.write().entry(name.to_owned()).or_insert_with(register).clone()
    }
}

pub(super) fn code_index(code: StatusCode) -> usize {
    usize::from(code.as_u16().saturating_sub(100))
}

/// Index into [`METHODS`]; a method outside RFC 9110 section 9.3 and RFC 5789 is `other`.
pub(super) fn method_index(method: &Method) -> usize {
    match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::DELETE => 4,
        Method::CONNECT => 5,
        Method::OPTIONS => 6,
        Method::TRACE => 7,
        Method::PATCH => 8,
        _ => 9,
    }
}

/// One of something that a gauge counts, as long as this lives.
pub struct Counted(Option<Gauge>);

impl Counted {
    pub(super) fn one_in(gauge: Option<Gauge>) -> Self {
        if let Some(gauge) = &gauge {
            shift(gauge, 1);
        }
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            shift(gauge, -1);
        }
    }
}

/// Moves a gauge up or down.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; changes are small")]
pub(super) fn shift(gauge: &Gauge, change: i64) {
    gauge.increment(change as f64);
}
