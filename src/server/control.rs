//! Changing a running server: other settings in place of the old ones, all of them or none.
//!
//! What is read and made from the new settings is complete before anything changes. What is stored, in the air or held by a
//! client goes on; exchanges that have begun end under the settings that they began with.
//!
//! # Deviations
//!
//! - The admin listener, the size of the memory tier and the format of the program's log are what a process starts with: a
//!   reload that asks for others is refused and says so.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::Mutex;

use crate::access_log::Observer;
use crate::body::ReplyBody;
use crate::clock::Clock;
use crate::config::describe;
use crate::config::settings::Settings;
use crate::gateway::{Again, Found, Gateway, Health};
use crate::metrics::ReloadOutcome;
use crate::repeats::{Name, Repeatable, Written};

use super::connection::Connection;
use super::front::{Doors, Front, Handler};
use super::registry::Registry;

/// Reads the settings anew; an error is text for the operator.
pub type Source = Box<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// What is made from one configuration.
pub(super) struct Generation {
    pub(super) settings: Arc<Settings>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) observer: Arc<Observer>,
}

/// The operator's hold on a running server.
pub struct Control {
    clock: Clock,
    source: Option<Source>,
    admin: Option<SocketAddr>,
    current: ArcSwap<Generation>,
    /// None before the server runs and after it ended; one reload at a time.
    doors: Mutex<Option<Doors<Desk>>>,
}

/// A gateway as the listeners know it.
#[derive(Clone)]
struct Desk(Arc<Gateway>);

impl Handler for Desk {
    fn answer(
        self,
        connection: Arc<Connection>,
        listener: usize,
        request: Request<Option<Incoming>>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send + Unpin + 'static {
        self.0.handle(connection, listener, request)
    }

    fn again(&self, place: (&Connection, usize), head: &[u8], send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> Again {
        self.0.again(place, head, send)
    }

    fn keep(&self, name: Name, repeatable: Box<Repeatable>, written: Written) {
        self.0.keep(name, repeatable, written);
    }
}

/// What a reload changed, a line each: what is in force no more, and what is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Lines of `vouchsafe check` that hold no more.
    pub removed: Vec<String>,
    /// Lines of `vouchsafe check` that are new.
    pub added: Vec<String>,
}

impl Control {
    pub(super) fn new(first: Generation, clock: Clock, source: Option<Source>, admin: Option<SocketAddr>) -> Arc<Self> {
        Arc::new(Self { clock, source, admin, current: ArcSwap::from_pointee(first), doors: Mutex::new(None) })
    }

    /// What is in force.
    pub(super) fn generation(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Starts to accept.
    pub(super) async fn open(&self, front: Front) -> io::Result<Arc<Registry>> {
        let doors = front.open(&Desk(Arc::clone(&self.generation().gateway)))?;
        let registry = Arc::clone(doors.registry());
        *self.doors.lock().await = Some(doors);
        Ok(registry)
    }

    /// Stops accepting and drains.
    pub(super) async fn close(&self) {
        let doors = self.doors.lock().await.take();
        if let Some(doors) = doors {
            doors.close().await;
        }
    }

    /// The listeners' real addresses, in the order of the settings in force.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        self.doors.lock().await.as_ref().map(Doors::addresses).unwrap_or_default()
    }

    /// The state of servers and store, and the last refusals.
    #[must_use]
    pub fn health(&self) -> Health {
        self.generation().gateway.health()
    }

    /// What is stored for a URI, and what it is worth now.
    ///
    /// # Errors
    ///
    /// What is wrong with the URI.
    pub fn explain(&self, uri: &str) -> Result<Found, String> {
        self.generation().gateway.explain(uri)
    }

    /// Reads the configuration again, and password files, certificates and keys with it, and puts it in force.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; nothing has changed then.
    pub async fn reload(&self) -> Result<Reloaded, String> {
        let result = self.try_reload().await;
        let outcome = if result.is_ok() { ReloadOutcome::Applied } else { ReloadOutcome::Refused };
        self.generation().observer.metrics().reloaded(outcome, self.clock.now());
        match &result {
            Ok(changes) if changes.is_empty() => {
                tracing::info!("reloaded, no setting changed; users, certificates and keys were read again");
            }
            Ok(changes) => tracing::info!(removed = ?changes.removed, added = ?changes.added, "reloaded"),
            Err(why) => tracing::error!(%why, "not reloaded, the old configuration stays in force"),
        }
        result
    }

    async fn try_reload(&self) -> Result<Reloaded, String> {
        let mut place = self.doors.lock().await;
        let Some(doors) = place.as_mut() else { return Err("the server is not running".to_owned()) };
        let Some(source) = &self.source else {
            return Err("there is no configuration file to read: start with --config FILE".to_owned());
        };
        let settings = Arc::new(source()?);
        let old = self.generation();
        needs_no_restart(&old.settings, &settings)?;
        let metrics = Arc::new(old.observer.metrics().successor(&settings));
        let front = Front::bind_beside(&settings, Arc::clone(&metrics), doors).map_err(|error| error.to_string())?;
        let observer = old
            .observer
            .successor(&settings, metrics)
            .map_err(|error| format!("log.access: cannot open the access log: {error}"))?;
        let observer = Arc::new(observer);
        let own = [doors.addresses(), front.addresses(), self.admin.into_iter().collect()].concat();
        let gateway = old.gateway.successor(Arc::clone(&settings), Arc::clone(&observer), &own)?;
        doors.change(front, &Desk(Arc::clone(&gateway))).map_err(|error| format!("cannot listen: {error}"))?;
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let changes = Reloaded::between(&describe(&old.settings), &describe(&settings));
        self.current.store(Arc::new(Generation { settings, gateway, observer }));
        Ok(changes)
    }
}

/// Refuses what a process cannot change while it runs.
fn needs_no_restart(old: &Settings, new: &Settings) -> Result<(), String> {
    let mut wrong = Vec::new();
    if old.cache.memory_bytes != new.cache.memory_bytes {
        wrong.push(format!(
            "cache.memory: expected {} bytes as in force, found {}",
            old.cache.memory_bytes, new.cache.memory_bytes
        ));
    }
    if old.log.json != new.log.json {
        wrong.push("log.format: expected the format in force, found another".to_owned());
    }
    let admin = |settings: &Settings| settings.admin.as_ref().map(|admin| (admin.address, admin.token_file.clone()));
    if admin(old) != admin(new) {
        wrong.push("admin: expected the address and token_file in force, found others".to_owned());
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}; restart to change that", wrong.join("\n"))) }
}

impl Reloaded {
    fn between(old: &str, new: &str) -> Self {
        let missing = |from: &str, of: &str| {
            let mut rest: Vec<&str> = from.lines().map(str::trim).collect();
            let lines = of.lines().map(str::trim);
            // Lines are taken out one by one, so that one of two alike is noticed as well.
            lines
                .filter(|line| rest.iter().position(|other| other == line).map(|at| rest.swap_remove(at)).is_none())
                .map(str::to_owned)
                .collect()
        };
        Self { removed: missing(new, old), added: missing(old, new) }
    }

    /// Whether no setting changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.removed.iter().try_for_each(|line| writeln!(f, "- {line}"))?;
        self.added.iter().try_for_each(|line| writeln!(f, "+ {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_lines_of_what_is_in_force() {
        let changes = Reloaded::between("a\n  x 1\n  x 1\n  y 2\n", "a\n  x 1\n  y 3\n  z\n");
        assert_eq!(changes.to_string(), "- x 1\n- y 2\n+ y 3\n+ z\n");
        assert!(Reloaded::between("a\nb\n", "b\na\n").is_empty());
    }
}
