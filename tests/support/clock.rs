//! The test's time: it stands still until the test moves it.

use std::time::{Duration, SystemTime};

use vouchsafe::clock::Clock;

/// 2030-05-01 10:00:00 UTC, where every test begins: far from today, so that whoever reads the system's clock is found out.
pub const START: Duration = Duration::from_secs(1_903_860_000);

/// A movable clock that stands at [`START`]; clones move together.
pub fn test_clock() -> Clock {
    Clock::movable(SystemTime::UNIX_EPOCH + START)
}

/// `n` seconds.
pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The IMF-fixdate of a time (RFC 9110 section 5.6.7).
pub fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

/// The IMF-fixdate `seconds` before (negative) or after (positive) what the clock shows.
pub fn date_at(clock: &Clock, seconds: i64) -> String {
    let by = Duration::from_secs(seconds.unsigned_abs());
    http_date(if seconds < 0 { clock.now() - by } else { clock.now() + by })
}
