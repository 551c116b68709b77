use super::*;
use crate::access_log::Record;
use crate::cache::store::Memory;
use crate::cache::tests::{anonymous, permit};
use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::metrics::Metrics;

const NOON: Duration = Duration::from_secs(1_700_000_000);

fn at(seconds: f64) -> SystemTime {
    UNIX_EPOCH + NOON + Duration::from_secs_f64(seconds)
}

fn kept(bytes: Vec<u8>, from: f64, end: f64) -> Kept {
    static STANDING: std::sync::OnceLock<Standing> = std::sync::OnceLock::new();
    let standing = || Memory::new(1 << 20, Arc::new(Metrics::new(&Settings::default()))).standing(1);
    let basis = Basis {
        permit: permit("http://a.test/", "-"),
        key: 1,
        standing: *STANDING.get_or_init(standing),
        head: Arc::new(anonymous("max-age=60")),
        stored: Weak::new(),
        from: at(from),
        until: at(from + 1.0),
        end: at(end),
        after: After::Stay,
    };
    let record = Record::new(0, std::net::Ipv4Addr::LOCALHOST.into(), at(from), Clock::instant());
    Kept { repeatable: Box::new(Repeatable { basis, record: Box::new(record) }), hash: 1, bytes, is_long: false, seconds: None }
}

/// What the table says of a hash: the bytes of an answer, or in a word what is known.
fn look(table: &mut Table, light: u64, seconds: f64) -> String {
    match table.look(light, || 1, at(seconds)) {
        Known::Answer(kept) => String::from_utf8(kept.bytes.clone()).unwrap(),
        Known::Asked => "asked".to_owned(),
        Known::Nothing => "nothing".to_owned(),
    }
}

#[test]
fn what_is_asked_for_twice_within_a_second_is_worth_keeping() {
    let mut table = Table::default();
    assert_eq!(look(&mut table, 7, 0.1), "nothing");
    assert_eq!(look(&mut table, 7, 1.1), "nothing", "another second");
    assert_eq!(look(&mut table, 7, 1.2), "asked");
    table.keep(7, kept(b"seven".to_vec(), 1.2, 4.0), at(1.2));
    assert_eq!(look(&mut table, 7, 1.3), "seven");
    assert_eq!(look(&mut table, 7, 3.9), "seven");
    assert!(matches!(table.look(7, || 2, at(3.9)), Known::Nothing), "another head of the same light hash");
    assert_eq!(look(&mut table, 7, 1.1), "asked", "the clock was set back");
    assert_eq!(look(&mut table, 7, 4.0), "nothing", "its end");
    assert_eq!(look(&mut table, 7, 4.1), "asked");
}

#[test]
fn whoever_has_a_place_in_use_keeps_it() {
    let (mut table, beside, other) = (Table::default(), 6, 7 + PLACES as u64);
    for light in [7, beside] {
        look(&mut table, light, 0.0);
        table.keep(light, kept(if light == 7 { b"seven".to_vec() } else { b"six".to_vec() }, 0.0, 2.0), at(0.0));
    }
    assert_eq!(look(&mut table, beside, 0.1), "six");
    assert_eq!(look(&mut table, other, 0.1), "nothing");
    assert_eq!(look(&mut table, other, 0.2), "nothing", "it is not even noted");
    table.keep(other, kept(b"other".to_vec(), 0.2, 2.0), at(0.2));
    assert_eq!(look(&mut table, 7, 0.3), "seven");
    assert_eq!(look(&mut table, other, 2.1), "nothing");
    assert_eq!(look(&mut table, other, 2.2), "asked");
    assert_eq!(look(&mut table, 7, 2.3), "nothing", "another has its place, and one beside is free");
    assert_eq!(look(&mut table, other + 2 * PLACES as u64, 2.3), "nothing");
    table.keep(other, kept(b"late".to_vec(), 2.2, 4.0), at(2.3));
    assert_ne!(look(&mut table, other, 2.4), "late", "it lost the place before it was answered");
}

#[test]
fn what_is_forgotten_or_too_long_or_over_is_not_kept() {
    let mut table = Table::default();
    look(&mut table, 7, 0.0);
    table.keep(7, kept(vec![b'a'; LONGEST_BYTES + 1], 0.0, 2.0), at(0.0));
    assert_eq!(look(&mut table, 7, 0.1), "asked");
    table.keep(7, kept(b"over".to_vec(), 0.0, 2.0), at(2.0));
    assert_eq!(look(&mut table, 7, 0.2), "asked");
    table.keep(7, kept(b"seven".to_vec(), 0.0, 2.0), at(0.0));
    assert_eq!(look(&mut table, 7, 0.3), "seven");
    table.forget(7);
    assert_eq!((look(&mut table, 7, 0.3), table.bytes), ("asked".to_owned(), 0));
}

/// Bytes are bounded, what is over makes room, and what was replaced is not counted for ever.
#[test]
fn bytes_are_bounded() {
    let mut table = Table::default();
    let fits: usize = MOST_BYTES / (LONGEST_BYTES + BESIDE_BYTES);
    let fill = |table: &mut Table, from: f64| {
        for hash in 0..2 * fits as u64 {
            table.look(hash, || 1, at(from));
            table.keep(hash, kept(vec![b'a'; LONGEST_BYTES], from, from + 1.0), at(from));
            table.keep(hash, kept(vec![b'b'; LONGEST_BYTES], from, from + 1.0), at(from));
        }
    };
    fill(&mut table, 0.0);
    let count = |table: &Table| table.places.iter().filter(|place| place.kept.is_some()).count();
    assert_eq!((count(&table), table.bytes <= MOST_BYTES), (fits, true));
    fill(&mut table, 1.0);
    assert_eq!((count(&table), table.bytes <= MOST_BYTES), (fits, true));
    table.sweep(at(2.0));
    assert_eq!((count(&table), table.bytes), (0, 0));
}

#[test]
fn counts_of_seconds_may_grow_and_shrink_in_length() {
    let text = "HTTP/1.1 200 OK\r\nage: 9\r\nvia: x\r\ncache-status: vouchsafe; hit; ttl=100; detail=x\r\n\r\nage: 9";
    let mut kept = kept(text.as_bytes().to_vec(), 0.0, 9.0);
    let at = |word: &str, length: usize| text.find(word).map(|start| start + word.len()..start + word.len() + length).unwrap();
    kept.seconds = Some(Seconds { age: at("age: ", 1), ttl: at("ttl=", 3) });
    for (age, ttl) in [(10, 99), (11, 98), (100, 9), (8, 101)] {
        kept.count(age, ttl);
        let expected = text.replacen("age: 9", &format!("age: {age}"), 1).replace("ttl=100", &format!("ttl={ttl}"));
        assert_eq!(String::from_utf8_lossy(&kept.bytes), expected);
        assert_eq!(kept.repeatable.record.age, Some(age));
    }
}

/// An answer that has grown since gives back what it counted for when it came.
#[test]
fn what_an_answer_counts_for_does_not_change() {
    let mut table = Table::default();
    let head = b"age: 9\r\nttl=10";
    for _ in 0..2 {
        look(&mut table, 7, 0.0);
        let kept = Kept { seconds: Some(Seconds { age: 5..6, ttl: 12..14 }), ..kept(head.to_vec(), 0.0, 2.0) };
        table.keep(7, kept, at(0.0));
        let before = table.bytes;
        let Known::Answer(kept) = table.look(7, || 1, at(0.5)) else { panic!("it was kept") };
        kept.count(1_000_000, 1_000_000);
        assert_eq!((table.bytes, before), (before, head.len() + BESIDE_BYTES));
    }
    table.forget(7);
    assert_eq!(table.bytes, 0);
}

#[test]
fn an_offer_is_of_the_last_head_alone() {
    let repetition = Repetition::default();
    assert!(!repetition.is_wanted() && repetition.take().is_none());
    repetition.begin(true);
    assert!(repetition.is_wanted());
    repetition.offer(kept(Vec::new(), 0.0, 1.0).repeatable);
    assert!(repetition.take().is_some());
    assert!(repetition.take().is_none());
    repetition.offer(kept(Vec::new(), 0.0, 1.0).repeatable);
    repetition.begin(true);
    assert!(repetition.take().is_none(), "that was of another head");
    repetition.begin(false);
    assert!(!repetition.is_wanted());
}
