//! Between socket and hyper, on the write side only: interim heads go out before the final one.
//!
//! hyper's server cannot send 1xx (RFC 9110 section 15.2). It flushes its socket only when everything
//! it had to write is written, which is always at the end of a message; while an exchange has no
//! response yet, that is the one place where an interim head can stand. [`Interim`] says what there is
//! to send, and the connection holds the response back until it was taken.
//!
//! # Deviations
//!
//! none

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::interim::Interim;

/// A socket that puts interim heads between hyper's messages.
pub(super) struct Wire<S> {
    socket: S,
    interim: Interim,
    /// Interim heads that go before anything else.
    unsent: Bytes,
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Sends what `interim` has to send.
    pub(super) fn new(socket: S, interim: Interim) -> Self {
        Self { socket, interim, unsent: Bytes::new() }
    }

    /// What is below; to be called when all that was written is flushed.
    pub(super) fn into_inner(self) -> S {
        self.socket
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, &self.unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_unsent(cx))?;
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// hyper has nothing left to write: between two messages.
    ///
    /// Source: RFC 9110 section 15.2.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unsent(cx))?;
        if self.interim.is_waiting() {
            self.unsent = self.interim.take();
            // The response may have been waiting for that.
            cx.waker().wake_by_ref();
            ready!(self.poll_unsent(cx))?;
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
