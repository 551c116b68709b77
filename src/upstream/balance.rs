//! Which server of an upstream is next: round robin, those that could not be connected to last.
//!
//! RFC 9110 section 7.3.3 leaves the choice of an inbound server to the gateway. Only a failed
//! connect speaks against a server; what it answers is between it and the client.
//!
//! # Deviations
//!
//! none

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::config::settings::Server;

use super::pool::Origin;

/// How long a server that could not be connected to is asked last.
const MARK_TIME: Duration = Duration::from_secs(10);

/// The servers of one upstream.
pub(super) struct Balance {
    servers: Vec<Standing>,
    turn: AtomicUsize,
    epoch: Instant,
}

/// One server and until when it is asked last (milliseconds after the epoch; 0: not marked).
struct Standing {
    origin: Arc<Origin>,
    marked_until_ms: AtomicU64,
}

impl Balance {
    /// All servers unmarked, the first one first.
    pub(super) fn new(servers: &[Server]) -> Self {
        let servers = servers
            .iter()
            .map(|server| Standing {
                origin: Arc::new(Origin::new(server.scheme, server.host.clone(), server.port)),
                marked_until_ms: AtomicU64::new(0),
            })
            .collect();
        Self { servers, turn: AtomicUsize::new(0), epoch: Clock::instant() }
    }

    /// Closes idle connections that nobody can use.
    pub(super) fn sweep(&self, now: Instant) {
        for standing in &self.servers {
            standing.origin.sweep(now);
        }
    }

    /// Where this request's turn begins.
    pub(super) fn start(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// The server to try next for a turn that began at `start`, without those already `tried`.
    ///
    /// Marked servers are not left out but come last, so that a request never fails for want of a
    /// server that nobody asked.
    pub(super) fn select(&self, start: usize, tried: &[usize], now: Instant) -> Option<usize> {
        let count = self.servers.len();
        let first = start.checked_rem(count)?;
        let rotation = || (first..count).chain(0..first).filter(|index| !tried.contains(index));
        rotation().find(|index| !self.is_marked(*index, now)).or_else(|| rotation().next())
    }

    /// The server at this place.
    pub(super) fn origin(&self, index: usize) -> Option<&Arc<Origin>> {
        self.servers.get(index).map(|server| &server.origin)
    }

    /// This server could not be connected to.
    pub(super) fn mark(&self, index: usize, now: Instant) {
        if let Some(server) = self.servers.get(index) {
            server.marked_until_ms.store(self.since_epoch_ms(now + MARK_TIME), Ordering::Relaxed);
        }
    }

    /// Every server, and whether it is asked last now.
    pub(super) fn standings(&self, now: Instant) -> Vec<(String, bool)> {
        let standing = |(at, server): (usize, &Standing)| (server.origin.url(), self.is_marked(at, now));
        self.servers.iter().enumerate().map(standing).collect()
    }

    /// This server could be connected to.
    pub(super) fn clear(&self, index: usize) {
        if let Some(server) = self.servers.get(index) {
            server.marked_until_ms.store(0, Ordering::Relaxed);
        }
    }

    fn is_marked(&self, index: usize, now: Instant) -> bool {
        self.servers.get(index).is_some_and(|server| {
            let until_ms = server.marked_until_ms.load(Ordering::Relaxed);
            until_ms != 0 && self.since_epoch_ms(now) < until_ms
        })
    }

    fn since_epoch_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Host, Scheme};

    fn three() -> Balance {
        let server = |port| Server { scheme: Scheme::Http, host: Host::Name("origin.example".into()), port };
        Balance::new(&[server(1), server(2), server(3)])
    }

    fn order(balance: &Balance, now: Instant) -> Vec<usize> {
        let start = balance.start();
        let mut tried = Vec::new();
        while let Some(index) = balance.select(start, &tried, now) {
            tried.push(index);
        }
        tried
    }

    #[test]
    fn servers_take_turns() {
        let (balance, now) = (three(), Clock::instant());
        assert_eq!(order(&balance, now), [0, 1, 2]);
        assert_eq!(order(&balance, now), [1, 2, 0]);
        assert_eq!(order(&balance, now), [2, 0, 1]);
        assert_eq!(order(&balance, now), [0, 1, 2]);
    }

    #[test]
    fn marked_servers_come_last_until_the_mark_ends() {
        let (balance, now) = (three(), Clock::instant());
        balance.mark(0, now);
        assert_eq!(order(&balance, now), [1, 2, 0]);
        assert_eq!(order(&balance, now), [1, 2, 0]);
        balance.mark(1, now);
        balance.mark(2, now);
        assert_eq!(order(&balance, now), [2, 0, 1], "all marked: all are tried");
        balance.clear(1);
        assert_eq!(order(&balance, now), [1, 0, 2]);
        assert_eq!(order(&balance, now + MARK_TIME), [1, 2, 0], "marks end");
    }

    #[test]
    fn no_servers_no_selection() {
        assert_eq!(Balance::new(&[]).select(0, &[], Clock::instant()), None);
    }
}
