//! Stored responses for other requests, offered to the origin by their tags (RFC 9111 section 4.3.1).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::{Gateway, Origin, Reply, SeenRequest, reply, secs, test_clock};

fn in_language(cache_control: &str, language: &str) -> Reply {
    let tag = format!("\"{language}\"");
    reply(200).field("cache-control", cache_control).field("vary", "accept-language").field("etag", &tag).body(language)
}

/// One text for `de` and all its regions, another for every other language.
fn by_language(request: &SeenRequest) -> Reply {
    let language = request.field("accept-language").unwrap_or("none");
    let language = if language.starts_with("de") { "de" } else { language };
    let tag = format!("\"{language}\"");
    let is_known = request.field("if-none-match").is_some_and(|tags| tags.contains(&tag));
    if is_known {
        let confirmed = reply(304).field("cache-control", "max-age=60").field("vary", "accept-language").field("etag", &tag);
        return confirmed.field("x-for", request.field("accept-language").unwrap_or("none"));
    }
    in_language("max-age=60", language)
}

#[tokio::test]
async fn n079_the_origin_selects_a_sibling_by_its_tag() {
    let clock = test_clock();
    let origin = Origin::serving(by_language).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let ask = |language: &'static str| gateway.anonymous().with("accept-language", language).get("/x");
    assert_eq!(ask("de").await.decision(), "fwd=uri-miss; stored");
    let other = ask("fr").await;
    assert_eq!((other.decision().as_str(), other.text().as_str()), ("fwd=vary-miss; stored", "fr"));
    assert_eq!(origin.last().field("if-none-match"), Some("\"de\""));
    clock.advance(secs(5));
    let selected = ask("de-AT").await;
    assert_eq!((selected.status, selected.text().as_str(), selected.field("x-for")), (200, "de", Some("de-AT")));
    assert_eq!((selected.fwd_status(), selected.detail()), (Some("304"), Some("validated")));
    assert_eq!(origin.last().field("if-none-match"), Some("\"de\", \"fr\""));
    let hit = ask("de-AT").await;
    assert_eq!((hit.decision().as_str(), hit.text().as_str(), hit.age()), ("hit", "de", Some(0)));
    let sibling = ask("de").await;
    assert_eq!((sibling.decision().as_str(), sibling.age()), ("hit", Some(0)), "n090: the sibling is freshened too");
    assert_eq!((ask("fr").await.decision().as_str(), origin.count()), ("hit", 3));
}

#[tokio::test]
async fn n083_own_conditions_ranges_and_heads_go_without_other_tags() {
    let clock = test_clock();
    let origin = Origin::serving(by_language).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = || gateway.anonymous().with("accept-language", "de");
    client().get("/x").await;
    let other = || gateway.anonymous().with("accept-language", "fr");
    other().with("if-none-match", "\"mine\"").get("/x").await;
    assert_eq!(origin.last().field("if-none-match"), Some("\"mine\""));
    for client in [other().with("accept-language", "it").with("range", "bytes=0-0"), other().with("accept-language", "es")] {
        let is_range = origin.count() == 2;
        if is_range {
            client.get("/x").await
        } else {
            client.head("/x").await
        };
        assert_eq!(origin.last().field("if-none-match"), None);
    }
}

/// RFC 9111 section 3.5: no tag of one person's response is asked for with another's credentials, even by an
/// origin that gives all of them the same.
#[tokio::test]
async fn n054_nothing_is_offered_across_credentials() {
    let clock = test_clock();
    let origin = Origin::serving(|request| {
        let who = request.field("authorization").or(request.field("cookie")).unwrap_or("nobody");
        if request.field("if-none-match").is_some() {
            return reply(304).field("etag", "\"same\"");
        }
        let vary = request.target.trim_start_matches('/').to_owned();
        reply(200).field("cache-control", "public, max-age=60").field("vary", &vary).field("etag", "\"same\"").body(who)
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for (path, name) in [("/authorization", "authorization"), ("/cookie", "cookie"), ("/x,authorization", "authorization")] {
        for who in ["alice", "bob"] {
            assert_eq!(gateway.anonymous().with(name, who).get(path).await.text(), who, "{path}");
            assert_eq!(origin.last().field("if-none-match"), None, "{path}");
        }
    }
    for (language, who) in [("de", "alice"), ("fr", "bob"), ("it", "nobody"), ("es", "alice")] {
        let client = gateway.anonymous().with("accept-language", language);
        let client = if who == "nobody" { client } else { client.authorization(who) };
        assert_eq!(client.get("/accept-language").await.text(), who);
        assert_eq!(origin.last().field("if-none-match"), None, "{language}");
    }
}

/// RFC 9111 section 4.3.4: a 304 that names nothing that was offered selects nothing.
#[tokio::test]
async fn n090_a_304_for_another_tag_is_asked_again() {
    let clock = test_clock();
    let origin = Origin::script([
        in_language("max-age=60", "de"),
        reply(304).field("etag", "\"other\""),
        in_language("max-age=60", "fr"),
        reply(304).field("etag", "W/\"fr\""),
        in_language("max-age=60", "it"),
    ])
    .await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    for language in ["de", "fr", "it"] {
        let answer = gateway.anonymous().with("accept-language", language).get("/x").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, language));
    }
    assert_eq!((origin.count(), origin.last().field("if-none-match")), (5, None));
}
