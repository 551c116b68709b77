//! What an operator sees of a running gateway: what is stored for a URL, which servers are asked, what was refused.

use http::HeaderMap;
use serde::Serialize;

use super::Gateway;
use crate::access_log::Refusal;
use crate::access_log::format_hash;
use crate::cache::key::{KeyPath, hash_of};
use crate::cache::rules::authorization::request_credentials;
use crate::cache::rules::query::Named;
use crate::cache::store::View;
use crate::clock::Clock;
use crate::config::settings::Mode;
use crate::explain::{Entry, There, explain_entry};
use crate::policy::Selected;
use crate::target::{Target, parse_uri};

/// What is stored for a URL, and what it is worth now.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// The URL without its query.
    pub url: String,
    /// The hash under which the access log knows it.
    pub url_hash: String,
    /// The hash of requests with credentials, where the policy's query rule makes another one of those without.
    pub credentialed_url_hash: Option<String>,
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
        let credentials = request_credentials(&HeaderMap::new(), target.query(), &selected.policy.settings.credentials);
        let path = KeyPath::of(&target, &selected.policy.settings.query, credentials);
        let hash = |path: &str| format_hash(hash_of(&self.keyed, &target, path));
        let url_hash = hash(path.of_target(&target));
        let credentialed_url_hash = (!path.named().is_exact).then(|| hash(&target.path_and_query));
        let knows = |hash: &String| *hash == url_hash || credentialed_url_hash.as_ref() == Some(hash);
        let is_known = |refusal: &Refusal| refusal.url_hash.as_ref().is_some_and(knows);
        let last_refusal = self.observer.recent().all().into_iter().find(is_known);
        Ok(Found {
            url: format!("{}://{}{}", target.scheme.as_str(), target.authority(), target.path()),
            stored: self.explain_stored(&target, &path, &selected),
            url_hash,
            credentialed_url_hash,
            policy: selected.policy.settings.name.clone(),
            last_refusal,
        })
    }

    /// What is kept under the target as sent, and under what the policy makes of it for requests without credentials.
    fn explain_stored(&self, target: &Target, path: &KeyPath, selected: &Selected) -> Vec<Entry> {
        let now = self.clock.now();
        let (ruled, sent) = (path.of_target(target), &*target.path_and_query);
        let entries = |at: &str| -> Vec<Entry> {
            let explained = |view: &View| {
                let named = view.head.named;
                let there = There {
                    without_credentials: at == ruled && named.is_for(path.named()),
                    with_credentials: at == sent && named.is_for(Named::EXACT),
                };
                explain_entry(view, there, selected, now)
            };
            self.memory.views(target, at, &self.keyed).iter().map(explained).collect()
        };
        let mut all = entries(ruled);
        if !path.named().is_exact {
            all.extend(entries(sent));
        }
        all
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
