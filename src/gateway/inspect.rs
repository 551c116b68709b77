//! What an operator sees of a running gateway: what is stored for a URL, which servers are asked, what was refused.

use serde::Serialize;

use super::Gateway;
use crate::access_log::Refusal;
use crate::access_log::format_hash;
use crate::cache::key::hash_of;
use crate::clock::Clock;
use crate::config::settings::Mode;
use crate::explain::{Entry, explain_entry};
use crate::target::{Target, parse_uri};

/// What is stored for a URL, and what it is worth now.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The URL without its query.
    pub url: String,
    /// The hash under which the access log knows it.
    pub url_hash: String,
    /// The policy in force for a GET.
    pub policy: String,
    /// The stored responses, one a variant.
    pub stored: Vec<Entry>,
    /// The last refusal of a response for it, if it is among the recent ones.
    pub last_refusal: Option<Refusal>,
}

/// The state of what the gateway depends on.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// This program's version.
    pub version: &'static str,
    /// Bound of the memory tier, bytes.
    pub memory_bytes: u64,
    /// Every server of every upstream.
    pub servers: Vec<ServerHealth>,
    /// The last refusals, newest first.
    pub refusals: Vec<Refusal>,
    /// The file whose policies are evaluated beside these without acting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerHealth {
    /// Name of the upstream.
    pub upstream: String,
    /// Scheme, host and port.
    pub server: String,
    /// It could be connected to when it was last tried.
    pub up: bool,
}

impl Gateway {
    /// What is stored for this URI, by the words of the rules.
    ///
    /// # Errors
    ///
    /// What is wrong with the URI; it is not repeated, a query may hold a secret.
    pub fn explain(&self, uri: &str) -> Result<Found, String> {
        let wrong = |error| format!("url: expected a URI with scheme and host such as \"http://example.com/path\"; {error}");
        let target = parse_uri(uri).map_err(wrong)?;
        let selected = self.policies.select(self.named_policy(&target), &http::Method::GET, &target).ok_or("no policy fits")?;
        let now = self.clock.now();
        let url_hash = format_hash(hash_of(&self.keyed, &target));
        let views = self.memory.views(&target, &self.keyed);
        let last_refusal = self.observer.recent().all().into_iter().find(|refusal| refusal.url_hash.as_ref() == Some(&url_hash));
        Ok(Found {
            url: format!("{}://{}{}", target.scheme.as_str(), target.authority(), target.path()),
            url_hash,
            policy: selected.policy.settings.name.clone(),
            stored: views.iter().map(|view| explain_entry(view, &selected, now)).collect(),
            last_refusal,
        })
    }

    /// The policy that a route names for this target, where there are routes.
    fn named_policy(&self, target: &Target) -> Option<usize> {
        let has_routes = self.settings.listeners.iter().any(|listener| listener.mode == Mode::Gateway);
        self.routes.select(target).filter(|_| has_routes).and_then(|route| route.policy)
    }

    /// The state of servers and store, and the last refusals.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            version: env!("CARGO_PKG_VERSION"),
            memory_bytes: self.settings.cache.memory_bytes,
            servers: self.upstreams.standings(&self.settings, Clock::instant()),
            refusals: self.observer.recent().all(),
            shadow: self.shadow.as_ref().map(|shadow| shadow.file().display().to_string()),
        }
    }
}
