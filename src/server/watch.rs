//! What a connection is doing, noted in one atomic number, and what it is told to do.
//!
//! A timer per request costs as much as a third of a cache hit; here an exchange costs a few plain
//! stores, and one sweep a second compares each connection's note with the one it saw before.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use parking_lot::Mutex;

/// A request head is awaited on a new connection, or has begun to arrive.
const HEAD: u64 = 1;
/// A request was handed over and its response is not at its end.
const EXCHANGE: u64 = 2;
/// The socket takes no more of the response, or gives no more of the request's content.
const WAITING: u64 = 4;
/// The connection became a tunnel; its idle time is the tunnel's own affair.
const TUNNEL: u64 = 8;
/// The last request had content.
const CONTENT: u64 = 16;
/// Everything above the flags counts changes, so that two equal states at different times differ.
const CHANGE: u64 = 32;
/// What a note at rest has none of.
const FLAGS: u64 = CHANGE - 1;
/// Beside the note of an offer: hyper holds nothing.
const ACCEPTED: u64 = 1;

/// One connection's note and orders; written by its task, read by the sweep.
#[derive(Debug)]
pub(super) struct Watch {
    state: AtomicU64,
    order: AtomicU8,
    /// The note at which hyper was last offered to go.
    offer: AtomicU64,
    waker: Mutex<Option<Waker>>,
}

/// What a connection is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Go on.
    Serve,
    /// Close when the exchange in the air is over.
    Finish,
    /// Close now.
    Cut,
}

/// How long a connection may stay in one state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until a request head is complete.
    pub(super) head: Duration,
    /// Between exchanges.
    pub(super) idle: Duration,
    /// Without progress on the socket within an exchange.
    pub(super) stall: Duration,
}

impl Patience {
    /// How often to sweep: a quarter of the shortest time, at most a second, at least 5 ms.
    pub(super) fn sweep_interval(&self) -> Duration {
        (self.head.min(self.idle).min(self.stall) / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}

impl Watch {
    /// A new connection, which owes a request head.
    pub(super) fn new() -> Self {
        let (state, order) = (AtomicU64::new(HEAD), AtomicU8::new(Order::Serve as u8));
        Self { state, order, offer: AtomicU64::new(0), waker: Mutex::new(None) }
    }

    /// The note as it stands; two equal notes mean that nothing happened between them.
    pub(super) fn note(&self) -> u64 {
        self.state.load(Ordering::Relaxed)
    }

    /// A request was handed over.
    pub(super) fn exchange_begins(&self, has_content: bool) {
        self.change(EXCHANGE | if has_content { CONTENT } else { 0 }, HEAD | WAITING | CONTENT);
    }

    /// Its response was handed to the connection to the end, or broke off.
    pub(super) fn exchange_ends(&self) {
        self.change(0, EXCHANGE | WAITING);
    }

    /// The connection is a tunnel from now on (RFC 9110 section 9.3.6).
    pub(super) fn becomes_tunnel(&self) {
        self.change(TUNNEL, HEAD | WAITING);
    }

    /// Bytes were read.
    pub(super) fn was_read(&self) {
        let state = self.note();
        if state & WAITING != 0 {
            self.change(0, WAITING);
        } else if state & (EXCHANGE | TUNNEL | HEAD) == 0 {
            self.change(HEAD, 0);
        }
    }

    /// Nothing to read; within an exchange, that is asked only while content is missing.
    pub(super) fn waits_to_read(&self) {
        if self.note() & (EXCHANGE | TUNNEL | WAITING) == EXCHANGE {
            self.change(WAITING, 0);
        }
    }

    /// Bytes were written.
    pub(super) fn was_written(&self) {
        if self.note() & WAITING != 0 {
            self.change(0, WAITING);
        }
    }

    /// The client does not take what is written.
    pub(super) fn waits_to_write(&self) {
        if self.note() & (TUNNEL | WAITING) == 0 {
            self.change(WAITING, 0);
        }
    }

    /// Whether the last request had no content and its response was handed over to the end.
    pub(super) fn is_at_rest(&self) -> bool {
        self.note() & (HEAD | EXCHANGE | TUNNEL | CONTENT) == 0
    }

    /// Whether the connection is a tunnel.
    pub(super) fn is_tunnel(&self) -> bool {
        self.note() & TUNNEL != 0
    }

    /// Whether the client may still be sending something that nobody will read.
    pub(super) fn has_unread_content(&self) -> bool {
        let state = self.note();
        state & TUNNEL == 0 && state & (HEAD | CONTENT) != 0
    }

    /// How long this note may stand, and what happens then; none: as long as it takes.
    pub(super) fn bound(note: u64, patience: &Patience) -> Option<(Duration, Order)> {
        if note & TUNNEL != 0 {
            None
        } else if note & WAITING != 0 {
            Some((patience.stall, Order::Cut))
        } else if note & EXCHANGE != 0 {
            None
        } else if note & HEAD != 0 {
            Some((patience.head, Order::Cut))
        } else {
            Some((patience.idle, Order::Finish))
        }
    }

    /// The sweep found this note for the second time: the connection may do without hyper while it stands, if nothing is
    /// under way.
    pub(super) fn offer_rest(&self, note: u64) {
        if note & FLAGS == 0 && self.offer.load(Ordering::Relaxed) | ACCEPTED != note | ACCEPTED {
            self.offer.store(note, Ordering::Relaxed);
            self.wake();
        }
    }

    /// hyper holds nothing, and nothing has come: an offer that still stands is accepted.
    pub(super) fn accept_rest(&self) {
        let note = self.note();
        if self.offer.load(Ordering::Relaxed) == note {
            self.offer.store(note | ACCEPTED, Ordering::Relaxed);
        }
    }

    /// Whether hyper is to go: that was offered and accepted, and nothing has happened since.
    pub(super) fn is_resting(&self) -> bool {
        self.offer.load(Ordering::Relaxed) == self.note() | ACCEPTED
    }

    /// Tells the connection what to do; a stricter order stands.
    pub(super) fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u8, Ordering::SeqCst) < order as u8 {
            self.wake();
        }
    }

    fn wake(&self) {
        // The lock orders this after the connection's last `remember`.
        let waker = self.waker.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What the connection is to do.
    pub(super) fn order(&self) -> Order {
        match self.order.load(Ordering::Relaxed) {
            0 => Order::Serve,
            1 => Order::Finish,
            _ => Order::Cut,
        }
    }

    /// Who is to be woken when an order comes; look at [`Watch::order`] after this, not before.
    pub(super) fn remember(&self, waker: &Waker) {
        let mut known = self.waker.lock();
        if known.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Only the connection's own task writes, so that a load and a store do.
    fn change(&self, set: u64, clear: u64) {
        let state = self.note();
        self.state.store(((state & !clear) | set).wrapping_add(CHANGE), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), stall: Duration::from_secs(30) };

    fn bound(watch: &Watch) -> Option<(u64, Order)> {
        Watch::bound(watch.note(), &PATIENCE).map(|(time, order)| (time.as_secs(), order))
    }

    #[test]
    fn a_connection_owes_a_head_then_rests_then_owes_the_next() {
        let watch = Watch::new();
        assert_eq!(bound(&watch), Some((10, Order::Cut)));
        watch.was_read();
        assert_eq!(bound(&watch), Some((10, Order::Cut)));
        watch.exchange_begins(false);
        assert_eq!(bound(&watch), None);
        watch.exchange_ends();
        assert_eq!(bound(&watch), Some((60, Order::Finish)));
        watch.waits_to_read();
        assert_eq!(bound(&watch), Some((60, Order::Finish)));
        watch.was_read();
        assert_eq!(bound(&watch), Some((10, Order::Cut)));
    }

    #[test]
    fn bytes_of_a_head_do_not_prolong_its_time() {
        let watch = Watch::new();
        let note = watch.note();
        watch.was_read();
        watch.was_read();
        assert_eq!(watch.note(), note);
    }

    #[test]
    fn a_client_that_stops_reading_or_sending_is_waited_for_only_so_long() {
        let watch = Watch::new();
        watch.exchange_begins(true);
        watch.waits_to_read();
        assert_eq!(bound(&watch), Some((30, Order::Cut)));
        watch.was_read();
        assert_eq!(bound(&watch), None);
        watch.waits_to_write();
        let note = watch.note();
        assert_eq!(bound(&watch), Some((30, Order::Cut)));
        watch.was_written();
        watch.waits_to_write();
        assert_ne!(watch.note(), note, "progress must show");
        watch.exchange_ends();
        watch.waits_to_write();
        assert_eq!(bound(&watch), Some((30, Order::Cut)), "the rest of a response still has to leave");
    }

    #[test]
    fn a_tunnel_is_bounded_elsewhere() {
        let watch = Watch::new();
        watch.exchange_begins(false);
        watch.becomes_tunnel();
        watch.exchange_ends();
        watch.was_read();
        watch.waits_to_write();
        assert_eq!(bound(&watch), None);
        assert!(!watch.has_unread_content());
    }

    #[test]
    fn an_offer_of_rest_stands_while_nothing_happens() {
        let watch = Watch::new();
        let offer = |watch: &Watch| {
            watch.offer_rest(watch.note());
            watch.accept_rest();
            watch.is_resting()
        };
        assert!(!offer(&watch), "a new connection owes a head");
        watch.exchange_begins(false);
        assert!(!offer(&watch));
        watch.exchange_ends();
        watch.accept_rest();
        assert!(!watch.is_resting(), "nothing was offered since");
        let note = watch.note();
        watch.offer_rest(note);
        assert!(!watch.is_resting(), "nobody has accepted");
        watch.accept_rest();
        assert!(watch.is_resting());
        watch.was_read();
        assert!(!watch.is_resting(), "something has come since");
        watch.exchange_begins(false);
        watch.exchange_ends();
        watch.offer_rest(note);
        watch.accept_rest();
        assert!(!watch.is_resting(), "the offer came too late");
        watch.exchange_begins(true);
        watch.exchange_ends();
        assert!(!offer(&watch), "content may be on its way");
    }

    #[test]
    fn a_stricter_order_stands() {
        let watch = Watch::new();
        watch.tell(Order::Cut);
        watch.tell(Order::Finish);
        assert_eq!(watch.order(), Order::Cut);
    }

    #[test]
    fn sweeps_follow_the_shortest_time() {
        assert_eq!(PATIENCE.sweep_interval(), Duration::from_secs(1));
        let short = Patience { head: Duration::from_millis(40), ..PATIENCE };
        assert_eq!(short.sweep_interval(), Duration::from_millis(10));
    }
}
