//! Every metric family, declared once: name, kind, help text; and the histograms' buckets.

/// What a family's samples mean to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations in buckets.
    Histogram,
}

/// One family of the exposition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    /// The name, unit last.
    pub(super) name: &'static str,
    /// Counter, gauge or histogram.
    pub(super) kind: Kind,
    /// The labels of its series; a histogram's `le` is understood.
    #[cfg_attr(not(test), expect(dead_code, reason = "the list of metrics in the documents is made of it"))]
    pub(super) labels: &'static [&'static str],
    /// What the operator reads beside it.
    pub(super) help: &'static str,
}

impl Family {
    /// The base unit, which its name ends with (before `_total`).
    pub(super) fn unit(&self) -> Option<&'static str> {
        let stem = self.name.strip_suffix("_total").unwrap_or(self.name);
        ["seconds", "bytes"].into_iter().find(|unit| stem.ends_with(&format!("_{unit}")))
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, labels, help }
}

pub(super) const REQUESTS: &str = "vouchsafe_requests_total";
pub(super) const REQUEST_DURATION: &str = "vouchsafe_request_duration_seconds";
pub(super) const RESPONSE_BYTES: &str = "vouchsafe_response_bytes_total";
pub(super) const DECISIONS: &str = "vouchsafe_decisions_total";
pub(super) const CACHE_REQUESTS: &str = "vouchsafe_cache_requests_total";
pub(super) const CACHE_REPEATED: &str = "vouchsafe_cache_repeated_total";
pub(super) const CACHE_AUTHORIZATION: &str = "vouchsafe_cache_authorization_total";
pub(super) const AUTH: &str = "vouchsafe_auth_total";
pub(super) const AUTH_DURATION: &str = "vouchsafe_auth_duration_seconds";
pub(super) const ACCESS_DENIED: &str = "vouchsafe_access_denied_total";
pub(super) const VALIDATIONS: &str = "vouchsafe_validations_total";
pub(super) const FLIGHTS: &str = "vouchsafe_flights";
pub(super) const FLIGHT_FOLLOWERS: &str = "vouchsafe_flight_followers_total";
pub(super) const FLIGHT_WAITING: &str = "vouchsafe_flight_waiting";
pub(super) const CANARY: &str = "vouchsafe_canary_total";
pub(super) const LEAK_SUSPECT: &str = "vouchsafe_leak_suspect_total";
pub(super) const UPSTREAM_REQUESTS: &str = "vouchsafe_upstream_requests_total";
pub(super) const UPSTREAM_DURATION: &str = "vouchsafe_upstream_duration_seconds";
pub(super) const CACHE_BYTES: &str = "vouchsafe_cache_bytes";
pub(super) const CACHE_LIMIT: &str = "vouchsafe_cache_limit_bytes";
pub(super) const CACHE_ENTRIES: &str = "vouchsafe_cache_entries";
pub(super) const CACHE_EVICTIONS: &str = "vouchsafe_cache_evictions_total";
pub(super) const CONNECTIONS: &str = "vouchsafe_connections";
pub(super) const CONNECTIONS_REFUSED: &str = "vouchsafe_connections_refused_total";
pub(super) const TUNNELS: &str = "vouchsafe_tunnels";
pub(super) const TUNNEL_BYTES: &str = "vouchsafe_tunnel_bytes_total";
pub(super) const ACCESS_LOG_DROPPED: &str = "vouchsafe_access_log_dropped_total";
pub(super) const TRACES_DROPPED: &str = "vouchsafe_traces_dropped_total";
pub(super) const SHADOW_DECISIONS: &str = "vouchsafe_shadow_decisions_total";
pub(super) const SHADOW_STORED: &str = "vouchsafe_shadow_stored_total";
pub(super) const CONFIG_RELOADS: &str = "vouchsafe_config_reloads_total";
pub(super) const CONFIG_RELOAD_SUCCESS: &str = "vouchsafe_config_last_reload_successful";
pub(super) const CONFIG_TIME: &str = "vouchsafe_config_timestamp_seconds";
pub(super) const BUILD_INFO: &str = "vouchsafe_build_info";

/// The whole exposition, in the order of the outside contract.
pub(super) const FAMILIES: [Family; 34] = [
    counter(REQUESTS, &["listener", "method", "code"], "Exchanges with clients, by listener, method and status code."),
    histogram(
        REQUEST_DURATION,
        &["listener", "result"],
        "Time from request head to the end of the response, by listener and what the cache contributed.",
    ),
    counter(
        RESPONSE_BYTES,
        &["listener", "result"],
        "Bytes of response content sent to clients, by listener and what the cache contributed.",
    ),
    counter(
        DECISIONS,
        &["route", "cache", "auth", "reason"],
        "Exchanges, by upstream, what the cache contributed, what came of authentication, and the word that decided.",
    ),
    counter(CACHE_REQUESTS, &["result"], "Requests that came to the cache, by what it contributed."),
    counter(
        CACHE_REPEATED,
        &[],
        "Hits among them whose request came again byte for byte, given the same answer without a look-up.",
    ),
    counter(
        CACHE_AUTHORIZATION,
        &["decision", "reason"],
        "Decisions on sharing responses to credentialed requests (RFC 9111 section 3.5).",
    ),
    counter(AUTH, &["scheme", "outcome"], "Authentications, by scheme and outcome."),
    histogram(AUTH_DURATION, &["scheme"], "Time a request waited for the verdict on credentials that were not remembered."),
    counter(ACCESS_DENIED, &["rule"], "Requests refused by an access rule or the destination guard."),
    counter(VALIDATIONS, &["outcome"], "Validations of stored responses, by the origin's answer (RFC 9111 section 4.3)."),
    gauge(FLIGHTS, &[], "Fetches that other requests may wait for."),
    counter(FLIGHT_FOLLOWERS, &["outcome"], "Requests that waited for another one's response, by what became of them."),
    gauge(FLIGHT_WAITING, &[], "Requests that wait for another one's response head."),
    counter(CANARY, &["outcome"], "Reuses across requesters that were compared with the origin's own answer, by outcome."),
    counter(
        LEAK_SUSPECT,
        &[],
        "Reused responses that the origin would not have given to the asker; see the log for the URL's hash.",
    ),
    counter(
        UPSTREAM_REQUESTS,
        &["upstream", "code"],
        "Exchanges with upstreams, by upstream and status code (none: no response).",
    ),
    histogram(UPSTREAM_DURATION, &["upstream"], "Time from sending a request upstream to its response head."),
    gauge(CACHE_BYTES, &["tier"], "Bytes held by a cache tier."),
    gauge(CACHE_LIMIT, &["tier"], "Bytes that a cache tier may hold."),
    gauge(CACHE_ENTRIES, &["tier"], "Keys with stored responses held by a cache tier."),
    counter(CACHE_EVICTIONS, &["tier", "reason"], "Stored responses that left a cache tier, by reason."),
    gauge(CONNECTIONS, &["listener"], "Open client connections, tunnels included."),
    counter(CONNECTIONS_REFUSED, &["listener", "reason"], "Client connections closed at once, by reason."),
    gauge(TUNNELS, &[], "Open CONNECT tunnels."),
    counter(TUNNEL_BYTES, &["direction"], "Bytes that passed through tunnels, by direction."),
    counter(ACCESS_LOG_DROPPED, &[], "Access log lines dropped because the log's destination was too slow or refused them."),
    counter(
        TRACES_DROPPED,
        &[],
        "Exchanges whose spans no collector took: too many waited, or it could not be reached or refused them.",
    ),
    counter(
        SHADOW_DECISIONS,
        &["active", "shadow"],
        "Requests that came to the cache, by what was done and by what the shadow's policies would have done.",
    ),
    counter(
        SHADOW_STORED,
        &["active", "shadow", "lifetime"],
        "Origins' answers, by the word for or against storing them here and under the shadow's policies, whose lifetime is shorter, the same or longer.",
    ),
    counter(CONFIG_RELOADS, &["outcome"], "Reloads of the configuration, by outcome."),
    gauge(CONFIG_RELOAD_SUCCESS, &[], "1 if the last reload was applied or there was none, 0 if it was refused."),
    gauge(CONFIG_TIME, &[], "When the configuration in force was read, seconds since 1970."),
    gauge(BUILD_INFO, &["version"], "Always 1; the labels name the running build."),
];

/// Bucket bounds of all histograms, seconds: a memory hit takes tens of microseconds, a password
/// tens of milliseconds, a slow origin half a minute.
pub(super) const BUCKETS: [f64; 17] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
