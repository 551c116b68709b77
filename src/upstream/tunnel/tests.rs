use std::future::pending;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpListener;

use super::*;

const LONG: Duration = Duration::from_secs(60);

impl End for DuplexStream {
    fn plain(&self) -> Option<&TcpStream> {
        None
    }
}

/// Two connected sockets.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

#[tokio::test]
async fn bytes_pass_both_ways_and_are_counted() {
    let (mut client, inner) = pair().await;
    let (outer, mut origin) = pair().await;
    let tunnel = tokio::spawn(relay((inner, Bytes::new()), outer, LONG, pending()));
    client.write_all(b"hello").await.unwrap();
    let mut text = [0; 5];
    origin.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"hello");
    origin.write_all(b"hi").await.unwrap();
    client.read_exact(&mut text[..2]).await.unwrap();
    drop((client, origin));
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.outbound_bytes, totals.reason), (5, 2, TunnelEnd::Closed));
}

#[tokio::test]
async fn one_direction_may_end_before_the_other() {
    let (mut client, inner) = pair().await;
    let (outer, mut origin) = pair().await;
    let tunnel = tokio::spawn(relay((inner, Bytes::new()), outer, LONG, pending()));
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    origin.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question", "the origin sees the end while it still can answer");
    origin.write_all(b"a longer answer").await.unwrap();
    origin.shutdown().await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "a longer answer");
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.outbound_bytes, totals.reason), (8, 15, TunnelEnd::Closed));
}

#[tokio::test]
async fn much_passes_unchanged_through_slow_readers() {
    let (client, inner) = tokio::io::duplex(700);
    let (outer, origin) = pair().await;
    let tunnel = tokio::spawn(relay((inner, Bytes::new()), outer, LONG, pending()));
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let (mut client_read, mut client_write) = tokio::io::split(client);
    let (mut origin_read, mut origin_write) = origin.into_split();
    let (up, down) = (sent.clone(), sent.clone());
    let writers = async move {
        let (one, two) = tokio::join!(client_write.write_all(&up), origin_write.write_all(&down));
        one.unwrap();
        two.unwrap();
        client_write.shutdown().await.unwrap();
    };
    let readers = async {
        let (mut at_origin, mut at_client) = (Vec::new(), Vec::new());
        let (one, two) = tokio::join!(origin_read.read_to_end(&mut at_origin), client_read.read_to_end(&mut at_client));
        one.unwrap();
        two.unwrap();
        (at_origin, at_client)
    };
    let ((), (at_origin, at_client)) = tokio::join!(writers, readers);
    assert!(at_origin == sent && at_client == sent);
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.outbound_bytes), (3_000_000, 3_000_000));
}

#[tokio::test]
async fn an_idle_tunnel_ends_and_its_totals_are_kept() {
    let (mut client, inner) = pair().await;
    let (outer, mut origin) = pair().await;
    client.write_all(b"abc").await.unwrap();
    let tunnel = tokio::spawn(relay((inner, Bytes::new()), outer, Duration::from_millis(80), pending()));
    let mut text = Vec::new();
    origin.read_to_end(&mut text).await.unwrap();
    assert_eq!(text, b"abc", "the idle tunnel was closed");
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.outbound_bytes, totals.reason), (3, 0, TunnelEnd::Idle));
}

#[tokio::test]
async fn a_failing_side_is_named_and_the_totals_are_kept() {
    let (mut client, inner) = pair().await;
    let (outer, mut origin) = pair().await;
    let tunnel = tokio::spawn(relay((inner, Bytes::new()), outer, LONG, pending()));
    client.write_all(b"abc").await.unwrap();
    origin.read_exact(&mut [0; 3]).await.unwrap();
    // Closing without lingering resets the connection.
    socket2::SockRef::from(&origin).set_linger(Some(Duration::ZERO)).unwrap();
    drop(origin);
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.reason), (3, TunnelEnd::OriginFailed));
    assert_eq!(TunnelEnd::OriginFailed.as_str(), "origin_failed");
}

mod bulk;
