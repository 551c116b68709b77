//! `vouchsafe explain`: its words are the gateway's own decisions.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::collections::HashSet;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use support::cases::Cases;
use support::{Gateway, Origin, Reply, reply, test_clock};
use vouchsafe::access::{Access, Permit, Question};
use vouchsafe::auth::{Principal, Scheme as AuthScheme};
use vouchsafe::cache::lookup::Decision;
use vouchsafe::config::settings::{Mode, Settings};
use vouchsafe::explain::{Exchange, Rules, Who, explain, later, verdict};
use vouchsafe::hop::consumed_fields;
use vouchsafe::keyed::Keyed;
use vouchsafe::policy::{Policies, Selected};
use vouchsafe::target::{Host, Scheme, Target};

/// How many pairs a run tries; `PAIRS` changes it.
const PAIRS: u64 = 10_000;

/// A stream of numbers from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

type Lines = Vec<(&'static str, String)>;

/// A request, and what the origin says to it.
#[derive(Clone, Debug)]
struct Pair {
    method: &'static str,
    request: Lines,
    query: &'static str,
    status: u16,
    response: Lines,
    who: Who,
    /// Seconds between the first request and the second.
    wait: u64,
}

fn some(chance: &mut Chance, name: &'static str, of: &[&str], lines: &mut Lines) {
    let value = chance.one(of);
    if !value.is_empty() {
        lines.push((name, value.to_owned()));
    }
}

fn some_word<'a>(chance: &mut Chance, of: &[&'a str], words: &mut Vec<&'a str>) {
    words.extend(Some(chance.one(of)).filter(|word| !word.is_empty()));
}

fn pair(chance: &mut Chance) -> Pair {
    let (mut request, mut response) = (Lines::new(), Lines::new());
    some(chance, "authorization", &["", "", "Bearer alice", "Basic eDp5", "x"], &mut request);
    some(chance, "x-key", &["", "", "", "k"], &mut request);
    some(chance, "cookie", &["", "", "sid=1", "other=1"], &mut request);
    some(
        chance,
        "cache-control",
        &["", "", "", "no-store", "no-cache", "max-age=5", "min-fresh=20", "max-stale=30"],
        &mut request,
    );
    some(chance, "accept-language", &["", "de", "en, de;q=0.5"], &mut request);
    let directives = [
        "public",
        "public",
        "s-maxage=90",
        "max-age=90",
        "max-age=90",
        "private",
        "no-store",
        "no-cache",
        "s-maxage=30",
        "s-maxage=0",
        "s-maxage=x",
        "max-age=60",
        "max-age=0",
        "must-revalidate",
        "proxy-revalidate",
        "must-understand",
        "stale-while-revalidate=30",
        "stale-if-error=9",
        "immutable",
        "private=\"x-a\"",
        "no-cache=\"x-a\"",
    ];
    let count = chance.below(3);
    let mut said: Vec<&str> = (0..count).map(|_| chance.one(&directives)).collect();
    // As well-meaning origins do, half of the time.
    some_word(chance, &["", "", "", "max-age=60", "public, max-age=60", "s-maxage=60"], &mut said);
    if !said.is_empty() {
        response.push(("cache-control", said.join(", ")));
    }
    some(chance, "cdn-cache-control", &["", "", "", "", "max-age=40", "private", "public, max-age=9"], &mut response);
    some(chance, "etag", &["", "\"1\"", "W/\"1\""], &mut response);
    some(
        chance,
        "content-type",
        &["", "", "text/html", "Text/HTML; charset=utf-8", "image/png", "application/json"],
        &mut response,
    );
    some(chance, "vary", &["", "", "", "", "", "", "", "accept-language", "authorization", "*", "cookie"], &mut response);
    some(chance, "set-cookie", &["", "", "", "", "", "", "", "a=b"], &mut response);
    some(chance, "expires", &["", "", "", "0", "Fri, 15 Jan 2100 08:00:00 GMT"], &mut response);
    some(chance, "last-modified", &["", "", "Fri, 15 Jan 2010 08:00:00 GMT"], &mut response);
    some(chance, "age", &["", "", "", "20"], &mut response);
    let status = [200, 200, 200, 200, 203, 301, 302, 404, 410, 403, 500, 501, 299][chance.below(13)];
    let method = if chance.below(10) == 0 { "HEAD" } else { "GET" };
    let query = chance.one(&["", "", "", "", "", "", "?a=1", "?a=1", "?a=1", "?access_token=x"]);
    let query = if query == "?access_token=x" {
        "?access_token=x"
    } else if query.is_empty() {
        ""
    } else {
        "?a=1"
    };
    let who = Who::ALL[chance.below(3)];
    Pair { method, request, query, status, response, who, wait: [0, 1, 10, 35, 65, 100][chance.below(6)] }
}

fn map(lines: &Lines) -> HeaderMap {
    let line = |(name, value): &(&'static str, String)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    lines.iter().map(line).collect()
}

fn permit(path_and_query: &str, method: &Method) -> Permit {
    let host = Host::parse("app.test").unwrap();
    let target = Target { scheme: Scheme::Http, host, port: 80, path_and_query: path_and_query.into() };
    let principal = Principal { name: None, scheme: AuthScheme::None };
    let question = Question { principal, target, method, client: std::net::Ipv4Addr::LOCALHOST.into(), mode: Mode::Gateway };
    Access::new(&Settings::default(), &[]).decide(question).unwrap()
}

/// What a decision looks like from outside.
fn seen_as(decision: &Decision) -> &'static str {
    match decision {
        Decision::Serve(_) | Decision::ServeAndValidate(_) => "store",
        Decision::Validate(..) => "validation",
        Decision::Forward(_) | Decision::Offer(_) => "origin",
        Decision::Refuse => "504",
    }
}

/// Of everything that a policy with conditions on the response may set; a text after the default policy.
const ON_RESPONSES: &str = r#"
[[policy]]
name = "missing"
match = { statuses = [404, 410, "500-501"] }
default_ttl = "20s"
max_ttl = "40s"
heuristic = false

[[policy]]
name = "parameters"
match = { paths = ["/1*"], content_types = ["text/html"] }
authorization = "always-validate"
anonymous_entries = "validate"

[[policy]]
name = "pages"
match = { content_types = ["text/html"], statuses = ["2xx"] }
authorization = "never"
stale_while_revalidate = "30s"

[[policy]]
name = "images"
match = { content_types = ["image/*"], methods = ["GET"] }
anonymous_entries = "bypass"
set_cookie = "strip"
min_ttl = "20s"

[[policy]]
name = "answers"
match = { content_types = ["application/json"], statuses = [203, "3xx"] }
cache = "bypass"
"#;

const POLICY: &str = "credentials = { headers = [\"x-key\"], cookies = [\"sid\"] }";

#[tokio::test]
async fn the_explanation_of_ten_thousand_pairs_is_what_the_gateway_does() {
    let clock = test_clock();
    let says: Arc<Mutex<Option<Pair>>> = Arc::default();
    let said = Arc::clone(&says);
    let origin = Origin::serving(move |_| {
        let pair = said.lock().unwrap().clone().unwrap();
        let fields = pair.response.iter().fold(reply(pair.status), |reply: Reply, (name, value)| reply.field(name, value));
        fields.body("x")
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).policy(POLICY).append(ON_RESPONSES).start().await;
    let text = std::fs::read_to_string(gateway.directory().join("test.toml")).unwrap();
    let settings = vouchsafe::config::parse(&text, "test.toml", gateway.directory()).unwrap();
    let (policies, keyed, consumed) = (Policies::new(&settings), Keyed::random().unwrap(), consumed_fields(false));
    let pairs = std::env::var("PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(PAIRS);
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_121);
    let (mut chance, mut stored, mut reused) = (Chance(seed), 0, 0);
    let mut by_response = HashSet::new();
    for number in 0..pairs {
        let pair = pair(&mut chance);
        *says.lock().unwrap() = Some(pair.clone());
        let path = format!("/{number}{}", pair.query);
        let method = Method::from_bytes(pair.method.as_bytes()).unwrap();
        let (permit, request) = (permit(&path, &method), map(&pair.request));
        let first = pair.request.iter().fold(gateway.anonymous(), |client, (name, value)| client.with(name, value));
        let answer = first.request(pair.method, &path).send().await;
        // What the origin's answer carried, dated as the harness does.
        let mut response = map(&pair.response);
        response.insert(http::header::DATE, HeaderValue::from_str(answer.field("date").unwrap()).unwrap());
        response.insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("1"));
        let status = StatusCode::from_u16(pair.status).unwrap();
        let exchange = Exchange {
            permit: &permit,
            method: &method,
            request: &request,
            has_content: false,
            status,
            response: &response,
            time: clock.now(),
        };
        let Selected { policy, candidates } = &policies.select(None, &method, permit.target()).unwrap();
        let rules = Rules {
            policy,
            candidates: *candidates,
            targets: &settings.listeners[0].targeted_fields,
            consumed: &consumed,
            most_bytes: 64 << 20,
            keyed: &keyed,
        };
        let explanation = explain(&exchange, &rules);
        by_response.extend(explanation.steps.iter().filter(|step| step.question == "policy").map(|step| step.answer.clone()));
        let told = (answer.stored(), answer.detail());
        assert_eq!(told, (explanation.stored, Some(explanation.reason)), "SEED={seed}, pair {number}: {pair:#?}\n{explanation}");
        let Ok(head) = verdict(&exchange, &rules) else { continue };
        stored += 1;
        clock.advance(Duration::from_secs(pair.wait));
        let decision = seen_as(&later(&head, &exchange, &rules, (pair.who, clock.now())));
        origin.take();
        let fields = pair.who.fields(&request, &policy.settings.credentials);
        let asker =
            fields.iter().fold(gateway.anonymous(), |client, (name, value)| client.with(name.as_str(), value.to_str().unwrap()));
        let second = asker.get(&path).await;
        let found = match second.fwd() {
            _ if second.status == 504 => "504",
            None => "store",
            Some("stale" | "request") => "validation",
            Some(_) => "origin",
        };
        reused += usize::from(found == "store");
        assert_eq!(found, decision, "SEED={seed}, pair {number}: {pair:#?}\n{explanation}\n{}", second.cache_status());
    }
    assert!(by_response.len() == 5 || pairs < PAIRS, "{by_response:?}");
    let enough = usize::try_from(pairs / 20).unwrap();
    assert!(
        stored > enough && reused > enough,
        "of {pairs} pairs {stored} were stored and {reused} reused: too few to tell anything"
    );
}

fn vouchsafe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe")).arg("explain").args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_command_names_the_rule_and_the_section() {
    let mut cases = Cases::new();
    for (arguments, expect) in [
        (&["-H", "Authorization: Bearer x", "-R", "Cache-Control: max-age=60"][..], "no (no-permit)"),
        (&["-H", "Authorization: Bearer x", "-R", "Cache-Control: max-age=60"], "RFC 9111 section 3.5"),
        (&["-H", "Authorization: Bearer x", "-R", "Cache-Control: max-age=60"], "s-maxage=0 with an ETag"),
        (&["-H", "Authorization: Bearer x", "-R", "Cache-Control: public, max-age=60"], "yes (permit-public)"),
        (&["-R", "Cache-Control: max-age=60"], "60 s (max-age)"),
        (&["-R", "CDN-Cache-Control: max-age=5", "-R", "Cache-Control: max-age=60"], "RFC 9213 section 2.2"),
        (&["-R", "Cache-Control: private"], "no (private)"),
        (&["-R", "Vary: *", "-R", "Cache-Control: max-age=5"], "no (vary)"),
        (&["--url", "http://a.test/?access_token=secret", "-R", "Cache-Control: public, max-age=5"], "no (query-credential)"),
        (&["-X", "PUT"], "no (method)"),
        (&["--status", "401", "-R", "Cache-Control: public, max-age=5"], "no (status)"),
        (&["-R", "Cache-Control: max-age=5, stale-while-revalidate=9", "-R", "ETag: \"1\""], "validated behind it"),
    ] {
        let output = vouchsafe(arguments);
        cases.expect(&format!("{arguments:?}"), output.status.code(), Some(0));
        cases.check(&format!("{arguments:?}"), text(&output).contains(expect), text(&output));
        cases.check(&format!("{arguments:?}"), !text(&output).contains("secret"), "secret");
    }
    cases.finish(36);
}

#[test]
fn heads_come_from_files_and_json_goes_to_machines() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let request = file("request", "GET http://api.test/v1 HTTP/1.1\r\nAuthorization: Bearer x\r\n\r\n");
    let response = file("response", "HTTP/2 200 \ncache-control: s-maxage=60\n\n{\"body\": 1}\n");
    let configuration = file(
        "v.toml",
        "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n\
         [[policy]]\nname = \"never\"\nmatch = { hosts = [\"api.test\"] }\nauthorization = \"never\"\n",
    );
    let output = vouchsafe(&["--request", &request, "--response", &response, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text(&output)).unwrap();
    assert_eq!(
        (&json["stored"], &json["reason"], &json["credentialed"]),
        (&true.into(), &"permit-s-maxage".into(), &true.into())
    );
    assert_eq!(json["reuse"][2]["fresh"], "answer from the store");
    let output = vouchsafe(&["--request", &request, "--response", &response, "--config", &configuration]);
    assert!(text(&output).contains("no (policy)"), "{}", text(&output));
    let own = std::fs::read_to_string(&configuration).unwrap().replace("authorization = \"never\"", "partition = \"credential\"");
    std::fs::write(&configuration, own).unwrap();
    let output = vouchsafe(&["--request", &request, "--response", &response, "--config", &configuration, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&text(&output)).unwrap();
    let fresh = |row: usize| json["reuse"][row]["fresh"].as_str().unwrap().to_owned();
    assert_eq!([fresh(0), fresh(1), fresh(2)], ["origin", "answer from the store", "origin"]);
}

/// Under which query it is kept, and for whom it is there then.
#[test]
fn the_explanation_names_the_query_rule() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("v.toml");
    let listener = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";
    std::fs::write(&file, format!("{listener}[[policy]]\nname = \"p\"\nquery = \"none\"\n")).unwrap();
    let configuration = file.to_str().unwrap();
    let (origin, store) = ("origin", "answer from the store");
    for (url, credential, key, fresh) in [
        ("http://a.test/x?page", None, "with another query, by the policy", [store, store, origin]),
        ("http://a.test/x", None, "the target as sent; by the policy others", [store, store, store]),
        ("http://a.test/x?page", Some("authorization: Bearer a"), "the target as sent: the policy's", [origin, store, store]),
    ] {
        let mut arguments = vec!["--url", url, "-R", "cache-control: public, max-age=60", "--config", configuration, "--json"];
        arguments.extend(credential.iter().flat_map(|field| ["-H", *field]));
        let output = vouchsafe(&arguments);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let steps = found["steps"].as_array().unwrap();
        let answer = steps.iter().find(|step| step["question"] == "key").unwrap()["answer"].as_str().unwrap();
        assert!(answer.starts_with(key), "{url}: {answer}");
        let rows: Vec<&str> = found["reuse"].as_array().unwrap().iter().map(|row| row["fresh"].as_str().unwrap()).collect();
        assert_eq!(rows, fresh, "{url} {credential:?}");
    }
}

#[test]
fn mistakes_are_told_without_what_was_typed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("head");
    let mut cases = Cases::new();
    std::fs::write(&path, "HTTP/1.1 200 OK\nsecret stuff\n").unwrap();
    let file = path.to_str().unwrap();
    for (arguments, expect) in [
        (&["--response", file][..], "head:2: expected \"Name: value\""),
        (&["--request", file], "expected"),
        (&["--response", "no-such-file"], "no-such-file: expected a readable file"),
        (&["-H", "secret"], "--request-header 1: expected \"Name: value\""),
        (&["--url", "secret"], "--url: expected an absolute URI"),
        (&["--status", "99"], "--status: expected 100 to 999, found 99"),
        (&["-H", "Authorization: secret", "-H", "Authorization: secret"], "expected Authorization once"),
        (&["--config", "no-such-file"], "no-such-file"),
    ] {
        let output = vouchsafe(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        cases.expect(&format!("{arguments:?}"), output.status.code(), Some(2));
        cases.check(&format!("{arguments:?}"), said.contains(expect) && !said.contains("secret"), &said);
    }
    cases.finish(16);
}
