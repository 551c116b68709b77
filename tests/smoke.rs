//! First end-to-end cases: the ways through the gateway, one short case each.

mod support;

use support::{Gateway, Origin, reply, secs, test_clock};

/// The flagship of a shared cache with credentials: RFC 9111 section 3.5, `s-maxage` permits reuse.
#[tokio::test]
async fn s_maxage_lets_one_credentialed_answer_serve_another() {
    let clock = test_clock();
    let origin = Origin::script([reply(200).field("cache-control", "s-maxage=60").body("a")]).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let alice = gateway.client("alice").authorization("Bearer alice");
    let bob = gateway.client("bob").authorization("Bearer bob");

    let first = alice.get("/x").await;
    assert_eq!((first.status, first.text().as_str(), first.decision().as_str()), (200, "a", "fwd=uri-miss; stored"));
    clock.advance(secs(30));
    let second = bob.get("/x").await;
    assert_eq!((second.status, second.text().as_str(), second.decision().as_str()), (200, "a", "hit"));
    assert_eq!((second.age(), second.ttl(), second.detail()), (Some(30), Some(30), Some("permit-s-maxage")));

    assert_eq!(origin.count(), 1);
    assert_eq!(origin.last().field("authorization"), Some("Bearer alice"));
    assert_eq!(origin.last().field("proxy-authorization"), None);
    gateway.metric_is("vouchsafe_cache_requests_total", &[("result", "hit")], 1.0).await;
}

/// RFC 9111 section 3.5: without one of the three directives, the answer is for its asker alone.
#[tokio::test]
async fn without_permission_everybody_asks_the_origin() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        reply(200).field("cache-control", "max-age=60").body(request.field("authorization").unwrap_or("nobody"))
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for who in ["Bearer alice", "Bearer bob", "Bearer alice"] {
        let answer = gateway.anonymous().authorization(who).get("/x").await;
        assert_eq!((answer.text().as_str(), answer.hit(), answer.stored()), (who, false, false));
    }
    assert_eq!(gateway.anonymous().get("/x").await.text(), "nobody");
    assert_eq!(origin.count(), 4);
}

/// RFC 9111 section 4.3: each asker's own credentials go into the validation, the bytes come from the store.
#[tokio::test]
async fn s_maxage_zero_is_validated_with_the_credentials_of_the_asker() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let answer = reply(if request.field("if-none-match") == Some("\"v1\"") { 304 } else { 200 });
        answer.field("etag", "\"v1\"").field("cache-control", "s-maxage=0").body("shared")
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for who in ["Bearer alice", "Bearer bob"] {
        let answer = gateway.anonymous().authorization(who).get("/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "shared"));
        assert_eq!(origin.last().field("authorization"), Some(who));
    }
    assert_eq!(origin.last().field("if-none-match"), Some("\"v1\""));
}

/// RFC 9110 section 11.7: 407 with one challenge a field, the connection stays open for the answer.
#[tokio::test]
async fn a_request_without_credentials_is_challenged_and_never_forwarded() {
    let clock = test_clock();
    let origin = Origin::script([reply(200).body("a")]).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;

    let refused = gateway.anonymous().get("/x").await;
    assert_eq!(refused.status, 407);
    let challenges = refused.fields_named("proxy-authenticate");
    assert!(challenges.len() == 2 && challenges[0].starts_with("Digest ") && challenges[1].starts_with("Basic "));
    assert_eq!((refused.complete, refused.field("connection"), origin.count()), (true, None, 0));

    let credentials = gateway.digest_challenge().await.credentials("bob", "GET", &origin.url("/x")).value();
    let admitted = gateway.anonymous().with("proxy-authorization", &credentials).get("/x").await;
    assert_eq!((admitted.status, origin.count()), (200, 1));
    gateway.metric_is("vouchsafe_auth_total", &[("scheme", "digest"), ("outcome", "ok")], 1.0).await;
}

/// RFC 9112 section 8: what broke off is not complete, for the client as for the store.
#[tokio::test]
async fn truncated_content_is_not_stored() {
    let clock = test_clock();
    let answer = reply(200).field("cache-control", "max-age=60").body("abcdef");
    let origin = Origin::script([answer.clone().truncate_after(3), answer]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let broken = gateway.anonymous().get("/x").await;
    assert!(!broken.complete);
    let whole = gateway.anonymous().get("/x").await;
    assert_eq!((whole.text().as_str(), whole.complete, whole.hit()), ("abcdef", true, false));
}

/// RFC 9110 section 9.3.6: a tunnel carries TLS to the origin, which never learns who opened it.
#[tokio::test]
async fn connect_tunnels_to_a_tls_origin() {
    let clock = test_clock();
    let origin = Origin::tls_script([reply(200).body("through")]).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let tunnel = gateway.client("alice").connect(&origin.address().to_string()).await.expect("a tunnel");
    let mut inside = tunnel.secure(origin.ca_file()).await;
    inside.send("GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(inside.answer("GET").await.text(), "through");
    assert_eq!(origin.last().field("proxy-authorization"), None);
}

/// RFC 9209 section 2.3: nobody listens there, and the answer says so.
#[tokio::test]
async fn an_unreachable_origin_is_a_bad_gateway_with_its_reason() {
    let clock = test_clock();
    let origin = Origin::script([reply(200)]).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    origin.stop().await;
    let answer = gateway.anonymous().get("/x").await;
    assert_eq!((answer.status, answer.proxy_error()), (502, Some("connection_refused")));
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
}

/// One line an exchange, without a secret.
#[tokio::test]
async fn the_access_log_has_one_line_an_exchange() {
    let clock = test_clock();
    let origin = Origin::script([reply(200).field("cache-control", "max-age=60").body("abc")]).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    gateway.client("alice").get("/x?secret=1").await;
    let line = gateway.log_lines(1).await.remove(0);
    assert_eq!((line["method"].as_str(), line["status"].as_u64(), line["bytes"].as_u64()), (Some("GET"), Some(200), Some(3)));
    assert_eq!((line["path"].as_str(), line["listener"].as_str()), (Some("/x"), Some("edge")));
    assert!(!gateway.log_text().contains("secret"));
}
