//! One request on one connection: what is written, and what is made of what comes back.
//!
//! The framing fields are ours alone: whatever the client wrote there is replaced by what its
//! content is. RFC 9112 section 3.2 (request target, `Host`), section 6 (message body), section 9.3
//! (persistence); RFC 9110 section 8.6 (`Content-Length`).
//!
//! # Deviations
//!
//! - A connection that carried `NTLM` or `Negotiate` is used for one client connection alone: those schemes
//!   authenticate the connection, and the next request on it may be somebody else's (RFC 4559 section 6).

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Method, Response, StatusCode, header};

use crate::access::Permit;
use crate::body::Body;
use crate::clock::Clock;
use crate::error::{Error, UpstreamError};
use crate::fields::{is_connection_scheme, write_line};
use crate::interim::Relay;
use crate::target::Target;

use super::Outbound;
use super::body::{Hold, Then, UpstreamBody};
use super::h1::NotHttp;
use super::h1::framing::settle;
use super::h1::head::{Head, Seeker};
use super::h1::link::{Link, Look};
use super::h1::upload::{Framing, Upload};
use super::pins::{self, Pins};
use super::pool::Lease;

/// A request that can be written out once, or again if it has no content.
pub(super) struct Message<'t> {
    target: &'t Target,
    /// The rest of it; its content until that is sent.
    outbound: &'t mut Outbound,
    framing: Framing,
}

/// To whom the connection of an exchange belongs.
pub(super) struct Bond<'a> {
    /// To a client connection, from before or by this request's credentials.
    pub(super) is_bound: bool,
    /// What is pinned to that client connection; none: the connection is closed.
    pub(super) pins: Option<&'a Pins>,
}

/// What became of one request on one connection.
pub(super) enum Sent {
    /// A response head came.
    Answered(Box<Response<UpstreamBody>>),
    /// It was written, or the connection was dead already, and not a byte came back.
    Silent(UpstreamError),
    /// Something came back that is no response, or time was over, or the client broke off.
    Failed(UpstreamError),
}

impl<'t> Message<'t> {
    /// Prepares a request to the permit's target.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the target cannot be written, which its parser excludes.
    ///
    /// Source: RFC 9112 section 3.2.1 (origin-form), section 3.2.4 (asterisk-form), section 3.2.2
    /// (`Host` regenerated).
    pub(super) fn new(permit: &'t Permit, outbound: &'t mut Outbound) -> Result<Self, Error> {
        let target = permit.target();
        if !is_one_word(&target.path_and_query) {
            return Err(Error::Internal("a request target that was accepted cannot be written"));
        }
        let framing = framing(&outbound.body);
        Ok(Self { target, outbound, framing })
    }

    /// Whether this request may be sent again although it may have been received: only GET and HEAD
    /// without content.
    ///
    /// Source: RFC 9110 section 9.2.2.
    pub(super) fn may_repeat(&self) -> bool {
        self.framing == Framing::None && matches!(self.outbound.method, Method::GET | Method::HEAD)
    }

    /// Whether its credentials speak for the connection and not for this request alone.
    ///
    /// Source: RFC 4559 section 6.
    pub(super) fn is_connection_bound(&self) -> bool {
        self.outbound.fields.is_connection_bound()
    }

    /// The head as it goes on the connection: `Host` first, the fields in their order, the framing ours.
    ///
    /// Source: RFC 9112 sections 3 and 5, RFC 9110 section 7.2.
    fn write_head(&self, out: &mut Vec<u8>) {
        let Outbound { method, fields, .. } = &*self.outbound;
        let path = &self.target.path_and_query;
        let slash = if path.starts_with(['/', '*']) { "" } else { "/" };
        for part in [method.as_str(), " ", slash, path, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        write_line(out, "host", |out| self.target.write_authority(out));
        out.extend_from_slice(fields.as_bytes());
        let mut number = itoa::Buffer::new();
        let (name, value) = match self.framing {
            Framing::Length(content) => ("content-length", number.format(content).as_bytes()),
            Framing::Chunked => ("transfer-encoding", &b"chunked"[..]),
            // RFC 9110 section 8.6: a method that anticipates content says when there is none.
            Framing::None if matches!(*method, Method::POST | Method::PUT | Method::PATCH) => ("content-length", &b"0"[..]),
            Framing::None => return out.extend_from_slice(b"\r\n"),
        };
        write_line(out, name, |out| out.extend_from_slice(value));
        out.extend_from_slice(b"\r\n");
    }
}

/// Nothing in it ends a request line or a part of one.
fn is_one_word(path: &str) -> bool {
    path.bytes().all(|byte| byte > b' ' && byte != 0x7f && byte != b'#')
}

/// Sends one request on a connection of its own and waits for the response head.
///
/// The head must come within `limit` after the request, which begins `now`; while content is being sent, within `limit`
/// after the last piece of it. A connection that `bond` binds, or that the origin's challenge binds, never comes to the pool.
pub(super) async fn send_once(
    mut lease: Lease,
    message: &mut Message<'_>,
    (now, limit): (Instant, Duration),
    bond: Bond<'_>,
) -> Sent {
    let link = &mut *lease.link;
    if !lease.is_reused {
        match link.look(false) {
            Look::Quiet => {}
            // An answer to nothing.
            Look::Spoken => return Sent::Failed(UpstreamError::Protocol(NotHttp::Unasked)),
            Look::Closed => return Sent::Silent(UpstreamError::Closed),
        }
    }
    message.write_head(link.begin(now, limit));
    let content = std::mem::replace(&mut message.outbound.body, Body::Empty);
    let upload = Upload::new(content, message.framing);
    let interim = message.outbound.interim.as_ref();
    let mut asking = Asking { link, upload, seeker: Seeker::default(), interim, limit, pieces: 0 };
    let head = match poll_fn(|cx| asking.poll_head(cx)).await {
        Ok(head) => head,
        Err(sent) => return sent,
    };
    let upload = asking.upload;
    let Head { status, version, mut fields, is_persistent } = head;
    let (end, is_certain) = match settle((status, version), message.outbound.method == Method::HEAD, &mut fields) {
        Ok(settled) => settled,
        Err(reason) => return Sent::Failed(UpstreamError::Framing(reason)),
    };
    let is_bound = bond.is_bound || fields.get_all(header::WWW_AUTHENTICATE).iter().any(is_connection_scheme);
    if let (true, Some(pins)) = (is_bound, bond.pins) {
        pins.mark();
    }
    let then = match bond.pins {
        _ if !is_persistent || !is_certain => Then::Close,
        _ if !is_bound => Then::Pool,
        Some(pins) => Then::Pin(pins.clone(), pins::name(message.target)),
        None => Then::Close,
    };
    let mut response = Box::new(Response::new(UpstreamBody::new(end, Hold { lease, then }, upload, limit)));
    (*response.status_mut(), *response.version_mut(), *response.headers_mut()) = (status, version, fields);
    Sent::Answered(response)
}

/// A request whose response head did not come yet.
struct Asking<'a> {
    link: &'a mut Link,
    upload: Upload,
    seeker: Seeker,
    interim: Option<&'a Relay>,
    limit: Duration,
    /// Pieces of content that were handed on when the time began.
    pieces: u64,
}

impl Asking<'_> {
    /// Writes what there is of the request and reads up to the head of its final response.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Sent>> {
        loop {
            let is_sending = self.upload.poll_send(self.link, cx).is_pending();
            if !is_sending && self.upload.is_broken() {
                return Poll::Ready(Err(Sent::Failed(UpstreamError::RequestBody)));
            }
            match self.seeker.take(&mut self.link.input, self.link.bounds, &mut self.link.former) {
                Ok(Some(head)) if is_interim(head.status) => {
                    if let Some(relay) = self.interim {
                        relay.pass(head.status, &head.fields);
                    }
                    continue;
                }
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(Sent::Failed(UpstreamError::Protocol(error)))),
            }
            match self.link.poll_fill(cx) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false) | Err(_)) if self.link.is_heard => {
                    return Poll::Ready(Err(Sent::Failed(UpstreamError::Closed)));
                }
                Poll::Ready(Ok(false) | Err(_)) => return Poll::Ready(Err(Sent::Silent(UpstreamError::Closed))),
                Poll::Pending => return self.poll_time(cx).map(Err),
            }
        }
    }

    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<Sent> {
        while self.link.poll_time(cx).is_ready() {
            let pieces = self.upload.pieces();
            if pieces == self.pieces {
                let is_client_late = self.upload.is_waiting_for_client();
                let error = if is_client_late { UpstreamError::RequestBody } else { UpstreamError::FirstByteTimeout };
                return Poll::Ready(Sent::Failed(error));
            }
            self.pieces = pieces;
            self.link.set_time(Clock::instant(), self.limit);
        }
        Poll::Pending
    }
}

/// Another head follows this one.
///
/// Source: RFC 9110 section 15.2; 101 is none, it ends HTTP on the connection (section 15.2.2).
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

fn framing(body: &Body) -> Framing {
    use http_body::Body as _;
    if body.is_end_stream() {
        return Framing::None;
    }
    body.size_hint().exact().map_or(Framing::Chunked, Framing::Length)
}
