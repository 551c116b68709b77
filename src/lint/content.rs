//! Whether two askers get the same, although content may change from one moment to the next.
//!
//! Everybody asks once, then everybody asks again. What one asker got both times, and another one neither time, is due to who
//! asked: a time of day or a number per request does not stay while another request comes in between.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use http::header;
use sha2::{Digest, Sha256};

use super::Asker;

/// Most different words of a content that are compared.
const MOST_WORDS: usize = 100_000;

/// A content, as far as contents are compared; the content itself is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its length, bytes.
    pub bytes: u64,
    digest: [u8; 32],
    words: BTreeSet<u64>,
}

/// What two askers' answers have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// They are the same.
    Same,
    /// What differs between them differs between two answers to one asker as well.
    Moments,
    /// It depends on who asks.
    Differ,
    /// It cannot be told.
    Unknown,
}

impl Content {
    /// Reads a content.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let words = bytes.split(|byte| !is_word(*byte)).filter(|word| !word.is_empty()).map(hash);
        Self { bytes: bytes.len() as u64, digest: Sha256::digest(bytes).into(), words: words.take(MOST_WORDS).collect() }
    }
}

/// Letters, digits, and whatever is no ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

fn hash(word: &[u8]) -> u64 {
    let mut hash = DefaultHasher::new();
    word.hash(&mut hash);
    hash.finish()
}

/// Do two askers get the same?
pub(super) fn compare(one: &Asker, other: &Asker) -> Likeness {
    if one.first.status != one.second.status || other.first.status != other.second.status {
        return Likeness::Unknown;
    }
    if one.first.status != other.first.status {
        return Likeness::Differ;
    }
    let of = |asker: &Asker| [asker.first.content.clone(), asker.second.content.clone()];
    let (of_one, of_other) = (of(one), of(other));
    let is_equal = of_one.iter().any(|content| of_other.contains(content));
    let is_steady = |[first, second]: &[Content; 2]| first == second;
    let is_coded = [one, other].iter().any(|asker| asker.first.fields.contains_key(header::CONTENT_ENCODING));
    if is_equal {
        Likeness::Same
    } else if is_steady(&of_one) && is_steady(&of_other) || has_own_words(&of_one, &of_other) || has_own_words(&of_other, &of_one)
    {
        Likeness::Differ
    } else if is_coded || of_one.iter().chain(&of_other).any(|content| content.words.len() < 2) {
        // Of bytes without words nothing can be said.
        Likeness::Unknown
    } else {
        Likeness::Moments
    }
}

/// Whether there is a word in both contents of one asker and in none of the other's.
fn has_own_words([first, second]: &[Content; 2], others: &[Content; 2]) -> bool {
    let mut steady = first.words.intersection(&second.words);
    steady.any(|word| others.iter().all(|content| !content.words.contains(word)))
}
