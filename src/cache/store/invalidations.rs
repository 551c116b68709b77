//! Which keys were invalidated last, and when: a response that was asked for before must not be stored.
//!
//! A key has a place by its hash, and a place remembers its last few keys. A response that may be older
//! than the first one forgotten there is dropped, which costs a fetch and never serves anything.
//!
//! RFC 9111 section 4.4.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Places; with what they remember 272 KiB.
const PLACES: usize = 1024;

/// Keys that a place remembers. Hashes spread evenly, so that some thousand keys must be invalidated
/// while one response is on its way before one of them is forgotten.
const REMEMBERED: usize = 8;

/// The latest invalidations of keys.
pub(super) struct Invalidations {
    count: AtomicU64,
    places: Box<[Mutex<Place>]>,
}

/// Some keys and the number of their last invalidation, 0 standing for none.
#[derive(Clone, Copy, Default)]
struct Place {
    latest: [(u128, u64); REMEMBERED],
    /// The last number that is remembered no more.
    forgotten: u64,
}

impl Invalidations {
    /// None so far.
    pub(super) fn new() -> Self {
        let places = (0..PLACES).map(|_| Mutex::default()).collect();
        Self { count: AtomicU64::new(0), places }
    }

    /// Invalidations so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Notes an invalidation. Gives back the count that the response to a request sent at count `sent`
    /// counts from if that request invalidates: `sent` if another one came between, its own otherwise.
    pub(super) fn note(&self, hash: u128, sent: u64) -> u64 {
        let Some(mut place) = self.place(hash).map(Mutex::lock) else { return sent };
        let was_noted = place.has_since(hash, sent);
        // Inside the lock: a place's numbers must not overtake each other.
        let number = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        place.note(hash, number);
        if was_noted { sent } else { number }
    }

    /// May this key have been invalidated since the count was `sent`?
    pub(super) fn has_since(&self, hash: u128, sent: u64) -> bool {
        self.place(hash).is_none_or(|place| place.lock().has_since(hash, sent))
    }

    fn place(&self, hash: u128) -> Option<&Mutex<Place>> {
        self.places.get(usize::try_from(hash % PLACES as u128).ok()?)
    }
}

impl Place {
    fn has_since(&self, hash: u128, sent: u64) -> bool {
        self.forgotten > sent || self.latest.iter().any(|(known, number)| *known == hash && *number > sent)
    }

    /// In the place of the same key's last one, or of the oldest.
    fn note(&mut self, hash: u128, number: u64) {
        let is_replaced = |(known, number): &(u128, u64)| (*known != hash || *number == 0, *number);
        let Some(entry) = self.latest.iter_mut().min_by_key(|entry| is_replaced(entry)) else { return };
        if entry.0 != hash {
            self.forgotten = self.forgotten.max(entry.1);
        }
        *entry = (hash, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that share a place.
    fn key(number: usize) -> u128 {
        5 + (number * PLACES) as u128
    }

    #[test]
    fn n094_a_key_is_invalidated_since_before_and_not_since_after() {
        let invalidations = Invalidations::new();
        assert!(!invalidations.has_since(key(0), 0));
        invalidations.note(key(0), 0);
        assert!(invalidations.has_since(key(0), 0) && !invalidations.has_since(key(1), 0));
        assert!(!invalidations.has_since(key(0), invalidations.count()));
        assert!(!invalidations.has_since(0, 0), "the hash of an unused entry");
    }

    #[test]
    fn n094_a_request_does_not_invalidate_its_own_response() {
        let invalidations = Invalidations::new();
        let sent = invalidations.count();
        invalidations.note(key(1), sent);
        let own = invalidations.note(key(0), sent);
        assert!(!invalidations.has_since(key(0), own));
        let late = invalidations.note(key(0), sent);
        assert!(invalidations.has_since(key(0), late), "another request invalidated between");
        assert!(invalidations.has_since(key(0), own), "and was itself too late for the first");
    }

    #[test]
    fn n094_what_is_forgotten_counts_as_invalidated() {
        let invalidations = Invalidations::new();
        invalidations.note(key(0), 0);
        let sent = invalidations.count();
        for number in 1..REMEMBERED {
            invalidations.note(key(number), 0);
            invalidations.note(key(number), 0);
        }
        assert!(!invalidations.has_since(key(99), 0), "nothing is forgotten while there is room");
        invalidations.note(key(REMEMBERED), 0);
        assert!(invalidations.has_since(key(0), 0) && invalidations.has_since(key(99), 0));
        assert!(!invalidations.has_since(key(99), sent), "what was sent after it loses nothing");
        invalidations.note(key(REMEMBERED + 1), 0);
        assert!(invalidations.has_since(key(1), sent), "the oldest is forgotten first");
    }
}
