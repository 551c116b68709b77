//! From socket to request head: accept, TLS, limits, drain.
//!
//! RFC 9112 section 9 (connection management). Every bound is finite: time until a request head is
//! complete, time between requests, time without progress, connections of one address, time to
//! drain. A hit pays for none of them: a sweep once a second looks at all connections
//! (`watch`, `registry`). An idle connection keeps no buffer (`rest`).
//!
//! # Deviations
//!
//! - see `connection`

mod again;
mod connection;
mod control;
mod error;
mod front;
mod handover;
mod listen;
mod plain;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod registry;
mod rest;
#[cfg(test)]
pub(crate) mod sample;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod watch;
mod wire;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::access_log::Observer;
use crate::admin::{Admin, SetLevel};
use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::gateway::Gateway;
use crate::keyed::Keyed;
use crate::metrics::Metrics;
pub use connection::Connection;
use control::Generation;
pub use control::{Control, Reloaded, Source};
pub use error::StartError;
use front::Front;
pub use handover::{Handover, Place, Released, Socket};
pub(crate) use listen::{Bound, Listening};

/// A gateway with all its sockets bound, ready to run.
pub struct Server {
    front: Front,
    admin: Option<Admin>,
    control: Arc<Control>,
    set_level: Option<SetLevel>,
}

impl Server {
    /// Binds every address and builds everything behind it.
    ///
    /// Clients that connect before [`Server::run`] wait in the kernel's queue.
    ///
    /// # Errors
    ///
    /// A [`StartError`] that names what is wrong and what to do.
    pub fn bind(settings: Arc<Settings>, clock: Clock) -> Result<Self, StartError> {
        Self::bind_reloadable(settings, clock, None)
    }

    /// The same, with a place to read other settings from later.
    ///
    /// # Errors
    ///
    /// As [`Server::bind`].
    pub fn bind_reloadable(settings: Arc<Settings>, clock: Clock, source: Option<Source>) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new(&settings));
        metrics.configured(clock.now());
        let front = Front::bind(&settings, Arc::clone(&metrics))?;
        let admin = settings.admin.as_ref().map(|admin| Admin::bind(admin, Arc::clone(&metrics))).transpose()?;
        let keyed = Keyed::random().map_err(StartError::Random)?;
        let observer = Observer::new(&settings, metrics, clock.clone(), keyed).map_err(StartError::AccessLog)?;
        let observer = Arc::new(observer);
        let admin_address = admin.as_ref().map(Admin::address);
        let mut own = front.addresses();
        own.extend(admin_address);
        let gateway =
            Gateway::new(Arc::clone(&settings), clock.clone(), Arc::clone(&observer), &own).map_err(StartError::Gateway)?;
        let control = Control::new(Generation { settings, gateway, observer }, clock, source, admin_address);
        Ok(Self { front, admin, control, set_level: None })
    }

    /// The listeners' real addresses, in the order of `Settings::listeners`.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.front.addresses()
    }

    /// The admin listener's real address, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
    }

    /// The same server, whose operator may set the level of the program's log.
    #[must_use]
    pub fn with_log_level(self, set_level: Option<SetLevel>) -> Self {
        Self { set_level, ..self }
    }

    /// What changes the running server.
    #[must_use]
    pub fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Serves until `stop` resolves, then accepts no more, lets what is in the air end within
    /// `limits.drain_time`, cuts the rest and writes the access log to its end.
    ///
    /// # Errors
    ///
    /// The runtime cannot take a listening socket.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Self { front, admin, control, set_level } = self;
        let registry = control.open(front).await?;
        let mut operator = tokio::task::JoinSet::new();
        if let Some(admin) = admin {
            // Says 503 on /readyz while draining, so that a balancer looks elsewhere.
            let hand = control.generation().gateway.operator().in_control(Arc::clone(&control), set_level);
            let control = Arc::clone(&control);
            operator.spawn(admin.serve(move || control.generation().gateway.is_ready() && !registry.is_stopping(), hand)?);
        }
        operator.spawn(maintain_for_ever(Arc::clone(&control)));
        stop.await;
        control.close().await;
        operator.shutdown().await;
        control.generation().observer.close();
        Ok(())
    }
}

/// How often the memory tier is tidied and its gauges are set.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

async fn maintain_for_ever(control: Arc<Control>) {
    let mut interval = tokio::time::interval(MAINTENANCE_INTERVAL);
    loop {
        interval.tick().await;
        let gateway = Arc::clone(&control.generation().gateway);
        // It takes a while, in which a thread that serves connections would serve none.
        let _ = tokio::task::spawn_blocking(move || gateway.maintain()).await;
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let admin = self.admin_address();
        f.debug_struct("Server").field("addresses", &self.addresses()).field("admin", &admin).finish_non_exhaustive()
    }
}
