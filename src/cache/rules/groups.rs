//! Groups of stored responses, and which of them an unsafe request makes unusable.
//!
//! RFC 9875; both fields are Structured Fields lists of strings (RFC 9651 sections 3.1 and 3.3.3).
//!
//! # Deviations
//!
//! - A field that does not parse, or with a member that is no string, is ignored as a whole (RFC 9651 section 4.2).
//! - A response that is invalidated does not take along what shares its groups (a MAY of RFC 9875 section 2.2.1): only
//!   `Cache-Group-Invalidation` invalidates a group, so nothing cascades.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, List, ListEntry, Parser};

const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// The groups a response belongs to, in the order of the field; the head's limits bound them.
///
/// Source: RFC 9875 section 2.
#[must_use]
pub fn members(response: &HeaderMap) -> Box<[Box<str>]> {
    strings(response, &CACHE_GROUPS)
}

/// The names under which an operator withdraws a response besides its groups: tokens with white space between them, as
/// content delivery networks read `Surrogate-Key`.
#[must_use]
pub fn surrogate_keys(response: &HeaderMap) -> Box<[Box<str>]> {
    let lines = response.get_all(SURROGATE_KEY).iter();
    lines.filter_map(|line| line.to_str().ok()).flat_map(str::split_ascii_whitespace).map(Into::into).collect()
}

/// The groups that a response invalidates; to be asked only of non-error responses to unsafe methods.
///
/// Source: RFC 9875 section 3.
#[must_use]
pub fn invalidated(response: &HeaderMap) -> Box<[Box<str>]> {
    strings(response, &CACHE_GROUP_INVALIDATION)
}

fn strings(fields: &HeaderMap, name: &HeaderName) -> Box<[Box<str>]> {
    if !fields.contains_key(name) {
        return Box::default();
    }
    let lines: Vec<&[u8]> = fields.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    let Ok(list) = Parser::new(&lines.join(&b", "[..])).parse::<List>() else { return Box::default() };
    let text = |entry: &ListEntry| match entry {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::String(text) => Some(text.as_str().into()),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    };
    list.iter().map(text).collect::<Option<Vec<_>>>().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<String> {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(CACHE_GROUPS, HeaderValue::from_str(line).unwrap());
        }
        members(&fields).iter().map(|group| group.to_string()).collect()
    }

    #[test]
    fn x032_groups_are_a_list_of_strings_whatever_their_parameters() {
        for (lines, groups) in [
            (&[r#""a", "b""#][..], &["a", "b"][..]),
            (&[r#""a""#, r#""b""#], &["a", "b"]),
            (&[r#""a";x=1, "b c";y"#], &["a", "b c"]),
            (&[r#""A""#], &["A"]),
            (&[r#""a, b""#], &["a, b"]),
            (&["a"], &[]),
            (&[r#""a", b"#], &[]),
            (&[r#"("a" "b")"#], &[]),
            (&[r#""a" "b""#], &[]),
            (&[r#""a"#], &[]),
            (&[""], &[]),
            (&[], &[]),
        ] {
            assert_eq!(read(lines), groups, "{lines:?}");
        }
    }

    #[test]
    fn surrogate_keys_are_tokens_with_white_space_between() {
        let mut fields = HeaderMap::new();
        assert!(surrogate_keys(&fields).is_empty());
        for line in ["a  b\tc", "", "d,e"] {
            fields.append(SURROGATE_KEY, HeaderValue::from_static(line));
        }
        assert_eq!(surrogate_keys(&fields).iter().map(|key| &**key).collect::<Vec<_>>(), ["a", "b", "c", "d,e"]);
    }

    #[test]
    fn x032_at_least_32_groups_of_32_characters() {
        let names: Vec<String> = (0..64).map(|n| format!("{n:064}")).collect();
        let line = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        assert_eq!(read(&[&line]), names);
    }
}
