//! Every open connection: how many an address has, who is too slow, who is still to be drained.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::metrics::Counted;

use super::watch::{Order, Patience, Watch};

/// The open connections of all listeners, tunnels included.
pub(super) struct Registry {
    table: Mutex<Table>,
    emptied: Notify,
    rules: Mutex<Rules>,
}

/// What a reload may change.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    /// Most connections of one address.
    pub(super) per_address: usize,
    /// How long a connection may stand still.
    pub(super) patience: Patience,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
    per_address: HashMap<IpAddr, usize>,
    stopping: bool,
}

struct Entry {
    /// The door it came through.
    door: u64,
    watch: Arc<Watch>,
    /// The note at the last sweep that saw a new one, and when that was.
    seen: u64,
    since: Option<Instant>,
}

/// A connection's place in the registry; dropping it gives the place back, whatever happened.
pub(super) struct Open {
    registry: Arc<Registry>,
    watch: Arc<Watch>,
    number: u64,
    address: IpAddr,
    counted: Option<Counted>,
}

impl Registry {
    /// An empty registry.
    pub(super) fn new(rules: Rules) -> Arc<Self> {
        Arc::new(Self { table: Mutex::default(), emptied: Notify::new(), rules: Mutex::new(rules) })
    }

    /// From now on these rules hold; connections beyond a lower number stay.
    pub(super) fn set(&self, rules: Rules) {
        *self.rules.lock() = rules;
    }

    /// Takes in a connection, unless its address has too many; `counted` goes with it.
    pub(super) fn open(self: &Arc<Self>, door: u64, address: IpAddr, counted: impl FnOnce() -> Counted) -> Option<Open> {
        let watch = Arc::new(Watch::new());
        let mut table = self.table.lock();
        let count = table.per_address.entry(address).or_insert(0);
        if *count >= self.rules.lock().per_address {
            return None;
        }
        *count += 1;
        let number = table.next;
        table.next += 1;
        if table.stopping {
            watch.tell(Order::Finish);
        }
        table.open.insert(number, Entry { door, watch: Arc::clone(&watch), seen: 0, since: None });
        drop(table);
        Some(Open { registry: Arc::clone(self), watch, number, address, counted: Some(counted()) })
    }

    /// Sweeps for ever, at the interval that the shortest patience asks for.
    pub(super) async fn sweep_for_ever(self: Arc<Self>) {
        loop {
            let pause = self.rules.lock().patience.sweep_interval();
            tokio::time::sleep(pause).await;
            self.sweep(Clock::instant());
        }
    }

    /// Ends connections whose note stands longer than it may.
    fn sweep(&self, now: Instant) {
        let patience = self.rules.lock().patience;
        for entry in self.table.lock().open.values_mut() {
            let note = entry.watch.note();
            let since = match entry.since {
                Some(since) if entry.seen == note => since,
                _ => {
                    (entry.seen, entry.since) = (note, Some(now));
                    continue;
                }
            };
            if let Some((bound, order)) = Watch::bound(note, &patience)
                && now.saturating_duration_since(since) >= bound
            {
                entry.watch.tell(order);
            }
        }
    }

    /// Lets exchanges in the air end within `drain_time`, then cuts what is left.
    ///
    /// Returns how many connections had to be cut.
    pub(super) async fn drain(&self, drain_time: Duration) -> usize {
        self.tell_all(Order::Finish);
        if tokio::time::timeout(drain_time, self.emptied()).await.is_ok() {
            return 0;
        }
        let left = self.table.lock().open.len();
        self.tell_all(Order::Cut);
        // A cut connection ends at its next poll; only one stuck in a handler takes longer.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.emptied()).await;
        left
    }

    /// Whether the end was ordered.
    pub(super) fn is_stopping(&self) -> bool {
        self.table.lock().stopping
    }

    /// Lets the connections of a door that is closed end after the exchange that they are in.
    pub(super) fn finish(&self, door: u64) {
        let table = self.table.lock();
        let watches: Vec<_> =
            table.open.values().filter(|entry| entry.door == door).map(|entry| Arc::clone(&entry.watch)).collect();
        drop(table);
        for watch in watches {
            watch.tell(Order::Finish);
        }
    }

    fn tell_all(&self, order: Order) {
        let mut table = self.table.lock();
        table.stopping = true;
        let watches: Vec<_> = table.open.values().map(|entry| Arc::clone(&entry.watch)).collect();
        // A connection that ends at once takes this lock.
        drop(table);
        for watch in watches {
            watch.tell(order);
        }
    }

    async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.table.lock().open.is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl Open {
    /// The connection's note.
    pub(super) fn watch(&self) -> &Arc<Watch> {
        &self.watch
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut table = self.registry.table.lock();
        table.open.remove(&self.number);
        if let Some(count) = table.per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                table.per_address.remove(&self.address);
            }
        }
        let is_empty = table.open.is_empty();
        drop(table);
        drop(self.counted.take());
        if is_empty {
            self.registry.emptied.notify_waiters();
        }
    }
}
