//! Memory of one's own for what is kept: no stored response keeps a read buffer alive.
//!
//! A field value or a chunk as it is received is a slice of the buffer that it was read into, usually 8 KiB or more, and holds
//! all of it. What is weighed by its own length has to be as long as that.
//!
//! # Deviations
//!
//! none

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderValue};

/// A chunk from this length on fills most of what it was read into, and is kept as it is.
const LARGE_BYTES: usize = 16 << 10;

/// The same chunk, copied if it is small.
#[must_use]
pub fn own_chunk(chunk: Bytes) -> Bytes {
    if chunk.len() < LARGE_BYTES { Bytes::copy_from_slice(&chunk) } else { chunk }
}

/// Copies all values into one piece of memory that nothing else is in.
pub fn own_values(fields: &mut HeaderMap) {
    let mut memory = BytesMut::with_capacity(fields.values().map(HeaderValue::len).sum());
    for value in fields.values_mut() {
        memory.extend_from_slice(value.as_bytes());
        // What was a value is one again.
        let Ok(mut own) = HeaderValue::from_maybe_shared(memory.split().freeze()) else { continue };
        own.set_sensitive(value.is_sensitive());
        *value = own;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::Given;

    #[test]
    fn a_small_chunk_lets_go_of_what_it_was_read_into() {
        for (length, is_let_go) in [(0, true), (1, true), (LARGE_BYTES - 1, true), (LARGE_BYTES, false)] {
            let buffer = Bytes::from(vec![b'x'; 2 * LARGE_BYTES]);
            let own = own_chunk(buffer.slice(7..7 + length));
            assert_eq!((own.len(), buffer.is_unique()), (length, is_let_go), "{length}");
        }
    }

    #[test]
    fn values_keep_their_order_their_bytes_and_nothing_else() {
        let buffer = Bytes::from(b"one two \xfc".to_vec());
        let mut fields = HeaderMap::new();
        for (name, at) in [("a", 0..3), ("b", 4..7), ("a", 8..9), ("c", 3..3)] {
            fields.append(name, HeaderValue::from_maybe_shared(buffer.slice(at)).unwrap());
        }
        fields.get_mut("b").unwrap().set_sensitive(true);
        let before = fields.clone();
        own_values(&mut fields);
        assert_eq!(fields, before);
        assert!(fields["b"].is_sensitive() && !fields["a"].is_sensitive());
        drop(before);
        assert!(buffer.is_unique());
    }

    /// The head that is stored has none of the values that were received.
    #[test]
    fn a_stored_head_keeps_no_value_that_was_received() {
        let head =
            Given { response: &[("cache-control", "max-age=60"), ("x-a", "a value")], ..Given::default() }.judge().unwrap();
        let own: Vec<*const u8> = head.fields.values().map(|value| value.as_bytes().as_ptr()).collect();
        let end = own.iter().zip(head.fields.values()).map(|(at, value)| at.wrapping_add(value.len()));
        // One after the other, as they were copied.
        assert!(own.iter().skip(1).zip(end).all(|(next, end)| *next == end), "{own:?}");
        assert!(head.reusable_fields().values().zip(own).all(|(value, at)| value.as_bytes().as_ptr() == at));
    }
}
