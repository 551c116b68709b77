//! Dates, ages and lifetimes: what one reader of dates reads another reads too, and no age or lifetime comes out of nothing.
//!
//! RFC 9110 section 5.6.7, RFC 9111 sections 4.2.1, 4.2.3, 5.1 and 5.3.
//!
//! # Deviations
//!
//! none

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{self, HeaderMap};

use super::{Sure as _, fields, lines};
use crate::cache::rules::age::{age_base, age_value};
use crate::cache::rules::directives::ResponseDirectives;
use crate::cache::rules::freshness::{Answered, lifetime};
use crate::config::settings::Policy;
use crate::fields::{http_date, parse_http_date};

/// A response's fields: `Date`, `Expires`, `Last-Modified`, `Age` and what else there is; each value is also read as a date.
pub fn times(data: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let all: Vec<&[u8]> = lines(data).collect();
    let fields = fields(&all);
    for value in fields.values() {
        check_date(value.as_bytes(), now);
    }
    check_age(&fields, now);
    check_lifetime(&fields, now);
}

/// Two readers agree on what both read, and a date that is written is read again.
fn check_date(text: &[u8], now: SystemTime) {
    let read = parse_http_date(text, now);
    assert_eq!(read, parse_http_date(&text.to_ascii_lowercase(), now), "letter case says nothing");
    let Some(read) = read else { return };
    let written = http_date(read);
    let is_writable = read.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.as_secs() < 253_402_300_800);
    if is_writable {
        assert_eq!(parse_http_date(written.as_bytes(), now), Some(read), "{written:?}");
        assert_eq!(written.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok()), Some(read), "{written:?}");
    }
    // The form with four digits of the year; the other reader takes the two digits of the obsolete one otherwise.
    let text = std::str::from_utf8(text).sure("what was read");
    let other = httpdate::parse_http_date(text).ok().filter(|_| text.len() == 29 && !text.contains('-'));
    assert!(other.is_none_or(|other| other == read), "{text}: {other:?} and {read:?}");
}

/// An age is never below what a cache before us said, and grows as time passes.
fn check_age(fields: &HeaderMap, now: SystemTime) {
    let delay = Duration::from_secs(3);
    let base = age_base(fields, now - delay, now);
    let received = age_value(fields);
    assert!(received <= Duration::from_secs(1 << 31) && base.initial_age >= received + delay);
    let mut dates = fields.get_all(header::DATE).iter();
    if let (Some(date), None) = (dates.next(), dates.next())
        && let Some(date) = parse_http_date(date.as_bytes(), now)
    {
        assert!(base.initial_age >= now.duration_since(date).unwrap_or_default(), "older than its Date says");
    }
    let later = Duration::from_secs(1_000);
    assert_eq!(base.current_age(now + later), Some(base.initial_age + later));
    assert_eq!(base.current_age(now - later), None);
}

/// A lifetime is bounded, and nothing that is over gives one.
fn check_lifetime(fields: &HeaderMap, now: SystemTime) {
    let (directives, policy) = (ResponseDirectives::parse(fields), Policy::default());
    let of = |fields: &HeaderMap, credentialed| {
        let status = StatusCode::OK;
        let answered = Answered { status, fields, directives: &directives, is_targeted: false, credentialed, response_time: now };
        lifetime(&answered, &policy).duration
    };
    let (whole, credentialed) = (of(fields, false), of(fields, true));
    assert!(whole <= policy.max_ttl && credentialed <= whole, "credentials prolong nothing");
    let mut over = fields.clone();
    over.insert(header::EXPIRES, http::HeaderValue::from_static("0"));
    assert!(directives.states_lifetime() || of(&over, false).is_zero(), "an invalid Expires is in the past");
    let mut unstated = fields.clone();
    for name in [header::EXPIRES, header::LAST_MODIFIED] {
        unstated.remove(name);
    }
    assert!(directives.states_lifetime() || of(&unstated, false).is_zero(), "nothing states a lifetime");
}
