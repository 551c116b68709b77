//! Which groups of stored responses were invalidated, and when: a table looked at on look-up.
//!
//! Nothing is scanned and nothing cascades. A group's place in the table is a hash of origin and name;
//! two groups that share one are invalidated together, which costs a fetch and never serves anything.
//!
//! RFC 9875 sections 2.1 and 3.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::entry::Head;
use crate::target::{Host, Scheme};

/// Places in the table; 512 KiB.
const PLACES: usize = 1 << 16;

/// Scheme, host and port: groups never reach across origins (RFC 9875 section 2.1).
pub type Origin<'a> = (Scheme, &'a Host, u16);

/// The invalidations of groups.
#[derive(Debug)]
pub struct Groups {
    /// Random per process, so that nobody can aim at another group's place.
    hasher: RandomState,
    /// Invalidations so far.
    count: AtomicU64,
    /// Per place: the number of its last invalidation.
    last: Box<[AtomicU64]>,
}

impl Groups {
    /// A table of nothing invalidated.
    #[must_use]
    pub fn new() -> Self {
        let last = (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        Self { hasher: RandomState::new(), count: AtomicU64::new(0), last }
    }

    /// Invalidations so far; what was asked for before the next one is subject to it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// The number of one more invalidation, or of a withdrawal: they share one count.
    pub(super) fn take_number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Makes everything of this group unusable that was asked for until now.
    ///
    /// Source: RFC 9875 section 3.
    pub fn invalidate(&self, origin: Origin<'_>, group: &str) {
        let number = self.take_number();
        if let Some(last) = self.place(origin, group) {
            last.fetch_max(number, Ordering::SeqCst);
        }
    }

    /// Was a group of this response invalidated since it was asked for?
    #[must_use]
    pub fn has_invalidated(&self, origin: Origin<'_>, head: &Head) -> bool {
        let is_newer = |last: &AtomicU64| last.load(Ordering::SeqCst) > head.born;
        head.groups().any(|group| self.place(origin, group).is_some_and(is_newer))
    }

    fn place(&self, origin: Origin<'_>, group: &str) -> Option<&AtomicU64> {
        let hash = self.hasher.hash_one((origin, group));
        self.last.get(usize::try_from(hash % PLACES as u64).ok()?)
    }
}

impl Default for Groups {
    fn default() -> Self {
        Self::new()
    }
}
