//! Which stored variant answers which request.
//!
//! RFC 9111 section 4.1, RFC 9110 section 12.5.5.
//!
//! # Deviations
//!
//! - A response whose `Vary` names a field that the gateway strips, consumes or writes itself is not
//!   stored: the origin did not see what a later client will send.
//! - White space around list commas is normalised for every field but credentials and cookies; case, weights and
//!   order of `Accept-Language` and `Accept-Encoding` where the policy does not forbid it (see [`super::preference`]).

use http::header::{self, HeaderMap, HeaderName};

use super::preference::{hash_members, is_list_of_preferences};
use crate::fields::{Lines, list_members, split_list};
use crate::keyed::{Keyed, KeyedHash};

/// Most field names that a `Vary` may list before the response counts as not storable.
const MOST_NAMES: usize = 32;

/// The fields that `Vary` names, sorted and each once; none when it matches nothing ever: `*`
/// anywhere, a member that is no field name, or too many of them.
///
/// Source: RFC 9110 section 12.5.5, RFC 9111 section 4.1.
#[must_use]
pub fn names(fields: &impl Lines) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    // Most responses have none.
    if !fields.has(&header::VARY) {
        return Some(names);
    }
    for member in list_members(fields, &header::VARY) {
        if member.contains(&b'*') {
            return None;
        }
        names.push(HeaderName::from_bytes(member).ok()?);
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    (names.len() <= MOST_NAMES).then_some(names)
}

/// Whether a response's `Vary` can be honoured: it matches something, and names no field of
/// `consumed`.
///
/// Source: RFC 9111 section 4.1.
#[must_use]
pub fn is_storable(fields: &impl Lines, consumed: &[HeaderName]) -> bool {
    names(fields).is_some_and(|names| !names.iter().any(|name| consumed.contains(name)))
}

/// A keyed fingerprint of what a request says in the named fields; absent matches absent only.
///
/// Lines are combined; for fields other than credentials and cookies white space around commas does
/// not count. With `normalises`, languages and codings are also compared by meaning.
///
/// Source: RFC 9111 section 4.1.
#[must_use]
pub fn fingerprint(keyed: &Keyed, names: &[HeaderName], request: &HeaderMap, normalises: bool) -> u128 {
    if names.is_empty() {
        return 0;
    }
    let mut hash = keyed.start("vary");
    for name in names {
        hash.part(name.as_str().as_bytes());
        hash_field(&mut hash, name, request, normalises);
    }
    hash.finish()
}

fn hash_field(hash: &mut KeyedHash, name: &HeaderName, request: &HeaderMap, normalises: bool) {
    let lines = request.get_all(name);
    if lines.iter().next().is_none() {
        hash.number(0);
        return;
    }
    let members = || lines.iter().flat_map(|line| split_list(line.as_bytes()));
    if normalises && is_list_of_preferences(name) {
        // What is compared by meaning never equals what is compared as it is.
        let mut spelled = hash.clone();
        spelled.number(4);
        if hash_members(&mut spelled, members()) {
            *hash = spelled;
            return;
        }
    }
    hash.number(1);
    let is_exact = [header::AUTHORIZATION, header::COOKIE].contains(name);
    if is_exact {
        for line in lines {
            hash.number(2).part(line.as_bytes());
        }
    } else {
        for member in members() {
            hash.number(3).part(member);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn n068_a_star_anywhere_never_matches() {
        for lines in [&[("vary", "*")][..], &[("vary", "a, *")], &[("vary", "a"), ("vary", ",*")], &[("vary", "*, *")]] {
            assert_eq!(names(&fields(lines)), None, "{lines:?}");
        }
        assert_eq!(names(&fields(&[("vary", "a b")])), None, "no field name");
        assert_eq!(names(&fields(&[])), Some(vec![]));
        assert_eq!(names(&fields(&[("vary", "")])), Some(vec![]));
    }

    #[test]
    fn n058_all_lines_of_vary_count_in_any_case_and_order() {
        let names = names(&fields(&[("vary", "B, a"), ("vary", "A,c")])).unwrap();
        assert_eq!(names.iter().map(HeaderName::as_str).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn n067_absent_matches_absent_and_white_space_does_not_count() {
        let keyed = Keyed::random().unwrap();
        let of =
            |lines: &[(&str, &str)]| fingerprint(&keyed, &[HeaderName::from_static("x"), header::COOKIE], &fields(lines), true);
        assert_eq!(of(&[("x", "a,b")]), of(&[("x", "a ,  b")]));
        assert_eq!(of(&[("x", "a,b")]), of(&[("x", "a"), ("x", "b")]));
        assert_ne!(of(&[("x", "a,b")]), of(&[("x", "b,a")]));
        assert_ne!(of(&[]), of(&[("x", "")]));
        assert_ne!(of(&[("cookie", "a=1"), ("cookie", "s=alice")]), of(&[("cookie", "a=1"), ("cookie", "s=mallory")]));
        assert_ne!(of(&[("cookie", "a=1")]), of(&[("x", "a=1")]));
        assert_ne!(of(&[("x", r#""a, b""#)]), of(&[("x", r#""a,b""#)]), "quoted strings are opaque");
    }

    #[test]
    fn n067_languages_and_codings_are_compared_by_meaning_where_the_policy_says_so() {
        let keyed = Keyed::random().unwrap();
        let of = |name: &'static str, value: &str, normalises| {
            fingerprint(&keyed, &[HeaderName::from_static(name)], &fields(&[(name, value)]), normalises)
        };
        for (name, a, b) in [
            ("accept-language", "en, de", "EN,  DE"),
            ("accept-language", "en, de", "de, en"),
            ("accept-language", "en;q=0.5, de", "de;q=1.0, en ; Q=0.50"),
            ("accept-language", "en-GB, *;q=0.1", "*;q=0.100, en-gb;q=1"),
            ("accept-encoding", "gzip, br", "br,GZIP"),
            ("accept-encoding", "identity;q=0, gzip", "gzip, identity;q=0.000"),
        ] {
            assert_eq!(of(name, a, true), of(name, b, true), "{name}: {a} and {b}");
            assert_ne!(of(name, a, false), of(name, b, false), "{name}: {a} and {b} as they are");
        }
        for (name, a, b) in [
            ("accept-language", "en, de", "fr;q=0.5, de;q=1.0"),
            ("accept-language", "en, de", "en"),
            ("accept-language", "en;q=0.5, de", "en, de;q=0.5"),
            ("accept-language", "en;q=0.5, en", "en, en;q=0.5"),
            ("accept-language", "en;x=1, de", "de, en;x=1"),
            ("accept-encoding", "gzip", "gzip;q=0"),
            ("accept-encoding", "gzip", "x-gzip"),
            ("accept-encoding", "", "identity"),
            ("accept", "text/html, text/plain", "text/plain, text/html"),
            ("x", "A, b", "a, b"),
        ] {
            assert_ne!(of(name, a, true), of(name, b, true), "{name}: {a} and {b}");
        }
        let two_lines = fields(&[("accept-language", "de"), ("accept-language", "en")]);
        let names = [HeaderName::from_static("accept-language")];
        assert_eq!(fingerprint(&keyed, &names, &two_lines, true), of("accept-language", "en,de", true), "lines combine");
        let many = |first: u32| (0..40).map(|n| format!("a{}", (n + first) % 40)).collect::<Vec<_>>().join(",");
        assert_ne!(of("accept-language", &many(0), true), of("accept-language", &many(1), true), "a bound, not a guess");
    }

    #[test]
    fn n066_vary_on_a_consumed_field_is_not_storable() {
        let consumed = [header::PROXY_AUTHORIZATION];
        assert!(is_storable(&fields(&[("vary", "cookie")]), &consumed));
        assert!(!is_storable(&fields(&[("vary", "cookie, Proxy-Authorization")]), &consumed));
    }
}
