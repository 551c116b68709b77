//! Where a permitted request goes, under which policy, and under which key it looks and stores.
//!
//! RFC 9110 section 7.4 (a gateway answers only for what it is configured for), RFC 9111 section 2 (the cache key).

use std::sync::{Arc, OnceLock};

use super::Gateway;
use super::exchange::Exchange;
use crate::access::Permit;
use crate::cache::key::{CacheKey, KeyPath};
use crate::config::settings::Mode;
use crate::error::{Denied, Error};
use crate::keyed::Keyed;
use crate::policy::{Candidates, CompiledPolicy, Selected};
use crate::upstream::Destination;

/// Where a permitted request goes and under which policy.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) destination: Destination,
    pub(super) policy: Arc<CompiledPolicy>,
    /// Policies with conditions on the response that fit the request.
    pub(super) candidates: Candidates,
    /// Under which path and query it looks and stores.
    pub(super) path: KeyPath,
    /// The hash of the key, once it is known.
    hash: OnceLock<u128>,
}

impl Way {
    /// The one way to a key.
    ///
    /// A way is for one request: its key is hashed once.
    pub(super) fn key<'a>(&'a self, permit: &'a Permit, keyed: &Keyed) -> CacheKey<'a> {
        match self.hash.get() {
            Some(hash) => CacheKey::known(permit, &self.path, *hash),
            None => {
                let key = CacheKey::new(permit, &self.path, keyed);
                // Whoever was first has the same.
                let _ = self.hash.set(key.hash());
                key
            }
        }
    }
}

impl Gateway {
    /// Upstream and policy for a permitted target, and what the policy makes of the request.
    pub(super) fn way(&self, exchange: &mut Exchange, permit: &Permit) -> Result<Way, Error> {
        let (destination, named) = match exchange.listener().mode {
            Mode::Forward => (Destination::Forward, None),
            Mode::Gateway => {
                let route = self.routes.select(permit.target()).ok_or(Denied::NoRoute)?;
                (Destination::Upstream(route.upstream), route.policy)
            }
        };
        let policy = self.policies.select(named, &exchange.method, permit.target());
        let Selected { policy, candidates } = policy.ok_or(Error::Internal("no policy fits"))?;
        let mut way = Way { destination, policy, candidates, path: KeyPath::AS_SENT, hash: OnceLock::new() };
        exchange.note_policy(permit, &way);
        way.path = KeyPath::of(permit.target(), &way.policy.settings.query, exchange.credentials);
        exchange.named = way.path.named();
        Ok(way)
    }
}
