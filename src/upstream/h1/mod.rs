//! HTTP/1.1 as a client: one request at a time on a connection, read and written by whoever waits for the answer.
//!
//! Heads are read by `httparse`, which hyper uses as well; what follows a head is framed here. Whatever is not certain makes
//! the connection useless for a next request: bytes that nobody asked for, an end that depends on how one reads (RFC 9112
//! sections 6.3, 9.2 and 11.2).
//!
//! # Deviations
//!
//! - Obsolete line folding and white space before the colon are tolerated in responses, as RFC 9112
//!   sections 5.1 and 5.2 prescribe for a proxy; both are removed.
//! - One empty line before a status line is borne, more are not (RFC 9112 section 2.2 says so of requests).
//! - Trailers are read and dropped (see [`crate::body`]).

pub(super) mod chunked;
pub(super) mod framing;
pub(super) mod head;
pub(super) mod link;
pub(super) mod upload;

use std::fmt;

/// Why bytes are no HTTP response.
#[derive(Debug, thiserror::Error)]
pub enum NotHttp {
    /// The head does not follow the grammar.
    #[error("expected a status line and fields, found an error in them: {0}")]
    Head(httparse::Error),
    /// The head has more bytes or fields than are accepted.
    #[error("expected a head within limits.header_bytes and limits.header_fields, found a larger one")]
    TooLarge,
    /// The origin spoke before it was asked.
    #[error("expected no byte before the request, found some")]
    Unasked,
}

/// The content is not what its framing says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) struct BadContent(pub(super) &'static str);

impl fmt::Display for BadContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
