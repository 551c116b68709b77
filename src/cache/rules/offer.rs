//! Which stored responses for other requests are offered to the origin by their entity tags, when none
//! was stored for this one.
//!
//! RFC 9111 section 4.3.1 (one condition for several stored responses), section 4.1 (`Vary`).
//!
//! # Deviations
//!
//! - Offered are strong tags only, and only of a few: a weak one names no bytes.
//! - Nothing is offered for or of a request with credentials, nor where a stored response varies on what
//!   says who asks: the tag of one person's response is never the question that is asked for another. An
//!   origin that gives both the same tag would answer for the wrong one.
//! - Nothing is offered whose content coding the request does not name, because origins are known to
//!   give the coded and the plain form of a response one tag.
//! - A 304 without a tag selects where one tag alone was offered, as for a validation (see [`super::validate`]).
//! - A request with conditions or ranges of its own is forwarded as it is.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::validate::{is_weak, strong_match};
use crate::cache::entry::Head;
use crate::fields::{Lines, list_members, trim_ows};

/// Most tags in one request.
pub const MOST_TAGS: usize = 8;

/// May the origin be asked by entity tag for this request?
///
/// Source: RFC 9111 section 4.3.2.
#[must_use]
pub fn may_ask(method: &Method, request: &HeaderMap) -> bool {
    let conditions = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_RANGE, header::RANGE];
    method == Method::GET && !conditions.iter().any(|name| request.contains_key(name))
}

/// May this stored response be offered for a request whose nominated fields differ from those it was
/// stored for? `credential_fields` are those that say who asks besides `Authorization` and `Cookie`.
///
/// Source: RFC 9111 sections 4.1 and 4.3.1.
#[must_use]
pub fn may_offer(stored: &Head, vary_names: &[HeaderName], request: &HeaderMap, credential_fields: &[HeaderName]) -> bool {
    let says_who = |name: &HeaderName| [header::AUTHORIZATION, header::COOKIE].contains(name) || credential_fields.contains(name);
    stored.status == StatusCode::OK
        && !stored.credentialed
        && stored.etag().is_some_and(is_strong_tag)
        && !vary_names.iter().any(says_who)
        && is_coding_named(&stored.fields, request)
}

/// ABNF: `opaque-tag = DQUOTE *etagc DQUOTE`; what is none would break the list.
fn is_strong_tag(tag: &[u8]) -> bool {
    let tag = trim_ows(tag);
    let inner = tag.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    !is_weak(tag) && inner.is_some_and(|inner| inner.iter().all(|byte| *byte > b' ' && *byte != b'"' && *byte != 0x7f))
}

/// Does the request name every content coding of the stored response, and none of them with weight zero?
///
/// Source: RFC 9110 section 12.5.3.
fn is_coding_named(stored: &impl Lines, request: &HeaderMap) -> bool {
    let is_named = |coding: &[u8]| {
        list_members(request, &header::ACCEPT_ENCODING).any(|member| {
            let mut parts = member.split(|byte| *byte == b';').map(trim_ows);
            let is_same = parts.next().is_some_and(|named| named.eq_ignore_ascii_case(coding));
            is_same && !parts.any(|weight| weight.starts_with(b"q=0") && !weight.iter().any(|byte| (b'1'..=b'9').contains(byte)))
        })
    };
    list_members(stored, &header::CONTENT_ENCODING).all(is_named)
}

/// The condition that offers these tags, each once.
///
/// ABNF: `If-None-Match = "*" / #entity-tag`.
///
/// Source: RFC 9110 section 13.1.2.
#[must_use]
pub fn condition<'a>(offered: impl Iterator<Item = &'a Head>) -> Option<HeaderValue> {
    let mut tags: Vec<&[u8]> = offered.filter_map(Head::etag).map(trim_ows).collect();
    tags.sort_unstable();
    tags.dedup();
    HeaderValue::from_bytes(&tags.join(&b", "[..])).ok().filter(|value| !value.is_empty())
}

/// Does this 304 select that stored response? Only by the same strong tag, or without any where no other was offered.
///
/// Source: RFC 9111 section 4.3.4.
#[must_use]
pub fn is_selected(not_modified: &HeaderMap, stored: &Head, is_only: bool) -> bool {
    let Some(tag) = not_modified.get(header::ETAG) else { return is_only };
    stored.etag().is_some_and(|own| strong_match(trim_ows(tag.as_bytes()), trim_ows(own)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::{entry, fields, names};

    fn stored(lines: &[(&str, &str)]) -> Head {
        entry(&[], &[&[("cache-control", "max-age=60")][..], lines].concat())
    }

    #[test]
    fn n079_only_strong_tags_of_acceptable_forms_are_offered() {
        let listed = names(&["x-api-key"]);
        for (tag, coding, vary, accepts, expected) in [
            ("\"a\"", "", "accept-language", "", true),
            ("W/\"a\"", "", "accept-language", "", false),
            ("a", "", "accept-language", "", false),
            ("\"a\", \"b\"", "", "accept-language", "", false),
            ("", "", "accept-language", "", false),
            ("\"a\"", "", "authorization", "", false),
            ("\"a\"", "", "cookie", "", false),
            ("\"a\"", "", "x-api-key", "", false),
            ("\"a\"", "gzip", "accept-encoding", "", false),
            ("\"a\"", "gzip", "accept-encoding", "br, GZip;q=0.5", true),
            ("\"a\"", "gzip", "accept-encoding", "gzip;q=0", false),
            ("\"a\"", "gzip", "accept-encoding", "gzip;q=0.000, *", false),
            ("\"a\"", "gzip, br", "accept-encoding", "gzip", false),
        ] {
            let mut lines = Vec::new();
            lines.extend((!tag.is_empty()).then_some(("etag", tag)));
            lines.extend((!coding.is_empty()).then_some(("content-encoding", coding)));
            let request = if accepts.is_empty() { fields(&[]) } else { fields(&[("accept-encoding", accepts)]) };
            let is_offered = may_offer(&stored(&lines), &names(&[vary]), &request, &listed);
            assert_eq!(is_offered, expected, "{tag} {coding} {vary} {accepts}");
        }
    }

    #[test]
    fn n079_own_conditions_and_ranges_go_as_they_are() {
        for (method, name, expected) in [
            (Method::GET, "accept", true),
            (Method::HEAD, "accept", false),
            (Method::GET, "if-none-match", false),
            (Method::GET, "if-modified-since", false),
            (Method::GET, "range", false),
        ] {
            assert_eq!(may_ask(&method, &fields(&[(name, "x")])), expected, "{method} {name}");
        }
    }

    #[test]
    fn n079_the_condition_lists_each_tag_once() {
        let heads = [stored(&[("etag", "\"b\"")]), stored(&[("etag", "\"a\"")]), stored(&[("etag", "\"b\"")])];
        assert_eq!(condition(heads.iter()).unwrap(), "\"a\", \"b\"");
        assert_eq!(condition([].iter()), None);
    }

    #[test]
    fn n090_a_304_selects_by_the_same_strong_tag_alone() {
        let own = stored(&[("etag", "\"a\"")]);
        for (tag, expected) in [(Some("\"a\""), true), (Some("W/\"a\""), false), (Some("\"b\""), false), (None, false)] {
            let lines: Vec<_> = tag.map(|tag| ("etag", tag)).into_iter().collect();
            assert_eq!(is_selected(&fields(&lines), &own, false), expected, "{tag:?}");
            assert_eq!(is_selected(&fields(&lines), &own, true), expected || tag.is_none(), "{tag:?}, and no other was offered");
        }
    }
}
