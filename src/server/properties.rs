//! What has to hold of a client's requests, whatever comes: here, where heads that need no hyper can be read.
//!
//! RFC 9112 sections 2.2, 3, 5, 6 and 9.3.
//!
//! # Deviations
//!
//! none

#![allow(clippy::indexing_slicing, clippy::panic, reason = "what a property is made of fails by panicking with a message")]

use std::convert::Infallible;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Waker};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use super::again::is_one_head;
use super::plain::{Bounds, read};
use crate::fuzzing::{Sure as _, lines};
use crate::repeats::After;

const BOUNDS: Bounds = Bounds { bytes: 8 << 10, fields: 64 };

/// Method, target, version, fields, and whether there is no content.
type Seen = (Method, Uri, Version, HeaderMap, bool);

/// The input is what a client writes, as it is and with the line ends that its first lines should have.
///
/// What is taken for one head and read without hyper is one request for hyper too, the same one and without content, after
/// which hyper has nothing left and keeps the connection or does not, as was read.
pub fn request(data: &[u8]) {
    check(data);
    let head: Vec<&[u8]> = lines(data).take_while(|line| !line.is_empty()).collect();
    check(&[&head.join(&b"\r\n"[..]), &b"\r\n\r\n"[..]].concat());
}

fn check(data: &[u8]) {
    if !is_one_head(data) {
        return;
    }
    let Some(plain) = read(&Bytes::copy_from_slice(data), BOUNDS) else { return };
    let (seen, answer) = by_hyper(data);
    let (parts, content) = plain.request.into_parts();
    let here = (parts.method, parts.uri, parts.version, parts.headers, content.is_none());
    assert_eq!(vec![here], seen, "hyper answered {:?}", String::from_utf8_lossy(&answer));
    let closes = answer.windows(19).any(|line| line == b"connection: close\r\n");
    assert_eq!(closes, plain.after == After::Close, "hyper answered {:?}", String::from_utf8_lossy(&answer));
}

/// What hyper makes of these bytes, and what it answers.
fn by_hyper(data: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    let (tell, told) = mpsc::channel();
    let service = service_fn(move |request: Request<Incoming>| {
        let (parts, content) = request.into_parts();
        tell.send((parts.method, parts.uri, parts.version, parts.headers, content.is_end_stream())).sure("a listener");
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let mut answer = Vec::new();
    {
        let wire = TokioIo::new(tokio::io::join(data, &mut answer));
        let mut serving = pin!(http1::Builder::new().half_close(true).serve_connection(wire, service));
        // Nothing in it ever waits: what is not ready is only giving way.
        let mut cx = Context::from_waker(Waker::noop());
        while serving.as_mut().poll(&mut cx).is_pending() {}
    }
    (told.try_iter().collect(), answer)
}
