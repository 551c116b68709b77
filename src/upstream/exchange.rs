//! One request on one connection: what is written, and what is made of what comes back.
//!
//! The framing fields are ours alone: whatever the client wrote there is replaced by what its
//! content is. RFC 9112 section 3.2 (request target, `Host`), section 6 (message body), section 9.3
//! (persistence); RFC 9110 section 8.6 (`Content-Length`).
//!
//! # Deviations
//!
//! - A response with both `Transfer-Encoding` and `Content-Length` is refused, as RFC 9112 section
//!   6.3 calls it an error; so is one in a compression coding, with `chunked` or without it, which was
//!   not asked for with `TE` (RFC 9112 section 7.4) and would pass for the plain content.
//! - A connection that carried `NTLM` or `Negotiate` is used for one client connection alone: those schemes
//!   authenticate the connection, and the next request on it may be somebody else's (RFC 4559 section 6).

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::ext::on_informational;
use tokio::time::timeout;

use crate::body::Body;
use crate::error::{Error, UpstreamError};
use crate::fields::{is_token, list_members};
use crate::hop::is_connection_scheme;
use crate::interim::Relay;
use crate::target::{Host, Scheme, Target};

use super::body::{Hold, Then, UpstreamBody};
use super::content::{Content, Watch};
use super::pins::Pins;
use super::pool::Lease;
use super::{Outbound, Wired};

/// A request that can be written out once, or again if it has no content.
pub(super) struct Message {
    method: Method,
    uri: Uri,
    /// As they are written: `Host` first, the framing ours.
    fields: HeaderMap,
    content: Option<Body>,
    interim: Option<Relay>,
    framing: Framing,
}

/// How the end of the request content is marked.
///
/// Source: RFC 9112 section 6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// No content.
    None,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// To whom the connection of an exchange belongs.
pub(super) struct Bond<'a> {
    /// To a client connection, from before or by this request's credentials.
    pub(super) is_bound: bool,
    /// What is pinned to that client connection; none: the connection is closed.
    pub(super) pins: Option<&'a Pins>,
    /// The origin as the client names it.
    pub(super) name: (Scheme, Host, u16),
}

/// What became of one request on one connection.
pub(super) enum Sent {
    /// A response head came.
    Answered(Box<Response<UpstreamBody>>),
    /// The connection was dead before anything was written; the request is handed back.
    Unsent(Box<Wired>, UpstreamError),
    /// It was written, and not a byte came back.
    Silent(UpstreamError),
    /// Something came back that is no response, or time was over, or the client broke off.
    Failed(UpstreamError),
}

impl Message {
    /// Prepares a request to `target`.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the target cannot be written, which its parser excludes.
    ///
    /// Source: RFC 9112 section 3.2.1 (origin-form), section 3.2.4 (asterisk-form), section 3.2.2
    /// (`Host` regenerated).
    pub(super) fn new(target: &Target, outbound: Outbound) -> Result<Self, Error> {
        let path = PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(target.path_and_query.as_bytes()));
        let path = path.map_err(|_| Error::Internal("a request target that was accepted cannot be written"))?;
        let host = target.authority_value().map_err(|_| Error::Internal("a host that was accepted cannot be written"))?;
        let framing = framing(&outbound.body);
        let mut fields = with_host(outbound.fields, host);
        framing.set(&outbound.method, &mut fields);
        Ok(Self {
            method: outbound.method,
            uri: Uri::from(path),
            fields,
            content: Some(outbound.body),
            interim: outbound.interim,
            framing,
        })
    }

    /// The request with its content, for the first connection.
    pub(super) fn first(&mut self) -> Wired {
        let content = self.content.take().unwrap_or(Body::Empty);
        self.wired(content)
    }

    /// The request once more; only for one that [`Message::may_repeat`].
    pub(super) fn again(&self) -> Wired {
        self.wired(Body::Empty)
    }

    /// Whether this request may be sent again although it may have been received: only GET and HEAD
    /// without content.
    ///
    /// Source: RFC 9110 section 9.2.2.
    pub(super) fn may_repeat(&self) -> bool {
        self.framing == Framing::None && (self.method == Method::GET || self.method == Method::HEAD)
    }

    /// Whether its credentials speak for the connection and not for this request alone.
    ///
    /// Source: RFC 4559 section 6.
    pub(super) fn is_connection_bound(&self) -> bool {
        self.fields.get_all(header::AUTHORIZATION).iter().any(is_connection_scheme)
    }

    fn wired(&self, content: Body) -> Wired {
        let mut request = Request::new(Content::new(content));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.fields.clone();
        if let Some(relay) = self.interim.clone() {
            on_informational(&mut request, move |response| relay.pass(response.status(), response.headers()));
        }
        request
    }
}

/// `Host` first, then the fields in their order.
///
/// Source: RFC 9110 section 7.2.
fn with_host(mut fields: HeaderMap, host: HeaderValue) -> HeaderMap {
    if fields.keys().next() == Some(&header::HOST) {
        // One line takes the place of all.
        fields.insert(header::HOST, host);
        return fields;
    }
    let mut head = HeaderMap::with_capacity(fields.len() + 2);
    head.append(header::HOST, host);
    for (name, value) in &fields {
        if *name != header::HOST {
            head.append(name.clone(), value.clone());
        }
    }
    head
}

impl Framing {
    /// Replaces whatever the fields say about framing.
    fn set(self, method: &Method, fields: &mut HeaderMap) {
        fields.remove(header::TRANSFER_ENCODING);
        fields.remove(header::CONTENT_LENGTH);
        match self {
            Self::Length(length) => {
                fields.append(header::CONTENT_LENGTH, length.into());
            }
            Self::Chunked => {
                fields.append(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            // RFC 9110 section 8.6: a method that anticipates content says when there is none.
            Self::None if [Method::POST, Method::PUT, Method::PATCH].contains(method) => {
                fields.append(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            Self::None => {}
        }
    }
}

/// Sends one request on a connection of its own and waits for the response head.
///
/// The head must come within `limit` after the request; while content is being sent, within `limit`
/// after the last piece of it. A connection that `bond` binds, or that the origin's challenge binds, never comes to the pool.
pub(super) async fn send_once(mut lease: Lease, request: Wired, limit: Duration, bond: Bond<'_>) -> Sent {
    let watch = request.body().watch();
    lease.link.heard.reset();
    let response = lease.link.sender.try_send_request(request);
    let answered = match await_head(response, watch.as_deref(), limit).await {
        Ok(answered) => answered,
        Err(error) => return Sent::Failed(error),
    };
    let mut response = match answered {
        Ok(response) => response,
        Err(error) => return classify(error, &lease, watch.as_deref()),
    };
    let is_closing = match settle_framing(&mut response) {
        Ok(end) => end == End::Close,
        Err(reason) => return Sent::Failed(UpstreamError::Framing(reason)),
    };
    let is_bound = bond.is_bound || response.headers().get_all(header::WWW_AUTHENTICATE).iter().any(is_connection_scheme);
    let then = match bond.pins {
        _ if is_closing => Then::Close,
        _ if !is_bound => Then::Pool,
        Some(pins) => Then::Pin(pins.clone(), bond.name),
        None => Then::Close,
    };
    if let (true, Some(pins)) = (is_bound, bond.pins) {
        pins.mark();
    }
    let hold = Hold { lease, then };
    Sent::Answered(Box::new(response.map(|incoming| UpstreamBody::new(incoming, hold, watch, limit))))
}

async fn await_head<F: Future>(response: F, watch: Option<&Watch>, limit: Duration) -> Result<F::Output, UpstreamError> {
    let mut response = pin!(response);
    let mut pieces = 0;
    loop {
        if let Ok(answered) = timeout(limit, response.as_mut()).await {
            return Ok(answered);
        }
        let Some(watch) = watch.filter(|watch| watch.pieces() != pieces) else {
            let is_client_late = watch.is_some_and(Watch::is_waiting_for_client);
            return Err(if is_client_late { UpstreamError::RequestBody } else { UpstreamError::FirstByteTimeout });
        };
        pieces = watch.pieces();
    }
}

/// Whose fault it is that no response head came.
fn classify(mut error: TrySendError<Wired>, lease: &Lease, watch: Option<&Watch>) -> Sent {
    let unsent = error.take_message();
    let error = error.into_error();
    let has_spoken = lease.link.heard.is_set();
    let is_client_broken = watch.is_some_and(Watch::is_broken) || error.is_body_write_aborted();
    let fault = if is_client_broken {
        UpstreamError::RequestBody
    } else if error.is_parse() || (unsent.is_some() && has_spoken) {
        // Not parsable, or bytes before any request: an answer to nothing.
        UpstreamError::Protocol(error)
    } else {
        UpstreamError::Closed
    };
    match unsent {
        Some(request) => Sent::Unsent(Box::new(request), fault),
        None if has_spoken || is_client_broken => Sent::Failed(fault),
        None => Sent::Silent(fault),
    }
}

/// Where a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Wherever hyper says; it keeps track of whether the connection may be used again.
    Framed,
    /// With the connection, which is not used again whatever the method says of content.
    Close,
}

/// Refuses ambiguous framing and leaves at most one true `Content-Length`.
///
/// hyper has framed the content already, by the same rules; what is settled here is what the fields
/// say to those who read them after us.
///
/// Source: RFC 9112 section 6.3; RFC 9110 section 8.6; RFC 9110 sections 15.2.2 and 15.3.5.
fn settle_framing(response: &mut Response<Incoming>) -> Result<End, &'static str> {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err("expected a final response, found 101 although no upgrade was asked for");
    }
    let fields = response.headers_mut();
    if status == StatusCode::NO_CONTENT {
        fields.remove(header::CONTENT_LENGTH);
        fields.remove(header::TRANSFER_ENCODING);
        return Ok(End::Framed);
    }
    if fields.contains_key(header::TRANSFER_ENCODING) {
        if fields.contains_key(header::CONTENT_LENGTH) {
            return Err("expected Transfer-Encoding or Content-Length, found both");
        }
        return settle_coding(fields);
    }
    if fields.contains_key(header::CONTENT_LENGTH) {
        let length = single_length(fields).ok_or("expected one Content-Length, found invalid or differing ones")?;
        let mut lines = fields.get_all(header::CONTENT_LENGTH).iter();
        let is_plain = lines.next().is_some_and(|line| line == itoa::Buffer::new().format(length)) && lines.next().is_none();
        if !is_plain {
            fields.insert(header::CONTENT_LENGTH, length.into());
        }
    }
    Ok(End::Framed)
}

/// `chunked` alone, or codings that nobody knows: without `chunked` the content ends with the
/// connection, and the field, which is about that connection, is dropped.
///
/// Source: RFC 9112 section 6.3, item 4.
fn settle_coding(fields: &mut HeaderMap) -> Result<End, &'static str> {
    // RFC 9112 section 7.2, with the other names that it gives for them.
    const COMPRESSIONS: [&[u8]; 5] = [b"compress", b"x-compress", b"deflate", b"gzip", b"x-gzip"];
    let lines = fields.get_all(header::TRANSFER_ENCODING);
    let mut values = lines.iter().map(|line| line.as_bytes().trim_ascii());
    if let (Some(value), None) = (values.next(), values.next())
        && value.eq_ignore_ascii_case(b"chunked")
    {
        return Ok(End::Framed);
    }
    if lines.iter().any(|line| line.as_bytes().windows(7).any(|part| part.eq_ignore_ascii_case(b"chunked"))) {
        return Err("expected chunked as the only transfer coding, found another beside it");
    }
    let mut codings = list_members(fields, &header::TRANSFER_ENCODING).peekable();
    let is_foreign = |coding: &[u8]| is_token(coding) && !COMPRESSIONS.iter().any(|known| known.eq_ignore_ascii_case(coding));
    if codings.peek().is_none() || !codings.all(is_foreign) {
        return Err("expected chunked or an unknown transfer coding, found a compression or no coding");
    }
    drop(codings);
    fields.remove(header::TRANSFER_ENCODING);
    Ok(End::Close)
}

/// The one length that all lines and list members agree on.
///
/// ABNF: `Content-Length = 1*DIGIT`.
///
/// Source: RFC 9112 section 6.3, item 5 (identical repetitions may be replaced by one).
fn single_length(fields: &HeaderMap) -> Option<u64> {
    let mut length = None;
    for line in fields.get_all(header::CONTENT_LENGTH) {
        for member in line.to_str().ok()?.split(',') {
            let digits = member.trim_matches([' ', '\t']);
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let value = digits.parse::<u64>().ok().filter(|_| is_number)?;
            if length.replace(value).is_some_and(|earlier| earlier != value) {
                return None;
            }
        }
    }
    length
}

fn framing(body: &Body) -> Framing {
    use http_body::Body as _;
    if body.is_end_stream() {
        return Framing::None;
    }
    body.size_hint().exact().map_or(Framing::Chunked, Framing::Length)
}
