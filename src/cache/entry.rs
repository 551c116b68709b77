//! The head of a stored response: what the rules need to know about it at any later time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::fields::Fields;
use super::rules::age::{AgeBase, age_base};
use super::rules::authorization::RequestCredentials;
use super::rules::directives::{Qualified, RequestDirectives, ResponseDirectives, Seconds};
use super::rules::freshness::{Answered, Lifetime, lifetime};
use super::rules::groups;
use super::rules::query::Named;
use super::rules::storable::{Asked, NotStored, storable, stored_fields};
use super::rules::targeted::select;
use super::rules::vary;
use super::second_key;
use super::shared::{Shared, is_alone};
use super::words::{AuthorizationDecision, PermissionReason};
use crate::config::settings::PolicyAuthorization;
use crate::fields::Lines;
use crate::policy::{Candidates, CompiledPolicy};

/// What the rules found in `Cache-Control` and its like.
static DIRECTIVES: Shared<ResponseDirectives> = Shared::new();

/// Fields that a reply adds to the stored ones.
const OWN_FIELDS: usize = 4;

/// What the rules need to know about a stored response.
///
/// Replaced as a whole when a 304 freshens the response (RFC 9111 section 4.3.4).
#[derive(Clone, Debug)]
pub struct Head {
    /// Status code.
    pub status: StatusCode,
    /// The stored fields, without `Age`.
    pub fields: Fields,
    /// The directives in force.
    pub directives: Arc<ResponseDirectives>,
    /// Whether the request that filled the entry carried credentials.
    pub credentialed: bool,
    /// For which targets it is there, of those that its key stands for.
    pub named: Named,
    /// The directive that permits reuse; none for an uncredentialed entry.
    pub permission: Option<PermissionReason>,
    /// Freshness lifetime and its source.
    pub lifetime: Lifetime,
    /// Age at receipt.
    pub age: AgeBase,
    /// Fingerprint of the policy it was stored under.
    pub policy_fingerprint: u64,
    /// The names under which it may be withdrawn; most responses have none.
    pub tags: Option<Box<Tags>>,
    /// Count of group invalidations and withdrawals when the response was asked for, or validated last.
    pub born: u64,
    /// All that was made of the response follows from `fields` and `Cache-Control` among them: judged again with the same
    /// fields, for the same kind of asker and under the same policy, it comes out the same but for its times.
    pub is_plain: bool,
    /// The last withdrawal that it was held against.
    pub looked_at: LookedAt,
}

/// The names that a response gives itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tags {
    /// What `Cache-Groups` names (RFC 9875 section 2).
    pub groups: Box<[Box<str>]>,
    /// What `Surrogate-Key` names.
    pub surrogate_keys: Box<[Box<str>]>,
}

impl Tags {
    fn of(received: &HeaderMap) -> Option<Box<Self>> {
        let (groups, surrogate_keys) = (groups::members(received), groups::surrogate_keys(received));
        (!groups.is_empty() || !surrogate_keys.is_empty()).then(|| Box::new(Self { groups, surrogate_keys }))
    }
}

/// The number of a withdrawal that a head was held against and not found to be covered by; a clone starts anew.
#[derive(Debug, Default)]
pub struct LookedAt(AtomicU64);

impl LookedAt {
    /// The number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Notes a later one.
    pub fn raise(&self, number: u64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }
}

impl Clone for LookedAt {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Everything about the request that filled an entry which later decisions rest on.
#[derive(Clone, Copy, Debug)]
pub struct Filler<'a> {
    /// Method of the request.
    pub method: &'a Method,
    /// Path and query, for the second key's synthetic request.
    pub path_and_query: &'a str,
    /// Directives of the request.
    pub directives: &'a RequestDirectives,
    /// Credentials as received.
    pub credentials: RequestCredentials,
    /// How its target relates to the key.
    pub named: Named,
    /// Fields that the gateway strips, consumes or writes.
    pub consumed: &'a [HeaderName],
    /// RFC 9213 target list of the listener.
    pub targets: &'a [HeaderName],
    /// Policies with conditions on the response that fit the request.
    pub candidates: Candidates,
    /// The response's `Content-Location` is the request's target URI.
    pub is_located: bool,
    /// Count of group invalidations when the request was sent.
    pub born: u64,
    /// When the request was sent.
    pub request_time: SystemTime,
    /// When the response head came.
    pub response_time: SystemTime,
}

impl Head {
    /// Judges a response as received and, if it may be stored, makes the head of its entry.
    ///
    /// `received` are the fields before nominated ones were removed: decisions read those. `kept` are
    /// the fields with hop-by-hop fields removed and `Date` filled in. `policy` is the one that the request was let through
    /// under; what the response makes of it decides and is remembered.
    ///
    /// # Errors
    ///
    /// Why it is not stored.
    ///
    /// Source: RFC 9111 sections 3, 3.1 and 3.5.
    pub fn judge(
        filler: &Filler<'_>,
        status: StatusCode,
        received: &HeaderMap,
        kept: &HeaderMap,
        policy: &CompiledPolicy,
    ) -> Result<Self, NotStored> {
        let policy = policy.for_response(filler.candidates, status, received);
        let selected = select(received, filler.targets);
        let answered = Answered {
            status,
            fields: received,
            directives: &selected.directives,
            is_targeted: selected.is_targeted,
            credentialed: filler.credentials.any,
            response_time: filler.response_time,
        };
        let asked = Asked {
            method: filler.method,
            directives: filler.directives,
            credentials: filler.credentials,
            consumed: filler.consumed,
            targets: filler.targets,
            is_located: filler.is_located,
        };
        let permission = storable(&asked, &answered, &policy.settings)?;
        if filler.credentials.any && !second_key::agrees(filler, &answered) {
            return Err(NotStored::SecondKey);
        }
        let fields = stored_fields(kept, &selected.directives, &policy.settings, filler.credentials.any);
        let lifetime = lifetime(&answered, &policy.settings);
        let age = age_base(received, filler.request_time, filler.response_time);
        let is_withheld = selected.directives.private != Qualified::Absent || received.contains_key(header::CONNECTION);
        Ok(Self {
            status,
            fields: Fields::new(fields),
            credentialed: filler.credentials.any,
            named: filler.named,
            permission,
            lifetime,
            age,
            policy_fingerprint: policy.fingerprint,
            directives: DIRECTIVES.of(selected.directives),
            tags: Tags::of(received),
            born: filler.born,
            is_plain: !selected.is_targeted && !is_withheld,
            looked_at: LookedAt::default(),
        })
    }

    /// The head that [`Head::judge`] would make of this one's fields with another `Date` for the same kind of asker, where
    /// nothing but the times can come out otherwise; none where that is not certain.
    ///
    /// Source: RFC 9111 sections 3.2, 3.5 and 4.3.4.
    #[must_use]
    pub fn made_anew(&self, filler: &Filler<'_>, date: &HeaderValue, policy: &CompiledPolicy) -> Option<Self> {
        let policy = self.same_policy(filler, policy)?;
        let anew = Self { fields: self.fields.with(&header::DATE, date), ..self.clone() };
        let answered = Answered {
            status: self.status,
            fields: &anew.fields,
            directives: &self.directives,
            is_targeted: false,
            credentialed: self.credentialed,
            response_time: filler.response_time,
        };
        let lifetime = Some(lifetime(&answered, &policy.settings)).filter(|lifetime| lifetime.source == self.lifetime.source)?;
        let age = age_base(&anew.fields, filler.request_time, filler.response_time);
        Some(Self { lifetime, age, named: filler.named, born: filler.born, ..anew })
    }

    /// Whether [`Head::made_anew`] would make this head, and this one came less than a second before: it may stay as it is,
    /// that little older than it could be.
    ///
    /// Source: RFC 9111 sections 4.2.3 and 4.3.4.
    #[must_use]
    pub fn is_as_if_anew(&self, filler: &Filler<'_>, date: &HeaderValue, policy: &CompiledPolicy) -> bool {
        let since = filler.response_time.duration_since(self.age.response_time).unwrap_or_default();
        since < Duration::from_secs(1)
            && (self.born, self.named) == (filler.born, filler.named)
            && self.fields.lines(&header::DATE).eq([date.as_bytes()])
            && self.same_policy(filler, policy).is_some()
    }

    /// The policy that this head was judged by, where it is that of this request too, and all else that was judged besides the
    /// times is as it was.
    fn same_policy<'p>(&self, filler: &Filler<'_>, policy: &'p CompiledPolicy) -> Option<&'p CompiledPolicy> {
        let is_same_asker = *filler.method == Method::GET
            && filler.credentials.any == self.credentialed
            && !filler.credentials.in_query
            && *filler.directives == RequestDirectives::default();
        let is_targeted = || filler.targets.iter().any(|name| self.fields.contains_key(name));
        if !self.is_plain || !is_same_asker || is_targeted() || !vary::is_storable(&self.fields, filler.consumed) {
            return None;
        }
        let policy = policy.for_response(filler.candidates, self.status, &self.fields);
        (policy.fingerprint == self.policy_fingerprint).then_some(policy)
    }

    /// The head with which a validated response answers its asker alone, whether or not others may
    /// see it: the merged fields, their age, and no permission for anybody else.
    ///
    /// Source: RFC 9111 section 4.3.3.
    #[must_use]
    pub fn for_one(stored: &Self, filler: &Filler<'_>, received: &HeaderMap, kept: &HeaderMap) -> Self {
        Self {
            status: stored.status,
            fields: kept.into(),
            directives: DIRECTIVES.of(select(received, filler.targets).directives),
            credentialed: filler.credentials.any,
            named: filler.named,
            permission: None,
            lifetime: Lifetime { duration: Duration::ZERO, source: super::rules::freshness::LifetimeSource::None },
            age: age_base(received, filler.request_time, filler.response_time),
            policy_fingerprint: stored.policy_fingerprint,
            tags: None,
            born: filler.born,
            is_plain: false,
            looked_at: LookedAt::default(),
        }
    }

    /// The head as it is, but stale from now on.
    ///
    /// Source: RFC 9111 section 4.3.5.
    #[must_use]
    pub fn without_freshness(&self) -> Self {
        Self { lifetime: Lifetime { duration: Duration::ZERO, ..self.lifetime }, ..self.clone() }
    }

    /// The head as it is, but never to be used again while it is being validated.
    ///
    /// Source: RFC 5861 section 3.
    #[must_use]
    pub fn without_grace(&self) -> Self {
        let directives = ResponseDirectives { stale_while_revalidate: Some(Seconds::Valid(0)), ..(*self.directives).clone() };
        Self { directives: Arc::new(directives), is_plain: false, ..self.clone() }
    }

    /// The current age, none when the clock went back (RFC 9111 section 4.2.3).
    #[must_use]
    pub fn current_age(&self, now: SystemTime) -> Option<Duration> {
        self.age.current_age(now)
    }

    /// By how much the age exceeds the freshness lifetime; zero while fresh, none when no age can be told.
    ///
    /// Source: RFC 9111 section 4.2.
    #[must_use]
    pub fn staleness(&self, now: SystemTime) -> Option<Duration> {
        self.current_age(now).map(|age| age.saturating_sub(self.lifetime.duration))
    }

    /// How much longer the response is fresh; zero when stale or when no age can be told.
    ///
    /// Source: RFC 9111 section 4.2.
    #[must_use]
    pub fn fresh_for(&self, now: SystemTime) -> Duration {
        self.current_age(now).map_or(Duration::ZERO, |age| self.lifetime.duration.saturating_sub(age))
    }

    /// Whether this entry may be shown to a request other than the one that filled it: the third lock,
    /// asked again each time it is served.
    ///
    /// Source: RFC 9111 section 3.5.
    #[must_use]
    pub fn is_shareable(&self) -> bool {
        !self.credentialed || self.permission.is_some()
    }

    /// The fields that a reuse without validation may show: those that `no-cache="..."` names are left out.
    ///
    /// Source: RFC 9111 section 5.2.2.4.
    #[must_use]
    pub fn reusable_fields(&self) -> HeaderMap {
        self.fields.to_map_without(self.directives.no_cache.fields(), OWN_FIELDS)
    }

    /// All fields, as a validated response shows them.
    #[must_use]
    pub fn shown_fields(&self) -> HeaderMap {
        self.fields.to_map(OWN_FIELDS)
    }

    /// The groups that it belongs to.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().flat_map(|tags| &tags.groups).map(|tag| &**tag)
    }

    /// The names under which it may be withdrawn.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().flat_map(|tags| tags.groups.iter().chain(&tags.surrogate_keys)).map(|tag| &**tag)
    }

    /// The stored entity tag, as received.
    #[must_use]
    pub fn etag(&self) -> Option<&[u8]> {
        self.fields.lines(&header::ETAG).next()
    }

    /// Bytes that the head takes in memory, about.
    #[must_use]
    pub fn weight_bytes(&self) -> usize {
        let tags: usize = self.tags().map(|tag| tag.len() + 24).sum();
        let directives = if is_alone(&self.directives) { size_of::<ResponseDirectives>() } else { 0 };
        self.fields.weight_bytes() + directives + tags + size_of::<Self>()
    }
}

/// What the authorization rule decided about a response to a credentialed request, for the metric.
#[must_use]
pub fn authorization_decision(
    verdict: Result<Option<PermissionReason>, NotStored>,
    policy: PolicyAuthorization,
) -> AuthorizationDecision {
    match verdict {
        Ok(Some(reason)) => AuthorizationDecision::Shared(reason),
        Err(NotStored::Private) => AuthorizationDecision::Private,
        Err(NotStored::NoStore) => AuthorizationDecision::NoStore,
        Err(NotStored::SecondKey) => AuthorizationDecision::SecondKey,
        Err(NotStored::Policy) => AuthorizationDecision::Policy,
        _ if policy == PolicyAuthorization::Never => AuthorizationDecision::Policy,
        Ok(None) | Err(_) => AuthorizationDecision::NoPermit,
    }
}

#[cfg(test)]
mod tests;
