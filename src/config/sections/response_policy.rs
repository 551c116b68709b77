//! `[[policy]]` with conditions on the response.
//!
//! RFC 9111 section 3.5 (what a response may only tighten), section 4.2 (freshness); RFC 9110 section 8.3.1.
//!
//! # Deviations
//!
//! none

use std::time::Duration;

use http::StatusCode;

use super::policy::{
    ANONYMOUS_WORDS, AUTHORIZATION_WORDS, SET_COOKIE_WORDS, check_floors, read_match, read_max_object, warn_of_bypass,
};
use crate::cache::rules::freshness::is_negative;
use crate::cache::rules::storable::is_never_stored;
use crate::config::reader::Section;
use crate::config::settings::{Cache, Changes, PolicyMatch, ResponsePolicy};

/// What is decided before there is a response.
const OF_REQUESTS: [&str; 9] = [
    "methods",
    "partition",
    "credentials",
    "share_validations",
    "canary",
    "query",
    "vary_normalise",
    "vary_limit",
    "ignore_request_cache_control",
];

/// Does the match of this `[[policy]]` name content types or statuses?
pub(super) fn is_of_responses(section: &Section<'_>) -> bool {
    ["content_types", "statuses"].iter().any(|key| section.has_below("match", key))
}

/// Reads a policy whose match names content types or statuses.
pub(super) fn read(mut section: Section<'_>, cache: &Cache) -> Option<ResponsePolicy> {
    let name = section.require("name", "\"errors\"", |v| v.name());
    let mut policy = ResponsePolicy {
        name: String::new(),
        matches: PolicyMatch::default(),
        content_types: Vec::new(),
        statuses: Vec::new(),
        changes: Changes::default(),
    };
    let changes = &mut policy.changes;
    section.set("cache", &mut changes.bypass, |v| v.word(&[("bypass", true)]));
    section.set_some("authorization", &mut changes.authorization, |v| v.word(tightening(&AUTHORIZATION_WORDS)));
    section.set_some("anonymous_entries", &mut changes.anonymous_entries, |v| v.word(tightening(&ANONYMOUS_WORDS)));
    section.set_some("set_cookie", &mut changes.set_cookie, |v| v.word(&SET_COOKIE_WORDS));
    changes.max_object_bytes = read_max_object(&mut section, cache);
    read_lifetimes(&mut section, changes);
    let conditions = read_match(&mut section, name.as_deref(), &mut policy.matches);
    (policy.content_types, policy.statuses) = conditions;
    for key in OF_REQUESTS {
        let why = "is decided before there is a response; set it in a policy without content_types and statuses";
        section.refuse_because(key, why);
    }
    if policy.changes.bypass {
        warn_of_bypass(&section);
    }
    warn_of_statuses(&section, &policy);
    section.finish();
    Some(ResponsePolicy { name: name?, ..policy })
}

/// Warns of status codes that are never stored, and of a lifetime for errors where there can be none.
///
/// Source: RFC 9111 section 3, RFC 9110 section 15.1.
fn warn_of_statuses(section: &Section<'_>, policy: &ResponsePolicy) {
    let (at, path) = (section.position("match"), section.path_of("match.statuses"));
    let codes = policy.statuses.iter().filter_map(|range| range.single());
    for code in codes.filter(|code| StatusCode::from_u16(*code).is_ok_and(is_never_stored)) {
        let message =
            format!("{path}: expected statuses that may be stored, found {code}, which never is: nothing is decided by it");
        section.source.warn(&at, message);
    }
    let is_error = |code| StatusCode::from_u16(code).is_ok_and(is_negative);
    let has_errors = policy.statuses.is_empty() || policy.statuses.iter().any(|range| range.codes().any(is_error));
    if policy.changes.negative_ttl.is_some() && !has_errors {
        let path = section.path_of("negative_ttl");
        let message =
            format!("{path}: expected statuses of which it speaks (404, 405, 410, 414, 501), found others: it changes nothing");
        section.source.warn(&section.position("negative_ttl"), message);
    }
}

/// The words but the first, which is the default and would loosen nothing: what a response says only tightens.
fn tightening<'a, T>(words: &'a [(&'static str, T)]) -> &'a [(&'static str, T)] {
    words.get(1..).unwrap_or_default()
}

/// Source: RFC 9111 sections 4.2.1, 4.2.2 and 4.2.4, RFC 5861 sections 3 and 4.
fn read_lifetimes(section: &mut Section<'_>, changes: &mut Changes) {
    section.set_some("default_ttl", &mut changes.default_ttl, |v| v.duration());
    section.set_some("heuristic", &mut changes.heuristic, |v| v.flag());
    section.set_some("min_ttl", &mut changes.min_ttl, |v| v.duration());
    section.set_some("max_ttl", &mut changes.max_ttl, |v| v.duration());
    section.set_some("stale_while_revalidate", &mut changes.stale_while_revalidate, |v| v.duration());
    section.set_some("stale_if_error", &mut changes.stale_if_error, |v| v.duration());
    section.set_some("max_stale_disconnected", &mut changes.max_stale_disconnected, |v| v.duration());
    section.set_some("negative_ttl", &mut changes.negative_ttl, |v| v.duration());
    let floors = [("min_ttl", changes.min_ttl), ("default_ttl", changes.default_ttl), ("negative_ttl", changes.negative_ttl)];
    check_floors(section, changes.max_ttl.unwrap_or(Duration::MAX), floors);
}
