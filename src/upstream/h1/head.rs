//! A response head: found in what was read, and read.
//!
//! RFC 9112 sections 2.2, 4 and 5.
//!
//! # Deviations
//!
//! none

use std::io::BufRead;
use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version};
use httparse::ParserConfig;

use super::NotHttp;
use crate::fields::list_members;

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
#[derive(Debug)]
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
    /// Takes the head that the buffer begins with; none while it is not complete.
    ///
    /// # Errors
    ///
    /// What comes is no response head, or exceeds the bounds.
    ///
    /// Source: RFC 9112 section 2.1.
    pub(in crate::upstream) fn take(&mut self, buffer: &mut BytesMut, bounds: Bounds) -> Result<Option<Head>, NotHttp> {
        let Some(end) = end_of_head(buffer, self.seen) else {
            if buffer.len() > bounds.bytes {
                return Err(NotHttp::TooLarge);
            }
            let has_grown = buffer.len() > std::mem::replace(&mut self.seen, buffer.len());
            if self.looks < MOST_LOOKS && has_grown {
                // Who speaks something else is told so before the time is over.
                self.looks += 1;
                with_room(bounds.fields, |room| parse(buffer, room, |_| Ok(())).map(drop))?;
            }
            return Ok(None);
        };
        if end > bounds.bytes {
            return Err(NotHttp::TooLarge);
        }
        *self = Self::default();
        let text = buffer.split_to(end).freeze();
        with_room(bounds.fields, |room| parse(&text, room, |response| read(&text, response)))
            .and_then(|head| head.ok_or(NotHttp::Head(httparse::Error::NewLine)).map(Some))
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

/// What `read` makes of a complete head; none if the text is only the beginning of one, or more than one.
fn parse<'b, T>(
    text: &'b [u8],
    room: Room<'_, 'b>,
    read: impl FnOnce(&httparse::Response<'_, 'b>) -> Result<T, NotHttp>,
) -> Result<Option<T>, NotHttp> {
    let mut config = ParserConfig::default();
    config.allow_spaces_after_header_name_in_responses(true).allow_obsolete_multiline_headers_in_responses(true);
    let mut response = httparse::Response::new(&mut []);
    match config.parse_response_with_uninit_headers(&mut response, text, room) {
        Ok(httparse::Status::Complete(length)) if length == text.len() => read(&response).map(Some),
        Ok(_) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(NotHttp::TooLarge),
        Err(error) => Err(NotHttp::Head(error)),
    }
}

/// Names and values of a head that was parsed; values are slices of its text.
fn read(text: &Bytes, response: &httparse::Response<'_, '_>) -> Result<Head, NotHttp> {
    let (Some(code), Some(version)) = (response.code, response.version) else {
        return Err(NotHttp::Head(httparse::Error::Status));
    };
    let status = StatusCode::from_u16(code).map_err(|_| NotHttp::Head(httparse::Error::Status))?;
    let version = if version == 1 { Version::HTTP_11 } else { Version::HTTP_10 };
    let mut fields = HeaderMap::with_capacity(response.headers.len() + ADDED_FIELDS);
    for field in &*response.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotHttp::Head(httparse::Error::HeaderName))?;
        let value = HeaderValue::from_maybe_shared(value(text, field.value));
        let value = value.map_err(|_| NotHttp::Head(httparse::Error::HeaderValue))?;
        fields.try_append(name, value).map_err(|_| NotHttp::TooLarge)?;
    }
    let is_persistent = is_persistent(version, &fields);
    Ok(Head { status, version, fields, is_persistent })
}

/// A value without line ends: each fold becomes a space.
///
/// Source: RFC 9112 section 5.2.
fn value(text: &Bytes, value: &[u8]) -> Bytes {
    if !value.contains(&b'\n') {
        return text.slice_ref(value);
    }
    let lines: Vec<&[u8]> = value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    lines.join(&b' ').into()
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
