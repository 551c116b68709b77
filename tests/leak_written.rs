//! Leaks that a product of axes does not reach, each written out: validations and refusals, oracles, nominations, 304s that
//! tighten, fields that belong to one exchange.
//!
//! RFC 9111 sections 3.5, 4.1, 4.3 and 4.4; RFC 9110 sections 7.6.1 and 11.6.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_futures,
    reason = "a test fails by panicking"
)]

mod support;

#[path = "leak_written/credentials.rs"]
mod credentials;
#[path = "leak_written/directives.rs"]
mod directives;
#[path = "leak_written/flights.rs"]
mod flights;
#[path = "leak_written/queries.rs"]
mod queries;
#[path = "leak_written/requests.rs"]
mod requests;
#[path = "leak_written/siblings.rs"]
mod siblings;
#[path = "leak_written/stale.rs"]
mod stale;
#[path = "leak_written/table.rs"]
mod table;
#[path = "leak_written/targeted.rs"]
mod targeted;
#[path = "leak_written/validations.rs"]
mod validations;

use support::cases::Cases;
use support::{Answer, Client, Gateway, Origin, Reply, SeenRequest, date_at, reply, secs, test_clock};
use vouchsafe::clock::Clock;

const TAG: &str = "\"v1\"";

/// Responses that may be shared and must be validated before the next use: after this many seconds.
const VALIDATED: [(&str, u64); 6] = [
    ("s-maxage=0", 0),
    ("public, no-cache", 0),
    ("public", 0),
    ("must-revalidate, max-age=60", 61),
    ("s-maxage=60", 61),
    ("public, max-age=60", 61),
];

/// Bytes that say for whom they were made.
fn made_for(request: &SeenRequest) -> String {
    format!("[{}]", request.field("authorization").unwrap_or("nobody")).repeat(5)
}

fn bytes_of(who: &str) -> String {
    format!("[Bearer {who}]").repeat(5)
}

/// 200 with the asker's own bytes, or 304 where the asker has the tag already.
fn current(request: &SeenRequest, cache_control: &str) -> Reply {
    let status = if request.field("if-none-match") == Some(TAG) { 304 } else { 200 };
    reply(status).field("etag", TAG).field("cache-control", cache_control).body(made_for(request))
}

/// A gateway in front of an origin that answers with what the closure makes of a request.
async fn serving(answer: impl Fn(&SeenRequest) -> Reply + Send + Sync + 'static) -> (Clock, Origin, Gateway) {
    let clock = test_clock();
    let origin = Origin::serving(answer).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    (clock, origin, gateway)
}

fn person(gateway: &Gateway, who: &str) -> Client {
    if who == "nobody" { gateway.anonymous() } else { gateway.anonymous().authorization(&format!("Bearer {who}")) }
}

async fn get(gateway: &Gateway, who: &str) -> Answer {
    person(gateway, who).get("/x").await
}

#[tokio::test]
async fn n006_n008_a_validation_carries_the_credentials_of_its_asker() {
    let mut cases = Cases::new();
    for (cache_control, later) in VALIDATED {
        for asker in ["bob", "nobody", "alice"] {
            let (clock, origin, gateway) = serving(move |request| current(request, cache_control)).await;
            get(&gateway, "alice").await;
            clock.advance(secs(later));
            let answer = get(&gateway, asker).await;
            let id = format!("{cache_control}, {asker}");
            let seen = origin.last();
            let expected = (asker != "nobody").then(|| format!("Bearer {asker}"));
            cases.expect(&id, (answer.status, answer.text()), (200, bytes_of("alice")));
            cases.expect(&id, origin.count(), 2);
            cases.expect(&id, seen.field("authorization"), expected.as_deref());
            cases.expect(&id, seen.field("if-none-match"), Some(TAG));
        }
    }
    cases.finish(72);
}

/// 401 and 403 are relayed to who asked, even if they say that everybody may have them; the entry stays for the others.
#[tokio::test]
async fn n002_a_refusal_on_validation_is_for_its_asker_alone() {
    let mut cases = Cases::new();
    for (cache_control, later) in VALIDATED {
        for (status, refused) in [(401, "bob"), (403, "bob"), (401, "nobody"), (403, "nobody")] {
            let whose = (refused != "nobody").then(|| format!("Bearer {refused}"));
            let (clock, origin, gateway) = serving(move |request| {
                if request.field("authorization") != whose.as_deref() {
                    return current(request, cache_control);
                }
                let refusal = reply(status).field("www-authenticate", "Bearer realm=\"a\"");
                refusal.field("cache-control", "public, max-age=600").body("not you")
            })
            .await;
            let id = format!("{cache_control}, {status} for {refused}");
            get(&gateway, "alice").await;
            clock.advance(secs(later));
            for _ in 0..2 {
                let answer = get(&gateway, refused).await;
                cases.expect(&id, (answer.status, answer.text().as_str(), answer.stored()), (status, "not you", false));
                cases.expect(&id, answer.field("www-authenticate"), Some("Bearer realm=\"a\""));
            }
            let kept = get(&gateway, "carol").await;
            cases.expect(&id, (kept.status, kept.text()), (200, bytes_of("alice")));
            cases.expect(&id, origin.last().field("if-none-match"), Some(TAG));
        }
    }
    cases.finish(144);
}

/// RFC 9111 section 4.2.4: nothing stale instead of an error, where the directive that permits sharing forbids it.
#[tokio::test]
async fn n077_no_stale_bytes_of_another_when_the_origin_fails() {
    let mut cases = Cases::new();
    for (cache_control, later) in VALIDATED.into_iter().filter(|(text, _)| !matches!(*text, "public" | "public, max-age=60")) {
        let (clock, origin, gateway) = serving(move |request| match request.field("authorization") {
            Some("Bearer bob") => reply(503).body("broken"),
            _ => current(request, cache_control),
        })
        .await;
        get(&gateway, "alice").await;
        clock.advance(secs(later));
        let failed = get(&gateway, "bob").await;
        cases.expect(cache_control, (failed.status, failed.text().as_str()), (503, "broken"));
        origin.stop().await;
        for asker in ["bob", "alice", "nobody"] {
            let unreachable = get(&gateway, asker).await;
            cases.expect(cache_control, unreachable.status, 504);
            cases.check(cache_control, !unreachable.text().contains('['), unreachable.text());
        }
    }
    cases.finish(28);
}

/// What an asker may not use must not show: whatever is asked, and however, the answer and what the origin sees are those
/// of a target for which nothing is stored.
#[tokio::test]
async fn n083_a_stored_response_that_may_not_be_used_is_no_oracle() {
    let stored = [
        ("another's variant", "", "alice", "public, max-age=600", Some("Authorization")),
        ("another's variant, validated", "", "alice", "s-maxage=0", Some("Authorization")),
        ("no permission", "", "alice", "max-age=600", None),
        ("anonymous, bypassed", "anonymous_entries = \"bypass\"", "nobody", "max-age=600", None),
        ("anonymous refusal", "", "nobody-403", "max-age=600", None),
        ("credentials never shared", "authorization = \"never\"", "alice", "public, max-age=600", None),
    ];
    let mut cases = Cases::new();
    for (title, policy, filler, cache_control, vary) in stored {
        let clock = test_clock();
        let origin = Origin::serving(move |request| {
            let is_refused = filler == "nobody-403" && request.field("authorization").is_none();
            let answer =
                if is_refused { reply(403).field("cache-control", cache_control) } else { current(request, cache_control) };
            vary.into_iter().fold(answer, |answer, name| answer.field("vary", name))
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).policy(policy).start().await;
        for (index, probe) in probes(&clock).iter().enumerate() {
            for later in [0, 700] {
                let id = format!("{title}, {probe:?}, {later} s later");
                let (held, bare) = (format!("/held/{index}/{later}"), format!("/bare/{index}/{later}"));
                person(&gateway, filler.trim_end_matches("-403")).get(&held).await;
                clock.advance(secs(later));
                let seen = ask(&gateway, &origin, &held, probe).await;
                cases.expect(&id, seen, ask(&gateway, &origin, &bare, probe).await);
            }
        }
    }
    cases.finish(150);
}

type Probe = (&'static str, Vec<(&'static str, String)>);

/// Requests that would tell what is stored, were it used.
fn probes(clock: &Clock) -> Vec<Probe> {
    let field = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    vec![
        ("GET", vec![]),
        ("HEAD", vec![]),
        ("GET", field("if-none-match", TAG)),
        ("GET", field("if-none-match", "\"other\"")),
        ("GET", field("if-none-match", "*")),
        ("GET", field("if-modified-since", &date_at(clock, 0))),
        ("HEAD", field("if-none-match", TAG)),
        ("GET", field("cache-control", "only-if-cached")),
        ("GET", field("cache-control", "max-stale")),
        ("GET", field("cache-control", "only-if-cached, max-stale=9999")),
        ("GET", field("range", "bytes=0-3")),
        ("GET", [field("range", "bytes=0-3"), field("if-range", TAG)].concat()),
        ("GET", field("if-match", TAG)),
    ]
}

/// What bob sees and what the origin sees of him, but for the words of Cache-Status.
async fn ask(
    gateway: &Gateway,
    origin: &Origin,
    target: &str,
    (method, fields): &Probe,
) -> (u16, String, Vec<String>, Vec<String>) {
    origin.take();
    let request = person(gateway, "bob").request(method, target);
    let answer = fields.iter().fold(request, |request, (name, value)| request.field(name, value)).send().await;
    let seen = origin.take().iter().flat_map(|request| lines(&request.fields)).collect();
    // A problem document says which request it is about.
    let content = if answer.status == 504 { String::new() } else { answer.text() };
    (answer.status, content, lines(&answer.fields), seen)
}

fn lines(fields: &[(String, String)]) -> Vec<String> {
    let kept = fields.iter().filter(|(name, _)| name != "cache-status");
    let mut lines: Vec<String> = kept.map(|(name, value)| format!("{name}: {value}")).collect();
    lines.sort();
    lines
}

/// RFC 9110 section 7.6.1: what `Connection` names is gone for the next recipient, so nothing may rest on it.
#[tokio::test]
async fn n043_a_response_that_nominates_what_the_decision_rests_on_is_not_reused() {
    let mut cases = Cases::new();
    for nominated in ["Cache-Control", "vary", "Expires", "ETAG", "x, cache-control", "CDN-Cache-Control"] {
        for (filler, asker) in [("alice", "bob"), ("alice", "nobody"), ("nobody", "alice")] {
            let (_, origin, gateway) = serving(move |request| {
                current(request, "public, max-age=60").field("vary", "accept").field("connection", nominated)
            })
            .await;
            let first = get(&gateway, filler).await;
            cases.check(nominated, !first.stored() && first.field(nominated).is_none(), &first.fields);
            let second = get(&gateway, asker).await;
            cases.expect(nominated, (second.text(), origin.count()), (made_for(&origin.last()), 2));
            cases.expect(nominated, origin.last().field("if-none-match"), None);
        }
    }
    cases.finish(54);
}

/// Naming credentials in `Connection` would make gateway and origin disagree about whose request it is.
#[tokio::test]
async fn n118_a_request_that_nominates_a_protected_field_is_refused() {
    let (_, origin, gateway) = serving(|request| current(request, "public, max-age=60")).await;
    let mut cases = Cases::new();
    let options = [
        "Authorization",
        "authorization, x",
        "close, Cookie",
        "COOKIE",
        "If-None-Match",
        "cache-control",
        "Vary",
        "X-Forwarded-For",
    ];
    for option in options {
        let refused =
            person(&gateway, "alice").request("GET", "/x").field("cookie", "a=b").field("connection", option).send().await;
        cases.expect(option, (refused.status, origin.count()), (400, 0));
    }
    let spread =
        person(&gateway, "alice").request("GET", "/x").field("connection", "x").field("connection", "authorization").send().await;
    cases.expect("on a second line", (spread.status, origin.count()), (400, 0));
    cases.finish(9);
}

/// Which of several the origin would judge, nobody knows.
#[tokio::test]
async fn n025_several_authorization_lines_are_refused() {
    let (_, origin, gateway) = serving(|request| current(request, "public, max-age=60")).await;
    for names in [["authorization", "Authorization"], ["AUTHORIZATION", "authorization"]] {
        let request = gateway.anonymous().request("GET", "/x");
        let refused = names.into_iter().fold(request, |request, name| request.field(name, "Bearer alice")).send().await;
        assert_eq!((refused.status, origin.count()), (400, 0));
    }
}

/// RFC 9111 section 4.3.4 and 3.5: the merged fields decide anew; who was confirmed is answered, and nobody after.
#[tokio::test]
async fn n092_a_304_that_tightens_ends_the_entry() {
    let tightened: [&[(&str, &str)]; 9] = [
        &[("cache-control", "private")],
        &[("cache-control", "no-store")],
        &[("cache-control", "max-age=60")],
        &[("cache-control", "proxy-revalidate, max-age=60")],
        &[("cache-control", "s-maxage=abc")],
        &[("cache-control", "s-maxage=60"), ("cache-control", "Private")],
        &[("cache-control", "public, max-age=60, ext=\"no-store\"")],
        &[("cache-control", "s-maxage=60"), ("vary", "*")],
        &[("cache-control", "s-maxage=60"), ("connection", "cache-control")],
    ];
    let mut cases = Cases::new();
    for fields in tightened {
        let (_, origin, gateway) = serving(move |request| {
            if request.field("if-none-match") != Some(TAG) {
                return current(request, "s-maxage=0");
            }
            fields.iter().fold(reply(304).field("etag", TAG), |answer, (name, value)| answer.field(name, value))
        })
        .await;
        let id = format!("{fields:?}");
        get(&gateway, "alice").await;
        let confirmed = get(&gateway, "bob").await;
        cases.expect(&id, (confirmed.status, confirmed.text()), (200, bytes_of("alice")));
        let next = get(&gateway, "carol").await;
        cases.expect(&id, (next.text(), origin.last().field("if-none-match")), (bytes_of("carol"), None));
        cases.expect(&id, origin.count(), 3);
    }
    cases.finish(27);
}

/// RFC 9111 section 4.1: a `Vary` that comes with a 304 separates from then on.
#[tokio::test]
async fn n058_a_304_that_adds_vary_separates_the_askers() {
    let (_, origin, gateway) = serving(|request| {
        let answer = current(request, "s-maxage=60");
        if request.field("if-none-match").is_some() { answer.field("vary", "authorization") } else { answer }
    })
    .await;
    get(&gateway, "alice").await;
    let confirmed = person(&gateway, "bob").request("GET", "/x").field("cache-control", "no-cache").send().await;
    assert_eq!(confirmed.text(), bytes_of("alice"));
    assert_eq!(get(&gateway, "carol").await.text(), bytes_of("carol"));
    assert_eq!((origin.count(), origin.last().field("if-none-match")), (3, None));
}

/// RFC 9111 section 4.3.4: a 304 about something else confirms nothing; the same asker asks again, unconditionally.
#[tokio::test]
async fn n090_a_304_that_names_another_response_is_fetched_anew_for_its_asker() {
    for other in ["\"v2\"", "W/\"v2\"", "\"V1\"", "v1"] {
        let (_, origin, gateway) = serving(move |request| {
            if request.field("if-none-match").is_some() {
                return reply(304).field("etag", other).field("cache-control", "s-maxage=600");
            }
            current(request, "s-maxage=0")
        })
        .await;
        get(&gateway, "alice").await;
        let answer = person(&gateway, "bob").request("GET", "/x").field("if-none-match", "\"mine\"").send().await;
        assert_eq!((answer.status, answer.text()), (200, bytes_of("bob")), "{other}");
        let seen: Vec<_> = origin.requests().into_iter().skip(1).collect();
        let told = seen.iter().map(|request| (request.field("authorization"), request.field("if-none-match")));
        assert_eq!(told.collect::<Vec<_>>(), [(Some("Bearer bob"), Some(TAG)), (Some("Bearer bob"), None)], "{other}");
    }
}

/// A confirmation to somebody with credentials tells nothing to anybody else, unless a directive permits it.
#[tokio::test]
async fn n055_a_304_to_credentials_leaves_an_anonymous_entry_as_it_was() {
    let (clock, origin, gateway) = serving(|request| {
        let answer = current(request, "max-age=60");
        request.field("authorization").into_iter().fold(answer, |answer, who| answer.field("x-user", who))
    })
    .await;
    get(&gateway, "nobody").await;
    clock.advance(secs(61));
    let confirmed = get(&gateway, "alice").await;
    assert_eq!((confirmed.text(), origin.last().field("authorization")), ("[nobody]".repeat(5), Some("Bearer alice")));
    for asker in ["nobody", "bob"] {
        let answer = get(&gateway, asker).await;
        assert_ne!(answer.field("x-user"), Some("Bearer alice"), "{asker}");
        assert!(!answer.hit() || asker == "bob", "{asker}: what was confirmed to alice is fresh for her alone");
    }
}

/// RFC 9111 section 7.3: a cookie is set for one.
#[tokio::test]
async fn n108_set_cookie_reaches_nobody_but_its_asker() {
    for (policy, is_reused) in [("set_cookie = \"refuse\"", false), ("set_cookie = \"strip\"", true)] {
        for (filler, asker) in [("alice", "bob"), ("nobody", "bob"), ("alice", "nobody")] {
            let clock = test_clock();
            let set = |request: &SeenRequest| current(request, "public, max-age=60").field("set-cookie", made_for(request));
            let origin = Origin::serving(set).await;
            let gateway = Gateway::reverse(&origin, &clock).policy(policy).start().await;
            let first = get(&gateway, filler).await;
            assert_eq!(first.field("set-cookie"), Some(first.text().as_str()), "{policy}");
            let second = get(&gateway, asker).await;
            assert_eq!(second.hit(), is_reused, "{policy}");
            let own = (!is_reused).then(|| second.text());
            assert_eq!(second.field("set-cookie"), own.as_deref(), "{policy}");
        }
    }
}

/// A cookie that comes with a 304 is set for who was confirmed, and the entry does not keep it.
#[tokio::test]
async fn n108_a_cookie_of_a_304_is_not_kept() {
    let (_, _origin, gateway) = serving(|request| {
        let answer = current(request, "s-maxage=0");
        if request.field("authorization") == Some("Bearer bob") { answer.field("set-cookie", "sid=bob") } else { answer }
    })
    .await;
    get(&gateway, "alice").await;
    assert_eq!(get(&gateway, "bob").await.field("set-cookie"), Some("sid=bob"));
    let next = get(&gateway, "carol").await;
    assert_eq!((next.text(), next.field("set-cookie")), (bytes_of("alice"), None));
}

/// RFC 9110 section 11.6.3: what authentication says about one exchange is told in that exchange, and never again.
#[tokio::test]
async fn n026_n030_authentication_fields_are_never_replayed() {
    let names = ["Authentication-Info", "Proxy-Authentication-Info", "Proxy-Authenticate", "WWW-Authenticate"];
    let mut cases = Cases::new();
    for name in names {
        for (cache_control, is_validated) in [("public, max-age=60", false), ("s-maxage=0", true)] {
            for filler in ["alice", "nobody"] {
                let (_, origin, gateway) = serving(move |request| {
                    let answer = current(request, cache_control);
                    if request.field("if-none-match").is_some() { answer } else { answer.field(name, "nextnonce=\"secret\"") }
                })
                .await;
                let id = format!("{name}, {cache_control}, filled by {filler}");
                let is_end_to_end = !name.starts_with("Proxy");
                cases.expect(&id, get(&gateway, filler).await.field(name).is_some(), is_end_to_end);
                let second = get(&gateway, "bob").await;
                // A challenge to nobody in particular is an ordinary field (RFC 9111 section 3.1).
                let is_kept = name == "WWW-Authenticate" && filler == "nobody" && !is_validated;
                cases.expect(&id, (second.field(name).is_some(), origin.count()), (is_kept, 1 + usize::from(is_validated)));
            }
        }
    }
    cases.finish(32);
}

/// RFC 9110 section 15.5.8: another proxy's challenge is not for our client, and the entry is none the worse for it.
#[tokio::test]
async fn n011_n032_a_407_of_the_upstream_is_a_bad_gateway() {
    let (_, origin, gateway) = serving(|request| match request.field("authorization") {
        Some("Bearer bob") => {
            reply(407).field("proxy-authenticate", "Basic realm=\"up\"").field("cache-control", "public, max-age=60").body("up")
        }
        _ => current(request, "s-maxage=0"),
    })
    .await;
    for filled in [false, true] {
        if filled {
            get(&gateway, "alice").await;
        }
        let refused = get(&gateway, "bob").await;
        assert_eq!((refused.status, refused.field("proxy-authenticate")), (502, None));
        assert!(refused.proxy_error().is_some() && refused.text() != "up", "{refused:?}");
    }
    assert_eq!(get(&gateway, "carol").await.text(), bytes_of("alice"));
    assert_eq!(origin.last().field("if-none-match"), Some(TAG));
}

/// A refusal of the nameless says nothing about those who have a name; a challenge is never stored.
#[tokio::test]
async fn n033_a_stored_refusal_never_answers_credentials() {
    for (status, is_stored) in [(403, true), (401, false)] {
        let (_, origin, gateway) = serving(move |request| match request.field("authorization") {
            None => reply(status).field("cache-control", "public, max-age=60").field("www-authenticate", "Bearer").body("who?"),
            Some(_) => current(request, "max-age=60"),
        })
        .await;
        get(&gateway, "nobody").await;
        let again = get(&gateway, "nobody").await;
        assert_eq!((again.status, again.hit(), origin.count()), (status, is_stored, if is_stored { 1 } else { 2 }));
        let known = get(&gateway, "alice").await;
        assert_eq!((known.status, known.text()), (200, bytes_of("alice")));
        assert_eq!(get(&gateway, "nobody").await.status, status, "alice's answer took nobody's place");
    }
}

/// RFC 9111 section 4.4: only a non-error answer to an unsafe method invalidates, so nobody without rights can.
#[tokio::test]
async fn n094_an_unauthorised_post_does_not_invalidate() {
    let mut cases = Cases::new();
    for (status, is_kept) in
        [(401, true), (403, true), (404, true), (405, true), (500, true), (200, false), (204, false), (303, false)]
    {
        let (_, _origin, gateway) = serving(move |request| match request.method.as_str() {
            "GET" => current(request, "public, max-age=60"),
            _ => reply(status).field("www-authenticate", "Bearer"),
        })
        .await;
        get(&gateway, "alice").await;
        let posted = person(&gateway, "mallory").request("POST", "/x").body("a").send().await;
        cases.expect(&status.to_string(), posted.status, status);
        cases.expect(&status.to_string(), get(&gateway, "bob").await.hit(), is_kept);
    }
    cases.finish(16);
}

/// Somebody whom the gateway itself turns away neither invalidates nor learns anything.
#[tokio::test]
async fn n062_who_is_not_let_through_changes_nothing() {
    let clock = test_clock();
    let origin = Origin::serving(|request| current(request, "public, max-age=60")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    gateway.client("alice").authorization("Bearer alice").get("/x").await;
    let stranger = gateway.anonymous().authorization("Bearer alice");
    let mut statuses = vec![stranger.request("POST", "/x").body("a").send().await.status];
    for field in [("cache-control", "only-if-cached"), ("if-none-match", TAG), ("range", "bytes=0-3")] {
        statuses.push(stranger.request("GET", "/x").field(field.0, field.1).send().await.status);
    }
    statuses.push(stranger.get("/nothing-stored").await.status);
    assert_eq!((statuses, origin.count()), (vec![407; 5], 1));
    assert!(gateway.client("bob").authorization("Bearer bob").get("/x").await.hit());
}

/// RFC 9110 section 9.3.2: HEAD is answered from what a GET stored under the same rules, and stores nothing for GET.
#[tokio::test]
async fn n119_head_follows_the_same_rule() {
    let mut cases = Cases::new();
    for (cache_control, is_shared) in
        [("public, max-age=60", true), ("s-maxage=60", true), ("max-age=60", false), ("public, private", false)]
    {
        let (_, origin, gateway) = serving(move |request| current(request, cache_control)).await;
        get(&gateway, "alice").await;
        let head = person(&gateway, "bob").head("/x").await;
        cases.expect(cache_control, (head.hit(), head.body.len(), origin.count()), (is_shared, 0, if is_shared { 1 } else { 2 }));
        let length = bytes_of(if is_shared { "alice" } else { "bob" }).len().to_string();
        cases.expect(cache_control, head.field("content-length"), Some(length.as_str()));

        person(&gateway, "alice").head("/y").await;
        let whole = person(&gateway, "bob").get("/y").await;
        cases.expect(cache_control, whole.text(), bytes_of("bob"));
    }
    let (_, origin, gateway) = serving(|request| current(request, "s-maxage=0")).await;
    get(&gateway, "alice").await;
    let head = person(&gateway, "bob").head("/x").await;
    let seen = origin.last();
    cases.expect("validated", (head.status, head.body.len()), (200, 0));
    cases.expect(
        "validated",
        (seen.method.as_str(), seen.field("authorization"), seen.field("if-none-match")),
        ("HEAD", Some("Bearer bob"), Some(TAG)),
    );
    cases.finish(14);
}

/// Permission comes from the response's own field section and from nowhere else.
#[tokio::test]
async fn n055_permission_comes_from_no_other_place() {
    fn in_trailers(request: &SeenRequest) -> Reply {
        reply(200)
            .field("cache-control", "max-age=60")
            .field("etag", TAG)
            .chunked([made_for(request)])
            .trailer("Cache-Control", "public")
    }
    fn in_other_fields(request: &SeenRequest) -> Reply {
        let names = ["Pragma", "Surrogate-Control", "Edge-Control", "X-Cache-Control", "Cache-Control-Extension", "Warning"];
        names
            .iter()
            .fold(current(request, "max-age=60"), |answer, name| answer.field(name, "public, s-maxage=60, must-revalidate"))
    }
    fn replaced_by_a_targeted_field(request: &SeenRequest) -> Reply {
        current(request, "public, max-age=60").field("CDN-Cache-Control", "max-age=60")
    }
    fn forbidden_by_a_targeted_field(request: &SeenRequest) -> Reply {
        current(request, "public, max-age=60").field("CDN-Cache-Control", "private, max-age=60")
    }
    fn in_an_interim_response(request: &SeenRequest) -> Reply {
        current(request, "max-age=60").interim(103, &[("Cache-Control", "public, s-maxage=60")])
    }
    fn in_a_part(request: &SeenRequest) -> Reply {
        let part = reply(206).field("content-range", "bytes 0-3/80").field("cache-control", "public, max-age=60").body("[Bea");
        if request.field("range").is_some() { part } else { current(request, "max-age=60") }
    }
    type Asking = (&'static str, fn(&SeenRequest) -> Reply, &'static [(&'static str, &'static str)]);
    let origins: [Asking; 7] = [
        ("in trailers", in_trailers, &[]),
        ("in other fields", in_other_fields, &[]),
        ("replaced by a targeted field", replaced_by_a_targeted_field, &[]),
        ("forbidden by a targeted field", forbidden_by_a_targeted_field, &[]),
        ("in an interim response", in_an_interim_response, &[]),
        ("in a part", in_a_part, &[("range", "bytes=0-3")]),
        (
            "in the request",
            |request| current(request, "max-age=60"),
            &[("cache-control", "public, s-maxage=60, must-revalidate, max-stale")],
        ),
    ];
    let mut cases = Cases::new();
    for (title, answering, fields) in origins {
        let (_, origin, gateway) = serving(answering).await;
        let first = person(&gateway, "alice").request("GET", "/x");
        fields.iter().fold(first, |request, (name, value)| request.field(name, value)).send().await;
        let second = person(&gateway, "bob").request("GET", "/x");
        let second = if title == "in the request" { second.field("cache-control", "max-stale") } else { second }.send().await;
        cases.expect(title, (second.text(), second.hit(), origin.count()), (bytes_of("bob"), false, 2));
        cases.expect(title, origin.last().field("if-none-match"), None);
    }
    cases.finish(14);
}

/// RFC 9111 section 3.3: a part is stored as nothing else, whoever asked for it.
#[tokio::test]
async fn n049_a_part_answers_nobody_else() {
    for filler in ["alice", "nobody"] {
        let (_, origin, gateway) = serving(|request| match request.field("range") {
            Some(_) => {
                reply(206).field("content-range", "bytes 0-3/80").field("cache-control", "public, max-age=60").body("[Bea")
            }
            None => current(request, "public, max-age=60"),
        })
        .await;
        let part = person(&gateway, filler).request("GET", "/x").field("range", "bytes=0-3").send().await;
        assert_eq!((part.status, part.text().as_str(), part.stored()), (206, "[Bea", false));
        let whole = get(&gateway, "bob").await;
        assert_eq!((whole.status, whole.text(), origin.count()), (200, bytes_of("bob"), 2), "{filler}");
    }
}

/// In forward mode nobody addressed this cache: a targeted field neither permits nor forbids.
#[tokio::test]
async fn x026_a_forward_proxy_reads_no_targeted_field() {
    let clock = test_clock();
    let origin = Origin::serving(|request| current(request, "max-age=60").field("CDN-Cache-Control", "public, max-age=60")).await;
    let gateway = Gateway::forward(&clock).auth("none").origin(&origin).start().await;
    get(&gateway, "alice").await;
    assert_eq!(get(&gateway, "bob").await.text(), bytes_of("bob"));
}

/// A gateway that consumes Authorization keeps the rule: who was let in is not who may see what another asked for.
#[tokio::test]
async fn n054_the_rule_holds_where_the_gateway_is_the_judge() {
    let mut cases = Cases::new();
    for (cache_control, vary, is_shared) in [
        ("max-age=60", None, false),
        ("public, max-age=60", None, true),
        ("public, max-age=60", Some("Authorization"), false),
        ("private, max-age=60", None, false),
    ] {
        let clock = test_clock();
        let origin = Origin::serving(move |request| {
            let answer = current(request, cache_control);
            vary.into_iter().fold(answer, |answer, name| answer.field("vary", name))
        })
        .await;
        let gateway = Gateway::reverse(&origin, &clock).auth("origin").start().await;
        gateway.client("alice").get("/x").await;
        let second = gateway.client("bob").get("/x").await;
        let id = format!("{cache_control}, {vary:?}");
        cases.expect(&id, (second.status, second.hit(), origin.count()), (200, is_shared, if is_shared { 1 } else { 2 }));
        cases.expect(&id, origin.last().field("authorization"), None);
        let stranger = gateway.anonymous().get("/x").await;
        cases.expect(&id, (stranger.status, stranger.text().contains("nobody")), (401, false));
    }
    cases.finish(12);
}

/// The tables are what they claim to be: a table that shrinks, or a case that stands there twice, is noticed.
#[test]
fn the_written_cases_are_many() {
    let tables: [(&[table::Written], usize); 19] = [
        (directives::SPELLINGS, 35),
        (directives::LINES, 10),
        (directives::QUALIFIED, 14),
        (targeted::GATEWAY, 23),
        (targeted::FORWARD, 2),
        (credentials::FIELDS, 17),
        (credentials::COOKIES, 14),
        (credentials::QUERIES, 13),
        (credentials::VARIES, 10),
        (credentials::POLICIES, 8),
        (requests::ASKED, 24),
        (requests::FILLED, 12),
        (requests::INVALIDATED, 11),
        (validations::LOOSENED, 7),
        (validations::KEPT, 6),
        (validations::TIGHTENED, 21),
        (stale::REVALIDATED, 14),
        (stale::FAILED, 15),
        (siblings::OFFERED, 9),
    ];
    for (table, count) in tables {
        assert_eq!(table.len(), count, "{:?}", table.first());
        let ids: std::collections::BTreeSet<&str> = table.iter().map(|written| written.id).collect();
        assert_eq!(ids.len(), count, "a case stands there twice: {:?}", table.first());
    }
    let written = tables.iter().map(|(table, _)| table.len()).sum::<usize>() + flights::FOLLOWERS.len();
    assert!(written >= 150, "{written}");
}
