//! A response head: found in what was read, and read.
//!
//! RFC 9112 sections 2.2, 4 and 5.
//!
//! # Deviations
//!
//! none

use std::io::BufRead;
use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use httparse::ParserConfig;

use super::NotHttp;
use crate::fields::list_members;

mod former;

pub(in crate::upstream) use former::Former;

/// Field lines that are read without memory being taken for them.
const USUAL_FIELDS: usize = 100;

/// Room for the fields that an answer gets on its way to the client.
const ADDED_FIELDS: usize = 4;

/// How often an unfinished head is looked at for mistakes before its end is waited for.
const MOST_LOOKS: u8 = 8;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Bounds {
    /// Bytes, from the status line to the empty line.
    pub(in crate::upstream) bytes: usize,
    /// Field lines.
    pub(in crate::upstream) fields: usize,
}

/// A response head as it came.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Head {
    /// Its status code.
    pub(in crate::upstream) status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub(in crate::upstream) version: Version,
    /// Its fields.
    pub(in crate::upstream) fields: HeaderMap,
    /// Version and `Connection` allow another request after this response.
    pub(in crate::upstream) is_persistent: bool,
}

/// Looks for the end of a head in a buffer that grows.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Seeker {
    /// How much of the buffer holds no end.
    seen: usize,
    looks: u8,
}

impl Seeker {
    /// Takes the head that the buffer begins with; none while it is not complete. One like the `former` is read by that.
    ///
    /// # Errors
    ///
    /// What comes is no response head, or exceeds the bounds.
    ///
    /// Source: RFC 9112 section 2.1.
    pub(in crate::upstream) fn take(
        &mut self,
        buffer: &mut BytesMut,
        bounds: Bounds,
        former: &mut Former,
    ) -> Result<Option<Head>, NotHttp> {
        if buffer.len() == self.seen {
            return Ok(None);
        }
        if self.looks == 0
            && let Some((end, head)) = former.read(buffer).filter(|(end, _)| *end <= bounds.bytes)
        {
            buffer.advance(end);
            return Ok(Some(head));
        }
        // A head that comes in many pieces is not read over and over.
        let is_end_known = self.looks >= MOST_LOOKS;
        if is_end_known && end_of_head(buffer, self.seen).is_none() {
            return self.wait(buffer.len(), bounds);
        }
        self.looks += u8::from(!is_end_known);
        match with_room(bounds.fields, |room| parse(buffer, room))? {
            Some(found) if found.end > bounds.bytes => Err(NotHttp::TooLarge),
            Some(found) => {
                *self = Self::default();
                let text = buffer.split_to(found.end).freeze();
                let head = read(&text, found)?;
                former.note(&text, &head);
                Ok(Some(head))
            }
            None if is_end_known => Err(NotHttp::Head(httparse::Error::NewLine)),
            None => self.wait(buffer.len(), bounds),
        }
    }

    /// The head is not complete.
    fn wait(&mut self, length: usize, bounds: Bounds) -> Result<Option<Head>, NotHttp> {
        self.seen = length;
        if length > bounds.bytes { Err(NotHttp::TooLarge) } else { Ok(None) }
    }
}

/// Where the first empty line ends, in a buffer of which `seen` bytes hold none. Lines may end without CR.
///
/// Source: RFC 9112 section 2.2.
fn end_of_head(buffer: &[u8], seen: usize) -> Option<usize> {
    // The last line end may be what comes before the empty line.
    let mut at = seen.saturating_sub(2);
    loop {
        // A slice is read without errors; at its end nothing is.
        let line = buffer.get(at..)?.skip_until(b'\n').ok().filter(|line| *line > 0)?;
        at += line;
        if buffer.get(at - 1) != Some(&b'\n') {
            return None;
        }
        match buffer.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

type Room<'h, 'b> = &'h mut [MaybeUninit<httparse::Header<'b>>];

fn with_room<'b, T>(fields: usize, parse: impl FnOnce(Room<'_, 'b>) -> T) -> T {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    match usual.get_mut(..fields) {
        Some(room) => parse(room),
        None => parse(&mut vec![MaybeUninit::uninit(); fields]),
    }
}

/// A complete head in the text that it was found in.
struct Found {
    /// Where it ends.
    end: usize,
    status: StatusCode,
    version: Version,
    /// Names, and where their values stand.
    lines: Vec<(HeaderName, Range<usize>)>,
}

/// The head that a text begins with; none while it is not complete. Nothing may stand before it.
///
/// Source: RFC 9112 section 2.2: it is servers that ignore an empty line before a message.
fn parse<'b>(text: &'b [u8], room: Room<'_, 'b>) -> Result<Option<Found>, NotHttp> {
    if matches!(text, [b'\r' | b'\n', ..]) {
        return Err(NotHttp::Head(httparse::Error::NewLine));
    }
    let mut config = ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true).allow_obsolete_multiline_headers_in_responses(true);
    let mut response = httparse::Response::new(&mut []);
    match config.parse_response_with_uninit_headers(&mut response, text, room) {
        Ok(httparse::Status::Complete(end)) => found(text, end, &response).map(Some),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(NotHttp::TooLarge),
        Err(error) => Err(NotHttp::Head(error)),
    }
}

fn found(text: &[u8], end: usize, response: &httparse::Response<'_, '_>) -> Result<Found, NotHttp> {
    let (Some(code), Some(version)) = (response.code, response.version) else {
        return Err(NotHttp::Head(httparse::Error::Status));
    };
    let status = StatusCode::from_u16(code).map_err(|_| NotHttp::Head(httparse::Error::Status))?;
    let version = if version == 1 { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut lines = Vec::with_capacity(response.headers.len());
    for field in &*response.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotHttp::Head(httparse::Error::HeaderName))?;
        let start = field.value.as_ptr().addr().saturating_sub(text.as_ptr().addr());
        lines.push((name, start..start + field.value.len()));
    }
    Ok(Found { end, status, version, lines })
}

/// A head of its own; values are slices of its text.
fn read(text: &Bytes, found: Found) -> Result<Head, NotHttp> {
    let Found { status, version, lines, .. } = found;
    let mut fields = HeaderMap::with_capacity(lines.len() + ADDED_FIELDS);
    for (name, place) in lines {
        let value = HeaderValue::from_maybe_shared(value(text, place)?);
        let value = value.map_err(|_| NotHttp::Head(httparse::Error::HeaderValue))?;
        fields.try_append(name, value).map_err(|_| NotHttp::TooLarge)?;
    }
    let is_persistent = is_persistent(version, &fields);
    Ok(Head { status, version, fields, is_persistent })
}

/// A value without line ends: each fold becomes a space.
///
/// Source: RFC 9112 section 5.2.
fn value(text: &Bytes, place: Range<usize>) -> Result<Bytes, NotHttp> {
    let value = text.get(place.clone()).ok_or(NotHttp::Head(httparse::Error::HeaderValue))?;
    if !value.contains(&b'\n') {
        return Ok(text.slice(place));
    }
    let lines: Vec<&[u8]> = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    Ok(lines.join(&b' ').into())
}

/// Whether the connection stays open after this response: `close` wherever it stands ends it.
///
/// Source: RFC 9112 section 9.3.
fn is_persistent(version: Version, fields: &HeaderMap) -> bool {
    let is_newer = version == Version::HTTP_11;
    if !fields.contains_key(header::CONNECTION) {
        return is_newer;
    }
    let says = |option: &[u8]| list_members(fields, &header::CONNECTION).any(|member| member.eq_ignore_ascii_case(option));
    !says(b"close") && (is_newer || says(b"keep-alive"))
}

#[cfg(test)]
mod tests;
