//! Routes and policies that are found by host and path, against a walk through all of them.

use super::*;
use crate::cache::tests::Random;

const HOSTS: [&str; 9] = [
    "*",
    "*.com",
    "*.example.com",
    "*.a.example.com",
    "example.com",
    "a.example.com",
    "192.0.2.1",
    "[::ffff:192.0.2.1]",
    "[2001:db8::1]",
];
const PATHS: [&str; 13] = ["/*", "/", "/a", "/a*", "/a/*", "/a/b", "/a/b*", "/a/b/*", "/ab*", "/b/*", "/*/b", "/a*/b", "/*b*"];
const URLS: [&str; 18] = [
    "example.com/",
    "example.com/a/b/c",
    "example.com/%61/b",
    "a.example.com/a",
    "a.example.com/a//b",
    "a.example.com/a/b?q=/b/",
    "x.a.example.com/a/b",
    "x.a.example.com/abc",
    "y.x.a.example.com/b/",
    "b.example.com/a.b",
    "com/a",
    "other.org/a/",
    "other.org/x",
    "xexample.com/ab",
    "192.0.2.1/a/b",
    "[::ffff:192.0.2.1]/a/x",
    "[2001:db8::1]/b/x",
    "[2001:db8::2]/b/x",
];

#[test]
fn the_route_and_the_policy_that_are_found_are_the_first_that_fit() {
    let mut random = Random::new();
    let (mut late, mut nothing) = (0, 0);
    for _ in 0..4_000 {
        let written = 1 + random.below(48);
        let routes = (0..written).map(|at| route(random.pick(&HOSTS), random.pick(&PATHS), at)).collect();
        let some = |random: &mut Random, of: &[&'static str]| (0..random.below(3)).map(|_| random.pick(of)).collect::<Vec<_>>();
        let named = |at: usize, random: &mut Random| policy(&at.to_string(), &some(random, &HOSTS), &some(random, &PATHS));
        let policies = (0..written).map(|at| named(at, &mut random)).collect();
        let settings = Settings { routes, policies, ..Settings::default() };
        let (routes, policies) = (Routes::new(&settings), Policies::new(&settings));
        for _ in 0..25 {
            let target = target(random.pick(&URLS));
            let fitting = |route: &&Route| route.host.matches(&target.host) && route.path.covers(&target);
            let walked = routes.ordered.iter().find(fitting).map(|route| route.upstream);
            let found = routes.select(&target).map(|to| to.upstream);
            assert_eq!(found, walked, "{target:?} of {:#?}", routes.ordered);
            let walked = policies.all.iter().find(|policy| fits(&policy.settings.matches, &Method::GET, &target));
            let walked = walked.or(policies.all.last()).unwrap();
            let found = policies.select(None, &Method::GET, &target).unwrap().policy;
            assert_eq!(found.settings.name, walked.settings.name, "{target:?} of {:#?}", settings.policies);
            late += usize::from(
                routes.ordered.iter().skip(16).any(|route| Some(route.upstream) == routes.select(&target).map(|to| to.upstream)),
            );
            nothing += usize::from(routes.select(&target).is_none());
        }
    }
    assert!(late > 1_000 && nothing > 1_000, "expected all kinds of answers, found {late} late and {nothing} none");
}

#[test]
fn routes_of_others_are_not_looked_at() {
    let kinds: [&dyn Fn(usize) -> (String, String); 4] = [
        &|at| (format!("h{at}.example.com"), "/*".to_owned()),
        &|at| (format!("*.d{at}.example.com"), "/*".to_owned()),
        &|at| ("h1.example.com".to_owned(), format!("/p{at}/*")),
        &|at| (format!("h{}.example.com", at / 50), format!("/p{}/*", at % 50)),
    ];
    for kind in kinds {
        let written = (0..2_000).map(|at| (kind(at), at)).map(|((host, path), at)| route(&host, &path, at)).collect();
        let routes = Routes::new(&Settings { routes: written, ..Settings::default() });
        for url in ["h1.example.com/p1/x", "h1.d1.example.com/p1/x", "other.org/"] {
            let mut looks = 0;
            let look = |_| {
                looks += 1;
                false
            };
            assert_eq!(routes.index.first(for_target(&target(url)), look), None);
            assert!(looks <= 3, "expected a few of 2000 routes looked at, found {looks} for {url}");
        }
    }
}
