//! What is remembered of one exchange until its line is written.
//!
//! Filling a record moves values or counts references; text is made of it by the writer's thread.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::access::Permit;
use crate::auth::{Outcome, Scheme};
use crate::cache::CacheResult;
use crate::metrics::Ended;
use crate::target::Target;
use crate::trace::{Span, TraceContext};
use crate::upstream::Destination;

/// One exchange with a client.
#[derive(Clone, Debug)]
pub struct Record {
    /// From [`super::Observer::next_id`]; 0: none was given.
    pub id: u64,
    /// Index into `Settings::listeners`.
    pub listener: usize,
    /// The client's address.
    pub client: IpAddr,
    /// When the request head was complete.
    pub time: SystemTime,
    /// The same on the monotonic clock.
    pub started: Instant,
    /// Request method.
    pub method: Method,
    /// Host and path come from here; a permit, if there is one, holds them too.
    pub target: Option<Target>,
    /// Who was let through to what; moved here when the exchange no longer needs it.
    pub permit: Option<Permit>,
    /// The principal where there is no permit, for instance after a refusal.
    pub principal: Option<Arc<str>>,
    /// Keyed hash of the target URI, query included.
    pub url_hash: Option<u128>,
    /// Status code of the final response.
    pub status: StatusCode,
    /// Time spent waiting for the upstream's response head.
    pub upstream: Option<Duration>,
    /// The scheme that was presented and what came of it.
    pub auth: (Scheme, Outcome),
    /// Whether the listener asked for credentials and judged them.
    pub judged: bool,
    /// Where the request was to go; none: it was answered before that was known.
    pub destination: Option<Destination>,
    /// Whether the request carried a credential for the origin (RFC 9111 section 3.5).
    pub credentialed: bool,
    /// Keyed hash of all credentials, if there are any.
    pub credential: Option<u128>,
    /// What the cache contributed.
    pub result: CacheResult,
    /// The word of `Cache-Status` that decided, or why the gateway answered itself.
    pub reason: &'static str,
    /// Status code of the upstream's answer to a forwarded request (RFC 9211 section 2.3).
    pub fwd_status: Option<StatusCode>,
    /// The response's fields as the origin sent them; an entry keeps them ready.
    pub response: Option<Arc<ResponseFields>>,
    /// The `Age` that was sent, seconds (RFC 9111 section 5.1); none: as the origin sent it.
    pub age: Option<u64>,
    /// Keyed fingerprint of the request fields that `Vary` names.
    pub vary_hash: Option<u128>,
    /// The trace that a valid `traceparent` named.
    pub trace: Option<TraceContext>,
    /// This exchange's own part of a trace, if it is recorded.
    pub span: Option<Box<Span>>,
    /// Content bytes sent; set at the end.
    pub(crate) bytes: u64,
    /// Whether the content was sent to its end; set at the end.
    pub(crate) complete: bool,
    /// From request head to the end of the content; set at the end.
    pub(crate) duration: Duration,
}

/// What a replay needs of a response, as the origin sent it; made once for an entry.
///
/// Source: RFC 9111 sections 4.1 and 4.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseFields {
    /// All `Cache-Control` lines, combined.
    pub cache_control: Option<HeaderValue>,
    /// All `Content-Type` lines, combined.
    pub content_type: Option<HeaderValue>,
    /// `Age`.
    pub age: Option<HeaderValue>,
    /// `Date`.
    pub date: Option<HeaderValue>,
    /// `Expires`.
    pub expires: Option<HeaderValue>,
    /// `Last-Modified`.
    pub last_modified: Option<HeaderValue>,
    /// `ETag`; the log shows its keyed hash.
    pub etag: Option<HeaderValue>,
    /// All `Vary` lines, combined.
    pub vary: Option<HeaderValue>,
}

impl Record {
    /// A record of a request that just arrived; everything else is filled in along the way.
    #[must_use]
    pub fn new(listener: usize, client: IpAddr, time: SystemTime, started: Instant) -> Self {
        Self {
            id: 0,
            listener,
            client,
            time,
            started,
            method: Method::GET,
            target: None,
            permit: None,
            principal: None,
            url_hash: None,
            status: StatusCode::INTERNAL_SERVER_ERROR,
            upstream: None,
            auth: (Scheme::None, Outcome::Missing),
            judged: false,
            destination: None,
            credentialed: false,
            credential: None,
            result: CacheResult::None,
            reason: "",
            fwd_status: None,
            response: None,
            age: None,
            vary_hash: None,
            trace: None,
            span: None,
            bytes: 0,
            complete: false,
            duration: Duration::ZERO,
        }
    }

    /// A copy of the record that an exchange leaves whose content of this length is sent to its end.
    #[must_use]
    pub fn ended_with(&self, length: u64) -> Self {
        let bytes = if super::has_content(&self.method, self.status) { length } else { 0 };
        Self { bytes, complete: true, ..self.clone() }
    }

    /// The record of another exchange that ended as this one, whose number, client, time and duration are these.
    pub(super) fn again(&self, (id, client, time, started, duration): (u64, IpAddr, SystemTime, Instant, Duration)) -> Self {
        Self { id, client, time, started, duration, ..self.clone() }
    }

    /// What the metrics count of an exchange that has ended.
    pub(super) fn ended(&self) -> Ended<'_> {
        Ended {
            listener: self.listener,
            method: &self.method,
            code: self.status,
            destination: self.destination,
            auth: self.judged.then_some(self.auth.1),
            result: self.result,
            reason: self.reason,
            bytes: self.bytes,
            duration: self.duration,
        }
    }
}

impl ResponseFields {
    /// The fields of this response head; lines of one field are combined as RFC 9110 section 5.3
    /// says, without a copy where there is one line.
    #[must_use]
    pub fn of(fields: &HeaderMap) -> Self {
        Self {
            cache_control: combined(fields, &header::CACHE_CONTROL),
            content_type: combined(fields, &header::CONTENT_TYPE),
            age: fields.get(header::AGE).cloned(),
            date: fields.get(header::DATE).cloned(),
            expires: fields.get(header::EXPIRES).cloned(),
            last_modified: fields.get(header::LAST_MODIFIED).cloned(),
            etag: fields.get(header::ETAG).cloned(),
            vary: combined(fields, &header::VARY),
        }
    }
}

/// Source: RFC 9110 section 5.3.
fn combined(fields: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut lines = fields.get_all(name).iter();
    let first = lines.next()?;
    let mut rest = lines.peekable();
    if rest.peek().is_none() {
        return Some(first.clone());
    }
    let mut value = first.as_bytes().to_vec();
    for line in rest {
        value.extend_from_slice(b", ");
        value.extend_from_slice(line.as_bytes());
    }
    HeaderValue::from_bytes(&value).ok()
}
