//! What a collector receives from a gateway under traffic, and what origins see of it.

use serde_json::Value;

use crate::support::gateway::GatewayBuilder;
use crate::support::{Client, Gateway, Origin, eventually, reply, test_clock};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A collector that takes everything.
async fn collector() -> Origin {
    Origin::serving(|_| reply(200).field("content-type", "application/json").body("{}")).await
}

fn tells(gateway: GatewayBuilder, collector: &Origin) -> GatewayBuilder {
    gateway.set("trace", &format!("otlp = \"{}\"", collector.url("/v1/traces")))
}

/// All spans so far, in order.
fn spans(collector: &Origin) -> Vec<Value> {
    let mut spans = Vec::new();
    for request in collector.requests() {
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        for scope in body["resourceSpans"][0]["scopeSpans"].as_array().expect("an array") {
            spans.extend(scope["spans"].as_array().expect("an array").clone());
        }
    }
    spans
}

/// The value of an attribute, whatever its type.
fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a Value> {
    let attributes = span["attributes"].as_array().expect("attributes");
    let found = attributes.iter().find(|attribute| attribute["key"] == key)?;
    found["value"].as_object().expect("a value").values().next()
}

fn assert_attributes(span: &Value, expected: &[(&str, &str)]) {
    for (key, value) in expected {
        assert_eq!(attribute(span, key).and_then(Value::as_str), Some(*value), "{key} of {span:#}");
    }
}

fn with_parent(client: &Client, flags: &str) -> Client {
    client.clone().with("traceparent", &format!("00-{TRACE}-{PARENT}-{flags}")).with("tracestate", "rojo=1")
}

/// OTLP 1 (OTLP/HTTP, JSON encoding), W3C Trace Context Level 1 section 3.2: the client's part, ours, the origin's.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_a_span_below_the_clients_and_above_the_origins() {
    let (clock, collector) = (test_clock(), collector().await);
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("abc")).await;
    let gateway = tells(Gateway::reverse(&origin, &clock), &collector).start().await;
    let alice = with_parent(&gateway.anonymous(), "01");
    for _ in 0..2 {
        assert_eq!(alice.get("/a/b?q=1").await.status, 200);
    }
    gateway.stopped().await;

    let request = collector.last();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/traces"));
    assert_eq!(request.field("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&request.body).expect("JSON");
    let resource = &body["resourceSpans"][0]["resource"]["attributes"];
    assert_eq!(resource[0]["key"], "service.name");
    assert_eq!(resource[0]["value"]["stringValue"], "vouchsafe");

    let spans = spans(&collector);
    let [miss, fetch, hit] = spans.as_slice() else { panic!("expected three spans, found {spans:#?}") };
    for span in [miss, fetch, hit] {
        assert_eq!((&span["traceId"], &span["name"]), (&TRACE.into(), &"GET origin".into()), "{span:#}");
        assert!(span["spanId"].as_str().is_some_and(|id| id.len() == 16), "{span:#}");
        let time = |key: &str| span[key].as_str().and_then(|text| text.parse::<u128>().ok()).expect("decimal nanoseconds");
        let start = u128::from(crate::support::clock::START.as_secs()) * 1_000_000_000;
        assert!(time("startTimeUnixNano") >= start && time("endTimeUnixNano") >= time("startTimeUnixNano"), "{span:#}");
    }
    assert_eq!([&miss["kind"], &fetch["kind"], &hit["kind"]], [2, 3, 2]);
    assert_eq!([&miss["parentSpanId"], &hit["parentSpanId"]], [PARENT, PARENT]);
    assert_eq!(fetch["parentSpanId"], miss["spanId"]);
    assert!(miss["spanId"] != hit["spanId"] && miss["spanId"] != fetch["spanId"], "{spans:#?}");
    assert_attributes(
        miss,
        &[
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("http.response.body.size", "3"),
            ("server.address", "app.test"),
            ("url.path", "/a/b"),
            ("url.scheme", "http"),
            ("network.protocol.version", "1.1"),
            ("vouchsafe.cache.result", "miss"),
            ("vouchsafe.cache.reason", "uncredentialed"),
            ("vouchsafe.upstream", "origin"),
            ("vouchsafe.auth.scheme", "none"),
        ],
    );
    assert_attributes(hit, &[("vouchsafe.cache.result", "hit"), ("vouchsafe.cache.reason", "uncredentialed")]);
    assert_attributes(fetch, &[("http.response.status_code", "200"), ("vouchsafe.upstream", "origin")]);

    let seen = origin.last();
    let expect = format!("00-{TRACE}-{}-01", fetch["spanId"].as_str().expect("an id"));
    assert_eq!(seen.fields_named("traceparent"), [expect.as_str()]);
    assert_eq!(seen.fields_named("tracestate"), ["rojo=1"]);
    assert_eq!(origin.count(), 1);
}

/// What is given again without a look would be told to nobody, so that nothing is, where there is somebody to tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hit_that_comes_byte_for_byte_again_is_a_span_each_time() {
    let (clock, collector) = (test_clock(), collector().await);
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").body("abc")).await;
    let gateway = tells(Gateway::reverse(&origin, &clock), &collector).start().await;
    let client = gateway.anonymous();
    for _ in 0..8 {
        assert_eq!(client.get("/a").await.text(), "abc");
    }
    assert!(gateway.metric("vouchsafe_cache_repeated_total", &[]).await < 1.0);
    gateway.stopped().await;
    let spans = spans(&collector);
    let hits = spans.iter().filter(|span| attribute(span, "vouchsafe.cache.result").is_some_and(|result| result == "hit"));
    assert_eq!((hits.count(), spans.len()), (7, 9), "{spans:#?}");
    // The same, where nobody is told.
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    for _ in 0..8 {
        assert_eq!(client.get("/a").await.text(), "abc");
    }
    assert!(gateway.metric("vouchsafe_cache_repeated_total", &[]).await >= 2.0);
}

/// Who has no parent begins a trace; what was not understood is replaced; who was told not to record records nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_callers_flag_and_the_share_decide() {
    let (clock, collector) = (test_clock(), collector().await);
    let origin = Origin::serving(|_| reply(200).field("cache-control", "no-store").body("a")).await;
    let gateway = tells(Gateway::forward(&clock).origin(&origin), &collector).start().await;
    let alice = gateway.client("alice");
    alice.get("/none").await;
    alice.clone().with("traceparent", &format!("00-{TRACE}-{PARENT}")).with("tracestate", "rojo=1").get("/invalid").await;
    let forbidden = format!("00-{TRACE}-{PARENT}-00");
    with_parent(&alice, "00").get("/forbidden").await;
    gateway.anonymous().get("/refused").await;
    gateway.stopped().await;

    let seen = origin.requests();
    assert_eq!(seen[2].fields_named("traceparent"), [forbidden.as_str()]);
    assert_eq!(seen[2].fields_named("tracestate"), ["rojo=1"]);
    assert!(seen[1].fields_named("tracestate").is_empty(), "it belongs to what was not understood");
    let spans = spans(&collector);
    assert_eq!(spans.len(), 5, "{spans:#?}");
    for (number, pair) in spans.chunks(2).take(2).enumerate() {
        let [exchange, fetch] = pair else { panic!("expected pairs, found {spans:#?}") };
        assert_eq!((&exchange["parentSpanId"], &exchange["name"]), (&"".into(), &"GET".into()));
        let (trace, parent) = (exchange["traceId"].as_str().expect("an id"), fetch["spanId"].as_str().expect("an id"));
        assert!(trace.len() == 32 && trace != TRACE, "{trace}");
        assert_eq!(seen[number].fields_named("traceparent"), [format!("00-{trace}-{parent}-01")]);
    }
    assert_attributes(
        &spans[4],
        &[
            ("http.response.status_code", "407"),
            ("vouchsafe.auth.outcome", "missing"),
            ("vouchsafe.cache.result", "none"),
            ("url.path", "/refused"),
        ],
    );

    let gateway = tells(Gateway::forward(&clock).origin(&origin), &collector).set("trace", "sample = 0.0").start().await;
    let (so_far, client) = (collector.count(), gateway.client("alice"));
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    with_parent(&client, "01").get("/share").await;
    client.get("/plain").await;
    gateway.stopped().await;
    assert_eq!(collector.count(), so_far, "nothing is drawn of a share of 0");
    let seen = origin.requests();
    assert_eq!(seen[3].fields_named("traceparent"), [sampled.as_str()]);
    assert!(seen[4].fields_named("traceparent").is_empty());
}

/// A validation behind a stale answer goes to the origin below the exchange that caused it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_behind_an_answer_belongs_to_its_exchange() {
    let (clock, collector) = (test_clock(), collector().await);
    let origin =
        Origin::serving(|_| reply(200).field("cache-control", "max-age=1, stale-while-revalidate=60").field("etag", "\"a\""))
            .await;
    let gateway = tells(Gateway::reverse(&origin, &clock), &collector).start().await;
    let alice = with_parent(&gateway.anonymous(), "01");
    alice.get("/a").await;
    clock.advance(crate::support::secs(10));
    alice.get("/a").await;
    origin.wait_for(2).await;
    gateway.stopped().await;
    let spans = spans(&collector);
    assert_eq!(spans.len(), 3, "{spans:#?}");
    assert_attributes(&spans[2], &[("vouchsafe.cache.result", "stale")]);
    let expect = format!("00-{TRACE}-{}-01", spans[2]["spanId"].as_str().expect("an id"));
    assert_eq!(origin.last().fields_named("traceparent"), [expect.as_str()]);
}

/// A response whose `Vary` names what the origin did not see is not stored.
#[tokio::test(flavor = "multi_thread")]
async fn what_varies_by_a_replaced_field_is_not_stored() {
    let (clock, collector) = (test_clock(), collector().await);
    let origin = Origin::serving(|_| reply(200).field("cache-control", "max-age=60").field("vary", "traceparent")).await;
    let gateway = tells(Gateway::reverse(&origin, &clock), &collector).start().await;
    for _ in 0..2 {
        assert!(!gateway.anonymous().get("/a").await.hit());
    }
    assert_eq!(origin.count(), 2);
}

/// RFC 9110 section 17.16.1: credentials are confidential; so are queries, names and what a client makes up.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_told() {
    let (clock, collector) = (test_clock(), collector().await);
    let origin = Origin::serving(|_| reply(200).field("set-cookie", "answered=secret-e").field("etag", "\"secret-f\"")).await;
    let gateway = tells(Gateway::forward(&clock).origin(&origin), &collector).set("log", "access = \"off\"").start().await;
    let alice = gateway.client("alice").authorization("Bearer secret-a").with("cookie", "session=secret-b");
    let alice = with_parent(&alice, "01").with("x-api-key", "secret-c").with("tracestate", "rojo=secret-d");
    alice.get("/path?access_token=secret-g").await;
    alice.request("SECRET-H", "/path").send().await;
    gateway.anonymous().proxy_user("secret-i").get("/path").await;
    gateway.stopped().await;

    let spans = spans(&collector);
    assert_eq!(spans.len(), 5, "{spans:#?}");
    assert_eq!((&spans[2]["name"], attribute(&spans[2], "http.request.method")), (&"HTTP".into(), Some(&"_OTHER".into())));
    let sent: String = collector.requests().iter().map(|request| request.text()).collect();
    assert!(sent.contains("/path"), "{sent}");
    for secret in ["secret", "SECRET", "alice", "Bearer", "Basic", "access_token", "session", "rojo", "?"] {
        assert!(!sent.contains(secret), "{secret} in {sent}");
    }
}

/// Without a stop spans go out by themselves.
#[tokio::test]
async fn spans_are_sent_while_the_gateway_runs() {
    let (clock, collector) = (test_clock(), collector().await);
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = tells(Gateway::reverse(&origin, &clock), &collector).start().await;
    gateway.anonymous().get("/a").await;
    collector.wait_for(1).await;
    assert_eq!(spans(&collector).len(), 2);
    assert!(gateway.metrics().await.contains("vouchsafe_traces_dropped_total 0"));
}

/// Nobody notices but the operator.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_collector_costs_spans_and_nothing_else() {
    let (clock, collector) = (test_clock(), collector().await);
    let origin = Origin::serving(|_| reply(200).field("cache-control", "no-store")).await;
    let gateway = tells(Gateway::reverse(&origin, &clock), &collector).start().await;
    collector.stop().await;
    for _ in 0..3 {
        assert_eq!(gateway.anonymous().get("/a").await.status, 200);
    }
    gateway.metric_is("vouchsafe_traces_dropped_total", &[], 3.0).await;
    collector.resume().await;
    assert_eq!(gateway.anonymous().get("/a").await.status, 200);
    collector.wait_for(1).await;
    assert_eq!(spans(&collector).len(), 2);
    assert_eq!(collector.count(), 1, "what is lost is not sent again");

    // An origin that is not there is told as such.
    origin.stop().await;
    assert_eq!(gateway.anonymous().get("/a").await.status, 502);
    gateway.stopped().await;
    let spans = spans(&collector);
    assert_attributes(&spans[2], &[("error.type", "502")]);
    assert_attributes(&spans[3], &[("error.type", "no-response")]);
    assert_eq!((&spans[2]["status"]["code"], &spans[3]["status"]["code"]), (&2.into(), &2.into()));
}

/// A reload may name another collector; exchanges go where they are told from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_who_is_told() {
    let (clock, before, after) = (test_clock(), collector().await, collector().await);
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = tells(Gateway::reverse(&origin, &clock), &before).start().await;
    gateway.anonymous().get("/a").await;
    let changes = gateway.reload(|text| text.replace(&before.url(""), &after.url(""))).await.expect("a good configuration");
    assert!(changes.to_string().contains("traces to http://"), "{changes}");
    before.wait_for(1).await;
    let told = spans(&before).len();
    let ask = async || {
        // A connection of before may still belong to the old settings.
        gateway.anonymous().unpooled().get("/b").await;
        if after.count() > 0 { Ok(()) } else { Err("nothing yet".to_owned()) }
    };
    eventually("spans at the other collector", ask).await;
    gateway.stopped().await;
    assert_eq!((told, spans(&before).len()), (2, 2));
}
