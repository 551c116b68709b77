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

/// Connections that are looked at in one go: some ten microseconds.
const SLICE: usize = 256;

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
    /// A place for each connection; those of connections that ended are given again.
    places: Vec<Option<Entry>>,
    free: Vec<usize>,
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
    place: usize,
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
        if table.stopping {
            watch.tell(Order::Finish);
        }
        let place = table.take_in(Entry { door, watch: Arc::clone(&watch), seen: 0, since: None });
        drop(table);
        Some(Open { registry: Arc::clone(self), watch, place, address, counted: Some(counted()) })
    }

    /// Sweeps for ever, at the interval that the shortest patience asks for.
    pub(super) async fn sweep_for_ever(self: Arc<Self>) {
        loop {
            let pause = self.rules.lock().patience.sweep_interval();
            tokio::time::sleep(pause).await;
            let now = Clock::instant();
            let mut next = Some(0);
            while let Some(from) = next {
                next = self.sweep(from, now);
                // This thread serves connections too.
                tokio::task::yield_now().await;
            }
        }
    }

    /// Ends connections whose note stands longer than it may, and offers rest to those whose note stands, of so many from this
    /// place on; gives back where to go on.
    pub(super) fn sweep(&self, from: usize, now: Instant) -> Option<usize> {
        let patience = self.rules.lock().patience;
        let mut table = self.table.lock();
        let next = from + SLICE;
        let to = next.min(table.places.len());
        for entry in table.places.get_mut(from..to).into_iter().flatten().flatten() {
            entry.look(now, &patience);
        }
        (next < table.places.len()).then_some(next)
    }

    /// Lets exchanges in the air end within `drain_time`, then cuts what is left.
    ///
    /// Returns how many connections had to be cut.
    pub(super) async fn drain(&self, drain_time: Duration) -> usize {
        self.tell_all(Order::Finish);
        if tokio::time::timeout(drain_time, self.emptied()).await.is_ok() {
            return 0;
        }
        let left = self.table.lock().count();
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
        let watches: Vec<_> = table.entries().filter(|entry| entry.door == door).map(|entry| Arc::clone(&entry.watch)).collect();
        drop(table);
        for watch in watches {
            watch.tell(Order::Finish);
        }
    }

    fn tell_all(&self, order: Order) {
        let mut table = self.table.lock();
        table.stopping = true;
        let watches: Vec<_> = table.entries().map(|entry| Arc::clone(&entry.watch)).collect();
        // A connection that ends at once takes this lock.
        drop(table);
        for watch in watches {
            watch.tell(order);
        }
    }

    async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.table.lock().count() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Table {
    fn take_in(&mut self, entry: Entry) -> usize {
        let place = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some(free) => *free = Some(entry),
            None => self.places.push(Some(entry)),
        }
        place
    }

    fn give_back(&mut self, place: usize) {
        if self.places.get_mut(place).and_then(Option::take).is_some() {
            self.free.push(place);
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.places.iter().flatten()
    }

    /// How many are open.
    fn count(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

impl Entry {
    /// Compares the note with the one seen before, and gives the order or makes the offer that is due.
    fn look(&mut self, now: Instant, patience: &Patience) {
        let note = self.watch.note();
        match self.since {
            Some(since) if self.seen == note => {
                self.watch.offer_rest(note);
                if let Some((bound, order)) = Watch::bound(note, patience)
                    && now.saturating_duration_since(since) >= bound
                {
                    self.watch.tell(order);
                }
            }
            _ => (self.seen, self.since) = (note, Some(now)),
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
        table.give_back(self.place);
        if let Some(count) = table.per_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                table.per_address.remove(&self.address);
            }
        }
        let is_empty = table.count() == 0;
        drop(table);
        drop(self.counted.take());
        if is_empty {
            self.registry.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Settings;
    use crate::metrics::Metrics;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), stall: Duration::from_secs(30) };

    fn registry(count: usize) -> (Arc<Registry>, Vec<Open>) {
        let registry = Registry::new(Rules { per_address: 2_000, patience: PATIENCE });
        let metrics = Metrics::new(&Settings::default());
        let open = |_| registry.open(0, IpAddr::from([127, 0, 0, 1]), || metrics.connected(0)).unwrap();
        let all = (0..count).map(open).collect();
        (registry, all)
    }

    fn cut(open: &[Open]) -> usize {
        open.iter().filter(|open| open.watch().order() == Order::Cut).count()
    }

    #[test]
    fn one_slice_looks_at_so_many_and_all_slices_at_everybody() {
        let (registry, open) = registry(2 * SLICE + 1);
        let begun = Clock::instant();
        for from in [0, SLICE, 2 * SLICE] {
            let _ = registry.sweep(from, begun);
        }
        let later = begun + PATIENCE.head;
        assert_eq!((registry.sweep(0, later), cut(&open)), (Some(SLICE), SLICE));
        assert_eq!((registry.sweep(SLICE, later), cut(&open)), (Some(2 * SLICE), 2 * SLICE));
        assert_eq!((registry.sweep(2 * SLICE, later), cut(&open)), (None, 2 * SLICE + 1));
    }

    #[test]
    fn rest_is_offered_on_the_second_look() {
        let (registry, open) = registry(1);
        let (begun, watch) = (Clock::instant(), open[0].watch());
        watch.exchange_begins(false);
        watch.exchange_ends();
        for (look, is_offered) in [(1, false), (2, true)] {
            let _ = registry.sweep(0, begun);
            watch.accept_rest();
            assert_eq!(watch.is_resting(), is_offered, "after look {look}");
        }
    }

    #[test]
    fn a_place_that_is_given_again_starts_anew() {
        let (registry, mut open) = registry(3);
        let begun = Clock::instant();
        assert_eq!(registry.sweep(0, begun), None);
        drop(open.remove(1));
        assert_eq!(registry.table.lock().count(), 2);
        let metrics = Metrics::new(&Settings::default());
        open.push(registry.open(0, IpAddr::from([127, 0, 0, 1]), || metrics.connected(0)).unwrap());
        assert_eq!(registry.table.lock().places.len(), 3);
        let _ = registry.sweep(0, begun + PATIENCE.head);
        assert_eq!((cut(&open), open[2].watch().order()), (2, Order::Serve), "the newest is seen for the first time");
        open.clear();
        assert_eq!(registry.table.lock().count(), 0);
    }
}
