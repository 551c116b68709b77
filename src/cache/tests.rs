//! Exchanges and entries for tests: field lines in, what the rules make of them out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use crate::access::{Access, Permit, Question};
use crate::auth::Principal;
use crate::cache::entry::{Filler, Head};
use crate::cache::key::{CacheKey, KeyPath};
use crate::cache::rules::authorization::{RequestCredentials, request_credentials};
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::query::Named;
use crate::cache::rules::storable::NotStored;
use crate::cache::rules::vary;
use crate::cache::store::{Content, StoredResponse};
use crate::config::settings::{Mode, Policy, Settings};
use crate::hop;
use crate::keyed::Keyed;
use crate::policy::{Candidates, CompiledPolicy};
use crate::target::{Host, Scheme, Target};

/// Field lines as a table writes them.
pub(crate) type Lines<'a> = &'a [(&'a str, &'a str)];

/// `Date` of a response that was generated at [`at`]`(0)`.
pub(crate) const DATE: (&str, &str) = ("date", "Fri, 15 Jan 2027 08:00:00 GMT");

/// A credential.
pub(crate) const ALICE: (&str, &str) = ("authorization", "Basic YWxpY2U6cGFzcw==");

/// So many seconds after 2027-01-15 08:00:00 GMT.
pub(crate) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn fields(lines: Lines<'_>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

/// One `Cache-Control` line.
pub(crate) fn cache_control(value: &str) -> HeaderMap {
    fields(&[("cache-control", value)])
}

pub(crate) fn names(list: &[&'static str]) -> Vec<HeaderName> {
    list.iter().map(|name| HeaderName::from_static(name)).collect()
}

pub(crate) fn policy(settings: Policy) -> CompiledPolicy {
    CompiledPolicy { settings, fingerprint: 7, by_response: Vec::new() }
}

/// A GET of `/x` that may fill an entry; sent and answered at [`at`]`(0)`.
pub(crate) fn filler(directives: &RequestDirectives, credentials: RequestCredentials) -> Filler<'_> {
    Filler {
        method: &Method::GET,
        path_and_query: "/x",
        directives,
        credentials,
        named: Named::EXACT,
        consumed: &[],
        targets: &[],
        candidates: Candidates::NONE,
        is_located: false,
        born: 0,
        request_time: at(0),
        response_time: at(0),
    }
}

/// An exchange that may fill an entry; generated, sent and received at [`at`]`(0)`.
pub(crate) struct Given<'a> {
    pub(crate) method: Method,
    pub(crate) target: &'a str,
    pub(crate) request: Lines<'a>,
    pub(crate) status: u16,
    pub(crate) response: Lines<'a>,
    pub(crate) consumed: &'a [HeaderName],
    pub(crate) targets: &'a [HeaderName],
    pub(crate) is_located: bool,
    pub(crate) policy: CompiledPolicy,
}

impl Default for Given<'_> {
    fn default() -> Self {
        Self {
            method: Method::GET,
            target: "/x",
            request: &[],
            status: 200,
            response: &[],
            consumed: &[],
            targets: &[],
            is_located: false,
            policy: policy(Policy::default()),
        }
    }
}

impl Given<'_> {
    /// What the rules say of storing the response.
    pub(crate) fn judge(&self) -> Result<Head, NotStored> {
        let (request, response) = (fields(self.request), fields(self.response));
        let query = self.target.split_once('?').map(|(_, query)| query);
        let directives = RequestDirectives::parse(&request);
        let credentials = request_credentials(&request, query, &self.policy.settings.credentials);
        let filler = Filler {
            method: &self.method,
            path_and_query: self.target,
            consumed: self.consumed,
            targets: self.targets,
            is_located: self.is_located,
            ..filler(&directives, credentials)
        };
        let kept = hop::response_fields(&response, at(0));
        Head::judge(&filler, StatusCode::from_u16(self.status).unwrap(), &response, &kept, &self.policy)
    }
}

/// The entry of a 200 to a GET with these fields.
pub(crate) fn entry(request: Lines<'_>, response: Lines<'_>) -> Head {
    Given { request, response, ..Given::default() }.judge().unwrap()
}

/// The entry of an anonymous 200 with this `Cache-Control`.
pub(crate) fn anonymous(cache_control: &str) -> Head {
    entry(&[], &[("cache-control", cache_control), ("etag", "\"a\"")])
}

/// The entry of a 200 to Alice with this `Cache-Control`.
pub(crate) fn credentialed(cache_control: &str) -> Head {
    entry(&[ALICE], &[("cache-control", cache_control), ("etag", "\"a\"")])
}

/// The bytes of [`stored`].
pub(crate) const CONTENT: &str = "0123456789";

/// An entry with [`CONTENT`] in two chunks, filled by a request with these fields.
pub(crate) fn stored_for(head: Head, keyed: &Keyed, request: Lines<'_>) -> Arc<StoredResponse> {
    let (first, second) = CONTENT.split_at(4);
    let content = Content::new(vec![first.into(), second.into()]);
    let names = vary::names(&head.fields).unwrap();
    let variant = vary::fingerprint(keyed, &names, &fields(request), true);
    Arc::new(StoredResponse::new(head, names, variant, content))
}

/// An entry with [`CONTENT`] whose `Vary` does not matter.
pub(crate) fn stored(head: Head) -> Arc<StoredResponse> {
    stored_for(head, &Keyed::random().unwrap(), &[])
}

/// A small generator of random choices; a failing test shows its seed, `SEED=...` repeats it.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
        println!("SEED={seed}");
        Self(seed)
    }

    /// splitmix64.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.below(at + 1));
        }
    }

    /// The same letters in some other case.
    pub(crate) fn recase(&mut self, text: &str) -> String {
        text.chars().map(|c| if self.coin() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
    }

    /// Optional white space.
    pub(crate) fn ows(&mut self) -> &'static str {
        self.pick(&["", " ", "\t", "  "])
    }
}

/// The key of a permit, its target as sent.
pub(crate) fn key<'a>(permit: &'a Permit, keyed: &Keyed) -> CacheKey<'a> {
    static AS_SENT: KeyPath = KeyPath::AS_SENT;
    CacheKey::new(permit, &AS_SENT, keyed)
}

/// A permit for `scheme://host:port/path`; the user "-" is nobody.
pub(crate) fn permit(url: &str, user: &str) -> Permit {
    let uri: http::Uri = url.parse().unwrap();
    let scheme = if uri.scheme_str() == Some("https") { Scheme::Https } else { Scheme::Http };
    let target = Target {
        scheme,
        host: Host::parse(uri.host().unwrap()).unwrap(),
        port: uri.port_u16().unwrap_or(scheme.default_port()),
        path_and_query: url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap().into(),
    };
    let name = (user != "-").then(|| Arc::from(user));
    let principal = Principal { name, scheme: crate::auth::Scheme::Basic };
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    let settings = Settings { access: Vec::new(), ..Settings::default() };
    let question = Question { principal, target, method: &Method::GET, client, mode: Mode::Gateway };
    Access::new(&settings, &[]).decide(question).unwrap()
}
