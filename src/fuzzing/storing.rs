//! The rule that this project exists for, whatever else request and response say.
//!
//! RFC 9111 sections 3, 3.1 and 3.5; RFC 9213.
//!
//! # Deviations
//!
//! none

use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::{fields, halves, naive};
use crate::cache::entry::{Filler, Head};
use crate::cache::rules::authorization::request_credentials;
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::query::Named;
use crate::cache::rules::storable::NotStored;
use crate::cli::leak_test::model::{Expectation, Question, expect, is_authorization};
use crate::config::settings::Policy;
use crate::fields::HOP_BY_HOP;
use crate::hop;
use crate::policy::{Candidates, CompiledPolicy};

const TARGETED: HeaderName = HeaderName::from_static("cdn-cache-control");

/// A request's first line and fields, an empty line, a response's status and fields.
#[derive(Clone)]
struct Exchange {
    method: Method,
    path_and_query: String,
    request: HeaderMap,
    status: StatusCode,
    response: HeaderMap,
    targets: Vec<HeaderName>,
}

/// An exchange: `GET /path` and request fields, an empty line, the status code and response fields.
///
/// What a credentialed request brought is stored only where every reading of the deciding field permits it and none forbids
/// it; credentials never make anything storable; a further `private` or `no-store` always ends it.
pub fn storing(data: &[u8]) {
    let Some(exchange) = Exchange::read(data) else { return };
    for targets in [vec![], vec![TARGETED]] {
        let exchange = Exchange { targets, ..exchange.clone() };
        let without = exchange.without_credentials();
        let with = exchange.with_credentials();
        let (anonymous, credentialed) = (without.judge(), with.judge());
        if let Ok(head) = &credentialed {
            with.check_shared(head);
            assert!(anonymous.is_ok(), "credentials made it storable: {anonymous:?}");
        }
        if let Ok(head) = &anonymous {
            assert!(!head.credentialed && head.permission.is_none() && head.is_shareable());
            without.check_stored(head);
        }
        for more in ["private", "no-store", "x, PRIVATE=\"x\"", "public, No-Store=1"] {
            assert!(with.saying(more).judge().is_err(), "stored although it says {more}");
        }
        assert!(without.saying("private").judge().is_err(), "stored although it says private");
        let verdict = |judged: &Result<Head, NotStored>| judged.as_ref().map(|head| head.permission).map_err(|why| *why);
        let unknown = with.saying_first("x-unknown=\"a, public\", y");
        if !exchange.is_targeted() && with.is_well_quoted() && !with.response.contains_key(header::CONNECTION) {
            let has_field = with.response.contains_key(header::CACHE_CONTROL);
            let same = verdict(&unknown.judge()) == verdict(&credentialed);
            assert!(same || !has_field, "an unknown directive changed {:?}", verdict(&credentialed));
        }
    }
}

impl Exchange {
    fn read(data: &[u8]) -> Option<Self> {
        let (request, response) = halves(data);
        let (first, status) = (std::str::from_utf8(request.first()?).ok()?, response.first()?);
        let (method, path_and_query) = first.split_once(' ')?;
        Some(Self {
            method: method.parse().ok()?,
            path_and_query: path_and_query.to_owned(),
            request: fields(&request[1..]),
            status: StatusCode::from_bytes(status).ok()?,
            response: fields(&response[1..]),
            targets: Vec::new(),
        })
    }

    fn with_credentials(&self) -> Self {
        let mut with = self.clone();
        with.request.append(header::AUTHORIZATION, HeaderValue::from_static("Basic YWxpY2U6cGFzcw=="));
        with
    }

    fn without_credentials(&self) -> Self {
        let mut without = self.clone();
        without.request.remove(header::AUTHORIZATION);
        without.path_and_query = self.path_and_query.split('?').next().unwrap_or_default().to_owned();
        without
    }

    /// With a further line of the field that decides.
    fn saying(&self, more: &'static str) -> Self {
        let mut said = self.clone();
        // A targeted field that can be read is the one that decides (RFC 9213 section 2.2); without it Cache-Control is.
        said.response.remove(TARGETED);
        said.response.append(header::CACHE_CONTROL, HeaderValue::from_static(more));
        said
    }

    /// With a line of `Cache-Control` before the others.
    fn saying_first(&self, more: &'static str) -> Self {
        let mut said = self.clone();
        let lines: Vec<HeaderValue> = said.response.get_all(header::CACHE_CONTROL).iter().cloned().collect();
        said.response.insert(header::CACHE_CONTROL, HeaderValue::from_static(more));
        for line in lines {
            said.response.append(header::CACHE_CONTROL, line);
        }
        said
    }

    fn is_targeted(&self) -> bool {
        self.targets.iter().any(|name| self.response.contains_key(name))
    }

    fn is_well_quoted(&self) -> bool {
        self.response.get_all(header::CACHE_CONTROL).iter().all(|line| naive::members(line.as_bytes()).1)
    }

    /// What the rules say of storing the response.
    fn judge(&self) -> Result<Head, NotStored> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let policy = CompiledPolicy { settings: Policy::default(), fingerprint: 7, by_response: Vec::new() };
        let query = self.path_and_query.split_once('?').map(|(_, query)| query);
        let directives = RequestDirectives::parse(&self.request);
        let filler = Filler {
            method: &self.method,
            path_and_query: &self.path_and_query,
            directives: &directives,
            credentials: request_credentials(&self.request, query, &policy.settings.credentials),
            named: Named::EXACT,
            consumed: &[],
            targets: &self.targets,
            candidates: Candidates::NONE,
            is_located: false,
            born: 0,
            request_time: now,
            response_time: now,
        };
        let kept = hop::response_fields(&self.response, now);
        Head::judge(&filler, self.status, &self.response, &kept, &policy)
    }

    /// What holds of everything that a credentialed request brought and that is stored.
    ///
    /// Source: RFC 9111 section 3.5.
    fn check_shared(&self, head: &Head) {
        assert!(head.credentialed && head.permission.is_some(), "stored without a permission");
        self.check_stored(head);
        let mut parameters = self.path_and_query.split('?').skip(1).flat_map(|query| query.split(['&', ';']));
        assert!(!parameters.any(|pair| pair.starts_with("access_token=")), "a key would hold the credential");
        assert!(!head.fields.contains_key(&header::WWW_AUTHENTICATE));
        let lines: Vec<&[u8]> = self.response.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
        if self.is_targeted() {
            let deciding: Vec<u8> = self
                .response
                .get_all(TARGETED)
                .iter()
                .chain(self.response.get_all(header::CACHE_CONTROL))
                .flat_map(|line| line.as_bytes().to_ascii_lowercase())
                .collect();
            let says = |word: &[u8]| deciding.windows(word.len()).any(|part| part == word);
            assert!(says(b"public") || says(b"s-maxage") || says(b"must-revalidate"), "nothing permits it");
            assert!(!says(b"private") && !says(b"no-store"), "something forbids it");
            return;
        }
        for words in naive::readings(&lines) {
            assert!(words.permits, "not every reading permits it");
            assert!(!words.no_store && !words.private, "a reading forbids it");
        }
        let texts: Option<Vec<&str>> = lines.iter().map(|line| std::str::from_utf8(line).ok()).collect();
        let Some(texts) = texts else { return };
        let question = Question {
            cache_control: &texts,
            expires: None,
            vary: None,
            filled_with: &[("authorization", "x")],
            asked_with: &[],
            query: "",
            seconds_later: 0,
            is_credential: is_authorization,
        };
        assert_ne!(expect(&question), Expectation::Origin, "RFC 9111 read a second time forbids it");
    }

    /// What holds of everything that is stored.
    ///
    /// Source: RFC 9111 sections 3 and 3.1.
    fn check_stored(&self, head: &Head) {
        assert!(self.method == Method::GET || self.method == Method::POST);
        assert!(
            !matches!(self.status.as_u16(), 100..200 | 206 | 304 | 401 | 407 | 412 | 416 | 417 | 428 | 429 | 431 | 511 | 600..)
        );
        assert!(!RequestDirectives::parse(&self.request).no_store);
        let proxy_info = ["proxy-authenticate", "proxy-authentication-info", "authentication-info", "age"];
        for name in proxy_info.map(HeaderName::from_static).iter().chain(&HOP_BY_HOP).chain([&header::SET_COOKIE]) {
            assert!(!head.fields.contains_key(name), "{name} was stored");
        }
        assert!(self.response.get_all(header::VARY).iter().all(|line| !line.as_bytes().contains(&b'*')));
        let lines: Vec<&[u8]> = self.response.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes).collect();
        let mentions =
            |word: &[u8]| lines.iter().any(|line| line.to_ascii_lowercase().windows(word.len()).any(|part| part == word));
        if !self.is_targeted() && !mentions(b"must-understand") {
            assert!(naive::readings(&lines).iter().all(|words| !words.no_store), "a reading says no-store");
        }
    }
}
