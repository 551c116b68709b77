//! May a stale response answer all the same?
//!
//! RFC 9111 section 4.2.4, RFC 5861 sections 3 and 4.
//!
//! What forbids stale answers (`no-cache`, `must-revalidate`, `proxy-revalidate`, `s-maxage`) wins over everything that
//! allows them, whoever says it.
//!
//! # Deviations
//!
//! - A request that asks for a younger or validated response is not answered with less, although RFC 5861 section 4 would
//!   allow it "regardless of other freshness information".
//! - Where the response states no `stale-if-error` or `stale-while-revalidate`, the operator's counts (RFC 9111 section
//!   4.2.4: "out of band"), the latter only for what was stored without credentials.
//! - A request whose credentials cannot go with another request than itself is validated and waits.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};

use super::directives::Seconds;
use super::reuse::{Asker, forbidden};
use crate::cache::entry::Head;
use crate::cache::words::PermissionReason;
use crate::config::settings::{AnonymousEntries, PolicyAuthorization};
use crate::fields::{is_connection_scheme, scheme};
use crate::policy::CompiledPolicy;

/// What lets a stale response answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyStale {
    /// The origin cannot be reached, or breaks off.
    Disconnected,
    /// `stale-if-error` of the response, of the request, or of the policy.
    IfError,
    /// `max-stale` of the request.
    MaxStale,
    /// `stale-while-revalidate` of the response or of the policy.
    WhileRevalidating,
}

impl WhyStale {
    /// The word in `Cache-Status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::IfError => "stale-if-error",
            Self::MaxStale => "max-stale",
            Self::WhileRevalidating => "stale-while-revalidate",
        }
    }
}

/// How a validation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No response head came.
    NoAnswer,
    /// The origin answered with a status that [`is_error`].
    ServerError,
}

/// Whether a status is an error that `stale-if-error` speaks of.
///
/// Source: RFC 5861 section 4.
#[must_use]
pub fn is_error(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}

/// Whether an answer with this status says something about the resource, and not only about the request or the state that
/// the origin is in.
///
/// Source: RFC 9110 sections 15.5.2, 15.5.4, 15.5.8, 15.5.9 and 15.6; RFC 6585 section 4 (429); RFC 8470 section 5.2 (425).
#[must_use]
pub fn speaks_of_resource(status: StatusCode) -> bool {
    !status.is_server_error() && !matches!(status.as_u16(), 401 | 403 | 407 | 408 | 425 | 429)
}

/// May this stale response answer a request whose validation failed, and what says so?
///
/// `asker.now` is the time of the answer: the wait for the origin counts.
///
/// Source: RFC 9111 section 4.2.4, RFC 5861 section 4.
#[must_use]
pub fn after_failure(stored: &Head, asker: &Asker<'_>, policy: &CompiledPolicy, failure: Failure) -> Option<WhyStale> {
    let policy = policy.for_response(asker.candidates, stored.status, &stored.fields);
    if stored.directives.forbids_stale() || forbidden(stored, asker, policy).is_some() || wants_validation(stored, asker, policy)
    {
        return None;
    }
    let staleness = stored.staleness(asker.now)?;
    if covers(error_window(stored, asker, policy), staleness) {
        return Some(WhyStale::IfError);
    }
    let is_disconnected = failure == Failure::NoAnswer && covers(policy.settings.max_stale_disconnected, staleness);
    is_disconnected.then_some(WhyStale::Disconnected)
}

/// Whether request or policy ask for a validation that succeeds.
///
/// Source: RFC 9111 section 5.2.1.
fn wants_validation(stored: &Head, asker: &Asker<'_>, policy: &CompiledPolicy) -> bool {
    let is_by_policy = stored.policy_fingerprint != policy.fingerprint
        || (stored.credentialed && policy.settings.authorization != PolicyAuthorization::Standard)
        || (asker.credentialed && !stored.credentialed && policy.settings.anonymous_entries != AnonymousEntries::Reuse);
    let directives = asker.directives;
    is_by_policy || directives.no_cache || directives.no_store || directives.max_age.is_some() || directives.min_fresh.is_some()
}

/// How stale a response may be that stands in for an error: what it says itself, or else the operator, and more if this
/// request accepts more.
///
/// Source: RFC 5861 section 4.
fn error_window(stored: &Head, asker: &Asker<'_>, policy: &CompiledPolicy) -> Duration {
    let accepted = asker.directives.stale_if_error.map_or(Duration::ZERO, seconds);
    let granted = match stored.directives.stale_if_error {
        Some(Seconds::Valid(limit)) => seconds(limit),
        Some(Seconds::Broken) => Duration::ZERO,
        None => policy.settings.stale_if_error,
    };
    granted.max(accepted)
}

/// May this stale response answer at once, while the origin is asked in the background?
///
/// What asks for validation whatever the age was looked at before.
///
/// Source: RFC 5861 section 3; RFC 9111 sections 4.2.4 and 5.2.1.
#[must_use]
pub fn answers_while_revalidating(stored: &Head, asker: &Asker<'_>, policy: &CompiledPolicy) -> bool {
    let directives = asker.directives;
    if stored.directives.forbids_stale() || directives.max_age.is_some() || directives.min_fresh.is_some() {
        return false;
    }
    let Some(staleness) = stored.staleness(asker.now) else { return false };
    // RFC 9111 section 5.2.1.2: a client that says how stale an answer may be means no more.
    let is_accepted = directives.max_stale.is_none_or(|most| staleness <= seconds(most));
    is_accepted && covers(revalidation_window(stored, policy), staleness)
}

/// How stale a response may be that answers while it is validated.
///
/// Source: RFC 5861 section 3.
fn revalidation_window(stored: &Head, policy: &CompiledPolicy) -> Duration {
    match stored.directives.stale_while_revalidate {
        Some(Seconds::Valid(limit)) if !stored.credentialed || stored.permission == Some(PermissionReason::Public) => {
            seconds(limit)
        }
        None if !stored.credentialed => policy.settings.stale_while_revalidate,
        Some(_) | None => Duration::ZERO,
    }
}

/// What is taken off a request to make it one for the whole representation.
pub const NARROWING: [HeaderName; 4] = [header::IF_MODIFIED_SINCE, header::IF_NONE_MATCH, header::IF_RANGE, header::RANGE];

/// May this request's credentials go with a plain GET of the same target that nobody waits for?
///
/// Not those that speak for a connection. `Basic` and `Bearer` go with every request; others may cover method and fields,
/// and go only with a request that is not changed.
///
/// Source: RFC 4559 section 6; RFC 7616 section 3.4.3; RFC 9421 section 1.1.
#[must_use]
pub fn may_ask_behind(method: &Method, request: &HeaderMap) -> bool {
    let is_changed = method != Method::GET || NARROWING.iter().any(|name| request.contains_key(name));
    let goes_along = |scheme: &[u8]| [&b"basic"[..], b"bearer"].iter().any(|plain| scheme.eq_ignore_ascii_case(plain));
    let is_signed = request.contains_key("signature");
    let mut credentials = request.get_all(header::AUTHORIZATION).iter();
    !(is_signed && is_changed)
        && credentials.all(|value| !is_connection_scheme(value) && (!is_changed || goes_along(scheme(value))))
}

fn covers(window: Duration, staleness: Duration) -> bool {
    !window.is_zero() && staleness <= window
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

#[cfg(test)]
mod tests;
