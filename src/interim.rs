//! Interim responses on their way from an origin's connection to the asking client's.
//!
//! RFC 9110 section 15.2 (a proxy forwards 1xx, and none to HTTP/1.0), section 10.1.1 (100), section
//! 7.6.1 (hop-by-hop fields); RFC 8297 (103). One [`Interim`] per client connection, one [`Relay`] per
//! exchange that goes to an origin; nothing is kept for anybody else, and an exchange that is answered
//! from the store pays a few plain loads and stores.
//!
//! # Deviations
//!
//! - 100 is not relayed: this hop removes `Expect` and answers it itself (RFC 9110 section 10.1.1), so
//!   an origin's 100 is an answer to nobody.
//! - Beyond [`MOST_BYTES`] that a client has not taken yet, further interim responses are dropped: a
//!   client that does not read must not fill our memory, and a hint is no answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use parking_lot::Mutex;

use crate::hop::interim_fields;

/// Most bytes of interim heads that wait for one client.
pub const MOST_BYTES: usize = 64 << 10;

/// What a client connection is to send before the response of its current exchange.
#[derive(Clone, Debug, Default)]
pub struct Interim(Arc<Shared>);

/// Hands one exchange's interim responses to its client's connection.
#[derive(Clone, Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    exchange: u64,
}

#[derive(Debug, Default)]
struct Shared {
    /// Counts up when an exchange begins and when its response is handed over; written by the
    /// connection's task alone.
    current: AtomicU64,
    is_waiting: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The exchange that `heads` belong to.
    exchange: u64,
    heads: Vec<u8>,
    connection: Option<Waker>,
}

impl Interim {
    /// Names the connection's task, which is woken when there is something to send.
    pub(crate) fn remember(&self, connection: &Waker) {
        self.0.queue.lock().connection = Some(connection.clone());
    }

    /// An exchange begins or has its response: what came for another one is void from now on.
    pub(crate) fn turn(&self) {
        // One writer: a plain load and store will do.
        self.0.current.store(self.0.current.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether there is something to send.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.is_waiting.load(Ordering::Acquire)
    }

    /// The heads that wait for the exchange in the air; those of an earlier one are dropped.
    pub(crate) fn take(&self) -> Bytes {
        let mut queue = self.0.queue.lock();
        self.0.is_waiting.store(false, Ordering::Release);
        let heads = std::mem::take(&mut queue.heads);
        if queue.exchange == self.0.current.load(Ordering::Relaxed) { heads.into() } else { Bytes::new() }
    }

    /// For the exchange in the air, unless its client is one that knows no interim responses.
    ///
    /// Source: RFC 9110 section 15.2: no 1xx to an HTTP/1.0 client.
    #[must_use]
    pub fn relay(&self, version: Version) -> Option<Relay> {
        let exchange = self.0.current.load(Ordering::Relaxed);
        (version >= Version::HTTP_11).then(|| Relay { shared: Arc::clone(&self.0), exchange })
    }
}

impl Relay {
    /// Passes on an interim response with its end-to-end fields, if it is one to be relayed and its
    /// client still waits.
    ///
    /// Source: RFC 9110 section 15.2.
    pub fn pass(&self, status: StatusCode, received: &HeaderMap) {
        if !is_relayed(status) {
            return;
        }
        let head = head(status, &interim_fields(received));
        let mut queue = self.shared.queue.lock();
        if self.shared.current.load(Ordering::Relaxed) != self.exchange {
            return;
        }
        if queue.exchange != self.exchange {
            queue.heads.clear();
            queue.exchange = self.exchange;
        }
        if queue.heads.len() + head.len() > MOST_BYTES {
            tracing::debug!(%status, "interim response dropped, the client does not take the ones before");
            return;
        }
        queue.heads.extend_from_slice(&head);
        self.shared.is_waiting.store(true, Ordering::Release);
        let connection = queue.connection.clone();
        drop(queue);
        if let Some(connection) = connection {
            connection.wake();
        }
    }
}

/// Every 1xx, known or not, but 100 (answered here) and 101 (never asked for).
///
/// Source: RFC 9110 sections 7.8, 10.1.1 and 15.2.
fn is_relayed(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::CONTINUE && status != StatusCode::SWITCHING_PROTOCOLS
}

/// A head as it is written.
///
/// ABNF: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`.
///
/// Source: RFC 9112 sections 4 and 5.
fn head(status: StatusCode, fields: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in fields {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early_hints() -> StatusCode {
        StatusCode::from_u16(103).unwrap()
    }

    #[test]
    fn x008_heads_wait_in_order_and_are_taken_once() {
        let interim = Interim::default();
        interim.turn();
        let relay = interim.relay(Version::HTTP_11).unwrap();
        let mut fields = HeaderMap::new();
        fields.append("link", "</a>".parse().unwrap());
        fields.append("link", "</b>".parse().unwrap());
        relay.pass(StatusCode::PROCESSING, &HeaderMap::new());
        relay.pass(early_hints(), &fields);
        relay.pass(StatusCode::from_u16(199).unwrap(), &HeaderMap::new());
        assert!(interim.is_waiting());
        let expected =
            "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\nHTTP/1.1 199 \r\n\r\n";
        assert_eq!(interim.take(), expected);
        assert!(!interim.is_waiting() && interim.take().is_empty());
    }

    #[test]
    fn x008_not_100_not_101_nothing_final_and_nothing_to_http10() {
        let interim = Interim::default();
        interim.turn();
        assert!(interim.relay(Version::HTTP_10).is_none());
        let relay = interim.relay(Version::HTTP_11).unwrap();
        for status in [100, 101, 200, 304, 500] {
            relay.pass(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        }
        assert!(!interim.is_waiting());
    }

    #[test]
    fn x008_what_comes_late_reaches_nobody() {
        let interim = Interim::default();
        interim.turn();
        let late = interim.relay(Version::HTTP_11).unwrap();
        late.pass(early_hints(), &HeaderMap::new());
        interim.turn();
        assert!(interim.take().is_empty(), "its response was handed over meanwhile");
        late.pass(early_hints(), &HeaderMap::new());
        assert!(!interim.is_waiting());
        interim.turn();
        late.pass(early_hints(), &HeaderMap::new());
        assert!(!interim.is_waiting(), "another exchange is none of its business");
    }

    #[test]
    fn x008_what_waits_is_bounded() {
        let interim = Interim::default();
        interim.turn();
        let relay = interim.relay(Version::HTTP_11).unwrap();
        let mut fields = HeaderMap::new();
        fields.append("link", "x".repeat(1000).parse().unwrap());
        for _ in 0..1000 {
            relay.pass(early_hints(), &fields);
        }
        let waiting = interim.take();
        assert!((MOST_BYTES - 1100..=MOST_BYTES).contains(&waiting.len()), "{}", waiting.len());
        assert!(waiting.ends_with(b"\r\n\r\n"), "whole heads only");
    }
}
