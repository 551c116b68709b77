//! CONNECT: after access control the exchange becomes a blind tunnel.
//!
//! RFC 9110 section 9.3.6.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use hyper_util::rt::TokioIo;

use super::Gateway;
use super::exchange::Exchange;
use crate::access::Permit;
use crate::access_log::Observer;
use crate::body::Body;
use crate::error::Error;
use crate::reply;
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
        exchange.record.destination = Some(Destination::Forward);
        let origin = self.upstreams.open_tunnel(permit).await.inspect_err(|error| {
            if let Error::Denied(denied) = error {
                self.count_denied(denied);
            }
        })?;
        let upgrade = exchange.upgrade.take().ok_or(Error::Internal("connection cannot become a tunnel"))?;
        let idle_time = self.settings.limits.tunnel_idle_time;
        let open = OpenTunnel::new(Arc::clone(&self.open_tunnels), Arc::clone(&self.observer));
        tokio::spawn(async move {
            let open = open;
            if let Ok(client) = upgrade.await {
                let totals = relay(TokioIo::new(client), origin, idle_time).await;
                open.observer.metrics().tunnel_bytes(true, totals.inbound_bytes);
                open.observer.metrics().tunnel_bytes(false, totals.outbound_bytes);
            }
        });
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
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.observer.metrics().tunnels(-1);
    }
}
