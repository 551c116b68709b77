//! `traceparent`: which trace a request is part of, and which of its steps asked.
//!
//! W3C Trace Context Level 1 section 3.2. Where no span is made of an exchange, the field goes on to the origin as it came, as any
//! field does that is for the other end; where one is, the origin sees it as its parent.
//!
//! # Deviations
//!
//! none

use std::time::{Duration, Instant};

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};

use crate::cache::rules::canary::Share;
use crate::hop::Instead;

/// Digits of version, trace id, parent id and flags, with their hyphens.
const LENGTH: usize = 55;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Fields that the origin of an exchange with a span does not see as the client sent them.
pub const TRACE_FIELDS: [HeaderName; 2] = [TRACEPARENT, TRACESTATE];

/// Where a request stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// Names the whole trace; never zero.
    pub trace_id: u128,
    /// Names the caller's part of it; never zero.
    pub parent_id: u64,
    /// The caller may have recorded its part.
    pub is_sampled: bool,
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
        let flags = hex(parts.next()?, 2)?;
        let is_known_form = if version == 0 { rest.is_empty() } else { rest.first().is_none_or(|byte| *byte == b'-') };
        let is_valid = version != 0xff && is_known_form && trace_id != 0 && parent_id != 0;
        is_valid.then_some(Self { trace_id, parent_id: u64::try_from(parent_id).ok()?, is_sampled: flags & 1 == 1 })
    }
}

/// Is a span made of an exchange whose caller is there in a trace, or in none?
///
/// A caller that did not record its part has decided for the whole trace. Otherwise the draw decides, for callers that did as
/// well: a client must not be able to have everything recorded.
///
/// Source: W3C Trace Context Level 1 section 3.2.2.5.1 (the sampled flag of others may be an attack).
#[must_use]
pub fn is_recorded(context: Option<TraceContext>, sample: Share, draw: u64) -> bool {
    context.is_none_or(|context| context.is_sampled) && sample.has(draw)
}

/// This gateway's part of a trace: one exchange with a client, and what was asked of origins for it.
#[derive(Clone, Debug)]
pub struct Span {
    /// Names the whole trace; never zero.
    pub trace_id: u128,
    /// The caller's part, if there is one.
    pub parent_id: Option<u64>,
    /// Names this part; never zero.
    pub id: u64,
    /// The version that the client speaks.
    pub version: Version,
    /// What was asked of origins, in order.
    pub fetches: Vec<Fetch>,
    /// The exchange has been answered, and nobody will tell of what follows.
    is_over: bool,
}

/// One request to an origin, up to the head of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Names this part of the trace; its parent is the exchange's.
    pub id: u64,
    /// When it was sent.
    pub started: Instant,
    /// How long the head of the answer took.
    pub waited: Duration,
    /// The answer's status code; none: no answer came.
    pub status: Option<StatusCode>,
}

impl Span {
    /// A span that begins; an id of zero, which would name nothing, becomes one.
    #[must_use]
    pub fn new(context: Option<TraceContext>, (trace_id, id): (u128, u64), version: Version) -> Self {
        let trace_id = context.map_or_else(|| trace_id.max(1), |context| context.trace_id);
        let parent_id = context.map(|context| context.parent_id);
        Self { trace_id, parent_id, id: id.max(1), version, fetches: Vec::new(), is_over: false }
    }

    /// From now on the exchange itself is what origins see as their parent.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// What an origin that is about to be asked is told: whose part of the trace its own belongs to.
    ///
    /// What `tracestate` says belongs to a trace that was not understood if there is no parent.
    ///
    /// Source: W3C Trace Context Level 1 sections 3.2, 3.3 and 4.3.
    pub fn announcement(&self) -> Vec<Instead> {
        let mut said = Vec::with_capacity(2);
        if self.parent_id.is_none() {
            said.push((TRACESTATE, None));
        }
        let id = if self.is_over { self.id } else { self.next_id() };
        if let Ok(value) = HeaderValue::try_from(format!("00-{:032x}-{id:016x}-01", self.trace_id)) {
            said.push((TRACEPARENT, Some(value)));
        }
        said
    }

    /// Remembers the origin's answer to what was announced last, or that none came.
    pub fn fetched(&mut self, started: Instant, waited: Duration, status: Option<StatusCode>) {
        if !self.is_over {
            self.fetches.push(Fetch { id: self.next_id(), started, waited, status });
        }
    }

    /// The exchange's id is one of 2^64 at random: those that follow it are nobody else's.
    fn next_id(&self) -> u64 {
        self.id.wrapping_add(self.fetches.len() as u64 + 1).max(1)
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
    use super::*;
    use crate::clock::Clock;

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
        let (trace_id, parent_id) = (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7);
        for (text, is_sampled) in [
            (format!("00-{TRACE}-{PARENT}-01"), true),
            (format!("00-{TRACE}-{PARENT}-00"), false),
            (format!("00-{TRACE}-{PARENT}-02"), false),
            (format!("00-{TRACE}-{PARENT}-ff"), true),
            (format!("01-{TRACE}-{PARENT}-01"), true),
            (format!("cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like"), true),
            (format!("fe-{TRACE}-{PARENT}-01-"), true),
        ] {
            assert_eq!(of(&[text.as_bytes()]), Some(TraceContext { trace_id, parent_id, is_sampled }), "{text}");
        }
    }

    #[test]
    fn the_caller_may_forbid_and_the_share_bounds() {
        let context = |is_sampled| Some(TraceContext { trace_id: 1, parent_id: 2, is_sampled });
        let half = Share::new(0.5).unwrap();
        for (context, draw, expect) in [
            (None, 0, true),
            (None, u64::MAX, false),
            (context(true), 0, true),
            (context(true), u64::MAX, false),
            (context(false), 0, false),
        ] {
            assert_eq!(is_recorded(context, half, draw), expect, "{context:?} {draw}");
        }
    }

    #[test]
    fn origins_see_the_request_that_asked_them_as_parent() {
        let context = TraceContext { trace_id: 0xabc, parent_id: 0xdef, is_sampled: true };
        let parent =
            |trace: u128, id: u64| (TRACEPARENT, Some(HeaderValue::try_from(format!("00-{trace:032x}-{id:016x}-01")).unwrap()));
        let mut span = Span::new(Some(context), (1, 0x10), Version::HTTP_11);
        for id in [0x11_u64, 0x12, 0x13] {
            assert_eq!(span.announcement(), [parent(0xabc, id)], "tracestate goes on as it came");
            span.fetched(Clock::instant(), Duration::ZERO, None);
        }
        assert_eq!(span.fetches.iter().map(|fetch| fetch.id).collect::<Vec<_>>(), [0x11, 0x12, 0x13]);
        span.end();
        assert_eq!(span.announcement(), [parent(0xabc, 0x10)]);
        span.fetched(Clock::instant(), Duration::ZERO, None);
        assert_eq!(span.fetches.len(), 3, "nobody will tell of it");
        let alone = Span::new(None, (0, 0), Version::HTTP_10);
        assert_eq!(alone.announcement(), [(TRACESTATE, None), parent(1, 2)], "of a trace that was not understood");
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
