//! Flights: one fetch for many requests.
//!
//! The first request for a key leads. Others that come before its response head follow: they wait for it, a bounded time,
//! and each then decides for itself whether the response may answer it. Nobody inherits anything but a response: where the
//! leader fails or leaves, a follower leads; where the response is not for sharing, all go at once, each with its own
//! credentials, and the key is remembered for a while so that nobody waits for it again.
//!
//! RFC 9111 section 4 (requests may be satisfied by one response where it may be reused for each), section 4.3.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::HeaderName;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::entry::Head;
use super::key::{CacheKey, StoredKey};
use super::lookup::{Asked, Chosen};
use super::rules::partition::Partition;
use super::rules::{reuse, vary};
use super::store::memory::AlreadyHashed;
use super::store::transfer::TransferReader;
use super::store::{FilledBy, Transfer};
use crate::keyed::Keyed;
use crate::policy::CompiledPolicy;

/// How long a key whose response could not be shared is not waited for.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How many such keys are remembered; of two in one place the later stays.
const PLACES: usize = 4096;

/// All flights of one process.
pub struct Flights {
    aloft: Mutex<HashMap<u128, Arc<Flight>, AlreadyHashed>>,
    unshared: Box<[Mutex<Option<Unshared>>]>,
}

/// Flights at one time that the table has room for from the start; a small one is put in order again and again.
const USUAL_FLIGHTS: usize = 1024;

/// A group that is not waited for, and since when.
type Unshared = (u128, SystemTime);

/// Who flies together: a partition's requests for a key, or the requests of a key that its variants tell apart, or those that one validation serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    hash: u128,
    /// Whether the request carries credentials: what cannot be shared for one kind may be for the other.
    credentialed: bool,
}

/// One fetch that others wait for.
#[derive(Debug)]
pub struct Flight {
    key: StoredKey,
    credentialed: bool,
    /// Count of invalidations when it took off: what was invalidated since is not for who comes later.
    epoch: u64,
    state: Mutex<State>,
    /// Who waits; most flights end without anybody.
    waiting: Notify,
}

/// How far a flight is.
#[derive(Clone, Debug)]
pub enum State {
    /// No response head yet.
    Waiting,
    /// A storable response is on its way.
    Arriving(Arc<Arriving>),
    /// The stored response was confirmed.
    Confirmed(Arc<Confirmation>),
    /// The response is in the store already.
    Stored,
    /// There is nothing to share.
    Released,
    /// The leader failed or left.
    Abandoned,
}

/// A storable response whose content is still coming.
#[derive(Debug)]
pub struct Arriving {
    /// Its head, as it will be stored.
    pub head: Head,
    /// The fields that its `Vary` names.
    pub vary_names: Vec<HeaderName>,
    /// Fingerprint of those fields in the leader's request.
    pub variant: u128,
    /// Who filled it.
    pub filled_by: FilledBy,
    /// Among whose requests it is shared.
    pub partition: Partition,
    /// The content.
    pub transfer: Arc<Transfer>,
    /// Its length, if the origin stated it.
    pub length: Option<u64>,
}

/// A stored response that the origin confirmed.
#[derive(Clone, Debug)]
pub struct Confirmation {
    /// The stored response with the head that it has now.
    pub chosen: Chosen,
    /// The word of the deciding rule.
    pub detail: &'static str,
    /// The 304 came from another cache on the way.
    pub is_aged: bool,
    /// When it came.
    pub response_time: SystemTime,
}

/// What a request does about a flight.
pub enum Role {
    /// It fetches, and others may wait for it.
    Leader(Lead),
    /// It waits.
    Follower(Arc<Flight>),
    /// It goes by itself.
    Alone,
}

/// What an arriving response is worth to a request that waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It answers.
    Answers,
    /// It is for other requests of this key, by these nominated fields.
    OtherVariant,
    /// It may not answer without asking the origin.
    Nothing,
}

/// The leader's hold on its flight; dropped without a word, it hands over.
pub struct Lead {
    flights: Arc<Flights>,
    group: Group,
    flight: Arc<Flight>,
    /// Who comes now finds the flight.
    is_aloft: bool,
}

impl Flights {
    /// No flights yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let aloft = Mutex::new(HashMap::with_capacity_and_hasher(USUAL_FLIGHTS, AlreadyHashed));
        Arc::new(Self { aloft, unshared: (0..PLACES).map(|_| Mutex::default()).collect() })
    }

    /// Joins the flight of this group, or leads one if this request may lead.
    #[must_use]
    pub fn join(self: &Arc<Self>, group: Group, key: &CacheKey<'_>, may_lead: bool, (epoch, now): (u64, SystemTime)) -> Role {
        if self.is_unshared(group, now) {
            return Role::Alone;
        }
        let mut aloft = self.aloft.lock();
        if let Some(flight) = aloft.get(&group.hash) {
            return if flight.key.is_for(key) { Role::Follower(Arc::clone(flight)) } else { Role::Alone };
        }
        if !may_lead {
            return Role::Alone;
        }
        let flight = Arc::new(Flight {
            key: key.to_stored(),
            credentialed: group.credentialed,
            epoch,
            state: Mutex::new(State::Waiting),
            waiting: Notify::new(),
        });
        aloft.insert(group.hash, Arc::clone(&flight));
        Role::Leader(Lead { flights: Arc::clone(self), group, flight, is_aloft: true })
    }

    /// How many flights there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.aloft.lock().len()
    }

    fn is_unshared(&self, group: Group, now: SystemTime) -> bool {
        let Some(place) = self.place(group) else { return false };
        // A clock that went back makes nobody wait longer.
        place.lock().is_some_and(|(hash, since)| {
            hash == group.place() && now.duration_since(since).is_ok_and(|for_how_long| for_how_long < REMEMBERED)
        })
    }

    /// A response of this group was stored after all: it may be waited for again.
    pub fn note_shared(&self, group: Group) {
        let Some(place) = self.place(group) else { return };
        let mut known = place.lock();
        if known.is_some_and(|(hash, _)| hash == group.place()) {
            *known = None;
        }
    }

    fn note_unshared(&self, group: Group, now: SystemTime) {
        if let Some(place) = self.place(group) {
            *place.lock() = Some((group.place(), now));
        }
    }

    fn place(&self, group: Group) -> Option<&Mutex<Option<Unshared>>> {
        self.unshared.get(usize::try_from(group.hash % PLACES as u128).ok()?)
    }
}

impl Group {
    /// All requests of a partition for a key.
    #[must_use]
    pub fn of_key(key: &CacheKey<'_>, partition: Partition, credentialed: bool) -> Self {
        // Keyed hashes made for different purposes: no two pairs of them are likely to meet.
        Self { hash: key.hash() ^ partition.number(), credentialed }
    }

    /// Those requests for a key whose fields of these names are like this one's.
    ///
    /// Source: RFC 9111 section 4.1.
    #[must_use]
    pub fn of_variant(self, keyed: &Keyed, names: &[HeaderName], request: &HeaderMap, normalises: bool) -> Self {
        let fingerprint = vary::fingerprint(keyed, names, request, normalises);
        self.within(keyed, "flight of a variant", fingerprint)
    }

    /// Those requests for a key that one validation of this variant serves.
    ///
    /// Source: RFC 9111 section 4.3.
    #[must_use]
    pub fn of_validation(self, variant: u128, class: u128) -> Self {
        // Keyed hashes as well, and a class is never 0; turned, no variant stands for a class.
        Self { hash: self.hash ^ variant.rotate_left(64) ^ class, ..self }
    }

    /// The requests without credentials, when one with credentials led and its response is not for sharing.
    #[must_use]
    pub fn of_uncredentialed(self, keyed: &Keyed) -> Self {
        self.within(keyed, "flight without credentials", 0)
    }

    fn within(self, keyed: &Keyed, purpose: &'static str, part: u128) -> Self {
        let hash = keyed.start(purpose).part(&self.hash.to_be_bytes()).part(&part.to_be_bytes()).finish();
        Self { hash, ..self }
    }

    fn place(self) -> u128 {
        self.hash ^ u128::from(self.credentialed)
    }
}

impl Flight {
    /// Count of invalidations when it took off.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the leader's request carries credentials.
    #[must_use]
    pub fn is_credentialed(&self) -> bool {
        self.credentialed
    }

    fn end_waiting(&self, with: State) {
        let mut state = self.state.lock();
        if matches!(*state, State::Waiting) {
            *state = with;
            drop(state);
            self.waiting.notify_waiters();
        }
    }

    fn set(&self, to: State) {
        *self.state.lock() = to;
        self.waiting.notify_waiters();
    }

    /// Waits until there is more to say than [`State::Waiting`].
    pub async fn outcome(&self) -> State {
        loop {
            // Hears from here on, and so misses nothing that is said after the look.
            let heard = self.waiting.notified();
            let state = self.state.lock().clone();
            if !matches!(state, State::Waiting) {
                return state;
            }
            heard.await;
        }
    }
}

impl Lead {
    /// A storable response is on its way; who comes later finds it too until this hold is let go.
    pub fn arriving(&self, arriving: Arriving) {
        self.flights.note_shared(self.group);
        self.flight.set(State::Arriving(Arc::new(arriving)));
    }

    /// The stored response was confirmed to this request; `confirmation` is made if somebody waits for it.
    pub fn confirmed(self, confirmation: impl FnOnce() -> Confirmation) {
        self.say(|| State::Confirmed(Arc::new(confirmation())));
    }

    /// The response is in the store; who knows it as arriving already reads it from there.
    pub fn stored(mut self) {
        self.land();
        if self.is_followed() {
            self.flight.end_waiting(State::Stored);
        }
    }

    /// There is nothing to share; `tells_of_the_key` since now, if it is so for every request of this kind.
    pub fn release(self, tells_of_the_key: Option<SystemTime>) {
        if let Some(now) = tells_of_the_key {
            self.flights.note_unshared(self.group, now);
        }
        self.say(|| State::Released);
    }

    /// Who comes from now on does not find the flight; who waits hears this.
    fn say(mut self, state: impl FnOnce() -> State) {
        self.land();
        if self.is_followed() {
            self.flight.set(state());
        }
    }

    /// Whether anybody waits; once it has landed nobody joins.
    fn is_followed(&self) -> bool {
        Arc::strong_count(&self.flight) > 1
    }

    fn land(&mut self) {
        self.is_aloft = false;
        let mut aloft = self.flights.aloft.lock();
        if aloft.get(&self.group.hash).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight)) {
            aloft.remove(&self.group.hash);
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if self.is_aloft {
            self.land();
            self.flight.end_waiting(State::Abandoned);
        }
    }
}

impl Arriving {
    /// What is this response worth to a request that waited for it? The same decision as for a stored one.
    ///
    /// Source: RFC 9111 section 4.
    #[must_use]
    pub fn worth(&self, asked: &Asked<'_>, keyed: &Keyed, policy: &CompiledPolicy) -> Worth {
        if self.partition != asked.sight.partition || !self.head.named.is_for(asked.sight.named) {
            return Worth::Nothing;
        }
        let wanted = vary::fingerprint(keyed, &self.vary_names, asked.fields, policy.settings.vary_normalise);
        if wanted != self.variant {
            return Worth::OtherVariant;
        }
        match reuse::decide(&self.head, &asked.asker, policy) {
            reuse::Reuse::Fresh => Worth::Answers,
            _ => Worth::Nothing,
        }
    }

    /// The content from its beginning, unless some of it is gone.
    #[must_use]
    pub fn content(&self) -> Option<(TransferReader, Option<u64>)> {
        Some((self.transfer.late_reader()?, self.length))
    }
}

#[cfg(test)]
mod tests;
