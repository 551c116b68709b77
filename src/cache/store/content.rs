//! The bytes of a stored response.

use bytes::Bytes;

use crate::cache::rules::range::Span;

/// Content as a list of chunks, as they came from the origin.
#[derive(Clone, Debug)]
pub struct Content(Chunks);

/// Most contents are one chunk, which needs no list.
#[derive(Clone, Debug)]
enum Chunks {
    One(Bytes),
    Some {
        chunks: Box<[Bytes]>,
        length: u64,
    },
    /// It has this length and is not there.
    Absent(u64),
}

impl Default for Content {
    fn default() -> Self {
        Self::of_length(0)
    }
}

impl Content {
    /// Content of these chunks.
    #[must_use]
    pub fn new(chunks: Vec<Bytes>) -> Self {
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self(match <[Bytes; 1]>::try_from(chunks) {
            Ok([chunk]) => Chunks::One(chunk),
            Err(chunks) => Chunks::Some { chunks: chunks.into(), length },
        })
    }

    /// Content of this length that is not there, for who decides and never answers.
    #[must_use]
    pub fn of_length(length: u64) -> Self {
        Self(Chunks::Absent(length))
    }

    /// The bytes of two spans that overlap or adjoin; nothing is copied.
    pub(super) fn joined(a: (Span, &Self), b: (Span, &Self)) -> Self {
        let ((low_span, low), (high_span, high)) = if a.0.first <= b.0.first { (a, b) } else { (b, a) };
        let mut known = low_span.last.saturating_add(1).saturating_sub(high_span.first);
        let mut chunks = low.chunks().to_vec();
        for chunk in high.chunks() {
            let skip = usize::try_from(known).unwrap_or(usize::MAX).min(chunk.len());
            known -= skip as u64;
            if skip < chunk.len() {
                chunks.push(chunk.slice(skip..));
            }
        }
        Self::new(chunks)
    }

    /// Its chunks, in order.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        match &self.0 {
            Chunks::One(chunk) => std::slice::from_ref(chunk),
            Chunks::Some { chunks, .. } => chunks,
            Chunks::Absent(_) => &[],
        }
    }

    /// Bytes in total.
    #[must_use]
    pub fn length(&self) -> u64 {
        match &self.0 {
            Chunks::One(chunk) => chunk.len() as u64,
            Chunks::Some { length, .. } | Chunks::Absent(length) => *length,
        }
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn weight_bytes(&self) -> u64 {
        // What it takes to share a chunk.
        const CHUNK_OVERHEAD: usize = 48;
        let list = if let Chunks::Some { chunks, .. } = &self.0 { size_of_val(&**chunks) } else { 0 };
        self.length() + (self.chunks().len() * CHUNK_OVERHEAD + list) as u64
    }
}
