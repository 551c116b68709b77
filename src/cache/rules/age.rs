//! How old a response is.
//!
//! RFC 9111 sections 4.2.3 and 5.1.
//!
//! # Deviations
//!
//! none

use std::time::{Duration, SystemTime};

use http::header;

use crate::fields::{Lines, date_field, list_members, parse_delta_seconds};

/// What is needed to compute a response's age at any later time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgeBase {
    /// `corrected_initial_age`.
    pub initial_age: Duration,
    /// `response_time`: when the response was received.
    pub response_time: SystemTime,
}

/// The received `Age`: the first member counts; what is not a number is ignored.
///
/// Source: RFC 9111 section 5.1.
#[must_use]
pub fn age_value(fields: &impl Lines) -> Duration {
    if !fields.has(&header::AGE) {
        return Duration::ZERO;
    }
    let first = list_members(fields, &header::AGE).next();
    Duration::from_secs(first.and_then(parse_delta_seconds).map_or(0, u64::from))
}

/// The age of a response at the time it was received.
///
/// Source: RFC 9111 section 4.2.3: `corrected_initial_age = max(apparent_age, corrected_age_value)`.
#[must_use]
pub fn age_base(fields: &impl Lines, request_time: SystemTime, response_time: SystemTime) -> AgeBase {
    let date_value = date_field(fields, &header::DATE, response_time).unwrap_or(response_time);
    let apparent_age = response_time.duration_since(date_value).unwrap_or_default();
    let response_delay = response_time.duration_since(request_time).unwrap_or_default();
    let corrected_age_value = age_value(fields).saturating_add(response_delay);
    AgeBase { initial_age: apparent_age.max(corrected_age_value), response_time }
}

impl AgeBase {
    /// `current_age`, or none when the clock went back behind the time of receipt, so that no age can
    /// be told and the response must be validated.
    ///
    /// Source: RFC 9111 section 4.2.3; section 4 for caches without a clock.
    #[must_use]
    pub fn current_age(&self, now: SystemTime) -> Option<Duration> {
        // Receipts on other threads may be a little ahead of a time that was read earlier.
        const TOLERANCE: Duration = Duration::from_secs(2);
        match now.duration_since(self.response_time) {
            Ok(resident_time) => Some(self.initial_age.saturating_add(resident_time)),
            Err(error) if error.duration() <= TOLERANCE => Some(self.initial_age),
            Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::fields::http_date;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn fields(age: &[&str], date: Option<SystemTime>) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in age {
            map.append(header::AGE, HeaderValue::from_str(line).unwrap());
        }
        if let Some(date) = date {
            map.insert(header::DATE, http_date(date));
        }
        map
    }

    #[test]
    fn n097_first_member_of_age_counts_and_invalid_ones_are_ignored() {
        for (lines, expected) in [
            (&["59"][..], 59),
            (&["59, 1"], 59),
            (&["59", "1"], 59),
            (&["", "59"], 59),
            (&["a, 59"], 0),
            (&["-1"], 0),
            (&["1.5"], 0),
            (&["7200;foo=bar"], 0),
            (&["\"59\""], 0),
            (&[""], 0),
            (&["18446744073709551615"], 1 << 31),
        ] {
            assert_eq!(age_value(&fields(lines, None)).as_secs(), expected, "{lines:?}");
        }
    }

    #[test]
    fn n075_age_counts_from_the_request_and_apparent_age_wins_when_larger() {
        let base = age_base(&fields(&["10"], Some(at(0))), at(0), at(5));
        assert_eq!(base.initial_age, Duration::from_secs(15));
        let base = age_base(&fields(&["10"], Some(at(0))), at(99), at(100));
        assert_eq!(base.initial_age, Duration::from_secs(100));
        assert_eq!(base.current_age(at(130)), Some(Duration::from_secs(130)));
        let base = age_base(&fields(&[], Some(at(500))), at(100), at(100));
        assert_eq!(base.initial_age, Duration::ZERO, "a date ahead of ours is no negative age");
    }

    #[test]
    fn n065_no_age_can_be_told_when_the_clock_went_back() {
        let base = age_base(&fields(&[], None), at(100), at(100));
        assert_eq!(base.current_age(at(50)), None);
        assert_eq!(base.current_age(at(99)), Some(Duration::ZERO));
    }

    #[test]
    fn n076_overflowing_age_saturates() {
        let base = age_base(&fields(&["99999999999999999999"], None), at(0), at(0));
        assert!(base.current_age(at(u32::MAX.into())).unwrap() >= Duration::from_secs(1 << 31));
    }
}
