//! `traceparent`: which trace a request is part of, and which of its steps asked.
//!
//! W3C Trace Context Level 1 section 3.2. The field itself goes on to the origin as it came, as any field does that is for
//! the other end.
//!
//! # Deviations
//!
//! none

use http::header::{HeaderMap, HeaderName};

/// Digits of version, trace id, parent id and flags, with their hyphens.
const LENGTH: usize = 55;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where a request stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Names the whole trace; never zero.
    pub trace_id: u128,
    /// Names the caller's part of it; never zero.
    pub parent_id: u64,
}

impl TraceContext {
    /// What these fields say; none where there is no `traceparent`, more than one line of it, or one that is not valid.
    ///
    /// A version that is not known yet is read as version 00 as far as that goes; what follows it begins with a hyphen.
    ///
    /// Source: W3C Trace Context Level 1 sections 3.2.2 and 4.3.
    #[must_use]
    pub fn of(fields: &HeaderMap) -> Option<Self> {
        let mut lines = fields.get_all(TRACEPARENT).iter();
        let line = lines.next()?.as_bytes();
        if lines.next().is_some() {
            return None;
        }
        let (known, rest) = line.split_at_checked(LENGTH)?;
        let mut parts = known.split(|byte| *byte == b'-');
        let version = hex(parts.next()?, 2)?;
        let (trace_id, parent_id) = (hex(parts.next()?, 32)?, hex(parts.next()?, 16)?);
        hex(parts.next()?, 2)?;
        let is_known_form = if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|byte| *byte == b'-') };
        let is_valid = version != 0xff && is_known_form && trace_id != 0 && parent_id != 0;
        is_valid.then_some(Self { trace_id, parent_id: u64::try_from(parent_id).ok()? })
    }
}

/// `HEXDIGLC = DIGIT / "a" / "b" / "c" / "d" / "e" / "f"`, so many of them.
///
/// Source: W3C Trace Context Level 1 section 3.2.1.
fn hex(digits: &[u8], count: usize) -> Option<u128> {
    let digit = |number: u128, byte: &u8| match byte {
        b'0'..=b'9' => Some(number << 4 | u128::from(byte - b'0')),
        b'a'..=b'f' => Some(number << 4 | u128::from(byte - b'a' + 10)),
        _ => None,
    };
    if digits.len() == count { digits.iter().try_fold(0, digit) } else { None }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn of(lines: &[&[u8]]) -> Option<TraceContext> {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append("traceparent", HeaderValue::from_bytes(line).unwrap());
        }
        TraceContext::of(&fields)
    }

    /// W3C Trace Context Level 1 section 3.2.4 (examples) and what a later version may look like.
    #[test]
    fn a_valid_traceparent_names_trace_and_parent() {
        let expect = TraceContext { trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, parent_id: 0x00f0_67aa_0ba9_02b7 };
        for text in [
            format!("00-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-00"),
            format!("00-{TRACE}-{PARENT}-ff"),
            format!("01-{TRACE}-{PARENT}-01"),
            format!("cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like"),
            format!("fe-{TRACE}-{PARENT}-01-"),
        ] {
            assert_eq!(of(&[text.as_bytes()]), Some(expect), "{text}");
        }
    }

    #[test]
    fn what_is_not_valid_names_nothing() {
        let zeros = "0".repeat(32);
        for text in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-0"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("01-{TRACE}-{PARENT}-01.more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("0g-{TRACE}-{PARENT}-01"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
            format!("00-{TRACE}-{PARENT}-0A"),
            format!("00-{TRACE}-{PARENT}_01"),
            format!("00-{PARENT}-{TRACE}-01"),
            format!("00-{TRACE}-{PARENT}--1"),
            format!("000{TRACE}-{PARENT}-01"),
            format!("+0-{TRACE}-{PARENT}-01"),
        ] {
            assert_eq!(of(&[text.as_bytes()]), None, "{text:?}");
        }
        let valid = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(of(&[valid.as_bytes(), valid.as_bytes()]), None);
        assert_eq!(of(&[format!("00-{TRACE}-{PARENT}-0").as_bytes(), b"1"]), None);
        assert_eq!(of(&[&[0xff; 55]]), None);
        assert_eq!(of(&[]), None);
    }
}
