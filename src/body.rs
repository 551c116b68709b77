//! The body of a message on its way through the gateway: never one huge buffer, never copied.
//!
//! RFC 9110 section 6.4 (content), section 6.5 (trailers).
//!
//! # Deviations
//!
//! - Trailers are dropped in both directions; RFC 9110 section 6.5.1 lets an intermediary do so, and
//!   a trailer that somebody merged into a head would pass every check made on that head.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::access_log::Finish;
use crate::cache::store::Reader;
use crate::upstream::UpstreamBody;

/// Why a body broke off; the connection it was written to is then closed, so that nobody takes the
/// part for the whole.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Content, wherever its bytes come from.
pub enum Body {
    /// No content.
    Empty,
    /// One piece at hand.
    Full(Bytes),
    /// A client's request content, passed on as it comes.
    Request(Incoming),
    /// An origin's response content, passed on as it comes.
    Upstream(UpstreamBody),
    /// A stored response's content, or one that is being stored while it arrives.
    Stored(Reader),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let frame = match &mut *self {
                Self::Empty => return Poll::Ready(None),
                Self::Full(bytes) => {
                    let bytes = std::mem::take(bytes);
                    *self = Self::Empty;
                    return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
                }
                Self::Request(incoming) => ready!(Pin::new(incoming).poll_frame(cx)).map(|frame| frame.map_err(Into::into)),
                Self::Upstream(body) => ready!(body.poll_frame(cx)),
                Self::Stored(reader) => return reader.poll_chunk(cx).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data))),
            };
            // Trailers end here; every other frame passes.
            match frame {
                Some(Ok(frame)) if !frame.is_data() => {}
                frame => return Poll::Ready(frame),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Request(incoming) => incoming.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::Stored(reader) => reader.is_at_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Request(incoming) => incoming.size_hint(),
            Self::Upstream(body) => body.size_hint(),
            Self::Stored(reader) => reader.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// A reply's content together with the record that is written when it ends, however it ends.
pub struct ReplyBody {
    content: Body,
    sent_bytes: u64,
    finish: Option<Finish>,
}

impl ReplyBody {
    /// Content whose end is recorded by `finish`.
    #[must_use]
    pub fn new(content: Body, finish: Option<Finish>) -> Self {
        Self { content, sent_bytes: 0, finish }
    }
}

impl HttpBody for ReplyBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.content).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.sent_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        if let Some(finish) = self.finish.take() {
            finish.end(self.sent_bytes, self.content.is_end_stream());
        }
    }
}
