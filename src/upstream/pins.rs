//! Connections to origins that belong to one client connection, because somebody proved there who they are.
//!
//! `NTLM` and `Negotiate` authenticate a connection and not a request: what carried them is used for this client connection
//! alone, and is closed with it (RFC 4559 section 6).
//!
//! # Deviations
//!
//! none

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::target::{Host, Scheme, Target};

use super::h1::link::{Link, Look};
use super::pool::{Lease, Origin};

/// Most pinned connections of one client connection; of more the oldest is closed.
const MOST_PINS: usize = 8;

/// What is pinned to one client connection; a clone is the same.
#[derive(Clone, Default)]
pub struct Pins(Arc<OnceLock<Mutex<Vec<Pinned>>>>);

/// The origin as the client names it.
type Name = (Scheme, Host, u16);

struct Pinned {
    name: Name,
    origin: Arc<Origin>,
    link: Box<Link>,
}

impl Pins {
    /// Whether anything was ever pinned: whoever asks on such a client connection may be known to an origin without saying
    /// so again.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.0.get().is_some()
    }

    /// The open connection that is pinned for this target's origin.
    pub(super) fn take(&self, target: &Target) -> Option<Lease> {
        let mut pinned = self.0.get()?.lock();
        pinned.retain_mut(|pinned| pinned.link.look(true) == Look::Quiet);
        let at = pinned.iter().position(|pinned| pinned.name == name(target))?;
        let Pinned { origin, link, .. } = pinned.remove(at);
        Some(Lease::again(link, origin))
    }

    /// From now on this client connection is one that somebody proved themselves on.
    pub(super) fn mark(&self) {
        self.0.get_or_init(Mutex::default);
    }

    /// Pins a connection whose response was read to its end.
    pub(super) fn keep(&self, name: Name, (origin, link): (Arc<Origin>, Box<Link>)) {
        let mut pinned = self.0.get_or_init(Mutex::default).lock();
        if pinned.len() >= MOST_PINS {
            pinned.remove(0);
        }
        pinned.push(Pinned { name, origin, link });
    }
}

/// The origin of a target, as the client names it.
pub(super) fn name(target: &Target) -> Name {
    (target.scheme, target.host.clone(), target.port)
}

impl std::fmt::Debug for Pins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pins").field("is_used", &self.is_used()).finish()
    }
}
