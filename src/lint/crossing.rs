//! What a shared cache that keeps to RFC 9111, and was told nothing else, does with the answers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName};

use super::{Evidence, METHOD, Who};
use crate::cache::entry::Head;
use crate::cache::key::{CacheKey, KeyPath};
use crate::cache::lookup::{self, Decision};
use crate::cache::rules::authorization::request_credentials;
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::partition::Sight;
use crate::cache::rules::reuse;
use crate::cache::rules::storable::NotStored;
use crate::cache::rules::targeted::select;
use crate::cache::rules::vary;
use crate::cache::store::{Content, Slot, StoredResponse};
use crate::config::settings::{Credentials, Policy, SetCookie, Settings};
use crate::explain::{self, Exchange, Rules};
use crate::keyed::Keyed;
use crate::policy::{Candidates, CompiledPolicy, Policies};

const CDN: HeaderName = HeaderName::from_static("cdn-cache-control");

/// A cache.
pub(super) struct Cache {
    /// The field that it obeys.
    pub(super) field: &'static str,
    targets: Vec<HeaderName>,
    policy: Arc<CompiledPolicy>,
}

/// What becomes of a stored answer when somebody else asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crossing {
    /// It is not stored, or it is nothing to this asker.
    Nothing,
    /// It answers once the origin has confirmed it to the asker.
    Validated,
    /// It answers.
    Served,
}

impl Cache {
    /// A cache that obeys `Cache-Control`, and one that obeys `CDN-Cache-Control` first where an answer has it.
    pub(super) fn all(evidence: &Evidence) -> Vec<Self> {
        let credentials = Credentials { query: Vec::new(), headers: Vec::new(), cookies: Vec::new() };
        let plain = Policy { credentials, set_cookie: SetCookie::Store, ..Policy::default() };
        let policies = Policies::new(&Settings { policies: vec![plain], ..Settings::default() });
        let selected = policies.select(None, &METHOD, evidence.permit.target());
        let is_targeted = evidence.askers.iter().any(|asker| asker.first.fields.contains_key(CDN));
        let fields =
            [("Cache-Control", Vec::new()), ("CDN-Cache-Control", vec![CDN])].into_iter().take(1 + usize::from(is_targeted));
        let of =
            |(field, targets)| selected.as_ref().map(|selected| Self { field, targets, policy: Arc::clone(&selected.policy) });
        fields.filter_map(of).collect()
    }

    fn rules<'a>(&'a self, keyed: &'a Keyed) -> Rules<'a> {
        let candidates = Candidates::NONE;
        Rules { policy: &self.policy, candidates, targets: &self.targets, consumed: &[], most_bytes: u64::MAX, keyed }
    }

    /// The head that is stored of this asker's first answer.
    ///
    /// # Errors
    ///
    /// Why none is.
    ///
    /// Source: RFC 9111 section 3.
    pub(super) fn verdict(&self, evidence: &Evidence, keyed: &Keyed, who: Who) -> Result<Head, NotStored> {
        let asker = evidence.asker(who);
        let response = self.obeyed(&asker.first.fields);
        let exchange = Exchange {
            permit: &evidence.permit,
            method: &METHOD,
            request: &asker.request,
            has_content: false,
            status: asker.first.status,
            response: &response,
            time: asker.first.time,
        };
        explain::verdict(&exchange, &self.rules(keyed))
    }

    /// The fields without those that a targeted one overrules: this gateway is wary of a `private` there, other caches are not.
    ///
    /// Source: RFC 9213 section 2.2.
    fn obeyed(&self, received: &HeaderMap) -> HeaderMap {
        let mut fields = received.clone();
        if select(received, &self.targets).is_targeted {
            fields.remove(header::CACHE_CONTROL);
            fields.remove(header::EXPIRES);
        }
        fields
    }

    /// What the answer to one asker is worth to another one, fresh or stale.
    ///
    /// Source: RFC 9111 section 4.
    pub(super) fn crossing(&self, evidence: &Evidence, keyed: &Keyed, (from, to): (Who, Who)) -> Crossing {
        let Ok(head) = self.verdict(evidence, keyed, from) else { return Crossing::Nothing };
        let received = evidence.asker(from).first.time;
        let stale = received + head.fresh_for(received) + Duration::from_secs(1);
        let at = |now| match self.later(&head, evidence, keyed, (from, to, now)) {
            Decision::Serve(_) | Decision::ServeAndValidate(_) => Crossing::Served,
            Decision::Validate(..) => Crossing::Validated,
            Decision::Offer(_) | Decision::Forward(_) | Decision::Refuse => Crossing::Nothing,
        };
        match (at(received), at(stale)) {
            (Crossing::Served, _) | (_, Crossing::Served) => Crossing::Served,
            (Crossing::Validated, _) | (_, Crossing::Validated) => Crossing::Validated,
            (Crossing::Nothing, Crossing::Nothing) => Crossing::Nothing,
        }
    }

    fn later(&self, head: &Head, evidence: &Evidence, keyed: &Keyed, (from, to, now): (Who, Who, SystemTime)) -> Decision {
        let (filler, asker) = (&evidence.asker(from).request, &evidence.asker(to).request);
        let settings = &self.policy.settings;
        let names = vary::names(&head.fields).unwrap_or_default();
        let variant = vary::fingerprint(keyed, &names, filler, settings.vary_normalise);
        let stored = StoredResponse::new(head.clone(), names, variant, Content::default());
        let slot = Slot::new(CacheKey::new(&evidence.permit, &KeyPath::AS_SENT, keyed).to_stored(), Arc::new(stored));
        let directives = RequestDirectives::parse(asker);
        let credentials = request_credentials(asker, None, &settings.credentials);
        let asked = lookup::Asked {
            method: &METHOD,
            fields: asker,
            has_content: false,
            sight: Sight::default(),
            asker: reuse::Asker { directives: &directives, credentialed: credentials.any, now, candidates: Candidates::NONE },
        };
        lookup::decide(Some(&slot), &asked, keyed, &self.policy)
    }
}
