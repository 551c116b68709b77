//! A request's content on its way to the origin, watched: was all of it sent, and who is waiting?
//!
//! A connection whose request content is still owed must not carry another request (RFC 9112
//! section 9.3), and a content that breaks off must never look complete to the origin (RFC 9112
//! section 8): the error goes through and hyper closes the connection.
//!
//! # Deviations
//!
//! none

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, BodyError};

/// Not yet asked for, or handed on and taken.
const MOVING: u8 = 0;
/// The client owes the next piece.
const WAITING: u8 = 1;
/// All of it was handed to the connection.
const SENT: u8 = 2;
/// The client's side broke off.
const BROKEN: u8 = 3;

/// Request content together with its watch; without content there is nothing to watch.
pub(super) struct Content {
    body: Body,
    watch: Option<Arc<Watch>>,
}

/// What became of a request's content so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: AtomicU8,
    pieces: AtomicU64,
}

impl Content {
    /// Content to send; a watch is made only where there is some.
    pub(super) fn new(body: Body) -> Self {
        let watch = (!body.is_end_stream()).then(Arc::default);
        Self { body, watch }
    }

    /// The watch of this content, none for a request without content.
    pub(super) fn watch(&self) -> Option<Arc<Watch>> {
        self.watch.clone()
    }
}

impl Watch {
    /// Whether all of it was handed to the connection.
    pub(super) fn is_sent(&self) -> bool {
        self.state.load(Ordering::Acquire) == SENT
    }

    /// Whether the client's side broke off.
    pub(super) fn is_broken(&self) -> bool {
        self.state.load(Ordering::Acquire) == BROKEN
    }

    /// Whether the client owes the next piece.
    pub(super) fn is_waiting_for_client(&self) -> bool {
        self.state.load(Ordering::Acquire) == WAITING
    }

    /// A number that changes with every piece that is handed on, and at the end.
    pub(super) fn pieces(&self) -> u64 {
        self.pieces.load(Ordering::Acquire)
    }

    fn enter(&self, state: u8) {
        self.state.store(state, Ordering::Release);
        if state != WAITING {
            self.pieces.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl HttpBody for Content {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let Some(watch) = &self.watch else { return polled };
        if polled.is_pending() {
            watch.enter(WAITING);
        }
        let frame = ready!(polled);
        watch.enter(match &frame {
            Some(Err(_)) => BROKEN,
            Some(Ok(_)) if !self.body.is_end_stream() => MOVING,
            Some(Ok(_)) | None => SENT,
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn content_is_sent_when_its_last_piece_was_handed_on() {
        let mut content = Content::new(Body::Full(Bytes::from_static(b"abc")));
        let watch = content.watch().unwrap();
        assert!(!watch.is_sent());
        let frame = std::future::poll_fn(|cx| Pin::new(&mut content).poll_frame(cx)).await;
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), "abc");
        assert!(watch.is_sent() && !watch.is_broken() && !watch.is_waiting_for_client());
        assert_eq!(watch.pieces(), 1);
    }

    #[test]
    fn no_content_needs_no_watch() {
        assert!(Content::new(Body::Empty).watch().is_none());
        assert!(Content::new(Body::Full(Bytes::new())).watch().is_none());
    }
}
