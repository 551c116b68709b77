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
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::body::BodyError;
use crate::target::{Host, Scheme};

use super::content::Watch;
use super::pins::Pins;
use super::pool::Lease;
use super::stall::Stall;

/// Most bytes of unwanted content that are read to keep a connection.
const DISCARDED_BYTES: u64 = 64 << 10;

/// Longest time that is spent on it.
const DISCARD_TIME: Duration = Duration::from_secs(1);

/// An origin's response content; returns its connection to the pool when it was read to its end.
pub struct UpstreamBody {
    incoming: Incoming,
    progress: Progress,
    hold: Option<Hold>,
    request: Option<Arc<Watch>>,
    stall: Stall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Reading,
    Ended,
    Broken,
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
    /// The content that a connection delivers. `request` watches the request's content; `stall_time` is
    /// how long the origin may be silent.
    pub(super) fn new(incoming: Incoming, hold: Hold, request: Option<Arc<Watch>>, stall_time: Duration) -> Self {
        let mut body = Self { incoming, progress: Progress::Reading, hold: Some(hold), request, stall: Stall::new(stall_time) };
        if body.incoming.is_end_stream() {
            body.end();
        }
        body
    }

    /// The next frame.
    ///
    /// An error means that the content is not complete, whatever was read before.
    ///
    /// Source: RFC 9112 section 8 (incomplete messages).
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.progress != Progress::Reading {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.stall.note();
                if self.incoming.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(self.give_up(error)))),
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => self.stall.poll_standstill(cx).map(|()| Some(Err(self.give_up(Stalled)))),
        }
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        self.progress == Progress::Ended
    }

    /// What is known of the rest's size.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
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

    /// The response is complete. The connection is only kept if the request is complete as well.
    ///
    /// Source: RFC 9112 section 9.3.
    fn end(&mut self) {
        self.progress = Progress::Ended;
        let is_request_sent = self.request.take().is_none_or(|request| request.is_sent());
        let Some(hold) = self.hold.take().filter(|_| is_request_sent) else { return };
        match hold.then {
            Then::Close => {}
            Then::Pin(pins, name) => hold.lease.pin(&pins, name),
            Then::Pool => hold.lease.give_back(),
        }
    }

    fn give_up(&mut self, error: impl Into<BodyError>) -> BodyError {
        self.progress = Progress::Broken;
        self.hold = None;
        error.into()
    }
}
