//! Which of many configured rules may match a request, so that not every one of them is looked at.
//!
//! Every rule is filed once under what it names: users, places (hosts with paths) or client networks, whichever fewest other
//! rules name as well. A request finds the rules filed under its own user, host, path and address, and those that name nothing of
//! it. Whether one of them matches is still asked of the rule itself: the index leaves out what cannot match and decides nothing.
//! RFC 4291 section 2.5.5.2 (one spelling of an address).
//!
//! # Deviations
//!
//! none

mod places;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::settings::{HostPattern, PathPattern};
use crate::index::places::{Place, Places};
use crate::target::{Host, Target};

/// As many rules are walked faster than an index is asked.
const WALKED: usize = 8;

/// What a rule names of a request, as far as it is filed by it; an empty list is no condition.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named<'a> {
    /// User names.
    pub(crate) users: &'a [String],
    /// Client networks.
    pub(crate) networks: &'a [IpNet],
    /// Host patterns.
    pub(crate) hosts: &'a [HostPattern],
    /// Path patterns.
    pub(crate) paths: &'a [PathPattern],
}

impl<'a> Named<'a> {
    /// Hosts and paths alone.
    pub(crate) fn places(hosts: &'a [HostPattern], paths: &'a [PathPattern]) -> Self {
        Self { hosts, paths, ..Self::default() }
    }
}

/// What a request is, as far as rules are found by it.
#[derive(Debug)]
pub(crate) struct Asked<'a, R> {
    /// The name of its user.
    pub(crate) user: Option<&'a str>,
    /// Where it comes from, in canonical spelling.
    pub(crate) client: Option<IpAddr>,
    /// The host it is for.
    pub(crate) host: &'a Host,
    /// Every reading of its path that a rule may match; only called where rules name places.
    pub(crate) readings: R,
}

/// A request as far as rules are found by its target, with its path read as sent.
pub(crate) fn for_target<'a>(target: &'a Target) -> Asked<'a, impl FnOnce() -> std::iter::Once<Cow<'a, str>>> {
    Asked { user: None, client: None, host: &target.host, readings: || std::iter::once(Cow::Borrowed(target.path())) }
}

/// The numbers of rules, by what they name.
#[derive(Debug, Default)]
pub(crate) struct Index {
    count: usize,
    /// What names nothing that is filed by.
    always: Vec<usize>,
    users: HashMap<Box<str>, Vec<usize>>,
    places: Places,
    networks: HashMap<IpNet, Vec<usize>>,
    /// The lengths of those networks' prefixes, in bits.
    lengths: BTreeSet<u8>,
}

impl Index {
    /// Files rules in the order in which they are tried.
    pub(crate) fn new<'a>(rules: impl Iterator<Item = Named<'a>>) -> Self {
        let keys: Vec<Keys<'a>> = rules.map(Keys::of).collect();
        let mut index = Self { count: keys.len(), ..Self::default() };
        if index.count < WALKED {
            return index;
        }
        let (users, places, networks) =
            (tally(&keys, |one| &one.users), tally(&keys, |one| &one.places), tally(&keys, |one| &one.networks));
        for (at, one) in keys.iter().enumerate() {
            let loads = [load(&users, &one.users), load(&places, &one.places), load(&networks, &one.networks)];
            match (0..loads.len()).min_by_key(|kind| loads.get(*kind)) {
                Some(0) if !one.users.is_empty() => {
                    one.users.iter().for_each(|user| index.users.entry((*user).into()).or_default().push(at));
                }
                Some(1) if !one.places.is_empty() => one.places.iter().for_each(|place| index.places.add(place, at)),
                Some(2) if !one.networks.is_empty() => one.networks.iter().for_each(|network| index.add_network(*network, at)),
                _ => index.always.push(at),
            }
        }
        index.places.arrange();
        index
    }

    fn add_network(&mut self, network: IpNet, at: usize) {
        self.lengths.insert(network.prefix_len());
        self.networks.entry(network).or_default().push(at);
    }

    /// The first rule that matches, as a walk through all of them would find it.
    pub(crate) fn first<'a, I>(
        &self,
        asked: Asked<'a, impl FnOnce() -> I>,
        mut matches: impl FnMut(usize) -> bool,
    ) -> Option<usize>
    where
        I: Iterator<Item = Cow<'a, str>>,
    {
        if self.count < WALKED {
            return (0..self.count).find(|at| matches(*at));
        }
        let mut best = self.count;
        let mut among = |rules: &[usize]| {
            let found = rules.iter().copied().take_while(|at| *at < best).find(|at| matches(*at));
            best = found.unwrap_or(best);
        };
        if let Some(rules) = asked.user.and_then(|user| self.users.get(user)) {
            among(rules);
        }
        if !self.places.is_empty() {
            (asked.readings)().for_each(|path| self.places.visit(asked.host, &path, &mut among));
        }
        for rules in asked.client.iter().flat_map(|client| self.networks_of(*client)) {
            among(rules);
        }
        among(&self.always);
        (best < self.count).then_some(best)
    }

    fn networks_of(&self, client: IpAddr) -> impl Iterator<Item = &Vec<usize>> {
        self.lengths.iter().filter_map(move |length| self.networks.get(&IpNet::new(client, *length).ok()?.trunc()))
    }
}

/// What one rule can be filed under; of a kind without keys it names nothing.
#[derive(Debug)]
struct Keys<'a> {
    users: Vec<&'a str>,
    places: Vec<Place>,
    networks: Vec<IpNet>,
}

impl<'a> Keys<'a> {
    fn of(named: Named<'a>) -> Self {
        Self {
            users: distinct(named.users.iter().map(String::as_str)),
            places: places::of(named.hosts, named.paths),
            networks: distinct(named.networks.iter().map(IpNet::trunc)),
        }
    }
}

/// Each once, so that a rule is filed once under a key.
fn distinct<T: Clone + Eq + Hash>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut known = HashSet::new();
    all.filter(|one| known.insert(one.clone())).collect()
}

/// How many rules name each key.
fn tally<'k, 'a, K: Eq + Hash>(keys: &'k [Keys<'a>], of_kind: impl Fn(&'k Keys<'a>) -> &'k Vec<K>) -> HashMap<&'k K, usize> {
    let mut counts = HashMap::new();
    keys.iter().flat_map(of_kind).for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

/// With how many rules this one would share its fullest key; no keys share with all.
fn load<K: Eq + Hash>(counts: &HashMap<&K, usize>, keys: &[K]) -> usize {
    keys.iter().filter_map(|key| counts.get(key)).copied().max().unwrap_or(usize::MAX)
}
