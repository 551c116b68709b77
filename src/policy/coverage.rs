//! Which conditions cover which: what is written behind a policy that fits everything it fits is never chosen.
//!
//! RFC 9111 section 1.1.
//!
//! # Deviations
//!
//! - What only several conditions cover together is not found out; nothing is said of it then.

use crate::config::settings::{HostPattern, PathPattern, PolicyMatch, ResponsePolicy};

/// Does every request that fits `other` fit `one`?
#[must_use]
pub fn covers(one: &PolicyMatch, other: &PolicyMatch) -> bool {
    let any_host = |host: &HostPattern| *host == HostPattern::Any;
    let any_path = |path: &PathPattern| matches!(path, PathPattern::Prefix(start) if &**start == "/");
    all_covered(&one.hosts, &other.hosts, HostPattern::includes, any_host)
        && all_covered(&one.paths, &other.paths, PathPattern::includes, any_path)
        && all_covered(&one.methods, &other.methods, PartialEq::eq, |_| false)
}

/// May there be a request that fits both? Two hosts have something in common only if one covers the other.
#[must_use]
pub fn may_meet(one: &PolicyMatch, other: &PolicyMatch) -> bool {
    any_common(&one.hosts, &other.hosts, |a, b| a.includes(b) || b.includes(a))
        && any_common(&one.paths, &other.paths, PathPattern::may_meet)
        && any_common(&one.methods, &other.methods, PartialEq::eq)
}

/// Does every response that fits `other` fit `one`, request and all?
#[must_use]
pub fn covers_responses(one: &ResponsePolicy, other: &ResponsePolicy) -> bool {
    let has = |policy: &ResponsePolicy, code| policy.statuses.iter().any(|range| range.has(code));
    let codes = || other.statuses.iter().flat_map(|range| range.codes());
    let is_status = one.statuses.is_empty() || !other.statuses.is_empty() && codes().all(|code| has(one, code));
    is_status
        && covers(&one.matches, &other.matches)
        && all_covered(&one.content_types, &other.content_types, |a, b| a.includes(b), |_| false)
}

/// An empty list is no condition.
fn all_covered<T>(one: &[T], other: &[T], covers: impl Fn(&T, &T) -> bool, is_any: impl Fn(&T) -> bool) -> bool {
    let is_covered = |condition: &T| one.iter().any(|wider| covers(wider, condition));
    one.is_empty() || one.iter().any(is_any) || !other.is_empty() && other.iter().all(is_covered)
}

fn any_common<T>(one: &[T], other: &[T], meet: impl Fn(&T, &T) -> bool) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|a| other.iter().any(|b| meet(a, b)))
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn matches(hosts: &[&str], paths: &[&str], methods: &[Method]) -> PolicyMatch {
        PolicyMatch {
            hosts: hosts.iter().map(|text| HostPattern::parse(text).unwrap()).collect(),
            paths: paths.iter().map(|text| PathPattern::parse(text).unwrap()).collect(),
            methods: methods.to_vec(),
        }
    }

    #[test]
    fn wider_conditions_cover_narrower_ones() {
        let get = [Method::GET];
        for (one, other, is_covered, meets) in [
            (matches(&[], &[], &[]), matches(&["a.org"], &["/x"], &get), true, true),
            (matches(&["a.org"], &["/x"], &get), matches(&[], &[], &[]), false, true),
            (matches(&["*"], &["/*"], &[]), matches(&[], &[], &[]), true, true),
            (matches(&["*.org"], &[], &[]), matches(&["*.a.org", "b.org"], &[], &[]), true, true),
            (matches(&["*.a.org"], &[], &[]), matches(&["*.org"], &[], &[]), false, true),
            (matches(&["*.a.org"], &[], &[]), matches(&["a.org"], &[], &[]), false, false),
            (matches(&["a.org"], &[], &[]), matches(&["*"], &[], &[]), false, true),
            (matches(&[], &["/v1/*"], &[]), matches(&[], &["/v1/a*", "/v1/b"], &[]), true, true),
            (matches(&[], &["/v1/*"], &[]), matches(&[], &["/v1"], &[]), false, false),
            (matches(&[], &["/v1"], &[]), matches(&[], &["/v1"], &[]), true, true),
            (matches(&[], &["/v1"], &[]), matches(&[], &["/*"], &[]), false, true),
            (matches(&[], &[], &[Method::GET, Method::HEAD]), matches(&[], &[], &get), true, true),
            (matches(&[], &[], &get), matches(&[], &[], &[Method::HEAD]), false, false),
            (matches(&["a.org"], &["/x"], &[]), matches(&["a.org"], &["/y"], &[]), false, false),
        ] {
            assert_eq!((covers(&one, &other), may_meet(&one, &other)), (is_covered, meets), "{one:?} {other:?}");
            assert_eq!(may_meet(&other, &one), meets, "{one:?} {other:?}");
        }
    }
}
