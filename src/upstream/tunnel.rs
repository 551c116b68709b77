//! A CONNECT tunnel: bytes pass both ways, unread, until both sides have ended or nothing moves.
//!
//! RFC 9110 section 9.3.6: when one side ends, what it sent is delivered to the other; the other
//! direction may go on. An idle tunnel holds no buffer: what is read stays in a buffer of the thread
//! until it is written, and only what could not be written is kept. What comes in a burst between two plain sockets is moved
//! by the kernel's splice, without being copied into this program.
//!
//! # Deviations
//!
//! none

mod flow;
mod pipe;

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::stall::Stall;
use flow::{Flow, Side};

/// One end of a tunnel.
pub trait End: AsyncRead + AsyncWrite + Unpin {
    /// The socket whose bytes are the tunnel's bytes, if they are.
    fn plain(&self) -> Option<&TcpStream>;
}

impl End for TcpStream {
    fn plain(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

impl End for Box<TlsStream<TcpStream>> {
    /// None: what is on the socket is encrypted.
    fn plain(&self) -> Option<&TcpStream> {
        None
    }
}

/// What passed a tunnel and why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelTotals {
    /// Bytes from client to destination.
    pub inbound_bytes: u64,
    /// Bytes from destination to client.
    pub outbound_bytes: u64,
    /// Of both, what the kernel moved without copying it into this program.
    pub spliced_bytes: u64,
    /// Why it ended.
    pub reason: TunnelEnd,
}

/// Why a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelEnd {
    /// Both sides ended what they sent.
    Closed,
    /// The client's connection failed.
    ClientFailed,
    /// The destination's connection failed.
    OriginFailed,
    /// Nothing moved for the idle time.
    Idle,
    /// The gateway cut it.
    Stopped,
}

impl TunnelEnd {
    /// The word for log and metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ClientFailed => "client_failed",
            Self::OriginFailed => "origin_failed",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
        }
    }
}

/// Passes bytes between a client and its destination until both have ended, one fails, neither sends anything for `idle`,
/// or `stop` is ready; both connections are closed on return.
///
/// `early` is what the client has already sent.
///
/// Source: RFC 9110 section 9.3.6.
pub async fn relay<C: End>(
    (mut client, early): (C, Bytes),
    mut origin: TcpStream,
    idle: Duration,
    mut stop: impl Future<Output = ()> + Unpin,
) -> TunnelTotals {
    let mut inbound = Flow::beginning_with(early);
    let mut outbound = Flow::default();
    let mut stall = Stall::new(idle);
    let reason = std::future::poll_fn(|cx| {
        if Pin::new(&mut stop).poll(cx).is_ready() {
            return Poll::Ready(TunnelEnd::Stopped);
        }
        let before = inbound.bytes + outbound.bytes;
        let to_origin = inbound.poll_pass(cx, &mut client, &mut origin);
        let to_client = outbound.poll_pass(cx, &mut origin, &mut client);
        if inbound.bytes + outbound.bytes != before {
            stall.note();
        }
        match (to_origin, to_client) {
            (Poll::Ready(Err(Side::From)), _) | (_, Poll::Ready(Err(Side::To))) => Poll::Ready(TunnelEnd::ClientFailed),
            (Poll::Ready(Err(Side::To)), _) | (_, Poll::Ready(Err(Side::From))) => Poll::Ready(TunnelEnd::OriginFailed),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(TunnelEnd::Closed),
            _ => stall.poll_standstill(cx).map(|()| TunnelEnd::Idle),
        }
    })
    .await;
    let spliced_bytes = inbound.spliced_bytes + outbound.spliced_bytes;
    TunnelTotals { inbound_bytes: inbound.bytes, outbound_bytes: outbound.bytes, spliced_bytes, reason }
}

#[cfg(test)]
mod tests;
