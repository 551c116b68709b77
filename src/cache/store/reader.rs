//! Reads stored content, or content that is being stored, at its own pace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::stored::StoredResponse;
use super::transfer::{BrokenOff, TransferReader};
use crate::body::BodyError;

/// Content of a stored response or of a running transfer.
#[derive(Debug)]
pub enum Reader {
    /// A part of complete content.
    Stored(StoredReader),
    /// Parts of complete content with text between them, one after the other.
    Pieces {
        /// What is still to be read.
        pieces: VecDeque<Piece>,
        /// Bytes in them.
        remaining: u64,
    },
    /// A running transfer, with its length if the origin stated one.
    Running {
        /// Where the chunks come from.
        transfer: TransferReader,
        /// Bytes still to come, if known.
        remaining: Option<u64>,
    },
    /// A part of a running transfer.
    RunningPart {
        /// Where the chunks come from.
        transfer: TransferReader,
        /// Bytes to leave out before the first that is wanted.
        skip: u64,
        /// Bytes still to come.
        remaining: u64,
    },
}

/// A piece of a composed content.
#[derive(Debug)]
pub enum Piece {
    /// Bytes of our own.
    Text(Bytes),
    /// Bytes of a stored response.
    Part(StoredReader),
}

/// A part of a stored response's content.
#[derive(Debug)]
pub struct StoredReader {
    stored: Arc<StoredResponse>,
    next_chunk: usize,
    /// Bytes to leave out before the next chunk's first byte that is wanted.
    skip: u64,
    remaining: u64,
}

impl Reader {
    /// All content of a stored response.
    #[must_use]
    pub fn whole(stored: Arc<StoredResponse>) -> Self {
        let remaining = stored.content().length();
        Self::Stored(StoredReader { stored, next_chunk: 0, skip: 0, remaining })
    }

    /// The bytes from `first` to `last` inclusive; positions outside the content are cut off.
    #[must_use]
    pub fn part(stored: Arc<StoredResponse>, first: u64, last: u64) -> Self {
        Self::Stored(Self::stored_part(stored, first, last))
    }

    /// The same as a piece of something larger.
    #[must_use]
    pub fn stored_part(stored: Arc<StoredResponse>, first: u64, last: u64) -> StoredReader {
        let length = stored.content().length();
        let end = last.saturating_add(1).min(length);
        StoredReader { stored, next_chunk: 0, skip: first, remaining: end.saturating_sub(first) }
    }

    /// Pieces in this order.
    #[must_use]
    pub fn pieces(pieces: VecDeque<Piece>) -> Self {
        let remaining = pieces.iter().map(Piece::length).sum();
        Self::Pieces { pieces, remaining }
    }

    /// A running transfer.
    #[must_use]
    pub fn running(transfer: TransferReader, length: Option<u64>) -> Self {
        Self::Running { transfer, remaining: length }
    }

    /// The bytes from `first` to `last` inclusive of a running transfer.
    #[must_use]
    pub fn running_part(transfer: TransferReader, first: u64, last: u64) -> Self {
        Self::RunningPart { transfer, skip: first, remaining: last.saturating_add(1).saturating_sub(first) }
    }

    /// The next piece.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        match self {
            Self::Stored(reader) => Poll::Ready(reader.next().map(Ok)),
            Self::Pieces { pieces, remaining } => {
                let chunk = next_of(pieces);
                *remaining = remaining.saturating_sub(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
                Poll::Ready(chunk.map(Ok))
            }
            Self::Running { transfer, remaining } => {
                let chunk = transfer.poll_chunk(cx);
                if let (Poll::Ready(Some(Ok(chunk))), Some(remaining)) = (&chunk, remaining) {
                    *remaining = remaining.saturating_sub(chunk.len() as u64);
                }
                chunk
            }
            Self::RunningPart { transfer, skip, remaining } => poll_part(transfer, skip, remaining, cx),
        }
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        match self {
            Self::Stored(reader) => reader.remaining == 0,
            Self::Pieces { remaining, .. } => *remaining == 0,
            Self::Running { transfer, .. } => transfer.is_at_end(),
            Self::RunningPart { remaining, .. } => *remaining == 0,
        }
    }

    /// Bytes still to come, if known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self {
            Self::Stored(reader) => Some(reader.remaining),
            Self::Pieces { remaining, .. } | Self::RunningPart { remaining, .. } => Some(*remaining),
            Self::Running { remaining, .. } => *remaining,
        }
    }
}

/// The next wanted bytes of a running transfer; what stands before them is passed over as it comes.
fn poll_part(
    transfer: &mut TransferReader,
    skip: &mut u64,
    remaining: &mut u64,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, BodyError>>> {
    while *remaining > 0 {
        let mut chunk = match ready!(transfer.poll_chunk(cx)) {
            Some(Ok(chunk)) => chunk,
            // An origin that sends less than it said: the part is not all there.
            None => return Poll::Ready(Some(Err(Box::new(BrokenOff)))),
            error => return Poll::Ready(error),
        };
        let passed = usize::try_from(*skip).unwrap_or(usize::MAX).min(chunk.len());
        *skip -= passed as u64;
        let wanted = usize::try_from(*remaining).unwrap_or(usize::MAX).min(chunk.len() - passed);
        if wanted > 0 {
            chunk = chunk.slice(passed..passed + wanted);
            *remaining -= wanted as u64;
            return Poll::Ready(Some(Ok(chunk)));
        }
    }
    Poll::Ready(None)
}

/// The next chunk of these pieces; used up ones go.
fn next_of(pieces: &mut VecDeque<Piece>) -> Option<Bytes> {
    while let Some(piece) = pieces.front_mut() {
        let chunk = match piece {
            Piece::Text(text) => Some(std::mem::take(text)).filter(|text| !text.is_empty()),
            Piece::Part(reader) => reader.next(),
        };
        if chunk.is_some() {
            return chunk;
        }
        pieces.pop_front();
    }
    None
}

impl Piece {
    fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Part(reader) => reader.remaining,
        }
    }
}

impl StoredReader {
    fn next(&mut self) -> Option<Bytes> {
        while self.remaining > 0 {
            let chunk = self.stored.content().chunks().get(self.next_chunk)?;
            self.next_chunk += 1;
            let length = chunk.len() as u64;
            if self.skip >= length {
                self.skip -= length;
                continue;
            }
            let start = usize::try_from(self.skip).unwrap_or(usize::MAX);
            let end = usize::try_from(self.skip + self.remaining).unwrap_or(usize::MAX).min(chunk.len());
            self.skip = 0;
            let piece = chunk.slice(start..end);
            self.remaining -= piece.len() as u64;
            return Some(piece);
        }
        None
    }
}

#[cfg(test)]
mod tests;
