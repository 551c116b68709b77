//! The sentence and the section for each thing that the rules decide.

use std::time::SystemTime;

use http::header::{self, HeaderMap};

use super::{Exchange, Rules, Step, has_validator, key_path, stands_in};
use crate::cache::PermissionReason;
use crate::cache::entry::Head;
use crate::cache::rules::authorization::RequestCredentials;
use crate::cache::rules::freshness::LifetimeSource;
use crate::cache::rules::query::Named;
use crate::cache::rules::stale::Failure;
use crate::cache::rules::storable::NotStored;
use crate::cache::rules::targeted::select;
use crate::cache::rules::vary;
use crate::config::settings::PartitionBy;

const fn step(question: &'static str, answer: String, source: &'static str) -> Step {
    Step { question, answer, source }
}

/// What of the request counts as a credential.
pub(super) fn credentials(exchange: &Exchange<'_>, rules: &Rules<'_>, found: RequestCredentials) -> Step {
    let listed = &rules.policy.settings.credentials;
    let mut names: Vec<String> = Vec::new();
    if exchange.request.contains_key(header::AUTHORIZATION) {
        names.push("Authorization".to_owned());
    }
    names.extend(listed.headers.iter().filter(|name| exchange.request.contains_key(*name)).map(ToString::to_string));
    if found.in_query {
        names.push("a parameter of the query".to_owned());
    }
    if found.any && names.is_empty() {
        names.push("a listed cookie".to_owned());
    }
    let answer = if found.any { format!("{} counts as a credential", names.join(", ")) } else { "none".to_owned() };
    step("credentials", answer, "RFC 9111 section 3.5")
}

/// The policy that decides, if one with conditions on the response does.
pub(super) fn policy(exchange: &Exchange<'_>, rules: &Rules<'_>) -> Option<Step> {
    let decides = rules.policy.for_response(rules.candidates, exchange.status, exchange.response);
    let is_by_response = !std::ptr::eq(decides, rules.policy);
    is_by_response.then(|| step("policy", format!("{}, by the response", decides.settings.name), "RFC 9111 section 1.1"))
}

/// Under which query it is looked for and kept, where the policy has a rule about that.
pub(super) fn key(exchange: &Exchange<'_>, rules: &Rules<'_>, found: RequestCredentials) -> Option<Step> {
    let rule = &rules.policy.settings.query;
    let named = key_path(exchange, rules, found).named();
    rule.mark()?;
    let answer = match named {
        _ if found.any => "the target as sent: the policy's query rule is for requests without credentials".to_owned(),
        Named { is_exact: true, .. } => format!(
            "the target as sent; by the policy others are kept there too, of requests without credentials (query: {rule})"
        ),
        _ => format!("with another query, by the policy and for requests without credentials alone (query: {rule})"),
    };
    Some(step("key", answer, "RFC 9111 section 4"))
}

/// Which field's directives are in force.
pub(super) fn directives(exchange: &Exchange<'_>, rules: &Rules<'_>) -> Step {
    let deciding = rules.targets.iter().find(|name| select(exchange.response, std::slice::from_ref(name)).is_targeted);
    match deciding {
        Some(name) => {
            let answer = format!("{name}: {}, in place of Cache-Control", lines(exchange.response, name));
            step("directives", answer, "RFC 9213 section 2.2")
        }
        None if exchange.response.contains_key(header::CACHE_CONTROL) => {
            let answer = format!("Cache-Control: {}", lines(exchange.response, &header::CACHE_CONTROL));
            step("directives", answer, "RFC 9111 section 5.2")
        }
        None => step("directives", "none".to_owned(), "RFC 9111 section 5.2"),
    }
}

/// All lines of a field, as one list.
fn lines(fields: &HeaderMap, name: &header::HeaderName) -> String {
    let lines = fields.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()).escape_debug().to_string());
    lines.collect::<Vec<_>>().join(", ")
}

/// Why a response is not stored.
pub(super) fn not_stored(why: NotStored) -> Step {
    let (sentence, source) = refusal(why);
    step("stored", format!("no ({}): {sentence}", why.as_str()), source)
}

/// Every reason against storing.
const REASONS: [NotStored; 17] = [
    NotStored::Method,
    NotStored::Status,
    NotStored::Partial,
    NotStored::RequestContent,
    NotStored::RequestNoStore,
    NotStored::NoStore,
    NotStored::Private,
    NotStored::NoPermit,
    NotStored::NotCacheable,
    NotStored::NoLifetime,
    NotStored::Vary,
    NotStored::SetCookie,
    NotStored::Nominated,
    NotStored::QueryCredential,
    NotStored::Policy,
    NotStored::SecondKey,
    NotStored::TooLarge,
];

/// The sentence and the section that belong to a word of `Cache-Status`, if it tells why a response was not stored.
#[must_use]
pub fn refusal_of(word: &str) -> Option<(&'static str, &'static str)> {
    REASONS.iter().find(|why| why.as_str() == word).map(|why| refusal(*why))
}

/// The sentence and the section of each refusal.
fn refusal(why: NotStored) -> (&'static str, &'static str) {
    match why {
        NotStored::Method => {
            ("only responses to GET are stored, and to POST if explicitly fresh and located at the target", "RFC 9111 section 3")
        }
        NotStored::Status => {
            ("this status code is never stored, or must-understand asks for one that is understood", "RFC 9111 section 3")
        }
        NotStored::Partial => {
            ("a part is stored only with a strong entity tag and one valid Content-Range", "RFC 9111 section 3.3")
        }
        NotStored::RequestContent => {
            ("the origin may have read the request's content, which is no part of the key", "RFC 9110 section 9.3.1")
        }
        NotStored::RequestNoStore => ("the request says no-store", "RFC 9111 section 5.2.1.5"),
        NotStored::NoStore => ("the response says no-store", "RFC 9111 section 5.2.2.5"),
        NotStored::Private => ("the response says private, and this cache is shared", "RFC 9111 section 5.2.2.7"),
        NotStored::NoPermit => (
            "the request carries credentials, and the response says neither public nor s-maxage nor must-revalidate",
            "RFC 9111 section 3.5",
        ),
        NotStored::NotCacheable => {
            ("no explicit lifetime, no public, and the status code allows no heuristic one", "RFC 9111 section 3")
        }
        NotStored::NoLifetime => ("no lifetime and no validator: storing it would never save a fetch", "RFC 9111 section 3"),
        NotStored::Vary => {
            ("Vary says *, or names a field that does not reach the origin as the client sends it", "RFC 9111 section 4.1")
        }
        NotStored::SetCookie => ("it sets cookies, and the policy says set_cookie = \"refuse\"", "RFC 9111 section 7.3"),
        NotStored::Nominated => ("Connection nominates a field that the decision rests on", "RFC 9110 section 7.6.1"),
        NotStored::QueryCredential => ("a credential stands in the query, and the key would hold it", "RFC 6750 section 2.3"),
        NotStored::Policy => ("the operator's policy says so (cache, authorization or methods)", "RFC 9111 section 1.1"),
        NotStored::SecondKey => (
            "a second implementation of the rules, or the search for a prohibition in the raw bytes, disagreed",
            "RFC 9111 section 3.5",
        ),
        NotStored::TooLarge => ("larger than max_object of the cache or the policy", "RFC 9111 section 3"),
    }
}

/// What an origin that means well would send instead.
pub(super) fn advice(why: NotStored) -> Option<Step> {
    let (answer, source) = match why {
        NotStored::NoPermit => (
            "if it is the same for everybody, send s-maxage=N or public; to judge each user and share the bytes, s-maxage=0 with an ETag",
            "RFC 9111 section 3.5",
        ),
        NotStored::NoLifetime | NotStored::NotCacheable => {
            ("send max-age=N, or an ETag so that it can be validated", "RFC 9111 section 4.2")
        }
        NotStored::QueryCredential => ("take the credential in Authorization instead", "RFC 6750 section 5.3"),
        NotStored::SetCookie => ("set cookies on responses that are for one client alone", "RFC 9111 section 7.3"),
        NotStored::Vary => ("name the fields that select the representation in Vary, never *", "RFC 9110 section 12.5.5"),
        _ => return None,
    };
    Some(step("instead", answer.to_owned(), source))
}

/// What is known about a response that is stored.
pub(super) fn of_stored(head: &Head, exchange: &Exchange<'_>, rules: &Rules<'_>) -> Vec<Step> {
    vec![
        stored(head),
        partition(rules),
        variants(head),
        lifetime(head, exchange.time),
        age(head, exchange.time),
        validation(head),
        errors(head, exchange, rules),
    ]
}

/// What is known of a response that is stored already.
pub(super) fn of_entry(head: &Head, now: SystemTime) -> Vec<Step> {
    vec![stored(head), variants(head), lifetime(head, now), age(head, now), validation(head)]
}

fn stored(head: &Head) -> Step {
    let reason = match head.permission {
        None => "the request carries no credentials",
        Some(PermissionReason::Public) => "public lets a shared cache reuse it for others",
        Some(PermissionReason::SMaxage) => "s-maxage lets a shared cache reuse it for others, and asks for validation when stale",
        Some(PermissionReason::MustRevalidate) => {
            "must-revalidate lets a shared cache reuse it for others, and asks for validation when stale"
        }
    };
    let source = if head.credentialed { "RFC 9111 section 3.5" } else { "RFC 9111 section 3" };
    step("stored", format!("yes ({}): {reason}", crate::reply::permit_word(head)), source)
}

fn partition(rules: &Rules<'_>) -> Step {
    let answer = match rules.policy.settings.partition {
        PartitionBy::Nothing => "reused for everybody whom the rules permit",
        PartitionBy::Credential => "reused for the same credentials alone, as the policy says",
        PartitionBy::Principal => "reused for the same verified user alone, as the policy says",
    };
    step("partition", answer.to_owned(), "RFC 9111 section 1.1")
}

fn variants(head: &Head) -> Step {
    let names = vary::names(&head.fields).unwrap_or_default();
    let answer = if names.is_empty() {
        "one for all requests".to_owned()
    } else {
        let names: Vec<&str> = names.iter().map(header::HeaderName::as_str).collect();
        format!("one for each value of {}", names.join(", "))
    };
    step("variants", answer, "RFC 9111 section 4.1")
}

fn lifetime(head: &Head, now: SystemTime) -> Step {
    let (from, source) = match head.lifetime.source {
        LifetimeSource::SMaxage => ("s-maxage", "RFC 9111 section 5.2.2.10"),
        LifetimeSource::MaxAge => ("max-age", "RFC 9111 section 5.2.2.1"),
        LifetimeSource::Expires => ("Expires", "RFC 9111 section 5.3"),
        LifetimeSource::Heuristic => ("a tenth of the time since Last-Modified", "RFC 9111 section 4.2.2"),
        LifetimeSource::Policy => ("the policy's min_ttl, default_ttl or negative_ttl", "RFC 9111 section 4.2.2"),
        LifetimeSource::None => ("none is stated and none may be assumed", "RFC 9111 section 4.2.1"),
    };
    let left = head.fresh_for(now).as_secs();
    step("lifetime", format!("{} s ({from}), of which {left} s are left", head.lifetime.duration.as_secs()), source)
}

fn age(head: &Head, now: SystemTime) -> Step {
    let answer = match head.current_age(now) {
        Some(age) => format!("{} s", age.as_secs()),
        None => "none can be told".to_owned(),
    };
    step("age", answer, "RFC 9111 section 4.2.3")
}

fn validation(head: &Head) -> Step {
    let has = |name| head.fields.contains_key(name);
    let answer = match (has(header::ETAG), has(header::LAST_MODIFIED)) {
        _ if !has_validator(head) => "it has no validator: fetched anew when stale",
        (true, true) => "If-None-Match and If-Modified-Since, with the asker's own credentials",
        (true, false) => "If-None-Match, with the asker's own credentials",
        (false, _) => "If-Modified-Since, with the asker's own credentials",
    };
    step("validation", answer.to_owned(), "RFC 9111 section 4.3.1")
}

fn errors(head: &Head, exchange: &Exchange<'_>, rules: &Rules<'_>) -> Step {
    let answer = match [Failure::NoAnswer, Failure::ServerError].map(|failure| stands_in(head, exchange, rules, failure)) {
        [_, true] => "stale answers stand in for an origin that fails or is silent",
        [true, false] => "stale answers stand in for an origin that is silent, a received 5xx is passed on",
        [false, false] => "no stale answer: a failing origin's 5xx is passed on, and a silent one becomes a 502 or 504",
    };
    step("errors", answer.to_owned(), "RFC 9111 section 4.2.4, RFC 5861 section 4")
}
