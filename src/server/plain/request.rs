//! A request that is its head and nothing more.
//!
//! Read by `httparse` as hyper reads it, so that the same bytes are the same request here and there.
//!
//! RFC 9112 sections 2, 3 and 5; section 9.3 (persistence); RFC 9110 section 7.8 (`Upgrade`), section 10.1.1 (`Expect`).
//!
//! # Deviations
//!
//! none

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri, Version};
use httparse::ParserConfig;
use hyper::body::Incoming;

use crate::config::settings::Limits;
use crate::repeats::After;

/// Field lines that are read here; with more of them a request is hyper's.
const USUAL_FIELDS: usize = 64;

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Bounds {
    /// From the request line to the empty line.
    pub(in crate::server) bytes: usize,
    /// Field lines.
    pub(in crate::server) fields: usize,
}

impl Bounds {
    /// As the configuration has them.
    pub(in crate::server) fn new(limits: &Limits) -> Self {
        Self { bytes: limits.header_bytes, fields: limits.header_fields.min(USUAL_FIELDS) }
    }
}

/// A request without content on a connection that nothing special is wanted of.
#[derive(Debug)]
pub(in crate::server) struct Plain {
    pub(in crate::server) request: Request<Option<Incoming>>,
    pub(in crate::server) after: After,
}

/// Reads the request whose head is these bytes from the first to the last; none where hyper has to look at it.
pub(in crate::server) fn read(head: &Bytes, bounds: Bounds) -> Option<Plain> {
    if head.len() > bounds.bytes {
        return None;
    }
    let mut room = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    let mut parsed = httparse::Request::new(&mut []);
    let room = room.get_mut(..bounds.fields)?;
    let status = ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, head, room).ok()?;
    if status != httparse::Status::Complete(head.len()) || parsed.version != Some(1) {
        return None;
    }
    let method = Method::from_bytes(parsed.method?.as_bytes()).ok().filter(|method| method != Method::CONNECT)?;
    let uri = Uri::from_maybe_shared(head.slice_ref(parsed.path?.as_bytes())).ok()?;
    let mut fields = HeaderMap::with_capacity(parsed.headers.len());
    let mut after = None;
    for field in &*parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        if is_special(&name) || name == header::CONNECTION && after.replace(wanted_after(field.value)?).is_some() {
            return None;
        }
        fields.append(name, HeaderValue::from_maybe_shared(head.slice_ref(field.value)).ok()?);
    }
    let mut request = Request::new(None);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = fields;
    Some(Plain { request, after: after.unwrap_or(After::Stay) })
}

/// Content follows, or the client waits for leave to send it, or wants another protocol.
fn is_special(name: &HeaderName) -> bool {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT, header::UPGRADE].contains(name)
}

/// What the request wants to become of the connection; none where it says anything else about it.
///
/// Source: RFC 9112 section 9.3.
fn wanted_after(value: &[u8]) -> Option<After> {
    if value.eq_ignore_ascii_case(b"keep-alive") {
        return Some(After::Stay);
    }
    value.eq_ignore_ascii_case(b"close").then_some(After::Close)
}
