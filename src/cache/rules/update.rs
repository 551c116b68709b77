//! Freshening: the fields of a 304 go into the stored response.
//!
//! RFC 9111 sections 3.2 and 4.3.4.
//!
//! # Deviations
//!
//! - `Content-Encoding` and `Content-Range` are left as stored: which bytes of which coding are stored
//!   is read from them (RFC 9111 section 3.2 allows to omit what the stored form depends on).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::fields::Lines;

/// Fields that a 304 never changes.
///
/// Source: RFC 9111 section 3.2.
const KEPT: [HeaderName; 3] = [header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::CONTENT_RANGE];

/// The stored fields with those of the 304 in place of their namesakes.
///
/// Of a field in the 304 all lines replace all stored lines. Hop-by-hop fields were removed from
/// `not_modified` before.
///
/// Source: RFC 9111 section 3.2.
#[must_use]
pub fn merge(stored: &HeaderMap, not_modified: &HeaderMap) -> HeaderMap {
    let mut merged = stored.clone();
    // Age and Date of the stored response are not carried over: age restarts from the 304, and from
    // its receipt where it has no Date (RFC 9110 section 6.6.1).
    merged.remove(header::AGE);
    merged.remove(header::DATE);
    for name in not_modified.keys() {
        // Most of what a 304 says it says again.
        if KEPT.contains(name) || has_same_lines(&merged, not_modified, name) {
            continue;
        }
        merged.remove(name);
        for line in not_modified.get_all(name) {
            merged.append(name.clone(), line.clone());
        }
    }
    merged
}

/// The 304's one `Date`, where it says nothing else of the stored response but what is stored: each of its other fields has
/// the stored lines.
///
/// Source: RFC 9111 section 3.2.
#[must_use]
pub fn nothing_but_date<'n>(stored: &impl Lines, not_modified: &'n HeaderMap) -> Option<&'n HeaderValue> {
    // Most fields have one line, which need not be looked for.
    let has_repeats = not_modified.len() > not_modified.keys_len();
    let mut date = None;
    let is_said_again = |(name, line): (&HeaderName, &'n HeaderValue)| match *name {
        header::DATE => date.replace(line).is_none(),
        header::AGE => false,
        _ if KEPT.contains(name) => true,
        _ if has_repeats => has_same_lines(stored, not_modified, name),
        _ => stored.lines(name).eq([line.as_bytes()]),
    };
    let is_all_said_again = not_modified.iter().all(is_said_again);
    date.filter(|_| is_all_said_again)
}

fn has_same_lines(stored: &impl Lines, not_modified: &HeaderMap, name: &HeaderName) -> bool {
    stored.lines(name).eq(not_modified.lines(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn n046_n047_every_field_of_the_304_replaces_but_those_of_the_stored_form() {
        let stored = fields(&[
            ("a", "1"),
            ("link", "x"),
            ("link", "y"),
            ("content-length", "36"),
            ("content-encoding", "gzip"),
            ("content-range", "bytes 0-35/40"),
            ("content-type", "text/a"),
            ("keep", "k"),
        ]);
        let merged = merge(
            &stored,
            &fields(&[
                ("a", "2"),
                ("link", "z"),
                ("link", "w"),
                ("content-length", "10"),
                ("content-encoding", "br"),
                ("content-range", "bytes 0-9/10"),
                ("content-type", "b/b"),
                ("new", "n"),
                ("content-foo", "f"),
            ]),
        );
        let expected = fields(&[
            ("a", "2"),
            ("link", "z"),
            ("link", "w"),
            ("content-length", "36"),
            ("content-encoding", "gzip"),
            ("content-range", "bytes 0-35/40"),
            ("content-type", "b/b"),
            ("keep", "k"),
            ("new", "n"),
            ("content-foo", "f"),
        ]);
        assert_eq!(merged, expected);
    }

    #[test]
    fn n046_a_304_that_says_what_is_stored_changes_nothing() {
        let stored = fields(&[("date", "yesterday"), ("etag", "\"a\""), ("link", "x"), ("link", "y"), ("content-length", "36")]);
        for (not_modified, expected) in [
            (&[("date", "today")][..], true),
            (&[("date", "today"), ("etag", "\"a\""), ("link", "x"), ("link", "y")], true),
            (&[("date", "today"), ("content-length", "7"), ("content-encoding", "br")], true),
            (&[], false),
            (&[("etag", "\"a\"")], false),
            (&[("date", "today"), ("date", "today")], false),
            (&[("date", "today"), ("age", "0")], false),
            (&[("date", "today"), ("etag", "\"b\"")], false),
            (&[("date", "today"), ("link", "x")], false),
            (&[("date", "today"), ("link", "y"), ("link", "x")], false),
            (&[("date", "today"), ("link", "x"), ("link", "y"), ("link", "z")], false),
            (&[("date", "today"), ("new", "n")], false),
            (&[("link", "x"), ("link", "y"), ("date", "today"), ("new", "n"), ("new", "n")], false),
            (&[("etag", "\"a\""), ("etag", "\"a\""), ("date", "today")], false),
        ] {
            let not_modified = fields(not_modified);
            let date = nothing_but_date(&stored, &not_modified);
            assert_eq!(date.map(HeaderValue::as_bytes), expected.then_some(&b"today"[..]), "{not_modified:?}");
        }
    }

    #[test]
    fn n092_age_and_date_restart_from_the_304() {
        let stored = fields(&[("date", "yesterday"), ("age", "5"), ("etag", "\"a\"")]);
        assert_eq!(merge(&stored, &fields(&[("date", "today")])), fields(&[("etag", "\"a\""), ("date", "today")]));
        let aged = merge(&stored, &fields(&[("age", "9")]));
        assert_eq!(aged, fields(&[("etag", "\"a\""), ("age", "9")]), "receipt stands in for its date");
    }
}
