//! The canary's questions: which reuses are doubted, and is what the origin says to the asker the same?
//!
//! RFC 9111 section 3.5 tells what may be shared; whether an origin that permits it really answers everybody alike, and
//! whether this cache keeps to the rule, shows in the answers alone.
//!
//! # Deviations
//!
//! none

use bytes::Bytes;
use http::StatusCode;

/// The share of reuses that are doubted, from 0 (none) to 1 (each).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Share(f64);

/// What the origin's own answer to the asker says about a reused one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Another status code.
    Status,
    /// Other content.
    Content,
}

impl Share {
    /// Nothing is doubted.
    pub const NONE: Self = Self(0.0);

    /// Each is doubted.
    pub const EACH: Self = Self(1.0);

    /// A share from 0 to 1; none for any other number.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// Whether this draw is among the doubted ones; draws are evenly spread over all numbers.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share of a thousandth is not told apart by the last bits")]
    pub fn has(self, draw: u64) -> bool {
        self.0 > 0.0 && (draw as f64) <= self.0 * (u64::MAX as f64)
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Suspicion {
    /// The word in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Content => "content",
        }
    }
}

/// The status code of the origin's answer beside the reused one; none if nothing can be told from it.
///
/// A failing origin, or one that wants to be asked less, says nothing about who may see what.
#[must_use]
pub fn compare_status(reused: StatusCode, own: StatusCode) -> Option<Result<(), Suspicion>> {
    let is_silent = own.is_server_error() && own != reused || matches!(own.as_u16(), 407 | 408 | 429);
    (!is_silent).then_some(if own == reused { Ok(()) } else { Err(Suspicion::Status) })
}

/// Compares content that arrives in pieces with content that is there in others.
#[derive(Debug)]
pub struct Comparison<'a> {
    rest: std::slice::Iter<'a, Bytes>,
    current: &'a [u8],
}

impl<'a> Comparison<'a> {
    /// Nothing is compared yet.
    #[must_use]
    pub fn with(stored: &'a [Bytes]) -> Self {
        Self { rest: stored.iter(), current: &[] }
    }

    /// Is this what comes next?
    #[must_use]
    pub fn goes_on_with(&mut self, mut piece: &[u8]) -> bool {
        while !piece.is_empty() {
            if !self.has_more() {
                return false;
            }
            let length = piece.len().min(self.current.len());
            let ((known, current), (got, left)) = (self.current.split_at(length), piece.split_at(length));
            if known != got {
                return false;
            }
            (self.current, piece) = (current, left);
        }
        true
    }

    /// Was this everything?
    #[must_use]
    pub fn is_at_end(&mut self) -> bool {
        !self.has_more()
    }

    fn has_more(&mut self) -> bool {
        while self.current.is_empty() {
            let Some(next) = self.rest.next() else { return false };
            self.current = next;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_between_none_and_each() {
        for (share, draw, expect) in [
            (0.0, 0, false),
            (0.0, u64::MAX, false),
            (1.0, 0, true),
            (1.0, u64::MAX, true),
            (0.5, u64::MAX / 4, true),
            (0.5, u64::MAX / 4 * 3, false),
            (0.001, u64::MAX / 1_001, true),
            (0.001, u64::MAX / 999, false),
        ] {
            assert_eq!(Share::new(share).unwrap().has(draw), expect, "{share} {draw}");
        }
        for wrong in [-0.001, 1.001, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_failing_origin_says_nothing_and_a_refusing_one_much() {
        for (reused, own, expect) in [
            (200, 200, Some(Ok(()))),
            (404, 404, Some(Ok(()))),
            (200, 401, Some(Err(Suspicion::Status))),
            (200, 403, Some(Err(Suspicion::Status))),
            (200, 404, Some(Err(Suspicion::Status))),
            (200, 302, Some(Err(Suspicion::Status))),
            (200, 429, None),
            (200, 500, None),
            (200, 503, None),
            (501, 501, Some(Ok(()))),
        ] {
            let code = |code| StatusCode::from_u16(code).unwrap();
            assert_eq!(compare_status(code(reused), code(own)), expect, "{reused} {own}");
        }
    }

    #[test]
    fn content_is_compared_byte_by_byte_whatever_the_pieces() {
        let stored: Vec<Bytes> = ["ab", "", "cde", "f"].iter().map(|text| Bytes::from_static(text.as_bytes())).collect();
        for (pieces, expect) in [
            (&["abcdef"][..], true),
            (&["a", "bcd", "", "ef"], true),
            (&["abcde"], false),
            (&["abcdef", "g"], false),
            (&["abXdef"], false),
            (&["abcdeX"], false),
            (&[], false),
        ] {
            let mut comparison = Comparison::with(&stored);
            let is_same = pieces.iter().all(|piece| comparison.goes_on_with(piece.as_bytes())) && comparison.is_at_end();
            assert_eq!(is_same, expect, "{pieces:?}");
        }
        assert!(Comparison::with(&[]).is_at_end());
    }
}
