//! A response on its way to the client.
//!
//! The framing fields are ours alone: whatever the response says there is replaced by what its content is. Head and short content
//! leave in one write; what is longer is gathered up to a bound and never copied.
//!
//! RFC 9112 section 4 (status line), section 6 (message body), section 7.1 (chunked); RFC 9110 sections 6.4.1 and 8.6.
//!
//! # Deviations
//!
//! none

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap};
use http::{Response, StatusCode};
use http_body::Body as _;
use tokio::io::AsyncWrite;

use crate::body::ReplyBody;
use crate::clock::Clock;
use crate::fields::write_line;

use super::super::watch::Watch;

/// A piece of content up to this length is copied behind the head.
const COPIED_BYTES: usize = 4 << 10;
/// How much is copied there in all.
const FRONT_BYTES: usize = 16 << 10;
/// No more is taken from the content while so much waits to be written.
const GATHERED_BYTES: usize = 400 << 10;
/// Slices that are offered to a socket at one time.
const MOST_SLICES: usize = 32;

/// A response that is being written.
pub(super) struct Outgoing {
    /// What is written first.
    front: Vec<u8>,
    /// How much of it was.
    front_sent: usize,
    /// What is written then.
    pieces: VecDeque<Bytes>,
    pieces_bytes: usize,
    framing: Framing,
    /// None when all of it was taken: it is recorded when it goes.
    content: Option<ReplyBody>,
}

/// How the end of the content is marked.
///
/// Source: RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// None follows, whatever the head says of it.
    None,
    /// After so many bytes, of which so many were not taken yet.
    Length(u64),
    /// By a last chunk.
    Chunked,
}

impl Outgoing {
    /// A response to HEAD or to something else, and whether it is the connection's last one.
    pub(super) fn new(response: Response<ReplyBody>, is_head: bool, is_last: bool) -> Self {
        let (parts, content) = response.into_parts();
        let framing = framing(is_head, parts.status, &content);
        let copied =
            content.size_hint().upper().and_then(|most| usize::try_from(most).ok()).map_or(0, |most| most.min(COPIED_BYTES));
        let mut front = Vec::with_capacity(copied + 128 + 48 * parts.headers.len());
        write_status(&mut front, parts.status);
        let says_length = is_head && !is_bare(parts.status);
        write_fields(&mut front, &parts.headers, says_length);
        match framing {
            Framing::None => {
                let length = content.size_hint().exact().filter(|length| *length > 0);
                if let Some(length) = length.filter(|_| says_length && !parts.headers.contains_key(header::CONTENT_LENGTH)) {
                    write_length(&mut front, length);
                }
            }
            Framing::Length(length) => write_length(&mut front, length),
            Framing::Chunked => front.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        front.extend_from_slice(if is_last { b"connection: close\r\n\r\n" } else { b"\r\n" });
        Self { front, front_sent: 0, pieces: VecDeque::new(), pieces_bytes: 0, framing, content: Some(content) }
    }

    /// Writes it, and notes when nothing more comes of its content; ready when all is written and flushed.
    ///
    /// # Errors
    ///
    /// What the socket says; the content broke off, or is not as long as the head says.
    pub(super) fn poll_send<W>(&mut self, wire: &mut W, watch: &Watch, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        loop {
            let is_waiting = self.gather(watch, cx)?;
            ready!(self.poll_write(wire, cx))?;
            if is_waiting || self.content.is_none() {
                ready!(Pin::new(wire).poll_flush(cx))?;
                return if is_waiting { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
        }
    }

    /// Takes of the content what there is, up to a bound; true while it has nothing more for now.
    fn gather(&mut self, watch: &Watch, cx: &mut Context<'_>) -> io::Result<bool> {
        while let Some(content) = &mut self.content
            && self.pieces_bytes < GATHERED_BYTES
            && self.pieces.len() < MOST_SLICES
        {
            let is_over = self.framing == Framing::None || content.is_end_stream();
            let next = if is_over { None } else { Some(Pin::new(content).poll_frame(cx)) };
            match next {
                Some(Poll::Pending) => return Ok(true),
                Some(Poll::Ready(Some(frame))) => self.put(frame.map_err(io::Error::other)?.into_data().unwrap_or_default())?,
                Some(Poll::Ready(None)) | None => {
                    self.end()?;
                    self.content = None;
                    watch.exchange_ends();
                }
            }
        }
        Ok(false)
    }

    /// Queues a piece as its framing wants it.
    ///
    /// Source: RFC 9112 section 7.1.
    fn put(&mut self, piece: Bytes) -> io::Result<()> {
        if piece.is_empty() {
            return Ok(());
        }
        match &mut self.framing {
            Framing::None => {}
            Framing::Length(left) => {
                *left = left.checked_sub(piece.len() as u64).ok_or_else(|| io::Error::other(OtherLength))?;
                self.push(piece);
            }
            Framing::Chunked => {
                self.push(format!("{:x}\r\n", piece.len()).into());
                self.push(piece);
                self.push(Bytes::from_static(b"\r\n"));
            }
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        match self.framing {
            Framing::Length(1..) => Err(io::Error::other(OtherLength)),
            Framing::Length(0) | Framing::None => Ok(()),
            Framing::Chunked => {
                self.push(Bytes::from_static(b"0\r\n\r\n"));
                Ok(())
            }
        }
    }

    fn push(&mut self, piece: Bytes) {
        if self.pieces.is_empty() && piece.len() <= COPIED_BYTES && self.front.len() + piece.len() <= FRONT_BYTES {
            self.front.extend_from_slice(&piece);
        } else {
            self.pieces_bytes += piece.len();
            self.pieces.push_back(piece);
        }
    }

    fn poll_write<W: AsyncWrite + Unpin>(&mut self, wire: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let front = self.front.get(self.front_sent..).unwrap_or_default();
            let written = if self.pieces.is_empty() {
                if front.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                ready!(Pin::new(&mut *wire).poll_write(cx, front))?
            } else {
                let mut slices = [IoSlice::new(&[]); MOST_SLICES];
                let all = std::iter::once(front).chain(self.pieces.iter().map(|piece| &**piece));
                let mut count = 0;
                for (place, slice) in slices.iter_mut().zip(all) {
                    *place = IoSlice::new(slice);
                    count += 1;
                }
                ready!(Pin::new(&mut *wire).poll_write_vectored(cx, slices.get(..count).unwrap_or_default()))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
    }

    fn advance(&mut self, mut written: usize) {
        let of_front = written.min(self.front.len() - self.front_sent);
        self.front_sent += of_front;
        written -= of_front;
        if self.front_sent == self.front.len() {
            self.front.clear();
            self.front_sent = 0;
        }
        self.pieces_bytes -= written;
        while let Some(piece) = self.pieces.front_mut()
            && written > 0
        {
            let of_piece = written.min(piece.len());
            piece.advance(of_piece);
            written -= of_piece;
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
    }
}

/// The content is longer or shorter than it said.
#[derive(Debug, thiserror::Error)]
#[error("expected as much content as was announced, found more or less")]
struct OtherLength;

/// Source: RFC 9112 section 6.3.
fn framing(is_head: bool, status: StatusCode, content: &ReplyBody) -> Framing {
    if is_head || is_bare(status) {
        Framing::None
    } else if content.is_end_stream() {
        Framing::Length(0)
    } else {
        content.size_hint().exact().map_or(Framing::Chunked, Framing::Length)
    }
}

/// No content follows a head of this status, and no length is said.
///
/// Source: RFC 9110 sections 8.6, 15.3.5 and 15.4.5.
fn is_bare(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// ABNF: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`.
///
/// Source: RFC 9112 section 4.
fn write_status(out: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    for part in ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default(), "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// The fields but for those that say how the content ends and what becomes of the connection; the answer to HEAD says how long
/// the content would be. A `Date` is in each.
///
/// Source: RFC 9112 sections 5, 6.1 and 9.6; RFC 9110 sections 6.6.1 and 8.6.
fn write_fields(out: &mut Vec<u8>, fields: &HeaderMap, says_length: bool) {
    let mut is_dated = false;
    for (name, value) in fields {
        is_dated |= name == header::DATE;
        let is_ours = name == header::TRANSFER_ENCODING || name == header::CONNECTION;
        if !is_ours && (says_length || name != header::CONTENT_LENGTH) {
            write_line(out, name.as_str(), |out| out.extend_from_slice(value.as_bytes()));
        }
    }
    if !is_dated {
        write_line(out, "date", |out| out.extend_from_slice(httpdate::fmt_http_date(Clock::system().now()).as_bytes()));
    }
}

fn write_length(out: &mut Vec<u8>, length: u64) {
    write_line(out, "content-length", |out| out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes()));
}
