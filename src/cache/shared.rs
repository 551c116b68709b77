//! One copy of what many stored responses have in common.
//!
//! The responses of one origin mostly have the same field names and the same directives. A value has a place by its hash, and
//! a place remembers the last value alone: two that take turns there are stored more than once, and nothing else.
//!
//! # Deviations
//!
//! none

use std::borrow::Borrow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;

/// Values that are remembered.
const PLACES: usize = 256;

/// The values that were asked for last.
pub(super) struct Shared<T: ?Sized>([Mutex<Option<Arc<T>>>; PLACES]);

impl<T: ?Sized + Hash + Eq> Shared<T> {
    /// None so far.
    pub(super) const fn new() -> Self {
        Self([const { Mutex::new(None) }; PLACES])
    }

    /// The copy of this value that others have too, or that others will have.
    pub(super) fn of<V>(&self, value: V) -> Arc<T>
    where
        V: Borrow<T>,
        Arc<T>: From<V>,
    {
        let mut hasher = DefaultHasher::new();
        value.borrow().hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % PLACES as u64).ok().and_then(|place| self.0.get(place));
        let Some(mut place) = place.map(Mutex::lock) else { return value.into() };
        match &*place {
            Some(known) if **known == *value.borrow() => Arc::clone(known),
            _ => Arc::clone(place.insert(value.into())),
        }
    }
}

/// Whether nobody has this value but one stored response, and the place that remembers it.
pub(super) fn is_alone<T: ?Sized>(value: &Arc<T>) -> bool {
    const ITS_OWN_AND_THE_PLACE: usize = 2;
    Arc::strong_count(value) <= ITS_OWN_AND_THE_PLACE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_others_are_not() {
        let shared: Shared<[u8]> = Shared::new();
        let (one, same, other) = (shared.of(vec![1, 2]), shared.of(vec![1, 2]), shared.of(vec![2, 1]));
        assert!(Arc::ptr_eq(&one, &same) && !is_alone(&one));
        assert_eq!((&*one, &*other, is_alone(&other)), (&[1, 2][..], &[2, 1][..], true));
    }

    #[test]
    fn what_lost_its_place_keeps_its_value_and_memory_is_bounded() {
        let shared: Shared<u32> = Shared::new();
        let all: Vec<_> = (0..10_000).map(|number| shared.of(number)).collect();
        assert!(all.iter().enumerate().all(|(at, number)| **number as usize == at));
        assert_eq!(all.iter().filter(|number| Arc::strong_count(number) > 1).count(), PLACES, "each place has one");
    }
}
