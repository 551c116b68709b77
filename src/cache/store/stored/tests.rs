use super::*;
use crate::cache::rules::range::Span;
use crate::cache::tests::{anonymous, names, permit};
use crate::keyed::Keyed;

fn variant(number: u128) -> Arc<StoredResponse> {
    Arc::new(StoredResponse::new(anonymous("max-age=60"), names(&["accept"]), number, Content::default()))
}

fn key() -> StoredKey {
    crate::cache::tests::key(&permit("http://a.example:80/x", "-"), &Keyed::random().unwrap()).to_stored()
}

fn numbers(slot: &Slot) -> Vec<u128> {
    let mut numbers: Vec<u128> = slot.variants().iter().map(|stored| stored.variant()).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn an_equal_variant_is_replaced_and_others_stay() {
    let slot = Slot::new(key(), variant(1)).with(variant(2), 64);
    let newer = variant(1);
    let slot = slot.with(Arc::clone(&newer), 64);
    assert_eq!(numbers(&slot), [1, 2]);
    assert!(slot.variants().iter().any(|stored| Arc::ptr_eq(stored, &newer)));
    let other_names = Arc::new(StoredResponse::new(anonymous("max-age=60"), names(&["cookie"]), 1, Content::default()));
    assert_eq!(numbers(&slot.with(other_names, 64)), [1, 1, 2], "the same number of other fields is another variant");
}

#[test]
fn t12_of_too_many_variants_the_least_recently_used_goes() {
    let mut slot = Slot::new(key(), variant(0));
    for number in 1..=3 {
        let stored = variant(number);
        stored.touch(u64::try_from(number).unwrap());
        slot = slot.with(stored, 4);
    }
    slot.variants()[0].touch(9);
    slot = slot.with(variant(4), 4);
    assert_eq!(numbers(&slot), [0, 2, 3, 4]);
    assert_eq!(slot.with(variant(5), 0).variants().len(), 1, "there is always room for one");
}

#[test]
fn without_the_last_variant_nothing_is_left() {
    let (one, two) = (variant(1), variant(2));
    let slot = Slot::new(key(), Arc::clone(&one)).with(Arc::clone(&two), 64);
    let slot = slot.without(&one).unwrap();
    assert_eq!(numbers(&slot), [2]);
    assert_eq!(numbers(&slot.without(&one).unwrap()), [2]);
    assert!(slot.without(&two).is_none());
}

#[test]
fn n092_a_freshened_head_is_seen_by_all_who_hold_the_entry() {
    let stored = variant(1);
    let before = stored.head();
    stored.freshen(anonymous("max-age=99"));
    assert_eq!((before.lifetime.duration.as_secs(), stored.head().lifetime.duration.as_secs()), (60, 99));
}

#[test]
fn weight_counts_every_byte() {
    let content = |bytes| Content::new(vec![vec![0; bytes].into(), vec![0; bytes].into()]);
    let of =
        |bytes| Slot::new(key(), Arc::new(StoredResponse::new(anonymous("max-age=60"), Vec::new(), 0, content(bytes)))).weight();
    assert_eq!(of(1_000) - of(0), 2_000);
    assert!(of(0) > 400);
}

#[test]
fn d6_an_equal_variant_of_another_partition_stays() {
    let in_partition = |partition| Arc::new(Arc::into_inner(variant(1)).unwrap().within(partition));
    let (alice, bob) = (Partition::Credential(1), Partition::Credential(2));
    let first = in_partition(alice);
    let slot = Slot::new(key(), Arc::clone(&first)).with(in_partition(bob), 64).with(in_partition(Partition::Principal(1)), 64);
    assert_eq!(slot.variants().len(), 3);
    assert!(slot.variants_for(alice.into()).all(|stored| Arc::ptr_eq(stored, &first)));
    assert_eq!(slot.variants_for(Partition::Common.into()).count(), 0);
    let newer = in_partition(alice);
    let slot = slot.with(Arc::clone(&newer), 64);
    assert_eq!(slot.variants().len(), 3);
    assert!(slot.variants_for(alice.into()).all(|stored| Arc::ptr_eq(stored, &newer)));
}

#[test]
fn d6_parts_of_two_partitions_are_not_put_together() {
    let part = |first: u64, partition| {
        let span = Span { first, last: first + 4 };
        let content = Content::new(vec![vec![b'x'; 5].into()]);
        let whole = StoredResponse::new(anonymous("max-age=60"), Vec::new(), 0, content);
        Arc::new(whole.incomplete(StoredPart { span, complete: 10 }).within(partition))
    };
    let (alice, bob) = (Partition::Principal(1), Partition::Principal(2));
    let slot = Slot::new(key(), part(0, alice)).with(part(5, bob), 64);
    assert_eq!((slot.variants_for(alice.into()).count(), slot.variants_for(bob.into()).count()), (1, 1));
    let slot = slot.with(part(5, alice), 64);
    let joined: Vec<_> = slot.variants_for(alice.into()).collect();
    assert!(joined.len() == 1 && joined[0].part().is_none() && joined[0].content().length() == 10);
    assert!(slot.variants_for(bob.into()).all(|stored| stored.part().is_some()));
}

/// A response that two have filled, a part each, is both of theirs.
#[test]
fn d6_parts_put_together_remember_all_who_filled_them() {
    let by = |class: u128, asked| FilledBy { identity: Identity { class: class << 64, principal: 0 }, asked };
    let part = |first: u64, last: u64, by: FilledBy| {
        let content = Content::new(vec![vec![b'x'; usize::try_from(last - first).unwrap() + 1].into()]);
        let whole = StoredResponse::new(anonymous("max-age=60"), Vec::new(), 0, content);
        Arc::new(whole.incomplete(StoredPart { span: Span { first, last }, complete: 100 }).filled_by([by]))
    };
    let slot = Slot::new(key(), part(0, 4, by(1, 5))).with(part(5, 9, by(2, 7)), 64).with(part(10, 14, by(1, 9)), 64);
    assert_eq!((slot.variants().len(), slot.variants()[0].fillers()), (1, &[by(1, 5), by(2, 7)][..]));
    // Of too many, the newer part alone stays.
    let many = (0..20_u64).map(|number| part(number * 5, number * 5 + 4, by(u128::from(number), number)));
    let slot = many.fold(Slot::new(key(), part(0, 4, by(0, 0))), |slot, stored| slot.with(stored, 64));
    assert_eq!((slot.variants().len(), slot.variants()[0].fillers().len()), (1, 4));
}
