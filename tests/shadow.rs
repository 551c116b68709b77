//! `[shadow]`: other policies on live traffic are counted, and change nothing.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use support::{Client, Gate, Gateway, Origin, Reply, SeenRequest, reply, secs, test_clock};
use tempfile::TempDir;
use vouchsafe::clock::Clock;

/// A candidate with this default policy.
struct Candidate(TempDir);

impl Candidate {
    fn new(policy: &str) -> Self {
        let candidate = Self(tempfile::tempdir().expect("a temporary directory"));
        candidate.write(policy);
        candidate
    }

    fn write(&self, policy: &str) {
        let listener = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";
        let policy = format!("[[policy]]\nname = \"default\"\n{policy}\n");
        std::fs::write(self.path(), format!("{listener}{policy}")).expect("a writable directory");
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("candidate.toml")
    }

    fn section(&self) -> String {
        format!("[shadow]\nconfig = \"{}\"\n", self.path().display())
    }
}

async fn start(origin: &Origin, clock: &Clock, policy: &str, candidate: &Candidate) -> Gateway {
    Gateway::reverse(origin, clock).policy(policy).append(&candidate.section()).start().await
}

/// The series of a family: label values joined by spaces, and the count.
async fn counts(gateway: &Gateway, family: &str) -> BTreeMap<String, u64> {
    let text = gateway.metrics().await;
    let series = text.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{')?.split_once("} "));
    let values = |labels: &str| labels.split('"').skip(1).step_by(2).collect::<Vec<_>>().join(" ");
    series.map(|(labels, count)| (values(labels), count.parse().expect("a count"))).collect()
}

/// `active shadow` and how often.
async fn decisions(gateway: &Gateway) -> Vec<(String, u64)> {
    counts(gateway, "vouchsafe_shadow_decisions_total").await.into_iter().collect()
}

/// `active shadow lifetime` and how often.
async fn stored(gateway: &Gateway) -> Vec<(String, u64)> {
    counts(gateway, "vouchsafe_shadow_stored_total").await.into_iter().collect()
}

fn are(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(series, count)| ((*series).to_owned(), *count)).collect()
}

/// Says this about every path, with a tag that it confirms.
async fn saying(says: &'static str) -> Origin {
    Origin::serving(move |request| {
        let is_known = request.field("if-none-match").is_some();
        let answer = reply(if is_known { 304 } else { 200 }).field("cache-control", says).field("etag", "\"1\"");
        if is_known { answer } else { answer.body("abc") }
    })
    .await
}

/// Alice, Bob, Bob 40 seconds later, Bob at once again; what each policy makes of them.
#[tokio::test]
async fn each_difference_is_counted_by_both_words() {
    /// Policies in force and in the shadow, what the origin says, decisions, what is stored.
    type Case = (&'static str, &'static str, &'static str, Counts, Counts);
    type Counts = &'static [(&'static str, u64)];
    let cases: [Case; 10] = [
        ("", "", "public, max-age=60", &[("hit hit", 3), ("miss miss", 1)], &[("permit-public permit-public same", 1)]),
        (
            "",
            "authorization = \"never\"",
            "public, max-age=60",
            &[("hit miss", 3), ("miss miss", 1)],
            &[("permit-public policy none", 1)],
        ),
        (
            "authorization = \"never\"",
            "",
            "public, max-age=60",
            &[("miss hit", 3), ("miss miss", 1)],
            &[("policy permit-public none", 4)],
        ),
        (
            "",
            "partition = \"credential\"",
            "public, max-age=60",
            &[("hit hit", 2), ("hit miss", 1), ("miss miss", 1)],
            &[("permit-public permit-public same", 1)],
        ),
        // What the store in force answered with is taken for what the origin would have confirmed.
        (
            "",
            "max_ttl = \"30s\"",
            "public, max-age=60",
            &[("hit hit", 2), ("hit validated", 1), ("miss miss", 1)],
            &[("permit-public permit-public shorter", 1)],
        ),
        (
            "max_ttl = \"30s\"",
            "",
            "public, max-age=60",
            &[("hit hit", 2), ("miss miss", 1), ("validated hit", 1)],
            &[("permit-public permit-public longer", 1)],
        ),
        (
            "",
            "[cache]\nmax_object = \"2B\"",
            "public, max-age=60",
            &[("hit miss", 3), ("miss miss", 1)],
            &[("permit-public too-large none", 1)],
        ),
        // What a condition on the response sets, and the bound of a policy.
        (
            "",
            "[[policy]]\nname = \"s\"\nmatch = { statuses = [200] }\nmax_ttl = \"30s\"",
            "public, max-age=60",
            &[("hit hit", 2), ("hit validated", 1), ("miss miss", 1)],
            &[("permit-public permit-public shorter", 1)],
        ),
        (
            "",
            "max_object = \"2B\"",
            "public, max-age=60",
            &[("hit miss", 3), ("miss miss", 1)],
            &[("permit-public too-large none", 1)],
        ),
        ("", "cache = \"bypass\"", "max-age=60", &[("miss bypass", 4)], &[("no-permit policy none", 4)]),
    ];
    for (active, shadow, says, expected, kept) in cases {
        let (clock, origin, candidate) = (test_clock(), saying(says).await, Candidate::new(shadow));
        let gateway = start(&origin, &clock, active, &candidate).await;
        let (alice, bob) = (gateway.anonymous().authorization("Bearer a"), gateway.anonymous().authorization("Bearer b"));
        alice.get("/x").await;
        bob.get("/x").await;
        clock.advance(secs(40));
        bob.get("/x").await;
        bob.get("/x").await;
        let what = format!("{active:?}, shadow {shadow:?}");
        assert_eq!(decisions(&gateway).await, are(expected), "{what}");
        assert_eq!(stored(&gateway).await, are(kept), "{what}");
    }
}

/// What was answered stale and is validated behind is fresh for both.
#[tokio::test]
async fn a_validation_in_the_background_freshens_both() {
    let (clock, candidate) = (test_clock(), Candidate::new(""));
    let origin = saying("public, max-age=10, stale-while-revalidate=60").await;
    let gateway = start(&origin, &clock, "", &candidate).await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(20));
    assert_eq!(gateway.anonymous().get("/x").await.detail(), Some("stale-while-revalidate"));
    gateway.metric_is("vouchsafe_validations_total", &[("outcome", "not-modified")], 1.0).await;
    support::eventually("the stored response to be fresh", async || {
        match gateway.admin().get("/explain?url=http://app.test/x").await.json()["stored"][0]["without_credentials"].as_str() {
            Some(text) if text.starts_with("answer from the store") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    gateway.anonymous().get("/x").await;
    assert_eq!(decisions(&gateway).await, are(&[("hit hit", 1), ("miss miss", 1), ("stale stale", 1)]));
}

/// RFC 9111 section 4.3.5: a 200 to HEAD that describes what is stored freshens it.
#[tokio::test]
async fn what_head_says_freshens_both() {
    let (clock, candidate) = (test_clock(), Candidate::new(""));
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("abc")).await;
    let gateway = start(&origin, &clock, "", &candidate).await;
    let nobody = gateway.anonymous();
    nobody.get("/x").await;
    clock.advance(secs(50));
    nobody.clone().with("cache-control", "no-cache").request("HEAD", "/x").send().await;
    clock.advance(secs(30));
    assert!(nobody.get("/x").await.hit());
    assert_eq!(decisions(&gateway).await, are(&[("hit hit", 1), ("miss miss", 2)]));
}

/// What the operator or an unsafe request took out of the store is not in the shadow's either.
#[tokio::test]
async fn invalidations_and_withdrawals_reach_the_shadow() {
    let (clock, origin, candidate) = (test_clock(), saying("max-age=60").await, Candidate::new(""));
    let gateway = start(&origin, &clock, "", &candidate).await;
    let nobody = gateway.anonymous();
    nobody.get("/x").await;
    nobody.request("POST", "/x").send().await;
    nobody.get("/x").await;
    let order = gateway.admin().with("content-type", "application/json").request("POST", "/purge");
    assert_eq!(order.body("{\"all\": true}").send().await.status, 200);
    nobody.get("/x").await;
    nobody.get("/x").await;
    assert_eq!(decisions(&gateway).await, are(&[("bypass bypass", 1), ("hit hit", 1), ("miss miss", 3)]));
}

/// The candidate's query rule merges in the shadow alone, for nobody with credentials, and unsafe requests reach what it keeps.
#[tokio::test]
async fn a_query_rule_of_the_candidate_is_seen_at_work() {
    let (clock, origin) = (test_clock(), saying("public, max-age=60").await);
    let candidate = Candidate::new("query = { drop = [\"utm_*\"] }");
    let gateway = start(&origin, &clock, "", &candidate).await;
    let (nobody, alice) = (gateway.anonymous(), gateway.anonymous().authorization("Bearer a"));
    nobody.get("/x?utm_a").await;
    nobody.get("/x?utm_b").await;
    assert_eq!(decisions(&gateway).await, are(&[("miss hit", 1), ("miss miss", 1)]));
    alice.get("/x?utm_b").await;
    assert_eq!(decisions(&gateway).await, are(&[("hit miss", 1), ("miss hit", 1), ("miss miss", 1)]));
    alice.request("POST", "/x?utm_c").send().await;
    nobody.get("/x?utm_d").await;
    let expected = [("bypass bypass", 1), ("hit miss", 1), ("miss hit", 1), ("miss miss", 2)];
    assert_eq!(decisions(&gateway).await, are(&expected));
    // The store in force goes by its own policy.
    assert!(nobody.get("/x?utm_a").await.hit());
}

/// Another candidate comes into force with a reload, or a mistake in it keeps all as it was.
#[tokio::test]
async fn a_reload_reads_the_candidate_again() {
    let (clock, origin, candidate) = (test_clock(), saying("public, max-age=60").await, Candidate::new(""));
    let gateway = start(&origin, &clock, "", &candidate).await;
    let alice = gateway.anonymous().authorization("Bearer a");
    alice.get("/x").await;
    candidate.write("authorization = \"nevr\"");
    let refused = gateway.reload(|text| text).await.expect_err("a mistake in the candidate");
    let place = format!("{}:8:17: policy[0].authorization: expected", candidate.path().display());
    assert!(refused.contains(&place), "{refused}");
    alice.get("/x").await;
    assert_eq!(decisions(&gateway).await, are(&[("hit hit", 1), ("miss miss", 1)]));
    candidate.write("authorization = \"never\"");
    let changes = gateway.reload(|text| text).await.expect("a sound candidate").to_string();
    assert!(changes.contains("never"), "{changes}");
    alice.get("/x").await;
    // What it would have stored before is nobody's under the new policy.
    assert_eq!(decisions(&gateway).await, are(&[("hit bypass", 1), ("hit hit", 1), ("miss miss", 1)]));
    let status = gateway.admin().get("/status").await.json();
    assert_eq!(status["shadow"], candidate.path().display().to_string());
    gateway.reload(|text| text.replace(&candidate.section(), "")).await.expect("none at all");
    alice.get("/x").await;
    assert_eq!(decisions(&gateway).await.iter().map(|(_, count)| count).sum::<u64>(), 3);
    assert!(gateway.admin().get("/status").await.json().get("shadow").is_none());
}

/// Mistakes of both files at once, each with its own; a candidate's own shadow is nobody's.
#[test]
fn the_check_reports_the_mistakes_of_both_files() {
    let candidate = Candidate::new("max_tll = \"1s\"");
    let listener = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";
    let parse = |text: &str| vouchsafe::config::parse(text, "gateway.toml", candidate.0.path());
    let mistakes = parse(&format!("{listener}tsl = 1\n[shadow]\nconfig = \"candidate.toml\"\n")).expect_err("two mistakes");
    let text = mistakes.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((mistakes.len(), lines.len()), (2, 2), "{text}");
    assert!(lines[0].starts_with("gateway.toml:6:1: listener[0].tsl: "), "{text}");
    assert!(lines[1].starts_with(&format!("{}:8:1: policy[0].max_tll: ", candidate.path().display())), "{text}");
    let missing = parse(&format!("{listener}[shadow]\nconfig = \"none.toml\"\n")).expect_err("no such file").to_string();
    assert!(missing.starts_with("gateway.toml:7:10: shadow.config: expected a readable file at "), "{missing}");
    let nothing = parse(&format!("{listener}[shadow]\n")).expect_err("no file").to_string();
    assert!(nothing.contains("shadow.config: expected a value, found none"), "{nothing}");
    candidate.write("max_ttl = \"1s\"\n[shadow]\nconfig = \"candidate.toml\"");
    let settings = parse(&format!("{listener}[shadow]\nconfig = \"candidate.toml\"\n")).expect("no mistake");
    let shadow = settings.shadow.as_ref().expect("a shadow");
    assert!(shadow.settings.shadow.is_none() && Path::new(&shadow.file).ends_with("candidate.toml"));
    let page = vouchsafe::config::describe(&settings);
    assert!(page.contains("shadow, evaluated without acting\n") && page.contains("to 1s;"), "{page}");
}

/// A stream of numbers from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        of[usize::try_from((z ^ (z >> 31)) % of.len() as u64).expect("an index")]
    }
}

const SAYS: [&str; 14] = [
    "public, max-age=60",
    "max-age=60",
    "s-maxage=30",
    "s-maxage=0",
    "must-revalidate, max-age=20",
    "private, max-age=60",
    "no-store",
    "no-cache, public",
    "max-age=10",
    "public, max-age=10",
    "max-age=60, no-cache=\"x-a\", public",
    "public, max-age=0",
    "",
    "public, immutable, max-age=15",
];

/// What the path says is what the origin answers; the tag follows the asker where `Vary` says so.
fn answer(request: &SeenRequest) -> Reply {
    let number: usize = request.target.trim_start_matches('/').split('?').next().unwrap().parse().unwrap();
    let says = SAYS[number % SAYS.len()];
    let is_tagged = number % 3 != 2;
    let language = request.field("accept-language").unwrap_or("none");
    let tag = if number % 5 == 1 { format!("\"{number}-{language}\"") } else { format!("\"{number}\"") };
    let is_known = is_tagged && request.field("if-none-match").is_some_and(|known| known.contains(&tag));
    let mut reply = reply(match request.method.as_str() {
        "GET" | "HEAD" if is_known => 304,
        "GET" if number % 11 == 7 => 404,
        "GET" if number % 13 == 9 => 401,
        _ => 200,
    });
    reply = if says.is_empty() { reply } else { reply.field("cache-control", says) };
    reply = if is_tagged { reply.field("etag", tag) } else { reply };
    reply = if number % 5 == 1 { reply.field("vary", "accept-language") } else { reply };
    reply = if number % 17 == 3 { reply.field("set-cookie", "a=b") } else { reply };
    if is_known { reply } else { reply.body(format!("{number} {language}")) }
}

/// What a client saw, but for what names the process.
type Told = (u16, Vec<(String, String)>, Vec<u8>);

/// The same random traffic; what clients saw.
async fn run((seed, count): (u64, usize), gateway: &Gateway, clock: &Clock) -> Vec<Told> {
    let (mut chance, mut told) = (Chance(seed), Vec::new());
    for _ in 0..count {
        let numbers: Vec<usize> = (0..20).collect();
        let path = format!("/{}{}", chance.one(&numbers), chance.one(&["", "", "?a", "?access_token=x"]));
        let mut client: Client = gateway.anonymous();
        for (name, values) in [
            ("authorization", &["", "Bearer a", "Bearer b"][..]),
            ("x-key", &["", "", "", "k"]),
            ("accept-language", &["", "de"]),
            ("cache-control", &["", "", "", "", "no-cache", "max-age=5", "only-if-cached", "max-stale", "no-store"]),
        ] {
            let value = chance.one(values);
            client = if value.is_empty() { client } else { client.with(name, value) };
        }
        let method =
            chance.one(&["GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "POST", "DELETE"]);
        let answer = client.request(method, &path).send().await;
        let fields = answer.fields.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("via"));
        // The gateway's own errors name the request.
        let is_own = answer.field("content-type") == Some("application/problem+json");
        let content = if is_own { Vec::new() } else { answer.body.clone() };
        told.push((answer.status, fields.cloned().collect(), content));
        if chance.one(&[true, false, false]) {
            clock.advance(secs(chance.one(&[1, 4, 12, 40])));
        }
    }
    told
}

/// Method, target and fields.
type Asked = (String, String, Vec<(String, String)>);

/// Requests as the origin saw them, but for what names the process and the connection.
fn asked(origin: &Origin) -> Vec<Asked> {
    let kept = |(name, _): &&(String, String)| !["via", "host", "forwarded"].contains(&name.to_ascii_lowercase().as_str());
    let fields = |seen: &SeenRequest| seen.fields.iter().filter(kept).cloned().collect();
    origin.requests().iter().map(|seen| (seen.method.clone(), seen.target.clone(), fields(seen))).collect()
}

const LISTS: &str = "credentials = { headers = [\"x-key\"] }";

/// The same traffic with a shadow and without: the same bytes to clients, the same requests to the origin.
#[tokio::test]
async fn a_shadow_changes_nothing() {
    let seed = 20_261_121;
    let mut runs = Vec::new();
    for shadow in [None, Some("authorization = \"never\""), Some("max_ttl = \"1s\"\npartition = \"credential\"")] {
        let (clock, origin) = (test_clock(), Origin::serving(answer).await);
        let candidate = Candidate::new(shadow.unwrap_or_default());
        let builder = Gateway::reverse(&origin, &clock).policy(LISTS);
        let builder = if shadow.is_some() { builder.append(&candidate.section()) } else { builder };
        let gateway = builder.start().await;
        let told = run((seed, 600), &gateway, &clock).await;
        runs.push((told, asked(&origin), decisions(&gateway).await));
    }
    let [(told, asked, none), others @ ..] = runs.as_slice() else { panic!("three runs") };
    assert!(none.is_empty() && asked.len() > 200, "{none:?}, {}", asked.len());
    for (other_told, other_asked, counted) in others {
        assert_eq!(told, other_told);
        assert_eq!(asked, other_asked);
        assert!(counted.len() > 5, "{counted:?}");
    }
}

/// One that the answer decides on.
const OF_RESPONSES: &str = "[[policy]]\nname = \"errors\"\nmatch = { statuses = [404] }\nmax_ttl = \"5s\"\n";

/// The policies in force as their own shadow: whatever differs is a fault of the shadow.
#[tokio::test]
async fn a_policy_does_not_differ_from_itself() {
    let number = std::env::var("EXCHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    for (seed, policy) in
        [(1, ""), (2, LISTS), (3, "partition = \"credential\""), (4, "anonymous_entries = \"validate\""), (5, "query = \"none\"")]
    {
        let candidate = Candidate::new(&format!("{policy}\n{OF_RESPONSES}"));
        let (clock, origin) = (test_clock(), Origin::serving(answer).await);
        let builder = Gateway::reverse(&origin, &clock).policy(policy).append(OF_RESPONSES);
        let gateway = builder.append(&candidate.section()).start().await;
        run((seed, number), &gateway, &clock).await;
        let (decisions, stored) = (decisions(&gateway).await, stored(&gateway).await);
        let differs = |(series, _): &&(String, u64)| {
            let words: Vec<&str> = series.split(' ').collect();
            words[0] != words[1] || words.get(2).is_some_and(|lifetime| !["same", "none"].contains(lifetime))
        };
        let found: Vec<_> = decisions.iter().chain(&stored).filter(differs).collect();
        assert!(found.is_empty(), "{policy}: {found:?} of {decisions:?} {stored:?}");
        assert!(decisions.len() == 5 && stored.len() > 8, "{decisions:?} {stored:?}");
    }
}

/// D8: who was answered by another's validation was shown what is stored, and so is the shadow.
#[tokio::test]
async fn n006_a_shared_validation_is_evidence_for_everybody_whom_it_answered() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serving(move |request| match request.field("if-none-match") {
        Some(_) => reply(304).field("cache-control", "s-maxage=0").field("etag", "\"1\"").gate(&held),
        None => reply(200).field("cache-control", "s-maxage=0").field("etag", "\"1\"").body("abc"),
    })
    .await;
    let candidate = Candidate::new("");
    let builder = Gateway::reverse(&origin, &test_clock()).policy("share_validations = true").append(&candidate.section());
    let gateway = builder.set("cache", "collapse_wait = \"60s\"").start().await;
    gateway.anonymous().get("/x").await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..5 {
        asking.spawn(gateway.anonymous().get("/x"));
    }
    gateway.metric_is("vouchsafe_flight_waiting", &[], 4.0).await;
    gate.open();
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.collapsed() && answer.text() == "abc").count(), 4);
    assert_eq!(decisions(&gateway).await, are(&[("miss miss", 1), ("validated validated", 5)]));
    assert_eq!(origin.count(), 2);
}
