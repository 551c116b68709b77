//! `Cache-Control` in several lines and in one; what nobody knows; letter case.
//!
//! RFC 9111 sections 3.5, 5.2 and 5.2.3; RFC 9110 section 5.3.
//!
//! # Deviations
//!
//! none

use http::header::{self, HeaderMap, HeaderValue};

use super::{lines, naive};
use crate::cache::rules::authorization::permission;
use crate::cache::rules::directives::{Qualified, RequestDirectives, ResponseDirectives, canonical};

/// Each line of the input is a line of `Cache-Control`.
///
/// Several lines mean what one combined line means; where a quoted string that never ends makes the two differ, what permits
/// has to be in both and what restricts counts in either. Unknown directives and letter case change nothing.
pub fn cache_control(data: &[u8]) {
    let values: Vec<&[u8]> = lines(data).map(<[u8]>::trim_ascii).filter(|line| HeaderValue::from_bytes(line).is_ok()).collect();
    let read = ResponseDirectives::parse(&of(&values));
    let joined = values.join(&b", "[..]);
    if values.iter().all(|line| naive::members(line).1) {
        assert_eq!(read, ResponseDirectives::parse(&of(&[&joined])), "several lines are what their combination is");
        assert_eq!(RequestDirectives::parse(&of(&values)), RequestDirectives::parse(&of(&[&joined])));
        let unknown: [&[u8]; 2] = [b"x-unknown, y=\"public, no-store\"", b"private-ish=1"];
        let among = [&unknown[..1], &values, &unknown[1..]].concat();
        assert_eq!(read, ResponseDirectives::parse(&of(&among)), "unknown directives change nothing");
    }
    for words in naive::readings(&values) {
        assert!(words.permits || permission(&read).is_none(), "permitted by what not every reading permits");
        assert!(!words.no_store || read.no_store, "no-store of one reading counts");
        assert!(!words.private || read.private != Qualified::Absent, "private of one reading counts");
        assert!(!words.no_cache || read.no_cache != Qualified::Absent, "no-cache of one reading counts");
        assert!(!words.must_revalidate || read.must_revalidate, "must-revalidate of one reading counts");
    }
    let upper: Vec<Vec<u8>> = values.iter().map(|line| line.to_ascii_uppercase()).collect();
    let upper: Vec<&[u8]> = upper.iter().map(Vec::as_slice).collect();
    assert_eq!(read, ResponseDirectives::parse(&of(&upper)), "letter case says nothing");
    let told = canonical(&read);
    let again = ResponseDirectives::parse(&of(&[told.as_bytes()]));
    assert_eq!(permission(&read), permission(&again), "{told}");
    assert_eq!(read.private != Qualified::Absent || read.no_store, again.private != Qualified::Absent || again.no_store);
}

fn of(lines: &[&[u8]]) -> HeaderMap {
    lines.iter().filter_map(|line| Some((header::CACHE_CONTROL, HeaderValue::from_bytes(line).ok()?))).collect()
}
