//! What becomes of a connection that HTTP is done with: its bare socket goes to whoever the answer named.
//!
//! RFC 9110 section 9.3.6: after a 2xx to CONNECT the connection is a tunnel.
//!
//! # Deviations
//!
//! none

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::registry::Open;
use super::watch::Order;

/// Who takes a connection over once its last response is written.
#[derive(Default)]
pub struct Handover(Mutex<Option<Successor>>);

/// Takes a connection over.
pub(super) type Successor = Box<dyn FnOnce(Released) + Send>;

impl Handover {
    /// Names who takes the connection over if the answer that follows is 2xx to CONNECT; dropped unused if that answer does
    /// not reach the client.
    pub fn leave_to(&self, successor: impl FnOnce(Released) + Send + 'static) {
        *self.0.lock() = Some(Box::new(successor));
    }

    pub(super) fn take(&self) -> Option<Successor> {
        self.0.lock().take()
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handover")
    }
}

/// A client's connection without HTTP.
pub struct Released {
    /// Where the client is.
    pub socket: Socket,
    /// What it sent after its last request.
    pub early: Bytes,
    /// To be kept as long as the socket.
    pub place: Place,
}

/// A client's socket.
pub enum Socket {
    /// As it was accepted.
    Plain(TcpStream),
    /// Within TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl From<TcpStream> for Socket {
    fn from(stream: TcpStream) -> Self {
        Self::Plain(stream)
    }
}

impl From<TlsStream<TcpStream>> for Socket {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self::Tls(Box::new(stream))
    }
}

/// A place among the gateway's open connections; as a future, ready when the connection is to be cut.
pub struct Place {
    open: Open,
    /// Who is woken by the order.
    known: Option<Waker>,
}

impl Place {
    pub(super) fn new(open: Open) -> Self {
        Self { open, known: None }
    }
}

impl Future for Place {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.known.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.open.watch().remember(cx.waker());
            self.known = Some(cx.waker().clone());
        }
        match self.open.watch().order() {
            Order::Serve | Order::Finish => Poll::Pending,
            Order::Cut => Poll::Ready(()),
        }
    }
}
