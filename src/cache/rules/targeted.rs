//! Targeted fields: a field addressed to this kind of cache replaces `Cache-Control` entirely.
//!
//! RFC 9213. The field is a Structured Fields dictionary (RFC 9651), so it has a parser of its own.
//!
//! # Deviations
//!
//! none

use http::header::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::directives::{Qualified, ResponseDirectives, Seconds};
use crate::fields::split_list;

/// The directives in force for a response, and which field they came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The directives.
    pub directives: ResponseDirectives,
    /// A targeted field decided: `Cache-Control` and `Expires` are ignored.
    pub is_targeted: bool,
}

/// Selects the field that decides: the first valid, non-empty targeted field of the list, else
/// `Cache-Control`.
///
/// Source: RFC 9213 section 2.2.
#[must_use]
pub fn select(fields: &HeaderMap, targets: &[HeaderName]) -> Selected {
    for name in targets {
        if let Some(directives) = parse_targeted(fields, name) {
            return Selected { directives, is_targeted: true };
        }
    }
    Selected { directives: ResponseDirectives::parse(fields), is_targeted: false }
}

/// Reads one targeted field; empty or unparsable ones are ignored as a whole.
///
/// Source: RFC 9213 section 2.1.
fn parse_targeted(fields: &HeaderMap, name: &HeaderName) -> Option<ResponseDirectives> {
    if !fields.contains_key(name) {
        return None;
    }
    let lines: Vec<&[u8]> = fields.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    let dictionary: Dictionary = Parser::new(&lines.join(&b", "[..])).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut directives = ResponseDirectives::default();
    for (key, entry) in &dictionary {
        let item = match entry {
            ListEntry::Item(item) => Some(&item.bare_item),
            ListEntry::InnerList(_) => None,
        };
        add(&mut directives, key.as_str(), item);
    }
    Some(directives)
}

/// Values of the wrong type are not consumed by directives that permit or prolong, and keep the
/// force of those that restrict.
///
/// Source: RFC 9213 section 2.1.
fn add(directives: &mut ResponseDirectives, key: &str, item: Option<&BareItem>) {
    let is_on = !matches!(item, Some(BareItem::Boolean(false)));
    let is_true = matches!(item, Some(BareItem::Boolean(true)));
    match key {
        "max-age" => directives.max_age = seconds(item),
        "s-maxage" => directives.s_maxage = seconds(item),
        "must-revalidate" => {
            directives.must_revalidate = is_on;
            directives.must_revalidate_permits = is_true;
        }
        "proxy-revalidate" => directives.proxy_revalidate = is_on,
        "public" => directives.public = is_true,
        "private" if is_on => directives.private.merge(qualified(item)),
        "no-store" => directives.no_store = is_on,
        "no-cache" if is_on => directives.no_cache.merge(qualified(item)),
        "must-understand" => directives.must_understand = is_true,
        "immutable" => directives.immutable = is_on,
        "stale-while-revalidate" => directives.stale_while_revalidate = seconds(item),
        "stale-if-error" => directives.stale_if_error = seconds(item),
        _ => {}
    }
}

/// An Integer of seconds; another type is not a lifetime.
fn seconds(item: Option<&BareItem>) -> Option<Seconds> {
    match item {
        Some(BareItem::Integer(number)) => {
            let number = i64::from(*number);
            let capped = number.min(1 << 31);
            Some(u32::try_from(capped).map_or(Seconds::Broken, Seconds::Valid))
        }
        _ => None,
    }
}

fn qualified(item: Option<&BareItem>) -> Qualified {
    let Some(BareItem::String(text)) = item else { return Qualified::Whole };
    let names: Option<Vec<HeaderName>> = split_list(text.as_str().as_bytes()).map(|n| HeaderName::from_bytes(n).ok()).collect();
    match names {
        Some(names) if !names.is_empty() => Qualified::Fields(names),
        _ => Qualified::Whole,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn selected(targeted: &str, cache_control: &str) -> Selected {
        let mut fields = HeaderMap::new();
        let name = HeaderName::from_static("cdn-cache-control");
        fields.append(name.clone(), HeaderValue::from_str(targeted).unwrap());
        fields.append(http::header::CACHE_CONTROL, HeaderValue::from_str(cache_control).unwrap());
        select(&fields, &[name])
    }

    #[test]
    fn x026_a_valid_targeted_field_replaces_cache_control() {
        let s = selected("max-age=60", "no-store, public");
        assert!(s.is_targeted && !s.directives.no_store && !s.directives.public);
        assert_eq!(s.directives.max_age, Some(Seconds::Valid(60)));
        assert_eq!(selected("max-age=99999999999", "x").directives.max_age, Some(Seconds::Valid(1 << 31)));
    }

    #[test]
    fn x027_empty_or_unparsable_is_ignored_as_a_whole() {
        for bad in ["", "&&&&", "max-age=60,,", "max-age =60", "max-age= 60", "Max-Age=60", "max-age=60, a=\u{7f}"] {
            if let Ok(value) = HeaderValue::from_str(bad) {
                let mut fields = HeaderMap::new();
                let name = HeaderName::from_static("cdn-cache-control");
                fields.append(name.clone(), value);
                fields.append(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                let s = select(&fields, &[name]);
                assert!(!s.is_targeted && s.directives.no_store, "{bad}");
            }
        }
    }

    #[test]
    fn x028_types_decide() {
        assert_eq!(selected(r#"max-age="60""#, "no-store").directives.max_age, None);
        assert!(selected("no-store", "public").directives.no_store);
        assert!(selected("private=?0, public", "x").directives.private == Qualified::Absent);
        assert!(selected("private", "x").directives.private.is_whole());
        assert!(!selected("public=1", "x").directives.public);
        assert!(selected("must-revalidate", "x").directives.must_revalidate_permits);
    }
}
