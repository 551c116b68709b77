//! The cache policy and the route in force for one target, compiled from `[[policy]]` and
//! `[[route]]`.
//!
//! RFC 9111 section 1.1 (a cache may be configured to do less), section 3.5 (what no policy
//! loosens), RFC 9110 section 7.4 (a gateway answers only for what it is configured for).
//!
//! # Deviations
//!
//! none

pub mod coverage;
mod response;

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::slice::from_ref;
use std::sync::Arc;

use http::Method;

use crate::config::settings::{HostPattern, PathPattern, Policy, PolicyMatch, ResponsePolicy, Route, Settings};
use crate::index::{Index, Named, for_target};
use crate::target::Target;

pub use response::{ByResponse, Candidates};

/// All policies, in the order they are tried.
#[derive(Debug)]
pub struct Policies {
    all: Vec<Arc<CompiledPolicy>>,
    index: Index,
    /// With conditions on the response, in the order they are tried.
    of_responses: Vec<Arc<ResponsePolicy>>,
}

/// One policy and the fingerprint that entries stored under it remember (a changed policy has a
/// different one).
#[derive(Debug)]
pub struct CompiledPolicy {
    /// The settings in force.
    pub settings: Policy,
    /// Hash of every setting that bears on who may see an entry or for how long; the same in every
    /// process.
    pub fingerprint: u64,
    /// What the policies with conditions on the response make of it, by their number.
    pub by_response: Vec<ByResponse>,
}

/// What governs one request.
#[derive(Clone, Debug)]
pub struct Selected {
    /// The policy that it is let through under.
    pub policy: Arc<CompiledPolicy>,
    /// Which policies with conditions on the response are looked at when that is there.
    pub candidates: Candidates,
}

impl CompiledPolicy {
    /// These settings and their fingerprint, whatever the response.
    #[must_use]
    pub fn new(settings: Policy) -> Self {
        Self { fingerprint: compute_fingerprint(&settings), settings, by_response: Vec::new() }
    }

    /// The largest content that is stored where the whole cache stores no larger than `most`, bytes.
    #[must_use]
    pub fn most_bytes(&self, most: u64) -> u64 {
        self.settings.max_object_bytes.map_or(most, |own| own.min(most))
    }
}

impl Policies {
    /// Compiles the configured policies.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let of_responses: Vec<_> = settings.response_policies.iter().cloned().map(Arc::new).collect();
        let compile = |policy: &Policy| {
            let by_response = of_responses.iter().map(|when| ByResponse::new(when, policy)).collect();
            Arc::new(CompiledPolicy { by_response, ..CompiledPolicy::new(policy.clone()) })
        };
        let index =
            Index::new(settings.policies.iter().map(|policy| Named::places(&policy.matches.hosts, &policy.matches.paths)));
        Self { all: settings.policies.iter().map(compile).collect(), index, of_responses }
    }

    /// The policy for this request: the one its route names, else the first whose match fits; the
    /// one named `default` is last and fits everything. And which others the response will be held against.
    #[must_use]
    pub fn select(&self, named: Option<usize>, method: &Method, target: &Target) -> Option<Selected> {
        let by_name = named.and_then(|at| self.all.get(at));
        let fits = |at: usize| self.all.get(at).is_some_and(|policy| fits(&policy.settings.matches, method, target));
        let by_match = || self.all.get(self.index.first(for_target(target), fits)?);
        let policy = by_name.or_else(by_match).or(self.all.last())?;
        let candidates = Candidates::of(&self.of_responses, method, target);
        Some(Selected { policy: Arc::clone(policy), candidates })
    }

    /// Every policy that a request may be let through under, in the order they are tried.
    pub fn all(&self) -> impl Iterator<Item = &CompiledPolicy> {
        self.all.iter().map(|policy| &**policy)
    }
}

/// Does every condition hold? An empty list is no condition.
fn fits(matches: &PolicyMatch, method: &Method, target: &Target) -> bool {
    any(&matches.methods, |wanted| wanted == method)
        && any(&matches.hosts, |host| host.matches(&target.host))
        && any(&matches.paths, |pattern| pattern.covers(target))
}

fn any<T>(list: &[T], condition: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(condition)
}

/// Taking the policy apart by name makes a new setting a compile error here until it is decided
/// whether it belongs to the fingerprint.
///
/// Source: RFC 9111 sections 3.5 and 4.2.
fn compute_fingerprint(policy: &Policy) -> u64 {
    let Policy {
        name: _,
        matches: _,
        bypass,
        authorization,
        partition,
        anonymous_entries,
        credentials,
        set_cookie,
        default_ttl,
        heuristic,
        min_ttl,
        max_ttl,
        negative_ttl,
        stale_while_revalidate,
        stale_if_error,
        max_stale_disconnected,
        query,
        vary_normalise,
        share_validations: _,
        canary: _,
        vary_limit: _,
        methods,
        max_object_bytes: _,
        ignore_request_cache_control,
    } = policy;
    let mut hash = DefaultHasher::new();
    (bypass, authorization.as_str(), partition.as_str(), anonymous_entries.as_str(), set_cookie.as_str()).hash(&mut hash);
    (&credentials.query, &credentials.cookies).hash(&mut hash);
    credentials.headers.iter().map(http::HeaderName::as_str).collect::<Vec<_>>().hash(&mut hash);
    (default_ttl, heuristic, min_ttl, max_ttl, negative_ttl, methods).hash(&mut hash);
    (stale_while_revalidate, stale_if_error, max_stale_disconnected).hash(&mut hash);
    (query, vary_normalise, ignore_request_cache_control).hash(&mut hash);
    hash.finish()
}

/// The most specific `[[route]]` for a target.
#[derive(Debug)]
pub struct Routes {
    /// Most specific first, so that the first match is the answer.
    ordered: Vec<Route>,
    index: Index,
}

/// What a route says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteTo {
    /// Index into `Settings::upstreams`.
    pub upstream: usize,
    /// Index into `Settings::policies`, when the route names one.
    pub policy: Option<usize>,
}

impl Routes {
    /// Orders the routes by specificity.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let mut ordered = settings.routes.clone();
        ordered.sort_by_key(|route| Reverse((host_rank(&route.host), path_rank(&route.path))));
        let index = Index::new(ordered.iter().map(|route| Named::places(from_ref(&route.host), from_ref(&route.path))));
        Self { ordered, index }
    }

    /// Most specific host, then longest path wins; none: 404.
    ///
    /// Source: RFC 9110 section 7.4.
    #[must_use]
    pub fn select(&self, target: &Target) -> Option<RouteTo> {
        let fits = |route: &Route| route.host.matches(&target.host) && route.path.covers(target);
        let at = self.index.first(for_target(target), |at| self.ordered.get(at).is_some_and(fits))?;
        self.ordered.get(at).map(|route| RouteTo { upstream: route.upstream, policy: route.policy })
    }
}

/// A host by itself before any domain, a longer domain before a shorter one, any host last.
fn host_rank(host: &HostPattern) -> usize {
    match host {
        HostPattern::Any => 0,
        HostPattern::Below(suffix) => suffix.len(),
        HostPattern::Exact(_) => usize::MAX,
    }
}

/// The longer path first, stars not counted; of two equally long ones the exact one.
fn path_rank(path: &PathPattern) -> (usize, bool) {
    match path {
        PathPattern::Exact(path) => (path.len(), true),
        PathPattern::Prefix(path) => (path.len(), false),
        PathPattern::Glob(pattern) => (pattern.bytes().filter(|byte| *byte != b'*').count(), false),
    }
}

#[cfg(test)]
mod tests {
    mod found;

    use super::*;
    use crate::cache::rules::query::{Form, Parameter, QueryRule};
    use crate::config::settings::{CacheMethods, Credentials, PartitionBy, PolicyAuthorization};
    use crate::target::{Host, Scheme};

    fn target(url: &str) -> Target {
        let (host, path) = url.split_at(url.find('/').unwrap());
        Target { scheme: Scheme::Http, host: Host::parse(host).unwrap(), port: 80, path_and_query: path.into() }
    }

    fn route(host: &str, path: &str, upstream: usize) -> Route {
        let (host, path) = (HostPattern::parse(host).unwrap(), PathPattern::parse(path).unwrap());
        Route { host, path, upstream, policy: None }
    }

    #[test]
    fn the_most_specific_host_and_then_the_longest_path_wins() {
        let routes = [
            ("*", "/*"),
            ("*.example.com", "/*"),
            ("*.api.example.com", "/*"),
            ("v1.api.example.com", "/*"),
            ("v1.api.example.com", "/a/*"),
            ("v1.api.example.com", "/a/"),
            ("*", "/very/long/path/*"),
            ("shop.example.com", "/cart*"),
        ];
        let cases = [
            ("other.org/x", Some(0)),
            ("www.example.com/x", Some(1)),
            ("v2.api.example.com/x", Some(2)),
            ("v1.api.example.com/x", Some(3)),
            ("v1.api.example.com/a/b?q=/", Some(4)),
            ("v1.api.example.com/a/?q", Some(5)),
            ("v1.api.example.com/very/long/path/x", Some(3)),
            ("other.org/very/long/path/x", Some(6)),
            ("shop.example.com/", Some(1)),
            ("shop.example.com/carts", Some(7)),
        ];
        // The order in which routes are written makes no difference.
        for turn in 0..routes.len() {
            let mut written: Vec<Route> = routes.iter().enumerate().map(|(at, (host, path))| route(host, path, at)).collect();
            written.rotate_left(turn);
            let routes = Routes::new(&Settings { routes: written, ..Settings::default() });
            for (url, expect) in cases {
                assert_eq!(routes.select(&target(url)).map(|to| to.upstream), expect, "{url}");
            }
        }
        let one = Routes::new(&Settings { routes: vec![route("a.org", "/x", 0)], ..Settings::default() });
        assert_eq!(one.select(&target("a.org/y")), None);
        assert_eq!(one.select(&target("b.org/x")), None);
    }

    fn policy(name: &str, hosts: &[&str], paths: &[&str]) -> Policy {
        let hosts = hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect();
        let paths = paths.iter().map(|path| PathPattern::parse(path).unwrap()).collect();
        let matches = PolicyMatch { hosts, paths, methods: Vec::new() };
        Policy { name: name.to_owned(), matches, ..Policy::default() }
    }

    #[test]
    fn a_policy_is_the_named_one_or_the_first_that_fits_or_the_default() {
        let mut heads = policy("heads", &[], &[]);
        heads.matches.methods = vec![Method::HEAD];
        let written =
            vec![heads, policy("v1", &["*.example.com"], &["/v1/*"]), policy("site", &["*.example.com"], &[]), Policy::default()];
        let policies = Policies::new(&Settings { policies: written, ..Settings::default() });
        let select = |named, method: &Method, url: &str| {
            policies.select(named, method, &target(url)).unwrap().policy.settings.name.clone()
        };
        assert_eq!(select(None, &Method::GET, "a.example.com/v1/x?y"), "v1");
        assert_eq!(select(None, &Method::GET, "a.example.com/v2/x"), "site");
        assert_eq!(select(None, &Method::HEAD, "a.example.com/v1/x"), "heads");
        assert_eq!(select(None, &Method::GET, "other.org/"), "default");
        assert_eq!(select(Some(1), &Method::GET, "other.org/"), "v1");
    }

    #[test]
    fn the_fingerprint_follows_what_bears_on_who_sees_an_entry() {
        let base = Policy::default();
        let fingerprint = compute_fingerprint(&base);
        assert_eq!(fingerprint, compute_fingerprint(&policy("another", &["*"], &["/x"])));
        let hour = std::time::Duration::from_secs(3_601);
        let changed = [
            Policy { bypass: true, ..base.clone() },
            Policy { authorization: PolicyAuthorization::Never, ..base.clone() },
            Policy { partition: PartitionBy::Credential, ..base.clone() },
            Policy { partition: PartitionBy::Principal, ..base.clone() },
            Policy { anonymous_entries: crate::config::settings::AnonymousEntries::Bypass, ..base.clone() },
            Policy { credentials: Credentials { query: Vec::new(), ..Credentials::default() }, ..base.clone() },
            Policy { credentials: Credentials { headers: vec![http::header::FROM], ..Credentials::default() }, ..base.clone() },
            Policy { credentials: Credentials { cookies: vec!["sid".to_owned()], ..Credentials::default() }, ..base.clone() },
            Policy { set_cookie: crate::config::settings::SetCookie::Store, ..base.clone() },
            Policy { default_ttl: hour, ..base.clone() },
            Policy { heuristic: false, ..base.clone() },
            Policy { min_ttl: hour, ..base.clone() },
            Policy { max_ttl: hour, ..base.clone() },
            Policy { negative_ttl: Some(hour), ..base.clone() },
            Policy { negative_ttl: Some(std::time::Duration::ZERO), ..base.clone() },
            Policy { methods: CacheMethods { head: false, post: true }, ..base.clone() },
            Policy { methods: CacheMethods { head: true, post: false }, ..base.clone() },
            Policy { stale_while_revalidate: hour, ..base.clone() },
            Policy { stale_if_error: hour, ..base.clone() },
            Policy { max_stale_disconnected: hour, ..base.clone() },
            Policy { query: QueryRule::new(Form::Sorted), ..base.clone() },
            Policy { query: QueryRule::new(Form::Drop(vec![Parameter::parse("a").unwrap()])), ..base.clone() },
            Policy { query: QueryRule::new(Form::Keep(vec![Parameter::parse("a").unwrap()])), ..base.clone() },
            Policy { query: QueryRule::new(Form::Keep(vec![Parameter::parse("a*").unwrap()])), ..base.clone() },
            Policy { vary_normalise: false, ..base.clone() },
            Policy { ignore_request_cache_control: true, ..base },
        ];
        let mut seen = vec![fingerprint];
        for policy in &changed {
            let other = compute_fingerprint(policy);
            assert!(!seen.contains(&other), "{policy:?}");
            seen.push(other);
        }
    }
}
