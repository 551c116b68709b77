//! The answer to one request, at once or later.
//!
//! A future that may wait for an origin is several KiB long, and whoever holds it copies it about. What answers at once is
//! none, and what waits has a place of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;

use crate::body::ReplyBody;

/// The answer to one request.
pub enum Answering {
    /// Known already; taken when it is asked for.
    Now(Option<Response<ReplyBody>>),
    /// Something has to be waited for.
    Later(Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>),
}

impl Future for Answering {
    type Output = Response<ReplyBody>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<ReplyBody>> {
        match self.get_mut() {
            // Asked again after it was taken it has no answer, as any future.
            Self::Now(response) => response.take().map_or(Poll::Pending, Poll::Ready),
            Self::Later(future) => future.as_mut().poll(cx),
        }
    }
}
