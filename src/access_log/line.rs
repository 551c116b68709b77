//! From a record to one line of JSON.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use serde::Serialize;

use crate::keyed::Keyed;

use super::record::Record;

/// What turns records into lines: the listeners' names and the key of the hashes.
pub(super) struct Formatter {
    listeners: Vec<String>,
    keyed: Keyed,
}

/// The line, in the order of the outside contract.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    id: String,
    listener: &'a str,
    client: std::net::IpAddr,
    method: &'a str,
    host: Option<String>,
    path: Option<Cow<'a, str>>,
    url_hash: Option<String>,
    status: u16,
    bytes: u64,
    complete: bool,
    duration_us: u64,
    upstream_us: Option<u64>,
    auth: Auth,
    principal: Option<String>,
    credentialed: bool,
    credential: Option<String>,
    result: &'static str,
    reason: &'static str,
    fwd_status: Option<u16>,
    cache_control: Option<Cow<'a, str>>,
    content_type: Option<Cow<'a, str>>,
    age: Option<Cow<'a, str>>,
    date: Option<Cow<'a, str>>,
    expires: Option<Cow<'a, str>>,
    last_modified: Option<Cow<'a, str>>,
    etag: Option<String>,
    vary: Option<Cow<'a, str>>,
    vary_hash: Option<String>,
    /// Only where a valid `traceparent` came.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
}

#[derive(Serialize)]
struct Auth {
    scheme: &'static str,
    outcome: &'static str,
}

impl Formatter {
    pub(super) fn new(listeners: Vec<String>, keyed: Keyed) -> Self {
        Self { listeners, keyed }
    }

    /// Appends the record's line, line feed included; whatever the record holds, it is one line.
    pub(super) fn append(&self, record: &Record, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        match serde_json::to_writer(&mut *buffer, &self.line(record)) {
            Ok(()) => buffer.push(b'\n'),
            // Half a line would spoil the next one.
            Err(_) => buffer.truncate(start),
        }
    }

    fn line<'a>(&'a self, record: &'a Record) -> Line<'a> {
        let permit = record.permit.as_ref();
        let target = permit.map(crate::access::Permit::target).or(record.target.as_ref());
        let name = permit.and_then(|permit| permit.principal().name.as_deref()).or(record.principal.as_deref());
        let response = record.response.as_deref();
        let field = |value: Option<&'a HeaderValue>| value.map(text);
        Line {
            time: rfc3339(record.time),
            id: super::format_id(record.id),
            listener: self.listeners.get(record.listener).map_or("", String::as_str),
            client: record.client,
            method: record.method.as_str(),
            host: target.map(crate::target::Target::authority),
            path: target.map(|target| printable(Cow::Borrowed(target.path()))),
            url_hash: record.url_hash.map(format_hash),
            status: record.status.as_u16(),
            bytes: record.bytes,
            complete: record.complete,
            duration_us: micros(record.duration),
            upstream_us: record.upstream.map(micros),
            auth: Auth { scheme: record.auth.0.as_str(), outcome: record.auth.1.as_str() },
            principal: name.map(|name| self.hash("log-principal", name.as_bytes())),
            credentialed: record.credentialed,
            credential: record.credential.map(format_hash),
            result: record.result.as_str(),
            reason: record.reason,
            fwd_status: record.fwd_status.map(|status| status.as_u16()),
            cache_control: field(response.and_then(|fields| fields.cache_control.as_ref())),
            content_type: field(response.and_then(|fields| fields.content_type.as_ref())),
            age: record.age.map_or_else(
                || field(response.and_then(|fields| fields.age.as_ref())),
                |seconds| Some(Cow::Owned(seconds.to_string())),
            ),
            date: field(response.and_then(|fields| fields.date.as_ref())),
            expires: field(response.and_then(|fields| fields.expires.as_ref())),
            last_modified: field(response.and_then(|fields| fields.last_modified.as_ref())),
            etag: response.and_then(|fields| fields.etag.as_ref()).map(|etag| self.hash("log-etag", etag.as_bytes())),
            vary: field(response.and_then(|fields| fields.vary.as_ref())),
            vary_hash: record.vary_hash.map(format_hash),
            trace_id: record.trace.map(|trace| format!("{:032x}", trace.trace_id)),
            parent_id: record.trace.map(|trace| format!("{:016x}", trace.parent_id)),
        }
    }

    fn hash(&self, purpose: &'static str, bytes: &[u8]) -> String {
        format_hash(self.keyed.start(purpose).part(bytes).finish())
    }
}

/// The upper half of a keyed hash as 16 hex digits: enough to tell values apart in a log.
#[must_use]
pub fn format_hash(hash: u128) -> String {
    format!("{:016x}", (hash >> 64) as u64)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A field value as text; octets that are no UTF-8 are replaced (RFC 9110 section 5.5: obs-text is
/// opaque).
fn text(value: &HeaderValue) -> Cow<'_, str> {
    printable(String::from_utf8_lossy(value.as_bytes()))
}

/// JSON leaves DEL and the C1 controls as they are, and terminals obey them.
fn printable(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_control = |c: char| c.is_control() && c >= '\u{7f}';
    if text.contains(is_control) { Cow::Owned(text.replace(is_control, "\u{fffd}")) } else { text }
}

/// `YYYY-MM-DDThh:mm:ss.mmmZ`.
///
/// Source: RFC 3339 section 5.6.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar whose years begin
/// in March, so that the leap day is the last one.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_rfc3339() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (ms, expect) in cases {
            assert_eq!(rfc3339(SystemTime::UNIX_EPOCH + Duration::from_millis(ms)), expect);
        }
    }

    #[test]
    fn a_terminal_gets_no_controls() {
        assert_eq!(printable(Cow::Borrowed("a\u{9b}31m\u{7f}b")), "a\u{fffd}31m\u{fffd}b");
        assert!(matches!(printable(Cow::Borrowed("plain \u{e9}")), Cow::Borrowed(_)));
    }
}
