//! Ranges: who asks for some bytes is given those, from where they stand, and told so rightly.
//!
//! RFC 9110 sections 14.1.2, 14.2, 14.4, 14.6 and 15.3.7.
//!
//! # Deviations
//!
//! none

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Body as _;

use super::{Sure as _, lines};
use crate::body::Body;
use crate::cache::entry::{Filler, Head};
use crate::cache::lookup::Chosen;
use crate::cache::ready::Ready;
use crate::cache::rules::authorization::RequestCredentials;
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::query::Named;
use crate::cache::store::{Content, StoredResponse};
use crate::config::settings::Policy;
use crate::keyed::Keyed;
use crate::policy::{Candidates, CompiledPolicy};
use crate::reply::{Asked, CacheStatus, Shown, stored};

/// The length of a content, up to 300, and a `Range` field value, a line each.
///
/// A 206 carries the bytes that were asked for, no others, each part at the place that it states; a 416 and a 200 are what
/// they say. The stated length is the length.
pub fn range(data: &[u8]) {
    let mut lines = lines(data);
    let length = lines.next().and_then(|line| std::str::from_utf8(line).ok()?.parse::<usize>().ok()).unwrap_or(10) % 301;
    let Ok(range) = HeaderValue::from_bytes(lines.next().unwrap_or_default()) else { return };
    let content: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
    let response = answer(&content, &HeaderMap::from_iter([(header::RANGE, range.clone())]));
    let (status, fields) = (response.status(), response.headers().clone());
    let body = read(response);
    let stated = fields.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    assert_eq!(stated.unwrap_or(body.len()), body.len(), "the stated length");
    let stated = fields.get(header::CONTENT_RANGE).map(|value| value.to_str().sure("text"));
    let wanted = wanted(range.as_bytes(), length);
    match status {
        StatusCode::OK => {
            assert!(body == content && stated.is_none());
            // RFC 9110 section 14.2: a server may ignore what asks for too much; one plain range is none of that.
            let is_plain =
                range.as_bytes().iter().all(|byte| *byte != b',') && wanted.as_ref().is_some_and(|set| !set.is_empty());
            assert!(!is_plain || length == 0, "{range:?} was ignored");
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            assert!(body.is_empty() && stated == Some(&format!("bytes */{length}")));
            assert_eq!(wanted.map(|set| set.len()), Some(0), "{range:?} of {length}");
        }
        StatusCode::PARTIAL_CONTENT => {
            let spans = match stated {
                Some(stated) => vec![(stated.to_owned(), body)],
                None => parts(&fields, &body),
            };
            let mut given = BTreeSet::new();
            for (stated, bytes) in &spans {
                let (first, last) = place(stated, length);
                assert!(*bytes == content[first..=last], "{stated}");
                assert!((first..=last).all(|at| given.insert(at)), "{stated} was given before");
            }
            assert_eq!(Some(given), wanted, "{range:?} of {length}");
        }
        other => panic!("expected 200, 206 or 416, found {other}"),
    }
}

/// `bytes first-last/length`, inside.
fn place(stated: &str, length: usize) -> (usize, usize) {
    let inner =
        stated.strip_prefix("bytes ").and_then(|rest| rest.strip_suffix(&format!("/{length}"))).sure("bytes of the length");
    let (first, last) = inner.split_once('-').sure("two positions");
    let (first, last) = (first.parse().sure("a position"), last.parse().sure("a position"));
    assert!(first <= last && last < length, "{stated}");
    (first, last)
}

/// The parts of `multipart/byteranges`: what each says of its place, and its bytes.
fn parts(fields: &HeaderMap, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let kind = fields[header::CONTENT_TYPE].to_str().sure("text");
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").sure("a boundary");
    let split = |text: &[u8], at: &str| {
        let place = text.windows(at.len()).position(|part| part == at.as_bytes()).sure("a delimiter");
        (text[..place].to_vec(), text[place + at.len()..].to_vec())
    };
    let (preamble, mut rest) = split(body, &format!("--{boundary}"));
    assert!(preamble.is_empty());
    let mut parts = Vec::new();
    while rest != b"--\r\n" {
        let (head, after) = split(&rest, "\r\n\r\n");
        let (bytes, after) = split(&after, &format!("\r\n--{boundary}"));
        let head = String::from_utf8(head).sure("text");
        let stated = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Range: ")).sure("a place");
        assert!(head.contains("\r\nContent-Type: text/plain"));
        parts.push((stated.to_owned(), bytes));
        rest = after;
    }
    assert!(parts.len() > 1, "one part is no multipart");
    parts
}

/// The positions that are asked for, one by one; none where the value is not of the grammar.
fn wanted(range: &[u8], length: usize) -> Option<BTreeSet<usize>> {
    let (unit, set) = std::str::from_utf8(range).ok()?.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().unwrap_or(u64::MAX));
    let here = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(length);
    let mut all = BTreeSet::new();
    let mut is_empty = true;
    for member in set.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty()) {
        let (first, last) = member.split_once('-')?;
        is_empty = false;
        match (first, last) {
            ("", "") => return None,
            ("", last) => all.extend(length - here(number(last)?)..length),
            (first, "") => all.extend(here(number(first)?)..length),
            (first, last) if number(first)? <= number(last)? => {
                all.extend(here(number(first)?)..here(number(last)?.saturating_add(1)));
            }
            _ => return None,
        }
    }
    (!is_empty).then_some(all)
}

/// What a GET with these fields is answered from the store.
fn answer(content: &[u8], request: &HeaderMap) -> Response<Body> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let (first, second) = content.split_at(content.len() / 3);
    let chunks = Content::new(vec![first.to_vec().into(), second.to_vec().into()]);
    let stored_response = Arc::new(StoredResponse::new(head(now), Vec::new(), 0, chunks));
    let chosen = Chosen { head: stored_response.head(), stored: stored_response, stale: None, is_alone: true };
    let (keyed, via) = (Keyed::random().sure("random numbers"), HeaderValue::from_static("1.1 v"));
    let asked = Asked { method: &Method::GET, fields: request, now, via: &via, ready: &Ready::default(), keyed: &keyed, id: 1 };
    let status = CacheStatus { fwd: None, fwd_status: None, ttl: None, stored: false, collapsed: None, detail: None };
    stored(&chosen, Shown::Reused, &asked, status)
}

/// The head of a fresh 200.
fn head(now: SystemTime) -> Head {
    let fields = HeaderMap::from_iter([
        (header::CACHE_CONTROL, HeaderValue::from_static("max-age=60")),
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain")),
        (header::DATE, HeaderValue::from_static("Fri, 15 Jan 2027 08:00:00 GMT")),
    ]);
    let directives = RequestDirectives::default();
    let filler = Filler {
        method: &Method::GET,
        path_and_query: "/",
        directives: &directives,
        credentials: RequestCredentials::default(),
        named: Named::EXACT,
        consumed: &[],
        targets: &[],
        candidates: Candidates::NONE,
        is_located: false,
        born: 0,
        request_time: now,
        response_time: now,
    };
    let policy = CompiledPolicy { settings: Policy::default(), fingerprint: 7, by_response: Vec::new() };
    Head::judge(&filler, StatusCode::OK, &fields, &fields, &policy).sure("a response that is stored")
}

/// The content that an answer carries; it is all there at once.
fn read(response: Response<Body>) -> Vec<u8> {
    let mut body = pin!(response.into_body());
    let mut bytes = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        bytes.extend_from_slice(&frame.sure("a frame").into_data().sure("content"));
    }
    assert!(body.is_end_stream());
    bytes
}
