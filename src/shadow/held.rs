//! What a candidate would have stored: heads without content, in bounded memory, under the invalidations of the real store.

use std::sync::Arc;

use moka::ops::compute::Op;
use moka::sync::Cache;

use super::question::Question;
use super::{Around, Seen};
use crate::cache::entry::Head;
use crate::cache::key::CacheKey;
use crate::cache::rules::vary;
use crate::cache::store::{Content, Memory, Slot, StoredResponse, Subject};
use crate::policy::CompiledPolicy;

/// Memory of all heads, about 20,000 of them.
const MOST_BYTES: u64 = 32 << 20;

/// What is held, by the hash of its key; a clone is the same one.
pub type Store = Cache<u128, Arc<Kept>>;

/// Everything held for one key.
#[derive(Debug)]
pub struct Kept {
    slot: Arc<Slot>,
    /// Count of invalidations when the request for the latest was sent.
    epoch: u64,
}

impl Kept {
    /// Bytes in memory, which the contents are not in.
    fn weight(&self) -> u32 {
        let contents: u64 = self.slot.variants().iter().map(|stored| stored.content().length()).sum();
        let all: u64 = self.slot.variants().iter().map(|stored| stored.weight_bytes()).sum();
        // What the index and the key cost.
        let around = self.slot.key().weight_bytes() as u64 + 500;
        u32::try_from(all.saturating_sub(contents) + around).unwrap_or(u32::MAX)
    }
}

/// A store of heads.
pub(super) struct Held(Store);

impl Held {
    /// An empty one, or what another one held.
    pub(super) fn new(before: Option<Store>) -> Self {
        let empty = || Cache::builder().max_capacity(MOST_BYTES).weigher(|_, kept: &Arc<Kept>| kept.weight()).build();
        Self(before.unwrap_or_else(empty))
    }

    pub(super) fn store(&self) -> Store {
        self.0.clone()
    }

    /// What is held for this key and would not have been invalidated or withdrawn since.
    ///
    /// Source: RFC 9111 section 4.4, RFC 9875 section 3.
    pub(super) fn find(&self, key: &CacheKey<'_>, memory: &Memory) -> Option<Arc<Slot>> {
        let kept = self.0.get(&key.hash()).filter(|kept| kept.slot.key().is_for(key))?;
        if memory.was_invalidated(key.hash(), kept.epoch) {
            self.0.invalidate(&key.hash());
            return None;
        }
        let is_invalid = |stored: &&Arc<StoredResponse>| {
            let head = stored.head();
            let subject = Subject { key: key.located(), filled_by: stored.fillers(), head: &head };
            memory.groups().has_invalidated(key.origin(), &head) || memory.was_withdrawn(&subject)
        };
        let invalid: Vec<_> = kept.slot.variants().iter().filter(is_invalid).collect();
        if invalid.is_empty() {
            return Some(Arc::clone(&kept.slot));
        }
        invalid.iter().for_each(|stored| self.remove(key.hash(), stored));
        invalid.iter().try_fold((*kept.slot).clone(), |slot, stored| slot.without(stored)).map(Arc::new)
    }

    /// Lets go of everything under this hash.
    ///
    /// Source: RFC 9111 section 4.4.
    pub(super) fn invalidate(&self, hash: u128) {
        self.0.invalidate(&hash);
    }

    /// Holds a response beside its siblings.
    pub(super) fn keep(
        &self,
        key: &CacheKey<'_>,
        (head, content): (Head, Content),
        (question, seen): (&Question, &Seen<'_>),
        (epoch, policy): (u64, &CompiledPolicy),
        around: Around<'_>,
    ) {
        let hash = key.hash();
        if around.memory.was_invalidated(hash, epoch) {
            return;
        }
        let names = vary::names(&head.fields).unwrap_or_default();
        let variant = vary::fingerprint(around.keyed, &names, seen.fields, policy.settings.vary_normalise);
        let stored = StoredResponse::new(head, names, variant, content).within(question.partition);
        let stored = Arc::new(stored.filled_by([seen.filled_by]));
        self.0.entry(hash).and_upsert_with(|known| {
            let known = known.map(moka::Entry::into_value);
            let known = known.filter(|kept| kept.slot.key().is_for(key) && !around.memory.was_invalidated(hash, kept.epoch));
            let slot = known.map_or_else(
                || Slot::new(key.to_stored(), Arc::clone(&stored)),
                |kept| kept.slot.with(Arc::clone(&stored), policy.settings.vary_limit),
            );
            Arc::new(Kept { slot: Arc::new(slot), epoch })
        });
    }

    /// Lets one response go; its siblings stay.
    pub(super) fn remove(&self, hash: u128, stored: &Arc<StoredResponse>) {
        self.0.entry(hash).and_compute_with(|known| match known.map(moka::Entry::into_value) {
            None => Op::Nop,
            Some(kept) => kept
                .slot
                .without(stored)
                .map_or(Op::Remove, |slot| Op::Put(Arc::new(Kept { slot: Arc::new(slot), epoch: kept.epoch }))),
        });
    }
}
