//! Answers that are given again to the same request head, byte for byte, while nothing they rest on has changed.
//!
//! RFC 9111 section 4: whether a stored response answers is a function of the request, of what is stored, of the
//! configuration and of the time in whole seconds (section 5.1: `Age` counts these). Where all four are the same, so is the
//! answer, and it need not be worked out again; where only the second is another, the two numbers that count seconds are.
//! Nothing is kept that was not asked for twice within a second.
//!
//! A short answer is kept as it was written; of a long one the head is, and the content stays where it is stored, as long as it
//! is.
//!
//! A head is known by a keyed hash of all its bytes, credentials included, and is not kept itself; a lighter hash tells where
//! to look, so that what does not come again pays little. Of Digest credentials, which are others each time, the user is hashed,
//! and they are judged anew. The tables belong to threads: no thread waits for another, and none
//! writes what another reads.
//!
//! # Deviations
//!
//! - What is answered from here is not counted as a use of the entry when memory gets short; the ordinary way, which every
//!   head takes again after some seconds, counts.

use std::cell::{RefCell, RefMut};
use std::hash::{BuildHasher, Hash};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use thread_local::ThreadLocal;

use crate::access::Permit;
use crate::access_log::Record;
use crate::cache::entry::Head;
use crate::cache::store::{Standing, StoredResponse};

mod rest;
mod written;

pub use rest::{Rest, first_slices};
pub use written::Written;

/// Heads that one thread knows, 512 KiB.
const PLACES: usize = 1 << 14;
/// Bytes of answers that one thread keeps.
const MOST_BYTES: usize = 8 << 20;
/// The longest answer that is kept whole, head included: of longer ones the head is.
pub const LONGEST_BYTES: usize = 8 << 10;
/// The longest content that is given again: what is sent of more keeps a socket longer than the decision takes, and hyper sends
/// it in turns.
pub const LONGEST_CONTENT: u64 = 400 << 10;
/// What an answer takes beside its bytes, about.
const BESIDE_BYTES: usize = 512;
/// Where there is no room for so much, no answer is wanted.
const USUAL_BYTES: usize = 2 << 10;

/// What an answer rests on.
#[derive(Debug)]
pub struct Basis {
    /// Who was let through to what.
    pub permit: Permit,
    /// Hash of the key that it was stored under.
    pub key: u128,
    /// The standing of that key when it was looked up.
    pub standing: Standing,
    /// The head of what is stored.
    pub head: Arc<Head>,
    /// What is stored, if it still is.
    pub stored: Weak<StoredResponse>,
    /// When it was made.
    pub from: SystemTime,
    /// When its second is over.
    pub until: SystemTime,
    /// When it has to be made anew.
    pub end: SystemTime,
    /// What the request wants to become of the connection.
    pub after: After,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Other requests may follow.
    Stay,
    /// This was the last one (RFC 9112 section 9.6).
    Close,
}

impl Basis {
    /// Is this before its end? A clock that was set back makes it another time.
    fn is_timely(&self, now: SystemTime) -> bool {
        self.from <= now && now < self.end
    }
}

/// What is known of an answer that may be given again, before its bytes are.
#[derive(Debug)]
pub struct Repeatable {
    /// What it rests on.
    pub basis: Basis,
    /// What is recorded each time.
    pub record: Box<Record>,
}

/// An answer as it was written.
#[derive(Debug)]
pub struct Kept {
    /// What it rests on, and what is recorded.
    pub repeatable: Box<Repeatable>,
    /// What its head is known by.
    pub hash: u128,
    /// The head, and the content where that is not left to what is stored.
    pub bytes: Vec<u8>,
    /// Its content is all of what is stored.
    pub is_long: bool,
    /// Where the head counts seconds: the value of `Age`, and the number of `ttl` in `Cache-Status`.
    pub seconds: Option<Seconds>,
}

/// Where a head counts seconds, first the one that comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seconds {
    /// The digits of `Age`.
    pub age: Range<usize>,
    /// The digits of `ttl`, with their sign.
    pub ttl: Range<usize>,
}

impl Kept {
    /// Brings both counts up to date.
    pub fn count(&mut self, age: u64, ttl: i64) {
        let Some(Seconds { age: old_age, ttl: old_ttl }) = self.seconds.clone() else { return };
        let (mut age_text, mut ttl_text) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (age_text, ttl_text) = (age_text.format(age), ttl_text.format(ttl));
        // From behind, so that what is in front stays where it is.
        self.bytes.splice(old_ttl.clone(), ttl_text.bytes());
        self.bytes.splice(old_age.clone(), age_text.bytes());
        let ttl_start = old_ttl.start + age_text.len() - old_age.len();
        let place = old_age.start..old_age.start + age_text.len();
        self.seconds = Some(Seconds { age: place, ttl: ttl_start..ttl_start + ttl_text.len() });
        self.repeatable.record.age = Some(age);
    }

    /// The content that follows the bytes, if any does; none of either where what is stored is gone.
    #[must_use]
    pub fn content(&self) -> Option<Option<Arc<StoredResponse>>> {
        if self.is_long { self.repeatable.basis.stored.upgrade().map(Some) } else { Some(None) }
    }

    fn weight(&self) -> usize {
        self.bytes.len() + BESIDE_BYTES
    }
}

/// What is known of a head.
pub enum Known<'t> {
    /// An answer, which may have been overtaken by changes.
    Answer(&'t mut Kept),
    /// It was asked within this second; its answer is worth keeping.
    Asked,
    /// Nothing until now.
    Nothing,
}

/// The tables of all threads.
#[derive(Debug, Default)]
pub struct Repeats {
    tables: ThreadLocal<RefCell<Table>>,
    /// Random, so that nobody can aim at another's place.
    light: RandomState,
}

/// Whatever makes a head this head, for this gateway.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// Where it is looked for.
    pub light: u64,
    /// What it is known by.
    pub hash: u128,
}

/// One thread's table.
#[derive(Debug)]
pub struct Table {
    places: Box<[Place]>,
    bytes: usize,
    /// The second in which what is over was looked for last.
    swept: u64,
}

#[derive(Debug, Default)]
struct Place {
    light: u64,
    /// The second in which it was asked for last without an answer here.
    second: u64,
    kept: Option<Box<Kept>>,
    /// What the answer counted for when it came.
    weight: usize,
}

impl Place {
    /// Is there an answer that may be given now?
    fn is_in_use(&self, now: SystemTime) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.repeatable.basis.is_timely(now))
    }

    /// Gives up the answer; returns what it counted for.
    fn empty(&mut self) -> usize {
        self.kept = None;
        std::mem::take(&mut self.weight)
    }
}

impl Repeats {
    /// This thread's table; none while it is in use.
    pub fn table(&self) -> Option<RefMut<'_, Table>> {
        self.tables.get_or_default().try_borrow_mut().ok()
    }

    /// The light hash of what a head asks.
    pub fn light(&self, question: &impl Hash) -> u64 {
        self.light.hash_one(question)
    }
}

impl Default for Table {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| Place::default()).collect(), bytes: 0, swept: 0 }
    }
}

impl Table {
    /// What is known of the head with this light hash; that it was asked for is, from now on. `hash` tells what it is known
    /// by, if that is needed.
    pub fn look(&mut self, light: u64, hash: impl FnOnce() -> u128, now: SystemTime) -> Known<'_> {
        let second = second(now);
        let at = self.place_for(light, now);
        let Some(place) = self.places.get_mut(at) else { return Known::Nothing };
        if place.light != light {
            // Whoever is here and in use stays: two who took turns would both keep nothing.
            if !place.is_in_use(now) {
                self.bytes -= place.empty();
                (place.light, place.second) = (light, second);
            }
            return Known::Nothing;
        }
        if !place.is_in_use(now) {
            let was_asked = std::mem::replace(&mut place.second, second) == second;
            return if was_asked && self.has_room(USUAL_BYTES, now) { Known::Asked } else { Known::Nothing };
        }
        let kept = self.places.get_mut(at).and_then(|place| place.kept.as_deref_mut());
        kept.filter(|kept| kept.hash == hash()).map_or(Known::Nothing, Known::Answer)
    }

    /// Of the two places that a head may have, the one that it has, or else one that nobody uses.
    fn place_for(&self, light: u64, now: SystemTime) -> usize {
        let (first, second) = (place_of(light), place_of(light) ^ 1);
        let is_here = |at: usize| self.places.get(at).is_some_and(|place| place.light == light);
        let is_in_use = |at: usize| self.places.get(at).is_some_and(|place| place.is_in_use(now));
        if is_here(first) || !is_here(second) && !is_in_use(first) { first } else { second }
    }

    /// Keeps an answer if its head was asked for last in its place, and there is room.
    pub fn keep(&mut self, light: u64, kept: Kept, now: SystemTime) {
        if kept.bytes.len() > LONGEST_BYTES || !kept.repeatable.basis.is_timely(now) {
            return;
        }
        self.forget(light);
        let (weight, at) = (kept.weight(), self.place_for(light, now));
        let has_room = self.has_room(weight, now);
        if let Some(place) = self.places.get_mut(at).filter(|place| place.light == light && has_room) {
            self.bytes += weight;
            (place.kept, place.weight) = (Some(Box::new(kept)), weight);
        }
    }

    /// Forgets the answer to this head.
    pub fn forget(&mut self, light: u64) {
        for at in [place_of(light), place_of(light) ^ 1] {
            if let Some(place) = self.places.get_mut(at).filter(|place| place.light == light) {
                self.bytes -= place.empty();
            }
        }
    }

    /// Is there room for so much? What is over is looked for once a second at most: that takes its time.
    fn has_room(&mut self, bytes: usize, now: SystemTime) -> bool {
        if self.bytes + bytes > MOST_BYTES && self.swept != second(now) {
            self.swept = second(now);
            self.sweep(now);
        }
        self.bytes + bytes <= MOST_BYTES
    }

    /// Forgets what is over.
    fn sweep(&mut self, now: SystemTime) {
        for place in &mut self.places {
            if place.kept.is_some() && !place.is_in_use(now) {
                self.bytes -= place.empty();
            }
        }
    }
}

fn place_of(light: u64) -> usize {
    light as usize % PLACES
}

fn second(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs)
}

/// Between a connection's socket, which sees a head come again, and its exchange, which knows what the answer rests on.
#[derive(Debug, Default)]
pub struct Repetition {
    is_wanted: AtomicBool,
    offer: Mutex<Option<Box<Repeatable>>>,
}

impl Repetition {
    /// A head is handed over, and the answer to it is wanted or not; what was offered for another one is not that.
    pub fn begin(&self, is_wanted: bool) {
        // Nothing is offered that was not wanted.
        if self.is_wanted() {
            *self.offer.lock() = None;
        }
        self.is_wanted.store(is_wanted, Ordering::Relaxed);
    }

    /// Is the answer to this exchange's head wanted?
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }

    /// The answer of the exchange that ends now may be given again.
    pub fn offer(&self, repeatable: Box<Repeatable>) {
        *self.offer.lock() = Some(repeatable);
    }

    /// What was offered for the last head.
    pub fn take(&self) -> Option<Box<Repeatable>> {
        self.offer.lock().take()
    }
}

#[cfg(test)]
mod tests;
