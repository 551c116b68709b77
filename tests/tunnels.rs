//! CONNECT tunnels through real sockets (RFC 9110 section 9.3.6).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::net::SocketAddr;

use support::wire::Wire;
use support::{Client, Gateway, Origin, reply, test_clock, within};
use tokio::net::TcpListener;

/// A destination that speaks no HTTP, and the gateway in front of it.
async fn destination() -> (TcpListener, SocketAddr, Gateway) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let gateway = Gateway::forward(&test_clock()).port(address.port()).start().await;
    (listener, address, gateway)
}

/// A client that is alice; the harness knows no origin here.
fn alice(gateway: &Gateway) -> Client {
    Client::to(gateway.address()).proxy_user("alice")
}

async fn accept(listener: &TcpListener) -> Wire {
    Wire::new(within("a connection at the destination", listener.accept()).await.expect("a connection").0)
}

/// Either side may end what it sends and still hear the other; the bytes are counted.
#[tokio::test]
async fn a_tunnel_carries_bytes_and_half_closes_both_ways() {
    let (listener, address, gateway) = destination().await;
    for client_ends_first in [true, false] {
        let (client, mut server) = tokio::join!(async { alice(&gateway).connect(&address.to_string()).await }, accept(&listener));
        let mut client = client.expect("a tunnel");
        client.send("ping").await;
        assert_eq!(server.bytes(4).await, b"ping");
        server.send("pong!").await;
        assert_eq!(client.bytes(5).await, b"pong!");
        gateway.metric_is("vouchsafe_tunnels", &[], 1.0).await;
        let (first, second) = if client_ends_first { (&mut client, &mut server) } else { (&mut server, &mut client) };
        first.send("last words").await;
        first.shutdown().await;
        assert_eq!(within("the end of one direction", second.rest()).await, b"last words");
        second.send("an answer after the end").await;
        second.shutdown().await;
        assert_eq!(within("the end of the other", first.rest()).await, b"an answer after the end");
        gateway.metric_is("vouchsafe_tunnels", &[], 0.0).await;
    }
    let (words, answer) = (10.0, 23.0);
    gateway.metric_is("vouchsafe_tunnel_bytes_total", &[("direction", "inbound")], 2.0 * 4.0 + words + answer).await;
    gateway.metric_is("vouchsafe_tunnel_bytes_total", &[("direction", "outbound")], 2.0 * 5.0 + words + answer).await;
}

/// Much in both directions at once, more than any buffer holds.
#[tokio::test]
async fn a_tunnel_carries_much_in_both_directions_at_once() {
    let (listener, address, gateway) = destination().await;
    let (client, server) = tokio::join!(async { alice(&gateway).connect(&address.to_string()).await }, accept(&listener));
    let (mut client_reads, mut client_writes) = tokio::io::split(client.expect("a tunnel").into_stream());
    let (mut server_reads, mut server_writes) = tokio::io::split(server.into_stream());
    let (up, down) = (numbers(12 << 20, 251), numbers(12 << 20, 241));
    let send = async |writer: &mut (dyn tokio::io::AsyncWrite + Unpin + Send), content: &[u8]| {
        tokio::io::AsyncWriteExt::write_all(writer, content).await.expect("an open tunnel");
        tokio::io::AsyncWriteExt::shutdown(writer).await.expect("an open tunnel");
    };
    let read = async |reader: &mut (dyn tokio::io::AsyncRead + Unpin + Send)| {
        let mut read = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(reader, &mut read).await.expect("an open tunnel");
        read
    };
    let all = async {
        tokio::join!(
            send(&mut client_writes, &up),
            send(&mut server_writes, &down),
            read(&mut client_reads),
            read(&mut server_reads)
        )
    };
    let ((), (), at_client, at_server) = within("both directions", all).await;
    assert!(at_client == down && at_server == up, "{} and {} bytes", at_client.len(), at_server.len());
}

/// Bytes of which each says where it stands.
fn numbers(length: u32, modulus: u32) -> Vec<u8> {
    (0..length).map(|number| (number / 7 % modulus) as u8).collect()
}

/// A burst comes to its end before its sender's end is passed on, whoever ends first, over plain TCP and TLS.
#[tokio::test]
async fn a_burst_arrives_whole_before_either_side_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    for has_tls in [false, true] {
        let builder = Gateway::forward(&test_clock()).port(address.port());
        let gateway = if has_tls { builder.tls() } else { builder }.start().await;
        let alice = gateway.anonymous().proxy_user("alice");
        for client_ends_first in [true, false] {
            let (client, mut server) = tokio::join!(async { alice.connect(&address.to_string()).await }, accept(&listener));
            let mut client = client.expect("a tunnel");
            let (first, second) = if client_ends_first { (&mut client, &mut server) } else { (&mut server, &mut client) };
            passes_to_the_end(first, second, &numbers(3 << 20, 251)).await;
            passes_to_the_end(second, first, &numbers(2 << 20, 241)).await;
        }
        let passed = f64::from(5_u32 << 20);
        gateway.metric_is("vouchsafe_tunnel_bytes_total", &[("direction", "inbound")], passed).await;
        gateway.metric_is("vouchsafe_tunnel_bytes_total", &[("direction", "outbound")], passed).await;
    }
}

/// All of it arrives, and then the end.
async fn passes_to_the_end(sender: &mut Wire, receiver: &mut Wire, bytes: &[u8]) {
    let send = async {
        sender.send(bytes).await;
        sender.shutdown().await;
    };
    let ((), received) = within("a burst", async { tokio::join!(send, receiver.rest()) }).await;
    assert!(received == bytes, "{} bytes of {}", received.len(), bytes.len());
}

/// Whoever is in the middle of a burst when the time to drain is over is cut.
#[tokio::test]
async fn a_burst_does_not_keep_the_gateway_from_stopping() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let gateway = Gateway::forward(&test_clock()).port(address.port()).limit("drain_time = \"100ms\"").start().await;
    let (client, mut server) = tokio::join!(async { alice(&gateway).connect(&address.to_string()).await }, accept(&listener));
    let mut client = client.expect("a tunnel");
    let endless = tokio::spawn(async move {
        let piece = numbers(64 << 10, 251);
        while server.send(&piece).await {}
    });
    assert_eq!(client.bytes(2 << 20).await.len(), 2 << 20);
    let reading = tokio::spawn(async move { client.rest().await });
    gateway.stopped().await;
    within("the end of the sender", endless).await.expect("no panic");
    within("the end of the reader", reading).await.expect("no panic");
}

/// RFC 9110 section 9.3.6: neither Content-Length nor Transfer-Encoding; what was sent early is not lost.
#[tokio::test]
async fn n121_the_answer_has_no_framing_and_early_bytes_arrive() {
    let (listener, address, gateway) = destination().await;
    let mut wire = alice(&gateway).open().await;
    let head = alice(&gateway).request("CONNECT", &address.to_string()).bytes();
    // More than is read with the head.
    let early = numbers(300_000, 251);
    wire.send([head, early.clone()].concat()).await;
    let answer = wire.answer("CONNECT").await;
    assert_eq!((answer.status, answer.field("content-length"), answer.field("transfer-encoding")), (200, None, None));
    let mut server = accept(&listener).await;
    wire.send("late").await;
    assert!(within("early bytes", server.bytes(early.len())).await == early);
    assert_eq!(server.bytes(4).await, b"late");
}

const UPGRADE: &str = "upgrade: websocket\r\nconnection: upgrade\r\n";

/// A CONNECT request of this version, with more fields, and what its sender could not wait to say.
fn connecting(gateway: &Gateway, address: SocketAddr, (version, more): (&str, &str)) -> String {
    let head = alice(gateway).request("CONNECT", &address.to_string()).bytes();
    let head = String::from_utf8(head).expect("a head").replace(" HTTP/1.1\r\n", &format!(" HTTP/{version}\r\n{more}"));
    head + "early"
}

/// RFC 9110 section 7.8: who asks for a tunnel is given one, and no other protocol, whatever is said of the connection.
#[tokio::test]
async fn n121_a_tunnel_opens_whatever_is_said_of_the_connection() {
    let (listener, address, gateway) = destination().await;
    let (close, keep) = ("connection: close\r\n", "connection: keep-alive\r\n");
    for said in [("1.1", ""), ("1.1", UPGRADE), ("1.1", close), ("1.1", keep), ("1.0", ""), ("1.0", close), ("1.0", keep)] {
        let mut client = alice(&gateway).open().await;
        client.send(connecting(&gateway, address, said)).await;
        let answer = client.answer("CONNECT").await;
        assert_eq!((answer.status, answer.field("upgrade")), (200, None), "{said:?}");
        let mut server = accept(&listener).await;
        client.send(" and late").await;
        assert_eq!(within("what the client says", server.bytes(14)).await, b"early and late", "{said:?}");
        client.shutdown().await;
        assert_eq!(within("the end of one direction", server.rest()).await, b"", "{said:?}");
        server.send("an answer after the end").await;
        server.shutdown().await;
        assert_eq!(within("the other direction", client.rest()).await, b"an answer after the end", "{said:?}");
    }
}

/// Where HTTP would not let go of the connection there is no tunnel, and that is said.
#[tokio::test]
async fn n121_no_tunnel_is_promised_that_does_not_open() {
    let (_listener, address, gateway) = destination().await;
    for more in ["upgrade: websocket\r\n", UPGRADE, "upgrade: a\r\nconnection: keep-alive, upgrade\r\n"] {
        let mut client = alice(&gateway).open().await;
        client.send(connecting(&gateway, address, ("1.0", more))).await;
        let refused = client.answer("CONNECT").await;
        assert_eq!((refused.status, refused.complete), (400, true), "{more:?}");
        gateway.metric_is("vouchsafe_tunnels", &[], 0.0).await;
    }
}

/// Nothing reaches a destination before the gateway has said 200.
#[tokio::test]
async fn early_bytes_of_a_refused_connect_go_nowhere() {
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::forward(&test_clock()).origin(&origin).start().await;
    let authority = origin.address().to_string();
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for client in [Client::to(gateway.address()), Client::to(gateway.address()).with("proxy-authorization", "Basic eDp5")] {
        let mut wire = client.open().await;
        wire.send([client.request("CONNECT", &authority).bytes().as_slice(), smuggled.as_bytes()].concat()).await;
        assert_eq!(wire.answer("CONNECT").await.status, 407);
    }
    gateway.metric_is("vouchsafe_auth_total", &[("outcome", "wrong-password")], 0.0).await;
    assert_eq!((origin.connections(), origin.count()), (0, 0));
}

/// Ports outside `connect_ports` are not for tunnels.
#[tokio::test]
async fn n120_tunnels_go_to_the_allowed_ports_only() {
    let (_listener, address, gateway) = destination().await;
    for authority in ["127.0.0.1:22".to_owned(), "127.0.0.1:25".to_owned(), format!("10.0.0.1:{}", address.port())] {
        let refused = alice(&gateway).connect(&authority).await.err().expect("a refusal");
        assert_eq!((refused.status, refused.proxy_error()), (403, Some("destination_ip_prohibited")), "{authority}");
        assert!(refused.complete && !refused.text().contains(&authority));
    }
}

/// A name that does not resolve is the destination's fault, not ours.
#[tokio::test]
async fn t62_a_name_that_does_not_resolve_is_502_with_dns_error() {
    let (_listener, address, gateway) = destination().await;
    let authority = format!("no-such-host.invalid:{}", address.port());
    let refused = alice(&gateway).connect(&authority).await.err().expect("a refusal");
    assert_eq!((refused.status, refused.proxy_error()), (502, Some("dns_error")));
    let plain = alice(&gateway).request("GET", &format!("http://{authority}/")).send().await;
    assert_eq!((plain.status, plain.proxy_error()), (502, Some("dns_error")));
}

/// Nobody listens: 502, and the connection to the client stays usable.
#[tokio::test]
async fn a_destination_that_refuses_is_502() {
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::forward(&test_clock()).origin(&origin).start().await;
    origin.stop().await;
    let authority = origin.address().to_string();
    let mut wire = gateway.client("alice").open().await;
    for _ in 0..2 {
        wire.send(gateway.client("alice").request("CONNECT", &authority).bytes()).await;
        let refused = wire.answer("CONNECT").await;
        assert_eq!((refused.status, refused.proxy_error(), refused.complete), (502, Some("connection_refused"), true));
    }
}

/// A tunnel is one line of the access log, with its destination and without a path.
#[tokio::test]
async fn a_tunnel_is_logged() {
    let (listener, address, gateway) = destination().await;
    let (client, server) = tokio::join!(async { alice(&gateway).connect(&address.to_string()).await }, accept(&listener));
    drop((client, server));
    let line = gateway.log_lines(1).await.remove(0);
    assert_eq!((line["method"].as_str(), line["status"].as_u64()), (Some("CONNECT"), Some(200)));
    assert_eq!(line["host"].as_str(), Some(address.to_string().as_str()));
    assert_eq!(line["auth"]["outcome"].as_str(), Some("ok"));
}

/// CONNECT is for forward proxies.
#[tokio::test]
async fn a_gateway_in_front_of_an_origin_opens_no_tunnels() {
    let origin = Origin::serving(|_| reply(200)).await;
    let gateway = Gateway::reverse(&origin, &test_clock()).start().await;
    let refused = gateway.anonymous().connect(&origin.address().to_string()).await.err().expect("a refusal");
    assert!(matches!(refused.status, 400 | 405), "{}", refused.status);
    assert_eq!(origin.connections(), 0);
}
