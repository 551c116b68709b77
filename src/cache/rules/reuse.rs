//! May a stored response answer this request as it is, or only after validation?
//!
//! RFC 9111 sections 4, 4.2.4, 5.2.1 and 5.2.2; RFC 5861 section 3; RFC 8246 section 2.
//!
//! # Deviations
//!
//! - `max-stale` is obeyed where nothing forbids stale responses; an operator may switch request
//!   directives off (RFC 9111 section 5.2.1 calls them advisory), but not `no-store` and
//!   `only-if-cached`.
//! - A request with `no-store` does not reuse a stored response.
//! - `max-age` of a request does not make a fresh `immutable` response be validated: the origin has said that it would
//!   be confirmed (RFC 8246 section 2.1 asks for that, RFC 9111 section 5.2.1.1 leaves `max-age` to preference).

use std::time::{Duration, SystemTime};

use http::StatusCode;

use super::directives::{Qualified, RequestDirectives};
use super::stale;
use crate::cache::entry::Head;
use crate::config::settings::{AnonymousEntries, PolicyAuthorization};
use crate::policy::{Candidates, CompiledPolicy};

/// What may be done with one stored response for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// It answers as it is.
    Fresh,
    /// It is stale, and the client accepts that (`max-stale`).
    AcceptedStale,
    /// It is stale, and answers while it is validated in the background.
    WhileRevalidating,
    /// It answers after a successful validation with this request's own credentials.
    Validate(WhyValidate),
    /// It may not be used for this request, not even to validate.
    Never(WhyNever),
}

/// Why a stored response must be validated first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyValidate {
    /// Its age exceeds its freshness lifetime.
    Stale,
    /// It says `no-cache`.
    NoCache,
    /// The request asks for it: `no-cache`, `max-age` or `min-fresh`.
    Request,
    /// The policy asks for it.
    Policy,
    /// The clock went back: no age can be told.
    Clock,
}

/// Why a stored response may not be used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNever {
    /// No recorded permission: it belongs to the request that filled it.
    NoPermit,
    /// A refusal that was stored never answers a credentialed request.
    StoredRefusal,
    /// The policy bypasses entries that were stored without credentials.
    Policy,
}

/// The request, as far as reuse depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Directives in force.
    pub directives: &'a RequestDirectives,
    /// Whether it carries credentials.
    pub credentialed: bool,
    /// The time of the request.
    pub now: SystemTime,
    /// Policies with conditions on the response that fit it.
    pub candidates: Candidates,
}

/// May this stored response answer this request?
///
/// Variant and method were matched before. Conditions stand in the order: may it be shown at all, must
/// it be validated whatever its age, is it fresh, does the client accept it stale. `policy` is the one that the request was
/// let through under; what the stored response makes of it decides.
///
/// Source: RFC 9111 section 4.
#[must_use]
pub fn decide(stored: &Head, asker: &Asker<'_>, policy: &CompiledPolicy) -> Reuse {
    let policy = policy.for_response(asker.candidates, stored.status, &stored.fields);
    if let Some(why) = forbidden(stored, asker, policy) {
        return Reuse::Never(why);
    }
    if let Some(why) = must_validate(stored, asker, policy) {
        return Reuse::Validate(why);
    }
    let Some(age) = stored.current_age(asker.now) else { return Reuse::Validate(WhyValidate::Clock) };
    let directives = asker.directives;
    let lifetime = stored.lifetime.duration;
    let is_fresh = age < lifetime;
    // RFC 8246 section 2.1: a reload of what will not change while it is fresh; no-cache was asked above.
    let is_certain = is_fresh && stored.directives.immutable;
    // RFC 9111 section 5.2.1.1: max-age of a request bounds the age; max-stale lifts only the other
    // half of its meaning, that a stale response is not wanted.
    if !is_certain && directives.max_age.is_some_and(|most| age > seconds(most)) {
        return Reuse::Validate(WhyValidate::Request);
    }
    if is_fresh {
        // RFC 9111 section 5.2.1.3: fresh for at least min-fresh more seconds.
        let is_fresh_enough = directives.min_fresh.is_none_or(|least| lifetime.saturating_sub(age) >= seconds(least));
        return if is_fresh_enough { Reuse::Fresh } else { Reuse::Validate(WhyValidate::Request) };
    }
    if stale::answers_while_revalidating(stored, asker, policy) {
        return Reuse::WhileRevalidating;
    }
    // RFC 9111 section 4.2.4: no stale answer where a directive forbids it; section 5.2.1.2 for max-stale.
    let staleness = age.saturating_sub(lifetime);
    let is_accepted = directives.max_stale.is_some_and(|most| most == u32::MAX || staleness <= seconds(most));
    if is_accepted && !stored.directives.forbids_stale() { Reuse::AcceptedStale } else { Reuse::Validate(WhyValidate::Stale) }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

/// The third lock, and what only the operator forbids.
///
/// Source: RFC 9111 section 3.5.
pub(super) fn forbidden(stored: &Head, asker: &Asker<'_>, policy: &CompiledPolicy) -> Option<WhyNever> {
    if !stored.is_shareable() {
        return Some(WhyNever::NoPermit);
    }
    if stored.credentialed && policy.settings.authorization == PolicyAuthorization::Never {
        return Some(WhyNever::Policy);
    }
    if asker.credentialed && stored.status == StatusCode::FORBIDDEN {
        return Some(WhyNever::StoredRefusal);
    }
    let is_anonymous_for_known = asker.credentialed && !stored.credentialed;
    (is_anonymous_for_known && policy.settings.anonymous_entries == AnonymousEntries::Bypass).then_some(WhyNever::Policy)
}

/// What asks for validation whatever the age.
///
/// Source: RFC 9111 sections 5.2.1.4 and 5.2.2.4.
fn must_validate(stored: &Head, asker: &Asker<'_>, policy: &CompiledPolicy) -> Option<WhyValidate> {
    if matches!(stored.directives.no_cache, Qualified::Whole) {
        return Some(WhyValidate::NoCache);
    }
    if asker.directives.no_cache || asker.directives.no_store {
        return Some(WhyValidate::Request);
    }
    // An entry stored under another policy serves only the validation of its asker.
    if stored.policy_fingerprint != policy.fingerprint {
        return Some(WhyValidate::Policy);
    }
    if stored.credentialed && policy.settings.authorization == PolicyAuthorization::AlwaysValidate {
        return Some(WhyValidate::Policy);
    }
    let is_anonymous_for_known = asker.credentialed && !stored.credentialed;
    (is_anonymous_for_known && policy.settings.anonymous_entries == AnonymousEntries::Validate).then_some(WhyValidate::Policy)
}

#[cfg(test)]
mod tests;
