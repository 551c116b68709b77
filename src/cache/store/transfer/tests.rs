use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counter {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// One poll in a word: the chunk, `pending`, `end` or `broken`.
fn poll(reader: &mut TransferReader, waker: &Arc<Counter>) -> String {
    let waker = Waker::from(Arc::clone(waker));
    match reader.poll_chunk(&mut Context::from_waker(&waker)) {
        Poll::Ready(Some(Ok(chunk))) => String::from_utf8_lossy(&chunk).into_owned(),
        Poll::Ready(Some(Err(error))) => {
            assert!(error.is::<BrokenOff>());
            "broken".to_owned()
        }
        Poll::Ready(None) => "end".to_owned(),
        Poll::Pending => "pending".to_owned(),
    }
}

fn wants_more(transfer: &Transfer, waker: &Arc<Counter>) -> Option<bool> {
    let waker = Waker::from(Arc::clone(waker));
    match pin!(transfer.wants_more()).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(wanted) => Some(wanted),
        Poll::Pending => None,
    }
}

fn big() -> Bytes {
    Bytes::from(vec![b'x'; usize::try_from(WINDOW_BYTES).unwrap()])
}

#[test]
fn readers_follow_at_their_own_pace_and_all_see_everything() {
    let transfer = Transfer::new();
    let (mut fast, mut slow) = (transfer.reader(), transfer.reader());
    let (woken, idle) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    assert_eq!(poll(&mut fast, &woken), "pending");
    transfer.push("a".into());
    assert_eq!((woken.count(), idle.count()), (1, 0));
    assert_eq!((poll(&mut fast, &woken), poll(&mut fast, &woken)), ("a".into(), "pending".into()));
    transfer.push("b".into());
    transfer.complete();
    assert!(!fast.is_at_end(), "a chunk is left");
    assert_eq!([poll(&mut fast, &woken), poll(&mut fast, &woken)], ["b", "end"]);
    assert!(fast.is_at_end() && !slow.is_at_end());
    assert_eq!([poll(&mut slow, &idle), poll(&mut slow, &idle), poll(&mut slow, &idle)], ["a", "b", "end"]);
    assert_eq!(transfer.kept().unwrap(), ["a", "b"]);
    assert_eq!(transfer.received(), 2);
}

#[test]
fn a_reader_that_comes_late_sees_everything_as_long_as_all_is_kept() {
    let transfer = Transfer::new();
    transfer.push("a".into());
    let mut early = transfer.reader();
    let waker = Arc::new(Counter::default());
    assert_eq!(poll(&mut early, &waker), "a");
    transfer.complete();
    let mut late = transfer.reader();
    assert_eq!([poll(&mut late, &waker), poll(&mut late, &waker)], ["a", "end"]);
}

#[test]
fn a_reader_that_misses_the_beginning_is_not_given_the_rest_as_the_whole() {
    let transfer = Transfer::new();
    let mut early = transfer.reader();
    let waker = Arc::new(Counter::default());
    transfer.push("a".into());
    assert_eq!(poll(&mut early, &waker), "a");
    transfer.let_go();
    transfer.complete();
    let mut late = transfer.reader();
    assert_eq!((poll(&mut late, &waker), poll(&mut early, &waker)), ("broken".into(), "end".into()));
    assert!(!late.is_at_end());
}

#[test]
fn n048_what_broke_off_is_an_error_after_what_came_and_is_never_kept() {
    let transfer = Transfer::new();
    let mut reader = transfer.reader();
    let waker = Arc::new(Counter::default());
    transfer.push("a".into());
    assert_eq!([poll(&mut reader, &waker), poll(&mut reader, &waker)], ["a", "pending"]);
    transfer.push("b".into());
    transfer.break_off();
    assert_eq!(waker.count(), 1);
    assert_eq!([poll(&mut reader, &waker), poll(&mut reader, &waker), poll(&mut reader, &waker)], ["b", "broken", "broken"]);
    assert!(transfer.kept().is_none() && !reader.is_at_end());
    let mut late = transfer.reader();
    assert_ne!(poll(&mut late, &waker), "end");
}

#[test]
fn breaking_off_after_the_end_changes_nothing() {
    let transfer = Transfer::new();
    let mut reader = transfer.reader();
    let waker = Arc::new(Counter::default());
    transfer.push("a".into());
    transfer.complete();
    transfer.break_off();
    assert_eq!([poll(&mut reader, &waker), poll(&mut reader, &waker)], ["a", "end"]);
    assert_eq!(transfer.kept().unwrap(), ["a"]);
}

#[test]
fn what_is_kept_is_pulled_whoever_reads() {
    let transfer = Transfer::new();
    let waker = Arc::new(Counter::default());
    transfer.push(big());
    assert_eq!(wants_more(&transfer, &waker), Some(true), "a slow reader holds nobody up");
    drop(transfer.reader());
    transfer.push(big());
    assert_eq!(wants_more(&transfer, &waker), Some(true), "for the store alone");
}

#[test]
fn after_letting_go_the_slowest_reader_sets_the_pace() {
    let transfer = Transfer::new();
    let (mut fast, mut slow) = (transfer.reader(), transfer.reader());
    let (reading, pump) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    transfer.push(big());
    transfer.push("z".into());
    transfer.let_go();
    assert!(transfer.kept().is_none());
    assert_eq!(wants_more(&transfer, &pump), None);
    poll(&mut fast, &reading);
    assert_eq!((wants_more(&transfer, &pump), pump.count()), (None, 0), "the slow one still needs it");
    poll(&mut slow, &reading);
    assert_eq!((pump.count(), wants_more(&transfer, &pump)), (1, Some(true)));
    assert_eq!([poll(&mut fast, &reading), poll(&mut slow, &reading)], ["z", "z"]);
    assert_eq!(transfer.state.lock().held, 0, "passed chunks are let go");
}

#[test]
fn t32_a_reader_that_leaves_lets_go_of_what_only_it_held() {
    let transfer = Transfer::new();
    let (mut fast, slow) = (transfer.reader(), transfer.reader());
    let (reading, pump) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    transfer.let_go();
    transfer.push(big());
    poll(&mut fast, &reading);
    assert_eq!(wants_more(&transfer, &pump), None);
    drop(slow);
    assert_eq!((pump.count(), wants_more(&transfer, &pump)), (1, Some(true)));
    transfer.push(big());
    assert_eq!(wants_more(&transfer, &pump), None);
    drop(fast);
    assert_eq!((pump.count(), wants_more(&transfer, &pump)), (2, Some(false)), "nobody is left");
    assert_eq!(transfer.state.lock().held, 0);
}

#[test]
fn who_comes_in_the_place_of_one_who_left_begins_at_the_beginning() {
    let transfer = Transfer::new();
    let (mut first, mut second) = (transfer.reader(), transfer.reader());
    let (gone, woken) = (Arc::new(Counter::default()), Arc::new(Counter::default()));
    transfer.push("a".into());
    assert_eq!([poll(&mut first, &gone), poll(&mut first, &gone), poll(&mut second, &woken)], ["a", "pending", "a"]);
    drop(first);
    let mut third = transfer.late_reader().unwrap();
    assert_eq!(transfer.state.lock().readers.places.len(), 2);
    assert_eq!([poll(&mut third, &woken), poll(&mut third, &woken), poll(&mut second, &woken)], ["a", "pending", "pending"]);
    transfer.push("b".into());
    transfer.complete();
    assert_eq!((gone.count(), woken.count()), (0, 2));
    assert_eq!([poll(&mut third, &woken), poll(&mut second, &woken)], ["b", "b"]);
    assert!(third.is_at_end() && second.is_at_end());
}

#[test]
fn letting_go_in_the_middle_loses_nothing() {
    let transfer = Transfer::new();
    let (mut fast, mut slow) = (transfer.reader(), transfer.reader());
    let waker = Arc::new(Counter::default());
    for chunk in ["a", "b", "c"] {
        transfer.push(chunk.into());
    }
    assert_eq!([poll(&mut fast, &waker), poll(&mut fast, &waker)], ["a", "b"]);
    transfer.let_go();
    transfer.push("d".into());
    transfer.complete();
    assert_eq!(
        [poll(&mut slow, &waker), poll(&mut slow, &waker), poll(&mut slow, &waker), poll(&mut slow, &waker)],
        ["a", "b", "c", "d"]
    );
    assert_eq!([poll(&mut fast, &waker), poll(&mut fast, &waker), poll(&mut fast, &waker)], ["c", "d", "end"]);
}

#[test]
fn property_every_reader_sees_every_chunk_in_order_whatever_happens_between() {
    let mut random = crate::cache::tests::Random::new();
    for _ in 0..500 {
        let transfer = Transfer::new();
        let mut readers: Vec<_> = (0..1 + random.below(4)).map(|_| (transfer.reader(), 0_usize)).collect();
        let waker = Arc::new(Counter::default());
        let (mut pushed, total) = (0, 1 + random.below(30));
        let mut is_ended = false;
        while readers.iter().any(|(_, seen)| *seen < total) {
            match random.below(8) {
                0 => transfer.let_go(),
                1 if readers.len() > 1 => drop(readers.swap_remove(0)),
                2 | 3 if pushed < total => {
                    transfer.push(pushed.to_string().into());
                    pushed += 1;
                }
                4 if pushed == total && !is_ended => {
                    transfer.complete();
                    is_ended = true;
                }
                _ => {
                    let at = random.below(readers.len());
                    let (reader, seen) = &mut readers[at];
                    let word = poll(reader, &waker);
                    if *seen < pushed {
                        assert_eq!(word, seen.to_string());
                        *seen += 1;
                    } else {
                        assert_eq!(word, if is_ended { "end" } else { "pending" });
                    }
                }
            }
        }
    }
}
