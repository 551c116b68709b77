//! Between hyper and the socket: a request head that comes again is answered here, and hyper never hears of it.
//!
//! What is given to hyper is followed closely enough to know when hyper holds nothing: no byte that was read and not
//! understood, no response that was not written to its end. Only then is what comes next surely the beginning of a request,
//! and only then may somebody else write to the socket, or hyper be missing. On any doubt the connection is hyper's alone from
//! then on.
//!
//! RFC 9112 section 2.1 (a message is a head, an empty line, and content as the head says), section 9.3.2 (responses stand in
//! the order of their requests).
//!
//! # Deviations
//!
//! none

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gateway::Again;
use crate::repeats::{After, Name, Repeatable, Rest, Written};

use super::connection::Connection;
use super::plain::{self, Bounds, Plain};
use super::watch::{Order, Watch};

/// Who knows answers that may be given again.
pub(super) trait Repeating {
    /// Answers `head` as before by giving the answer to `send`, if it would be answered so again.
    fn again(&self, connection: &Connection, head: &[u8], send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> Again;

    /// Keeps an answer as it was written, under a name from [`Again::Wanted`].
    fn keep(&self, name: Name, repeatable: Box<Repeatable>, written: Written);
}

/// A socket on which heads that come again are answered.
pub(super) struct Encore<S, H> {
    socket: S,
    host: H,
    connection: Arc<Connection>,
    watch: Arc<Watch>,
    state: State,
    /// The rest of an answer that the socket did not take at once.
    unsent: Option<Box<Rest>>,
    /// What was read without hyper and is for hyper.
    unseen: Bytes,
}

/// How much is read at a time without hyper: as much as hyper reads at first.
const FIRST_BYTES: usize = 8 * 1024;

enum State {
    /// hyper holds nothing: what comes next is the beginning of a request.
    Between,
    /// hyper has one request, and what it writes is the response; perhaps it is wanted.
    Within(Option<Wanted>),
    /// What hyper holds is not known any more.
    Unknown,
    /// The last answer said that no other one follows.
    Ended,
}

/// A response that is noted while it is written.
struct Wanted {
    name: Name,
    written: Written,
}

impl<S, H> Encore<S, H> {
    /// A new connection's socket.
    pub(super) fn new(socket: S, host: H, connection: Arc<Connection>, watch: Arc<Watch>) -> Self {
        Self { socket, host, connection, watch, state: State::Between, unsent: None, unseen: Bytes::new() }
    }

    /// What is below, and what was read from it and not seen; to be called when all that was written is flushed.
    pub(super) fn into_inner(self) -> (S, Bytes) {
        (self.socket, self.unseen)
    }

    fn note_written(&mut self, slices: &[IoSlice<'_>], written: usize) {
        if let State::Within(wanted) = &mut self.state
            && wanted.as_mut().is_some_and(|wanted| !wanted.written.note(slices, written))
        {
            *wanted = None;
        }
    }
}

impl<S: AsyncWrite + Unpin, H: Repeating> Encore<S, H> {
    /// Something was read, which may be the head of a request that came before: then it is answered, and nobody else is to
    /// see it.
    fn poll_again(&mut self, cx: &mut Context<'_>, read: &[u8]) -> Option<io::Result<()>> {
        let is_certain = matches!(self.state, State::Between) && is_one_head(read);
        if !is_certain || self.watch.order() != Order::Serve {
            self.state = State::Unknown;
            self.connection.repetition.begin(false);
            return None;
        }
        let (socket, watch) = (&mut self.socket, &*self.watch);
        let again = self.host.again(&self.connection, read, |answer| {
            watch.exchange_begins(false);
            let socket = Pin::new(socket);
            let sent = match answer {
                [all] => socket.poll_write(cx, all),
                slices => socket.poll_write_vectored(cx, slices),
            };
            match sent {
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(sent) => sent,
                Poll::Pending => Ok(0),
            }
        });
        match again {
            Again::Sent(Ok(rest), after) => {
                if rest.is_none() {
                    watch.exchange_ends();
                }
                self.unsent = rest;
                if after == After::Close {
                    self.state = State::Ended;
                }
                return Some(Ok(()));
            }
            Again::Sent(Err(error), _) => return Some(Err(error)),
            Again::Wanted(name) => {
                self.connection.repetition.begin(true);
                self.state = State::Within(Some(Wanted { name, written: Written::default() }));
            }
            Again::Unknown => {
                self.connection.repetition.begin(false);
                self.state = State::Within(None);
            }
        }
        None
    }

    /// hyper has written everything it had: perhaps the response is complete, and with it what hyper holds.
    fn note_flushed(&mut self) {
        let State::Within(wanted) = &mut self.state else { return };
        if !self.watch.is_at_rest() {
            return;
        }
        let wanted = wanted.take();
        self.state = State::Between;
        if let Some(Wanted { name, written }) = wanted
            && let Some(repeatable) = self.connection.repetition.take()
        {
            self.host.keep(name, repeatable, written);
        }
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(rest) = &mut self.unsent else { return Poll::Ready(Ok(())) };
        while !rest.is_over() {
            let (slices, count) = rest.slices();
            let slices = slices.get(..count).unwrap_or_default();
            let written = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.advance(written);
        }
        self.unsent = None;
        self.watch.exchange_ends();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, H: Repeating + Unpin> AsyncRead for Encore<S, H> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.unseen.is_empty() {
            buffer.put_slice(&this.unseen.split_to(buffer.remaining().min(this.unseen.len())));
            return Poll::Ready(Ok(()));
        }
        if matches!(this.state, State::Unknown) {
            ready!(this.poll_unsent(cx))?;
            return Pin::new(&mut this.socket).poll_read(cx, buffer);
        }
        let before = buffer.filled().len();
        loop {
            // The next request is not looked at before the last one is answered.
            ready!(this.poll_unsent(cx))?;
            // Whatever comes after the last answer is not read, as if the client had ended.
            if matches!(this.state, State::Ended) {
                return Poll::Ready(Ok(()));
            }
            let polled = Pin::new(&mut this.socket).poll_read(cx, buffer);
            if polled.is_pending() && matches!(this.state, State::Between) {
                this.watch.accept_rest();
            }
            ready!(polled)?;
            let read = buffer.filled().get(before..).unwrap_or_default();
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match this.poll_again(cx, read) {
                Some(sent) => sent?,
                None => return Poll::Ready(Ok(())),
            }
            buffer.set_filled(before);
            // TLS keeps bytes back until it is told.
            let _ = Pin::new(&mut this.socket).poll_flush(cx)?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, H: Repeating + Unpin> Encore<S, H> {
    /// Answers what comes again while there is no hyper. Ready when something came that hyper has to see, which will read it
    /// from here, or the end: then it is false.
    ///
    /// # Errors
    ///
    /// What the socket says.
    pub(super) fn poll_needed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [MaybeUninit::uninit(); FIRST_BYTES];
        let mut first = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *self).poll_read(cx, &mut first))?;
        self.unseen = Bytes::copy_from_slice(first.filled());
        Poll::Ready(Ok(!self.unseen.is_empty()))
    }

    /// The request that was read and is for hyper, if nothing in it needs hyper: then that will not find it.
    pub(super) fn take_plain(&mut self, bounds: Bounds) -> Option<Plain> {
        let is_one_head = matches!(self.state, State::Within(_));
        let plain = is_one_head.then(|| plain::read(&self.unseen, bounds)).flatten()?;
        self.unseen = Bytes::new();
        Some(plain)
    }
}

impl<S: AsyncWrite + Unpin, H: Repeating + Unpin> AsyncWrite for Encore<S, H> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        let written = ready!(Pin::new(&mut this.socket).poll_write(cx, bytes))?;
        this.note_written(&[IoSlice::new(bytes)], written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        let written = ready!(Pin::new(&mut this.socket).poll_write_vectored(cx, slices))?;
        this.note_written(slices, written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        this.note_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}

/// Is this one request head from its first to its last byte, as every reader of the protocol would see it?
///
/// Each line ends with CR LF, and the only empty one is the last: a reader that takes a bare LF for the end of a line sees
/// the same end. What the head says of content is hyper's to judge; nothing is kept of a request that has some.
///
/// Source: RFC 9112 sections 2.1 and 2.2.
pub(super) fn is_one_head(read: &[u8]) -> bool {
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', read) {
        let Some(line) = read.get(begin..end).and_then(|line| line.strip_suffix(b"\r")) else { return false };
        begin = end + 1;
        if line.is_empty() {
            return begin == read.len();
        }
    }
    false
}

#[cfg(test)]
mod tests;
