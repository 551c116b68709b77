//! Exchanges without hyper: a request that is one head and asks for nothing special, and its response.
//!
//! Most requests are no more than that: HTTP/1.1, no content, no upgrade, nothing said of the connection but whether it stays.
//! `request` reads them and leaves everything else, mistakes included, to hyper; `response` writes what answers them.
//!
//! RFC 9112 section 9.3 (persistence), section 9.6 (tear-down); RFC 9110 section 15.2 (no interim response after the final
//! one).
//!
//! # Deviations
//!
//! - A client that closes while its answer is made is noticed when the answer is written, as with hyper: it may have closed its
//!   writing half alone.

mod request;
mod response;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use http::{HeaderMap, Method, Request, Response, header};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};

use super::again::Encore;
use super::connection::{Connection, Host};
use super::watch::{Order, Watch};
use crate::body::ReplyBody;
use crate::repeats::After;
pub(super) use request::{Bounds, Plain, read};
use response::Outgoing;

/// Who takes part in the exchanges of one connection.
pub(super) struct Parties<H> {
    pub(super) host: H,
    pub(super) connection: Arc<Connection>,
    pub(super) watch: Arc<Watch>,
}

/// Has this request answered, and the answer written to its end; false: the connection has to end.
///
/// # Errors
///
/// What the socket says, or why the content broke off.
pub(super) async fn exchange<S, H>(wire: &mut Encore<S, H>, parties: &Parties<H>, plain: Plain) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Host,
{
    let Parties { connection, watch, .. } = parties;
    let Plain { request, after } = plain;
    watch.exchange_begins(false);
    connection.interim.turn();
    let is_head = *request.method() == Method::HEAD;
    let Some(response) = answered(wire, parties, request).await? else { return Ok(false) };
    connection.interim.turn();
    let is_last = after == After::Close || watch.order() != Order::Serve || says_close(response.headers());
    let mut outgoing = Outgoing::new(response, is_head, is_last);
    poll_fn(|cx| match watch.order() {
        Order::Cut => Poll::Ready(Ok(false)),
        Order::Serve | Order::Finish => outgoing.poll_send(wire, watch, cx).map_ok(|()| !is_last),
    })
    .await
}

/// The answer, once it may be written: what was said before it has been; none if the connection is cut.
///
/// Source: RFC 9110 section 15.2.
async fn answered<S, H>(
    wire: &mut Encore<S, H>,
    parties: &Parties<H>,
    request: Request<Option<Incoming>>,
) -> io::Result<Option<Response<ReplyBody>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Host,
{
    let Parties { host, connection, watch } = parties;
    let mut answer = host.answer(Arc::clone(connection), request);
    let mut response = None;
    poll_fn(|cx| {
        if watch.order() == Order::Cut {
            return Poll::Ready(Ok(None));
        }
        if response.is_none()
            && let Poll::Ready(answer) = Pin::new(&mut answer).poll(cx)
        {
            response = Some(answer);
        }
        if connection.interim.is_waiting() {
            ready!(Pin::new(&mut *wire).poll_flush(cx))?;
        }
        response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(Some(response))))
    })
    .await
}

/// The handler does not want another request on this connection; it says nothing else about it.
fn says_close(fields: &HeaderMap) -> bool {
    fields.get(header::CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests;
