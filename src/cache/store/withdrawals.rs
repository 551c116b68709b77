//! What the operator withdrew: stored responses that are dropped, or made stale, when they are looked up.
//!
//! Nothing is scanned: a withdrawal takes a number and is noted in a table, and an entry remembers the count when it was asked
//! for, so that a response on its way is withdrawn too. The table is bounded; what may be older than the first withdrawal
//! forgotten counts as withdrawn, which costs a fetch and never serves anything. What is withdrawn by its URI is looked up at
//! once and takes no room.
//!
//! RFC 9111 section 4.4 (to invalidate is to remove, or to mark as in need of validation).

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::stored::FilledBy;
use crate::cache::entry::Head;
use crate::cache::key::Located;
use crate::target::Target;

/// Tags, users and credentials that are remembered.
const MOST_NAMES: usize = 1 << 14;

/// Prefixes that are remembered; what was asked for before the latest withdrawal is held against all of them, once.
const MOST_PREFIXES: usize = 1 << 10;

/// What is withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawal {
    /// Everything.
    All,
    /// What requests of this credential class filled, by [`FilledBy::class`].
    Credential(u64),
    /// What is stored for URIs that begin with this one, of the same origin.
    Prefix(Target),
    /// What a verified user filled, by [`FilledBy::principal`].
    Principal(u64),
    /// What `Cache-Groups` or `Surrogate-Key` mark with this, whatever the origin.
    Tag(Box<str>),
    /// What is stored for this URI, in all its variants.
    Url(Target),
}

/// How it is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Manner {
    /// It goes.
    Dropped,
    /// It stays and is stale, until it is validated.
    Stale,
}

/// A stored response, or one that is on its way into the store.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The target URI.
    pub key: Located<'a>,
    /// Who filled it, and when they asked.
    pub filled_by: &'a [FilledBy],
    /// Its head.
    pub head: &'a Head,
}

impl Subject<'_> {
    /// Does its URI begin with this one? What a query rule keeps may stand for a URI that does: it is, where the path is the
    /// same and the query alone would tell.
    fn is_below(&self, prefix: &Target) -> bool {
        let is_ruled = self.head.named.rule.is_some();
        self.key.is_below(prefix) || is_ruled && prefix.query().is_some() && self.key.is_beside(prefix)
    }
}

impl Withdrawal {
    /// Is this one of those that are withdrawn?
    #[must_use]
    pub fn covers(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Credential(class) => subject.filled_by.iter().any(|by| by.class() == *class),
            Self::Prefix(target) => subject.is_below(target),
            Self::Principal(principal) => subject.filled_by.iter().any(|by| by.principal() == *principal),
            Self::Tag(tag) => subject.head.tags().any(|own| own == &**tag),
            Self::Url(target) => subject.key.is(target, &target.path_and_query),
        }
    }
}

/// All withdrawals of one process.
#[derive(Debug, Default)]
pub(super) struct Withdrawals {
    /// Who sees the number of the latest sees all of it.
    latest: AtomicU64,
    hasher: RandomState,
    table: RwLock<Table>,
}

impl Withdrawals {
    /// Notes a withdrawal of what was asked for before `number` was taken.
    pub(super) fn note(&self, what: &Withdrawal, manner: Manner, number: impl FnOnce() -> u64) {
        let mut table = self.table.write();
        let number = number();
        match what {
            Withdrawal::All => table.all.note(manner, number),
            Withdrawal::Credential(class) => table.note_name(self.person(*class), manner, number),
            Withdrawal::Prefix(target) => table.note_prefix(target, manner, number),
            Withdrawal::Principal(principal) => table.note_name(self.person(*principal), manner, number),
            Withdrawal::Tag(tag) => table.note_name(self.tag(tag), manner, number),
            // Done at the key itself.
            Withdrawal::Url(_) => {}
        }
        self.latest.store(number, Ordering::Release);
    }

    /// What became of this response by the withdrawals since it was asked for?
    ///
    /// Of where it is stored and who filled it, the time of the first request counts: a validation that was on its way brings
    /// nothing back. Of its tags, and of staleness, that of the last validation does.
    pub(super) fn of(&self, subject: &Subject<'_>) -> Option<Manner> {
        let head = subject.head;
        let latest = self.latest.load(Ordering::Acquire);
        if latest <= head.looked_at.number() {
            return None;
        }
        if self.reach(subject, Manner::Dropped) {
            return Some(Manner::Dropped);
        }
        if self.reach(subject, Manner::Stale) && !head.lifetime.duration.is_zero() {
            return Some(Manner::Stale);
        }
        head.looked_at.raise(latest);
        None
    }

    fn reach(&self, subject: &Subject<'_>, manner: Manner) -> bool {
        let table = self.table.read();
        let born = subject.head.born;
        let since = |asked| if manner == Manner::Dropped { asked } else { born };
        let first = since(subject.filled_by.iter().map(|by| by.asked).min().unwrap_or_default());
        let is_filler = |by: &FilledBy| {
            let since = since(by.asked);
            [by.class(), by.principal()].into_iter().any(|person| table.has_named(self.person(person), manner, since))
        };
        table.all.is_since(manner, first)
            || table.has_prefixed(subject, manner, first)
            || subject.filled_by.iter().any(is_filler)
            || subject.head.tags().any(|tag| table.has_named(self.tag(tag), manner, born))
    }

    fn tag(&self, tag: &str) -> u64 {
        self.hasher.hash_one(("tag", tag))
    }

    fn person(&self, person: u64) -> u64 {
        self.hasher.hash_one(("person", person))
    }
}

/// The numbers of the last withdrawals of one thing, 0 standing for none.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    dropped: u64,
    stale: u64,
}

impl Marks {
    fn of(&mut self, manner: Manner) -> &mut u64 {
        match manner {
            Manner::Dropped => &mut self.dropped,
            Manner::Stale => &mut self.stale,
        }
    }

    fn note(&mut self, manner: Manner, number: u64) {
        let known = self.of(manner);
        *known = number.max(*known);
    }

    fn is_since(mut self, manner: Manner, number: u64) -> bool {
        *self.of(manner) > number
    }
}

/// The latest withdrawals, and the number of the last one of each kind that is remembered no more.
#[derive(Debug, Default)]
struct Table {
    all: Marks,
    names: HashMap<(u64, Manner), u64>,
    names_in_order: VecDeque<(u64, Manner)>,
    forgotten_names: Marks,
    prefixes: VecDeque<(Target, Manner, u64)>,
    forgotten_prefixes: Marks,
}

impl Table {
    /// In the place of the same one, or of the oldest.
    fn note_name(&mut self, name: u64, manner: Manner, number: u64) {
        let key = (name, manner);
        if self.names.insert(key, number).is_some() {
            self.names_in_order.retain(|known| *known != key);
        }
        self.names_in_order.push_back(key);
        if self.names_in_order.len() > MOST_NAMES
            && let Some(oldest) = self.names_in_order.pop_front()
        {
            let number = self.names.remove(&oldest).unwrap_or_default();
            self.forgotten_names.note(oldest.1, number);
        }
    }

    fn has_named(&self, name: u64, manner: Manner, since: u64) -> bool {
        self.forgotten_names.is_since(manner, since) || self.names.get(&(name, manner)).is_some_and(|number| *number > since)
    }

    /// In the place of the same one, or of the oldest.
    fn note_prefix(&mut self, prefix: &Target, manner: Manner, number: u64) {
        self.prefixes.retain(|(known, how, _)| known != prefix || *how != manner);
        self.prefixes.push_back((prefix.clone(), manner, number));
        if self.prefixes.len() > MOST_PREFIXES
            && let Some((_, how, oldest)) = self.prefixes.pop_front()
        {
            self.forgotten_prefixes.note(how, oldest);
        }
    }

    fn has_prefixed(&self, subject: &Subject<'_>, manner: Manner, since: u64) -> bool {
        let covers = |(known, how, number): &(Target, Manner, u64)| *how == manner && *number > since && subject.is_below(known);
        self.forgotten_prefixes.is_since(manner, since) || self.prefixes.iter().any(covers)
    }
}

#[cfg(test)]
mod tests;
