//! `[cache]` and `[[policy]]`.
//!
//! RFC 9111 section 3.5 (credentialed requests), section 4.2 (freshness), section 5.2.1 (request
//! directives); RFC 5861 sections 3 and 4 (grace).
//!
//! # Deviations
//!
//! none

use std::time::Duration;

use toml::de::DeValue;

use super::{Placed, response_policy};
use crate::cache::rules::query::{Form, QueryRule};
use crate::config::quantities::show_size;
use crate::config::reader::Section;
use crate::config::settings::{
    AnonymousEntries, Cache, CacheMethods, Credentials, MediaPattern, PartitionBy, Policy, PolicyAuthorization, PolicyMatch,
    ResponsePolicy, SetCookie, StatusRange,
};
use crate::config::value::Value;
use crate::policy::Candidates;

pub(super) const AUTHORIZATION_WORDS: [(&str, PolicyAuthorization); 3] = [
    ("standard", PolicyAuthorization::Standard),
    ("never", PolicyAuthorization::Never),
    ("always-validate", PolicyAuthorization::AlwaysValidate),
];
const PARTITION_WORDS: [(&str, PartitionBy); 3] =
    [("none", PartitionBy::Nothing), ("credential", PartitionBy::Credential), ("principal", PartitionBy::Principal)];
pub(super) const ANONYMOUS_WORDS: [(&str, AnonymousEntries); 3] =
    [("reuse", AnonymousEntries::Reuse), ("validate", AnonymousEntries::Validate), ("bypass", AnonymousEntries::Bypass)];
const QUERY_TABLES: &str = "{ keep = [\"id\"] } or { drop = [\"utm_*\"] }";
pub(super) const SET_COOKIE_WORDS: [(&str, SetCookie); 3] =
    [("refuse", SetCookie::Refuse), ("strip", SetCookie::Strip), ("store", SetCookie::Store)];

/// `[cache]`.
pub(super) fn read_cache(root: &mut Section<'_>) -> Cache {
    let mut cache = Cache::default();
    let Some(mut section) = root.section("cache") else { return cache };
    section.set("memory", &mut cache.memory_bytes, |v| v.size(1 << 20, 1 << 50));
    section.set("max_object", &mut cache.max_object_bytes, |v| v.size(1, 1 << 50));
    section.set("collapse_wait", &mut cache.collapse_wait, |v| v.duration());
    section.finish();
    // What is larger than the whole tier is never kept; the smaller bound is the true one.
    cache.max_object_bytes = cache.max_object_bytes.min(cache.memory_bytes);
    cache
}

/// The policies in the order they are tried: as written, `default` last if it is written; and those with conditions on the
/// response, as written.
pub(super) fn read_policies(root: &mut Section<'_>, cache: &Cache) -> (Vec<Placed<Policy>>, Vec<Placed<ResponsePolicy>>) {
    let (mut policies, mut of_responses): (Vec<Placed<Policy>>, Vec<Placed<ResponsePolicy>>) = Default::default();
    let mut fallback = None;
    let mut taken: Vec<String> = Vec::new();
    for section in root.sections("policy") {
        let (source, at, path) = (section.source, section.position("name"), section.path_of("name"));
        let mut is_taken = |name: &str| {
            let is_taken = taken.iter().any(|other| other == name);
            if is_taken {
                source.note(&at, format!("{path}: expected a name of its own, found \"{name}\" again"));
            }
            taken.push(name.to_owned());
            is_taken
        };
        let placed = Placed::new(&section, ());
        if response_policy::is_of_responses(&section) {
            let policy = response_policy::read(section, cache).filter(|policy| !is_taken(&policy.name));
            of_responses.extend(policy.map(|policy| placed.with(policy)));
            continue;
        }
        let Some(policy) = read_policy(section, cache).filter(|policy| !is_taken(&policy.name)) else { continue };
        if policy.name == Policy::DEFAULT_NAME {
            fallback = Some(placed.with(policy));
        } else {
            policies.push(placed.with(policy));
        }
    }
    if let Some(first) = of_responses.get(Candidates::MOST) {
        let message = format!("policy: expected at most {} with content_types or statuses, found more", Candidates::MOST);
        root.source.note(&first.at, message);
    }
    policies.extend(fallback);
    (policies, of_responses)
}

fn read_policy(mut section: Section<'_>, cache: &Cache) -> Option<Policy> {
    let name = section.require("name", "\"api\"", |v| v.name());
    let mut policy = Policy::default();
    section.set("cache", &mut policy.bypass, |v| v.word(&[("standard", false), ("bypass", true)]));
    section.set("authorization", &mut policy.authorization, |v| v.word(&AUTHORIZATION_WORDS));
    section.set("partition", &mut policy.partition, |v| v.word(&PARTITION_WORDS));
    section.set("anonymous_entries", &mut policy.anonymous_entries, |v| v.word(&ANONYMOUS_WORDS));
    section.set("set_cookie", &mut policy.set_cookie, |v| v.word(&SET_COOKIE_WORDS));
    section.set("share_validations", &mut policy.share_validations, |v| v.flag());
    section.set("canary", &mut policy.canary, |v| v.share());
    section.set("vary_normalise", &mut policy.vary_normalise, |v| v.flag());
    section.set("vary_limit", &mut policy.vary_limit, |v| v.count(1, 65_536));
    section.set("methods", &mut policy.methods, read_methods);
    policy.max_object_bytes = read_max_object(&mut section, cache);
    section.set("ignore_request_cache_control", &mut policy.ignore_request_cache_control, |v| v.flag());
    read_lifetimes(&mut section, &mut policy);
    let _: Conditions = read_match(&mut section, name.as_deref(), &mut policy.matches);
    read_credentials(&mut section, &mut policy.credentials);
    read_query(&mut section, &mut policy);
    if policy.bypass {
        warn_of_bypass(&section);
    }
    section.finish();
    Some(Policy { name: name?, ..policy })
}

/// What is about entries and their reuse, of which there are none under `cache = "bypass"`.
const OF_CACHING: [&str; 19] = [
    "authorization",
    "partition",
    "anonymous_entries",
    "set_cookie",
    "default_ttl",
    "heuristic",
    "min_ttl",
    "max_ttl",
    "negative_ttl",
    "stale_while_revalidate",
    "stale_if_error",
    "max_stale_disconnected",
    "share_validations",
    "canary",
    "query",
    "vary_normalise",
    "vary_limit",
    "methods",
    "max_object",
];

/// Warns of keys that change nothing because nothing is stored.
pub(super) fn warn_of_bypass(section: &Section<'_>) {
    let idle: Vec<&str> = OF_CACHING.into_iter().filter(|key| section.has(key)).collect();
    if !idle.is_empty() {
        let (path, idle) = (section.path_of("cache"), idle.join(", "));
        let message =
            format!("{path}: expected nothing about entries beside \"bypass\", found {idle}; nothing is stored, leave that out");
        section.source.warn(&section.position("cache"), message);
    }
}

/// Source: RFC 9111 sections 4.2.1, 4.2.2 and 4.2.4, RFC 5861 sections 3 and 4.
fn read_lifetimes(section: &mut Section<'_>, policy: &mut Policy) {
    section.set("default_ttl", &mut policy.default_ttl, |v| v.duration());
    section.set("heuristic", &mut policy.heuristic, |v| v.flag());
    section.set("min_ttl", &mut policy.min_ttl, |v| v.duration());
    section.set("max_ttl", &mut policy.max_ttl, |v| v.duration());
    section.set("stale_while_revalidate", &mut policy.stale_while_revalidate, |v| v.duration());
    section.set("stale_if_error", &mut policy.stale_if_error, |v| v.duration());
    section.set("max_stale_disconnected", &mut policy.max_stale_disconnected, |v| v.duration());
    section.set_some("negative_ttl", &mut policy.negative_ttl, |v| v.duration());
    let floors =
        [("min_ttl", Some(policy.min_ttl)), ("default_ttl", Some(policy.default_ttl)), ("negative_ttl", policy.negative_ttl)];
    check_floors(section, policy.max_ttl, floors);
}

/// What the ceiling would always cut off.
pub(super) fn check_floors(section: &Section<'_>, most: Duration, floors: [(&str, Option<Duration>); 3]) {
    for (key, _) in floors.iter().filter(|(_, floor)| floor.is_some_and(|floor| floor > most)) {
        let message = format!("{}: expected at most max_ttl, found more", section.path_of(key));
        section.source.note(&section.position(key), message);
    }
}

/// Methods that the cache takes part in; without GET it would store nothing.
fn read_methods(value: &Value<'_>) -> Option<CacheMethods> {
    let named = value.distinct(|one| one.word(&[("GET", "GET"), ("HEAD", "HEAD"), ("POST", "POST")]))?;
    let has = |method: &str| named.contains(&method);
    if !has("GET") {
        return value.complain(
            "expected \"GET\" among them, found none: nothing else fills the store; to store nothing, set cache = \"bypass\"",
        );
    }
    Some(CacheMethods { head: has("HEAD"), post: has("POST") })
}

/// The largest body of a policy; more than the whole cache takes is never stored.
pub(super) fn read_max_object(section: &mut Section<'_>, cache: &Cache) -> Option<u64> {
    let mut most = None;
    section.set_some("max_object", &mut most, |v| v.size(1, 1 << 50));
    if most.is_some_and(|most| most > cache.max_object_bytes) {
        let bound = show_size(cache.max_object_bytes);
        let message = format!(
            "{}: expected at most the {bound} of cache.max_object and cache.memory, found more",
            section.path_of("max_object")
        );
        section.source.note(&section.position("max_object"), message);
    }
    most
}

/// Conditions on the response.
pub(super) type Conditions = (Vec<MediaPattern>, Vec<StatusRange>);

/// Reads conditions on the request into `matches`, and returns those on the response.
pub(super) fn read_match(section: &mut Section<'_>, name: Option<&str>, matches: &mut PolicyMatch) -> Conditions {
    let (mut content_types, mut statuses) = Conditions::default();
    let at = section.position("match");
    let Some(mut table) = section.section("match") else { return (content_types, statuses) };
    if name == Some(Policy::DEFAULT_NAME) {
        let message =
            format!("{}: expected no match on the policy \"default\", which applies to the rest, found one", table.path);
        table.source.note(&at, message);
    }
    table.set_list("hosts", &mut matches.hosts, |v| v.host());
    table.set_list("paths", &mut matches.paths, |v| v.path_pattern());
    table.set_list("methods", &mut matches.methods, |v| v.method());
    table.set_list("content_types", &mut content_types, |v| v.media_type());
    table.set_list("statuses", &mut statuses, |v| v.statuses());
    table.finish();
    (content_types, statuses)
}

fn read_credentials(section: &mut Section<'_>, credentials: &mut Credentials) {
    let Some(mut table) = section.section("credentials") else { return };
    table.set_list("query", &mut credentials.query, |v| v.name());
    table.set_list("headers", &mut credentials.headers, |v| v.field_name());
    table.set_list("cookies", &mut credentials.cookies, |v| v.name());
    table.finish();
}

/// A word, or a table with one list of parameters.
fn read_query(section: &mut Section<'_>, policy: &mut Policy) {
    let at = section.position("query");
    let Some(form) = section.value("query").and_then(read_form) else { return };
    if let Form::Keep(listed) | Form::Drop(listed) = &form
        && let Some(name) = policy.credentials.query.iter().find(|name| listed.iter().any(|one| one.is_named(name)))
    {
        let message = format!(
            "{}: expected no name of credentials.query, found {name:?}; requests with it carry a credential, which no query rule \
             applies to: leave it out here",
            section.path_of("query")
        );
        section.source.note(&at, message);
    }
    policy.query = QueryRule::new(form);
}

fn read_form(value: Value<'_>) -> Option<Form> {
    match value.node.get_ref() {
        DeValue::String(word) if word == "all" => Some(Form::All),
        DeValue::String(word) if word == "none" => Some(Form::None),
        DeValue::String(word) if word == "sorted" => Some(Form::Sorted),
        DeValue::Table(_) => read_parameters(value.section()?),
        _ => value.mistake_near(&format!("\"all\", \"none\", \"sorted\", {QUERY_TABLES}"), ["all", "none", "sorted"]),
    }
}

fn read_parameters(mut table: Section<'_>) -> Option<Form> {
    let mut list = |key| table.value(key).map(|names| names.distinct(|v| v.parameter()));
    let (kept, dropped) = (list("keep"), list("drop"));
    let found = match (&kept, &dropped) {
        (None, None) => Some("neither"),
        (Some(_), Some(_)) => Some("both"),
        _ => None,
    };
    if let Some(found) = found {
        table.source.note(&table.at, format!("{}: expected {QUERY_TABLES}, found {found}", table.path));
    }
    table.finish();
    match (kept, dropped) {
        (Some(kept), None) => kept.map(Form::Keep),
        (None, Some(dropped)) => dropped.map(Form::Drop),
        _ => None,
    }
}

/// The names that routes may refer to, in the order of the policies, and what is expected of one.
pub(super) fn names(policies: &[Placed<Policy>], of_responses: &[Placed<ResponsePolicy>]) -> (Vec<String>, &'static str) {
    let expected = if of_responses.is_empty() {
        "the name of a [[policy]]"
    } else {
        "the name of a [[policy]] without content_types and statuses"
    };
    let is_written = policies.last().is_some_and(|last| last.value.name == Policy::DEFAULT_NAME);
    let built_in = (!is_written).then(|| Policy::DEFAULT_NAME.to_owned());
    (policies.iter().map(|policy| policy.value.name.clone()).chain(built_in).collect(), expected)
}
