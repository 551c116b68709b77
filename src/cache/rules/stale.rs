//! May a stale response answer all the same?
//!
//! RFC 9111 section 4.2.4, RFC 5861 section 4.
//!
//! What forbids stale answers (`no-cache`, `must-revalidate`, `proxy-revalidate`, `s-maxage`) wins over everything that
//! allows them, whoever says it.
//!
//! # Deviations
//!
//! - A request that asks for a younger or validated response is not answered with less, although RFC 5861 section 4 would
//!   allow it "regardless of other freshness information".
//! - Where the response states no `stale-if-error`, the operator's counts (RFC 9111 section 4.2.4: "out of band").

use std::time::Duration;

use http::StatusCode;

use super::directives::Seconds;
use super::reuse::{Asker, forbidden};
use crate::cache::entry::Head;
use crate::config::settings::{AnonymousEntries, PolicyAuthorization};
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
}

impl WhyStale {
    /// The word in `Cache-Status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::IfError => "stale-if-error",
            Self::MaxStale => "max-stale",
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

/// May this stale response answer a request whose validation failed, and what says so?
///
/// `asker.now` is the time of the answer: the wait for the origin counts.
///
/// Source: RFC 9111 section 4.2.4, RFC 5861 section 4.
#[must_use]
pub fn after_failure(stored: &Head, asker: &Asker<'_>, policy: &CompiledPolicy, failure: Failure) -> Option<WhyStale> {
    if stored.directives.forbids_stale() || forbidden(stored, asker, policy).is_some() || wants_validation(stored, asker, policy)
    {
        return None;
    }
    let staleness = stored.staleness(asker.now)?;
    let covers = |window: Duration| !window.is_zero() && staleness <= window;
    if covers(error_window(stored, asker, policy)) {
        return Some(WhyStale::IfError);
    }
    let is_disconnected = failure == Failure::NoAnswer && covers(policy.settings.max_stale_disconnected);
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

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

#[cfg(test)]
mod tests;
