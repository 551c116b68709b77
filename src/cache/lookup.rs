//! What is done with a request, given what is stored for its key: one pure decision.
//!
//! RFC 9111 section 4, RFC 9211 section 2.2 for the words.
//!
//! # Deviations
//!
//! - A GET or HEAD with content is neither answered from the cache nor stored: the origin may read
//!   the content, and it is not part of the key (RFC 9110 section 9.3.1).

use std::sync::Arc;
use std::time::SystemTime;

use http::header::{self, HeaderName};
use http::{HeaderMap, Method};

use super::entry::Head;
use super::rules::offer;
use super::rules::partial;
use super::rules::partition::Sight;
use super::rules::precondition::is_for_origin;
use super::rules::reuse::{self, Asker, Reuse, WhyNever, WhyValidate};
use super::rules::stale::{WhyStale, may_ask_behind};
use super::rules::vary;
use super::store::{Slot, StoredResponse};
use super::words::ForwardReason;
use crate::fields::date_field;
use crate::keyed::Keyed;
use crate::policy::CompiledPolicy;

/// What is done with a request.
#[derive(Clone, Debug)]
pub enum Decision {
    /// A stored response answers.
    Serve(Chosen),
    /// A stale stored response answers, and the origin is asked about it in the background.
    ServeAndValidate(Chosen),
    /// A stored response answers if the origin confirms it to this request.
    Validate(Chosen, WhyValidate),
    /// Nothing stored was selected by this request's fields; the origin may select one of these by its tag.
    Offer(Vec<Chosen>),
    /// The request goes to the origin as it is.
    Forward(ForwardReason),
    /// The request says `only-if-cached` and nothing may be served: 504 (RFC 9111 section 5.2.1.7).
    Refuse,
}

/// The variant that was chosen, with the head as it was when the decision was made.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The stored response.
    pub stored: Arc<StoredResponse>,
    /// Its head.
    pub head: Arc<Head>,
    /// What lets it answer although it is stale.
    pub stale: Option<WhyStale>,
    /// Nothing else was stored for its key.
    pub is_alone: bool,
}

/// The request, as far as look-up depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Request method.
    pub method: &'a Method,
    /// Request fields as received.
    pub fields: &'a HeaderMap,
    /// Whether it has content.
    pub has_content: bool,
    /// Among which stored responses one is looked for.
    pub sight: Sight,
    /// What the reuse rules look at.
    pub asker: Asker<'a>,
}

/// Does the cache take part in this request at all? `Some` names why not.
///
/// Source: RFC 9111 sections 3 and 4, RFC 9211 section 2.2.
#[must_use]
pub fn forwarded_unasked(asked: &Asked<'_>, policy: &CompiledPolicy) -> Option<ForwardReason> {
    if asked.method != Method::GET && asked.method != Method::HEAD {
        return Some(ForwardReason::Method);
    }
    let is_left_out = asked.method == Method::HEAD && !policy.settings.methods.head;
    if policy.settings.bypass || is_left_out || asked.has_content {
        return Some(ForwardReason::Bypass);
    }
    is_for_origin(asked.fields).then_some(ForwardReason::Request)
}

/// Serve, validate, forward or refuse?
///
/// Source: RFC 9111 section 4.
#[must_use]
pub fn decide(slot: Option<&Slot>, asked: &Asked<'_>, keyed: &Keyed, policy: &CompiledPolicy) -> Decision {
    let decision = match forwarded_unasked(asked, policy) {
        Some(reason) => Decision::Forward(reason),
        None => among_variants(slot, asked, keyed, policy),
    };
    match decision {
        // RFC 9111 section 4: requests with unsafe methods are written through, whatever they say.
        Decision::Serve(_) | Decision::Forward(ForwardReason::Method) => decision,
        // Nothing goes to the origin for the sake of a request that wants nothing from there.
        Decision::ServeAndValidate(chosen) if asked.asker.directives.only_if_cached => Decision::Serve(chosen),
        Decision::ServeAndValidate(_) => decision,
        _ if asked.asker.directives.only_if_cached => Decision::Refuse,
        decision => decision,
    }
}

fn among_variants(slot: Option<&Slot>, asked: &Asked<'_>, keyed: &Keyed, policy: &CompiledPolicy) -> Decision {
    // What is not for this request, as what another partition has, is not betrayed by another word.
    let slot = slot.filter(|slot| slot.variants_for(asked.sight).next().is_some());
    let Some(slot) = slot else { return Decision::Forward(ForwardReason::UriMiss) };
    let Some((stored, head)) = select_variant(slot, asked, keyed, policy.settings.vary_normalise) else {
        return unmatched(slot, asked, policy);
    };
    let is_alone = slot.variants().len() == 1;
    let chosen = |stale| Chosen { stored: Arc::clone(&stored), head: Arc::clone(&head), stale, is_alone };
    match reuse::decide(&head, &asked.asker, policy) {
        Reuse::Fresh => Decision::Serve(chosen(None)),
        Reuse::AcceptedStale => Decision::Serve(chosen(Some(WhyStale::MaxStale))),
        Reuse::WhileRevalidating if may_ask_behind(asked.method, asked.fields) => {
            Decision::ServeAndValidate(chosen(Some(WhyStale::WhileRevalidating)))
        }
        Reuse::WhileRevalidating => Decision::Validate(chosen(None), WhyValidate::Stale),
        Reuse::Validate(why) => Decision::Validate(chosen(None), why),
        Reuse::Never(WhyNever::Policy) => Decision::Forward(ForwardReason::Bypass),
        Reuse::Never(WhyNever::NoPermit | WhyNever::StoredRefusal) => Decision::Forward(ForwardReason::Miss),
    }
}

/// Something is stored for the target, and none of it was selected by this request.
///
/// Source: RFC 9111 sections 4.1 and 4.3.1.
fn unmatched(slot: &Slot, asked: &Asked<'_>, policy: &CompiledPolicy) -> Decision {
    if slot.variants_for(asked.sight).any(|stored| stored.part().is_some()) {
        return Decision::Forward(ForwardReason::Miss);
    }
    if asked.asker.credentialed || !offer::may_ask(asked.method, asked.fields) {
        return Decision::Forward(ForwardReason::VaryMiss);
    }
    let credential_fields = &policy.settings.credentials.headers;
    let mut offered: Vec<Chosen> = Vec::new();
    for stored in slot.variants_for(asked.sight) {
        let head = stored.head();
        if offer::may_offer(&head, stored.vary_names(), asked.fields, credential_fields) {
            offered.push(Chosen { stored: Arc::clone(stored), head, stale: None, is_alone: false });
        }
    }
    offered.sort_by_key(|chosen| std::cmp::Reverse(rank(&chosen.stored, &chosen.head)));
    offered.truncate(offer::MOST_TAGS);
    if offered.is_empty() { Decision::Forward(ForwardReason::VaryMiss) } else { Decision::Offer(offered) }
}

/// The newest variant whose nominated fields match the request's; one with a `Vary` goes before one
/// that omits it, a whole before a part, and a part only where it holds what is asked for.
///
/// Source: RFC 9111 section 4.1, and section 4 for the newest by `Date`.
fn select_variant(slot: &Slot, asked: &Asked<'_>, keyed: &Keyed, normalises: bool) -> Option<(Arc<StoredResponse>, Arc<Head>)> {
    let holds = |stored: &&Arc<StoredResponse>| {
        stored.part().is_none_or(|part| partial::answers(asked.method, asked.fields, &stored.head(), part))
    };
    let mut matching = matching(slot, asked.sight, asked.fields, keyed, normalises).filter(holds);
    let first = matching.next()?;
    let mut best = (Arc::clone(first), first.head());
    for stored in matching {
        let head = stored.head();
        if rank(stored, &head) > rank(&best.0, &best.1) {
            best = (Arc::clone(stored), head);
        }
    }
    Some(best)
}

/// The variants in sight whose nominated fields match the request's.
///
/// Source: RFC 9111 section 4.1.
pub fn matching<'s>(
    slot: &'s Slot,
    sight: Sight,
    request: &'s HeaderMap,
    keyed: &'s Keyed,
    normalises: bool,
) -> impl Iterator<Item = &'s Arc<StoredResponse>> {
    // Variants of one key usually name the same fields: one fingerprint then serves them all.
    let mut known: Option<(&[HeaderName], u128)> = None;
    let mut is_selected = move |stored: &'s StoredResponse| {
        let names = stored.vary_names();
        let wanted = match known {
            _ if names.is_empty() => return true,
            Some((same, wanted)) if std::ptr::eq(same, names) || same == names => wanted,
            _ => vary::fingerprint(keyed, names, request, normalises),
        };
        known = Some((names, wanted));
        wanted == stored.variant()
    };
    // Sight is the dearer question: it takes a look at the head.
    slot.variants().iter().filter(move |stored| is_selected(stored) && stored.is_in(sight))
}

/// What makes one matching response preferable to another: that it is complete, a `Vary`, then its `Date`, then when it
/// was received.
///
/// Source: RFC 9111 sections 4 and 4.1.
fn rank(stored: &StoredResponse, head: &Head) -> (bool, bool, SystemTime, SystemTime) {
    let received = head.age.response_time;
    let date = date_field(&head.fields, &header::DATE, received).unwrap_or(received);
    (stored.part().is_none(), !stored.vary_names().is_empty(), date, received)
}

#[cfg(test)]
mod tests;
