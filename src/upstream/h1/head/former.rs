//! A head is read by the one before it on the connection, where it is like that.
//!
//! An origin says much the same in every answer: the fields, their order and most of the values. What is equal to the letter
//! was read before; of a line with another value that value alone is read. Everything else is left to the parser, which is
//! the measure: a head that is read here is the head that the parser makes of the text.
//!
//! # Deviations
//!
//! none

use std::ops::Range;

use bytes::Bytes;
use http::header::HeaderValue;

use super::{Head, is_persistent};
use crate::hop::EXCHANGE_FIELDS;

/// A longer head is not remembered: there are many idle connections.
const MOST_BYTES: usize = 2 << 10;

/// What is remembered of the heads that came before.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Former {
    known: Option<Box<Known>>,
    /// That of the last head, unless it was read by the known one. Two of one kind are the beginning of many.
    last: Option<Shape>,
}

/// A head that others are like.
#[derive(Debug)]
struct Known {
    /// As it came, in memory of its own: each line ends with CRLF, and no name comes twice.
    text: Vec<u8>,
    /// Where the lines of its fields stand.
    lines: Vec<Line>,
    head: Head,
}

#[derive(Debug)]
struct Line {
    start: usize,
    value: Range<usize>,
}

/// What heads have in common that are probably alike: status code, count of fields and bytes of their names.
type Shape = (u16, usize, usize);

impl Former {
    /// The head that a text begins with, and where it ends, if it is like the known one.
    pub(super) fn read(&mut self, text: &[u8]) -> Option<(usize, Head)> {
        let known = self.known.as_mut()?;
        let found = known.same(text).or_else(|| known.alike(text))?;
        self.last = None;
        Some(found)
    }

    /// Remembers a head that was read otherwise if the one before was of its kind; `text` is what its values are slices of.
    pub(super) fn note(&mut self, text: &Bytes, head: &Head) {
        let names = head.fields.keys();
        let shape = (head.status.as_u16(), head.fields.len(), names.map(|name| name.as_str().len()).sum());
        if self.last.replace(shape) == Some(shape) {
            self.known = Known::of(text, head).map(Box::new);
        }
    }
}

impl Known {
    /// None where it is not certain which line is which, and of an interim head or one that is for one exchange alone.
    fn of(text: &Bytes, head: &Head) -> Option<Self> {
        let fields = &head.fields;
        let is_for_one = fields.keys().any(|name| EXCHANGE_FIELDS.contains(name));
        if text.len() > MOST_BYTES || head.status.is_informational() || is_for_one || fields.len() != fields.keys_len() {
            return None;
        }
        let (own, mut head) = (Bytes::copy_from_slice(text), head.clone());
        let mut lines = Vec::with_capacity(fields.len());
        let mut end = text.iter().position(|byte| *byte == b'\n')? + 1;
        for value in head.fields.values_mut() {
            // Of a folded line the value is no slice of the text.
            let start = value.as_bytes().as_ptr().addr().checked_sub(text.as_ptr().addr())?;
            let place = start..start.checked_add(value.len())?;
            if start < end || text.get(place.clone()) != Some(value.as_bytes()) || !text.get(place.end..)?.starts_with(b"\r\n") {
                return None;
            }
            *value = HeaderValue::from_maybe_shared(own.slice(place.clone())).ok()?;
            lines.push(Line { start: std::mem::replace(&mut end, place.end + 2), value: place });
        }
        (text.get(end..) == Some(b"\r\n")).then_some(Self { text: own.to_vec(), lines, head })
    }

    /// The very same head.
    fn same(&self, text: &[u8]) -> Option<(usize, Head)> {
        text.starts_with(&self.text).then(|| (self.text.len(), self.head.clone()))
    }

    /// The head with other values. One as long in every line is the known one from then on: a date that was another stays so for
    /// the rest of its second.
    fn alike(&mut self, text: &[u8]) -> Option<(usize, Head)> {
        let (end, others) = self.others(text)?;
        let is_as_long =
            |(line, other): (&Line, &Option<HeaderValue>)| other.as_ref().is_none_or(|value| value.len() == line.value.len());
        if self.lines.iter().zip(&others).all(is_as_long) {
            self.text.clear();
            self.text.extend_from_slice(text.get(..end)?);
            replace(&mut self.head, others);
            return Some((end, self.head.clone()));
        }
        let mut head = self.head.clone();
        replace(&mut head, others);
        Some((end, head))
    }

    /// Where the head ends, and line by line the value that is another.
    fn others(&self, text: &[u8]) -> Option<(usize, Vec<Option<HeaderValue>>)> {
        let mut end = self.lines.first().map_or(self.text.len().checked_sub(2)?, |line| line.start);
        if text.get(..end)? != self.text.get(..end)? {
            return None;
        }
        let mut others = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let (rest, known) = (text.get(end..)?, self.text.get(line.start..line.value.end + 2)?);
            if rest.starts_with(known) {
                end += known.len();
                others.push(None);
                continue;
            }
            let name = self.text.get(line.start..line.value.start)?;
            let value = plain_value(rest.strip_prefix(name)?)?;
            end += name.len() + value.len() + 2;
            others.push(Some(HeaderValue::from_bytes(value).ok()?));
        }
        text.get(end..)?.starts_with(b"\r\n").then_some((end + 2, others))
    }
}

fn replace(head: &mut Head, others: Vec<Option<HeaderValue>>) {
    for (place, other) in head.fields.values_mut().zip(others) {
        if let Some(other) = other {
            *place = other;
        }
    }
    head.is_persistent = is_persistent(head.version, &head.fields);
}

/// The value that a line begins with, where it needs no mending: without white space around it, and ended by CRLF. Whether
/// the next line continues it shows there: that begins with white space and is like no known one.
///
/// ABNF: `field-value = *field-content`, `field-content` without white space at its ends.
///
/// Source: RFC 9112 sections 5 and 5.2.
fn plain_value(line: &[u8]) -> Option<&[u8]> {
    let value = line.get(..memchr::memchr(b'\r', line)?)?;
    let is_white = |byte: &u8| matches!(byte, b' ' | b'\t');
    let is_plain =
        line.get(value.len() + 1) == Some(&b'\n') && !value.first().is_none_or(is_white) && !value.last().is_none_or(is_white);
    is_plain.then_some(value)
}
