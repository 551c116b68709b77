//! One direction of a tunnel.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::End;
use super::pipe::Pipe;

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 16 * 1024;
/// After so many bytes in one burst the rest of it is spliced.
const BULK_BYTES: u64 = 64 * 1024;

/// What moves from one end to the other.
#[derive(Default)]
pub(super) struct Flow {
    /// Bytes that were written.
    pub(super) bytes: u64,
    /// Of these, what the kernel moved.
    pub(super) spliced_bytes: u64,
    /// What was read and could not be written yet; empty for an idle tunnel.
    rest: Vec<u8>,
    rest_at: usize,
    /// What was spliced and could not be written yet; none for an idle tunnel.
    piped: Option<Piped>,
    burst: Burst,
    must_flush: bool,
    phase: Phase,
}

/// A pipe that holds something.
struct Piped {
    pipe: Pipe,
    bytes: usize,
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
pub(super) enum Side {
    From,
    To,
}

impl Flow {
    /// A direction whose sender has already sent `early`.
    pub(super) fn beginning_with(early: Bytes) -> Self {
        Self { rest: early.into(), ..Self::default() }
    }

    /// Passes what can be passed; ready when this direction has ended.
    pub(super) fn poll_pass<F: End, T: End>(&mut self, cx: &mut Context<'_>, from: &mut F, to: &mut T) -> Poll<Result<(), Side>> {
        loop {
            ready!(self.poll_piped(cx, to)).map_err(|_| Side::To)?;
            ready!(self.poll_rest(cx, to)).map_err(|_| Side::To)?;
            match self.phase {
                Phase::Ended => return Poll::Ready(Ok(())),
                Phase::Ending => {
                    // The half-close: what was sent has arrived, and no more will.
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(|_| Side::To)?;
                    self.phase = Phase::Ended;
                }
                Phase::Passing => {
                    let passed = match from.plain() {
                        Some(from) if self.burst.is_bulk() && to.plain().is_some() => self.poll_splice(cx, from),
                        _ => with_scratch(|scratch| self.poll_read(cx, from, to, scratch)),
                    };
                    if passed.is_pending() {
                        self.burst.pauses();
                        if self.must_flush {
                            ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|_| Side::To)?;
                            self.must_flush = false;
                        }
                    }
                    ready!(passed)?;
                }
            }
        }
    }

    /// Reads once and writes what was read as far as it goes at once.
    fn poll_read<F: End, T: End>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
        scratch: &mut [u8],
    ) -> Poll<Result<(), Side>> {
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(from).poll_read(cx, &mut buffer)).map_err(|_| Side::From)?;
        let read = buffer.filled();
        if read.is_empty() {
            self.phase = Phase::Ending;
            return Poll::Ready(Ok(()));
        }
        self.burst.goes_on(read.len());
        let written = match Pin::new(to).poll_write(cx, read) {
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Side::To)),
            Poll::Ready(Ok(written)) => written,
            Poll::Pending => 0,
        };
        self.note_written(written);
        self.rest.extend_from_slice(read.get(written..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    /// Moves what there is into an empty pipe; without a pipe the burst begins anew and is read.
    fn poll_splice(&mut self, cx: &mut Context<'_>, from: &TcpStream) -> Poll<Result<(), Side>> {
        loop {
            ready!(from.poll_read_ready(cx)).map_err(|_| Side::From)?;
            let Some(pipe) = Pipe::take() else {
                self.burst = Burst::default();
                return Poll::Ready(Ok(()));
            };
            match from.try_io(Interest::READABLE, || pipe.fill(from)) {
                Ok(0) => {
                    pipe.give_back();
                    self.phase = Phase::Ending;
                }
                Ok(bytes) => {
                    self.burst.goes_on(bytes);
                    self.piped = Some(Piped { pipe, bytes });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    pipe.give_back();
                    continue;
                }
                // Not a socket that can be spliced.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.burst.is_barred = true,
                Err(_) => return Poll::Ready(Err(Side::From)),
            }
            return Poll::Ready(Ok(()));
        }
    }

    /// Writes what is in the pipe; gives the pipe back when it is empty.
    fn poll_piped<T: End>(&mut self, cx: &mut Context<'_>, to: &T) -> Poll<io::Result<()>> {
        let Some(to) = to.plain() else { return Poll::Ready(Ok(())) };
        while let Some(Piped { pipe, bytes }) = &mut self.piped {
            ready!(to.poll_write_ready(cx))?;
            let written = match to.try_io(Interest::WRITABLE, || pipe.pour(to, *bytes)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Poll::Ready(Err(error)),
            };
            *bytes -= written;
            self.spliced_bytes += written as u64;
            let is_empty = *bytes == 0;
            self.note_written(written);
            if is_empty && let Some(Piped { pipe, .. }) = self.piped.take() {
                pipe.give_back();
            }
        }
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

/// How much the sender has sent without a pause. Splicing pays where much comes at a time, and costs where little does.
#[derive(Default)]
struct Burst {
    bytes: u64,
    /// Of these, what came since there was nothing to read.
    at_a_time: u64,
    /// This sender's socket cannot be spliced.
    is_barred: bool,
}

impl Burst {
    fn goes_on(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.at_a_time += bytes as u64;
    }

    /// There is nothing to read. A sender of much has only not got round to it yet; one of little has said what it had to say.
    fn pauses(&mut self) {
        if (1..BUFFER_BYTES as u64).contains(&self.at_a_time) {
            self.bytes = 0;
        }
        self.at_a_time = 0;
    }

    fn is_bulk(&self) -> bool {
        self.bytes >= BULK_BYTES && !self.is_barred
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
