//! Under which URIs something may be stored for a target: what changes or withdraws a resource has to find all of it.
//!
//! Every query rule under which this process has made keys is remembered, whatever policy it belongs to and whether a reload
//! took it away since: what is reached too much costs a fetch, what is reached too little would be served.
//!
//! RFC 9111 section 4.4.

use std::borrow::Cow;

use parking_lot::RwLock;

use super::memory::Memory;
use super::withdrawals::{Manner, Withdrawal};
use crate::cache::rules::query::QueryRule;
use crate::keyed::Keyed;
use crate::target::Target;

/// Rules that are remembered; then everything stored goes, and those alone are that are in force.
const MOST_RULES: usize = 256;

/// The rules, without the one that changes nothing.
#[derive(Debug, Default)]
pub(super) struct Spellings(RwLock<Vec<QueryRule>>);

impl Spellings {
    /// Adds what is not known; false where there are too many now, and only these are known.
    fn learn<'r>(&self, rules: impl Iterator<Item = &'r QueryRule> + Clone) -> bool {
        let mut known = self.0.write();
        let has_room = add(&mut known, rules.clone());
        if !has_room {
            known.clear();
            add(&mut known, rules);
        }
        has_room
    }

    /// This path and query first, then each other one that a rule makes of it.
    fn of<'t>(&self, path_and_query: &'t str) -> Vec<Cow<'t, str>> {
        let mut all = vec![Cow::Borrowed(path_and_query)];
        for rule in &*self.0.read() {
            if let Some(other) = rule.key_of(path_and_query)
                && !all.iter().any(|known| **known == *other)
            {
                all.push(Cow::Owned(other.into()));
            }
        }
        all
    }
}

fn add<'r>(known: &mut Vec<QueryRule>, rules: impl Iterator<Item = &'r QueryRule>) -> bool {
    for rule in rules.filter(|rule| rule.mark().is_some()) {
        if !known.contains(rule) {
            known.push(rule.clone());
        }
    }
    known.len() <= MOST_RULES
}

impl Memory {
    /// Keys are made by these rules from now on.
    pub fn learn<'r>(&self, rules: impl Iterator<Item = &'r QueryRule> + Clone, keyed: &Keyed) {
        if !self.spellings.learn(rules) {
            tracing::warn!("more than {MOST_RULES} query rules since the start, dropping everything stored");
            self.withdraw(&Withdrawal::All, Manner::Dropped, keyed);
        }
    }

    /// Every path and query of the target's origin under which something may be stored for it.
    pub(super) fn key_paths<'t>(&self, target: &'t Target) -> Vec<Cow<'t, str>> {
        self.spellings.of(&target.path_and_query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::rules::query::{Form, Parameter};

    fn dropping(name: &str) -> QueryRule {
        QueryRule::new(Form::Drop(vec![Parameter::parse(name).unwrap()]))
    }

    #[test]
    fn n094_what_a_target_is_kept_under_is_known_after_the_rule_is_gone() {
        let spellings = Spellings::default();
        assert_eq!(spellings.of("/x?b&a"), ["/x?b&a"]);
        let all = [QueryRule::default(), QueryRule::new(Form::Sorted), dropping("b")];
        assert!(spellings.learn(all.iter()) && spellings.learn([dropping("a"), dropping("c")].iter()));
        assert_eq!(spellings.of("/x?b&a"), ["/x?b&a", "/x?a&b", "/x?a", "/x?b"]);
        assert_eq!(spellings.of("/x"), ["/x"]);
    }

    #[test]
    fn rules_are_bounded_and_the_ones_in_force_stay() {
        let spellings = Spellings::default();
        for number in 0..MOST_RULES {
            assert!(spellings.learn([dropping(&format!("p{number}"))].iter()));
        }
        assert!(spellings.learn([dropping("p0")].iter()), "it is known");
        assert!(!spellings.learn([dropping("p0"), dropping("another")].iter()));
        assert_eq!(spellings.of("/x?p0&p1&another"), ["/x?p0&p1&another", "/x?p1&another", "/x?p0&p1"]);
    }
}
