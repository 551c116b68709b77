//! A new connection: address, TCP, TLS and HTTP/1.1, all within one time limit.
//!
//! The address that was checked is the address that is connected to; nothing is resolved again in
//! between. RFC 9110 sections 4.2.2 and 4.3.4 (`https` means TLS with a verified certificate), RFC
//! 9112 section 9.1 (connection establishment).
//!
//! # Deviations
//!
//! - Obsolete line folding and white space before the colon are tolerated in responses, as RFC 9112
//!   sections 5.1 and 5.2 prescribe for a proxy; the parser removes both.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::access::Access;
use crate::config::settings::Limits;
use crate::error::{Denied, Error, UpstreamError};
use crate::target::{Host, Scheme};

use super::pool::{Lease, Link, Origin};
use super::resolve::Resolver;
use super::tls::Trust;
use super::wire::{Heard, Stream, Wire};

/// Bound of a connection's read buffer, and so of what a slow reader holds in memory.
const BUFFER_BYTES: usize = 128 * 1024;

/// The number of field lines that the parser reserves without allocating.
const PARSER_FIELDS: usize = 100;

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
    builder: http1::Builder,
}

impl Connector {
    /// A connector within these limits.
    pub(super) fn new(limits: &Limits, access: Arc<Access>, resolver: Resolver) -> Self {
        Self { access, resolver, connect_time: limits.connect_time, builder: builder(limits) }
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

    async fn link(&self, origin: &Origin, guard: Guard, trust: &Trust) -> Result<Link, Error> {
        let stream = self.tcp(origin.host(), origin.port(), guard).await?;
        let stream = match origin.scheme() {
            Scheme::Http => Stream::Plain(stream),
            Scheme::Https => Stream::Tls(Box::new(trust.handshake(origin.host(), stream).await.map_err(UpstreamError::Tls)?)),
        };
        let heard = Heard::default();
        let io = TokioIo::new(Wire::new(stream, heard.clone()));
        let (sender, connection) = self.builder.handshake(io).await.map_err(UpstreamError::Protocol)?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to an origin ended");
            }
        });
        Ok(Link::new(sender, heard, task.abort_handle()))
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

/// The parser's settings for responses.
///
/// Source: RFC 9112 section 5.1 (white space before the colon is removed from a response), section
/// 5.2 (obs-fold replaced by spaces); RFC 9110 section 5.4 (limits).
fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(BUFFER_BYTES.max(limits.header_bytes))
        .max_header_size(limits.header_bytes)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    if limits.header_fields != PARSER_FIELDS {
        builder.max_headers(limits.header_fields);
    }
    builder
}

fn connect_error(error: io::Error) -> UpstreamError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => UpstreamError::Refused,
        io::ErrorKind::TimedOut => UpstreamError::ConnectTimeout,
        _ => UpstreamError::Unreachable(error),
    }
}
