//! From plain text to the engine's types and back.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body::Body as _;
use vouchsafe::body::Body;

use crate::step::Lines;

/// What the origin and the model look at in a request.
const NAMES: [&str; 9] = [
    "authorization",
    "cookie",
    "x-v",
    "cache-control",
    "range",
    "if-range",
    "if-none-match",
    "if-modified-since",
    "proxy-authorization",
];

pub(crate) fn time(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap())
}

pub(crate) fn map(lines: &Lines) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(lines.len() + 2);
    for (name, value) in lines {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    map
}

pub(crate) fn lines(map: &HeaderMap) -> Vec<(String, String)> {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned())).collect()
}

/// All content; it is at hand.
pub(crate) fn read(response: Response<Body>) -> String {
    let mut body = pin!(response.into_body());
    let mut text = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut context) {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    String::from_utf8(text).unwrap()
}

/// The fields that the origin and the model look at.
pub(crate) fn seen(map: &HeaderMap) -> Lines {
    NAMES.iter().filter_map(|name| Some((*name, map.get(*name)?.to_str().unwrap().to_owned()))).collect()
}
