//! Variants: two requests are of one variant where they say the same in what `Vary` names, and nowhere else.
//!
//! RFC 9111 section 4.1, RFC 9110 sections 12.4.2 and 12.5.5.
//!
//! # Deviations
//!
//! none

use std::sync::OnceLock;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{Sure as _, fields, halves, naive};
use crate::cache::rules::vary::{fingerprint, is_storable, names};
use crate::keyed::Keyed;

/// Lines of `Vary` and of a first request's fields, an empty line, lines of a second request's fields.
pub fn variants(data: &[u8]) {
    let (first, second) = halves(data);
    let (first, second) = (fields(&first), fields(&second));
    let vary: HeaderMap = first.get_all(header::VARY).iter().map(|line| (header::VARY, line.clone())).collect();
    let told: Vec<u8> = vary.values().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b',');
    let Some(named) = names(&vary) else {
        assert!(!is_storable(&vary, &[]), "what matches nothing is not stored");
        return;
    };
    assert!(!told.contains(&b'*'), "a star matches nothing");
    assert!(named.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()), "sorted, each once");
    let shouted = HeaderValue::from_bytes(&told.to_ascii_uppercase()).map(|value| HeaderMap::from_iter([(header::VARY, value)]));
    let is_balanced = vary.values().all(|line| naive::members(line.as_bytes()).1);
    if let Ok(shouted) = shouted.as_ref().ok().filter(|_| is_balanced).ok_or(()) {
        assert_eq!(names(shouted).as_deref(), Some(&named[..]), "letter case and lines say nothing");
    }
    for name in &named {
        assert!(!is_storable(&vary, std::slice::from_ref(name)), "{name} never reaches the origin");
    }
    compare(&named, &first, &second);
}

fn compare(named: &[HeaderName], first: &HeaderMap, second: &HeaderMap) {
    static KEYED: OnceLock<Keyed> = OnceLock::new();
    let keyed = KEYED.get_or_init(|| Keyed::random().sure("random numbers"));
    let is_one = |normalises| fingerprint(keyed, named, first, normalises) == fingerprint(keyed, named, second, normalises);
    let says_same = named.iter().all(|name| said(name, first) == said(name, second));
    assert_eq!(is_one(false), says_same, "{named:?}");
    assert!(!is_one(false) || is_one(true), "normalising parts nothing");
    if is_one(true) && !says_same {
        for name in named.iter().filter(|name| said(name, first) != said(name, second)) {
            assert!([header::ACCEPT_LANGUAGE, header::ACCEPT_ENCODING].contains(name), "{name} is compared as it is");
            assert_eq!(meant(name, first), meant(name, second), "{name}");
        }
    }
}

/// What a request says in a field: nothing, lines as they are, or members.
fn said(name: &HeaderName, request: &HeaderMap) -> Option<Vec<Vec<u8>>> {
    let lines: Vec<&[u8]> = request.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    if lines.is_empty() {
        return None;
    }
    let is_exact = [header::AUTHORIZATION, header::COOKIE].contains(name);
    Some(lines.iter().flat_map(|line| if is_exact { vec![line.to_vec()] } else { naive::members(line).0 }).collect())
}

/// Ranges in lower case with their weights, in thousandths; in an order of its own.
fn meant(name: &HeaderName, request: &HeaderMap) -> Vec<(String, u32)> {
    let members = said(name, request).unwrap_or_default();
    let mut all: Vec<(String, u32)> = members.iter().map(|member| weighed(&String::from_utf8_lossy(member))).collect();
    all.sort();
    all
}

fn weighed(member: &str) -> (String, u32) {
    let (range, weight) = member.split_once(';').unwrap_or((member, "q=1"));
    let weight = weight.trim().to_ascii_lowercase();
    let weight: f64 = weight.strip_prefix("q=").and_then(|digits| digits.parse().ok()).unwrap_or(-1.0);
    // At most three decimals are allowed.
    (range.trim().to_ascii_lowercase(), (weight * 1_000.0).round() as u32)
}
