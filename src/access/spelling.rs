//! The spellings under which an origin may read one path.
//!
//! RFC 3986 section 6.2.2.2 (percent-encoding), section 6.2.2.3 and 5.2.4 (dot segments), section
//! 3.3 (segments and their parameters).
//!
//! # Deviations
//!
//! - Reads more liberally than any one origin does (decoded slashes, backslashes as slashes, merged
//!   slashes, parameters cut off), because access rules must hold for all of them.

use std::borrow::Cow;

/// The path as sent and, where it is not in its plainest form, its other readings.
pub(super) fn spellings(path: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let others = (!is_plain(path)).then(|| {
        let decoded = decode(path);
        [remove_dots(&decoded, Keep::All), remove_dots(&decoded, Keep::Plain)]
    });
    std::iter::once(Cow::Borrowed(path)).chain(others.into_iter().flatten().map(Cow::Owned))
}

/// Nothing in it that one origin reads otherwise than another.
fn is_plain(path: &str) -> bool {
    !path.contains(['%', '\\', ';']) && !path.contains("//") && !path.contains("/.")
}

/// Every percent-encoded octet decoded, once.
///
/// ABNF (RFC 3986 section 2.1): `pct-encoded = "%" HEXDIG HEXDIG`.
fn decode(path: &str) -> String {
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let decoded = match (first, after) {
            (b'%', [high, low, beyond @ ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, beyond)),
            _ => None,
        };
        let (octet, beyond) = decoded.unwrap_or((*first, after));
        rest = if decoded.is_some() { beyond } else { rest };
        octets.push(if octet == b'\\' { b'/' } else { octet });
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// ABNF (RFC 5234 appendix B.1): `HEXDIG`, of either case.
fn hex(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What is kept of a path besides its segments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Empty segments and parameters, as the generic syntax has it.
    All,
    /// Neither, as origins have it that merge slashes and cut parameters off.
    Plain,
}

/// Source: RFC 3986 section 5.2.4.
fn remove_dots(path: &str, keep: Keep) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let mut ends_open = false;
    for whole in segments {
        let segment = if keep == Keep::Plain { whole.split(';').next().unwrap_or_default() } else { whole };
        ends_open = matches!(segment, "" | "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            "" if keep == Keep::Plain => {}
            _ => kept.push(segment),
        }
    }
    // `/a/..` and `/a/.` name a directory; an empty last segment that is kept says so already.
    let is_said = kept.last().is_some_and(|last| last.is_empty());
    let end = if ends_open && !is_said && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_in_every_way_an_origin_may() {
        let cases: [(&str, &[&str]); 10] = [
            ("/a/b", &["/a/b"]),
            ("/public/../admin", &["/public/../admin", "/admin", "/admin"]),
            ("/public/%2e%2E/admin", &["/public/%2e%2E/admin", "/admin", "/admin"]),
            ("/%61dmin", &["/%61dmin", "/admin", "/admin"]),
            ("//admin", &["//admin", "//admin", "/admin"]),
            ("/public//../admin", &["/public//../admin", "/public/admin", "/admin"]),
            ("/public/..;x/admin", &["/public/..;x/admin", "/public/..;x/admin", "/admin"]),
            ("/@scope%2fname", &["/@scope%2fname", "/@scope/name", "/@scope/name"]),
            ("/a\\..\\admin/", &["/a\\..\\admin/", "/admin/", "/admin/"]),
            ("/../%zz%", &["/../%zz%", "/%zz%", "/%zz%"]),
        ];
        for (path, expect) in cases {
            assert_eq!(spellings(path).collect::<Vec<_>>(), expect, "{path}");
        }
    }
}
