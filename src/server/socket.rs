//! The socket as hyper sees it: every read and write leaves a note, and closing lingers.
//!
//! RFC 9112 section 9.6 (tear-down): a server that closes while the client is still sending provokes
//! a reset that may destroy its last answer. It therefore closes its writing half, goes on reading
//! for a while, and only then closes.
//!
//! # Deviations
//!
//! none

use std::any::Any;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::registry::Open;
use super::watch::Watch;

/// How long a closing connection goes on reading.
const LINGER_TIME: Duration = Duration::from_secs(1);
/// How many bytes it reads at most.
const LINGER_BYTES: usize = 8 * 1024 * 1024;
/// How many bytes are discarded in one read.
const DISCARD_BYTES: usize = 16 * 1024;

/// A client's socket, plain or TLS, with its place in the registry.
pub(super) struct Watched<S> {
    stream: S,
    open: Open,
    at_end: bool,
    lingering: Option<Lingering>,
}

struct Lingering {
    end: Pin<Box<Sleep>>,
    left_bytes: usize,
}

impl<S> Watched<S> {
    /// Watches this socket.
    pub(super) fn new(stream: S, open: Open) -> Self {
        Self { stream, open, at_end: false, lingering: None }
    }

    fn watch(&self) -> &Arc<Watch> {
        self.open.watch()
    }

    /// The socket and its place; nobody notes what happens on it from then on.
    pub(super) fn into_inner(self) -> (S, Open) {
        (self.stream, self.open)
    }

    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(Ok(_)) => self.watch().was_written(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.watch().waits_to_write(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        match &polled {
            Poll::Ready(Ok(())) if buffer.filled().len() > before => self.watch().was_read(),
            Poll::Ready(_) => self.at_end = true,
            Poll::Pending => self.watch().waits_to_read(),
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // TLS keeps bytes back that a plain socket would have refused.
        if flushed.is_pending() {
            self.watch().waits_to_write();
        }
        flushed
    }

    /// Source: RFC 9112 section 9.6.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            let is_last = this.at_end || !this.watch().has_unread_content();
            // hyper closes it next, and closing says the same; a tunnel may go on in the other direction, and TLS has a word
            // of its own.
            if is_last && !this.watch().is_tunnel() && (&this.stream as &dyn Any).is::<TcpStream>() {
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if is_last {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this.lingering.get_or_insert_with(Lingering::begin);
        lingering.poll_discard(&mut this.stream, cx).map(Ok)
    }
}

impl Lingering {
    fn begin() -> Self {
        Self { end: Box::pin(tokio::time::sleep(LINGER_TIME)), left_bytes: LINGER_BYTES }
    }

    /// Ready when the client closed too, or time or bytes are used up.
    fn poll_discard(&mut self, stream: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [MaybeUninit::uninit(); DISCARD_BYTES];
        loop {
            if self.end.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::uninit(&mut space);
            let read = match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                Ok(()) => buffer.filled().len(),
                Err(_) => 0,
            };
            self.left_bytes = self.left_bytes.saturating_sub(read);
            if read == 0 || self.left_bytes == 0 {
                return Poll::Ready(());
            }
        }
    }
}
