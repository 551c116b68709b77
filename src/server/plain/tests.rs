use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderName, StatusCode, Uri, Version};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

use super::*;
use crate::body::Body;
use crate::cache::store::{Reader, Transfer};
use crate::server::sample::settings;

/// Method, target, version and fields, as they were read.
type Seen = (Method, Uri, Version, HeaderMap);

fn seen<B>(request: Request<B>) -> Seen {
    let (parts, _) = request.into_parts();
    (parts.method, parts.uri, parts.version, parts.headers)
}

fn read_here(head: &str) -> Option<(Seen, After)> {
    let bounds = Bounds::new(&settings().limits);
    read(&Bytes::copy_from_slice(head.as_bytes()), bounds).map(|plain| (seen(plain.request), plain.after))
}

/// What hyper makes of these bytes.
async fn read_by_hyper(head: &str) -> Option<Seen> {
    let (mut client, server) = duplex(64 << 10);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    client.write_all(head.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let service = service_fn(move |request: Request<Incoming>| {
        tell.send(seen(request)).unwrap();
        std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service).await;
    told.try_recv().ok()
}

#[tokio::test]
async fn what_is_read_here_is_what_hyper_reads() {
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(5000));
    for head in [
        "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://example.com:8080/a?b=c&d HTTP/1.1\r\nHost: example.com\r\nX-A: 1\r\nx-a: 2\r\nX-b:  spaced \t\r\n\r\n",
        "HEAD /%20%ff HTTP/1.1\r\nHOST: a\r\nAuthorization: Basic YTpi\r\nempty:\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
        "PURGE / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: \u{fc}\ttab \"q\" ,;=\r\nconnection: Keep-Alive\r\n\r\n",
        &long,
    ] {
        let here = read_here(head).unwrap_or_else(|| panic!("not read here: {head:?}"));
        assert_eq!(here, (read_by_hyper(head).await.unwrap(), After::Stay), "{head:?}");
    }
    let last = "GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
    assert_eq!(read_here(last).unwrap(), (read_by_hyper(last).await.unwrap(), After::Close));
}

#[test]
fn whatever_needs_more_than_a_head_is_left_to_hyper() {
    for special in [
        "content-length: 0",
        "Content-Length: 5",
        "transfer-encoding: chunked",
        "expect: 100-continue",
        "upgrade: websocket",
        "connection: upgrade",
        "connection: x-own",
        "connection: keep-alive, close",
        "connection: close\r\nconnection: close",
        "connection:",
        "bad name: x",
        "x : y",
        "x: a\u{0}b",
        "x: a\u{7f}b",
        ": y",
        "folded: a\r\n b",
        "cr: a\rb",
    ] {
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\n{special}\r\n\r\n");
        assert_eq!(read_here(&head), None, "{special:?}");
    }
    for head in [
        "GET / HTTP/1.0\r\nhost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nhost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
        "GET  / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "\r\n\r\n",
        "",
    ] {
        assert_eq!(read_here(head), None, "{head:?}");
    }
}

#[test]
fn heads_beyond_the_limits_are_left_to_hyper() {
    let mut limits = settings().limits;
    let head = Bytes::from_static(b"GET / HTTP/1.1\r\nhost: a\r\nb: c\r\n\r\n");
    (limits.header_bytes, limits.header_fields) = (head.len(), 2);
    assert!(read(&head, Bounds::new(&limits)).is_some());
    limits.header_fields = 1;
    assert!(read(&head, Bounds::new(&limits)).is_none());
    (limits.header_bytes, limits.header_fields) = (head.len() - 1, 2);
    assert!(read(&head, Bounds::new(&limits)).is_none());
}

fn response(status: u16, fields: &[(&str, &str)], content: Body) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::new(content, None));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("date", "Thu, 01 Jan 2026 00:00:00 GMT".parse().unwrap());
    for (name, value) in fields {
        response.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    response
}

/// Writes it to a client that takes `room` bytes at a time, and gives back what the client has and what became of it.
fn send(response: Response<ReplyBody>, is_head: bool, room: usize) -> (DuplexStream, JoinHandle<io::Result<bool>>) {
    let (client, mut server) = duplex(room);
    let sending = tokio::spawn(async move {
        let watch = Watch::new();
        watch.exchange_begins(false);
        let mut outgoing = Outgoing::new(response, is_head, false);
        poll_fn(|cx| outgoing.poll_send(&mut server, &watch, cx)).await?;
        Ok(watch.is_at_rest())
    });
    (client, sending)
}

async fn sent(response: Response<ReplyBody>, is_head: bool, room: usize) -> String {
    let (mut client, sending) = send(response, is_head, room);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert!(sending.await.unwrap().unwrap(), "the exchange is over");
    text
}

fn full(content: &str) -> Body {
    Body::Full(Bytes::copy_from_slice(content.as_bytes()))
}

const DATED: &str = "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n";

/// RFC 9112 section 6, RFC 9110 section 8.6: what stands in the fields is no matter.
#[tokio::test]
async fn a_head_says_how_its_content_ends() {
    let wrong = [("content-length", "7"), ("transfer-encoding", "gzip"), ("connection", "x")];
    for (status, is_head, fields, content, expected) in [
        (200, false, &[][..], full("hello"), "200 OK|content-length: 5|hello"),
        (200, false, &wrong, full("hello"), "200 OK|content-length: 5|hello"),
        (200, false, &wrong, Body::Empty, "200 OK|content-length: 0|"),
        (299, false, &[("x", "1"), ("x", "2")], full("a"), "299 |x: 1|x: 2|content-length: 1|a"),
        (204, false, &wrong, Body::Empty, "204 No Content|"),
        (204, true, &wrong, Body::Empty, "204 No Content|"),
        (304, false, &wrong, full("hello"), "304 Not Modified|"),
        (304, true, &wrong, full("hello"), "304 Not Modified|"),
        (200, true, &[("content-length", "7")], Body::Empty, "200 OK|content-length: 7|"),
        (200, true, &[], full("hello"), "200 OK|content-length: 5|"),
        (200, true, &[], Body::Empty, "200 OK|"),
    ] {
        let (head, content_text) = expected.rsplit_once('|').unwrap();
        let (status_line, lines) = head.split_once('|').unwrap_or((head, ""));
        let (own, ours) = lines.rsplit_once('|').map_or(("", lines), |(own, ours)| (own, ours));
        let line = |line: &str| if line.is_empty() { String::new() } else { line.replace('|', "\r\n") + "\r\n" };
        let expected = format!("HTTP/1.1 {status_line}\r\n{DATED}{}{}\r\n{content_text}", line(own), line(ours));
        assert_eq!(sent(response(status, fields, content), is_head, 64 << 10).await, expected);
    }
}

/// RFC 9110 section 6.6.1, RFC 9112 section 9.6.
#[tokio::test]
async fn a_head_is_dated_and_the_last_one_says_so() {
    let mut undated = response(200, &[], Body::Empty);
    undated.headers_mut().remove("date");
    let text = sent(undated, false, 1024).await;
    let date = text.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
    httpdate::parse_http_date(date).unwrap();
    let (client, mut server) = duplex(1024);
    let mut last = Outgoing::new(response(200, &[("connection", "close")], Body::Empty), false, true);
    poll_fn(|cx| last.poll_send(&mut server, &Watch::new(), cx)).await.unwrap();
    drop(server);
    let mut text = String::new();
    { client }.read_to_string(&mut text).await.unwrap();
    assert_eq!(text.matches("connection: close\r\n").count(), 1, "{text}");
}

/// Content that comes in pieces of many lengths, and is known to be as long as all of them or not.
#[tokio::test]
async fn content_that_comes_in_pieces_arrives_whole() {
    let pieces: Vec<Bytes> = [0, 1, 5000, 3, 0, 600_000, 4096, 4097, 1].iter().map(|length| vec![b'p'; *length].into()).collect();
    let all = pieces.concat();
    for (length, room) in [(Some(all.len() as u64), 100), (Some(all.len() as u64), 1 << 20), (None, 100), (None, 1 << 20)] {
        let transfer = Transfer::new();
        let content = Body::Stored(Reader::running(transfer.reader(), length));
        let (mut client, sending) = send(response(200, &[], content), false, room);
        let (mut text, mut first) = (Vec::new(), [0; 17]);
        client.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200 OK\r\n", "the head does not wait for content");
        for piece in &pieces {
            transfer.push(piece.clone());
            tokio::task::yield_now().await;
        }
        transfer.complete();
        client.read_to_end(&mut text).await.unwrap();
        assert!(sending.await.unwrap().unwrap());
        let end = memchr::memmem::find(&text, b"\r\n\r\n").unwrap() + 4;
        let content = if length.is_some() { text[end..].to_vec() } else { dechunked(&text[end..]) };
        assert!(content == all, "{length:?} {room}");
    }
}

/// RFC 9112 section 7.1: chunks, none of them empty but the last.
fn dechunked(mut text: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = memchr::memmem::find(text, b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&text[..end]).unwrap(), 16).unwrap();
        let (chunk, rest) = text[end + 2..].split_at(length);
        content.extend_from_slice(chunk);
        text = rest.strip_prefix(b"\r\n").unwrap();
        if length == 0 {
            assert!(text.is_empty(), "{text:?}");
            return content;
        }
    }
}

/// RFC 9112 section 8: a client must not take a part for the whole.
#[tokio::test]
async fn content_that_breaks_off_or_has_another_length_ends_in_an_error() {
    for (length, given, breaks) in [(None, 5, true), (Some(9), 5, true), (Some(9), 5, false), (Some(3), 5, false)] {
        let transfer = Transfer::new();
        let content = Body::Stored(Reader::running(transfer.reader(), length));
        let (mut client, sending) = send(response(200, &[], content), false, 1024);
        transfer.push(vec![b'p'; given].into());
        tokio::task::yield_now().await;
        if breaks {
            transfer.break_off();
        } else {
            transfer.complete();
        }
        sending.await.unwrap().unwrap_err();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    }
}
