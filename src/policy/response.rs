//! Policies with conditions on the response: which one applies to an answer, and what it makes of the policy that the
//! request was let through under.
//!
//! They are tried first, in the order in which they are written, on every response whose request they fit: what the first
//! that fits sets stands in place of what the request's policy says, and of `cache`, `authorization` and
//! `anonymous_entries` the stricter counts. RFC 9111 sections 1.1 and 3.5; RFC 9110 section 8.3.1.
//!
//! # Deviations
//!
//! - Of several media types the last valid one counts, as RFC 9110 section 8.3 says recipients do.
//! - A 206 counts as the 200 that it is a part of.

use std::sync::Arc;

use http::header;
use http::{Method, StatusCode};

use super::{CompiledPolicy, fits};
use crate::config::settings::{AnonymousEntries, Changes, Policy, PolicyAuthorization, ResponsePolicy};
use crate::fields::{Lines, is_token, list_members, trim_ows};
use crate::target::Target;

/// The policies with conditions on the response that fit one request, by their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidates(u64);

/// A policy with conditions on the response, and what it makes of one that requests are let through under.
#[derive(Debug)]
pub struct ByResponse {
    /// The conditions.
    pub when: Arc<ResponsePolicy>,
    /// Both together.
    pub policy: CompiledPolicy,
}

impl Candidates {
    /// None.
    pub const NONE: Self = Self(0);

    /// Most policies with conditions on the response in a configuration.
    pub const MOST: usize = 64;

    /// This one alone.
    #[must_use]
    pub fn only(number: usize) -> Self {
        Self(u32::try_from(number).ok().and_then(|number| 1_u64.checked_shl(number)).unwrap_or_default())
    }

    /// Those of these policies that fit the request.
    #[must_use]
    pub(super) fn of(policies: &[Arc<ResponsePolicy>], method: &Method, target: &Target) -> Self {
        let fitting = policies.iter().enumerate().filter(|(_, policy)| fits(&policy.matches, method, target));
        fitting.fold(Self::NONE, |all, (number, _)| all.with(number))
    }

    /// These and this one.
    #[must_use]
    pub fn with(self, number: usize) -> Self {
        Self(self.0 | Self::only(number).0)
    }

    fn has(self, number: usize) -> bool {
        self.0 & Self::only(number).0 != 0
    }
}

impl ByResponse {
    /// What this policy makes of the one that the request was let through under.
    pub(super) fn new(when: &Arc<ResponsePolicy>, request: &Policy) -> Self {
        Self { when: Arc::clone(when), policy: CompiledPolicy::new(combine(request, when)) }
    }
}

impl CompiledPolicy {
    /// The policy for a response to a request that these candidates fit: of what comes from the origin and of what is
    /// stored alike.
    ///
    /// Source: RFC 9111 section 1.1.
    #[must_use]
    pub fn for_response(&self, candidates: Candidates, status: StatusCode, fields: &impl Lines) -> &Self {
        if candidates == Candidates::NONE {
            return self;
        }
        let applies = |(number, one): &(usize, &ByResponse)| candidates.has(*number) && fits_response(&one.when, status, fields);
        self.by_response.iter().enumerate().find(applies).map_or(self, |(_, one)| &one.policy)
    }
}

/// Do the conditions on the response hold?
fn fits_response(policy: &ResponsePolicy, status: StatusCode, fields: &impl Lines) -> bool {
    let status = if status == StatusCode::PARTIAL_CONTENT { StatusCode::OK } else { status };
    let is_status = policy.statuses.is_empty() || policy.statuses.iter().any(|range| range.has(status.as_u16()));
    is_status
        && (policy.content_types.is_empty()
            || media_type(fields)
                .is_some_and(|(kind, subtype)| policy.content_types.iter().any(|pattern| pattern.matches(kind, subtype))))
}

/// Type and subtype of the last valid member of `Content-Type`, parameters aside.
///
/// ABNF: `media-type = type "/" subtype parameters`.
///
/// Source: RFC 9110 sections 8.3 and 8.3.1.
fn media_type(fields: &impl Lines) -> Option<(&[u8], &[u8])> {
    list_members(fields, &header::CONTENT_TYPE).filter_map(essence).last()
}

fn essence(member: &[u8]) -> Option<(&[u8], &[u8])> {
    let whole = trim_ows(member.split(|byte| *byte == b';').next()?);
    let slash = whole.iter().position(|byte| *byte == b'/')?;
    let (kind, subtype) = (whole.get(..slash)?, whole.get(slash + 1..)?);
    (is_token(kind) && is_token(subtype)).then_some((kind, subtype))
}

/// What the response's policy sets in place of what the request's says; never less strict about credentials.
///
/// Source: RFC 9111 section 3.5.
fn combine(request: &Policy, response: &ResponsePolicy) -> Policy {
    let Changes {
        bypass,
        authorization,
        anonymous_entries,
        set_cookie,
        default_ttl,
        heuristic,
        min_ttl,
        max_ttl,
        negative_ttl,
        max_object_bytes,
        stale_while_revalidate,
        stale_if_error,
        max_stale_disconnected,
    } = response.changes;
    Policy {
        name: format!("{} on {}", response.name, request.name),
        bypass: request.bypass || bypass,
        authorization: stricter(request.authorization, authorization, |word| match word {
            PolicyAuthorization::Standard => 0,
            PolicyAuthorization::AlwaysValidate => 1,
            PolicyAuthorization::Never => 2,
        }),
        anonymous_entries: stricter(request.anonymous_entries, anonymous_entries, |word| match word {
            AnonymousEntries::Reuse => 0,
            AnonymousEntries::Validate => 1,
            AnonymousEntries::Bypass => 2,
        }),
        set_cookie: set_cookie.unwrap_or(request.set_cookie),
        default_ttl: default_ttl.unwrap_or(request.default_ttl),
        heuristic: heuristic.unwrap_or(request.heuristic),
        min_ttl: min_ttl.unwrap_or(request.min_ttl),
        max_ttl: max_ttl.unwrap_or(request.max_ttl),
        negative_ttl: negative_ttl.or(request.negative_ttl),
        max_object_bytes: max_object_bytes.or(request.max_object_bytes),
        stale_while_revalidate: stale_while_revalidate.unwrap_or(request.stale_while_revalidate),
        stale_if_error: stale_if_error.unwrap_or(request.stale_if_error),
        max_stale_disconnected: max_stale_disconnected.unwrap_or(request.max_stale_disconnected),
        ..request.clone()
    }
}

fn stricter<T: Copy>(one: T, other: Option<T>, rank: impl Fn(T) -> u8) -> T {
    other.filter(|other| rank(*other) > rank(one)).unwrap_or(one)
}

#[cfg(test)]
mod tests;
