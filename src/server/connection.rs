//! One client connection: hyper between the watched socket and the handler.
//!
//! RFC 9112 section 9 (connection management), RFC 9110 section 9.3.6 (CONNECT), section 15.2 (1xx).
//! Messages are parsed and framed by hyper; interim heads are put between them by `wire`.
//!
//! # Deviations
//!
//! - A request head that is not complete in time closes the connection without 408 (RFC 9110
//!   section 15.5.9 recommends to send it): nobody who sends so slowly reads it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1::{self, Parts};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::body::{BodyError, ReplyBody};
use crate::config::settings::Limits;
use crate::interim::Interim;
use crate::repeats::Repetition;
use crate::target::LastAuthority;
use crate::upstream::Pins;

use super::again::{Encore, Repeating};
use super::handover::{Handover, Place, Released, Socket};
use super::registry::Open;
use super::socket::Watched;
use super::watch::{Order, Watch};
use super::wire::Wire;

/// What the gateway may know of the connection that a request came on.
#[derive(Debug)]
pub struct Connection {
    /// The client's end; an IPv4 address mapped into IPv6 is given as IPv4.
    pub peer: SocketAddr,
    /// Its address as origins are told it.
    pub address: HeaderValue,
    /// Whether the client's connection is TLS: an origin-form target then means `https`.
    pub tls: bool,
    /// Takes what an origin says before its final response.
    pub interim: Interim,
    /// Connections to origins that belong to this one alone.
    pub pins: Pins,
    /// The authority that was asked for last.
    pub authority: LastAuthority,
    /// What is given again on this connection.
    pub repetition: Repetition,
    /// Who has the connection after HTTP.
    pub handover: Handover,
}

impl Connection {
    /// A connection on which nothing has happened.
    #[must_use]
    pub fn new(peer: SocketAddr, tls: bool) -> Self {
        // An address has no character that a value may not have.
        let address = HeaderValue::try_from(peer.ip().to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        let (interim, pins, authority) = (Interim::default(), Pins::default(), LastAuthority::default());
        let (repetition, handover) = (Repetition::default(), Handover::default());
        Self { peer, address, tls, interim, pins, authority, repetition, handover }
    }
}

/// Who answers what comes on a connection.
pub(super) trait Host: Repeating + Clone + Unpin + Send + 'static {
    /// The answer to one request.
    fn answer(
        &self,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<ReplyBody>> + Unpin + Send + 'static + use<Self>;
}

/// hyper's settings for client connections, made once.
#[derive(Clone)]
pub(super) struct Http(http1::Builder);

/// hyper's own number of fields; at this number it parses without allocating.
const USUAL_FIELDS: usize = 100;
/// hyper's own bound of its buffers.
const USUAL_BUFFER_BYTES: usize = 408 * 1024;

impl Http {
    /// Applies the limits on request heads: beyond them hyper answers 431 (RFC 6585 section 5).
    pub(super) fn new(limits: &Limits) -> Self {
        let mut builder = http1::Builder::new();
        builder
            // A client may close its writing half and still read the answer (RFC 9112 section 9.6).
            .half_close(true)
            // The sweep bounds the time, at no cost to a request.
            .header_read_timeout(None)
            .max_header_size(limits.header_bytes)
            .max_buf_size(limits.header_bytes.max(USUAL_BUFFER_BYTES));
        if limits.header_fields != USUAL_FIELDS {
            builder.max_headers(limits.header_fields);
        }
        Self(builder)
    }

    /// Serves one connection to its end, or until it has become a tunnel: then its socket is handed over.
    ///
    /// # Errors
    ///
    /// What hyper says about a broken connection or an unreadable request.
    pub(super) async fn serve<S, H>(&self, socket: (S, Open), connection: Connection, host: H) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Into<Socket> + 'static,
        H: Host,
    {
        let (stream, open) = socket;
        let watch = Arc::clone(open.watch());
        let noted = Arc::clone(&watch);
        let interim = connection.interim.clone();
        let connection = Arc::new(connection);
        let wire = Wire::new(Watched::new(stream, open), interim.clone());
        let wire = Encore::new(wire, host.clone(), Arc::clone(&connection), Arc::clone(&watch));
        let waiting = interim.clone();
        let left = Arc::clone(&connection);
        let service = service_fn(move |request: Request<Incoming>| {
            noted.exchange_begins(!request.body().is_end_stream());
            interim.turn();
            let is_connect = *request.method() == Method::CONNECT;
            let state = Asking::Asked(host.answer(Arc::clone(&connection), request));
            Asked { state, is_connect, watch: Arc::clone(&noted), interim: interim.clone() }
        });
        let mut serving = self.0.serve_connection(TokioIo::new(wire), service);
        let mut is_known = false;
        let mut is_finishing = false;
        poll_fn(|cx| {
            if !is_known {
                watch.remember(cx.waker());
                waiting.remember(cx.waker());
                is_known = true;
            }
            match watch.order() {
                Order::Serve => {}
                Order::Finish if is_finishing => {}
                Order::Finish => {
                    Pin::new(&mut serving).graceful_shutdown();
                    is_finishing = true;
                }
                Order::Cut => return Poll::Ready(Ok(())),
            }
            Pin::new(&mut serving).poll(cx)
        })
        .await?;
        if let Some(successor) = left.handover.take().filter(|_| watch.is_tunnel()) {
            let Parts { io, read_buf: early, .. } = serving.into_parts();
            let (stream, open) = io.into_inner().into_inner().into_inner().into_inner();
            successor(Released { socket: stream.into(), early, place: Place::new(open) });
        }
        Ok(())
    }
}

/// A request that the handler has; done when its response may follow what was said before it.
struct Asked<R> {
    state: Asking<R>,
    is_connect: bool,
    watch: Arc<Watch>,
    interim: Interim,
}

#[expect(clippy::large_enum_variant, reason = "every request comes to the large one")]
enum Asking<R> {
    Asked(R),
    Answered(Option<Response<ReplyBody>>),
}

impl<R: Future<Output = Response<ReplyBody>> + Unpin> Future for Asked<R> {
    type Output = Result<Response<Noted>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Asking::Asked(answer) = &mut this.state {
            this.state = Asking::Answered(Some(ready!(Pin::new(answer).poll(cx))));
        }
        // No interim response comes after the final one; the connection polls again when it has taken them.
        if this.interim.is_waiting() {
            return Poll::Pending;
        }
        let Asking::Answered(response) = &mut this.state else { return Poll::Pending };
        let Some(response) = response.take() else { return Poll::Pending };
        this.interim.turn();
        if this.is_connect && response.status().is_success() || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            this.watch.becomes_tunnel();
        }
        let watch = Arc::clone(&this.watch);
        Poll::Ready(Ok(response.map(|content| Noted { content, watch })))
    }
}

/// A reply's content whose end is noted.
struct Noted {
    content: ReplyBody,
    watch: Arc<Watch>,
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.watch.exchange_ends();
    }
}

impl HttpBody for Noted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.content).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
