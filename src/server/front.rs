//! The listeners together: accept, hand to a handler, drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::body::ReplyBody;
use crate::config::settings::{Limits, Settings};
use crate::interim::Interim;
use crate::metrics::{Metrics, RefusedConnection};
use crate::upstream::Pins;

use super::connection::{Connection, Http};
use super::listen::{Bound, Listening};
use super::registry::{Open, Registry};
use super::watch::Patience;
use super::{StartError, tls};

/// How long a client may take no byte of its response, or send none of its content.
const STALL_TIME: Duration = Duration::from_secs(60);
/// How often observations are moved into the histograms' buckets.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Bound listeners, not yet accepting.
pub(super) struct Front {
    doors: Vec<Door>,
    http: Http,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    limits: Limits,
}

struct Door {
    bound: Bound,
    tls: Option<TlsAcceptor>,
}

/// What every connection of one listener shares.
struct Attendant<H> {
    listener: usize,
    tls: Option<TlsAcceptor>,
    http: Http,
    handler: H,
    metrics: Arc<Metrics>,
    handshake_time: Duration,
}

impl Front {
    /// Binds all listeners.
    ///
    /// # Errors
    ///
    /// An address that cannot be listened on, a certificate or key that cannot be used.
    pub(super) fn bind(settings: &Settings, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        Self::bind_patient(settings, metrics, STALL_TIME)
    }

    /// The same with another bound on stalls.
    pub(super) fn bind_patient(settings: &Settings, metrics: Arc<Metrics>, stall: Duration) -> Result<Self, StartError> {
        let limits = settings.limits.clone();
        let patience = Patience { head: limits.header_time, idle: limits.idle_time, stall };
        let mut doors = Vec::with_capacity(settings.listeners.len());
        for listener in &settings.listeners {
            // Files first: a mistake in them is no matter of who holds the port.
            let tls = listener.tls.as_ref().map(tls::acceptor).transpose()?;
            let setting = format!("the address of listener \"{}\"", listener.name);
            doors.push(Door { bound: Bound::new(listener.address, &setting)?, tls });
        }
        let registry = Registry::new(limits.connections_per_address, patience, Arc::clone(&metrics));
        Ok(Self { doors, http: Http::new(&limits), registry, metrics, limits })
    }

    /// The addresses really bound, in the listeners' order.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.doors.iter().map(|door| door.bound.address).collect()
    }

    /// Who is connected.
    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Serves with `handler` until `stop` resolves, then drains.
    ///
    /// # Errors
    ///
    /// The runtime cannot take a listening socket.
    pub(super) async fn serve<H, R>(self, handler: H, stop: impl Future<Output = ()>) -> io::Result<()>
    where
        H: Fn(Arc<Connection>, Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<ReplyBody>> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        for (listener, door) in self.doors.into_iter().enumerate() {
            let attendant = Arc::new(Attendant {
                listener,
                tls: door.tls,
                http: self.http.clone(),
                handler: handler.clone(),
                metrics: Arc::clone(&self.metrics),
                handshake_time: self.limits.header_time,
            });
            tasks.spawn(accept_for_ever(door.bound.listen()?, Arc::clone(&self.registry), attendant));
        }
        let mut upkeep = JoinSet::new();
        upkeep.spawn(Arc::clone(&self.registry).sweep_for_ever());
        upkeep.spawn(keep_up(self.metrics));
        stop.await;
        // Dropping the accepting tasks closes their sockets: new clients are refused by the system.
        tasks.shutdown().await;
        let cut = self.registry.drain(self.limits.drain_time).await;
        if cut > 0 {
            tracing::warn!(connections = cut, "drain time is over, connections were cut");
        }
        Ok(())
    }
}

async fn keep_up(metrics: Arc<Metrics>) {
    let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        interval.tick().await;
        metrics.upkeep();
    }
}

async fn accept_for_ever<H, R>(mut listening: Listening, registry: Arc<Registry>, attendant: Arc<Attendant<H>>)
where
    H: Fn(Arc<Connection>, Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<ReplyBody>> + Send + 'static,
{
    loop {
        let (stream, peer) = listening.accept().await;
        // A connection beyond its address's limit is closed without a word.
        if let Some(open) = registry.open(attendant.listener, peer.ip()) {
            tokio::spawn(Arc::clone(&attendant).attend(stream, peer, open));
        }
    }
}

impl<H, R> Attendant<H>
where
    H: Fn(Arc<Connection>, Request<Incoming>) -> R + Clone,
    R: Future<Output = Response<ReplyBody>>,
{
    /// One connection from accept to close; a panic in here ends this connection alone.
    async fn attend(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, open: Open) {
        let (interim, pins) = (Interim::default(), Pins::default());
        let connection = Connection { listener: self.listener, peer, tls: self.tls.is_some(), interim, pins };
        let handler = self.handler.clone();
        let ended = match &self.tls {
            None => self.http.serve((stream, open), connection, handler).await,
            Some(tls) => match tokio::time::timeout(self.handshake_time, tls.accept(stream)).await {
                Ok(Ok(stream)) => self.http.serve((stream, open), connection, handler).await,
                Ok(Err(error)) => return self.no_handshake(peer, &error),
                Err(late) => return self.no_handshake(peer, &late),
            },
        };
        if let Err(error) = ended {
            self.broken(peer, &error);
        }
    }

    fn no_handshake(&self, peer: SocketAddr, error: &dyn std::fmt::Display) {
        self.metrics.connection_refused(self.listener, RefusedConnection::Handshake);
        tracing::debug!(%peer, %error, "no TLS handshake");
    }

    /// What hyper answered itself is counted here; everything else was recorded by the handler.
    fn broken(&self, peer: SocketAddr, error: &hyper::Error) {
        if error.is_parse_too_large() {
            self.metrics.unreadable(self.listener, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        } else if error.is_parse() {
            self.metrics.unreadable(self.listener, StatusCode::BAD_REQUEST);
        }
        tracing::debug!(%peer, %error, "connection broke off");
    }
}
