//! One line of the access log, as the gateway writes it, read back.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::config::settings::{PartitionBy, SetCookie};
use crate::policy::CompiledPolicy;
use crate::target::{Host, Scheme, Target};

/// What of a line a replay needs.
#[derive(Clone, Debug, Deserialize)]
pub struct Line<'a> {
    #[serde(borrow)]
    time: Cow<'a, str>,
    /// Name of the listener.
    #[serde(borrow)]
    pub listener: Cow<'a, str>,
    /// Request method.
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// Host and port, none where there was no target.
    pub host: Option<String>,
    /// Path without query.
    pub path: Option<String>,
    url_hash: Option<Cow<'a, str>>,
    /// Status code of the answer.
    pub status: u16,
    /// Content bytes of the answer.
    pub bytes: u64,
    /// Whether the request carried credentials.
    pub credentialed: bool,
    /// Keyed hash of the credentials, none without any.
    credential: Option<String>,
    /// Keyed hash of the user that the gateway verified.
    principal: Option<String>,
    /// What the cache contributed.
    pub result: Result,
    /// The word that decided.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// Status code of the origin's answer, none if it was not asked.
    pub fwd_status: Option<u16>,
    cache_control: Option<String>,
    content_type: Option<String>,
    age: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    last_modified: Option<String>,
    /// Keyed hash of the entity tag.
    pub etag: Option<String>,
    vary: Option<String>,
    vary_hash: Option<Cow<'a, str>>,
}

/// The `result` of a line.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Result {
    /// Answered from the store.
    Hit,
    /// Answered by the origin.
    Miss,
    /// Answered from the store after the origin confirmed it.
    Validated,
    /// Answered from the store although stale.
    Stale,
    /// The cache took no part.
    Bypass,
    /// Answered from another request's fetch.
    Collapsed,
    /// It never came to the cache.
    None,
}

/// Reasons for not storing that a line names and does not show.
const UNSEEN: [&str; 6] =
    ["request-no-store", "request-content", "query-credential", "nominated", "second-key-refused", "too-large"];

impl Line<'_> {
    /// Which URL it is; the hashes of one process tell URLs apart, query included.
    #[must_use]
    pub fn url(&self) -> Option<u64> {
        u64::from_str_radix(self.url_hash.as_deref()?, 16).ok()
    }

    /// Which variant of it, for whom the policy keeps it apart.
    pub(super) fn variant(&self, by: PartitionBy) -> u64 {
        let number = |hash: Option<&str>| hash.and_then(|hash| u64::from_str_radix(hash, 16).ok()).unwrap_or_default();
        let partition = match by {
            PartitionBy::Nothing => 0,
            PartitionBy::Credential => number(self.credential.as_deref()),
            PartitionBy::Principal => number(self.principal.as_deref()),
        };
        // An odd factor keeps two hashes from cancelling each other.
        number(self.vary_hash.as_deref()) ^ partition.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// When the request came.
    pub(super) fn time(&self) -> Option<SystemTime> {
        parse_time(&self.time)
    }

    /// The target, as far as routes and policies look at it.
    #[must_use]
    pub fn target(&self) -> Option<Target> {
        let (host, path) = (self.host.as_deref()?, self.path.as_deref()?);
        let after_bracket = host.rfind(']').map_or(0, |at| at + 1);
        let (name, port) = match host.get(after_bracket..)?.find(':') {
            Some(at) => (host.get(..after_bracket + at)?, host.get(after_bracket + at + 1..)?.parse().ok()?),
            None => (host, 80),
        };
        Some(Target { scheme: Scheme::Http, host: Host::parse(name).ok()?, port, path_and_query: path.into() })
    }

    /// Whether the origin was asked.
    pub(super) fn went_to_origin(&self) -> bool {
        self.fwd_status.is_some()
    }

    /// The request itself asked for a validation, which the line tells by its reason alone.
    pub(super) fn asked_for_validation(&self) -> bool {
        self.reason == "request"
    }

    /// What kept the response out of the store is not in the line.
    pub(super) fn is_unstorable(&self, policy: &CompiledPolicy) -> bool {
        let is_cookie = self.reason == "set-cookie" && policy.settings.set_cookie == SetCookie::Refuse;
        is_cookie || UNSEEN.contains(&&*self.reason)
    }

    /// The response as the origin would send it now.
    ///
    /// Where the answer came from the store, its date and age tell of then.
    pub(super) fn response(&self, time: SystemTime) -> HeaderMap {
        let mut fields = HeaderMap::with_capacity(8);
        let mut add = |name: HeaderName, value: &Option<String>| {
            let value = value.as_deref().and_then(|value| HeaderValue::from_str(value).ok());
            value.map(|value| fields.insert(name, value));
        };
        add(header::CACHE_CONTROL, &self.cache_control);
        add(header::CONTENT_TYPE, &self.content_type);
        add(header::EXPIRES, &self.expires);
        add(header::LAST_MODIFIED, &self.last_modified);
        add(header::VARY, &self.vary);
        // Any tag will do: the line has the hash.
        add(header::ETAG, &self.etag.as_ref().map(|hash| format!("\"{hash}\"")));
        if self.went_to_origin() && self.result != Result::Validated {
            add(header::AGE, &self.age);
            add(header::DATE, &self.date);
        } else if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(time)) {
            fields.insert(header::DATE, date);
        }
        fields
    }
}

/// `2026-11-21T17:04:00.123Z`, as the log writes it.
///
/// Source: RFC 3339 section 5.6.
fn parse_time(text: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let millis = text.get(20..23).and_then(|digits| digits.parse::<u64>().ok()).unwrap_or_default();
    if !text.ends_with('Z') || !(1..=12).contains(&month) {
        return None;
    }
    // The Gregorian calendar with years that begin in March, so that the leap day is the last one.
    let (shifted_year, shifted_month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let day_of_year = (153 * shifted_month + 2) / 5 + day.checked_sub(1)?;
    let days =
        (365 * shifted_year + shifted_year / 4 - shifted_year / 100 + shifted_year / 400 + day_of_year).checked_sub(719_468)?;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2023-11-14T22:13:20.000Z", 1_700_000_000_000),
            ("2024-02-29T12:00:00.500Z", 1_709_208_000_500),
            ("2027-01-15T08:00:00.001Z", 1_800_000_000_001),
        ] {
            assert_eq!(parse_time(text), Some(SystemTime::UNIX_EPOCH + Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "2024",
            "2024-13-01T00:00:00.000Z",
            "2024-00-01T00:00:00.000Z",
            "2024-01-00T00:00:00.000Z",
            "2024-01-01 00:00:00",
            "1969-12-31T00:00:00Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_target_has_host_port_and_path() {
        let base =
            r#""time":"","listener":"e","method":"GET","status":200,"bytes":1,"credentialed":false,"result":"hit","reason":"""#;
        for (host, expect) in [
            ("a.test", Some(("a.test", 80))),
            ("a.test:8080", Some(("a.test", 8080))),
            ("[::1]:81", Some(("[::1]", 81))),
            ("[::1]", Some(("[::1]", 80))),
            ("a.test:x", None),
        ] {
            let text = format!("{{{base},\"host\":\"{host}\",\"path\":\"/x\"}}");
            let line: Line<'_> = serde_json::from_str(&text).unwrap();
            let found = line.target();
            assert_eq!(found.as_ref().map(|target| target.port), expect.map(|(_, port)| port), "{host}");
            assert_eq!(found.map(|target| target.path_and_query.to_string()), expect.map(|_| "/x".to_owned()), "{host}");
        }
    }
}
