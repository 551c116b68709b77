//! A new connection: address, TCP, TLS and HTTP/1.1, all within one time limit.
//!
//! The address that was checked is the address that is connected to; nothing is resolved again in
//! between. RFC 9110 sections 4.2.2 and 4.3.4 (`https` means TLS with a verified certificate), RFC
//! 9112 section 9.1 (connection establishment).
//!
//! # Deviations
//!
//! none

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::access::Access;
use crate::config::settings::Limits;
use crate::error::{Denied, Error, UpstreamError};
use crate::target::{Host, Scheme};

use super::h1::head::Bounds;
use super::h1::link::{Link, Stream};
use super::pool::{Lease, Origin};
use super::resolve::Resolver;
use super::tls::Trust;

/// Which addresses are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Whatever the destination guard refuses: the client chose the destination.
    Destination,
    /// Our own listeners only: the operator chose the destination.
    Own,
}

/// Makes connections.
pub(super) struct Connector {
    access: Arc<Access>,
    resolver: Resolver,
    connect_time: Duration,
    bounds: Bounds,
}

impl Connector {
    /// A connector within these limits.
    pub(super) fn new(limits: &Limits, access: Arc<Access>, resolver: Resolver) -> Self {
        let bounds = Bounds { bytes: limits.header_bytes, fields: limits.header_fields };
        Self { access, resolver, connect_time: limits.connect_time, bounds }
    }

    /// A connection to this origin that is ready for a request.
    ///
    /// # Errors
    ///
    /// Whatever prevented it, [`UpstreamError::ConnectTimeout`] when the time was over.
    pub(super) async fn connect(&self, origin: &Arc<Origin>, guard: Guard, trust: &Trust) -> Result<Lease, Error> {
        let link = timeout(self.connect_time, self.link(origin, guard, trust)).await;
        Ok(Lease::fresh(link.unwrap_or(Err(UpstreamError::ConnectTimeout.into()))?, Arc::clone(origin)))
    }

    /// A bare TCP connection, for a tunnel.
    ///
    /// # Errors
    ///
    /// As [`Connector::connect`].
    pub(super) async fn open_tcp(&self, host: &Host, port: u16, guard: Guard) -> Result<TcpStream, Error> {
        let stream = timeout(self.connect_time, self.tcp(host, port, guard)).await;
        stream.unwrap_or(Err(UpstreamError::ConnectTimeout.into()))
    }

    async fn link(&self, origin: &Origin, guard: Guard, trust: &Trust) -> Result<Box<Link>, Error> {
        let stream = self.tcp(origin.host(), origin.port(), guard).await?;
        let stream = match origin.scheme() {
            Scheme::Http => Stream::Plain(stream),
            Scheme::Https => Stream::Tls(Box::new(trust.handshake(origin.host(), stream).await.map_err(UpstreamError::Tls)?)),
        };
        Ok(Link::new(stream, self.bounds))
    }

    /// Tries the addresses in order, each with its share of the time.
    async fn tcp(&self, host: &Host, port: u16, guard: Guard) -> Result<TcpStream, Error> {
        let addresses = self.resolver.resolve(host, port, |address| self.check(guard, address)).await?;
        let share = self.connect_time / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let mut last = UpstreamError::Dns;
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Heads and small contents leave at once; a failure costs time, not the exchange.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => last = connect_error(error),
                Err(_) => last = UpstreamError::ConnectTimeout,
            }
        }
        Err(last.into())
    }

    fn check(&self, guard: Guard, address: SocketAddr) -> Result<(), Denied> {
        match guard {
            Guard::Destination => self.access.check_destination(address),
            Guard::Own if self.access.is_own(address) => Err(Denied::Destination("one of the gateway's own addresses")),
            Guard::Own => Ok(()),
        }
    }
}

fn connect_error(error: io::Error) -> UpstreamError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => UpstreamError::Refused,
        io::ErrorKind::TimedOut => UpstreamError::ConnectTimeout,
        _ => UpstreamError::Unreachable(error),
    }
}
