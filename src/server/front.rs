//! The listeners together: accept, hand to a handler, change, drain.
//!
//! What a reload replaces sits in each listener's seat: connections stay, and their next request finds the new one there.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::body::ReplyBody;
use crate::config::settings::{Limits, Settings};
use crate::gateway::Again;
use crate::metrics::{Metrics, RefusedConnection};
use crate::repeats::{Name, Repeatable, Written};

use super::again::Repeating;
use super::connection::{Broken, Connection, Host, Http};
use super::listen::{Bound, Listening};
use super::registry::{Open, Registry, Rules};
use super::watch::Patience;
use super::{StartError, tls};

/// How long a client may take no byte of its response, or send none of its content.
const STALL_TIME: Duration = Duration::from_secs(60);
/// How often observations are moved into the histograms' buckets.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Answers requests; `listener` is an index into `Settings::listeners`.
pub(super) trait Handler: Clone + Send + Sync + 'static {
    /// The answer to one request.
    fn answer(
        self,
        connection: Arc<Connection>,
        listener: usize,
        request: Request<Option<Incoming>>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send + Unpin + 'static;

    /// Answers a request whose head came before as it was answered then, if it would be answered so again.
    fn again(&self, place: (&Connection, usize), head: &[u8], send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> Again;

    /// Keeps an answer under a name from [`Again::Wanted`].
    fn keep(&self, name: Name, repeatable: Box<Repeatable>, written: Written);
}

/// Listeners as a configuration wants them, bound and not yet accepting.
pub(super) struct Front {
    doors: Vec<Door>,
    http: Http,
    rules: Rules,
    metrics: Arc<Metrics>,
    limits: Limits,
}

struct Door {
    name: String,
    /// The address in the configuration.
    asked: SocketAddr,
    /// None where a door that stands already has the socket.
    bound: Option<Bound>,
    tls: Option<TlsAcceptor>,
}

/// Listeners that accept; dropping it closes them.
pub(super) struct Doors<H> {
    standing: Vec<Standing<H>>,
    registry: Arc<Registry>,
    drain_time: Duration,
    /// Numbers given so far.
    count: u64,
    _upkeep: JoinSet<()>,
}

struct Standing<H> {
    name: String,
    asked: SocketAddr,
    /// The address really bound.
    address: SocketAddr,
    /// In the registry.
    number: u64,
    seat: Arc<ArcSwap<Attendant<H>>>,
    _accepting: JoinSet<()>,
}

/// What every connection of one listener shares, until the configuration changes.
struct Attendant<H> {
    listener: usize,
    tls: Option<TlsAcceptor>,
    http: Http,
    handler: H,
    metrics: Arc<Metrics>,
    handshake_time: Duration,
}

/// Whoever has the place of a listener's attendant when it is asked.
struct Seat<H>(Arc<ArcSwap<Attendant<H>>>);

impl<H> Clone for Seat<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Handler> Host for Seat<H> {
    fn answer(
        &self,
        connection: Arc<Connection>,
        request: Request<Option<Incoming>>,
    ) -> impl Future<Output = Response<ReplyBody>> + Unpin + Send + 'static + use<H> {
        let now = self.0.load();
        now.handler.clone().answer(connection, now.listener, request)
    }
}

impl<H: Handler> Repeating for Seat<H> {
    fn again(&self, connection: &Connection, head: &[u8], send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> Again {
        let now = self.0.load();
        now.handler.again((connection, now.listener), head, send)
    }

    fn keep(&self, name: Name, repeatable: Box<Repeatable>, written: Written) {
        self.0.load().handler.keep(name, repeatable, written);
    }
}

impl Front {
    /// Binds all listeners.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on, a certificate or key that cannot be used.
    pub(super) fn bind(settings: &Settings, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        Self::bind_patient(settings, metrics, STALL_TIME, |_, _| false)
    }

    /// The same beside doors that stand: those that keep their address keep their socket.
    ///
    /// # Errors
    ///
    /// As [`Front::bind`].
    pub(super) fn bind_beside<H>(settings: &Settings, metrics: Arc<Metrics>, doors: &Doors<H>) -> Result<Self, StartError> {
        Self::bind_patient(settings, metrics, STALL_TIME, |name, asked| doors.position(name, asked).is_some())
    }

    /// The same with another bound on stalls.
    pub(super) fn bind_patient(
        settings: &Settings,
        metrics: Arc<Metrics>,
        stall: Duration,
        stands: impl Fn(&str, SocketAddr) -> bool,
    ) -> Result<Self, StartError> {
        let limits = settings.limits.clone();
        let patience = Patience { head: limits.header_time, idle: limits.idle_time, stall };
        let mut doors = Vec::with_capacity(settings.listeners.len());
        for listener in &settings.listeners {
            // Files first: a mistake in them is no matter of who holds the port.
            let tls = listener.tls.as_ref().map(tls::acceptor).transpose()?;
            let (name, asked) = (listener.name.clone(), listener.address);
            let setting = format!("the address of listener \"{name}\"");
            let bound = if stands(&name, asked) { None } else { Some(Bound::new(asked, &setting)?) };
            doors.push(Door { name, asked, bound, tls });
        }
        let rules = Rules { per_address: limits.connections_per_address, patience };
        Ok(Self { doors, http: Http::new(&limits), rules, metrics, limits })
    }

    /// The addresses really bound, in the listeners' order; those of doors that stand are not among them.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.doors.iter().filter_map(|door| door.bound.as_ref()).map(|bound| bound.address).collect()
    }

    /// Starts to accept.
    ///
    /// # Errors
    ///
    /// The runtime cannot take a listening socket.
    pub(super) fn open<H: Handler>(self, handler: &H) -> io::Result<Doors<H>> {
        let registry = Registry::new(self.rules);
        let mut upkeep = JoinSet::new();
        upkeep.spawn(Arc::clone(&registry).sweep_for_ever());
        upkeep.spawn(keep_up(Arc::clone(&self.metrics)));
        let drain_time = self.limits.drain_time;
        let mut doors = Doors { standing: Vec::new(), registry, drain_time, count: 0, _upkeep: upkeep };
        doors.change(self, handler)?;
        Ok(doors)
    }

    /// Serves with `handler` until `stop` resolves, then drains.
    #[cfg(test)]
    pub(super) async fn serve<H: Handler>(self, handler: H, stop: impl Future<Output = ()>) -> io::Result<()> {
        let doors = self.open(&handler)?;
        stop.await;
        doors.close().await;
        Ok(())
    }
}

impl<H> Doors<H> {
    /// The standing door that a listener of this name and address goes on with: an address is one socket, and where the
    /// system chooses the port the name tells which.
    fn position(&self, name: &str, asked: SocketAddr) -> Option<usize> {
        let is_it = |door: &Standing<H>| door.asked == asked && (asked.port() != 0 || door.name == name);
        self.standing.iter().position(is_it)
    }

    /// The addresses really bound, in the listeners' order.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.standing.iter().map(|door| door.address).collect()
    }

    /// The open connections.
    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Closes the listeners, lets exchanges in the air end within the drain time, and cuts the rest.
    pub(super) async fn close(self) {
        // Dropping the accepting tasks closes their sockets: new clients are refused by the system.
        drop(self.standing);
        let cut = self.registry.drain(self.drain_time).await;
        if cut > 0 {
            tracing::warn!(connections = cut, "drain time is over, connections were cut");
        }
    }
}

impl<H: Handler> Doors<H> {
    /// Puts other listeners in place of these: sockets that stay lose no connection, and those that go finish the exchanges
    /// that they are in.
    ///
    /// # Errors
    ///
    /// The runtime cannot take a listening socket; nothing has changed then.
    pub(super) fn change(&mut self, front: Front, handler: &H) -> io::Result<()> {
        let Front { doors, http, rules, metrics, limits } = front;
        let mut next = Vec::with_capacity(doors.len());
        for (listener, door) in doors.into_iter().enumerate() {
            let attendant = Arc::new(Attendant {
                listener,
                tls: door.tls,
                http: http.clone(),
                handler: handler.clone(),
                metrics: Arc::clone(&metrics),
                handshake_time: limits.header_time,
            });
            let listening = door.bound.map(|bound| Ok::<_, io::Error>((bound.address, bound.listen()?))).transpose()?;
            next.push((door.name, door.asked, attendant, listening));
        }
        // From here nothing fails.
        self.registry.set(rules);
        self.drain_time = limits.drain_time;
        let mut standing = Vec::with_capacity(next.len());
        for (name, asked, attendant, listening) in next {
            standing.extend(match listening {
                Some((address, listening)) => Some(self.erect((name, asked, address), attendant, listening)),
                None => self.position(&name, asked).map(|at| {
                    let door = self.standing.swap_remove(at);
                    door.seat.store(attendant);
                    Standing { name, ..door }
                }),
            });
        }
        for gone in std::mem::replace(&mut self.standing, standing) {
            self.registry.finish(gone.number);
        }
        Ok(())
    }

    fn erect(
        &mut self,
        (name, asked, address): (String, SocketAddr, SocketAddr),
        attendant: Arc<Attendant<H>>,
        listening: Listening,
    ) -> Standing<H> {
        self.count += 1;
        let (number, seat) = (self.count, Arc::new(ArcSwap::new(attendant)));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept_for_ever(listening, Arc::clone(&self.registry), number, Arc::clone(&seat)));
        Standing { name, asked, address, number, seat, _accepting: accepting }
    }
}

async fn keep_up(metrics: Arc<Metrics>) {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        interval.tick().await;
        let metrics = Arc::clone(&metrics);
        // Half a millisecond, in which a thread that serves connections would serve none.
        let _ = tokio::task::spawn_blocking(move || metrics.upkeep()).await;
    }
}

async fn accept_for_ever<H: Handler>(
    mut listening: Listening,
    registry: Arc<Registry>,
    number: u64,
    seat: Arc<ArcSwap<Attendant<H>>>,
) {
    loop {
        let (stream, peer) = listening.accept().await;
        let attendant = seat.load_full();
        match registry.open(number, peer.ip(), || attendant.metrics.connected(attendant.listener)) {
            Some(open) => drop(tokio::spawn(attendant.attend(stream, peer, open, Arc::clone(&seat)))),
            // A connection beyond its address's limit is closed without a word.
            None => attendant.metrics.connection_refused(attendant.listener, RefusedConnection::AddressLimit),
        }
    }
}

impl<H: Handler> Attendant<H> {
    /// One connection from accept to close; a panic in here ends this connection alone. Each request is answered by whoever
    /// has the seat then.
    async fn attend(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, open: Open, seat: Arc<ArcSwap<Self>>) {
        let connection = Connection::new(peer, self.tls.is_some());
        let host = Seat(seat);
        let ended = match &self.tls {
            None => self.http.serve((stream, open), connection, host).await,
            // In a box, so that a plain connection keeps no room for it.
            Some(tls) => Box::pin(self.attend_tls(tls, (stream, open), connection, host)).await,
        };
        if let Err(error) = ended {
            self.broken(peer, &error);
        }
    }

    async fn attend_tls(
        &self,
        tls: &TlsAcceptor,
        (stream, open): (TcpStream, Open),
        connection: Connection,
        host: Seat<H>,
    ) -> Result<(), Broken> {
        let peer = connection.peer;
        match tokio::time::timeout(self.handshake_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => return self.http.serve((stream, open), connection, host).await,
            Ok(Err(error)) => self.no_handshake(peer, &error),
            Err(late) => self.no_handshake(peer, &late),
        }
        Ok(())
    }

    fn no_handshake(&self, peer: SocketAddr, error: &dyn std::fmt::Display) {
        self.metrics.connection_refused(self.listener, RefusedConnection::Handshake);
        tracing::debug!(%peer, %error, "no TLS handshake");
    }

    /// What hyper answered itself is counted here; everything else was recorded by the handler.
    fn broken(&self, peer: SocketAddr, error: &Broken) {
        match error {
            Broken::Http(error) if error.is_parse_too_large() => {
                self.metrics.unreadable(self.listener, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
            }
            Broken::Http(error) if error.is_parse() => self.metrics.unreadable(self.listener, StatusCode::BAD_REQUEST),
            Broken::Http(_) | Broken::Socket(_) => {}
        }
        tracing::debug!(%peer, %error, "connection broke off");
    }
}
