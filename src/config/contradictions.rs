//! What is in force and cannot do what was meant: policies that are never chosen, keys that change nothing.
//!
//! RFC 9111 section 1.1. None of it is wrong enough to refuse the configuration; the operator is told.
//!
//! # Deviations
//!
//! none

use super::mistakes::Source;
use super::sections::Placed;
use super::settings::{Changes, Policy, ResponsePolicy, Route};
use crate::policy::coverage::{covers, covers_responses};

/// Warns of each policy that no request is let through under, because one before it fits everything that it fits.
pub(super) fn warn_of_requests(source: &Source<'_>, policies: &[Placed<Policy>], routes: &[Route]) {
    for (at, policy) in policies.iter().enumerate() {
        let is_named = routes.iter().any(|route| route.policy == Some(at));
        let before = policies.iter().take(at).find(|before| covers(&before.value.matches, &policy.value.matches));
        if let Some(before) = before.filter(|_| !is_named) {
            let remedy = if policy.value.name == Policy::DEFAULT_NAME {
                format!("give \"{}\" a match, or leave this one out", before.value.name)
            } else {
                "put it before that one, narrow that one's match, or name it in a route".to_owned()
            };
            let message = format!(
                "{}: expected a policy that may be chosen, found one that never is: \"{}\" before it fits all that it fits; {remedy}",
                policy.path, before.value.name
            );
            source.warn(&policy.at, message);
        }
    }
}

/// The same of policies with conditions on the response, and of those that say nothing and come last.
pub(super) fn warn_of_responses(source: &Source<'_>, policies: &[Placed<ResponsePolicy>]) {
    for (at, policy) in policies.iter().enumerate() {
        let before = policies.iter().take(at).find(|before| covers_responses(&before.value, &policy.value));
        if let Some(before) = before {
            let message = format!(
                "{}: expected a policy that may be chosen, found one that never is: \"{}\" before it fits all that it fits; \
                 put it before that one, or narrow that one's match",
                policy.path, before.value.name
            );
            source.warn(&policy.at, message);
        } else if policy.value.changes == Changes::default() && at + 1 == policies.len() {
            let message =
                format!("{}: expected a key that says what its responses are for, found none: it changes nothing", policy.path);
            source.warn(&policy.at, message);
        }
    }
}
