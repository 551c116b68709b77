//! How long a response stays fresh.
//!
//! RFC 9111 section 4.2.1 (lifetime), section 4.2.2 (heuristics), section 5.3 (Expires).
//!
//! # Deviations
//!
//! - No heuristic freshness for responses to credentialed requests, although `public` would allow it.
//! - An operator may say how long an error response that states no lifetime is fresh; nothing is assumed of it then.
//! - The heuristic is a tenth of the time since `Last-Modified`, at most one day.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{self, HeaderMap};

use super::directives::{Qualified, ResponseDirectives, Seconds};
use crate::config::settings::Policy;
use crate::fields::{Lines, date_field};

/// Where a freshness lifetime came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeSource {
    /// `s-maxage`.
    SMaxage,
    /// `max-age`.
    MaxAge,
    /// `Expires` minus `Date`.
    Expires,
    /// A tenth of the time since `Last-Modified`.
    Heuristic,
    /// The operator's `default_ttl`, `min_ttl` or `negative_ttl`.
    Policy,
    /// The response states none and none may be assumed.
    None,
}

/// A freshness lifetime and its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// How long the response is fresh, counted from its generation.
    pub duration: Duration,
    /// Why.
    pub source: LifetimeSource,
}

/// What the lifetime of a response depends on.
#[derive(Debug)]
pub struct Answered<'a, F = HeaderMap> {
    /// Status code of the response.
    pub status: StatusCode,
    /// Its fields, `Date` filled in.
    pub fields: &'a F,
    /// The directives in force.
    pub directives: &'a ResponseDirectives,
    /// A targeted field decided: `Expires` is ignored (RFC 9213 section 2.2).
    pub is_targeted: bool,
    /// Whether the request carried credentials.
    pub credentialed: bool,
    /// When it was received; stands in for a missing `Date`.
    pub response_time: SystemTime,
}

/// The status codes whose definition allows heuristic freshness.
///
/// Source: RFC 9110 section 15.1.
#[must_use]
pub fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// The error responses whose definition allows heuristic freshness.
///
/// Source: RFC 9110 section 15.1.
#[must_use]
pub fn is_negative(status: StatusCode) -> bool {
    is_heuristically_cacheable(status) && (status.is_client_error() || status.is_server_error())
}

/// The freshness lifetime: `s-maxage`, `max-age`, `Expires`, heuristic, operator's default, within the
/// operator's floor and ceiling.
///
/// A broken `s-maxage` does not fall through to `max-age`; it makes the response stale.
///
/// Source: RFC 9111 section 4.2.1.
#[must_use]
pub fn lifetime(answered: &Answered<'_, impl Lines>, policy: &Policy) -> Lifetime {
    let lifetime = explicit_lifetime(answered).unwrap_or_else(|| assumed_lifetime(answered, policy));
    Lifetime { duration: lifetime.duration.min(policy.max_ttl), source: lifetime.source }
}

/// The lifetime that the response states, if it states any.
///
/// Source: RFC 9111 sections 4.2.1, 5.2.2.1, 5.2.2.10 and 5.3.
#[must_use]
pub fn explicit_lifetime(answered: &Answered<'_, impl Lines>) -> Option<Lifetime> {
    let of_seconds = |seconds: Seconds, source| {
        let duration = match seconds {
            Seconds::Valid(seconds) => Duration::from_secs(seconds.into()),
            Seconds::Broken => Duration::ZERO,
        };
        Lifetime { duration, source }
    };
    if let Some(seconds) = answered.directives.s_maxage {
        return Some(of_seconds(seconds, LifetimeSource::SMaxage));
    }
    if let Some(seconds) = answered.directives.max_age {
        return Some(of_seconds(seconds, LifetimeSource::MaxAge));
    }
    if answered.is_targeted || !answered.fields.has(&header::EXPIRES) {
        return None;
    }
    let date = date_field(answered.fields, &header::DATE, answered.response_time).unwrap_or(answered.response_time);
    // An invalid Expires, "0" too, is in the past (RFC 9111 section 5.3).
    let expires = date_field(answered.fields, &header::EXPIRES, answered.response_time);
    let duration = expires.and_then(|expires| expires.duration_since(date).ok()).unwrap_or_default();
    Some(Lifetime { duration, source: LifetimeSource::Expires })
}

/// What may be assumed where the response states nothing.
///
/// Source: RFC 9111 section 4.2.2.
fn assumed_lifetime(answered: &Answered<'_, impl Lines>, policy: &Policy) -> Lifetime {
    let none = Lifetime { duration: Duration::ZERO, source: LifetimeSource::None };
    let may_assume = is_heuristically_cacheable(answered.status) || answered.directives.public;
    if answered.credentialed || !may_assume {
        return none;
    }
    let of_policy = |wanted: Duration| {
        let wanted = if is_restricted(answered.directives) { Duration::ZERO } else { wanted };
        if wanted.is_zero() { none } else { Lifetime { duration: wanted, source: LifetimeSource::Policy } }
    };
    if let Some(negative) = policy.negative_ttl.filter(|_| is_negative(answered.status)) {
        return of_policy(negative);
    }
    if policy.heuristic
        && let Some(duration) = heuristic(answered)
    {
        let is_below_floor = duration < policy.min_ttl && !is_restricted(answered.directives);
        return if is_below_floor {
            Lifetime { duration: policy.min_ttl, source: LifetimeSource::Policy }
        } else {
            Lifetime { duration, source: LifetimeSource::Heuristic }
        };
    }
    of_policy(policy.default_ttl.max(policy.min_ttl))
}

/// Whether the response carries a directive that an operator's floor must not soften.
fn is_restricted(directives: &ResponseDirectives) -> bool {
    directives.no_cache != Qualified::Absent
        || directives.no_store
        || directives.private != Qualified::Absent
        || directives.must_revalidate
        || directives.proxy_revalidate
}

/// A tenth of the time since the last modification.
///
/// Source: RFC 9111 section 4.2.2.
fn heuristic(answered: &Answered<'_, impl Lines>) -> Option<Duration> {
    const MOST: Duration = Duration::from_secs(86400);
    let date = date_field(answered.fields, &header::DATE, answered.response_time).unwrap_or(answered.response_time);
    let modified = date_field(answered.fields, &header::LAST_MODIFIED, answered.response_time)?;
    let unchanged_for = date.duration_since(modified).unwrap_or_default();
    Some((unchanged_for / 10).min(MOST))
}

#[cfg(test)]
mod tests;
