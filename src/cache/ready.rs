//! The fields of answers, kept ready while nothing in them changes.
//!
//! RFC 9111 section 5.1: `Age` counts whole seconds, and with it all that is computed for a reuse changes at most once a
//! second. Many who ask for the same within one second get a copy of what the second of them was answered. There are so many
//! places, whatever is stored: who is asked for seldom has none, and two who have the same one take turns.
//!
//! # Deviations
//!
//! none

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use http::header::{HeaderMap, HeaderValue};

use super::ForwardReason;
use super::entry::Head;

/// Answers that are kept, at most some 2 KiB each.
const PLACES: usize = 1 << 10;

/// Everything that the fields of an answer depend on, besides the stored head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Current age in seconds, where it is told.
    pub age: Option<u64>,
    /// Why the origin was asked, and its status code, where it was.
    pub forward: Option<(ForwardReason, u16)>,
    /// Seconds of freshness that are left.
    pub ttl: i64,
    /// The word of the rule that decided.
    pub word: &'static str,
    /// Our `Via` member.
    pub via: HeaderValue,
}

/// The last answers' fields.
#[derive(Debug)]
pub struct Ready(Box<[Place]>);

#[derive(Debug, Default)]
struct Place {
    /// Which head was asked for last, at which age.
    asked: AtomicU64,
    last: ArcSwapOption<Answer>,
}

/// One answer. It holds its head, so that no other one can be where that was.
#[derive(Debug)]
struct Answer {
    head: Arc<Head>,
    moment: Moment,
    fields: HeaderMap,
}

impl Ready {
    /// A copy of this head's fields for this moment, if they are ready.
    #[must_use]
    pub fn fields(&self, head: &Arc<Head>, moment: &Moment) -> Option<HeaderMap> {
        let last = self.place(head)?.last.load();
        let last = last.as_deref().filter(|known| Arc::ptr_eq(&known.head, head) && known.moment == *moment)?;
        Some(last.fields.clone())
    }

    /// Keeps an answer's fields if this is the second one of its second: who is asked for seldom is not worth the memory.
    pub fn keep(&self, head: &Arc<Head>, moment: Moment, fields: &HeaderMap) {
        let Some(place) = self.place(head) else { return };
        // Two that are mistaken for each other here are told apart above.
        let asked = address(head).rotate_left(32) ^ moment.age.map_or(0, |age| age.saturating_add(1));
        if place.asked.swap(asked, Ordering::Relaxed) == asked {
            place.last.store(Some(Arc::new(Answer { head: Arc::clone(head), moment, fields: fields.clone() })));
        }
    }

    fn place(&self, head: &Arc<Head>) -> Option<&Place> {
        // Heads stand 64 bytes apart at least; the product's upper bits depend on all of the address.
        let spread = (address(head) >> 6).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.0.get(usize::try_from(spread).ok()? % PLACES)
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Place::default()).collect())
    }
}

fn address(head: &Arc<Head>) -> u64 {
    Arc::as_ptr(head).addr() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::anonymous;

    fn moment(age: u64) -> Moment {
        Moment { age: Some(age), forward: None, ttl: 9, word: "permit-public", via: HeaderValue::from_static("1.1 a") }
    }

    fn fields() -> HeaderMap {
        HeaderMap::from_iter([(http::header::AGE, HeaderValue::from_static("7"))])
    }

    #[test]
    fn only_the_second_answer_of_a_second_is_kept_and_only_for_its_moment() {
        let (ready, head) = (Ready::default(), Arc::new(anonymous("max-age=60")));
        for age in [7, 8, 7] {
            ready.keep(&head, moment(age), &fields());
            assert_eq!(ready.fields(&head, &moment(age)), None, "the first of its second");
        }
        ready.keep(&head, moment(7), &fields());
        assert_eq!(ready.fields(&head, &moment(7)), Some(fields()));
        let others = [
            moment(8),
            Moment { age: None, ..moment(7) },
            Moment { forward: Some((ForwardReason::Stale, 304)), ..moment(7) },
            Moment { ttl: 8, ..moment(7) },
            Moment { word: "stale", ..moment(7) },
            Moment { via: HeaderValue::from_static("1.1 b"), ..moment(7) },
        ];
        for other in others {
            assert_eq!(ready.fields(&head, &other), None, "{other:?}");
        }
    }

    #[test]
    fn another_head_has_other_fields_wherever_it_is() {
        let ready = Ready::default();
        let mut heads = Vec::new();
        for number in 0..4 * PLACES as u64 {
            let head = Arc::new(anonymous("max-age=60"));
            assert_eq!(ready.fields(&head, &moment(7)), None, "{number}");
            ready.keep(&head, moment(7), &fields());
            ready.keep(&head, moment(7), &fields());
            assert_eq!(ready.fields(&head, &moment(7)), Some(fields()), "{number}");
            // Every other one goes, and its memory is another's.
            heads.extend((number % 2 == 0).then_some(head));
        }
        let count = heads.iter().filter(|head| ready.fields(head, &moment(7)).is_some()).count();
        assert!((PLACES / 8..=PLACES).contains(&count), "{count} have a place");
    }
}
