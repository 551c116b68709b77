//! What the benchmarks of the rules are given.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "each program uses its part; what it is made of fails by panicking"
)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use vouchsafe::access::{Access, Permit, Question};
use vouchsafe::auth::{Principal, Scheme as AuthScheme};
use vouchsafe::cache::entry::{Filler, Head};
use vouchsafe::cache::key::{CacheKey, KeyPath};
use vouchsafe::cache::lookup::{self, Chosen, Decision};
use vouchsafe::cache::rules::authorization::request_credentials;
use vouchsafe::cache::rules::directives::RequestDirectives;
use vouchsafe::cache::rules::partition::Sight;
use vouchsafe::cache::rules::query::Named;
use vouchsafe::cache::rules::reuse::Asker;
use vouchsafe::cache::rules::vary;
use vouchsafe::cache::store::{Content, Slot, StoredResponse};
use vouchsafe::config::settings::{AccessRule, HostPattern, Mode, Policy, Settings};
use vouchsafe::hop;
use vouchsafe::keyed::Keyed;
use vouchsafe::policy::{Candidates, CompiledPolicy};
use vouchsafe::target::{Host, Scheme, Target};

/// What the rules are given.
pub struct World {
    pub keyed: Keyed,
    pub policy: CompiledPolicy,
    pub permit: Permit,
    pub request: HeaderMap,
    pub now: SystemTime,
}

pub fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

pub fn target() -> Target {
    let host = Host::parse("www.example.com").unwrap();
    Target { scheme: Scheme::Http, host, port: 80, path_and_query: "/articles/2026/index.html?page=2".into() }
}

pub fn question(method: &Method) -> Question<'_> {
    let principal = Principal { name: Some("alice".into()), scheme: AuthScheme::Basic };
    Question { principal, target: target(), method, client: Ipv4Addr::LOCALHOST.into(), mode: Mode::Gateway }
}

pub fn access(rules: Vec<AccessRule>) -> Access {
    Access::new(&Settings { access: rules, ..Settings::default() }, &[])
}

pub fn world() -> World {
    let request = map(&[
        ("host", "www.example.com"),
        ("user-agent", "Mozilla/5.0"),
        ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br"),
        ("authorization", "Bearer a.b.c"),
        ("cache-control", "max-age=600, max-stale=5"),
    ]);
    World {
        keyed: Keyed::random().unwrap(),
        policy: CompiledPolicy::new(Policy::default()),
        permit: access(Vec::new()).decide(question(&Method::GET)).unwrap(),
        request,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
    }
}

impl World {
    pub fn response(&self) -> HeaderMap {
        let mut fields = map(&[
            ("content-type", "text/html"),
            ("cache-control", "public, max-age=300, s-maxage=3600, stale-if-error=60"),
            ("etag", "\"a1b2c3\""),
            ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("vary", "Accept-Encoding"),
            ("content-length", "1024"),
        ]);
        fields.insert("date", httpdate::fmt_http_date(self.now).parse().unwrap());
        fields
    }

    pub fn judge(&self, response: &HeaderMap, kept: &HeaderMap) -> Head {
        let filler = Filler {
            method: &Method::GET,
            path_and_query: &self.permit.target().path_and_query,
            directives: &RequestDirectives::parse(&self.request),
            credentials: request_credentials(&self.request, None, &self.policy.settings.credentials),
            named: Named::EXACT,
            consumed: &[],
            targets: &[],
            candidates: Candidates::NONE,
            is_located: false,
            born: 0,
            request_time: self.now,
            response_time: self.now,
        };
        Head::judge(&filler, StatusCode::OK, response, kept, &self.policy).unwrap()
    }

    /// What is stored of the response, beside so many other variants.
    pub fn slot(&self, others: usize) -> Slot {
        let response = self.response();
        let stored = |request: &HeaderMap| {
            let head = self.judge(&response, &hop::response_fields(&response, self.now));
            let names = vary::names(&head.fields).unwrap();
            let variant = vary::fingerprint(&self.keyed, &names, request, true);
            Arc::new(StoredResponse::new(head, names, variant, Content::new(vec![vec![b'x'; 1024].into()])))
        };
        let key = CacheKey::new(&self.permit, &KeyPath::AS_SENT, &self.keyed).to_stored();
        let mut slot = Slot::new(key, stored(&self.request));
        for other in 0..others {
            let mut request = HeaderMap::new();
            request.insert("accept-encoding", format!("x-{other}").parse().unwrap());
            slot = slot.with(stored(&request), others + 1);
        }
        slot
    }

    pub fn decide(&self, slot: &Slot, directives: &RequestDirectives) -> Decision {
        let asker = Asker { directives, credentialed: true, now: self.now, candidates: Candidates::NONE };
        let asked =
            lookup::Asked { method: &Method::GET, fields: &self.request, has_content: false, sight: Sight::default(), asker };
        lookup::decide(Some(slot), &asked, &self.keyed, &self.policy)
    }

    pub fn chosen(&self) -> Chosen {
        match self.decide(&self.slot(0), &RequestDirectives::parse(&self.request)) {
            Decision::Serve(chosen) => chosen,
            other => unreachable!("expected a hit, found {other:?}"),
        }
    }
}

/// Each about a host of its own; the last one is about the target's.
pub fn hosts(count: usize) -> impl Iterator<Item = HostPattern> {
    let named = move |at: usize| if at == count { "www.example.com".to_owned() } else { format!("h{at}.example.com") };
    (1..=count).map(move |at| HostPattern::parse(&named(at)).unwrap())
}

/// Rules for one user, each about a host of its own.
pub fn rules(count: usize) -> Access {
    let rule = |host| AccessRule {
        name: "r".to_owned(),
        allow: true,
        users: vec!["alice".to_owned()],
        networks: Vec::new(),
        hosts: vec![host],
        ports: Vec::new(),
        paths: Vec::new(),
        methods: Vec::new(),
        schemes: Vec::new(),
    };
    access(hosts(count).map(rule).collect())
}
