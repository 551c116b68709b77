//! A request as the candidate's policy reads it.

use std::sync::Arc;

use super::{Evidence, Seen};
use crate::cache::entry::Filler;
use crate::cache::key::KeyPath;
use crate::cache::lookup;
use crate::cache::rules::authorization::{RequestCredentials, request_credentials};
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::invalidate::is_located_at;
use crate::cache::rules::partition::{Identity, Partition, Sight, credential_class, principal_hash};
use crate::cache::rules::reuse::Asker;
use crate::cache::store::{Slot, StoredResponse};
use crate::keyed::Keyed;
use crate::policy::{Candidates, CompiledPolicy, Selected};

/// What depends on the policy.
pub(super) struct Question {
    directives: RequestDirectives,
    credentials: RequestCredentials,
    pub(super) partition: Partition,
    /// Policies with conditions on the response that fit the request.
    candidates: Candidates,
    /// Under which path and query it looks and stores.
    pub(super) path: KeyPath,
}

impl Question {
    /// Reads the request.
    ///
    /// Source: RFC 9111 sections 3.5 and 5.2.1, RFC 4559 section 6.
    pub(super) fn of(seen: &Seen<'_>, keyed: &Keyed, Selected { policy, candidates }: &Selected) -> Self {
        let (query, listed) = (seen.permit.target().query(), &policy.settings.credentials);
        let directives = RequestDirectives::parse(seen.fields);
        let mut credentials = request_credentials(seen.fields, query, listed);
        let in_query = query.filter(|_| credentials.in_query);
        let identity = || Identity {
            class: seen.bound_to.unwrap_or_else(|| credential_class(keyed, seen.fields, in_query, listed)),
            principal: principal_hash(keyed, seen.permit.principal().name.as_deref()),
        };
        let partition = Partition::of(policy.settings.partition, identity);
        credentials.any |= seen.bound_to.is_some();
        let obeys_few = policy.settings.ignore_request_cache_control;
        Self {
            directives: if obeys_few { directives.only_binding() } else { directives },
            credentials,
            partition,
            candidates: *candidates,
            path: KeyPath::of(seen.permit.target(), &policy.settings.query, credentials),
        }
    }

    /// What the look-up decides on.
    pub(super) fn asked<'a>(&'a self, seen: &Seen<'a>) -> lookup::Asked<'a> {
        let Self { directives, candidates, .. } = self;
        let asker = Asker { directives, credentialed: self.credentials.any, now: seen.now, candidates: *candidates };
        let Seen { method, fields, has_content, .. } = *seen;
        let sight = Sight { partition: self.partition, named: self.path.named() };
        lookup::Asked { method, fields, has_content, sight, asker }
    }

    /// What of this slot the request could have selected.
    ///
    /// Source: RFC 9111 section 4.1.
    pub(super) fn matching(
        &self,
        slot: Option<&Slot>,
        seen: &Seen<'_>,
        (keyed, policy): (&Keyed, &CompiledPolicy),
    ) -> Vec<Arc<StoredResponse>> {
        let Some(slot) = slot else { return Vec::new() };
        let sight = self.asked(seen).sight;
        lookup::matching(slot, sight, seen.fields, keyed, policy.settings.vary_normalise).cloned().collect()
    }

    /// What a stored response would remember of the request.
    pub(super) fn filler<'a>(&'a self, seen: &Seen<'a>, evidence: &Evidence<'_>) -> Filler<'a> {
        let target = seen.permit.target();
        Filler {
            method: seen.method,
            path_and_query: &target.path_and_query,
            directives: &self.directives,
            credentials: self.credentials,
            named: self.path.named(),
            consumed: seen.consumed,
            targets: seen.targets,
            candidates: self.candidates,
            is_located: is_located_at(target, evidence.received),
            born: seen.filled_by.asked,
            request_time: evidence.times.0,
            response_time: evidence.times.1,
        }
    }
}
