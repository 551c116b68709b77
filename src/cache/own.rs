//! Memory of one's own for what is kept: no stored response keeps a read buffer alive.
//!
//! A chunk as it is received is a slice of the buffer that it was read into, usually 8 KiB or more, and holds
//! all of it. What is weighed by its own length has to be as long as that.
//!
//! # Deviations
//!
//! none

use bytes::Bytes;

/// A chunk from this length on fills most of what it was read into, and is kept as it is.
const LARGE_BYTES: usize = 16 << 10;

/// The same chunk, copied if it is small.
#[must_use]
pub fn own_chunk(chunk: Bytes) -> Bytes {
    if chunk.len() < LARGE_BYTES { Bytes::copy_from_slice(&chunk) } else { chunk }
}

/// These chunks as they are kept: small ones as one piece.
#[must_use]
pub fn joined(chunks: Vec<Bytes>) -> Vec<Bytes> {
    let length = chunks.iter().map(Bytes::len).sum::<usize>();
    if chunks.len() < 2 || length >= LARGE_BYTES {
        return chunks;
    }
    let mut one = Vec::with_capacity(length);
    chunks.iter().for_each(|chunk| one.extend_from_slice(chunk));
    vec![one.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_chunk_lets_go_of_what_it_was_read_into() {
        for (length, is_let_go) in [(0, true), (1, true), (LARGE_BYTES - 1, true), (LARGE_BYTES, false)] {
            let buffer = Bytes::from(vec![b'x'; 2 * LARGE_BYTES]);
            let own = own_chunk(buffer.slice(7..7 + length));
            assert_eq!((own.len(), buffer.is_unique()), (length, is_let_go), "{length}");
        }
    }

    #[test]
    fn small_chunks_become_one_and_large_ones_stay() {
        let chunks = |lengths: &[usize]| lengths.iter().map(|length| Bytes::from(vec![b'x'; *length])).collect::<Vec<_>>();
        for (given, expected) in [
            (&[][..], &[][..]),
            (&[0], &[0]),
            (&[5], &[5]),
            (&[5, 0, 7], &[12]),
            (&[1, LARGE_BYTES - 2], &[LARGE_BYTES - 1]),
            (&[1, LARGE_BYTES - 1], &[1, LARGE_BYTES - 1]),
        ] {
            assert_eq!(joined(chunks(given)), chunks(expected), "{given:?}");
        }
        assert_eq!(joined(vec!["ab".into(), "c".into()]), ["abc"]);
    }
}
