//! Where a response ends, and what its framing fields say to those who read them after us.
//!
//! RFC 9112 section 6.3, RFC 9110 section 8.6.
//!
//! # Deviations
//!
//! - A response with both `Transfer-Encoding` and `Content-Length` is refused, as RFC 9112 section
//!   6.3 calls it an error; so is one in a compression coding, with `chunked` or without it, which was
//!   not asked for with `TE` (RFC 9112 section 7.4) and would pass for the plain content.

use http::header::{self, HeaderMap};
use http::{StatusCode, Version};

use crate::fields::{is_token, list_members};

/// Where a response's content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum End {
    /// There is none.
    Empty,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk and the trailers.
    Chunked,
    /// With the connection.
    Close,
}

/// Refuses ambiguous framing and leaves at most one true `Content-Length`; gives back where the content ends, and whether what
/// comes after it can be another response.
///
/// # Errors
///
/// What is ambiguous.
///
/// Source: RFC 9112 section 6.3; RFC 9110 section 8.6; RFC 9110 sections 15.2.2 and 15.3.5.
pub(in crate::upstream) fn settle(
    (status, version): (StatusCode, Version),
    is_head: bool,
    fields: &mut HeaderMap,
) -> Result<(End, bool), &'static str> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err("expected a final response, found 101 although no upgrade was asked for");
    }
    if status == StatusCode::NO_CONTENT {
        fields.remove(header::CONTENT_LENGTH);
        fields.remove(header::TRANSFER_ENCODING);
        return Ok((End::Empty, true));
    }
    let is_bare = is_head || status == StatusCode::NOT_MODIFIED;
    let end = stated_end(version, fields)?;
    Ok(match end {
        // Coded by nobody knows what: where it ends is not certain even where nothing should follow.
        Some(End::Close) if is_bare => (End::Empty, false),
        _ if is_bare => (End::Empty, true),
        Some(end) => (end, end != End::Close),
        None => (End::Close, false),
    })
}

/// What the fields say of the end.
///
/// Source: RFC 9112 section 6.3, items 3 to 6.
fn stated_end(version: Version, fields: &mut HeaderMap) -> Result<Option<End>, &'static str> {
    let (mut is_coded, mut has_length) = (false, false);
    for name in fields.keys() {
        is_coded |= *name == header::TRANSFER_ENCODING;
        has_length |= *name == header::CONTENT_LENGTH;
    }
    match (is_coded, has_length) {
        (true, _) if version == Version::HTTP_10 => Err("expected no Transfer-Encoding in HTTP/1.0, found one"),
        (true, true) => Err("expected Transfer-Encoding or Content-Length, found both"),
        (true, false) => settle_coding(fields).map(Some),
        (false, true) => {
            let plain = plain_length(fields).map(Ok).unwrap_or_else(|| {
                let length = single_length(fields).ok_or("expected one Content-Length, found invalid or differing ones")?;
                fields.insert(header::CONTENT_LENGTH, length.into());
                Ok(length)
            });
            plain.map(|length| Some(End::Length(length)))
        }
        (false, false) => Ok(None),
    }
}

/// The length where one line says it in its shortest form, as almost all do.
fn plain_length(fields: &HeaderMap) -> Option<u64> {
    let mut lines = fields.get_all(header::CONTENT_LENGTH).iter();
    let digits = lines.next()?.as_bytes();
    let is_shortest = matches!(digits, [b'0'] | [b'1'..=b'9', ..]) && digits.len() < 19;
    if !is_shortest || !digits.iter().all(u8::is_ascii_digit) || lines.next().is_some() {
        return None;
    }
    Some(digits.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// `chunked` alone, or codings that nobody knows: without `chunked` the content ends with the
/// connection, and the field, which is about that connection, is dropped.
///
/// Source: RFC 9112 section 6.3, item 4.
fn settle_coding(fields: &mut HeaderMap) -> Result<End, &'static str> {
    // RFC 9112 section 7.2, with the other names that it gives for them.
    const COMPRESSIONS: [&[u8]; 5] = [b"compress", b"x-compress", b"deflate", b"gzip", b"x-gzip"];
    let lines = fields.get_all(header::TRANSFER_ENCODING);
    let mut values = lines.iter().map(|line| line.as_bytes().trim_ascii());
    if let (Some(value), None) = (values.next(), values.next())
        && value.eq_ignore_ascii_case(b"chunked")
    {
        return Ok(End::Chunked);
    }
    if lines.iter().any(|line| line.as_bytes().windows(7).any(|part| part.eq_ignore_ascii_case(b"chunked"))) {
        return Err("expected chunked as the only transfer coding, found another beside it");
    }
    let mut codings = list_members(fields, &header::TRANSFER_ENCODING).peekable();
    let is_foreign = |coding: &[u8]| is_token(coding) && !COMPRESSIONS.iter().any(|known| known.eq_ignore_ascii_case(coding));
    if codings.peek().is_none() || !codings.all(is_foreign) {
        return Err("expected chunked or an unknown transfer coding, found a compression or no coding");
    }
    drop(codings);
    fields.remove(header::TRANSFER_ENCODING);
    Ok(End::Close)
}

/// The one length that all lines and list members agree on.
///
/// ABNF: `Content-Length = 1*DIGIT`.
///
/// Source: RFC 9112 section 6.3, item 5 (identical repetitions may be replaced by one).
fn single_length(fields: &HeaderMap) -> Option<u64> {
    let mut length = None;
    for line in fields.get_all(header::CONTENT_LENGTH) {
        for member in line.to_str().ok()?.split(',') {
            let digits = member.trim_matches([' ', '\t']);
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            let value = digits.parse::<u64>().ok().filter(|_| is_number)?;
            if length.replace(value).is_some_and(|earlier| earlier != value) {
                return None;
            }
        }
    }
    length
}

#[cfg(test)]
mod tests;
