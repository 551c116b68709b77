//! When has something stood still for too long?
//!
//! A transfer may take as long as it likes while it moves. RFC 9112 section 9.5 leaves the limit to
//! the implementation; without one, a dead peer holds a client for ever.
//!
//! # Deviations
//!
//! none

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

/// How many ticks without movement make a standstill.
const QUIET_TICKS: u32 = 4;

/// Watches for movement; costs a flag per movement and a timer per quarter of the limit.
///
/// A standstill is reported some time after the last movement:
/// never before the limit has passed, and at most a quarter of it later.
pub(super) struct Stall {
    tick: Duration,
    quiet_ticks: u32,
    has_moved: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// A watch that reports a standstill of `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self { tick: limit / QUIET_TICKS, quiet_ticks: 0, has_moved: false, timer: None }
    }

    /// Something moved.
    pub(super) fn note(&mut self) {
        self.has_moved = true;
    }

    /// Ready when nothing has moved for the limit; to be polled whenever nothing else is ready.
    pub(super) fn poll_standstill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let tick = self.tick;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(tick)));
            std::task::ready!(timer.as_mut().poll(cx));
            timer.set(tokio::time::sleep(tick));
            if std::mem::take(&mut self.has_moved) {
                // The movement may have come at any time in this tick: counting starts with the next.
                self.quiet_ticks = 0;
                continue;
            }
            self.quiet_ticks += 1;
            if self.quiet_ticks >= QUIET_TICKS {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[tokio::test]
    async fn a_standstill_is_reported_not_before_the_limit_has_passed_since_the_last_movement() {
        let limit = Duration::from_millis(40);
        let mut stall = Stall::new(limit);
        let half = tokio::time::timeout(limit / 2, std::future::poll_fn(|cx| stall.poll_standstill(cx)));
        assert!(half.await.is_err());
        stall.note();
        let moved = Clock::instant();
        std::future::poll_fn(|cx| stall.poll_standstill(cx)).await;
        assert!(Clock::instant().duration_since(moved) >= limit);
    }
}
