//! One connection to an origin: bytes in, bytes out, and the time that it has.
//!
//! Nobody looks after it but who holds it: while it is idle, what comes on it is noticed when it is asked for again, and by the
//! sweep of its pool (RFC 9112 sections 9.2 and 9.5).
//!
//! # Deviations
//!
//! none

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::client::TlsStream;

use super::head::{Bounds, Former};

/// Least and most bytes that are read at one time.
const READ_BYTES: (usize, usize) = (8 << 10, 128 << 10);

/// A buffer for heads larger than this is not kept for the next request.
const KEPT_BYTES: usize = 16 << 10;

/// A connected stream.
pub(in crate::upstream) enum Stream {
    /// `http`.
    Plain(TcpStream),
    /// `https`, handshake done.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What happened on a connection while nobody asked for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Look {
    /// Nothing; a request may go on it.
    Quiet,
    /// Bytes came that belong to no request.
    Spoken,
    /// It was closed, or broke.
    Closed,
}

/// One connection; dropping it closes it.
pub(in crate::upstream) struct Link {
    stream: Stream,
    /// How large a head may be.
    pub(in crate::upstream) bounds: Bounds,
    /// The head that came before, to read the next one by.
    pub(in crate::upstream) former: Former,
    /// What was read and not used.
    pub(in crate::upstream) input: BytesMut,
    read_bytes: usize,
    /// What is to be written: what stands before a piece of content, the piece, and what stands behind it.
    output: Vec<u8>,
    piece: Bytes,
    behind: &'static [u8],
    /// Written, and not flushed.
    is_unflushed: bool,
    /// The origin sent something since the last request began.
    pub(in crate::upstream) is_heard: bool,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Link {
    /// A connection that nothing was said on.
    pub(in crate::upstream) fn new(stream: Stream, bounds: Bounds) -> Box<Self> {
        Box::new(Self {
            stream,
            bounds,
            former: Former::default(),
            input: BytesMut::new(),
            read_bytes: READ_BYTES.0,
            output: Vec::new(),
            piece: Bytes::new(),
            behind: &[],
            is_unflushed: false,
            is_heard: false,
            timer: None,
        })
    }

    /// What happened on it while nobody asked for anything. Where `is_sure`, the socket itself is looked at, and not only what is
    /// known of it already; that is a system call.
    ///
    /// Source: RFC 9112 section 9.2.
    pub(in crate::upstream) fn look(&mut self, is_sure: bool) -> Look {
        let is_clean = self.input.is_empty() && self.is_written();
        let mut byte = [0];
        let found = match &mut self.stream {
            Stream::Plain(stream) => stream.try_read(&mut byte),
            Stream::Tls(stream) => {
                // Session tickets and the like are read by this as well.
                let mut room = ReadBuf::new(&mut byte);
                match Pin::new(&mut **stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut room) {
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                    Poll::Ready(read) => read.map(|()| room.filled().len()),
                }
            }
        };
        match found {
            Ok(1..) => Look::Spoken,
            Err(error) if is_clean && error.kind() == io::ErrorKind::WouldBlock => {
                if is_sure {
                    self.look_closely()
                } else {
                    Look::Quiet
                }
            }
            _ => Look::Closed,
        }
    }

    fn look_closely(&self) -> Look {
        let socket = match &self.stream {
            Stream::Plain(stream) => SockRef::from(stream),
            Stream::Tls(stream) => SockRef::from(stream.get_ref().0),
        };
        match socket.peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Look::Quiet,
            Ok(1..) => Look::Spoken,
            _ => Look::Closed,
        }
    }

    /// Begins a request; its head goes into the buffer that is given back.
    pub(in crate::upstream) fn begin(&mut self, now: Instant, limit: Duration) -> &mut Vec<u8> {
        self.is_heard = false;
        self.set_time(now, limit);
        self.output.clear();
        if self.output.capacity() > KEPT_BYTES {
            self.output = Vec::new();
        }
        &mut self.output
    }

    /// Begins the time that is left for what comes next.
    pub(in crate::upstream) fn set_time(&mut self, now: Instant, limit: Duration) {
        // Far ahead of any limit that makes sense, and no overflow.
        let deadline = (now + limit.min(Duration::from_secs(86400 * 365))).into();
        match &mut self.timer {
            // A timer that runs already is only moved.
            Some(timer) => timer.as_mut().reset(deadline),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(deadline))),
        }
    }

    /// Ready when the time is over.
    pub(in crate::upstream) fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }

    /// Reads more into `input`; false at the end of the stream.
    pub(in crate::upstream) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.input.reserve(self.read_bytes);
        let room = self.input.capacity() - self.input.len();
        let read = match &mut self.stream {
            Stream::Plain(stream) => pin!(stream.read_buf(&mut self.input)).poll(cx),
            Stream::Tls(stream) => pin!(stream.read_buf(&mut self.input)).poll(cx),
        };
        let count = ready!(read)?;
        self.is_heard |= count > 0;
        // Who fills the buffer gets a larger one, within bounds.
        if count == room {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES.1);
        } else if count < self.read_bytes / 4 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES.0);
        }
        Poll::Ready(Ok(count > 0))
    }

    /// Writes a piece of content next, with these bytes before and behind it; what was to be written before has been.
    pub(in crate::upstream) fn put(&mut self, before: &[u8], piece: Bytes, behind: &'static [u8]) {
        self.output.extend_from_slice(before);
        (self.piece, self.behind) = (piece, behind);
    }

    /// Whether everything was written and flushed.
    pub(in crate::upstream) fn is_written(&self) -> bool {
        self.output.is_empty() && self.piece.is_empty() && self.behind.is_empty() && !self.is_unflushed
    }

    /// Writes what is to be written.
    pub(in crate::upstream) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !(self.output.is_empty() && self.piece.is_empty() && self.behind.is_empty()) {
            let count = ready!(self.poll_write_once(cx))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_unflushed = true;
            self.advance(count);
        }
        if self.is_unflushed {
            match &mut self.stream {
                Stream::Plain(stream) => ready!(Pin::new(stream).poll_flush(cx))?,
                Stream::Tls(stream) => ready!(Pin::new(&mut **stream).poll_flush(cx))?,
            }
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_once(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let is_head_alone = self.piece.is_empty() && self.behind.is_empty();
        let parts = [IoSlice::new(&self.output), IoSlice::new(&self.piece), IoSlice::new(self.behind)];
        match &mut self.stream {
            Stream::Plain(stream) if is_head_alone => Pin::new(stream).poll_write(cx, &self.output),
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, &parts),
            Stream::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, &parts),
        }
    }

    fn advance(&mut self, count: usize) {
        let of_output = count.min(self.output.len());
        if of_output == self.output.len() {
            self.output.clear();
        } else {
            self.output.drain(..of_output);
        }
        let of_piece = (count - of_output).min(self.piece.len());
        self.piece.advance(of_piece);
        self.behind = self.behind.get(count - of_output - of_piece..).unwrap_or_default();
    }
}
