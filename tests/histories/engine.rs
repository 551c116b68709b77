//! The engine between askers and the simulated origin: a real memory tier and the functions that the gateway calls, without
//! its sockets.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::header::IF_NONE_MATCH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use vouchsafe::access::{Access, Permit, Question};
use vouchsafe::auth::{Principal, Scheme as AuthScheme};
use vouchsafe::cache::ForwardReason;
use vouchsafe::cache::admit::{Answer as Admissible, admit};
use vouchsafe::cache::confirm::{self, AnswerFields, Confirmed};
use vouchsafe::cache::entry::{Filler, Head};
use vouchsafe::cache::key::{CacheKey, KeyPath};
use vouchsafe::cache::lookup::{self, Chosen, Decision};
use vouchsafe::cache::rules::authorization::{RequestCredentials, request_credentials};
use vouchsafe::cache::rules::directives::RequestDirectives;
use vouchsafe::cache::rules::invalidate::is_located_at;
use vouchsafe::cache::rules::offer;
use vouchsafe::cache::rules::partial::StoredPart;
use vouchsafe::cache::rules::partition::Sight;
use vouchsafe::cache::rules::query::Named;
use vouchsafe::cache::rules::reuse::Asker;
use vouchsafe::cache::rules::stale::{self, Failure};
use vouchsafe::cache::rules::validate::{NO_CONDITIONS, conditions, selects};
use vouchsafe::cache::rules::vary;
use vouchsafe::cache::store::{Content, Memory, StoredResponse};
use vouchsafe::config::settings::{AnonymousEntries, Mode, Policy, PolicyAuthorization, Settings};
use vouchsafe::hop::{self, Instead, Onward, Pseudonym, consumed_fields};
use vouchsafe::keyed::Keyed;
use vouchsafe::metrics::Metrics;
use vouchsafe::policy::{Candidates, CompiledPolicy};
use vouchsafe::reply::{self, CacheStatus, Shown};
use vouchsafe::target::{Host, Scheme, Target};

use crate::origin::{Answer, Exchange, Origin};
use crate::step::{History, Operator, PATHS, Request};
use crate::wire::{lines, map, read, seen, time};

/// What an asker was given.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) how: How,
    /// `x-note` of the stored response that was to be validated.
    pub(crate) validated: Option<String>,
    /// The time of the answer.
    pub(crate) now: i64,
}

/// One request and what it was given; one that nobody waits for is told like any other.
pub(crate) struct Told {
    pub(crate) request: Request,
    pub(crate) given: Given,
    /// What the origin was asked for its sake.
    pub(crate) exchanges: Vec<Exchange>,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// A stored response, the origin not asked.
    Reused,
    /// A stored response that the origin confirmed.
    Confirmed,
    /// A stored response that the origin confirmed while nobody waited: nobody sees it.
    Settled,
    /// A stored response for other requests that the origin selected for this one.
    Selected,
    /// A stored response, because the origin did not answer, or with an error.
    StoodIn,
    /// The origin.
    Relayed,
    /// Nowhere: the origin refused or failed while nobody waited.
    Ignored,
    /// 504: only a stored response was wanted, and there was none to use.
    Refused,
    /// An error, because the origin did not answer or answered nonsense.
    Failed,
}

/// What does not change between histories.
pub(crate) struct Engine {
    keyed: Keyed,
    memory: Memory,
    permits: Vec<Permit>,
    consumed: Vec<HeaderName>,
    via: HeaderValue,
}

/// The engine on its way through one history.
pub(crate) struct Run<'e> {
    engine: &'e Engine,
    policy: CompiledPolicy,
    origin: Origin,
    pub(crate) now: i64,
}

/// No query is left out of any key.
static AS_SENT: KeyPath = KeyPath::AS_SENT;

/// One request on its way.
struct Asking<'a> {
    request: &'a Request,
    permit: &'a Permit,
    key: CacheKey<'a>,
    method: Method,
    fields: HeaderMap,
    directives: RequestDirectives,
    credentials: RequestCredentials,
    exchanges: Vec<Exchange>,
}

/// An answer of the origin on its way back.
struct Arrived {
    status: StatusCode,
    fields: HeaderMap,
    body: String,
    request_time: i64,
    response_time: i64,
    epoch: u64,
    born: u64,
}

/// A permit for a path of the one origin.
fn permit(access: &Access, path: &str) -> Permit {
    let host = Host::parse("origin.example").unwrap();
    let target = Target { scheme: Scheme::Http, host, port: 80, path_and_query: path.into() };
    let principal = Principal { name: None, scheme: AuthScheme::None };
    let question = Question { principal, target, method: &Method::GET, client: Ipv4Addr::LOCALHOST.into(), mode: Mode::Gateway };
    access.decide(question).unwrap()
}

fn settings(operator: &Operator) -> Policy {
    let mut policy = Policy {
        authorization: match operator.authorization {
            "standard" => PolicyAuthorization::Standard,
            "never" => PolicyAuthorization::Never,
            _ => PolicyAuthorization::AlwaysValidate,
        },
        anonymous_entries: match operator.anonymous_entries {
            "reuse" => AnonymousEntries::Reuse,
            "validate" => AnonymousEntries::Validate,
            _ => AnonymousEntries::Bypass,
        },
        max_stale_disconnected: Duration::from_micros(u64::try_from(operator.max_stale_disconnected).unwrap()),
        ..Policy::default()
    };
    policy.credentials.cookies.push("sid".to_owned());
    policy
}

impl Engine {
    pub(crate) fn new() -> Self {
        let settings = Settings { access: Vec::new(), ..Settings::default() };
        let access = Access::new(&settings, &[]);
        Self {
            keyed: Keyed::random().unwrap(),
            memory: Memory::new(1 << 24, Arc::new(Metrics::new(&settings))),
            permits: PATHS.iter().map(|path| permit(&access, path)).collect(),
            consumed: consumed_fields(false),
            via: Pseudonym::new(1).via(Version::HTTP_11),
        }
    }

    /// Begins a history with nothing stored.
    pub(crate) fn begin(&self, history: &History) -> Run<'_> {
        for permit in &self.permits {
            self.memory.invalidate(CacheKey::new(permit, &AS_SENT, &self.keyed).hash(), self.memory.epoch());
        }
        let policy = CompiledPolicy { settings: settings(&history.operator), fingerprint: 0, by_response: Vec::new() };
        Run { engine: self, policy, origin: Origin::default(), now: crate::step::START }
    }
}

impl<'e> Run<'e> {
    pub(crate) fn change_policy(&mut self) {
        self.policy.fingerprint += 1;
    }

    /// Does with a request what the gateway does: the answer, and after it what was asked in the background.
    pub(crate) fn ask(&mut self, request: &Request) -> Vec<Told> {
        let mut asking = self.asking(request);
        let decision = {
            let slot = self.engine.memory.find(&asking.key);
            lookup::decide(slot.as_deref(), &asking.asked(self.now), &self.engine.keyed, &self.policy)
        };
        let mut behind = None;
        let given = match decision {
            Decision::Serve(chosen) => self.reused(&asking, &chosen),
            Decision::ServeAndValidate(chosen) => {
                let given = self.reused(&asking, &chosen);
                behind = self.behind(request, &chosen);
                given
            }
            Decision::Validate(chosen, _) => self.validate(&mut asking, &chosen),
            Decision::Offer(offered) => self.select(&mut asking, &offered),
            Decision::Forward(reason) => {
                let sent = self.onward(&asking, &[]);
                match self.send(&mut asking, &sent) {
                    Some(arrived) => self.relay(&asking, arrived, reason == ForwardReason::Request).0,
                    None => self.own(502, How::Failed),
                }
            }
            Decision::Refuse => self.own(504, How::Refused),
        };
        let told = Told { request: request.clone(), given, exchanges: asking.exchanges };
        std::iter::once(told).chain(behind).collect()
    }

    fn asking<'a>(&self, request: &'a Request) -> Asking<'a>
    where
        'e: 'a,
    {
        let engine = self.engine;
        let permit = &engine.permits[request.path];
        let fields = map(&request.fields);
        Asking {
            request,
            permit,
            key: CacheKey::new(permit, &AS_SENT, &engine.keyed),
            method: Method::from_bytes(request.method.as_bytes()).unwrap(),
            directives: RequestDirectives::parse(&fields),
            credentials: request_credentials(&fields, permit.target().query(), &self.policy.settings.credentials),
            fields,
            exchanges: Vec::new(),
        }
    }

    fn reused(&self, asking: &Asking<'_>, chosen: &Chosen) -> Given {
        self.engine.memory.touch(&chosen.stored);
        self.answer_stored(asking, chosen, Shown::Reused, How::Reused)
    }

    /// A plain GET that nobody waits for.
    fn behind(&mut self, request: &Request, chosen: &Chosen) -> Option<Told> {
        let is_kept = |name: &str| !stale::NARROWING.iter().any(|narrowing| narrowing == name);
        let fields = request.fields.iter().filter(|(name, _)| is_kept(name)).cloned().collect();
        let plain = Request { method: "GET", fields, ..request.clone() };
        let mut asking = self.asking(&plain);
        let _turn = self.engine.memory.turn(&asking.key, (&chosen.stored, &chosen.head))?;
        let given = self.ask_behind(&mut asking, chosen);
        let given = Given { validated: note(chosen), ..given };
        let exchanges = std::mem::take(&mut asking.exchanges);
        Some(Told { request: plain.clone(), given, exchanges })
    }

    fn ask_behind(&mut self, asking: &mut Asking<'_>, chosen: &Chosen) -> Given {
        let conditions = conditions(&chosen.head);
        let is_conditional = conditions.iter().any(|(_, validator)| validator.is_some());
        let sent = self.onward(asking, &conditions);
        let Some(mut arrived) = self.send(asking, &sent) else { return self.own(504, How::Failed) };
        if is_conditional && arrived.status == StatusCode::NOT_MODIFIED {
            if selects(&arrived.fields, &chosen.head) {
                return Given { how: How::Settled, ..self.confirmed(asking, chosen, &arrived).0 };
            }
            let sent = self.onward(asking, &NO_CONDITIONS);
            let again = self.send(asking, &sent).filter(|arrived| arrived.status != StatusCode::NOT_MODIFIED);
            let Some(again) = again else { return self.own(504, How::Failed) };
            arrived = again;
        }
        if !stale::speaks_of_resource(arrived.status) {
            return self.own(arrived.status.as_u16(), How::Ignored);
        }
        let (given, is_stored) = self.relay(asking, arrived, true);
        if !is_stored && Arc::ptr_eq(&chosen.stored.head(), &chosen.head) {
            chosen.stored.freshen(chosen.head.without_grace());
        }
        given
    }

    fn onward(&self, asking: &Asking<'_>, instead: &[Instead]) -> HeaderMap {
        let onward = Onward { via: &self.engine.via, is_trusted: false, consumes_authorization: false, report: None, instead };
        let section = hop::request_fields(&asking.fields, &onward);
        let mut fields = HeaderMap::new();
        for line in std::str::from_utf8(section.as_bytes()).unwrap().split_terminator("\r\n") {
            let (name, value) = line.split_once(": ").unwrap();
            fields.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        fields
    }

    fn send(&mut self, asking: &mut Asking<'_>, sent: &HeaderMap) -> Option<Arrived> {
        let memory = &self.engine.memory;
        let (epoch, born) = (memory.epoch(), memory.groups().count());
        let sent = seen(sent);
        let asked = u32::try_from(asking.exchanges.len()).unwrap();
        let answer = self.origin.answer(asking.request, &sent, asked, self.now);
        let (request_time, response_time) = (self.now, self.now + asking.request.reply.delay);
        self.now = response_time;
        asking.exchanges.push(Exchange { sent, answer: answer.clone(), request_time, response_time });
        let Answer { status, fields, body } = answer?;
        let (status, fields) = (StatusCode::from_u16(status).unwrap(), map(&fields));
        Some(Arrived { status, fields, body, request_time, response_time, epoch, born })
    }

    fn validate(&mut self, asking: &mut Asking<'_>, chosen: &Chosen) -> Given {
        let conditions = conditions(&chosen.head);
        let is_conditional = conditions.iter().any(|(_, validator)| validator.is_some());
        let sent = self.onward(asking, &conditions);
        let Some(arrived) = self.send(asking, &sent) else {
            return self.stand_in(asking, chosen, Failure::NoAnswer).unwrap_or_else(|| self.own(504, How::Failed));
        };
        let note = note(chosen);
        let is_failure = stale::is_error(arrived.status);
        if let Some(given) = is_failure.then(|| self.stand_in(asking, chosen, Failure::ServerError)).flatten() {
            return given;
        }
        if arrived.status != StatusCode::NOT_MODIFIED || !is_conditional {
            return Given { validated: note, ..self.relay(asking, arrived, true).0 };
        }
        if selects(&arrived.fields, &chosen.head) {
            return Given { validated: note, ..self.confirmed(asking, chosen, &arrived).0 };
        }
        self.fetch_anew(asking, true)
    }

    fn fetch_anew(&mut self, asking: &mut Asking<'_>, is_validation: bool) -> Given {
        let sent = self.onward(asking, &NO_CONDITIONS);
        match self.send(asking, &sent) {
            Some(arrived) if arrived.status != StatusCode::NOT_MODIFIED => self.relay(asking, arrived, is_validation).0,
            Some(_) | None => self.own(502, How::Failed),
        }
    }

    fn select(&mut self, asking: &mut Asking<'_>, offered: &[Chosen]) -> Given {
        let condition = offer::condition(offered.iter().map(|chosen| &*chosen.head));
        let instead = condition.map(|condition| (IF_NONE_MATCH, Some(condition)));
        let sent = self.onward(asking, instead.as_slice());
        let Some(arrived) = self.send(asking, &sent) else { return self.own(502, How::Failed) };
        if arrived.status != StatusCode::NOT_MODIFIED {
            return self.relay(asking, arrived, false).0;
        }
        let is_only = offered.len() == 1;
        let Some(selected) = offered.iter().find(|chosen| offer::is_selected(&arrived.fields, &chosen.head, is_only)) else {
            return self.fetch_anew(asking, false);
        };
        let (given, freshened) = self.confirmed(asking, selected, &arrived);
        if let Some(head) = freshened {
            let content = selected.stored.content().clone();
            self.store(asking, (*head).clone(), content, None, arrived.epoch);
        }
        Given { how: How::Selected, validated: note(selected), ..given }
    }

    fn stand_in(&self, asking: &Asking<'_>, chosen: &Chosen, failure: Failure) -> Option<Given> {
        stale::after_failure(&chosen.head, &asking.asker(self.now), &self.policy, failure)?;
        Some(self.answer_stored(asking, chosen, Shown::Reused, How::StoodIn))
    }

    fn confirmed(&self, asking: &Asking<'_>, chosen: &Chosen, arrived: &Arrived) -> (Given, Option<Arc<Head>>) {
        let fresh = hop::response_fields(&arrived.fields, time(arrived.response_time));
        let answer = AnswerFields { received: &arrived.fields, kept: &fresh };
        let filler = self.filler(asking, arrived, false);
        let Confirmed { verdict, credentialed } = confirm::by_not_modified(&chosen.head, &filler, answer, &self.policy);
        let becomes = confirm::becomes(verdict, &chosen.head, chosen.stored.vary_names(), credentialed);
        let (memory, keyed) = (&self.engine.memory, &self.engine.keyed);
        let settled = memory.settle(asking.key.hash(), &chosen.stored, becomes);
        if let Some(slot) = memory.find(&asking.key) {
            let normalises = self.policy.settings.vary_normalise;
            let matching = lookup::matching(&slot, Sight::default(), &asking.fields, keyed, normalises);
            for stored in matching.filter(|stored| !Arc::ptr_eq(stored, &chosen.stored)) {
                memory.settle(asking.key.hash(), stored, confirm::beside(stored, &filler, answer, &self.policy));
            }
        }
        let head = settled.clone().unwrap_or_else(|| Arc::new(confirm::for_one(&chosen.head, &filler, answer)));
        let validated = Chosen { head, stale: None, ..chosen.clone() };
        let is_aged = arrived.fields.contains_key("age");
        (self.answer_stored(asking, &validated, Shown::Validated { is_aged }, How::Confirmed), settled)
    }

    /// The origin's answer goes to the asker, and to the store where the rules allow: whether they did.
    fn relay(&self, asking: &Asking<'_>, arrived: Arrived, is_validation: bool) -> (Given, bool) {
        let (memory, keyed) = (&self.engine.memory, &self.engine.keyed);
        let epoch = memory.invalidate_after(&asking.key, keyed, (&asking.method, arrived.status, &arrived.fields), arrived.epoch);
        let kept = hop::response_fields(&arrived.fields, time(arrived.response_time));
        let fields = AnswerFields { received: &arrived.fields, kept: &kept };
        let is_located = is_located_at(asking.permit.target(), &arrived.fields);
        let filler = self.filler(asking, &arrived, is_located);
        if asking.method == Method::HEAD
            && let Some(slot) = memory.find(&asking.key)
        {
            for stored in lookup::matching(&slot, Sight::default(), &asking.fields, keyed, self.policy.settings.vary_normalise) {
                let becomes = confirm::by_head(stored, &filler, arrived.status, fields, &self.policy);
                memory.settle(asking.key.hash(), stored, becomes);
            }
        }
        let answer = Admissible { status: arrived.status, fields, is_validation, most_bytes: 1 << 20 };
        let admitted = admit(&asking.asked(self.now), &filler, &answer, &self.policy);
        let is_stored = admitted.is_ok();
        if let Ok((head, part)) = admitted {
            let content = Content::new(vec![arrived.body.clone().into()]);
            self.store(asking, head, content, part, epoch);
        }
        let status = arrived.status.as_u16();
        let fields = lines(&kept);
        (Given { status, fields, body: arrived.body, how: How::Relayed, validated: None, now: self.now }, is_stored)
    }

    fn store(&self, asking: &Asking<'_>, head: Head, content: Content, part: Option<StoredPart>, epoch: u64) {
        let (keyed, settings) = (&self.engine.keyed, &self.policy.settings);
        let names = vary::names(&head.fields).unwrap_or_default();
        let variant = vary::fingerprint(keyed, &names, &asking.fields, settings.vary_normalise);
        let whole = StoredResponse::new(head, names, variant, content);
        let stored = Arc::new(match part {
            Some(part) => whole.incomplete(part),
            None => whole,
        });
        self.engine.memory.insert(&asking.key.to_stored(), &stored, settings.vary_limit, epoch);
    }

    fn filler<'a>(&'a self, asking: &'a Asking<'_>, arrived: &Arrived, is_located: bool) -> Filler<'a> {
        Filler {
            method: &asking.method,
            path_and_query: &asking.permit.target().path_and_query,
            directives: &asking.directives,
            credentials: asking.credentials,
            named: Named::EXACT,
            consumed: &self.engine.consumed,
            targets: &[],
            candidates: Candidates::NONE,
            is_located,
            born: arrived.born,
            request_time: time(arrived.request_time),
            response_time: time(arrived.response_time),
        }
    }

    fn answer_stored(&self, asking: &Asking<'_>, chosen: &Chosen, shown: Shown, how: How) -> Given {
        let (via, keyed) = (&self.engine.via, &self.engine.keyed);
        let asked = reply::Asked {
            method: &asking.method,
            fields: &asking.fields,
            now: time(self.now),
            via,
            ready: self.engine.memory.ready(),
            keyed,
            id: 1,
        };
        let response = reply::stored(chosen, shown, &asked, CacheStatus::default());
        let (status, fields) = (response.status().as_u16(), lines(response.headers()));
        Given { status, fields, body: read(response), how, validated: None, now: self.now }
    }

    /// An answer of the gateway's own.
    fn own(&self, status: u16, how: How) -> Given {
        Given { status, fields: Vec::new(), body: String::new(), how, validated: None, now: self.now }
    }
}

fn note(chosen: &Chosen) -> Option<String> {
    chosen.head.fields.get("x-note").map(|note| note.to_str().unwrap().to_owned())
}

impl Asking<'_> {
    fn asker(&self, now: i64) -> Asker<'_> {
        Asker { directives: &self.directives, credentialed: self.credentials.any, now: time(now), candidates: Candidates::NONE }
    }

    fn asked(&self, now: i64) -> lookup::Asked<'_> {
        let (method, fields, sight) = (&self.method, &self.fields, Sight::default());
        lookup::Asked { method, fields, has_content: false, sight, asker: self.asker(now) }
    }
}
