//! Field sections: lists, connection options, dates; what is removed on the way.
//!
//! RFC 9110 sections 5.3 (combining lines), 5.6.1 (lists), 5.6.7 (dates), 7.6.1 (Connection).
//!
//! # Deviations
//!
//! - A protected field named by a client's `Connection` is refused instead of removed: RFC 9110
//!   section 7.6.1 forbids senders to list end-to-end fields, and removing `Authorization` or
//!   `Cookie` on demand would let a client choose what origin and cache disagree about.

use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

mod scheme;
mod section;

pub use scheme::{is_connection_scheme, scheme};
pub use section::{FieldSection, write_line};

/// Fields that concern one connection whether or not `Connection` names them.
///
/// Source: RFC 9110 section 7.6.1.
pub const HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Request fields that `Connection` must not name, apart from `If-*` and `X-Forwarded-*`.
const PROTECTED: [HeaderName; 15] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    header::ORIGIN,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::TRANSFER_ENCODING,
    header::VARY,
    header::VIA,
    header::CONTENT_ENCODING,
];

/// Fields by their lines, whatever they are kept in.
pub trait Lines {
    /// The lines of this name, in the order received.
    fn lines<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]>;

    /// Whether there is one.
    fn has(&self, name: &HeaderName) -> bool {
        self.lines(name).next().is_some()
    }
}

impl Lines for HeaderMap {
    fn lines<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.contains_key(name)
    }
}

/// The members of a comma-separated list, quoted strings kept whole, white space around them removed,
/// empty members left out, over all lines of the field.
///
/// ABNF: `#element => [ element ] *( OWS "," OWS [ element ] )`.
///
/// Source: RFC 9110 sections 5.3 and 5.6.1.2.
pub fn list_members<'a>(fields: &'a impl Lines, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    fields.lines(name).flat_map(split_list)
}

/// The members of one field line; a quoted string that never ends swallows the rest of the line.
pub fn split_list(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut in_quotes = false;
    let mut escaped = false;
    line.split(move |&byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if in_quotes => escaped = true,
            b'"' => in_quotes = !in_quotes,
            b',' => return !in_quotes,
            _ => {}
        }
        false
    })
    .map(trim_ows)
    .filter(|member| !member.is_empty())
}

/// Removes optional white space at both ends.
///
/// ABNF: `OWS = *( SP / HTAB )`.
#[must_use]
pub fn trim_ows(text: &[u8]) -> &[u8] {
    let is_ows = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|b| !is_ows(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_ows(b)).map_or(start, |at| at + 1);
    text.get(start..end).unwrap_or_default()
}

/// ABNF: `token = 1*tchar`.
///
/// Source: RFC 9110 section 5.6.2.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_tchar)
}

/// Source: RFC 9110 section 5.6.2.
#[must_use]
pub fn is_tchar(byte: u8) -> bool {
    // A place for each octet: asked of every one of many names.
    static TCHARS: [bool; 256] = among(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    TCHARS.get(usize::from(byte)).is_some_and(|is_one| *is_one)
}

/// For each octet, whether it is one of these.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "an octet is less than 256")]
pub const fn among(mut octets: &[u8]) -> [bool; 256] {
    let mut places = [false; 256];
    while let [first, rest @ ..] = octets {
        places[*first as usize] = true;
        octets = rest;
    }
    places
}

/// The fields named by `Connection`, without the connection options that are no field names here.
pub fn nominated(fields: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    list_members(fields, &header::CONNECTION).filter_map(|member| HeaderName::from_bytes(member).ok())
}

/// Does a request's `Connection` name a field that must not be removed on demand?
///
/// Source: RFC 9110 section 7.6.1: a sender must not send a connection option for a field intended
/// for all recipients.
#[must_use]
pub fn nominates_protected(fields: &HeaderMap) -> bool {
    fields.contains_key(header::CONNECTION)
        && nominated(fields).any(|name| {
            // `Transfer-Encoding` and the like are hop-by-hop already, yet naming them is an attack.
            let text = name.as_str();
            PROTECTED.contains(&name) || text.starts_with("if-") || text.starts_with("x-forwarded-")
        })
}

/// Does a response's `Connection` name a field that caching decisions rest on?
///
/// Such a response is passed on and not stored: the decision would read a field that the next
/// recipient never sees.
///
/// Source: RFC 9110 section 7.6.1, RFC 9111 section 3.1.
#[must_use]
pub fn nominates_cache_field(fields: &HeaderMap, targeted: &[HeaderName]) -> bool {
    fields.contains_key(header::CONNECTION) && nominated(fields).any(|name| is_decisive(&name, targeted))
}

/// Is this a field that caching decisions rest on?
///
/// Source: RFC 9111 section 5, RFC 9213 section 2.
#[must_use]
pub fn is_decisive(name: &HeaderName, targeted: &[HeaderName]) -> bool {
    [header::CACHE_CONTROL, header::VARY, header::EXPIRES, header::ETAG].contains(name) || targeted.contains(name)
}

/// Removes `Connection`, what it names, and the other hop-by-hop fields.
///
/// Source: RFC 9110 section 7.6.1.
pub fn strip_hop_by_hop(fields: &mut HeaderMap) {
    strip(fields, |_| false);
}

/// Removes the hop-by-hop fields and others. One walk over the names costs less than looking for each that may be there.
///
/// Source: RFC 9110 section 7.6.1.
pub fn strip(fields: &mut HeaderMap, is_unwanted: impl Fn(&HeaderName) -> bool) {
    let mut gone: Vec<HeaderName> = Vec::new();
    if fields.contains_key(header::CONNECTION) {
        gone.extend(nominated(fields));
    }
    gone.extend(fields.keys().filter(|name| HOP_BY_HOP.contains(name) || is_unwanted(name)).cloned());
    for name in gone {
        fields.remove(name);
    }
}

/// Appends a member to a list-valued field, keeping earlier lines as they are.
///
/// Source: RFC 9110 section 5.3.
pub fn append_member(fields: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    fields.append(name, value);
}

/// A non-negative number of seconds; what is larger than 2^31 becomes 2^31.
///
/// ABNF: `delta-seconds = 1*DIGIT`.
///
/// Source: RFC 9111 section 1.2.2.
#[must_use]
pub fn parse_delta_seconds(text: &[u8]) -> Option<u32> {
    const MOST: u32 = 1 << 31;
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = text.iter().fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(u32::try_from(value).unwrap_or(MOST).min(MOST))
}

/// Reads an HTTP-date in any of its three forms; names and zone in any case, the zone must be GMT.
///
/// A two-digit year that would be more than 50 years ahead of `now` is a past one. The day of the
/// week is not compared with the date.
///
/// Source: RFC 9110 section 5.6.7, RFC 9111 section 4.2.
#[must_use]
pub fn parse_http_date(text: &[u8], now: SystemTime) -> Option<SystemTime> {
    // Almost every date is written like this, and dates are read several times a response.
    fixed_date(text).or_else(|| parse_any_date(text, now))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, letter for letter; everything else is left to [`parse_any_date`].
fn fixed_date(text: &[u8]) -> Option<SystemTime> {
    let [d1, d2, d3, b',', b' ', day @ .., b' ', b'G', b'M', b'T'] = text else { return None };
    let [day1, day2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', h1, h2, b':', min1, min2, b':', s1, s2] = day else {
        return None;
    };
    if !DAYS.iter().any(|name| name.as_bytes() == [*d1, *d2, *d3]) {
        return None;
    }
    let month = MONTHS.iter().position(|(name, _)| name.as_bytes() == [*m1, *m2, *m3])?;
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let two = |tens: &u8, ones: &u8| Some(digit(tens)? * 10 + digit(ones)?);
    let (year, day) = (two(y1, y2)? * 100 + two(y3, y4)?, two(day1, day2)?);
    calendar_time(year, month, day, (two(h1, h2)?, two(min1, min2)?, two(s1, s2)?))
}

fn parse_any_date(text: &[u8], now: SystemTime) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    let text = canonical_case(text);
    let parts: Vec<&str> = text.split(' ').collect();
    let (day, month, year, time) = match parts.as_slice() {
        [name, day, month, year, time, "GMT"] if is_day(name, &DAYS, ",") && day.len() == 2 => {
            (*day, *month, number(year, 4)?, *time)
        }
        [name, date, time, "GMT"] if is_day(name, &LONG_DAYS, ",") => {
            let mut date = date.split('-');
            let (day, month, year) = (date.next()?, date.next()?, date.next()?);
            if date.next().is_some() {
                return None;
            }
            let (two_digits, year) = (number(year, 2)?, year_of(now)?);
            number(day, 2)?;
            let in_year = |year| seconds_since_epoch(year, month, day, time);
            let date = in_year(year / 100 * 100 + two_digits)?;
            // More than 50 years ahead is the past (RFC 9110 section 5.6.7).
            let is_past = date > in_fifty_years(now, year);
            return if is_past { in_year(year / 100 * 100 + two_digits - 100) } else { Some(date) };
        }
        [name, month, "", day, time, year] if is_day(name, &DAYS, "") && day.len() == 1 => {
            (*day, *month, number(year, 4)?, *time)
        }
        [name, month, day, time, year] if is_day(name, &DAYS, "") && day.len() == 2 => (*day, *month, number(year, 4)?, *time),
        _ => return None,
    };
    seconds_since_epoch(year, month, day, time)
}

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const LONG_DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn is_day(word: &str, names: &[&str], suffix: &str) -> bool {
    word.strip_suffix(suffix).is_some_and(|name| names.contains(&name))
}

/// Exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    if text.len() == digits && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The calendar year of a time.
fn year_of(time: SystemTime) -> Option<u64> {
    httpdate::fmt_http_date(time).get(12..16)?.parse().ok()
}

/// The same moment of the year, 50 years on.
fn in_fifty_years(now: SystemTime, year: u64) -> SystemTime {
    let start = |year| seconds_since_epoch(year, "Jan", "01", "00:00:00").unwrap_or(now);
    now + start(year + 50).duration_since(start(year)).unwrap_or_default()
}

const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 29),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];

fn seconds_since_epoch(year: u64, month: &str, day: &str, time: &str) -> Option<SystemTime> {
    let month = MONTHS.iter().position(|(name, _)| *name == month)?;
    let day = number(day, 2).or_else(|| number(day, 1))?;
    let mut clock = time.split(':').map(|part| number(part, 2));
    let time = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() { None } else { calendar_time(year, month, day, time) }
}

/// The time of a calendar date in GMT, months counted from 0; dates before 1970 count as 1970.
fn calendar_time(year: u64, month: usize, day: u64, (hour, minute, second): (u64, u64, u64)) -> Option<SystemTime> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_in_month = MONTHS.get(month).map(|(_, days)| if month == 1 && !is_leap { 28 } else { *days })?;
    // A leap second is written 60.
    if day == 0 || day > days_in_month || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    if year < 1970 {
        return Some(SystemTime::UNIX_EPOCH);
    }
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let days_before_month: u64 = MONTHS.iter().take(month).map(|(_, days)| days).sum();
    let february_excess = u64::from(month > 1 && !is_leap);
    let days = (year - 1970) * 365 + leap_days + days_before_month - february_excess + day - 1;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86400 + hour * 3600 + minute * 60 + second))
}

/// Day and month names with one capital, the zone in capitals.
///
/// Source: RFC 9111 section 4.2: caches should compare names without regard to case.
fn canonical_case(text: &str) -> String {
    let mut in_word = false;
    let cased: String = text
        .chars()
        .map(|c| {
            let first = c.is_ascii_alphabetic() && !in_word;
            in_word = c.is_ascii_alphabetic();
            if first { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
        })
        .collect();
    match cased.strip_suffix("Gmt") {
        Some(rest) => format!("{rest}GMT"),
        None => cased,
    }
}

/// The single date in a field; several lines or an invalid date give none.
#[must_use]
pub fn date_field(fields: &impl Lines, name: &HeaderName, now: SystemTime) -> Option<SystemTime> {
    let mut lines = fields.lines(name);
    let line = lines.next()?;
    if lines.next().is_some() { None } else { parse_http_date(line, now) }
}

/// A date as it is written: IMF-fixdate.
///
/// Source: RFC 9110 section 5.6.7.
#[must_use]
pub fn http_date(time: SystemTime) -> HeaderValue {
    // A time before 1970 or after 9999 cannot be written; the epoch is what is left.
    let is_writable = time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since < Duration::from_secs(253_402_300_800));
    let text = httpdate::fmt_http_date(if is_writable { time } else { SystemTime::UNIX_EPOCH });
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

#[cfg(test)]
mod tests;
