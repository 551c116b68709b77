//! The fields of a stored response: their values in one piece of memory, beside names that many responses share.
//!
//! In a `HeaderMap` a field takes some 110 bytes besides its text. A stored response has a map made from this when it is
//! shown; the values in that are slices of the one piece.
//!
//! # Deviations
//!
//! none

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::shared::{Shared, is_alone};
use crate::fields::Lines;

/// Lists of field names.
static NAMES: Shared<[HeaderName]> = Shared::new();

/// Bytes of the number that says where a value ends.
const END_BYTES: usize = size_of::<u32>();

/// Some fields, those of one name one after the other, in the order of their first.
#[derive(Clone, Default)]
pub struct Fields {
    names: Arc<[HeaderName]>,
    /// Where in this each value ends, then the values.
    block: Bytes,
}

impl Fields {
    /// These, as one iterates over a `HeaderMap`. Nothing that the values were read into is kept.
    pub fn new<'a>(lines: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> Self {
        let (names, values): (Vec<HeaderName>, Vec<&HeaderValue>) = lines.map(|(name, value)| (name.clone(), value)).unzip();
        let mut end = names.len() * END_BYTES;
        let length = end + values.iter().map(|value| value.len()).sum::<usize>();
        let mut block = Vec::with_capacity(length);
        for value in &values {
            end += value.len();
            // A head of 4 GiB is never read.
            block.extend_from_slice(&u32::try_from(end).unwrap_or(u32::MAX).to_le_bytes());
        }
        values.iter().for_each(|value| block.extend_from_slice(value.as_bytes()));
        Self { names: NAMES.of(names), block: block.into() }
    }

    /// The same with this value in place of those of this name.
    #[must_use]
    pub fn with(&self, name: &HeaderName, value: &HeaderValue) -> Self {
        let mut spans = self.spans().filter(|(known, _)| *known == name);
        if let (Some((_, span)), None) = (spans.next(), spans.next())
            && span.len() == value.len()
        {
            let mut block = self.block.to_vec();
            if let Some(known) = block.get_mut(span) {
                known.copy_from_slice(value.as_bytes());
                return Self { names: Arc::clone(&self.names), block: block.into() };
            }
        }
        let mut map = self.to_map(1);
        map.insert(name, value.clone());
        Self::from(&map)
    }

    /// As a map with room for some more.
    #[must_use]
    pub fn to_map(&self, room: usize) -> HeaderMap {
        self.to_map_without(&[], room)
    }

    /// The same without the fields of these names.
    #[must_use]
    pub fn to_map_without(&self, names: &[HeaderName], room: usize) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.names.len() + room);
        for (name, span) in self.spans().filter(|(name, _)| !names.contains(name)) {
            if let Some(value) = self.value(span) {
                map.append(name, value);
            }
        }
        map
    }

    /// The first value of this name.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "asked as a header map is")]
    pub fn get<N>(&self, name: N) -> Option<HeaderValue>
    where
        HeaderName: PartialEq<N>,
    {
        self.spans().find(|(known, _)| **known == name).and_then(|(_, span)| self.value(span))
    }

    /// Whether there is one of this name.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "asked as a header map is")]
    pub fn contains_key<N>(&self, name: N) -> bool
    where
        HeaderName: PartialEq<N>,
    {
        self.names.iter().any(|known| *known == name)
    }

    /// The names, one for each line.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.names.iter()
    }

    /// Bytes in memory, about.
    #[must_use]
    pub(super) fn weight_bytes(&self) -> usize {
        // What it takes to share the block.
        const AROUND: usize = 48;
        let own_names = if is_alone(&self.names) { names_weight(&self.names) } else { 0 };
        own_names + self.block.len() + AROUND
    }

    /// Where each value stands.
    fn spans(&self) -> impl Iterator<Item = (&HeaderName, Range<usize>)> {
        let mut start = self.names.len() * END_BYTES;
        let ends = self.block.as_chunks().0.iter();
        self.names.iter().zip(ends).map(move |(name, end)| {
            let end = u32::from_le_bytes(*end) as usize;
            (name, std::mem::replace(&mut start, end)..end)
        })
    }

    /// What was a value is one again.
    fn value(&self, span: Range<usize>) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.block.slice(span)).ok()
    }
}

impl Lines for Fields {
    fn lines<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.spans().filter(move |(known, _)| *known == name).filter_map(|(_, span)| self.block.get(span))
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.contains_key(name)
    }
}

impl From<&HeaderMap> for Fields {
    fn from(map: &HeaderMap) -> Self {
        Self::new(map.iter())
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_map(0).fmt(f)
    }
}

/// Bytes in memory of a list that nobody else has.
pub(super) fn names_weight(names: &[HeaderName]) -> usize {
    // One that is not among the well-known has memory of its own, and a count of who shares it.
    const AROUND: usize = 16;
    names.iter().map(|name| size_of::<HeaderName>() + name.as_str().len() + AROUND).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::Given;

    fn map(lines: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    #[test]
    fn fields_come_back_as_they_were() {
        let cases: [&[(&str, &[u8])]; 4] = [
            &[],
            &[("a", b"")],
            &[("a", b"one"), ("b", b"two \xfc"), ("a", b""), ("date", b"x"), ("a", b"three")],
            &[("x-long", &[b'x'; 9000]), ("etag", b"\"a\"")],
        ];
        for lines in cases {
            let before = map(lines);
            let fields = Fields::from(&before);
            assert_eq!((fields.to_map(0), fields.to_map(9)), (before.clone(), before.clone()));
            assert_eq!(fields.names().collect::<Vec<_>>(), before.iter().map(|(name, _)| name).collect::<Vec<_>>());
            for name in ["a", "b", "A", "date", "etag", "none"] {
                assert_eq!(fields.get(name), before.get(name).cloned(), "{name}");
                assert_eq!(fields.contains_key(name), before.contains_key(name), "{name}");
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                assert!(fields.lines(&name).eq(before.lines(&name)), "{name}");
                assert_eq!((fields.has(&name), before.has(&name)), (before.contains_key(&name), before.contains_key(&name)));
            }
        }
    }

    #[test]
    fn what_is_left_out_takes_all_its_lines_along() {
        let fields = Fields::from(&map(&[("a", b"1"), ("b", b"2"), ("a", b"3")]));
        let without = |name: &'static str| fields.to_map_without(&[HeaderName::from_static(name)], 0);
        assert_eq!((without("a"), without("b")), (map(&[("b", b"2")]), map(&[("a", b"1"), ("a", b"3")])));
    }

    #[test]
    fn a_value_takes_the_place_of_all_of_its_name() {
        let lines: &[(&str, &[u8])] = &[("a", b"1"), ("b", b"2"), ("c", b"3"), ("a", b"4")];
        for (name, value) in [("a", "5"), ("b", "5"), ("c", ""), ("c", "longer"), ("d", "new")] {
            let (mut expected, name, value) = (map(lines), HeaderName::from_static(name), HeaderValue::from_static(value));
            let changed = Fields::from(&expected).with(&name, &value);
            expected.insert(&name, value);
            assert_eq!(changed.to_map(0), expected, "{name}");
        }
    }

    /// A value as it is received is a slice of what it was read into, usually 8 KiB or more.
    #[test]
    fn what_values_were_read_into_is_let_go() {
        let buffer = Bytes::from(b"one two".to_vec());
        let mut map = HeaderMap::new();
        map.append("a", HeaderValue::from_maybe_shared(buffer.slice(0..3)).unwrap());
        map.append("b", HeaderValue::from_maybe_shared(buffer.slice(4..7)).unwrap());
        let fields = Fields::from(&map);
        drop(map);
        assert!(buffer.is_unique());
        assert_eq!(fields.get("b").unwrap(), "two");
    }

    #[test]
    fn stored_heads_share_their_names_and_what_is_shown_is_not_copied() {
        let head = |value| Given { response: &[("cache-control", "max-age=60"), ("x-a", value)], ..Given::default() }.judge();
        let (one, other) = (head("1").unwrap(), head("2").unwrap());
        assert!(Arc::ptr_eq(&one.fields.names, &other.fields.names) && Arc::ptr_eq(&one.directives, &other.directives));
        let within = one.fields.block.as_ptr_range();
        assert!(one.reusable_fields().values().all(|value| within.contains(&value.as_bytes().as_ptr())));
    }
}
