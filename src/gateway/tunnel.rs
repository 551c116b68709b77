//! CONNECT: after access control the exchange becomes a blind tunnel.
//!
//! RFC 9110 section 9.3.6.
//!
//! # Deviations
//!
//! - CONNECT of HTTP/1.0 with an `Upgrade` field is refused: section 7.8 has servers ignore the field there, and hyper then
//!   ends, or goes on reading, a connection that is a tunnel by now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Response, Version, header};
use tokio::net::TcpStream;

use super::Gateway;
use super::exchange::Exchange;
use crate::access::Permit;
use crate::access_log::Observer;
use crate::body::Body;
use crate::error::{ClientError, Error};
use crate::reply;
use crate::server::{Released, Socket};
use crate::upstream::Destination;
use crate::upstream::tunnel::relay;

impl Gateway {
    /// Connects to the permitted destination, answers 200 and relays from then on.
    ///
    /// Nothing that the client sent after its request head reaches the destination unless the answer
    /// is 200.
    ///
    /// Source: RFC 9110 section 9.3.6.
    pub(super) async fn tunnel(&self, exchange: &mut Exchange, permit: &Permit) -> Result<Response<Body>, Error> {
        if exchange.version == Version::HTTP_10 && exchange.fields.contains_key(header::UPGRADE) {
            return Err(ClientError::Malformed("expected no Upgrade in CONNECT of HTTP/1.0").into());
        }
        exchange.record.destination = Some(Destination::Forward);
        let origin = self.upstreams.open_tunnel(permit).await.inspect_err(|error| {
            if let Error::Denied(denied) = error {
                self.count_denied(denied);
            }
        })?;
        let idle_time = self.settings.limits.tunnel_idle_time;
        let open = OpenTunnel::new(Arc::clone(&self.open_tunnels), Arc::clone(&self.observer));
        exchange.connection.handover.leave_to(move |client| drop(tokio::spawn(open.carry(client, origin, idle_time))));
        exchange.record.reason = "tunnel";
        Ok(reply::tunnel_opened())
    }
}

/// Counts one tunnel while it lives.
struct OpenTunnel {
    count: Arc<AtomicUsize>,
    observer: Arc<Observer>,
}

impl OpenTunnel {
    fn new(count: Arc<AtomicUsize>, observer: Arc<Observer>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        observer.metrics().tunnels(1);
        Self { count, observer }
    }

    async fn carry(self, client: Released, origin: TcpStream, idle_time: Duration) {
        let Released { socket, early, place } = client;
        let totals = match socket {
            Socket::Plain(client) => relay((client, early), origin, idle_time, place).await,
            Socket::Tls(client) => relay((client, early), origin, idle_time, place).await,
        };
        self.observer.metrics().tunnel_bytes(true, totals.inbound_bytes);
        self.observer.metrics().tunnel_bytes(false, totals.outbound_bytes);
    }
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.observer.metrics().tunnels(-1);
    }
}
