//! Responses that begin before their requests are complete.
use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Reads until `end` was seen.
async fn read_to(stream: &mut TcpStream, end: &str) {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        seen.push(stream.read_u8().await.unwrap());
    }
}

/// RFC 9110 section 7.5: an origin may answer before it has read all, and both sides go on at their own pace.
#[tokio::test]
async fn request_content_goes_on_while_nobody_reads_the_response() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let permit = permit(listener.local_addr().unwrap(), "/");
    let upstreams = upstreams(&settings(), &[]);
    let (body, mut client) = pooling::endless_content().await;
    let request = Outbound { method: Method::POST, fields: FieldSection::default(), body, interim: None, pins: None };
    let begin = async {
        let (mut origin, _) = listener.accept().await.unwrap();
        read_to(&mut origin, "\r\nabc\r\n").await;
        origin.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await.unwrap();
        origin
    };
    let (answer, mut origin) = tokio::join!(upstreams.send(&permit, Destination::Forward, request), begin);
    let mut content = answer.unwrap().into_body();
    // Nobody polls the response, and all of the request arrives.
    client.write_all(b"3\r\ndef\r\n3\r\nghi\r\n0\r\n\r\n").await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), read_to(&mut origin, "def\r\n3\r\nghi\r\n0\r\n\r\n")).await.unwrap();
    origin.write_all(b"3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| content.poll_frame(cx)).await {
        read.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert_eq!((read, content.is_end_stream()), (b"onetwo".to_vec(), true));
    assert_eq!(origin.read(&mut [0]).await.unwrap(), 0, "the connection carries no other request");
}

#[tokio::test]
async fn t059_a_response_to_half_a_request_is_no_whole_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let permit = permit(listener.local_addr().unwrap(), "/");
    let upstreams = upstreams(&settings(), &[]);
    let (body, client) = pooling::endless_content().await;
    let request = Outbound { method: Method::POST, fields: FieldSection::default(), body, interim: None, pins: None };
    let begin = async {
        let (mut origin, _) = listener.accept().await.unwrap();
        read_to(&mut origin, "\r\nabc\r\n").await;
        origin.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none").await.unwrap();
        origin
    };
    let (answer, mut origin) = tokio::join!(upstreams.send(&permit, Destination::Forward, request), begin);
    let content = answer.unwrap();
    drop(client);
    assert!(read(content).await.is_err());
    assert_eq!(origin.read(&mut [0]).await.unwrap(), 0, "no last chunk was written");
}
