//! A response that began before its request was complete: the request goes on, whether or not anybody reads the response.
//!
//! RFC 9112 section 9.3: the connection carries no other request. RFC 9110 section 7.5 (a server may answer early).
//!
//! # Deviations
//!
//! none

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::body::BodyError;

use super::body::Reading;
use super::h1::BadContent;
use super::h1::upload::Upload;

/// Content, or none at its end.
type Piece = Result<Option<Bytes>, BodyError>;

/// The reader's side of a response that a task of its own reads.
pub(super) struct Early {
    pieces: Receiver<Piece>,
    /// What is still to come, if that was said.
    left: Option<u64>,
}

impl Early {
    /// Gives the connection to a task that writes and reads, and closes it at the end or when this is dropped.
    pub(super) fn new(reading: Reading, upload: Upload) -> Self {
        let (give, pieces) = channel(1);
        let left = reading.length();
        tokio::spawn(drive(reading, upload, give));
        Self { pieces, left }
    }

    /// The next piece; none when the content is complete.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let piece = match ready!(self.pieces.poll_recv(cx)) {
            Some(Ok(Some(data))) => Some(Ok(data)),
            Some(Ok(None)) => None,
            Some(Err(error)) => Some(Err(error)),
            None => Some(Err(BadContent("expected the rest of the request content, found that it broke off").into())),
        };
        if let (Some(left), Some(Ok(data))) = (&mut self.left, &piece) {
            *left = left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(piece)
    }

    /// Whether all of a content of known length was read.
    pub(super) fn is_over(&self) -> bool {
        self.left == Some(0)
    }

    /// How much is still to come, if that was said.
    pub(super) fn length(&self) -> Option<u64> {
        self.left
    }
}

/// Writes the request to its end and hands on the response, each at its own pace, until the reader or the client leaves.
async fn drive(mut reading: Reading, mut upload: Upload, give: Sender<Piece>) {
    loop {
        let mut left = pin!(give.closed());
        let piece = poll_fn(|cx| {
            if left.as_mut().poll(cx).is_ready() || !keeps_on(&mut upload, &mut reading, cx) {
                return Poll::Ready(None);
            }
            reading.poll_data(cx).map(|piece| Some(piece.transpose()))
        });
        let Some(piece) = piece.await else { return };
        let is_last = !matches!(piece, Ok(Some(_)));
        let mut room = pin!(give.reserve());
        let room = poll_fn(|cx| {
            if keeps_on(&mut upload, &mut reading, cx) { room.as_mut().poll(cx).map(Result::ok) } else { Poll::Ready(None) }
        });
        let Some(room) = room.await else { return };
        room.send(piece);
        if is_last {
            return;
        }
    }
}

/// Writes more of the request; false when the client broke off.
fn keeps_on(upload: &mut Upload, reading: &mut Reading, cx: &mut Context<'_>) -> bool {
    let is_over = upload.poll_send(&mut reading.hold.lease.link, cx).is_ready();
    !(is_over && upload.is_broken())
}
