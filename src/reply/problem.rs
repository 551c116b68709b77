//! Answers that the gateway makes itself: challenges, errors, and OPTIONS that may go no further.
//!
//! Fixed sentences and a request id; nothing of the request is echoed.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::{own_fields, prefers_html};
use crate::access_log::format_id;
use crate::body::Body;
use crate::error::Error;

/// What an answer of our own is made of besides its status and text.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The request's fields: its `Accept` chooses between page and document.
    pub request: &'a HeaderMap,
    /// The request id, as the log has it.
    pub id: u64,
    /// The time of the answer.
    pub now: SystemTime,
}

/// The answer to an exchange that failed, with `Proxy-Status`.
///
/// Source: RFC 9209 section 2, RFC 9457 section 3.
#[must_use]
pub fn error(error: &Error, context: &Context<'_>) -> Response<Body> {
    let mut response = answer(error.status(), error.advice(), context);
    let fields = response.headers_mut();
    if let Ok(value) = HeaderValue::try_from(format!("vouchsafe; error={}", error.proxy_status())) {
        fields.insert(HeaderName::from_static("proxy-status"), value);
    }
    if error.status() == StatusCode::METHOD_NOT_ALLOWED {
        // RFC 9110 section 15.5.6: a 405 says what is allowed.
        fields.insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    }
    response
}

/// Methods that are not refused whatever the target.
const ALLOWED: &str = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS, CONNECT";

/// The answer of the last hop that an OPTIONS request may take.
///
/// Source: RFC 9110 sections 7.6.2 and 9.3.7.
#[must_use]
pub fn options(now: SystemTime) -> Response<Body> {
    let mut fields = own_fields(now);
    fields.insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    let mut response = Response::new(Body::Empty);
    *response.headers_mut() = fields;
    response
}

/// 407 with `Proxy-Authenticate`, or 401 with `WWW-Authenticate`: one field line a challenge, strongest
/// first, and a text that says what to do.
///
/// Source: RFC 9110 sections 11.7.1, 15.5.2 and 15.5.8.
#[must_use]
pub fn challenge(is_proxy: bool, challenges: Vec<HeaderValue>, context: &Context<'_>) -> Response<Body> {
    let (status, name, advice) = if is_proxy {
        let advice = "This proxy needs your user name and password in Proxy-Authorization. With curl: --proxy-anyauth --proxy-user NAME:PASSWORD. \
                      If you sent them, they were not accepted.";
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, header::PROXY_AUTHENTICATE, advice)
    } else {
        let advice = "This gateway needs your user name and password in Authorization. With curl: --anyauth --user NAME:PASSWORD. \
                      If you sent them, they were not accepted.";
        (StatusCode::UNAUTHORIZED, header::WWW_AUTHENTICATE, advice)
    };
    let mut response = answer(status, advice, context);
    for value in challenges {
        response.headers_mut().append(&name, value);
    }
    response
}

fn answer(status: StatusCode, advice: &str, context: &Context<'_>) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or("Error");
    let (text, media_type) = if prefers_html(context.request) {
        (page(status, title, advice, &format_id(context.id)), "text/html; charset=utf-8")
    } else {
        (document(status, title, advice, &format_id(context.id)), "application/problem+json")
    };
    let mut fields = own_fields(context.now);
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    let mut response = Response::new(Body::Full(Bytes::from(text)));
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

/// Source: RFC 9457 section 3.1; `request_id` is an extension member.
fn document(status: StatusCode, title: &str, advice: &str, id: &str) -> String {
    let document = serde_json::json!({ "title": title, "status": status.as_u16(), "detail": advice, "request_id": id });
    format!("{document}\n")
}

fn page(status: StatusCode, title: &str, advice: &str, id: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{code} {title}</title></head>\n\
         <body><h1>{code} {title}</h1><p>{advice}</p><p>Request {id}</p></body></html>\n",
        code = status.as_u16(),
    )
}
