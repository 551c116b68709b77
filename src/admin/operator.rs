//! What the operator may do with a running gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entries::{List, Listing};
use super::order::{Order, OrderError, name};
use crate::auth::grammar;
use crate::auth::revocations::{MOST_REVOKED, Revocations};
use crate::cache::store::{Memory, Withdrawal};
use crate::clock::Clock;
use crate::gateway::{Found, Health};
use crate::keyed::Keyed;
use crate::server::Control;

/// Sets the level of the program's log.
pub type SetLevel = Box<dyn Fn(&'static str) -> Result<(), String> + Send + Sync>;

/// The levels, least first.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The operator's hand on one process.
pub struct Operator {
    memory: Arc<Memory>,
    keyed: Keyed,
    clock: Clock,
    revocations: Arc<Revocations>,
    control: Option<Arc<Control>>,
    set_level: Option<SetLevel>,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Entries,
    Log,
    Purge,
    Reload,
    Revoke,
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The order is unclear.
    #[error("{0}")]
    Order(#[from] OrderError),
    /// It is clear and cannot be done now.
    #[error("{0}")]
    State(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revocation {
    principal: String,
    #[serde(default)]
    lift: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    level: String,
}

#[derive(Serialize)]
struct Revoked {
    /// The user is refused from now on.
    revoked: bool,
}

#[derive(Serialize)]
struct Changed {
    removed: Vec<String>,
    added: Vec<String>,
}

impl Action {
    /// The action at this path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/entries" => Some(Self::Entries),
            "/log" => Some(Self::Log),
            "/purge" => Some(Self::Purge),
            "/reload" => Some(Self::Reload),
            "/revoke" => Some(Self::Revoke),
            _ => None,
        }
    }
}

impl Operator {
    /// For this store, whose keys and people are hashed so, and for these revocations.
    #[must_use]
    pub fn new(memory: Arc<Memory>, keyed: Keyed, clock: Clock, revocations: Arc<Revocations>) -> Self {
        Self { memory, keyed, clock, revocations, control: None, set_level: None }
    }

    /// The same, for a server that can be reloaded, and a log whose level can be set.
    #[must_use]
    pub fn in_control(self, control: Arc<Control>, set_level: Option<SetLevel>) -> Self {
        Self { control: Some(control), set_level, ..self }
    }

    /// The state of servers and store, and the last refusals; none before the server runs.
    pub(super) fn health(&self) -> Option<Health> {
        self.control.as_ref().map(|control| control.health())
    }

    /// What is stored for a URI, and what it is worth now.
    ///
    /// # Errors
    ///
    /// What is wrong with the URI.
    pub(super) fn explain(&self, uri: &str) -> Result<Found, String> {
        self.control.as_ref().ok_or("the server is not running")?.explain(uri)
    }

    /// Does what the text of an order says, and gives back what is told of it: a JSON document.
    ///
    /// # Errors
    ///
    /// Why it is not done.
    pub(super) async fn perform(self: Arc<Self>, action: Action, text: Vec<u8>, client: SocketAddr) -> Result<Vec<u8>, Refusal> {
        if action == Action::Reload {
            return self.reload(client).await;
        }
        // Counting and listing look at everything stored.
        let done = tokio::task::spawn_blocking(move || match action {
            Action::Entries => self.list(&text, client),
            Action::Log => self.set_level(&text, client),
            Action::Purge | Action::Reload => self.withdraw(&text, client),
            Action::Revoke => self.revoke(&text, client),
        });
        done.await.map_err(|_| Refusal::State("failed".to_owned()))?
    }

    /// Withdraws stored responses, or counts them only.
    fn withdraw(&self, text: &[u8], client: SocketAddr) -> Result<Vec<u8>, Refusal> {
        let order = Order::parse(text, &self.keyed)?;
        let is_counted = order.is_dry_run || matches!(order.what, Withdrawal::Url(_));
        let count = is_counted.then(|| self.memory.count(&order.what, &self.keyed));
        if !order.is_dry_run {
            self.memory.withdraw(&order.what, order.manner, &self.keyed);
        }
        let (what, manner, host) = (order.word(), order.manner, order.host());
        tracing::info!(%client, what, ?manner, dry_run = order.is_dry_run, host, count, "operator withdrew stored responses");
        document(&order.report(count))
    }

    fn list(&self, text: &[u8], client: SocketAddr) -> Result<Vec<u8>, Refusal> {
        let Listing { prefix, limit } = Listing::parse(text)?;
        let (found, more) = self.memory.below(&prefix, limit);
        let list = List::of(&found, more, self.clock.now());
        tracing::info!(%client, host = prefix.authority(), count = list.count(), "operator listed stored responses");
        document(&list)
    }

    /// Refuses a user from now on, or no more.
    fn revoke(&self, text: &[u8], client: SocketAddr) -> Result<Vec<u8>, Refusal> {
        let Revocation { principal, lift } = serde_json::from_slice(text).map_err(OrderError::Revocation)?;
        let user = grammar::normalise(name("principal", &principal)?);
        if lift {
            self.revocations.lift(&user);
        } else if !self.revocations.revoke(&user) {
            return Err(Refusal::State(format!(
                "{MOST_REVOKED} users are revoked already; take users out of the password files"
            )));
        }
        tracing::info!(%client, lift, "operator revoked a user");
        document(&Revoked { revoked: !lift })
    }

    fn set_level(&self, text: &[u8], client: SocketAddr) -> Result<Vec<u8>, Refusal> {
        let written: Level = serde_json::from_slice(text).map_err(OrderError::Level)?;
        let level = LEVELS.into_iter().find(|level| *level == written.level).ok_or(OrderError::UnknownLevel)?;
        let set =
            self.set_level.as_ref().ok_or_else(|| Refusal::State("the log of this process was set up elsewhere".to_owned()))?;
        set(level).map_err(Refusal::State)?;
        // At the lowest level too: who reads the log must know why it says more or less from here.
        tracing::error!(%client, setting = level, "operator set the level of the log");
        document(&serde_json::json!({ "level": level }))
    }

    async fn reload(&self, client: SocketAddr) -> Result<Vec<u8>, Refusal> {
        let control = self.control.as_ref().ok_or_else(|| Refusal::State("this process cannot be reloaded".to_owned()))?;
        tracing::info!(%client, "operator asked for a reload");
        let changes = control.reload().await.map_err(Refusal::State)?;
        document(&Changed { removed: changes.removed, added: changes.added })
    }
}

fn document(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|_| Refusal::State("failed".to_owned()))
}
