//! A connection without hyper: at its beginning, while it is at rest, and as long as no request needs more than a head.
//!
//! hyper keeps two buffers of 8 KiB and room for a request in the air for as long as a connection is open. It holds nothing in
//! them between two exchanges, so that it can go and come again: the sweep offers that to a connection on which nothing has
//! happened since it last looked, [`super::again`] accepts when it is sure that hyper holds nothing, and
//! [`super::connection`] takes hyper apart. What comes is then read here first. What comes again is answered from here, and so
//! is what [`super::plain`] can read; for anything else there is a new hyper, which finds what was read.
//!
//! RFC 9112 section 9.3 (persistence): requests that follow one another do not depend on each other.
//!
//! # Deviations
//!
//! none

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use super::again::{Encore, Repeating};
use super::connection::Host;
use super::plain::{self, Bounds, Parties};
use super::watch::{Order, Watch};

/// Serves without hyper until it is needed; false: the connection is over.
///
/// # Errors
///
/// What the socket says, or why a response broke off.
pub(super) async fn until_needed<S, H>(wire: &mut Encore<S, H>, parties: &Parties<H>, bounds: Bounds) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Host,
{
    while came(wire, &parties.watch).await? {
        let Some(plain) = wire.take_plain(bounds) else { return Ok(true) };
        if !plain::exchange(wire, parties, plain).await? {
            break;
        }
    }
    // As hyper ends a connection on which nothing is under way.
    poll_fn(|cx| {
        if parties.watch.order() != Order::Cut {
            ready!(Pin::new(&mut *wire).poll_shutdown(cx))?;
        }
        Poll::Ready(Ok(false))
    })
    .await
}

/// Waits until something came that was not answered again; false: nothing will.
async fn came<S, H>(wire: &mut Encore<S, H>, watch: &Watch) -> io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Repeating + Unpin,
{
    poll_fn(|cx| match watch.order() {
        Order::Serve => wire.poll_needed(cx),
        Order::Finish | Order::Cut => Poll::Ready(Ok(false)),
    })
    .await
}
