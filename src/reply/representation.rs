//! The content of an answer from a stored response: all of it, parts of it, or 416.
//!
//! RFC 9110 sections 14.2, 14.6, 15.3.7 and 15.5.17. Nothing is copied: parts are slices of the stored
//! chunks.
//!
//! # Deviations
//!
//! None.

use std::collections::VecDeque;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};

use super::Asked;
use crate::body::Body;
use crate::cache::entry::Head;
use crate::cache::lookup::Chosen;
use crate::cache::rules::range::{self, Part, Span, content_range};
use crate::cache::store::transfer::TransferReader;
use crate::cache::store::{Piece, Reader};

/// The whole representation with fields that are ready.
pub(super) fn whole(chosen: &Chosen, fields: HeaderMap) -> Response<Body> {
    let has_content = may_have_content(chosen.head.status) && chosen.stored.content().length() > 0;
    let body = if has_content { Body::Stored(Reader::whole(chosen.stored.clone())) } else { Body::Empty };
    let mut response = Response::new(body);
    *response.status_mut() = chosen.head.status;
    *response.headers_mut() = fields;
    response
}

/// The whole representation, parts of it, or 416.
///
/// Source: RFC 9110 sections 14.2, 15.3.7 and 15.5.17.
pub(super) fn representation(chosen: &Chosen, mut fields: HeaderMap, asked: &Asked<'_>) -> Response<Body> {
    let held = chosen.stored.part();
    let complete = held.map_or_else(|| chosen.stored.content().length(), |held| held.complete);
    // Where the stored bytes begin.
    let start = held.map_or(0, |held| held.span.first);
    let part = match (range::select(asked.method, asked.fields, &chosen.head, complete), held) {
        (wanted, None) => wanted,
        (Part::Range(span), Some(held)) if held.span.contains(span) => Part::Range(span),
        // A part is never shown as more than it is, even where a validation changed what the
        // request's conditions are held against (RFC 9111 section 3.3).
        (_, Some(held)) => Part::Range(held.span),
    };
    let (status, reader) = match part {
        Part::Whole => (chosen.head.status, Some(Reader::whole(chosen.stored.clone()))),
        Part::Range(span) => {
            fields.insert(header::CONTENT_RANGE, content_range(span, complete));
            (StatusCode::PARTIAL_CONTENT, Some(Reader::part(chosen.stored.clone(), span.first - start, span.last - start)))
        }
        Part::Ranges(spans) => (StatusCode::PARTIAL_CONTENT, Some(byte_ranges(chosen, &spans, &mut fields, asked))),
        Part::NotSatisfiable => {
            fields.insert(header::CONTENT_RANGE, range::unsatisfied_range(complete));
            forbid_reuse(&mut fields);
            (StatusCode::RANGE_NOT_SATISFIABLE, None)
        }
    };
    answer(status, reader, fields, asked)
}

/// The same of a response that is still arriving: all of it, the one part that is asked for, or 416.
///
/// Several ranges, and any range while the length is unknown, are answered with the whole, as RFC 9110 section 14.2
/// allows: the parts would have to wait for each other.
///
/// Source: RFC 9110 sections 14.2, 15.3.7 and 15.5.17.
pub(super) fn arriving(
    head: &Head,
    (transfer, length): (TransferReader, Option<u64>),
    mut fields: HeaderMap,
    asked: &Asked<'_>,
) -> Response<Body> {
    let wanted = length.map(|length| (range::select(asked.method, asked.fields, head, length), length));
    let (status, reader) = match wanted {
        Some((Part::Range(span), length)) => {
            fields.insert(header::CONTENT_RANGE, content_range(span, length));
            (StatusCode::PARTIAL_CONTENT, Some(Reader::running_part(transfer, span.first, span.last)))
        }
        Some((Part::NotSatisfiable, length)) => {
            fields.insert(header::CONTENT_RANGE, range::unsatisfied_range(length));
            forbid_reuse(&mut fields);
            (StatusCode::RANGE_NOT_SATISFIABLE, None)
        }
        Some((Part::Whole | Part::Ranges(_), _)) | None => (head.status, Some(Reader::running(transfer, length))),
    };
    answer(status, reader, fields, asked)
}

/// The answer with this content, and with its length where that is known.
fn answer(status: StatusCode, reader: Option<Reader>, mut fields: HeaderMap, asked: &Asked<'_>) -> Response<Body> {
    let length = reader.as_ref().map_or(Some(0), Reader::remaining);
    match length.filter(|_| may_have_content(status)) {
        Some(length) => fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length)),
        None if length.is_none() => fields.remove(header::CONTENT_LENGTH),
        None => None,
    };
    let body = reader.filter(|_| asked.method != Method::HEAD && length != Some(0)).map_or(Body::Empty, Body::Stored);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

/// Several parts in one content; what describes a part stands in the part, the rest in the head.
///
/// Source: RFC 9110 sections 14.6 and 15.3.7.2.
fn byte_ranges(chosen: &Chosen, spans: &[Span], fields: &mut HeaderMap, asked: &Asked<'_>) -> Reader {
    let complete = chosen.stored.content().length();
    let boundary = boundary(asked);
    let content_type = fields.get(header::CONTENT_TYPE).cloned();
    let mut pieces = VecDeque::with_capacity(2 * spans.len() + 1);
    for (at, span) in spans.iter().enumerate() {
        pieces.push_back(Piece::Text(part_head(at == 0, &boundary, content_type.as_ref(), *span, complete)));
        pieces.push_back(Piece::Part(Reader::stored_part(chosen.stored.clone(), span.first, span.last)));
    }
    pieces.push_back(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    fields.remove(header::CONTENT_RANGE);
    if let Ok(value) = HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}")) {
        fields.insert(header::CONTENT_TYPE, value);
    }
    Reader::pieces(pieces)
}

/// A delimiter that cannot be foreseen, so that no stored content holds it.
///
/// Source: RFC 2046 section 5.1.1 by way of RFC 9110 section 14.6.
fn boundary(asked: &Asked<'_>) -> String {
    format!("{:032x}", asked.keyed.start("boundary").number(asked.id).finish())
}

/// What stands before a part's bytes: the delimiter, `Content-Type` as stored, `Content-Range`.
///
/// Source: RFC 9110 section 15.3.7.2.
fn part_head(is_first: bool, boundary: &str, content_type: Option<&HeaderValue>, span: Span, complete: u64) -> Bytes {
    let mut text = Vec::with_capacity(160);
    text.extend_from_slice(if is_first { b"--" } else { b"\r\n--" });
    text.extend_from_slice(boundary.as_bytes());
    if let Some(content_type) = content_type {
        text.extend_from_slice(b"\r\nContent-Type: ");
        text.extend_from_slice(content_type.as_bytes());
    }
    text.extend_from_slice(b"\r\nContent-Range: ");
    text.extend_from_slice(content_range(span, complete).as_bytes());
    text.extend_from_slice(b"\r\n\r\n");
    text.into()
}

/// A 416 says nothing about the representation: with the stored directives a cache on the way could
/// store it and give it to who asks for the whole.
///
/// Source: RFC 9111 section 3, RFC 9110 section 15.5.17.
fn forbid_reuse(fields: &mut HeaderMap) {
    let describing = |name: &HeaderName| name.as_str().ends_with("cache-control") || DESCRIBING.contains(name);
    let names: Vec<HeaderName> = fields.keys().filter(|name| describing(name)).cloned().collect();
    for name in names {
        fields.remove(name);
    }
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Fields of a 200 that a 416 does not carry; its validators stay, they tell which bytes were meant.
///
/// Source: RFC 9110 sections 8 and 15.5.17.
const DESCRIBING: [HeaderName; 4] = [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_TYPE, header::EXPIRES];

/// Source: RFC 9110 section 6.4.1.
fn may_have_content(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}
