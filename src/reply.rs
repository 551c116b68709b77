//! What is written to the client: stored responses, forwarded responses, challenges and errors.
//!
//! RFC 9111 section 5.1 (Age), RFC 9211 (Cache-Status), RFC 9209 (Proxy-Status), RFC 9457 (problem
//! details), RFC 9110 section 7.6.3 (Via).
//!
//! # Deviations
//!
//! - An error that happened behind the cache carries `Cache-Status` too, so that its reader sees why
//!   the origin was asked; RFC 9211 section 2 advises against it.

use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::response::Parts;
use http::{Method, Response, StatusCode, Version};

use crate::body::Body;
use crate::cache::ForwardReason;
use crate::cache::entry::Head;
use crate::cache::lookup::Chosen;
use crate::cache::ready::{Moment, Ready};
use crate::cache::rules::precondition::{is_not_modified, not_modified_fields};
use crate::cache::store::transfer::TransferReader;
use crate::fields::{http_date, list_members};
use crate::keyed::Keyed;

mod problem;
mod representation;

pub use problem::{Context, challenge, error, options};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// One member of `Cache-Status`: what this cache did and the word of the rule that decided.
///
/// Source: RFC 9211 section 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatus {
    /// Why the request went forward; none for a hit.
    pub fwd: Option<ForwardReason>,
    /// The origin's status code, where it differs from the answer's.
    pub fwd_status: Option<u16>,
    /// Seconds of freshness left; negative when stale.
    pub ttl: Option<i64>,
    /// The response is being stored.
    pub stored: bool,
    /// Answered by another request's fetch; false: that was tried.
    pub collapsed: Option<bool>,
    /// The deciding rule.
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    /// The field value: a Structured Fields token with parameters.
    ///
    /// Source: RFC 9211 section 2; the key is never shown (section 6).
    #[must_use]
    pub fn to_value(self) -> HeaderValue {
        let mut text = String::with_capacity(64);
        text.push_str("vouchsafe");
        match self.fwd {
            None => text.push_str("; hit"),
            Some(reason) => {
                text.push_str("; fwd=");
                text.push_str(reason.as_str());
            }
        }
        let mut digits = itoa::Buffer::new();
        if let Some(status) = self.fwd_status {
            text.push_str("; fwd-status=");
            text.push_str(digits.format(status));
        }
        if let Some(ttl) = self.ttl {
            text.push_str("; ttl=");
            text.push_str(digits.format(ttl));
        }
        if self.stored {
            text.push_str("; stored");
        }
        match self.collapsed {
            Some(true) => text.push_str("; collapsed"),
            Some(false) => text.push_str("; collapsed=?0"),
            None => {}
        }
        if let Some(detail) = self.detail {
            text.push_str("; detail=");
            text.push_str(detail);
        }
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("vouchsafe"))
    }
}

/// Seconds of freshness that a stored response has left, negative when stale.
///
/// Source: RFC 9211 section 2.5.
#[must_use]
pub fn ttl(head: &Head, now: SystemTime) -> Option<i64> {
    let age = head.current_age(now)?;
    let whole = |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    Some(whole(head.lifetime.duration) - whole(age))
}

/// The word for why a stored response may answer.
#[must_use]
pub fn permit_word(head: &Head) -> &'static str {
    use crate::cache::PermissionReason::{MustRevalidate, Public, SMaxage};
    match head.permission {
        Some(Public) => "permit-public",
        Some(SMaxage) => "permit-s-maxage",
        Some(MustRevalidate) => "permit-must-revalidate",
        None => "uncredentialed",
    }
}

/// The request, as far as an answer from a stored response depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Request method.
    pub method: &'a Method,
    /// Request fields as received.
    pub fields: &'a HeaderMap,
    /// The time of the answer.
    pub now: SystemTime,
    /// Our `Via` member.
    pub via: &'a HeaderValue,
    /// Fields of answers that are asked for often.
    pub ready: &'a Ready,
    /// Makes a boundary between parts that nobody who wrote the content could know.
    pub keyed: &'a Keyed,
    /// Number of the exchange: no two answers have the same boundary.
    pub id: u64,
}

/// Which of a stored response's fields are shown, and how old it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Reused without validation: `Age` is told, fields under `no-cache="..."` are left out.
    Reused,
    /// Validated for this very request; `Age` is told only if the origin's 304 carried one.
    Validated {
        /// The 304 came from another cache on the way.
        is_aged: bool,
    },
}

/// An answer made of a stored response: 200, 206, 304 or 416, as the request's preconditions and range
/// ask.
///
/// Source: RFC 9111 sections 4, 4.3.2 and 5.1; RFC 9110 sections 13.2.2 and 14.
#[must_use]
pub fn stored(chosen: &Chosen, shown: Shown, asked: &Asked<'_>, status: CacheStatus) -> Response<Body> {
    let head = &*chosen.head;
    let is_aged = matches!(shown, Shown::Reused | Shown::Validated { is_aged: true });
    let moment =
        plain_moment(chosen, is_aged, asked, status).filter(|moment| moment.forward.is_none() == (shown == Shown::Reused));
    if let Some(fields) = moment.as_ref().and_then(|moment| asked.ready.fields(&chosen.head, moment)) {
        return representation::whole(chosen, fields);
    }
    let fields = if shown == Shown::Reused { head.reusable_fields() } else { head.shown_fields() };
    let mut response = if is_not_modified(asked.method, asked.fields, head) {
        not_modified(&fields)
    } else {
        representation::representation(chosen, fields, asked)
    };
    dress(&mut response, head, is_aged, asked, status);
    if let Some(moment) = moment {
        asked.ready.keep(&chosen.head, moment, response.headers());
    }
    response
}

/// What the fields of this answer depend on besides the head, if it is the whole of a whole, whatever the request says.
fn plain_moment(chosen: &Chosen, is_aged: bool, asked: &Asked<'_>, status: CacheStatus) -> Option<Moment> {
    const SELECTING: [HeaderName; 3] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::RANGE];
    let is_plain = asked.method == Method::GET && chosen.stored.part().is_none();
    if !is_plain || asked.fields.keys().any(|name| SELECTING.contains(name)) {
        return None;
    }
    let CacheStatus { fwd, fwd_status, ttl: Some(ttl), stored: false, collapsed: None, detail: Some(word) } = status else {
        return None;
    };
    let forward = match (fwd, fwd_status) {
        (None, None) => None,
        (Some(reason), Some(code)) => Some((reason, code)),
        _ => return None,
    };
    let age = if is_aged { Some(chosen.head.current_age(asked.now)?.as_secs()) } else { None };
    Some(Moment { age, forward, ttl, word, via: asked.via.clone() })
}

/// An answer made of a response that is on its way to the store for somebody else's request.
///
/// Source: RFC 9111 section 4, RFC 9211 section 2.6.
#[must_use]
pub fn arriving(head: &Head, content: (TransferReader, Option<u64>), asked: &Asked<'_>, status: CacheStatus) -> Response<Body> {
    let fields = head.reusable_fields();
    let mut response = if is_not_modified(asked.method, asked.fields, head) {
        not_modified(&fields)
    } else {
        representation::arriving(head, content, fields, asked)
    };
    dress(&mut response, head, true, asked, status);
    response
}

fn dress(response: &mut Response<Body>, head: &Head, is_aged: bool, asked: &Asked<'_>, status: CacheStatus) {
    let map = response.headers_mut();
    if is_aged && let Some(age) = head.current_age(asked.now) {
        map.insert(header::AGE, HeaderValue::from(age.as_secs()));
    }
    map.append(header::VIA, asked.via.clone());
    map.append(CACHE_STATUS, status.to_value());
}

/// Source: RFC 9110 section 15.4.5.
fn not_modified(fields: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.headers_mut() = not_modified_fields(fields);
    response
}

/// An origin's response on its way to the client.
///
/// Source: RFC 9110 section 7.6.3, RFC 9211 section 2.
#[must_use]
pub fn forwarded(mut head: Parts, body: Body, via: HeaderValue, cache_status: CacheStatus) -> Response<Body> {
    crate::hop::drop_impossible_length(head.status, &mut head.headers);
    head.headers.append(header::VIA, via);
    head.headers.append(CACHE_STATUS, cache_status.to_value());
    // What it came with is told by `Via`; it goes on in the version of the client's connection.
    head.version = Version::default();
    Response::from_parts(head, body)
}

/// The answer to CONNECT: neither `Content-Length` nor `Transfer-Encoding`.
///
/// Source: RFC 9110 section 9.3.6.
#[must_use]
pub fn tunnel_opened() -> Response<Body> {
    Response::new(Body::Empty)
}

/// Adds `Cache-Status` to an error that happened behind the cache.
pub fn add_cache_status(response: &mut Response<Body>, status: CacheStatus) {
    response.headers_mut().append(CACHE_STATUS, status.to_value());
}

/// Whether a client prefers a page to a document for programs.
///
/// Source: RFC 9110 section 12.5.1.
fn prefers_html(request: &HeaderMap) -> bool {
    let names = |wanted: &[u8]| {
        list_members(request, &header::ACCEPT).any(|member| {
            let range = member.split(|b| *b == b';').next().unwrap_or_default();
            crate::fields::trim_ows(range).eq_ignore_ascii_case(wanted)
        })
    };
    names(b"text/html") && !names(b"application/problem+json") && !names(b"application/json")
}

/// The fields that every answer of our own starts with.
fn own_fields(now: SystemTime) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(8);
    fields.insert(header::DATE, http_date(now));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields
}

#[cfg(test)]
mod tests;
