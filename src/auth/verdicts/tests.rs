//! One computation for all who wait, none for those who left, and what is remembered.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::UNIX_EPOCH;

use super::*;

const TTL: Duration = Duration::from_secs(60);

fn verdicts() -> Verdicts {
    Verdicts::new(TTL, MAX_VERDICTS, 2)
}

fn alice() -> Verdict {
    Verdict::Verified("alice".into())
}

/// Lets every task that can run do so.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn n010_a_verified_credential_is_remembered_for_its_time() {
    let verdicts = verdicts();
    assert_eq!(verdicts.recall(1, UNIX_EPOCH), None);
    assert_eq!(verdicts.verify(1, UNIX_EPOCH, alice).await, Some(alice()));
    assert_eq!(verdicts.recall(1, UNIX_EPOCH).as_deref(), Some("alice"));
    assert_eq!(verdicts.recall(1, UNIX_EPOCH + TTL - Duration::from_millis(1)).as_deref(), Some("alice"));
    assert_eq!(verdicts.recall(1, UNIX_EPOCH + TTL), None);
    assert_eq!(verdicts.recall(2, UNIX_EPOCH), None);
    assert_eq!(verdicts.in_flight(), 0);
}

#[tokio::test]
async fn n015_a_clock_set_back_does_not_prolong_a_verdict() {
    let verdicts = verdicts();
    verdicts.verify(1, UNIX_EPOCH + TTL, alice).await;
    assert_eq!(verdicts.recall(1, UNIX_EPOCH), None);
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let verdicts = verdicts();
    assert_eq!(verdicts.verify(1, UNIX_EPOCH, || Verdict::WrongPassword).await, Some(Verdict::WrongPassword));
    assert_eq!(verdicts.remembered(), 0);
    assert_eq!(verdicts.verify(1, UNIX_EPOCH, alice).await, Some(alice()));
}

#[tokio::test]
async fn concurrent_verifications_of_one_credential_are_one_computation() {
    let verdicts = verdicts();
    let computed = Arc::new(AtomicUsize::new(0));
    let (go, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let (verdicts, computed, gate) = (verdicts.clone(), Arc::clone(&computed), Arc::clone(&gate));
            tokio::spawn(async move {
                let work = move || {
                    computed.fetch_add(1, Ordering::SeqCst);
                    gate.lock().recv().ok();
                    alice()
                };
                verdicts.verify(7, UNIX_EPOCH, work).await
            })
        })
        .collect();
    settle().await;
    assert_eq!(verdicts.in_flight(), 1);
    drop(go);
    for task in waiting {
        assert_eq!(task.await.unwrap(), Some(alice()));
    }
    assert_eq!(computed.load(Ordering::SeqCst), 1);
    assert_eq!(verdicts.in_flight(), 0);
}

#[tokio::test]
async fn t52_verdicts_in_parallel_are_not_mixed_up() {
    let verdicts = verdicts();
    let tasks: Vec<_> = (0_u128..200)
        .map(|i| {
            let verdicts = verdicts.clone();
            let key = i % 20;
            let expected = if key.is_multiple_of(3) { Verdict::WrongPassword } else { Verdict::Verified(key.to_string().into()) };
            tokio::spawn(async move {
                let work = expected.clone();
                assert_eq!(verdicts.verify(key, UNIX_EPOCH, move || work).await, Some(expected), "{i}");
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn no_more_than_the_room_allows_are_computed_at_once_and_the_rest_waits() {
    let verdicts = verdicts();
    let (started, starts) = mpsc::channel();
    let (go, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let tasks: Vec<_> = (0..10)
        .map(|key| {
            let (verdicts, started, gate) = (verdicts.clone(), started.clone(), Arc::clone(&gate));
            let work = move || {
                started.send(()).unwrap();
                gate.lock().recv().ok();
                alice()
            };
            tokio::spawn(async move { verdicts.verify(key, UNIX_EPOCH, work).await })
        })
        .collect();
    settle().await;
    starts.recv().unwrap();
    starts.recv().unwrap();
    settle().await;
    assert!(starts.try_recv().is_err());
    assert_eq!(verdicts.in_flight(), 10);
    drop(go);
    for task in tasks {
        assert_eq!(task.await.unwrap(), Some(alice()));
    }
}

#[tokio::test]
async fn a_leader_that_leaves_does_not_take_the_followers_with_it() {
    let verdicts = verdicts();
    let (go, gate) = mpsc::channel::<()>();
    let leader = tokio::spawn({
        let verdicts = verdicts.clone();
        async move {
            let work = move || {
                gate.recv().ok();
                alice()
            };
            verdicts.verify(1, UNIX_EPOCH, work).await
        }
    });
    settle().await;
    let follower = tokio::spawn({
        let verdicts = verdicts.clone();
        async move { verdicts.verify(1, UNIX_EPOCH, || Verdict::WrongPassword).await }
    });
    settle().await;
    leader.abort();
    settle().await;
    drop(go);
    assert_eq!(follower.await.unwrap(), Some(alice()));
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_not_done() {
    let verdicts = Verdicts::new(TTL, 10, 1);
    let (go, gate) = mpsc::channel::<()>();
    let busy = tokio::spawn({
        let verdicts = verdicts.clone();
        let work = move || {
            gate.recv().ok();
            alice()
        };
        async move { verdicts.verify(1, UNIX_EPOCH, work).await }
    });
    settle().await;
    let gone = tokio::spawn({
        let verdicts = verdicts.clone();
        async move { verdicts.verify(2, UNIX_EPOCH, || panic!("computed for nobody")).await }
    });
    settle().await;
    assert_eq!(verdicts.in_flight(), 2);
    gone.abort();
    settle().await;
    assert_eq!(verdicts.in_flight(), 1);
    drop(go);
    assert_eq!(busy.await.unwrap(), Some(alice()));
}

#[tokio::test]
async fn a_panic_is_no_verdict_and_blocks_nobody() {
    let verdicts = verdicts();
    assert_eq!(verdicts.verify(1, UNIX_EPOCH, || panic!("expected by this test")).await, None);
    assert_eq!(verdicts.in_flight(), 0);
    assert_eq!(verdicts.verify(1, UNIX_EPOCH, alice).await, Some(alice()));
}

#[tokio::test]
async fn the_table_is_bounded() {
    let verdicts = Verdicts::new(TTL, 64, 2);
    for key in 0..1000_u128 {
        verdicts.verify(key << 64 | key, UNIX_EPOCH, alice).await;
    }
    assert!(verdicts.remembered() <= 64, "{}", verdicts.remembered());
    assert_eq!(verdicts.recall(999 << 64 | 999, UNIX_EPOCH).as_deref(), Some("alice"));
    assert_eq!(format!("{verdicts:?}"), "Verdicts(***)");
}
