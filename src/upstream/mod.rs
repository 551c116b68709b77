//! The way to the origin: which connection carries a permitted request, and what came back on it.
//!
//! One request takes one connection for itself: pooled if there is one, otherwise name resolution
//! with the destination guard, TCP, TLS, in that order and within one time limit. What was not sent
//! may be sent again; what was sent is repeated only where repeating cannot do harm.
//!
//! RFC 9110 section 3.7 (intermediaries), section 7.3 (routing), section 9.2.2 (idempotent methods),
//! section 15.2 (interim responses go to whoever asked);
//! RFC 9112 section 9 (connections).
//!
//! # Deviations
//!
//! - Of the idempotent methods only GET and HEAD without content are repeated, once, and only on a
//!   pooled connection that died before a byte of the response (RFC 9110 section 9.2.2 allows more).
//! - 101 is an error: `Upgrade` is never sent on (RFC 9110 section 7.8).

mod balance;
mod body;
mod connect;
mod early;
mod exchange;
mod h1;
mod pins;
mod pool;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod resolve;
mod stall;
mod tls;
pub mod tunnel;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Response};
use tokio::net::TcpStream;

use crate::access::{Access, Permit};
use crate::body::Body;
use crate::clock::Clock;
use crate::config::settings::{Settings, Upstream};
use crate::error::{Error, UpstreamError};
use crate::fields::FieldSection;
use crate::gateway::ServerHealth;
use crate::interim::Relay;
use crate::metrics::Metrics;

pub use self::body::UpstreamBody;
pub use self::h1::NotHttp;
pub use self::pins::Pins;
pub(crate) use self::tls::{SystemRoots, Trust};

use self::balance::Balance;
use self::connect::{Connector, Guard};
use self::exchange::{Bond, Message, Sent};
use self::pool::{Lease, Origins};
use self::resolve::Resolver;

/// Where a permitted request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the permit's own target, through the destination guard (forward mode).
    Forward,
    /// To a server of this upstream: index into `Settings::upstreams` (gateway mode).
    Upstream(usize),
}

/// A request as it leaves: the target comes from the permit.
pub struct Outbound {
    /// The method, unchanged.
    pub method: Method,
    /// The fields to send, hop-by-hop fields already removed; `Host` and the framing fields are set
    /// by [`Upstreams::send`].
    pub fields: FieldSection,
    /// The content.
    pub body: Body,
    /// Who hears of interim responses, if anybody.
    pub interim: Option<Relay>,
    /// The connections that belong to the client's connection, if it has one.
    pub pins: Option<Pins>,
}

/// What came of a request; a response has a place of its own, as it is handed on often.
pub type Answer = Result<Box<Response<UpstreamBody>>, Error>;

/// All connections to origins.
pub struct Upstreams {
    connector: Connector,
    metrics: Arc<Metrics>,
    first_byte_time: Duration,
    forward_trust: Trust,
    forward_origins: Origins,
    groups: Vec<Group>,
}

/// The servers of one upstream and whom to believe about them.
struct Group {
    balance: Balance,
    trust: Trust,
}

impl Upstreams {
    /// Prepares TLS roots and balances.
    ///
    /// Bundles that are named are read now; the system's roots are read when the first `https`
    /// origin needs them.
    ///
    /// # Errors
    ///
    /// A CA bundle that cannot be read, with its name.
    pub fn new(settings: &Settings, access: Arc<Access>, metrics: Arc<Metrics>) -> Result<Self, String> {
        Self::with_resolver(settings, access, metrics, Resolver::system())
    }

    /// As [`Upstreams::new`], with names resolved in a given way.
    fn with_resolver(
        settings: &Settings,
        access: Arc<Access>,
        metrics: Arc<Metrics>,
        resolver: Resolver,
    ) -> Result<Self, String> {
        let system = Arc::new(SystemRoots::default());
        let forward_trust = Trust::new("forward.ca_file", settings.forward.ca_file.as_deref(), &system)?;
        let mut groups = Vec::with_capacity(settings.upstreams.len());
        for upstream in &settings.upstreams {
            let owner = format!("upstream {}: ca_file", upstream.name);
            let trust = Trust::new(&owner, upstream.ca_file.as_deref(), &system)?;
            groups.push(Group { balance: Balance::new(&upstream.servers), trust });
        }
        Ok(Self {
            connector: Connector::new(&settings.limits, access, resolver),
            metrics,
            first_byte_time: settings.limits.first_byte_time,
            forward_trust,
            forward_origins: Origins::default(),
            groups,
        })
    }

    /// Every server of every upstream of these settings, and whether it could be connected to when it was last tried.
    #[must_use]
    pub fn standings(&self, settings: &Settings, now: Instant) -> Vec<ServerHealth> {
        let named = settings.upstreams.iter().zip(&self.groups);
        let of = |(upstream, group): (&Upstream, &Group)| {
            let name = upstream.name.clone();
            let standings = group.balance.standings(now).into_iter();
            standings.map(move |(server, is_marked)| ServerHealth { upstream: name.clone(), server, up: !is_marked })
        };
        named.flat_map(of).collect()
    }

    /// Closes idle connections that their origins closed or that nobody used for long; to be called about once a second.
    pub fn sweep(&self, now: Instant) {
        self.forward_origins.sweep(now);
        for group in &self.groups {
            group.balance.sweep(now);
        }
    }

    /// Sends a permitted request and waits for the response head.
    ///
    /// The request line carries path and query exactly as the client sent them; `Host` is made from
    /// the permit's target. The content is passed on as it comes, and so is the response's.
    ///
    /// # Errors
    ///
    /// [`Error::Upstream`] or, for a prohibited address, [`Error::Denied`].
    ///
    /// Source: RFC 9110 section 7.7 (target not rewritten); RFC 9112 sections 3.2.1 and 3.2.2.
    pub async fn send(&self, permit: &Permit, to: Destination, mut request: Outbound) -> Result<Response<UpstreamBody>, Error> {
        self.send_at(permit, to, &mut request, Clock::instant()).await.0.map(|response| *response)
    }

    /// As [`Upstreams::send`], for a request that begins at `started`; and how long it took.
    pub async fn send_at(
        &self,
        permit: &Permit,
        to: Destination,
        request: &mut Outbound,
        started: Instant,
    ) -> (Answer, Duration) {
        let answer = self.exchange(permit, to, request, started).await;
        let upstream = match to {
            Destination::Forward => None,
            Destination::Upstream(index) => Some(index),
        };
        let code = answer.as_ref().ok().map(|response| response.status());
        let waited = Clock::instant().saturating_duration_since(started);
        self.metrics.upstream(upstream, code, waited);
        (answer, waited)
    }

    /// Opens the connection of a CONNECT tunnel: resolved once, every address checked, connected to
    /// a checked one.
    ///
    /// # Errors
    ///
    /// As [`Upstreams::send`].
    ///
    /// Source: RFC 9110 section 9.3.6.
    pub async fn open_tunnel(&self, permit: &Permit) -> Result<TcpStream, Error> {
        let target = permit.target();
        self.connector.open_tcp(&target.host, target.port, Guard::Destination).await
    }

    /// The exchange itself: at most two connections see this request, and the second only if the
    /// first was a pooled one that cannot have acted on it.
    ///
    /// Source: RFC 9110 section 9.2.2; RFC 9112 section 9.3.1.
    async fn exchange(&self, permit: &Permit, to: Destination, outbound: &mut Outbound, started: Instant) -> Answer {
        let mut now = started;
        let (target, pins) = (permit.target(), outbound.pins.clone());
        let mut message = Message::new(permit, outbound)?;
        let mut is_fresh = false;
        loop {
            let pinned = pins.as_ref().filter(|_| !is_fresh).and_then(|pins| pins.take(target));
            let is_bound = message.is_connection_bound() || pinned.is_some();
            let lease = match pinned {
                Some(lease) => lease,
                // What was proved on a new connection must not be said on one that others used.
                None => {
                    let from = Pick { is_fresh: is_fresh || is_bound, is_sure: !message.may_repeat(), now };
                    let lease = self.lease(permit, to, from).await?;
                    // Connecting takes its time.
                    now = if lease.is_reused { now } else { Clock::instant() };
                    lease
                }
            };
            let was_pooled = lease.is_reused;
            let bond = Bond { is_bound, pins: pins.as_ref() };
            match exchange::send_once(lease, &mut message, (now, self.first_byte_time), bond).await {
                Sent::Answered(response) => return Ok(response),
                Sent::Silent(_) if was_pooled && message.may_repeat() => {}
                Sent::Silent(error) | Sent::Failed(error) => return Err(error.into()),
            }
            (is_fresh, now) = (true, Clock::instant());
        }
    }

    /// A connection for one request.
    async fn lease(&self, permit: &Permit, to: Destination, pick: Pick) -> Result<Lease, Error> {
        match to {
            Destination::Forward => {
                let origin = self.forward_origins.origin(permit.target(), pick.now);
                if !pick.is_fresh
                    && let Some(lease) = origin.take_idle(pick.is_sure, pick.now)
                {
                    return Ok(lease);
                }
                // Boxed: who finds an idle connection does not carry the state of connecting about.
                Box::pin(self.connector.connect(&origin, Guard::Destination, &self.forward_trust)).await
            }
            Destination::Upstream(index) => {
                let group = self.groups.get(index).ok_or(Error::Internal("a route names an upstream that does not exist"))?;
                self.lease_from(group, pick).await
            }
        }
    }

    /// A connection to a server of a group; a server that cannot be connected to is marked and the
    /// next one tried, as nothing was sent to it.
    async fn lease_from(&self, group: &Group, pick: Pick) -> Result<Lease, Error> {
        let mut tried = Vec::new();
        let mut last = Error::Upstream(UpstreamError::Refused);
        let (start, mut now) = (group.balance.start(), pick.now);
        while let Some(index) = group.balance.select(start, &tried, now) {
            let Some(origin) = group.balance.origin(index) else { break };
            if !pick.is_fresh
                && let Some(lease) = origin.take_idle(pick.is_sure, pick.now)
            {
                return Ok(lease);
            }
            match Box::pin(self.connector.connect(origin, Guard::Own, &group.trust)).await {
                Ok(lease) => {
                    group.balance.clear(index);
                    return Ok(lease);
                }
                Err(Error::Upstream(error)) => {
                    tracing::warn!(host = %origin.host(), port = origin.port(), %error, "cannot connect to an upstream server");
                    now = Clock::instant();
                    group.balance.mark(index, now);
                    last = Error::Upstream(error);
                }
                Err(error) => return Err(error),
            }
            tried.push(index);
        }
        Err(last)
    }
}

/// Which connection a request may have.
#[derive(Clone, Copy)]
struct Pick {
    /// A new one, not a pooled one.
    is_fresh: bool,
    /// None that its peer is known to have closed: the request is not to be tried in vain.
    is_sure: bool,
    now: Instant,
}

#[cfg(test)]
pub(crate) mod tests;
