//! A CONNECT tunnel: bytes pass both ways, unread, until both sides have ended or nothing moves.
//!
//! RFC 9110 section 9.3.6: when one side ends, what it sent is delivered to the other; the other
//! direction may go on. An idle tunnel holds no buffer: what is read stays in a buffer of the thread
//! until it is written, and only what could not be written is kept.
//!
//! # Deviations
//!
//! none

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::stall::Stall;

/// Bytes that are moved at a time.
const BUFFER_BYTES: usize = 16 * 1024;

/// What passed a tunnel and why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelTotals {
    /// Bytes from client to destination.
    pub inbound_bytes: u64,
    /// Bytes from destination to client.
    pub outbound_bytes: u64,
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
        }
    }
}

/// Passes bytes between a client and its destination until both have ended, one fails, or neither
/// sends anything for `idle`; both connections are closed on return.
///
/// Source: RFC 9110 section 9.3.6.
pub async fn relay<C>(mut client: C, mut origin: TcpStream, idle: Duration) -> TunnelTotals
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let mut inbound = Flow::default();
    let mut outbound = Flow::default();
    let mut stall = Stall::new(idle);
    let reason = std::future::poll_fn(|cx| {
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
    TunnelTotals { inbound_bytes: inbound.bytes, outbound_bytes: outbound.bytes, reason }
}

/// One direction of a tunnel.
#[derive(Default)]
struct Flow {
    /// Bytes that were written.
    bytes: u64,
    /// What was read and could not be written yet; empty for an idle tunnel.
    rest: Vec<u8>,
    rest_at: usize,
    must_flush: bool,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Passing,
    /// The sender ended; the receiver is still to be told.
    Ending,
    Ended,
}

/// Which end of a direction failed.
enum Side {
    From,
    To,
}

impl Flow {
    /// Passes what can be passed; ready when this direction has ended.
    fn poll_pass<F, T>(&mut self, cx: &mut Context<'_>, from: &mut F, to: &mut T) -> Poll<Result<(), Side>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        loop {
            ready!(self.poll_rest(cx, to)).map_err(|_| Side::To)?;
            match self.phase {
                Phase::Ended => return Poll::Ready(Ok(())),
                Phase::Ending => {
                    // The half-close: what was sent has arrived, and no more will.
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(|_| Side::To)?;
                    self.phase = Phase::Ended;
                }
                Phase::Passing => {
                    let read = with_scratch(|scratch| self.poll_read(cx, from, to, scratch));
                    if read.is_pending() && self.must_flush {
                        ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|_| Side::To)?;
                        self.must_flush = false;
                    }
                    ready!(read)?;
                }
            }
        }
    }

    /// Reads once and writes what was read as far as it goes at once.
    fn poll_read<F, T>(&mut self, cx: &mut Context<'_>, from: &mut F, to: &mut T, scratch: &mut [u8]) -> Poll<Result<(), Side>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(from).poll_read(cx, &mut buffer)).map_err(|_| Side::From)?;
        let read = buffer.filled();
        if read.is_empty() {
            self.phase = Phase::Ending;
            return Poll::Ready(Ok(()));
        }
        let written = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Side::To)),
            Poll::Ready(Ok(written)) => written,
            Poll::Pending => 0,
        };
        self.note_written(written);
        self.rest.extend_from_slice(read.get(written..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    /// Writes what is left from the last read; gives its memory back when all is written.
    fn poll_rest<T: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut T) -> Poll<io::Result<()>> {
        while let Some(rest) = self.rest.get(self.rest_at..).filter(|rest| !rest.is_empty()) {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.rest_at += written;
            self.note_written(written);
        }
        if self.rest_at > 0 {
            self.rest = Vec::new();
            self.rest_at = 0;
        }
        Poll::Ready(Ok(()))
    }

    fn note_written(&mut self, written: usize) {
        self.bytes += written as u64;
        self.must_flush |= written > 0;
    }
}

/// Lends the thread's buffer; a second borrower on the same thread gets one of its own.
fn with_scratch<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    thread_local! {
        static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let mut scratch = SCRATCH.take();
    if scratch.is_empty() {
        scratch = vec![0; BUFFER_BYTES];
    }
    let result = work(&mut scratch);
    SCRATCH.set(scratch);
    result
}

#[cfg(test)]
mod tests;
