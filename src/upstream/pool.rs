//! Idle connections: last in, first out, bounded, and never one that is not clean.
//!
//! A connection comes back only after its response was read to the end, was bounded by its own
//! framing, and its request content was sent to the end (RFC 9112 sections 6.3, 9.3 and 9.6). Bytes
//! that come on an idle connection belong to no request; hyper closes it (RFC 9112 section 9.2).
//!
//! # Deviations
//!
//! none

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::clock::Clock;
use crate::target::{Host, Scheme, Target};

use super::content::Content;
use super::pins::Pins;
use super::wire::Heard;

/// An idle connection older than this is closed and not used.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// Most idle connections to one origin.
const IDLE_PER_ORIGIN: usize = 256;

/// Most forward origins whose connections are kept.
const ORIGINS: usize = 1024;

/// How often connections of forward origins that nobody asks for are looked through.
const SWEEP_TIME: Duration = Duration::from_secs(10);

/// How long a connection may take from the end of its response to being ready; it is a matter of
/// its task's next turn.
const SETTLE_TIME: Duration = Duration::from_millis(10);

/// One connection; dropping it closes it.
pub(super) struct Link {
    /// Takes requests.
    pub(super) sender: SendRequest<Content>,
    /// Whether the origin spoke since the last request began.
    pub(super) heard: Heard,
    task: AbortHandle,
}

impl Link {
    /// A connection that `task` drives.
    pub(super) fn new(sender: SendRequest<Content>, heard: Heard, task: AbortHandle) -> Self {
        Self { sender, heard, task }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection in the hands of one request.
pub(super) struct Lease {
    /// The connection.
    pub(super) link: Link,
    /// Whether it carried a request before.
    pub(super) is_reused: bool,
    origin: Arc<Origin>,
}

impl Lease {
    /// A connection that was just made.
    pub(super) fn fresh(link: Link, origin: Arc<Origin>) -> Self {
        Self { link, is_reused: false, origin }
    }

    /// A connection that carried a request before.
    pub(super) fn again(link: Link, origin: Arc<Origin>) -> Self {
        Self { link, is_reused: true, origin }
    }

    /// Gives the connection back; both directions must be complete.
    pub(super) fn give_back(self) {
        self.origin.park(self.link, Clock::instant());
    }

    /// Keeps the connection for one client connection; both directions must be complete.
    pub(super) fn pin(self, pins: &Pins, name: (Scheme, Host, u16)) {
        pins.keep(name, (self.origin, self.link));
    }
}

/// One server and its idle connections; the newest is used first, the oldest are the first to go.
pub(super) struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    link: Link,
    since: Instant,
}

impl Origin {
    /// Scheme, host and port, as the configuration writes them.
    pub(super) fn url(&self) -> String {
        format!("{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }

    /// A server without connections.
    pub(super) fn new(scheme: Scheme, host: Host, port: u16) -> Self {
        Self { scheme, host, port, idle: Mutex::new(Vec::new()) }
    }

    /// Plain or TLS.
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Name or address.
    pub(super) fn host(&self) -> &Host {
        &self.host
    }

    /// Port.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The connection that was used last and is still open and clean.
    pub(super) async fn take_idle(self: &Arc<Self>) -> Option<Lease> {
        while let Some(mut link) = self.pop(Clock::instant()) {
            let is_ready = link.sender.is_ready()
                || tokio::time::timeout(SETTLE_TIME, link.sender.ready()).await.is_ok_and(|ready| ready.is_ok());
            if is_ready {
                return Some(Lease::again(link, Arc::clone(self)));
            }
        }
        None
    }

    /// The newest connection that is not closed; when the newest is too old, all are.
    fn pop(&self, now: Instant) -> Option<Link> {
        let mut idle = self.idle.lock();
        while let Some(newest) = idle.pop() {
            if is_expired(newest.since, now) {
                idle.clear();
                return None;
            }
            if !newest.link.sender.is_closed() {
                return Some(newest.link);
            }
        }
        None
    }

    fn park(&self, link: Link, now: Instant) {
        if link.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        drop_expired(&mut idle, now);
        if idle.len() < IDLE_PER_ORIGIN {
            idle.push(Idle { link, since: now });
        }
    }

    /// Drops what is too old or closed; whether nothing is left.
    fn sweep(&self, now: Instant) -> bool {
        let mut idle = self.idle.lock();
        idle.retain(|entry| !is_expired(entry.since, now) && !entry.link.sender.is_closed());
        idle.is_empty()
    }

    #[cfg(test)]
    pub(super) fn idle_count(&self) -> usize {
        self.idle.lock().len()
    }
}

fn is_expired(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= IDLE_TIME
}

/// Entries stand in the order of their age, oldest first.
fn drop_expired(idle: &mut Vec<Idle>, now: Instant) {
    let expired = idle.iter().take_while(|entry| is_expired(entry.since, now)).count();
    idle.drain(..expired);
}

/// The origins of forward mode, at most a fixed number; one that is pushed out loses its idle
/// connections and nothing else.
///
/// Source: RFC 9110 section 4.3.1 (an origin is scheme, host and port).
#[derive(Default)]
pub(super) struct Origins {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    origins: HashMap<(Scheme, Host, u16), Recent>,
    swept: Option<Instant>,
}

struct Recent {
    origin: Arc<Origin>,
    used: Instant,
}

impl Origins {
    /// The origin of this target, remembered from now on.
    pub(super) fn origin(&self, target: &Target, now: Instant) -> Arc<Origin> {
        let mut kept = self.kept.lock();
        kept.sweep_if_due(now);
        let key = (target.scheme, target.host.clone(), target.port);
        if let Some(recent) = kept.origins.get_mut(&key) {
            recent.used = now;
            return Arc::clone(&recent.origin);
        }
        if kept.origins.len() >= ORIGINS {
            kept.push_out();
        }
        let origin = Arc::new(Origin::new(target.scheme, target.host.clone(), target.port));
        kept.origins.insert(key, Recent { origin: Arc::clone(&origin), used: now });
        origin
    }
}

impl Kept {
    fn sweep_if_due(&mut self, now: Instant) {
        if self.swept.is_some_and(|last| now.saturating_duration_since(last) < SWEEP_TIME) {
            return;
        }
        self.swept = Some(now);
        self.origins.retain(|_, recent| !recent.origin.sweep(now) || Arc::strong_count(&recent.origin) > 1);
    }

    /// Forgets the origin that was not asked for the longest time.
    fn push_out(&mut self) {
        let oldest = self.origins.iter().min_by_key(|(_, recent)| recent.used).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.origins.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(port: u16) -> Target {
        Target { scheme: Scheme::Http, host: Host::Name("origin.example".into()), port, path_and_query: "/".into() }
    }

    /// A connection to nowhere that stays open until it is dropped.
    async fn link() -> (Link, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(64);
        let io = hyper_util::rt::TokioIo::new(near);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        let task = tokio::spawn(async move { drop(connection.await) });
        (Link::new(sender, Heard::default(), task.abort_handle()), far)
    }

    #[tokio::test]
    async fn last_in_first_out_and_old_ones_are_dropped() {
        let origin = Arc::new(Origin::new(Scheme::Http, Host::Name("origin.example".into()), 80));
        let (now, mut far, mut marks) = (Clock::instant(), Vec::new(), Vec::new());
        for age in [70, 30, 10] {
            let (link, end) = link().await;
            marks.push(link.heard.clone());
            origin.park(link, now - Duration::from_secs(age));
            far.push(end);
        }
        let (fresh, _end) = link().await;
        origin.park(fresh, now);
        assert_eq!(origin.idle_count(), 3, "parking drops the expired one");
        drop(origin.pop(now));
        assert!(origin.pop(now).unwrap().heard.is_same(&marks[2]), "the newer of the two");
        assert!(origin.pop(now + IDLE_TIME).is_none());
        assert_eq!(origin.idle_count(), 0);
    }

    #[tokio::test]
    async fn a_closed_connection_is_not_handed_out() {
        let origin = Arc::new(Origin::new(Scheme::Http, Host::Name("origin.example".into()), 80));
        let (link, far) = link().await;
        origin.park(link, Clock::instant());
        drop(far);
        assert!(origin.take_idle().await.is_none());
    }

    #[tokio::test]
    async fn idle_connections_are_bounded() {
        let origin = Origin::new(Scheme::Http, Host::Name("origin.example".into()), 80);
        let mut ends = Vec::new();
        for _ in 0..IDLE_PER_ORIGIN + 3 {
            let (link, end) = link().await;
            ends.push(end);
            origin.park(link, Clock::instant());
        }
        assert_eq!(origin.idle_count(), IDLE_PER_ORIGIN);
    }

    #[test]
    fn forward_origins_are_bounded_and_the_least_recently_used_goes() {
        let (origins, now) = (Origins::default(), Clock::instant());
        let held: Vec<_> =
            (1..=1024).map(|port| origins.origin(&target(port), now + Duration::from_millis(port.into()))).collect();
        let later = now + Duration::from_secs(3);
        assert!(Arc::ptr_eq(&held[0], &origins.origin(&target(1), later)), "the same origin is the same");
        let new = origins.origin(&target(2000), later);
        assert_eq!(origins.kept.lock().origins.len(), ORIGINS);
        assert!(Arc::ptr_eq(&held[0], &origins.origin(&target(1), later)), "used lately: kept");
        assert!(!Arc::ptr_eq(&held[1], &origins.origin(&target(2), later)), "not used for longest: gone");
        drop(held);
        drop(new);
        let _one = origins.origin(&target(3000), later + SWEEP_TIME);
        assert_eq!(origins.kept.lock().origins.len(), 1, "origins without connections are forgotten");
    }
}
