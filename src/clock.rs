//! The only place that reads the time.
//!
//! Everybody else receives a [`SystemTime`], so that a test can move it.
//!
//! # Deviations
//!
//! none

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A source of wall-clock time; cheap to clone, shared by all rooms.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    /// The operating system's clock.
    System,
    /// A clock that stands still until a test moves it.
    Movable { start: SystemTime, elapsed_ms: Arc<AtomicU64> },
}

impl Clock {
    /// The operating system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until [`Clock::advance`] moves it; clones move together.
    #[must_use]
    pub fn movable(start: SystemTime) -> Self {
        Self(Source::Movable { start, elapsed_ms: Arc::new(AtomicU64::new(0)) })
    }

    /// The time of day, sub-second.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the time of day")]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Movable { start, elapsed_ms } => *start + Duration::from_millis(elapsed_ms.load(Ordering::SeqCst)),
        }
    }

    /// Moves a movable clock forward; the system clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Movable { elapsed_ms, .. } = &self.0 {
            let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            elapsed_ms.fetch_add(by_ms, Ordering::SeqCst);
        }
    }

    /// A monotonic reading for measuring how long something took; never used by a rule.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    pub fn instant() -> Instant {
        Instant::now()
    }
}
