//! What changes what is stored: a confirmation freshens it, a non-error answer to an unsafe method makes it unusable, the
//! operator withdraws it.
//!
//! RFC 9111 sections 4.3.4 and 4.4, RFC 9875 section 3.

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use super::withdrawals::{Manner, Subject, Withdrawal};
use super::{Memory, Slot, StoredResponse, Turn};
use crate::cache::confirm::Becomes;
use crate::cache::entry::Head;
use crate::cache::key::{CacheKey, StoredKey, hash_of};
use crate::cache::rules::groups;
use crate::cache::rules::invalidate::{invalidates, related_paths};
use crate::keyed::Keyed;
use crate::target::Target;

impl Memory {
    /// Does with the entry what the rules made of its confirmation; gives back its new head, if it has one.
    ///
    /// Source: RFC 9111 section 4.3.4.
    pub fn settle(&self, hash: u128, stored: &Arc<StoredResponse>, becomes: Becomes) -> Option<Arc<Head>> {
        let head = match becomes {
            Becomes::Freshened(head) => Some(stored.freshen(head)),
            Becomes::Left => None,
            Becomes::Outdated => {
                stored.freshen(stored.head().without_freshness());
                None
            }
            Becomes::Dropped => {
                self.remove(hash, stored);
                None
            }
        };
        self.changes.note(hash);
        head
    }

    /// The turn to validate a stored response in the background, for a decision that was made on this head; none where
    /// somebody has it, or has had it since and replaced the entry or its head.
    ///
    /// Source: RFC 5861 section 3.
    #[must_use]
    pub fn turn(&self, key: &CacheKey<'_>, (stored, head): (&Arc<StoredResponse>, &Arc<Head>)) -> Option<Turn> {
        let turn = stored.take_turn()?;
        // Looked at with the turn in hand: who had it before gave it back after the change.
        let is_found = self.find(key)?.variants().iter().any(|other| Arc::ptr_eq(other, stored));
        (is_found && Arc::ptr_eq(&stored.head(), head)).then_some(turn)
    }

    /// Makes what is stored for the target under any query rule, for what the answer points at, and for the groups that it names
    /// unusable, if the method and the status ask for that.
    ///
    /// `sent` is the count of invalidations when the request was sent. Gives back the count that what is
    /// stored of this answer must not outlive: its own invalidation does not count, another one since does.
    ///
    /// Source: RFC 9111 section 4.4, RFC 9875 section 3.
    pub fn invalidate_after(
        &self,
        key: &CacheKey<'_>,
        keyed: &Keyed,
        (method, status, answer): (&Method, StatusCode, &HeaderMap),
        sent: u64,
    ) -> u64 {
        if !invalidates(method, status) {
            return sent;
        }
        let epoch = self.invalidate(key.hash(), sent);
        let target = key.target();
        let others = |path: &Cow<'_, str>| hash_of(keyed, target, path);
        for hash in self.key_paths(target).iter().map(others).filter(|hash| *hash != key.hash()) {
            self.invalidate(hash, sent);
        }
        let groups = groups::invalidated(answer);
        for group in &groups {
            self.groups().invalidate((target.scheme, &target.host, target.port), group);
        }
        if !groups.is_empty() {
            self.changes.note_many();
        }
        for path_and_query in related_paths(target, answer) {
            let related = Target { path_and_query, ..target.clone() };
            for path in self.key_paths(&related) {
                self.invalidate(hash_of(keyed, target, &path), sent);
            }
        }
        epoch
    }

    /// Withdraws what is stored, and what was asked for until now and is on its way.
    ///
    /// Source: RFC 9111 section 4.4.
    pub fn withdraw(&self, what: &Withdrawal, manner: Manner, keyed: &Keyed) {
        match (what, manner) {
            (Withdrawal::Url(target), Manner::Dropped) => {
                for path in self.key_paths(target) {
                    self.invalidate(hash_of(keyed, target, &path), self.epoch());
                }
            }
            (Withdrawal::Url(target), Manner::Stale) => {
                let number = self.groups().take_number();
                for path in self.key_paths(target) {
                    // What is on its way is not stored: it would be fresh.
                    self.invalidations.note(hash_of(keyed, target, &path), self.epoch());
                }
                for slot in self.slots_of(target, keyed) {
                    slot.variants().iter().for_each(|stored| stored.withdraw_as_stale(number));
                }
            }
            _ => self.withdrawals.note(what, manner, || self.groups().take_number()),
        }
        if manner == Manner::Dropped && *what == Withdrawal::All {
            // Gives the memory back; what is on its way is kept out by the number.
            self.index.invalidate_all();
        }
        self.changes.note_many();
    }

    /// How many stored responses a withdrawal would reach now. Looks at all of them, unless a URI names them.
    #[must_use]
    pub fn count(&self, what: &Withdrawal, keyed: &Keyed) -> usize {
        let usable = |slot: &Arc<Slot>| slot.variants().iter().filter(|stored| !self.is_unusable(slot.key(), stored)).count();
        let in_slot = |slot: Arc<Slot>| slot.variants().iter().filter(|stored| self.is_reached(what, slot.key(), stored)).count();
        match what {
            Withdrawal::Url(target) => self.slots_of(target, keyed).iter().map(usable).sum(),
            _ => self.index.iter().map(|(_, slot)| in_slot(slot)).sum(),
        }
    }

    /// What is stored for a URI, under whatever URI it is kept.
    fn slots_of(&self, target: &Target, keyed: &Keyed) -> Vec<Arc<Slot>> {
        let slot = |path: Cow<'_, str>| {
            let slot = self.index.get(&hash_of(keyed, target, &path));
            slot.filter(|slot| slot.key().located().is(target, &path))
        };
        self.key_paths(target).into_iter().filter_map(slot).collect()
    }

    /// What is stored below a URI, at most so much of it, with its URI; and whether there is more. Looks at everything.
    #[must_use]
    pub fn below(&self, prefix: &Target, limit: usize) -> (Vec<(String, Arc<StoredResponse>)>, bool) {
        let what = Withdrawal::Prefix(prefix.clone());
        let mut found = Vec::new();
        for (_, slot) in &self.index {
            for stored in slot.variants() {
                if !self.is_reached(&what, slot.key(), stored) {
                    continue;
                }
                if found.len() == limit {
                    return (found, true);
                }
                found.push((slot.key().to_uri(), Arc::clone(stored)));
            }
        }
        (found, false)
    }

    fn is_reached(&self, what: &Withdrawal, key: &StoredKey, stored: &StoredResponse) -> bool {
        let head = stored.head();
        let is_covered = what.covers(&Subject { key: key.located(), filled_by: stored.fillers(), head: &head });
        is_covered && !self.is_unusable(key, stored)
    }

    /// Whether a response that is on its way, or was found a while ago, was withdrawn since.
    #[must_use]
    pub fn was_withdrawn(&self, subject: &Subject<'_>) -> bool {
        self.withdrawals.of(subject).is_some()
    }

    /// Whether it was invalidated with a group or withdrawn; what was withdrawn as stale is stale from now on.
    pub(super) fn is_unusable(&self, key: &StoredKey, stored: &StoredResponse) -> bool {
        let head = stored.glance();
        if self.groups().has_invalidated(key.origin(), &head) {
            return true;
        }
        let manner = self.withdrawals.of(&Subject { key: key.located(), filled_by: stored.fillers(), head: &head });
        if manner != Some(Manner::Dropped) && (manner.is_some() || stored.is_withdrawn_as_stale(&head)) {
            stored.end_freshness(&head);
        }
        manner == Some(Manner::Dropped)
    }
}
