//! The memory tier: a bounded index from key to slot.
//!
//! Freshness lives in the entries; the index evicts by weight only. Its maintenance is run after every few insertions (`tidying`)
//! and by [`Memory::maintain`] in the background, because it queues writes and would otherwise overshoot its bound.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::groups::Groups;
use super::invalidations::Invalidations;
use super::spellings::Spellings;
use super::standing::Changes;
use super::stored::{Slot, StoredResponse};
use super::tidying::{self, Index, Tidying};
use super::withdrawals::Withdrawals;
use crate::cache::key::{CacheKey, StoredKey};
use crate::cache::ready::Ready;
use crate::metrics::Metrics;

/// The memory tier.
pub struct Memory {
    pub(super) index: Index,
    metrics: Arc<Metrics>,
    tidying: Tidying,
    uses: AtomicU64,
    pub(super) invalidations: Invalidations,
    groups: Groups,
    pub(super) withdrawals: Withdrawals,
    pub(super) spellings: Spellings,
    ready: Ready,
    pub(super) changes: Changes,
}

impl Memory {
    /// A tier of at most `capacity_bytes`.
    #[must_use]
    pub fn new(capacity_bytes: u64, metrics: Arc<Metrics>) -> Self {
        let observer = Arc::clone(&metrics);
        let index = Cache::builder()
            .max_capacity(capacity_bytes)
            .weigher(|_, slot: &Arc<Slot>| slot.weight())
            .eviction_listener(move |_, _, cause| match cause {
                RemovalCause::Size => {
                    observer.eviction("size");
                    tidying::evicted();
                }
                RemovalCause::Explicit => observer.eviction("invalidated"),
                RemovalCause::Expired | RemovalCause::Replaced => {}
            })
            .build_with_hasher(AlreadyHashed);
        let (tidying, uses) = (Tidying::new(capacity_bytes), AtomicU64::new(0));
        let (invalidations, groups, withdrawals) = (Invalidations::new(), Groups::new(), Withdrawals::default());
        let (spellings, ready, changes) = (Spellings::default(), Ready::default(), Changes::new());
        Self { index, metrics, tidying, uses, invalidations, groups, withdrawals, spellings, ready, changes }
    }

    /// What is stored for this key and was neither invalidated with a group nor withdrawn.
    #[must_use]
    pub fn find(&self, key: &CacheKey<'_>) -> Option<Arc<Slot>> {
        let slot = self.index.get(&key.hash()).filter(|slot| slot.key().is_for(key))?;
        let is_invalid = |stored: &&Arc<StoredResponse>| self.is_unusable(slot.key(), stored);
        let invalid: Vec<_> = slot.variants().iter().filter(is_invalid).cloned().collect();
        if invalid.is_empty() {
            return Some(slot);
        }
        let valid = invalid.iter().try_fold((*slot).clone(), |slot, stored| slot.without(stored));
        for stored in &invalid {
            self.remove(key.hash(), stored);
        }
        valid.map(Arc::new)
    }

    /// The fields of answers that are asked for often.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The invalidations of groups.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Notes that a stored response was used.
    pub fn touch(&self, stored: &StoredResponse) {
        stored.touch(self.uses.fetch_add(1, Ordering::Relaxed));
    }

    /// Stores a complete response beside its siblings, unless its key was invalidated since `epoch`, or it was withdrawn.
    pub fn insert(&self, key: &StoredKey, stored: &Arc<StoredResponse>, variants: usize, epoch: u64) {
        if self.invalidations.has_since(key.hash(), epoch) || self.is_unusable(key, stored) {
            return;
        }
        stored.touch(self.uses.fetch_add(1, Ordering::Relaxed));
        let weight = stored.weight_bytes();
        self.index.entry(key.hash()).and_upsert_with(|known| {
            // A slot of another URI under the same hash is replaced, never extended.
            let known = known.map(moka::Entry::into_value).filter(|slot| slot.key() == key);
            Arc::new(
                known.map_or_else(|| Slot::new(key.clone(), Arc::clone(stored)), |slot| slot.with(Arc::clone(stored), variants)),
            )
        });
        // An invalidation between the check above and the insertion would have found nothing to drop.
        if self.invalidations.has_since(key.hash(), epoch) {
            self.index.invalidate(&key.hash());
        }
        self.changes.note(key.hash());
        self.tidying.inserted(&self.index, weight);
    }

    /// Drops one stored response; its siblings stay.
    pub fn remove(&self, hash: u128, stored: &Arc<StoredResponse>) {
        self.index.entry(hash).and_compute_with(|known| match known.map(moka::Entry::into_value) {
            None => Op::Nop,
            Some(slot) if !slot.variants().iter().any(|other| Arc::ptr_eq(other, stored)) => Op::Nop,
            Some(slot) => slot.without(stored).map_or(Op::Remove, |slot| Op::Put(Arc::new(slot))),
        });
        self.changes.note(hash);
    }

    /// Drops everything stored under this hash, and whatever a running fill is about to store there.
    ///
    /// Gives back the epoch of what is stored of the response that invalidates, whose request was sent in
    /// epoch `sent`: its own invalidation does not count, another one of this key since then does.
    ///
    /// Source: RFC 9111 section 4.4.
    pub fn invalidate(&self, hash: u128, sent: u64) -> u64 {
        let epoch = self.invalidations.note(hash, sent);
        self.index.invalidate(&hash);
        self.changes.note(hash);
        epoch
    }

    /// The count of invalidations so far; a fill must not outlive a later one of its key.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.invalidations.count()
    }

    /// May what is stored for this key have been invalidated since this count?
    #[must_use]
    pub fn was_invalidated(&self, hash: u128, since: u64) -> bool {
        self.invalidations.has_since(hash, since)
    }

    /// Weight of everything in bytes and how many keys there are, after the index's maintenance.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        self.index.run_pending_tasks();
        (self.index.weighted_size(), self.index.entry_count())
    }

    /// Runs the index's maintenance and publishes its size; to be called about once a second.
    pub fn maintain(&self) {
        let (weight, count) = self.size();
        self.metrics.cache_size(weight, count);
    }
}

/// Keys are keyed hashes already; hashing them again would only cost time.
#[derive(Clone, Copy, Default)]
pub(in crate::cache) struct AlreadyHashed;

pub(in crate::cache) struct Folded(u64);

impl BuildHasher for AlreadyHashed {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded(0)
    }
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, number: u128) {
        // Both halves are uniformly distributed; the lower one is as good as any.
        self.0 = (number & u128::from(u64::MAX)) as u64;
    }
}

#[cfg(test)]
mod tests;
