//! What Prometheus sees: every family of the outside contract, registered once, with bounded labels.
//!
//! RFC 9110 sections 9 (methods) and 15 (status codes) bound two of the labels: the nine standard
//! methods and `other`, and the codes 100 to 999. No user name and no URI is ever a label.
//!
//! # Deviations
//!
//! none

mod decisions;
mod exposition;
mod families;
mod handles;
mod shadow;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{PrometheusHandle, PrometheusRecorder};

use crate::auth::{Outcome, Scheme};
use crate::cache::{AuthorizationDecision, CacheResult, CanaryOutcome, FollowerOutcome, ValidationOutcome};
use crate::config::settings::Settings;
use decisions::Decisions;
pub use decisions::Ended;
pub use exposition::Format;
pub use handles::Counted;
use handles::{ByName, CODES, Lazily, METHODS, NO_CODE, PerListener, PerUpstream, code_index, method_index, shift};

/// Handles of all metrics of one gateway; every call is a handle's increment, never a look-up by name.
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    exposition: PrometheusHandle,
    listeners: Vec<PerListener>,
    upstreams: Vec<PerUpstream>,
    cache_requests: Vec<Counter>,
    decisions: Decisions,
    authentication: Lazily,
    basic_verdicts: Histogram,
    authorization: Vec<(AuthorizationDecision, Counter)>,
    validations: Vec<(ValidationOutcome, Counter)>,
    followers: Vec<(FollowerOutcome, Counter)>,
    canary: Vec<(CanaryOutcome, Counter)>,
    leak_suspect: Counter,
    repeated: Counter,
    flights: Gauge,
    waiting: Gauge,
    access_denied: ByName,
    evictions: ByName,
    shadow: ByName,
    cache_bytes: Gauge,
    cache_entries: Gauge,
    tunnels: Gauge,
    tunnel_inbound: Counter,
    tunnel_outbound: Counter,
    access_log_dropped: Counter,
    traces_dropped: Counter,
    reloads: Vec<(ReloadOutcome, Counter)>,
    reload_success: Gauge,
    configured_at: Gauge,
}

/// What became of a reload: label of `vouchsafe_config_reloads_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// The new configuration is in force.
    Applied,
    /// The old one stays.
    Refused,
}

/// Why a client connection was closed before its first byte was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedConnection {
    /// Its address has as many connections as one may have.
    AddressLimit,
    /// The TLS handshake failed or took too long.
    Handshake,
}

const OUTCOMES: usize = 32;
const SCHEMES: usize = 8;
const TIER: &str = "memory";
/// Why entries leave it.
const EVICTIONS: [&str; 2] = ["size", "invalidated"];

impl Metrics {
    /// Registers every family for these listeners, upstreams and access rules.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let recorder = Arc::new(exposition::recorder());
        metrics::with_local_recorder(&*recorder, || {
            exposition::describe();
            metrics::gauge!(families::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            metrics::gauge!(families::CONFIG_RELOAD_SUCCESS).set(1.0);
            // No reload changes it.
            #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 bytes are out of reach")]
            metrics::gauge!(families::CACHE_LIMIT, "tier" => TIER).set(settings.cache.memory_bytes as f64);
        });
        Self::within(&recorder, settings)
    }

    /// The same metrics under other settings: what both know counts on.
    #[must_use]
    pub fn successor(&self, settings: &Settings) -> Self {
        Self::within(&self.recorder, settings)
    }

    fn within(recorder: &Arc<PrometheusRecorder>, settings: &Settings) -> Self {
        let metrics = metrics::with_local_recorder(&**recorder, || Self::registered(settings, Arc::clone(recorder)));
        let refusing = settings.access.iter().filter(|rule| !rule.allow).map(|rule| rule.name.as_str());
        for rule in refusing.chain(["destination"]) {
            metrics.denied(rule).increment(0);
        }
        // A rate that starts with the first one would miss it.
        for reason in EVICTIONS {
            metrics.evicted(reason).increment(0);
        }
        metrics
    }

    /// The exposition in Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.exposition.render()
    }

    /// The exposition in this format.
    #[must_use]
    pub fn render_as(&self, format: Format) -> String {
        match format {
            Format::OpenMetrics => exposition::to_openmetrics(&self.render()),
            Format::Text => self.render(),
        }
    }

    /// Moves observations into their buckets; to be called every few seconds.
    pub fn upkeep(&self) {
        self.exposition.run_upkeep();
    }

    /// One exchange ended.
    pub fn request(&self, ended: &Ended<'_>) {
        self.answered(ended.listener, method_index(ended.method), ended.code);
        let result = ended.result as usize;
        if let Some(listener) = self.listeners.get(ended.listener) {
            if let Some(histogram) = listener.durations.get(result) {
                histogram.record(ended.duration.as_secs_f64());
            }
            if let Some(counter) = listener.bytes.get(result) {
                counter.increment(ended.bytes);
            }
        }
        // `None` stands behind the last label value: it never came to the cache.
        if let Some(counter) = self.cache_requests.get(result) {
            counter.increment(1);
        }
        self.decisions.count(ended, &self.recorder);
    }

    /// One exchange was answered again without a look-up; it is counted as a request besides.
    pub fn repeated(&self) {
        self.repeated.increment(1);
    }

    /// A request head that could not be read was answered with this code (RFC 9112 section 3).
    pub fn unreadable(&self, listener: usize, code: StatusCode) {
        self.answered(listener, METHODS.len() - 1, code);
    }

    /// One authentication was decided.
    pub fn authentication(&self, scheme: Scheme, outcome: Outcome) {
        let place = (scheme as usize) * OUTCOMES + outcome as usize;
        self.authentication.count(place, || {
            self.register(|| metrics::counter!(families::AUTH, "scheme" => scheme.as_str(), "outcome" => outcome.as_str()))
        });
    }

    /// A request waited so long for the verdict on Basic credentials that were not remembered.
    pub fn verdict(&self, waited: Duration) {
        self.basic_verdicts.record(waited.as_secs_f64());
    }

    /// One request was refused by this access rule (`destination` for the destination guard).
    pub fn access_denied(&self, rule: &str) {
        self.denied(rule).increment(1);
    }

    /// The authorization rule decided about one response (RFC 9111 section 3.5).
    pub fn authorization(&self, decision: AuthorizationDecision) {
        count(&self.authorization, &decision);
    }

    /// One validation was answered (RFC 9111 section 4.3.3).
    pub fn validation(&self, outcome: ValidationOutcome) {
        count(&self.validations, &outcome);
    }

    /// One request waited for another one's response.
    pub fn follower(&self, outcome: FollowerOutcome) {
        count(&self.followers, &outcome);
    }

    /// One reused response was compared with what the origin says to the asker.
    pub fn canary(&self, outcome: CanaryOutcome) {
        count(&self.canary, &outcome);
        if outcome == CanaryOutcome::Suspect {
            self.leak_suspect.increment(1);
        }
    }

    /// Counts one request that waits for another one's response head, until the guard goes.
    #[must_use]
    pub fn waiting(&self) -> Counted {
        Counted::one_in(Some(self.waiting.clone()))
    }

    /// How many fetches others may wait for now.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts are small")]
    pub fn flights(&self, count: usize) {
        self.flights.set(count as f64);
    }

    /// One upstream exchange; `upstream` is an index into `Settings::upstreams`, none: forward.
    /// `code` is none when no response came.
    pub fn upstream(&self, upstream: Option<usize>, code: Option<StatusCode>, duration: Duration) {
        // The forward upstream stands behind the configured ones.
        let index = upstream.unwrap_or(self.upstreams.len().saturating_sub(1));
        let Some(upstream) = self.upstreams.get(index) else { return };
        upstream.codes.count(code.map_or(NO_CODE, code_index), || {
            let code = code.map_or_else(|| "none".to_owned(), |code| code.as_str().to_owned());
            let name = upstream.name.clone();
            self.register(|| metrics::counter!(families::UPSTREAM_REQUESTS, "upstream" => name, "code" => code))
        });
        upstream.duration.record(duration.as_secs_f64());
    }

    /// One entry left the memory tier.
    pub fn eviction(&self, reason: &'static str) {
        self.evicted(reason).increment(1);
    }

    /// What the memory tier holds now.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 bytes are out of reach")]
    pub fn cache_size(&self, bytes: u64, entries: u64) {
        self.cache_bytes.set(bytes as f64);
        self.cache_entries.set(entries as f64);
    }

    /// Counts one client connection on this listener, until the guard goes.
    #[must_use]
    pub fn connected(&self, listener: usize) -> Counted {
        Counted::one_in(self.listeners.get(listener).map(|listener| listener.connections.clone()))
    }

    /// One reload of the configuration was applied or refused.
    pub fn reloaded(&self, outcome: ReloadOutcome, now: SystemTime) {
        count(&self.reloads, &outcome);
        let is_applied = outcome == ReloadOutcome::Applied;
        self.reload_success.set(f64::from(u8::from(is_applied)));
        if is_applied {
            self.configured(now);
        }
    }

    /// The configuration in force was read at this time.
    pub fn configured(&self, now: SystemTime) {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.configured_at.set(since.as_secs_f64());
    }

    /// A client connection was closed before its first byte was read.
    pub fn connection_refused(&self, listener: usize, why: RefusedConnection) {
        if let Some(counter) = self.listeners.get(listener).and_then(|listener| listener.refused.get(why as usize)) {
            counter.increment(1);
        }
    }

    /// A tunnel was opened (+1) or closed (-1).
    pub fn tunnels(&self, change: i64) {
        shift(&self.tunnels, change);
    }

    /// Bytes that passed a tunnel; `inbound`: from client to destination.
    pub fn tunnel_bytes(&self, inbound: bool, bytes: u64) {
        let counter = if inbound { &self.tunnel_inbound } else { &self.tunnel_outbound };
        counter.increment(bytes);
    }

    /// Access log lines that nobody will read.
    pub fn access_log_dropped(&self, lines: u64) {
        self.access_log_dropped.increment(lines);
    }

    /// Exchanges whose spans no collector took.
    pub fn traces_dropped(&self, exchanges: u64) {
        self.traces_dropped.increment(exchanges);
    }
}

impl Metrics {
    /// Everything with a label set known at load; the local recorder is in place.
    fn registered(settings: &Settings, recorder: Arc<PrometheusRecorder>) -> Self {
        let upstreams = settings.upstreams.iter().map(|upstream| upstream.name.clone());
        Self {
            exposition: recorder.handle(),
            recorder,
            listeners: settings.listeners.iter().map(|listener| PerListener::new(&listener.name)).collect(),
            upstreams: upstreams.chain(["forward".to_owned()]).map(PerUpstream::new).collect(),
            cache_requests: cache_requests(),
            decisions: Decisions::new(settings),
            basic_verdicts: metrics::histogram!(families::AUTH_DURATION, "scheme" => Scheme::Basic.as_str()),
            authentication: Lazily::new(SCHEMES * OUTCOMES),
            authorization: AuthorizationDecision::ALL.map(|decision| (decision, authorization_counter(decision))).into(),
            validations: ValidationOutcome::ALL
                .map(|outcome| (outcome, metrics::counter!(families::VALIDATIONS, "outcome" => outcome.as_str())))
                .into(),
            followers: FollowerOutcome::ALL
                .map(|outcome| (outcome, metrics::counter!(families::FLIGHT_FOLLOWERS, "outcome" => outcome.as_str())))
                .into(),
            canary: CanaryOutcome::ALL
                .map(|outcome| (outcome, metrics::counter!(families::CANARY, "outcome" => outcome.as_str())))
                .into(),
            leak_suspect: metrics::counter!(families::LEAK_SUSPECT),
            repeated: metrics::counter!(families::CACHE_REPEATED),
            flights: metrics::gauge!(families::FLIGHTS),
            waiting: metrics::gauge!(families::FLIGHT_WAITING),
            access_denied: ByName::default(),
            evictions: ByName::default(),
            shadow: ByName::default(),
            cache_bytes: metrics::gauge!(families::CACHE_BYTES, "tier" => TIER),
            cache_entries: metrics::gauge!(families::CACHE_ENTRIES, "tier" => TIER),
            tunnels: metrics::gauge!(families::TUNNELS),
            tunnel_inbound: metrics::counter!(families::TUNNEL_BYTES, "direction" => "inbound"),
            tunnel_outbound: metrics::counter!(families::TUNNEL_BYTES, "direction" => "outbound"),
            access_log_dropped: metrics::counter!(families::ACCESS_LOG_DROPPED),
            traces_dropped: metrics::counter!(families::TRACES_DROPPED),
            reloads: [(ReloadOutcome::Applied, "applied"), (ReloadOutcome::Refused, "refused")]
                .map(|(outcome, word)| (outcome, metrics::counter!(families::CONFIG_RELOADS, "outcome" => word)))
                .into(),
            reload_success: metrics::gauge!(families::CONFIG_RELOAD_SUCCESS),
            configured_at: metrics::gauge!(families::CONFIG_TIME),
        }
    }

    fn answered(&self, listener: usize, method: usize, code: StatusCode) {
        let Some(listener) = self.listeners.get(listener) else { return };
        let Some(codes) = listener.requests.get(method).map(|codes| codes.get_or_init(|| Lazily::new(CODES))) else { return };
        codes.count(code_index(code), || {
            let (name, method) = (listener.name.clone(), METHODS.get(method).copied().unwrap_or("other"));
            let code = code.as_str().to_owned();
            self.register(|| metrics::counter!(families::REQUESTS, "listener" => name, "method" => method, "code" => code))
        });
    }

    fn denied(&self, rule: &str) -> Counter {
        let register = || metrics::counter!(families::ACCESS_DENIED, "rule" => rule.to_owned());
        self.access_denied.of(rule, || self.register(register))
    }

    fn evicted(&self, reason: &'static str) -> Counter {
        let register = || metrics::counter!(families::CACHE_EVICTIONS, "tier" => TIER, "reason" => reason);
        self.evictions.of(reason, || self.register(register))
    }

    fn register<T>(&self, register: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&*self.recorder, register)
    }
}

/// One counter a label value; [`CacheResult::None`] is last and not a label value.
fn cache_requests() -> Vec<Counter> {
    let results = CacheResult::ALL.iter().filter(|result| **result != CacheResult::None);
    results.map(|result| metrics::counter!(families::CACHE_REQUESTS, "result" => result.as_str())).collect()
}

fn authorization_counter(decision: AuthorizationDecision) -> Counter {
    metrics::counter!(families::CACHE_AUTHORIZATION, "decision" => decision.decision(), "reason" => decision.reason())
}

fn count<K: PartialEq>(counters: &[(K, Counter)], key: &K) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| known == key) {
        counter.increment(1);
    }
}
