//! Waiting for events: barriers, and bounds on every wait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// The longest any wait of the harness lasts before the test fails: only one that fails waits for so long, and a machine may be
/// slow, and busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Awaits `future`, and fails the test with the name of the wait if it takes longer than [`PATIENCE`].
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let outcome = timeout(PATIENCE, future).await;
    outcome.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for: {what}"))
}

/// Asks `probe` again and again until it succeeds; its errors say what was found instead, and the last one is told when
/// patience ends. For what is visible only from outside (a log file, a metric).
pub async fn eventually<T, F: Future<Output = Result<T, String>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    let mut found_instead = String::new();
    let asking = async {
        let mut ticks = interval(Duration::from_millis(2));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match probe().await {
                Ok(found) => return found,
                Err(instead) => found_instead = instead,
            }
        }
    };
    let outcome = timeout(PATIENCE, asking).await;
    outcome.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}, found {found_instead}"))
}

/// A barrier in a script: who comes to it waits until the test opens it. Clones are the same barrier.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Barrier>);

#[derive(Debug)]
struct Barrier {
    reached: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Gate {
    /// A closed barrier.
    pub fn new() -> Self {
        Self(Arc::new(Barrier { reached: watch::Sender::new(0), open: watch::Sender::new(false) }))
    }

    /// Waits until somebody stands at the barrier, or has passed it.
    pub async fn wait_reached(&self) {
        self.wait_reached_by(1).await;
    }

    /// Waits until the barrier was reached `times` times in all.
    pub async fn wait_reached_by(&self, times: usize) {
        let mut reached = self.0.reached.subscribe();
        within("a gate to be reached", reached.wait_for(|so_far| *so_far >= times)).await.expect("the gate lives");
    }

    /// How often the barrier was reached so far.
    pub fn reached(&self) -> usize {
        *self.0.reached.borrow()
    }

    /// Opens the barrier for good.
    pub fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Stands at the barrier until it is open; called by scripts.
    pub async fn pass(&self) {
        self.0.reached.send_modify(|so_far| *so_far += 1);
        within("a gate to be opened", self.0.open.subscribe().wait_for(|open| *open)).await.expect("the gate lives");
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
