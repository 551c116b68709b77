//! From ended exchanges to the body of one request.

use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode, Version};
use serde_json::{Value, json};

use crate::access::Permit;
use crate::access_log::{Record, format_id};
use crate::auth::{Outcome, Scheme};
use crate::cache::CacheResult;
use crate::config::settings::Settings;
use crate::target::Target;
use crate::trace::{Fetch, Span};
use crate::upstream::Destination;

/// `SpanKind` and `Status.StatusCode` of the protocol.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const ERROR: u8 = 2;

/// What may be a span's name; a client may send any other.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// What is told of an exchange; values are moved or counted, text is made of them by the thread.
pub(super) struct Ended {
    span: Box<Span>,
    id: u64,
    method: Method,
    target: Option<Target>,
    destination: Option<Destination>,
    status: StatusCode,
    time: SystemTime,
    started: Instant,
    duration: Duration,
    auth: (Scheme, Outcome),
    result: CacheResult,
    reason: &'static str,
    bytes: u64,
    complete: bool,
}

impl Ended {
    /// What is told of this record, if anything.
    pub(super) fn of(record: &mut Record) -> Option<Self> {
        let span = record.span.take()?;
        let target = record.permit.as_ref().map(Permit::target).or(record.target.as_ref()).cloned();
        Some(Self {
            span,
            id: record.id,
            method: record.method.clone(),
            target,
            destination: record.destination,
            status: record.status,
            time: record.time,
            started: record.started,
            duration: record.duration,
            auth: record.auth,
            result: record.result,
            reason: record.reason,
            bytes: record.bytes,
            complete: record.complete,
        })
    }

    /// One of few words, whatever the client sent.
    fn method(&self) -> &str {
        if METHODS.contains(&self.method) { self.method.as_str() } else { "_OTHER" }
    }
}

/// What turns exchanges into spans: the names of the upstreams.
pub(super) struct Encoder {
    upstreams: Vec<String>,
}

impl Encoder {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { upstreams: settings.upstreams.iter().map(|upstream| upstream.name.clone()).collect() }
    }

    /// `ExportTraceServiceRequest`.
    pub(super) fn request(&self, batch: &[Box<Ended>]) -> Vec<u8> {
        let version = env!("CARGO_PKG_VERSION");
        let spans: Vec<Value> = batch.iter().flat_map(|ended| self.spans(ended)).collect();
        let resource = [text("service.name", "vouchsafe"), text("service.version", version)];
        let scopes = [json!({ "scope": { "name": "vouchsafe", "version": version }, "spans": spans })];
        json!({ "resourceSpans": [{ "resource": { "attributes": resource }, "scopeSpans": scopes }] }).to_string().into_bytes()
    }

    /// The exchange's span and those of its requests to origins.
    fn spans(&self, ended: &Ended) -> Vec<Value> {
        let upstream = match ended.destination {
            Some(Destination::Upstream(index)) => self.upstreams.get(index).map(String::as_str),
            Some(Destination::Forward) | None => None,
        };
        let method = if METHODS.contains(&ended.method) { ended.method.as_str() } else { "HTTP" };
        let name = upstream.map_or_else(|| method.to_owned(), |upstream| format!("{method} {upstream}"));
        let exchange = exchange_span(ended, upstream, &name);
        let fetches = ended.span.fetches.iter().map(|fetch| fetch_span(ended, fetch, upstream, &name));
        std::iter::once(exchange).chain(fetches).collect()
    }
}

/// Source: semantic conventions for HTTP spans, section HTTP server.
fn exchange_span(ended: &Ended, upstream: Option<&str>, name: &str) -> Value {
    let mut attributes = vec![
        text("http.request.method", ended.method()),
        number("http.response.status_code", u64::from(ended.status.as_u16())),
        number("http.response.body.size", ended.bytes),
        text("network.protocol.version", if ended.span.version == Version::HTTP_10 { "1.0" } else { "1.1" }),
        text("vouchsafe.request_id", &format_id(ended.id)),
        text("vouchsafe.auth.scheme", ended.auth.0.as_str()),
        text("vouchsafe.auth.outcome", ended.auth.1.as_str()),
        text("vouchsafe.cache.result", ended.result.as_str()),
        text("vouchsafe.cache.reason", ended.reason),
        json!({ "key": "vouchsafe.complete", "value": { "boolValue": ended.complete } }),
    ];
    attributes.extend(upstream.map(|upstream| text("vouchsafe.upstream", upstream)));
    if let Some(target) = &ended.target {
        attributes.push(text("url.scheme", target.scheme.as_str()));
        attributes.push(text("url.path", target.path()));
        attributes.extend(server(target));
    }
    if ended.status.is_server_error() {
        attributes.push(text("error.type", ended.status.as_str()));
    }
    json!({
        "traceId": format!("{:032x}", ended.span.trace_id),
        "spanId": span_id(ended.span.id),
        "parentSpanId": ended.span.parent_id.map_or_else(String::new, span_id),
        "name": name,
        "kind": SERVER,
        "startTimeUnixNano": nanoseconds(ended.time),
        "endTimeUnixNano": nanoseconds(ended.time + ended.duration),
        "attributes": attributes,
        "status": status(ended.status.is_server_error()),
    })
}

/// Source: semantic conventions for HTTP spans, section HTTP client.
fn fetch_span(ended: &Ended, fetch: &Fetch, upstream: Option<&str>, name: &str) -> Value {
    let mut attributes = vec![text("http.request.method", ended.method()), text("network.protocol.version", "1.1")];
    match (upstream, &ended.target) {
        (Some(upstream), _) => attributes.push(text("vouchsafe.upstream", upstream)),
        (None, Some(target)) => attributes.extend(server(target)),
        (None, None) => {}
    }
    let is_error = fetch.status.is_none_or(|status| status.is_client_error() || status.is_server_error());
    attributes.extend(fetch.status.map(|status| number("http.response.status_code", u64::from(status.as_u16()))));
    if is_error {
        attributes.push(text("error.type", fetch.status.as_ref().map_or("no-response", StatusCode::as_str)));
    }
    let start = ended.time + fetch.started.saturating_duration_since(ended.started);
    json!({
        "traceId": format!("{:032x}", ended.span.trace_id),
        "spanId": span_id(fetch.id),
        "parentSpanId": span_id(ended.span.id),
        "name": name,
        "kind": CLIENT,
        "startTimeUnixNano": nanoseconds(start),
        "endTimeUnixNano": nanoseconds(start + fetch.waited),
        "attributes": attributes,
        "status": status(is_error),
    })
}

fn server(target: &Target) -> [Value; 2] {
    [text("server.address", target.host.to_string().trim_matches(['[', ']'])), number("server.port", u64::from(target.port))]
}

fn status(is_error: bool) -> Value {
    if is_error { json!({ "code": ERROR }) } else { json!({}) }
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// 64-bit integers are decimal strings.
///
/// Source: OTLP 1, section JSON Protobuf Encoding.
fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

/// Hex digits, unlike other bytes.
///
/// Source: OTLP 1, section JSON Protobuf Encoding.
fn span_id(id: u64) -> String {
    format!("{id:016x}")
}

fn nanoseconds(time: SystemTime) -> String {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}
