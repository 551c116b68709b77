//! Idle connections: last in, first out, bounded, and never one that is not clean.
//!
//! A connection comes back only after its response was read to the end, was bounded by its own
//! framing, and its request content was sent to the end (RFC 9112 sections 6.3, 9.3 and 9.6). Bytes
//! that come on an idle connection belong to no request; it is closed when it is looked at, before a request goes on it or by the
//! sweep (RFC 9112 section 9.2).
//!
//! # Deviations
//!
//! none

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::target::{Host, Scheme, Target};

use super::h1::link::{Link, Look};
use super::pins::Pins;

/// An idle connection older than this is closed and not used.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// Most idle connections to one origin.
const IDLE_PER_ORIGIN: usize = 256;

/// Most forward origins whose connections are kept.
const ORIGINS: usize = 1024;

/// A connection in the hands of one request.
pub(super) struct Lease {
    /// The connection.
    pub(super) link: Box<Link>,
    /// Whether it carried a request before.
    pub(super) is_reused: bool,
    origin: Arc<Origin>,
}

impl Lease {
    /// A connection that was just made.
    pub(super) fn fresh(link: Box<Link>, origin: Arc<Origin>) -> Self {
        Self { link, is_reused: false, origin }
    }

    /// A connection that carried a request before.
    pub(super) fn again(link: Box<Link>, origin: Arc<Origin>) -> Self {
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
    link: Box<Link>,
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

    /// The connection that was used last and is still open and clean; `is_sure` asks the socket itself.
    pub(super) fn take_idle(self: &Arc<Self>, is_sure: bool, now: Instant) -> Option<Lease> {
        loop {
            let mut link = self.pop(now)?;
            if link.look(is_sure) == Look::Quiet {
                return Some(Lease::again(link, Arc::clone(self)));
            }
        }
    }

    /// The newest connection; when the newest is too old, all are.
    fn pop(&self, now: Instant) -> Option<Box<Link>> {
        let mut idle = self.idle.lock();
        let newest = idle.pop()?;
        if is_expired(newest.since, now) {
            idle.clear();
            return None;
        }
        Some(newest.link)
    }

    fn park(&self, link: Box<Link>, now: Instant) {
        let mut idle = self.idle.lock();
        drop_expired(&mut idle, now);
        if idle.len() < IDLE_PER_ORIGIN {
            idle.push(Idle { link, since: now });
        }
    }

    /// Drops what is too old, closed or spoke unasked; whether nothing is left.
    ///
    /// Source: RFC 9112 sections 9.2 and 9.5.
    pub(super) fn sweep(&self, now: Instant) -> bool {
        let mut idle = self.idle.lock();
        idle.retain_mut(|entry| !is_expired(entry.since, now) && entry.link.look(false) == Look::Quiet);
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
}

struct Recent {
    origin: Arc<Origin>,
    used: Instant,
}

impl Origins {
    /// Closes idle connections that nobody can use; an origin without any is forgotten.
    pub(super) fn sweep(&self, now: Instant) {
        self.kept.lock().sweep(now);
    }

    /// The origin of this target, remembered from now on.
    pub(super) fn origin(&self, target: &Target, now: Instant) -> Arc<Origin> {
        let mut kept = self.kept.lock();
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
    fn sweep(&mut self, now: Instant) {
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::upstream::h1::head::Bounds;
    use crate::upstream::h1::link::Stream;

    fn target(port: u16) -> Target {
        Target { scheme: Scheme::Http, host: Host::Name("origin.example".into()), port, path_and_query: "/".into() }
    }

    /// A connection that nothing comes on while the other end is held, with a bound to know it by.
    async fn link(mark: usize) -> (Box<Link>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Link::new(Stream::Plain(near), Bounds { bytes: mark, fields: 1 }), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn last_in_first_out_and_old_ones_are_dropped() {
        let origin = Arc::new(Origin::new(Scheme::Http, Host::Name("origin.example".into()), 80));
        let (now, mut far) = (Clock::instant(), Vec::new());
        for age in [70, 30, 10] {
            let (link, end) = link(age).await;
            origin.park(link, now - Duration::from_secs(age as u64));
            far.push(end);
        }
        let (fresh, _end) = link(0).await;
        origin.park(fresh, now);
        assert_eq!(origin.idle_count(), 3, "parking drops the expired one");
        drop(origin.pop(now));
        assert_eq!(origin.pop(now).unwrap().bounds.bytes, 10, "the newer of the two");
        assert!(origin.pop(now + IDLE_TIME).is_none());
        assert_eq!(origin.idle_count(), 0);
    }

    #[tokio::test]
    async fn a_closed_connection_is_not_handed_out_where_it_has_to_be_sure() {
        let origin = Arc::new(Origin::new(Scheme::Http, Host::Name("origin.example".into()), 80));
        for text in ["", "x"] {
            let (link, mut far) = link(0).await;
            origin.park(link, Clock::instant());
            far.write_all(text.as_bytes()).await.unwrap();
            drop(far);
            assert!(origin.take_idle(true, Clock::instant()).is_none(), "{text:?}");
        }
    }

    /// Nobody asks for it again, and it is closed all the same.
    #[tokio::test]
    async fn the_sweep_closes_what_its_origin_closed_or_spoke_on_and_what_is_old() {
        let origin = Arc::new(Origin::new(Scheme::Http, Host::Name("origin.example".into()), 80));
        let now = Clock::instant();
        let (closed, far) = link(0).await;
        drop(far);
        let ((spoken, mut speaks), (old, mut left), (kept, _far)) = (link(0).await, link(0).await, link(0).await);
        speaks.write_all(b"x").await.unwrap();
        origin.park(old, now);
        for link in [closed, spoken, kept] {
            origin.park(link, now + Duration::from_secs(1));
        }
        // What happened there comes with a turn of the runtime.
        tokio::time::timeout(Duration::from_secs(10), async {
            while origin.idle_count() > 2 {
                tokio::task::yield_now().await;
                assert!(!origin.sweep(now));
            }
        })
        .await
        .expect("the closed one and the one that spoke are gone");
        origin.sweep(now + IDLE_TIME);
        assert_eq!((origin.idle_count(), left.read(&mut [0]).await.unwrap()), (1, 0), "the old one is closed");
        assert!(origin.sweep(now + 2 * IDLE_TIME));
    }

    #[tokio::test]
    async fn idle_connections_are_bounded() {
        let origin = Origin::new(Scheme::Http, Host::Name("origin.example".into()), 80);
        let mut ends = Vec::new();
        for _ in 0..IDLE_PER_ORIGIN + 3 {
            let (link, end) = link(0).await;
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
        origins.sweep(later);
        assert_eq!(origins.kept.lock().origins.len(), 0, "origins without connections are forgotten");
    }
}
