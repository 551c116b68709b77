//! Nonces: made without being remembered, counted once they were used with a right digest.
//!
//! RFC 7616 section 3.3 (nonce, stale), section 3.4 (nc), sections 5.4 and 5.5 (limited nonces,
//! replay).
//!
//! A nonce is `base64(time, random, MAC over time, random, realm and listener)`. Only a right digest
//! puts one into the table of counts, so that asking for challenges costs no memory.
//!
//! # Deviations
//!
//! - Counts may come out of order within [`WINDOW`] of the highest: one client's requests travel over
//!   parallel connections (RFC 7616 section 3.4 asks only that no count is used twice).
//! - A repeated count is answered with `stale=true`: the password is right, and a client that sent
//!   the same request again after a broken connection must not ask its user (RFC 7616 section 3.3).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::keyed::Keyed;

/// How far below the highest count of a nonce another one may still come.
pub const WINDOW: u32 = 128;

/// The most used nonces that are remembered; beyond it the oldest become stale.
pub const MAX_NONCES: usize = 100_000;

/// How far in our future a nonce may have been made, for a clock that is set back a little.
const CLOCK_STEP: Duration = Duration::from_secs(5);

const SHARDS: usize = 16;
const TIME_BYTES: usize = 6;
const SEED_BYTES: usize = 8;
const MAC_BYTES: usize = 16;
const NONCE_BYTES: usize = TIME_BYTES + SEED_BYTES + MAC_BYTES;

/// What a nonce count is worth, given that the digest is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A good nonce, and a count not seen before.
    Fresh,
    /// The count was used before, or is too far behind to tell.
    Replayed,
    /// Not a nonce of ours, expired, or forgotten.
    Stale,
}

/// The nonces of one listener.
pub struct Nonces {
    /// HMAC-SHA256 that has already read realm and listener.
    mac: Hmac<Sha256>,
    seeds: Keyed,
    count: AtomicU64,
    lifetime: Duration,
    shard_capacity: usize,
    shards: [Mutex<Shard>; SHARDS],
}

/// Issue time in milliseconds, then the seed: the order in which nonces are forgotten.
type Made = (u64, u64);

#[derive(Default)]
struct Shard {
    used: BTreeMap<Made, Used>,
    /// The latest nonce that was forgotten. What is not in the table and not later than this may
    /// have been used before.
    forgotten: Made,
}

/// A nonce that was used with a right digest: its MAC was right, and is not computed again.
#[derive(Clone, Copy)]
struct Used {
    mac: [u8; MAC_BYTES],
    counts: Window,
}

/// The counts of one nonce: bit `i` of `seen` is `highest - i`.
#[derive(Clone, Copy, Default)]
struct Window {
    highest: u32,
    seen: u128,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(***)")
    }
}

impl Nonces {
    /// Nonces under a fresh random key, bound to `realm` and to the listener's number.
    ///
    /// At most `capacity` used nonces are remembered (see [`MAX_NONCES`]).
    ///
    /// # Errors
    ///
    /// The operating system's random source could not be read.
    ///
    /// Source: RFC 7616 sections 5.4 and 5.5.
    pub fn new(realm: &str, listener: u64, lifetime: Duration, capacity: usize) -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0_u8; 64]);
        getrandom::fill(key.as_mut_slice())?;
        Ok(Self::with_key(&key, Keyed::random()?, (realm, listener), lifetime, capacity))
    }

    fn with_key(key: &[u8; 64], seeds: Keyed, (realm, listener): (&str, u64), lifetime: Duration, capacity: usize) -> Self {
        let mut mac = <Hmac<Sha256>>::new(key.into());
        mac.update(&(realm.len() as u64).to_be_bytes());
        mac.update(realm.as_bytes());
        mac.update(&listener.to_be_bytes());
        Self {
            mac,
            seeds,
            count: AtomicU64::new(0),
            lifetime,
            shard_capacity: capacity.div_ceil(SHARDS).max(1),
            shards: Default::default(),
        }
    }

    /// A nonce that was never issued before, good from `now` on.
    ///
    /// Source: RFC 7616 section 3.3.
    #[must_use]
    pub fn issue(&self, now: SystemTime) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let (high, _low) = halves(self.seeds.start("nonce seed").number(count).finish());
        let made = (milliseconds(now), high);
        let mut nonce = Vec::with_capacity(NONCE_BYTES);
        nonce.extend_from_slice(&stamp(made));
        nonce.extend_from_slice(&self.mac_of(made));
        STANDARD.encode(nonce)
    }

    /// Uses a count of a nonce once; to be called only when the digest is right.
    ///
    /// Source: RFC 7616 section 3.4 (nc: "if the same nc value is seen twice, then the request is a
    /// replay").
    #[must_use]
    pub fn admit(&self, nonce: &str, nc: u32, now: SystemTime) -> Standing {
        let Some((made, mac)) = parse(nonce) else { return Standing::Stale };
        let now_ms = milliseconds(now);
        if !self.is_current(made, now_ms) {
            return Standing::Stale;
        }
        let Some(shard) = self.shards.get(shard_of(made)) else { return Standing::Stale };
        let mut shard = shard.lock();
        if let Some(used) = shard.used.get_mut(&made) {
            return used.admit(mac, nc);
        }
        if !bool::from(self.mac_of(made).ct_eq(&mac)) {
            return Standing::Stale;
        }
        shard.forget_expired(now_ms.saturating_sub(duration_ms(self.lifetime)));
        if !shard.may_add(made, self.shard_capacity) {
            return Standing::Stale;
        }
        let mut counts = Window::default();
        counts.admit(nc);
        shard.used.insert(made, Used { mac, counts });
        Standing::Fresh
    }

    /// How many used nonces are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().used.len()).sum()
    }

    /// Source: RFC 7616 section 5.4: the time a nonce is good is limited.
    fn is_current(&self, (made_ms, _): Made, now_ms: u64) -> bool {
        made_ms <= now_ms.saturating_add(duration_ms(CLOCK_STEP)) && now_ms.saturating_sub(made_ms) <= duration_ms(self.lifetime)
    }

    fn mac_of(&self, made: Made) -> [u8; MAC_BYTES] {
        let mut mac = self.mac.clone();
        mac.update(&stamp(made));
        let whole = mac.finalize().into_bytes();
        let mut cut = [0; MAC_BYTES];
        for (to, from) in cut.iter_mut().zip(whole) {
            *to = from;
        }
        cut
    }
}

impl Used {
    /// Source: RFC 7616 section 3.4 (nc).
    fn admit(&mut self, mac: [u8; MAC_BYTES], nc: u32) -> Standing {
        if !bool::from(self.mac.ct_eq(&mac)) {
            return Standing::Stale;
        }
        if self.counts.admit(nc) { Standing::Fresh } else { Standing::Replayed }
    }
}

impl Shard {
    /// Forgets a few nonces that were made before `until_ms`; the time check refuses them anyway.
    fn forget_expired(&mut self, until_ms: u64) {
        for _ in 0..4 {
            match self.used.first_key_value() {
                Some((made, _)) if made.0 < until_ms => self.forget_oldest(),
                _ => return,
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((made, _)) = self.used.pop_first() {
            self.forgotten = self.forgotten.max(made);
        }
    }

    /// Is this nonce surely unused, and is there room for it?
    fn may_add(&mut self, made: Made, capacity: usize) -> bool {
        if self.used.len() >= capacity {
            self.forget_oldest();
        }
        made > self.forgotten
    }
}

impl Window {
    /// Marks a count; false if it is marked already or too far behind to tell.
    fn admit(&mut self, nc: u32) -> bool {
        if nc > self.highest {
            self.seen = self.seen.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let bit = 1_u128.checked_shl(self.highest - nc).unwrap_or(0);
        let is_new = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

/// The issue time, the seed and the MAC that a nonce carries, whoever made it.
fn parse(nonce: &str) -> Option<(Made, [u8; MAC_BYTES])> {
    let mut octets = [0_u8; NONCE_BYTES];
    if nonce.len() != NONCE_BYTES / 3 * 4 || STANDARD.decode_slice(nonce, &mut octets) != Ok(NONCE_BYTES) {
        return None;
    }
    let (stamped, mac) = octets.split_at_checked(TIME_BYTES + SEED_BYTES)?;
    let (time, seed) = stamped.split_at_checked(TIME_BYTES)?;
    Some(((number(time), number(seed)), mac.try_into().ok()?))
}

/// Time and seed as they stand in a nonce: six and eight octets, big-endian.
fn stamp((made_ms, seed): Made) -> [u8; TIME_BYTES + SEED_BYTES] {
    let whole = u128::from(made_ms) << 64 | u128::from(seed);
    let mut stamp = [0; TIME_BYTES + SEED_BYTES];
    for (to, from) in stamp.iter_mut().zip(whole.to_be_bytes().into_iter().skip(2)) {
        *to = from;
    }
    stamp
}

fn number(octets: &[u8]) -> u64 {
    octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet))
}

fn halves(whole: u128) -> (u64, u64) {
    ((whole >> 64) as u64, whole as u64)
}

fn shard_of((_, seed): Made) -> usize {
    (seed % SHARDS as u64) as usize
}

fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, duration_ms)
}

fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn nonces(capacity: usize) -> Nonces {
        Nonces::new("realm", 0, LIFETIME, capacity).unwrap()
    }

    #[test]
    fn n143_each_count_is_good_once() {
        let nonces = nonces(MAX_NONCES);
        let nonce = nonces.issue(now());
        for nc in [1, 2, 3, 200, 7000, u32::MAX] {
            assert_eq!(nonces.admit(&nonce, nc, now()), Standing::Fresh, "{nc}");
            assert_eq!(nonces.admit(&nonce, nc, now()), Standing::Replayed, "{nc}");
        }
    }

    #[test]
    fn t53_counts_out_of_order_over_parallel_connections_are_good_once_each() {
        let nonces = nonces(MAX_NONCES);
        let nonce = nonces.issue(now());
        for nc in [5, 3, 4, 1, 2, 128, 6] {
            assert_eq!(nonces.admit(&nonce, nc, now()), Standing::Fresh, "{nc}");
        }
        for nc in [5, 3, 4, 1, 2, 128, 6] {
            assert_eq!(nonces.admit(&nonce, nc, now()), Standing::Replayed, "{nc}");
        }
    }

    #[test]
    fn a_count_behind_the_window_is_refused() {
        let nonces = nonces(MAX_NONCES);
        let nonce = nonces.issue(now());
        assert_eq!(nonces.admit(&nonce, 1000, now()), Standing::Fresh);
        assert_eq!(nonces.admit(&nonce, 1000 - WINDOW + 1, now()), Standing::Fresh);
        assert_eq!(nonces.admit(&nonce, 1000 - WINDOW, now()), Standing::Replayed);
        assert_eq!(nonces.admit(&nonce, 1, now()), Standing::Replayed);
    }

    #[test]
    fn t52_a_count_presented_by_many_threads_at_once_is_good_for_one() {
        let nonces = nonces(MAX_NONCES);
        let nonce = nonces.issue(now());
        let good = AtomicUsize::new(0);
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    for nc in 1..=500 {
                        if nonces.admit(&nonce, nc, now()) == Standing::Fresh {
                            good.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
        });
        assert_eq!(good.load(Ordering::SeqCst), 500);
    }

    #[test]
    fn n151_a_nonce_expires() {
        let nonces = nonces(MAX_NONCES);
        let nonce = nonces.issue(now());
        assert_eq!(nonces.admit(&nonce, 1, now() + LIFETIME), Standing::Fresh);
        assert_eq!(nonces.admit(&nonce, 2, now() + LIFETIME + Duration::from_millis(1)), Standing::Stale);
    }

    #[test]
    fn n151_a_nonce_from_the_future_is_stale() {
        let nonces = nonces(MAX_NONCES);
        let nonce = nonces.issue(now() + Duration::from_secs(6));
        assert_eq!(nonces.admit(&nonce, 1, now()), Standing::Stale);
        assert_eq!(nonces.admit(&nonce, 1, now() + Duration::from_secs(1)), Standing::Fresh);
    }

    #[test]
    fn n151_a_nonce_is_bound_to_its_key_realm_and_listener_and_cannot_be_altered() {
        let own = nonces(MAX_NONCES);
        assert_eq!(own.admit(&nonces(MAX_NONCES).issue(now()), 1, now()), Standing::Stale);
        // With one key, so that only the binding differs.
        let seeds = Keyed::random().unwrap();
        let bound = |realm, listener| Nonces::with_key(&[7; 64], seeds, (realm, listener), LIFETIME, MAX_NONCES);
        assert_eq!(bound("realm", 0).admit(&bound("realm", 0).issue(now()), 1, now()), Standing::Fresh);
        for (realm, listener) in [("other", 0), ("realm", 1)] {
            assert_eq!(bound("realm", 0).admit(&bound(realm, listener).issue(now()), 1, now()), Standing::Stale);
        }
        let nonce = own.issue(now());
        let every_octet_counts = |nc| {
            for at in 0..nonce.len() {
                let mut altered = nonce.clone().into_bytes();
                altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
                assert_eq!(own.admit(std::str::from_utf8(&altered).unwrap(), nc, now()), Standing::Stale, "octet {at}");
            }
        };
        every_octet_counts(1);
        assert_eq!(own.admit(&nonce, 1, now()), Standing::Fresh);
        every_octet_counts(2);
        assert_eq!(own.admit(&nonce, 2, now()), Standing::Fresh, "an altered one has used no count");
        for text in ["", "A", "====", &"A".repeat(40), &"A".repeat(4000), "ä"] {
            assert_eq!(own.admit(text, 1, now()), Standing::Stale, "{text}");
        }
    }

    #[test]
    fn nonces_are_unique_and_issuing_costs_no_memory() {
        let nonces = nonces(MAX_NONCES);
        let issued: std::collections::HashSet<_> = (0..10_000).map(|_| nonces.issue(now())).collect();
        assert_eq!(issued.len(), 10_000);
        assert!(issued.iter().all(|nonce| nonce.len() == 40));
        assert_eq!(nonces.remembered(), 0);
    }

    #[test]
    fn a_full_table_makes_the_oldest_stale_and_never_admits_a_replay() {
        let nonces = nonces(64);
        let issued: Vec<_> = (0..1000).map(|i| (nonces.issue(now() + Duration::from_millis(i)), i)).collect();
        for (nonce, _) in &issued {
            assert_ne!(nonces.admit(nonce, 1, now() + Duration::from_secs(1)), Standing::Replayed);
        }
        assert!(nonces.remembered() <= 64);
        let again: Vec<_> = issued.iter().map(|(nonce, _)| nonces.admit(nonce, 1, now() + Duration::from_secs(1))).collect();
        assert!(again.iter().all(|standing| *standing != Standing::Fresh));
        assert!(again.contains(&Standing::Stale) && again.contains(&Standing::Replayed));
        assert_eq!(
            nonces.admit(&nonces.issue(now() + Duration::from_secs(2)), 1, now() + Duration::from_secs(2)),
            Standing::Fresh
        );
    }

    #[test]
    fn expired_nonces_leave_the_table() {
        let nonces = nonces(MAX_NONCES);
        for i in 0..200 {
            let _ = nonces.admit(&nonces.issue(now() + Duration::from_millis(i)), 1, now() + Duration::from_millis(i));
        }
        assert_eq!(nonces.remembered(), 200);
        let later = now() + LIFETIME * 2;
        for _ in 0..400 {
            let _ = nonces.admit(&nonces.issue(later), 1, later);
        }
        assert_eq!(nonces.remembered(), 400);
    }
}
