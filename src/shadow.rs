//! The policies of another configuration on live traffic: what they would do with each exchange, counted and never done.
//!
//! Nothing is decided here but by the functions that serve: [`lookup::decide`] on a store of its own, which holds heads
//! without content, and [`admit`] on what the origin answered. RFC 9111 sections 3 and 4.
//!
//! # Deviations
//!
//! - A stored response that answered is taken for what the origin would have sent, or confirmed, had it been asked.
//! - Parts (206) are not held, what broke off is, and room is made by the size of heads alone.
//! - A response is there for others from its head on: who waited for it is a hit.
//! - What a withdrawn URI is kept under by the candidate's query rules alone stays, and so does what was on its way when an
//!   unsafe request to another spelling was answered.
//! - A soft withdrawal of a single URI is not seen.
//! - Stale answers in place of errors, and selections by tag, count as the misses that they would be without.

mod held;
mod question;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode};

use crate::access::Permit;
use crate::cache::admit::{Answer, admit};
use crate::cache::confirm::{self, AnswerFields, Becomes};
use crate::cache::entry::{Filler, Head};
use crate::cache::key::{CacheKey, hash_of};
use crate::cache::lookup::{self, Chosen, Decision};
use crate::cache::rules::freshness::Lifetime;
use crate::cache::rules::invalidate::{invalidates, related_paths};
use crate::cache::rules::partial::StoredPart;
use crate::cache::rules::query::QueryRule;
use crate::cache::rules::storable::NotStored;
use crate::cache::rules::validate::weak_match;
use crate::cache::store::{Content, FilledBy, Memory, StoredResponse};
use crate::cache::{CacheResult, ForwardReason};

use crate::config::settings::Settings;
use crate::fields::http_date;
use crate::hop;
use crate::keyed::Keyed;
use crate::metrics::Metrics;
use crate::policy::{CompiledPolicy, Policies, Routes};
use crate::reply;
use held::Held;
use question::Question;

pub use held::Store;

/// A candidate's policies, and what they would have stored.
pub struct Shadow {
    file: PathBuf,
    policies: Policies,
    routes: Routes,
    /// Its query rules.
    rules: Vec<QueryRule>,
    most_bytes: u64,
    held: Held,
}

/// What the gateway depends on that a shadow needs too.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// The store of the policies in force, which knows all invalidations.
    pub memory: &'a Memory,
    /// Where differences are counted.
    pub metrics: &'a Metrics,
    /// Makes the hashes of keys and variants.
    pub keyed: &'a Keyed,
}

/// One exchange after it was answered.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Who asked for what.
    pub permit: &'a Permit,
    /// Request method.
    pub method: &'a Method,
    /// Request fields as received.
    pub fields: &'a HeaderMap,
    /// Whether the request had content.
    pub has_content: bool,
    /// Whether it came to a listener that has routes.
    pub is_gateway: bool,
    /// The class of credentials that are known from the connection alone.
    pub bound_to: Option<u128>,
    /// The listener's RFC 9213 target list.
    pub targets: &'a [HeaderName],
    /// Fields that the origin never sees as the client sent them.
    pub consumed: &'a [HeaderName],
    /// Who is remembered to have filled what is stored of it.
    pub filled_by: FilledBy,
    /// The time of the request.
    pub now: SystemTime,
    /// What the policies in force came to.
    pub active: CacheResult,
    /// What was noted on the way.
    pub witness: &'a Witness,
}

/// What is noted of an exchange on its way, for its shadow.
#[derive(Debug, Default)]
pub struct Witness {
    /// The origin's final answer, if it was the client's.
    pub answered: Option<Answered>,
    /// The head of the stored response that answered, and the length of its content.
    pub shown: Option<(Arc<Head>, u64)>,
}

/// An answer of the origin.
#[derive(Debug)]
pub struct Answered {
    /// Status code.
    pub status: StatusCode,
    /// Fields as received.
    pub received: HeaderMap,
    /// When the request was sent and the head came.
    pub times: (SystemTime, SystemTime),
    /// Count of invalidations when the request was sent.
    pub epoch: u64,
    /// The least length of its content.
    pub bytes: u64,
    /// What the policies in force said to storing it, and for how long it is fresh if they did.
    pub active: (&'static str, Option<Lifetime>),
}

impl Answered {
    /// The word and the lifetime of a verdict on storing.
    #[must_use]
    pub fn told(verdict: Result<&Head, NotStored>) -> (&'static str, Option<Lifetime>) {
        verdict.map_or_else(|why| (why.as_str(), None), |head| (reply::permit_word(head), Some(head.lifetime)))
    }
}

/// What would have been done with a request: label of `vouchsafe_shadow_decisions_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Bypass,
    Hit,
    Miss,
    Stale,
    Validated,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Validated => "validated",
        }
    }

    /// What was done, in the same words; none where it never came to the cache.
    fn of(active: CacheResult) -> Option<Self> {
        match active {
            CacheResult::Hit | CacheResult::Collapsed => Some(Self::Hit),
            CacheResult::Miss => Some(Self::Miss),
            CacheResult::Validated => Some(Self::Validated),
            CacheResult::Stale => Some(Self::Stale),
            CacheResult::Bypass => Some(Self::Bypass),
            CacheResult::None => None,
        }
    }
}

/// What the origin said, or would have said.
struct Evidence<'a> {
    status: StatusCode,
    received: &'a HeaderMap,
    kept: Cow<'a, HeaderMap>,
    times: (SystemTime, SystemTime),
    epoch: u64,
    bytes: u64,
}

impl Shadow {
    /// The shadow that these settings name, if they do; what one before it held goes on, and answers under other policies
    /// only what they confirm.
    #[must_use]
    pub fn of(settings: &Settings, before: Option<Store>) -> Option<Self> {
        let candidate = settings.shadow.as_ref()?;
        let Settings { cache, policies, .. } = &*candidate.settings;
        let rules = policies.iter().map(|policy| &policy.query).filter(|rule| rule.mark().is_some());
        Some(Self {
            file: candidate.file.clone(),
            policies: Policies::new(&candidate.settings),
            routes: Routes::new(&candidate.settings),
            rules: rules.cloned().collect(),
            most_bytes: cache.max_object_bytes.min(cache.memory_bytes),
            held: Held::new(before),
        })
    }

    /// The candidate's file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What it would have stored, for its successor.
    #[must_use]
    pub fn store(&self) -> Store {
        self.held.store()
    }

    /// Counts what the candidate's policies would have done with this exchange, and keeps what they would have kept.
    ///
    /// Source: RFC 9111 sections 3 and 4.
    pub fn observe(&self, seen: &Seen<'_>, around: Around<'_>) {
        let Some(active) = Outcome::of(seen.active) else { return };
        let target = seen.permit.target();
        let named = self.routes.select(target).filter(|_| seen.is_gateway).and_then(|route| route.policy);
        let Some(selected) = self.policies.select(named, seen.method, target) else { return };
        let (policy, question) = (&*selected.policy, Question::of(seen, around.keyed, &selected));
        let key = CacheKey::new(seen.permit, &question.path, around.keyed);
        let slot = self.held.find(&key, around.memory);
        let decision = lookup::decide(slot.as_deref(), &question.asked(seen), around.keyed, policy);
        let dated = seen.witness.shown.as_ref().map(|(head, _)| as_of(head, seen.now));
        let evidence = evidence(seen, dated.as_ref(), around.memory.epoch());
        let outcome = outcome(&decision, evidence.as_ref());
        around.metrics.shadow_decision(active.as_str(), outcome.as_str());
        let Some(evidence) = evidence else { return };
        self.invalidate_after(seen, &evidence, around.keyed);
        let filler = question.filler(seen, &evidence);
        let is_validation = matches!(decision, Decision::Validate(..));
        let verdict = self.verdict(seen, &question, (&filler, &evidence, is_validation), policy);
        if let Some(answered) = &seen.witness.answered {
            let told = Answered::told(verdict.as_ref().map(|(head, _)| head).map_err(|why| *why));
            count_stored(around.metrics, answered.active, told);
        }
        let matching = || question.matching(slot.as_deref(), seen, (around.keyed, policy));
        match decision {
            Decision::Serve(_) => {}
            Decision::Validate(chosen, _) | Decision::ServeAndValidate(chosen) if is_confirmed(&chosen.head, &evidence) => {
                self.confirm((&key, &matching()), &chosen, &filler, (&evidence, policy));
            }
            _ => {
                if *seen.method == Method::HEAD && !seen.has_content {
                    matching().iter().for_each(|stored| self.described(&key, stored, &filler, (&evidence, policy)));
                }
                let Ok((head, None)) = verdict else { return };
                let content = Content::of_length(evidence.bytes);
                self.held.keep(&key, (head, content), (&question, seen), (evidence.epoch, policy), around);
            }
        }
    }

    /// What an answer to HEAD makes of what is held.
    ///
    /// Source: RFC 9111 section 4.3.5.
    fn described(
        &self,
        key: &CacheKey<'_>,
        stored: &Arc<StoredResponse>,
        filler: &Filler<'_>,
        (evidence, policy): (&Evidence<'_>, &CompiledPolicy),
    ) {
        let fields = AnswerFields { received: evidence.received, kept: &evidence.kept };
        let becomes = confirm::by_head(stored, filler, evidence.status, fields, policy);
        self.settle(key, stored, becomes);
    }

    /// Lets go of what the candidate's query rules keep for the target of an unsafe request and what its answer points at; the
    /// real store knows of keys under its own rules alone.
    ///
    /// Source: RFC 9111 section 4.4.
    fn invalidate_after(&self, seen: &Seen<'_>, evidence: &Evidence<'_>, keyed: &Keyed) {
        if self.rules.is_empty() || !invalidates(seen.method, evidence.status) {
            return;
        }
        let target = seen.permit.target();
        let related = related_paths(target, evidence.received);
        for path in std::iter::once(target.path_and_query.clone()).chain(related) {
            for changed in self.rules.iter().filter_map(|rule| rule.key_of(&path)) {
                self.held.invalidate(hash_of(keyed, target, &changed));
            }
        }
    }

    /// Would this be stored, and which part of the representation is it?
    ///
    /// Source: RFC 9111 section 3.
    fn verdict(
        &self,
        seen: &Seen<'_>,
        question: &Question,
        (filler, evidence, is_validation): (&Filler<'_>, &Evidence<'_>, bool),
        policy: &CompiledPolicy,
    ) -> Result<(Head, Option<StoredPart>), NotStored> {
        let fields = AnswerFields { received: evidence.received, kept: &evidence.kept };
        let decided_by = policy.for_response(filler.candidates, evidence.status, evidence.received);
        let most_bytes = decided_by.most_bytes(self.most_bytes);
        let answer = Answer { status: evidence.status, fields, is_validation, most_bytes };
        let admitted = admit(&question.asked(seen), filler, &answer, policy)?;
        if evidence.bytes > most_bytes { Err(NotStored::TooLarge) } else { Ok(admitted) }
    }

    /// What a confirmation makes of what is held, and of what is beside it for the same request.
    ///
    /// Source: RFC 9111 section 4.3.4.
    fn confirm(
        &self,
        (key, beside): (&CacheKey<'_>, &[Arc<StoredResponse>]),
        chosen: &Chosen,
        filler: &Filler<'_>,
        (evidence, policy): (&Evidence<'_>, &CompiledPolicy),
    ) {
        let fields = AnswerFields { received: evidence.received, kept: &evidence.kept };
        let confirmed = confirm::by_not_modified(&chosen.head, filler, fields, policy);
        let names = chosen.stored.vary_names();
        let becomes = confirm::becomes(confirmed.verdict, &chosen.head, names, confirmed.credentialed);
        self.settle(key, &chosen.stored, becomes);
        for stored in beside.iter().filter(|stored| !Arc::ptr_eq(stored, &chosen.stored)) {
            self.settle(key, stored, confirm::beside(stored, filler, fields, policy));
        }
    }

    fn settle(&self, key: &CacheKey<'_>, stored: &Arc<StoredResponse>, becomes: Becomes) {
        match becomes {
            Becomes::Freshened(head) => drop(stored.freshen(head)),
            Becomes::Left => {}
            Becomes::Outdated => stored.end_freshness(&stored.head()),
            Becomes::Dropped => self.held.remove(key.hash(), stored),
        }
    }
}

/// The fields of a stored response as the origin would send them now.
fn as_of(head: &Head, now: SystemTime) -> HeaderMap {
    let mut fields = head.fields.to_map(1);
    fields.insert(header::DATE, http_date(now));
    fields
}

/// What the origin said, or what the store said in its place.
fn evidence<'a>(seen: &Seen<'a>, dated: Option<&'a HeaderMap>, epoch: u64) -> Option<Evidence<'a>> {
    if let Some(Answered { status, received, times, epoch, bytes, .. }) = &seen.witness.answered {
        let kept = hop::response_fields(received, times.1);
        return Some(Evidence { status: *status, received, kept, times: *times, epoch: *epoch, bytes: *bytes });
    }
    let ((head, bytes), received) = (seen.witness.shown.as_ref()?, dated?);
    let times = (seen.now, seen.now);
    Some(Evidence { status: head.status, received, kept: Cow::Borrowed(received), times, epoch, bytes: *bytes })
}

fn outcome(decision: &Decision, evidence: Option<&Evidence<'_>>) -> Outcome {
    match decision {
        Decision::Serve(Chosen { stale: None, .. }) => Outcome::Hit,
        Decision::Serve(_) | Decision::ServeAndValidate(_) => Outcome::Stale,
        Decision::Validate(chosen, _) if evidence.is_some_and(|evidence| is_confirmed(&chosen.head, evidence)) => {
            Outcome::Validated
        }
        Decision::Forward(ForwardReason::Bypass | ForwardReason::Method) => Outcome::Bypass,
        Decision::Validate(..) | Decision::Offer(_) | Decision::Forward(_) | Decision::Refuse => Outcome::Miss,
    }
}

/// Whether the origin would have said 304: by the entity tag, or else by the date of the last change.
///
/// Source: RFC 9110 section 13.2.2.
fn is_confirmed(held: &Head, evidence: &Evidence<'_>) -> bool {
    if evidence.status != StatusCode::NOT_MODIFIED && evidence.status != held.status {
        return false;
    }
    match (held.etag(), evidence.received.get(header::ETAG)) {
        (Some(one), Some(other)) => weak_match(one, other.as_bytes()),
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => {
            let changed = held.fields.get(header::LAST_MODIFIED);
            changed.is_some() && changed.as_ref() == evidence.received.get(header::LAST_MODIFIED)
        }
    }
}

/// Counts both verdicts on storing one answer.
fn count_stored(metrics: &Metrics, active: (&'static str, Option<Lifetime>), shadow: (&'static str, Option<Lifetime>)) {
    let lifetime = match (active.1, shadow.1) {
        (Some(active), Some(shadow)) => match shadow.duration.cmp(&active.duration) {
            std::cmp::Ordering::Less => "shorter",
            std::cmp::Ordering::Equal => "same",
            std::cmp::Ordering::Greater => "longer",
        },
        _ => "none",
    };
    metrics.shadow_stored(active.0, shadow.0, lifetime);
}
