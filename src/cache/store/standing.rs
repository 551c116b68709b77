//! Whether what is stored under a key may have changed since somebody looked.
//!
//! RFC 9111 section 4.4: what is invalidated answers nobody from then on, and what is replaced has been replaced for everybody.
//! Whoever keeps a decision over stored responses keeps the standing that it was made in; while that is the standing still,
//! the decision would be made again.

use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::Memory;

/// Places in the table, 32 KiB; keys that share one change together, which costs another look at the store.
const PLACES: usize = 1 << 12;

/// Counts of changes: of each key, and of what reaches many of them.
#[derive(Debug)]
pub(super) struct Changes {
    places: Box<[AtomicU64]>,
    /// Withdrawals and invalidations of groups that are complete.
    of_many: AtomicU64,
}

/// The state of what is stored under one key; equal ones mean that nothing of it changed between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    of_key: u64,
    of_many: u64,
}

impl Changes {
    /// Nothing has changed.
    pub(super) fn new() -> Self {
        Self { places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(), of_many: AtomicU64::new(0) }
    }

    /// Something stored under this key is another now; to be called when that is done.
    pub(super) fn note(&self, hash: u128) {
        if let Some(place) = self.place(hash) {
            place.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Something is other now that any key may have; to be called when that is done.
    pub(super) fn note_many(&self) {
        self.of_many.fetch_add(1, Ordering::SeqCst);
    }

    #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash are spread evenly")]
    fn place(&self, hash: u128) -> Option<&AtomicU64> {
        self.places.get((hash >> 64) as usize % PLACES)
    }
}

impl Memory {
    /// The standing of a key; to be taken before the look whose result it belongs to.
    #[must_use]
    pub fn standing(&self, hash: u128) -> Standing {
        let of_key = self.changes.place(hash).map_or(0, |place| place.load(Ordering::SeqCst));
        Standing { of_key, of_many: self.changes.of_many.load(Ordering::SeqCst) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, Method, StatusCode};

    use super::*;
    use crate::cache::confirm::Becomes;
    use crate::cache::key::CacheKey;
    use crate::cache::store::{Content, Manner, StoredResponse, Withdrawal};
    use crate::cache::tests::{anonymous, fields, key as cache_key, permit};
    use crate::config::settings::Settings;
    use crate::keyed::Keyed;
    use crate::metrics::Metrics;

    fn stored() -> Arc<StoredResponse> {
        Arc::new(StoredResponse::new(anonymous("max-age=60"), Vec::new(), 0, Content::new(vec!["a".into()])))
    }

    fn posted(memory: &Memory, key: &CacheKey<'_>, keyed: &Keyed, answer: &HeaderMap) {
        memory.invalidate_after(key, keyed, (&Method::POST, StatusCode::OK, answer), memory.epoch());
    }

    /// Whatever changes what is stored for a key moves its standing; looking does not.
    #[test]
    fn n094_every_change_moves_the_standing() {
        let (memory, keyed) = (Memory::new(1 << 20, Arc::new(Metrics::new(&Settings::default()))), Keyed::random().unwrap());
        let (x, y) = (permit("http://a.test:80/x", "-"), permit("http://a.test:80/y", "-"));
        let (x, y) = (cache_key(&x, &keyed), cache_key(&y, &keyed));
        let hash = x.hash();
        let one = stored();
        let head = || Arc::new(anonymous("max-age=60"));
        let to = |what: Withdrawal, manner| memory.withdraw(&what, manner, &keyed);
        let changes: [(&str, &dyn Fn()); 12] = [
            ("stored", &|| memory.insert(&x.to_stored(), &one, 64, memory.epoch())),
            ("freshened", &|| drop(memory.settle(hash, &one, Becomes::Freshened(head())))),
            ("outdated", &|| drop(memory.settle(hash, &one, Becomes::Outdated))),
            ("dropped", &|| drop(memory.settle(hash, &one, Becomes::Dropped))),
            ("removed", &|| memory.remove(hash, &one)),
            ("invalidated", &|| posted(&memory, &x, &keyed, &HeaderMap::new())),
            ("named by another's answer", &|| posted(&memory, &y, &keyed, &fields(&[("location", "http://a.test/x")]))),
            ("its group invalidated", &|| posted(&memory, &y, &keyed, &fields(&[("cache-group-invalidation", "\"g\"")]))),
            ("purged", &|| to(Withdrawal::Url(x.target().clone()), Manner::Dropped)),
            ("purged as stale", &|| to(Withdrawal::Url(x.target().clone()), Manner::Stale)),
            ("its tag purged", &|| to(Withdrawal::Tag("t".into()), Manner::Stale)),
            ("all purged", &|| to(Withdrawal::All, Manner::Dropped)),
        ];
        for (what, change) in changes {
            let before = memory.standing(hash);
            let _ = memory.find(&x);
            assert_eq!(memory.standing(hash), before, "looking before: {what}");
            change();
            assert_ne!(memory.standing(hash), before, "{what}");
        }
        let before = memory.standing(hash);
        memory.insert(&y.to_stored(), &one, 64, memory.epoch());
        posted(&memory, &y, &keyed, &HeaderMap::new());
        assert_eq!(memory.standing(hash), before, "another key's changes");
    }
}
