//! What has to hold of an origin's responses, whatever comes: here, where heads and framing can be seen.
//!
//! RFC 9112 sections 5, 6.3 and 7.1.
//!
//! # Deviations
//!
//! none

#![allow(clippy::indexing_slicing, reason = "what a property is made of fails by panicking with a message")]

use bytes::BytesMut;
use http::header::{self, HeaderMap};

use super::h1::chunked::Chunked;
use super::h1::framing::{End, settle};
use super::h1::head::{Bounds, Former, Head, Seeker};
use crate::fuzzing::{Sure as _, number_of};

const BOUNDS: Bounds = Bounds { bytes: 4096, fields: 64 };

/// A response as it was read, and what is left behind it.
#[derive(Debug, PartialEq)]
struct Read {
    status: u16,
    fields: HeaderMap,
    end: End,
    /// Another response may follow.
    is_kept: bool,
    /// Where the content begins.
    start: usize,
    content: Vec<u8>,
    /// None where the content goes on.
    rest: Option<usize>,
}

/// The input is what an origin writes in answer to a GET, and then the same to a HEAD.
///
/// It is read as the same, or refused, however it is cut and whatever came before; no field has a line end in it; no more than one thing says where the
/// content ends, and the content is never more than that; another reader of chunks finds the same content.
pub fn upstream_response(data: &[u8]) {
    for is_head in [false, true] {
        let whole = read(data, &[], is_head);
        let byte_by_byte: Vec<usize> = (1..data.len().min(2_000)).collect();
        assert_eq!(whole, read(data, &byte_by_byte, is_head), "byte by byte");
        let step = data.iter().fold(1, |sum, byte| (sum + usize::from(*byte)) % 61) + 1;
        let cuts: Vec<usize> = (step..data.len()).step_by(step).collect();
        assert_eq!(whole, read(data, &cuts, is_head), "in pieces of {step}");
        check_after(data, is_head);
        if let Some(read) = whole {
            check(&read, data, is_head);
        }
    }
}

/// What came before on a connection makes no difference to it, nor to what is almost the same.
fn check_after(data: &[u8], is_head: bool) {
    let mut former = Former::default();
    for _ in 0..3 {
        assert_eq!(read_after(&mut former, data, &[], is_head), read(data, &[], is_head), "read again by the one before");
    }
    let mut number = number_of(data);
    for telling in b"\r\n :,\t0cC" {
        let mut other = data.to_vec();
        let at = number % other.len().max(1);
        number = number / 3 + at;
        match number % 3 {
            0 => other.insert(at, *telling),
            1 if at < other.len() => other[at] = *telling,
            _ => drop(other.drain(at..(at + 1).min(data.len()))),
        }
        let (after, alone) = (read_after(&mut former, &other, &[], is_head), read(&other, &[], is_head));
        assert_eq!(after, alone, "{:?} after what is almost the same", String::from_utf8_lossy(&other));
    }
}

/// The first final response in what comes in pieces that end at these places; none if it is refused, or has no whole head.
fn read(data: &[u8], cuts: &[usize], is_head: bool) -> Option<Read> {
    read_after(&mut Former::default(), data, cuts, is_head)
}

/// The same on a connection on which other heads came before.
fn read_after(former: &mut Former, data: &[u8], cuts: &[usize], is_head: bool) -> Option<Read> {
    let mut wire = Wire { data, cuts, fed: 0, buffer: BytesMut::new() };
    let mut seeker = Seeker::default();
    let head = loop {
        match seeker.take(&mut wire.buffer, BOUNDS, former).ok()? {
            Some(head) if head.status.is_informational() && head.status.as_u16() != 101 => {}
            Some(head) => break head,
            None if wire.fill() => {}
            None => return None,
        }
    };
    let Head { status, version, mut fields, is_persistent } = head;
    let (end, is_certain) = settle((status, version), is_head, &mut fields).ok()?;
    let start = wire.fed - wire.buffer.len();
    let (content, is_over) = wire.content(end)?;
    let rest = is_over.then(|| data.len() - wire.fed + wire.buffer.len());
    Some(Read { status: status.as_u16(), fields, end, is_kept: is_persistent && is_certain, start, content, rest })
}

/// A connection.
struct Wire<'a> {
    data: &'a [u8],
    cuts: &'a [usize],
    fed: usize,
    buffer: BytesMut,
}

impl Wire<'_> {
    /// Reads the next piece; false at the end.
    fn fill(&mut self) -> bool {
        let end = self.cuts.iter().copied().find(|cut| *cut > self.fed).unwrap_or(self.data.len());
        self.buffer.extend_from_slice(&self.data[self.fed..end]);
        let is_more = end > self.fed;
        self.fed = end;
        is_more
    }

    /// The content as far as it comes, and whether all of it came; none if it is refused.
    fn content(&mut self, end: End) -> Option<(Vec<u8>, bool)> {
        let (mut chunked, mut content) = (Chunked::new(), Vec::new());
        loop {
            match end {
                End::Empty => return Some((content, true)),
                End::Length(length) => {
                    let left = usize::try_from(length).unwrap_or(usize::MAX) - content.len();
                    let here = self.buffer.len().min(left);
                    content.extend_from_slice(&self.buffer.split_to(here));
                    if here == left {
                        return Some((content, true));
                    }
                }
                End::Chunked => {
                    while let Some(data) = chunked.take(&mut self.buffer).ok()? {
                        content.extend_from_slice(&data);
                    }
                    if chunked.is_over() {
                        return Some((content, true));
                    }
                }
                End::Close => content.extend_from_slice(&self.buffer.split()),
            }
            if !self.fill() {
                return Some((content, false));
            }
        }
    }
}

/// What holds of everything that is taken for a response.
fn check(read: &Read, data: &[u8], is_head: bool) {
    for (name, value) in &read.fields {
        assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name} has a line end");
    }
    assert!((100..1000).contains(&read.status) && read.status != 101);
    let lengths: Vec<&[u8]> = read.fields.get_all(header::CONTENT_LENGTH).iter().map(|value| value.as_bytes()).collect();
    let coded = read.fields.get_all(header::TRANSFER_ENCODING).iter().count();
    assert!(lengths.len() <= 1 && (lengths.is_empty() || coded == 0), "two things say where the content ends");
    let length = lengths.first().map(|digits| std::str::from_utf8(digits).sure("digits").parse::<u64>().sure("a number"));
    match read.end {
        End::Empty => assert!(read.content.is_empty() && (is_head || matches!(read.status, 204 | 304))),
        End::Length(stated) => {
            assert_eq!(length, Some(stated));
            let here = read.content.len() as u64;
            assert!(here <= stated && (here == stated) == read.rest.is_some());
        }
        End::Chunked => assert!(coded > 0 && length.is_none()),
        End::Close => assert!(length.is_none() && read.rest.is_none() && !read.is_kept),
    }
    if let (End::Chunked, Some(rest)) = (read.end, read.rest) {
        let other = dechunked(&data[read.start..data.len() - rest]);
        assert_eq!(other.as_ref(), Some(&read.content), "another reader of chunks finds another content");
    }
}

/// The content, chunk by chunk from the whole text; none where that is not the coding.
fn dechunked(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let end = text.windows(2).position(|pair| pair == b"\r\n")?;
        let digits = text[..end].split(|byte| b"; \t".contains(byte)).next()?;
        let significant = std::str::from_utf8(digits).ok()?.trim_start_matches('0');
        if digits.is_empty() || significant.starts_with('+') {
            return None;
        }
        if significant.is_empty() {
            return Some(content);
        }
        let size = usize::from_str_radix(significant, 16).ok()?;
        let (chunk, rest) = text[end + 2..].split_at_checked(size)?;
        content.extend_from_slice(chunk);
        text = rest.strip_prefix(b"\r\n")?;
    }
}
