//! What becomes of a stored response that the origin confirmed: by a 304 to a validation, or by a 200 to HEAD.
//!
//! RFC 9111 sections 3.2, 4.3.3, 4.3.4 and 4.3.5.
//!
//! # Deviations
//!
//! - The answer to a credentialed HEAD freshens nothing unless its own directives would let it be shared:
//!   its fields would otherwise reach others under the permission of the stored response.
//! - A stored response that came after the request was sent is left alone, by HEAD and by the 304 to a validation of another.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::entry::{Filler, Head};
use super::rules::directives::RequestDirectives;
use super::rules::offer::is_selected;
use super::rules::storable::NotStored;
use super::rules::update::{merge, nothing_but_date};
use super::rules::validate::is_described_by;
use super::rules::vary;
use super::store::StoredResponse;
use crate::policy::CompiledPolicy;

/// The fields of an answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerFields<'a> {
    /// As received: decisions read these.
    pub received: &'a HeaderMap,
    /// With hop-by-hop fields removed and `Date` filled in: these are kept.
    pub kept: &'a HeaderMap,
}

impl AnswerFields<'_> {
    /// Whether every field as received is kept and none was added: both are the very same.
    fn is_kept_whole(&self) -> bool {
        std::ptr::eq(self.received, self.kept)
    }
}

/// What a 304 makes of the stored response that it confirms.
#[derive(Debug)]
pub struct Confirmed {
    /// What the rules say of the merged fields.
    pub verdict: Result<Head, NotStored>,
    /// Who the merged fields were judged for had credentials.
    pub credentialed: bool,
}

/// What is done with the entry.
#[derive(Debug)]
pub enum Becomes {
    /// It has this head from now on.
    Freshened(Arc<Head>),
    /// It stays as it is.
    Left,
    /// It is stale from now on.
    Outdated,
    /// It goes.
    Dropped,
}

/// Merges the fields of a 304 into the stored ones and judges the result like a new response; where nothing but the times
/// can come out otherwise, only those are made anew.
///
/// Source: RFC 9111 sections 3.2, 3.5, 4.3.3 and 4.3.4.
#[must_use]
pub fn by_not_modified(stored: &Head, filler: &Filler<'_>, answer: AnswerFields<'_>, policy: &CompiledPolicy) -> Confirmed {
    let filler = filler_of_both(filler, stored);
    let credentialed = filler.credentials.any;
    if let Some(head) = said_again(stored, &filler, answer, policy) {
        return Confirmed { verdict: Ok(head), credentialed };
    }
    let known = stored.fields.to_map(0);
    let received = merge(&known, answer.received);
    let kept = (!answer.is_kept_whole()).then(|| merge(&known, answer.kept));
    let merged = AnswerFields { received: &received, kept: kept.as_ref().unwrap_or(&received) };
    Confirmed { verdict: judge(stored, &filler, merged, policy), credentialed }
}

/// The head that answers the asker of a confirmed response, whatever others may see.
///
/// Source: RFC 9111 section 4.3.3.
#[must_use]
pub fn for_one(stored: &Head, filler: &Filler<'_>, answer: AnswerFields<'_>) -> Head {
    let filler = filler_of_both(filler, stored);
    let known = stored.fields.to_map(0);
    Head::for_one(stored, &filler, &merge(&known, answer.received), &merge(&known, answer.kept))
}

/// The head with new times, where the 304 says what is stored.
///
/// Source: RFC 9111 section 4.3.4.
fn said_again(stored: &Head, filler: &Filler<'_>, answer: AnswerFields<'_>, policy: &CompiledPolicy) -> Option<Head> {
    stored.made_anew(filler, nothing_new(stored, answer)?, policy)
}

/// Whether the 304 says what another one said within the last second, to the letter: nothing is to be done with the entry, as
/// long as this is its head.
///
/// Source: RFC 9111 section 4.3.4.
#[must_use]
pub fn is_said_already(stored: &Head, filler: &Filler<'_>, answer: AnswerFields<'_>, policy: &CompiledPolicy) -> bool {
    let filler = filler_of_both(filler, stored);
    nothing_new(stored, answer).is_some_and(|date| stored.is_as_if_anew(&filler, date, policy))
}

/// The 304's `Date`, where that is all that may be new in it.
fn nothing_new<'a>(stored: &Head, answer: AnswerFields<'a>) -> Option<&'a HeaderValue> {
    if answer.is_kept_whole() { nothing_but_date(&stored.fields, answer.received) } else { None }
}

/// May the merged fields be stored and shared? What the origin takes back it takes back from everybody, whatever the
/// request that it said so to wants stored; and another `Vary` makes it another entry.
fn judge(stored: &Head, filler: &Filler<'_>, merged: AnswerFields<'_>, policy: &CompiledPolicy) -> Result<Head, NotStored> {
    let directives = RequestDirectives { no_store: false, ..filler.directives.clone() };
    let wanted = Filler { directives: &directives, ..*filler };
    let verdict = Head::judge(&wanted, stored.status, merged.received, merged.kept, policy);
    match verdict {
        Ok(_) | Err(NotStored::SetCookie) if vary::names(merged.kept) != vary::names(&stored.fields) => Err(NotStored::Vary),
        Ok(_) if filler.directives.no_store => Err(NotStored::RequestNoStore),
        verdict => verdict,
    }
}

/// Who a confirmed response is judged for: an entry filled with credentials stays one, and one confirmed
/// to credentials becomes one; and what another target's answer changed is not the key's own any more. HEAD confirms what a GET stored (RFC 9111 section 4.3.5).
fn filler_of_both<'a>(filler: &Filler<'a>, stored: &Head) -> Filler<'a> {
    let mut both = Filler { method: &Method::GET, ..*filler };
    both.credentials.any |= stored.credentialed;
    both.named = stored.named.changed_by(filler.named);
    both
}

/// Freshens the entry, leaves it, or drops it, as the rules say of the merged fields.
///
/// Stale: one whose 304 sets a cookie that the policy refuses. Left alone: an entry stored without credentials whose confirmation to credentials may not be
/// shown to others. Dropped: one that the merged fields forbid.
///
/// Source: RFC 9111 sections 3.5 and 4.3.4.
#[must_use]
pub fn becomes(verdict: Result<Head, NotStored>, stored: &Head, vary_names: &[HeaderName], credentialed: bool) -> Becomes {
    match verdict {
        Ok(head) if vary::names(&head.fields).as_deref() == Some(vary_names) => Becomes::Freshened(Arc::new(head)),
        Ok(_) => Becomes::Dropped,
        Err(NotStored::RequestNoStore) => Becomes::Left,
        // What the 304 says of freshness came with a cookie for somebody and is not kept.
        Err(NotStored::SetCookie) => Becomes::Outdated,
        Err(NotStored::NoPermit | NotStored::SecondKey | NotStored::Policy) if !stored.credentialed && credentialed => {
            Becomes::Left
        }
        Err(_) => Becomes::Dropped,
    }
}

/// What a 304 makes of a stored response that could have answered as well as the one that the condition was made from: one
/// with the same strong tag becomes what that one would.
///
/// Source: RFC 9111 section 4.3.4.
#[must_use]
pub fn beside(stored: &StoredResponse, filler: &Filler<'_>, answer: AnswerFields<'_>, policy: &CompiledPolicy) -> Becomes {
    let head = stored.head();
    if head.age.response_time > filler.request_time || !is_selected(answer.received, &head, false) {
        return Becomes::Left;
    }
    let Confirmed { verdict, credentialed } = by_not_modified(&head, filler, answer, policy);
    becomes(verdict, &head, stored.vary_names(), credentialed)
}

/// What an answer to HEAD with this status makes of a stored response that it could have selected: one that
/// it describes is freshened, another goes stale.
///
/// Source: RFC 9111 section 4.3.5.
#[must_use]
pub fn by_head(
    stored: &StoredResponse,
    filler: &Filler<'_>,
    status: StatusCode,
    answer: AnswerFields<'_>,
    policy: &CompiledPolicy,
) -> Becomes {
    let head = stored.head();
    if status != StatusCode::OK || head.age.response_time > filler.request_time {
        return Becomes::Left;
    }
    if head.status != status || !is_described_by(answer.received, &head, stored.content().length()) {
        return Becomes::Outdated;
    }
    let Confirmed { verdict, credentialed } = by_not_modified(&head, filler, answer, policy);
    // What GET would have brought this asker, judged alone.
    let alone = Filler { method: &Method::GET, ..*filler };
    let is_own_permission = !filler.credentials.any || Head::judge(&alone, status, answer.received, answer.kept, policy).is_ok();
    if verdict.is_err() || is_own_permission { becomes(verdict, &head, stored.vary_names(), credentialed) } else { Becomes::Left }
}

#[cfg(test)]
mod tests;
