//! Keeping the index within its bound without holding up who stores something.
//!
//! The index queues insertions and evicts when its maintenance runs, and a run goes on until nothing is left to evict: some 10 µs
//! an entry among a million. So it runs after few insertions, each run having little to do, and where one insertion makes much
//! smaller ones go, it runs on a thread that serves no connection.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use moka::sync::Cache;
use tokio::runtime::Handle;

use super::memory::AlreadyHashed;
use super::stored::Slot;

pub(super) type Index = Cache<u128, Arc<Slot>, AlreadyHashed>;

/// Most insertions between two runs.
const RUN_ENTRIES: u64 = 8;
/// Bytes inserted that are worth a run.
const RUN_BYTES: u64 = 32 << 10;
/// Bytes beyond the bound whose evictions are left to another thread.
const ASIDE_BYTES: u64 = 64 << 10;
/// Bytes beyond the bound that nobody may add to: who inserts more waits for the evictions.
const MOST_BYTES: u64 = 16 << 20;
/// Evictions on the other thread after which it lets others go first, for want of a core of its own.
const SLICE_ENTRIES: u32 = 16;

thread_local! {
    /// Evictions until this thread lets others go first; 0 where it evicts beside serving connections.
    static SLICE: Cell<u32> = const { Cell::new(0) };
}

/// What was inserted since the last run.
pub(super) struct Tidying {
    capacity: u64,
    pending: Arc<Pending>,
}

#[derive(Default)]
struct Pending {
    entries: AtomicU64,
    bytes: AtomicU64,
    /// A run on another thread is asked for, or goes on.
    is_aside: AtomicBool,
}

/// What is to be done after an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// Nothing yet.
    Nothing,
    /// A run, here and now.
    Here,
    /// A run by another thread.
    Aside,
}

/// Called for each entry that the index evicts.
pub(super) fn evicted() {
    let left = SLICE.get();
    if left > 1 {
        SLICE.set(left - 1);
    } else if left == 1 {
        SLICE.set(SLICE_ENTRIES);
        std::thread::yield_now();
    }
}

impl Tidying {
    /// For an index of this capacity in bytes.
    pub(super) fn new(capacity: u64) -> Self {
        Self { capacity, pending: Arc::default() }
    }

    /// An entry of this weight was inserted.
    pub(super) fn inserted(&self, index: &Index, weight: u64) {
        let entries = self.pending.entries.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.pending.bytes.fetch_add(weight, Ordering::Relaxed) + weight;
        let beyond = (index.weighted_size() + bytes).saturating_sub(self.capacity);
        match due(entries, bytes, beyond) {
            Due::Nothing => {}
            Due::Here => self.pending.run(index),
            Due::Aside => self.run_aside(index),
        }
    }

    /// Asks for a run on another thread; without a runtime, which is in tests alone, it runs here.
    fn run_aside(&self, index: &Index) {
        let Ok(runtime) = Handle::try_current() else { return self.pending.run(index) };
        if self.pending.is_aside.swap(true, Ordering::AcqRel) {
            return;
        }
        let (index, pending, capacity) = (index.clone(), Arc::clone(&self.pending), self.capacity);
        drop(runtime.spawn_blocking(move || {
            SLICE.set(SLICE_ENTRIES);
            // A run ends after a time of its own as well.
            while pending.bytes.load(Ordering::Relaxed) > 0 || index.weighted_size() > capacity {
                pending.run(&index);
            }
            SLICE.set(0);
            pending.is_aside.store(false, Ordering::Release);
        }));
    }
}

impl Pending {
    fn run(&self, index: &Index) {
        self.entries.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        index.run_pending_tasks();
    }
}

/// What so many insertions since the last run ask for, which take the index so far beyond its bound.
fn due(entries: u64, bytes: u64, beyond: u64) -> Due {
    if (ASIDE_BYTES..MOST_BYTES).contains(&beyond) {
        Due::Aside
    } else if entries >= RUN_ENTRIES || bytes >= RUN_BYTES {
        Due::Here
    } else {
        Due::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_here_is_due_before_much_is_to_be_evicted() {
        assert_eq!(due(1, 2_000, 0), Due::Nothing);
        assert_eq!(due(RUN_ENTRIES - 1, 14_000, 14_000), Due::Nothing);
        assert_eq!(due(RUN_ENTRIES, 16_000, 16_000), Due::Here);
        assert_eq!(due(1, RUN_BYTES, RUN_BYTES), Due::Here);
        assert_eq!(due(1, 1 << 30, 0), Due::Here, "where there is room a run evicts nothing");
    }

    #[test]
    fn what_makes_many_go_is_left_to_another_thread_within_bounds() {
        assert_eq!(due(1, ASIDE_BYTES, ASIDE_BYTES), Due::Aside);
        assert_eq!(due(1, 1 << 20, ASIDE_BYTES - 1), Due::Here);
        assert_eq!(due(9, MOST_BYTES, MOST_BYTES), Due::Here, "who inserts faster than others evict waits");
    }
}
