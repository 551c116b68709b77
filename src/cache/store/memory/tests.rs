use super::*;
use crate::access::Permit;
use crate::cache::entry::Head;
use crate::cache::rules::partition::Identity;
use crate::cache::store::{Content, FilledBy, Manner, Withdrawal};
use crate::cache::tests::{anonymous, key as cache_key, permit};
use crate::keyed::Keyed;

fn memory(capacity_bytes: u64) -> Memory {
    Memory::new(capacity_bytes, Arc::new(Metrics::new(&crate::config::settings::Settings::default())))
}

fn x() -> Permit {
    permit("http://a.example:80/x", "-")
}

fn response(bytes: usize, variant: u128) -> Arc<StoredResponse> {
    let content = Content::new(vec![vec![0; bytes].into()]);
    Arc::new(StoredResponse::new(anonymous("max-age=60"), Vec::new(), variant, content))
}

#[test]
fn n056_an_entry_is_found_under_its_key_and_no_other() {
    let (memory, keyed) = (memory(1 << 20), Keyed::random().unwrap());
    let (x, y) = (x(), permit("http://a.example:80/y", "-"));
    let (key, other) = (cache_key(&x, &keyed), cache_key(&y, &keyed));
    memory.insert(&key.to_stored(), &response(9, 0), 64, memory.epoch());
    assert!(memory.find(&key).is_some() && memory.find(&other).is_none());
}

#[test]
fn n058_variants_of_one_key_stay_beside_each_other() {
    let (memory, keyed, x) = (memory(1 << 20), Keyed::random().unwrap(), x());
    let key = cache_key(&x, &keyed);
    let (one, two) = (response(9, 1), response(9, 2));
    for stored in [&one, &two] {
        memory.insert(&key.to_stored(), stored, 64, memory.epoch());
    }
    assert_eq!(memory.find(&key).unwrap().variants().len(), 2);
    memory.remove(key.hash(), &one);
    memory.remove(key.hash(), &one);
    assert_eq!(memory.find(&key).unwrap().variants().len(), 1);
    memory.remove(key.hash(), &two);
    assert!(memory.find(&key).is_none());
}

#[test]
fn n094_invalidation_reaches_every_variant_and_whatever_is_on_its_way() {
    let (memory, keyed, x) = (memory(1 << 20), Keyed::random().unwrap(), x());
    let key = cache_key(&x, &keyed);
    let epoch = memory.epoch();
    memory.insert(&key.to_stored(), &response(9, 1), 64, epoch);
    memory.insert(&key.to_stored(), &response(9, 2), 64, epoch);
    memory.invalidate(key.hash(), epoch);
    assert!(memory.find(&key).is_none());
    memory.insert(&key.to_stored(), &response(9, 1), 64, epoch);
    assert!(memory.find(&key).is_none(), "fetched before the invalidation");
    memory.insert(&key.to_stored(), &response(9, 1), 64, memory.epoch());
    assert!(memory.find(&key).is_some());
    memory.insert(&key.to_stored(), &response(9, 2), 64, epoch);
    assert!(memory.find(&key).is_some(), "what was fetched since stays");
}

/// Whatever table notes invalidations, keys whose hashes agree in their lowest bits are likely to share a place in it.
#[test]
fn n094_an_invalidation_of_another_key_costs_nothing() {
    let (memory, keyed, x) = (memory(1 << 20), Keyed::random().unwrap(), x());
    let key = cache_key(&x, &keyed);
    memory.insert(&key.to_stored(), &response(9, 1), 64, memory.epoch());
    let epoch = memory.epoch();
    let others = (0..).map(|number| cache_key(&permit(&format!("http://a.example:80/{number}"), "-"), &keyed).hash());
    let neighbour = others.filter(|hash| hash % 4096 == key.hash() % 4096).find(|hash| *hash != key.hash());
    memory.invalidate(neighbour.unwrap(), epoch);
    memory.insert(&key.to_stored(), &response(9, 2), 64, epoch);
    assert_eq!(memory.find(&key).unwrap().variants().len(), 2);
}

#[test]
fn n094_no_fill_outlives_an_invalidation_that_races_it() {
    let (memory, keyed, x) = (memory(1 << 20), Keyed::random().unwrap(), x());
    let key = cache_key(&x, &keyed);
    for _ in 0..500 {
        let epoch = memory.epoch();
        let stored = response(9, 0);
        std::thread::scope(|scope| {
            scope.spawn(|| memory.insert(&key.to_stored(), &stored, 64, epoch));
            scope.spawn(|| memory.invalidate(key.hash(), epoch));
        });
        assert!(memory.find(&key).is_none());
    }
}

#[test]
fn the_bound_is_kept_while_filling() {
    let (memory, keyed) = (memory(8 << 20), Keyed::random().unwrap());
    for number in 0..64 {
        let permit = permit(&format!("http://a.example:80/{number}"), "-");
        let key = cache_key(&permit, &keyed);
        memory.insert(&key.to_stored(), &response(1 << 20, 0), 64, memory.epoch());
        assert!(memory.index.weighted_size() <= 8 << 20, "{}", memory.index.weighted_size());
    }
    memory.maintain();
    assert!(memory.index.entry_count() <= 8);
}

/// How many entries are gone for want of room since the start.
fn evicted(memory: &Memory) -> u64 {
    let text = memory.metrics.render();
    let line = text.lines().find(|line| line.starts_with("vouchsafe_cache_evictions_total") && line.contains("\"size\""));
    line.unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn insert(memory: &Memory, keyed: &Keyed, number: u32, bytes: usize) {
    let permit = permit(&format!("http://a.example:80/{number}"), "-");
    memory.insert(&cache_key(&permit, keyed).to_stored(), &response(bytes, 0), 64, memory.epoch());
}

#[test]
fn who_stores_something_evicts_a_few_at_a_time() {
    let (memory, keyed) = (memory(1 << 20), Keyed::random().unwrap());
    let mut before = 0;
    for number in 0..4_000 {
        insert(&memory, &keyed, number, 9);
        let now = evicted(&memory);
        assert!(now - before <= 16, "{} at once", now - before);
        before = now;
    }
    assert!(before > 0 && memory.index.weighted_size() <= 1 << 20);
}

#[test]
fn what_makes_many_go_is_evicted_by_another_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (memory, keyed) = (memory(1 << 20), Keyed::random().unwrap());
    for number in 0..2_000 {
        insert(&memory, &keyed, number, 9);
    }
    memory.maintain();
    let before = evicted(&memory);
    let (release, held) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        drop(tokio::task::spawn_blocking(move || held.recv()));
        insert(&memory, &keyed, 2_000, 200_000);
    });
    assert_eq!(evicted(&memory), before, "here");
    drop(release);
    // Waits for the other thread.
    drop(runtime);
    assert!(evicted(&memory) > before && memory.index.weighted_size() <= 1 << 20);
}

#[test]
fn x029_one_has_the_turn_and_nobody_after_a_change() {
    let (memory, keyed, x) = (memory(1 << 20), Keyed::random().unwrap(), x());
    let key = cache_key(&x, &keyed);
    let stored = response(9, 0);
    let head = stored.head();
    let turn = || memory.turn(&key, (&stored, &head));
    assert!(turn().is_none(), "not found");
    memory.insert(&key.to_stored(), &stored, 64, memory.epoch());
    let first = turn();
    assert!(first.is_some() && turn().is_none(), "one at a time");
    drop(first);
    assert!(turn().is_some(), "given back");
    let newer = stored.freshen(anonymous("max-age=60"));
    assert!(turn().is_none(), "decided on the head before");
    assert!(memory.turn(&key, (&stored, &newer)).is_some());
    memory.insert(&key.to_stored(), &response(9, 0), 64, memory.epoch());
    assert!(memory.turn(&key, (&stored, &newer)).is_none(), "another response has its place");
}

fn filled(asked: u64) -> Arc<StoredResponse> {
    let content = Content::new(vec![vec![0; 9].into()]);
    let identity = Identity { class: 1 << 64, principal: 2 << 64 };
    let head = Head { born: asked, ..anonymous("max-age=60") };
    let stored = StoredResponse::new(head, Vec::new(), 0, content);
    Arc::new(stored.filled_by([FilledBy { identity, asked }]))
}

#[test]
fn n094_what_was_withdrawn_on_its_way_takes_no_place() {
    for what in [Withdrawal::All, Withdrawal::Principal(2), Withdrawal::Credential(1)] {
        let (memory, keyed, x) = (memory(1 << 20), Keyed::random().unwrap(), x());
        let key = cache_key(&x, &keyed);
        memory.withdraw(&what, Manner::Dropped, &keyed);
        let newer = filled(memory.groups().count());
        memory.insert(&key.to_stored(), &newer, 64, memory.epoch());
        memory.insert(&key.to_stored(), &filled(0), 64, memory.epoch());
        let slot = memory.find(&key).expect("the newer one");
        assert!(slot.variants().iter().all(|stored| Arc::ptr_eq(stored, &newer)), "{what:?}");
        assert_eq!((memory.count(&what, &keyed), memory.count(&Withdrawal::Principal(1), &keyed)), (1, 0));
        memory.withdraw(&what, Manner::Dropped, &keyed);
        assert_eq!((memory.count(&what, &keyed), memory.find(&key).is_none()), (0, true), "{what:?}");
    }
}

#[test]
fn everything_that_is_withdrawn_gives_its_memory_back() {
    let (memory, keyed) = (memory(8 << 20), Keyed::random().unwrap());
    for number in 0..50 {
        let permit = permit(&format!("http://a.example:80/{number}"), "-");
        memory.insert(&cache_key(&permit, &keyed).to_stored(), &filled(0), 64, memory.epoch());
    }
    memory.withdraw(&Withdrawal::All, Manner::Stale, &keyed);
    memory.maintain();
    assert_eq!(memory.index.entry_count(), 50);
    memory.withdraw(&Withdrawal::All, Manner::Dropped, &keyed);
    memory.maintain();
    assert_eq!((memory.index.entry_count(), memory.index.weighted_size()), (0, 0));
}
