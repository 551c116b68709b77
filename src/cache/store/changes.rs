//! What answers do to what is stored: a confirmation freshens it, a non-error answer to an unsafe method makes it
//! unusable.
//!
//! RFC 9111 sections 4.3.4 and 4.4, RFC 9875 section 3.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use super::{Memory, StoredResponse, Turn};
use crate::cache::confirm::Becomes;
use crate::cache::entry::Head;
use crate::cache::key::CacheKey;
use crate::cache::rules::groups;
use crate::cache::rules::invalidate::{invalidates, related_paths};
use crate::keyed::Keyed;

impl Memory {
    /// Does with the entry what the rules made of its confirmation; gives back its new head, if it has one.
    ///
    /// Source: RFC 9111 section 4.3.4.
    pub fn settle(&self, hash: u128, stored: &Arc<StoredResponse>, becomes: Becomes) -> Option<Arc<Head>> {
        match becomes {
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
        }
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

    /// Makes what is stored for the target, for what the answer points at, and for the groups that it names
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
        for group in &groups::invalidated(answer) {
            self.groups().invalidate((target.scheme, &target.host, target.port), group);
        }
        for path in related_paths(target, answer) {
            self.invalidate(key.sibling_hash(keyed, &path), sent);
        }
        epoch
    }
}
