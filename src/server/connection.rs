//! One client connection: hyper between the watched socket and the handler.
//!
//! RFC 9112 section 9 (connection management), RFC 9110 section 9.3.6 (CONNECT), section 15.2 (1xx).
//! Messages are parsed and framed by hyper, which is there while it is needed (`rest`), or by `plain`; interim
//! heads are put between them by `wire`.
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
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
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
use super::plain::{Bounds, Parties};
use super::registry::Open;
use super::rest;
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
    /// The answer to one request; without content where there is none.
    fn answer(
        &self,
        connection: Arc<Connection>,
        request: Request<Option<Incoming>>,
    ) -> impl Future<Output = Response<ReplyBody>> + Unpin + Send + 'static + use<Self>;
}

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// While there was no hyper.
    #[error(transparent)]
    Socket(std::io::Error),
    /// What hyper says.
    #[error(transparent)]
    Http(hyper::Error),
}

/// The settings for client connections, made once.
#[derive(Clone)]
pub(super) struct Http {
    builder: http1::Builder,
    /// For heads that are read without it.
    bounds: Bounds,
}

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
        Self { builder, bounds: Bounds::new(limits) }
    }

    /// Serves one connection to its end, or until it has become a tunnel: then its socket is handed over.
    ///
    /// # Errors
    ///
    /// What socket or hyper say about a broken connection, or hyper about an unreadable request.
    pub(super) async fn serve<S, H>(&self, socket: (S, Open), connection: Connection, host: H) -> Result<(), Broken>
    where
        S: AsyncRead + AsyncWrite + Unpin + Into<Socket> + 'static,
        H: Host,
    {
        let (stream, open) = socket;
        let watch = Arc::clone(open.watch());
        let interim = connection.interim.clone();
        poll_fn(|cx| {
            watch.remember(cx.waker());
            interim.remember(cx.waker());
            Poll::Ready(())
        })
        .await;
        let connection = Arc::new(connection);
        let wire = Wire::new(Watched::new(stream, open), interim);
        let mut wire = Encore::new(wire, host.clone(), Arc::clone(&connection), Arc::clone(&watch));
        let parties = Parties { host, connection, watch };
        while rest::until_needed(&mut wire, &parties, self.bounds).await.map_err(Broken::Socket)? {
            // In a box, so that a connection at rest keeps no room for it.
            let mut serving = Box::new(self.builder.serve_connection(TokioIo::new(wire), service(&parties)));
            let pause = run(&mut serving, &parties.watch).await.map_err(Broken::Http)?;
            let parts = serving.into_parts();
            wire = parts.io.into_inner();
            if let Pause::Over = pause {
                release(wire, parts.read_buf, &parties.connection);
                break;
            }
        }
        Ok(())
    }
}

/// Hands each request to the host, and notes where it is.
fn service<H: Host>(
    Parties { host, connection, watch }: &Parties<H>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Noted>,
    Error = Infallible,
    Future = Asked<impl Future<Output = Response<ReplyBody>> + Unpin + Send + use<H>>,
> + use<H> {
    let (host, connection, watch) = (host.clone(), Arc::clone(connection), Arc::clone(watch));
    service_fn(move |request: Request<Incoming>| {
        watch.exchange_begins(!request.body().is_end_stream());
        connection.interim.turn();
        let is_connect = *request.method() == Method::CONNECT;
        let state = Asking::Asked(host.answer(Arc::clone(&connection), request.map(Some)));
        Asked { state, is_connect, watch: Arc::clone(&watch), interim: connection.interim.clone() }
    })
}

/// Why hyper is not needed any more.
enum Pause {
    /// Nothing is under way, and nothing has come for some time.
    Rest,
    /// The connection is over, or a tunnel.
    Over,
}

/// Lets hyper serve the connection for as long as it is needed.
async fn run<I, A, R>(serving: &mut http1::Connection<I, A>, watch: &Watch) -> hyper::Result<Pause>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    A: Service<Request<Incoming>, Response = Response<Noted>, Error = Infallible, Future = Asked<R>>,
    R: Future<Output = Response<ReplyBody>> + Unpin,
{
    let mut is_finishing = false;
    poll_fn(|cx| {
        loop {
            if Pin::new(&mut *serving).poll(cx)?.is_ready() {
                return Poll::Ready(Ok(Pause::Over));
            }
            if watch.is_resting() {
                return Poll::Ready(Ok(Pause::Rest));
            }
            // Not before hyper has seen what it is needed for: without that it would end the connection at once.
            match watch.order() {
                Order::Serve => return Poll::Pending,
                Order::Finish if is_finishing => return Poll::Pending,
                Order::Finish => Pin::new(&mut *serving).graceful_shutdown(),
                Order::Cut => return Poll::Ready(Ok(Pause::Over)),
            }
            is_finishing = true;
        }
    })
    .await
}

/// Gives the socket to whoever takes the connection over, if it has become a tunnel.
fn release<S, H>(wire: Encore<Wire<Watched<S>>, H>, early: Bytes, connection: &Connection)
where
    S: AsyncRead + AsyncWrite + Unpin + Into<Socket> + 'static,
{
    let (wire, unseen) = wire.into_inner();
    let (stream, open) = wire.into_inner().into_inner();
    if let Some(successor) = connection.handover.take().filter(|_| open.watch().is_tunnel()) {
        let early = if unseen.is_empty() { early } else { [early, unseen].concat().into() };
        successor(Released { socket: stream.into(), early, place: Place::new(open) });
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
