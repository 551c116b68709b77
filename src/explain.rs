//! A decision in words: would this response be stored, by which clause, for whom may it be reused, until when, and what
//! happens then.
//!
//! Nothing is decided here. The functions that serve requests are called, and what they say is put beside the section that
//! it comes from. RFC 9111 sections 3, 4 and 5.
//!
//! # Deviations
//!
//! none

mod clauses;
mod entry;
pub mod table;
mod text;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;

use crate::access::Permit;
use crate::cache::admit::{Answer, admit};
use crate::cache::confirm::AnswerFields;
use crate::cache::entry::{Filler, Head};
use crate::cache::key::{CacheKey, KeyPath};
use crate::cache::lookup::{self, Decision};
use crate::cache::rules::authorization::{RequestCredentials, request_credentials};
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::invalidate::is_located_at;
use crate::cache::rules::partition::{Identity, Partition, Sight, credential_class, principal_hash};
use crate::cache::rules::reuse::Asker;
use crate::cache::rules::stale::{self, Failure};
use crate::cache::rules::storable::NotStored;
use crate::cache::rules::vary;
use crate::cache::store::{Content, Slot, StoredResponse};
use crate::config::settings::Credentials;
use crate::hop;
use crate::keyed::Keyed;
use crate::policy::{Candidates, CompiledPolicy};
use crate::reply;

pub use clauses::refusal_of;
pub use entry::{Entry, There, explain_entry};

/// One request and the origin's response to it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Who asks for what.
    pub permit: &'a Permit,
    /// Request method.
    pub method: &'a Method,
    /// Request fields as received.
    pub request: &'a HeaderMap,
    /// Whether the request has content.
    pub has_content: bool,
    /// Status code of the response.
    pub status: StatusCode,
    /// Response fields as received.
    pub response: &'a HeaderMap,
    /// When the response came.
    pub time: SystemTime,
}

/// What decides besides the messages.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The policy that the request is let through under.
    pub policy: &'a CompiledPolicy,
    /// Policies with conditions on the response that fit the request.
    pub candidates: Candidates,
    /// The listener's RFC 9213 target list.
    pub targets: &'a [HeaderName],
    /// Fields that the gateway strips or consumes.
    pub consumed: &'a [HeaderName],
    /// The largest content that is stored whatever the policy, bytes.
    pub most_bytes: u64,
    /// Makes the hashes of keys and variants.
    pub keyed: &'a Keyed,
}

/// What was decided and why.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Request method.
    pub method: String,
    /// The target URI without its query.
    pub url: String,
    /// Status code of the response.
    pub status: u16,
    /// Whether the request carries credentials.
    pub credentialed: bool,
    /// Whether the response is stored.
    pub stored: bool,
    /// The word that `Cache-Status` shows as `detail`.
    pub reason: &'static str,
    /// One decision after another.
    pub steps: Vec<Step>,
    /// Who may have the stored response; empty if there is none.
    pub reuse: Vec<Row>,
}

/// One question, its answer, and where the rule stands.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What was decided.
    pub question: &'static str,
    /// How, and why.
    pub answer: String,
    /// The clause.
    pub source: &'static str,
}

/// What happens to a later GET for the same target.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Whose request it is.
    pub asker: &'static str,
    /// What happens while the stored response is fresh.
    pub fresh: &'static str,
    /// What happens one second after its lifetime.
    pub stale: &'static str,
}

/// Who may ask later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// A request without credentials.
    Nobody,
    /// The same request again.
    Same,
    /// The same request with other credentials.
    Other,
}

impl Who {
    /// Every one, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Nobody, Self::Same, Self::Other];

    /// The words of the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "no credentials",
            Self::Same => "the same request",
            Self::Other => "other credentials",
        }
    }

    /// The fields of their request, made from those of the first one.
    #[must_use]
    pub fn fields(self, first: &HeaderMap, listed: &Credentials) -> HeaderMap {
        let mut fields = first.clone();
        if self == Self::Same {
            return fields;
        }
        fields.remove(header::AUTHORIZATION);
        for name in &listed.headers {
            fields.remove(name);
        }
        if !listed.cookies.is_empty() {
            fields.remove(header::COOKIE);
        }
        if self == Self::Other {
            fields.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer of-somebody-else"));
        }
        fields
    }
}

/// Would this response be stored, and for whom, until when, and what then?
///
/// Source: RFC 9111 sections 3 and 4.
#[must_use]
pub fn explain(exchange: &Exchange<'_>, rules: &Rules<'_>) -> Explanation {
    let judged = judge(exchange, rules);
    let credentials = judged.credentials;
    let mut steps = vec![clauses::credentials(exchange, rules, credentials), clauses::directives(exchange, rules)];
    steps.extend(clauses::key(exchange, rules, credentials));
    steps.extend(clauses::policy(exchange, rules));
    let (reuse, reason) = match &judged.verdict {
        Err(why) => {
            steps.push(clauses::not_stored(*why));
            steps.extend(clauses::advice(*why));
            (Vec::new(), why.as_str())
        }
        Ok(head) => {
            steps.extend(clauses::of_stored(head, exchange, rules));
            (rows(head, exchange, rules), reply::permit_word(head))
        }
    };
    let target = exchange.permit.target();
    Explanation {
        method: exchange.method.to_string(),
        url: format!("{}://{}{}", target.scheme.as_str(), target.authority(), target.path()),
        status: exchange.status.as_u16(),
        credentialed: credentials.any,
        stored: judged.verdict.is_ok(),
        reason,
        steps,
        reuse,
    }
}

/// What the rules for storing say, and about which credentials.
struct Judged {
    credentials: RequestCredentials,
    verdict: Result<Head, NotStored>,
}

/// As an answer on its way to the client is judged.
///
/// Source: RFC 9111 section 3.
fn judge(exchange: &Exchange<'_>, rules: &Rules<'_>) -> Judged {
    let (target, policy) = (exchange.permit.target(), rules.policy);
    let credentials = request_credentials(exchange.request, target.query(), &policy.settings.credentials);
    let directives = directives(exchange.request, policy);
    let filler = Filler {
        method: exchange.method,
        path_and_query: &target.path_and_query,
        directives: &directives,
        credentials,
        named: key_path(exchange, rules, credentials).named(),
        consumed: rules.consumed,
        targets: rules.targets,
        candidates: rules.candidates,
        is_located: is_located_at(target, exchange.response),
        born: 0,
        request_time: exchange.time,
        response_time: exchange.time,
    };
    let kept = hop::response_fields(exchange.response, exchange.time);
    let fields = AnswerFields { received: exchange.response, kept: &kept };
    let answer = Answer { status: exchange.status, fields, is_validation: false, most_bytes: most_bytes(exchange, rules) };
    let candidates = rules.candidates;
    let asker = Asker { directives: &directives, credentialed: credentials.any, now: exchange.time, candidates };
    let asked = lookup::Asked {
        method: exchange.method,
        fields: exchange.request,
        has_content: exchange.has_content,
        sight: Sight { partition: partition(exchange, rules, Who::Same), named: filler.named },
        asker,
    };
    let verdict = admit(&asked, &filler, &answer, policy).map(|(head, _)| head);
    Judged { credentials, verdict: verdict.and_then(|head| check_length(exchange, rules).map(|()| head)) }
}

fn most_bytes(exchange: &Exchange<'_>, rules: &Rules<'_>) -> u64 {
    rules.policy.for_response(rules.candidates, exchange.status, exchange.response).most_bytes(rules.most_bytes)
}

/// Source: RFC 9110 section 8.6.
fn check_length(exchange: &Exchange<'_>, rules: &Rules<'_>) -> Result<(), NotStored> {
    let length = exchange.response.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    if length.is_some_and(|length| length > most_bytes(exchange, rules)) { Err(NotStored::TooLarge) } else { Ok(()) }
}

fn directives(request: &HeaderMap, policy: &CompiledPolicy) -> RequestDirectives {
    let directives = RequestDirectives::parse(request);
    if policy.settings.ignore_request_cache_control { directives.only_binding() } else { directives }
}

/// What later requests get, by whose they are.
fn rows(head: &Head, exchange: &Exchange<'_>, rules: &Rules<'_>) -> Vec<Row> {
    let fresh_at = exchange.time;
    let stale_at = exchange.time + head.fresh_for(exchange.time) + Duration::from_secs(1);
    let is_ever_fresh = !head.fresh_for(exchange.time).is_zero();
    let row = |who: Who| {
        let at = |now| word(&later(head, exchange, rules, (who, now)));
        Row { asker: who.as_str(), fresh: if is_ever_fresh { at(fresh_at) } else { "it never is" }, stale: at(stale_at) }
    };
    Who::ALL.map(row).into()
}

/// What is done with a later GET of this asker at this time.
///
/// Source: RFC 9111 section 4.
#[must_use]
pub fn later(head: &Head, exchange: &Exchange<'_>, rules: &Rules<'_>, (who, now): (Who, SystemTime)) -> Decision {
    let settings = &rules.policy.settings;
    let names = vary::names(&head.fields).unwrap_or_default();
    let variant = vary::fingerprint(rules.keyed, &names, exchange.request, settings.vary_normalise);
    let stored =
        StoredResponse::new(head.clone(), names, variant, Content::default()).within(partition(exchange, rules, Who::Same));
    let first = request_credentials(exchange.request, exchange.permit.target().query(), &settings.credentials);
    let path = key_path(exchange, rules, first);
    let slot = Slot::new(CacheKey::new(exchange.permit, &path, rules.keyed).to_stored(), Arc::new(stored));
    let fields = who.fields(exchange.request, &settings.credentials);
    let directives = directives(&fields, rules.policy);
    let credentials = request_credentials(&fields, exchange.permit.target().query(), &settings.credentials);
    let path = key_path(exchange, rules, credentials);
    let key = CacheKey::new(exchange.permit, &path, rules.keyed);
    let asker = Asker { directives: &directives, credentialed: credentials.any, now, candidates: rules.candidates };
    let sight = Sight { partition: partition(exchange, rules, who), named: path.named() };
    let asked = lookup::Asked { method: &Method::GET, fields: &fields, has_content: false, sight, asker };
    lookup::decide(Some(&slot).filter(|slot| slot.key().is_for(&key)), &asked, rules.keyed, rules.policy)
}

/// Under which path and query a request for this target with these credentials looks and is stored.
fn key_path(exchange: &Exchange<'_>, rules: &Rules<'_>, credentials: RequestCredentials) -> KeyPath {
    KeyPath::of(exchange.permit.target(), &rules.policy.settings.query, credentials)
}

/// The partition of an asker: by credentials those of their fields, by user the one of the permit or another one.
fn partition(exchange: &Exchange<'_>, rules: &Rules<'_>, who: Who) -> Partition {
    let listed = &rules.policy.settings.credentials;
    Partition::of(rules.policy.settings.partition, || {
        let fields = who.fields(exchange.request, listed);
        let query = exchange
            .permit
            .target()
            .query()
            .filter(|_| request_credentials(&HeaderMap::new(), exchange.permit.target().query(), listed).in_query);
        let user = match who {
            Who::Same => exchange.permit.principal().name.as_deref(),
            Who::Nobody => None,
            Who::Other => Some("somebody else"),
        };
        Identity { class: credential_class(rules.keyed, &fields, query, listed), principal: principal_hash(rules.keyed, user) }
    })
}

/// The head that would be stored, or why none is.
///
/// # Errors
///
/// Why the response is not stored.
pub fn verdict(exchange: &Exchange<'_>, rules: &Rules<'_>) -> Result<Head, NotStored> {
    judge(exchange, rules).verdict
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Serve(chosen) if chosen.stale.is_some() => "stale answer from the store (the request accepts it)",
        Decision::Serve(_) => "answer from the store",
        Decision::ServeAndValidate(_) => "stale answer from the store, validated behind it",
        Decision::Validate(chosen, _) if has_validator(&chosen.head) => {
            "from the store, once the origin confirms it to the asker"
        }
        Decision::Validate(..) => "origin: there is nothing to validate with",
        Decision::Offer(_) => "origin, which may select it by its tag",
        Decision::Forward(_) => "origin",
        Decision::Refuse => "504 (only-if-cached)",
    }
}

fn has_validator(head: &Head) -> bool {
    head.fields.contains_key(header::ETAG) || head.fields.contains_key(header::LAST_MODIFIED)
}

/// Whether a response that is stale by a second stands in for an origin that fails so.
fn stands_in(head: &Head, exchange: &Exchange<'_>, rules: &Rules<'_>, failure: Failure) -> bool {
    let directives = RequestDirectives::default();
    let now = exchange.time + head.fresh_for(exchange.time) + Duration::from_secs(1);
    let asker = Asker { directives: &directives, credentialed: head.credentialed, now, candidates: rules.candidates };
    stale::after_failure(head, &asker, rules.policy, failure).is_some()
}
