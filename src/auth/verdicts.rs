//! Verified passwords, remembered for a while; and their verification, once for all who wait.
//!
//! RFC 7617 section 2.2 (the same credentials come with every request of a protection space); RFC
//! 9110 section 11.4 (they are judged on each of them).
//!
//! A credential is remembered as a 128-bit keyed hash, never as itself. Refusals are not remembered:
//! a guess never repeats, so nothing would be saved, and a password set a moment ago counts at once.
//!
//! # Deviations
//!
//! none

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};

use super::users::htpasswd::Verdict;

/// The most verified credentials that are remembered.
pub const MAX_VERDICTS: usize = 16_384;

const SHARDS: usize = 16;

/// Remembers and makes verdicts; a clone shares both.
#[derive(Clone)]
pub struct Verdicts(Arc<Inner>);

struct Inner {
    ttl: Duration,
    shard_capacity: usize,
    shards: [RwLock<HashMap<u128, Remembered, BuildHasherDefault<AlreadyHashed>>>; SHARDS],
    flights: Mutex<HashMap<u128, Arc<Flight>>>,
    /// One permit a verification that may run at a time.
    room: Semaphore,
}

struct Remembered {
    name: Arc<str>,
    since: SystemTime,
}

/// One verification in the air; its followers wait for the value.
type Flight = watch::Sender<Option<Verdict>>;

impl std::fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verdicts(***)")
    }
}

impl Verdicts {
    /// Remembers at most `capacity` verdicts for `ttl`, and verifies `at_once` passwords at a time.
    #[must_use]
    pub fn new(ttl: Duration, capacity: usize, at_once: usize) -> Self {
        Self(Arc::new(Inner {
            ttl,
            shard_capacity: capacity.div_ceil(SHARDS).max(1),
            shards: Default::default(),
            flights: Mutex::default(),
            room: Semaphore::new(at_once.max(1)),
        }))
    }

    /// Whose credential is this, if it was verified less than the time to live ago?
    ///
    /// `key` is a keyed hash of listener and field value.
    ///
    /// Source: RFC 9110 section 11.5: the realm's name alone never joins two protection spaces.
    #[must_use]
    pub fn recall(&self, key: u128, now: SystemTime) -> Option<Arc<str>> {
        self.0.recall(key, now)
    }

    /// Until when this credential is recalled, if it is remembered.
    #[must_use]
    pub fn until(&self, key: u128) -> Option<SystemTime> {
        let shard = self.0.shard(key)?.read();
        shard.get(&key).and_then(|remembered| remembered.since.checked_add(self.0.ttl))
    }

    /// The verdict on a credential: the one in the air if there is one, else that of `work`.
    ///
    /// `work` runs on a blocking thread when there is room; it is dropped unused when nobody waits
    /// for it any more. None if it panicked.
    ///
    /// Source: RFC 7617 section 2.2: a client's parallel requests carry the same credential.
    pub async fn verify(&self, key: u128, now: SystemTime, work: impl FnOnce() -> Verdict + Send + 'static) -> Option<Verdict> {
        let mut flight = {
            let mut flights = self.0.flights.lock();
            // It may have landed between the caller's look and this lock.
            if let Some(name) = self.0.recall(key, now) {
                return Some(Verdict::Verified(name));
            }
            match flights.get(&key) {
                Some(flight) => flight.subscribe(),
                None => {
                    let (sender, follower) = watch::channel(None);
                    let sender = Arc::new(sender);
                    flights.insert(key, Arc::clone(&sender));
                    // A task of its own: the request that came first may be given up by its client
                    // while others wait.
                    tokio::spawn(fly(Arc::clone(&self.0), key, now, sender, work));
                    follower
                }
            }
        };
        flight.wait_for(Option::is_some).await.ok().and_then(|verdict| verdict.clone())
    }

    /// How many verdicts are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.0.shards.iter().map(|shard| shard.read().len()).sum()
    }

    /// How many verifications are running or waiting for room.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.0.flights.lock().len()
    }
}

/// Waits for room, computes, remembers, tells the followers.
async fn fly(
    inner: Arc<Inner>,
    key: u128,
    now: SystemTime,
    flight: Arc<Flight>,
    work: impl FnOnce() -> Verdict + Send + 'static,
) {
    let landing = Landing { inner: &inner, key, flight: &flight };
    let room = inner.room.acquire();
    tokio::pin!(room);
    let _permit = loop {
        tokio::select! {
            permit = &mut room => break permit,
            () = flight.closed() => if inner.abandon(key, &flight) { return },
        }
    };
    if let Ok(verdict) = tokio::task::spawn_blocking(work).await {
        if let Verdict::Verified(name) = &verdict {
            inner.remember(key, Arc::clone(name), now);
        }
        drop(landing);
        flight.send_replace(Some(verdict));
    }
}

/// Takes a flight out of the list of those in the air, however it ends.
struct Landing<'a> {
    inner: &'a Inner,
    key: u128,
    flight: &'a Arc<Flight>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.inner.land(&mut self.inner.flights.lock(), self.key, self.flight);
    }
}

impl Inner {
    fn shard(&self, key: u128) -> Option<&RwLock<HashMap<u128, Remembered, BuildHasherDefault<AlreadyHashed>>>> {
        self.shards.get((key >> 64) as usize % SHARDS)
    }

    fn recall(&self, key: u128, now: SystemTime) -> Option<Arc<str>> {
        let shard = self.shard(key)?.read();
        shard.get(&key).filter(|remembered| self.is_current(remembered, now)).map(|remembered| Arc::clone(&remembered.name))
    }

    /// A clock that was set back makes a verdict old, not young.
    fn is_current(&self, remembered: &Remembered, now: SystemTime) -> bool {
        now.duration_since(remembered.since).is_ok_and(|age| age < self.ttl)
    }

    fn remember(&self, key: u128, name: Arc<str>, now: SystemTime) {
        let Some(shard) = self.shard(key) else { return };
        let mut shard = shard.write();
        if shard.len() >= self.shard_capacity {
            shard.retain(|_, remembered| self.is_current(remembered, now));
        }
        if shard.len() >= self.shard_capacity
            && let Some(victim) = shard.keys().next().copied()
        {
            shard.remove(&victim);
        }
        shard.insert(key, Remembered { name, since: now });
    }

    /// Gives up a flight for which nobody waits; false if somebody came meanwhile.
    fn abandon(&self, key: u128, flight: &Arc<Flight>) -> bool {
        let mut flights = self.flights.lock();
        let is_abandoned = flight.receiver_count() == 0;
        if is_abandoned {
            self.land(&mut flights, key, flight);
        }
        is_abandoned
    }

    /// Removes this flight, not a later one of the same credential.
    fn land(&self, flights: &mut HashMap<u128, Arc<Flight>>, key: u128, flight: &Arc<Flight>) {
        if flights.get(&key).is_some_and(|known| Arc::ptr_eq(known, flight)) {
            flights.remove(&key);
        }
    }
}

/// The keys are keyed hashes already; hashing them again would cost more than the look-up.
#[derive(Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
