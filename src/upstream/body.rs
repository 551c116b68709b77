//! An origin's response content on its way to whoever reads it.
//!
//! Read to its end it gives its connection back; dropped before, it closes the connection, as what
//! is left on it belongs to nobody (RFC 9112 section 9.3). A content that ends short is an error and
//! never an end (RFC 9112 section 8).
//!
//! # Deviations
//!
//! none

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::timeout;

use crate::body::BodyError;
use crate::target::{Host, Scheme};

use super::early::Early;
use super::h1::BadContent;
use super::h1::chunked::Chunked;
use super::h1::framing::End;
use super::h1::upload::Upload;
use super::pins::Pins;
use super::pool::Lease;
use super::stall::Stall;

/// Most bytes of unwanted content that are read to keep a connection.
const DISCARDED_BYTES: u64 = 64 << 10;

/// Longest time that is spent on it.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// An origin's response content; returns its connection to the pool when it was read to its end.
pub struct UpstreamBody {
    source: Source,
    stall: Stall,
}

/// Where content comes from.
enum Source {
    /// All of it came with the head.
    Here(Bytes),
    /// From the connection.
    Link(Box<Reading>),
    /// From a connection that still takes the request's content.
    Early(Box<Early>),
    /// Nothing more comes: all of it was read.
    Ended,
    /// Something is missing, and the reader will hear so when it asks again.
    Failed(BodyError),
    /// Nothing more comes, and something is missing.
    Broken,
}

/// A connection that a content comes on.
pub(super) struct Reading {
    pub(super) hold: Hold,
    rest: Rest,
}

/// What is still to come.
enum Rest {
    Length(u64),
    Chunked(Chunked),
    Close,
}

/// The connection that a content comes on.
pub(super) struct Hold {
    /// The connection.
    pub(super) lease: Lease,
    /// What becomes of it when this content was read to its end.
    pub(super) then: Then,
}

/// What becomes of a connection that is free again.
pub(super) enum Then {
    /// It is closed.
    Close,
    /// It is kept for the client connection that it belongs to.
    Pin(Pins, (Scheme, Host, u16)),
    /// Anybody's next request may have it.
    Pool,
}

/// The origin stopped in the middle of its content.
#[derive(Debug, thiserror::Error)]
#[error("the origin sent nothing more of its content within the first byte time")]
struct Stalled;

impl UpstreamBody {
    /// The content that a connection delivers, as its head says that it ends. `upload` is the request's content; `stall_time` is
    /// how long the origin may be silent.
    pub(super) fn new(end: End, hold: Hold, upload: Upload, stall_time: Duration) -> Self {
        let rest = match end {
            End::Empty => Rest::Length(0),
            End::Length(length) => Rest::Length(length),
            End::Chunked => Rest::Chunked(Chunked::new()),
            End::Close => Rest::Close,
        };
        let mut reading = Reading { hold, rest };
        // RFC 9112 section 9.3: no other request comes on a connection that owes content of this one.
        if !upload.is_sent() {
            reading.hold.then = Then::Close;
        }
        let source = match reading.take_whole() {
            Some(whole) => {
                reading.hold.free();
                if whole.is_empty() { Source::Ended } else { Source::Here(whole) }
            }
            None if upload.is_over() => Source::Link(Box::new(reading)),
            None => Source::Early(Box::new(Early::new(reading, upload))),
        };
        Self { source, stall: Stall::new(stall_time) }
    }

    /// The next frame.
    ///
    /// An error means that the content is not complete, whatever was read before.
    ///
    /// Source: RFC 9112 section 8 (incomplete messages).
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let (polled, is_over) = match &mut self.source {
            Source::Here(whole) => (Poll::Ready(Some(Ok(std::mem::take(whole)))), true),
            Source::Link(reading) => (reading.poll_data(cx), reading.is_over()),
            Source::Early(early) => (early.poll_data(cx), early.is_over()),
            Source::Failed(_) => return Poll::Ready(self.failure().map(Err)),
            Source::Ended | Source::Broken => return Poll::Ready(None),
        };
        match polled {
            Poll::Ready(Some(Ok(data))) => {
                self.stall.note();
                if is_over {
                    self.end();
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(error))) => self.give_up(error, cx),
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                ready!(self.stall.poll_standstill(cx));
                self.give_up(Stalled, cx)
            }
        }
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Ended)
    }

    /// What is known of the rest's size.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        let rest = match &self.source {
            Source::Here(whole) => Some(whole.len() as u64),
            Source::Link(reading) => reading.length(),
            Source::Early(early) => early.length(),
            Source::Failed(_) => None,
            Source::Ended | Source::Broken => Some(0),
        };
        rest.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Reads what is left and discards it, so that the connection can carry another request; where that is much or takes
    /// long, the connection is closed instead.
    ///
    /// Source: RFC 9112 section 9.3.
    pub async fn let_go(mut self) {
        if self.size_hint().lower() > DISCARDED_BYTES {
            return;
        }
        let mut read = 0;
        let rest = async {
            while let Some(Ok(frame)) = poll_fn(|cx| self.poll_frame(cx)).await {
                read += frame.data_ref().map_or(0, |data| data.len() as u64);
                if read > DISCARDED_BYTES {
                    return;
                }
            }
        };
        // Whether it ended in time shows in whether the connection was given back.
        drop(timeout(DISCARD_TIME, rest).await);
    }

    /// The response is complete.
    fn end(&mut self) {
        if let Source::Link(reading) = std::mem::replace(&mut self.source, Source::Ended) {
            reading.hold.free();
        }
    }

    /// Closes the connection. The reader hears of it when it asks again, so that it can pass on before what it has: who
    /// writes to a client drops what is not written when it hears of an error.
    fn give_up<T>(&mut self, error: impl Into<BodyError>, cx: &Context<'_>) -> Poll<T> {
        self.source = Source::Failed(error.into());
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn failure(&mut self) -> Option<BodyError> {
        match std::mem::replace(&mut self.source, Source::Broken) {
            Source::Failed(error) => Some(error),
            _ => None,
        }
    }
}

impl Reading {
    /// The content, if all of it was read with the head.
    fn take_whole(&mut self) -> Option<Bytes> {
        let Rest::Length(left) = &mut self.rest else { return None };
        let input = &mut self.hold.lease.link.input;
        let length = usize::try_from(*left).ok().filter(|length| *length <= input.len())?;
        *left = 0;
        Some(input.split_to(length).freeze())
    }

    /// The next piece; none when the content is complete.
    ///
    /// Source: RFC 9112 sections 6.3 and 8.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        loop {
            let link = &mut self.hold.lease.link;
            let data = match &mut self.rest {
                Rest::Length(left) => {
                    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(link.input.len());
                    *left -= length as u64;
                    link.input.split_to(length).freeze()
                }
                Rest::Chunked(chunked) => match chunked.take(&mut link.input) {
                    Ok(data) => data.unwrap_or_default(),
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                },
                Rest::Close => link.input.split().freeze(),
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(data)));
            }
            if self.is_over() {
                return Poll::Ready(None);
            }
            match ready!(self.hold.lease.link.poll_fill(cx)) {
                Ok(true) => {}
                Ok(false) if matches!(self.rest, Rest::Close) => return Poll::Ready(None),
                Ok(false) => {
                    return Poll::Ready(Some(Err(BadContent("expected more content, found the end of the connection").into())));
                }
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// Whether the end was read.
    pub(super) fn is_over(&self) -> bool {
        match &self.rest {
            Rest::Length(left) => *left == 0,
            Rest::Chunked(chunked) => chunked.is_over(),
            Rest::Close => false,
        }
    }

    /// How much is still to come, if that was said.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.rest {
            Rest::Length(left) => Some(*left),
            Rest::Chunked(_) | Rest::Close => None,
        }
    }
}

impl Hold {
    /// The response was read to its end: what was meant to become of the connection becomes of it, if nothing was read that
    /// belongs to no request.
    ///
    /// Source: RFC 9112 sections 9.2 and 9.3.
    fn free(self) {
        if !self.lease.link.input.is_empty() || !self.lease.link.is_written() {
            return;
        }
        match self.then {
            Then::Close => {}
            Then::Pin(pins, name) => self.lease.pin(&pins, name),
            Then::Pool => self.lease.give_back(),
        }
    }
}
