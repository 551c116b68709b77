//! From settings to a gateway, and from one gateway to the next.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use tokio::sync::Semaphore;

use super::{Gateway, background};
use crate::access::Access;
use crate::access_log::Observer;
use crate::auth::Authenticator;
use crate::cache::flights::Flights;
use crate::cache::store::Memory;
use crate::clock::Clock;
use crate::config::settings::{Listener, ListenerAuth, Settings};
use crate::hop::{Pseudonym, consumed_fields};
use crate::keyed::Keyed;
use crate::policy::{Policies, Routes};
use crate::repeats::Repeats;
use crate::shadow::{self, Shadow};
use crate::trace::TRACE_FIELDS;
use crate::upstream::Upstreams;

/// What outlives a reload of the configuration.
struct Lasting {
    memory: Arc<Memory>,
    flights: Arc<Flights>,
    in_flight_bytes: Arc<AtomicU64>,
    open_tunnels: Arc<AtomicUsize>,
    background: Arc<Semaphore>,
    clock: Clock,
    keyed: Keyed,
    pseudonym: Pseudonym,
    /// What the policies that are only evaluated would have stored.
    shadowed: Option<shadow::Store>,
}

impl Gateway {
    /// A gateway for these settings; `own` are all addresses this process listens on.
    ///
    /// # Errors
    ///
    /// A file that the settings name cannot be used; the text says which and what to do.
    pub fn new(settings: Arc<Settings>, clock: Clock, observer: Arc<Observer>, own: &[SocketAddr]) -> Result<Arc<Self>, String> {
        let no_random = |error| format!("cannot read the system's random source: {error}");
        let keyed = Keyed::random().map_err(no_random)?;
        let pseudonym = Pseudonym::new(getrandom::u64().map_err(no_random)?);
        let lasting = Lasting {
            memory: Arc::new(Memory::new(settings.cache.memory_bytes, Arc::clone(observer.metrics()))),
            flights: Flights::new(),
            in_flight_bytes: Arc::default(),
            open_tunnels: Arc::default(),
            background: Arc::new(Semaphore::new(background::MOST_AT_ONCE)),
            clock,
            keyed,
            pseudonym,
            shadowed: None,
        };
        Self::assemble(settings, lasting, &[], observer, own)
    }

    /// The gateway under other settings: what is stored, in the air and held by clients goes on; exchanges that have begun
    /// end with this one.
    ///
    /// # Errors
    ///
    /// As [`Gateway::new`]; nothing has changed then.
    pub fn successor(&self, settings: Arc<Settings>, observer: Arc<Observer>, own: &[SocketAddr]) -> Result<Arc<Self>, String> {
        let lasting = Lasting {
            memory: Arc::clone(&self.memory),
            flights: Arc::clone(&self.flights),
            in_flight_bytes: Arc::clone(&self.in_flight_bytes),
            open_tunnels: Arc::clone(&self.open_tunnels),
            background: Arc::clone(&self.background),
            clock: self.clock.clone(),
            keyed: self.keyed,
            pseudonym: self.pseudonym.clone(),
            shadowed: self.shadow.as_ref().map(Shadow::store),
        };
        Self::assemble(settings, lasting, &self.authenticators, observer, own)
    }

    fn assemble(
        settings: Arc<Settings>,
        lasting: Lasting,
        before: &[Authenticator],
        observer: Arc<Observer>,
        own: &[SocketAddr],
    ) -> Result<Arc<Self>, String> {
        let access = Arc::new(Access::new(&settings, own));
        let metrics = Arc::clone(observer.metrics());
        let consumes = |listener: &Listener| {
            let mut names = consumed_fields(listener.auth == ListenerAuth::Origin);
            names.extend(settings.trace.collector.iter().flat_map(|_| TRACE_FIELDS));
            names
        };
        let Lasting { memory, flights, in_flight_bytes, open_tunnels, background, clock, keyed, pseudonym, shadowed } = lasting;
        let authenticators = Authenticator::after(before, &settings, keyed, Some(&metrics))?;
        let upstreams = Upstreams::new(&settings, Arc::clone(&access), metrics)?;
        memory.learn(settings.policies.iter().map(|policy| &policy.query), &keyed);
        Ok(Arc::new(Self {
            authenticators,
            policies: Policies::new(&settings),
            routes: Routes::new(&settings),
            upstreams,
            consumed: settings.listeners.iter().map(consumes).collect(),
            repeats: Repeats::default(),
            shadow: Shadow::of(&settings, shadowed),
            memory,
            flights,
            in_flight_bytes,
            open_tunnels,
            background,
            clock,
            keyed,
            pseudonym,
            access,
            observer,
            settings,
        }))
    }
}
