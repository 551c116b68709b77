//! What the operator sees of real traffic: every metric family, every field of the access log, health, the token.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::observe::sum_of;
use support::wire::Wire;
use support::{Client, Gateway, Origin, reply, secs, test_clock};

/// The fields of an access-log line.
const FIELDS: [&str; 27] = [
    "time",
    "id",
    "listener",
    "client",
    "method",
    "host",
    "path",
    "url_hash",
    "status",
    "bytes",
    "duration_us",
    "upstream_us",
    "auth",
    "principal",
    "credentialed",
    "credential",
    "result",
    "reason",
    "fwd_status",
    "cache_control",
    "age",
    "date",
    "expires",
    "last_modified",
    "etag",
    "vary",
    "vary_hash",
];

/// Traffic that touches everything, then one scrape.
#[tokio::test]
async fn every_metric_family_moves_with_real_traffic() {
    let clock = test_clock();
    let origin = Origin::serving(|request| match request.target.as_str() {
        "/shared" => reply(200).field("cache-control", "public, max-age=60").field("etag", "\"a\"").body("shared"),
        "/zero" if request.field("if-none-match").is_some() => {
            reply(304).field("etag", "\"a\"").field("cache-control", "s-maxage=0")
        }
        "/zero" => reply(200).field("cache-control", "s-maxage=0").field("etag", "\"a\"").body("zero"),
        path if path.starts_with("/large") => reply(200).field("cache-control", "max-age=60").body(vec![b'x'; 400 << 10]),
        _ => reply(200).field("cache-control", "max-age=60").body("mine"),
    })
    .await;
    let rule =
        "[[access]]\nname = \"no-deletes\"\nallow = false\nmethods = [\"DELETE\"]\n[[access]]\nname = \"rest\"\nallow = true\n";
    let gateway = Gateway::forward(&clock).origin(&origin).set("cache", "memory = \"1MiB\"").append(rule).start().await;
    let known = gateway.client("alice").authorization("Bearer a");
    for path in ["/shared", "/shared", "/mine", "/zero", "/zero", "/large1", "/large2", "/large3", "/large4"] {
        let client = if path.starts_with("/large") { gateway.client("alice") } else { known.clone() };
        client.get(path).await;
    }
    gateway.anonymous().get("/x").await;
    known.request("DELETE", "/x").send().await;
    known.request("POST", "/x").send().await;
    clock.advance(secs(100));
    let mut tunnel: Wire = gateway.client("bob").connect(&origin.address().to_string()).await.expect("a tunnel");
    tunnel.send("GET /in HTTP/1.1\r\nhost: a\r\n\r\n").await;
    tunnel.answer("GET").await;

    for (name, labels, least) in [
        ("vouchsafe_requests_total", [("listener", "edge"), ("method", "GET"), ("code", "200")].as_slice(), 9.0),
        ("vouchsafe_requests_total", &[("method", "GET"), ("code", "407")], 1.0),
        ("vouchsafe_requests_total", &[("method", "DELETE"), ("code", "403")], 1.0),
        ("vouchsafe_request_duration_seconds_count", &[("listener", "edge"), ("result", "hit")], 1.0),
        ("vouchsafe_request_duration_seconds_bucket", &[("le", "+Inf")], 12.0),
        ("vouchsafe_response_bytes_total", &[("listener", "edge"), ("result", "hit")], 6.0),
        ("vouchsafe_response_bytes_total", &[("result", "miss")], 1_600.0 * 1024.0),
        ("vouchsafe_decisions_total", &[("cache", "hit"), ("auth", "ok"), ("reason", "permit-public")], 1.0),
        ("vouchsafe_decisions_total", &[("cache", "validated"), ("auth", "ok"), ("reason", "validated")], 1.0),
        ("vouchsafe_decisions_total", &[("cache", "miss"), ("auth", "ok"), ("reason", "no-permit")], 1.0),
        ("vouchsafe_decisions_total", &[("route", "other"), ("cache", "none"), ("auth", "missing"), ("reason", "missing")], 1.0),
        ("vouchsafe_decisions_total", &[("route", "other"), ("auth", "ok"), ("reason", "http_request_denied")], 1.0),
        ("vouchsafe_decisions_total", &[("route", "forward"), ("cache", "none"), ("reason", "tunnel")], 1.0),
        ("vouchsafe_auth_duration_seconds_count", &[("scheme", "basic")], 2.0),
        ("vouchsafe_cache_requests_total", &[("result", "hit")], 1.0),
        ("vouchsafe_cache_requests_total", &[("result", "miss")], 7.0),
        ("vouchsafe_cache_requests_total", &[("result", "validated")], 1.0),
        ("vouchsafe_cache_requests_total", &[("result", "bypass")], 1.0),
        ("vouchsafe_cache_authorization_total", &[("decision", "shared"), ("reason", "public")], 1.0),
        ("vouchsafe_cache_authorization_total", &[("decision", "shared"), ("reason", "s-maxage")], 1.0),
        ("vouchsafe_cache_authorization_total", &[("decision", "refused"), ("reason", "no-permit")], 1.0),
        ("vouchsafe_auth_total", &[("scheme", "basic"), ("outcome", "ok")], 11.0),
        ("vouchsafe_auth_total", &[("scheme", "none"), ("outcome", "missing")], 1.0),
        ("vouchsafe_access_denied_total", &[("rule", "no-deletes")], 1.0),
        ("vouchsafe_validations_total", &[("outcome", "not-modified")], 1.0),
        ("vouchsafe_upstream_requests_total", &[("upstream", "forward"), ("code", "200")], 7.0),
        ("vouchsafe_upstream_duration_seconds_count", &[("upstream", "forward")], 7.0),
        ("vouchsafe_cache_bytes", &[("tier", "memory")], 1.0),
        ("vouchsafe_cache_entries", &[("tier", "memory")], 1.0),
        ("vouchsafe_cache_evictions_total", &[("tier", "memory")], 1.0),
        ("vouchsafe_connections", &[("listener", "edge")], 1.0),
        ("vouchsafe_tunnels", &[], 1.0),
        ("vouchsafe_build_info", &[], 1.0),
    ] {
        let what = format!("{name} {labels:?} to be at least {least}");
        support::eventually(&what, async || {
            let found = gateway.metric(name, labels).await;
            if found >= least { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }
    // Alice's first requests and Bob's had to wait; what was remembered is not counted.
    gateway.metric_is("vouchsafe_auth_duration_seconds_count", &[], 2.0).await;
    let (requests, decisions) =
        (gateway.metric("vouchsafe_requests_total", &[]).await, gateway.metric("vouchsafe_decisions_total", &[]).await);
    assert!((requests - decisions).abs() < 1e-9, "{requests} requests, {decisions} decisions");
    drop(tunnel);
    gateway.metric_is("vouchsafe_tunnels", &[], 0.0).await;
    gateway.metric_is("vouchsafe_tunnel_bytes_total", &[("direction", "inbound")], 29.0).await;
    assert!(gateway.metric("vouchsafe_tunnel_bytes_total", &[("direction", "outbound")]).await > 50.0);
}

/// The exposition is well formed: every family has help and type, every value is a number, no label is unbounded.
#[tokio::test]
async fn the_exposition_is_well_formed() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    for number in 0..50 {
        let client = gateway.anonymous().with("proxy-authorization", &support::client::basic(&format!("user{number}"), "x"));
        client.request(&format!("METHOD{number}"), &format!("/path{number}")).send().await;
        gateway.client("alice").get(&format!("/path{number}")).await;
    }
    gateway.metric_is("vouchsafe_requests_total", &[("code", "200")], 50.0).await;
    let text = gateway.metrics().await;
    let mut samples = 0;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        assert!(series.starts_with("vouchsafe_") && value.parse::<f64>().is_ok(), "{line}");
        let name = series.split('{').next().unwrap_or_default();
        let family =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).filter(|name| name.ends_with("_seconds"));
        let family = family.unwrap_or(name);
        assert!(text.contains(&format!("# TYPE {family} ")) && text.contains(&format!("# HELP {family} ")), "{family}");
        samples += 1;
    }
    assert!(samples > 60, "{samples}");
    assert!(!text.contains("user1") && !text.contains("path1") && !text.contains("METHOD1"), "{text}");
    assert!(text.len() < 200 << 10);
    assert!((sum_of(&text, "vouchsafe_requests_total", &[("method", "other")]) - 50.0).abs() < 1e-9);
}

/// What a gateway in front of an origin counts by route, and that nobody was asked.
#[tokio::test]
async fn decisions_name_the_upstream_and_that_nobody_was_asked() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for _ in 0..3 {
        gateway.anonymous().get("/x").await;
    }
    let labels = |cache, reason| [("cache", cache), ("auth", "none"), ("reason", reason)];
    gateway.metric_is("vouchsafe_decisions_total", &labels("hit", "uncredentialed"), 2.0).await;
    gateway.metric_is("vouchsafe_decisions_total", &labels("miss", "uncredentialed"), 1.0).await;
    let text = gateway.metrics().await;
    let upstream =
        text.lines().find_map(|line| line.strip_prefix("vouchsafe_upstream_requests_total{upstream=\"")?.split('"').next());
    let route = [("route", upstream.expect("an exchange with the upstream"))];
    assert!((sum_of(&text, "vouchsafe_decisions_total", &route) - 3.0).abs() < 1e-9, "{text}");
}

/// The same samples in both formats.
#[tokio::test]
async fn openmetrics_is_served_to_who_asks_for_it() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    gateway.metric_is("vouchsafe_decisions_total", &[], 1.0).await;
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let answer = gateway.admin().with("accept", accept).get("/metrics").await;
    assert_eq!(answer.field("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert_eq!(answer.field("vary"), Some("Accept"));
    let (open, plain) = (answer.text(), gateway.metrics().await);
    assert!(open.ends_with("\n# EOF\n") && !open.contains("\n\n"), "{open}");
    assert!(open.contains("# TYPE vouchsafe_decisions counter\n") && open.contains("\nvouchsafe_decisions_total{"), "{open}");
    assert!(open.contains("# UNIT vouchsafe_request_duration_seconds seconds\n") && open.contains("le=\"1.0\""), "{open}");
    let samples = |text: &str| text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    assert_eq!(samples(&open), samples(&plain));
}

/// One JSON object a line, with every field, hashes where a value would tell too much.
#[tokio::test]
async fn an_access_log_line_has_every_field_and_no_secret() {
    let clock = test_clock();
    let modified = support::date_at(&clock, -50);
    let answer =
        reply(200).field("cache-control", "public, max-age=60").field("etag", "\"tag\"").field("vary", "accept-language");
    let answer = answer.field("last-modified", &modified).field("expires", "0").body("abcde");
    let origin = Origin::serving(move |_| answer.clone()).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let client = gateway.client("alice").authorization("Bearer top-secret").with("cookie", "top-secret");
    client.get("/x?token=top-secret").await;
    clock.advance(secs(7));
    client.get("/x?token=top-secret").await;
    gateway.anonymous().get("/x").await;

    let lines = gateway.log_lines(3).await;
    for line in &lines {
        let object = line.as_object().expect("a JSON object");
        let missing: Vec<_> = FIELDS.iter().filter(|field| !object.contains_key(**field)).collect();
        assert!(missing.is_empty(), "{missing:?} not in {line}");
    }
    let (miss, hit, refused) = (&lines[0], &lines[1], &lines[2]);
    assert_eq!(miss["time"], "2030-05-01T10:00:00.000Z");
    assert_eq!((&miss["listener"], &miss["client"], &miss["method"]), (&"edge".into(), &"127.0.0.1".into(), &"GET".into()));
    assert_eq!((&miss["host"], &miss["path"]), (&origin.address().to_string().into(), &"/x".into()));
    assert_eq!((&miss["status"], &miss["bytes"], &miss["fwd_status"]), (&200.into(), &5.into(), &200.into()));
    assert_eq!((&miss["auth"]["scheme"], &miss["auth"]["outcome"]), (&"basic".into(), &"ok".into()));
    assert_eq!(
        (&miss["credentialed"], &miss["result"], &miss["reason"]),
        (&true.into(), &"miss".into(), &"permit-public".into())
    );
    assert_eq!((&miss["cache_control"], &miss["vary"]), (&"public, max-age=60".into(), &"accept-language".into()));
    assert_eq!((&miss["last_modified"], &miss["expires"]), (&modified.into(), &"0".into()));
    assert!(miss["upstream_us"].is_u64() && miss["duration_us"].as_u64() >= miss["upstream_us"].as_u64());
    assert_eq!((&hit["result"], &hit["fwd_status"], &hit["upstream_us"]), (&"hit".into(), &().into(), &().into()));
    assert_eq!((hit["age"].as_str(), &hit["url_hash"], &hit["etag"]), (Some("7"), &miss["url_hash"], &miss["etag"]));
    assert_eq!(
        (&refused["status"], &refused["auth"]["outcome"], &refused["principal"]),
        (&407.into(), &"missing".into(), &().into())
    );
    assert!(miss["principal"].as_str().is_some_and(|hash| hash.len() == 16) && miss["id"] != hit["id"]);
    let text = gateway.log_text();
    for secret in ["top-secret", "alice", "Bearer", "\\\"tag", "token="] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// W3C Trace Context Level 1 section 3.2: what goes through here is found again in a trace, and the origin sees the same.
#[tokio::test]
async fn a_valid_traceparent_goes_on_and_is_logged() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("a")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let valid = format!("00-{trace}-{parent}-01");
    let (alice, invalid) = (gateway.client("alice"), format!("00-{trace}-{parent}"));
    alice.clone().with("traceparent", &valid).with("tracestate", "rojo=00f067aa0ba902b7").get("/x").await;
    assert_eq!(origin.last().fields_named("traceparent"), [valid.as_str()]);
    assert_eq!(origin.last().fields_named("tracestate"), ["rojo=00f067aa0ba902b7"]);
    alice.clone().with("traceparent", &valid).get("/x").await;
    gateway.anonymous().with("traceparent", &valid).get("/x").await;
    alice.clone().with("traceparent", &invalid).get("/y").await;
    assert_eq!(origin.last().fields_named("traceparent"), [invalid.as_str()]);
    alice.request("GET", "/z").field("traceparent", &valid).field("traceparent", &valid).send().await;
    alice.get("/x").await;

    let lines = gateway.log_lines(6).await;
    let results: Vec<_> = lines.iter().map(|line| line["result"].as_str().unwrap_or_default()).collect();
    assert_eq!(results, ["miss", "hit", "none", "miss", "miss", "hit"]);
    for (number, line) in lines.iter().enumerate() {
        let named = (line.get("trace_id"), line.get("parent_id"));
        let expect = (number < 3).then(|| (trace.into(), parent.into()));
        assert_eq!(named, (expect.as_ref().map(|(trace, _)| trace), expect.as_ref().map(|(_, parent)| parent)), "{line}");
    }
}

/// RFC 7616 section 3.4: that a digest was wrong is told, and nothing that was typed.
#[tokio::test]
async fn n150_a_wrong_digest_is_logged_without_what_was_typed() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let wrong = gateway.digest_challenge().await.credentials("alice", "GET", &origin.url("/x")).password("typed-secret");
    let (response, value) = (wrong.response(), wrong.value());
    assert_eq!(gateway.anonymous().with("proxy-authorization", &value).get("/x").await.status, 407);
    let lines = gateway.log_lines(2).await;
    let line = &lines[1];
    let auth = (&line["auth"]["scheme"], &line["auth"]["outcome"], &line["principal"]);
    assert_eq!(auth, (&"digest".into(), &"wrong-password".into(), &().into()), "{line}");
    let text = gateway.log_text();
    for secret in ["typed-secret", "alice", response.as_str()] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// Probes and the token.
#[tokio::test]
async fn health_is_open_and_everything_else_needs_the_token_where_there_is_one() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let admin = gateway.admin();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(admin.get(path).await.status, 200, "{path}");
        assert_eq!(admin.request("POST", path).send().await.status, 405, "{path}");
    }
    assert_eq!(admin.get("/nothing").await.status, 404);
    assert!(
        admin.get("/metrics").await.field("content-type").is_some_and(|value| value.starts_with("text/plain; version=0.0.4"))
    );
    // The traffic listener knows none of these paths.
    gateway.anonymous().get("/metrics").await;
    assert_eq!(origin.last().target, "/metrics");

    let folder = tempfile::tempdir().expect("a temporary directory");
    let token = folder.path().join("admin.token");
    std::fs::write(&token, "the-token\n").expect("a writable directory");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).expect("a file of our own");
    let gateway = Gateway::reverse(&origin, &clock).set("admin", &format!("token_file = \"{}\"", token.display())).start().await;
    let admin: Client = gateway.admin();
    let refused = admin.get("/metrics").await;
    assert_eq!((refused.status, refused.field("www-authenticate").is_some()), (401, true));
    assert_eq!(admin.clone().authorization("Bearer wrong").get("/metrics").await.status, 401);
    assert_eq!(admin.clone().authorization("Bearer the-token").get("/metrics").await.status, 200);
    assert_eq!(admin.get("/healthz").await.status, 200);
}

/// A balancer looks elsewhere while this gateway finishes what it has.
#[tokio::test]
async fn readiness_ends_when_draining_begins() {
    let clock = test_clock();
    let gate = support::Gate::new();
    let origin = Origin::script([reply(200).gate(&gate).body("a")]).await;
    let mut gateway = Gateway::reverse(&origin, &clock).start().await;
    assert_eq!(gateway.admin().get("/readyz").await.status, 200);
    let running = tokio::spawn(gateway.anonymous().get("/x"));
    gate.wait_reached().await;
    gateway.begin_stop();
    support::eventually("/readyz to say 503", async || match gateway.admin().get("/readyz").await.status {
        503 => Ok(()),
        status => Err(status.to_string()),
    })
    .await;
    assert_eq!(gateway.admin().get("/healthz").await.status, 200);
    gate.open();
    assert_eq!(running.await.expect("no panic").text(), "a");
    gateway.stopped().await;
}

/// What broke off is logged as incomplete, what nobody could read as 400, each with its listener.
#[tokio::test]
async fn the_log_tells_what_broke_off() {
    let clock = test_clock();
    let origin = Origin::script([reply(200).body("abcdef").truncate_after(3)]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    gateway.anonymous().raw("GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n").await;
    let lines = gateway.log_lines(2).await;
    assert_eq!((&lines[0]["complete"], &lines[0]["bytes"]), (&false.into(), &3.into()));
    assert_eq!((&lines[1]["status"], &lines[1]["result"]), (&400.into(), &"none".into()));
    gateway.metric_is("vouchsafe_requests_total", &[("code", "400")], 1.0).await;
}

/// Stale answers and replaced entries have their own words.
#[tokio::test]
async fn stale_and_replaced_are_counted_as_such() {
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=10").field("etag", "\"a\"").body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    gateway.anonymous().get("/x").await;
    clock.advance(secs(20));
    let stale = gateway.anonymous().with("cache-control", "max-stale").get("/x").await;
    assert_eq!((stale.hit(), stale.detail(), stale.ttl()), (true, Some("max-stale"), Some(-10)));
    gateway.anonymous().get("/x").await;
    clock.advance(secs(20));
    origin.stop().await;
    assert_eq!(gateway.anonymous().get("/x").await.detail(), Some("disconnected"));
    gateway.metric_is("vouchsafe_cache_requests_total", &[("result", "stale")], 2.0).await;
    gateway.metric_is("vouchsafe_validations_total", &[("outcome", "replaced")], 1.0).await;
    gateway.metric_is("vouchsafe_validations_total", &[("outcome", "unreachable")], 1.0).await;
}
