//! A request's content on its way to the origin: was all of it sent, and who is waiting?
//!
//! A connection whose request content is still owed must not carry another request (RFC 9112
//! section 9.3), and a content that breaks off must never look complete to the origin (RFC 9112
//! section 8): the connection is closed.
//!
//! # Deviations
//!
//! none

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as HttpBody;

use super::link::Link;
use crate::body::Body;

/// How the end of the request content is marked.
///
/// Source: RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Framing {
    /// No content.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A request that is being written: its head stands in the link already.
pub(in crate::upstream) struct Upload {
    content: Body,
    /// Bytes that `Content-Length` promises and that were not handed on.
    left: Option<u64>,
    state: State,
    pieces: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// More content is to come.
    Moving,
    /// The client owes the next piece.
    Waiting,
    /// All of it was handed to the connection, which has not written it all.
    Ending,
    /// All of it was written.
    Sent,
    /// The client's side broke off.
    Broken,
    /// The connection takes nothing more.
    Refused,
}

impl Upload {
    /// The content that follows a head.
    pub(in crate::upstream) fn new(content: Body, framing: Framing) -> Self {
        let (left, state) = match framing {
            Framing::None => (None, State::Ending),
            Framing::Length(length) => (Some(length), State::Moving),
            Framing::Chunked => (None, State::Moving),
        };
        Self { content, left, state, pieces: 0 }
    }

    /// Whether all of the request was written.
    pub(in crate::upstream) fn is_sent(&self) -> bool {
        self.state == State::Sent
    }

    /// Whether nothing more will be written, for whatever reason.
    pub(in crate::upstream) fn is_over(&self) -> bool {
        matches!(self.state, State::Sent | State::Broken | State::Refused)
    }

    /// Whether the client's side broke off.
    pub(in crate::upstream) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether the client owes the next piece.
    pub(in crate::upstream) fn is_waiting_for_client(&self) -> bool {
        self.state == State::Waiting
    }

    /// A number that changes with every piece that is handed on.
    pub(in crate::upstream) fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Writes as much as there is; ready when nothing more will be written.
    ///
    /// What a connection refuses is no error yet: the origin may have answered before.
    pub(in crate::upstream) fn poll_send(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<()> {
        while !self.is_over() {
            if ready!(link.poll_write(cx)).is_err() {
                self.state = State::Refused;
            } else if self.state == State::Ending {
                self.state = State::Sent;
            } else {
                ready!(self.poll_piece(link, cx));
            }
        }
        Poll::Ready(())
    }

    /// Hands the next piece to the connection.
    fn poll_piece(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<()> {
        let polled = Pin::new(&mut self.content).poll_frame(cx);
        if polled.is_pending() {
            self.state = State::Waiting;
        }
        let handed_on = match ready!(polled) {
            Some(Ok(frame)) => {
                let (piece, is_last) = (frame.into_data().unwrap_or_default(), self.content.is_end_stream());
                if piece.is_empty() && !is_last { Some(State::Moving) } else { self.hand_on(link, piece, is_last) }
            }
            None => self.hand_on(link, Bytes::new(), true),
            Some(Err(_)) => None,
        };
        self.pieces += 1;
        self.state = handed_on.unwrap_or(State::Broken);
        Poll::Ready(())
    }

    /// Puts a piece on the connection as its framing wants it; none if there is more or less of it than was promised.
    ///
    /// Source: RFC 9112 section 7.1; RFC 9110 section 8.6.
    fn hand_on(&mut self, link: &mut Link, piece: Bytes, is_last: bool) -> Option<State> {
        let next = if is_last { State::Ending } else { State::Moving };
        if let Some(left) = self.left {
            let left = left.checked_sub(piece.len() as u64).filter(|left| !is_last || *left == 0)?;
            self.left = Some(left);
            link.put(&[], piece, &[]);
            return Some(next);
        }
        match (piece.is_empty(), is_last) {
            (true, _) => link.put(b"0\r\n\r\n", piece, &[]),
            (false, true) => link.put(format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n0\r\n\r\n"),
            (false, false) => link.put(format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"),
        }
        Some(next)
    }
}
