//! The chunked transfer coding, read strictly: what is not exactly as it is written ends the connection.
//!
//! RFC 9112 section 7.1.
//!
//! # Deviations
//!
//! - White space between a chunk's size and what follows is tolerated (RFC 9112 section 7.1.1 calls it bad).

use bytes::{Buf, Bytes, BytesMut};

use super::BadContent;
use crate::fields::is_tchar;

/// Most bytes of chunk extensions, and of trailers, in one content.
const MOST_ASIDE: usize = 16 << 10;

/// How far a chunked content was read.
#[derive(Debug)]
pub(in crate::upstream) struct Chunked {
    state: State,
    /// Bytes of the chunk that are still to come, or its size as far as it was read.
    left: u64,
    extensions: usize,
    trailers: usize,
    /// What was wrong behind a piece that was handed out before.
    wrong: Option<BadContent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    Start,
    Size,
    /// White space after the size.
    Space,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line after the last chunk.
    Line,
    /// In the name of a trailer.
    Name,
    Value,
    ValueLf,
    EndLf,
    End,
}

impl Chunked {
    /// Before the first chunk.
    pub(in crate::upstream) fn new() -> Self {
        Self { state: State::Start, left: 0, extensions: 0, trailers: 0, wrong: None }
    }

    /// Whether the empty line after the last chunk was read.
    pub(in crate::upstream) fn is_over(&self) -> bool {
        self.state == State::End
    }

    /// The next piece of content in the buffer; none where more has to be read first, or nothing follows. What is no content is
    /// read as far as it is there, so that an end that is there is known at once.
    ///
    /// ABNF: `chunked-body = *chunk last-chunk trailer-section CRLF`.
    ///
    /// # Errors
    ///
    /// What comes is not the coding.
    ///
    /// Source: RFC 9112 section 7.1.
    pub(in crate::upstream) fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, BadContent> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        self.pass(buffer)?;
        if self.state != State::Data || buffer.is_empty() {
            return Ok(None);
        }
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let data = buffer.split_to(length).freeze();
        self.left -= length as u64;
        if self.left == 0 {
            self.state = State::DataCr;
            self.wrong = self.pass(buffer).err();
        }
        Ok(Some(data))
    }

    /// Reads what is no content.
    fn pass(&mut self, buffer: &mut BytesMut) -> Result<(), BadContent> {
        let mut at = 0;
        while !matches!(self.state, State::Data | State::End)
            && let Some(byte) = buffer.get(at)
        {
            self.step(*byte)?;
            at += 1;
        }
        buffer.advance(at);
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), BadContent> {
        use State::{Data, DataCr, DataLf, End, EndLf, Extension, Line, Name, Size, SizeLf, Space, Start, Value, ValueLf};
        self.state = match (self.state, byte) {
            (Start | Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.digit(byte)?,
            (Size | Space, b' ' | b'\t') => Space,
            (Size | Space, b';') => Extension,
            (Size | Space | Extension, b'\r') => SizeLf,
            (Start | Size | Space, _) => return Err(BadContent("expected the size of a chunk, found something else")),
            (Extension, b'\n' | 0) => return Err(BadContent("expected a chunk extension, found a line end or NUL in it")),
            (Extension, _) => {
                count(&mut self.extensions, "expected few bytes of chunk extensions, found too many")?;
                Extension
            }
            (SizeLf, b'\n') => {
                if self.left == 0 {
                    Line
                } else {
                    Data
                }
            }
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Start,
            (Line, b'\r') => EndLf,
            (Line | Name, _) if is_tchar(byte) => self.aside(Name)?,
            (Name, b':') => self.aside(Value)?,
            (Value, b'\r') => ValueLf,
            (Value, b'\t' | b' '..=b'~' | 0x80..) => self.aside(Value)?,
            (ValueLf, b'\n') => Line,
            (EndLf, b'\n') => End,
            (Line | Name | Value, _) => return Err(BadContent("expected a trailer field, found something else")),
            (SizeLf | DataCr | DataLf | ValueLf | EndLf | Data | End, _) => {
                return Err(BadContent("expected the end of a line in a chunked content, found something else"));
            }
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<State, BadContent> {
        let digit = char::from(byte).to_digit(16).map(u64::from).unwrap_or_default();
        let size = if self.state == State::Start { Some(digit) } else { self.left.checked_mul(16).map(|size| size + digit) };
        self.left = size.ok_or(BadContent("expected a chunk of at most 2^64 - 1 bytes, found a larger one"))?;
        Ok(State::Size)
    }

    fn aside(&mut self, next: State) -> Result<State, BadContent> {
        count(&mut self.trailers, "expected few bytes of trailers, found too many")?;
        Ok(next)
    }
}

fn count(bytes: &mut usize, or: &'static str) -> Result<(), BadContent> {
    *bytes += 1;
    if *bytes > MOST_ASIDE { Err(BadContent(or)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
