//! Rules that are found by what they name, against a walk through all of them.

use super::*;
use crate::cache::tests::Random;
use crate::config::settings::HostPattern;

const USERS: [&str; 4] = ["alice", "bob", "carol", "dan"];
const HOSTS: [&str; 12] = [
    "*",
    "*.com",
    "*.example.com",
    "*.a.example.com",
    "example.com",
    "a.example.com",
    "b.example.com",
    "xexample.com",
    "192.0.2.1",
    "[::ffff:192.0.2.1]",
    "[2001:db8::1]",
    "*.x.a.example.com",
];
const PATHS: [&str; 17] = [
    "/*",
    "/",
    "/a",
    "/a*",
    "/a/*",
    "/a/b",
    "/a/b*",
    "/a/b/*",
    "/a/b/c/d/*",
    "/ab*",
    "/a-*",
    "/admin",
    "/admin*",
    "/b/*",
    "/*/b",
    "/a*/c*",
    "/*d*",
];
const NETWORKS: [&str; 7] =
    ["0.0.0.0/0", "192.0.0.0/8", "192.0.2.0/24", "192.0.2.77/24", "192.0.2.9/32", "2001:db8::/32", "::ffff:192.0.2.0/120"];

const ASKED_HOSTS: [&str; 13] = [
    "com",
    "example.com",
    "a.example.com",
    "b.example.com",
    "c.example.com",
    "x.a.example.com",
    "y.x.a.example.com",
    "xexample.com",
    "x.xexample.com",
    "other.org",
    "192.0.2.1",
    "[::ffff:192.0.2.1]",
    "[2001:db8::1]",
];
const ASKED_PATHS: [&str; 20] = [
    "",
    "*",
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/",
    "/a/b/c/d/e",
    "/a//b",
    "/a-b",
    "/ab",
    "/a.b",
    "/%61/b",
    "/a%2fb/c",
    "/a;v=1/b",
    "/a/../admin/x",
    "/b/%2e%2e/admin",
    "/a\\b",
    "/x/../a/b/c/d/x",
    "/a/b?q=/admin",
];
const CLIENTS: [&str; 5] = ["192.0.2.9", "::ffff:192.0.2.9", "192.9.9.9", "2001:db8::5", "10.0.0.1"];

/// Up to three of these, or none at all, with this chance in eight that some are named.
fn some<T>(random: &mut Random, chance: usize, of: &[&str], read: impl Fn(&str) -> T) -> Vec<T> {
    let count = if random.below(8) < chance { 1 + random.below(3) } else { 0 };
    (0..count).map(|_| read(random.pick(of))).collect()
}

fn any_rule(random: &mut Random, at: usize) -> AccessRule {
    AccessRule {
        name: at.to_string(),
        allow: random.coin(),
        users: some(random, 4, &USERS, str::to_owned),
        networks: some(random, 3, &NETWORKS, |text| text.parse().unwrap()),
        hosts: some(random, 6, &HOSTS, |text| HostPattern::parse(text).unwrap()),
        ports: some(random, 2, &["80", "8080"], |text| text.parse().unwrap()),
        paths: some(random, 6, &PATHS, |text| PathPattern::parse(text).unwrap()),
        methods: some(random, 2, &["GET", "POST"], |text| text.parse().unwrap()),
        schemes: some(random, 1, &["http"], |_| Scheme::Http),
    }
}

fn any_question<'a>(random: &mut Random, methods: &'a [Method]) -> Question<'a> {
    let name = (random.below(4) > 0).then(|| Arc::from(random.pick(&USERS)));
    let target = Target {
        scheme: if random.coin() { Scheme::Http } else { Scheme::Https },
        host: Host::parse(random.pick(&ASKED_HOSTS)).unwrap(),
        port: [80, 443, 8080][random.below(3)],
        path_and_query: random.pick(&ASKED_PATHS).into(),
    };
    Question {
        principal: Principal { name, scheme: AuthScheme::Basic },
        target,
        method: &methods[random.below(methods.len())],
        client: random.pick(&CLIENTS).parse().unwrap(),
        mode: Mode::Gateway,
    }
}

fn compiled(rules: Vec<AccessRule>) -> Access {
    Access::new(&Settings { access: rules, ..Settings::default() }, &[])
}

#[test]
fn the_rule_that_is_found_is_the_first_that_matches() {
    let mut random = Random::new();
    let methods = [Method::GET, Method::HEAD, Method::POST];
    let (mut late, mut nothing) = (0, 0);
    for _ in 0..2_000 {
        let count = 1 + random.below(48);
        let access = compiled((0..count).map(|at| any_rule(&mut random, at)).collect());
        for _ in 0..50 {
            let question = any_question(&mut random, &methods);
            let walked = access.rules.iter().find(|rule| matches(rule, &question)).map(|rule| &rule.name);
            let found = access.first_match(&question, |rule| matches(rule, &question)).map(|rule| &rule.name);
            assert_eq!(found, walked, "{question:?} of {:#?}", access.rules);
            late += usize::from(found.is_some_and(|name| name.parse::<usize>().unwrap() >= 16));
            nothing += usize::from(found.is_none());
        }
    }
    assert!(late > 1_000 && nothing > 1_000, "expected all kinds of answers, found {late} late and {nothing} none");
}

/// As many rules as a large configuration has.
const MANY: usize = 5_000;

/// How many rules are looked at for one question.
fn count_looks(access: &Access, question: &Question<'_>) -> usize {
    let mut count = 0;
    let look = |rule: &AccessRule| {
        count += 1;
        matches(rule, question)
    };
    assert!(access.first_match(question, look).is_some());
    count
}

/// A rule about these users, networks, hosts and paths.
fn rule_of(users: &str, networks: &str, hosts: &str, paths: &str) -> AccessRule {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    AccessRule {
        users: words(users),
        networks: words(networks).iter().map(|text| text.parse().unwrap()).collect(),
        hosts: words(hosts).iter().map(|text| HostPattern::parse(text).unwrap()).collect(),
        paths: words(paths).iter().map(|text| PathPattern::parse(text).unwrap()).collect(),
        ..any_rule_at_all()
    }
}

fn any_rule_at_all() -> AccessRule {
    AccessRule {
        name: "any".to_owned(),
        allow: true,
        users: Vec::new(),
        networks: Vec::new(),
        hosts: Vec::new(),
        ports: Vec::new(),
        paths: Vec::new(),
        methods: Vec::new(),
        schemes: Vec::new(),
    }
}

#[test]
fn rules_about_others_are_not_looked_at() {
    let kinds: [(&str, &dyn Fn(usize) -> AccessRule); 7] = [
        ("hosts", &|at| rule_of("", "", &format!("h{at}.example.com h{at}.example.org"), "")),
        ("domains", &|at| rule_of("", "", &format!("*.d{at}.example.com"), "")),
        ("users", &|at| rule_of(&format!("u{at}"), "", "*.example.com", "")),
        ("paths", &|at| rule_of("", "", "h1.example.com", &format!("/p{at}/* /q{at}"))),
        ("paths of any host", &|at| rule_of("u1", "", "", &format!("/p{at}/*"))),
        ("networks", &|at| rule_of("", &format!("10.{}.{}.0/24", at / 256, at % 256), "", "/*")),
        ("both", &|at| rule_of(&format!("u{}", at % 10), "", &format!("h{}.example.com", at / 10), "")),
    ];
    for (kind, rule) in kinds {
        let access = compiled((0..MANY).map(rule).chain([any_rule_at_all()]).collect());
        let own = question("u1", "http://h1.d1.example.com:80/p1/x", "10.0.1.1", &Method::GET);
        let same = question("u1", "http://h1.example.com:80/p1/x", "10.0.1.1", &Method::GET);
        let other = question("nobody", "http://other.org:80/x", "192.0.2.1", &Method::GET);
        for question in [own, same, other] {
            let looks = count_looks(&access, &question);
            assert!(looks <= 12, "{kind}: expected a few of {MANY} rules looked at, found {looks} for {question:?}");
        }
    }
}

#[test]
fn a_rule_of_many_hosts_and_paths_is_found_by_each_of_them() {
    let some = |range: std::ops::Range<usize>, text: &dyn Fn(usize) -> String| range.map(text).collect::<Vec<_>>().join(" ");
    let wide = rule_of("", "", &some(0..9, &|at| format!("h{at}.example.com")), &some(0..9, &|at| format!("/p{at}/*")));
    let others = (0..MANY).map(|at| rule_of("", "", &format!("o{at}.example.com"), "/*"));
    let access = compiled(others.chain([AccessRule { name: "wide".to_owned(), ..wide }]).collect());
    for (host, path) in (0..9).flat_map(|host| (0..9).map(move |path| (host, path))) {
        let question = question("-", &format!("http://h{host}.example.com:80/p{path}/x"), "192.0.2.1", &Method::GET);
        assert_eq!(count_looks(&access, &question), 1, "{question:?}");
    }
}
