use std::task::{Context as TaskContext, Poll, Waker};

use http_body::Body as _;

use super::*;
use crate::cache::rules::freshness::LifetimeSource;
use crate::cache::tests::{CONTENT, DATE, Given, Lines, anonymous, at, credentialed, entry, fields, secs};

const VIA: HeaderValue = HeaderValue::from_static("1.1 v");
const STATUS: CacheStatus = CacheStatus { fwd: None, fwd_status: None, ttl: None, stored: false, collapsed: None, detail: None };

fn answer_to(head: Head, method: &Method, request: Lines<'_>, shown: Shown, now: SystemTime) -> Response<Body> {
    let stored = crate::cache::tests::stored(head);
    let chosen = Chosen { head: stored.head(), stored, stale: None, is_alone: true };
    let keyed = Keyed::random().unwrap();
    super::stored(
        &chosen,
        shown,
        &Asked { method, fields: &fields(request), now, via: &VIA, ready: &Ready::default(), keyed: &keyed, id: 1 },
        STATUS,
    )
}

fn get(head: Head, request: Lines<'_>) -> Response<Body> {
    answer_to(head, &Method::GET, request, Shown::Reused, at(10))
}

/// The content that an answer carries; it is all there at once.
fn content(response: Response<Body>) -> String {
    let mut body = Box::pin(response.into_body());
    let announced = body.size_hint().exact();
    let mut bytes = Vec::new();
    let mut cx = TaskContext::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert_eq!(announced, Some(bytes.len() as u64));
    assert!(body.is_end_stream());
    String::from_utf8(bytes).unwrap()
}

const FULL: Lines<'_> = &[
    ("cache-control", "public, max-age=600"),
    DATE,
    ("etag", "\"a\""),
    ("expires", "Fri, 15 Jan 2027 09:00:00 GMT"),
    ("content-location", "/y"),
    ("vary", "accept"),
    ("last-modified", "Fri, 15 Jan 2027 07:00:00 GMT"),
    ("content-type", "text/a"),
    ("content-length", "10"),
    ("age", "5"),
    ("date-of-birth", "x"),
    ("link", "a"),
    ("link", "b"),
];

#[test]
fn n061_a_reused_answer_tells_its_age_once() {
    let response = get(entry(&[], FULL), &[]);
    assert_eq!((response.status(), response.headers()["age"].as_bytes()), (StatusCode::OK, &b"15"[..]));
    assert_eq!(response.headers().get_all("age").iter().count(), 1);
    assert_eq!((response.headers()["date"].as_bytes(), response.headers()["via"].as_bytes()), (DATE.1.as_bytes(), &b"1.1 v"[..]));
    assert_eq!(response.headers().get_all("link").iter().count(), 2);
    assert_eq!(content(response), CONTENT);
}

#[test]
fn n061_a_validated_answer_tells_an_age_only_if_the_304_did() {
    for (is_aged, expected) in [(false, None), (true, Some(&b"15"[..]))] {
        let response = answer_to(entry(&[], FULL), &Method::GET, &[], Shown::Validated { is_aged }, at(10));
        assert_eq!(response.headers().get("age").map(HeaderValue::as_bytes), expected);
    }
}

#[test]
fn n107_fields_under_no_cache_are_shown_again_once_validated() {
    let head = || entry(&[], &[("cache-control", "max-age=60, no-cache=\"x-a\""), ("x-a", "1")]);
    assert!(!get(head(), &[]).headers().contains_key("x-a"));
    assert!(answer_to(head(), &Method::GET, &[], Shown::Validated { is_aged: false }, at(1)).headers().contains_key("x-a"));
}

#[test]
fn n131_304_for_a_client_that_has_it() {
    let response = get(entry(&[], FULL), &[("if-none-match", "\"a\""), ("range", "bytes=0-1")]);
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    for name in ["cache-control", "content-location", "date", "etag", "expires", "vary", "age", "via", "cache-status"] {
        assert!(response.headers().contains_key(name), "{name}");
    }
    for name in ["content-length", "content-type"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert_eq!(content(response), "");
}

#[test]
fn n130_n051_206_for_a_part() {
    let response = get(entry(&[], FULL), &[("range", "bytes=3-5")]);
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        (response.headers()["content-range"].as_bytes(), response.headers()["content-length"].as_bytes()),
        (&b"bytes 3-5/10"[..], &b"3"[..])
    );
    for name in ["cache-control", "content-location", "date", "etag", "expires", "vary", "content-type"] {
        assert!(response.headers().contains_key(name), "{name}");
    }
    assert_eq!(content(response), "345");
    for (range, expected) in
        [("bytes=0-0", "0"), ("bytes=-1", "9"), ("bytes=4-", "456789"), ("bytes=0-99", CONTENT), ("bytes=-99", CONTENT)]
    {
        let response = get(entry(&[], FULL), &[("range", range)]);
        assert_eq!((response.status(), content(response)), (StatusCode::PARTIAL_CONTENT, expected.to_owned()), "{range}");
    }
}

#[test]
fn n130_416_tells_the_length_and_cannot_be_reused() {
    let mut lines = FULL.to_vec();
    lines.extend([("cdn-cache-control", "max-age=600"), ("content-encoding", "br")]);
    let response = get(entry(&[], &lines), &[("range", "bytes=10-")]);
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        (response.headers()["content-range"].as_bytes(), response.headers()["content-length"].as_bytes()),
        (&b"bytes */10"[..], &b"0"[..])
    );
    assert_eq!(response.headers().get_all("cache-control").iter().collect::<Vec<_>>(), ["no-store"]);
    for name in ["cdn-cache-control", "expires", "content-type", "content-encoding"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert_eq!(content(response), "");
}

#[test]
fn n127_if_range_that_fails_gives_the_whole() {
    let response = get(entry(&[], FULL), &[("range", "bytes=0-1"), ("if-range", "\"b\"")]);
    assert_eq!((response.status(), content(response)), (StatusCode::OK, CONTENT.to_owned()));
}

#[test]
fn n119_head_has_the_fields_of_get_and_no_content() {
    let response = answer_to(entry(&[], FULL), &Method::HEAD, &[("range", "bytes=0-1")], Shown::Reused, at(1));
    assert_eq!((response.status(), response.headers()["content-length"].as_bytes()), (StatusCode::OK, &b"10"[..]));
    assert_eq!(content(response), "");
}

#[test]
fn a_stored_length_is_that_of_the_stored_bytes() {
    let mut lines = FULL.to_vec();
    lines.retain(|(name, _)| *name != "content-length");
    lines.push(("content-length", "36"));
    assert_eq!(get(entry(&[], &lines), &[]).headers()["content-length"], "10");
    let none = Given { status: 204, response: &[("cache-control", "max-age=60")], ..Given::default() }.judge().unwrap();
    let stored = std::sync::Arc::new(crate::cache::store::StoredResponse::new(
        none,
        Vec::new(),
        0,
        crate::cache::store::Content::default(),
    ));
    let chosen = Chosen { head: stored.head(), stored, stale: None, is_alone: true };
    let response = super::stored(
        &chosen,
        Shown::Reused,
        &Asked {
            method: &Method::GET,
            fields: &fields(&[]),
            now: at(1),
            via: &VIA,
            ready: &Ready::default(),
            keyed: &Keyed::random().unwrap(),
            id: 1,
        },
        STATUS,
    );
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(!response.headers().contains_key("content-length"), "RFC 9110 section 8.6");
}

#[test]
fn x023_cache_status_is_a_token_with_parameters() {
    let text = |status: CacheStatus| status.to_value().to_str().unwrap().to_owned();
    let some = CacheStatus {
        fwd: Some(ForwardReason::Stale),
        fwd_status: Some(304),
        ttl: Some(-5),
        stored: true,
        collapsed: Some(false),
        detail: Some("validated"),
    };
    assert_eq!(text(some), "vouchsafe; fwd=stale; fwd-status=304; ttl=-5; stored; collapsed=?0; detail=validated");
    assert_eq!(
        text(CacheStatus { ttl: Some(376), detail: Some("permit-public"), ..STATUS }),
        "vouchsafe; hit; ttl=376; detail=permit-public"
    );
    for fwd in [
        ForwardReason::Bypass,
        ForwardReason::Method,
        ForwardReason::UriMiss,
        ForwardReason::VaryMiss,
        ForwardReason::Miss,
        ForwardReason::Request,
        ForwardReason::Stale,
    ] {
        let value = text(CacheStatus { fwd: Some(fwd), ..some });
        assert!(!value.contains("hit"), "hit and fwd exclude each other: {value}");
        let list: sfv::List = sfv::Parser::new(value.as_bytes()).parse().unwrap();
        assert_eq!(list.len(), 1, "{value}");
    }
}

/// An origin's response, received in HTTP/1.0, as it goes on.
fn passed_on(status: StatusCode, fields: HeaderMap) -> Response<Body> {
    let (mut head, ()) = Response::new(()).into_parts();
    (head.status, head.version, head.headers) = (status, http::Version::HTTP_10, fields);
    forwarded(head, Body::Empty, VIA, STATUS)
}

#[test]
fn x023_earlier_members_of_cache_status_and_via_are_kept() {
    let mut lines = FULL.to_vec();
    lines.extend([("cache-status", "OriginCache; hit"), ("via", "1.0 o")]);
    let response = get(entry(&[], &lines), &[]);
    assert_eq!(response.headers().get_all("cache-status").iter().collect::<Vec<_>>(), ["OriginCache; hit", "vouchsafe; hit"]);
    assert_eq!(response.headers().get_all("via").iter().collect::<Vec<_>>(), ["1.0 o", "1.1 v"]);
    let response = passed_on(StatusCode::OK, fields(&[("via", "1.0 o"), ("cache-status", "o; hit")]));
    assert_eq!(response.headers().get_all("cache-status").iter().count(), 2);
    assert_eq!(response.headers().get_all("via").iter().collect::<Vec<_>>(), ["1.0 o", "1.1 v"]);
}

#[test]
fn n098_directives_are_passed_on_as_they_came() {
    let mut lines = FULL.to_vec();
    lines[0] = ("cache-control", "public,  MAX-AGE=600, unknown=\"x\"");
    assert_eq!(get(entry(&[], &lines), &[]).headers()["cache-control"], "public,  MAX-AGE=600, unknown=\"x\"");
    let passed = fields(&[("cache-control", "private, odd"), ("content-length", "0")]);
    let response = passed_on(StatusCode::NO_CONTENT, passed);
    assert_eq!(response.headers()["cache-control"], "private, odd");
    assert_eq!((response.status(), response.version()), (StatusCode::NO_CONTENT, http::Version::HTTP_11));
    assert!(!response.headers().contains_key("content-length"));
}

#[test]
fn ttl_is_what_is_left_and_negative_when_stale() {
    let head = anonymous("max-age=60");
    assert_eq!((ttl(&head, at(10)), ttl(&head, at(70)), ttl(&head, at(0) - secs(9))), (Some(50), Some(-10), None));
    let mut endless = head;
    endless.lifetime =
        crate::cache::rules::freshness::Lifetime { duration: std::time::Duration::MAX, source: LifetimeSource::Policy };
    assert_eq!(ttl(&endless, at(0)), Some(i64::MAX));
}

#[test]
fn x024_the_detail_names_the_permission() {
    assert_eq!(permit_word(&credentialed("public, max-age=9")), "permit-public");
    assert_eq!(permit_word(&credentialed("s-maxage=9")), "permit-s-maxage");
    assert_eq!(permit_word(&credentialed("must-revalidate, max-age=9")), "permit-must-revalidate");
    assert_eq!(permit_word(&anonymous("public, max-age=9")), "uncredentialed");
}

fn context(request: &HeaderMap) -> Context<'_> {
    Context { request, id: 7, now: at(0) }
}

#[test]
fn n001_n003_n027_n031_n032_a_challenge_carries_a_field_line_for_each_scheme() {
    let request = fields(&[]);
    let challenges = || vec![HeaderValue::from_static("Digest realm=\"v\""), HeaderValue::from_static("Basic realm=\"v\"")];
    for (is_proxy, status, name) in [(true, 407, "proxy-authenticate"), (false, 401, "www-authenticate")] {
        let response = challenge(is_proxy, challenges(), &context(&request));
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers().get_all(name).iter().collect::<Vec<_>>(), ["Digest realm=\"v\"", "Basic realm=\"v\""]);
        assert!(!response.headers().contains_key("cache-status"), "X022: nothing of the cache took part");
        assert_eq!(
            (response.headers()["cache-control"].as_bytes(), response.headers()["date"].as_bytes()),
            (&b"no-store"[..], DATE.1.as_bytes())
        );
        let length: u64 = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
        assert_eq!(content(response).len() as u64, length);
    }
}

#[test]
fn n034_an_error_echoes_nothing_and_names_the_request_by_its_id() {
    let request = fields(&[("authorization", "Basic c2VjcmV0"), ("host", "secret.example"), ("x", "secret")]);
    for (accept, media_type) in [
        ("*/*", "application/problem+json"),
        ("Text/HTML;q=0.9, */*", "text/html; charset=utf-8"),
        ("text/html, application/json", "application/problem+json"),
    ] {
        let mut request = request.clone();
        request.insert("accept", accept.parse().unwrap());
        let response = error(&crate::error::UpstreamError::Dns.into(), &context(&request));
        assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (502, media_type));
        assert_eq!(response.headers()["proxy-status"], "vouchsafe; error=dns_error");
        assert!(!format!("{:?}", response.headers()).contains("secret"));
        let text = content(response);
        assert!(!text.contains("secret") && !text.contains("c2Vj") && text.contains(&crate::access_log::format_id(7)), "{text}");
    }
}

#[test]
fn n121_a_tunnel_opens_without_length() {
    let response = tunnel_opened();
    assert_eq!((response.status(), response.headers().len()), (StatusCode::OK, 0));
}

#[test]
fn n130_several_ranges_are_parts_between_boundaries() {
    let response = get(entry(&[], FULL), &[("range", "bytes=0-1, -2, 4-6")]);
    let map = response.headers().clone();
    assert_eq!((response.status(), map.contains_key("content-range")), (StatusCode::PARTIAL_CONTENT, false));
    for name in ["date", "cache-control", "etag", "expires", "content-location", "vary"] {
        assert!(map.contains_key(name), "{name}");
    }
    let boundary = map["content-type"].to_str().unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap().to_owned();
    assert_eq!(boundary.len(), 32);
    let length: usize = map["content-length"].to_str().unwrap().parse().unwrap();
    let text = content(response);
    let part = |range: &str, bytes: &str| {
        format!("--{boundary}\r\nContent-Type: text/a\r\nContent-Range: bytes {range}/10\r\n\r\n{bytes}\r\n")
    };
    let expected = [part("0-1", "01"), part("8-9", "89"), part("4-6", "456"), format!("--{boundary}--\r\n")].concat();
    assert_eq!((text.as_str(), length), (expected.as_str(), expected.len()));
}

#[test]
fn n130_a_part_without_a_type_states_none_and_one_part_is_no_multipart() {
    let head = || entry(&[], &[("cache-control", "max-age=60"), DATE, ("etag", "\"a\"")]);
    let text = content(get(head(), &[("range", "bytes=0-0,9-9")]));
    assert!(!text.to_ascii_lowercase().contains("content-type") && text.contains("\r\nContent-Range: bytes 9-9/10\r\n\r\n9"));
    let joined = get(head(), &[("range", "bytes=5-5,2-4,99-")]);
    assert_eq!(
        (joined.status(), joined.headers()["content-range"].as_bytes()),
        (StatusCode::PARTIAL_CONTENT, &b"bytes 2-5/10"[..])
    );
    assert_eq!(content(joined), "2345");
}
