//! The engine's answer to a case, through the functions that the gateway calls.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use vouchsafe::access::{Access, Permit, Question};
use vouchsafe::auth::{Principal, Scheme as AuthScheme};
use vouchsafe::cache::entry::{Filler, Head};
use vouchsafe::cache::key::{CacheKey, KeyPath};
use vouchsafe::cache::lookup::{self, Decision};
use vouchsafe::cache::rules::authorization::request_credentials;
use vouchsafe::cache::rules::directives::RequestDirectives;
use vouchsafe::cache::rules::invalidate::is_located_at;
use vouchsafe::cache::rules::partition::Sight;
use vouchsafe::cache::rules::query::Named;
use vouchsafe::cache::rules::reuse::Asker;
use vouchsafe::cache::rules::stale::{self, Failure};
use vouchsafe::cache::rules::storable::NotStored;
use vouchsafe::cache::rules::vary;
use vouchsafe::cache::store::{Content, Slot, StoredResponse};
use vouchsafe::config::settings::{AnonymousEntries, CacheMethods, Mode, Policy, PolicyAuthorization, SetCookie, Settings};
use vouchsafe::hop;
use vouchsafe::keyed::Keyed;
use vouchsafe::policy::{Candidates, CompiledPolicy};
use vouchsafe::target::{Host, Scheme, Target};

use crate::case::{Answer, CONSUMED, Case, Kept, Lines, Operator, Request};

/// What does not change between cases.
pub(crate) struct Engine {
    keyed: Keyed,
    permit: Permit,
    consumed: Vec<HeaderName>,
}

/// A time as the oracle counts it.
pub(crate) fn time(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap())
}

pub(crate) fn map(lines: &Lines) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

/// A permit for a path of one origin.
pub(crate) fn permit(path: &str) -> Permit {
    let host = Host::parse("origin.example").unwrap();
    let target = Target { scheme: Scheme::Http, host, port: 80, path_and_query: path.into() };
    let principal = Principal { name: None, scheme: AuthScheme::None };
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    let settings = Settings { access: Vec::new(), ..Settings::default() };
    let question = Question { principal, target, method: &Method::GET, client, mode: Mode::Gateway };
    Access::new(&settings, &[]).decide(question).unwrap()
}

/// The operator's words as settings; the fingerprint tells whether the policy changed.
fn settings(operator: &Operator) -> Policy {
    let mut policy = Policy {
        bypass: operator.bypass,
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
        set_cookie: match operator.set_cookie {
            "refuse" => SetCookie::Refuse,
            "strip" => SetCookie::Strip,
            _ => SetCookie::Store,
        },
        default_ttl: Duration::from_secs(operator.default_ttl.into()),
        min_ttl: Duration::from_secs(operator.min_ttl.into()),
        max_ttl: Duration::from_secs(operator.max_ttl.into()),
        negative_ttl: operator.negative_ttl.map(|seconds| Duration::from_secs(seconds.into())),
        methods: CacheMethods { head: operator.answers_head, post: operator.stores_post },
        stale_while_revalidate: Duration::from_secs(operator.stale_while_revalidate.into()),
        stale_if_error: Duration::from_secs(operator.stale_if_error.into()),
        max_stale_disconnected: Duration::from_secs(operator.max_stale_disconnected.into()),
        heuristic: operator.heuristic,
        ignore_request_cache_control: operator.ignore_request_cache_control,
        // By meaning is compared elsewhere; the oracle compares as RFC 9111 section 4.1 says at least.
        vary_normalise: false,
        ..Policy::default()
    };
    policy.credentials.headers.extend(operator.credential_field.map(HeaderName::from_static));
    policy.credentials.cookies.extend(operator.credential_cookie.map(str::to_owned));
    policy
}

fn directives(request: &HeaderMap, operator: &Operator) -> RequestDirectives {
    let directives = RequestDirectives::parse(request);
    if operator.ignore_request_cache_control { directives.only_binding() } else { directives }
}

impl Engine {
    pub(crate) fn new() -> Self {
        let consumed = CONSUMED.iter().map(|name| HeaderName::from_static(name)).collect();
        Self { keyed: Keyed::random().unwrap(), permit: permit("/x"), consumed }
    }

    /// Does what the gateway does between two requests for one target.
    pub(crate) fn answer(&self, case: &Case) -> (Answer, Option<NotStored>) {
        let policy = CompiledPolicy { settings: settings(&case.policy), fingerprint: 1, by_response: Vec::new() };
        let first = map(&case.first.fields);
        let judged = self.judge(case, &first, &policy);
        let why = judged.as_ref().err().copied();
        let slot = judged.ok().map(|head| {
            let names = vary::names(&head.fields).unwrap();
            let variant = vary::fingerprint(&self.keyed, &names, &first, false);
            let stored = StoredResponse::new(head, names, variant, Content::new(Vec::new()));
            Slot::new(CacheKey::new(&self.permit, &KeyPath::AS_SENT, &self.keyed).to_stored(), Arc::new(stored))
        });
        let policy = CompiledPolicy { fingerprint: 1 + u64::from(case.policy.is_changed), ..policy };
        let (decision, [survives_errors, survives_silence]) = self.decide(slot.as_ref(), case, &policy);
        let stored = slot.map(|slot| kept(&slot.variants()[0].head(), time(case.now)));
        (Answer { stored, decision, survives_errors, survives_silence }, why)
    }

    fn judge(&self, case: &Case, request: &HeaderMap, policy: &CompiledPolicy) -> Result<Head, NotStored> {
        let response = map(&case.response);
        let kept = hop::response_fields(&response, time(case.response_time));
        let filler = Filler {
            method: &method(&case.first),
            path_and_query: "/x",
            directives: &directives(request, &case.policy),
            credentials: request_credentials(request, Some(case.query), &policy.settings.credentials),
            named: Named::EXACT,
            consumed: &self.consumed,
            targets: &[],
            candidates: Candidates::NONE,
            is_located: is_located_at(self.permit.target(), &response),
            born: 0,
            request_time: time(case.request_time),
            response_time: time(case.response_time),
        };
        Head::judge(&filler, StatusCode::from_u16(case.status).unwrap(), &response, &kept, policy)
    }

    /// A stored 200 with these fields and a lifetime.
    pub(crate) fn stored_with(&self, fields: &Lines) -> Head {
        let mut case = crate::generate::case(&mut crate::random::Random::new(0));
        case.first = Request { method: "GET", fields: Vec::new(), has_content: false };
        (case.query, case.status, case.response) = ("", 200, fields.clone());
        case.response.push(("cache-control".to_owned(), "max-age=60".to_owned()));
        self.judge(
            &case,
            &HeaderMap::new(),
            &CompiledPolicy { settings: Policy::default(), fingerprint: 1, by_response: Vec::new() },
        )
        .unwrap()
    }

    /// The decision, and whether a validation that ends in an error or in no answer is answered stale.
    fn decide(&self, slot: Option<&Slot>, case: &Case, policy: &CompiledPolicy) -> (&'static str, [bool; 2]) {
        let fields = map(&case.second.fields);
        let directives = directives(&fields, &case.policy);
        let credentials = request_credentials(&fields, Some(case.query), &policy.settings.credentials);
        let asked = lookup::Asked {
            method: &method(&case.second),
            fields: &fields,
            has_content: case.second.has_content,
            sight: Sight::default(),
            asker: Asker {
                directives: &directives,
                credentialed: credentials.any,
                now: time(case.now),
                candidates: Candidates::NONE,
            },
        };
        let decision = match lookup::decide(slot, &asked, &self.keyed, policy) {
            Decision::Validate(chosen, _) => {
                let survives = |failure| stale::after_failure(&chosen.head, &asked.asker, policy, failure).is_some();
                return ("validate", [Failure::ServerError, Failure::NoAnswer].map(survives));
            }
            Decision::Serve(chosen) if chosen.stale.is_some() => "serve-stale",
            Decision::Serve(_) => "serve",
            Decision::ServeAndValidate(_) => "serve-and-validate",
            Decision::Offer(_) | Decision::Forward(_) => "forward",
            Decision::Refuse => "refuse",
        };
        (decision, [false; 2])
    }
}

fn method(request: &Request) -> Method {
    Method::from_bytes(request.method.as_bytes()).unwrap()
}

fn kept(head: &Head, now: SystemTime) -> Kept {
    let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap();
    Kept {
        is_credentialed: head.credentialed,
        is_permitted: head.permission.is_some(),
        lifetime: micros(head.lifetime.duration),
        age: head.current_age(now).map(micros),
    }
}
