//! The fields of an answer, kept ready while nothing in them changes.
//!
//! RFC 9111 section 5.1: `Age` counts whole seconds, and with it all that is computed for a reuse changes at most once a
//! second. Many who ask for the same within one second get a copy of what the second of them was answered.
//!
//! # Deviations
//!
//! none

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use http::header::{HeaderMap, HeaderValue};

/// Everything that the fields of a reuse depend on, besides the stored head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Current age in seconds.
    pub age: u64,
    /// Seconds of freshness that are left.
    pub ttl: i64,
    /// The word of the rule that decided.
    pub word: &'static str,
    /// Our `Via` member.
    pub via: HeaderValue,
}

/// The last answer's fields, or nothing; a clone starts with nothing.
#[derive(Debug, Default)]
pub struct Ready {
    /// The age at which somebody asked last, plus one.
    asked: AtomicU64,
    last: ArcSwapOption<(Moment, HeaderMap)>,
}

impl Ready {
    /// A copy of the fields for this moment, if they are ready.
    #[must_use]
    pub fn fields(&self, moment: &Moment) -> Option<HeaderMap> {
        let last = self.last.load();
        last.as_deref().filter(|(known, _)| known == moment).map(|(_, fields)| fields.clone())
    }

    /// Keeps an answer's fields if this is the second one of its second: who is asked for seldom is not worth the memory.
    pub fn keep(&self, moment: Moment, fields: &HeaderMap) {
        let second = moment.age.saturating_add(1);
        if self.asked.swap(second, Ordering::Relaxed) == second {
            self.last.store(Some(Arc::new((moment, fields.clone()))));
        }
    }
}

impl Clone for Ready {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(age: u64) -> Moment {
        Moment { age, ttl: 9, word: "permit-public", via: HeaderValue::from_static("1.1 a") }
    }

    #[test]
    fn only_the_second_answer_of_a_second_is_kept_and_only_for_its_moment() {
        let (ready, mut fields) = (Ready::default(), HeaderMap::new());
        fields.insert("age", HeaderValue::from_static("7"));
        for age in [7, 8, 7] {
            ready.keep(moment(age), &fields);
            assert_eq!(ready.fields(&moment(age)), None, "the first of its second");
        }
        ready.keep(moment(7), &fields);
        assert_eq!(ready.fields(&moment(7)), Some(fields));
        let others = [
            moment(8),
            Moment { ttl: 8, ..moment(7) },
            Moment { word: "stale", ..moment(7) },
            Moment { via: HeaderValue::from_static("1.1 b"), ..moment(7) },
        ];
        for other in others {
            assert_eq!(ready.fields(&other), None, "{other:?}");
        }
        let another = ready.clone();
        assert_eq!(
            (another.fields(&moment(7)), ready.fields(&moment(7)).is_some()),
            (None, true),
            "another head has other fields"
        );
    }
}
