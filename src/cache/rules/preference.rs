//! One spelling for what a request says of languages and codings, where the order says nothing.
//!
//! RFC 9110 sections 12.4.2, 12.5.3 and 12.5.4; RFC 9111 section 4.1 ("normalizing both header field
//! values in a way that is known to have identical semantics").
//!
//! # Deviations
//!
//! - Among equal weights the order is given up: RFC 9110 section 12.5.4 gives it no meaning, but says that some origins
//!   read it as a preference; the policy key `vary_normalise` is for those.
//! - Two field values that would merely select the same response stay two: that is the origin's judgement.
//! - A field with a member that its grammar does not allow, with a repeated range, or with more than is
//!   plausible is compared as it is.

use http::header::{self, HeaderName};

use crate::fields::{is_tchar, trim_ows};
use crate::keyed::KeyedHash;

/// Most members of a field that is read; browsers send fewer than ten.
const MOST_MEMBERS: usize = 32;

/// Longest language range or coding that is read.
const MOST_BYTES: usize = 40;

/// One language range or content coding with its weight in thousandths.
#[derive(Clone, Copy, Debug, Default)]
struct Preference<'a> {
    weight: u16,
    range: &'a [u8],
}

/// Does this field list preferences of which case and order of equal weights say nothing?
///
/// Source: RFC 9110 sections 12.5.3 and 12.5.4.
#[must_use]
pub fn is_list_of_preferences(name: &HeaderName) -> bool {
    [header::ACCEPT_LANGUAGE, header::ACCEPT_ENCODING].contains(name)
}

/// Adds the members to a hash in one spelling and order; false, and nothing added, where they are not
/// understood.
///
/// Source: RFC 9111 section 4.1.
pub fn hash_members<'a>(hash: &mut KeyedHash, members: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut read = [Preference::default(); MOST_MEMBERS];
    let mut count = 0;
    for member in members {
        let (Some(preference), Some(place)) = (parse(member), read.get_mut(count)) else { return false };
        *place = preference;
        count += 1;
    }
    let Some(read) = read.get_mut(..count) else { return false };
    // By range first: a range that stands twice is then beside itself.
    read.sort_unstable_by(|a, b| lower(a.range).cmp(lower(b.range)));
    let is_repeated = read.windows(2).any(|two| matches!(two, [a, b] if a.range.eq_ignore_ascii_case(b.range)));
    if is_repeated {
        return false;
    }
    for preference in read {
        let mut buffer = [0; MOST_BYTES];
        let Some(spelled) = buffer.get_mut(..preference.range.len()) else { return false };
        spelled.copy_from_slice(preference.range);
        spelled.make_ascii_lowercase();
        hash.number(u64::from(preference.weight)).part(spelled);
    }
    true
}

fn lower(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    text.iter().map(u8::to_ascii_lowercase)
}

/// ABNF: `( language-range / codings ) [ OWS ";" OWS "q=" qvalue ]`.
fn parse(member: &[u8]) -> Option<Preference<'_>> {
    let mut parts = member.splitn(2, |byte| *byte == b';').map(trim_ows);
    let range = parts.next()?;
    let is_range = !range.is_empty() && range.len() <= MOST_BYTES && range.iter().copied().all(is_tchar);
    let weight = match parts.next() {
        None => Some(1_000),
        Some(parameter) => {
            let value = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
            parse_weight(value)
        }
    }?;
    is_range.then_some(Preference { weight, range })
}

/// A weight in thousandths.
///
/// ABNF: `qvalue = ( "0" [ "." *3DIGIT ] ) / ( "1" [ "." *3"0" ] )`.
///
/// Source: RFC 9110 section 12.4.2.
fn parse_weight(text: &[u8]) -> Option<u16> {
    let (whole, fraction) = text.split_first()?;
    let digits = match fraction.split_first() {
        None => &[],
        Some((b'.', digits)) if digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit) => digits,
        Some(_) => return None,
    };
    let value = |digits: &[u8]| [100, 10, 1].iter().zip(digits).map(|(unit, digit)| unit * u16::from(digit - b'0')).sum();
    match (whole, value(digits)) {
        (b'0', thousandths) => Some(thousandths),
        (b'1', 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n067_a_weight_is_read_in_each_of_its_spellings_and_no_other() {
        for (text, weight) in
            [("1", Some(1_000)), ("1.000", Some(1_000)), ("0", Some(0)), ("0.", Some(0)), ("0.5", Some(500)), ("0.050", Some(50))]
        {
            assert_eq!(parse_weight(text.as_bytes()), weight, "{text}");
        }
        for text in ["", ".5", "1.001", "2", "0.1234", "0.x", "00", "-1", "0,5"] {
            assert_eq!(parse_weight(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn n067_a_member_outside_the_grammar_is_not_read() {
        for member in ["en;q=0.5", "en ; Q=0.5", "*", "*;q=0", "zh-Hant-TW", "gzip"] {
            assert!(parse(member.as_bytes()).is_some(), "{member}");
        }
        for member in ["", ";q=1", "en fr", "en;q", "en;x=1", "en;q=1;q=0", "\"en\"", "en;level=1;q=0.5", &"a".repeat(41)] {
            assert!(parse(member.as_bytes()).is_none(), "{member}");
        }
    }
}
