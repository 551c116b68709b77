use super::*;
use crate::cache::entry::LookedAt;
use crate::cache::rules::freshness::Lifetime;
use crate::cache::rules::partition::Identity;
use crate::cache::tests::{anonymous, entry, secs};
use crate::target::parse_uri;

/// A table, and the count that is shared with group invalidations.
struct Table {
    all: Withdrawals,
    count: AtomicU64,
}

impl Table {
    fn new() -> Self {
        Self { all: Withdrawals::default(), count: AtomicU64::new(0) }
    }

    fn note(&self, what: &Withdrawal, manner: Manner) {
        self.all.note(what, manner, || self.count.fetch_add(1, Ordering::SeqCst) + 1);
    }

    fn now(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn of(&self, url: &str, by: &[FilledBy], head: &Head) -> Option<Manner> {
        let target = parse_uri(url).unwrap();
        self.all.of(&Subject { key: Located::of(&target), filled_by: by, head })
    }
}

fn by(class: u64, principal: u64, asked: u64) -> FilledBy {
    FilledBy { identity: Identity { class: u128::from(class) << 64, principal: u128::from(principal) << 64 }, asked }
}

fn born(head: Head, number: u64) -> Head {
    Head { born: number, ..head }
}

const URL: &str = "http://a.example/news/1?page=2";

fn tagged() -> Head {
    entry(&[], &[("cache-control", "max-age=60"), ("surrogate-key", "red blue"), ("cache-groups", "\"green\"")])
}

#[test]
fn each_kind_reaches_what_it_names_and_nothing_else() {
    let prefix = |text: &str| Withdrawal::Prefix(parse_uri(text).unwrap());
    let tag = |text: &str| Withdrawal::Tag(text.into());
    for (what, expected) in [
        (Withdrawal::All, true),
        (Withdrawal::Credential(7), true),
        (Withdrawal::Credential(5), false),
        (Withdrawal::Principal(9), true),
        (Withdrawal::Principal(5), false),
        (prefix("http://a.example"), true),
        (prefix("http://A.example:80/news"), true),
        (prefix("http://a.example/news/1?page=2"), true),
        (prefix("http://a.example/news/1?page=22"), false),
        (prefix("http://a.example/New"), false),
        (prefix("https://a.example/news"), false),
        (prefix("http://a.example:81/news"), false),
        (prefix("http://b.example/"), false),
        (tag("red"), true),
        (tag("blue"), true),
        (tag("green"), true),
        (tag("re"), false),
        (tag("Red"), false),
    ] {
        for manner in [Manner::Dropped, Manner::Stale] {
            let table = Table::new();
            let (fillers, head) = ([by(7, 9, 0)], tagged());
            table.note(&what, manner);
            assert_eq!(table.of(URL, &fillers, &head), expected.then_some(manner), "{what:?}");
            let target = parse_uri(URL).unwrap();
            assert_eq!(what.covers(&Subject { key: Located::of(&target), filled_by: &fillers, head: &head }), expected);
        }
    }
}

#[test]
fn what_is_asked_for_afterwards_is_not_withdrawn() {
    for what in
        [Withdrawal::All, Withdrawal::Principal(9), Withdrawal::Prefix(parse_uri(URL).unwrap()), Withdrawal::Tag("red".into())]
    {
        for manner in [Manner::Dropped, Manner::Stale] {
            let table = Table::new();
            table.note(&Withdrawal::Tag("another".into()), manner);
            let before = table.now();
            table.note(&what, manner);
            let since = table.now();
            assert_eq!(table.of(URL, &[by(7, 9, since)], &born(tagged(), since)), None, "{what:?}");
            assert_eq!(table.of(URL, &[by(7, 9, before)], &born(tagged(), before)), Some(manner), "{what:?}");
        }
    }
}

/// A validation by somebody else changes neither who filled a response nor when; it ends staleness.
#[test]
fn a_validation_brings_nothing_back_that_was_dropped() {
    for (what, manner, expected) in [
        (Withdrawal::All, Manner::Dropped, Some(Manner::Dropped)),
        (Withdrawal::Principal(9), Manner::Dropped, Some(Manner::Dropped)),
        (Withdrawal::Prefix(parse_uri(URL).unwrap()), Manner::Dropped, Some(Manner::Dropped)),
        (Withdrawal::All, Manner::Stale, None),
        (Withdrawal::Principal(9), Manner::Stale, None),
        (Withdrawal::Prefix(parse_uri(URL).unwrap()), Manner::Stale, None),
        // What a response is tagged with is what the validation says.
        (Withdrawal::Tag("red".into()), Manner::Dropped, None),
        (Withdrawal::Tag("red".into()), Manner::Stale, None),
    ] {
        let table = Table::new();
        table.note(&what, manner);
        assert_eq!(table.of(URL, &[by(7, 9, 0)], &born(tagged(), table.now())), expected, "{what:?} {manner:?}");
    }
}

#[test]
fn of_several_who_filled_it_each_counts() {
    let table = Table::new();
    table.note(&Withdrawal::Principal(2), Manner::Dropped);
    let since = table.now();
    let head = || born(anonymous("max-age=60"), since);
    assert_eq!(table.of(URL, &[by(1, 1, 0), by(1, 2, 0)], &head()), Some(Manner::Dropped));
    assert_eq!(table.of(URL, &[by(1, 1, 0), by(1, 2, since)], &head()), None);
    table.note(&Withdrawal::All, Manner::Dropped);
    assert_eq!(table.of(URL, &[by(1, 1, 0), by(1, 3, table.now())], &head()), Some(Manner::Dropped), "one part is older");
    assert_eq!(table.of(URL, &[], &head()), Some(Manner::Dropped), "nobody knows when");
}

#[test]
fn what_is_stale_already_is_left() {
    let table = Table::new();
    table.note(&Withdrawal::All, Manner::Stale);
    let head = tagged();
    let stale = Head { lifetime: Lifetime { duration: secs(0), ..head.lifetime }, ..head.clone() };
    assert_eq!((table.of(URL, &[], &head), table.of(URL, &[], &stale)), (Some(Manner::Stale), None));
    assert_eq!((head.looked_at.number(), stale.looked_at.number()), (0, 1), "held against the tables once");
    assert_eq!(LookedAt::clone(&stale.looked_at).number(), 0, "another head, another look");
}

#[test]
fn a_prefix_that_is_forgotten_counts_for_everything_older() {
    let table = Table::new();
    let prefix = |number: usize| Withdrawal::Prefix(parse_uri(&format!("http://b.example/{number}/")).unwrap());
    for number in 0..MOST_PREFIXES {
        table.note(&prefix(number), Manner::Dropped);
        table.note(&prefix(number), Manner::Dropped);
    }
    let head = || born(tagged(), 0);
    assert_eq!(table.of(URL, &[by(1, 1, 0)], &head()), None, "nothing is forgotten while there is room");
    table.note(&prefix(MOST_PREFIXES), Manner::Dropped);
    assert_eq!(table.of(URL, &[by(1, 1, 1)], &head()), Some(Manner::Dropped));
    assert_eq!(table.of(URL, &[by(1, 1, 2)], &head()), None, "asked for after the forgotten one");
    assert_eq!(table.of("http://b.example/5/x", &[by(1, 1, 2)], &head()), Some(Manner::Dropped));
}

#[test]
fn a_name_that_is_forgotten_counts_for_everything_older() {
    let table = Table::new();
    for number in 0..MOST_NAMES {
        table.note(&Withdrawal::Tag(number.to_string().into()), Manner::Dropped);
    }
    table.note(&Withdrawal::Tag("0".into()), Manner::Dropped);
    assert_eq!(table.of(URL, &[by(1, 1, 0)], &born(tagged(), 0)), None, "nothing is forgotten while there is room");
    table.note(&Withdrawal::Principal(77), Manner::Dropped);
    assert_eq!(table.of(URL, &[by(1, 1, 0)], &born(tagged(), 0)), Some(Manner::Dropped));
    assert_eq!(table.of(URL, &[by(1, 1, 0)], &born(anonymous("max-age=60"), 5)), Some(Manner::Dropped), "asked for before");
    assert_eq!(table.of(URL, &[by(1, 1, 2)], &born(tagged(), 2)), None, "asked for after the forgotten one");
    assert_eq!(table.of(URL, &[by(1, 77, 2)], &born(tagged(), 2)), Some(Manner::Dropped));
}
