//! What answers do to what is stored: a confirmation freshens it, a non-error answer to an unsafe method makes it
//! unusable.
//!
//! RFC 9111 sections 4.3.4 and 4.4, RFC 9875 section 3.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use super::{Memory, StoredResponse};
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
            Becomes::Dropped => {
                self.remove(hash, stored);
                None
            }
        }
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
