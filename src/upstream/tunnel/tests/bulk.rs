//! Bursts, which the kernel moves between plain sockets.

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::upstream::tunnel::pipe::Fault;

const MIB: usize = 1 << 20;

/// A tunnel between two plain sockets, and what ends it early.
struct Spliced {
    client: TcpStream,
    origin: TcpStream,
    stop: oneshot::Sender<()>,
    tunnel: JoinHandle<TunnelTotals>,
}

impl Spliced {
    async fn open() -> Self {
        let ((client, inner), (outer, origin)) = (pair().await, pair().await);
        Self::between((client, inner), (outer, origin), LONG)
    }

    fn between((client, inner): (TcpStream, TcpStream), (outer, origin): (TcpStream, TcpStream), idle: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        let stopped = Box::pin(async {
            // A test that forgets the sender wants no stop.
            if stopped.await.is_err() {
                pending::<()>().await;
            }
        });
        let tunnel = tokio::spawn(relay((inner, Bytes::new()), outer, idle, stopped));
        Self { client, origin, stop, tunnel }
    }
}

/// Bytes of which no two pieces are alike.
fn pattern(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

async fn read(from: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut read = vec![0; length];
    from.read_exact(&mut read).await.unwrap();
    read
}

async fn exchange(asker: &mut TcpStream, answerer: &mut TcpStream, message: &[u8]) {
    asker.write_all(message).await.unwrap();
    assert!(read(answerer, message.len()).await == message);
}

#[tokio::test]
async fn bursts_both_ways_at_once_are_spliced_and_arrive_unchanged() {
    let Spliced { client, origin, stop: _stop, tunnel } = Spliced::open().await;
    let (up, down) = (pattern(12 * MIB, 1), pattern(12 * MIB, 2));
    let ((mut client_read, mut client_write), (mut origin_read, mut origin_write)) = (client.into_split(), origin.into_split());
    let send = async |writer: &mut tokio::net::tcp::OwnedWriteHalf, bytes: &[u8]| {
        writer.write_all(bytes).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let (mut at_client, mut at_origin) = (Vec::new(), Vec::new());
    let ((), (), read_client, read_origin) = tokio::join!(
        send(&mut client_write, &up),
        send(&mut origin_write, &down),
        client_read.read_to_end(&mut at_client),
        origin_read.read_to_end(&mut at_origin),
    );
    assert_eq!((read_client.unwrap(), read_origin.unwrap()), (down.len(), up.len()));
    assert!(at_client == down && at_origin == up);
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.outbound_bytes, totals.reason), (12 << 20, 12 << 20, TunnelEnd::Closed));
    assert!(totals.spliced_bytes > 12 << 20, "most of it is not copied: {totals:?}");
}

/// However much they are together: each would cost a call more.
#[tokio::test]
async fn small_messages_are_not_spliced_before_or_after_a_burst() {
    let Spliced { mut client, mut origin, stop: _stop, tunnel } = Spliced::open().await;
    let message = pattern(1024, 3);
    for _ in 0..200 {
        exchange(&mut client, &mut origin, &message).await;
        exchange(&mut origin, &mut client, &message).await;
    }
    let burst = pattern(2 * MIB, 4);
    let (writer, reader) = (&mut client, &mut origin);
    let (written, at_origin) = tokio::join!(writer.write_all(&burst), read(reader, burst.len()));
    written.unwrap();
    assert!(at_origin == burst);
    for _ in 0..200 {
        exchange(&mut client, &mut origin, &message).await;
        exchange(&mut origin, &mut client, &message).await;
    }
    drop((client, origin));
    let totals = tunnel.await.unwrap();
    assert!(totals.spliced_bytes > MIB as u64, "the burst is: {totals:?}");
    // The first message after it tells that it is over.
    assert!(totals.spliced_bytes <= (burst.len() + message.len()) as u64, "the messages are not: {totals:?}");
}

#[tokio::test]
async fn either_side_may_end_first_in_the_middle_of_a_burst() {
    for client_ends_first in [true, false] {
        let Spliced { client, origin, stop: _stop, tunnel } = Spliced::open().await;
        let (mut first, mut second) = if client_ends_first { (client, origin) } else { (origin, client) };
        let (words, answer) = (pattern(4 * MIB, 5), pattern(3 * MIB, 6));
        pass_to_the_end(&mut first, &mut second, &words).await;
        pass_to_the_end(&mut second, &mut first, &answer).await;
        let totals = tunnel.await.unwrap();
        let (one, other) = (words.len() as u64, answer.len() as u64);
        let expected = if client_ends_first { (one, other) } else { (other, one) };
        assert_eq!(((totals.inbound_bytes, totals.outbound_bytes), totals.reason), (expected, TunnelEnd::Closed));
        assert!(totals.spliced_bytes > 3 << 20, "{totals:?}");
    }
}

/// Sends all of it, ends, and the reader sees all of it and the end.
async fn pass_to_the_end(writer: &mut TcpStream, reader: &mut TcpStream, bytes: &[u8]) {
    let send = async {
        writer.write_all(bytes).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut at_reader = Vec::new();
    let ((), count) = tokio::join!(send, reader.read_to_end(&mut at_reader));
    assert_eq!(count.unwrap(), bytes.len());
    assert!(at_reader == bytes);
}

/// What the receiver does not take, the sender cannot send: sockets and one pipe hold all there is.
#[tokio::test]
async fn a_slow_reader_slows_the_sender() {
    let (near, far) = (pair().await, pair().await);
    for socket in [&near.0, &near.1, &far.0, &far.1] {
        let socket = socket2::SockRef::from(socket);
        socket.set_send_buffer_size(128 * 1024).unwrap();
        socket.set_recv_buffer_size(128 * 1024).unwrap();
    }
    let Spliced { mut client, mut origin, stop: _stop, tunnel } = Spliced::between(near, far, LONG);
    let sent = pattern(16 * MIB, 7);
    let (whole, mut at_origin) = (sent.clone(), Vec::new());
    let (mut writing, waiting) = (
        Box::pin(async move {
            client.write_all(&whole).await.unwrap();
            client.shutdown().await.unwrap();
            client
        }),
        Duration::from_millis(100),
    );
    assert!(tokio::time::timeout(waiting, &mut writing).await.is_err(), "nobody has read, and all was taken");
    let (_client, count) = tokio::join!(writing, origin.read_to_end(&mut at_origin));
    assert_eq!(count.unwrap(), sent.len());
    assert!(at_origin == sent);
    drop(origin);
    assert!(tunnel.await.unwrap().spliced_bytes > 4 << 20);
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_burst_ends_the_tunnel_and_names_the_side() {
    for (client_fails, reason) in [(true, TunnelEnd::ClientFailed), (false, TunnelEnd::OriginFailed)] {
        let Spliced { client, origin, stop: _stop, tunnel } = Spliced::open().await;
        let (mut failing, mut sending) = if client_fails { (client, origin) } else { (origin, client) };
        let endless = tokio::spawn(async move {
            let piece = vec![0; 64 * 1024];
            while sending.write_all(&piece).await.is_ok() {}
        });
        read(&mut failing, 2 * MIB).await;
        // Closing without lingering resets the connection.
        socket2::SockRef::from(&failing).set_linger(Some(Duration::ZERO)).unwrap();
        drop(failing);
        let totals = tunnel.await.unwrap();
        assert_eq!(totals.reason, reason);
        assert!(totals.spliced_bytes > MIB as u64 && totals.inbound_bytes + totals.outbound_bytes >= 2 << 20, "{totals:?}");
        endless.await.unwrap();
    }
}

/// It is known from the splice, not from a write.
#[tokio::test]
async fn a_sender_that_resets_after_a_burst_is_named() {
    for (client_fails, reason) in [(true, TunnelEnd::ClientFailed), (false, TunnelEnd::OriginFailed)] {
        let Spliced { client, origin, stop: _stop, tunnel } = Spliced::open().await;
        let (mut failing, mut reading) = if client_fails { (client, origin) } else { (origin, client) };
        let burst = pattern(2 * MIB, 12);
        let (written, read) = tokio::join!(failing.write_all(&burst), read(&mut reading, burst.len()));
        written.unwrap();
        assert!(read == burst);
        socket2::SockRef::from(&failing).set_linger(Some(Duration::ZERO)).unwrap();
        drop(failing);
        assert_eq!(tunnel.await.unwrap().reason, reason);
    }
}

#[tokio::test]
async fn a_burst_that_stops_is_an_idle_tunnel() {
    let (mut client, inner) = pair().await;
    let (outer, mut origin) = pair().await;
    let idle = Duration::from_millis(80);
    let tunnel = tokio::spawn(relay((inner, Bytes::new()), outer, idle, pending()));
    let sent = pattern(2 * MIB, 8);
    let (written, at_origin) = tokio::join!(client.write_all(&sent), read(&mut origin, sent.len()));
    written.unwrap();
    assert!(at_origin == sent);
    assert_eq!(origin.read(&mut [0; 1]).await.unwrap(), 0, "the idle tunnel was closed");
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.reason), (2 << 20, TunnelEnd::Idle));
}

/// Also one whose client has said that it will send no more.
#[tokio::test]
async fn a_stop_ends_a_burst_at_once() {
    for client_has_ended in [false, true] {
        let Spliced { mut client, mut origin, stop, tunnel } = Spliced::open().await;
        if client_has_ended {
            client.shutdown().await.unwrap();
            assert_eq!(origin.read(&mut [0; 1]).await.unwrap(), 0);
        }
        let endless = tokio::spawn(async move {
            let piece = vec![0; 64 * 1024];
            while origin.write_all(&piece).await.is_ok() {}
        });
        read(&mut client, 2 * MIB).await;
        stop.send(()).unwrap();
        let totals = tunnel.await.unwrap();
        assert_eq!((totals.reason, totals.reason.as_str()), (TunnelEnd::Stopped, "stopped"));
        assert!(totals.spliced_bytes > MIB as u64, "{totals:?}");
        endless.await.unwrap();
    }
}

#[tokio::test]
async fn early_bytes_come_first() {
    let (mut client, inner) = pair().await;
    let (outer, mut origin) = pair().await;
    let (early, late) = (pattern(3 * MIB, 9), pattern(MIB, 10));
    let tunnel = tokio::spawn(relay((inner, Bytes::from(early.clone())), outer, LONG, pending()));
    let (written, at_origin) = tokio::join!(client.write_all(&late), read(&mut origin, early.len() + late.len()));
    written.unwrap();
    assert!(at_origin == [early, late].concat());
    drop((client, origin));
    assert_eq!(tunnel.await.unwrap().inbound_bytes, 4 << 20);
}

/// Without a pipe a burst is read and written like anything else.
#[tokio::test]
async fn a_burst_without_a_pipe_is_copied() {
    let _none = Fault::NoPipe.begin();
    let Spliced { mut client, mut origin, stop: _stop, tunnel } = Spliced::open().await;
    let sent = pattern(4 * MIB, 11);
    pass_to_the_end(&mut client, &mut origin, &sent).await;
    drop(origin);
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.spliced_bytes), (4 << 20, 0));
}

/// A socket of a kind that cannot be spliced is asked once, and its bursts are copied from then on.
#[tokio::test]
async fn a_burst_that_cannot_be_spliced_is_copied() {
    let denied = Fault::NoSplice.begin();
    let Spliced { mut client, mut origin, stop: _stop, tunnel } = Spliced::open().await;
    let (sent, answer) = (pattern(4 * MIB, 13), pattern(2 * MIB, 14));
    pass_to_the_end(&mut client, &mut origin, &sent).await;
    assert_eq!(denied.refused(), 1);
    pass_to_the_end(&mut origin, &mut client, &answer).await;
    let totals = tunnel.await.unwrap();
    assert_eq!((totals.inbound_bytes, totals.outbound_bytes, totals.spliced_bytes), (4 << 20, 2 << 20, 0));
    assert_eq!((denied.refused(), totals.reason), (2, TunnelEnd::Closed), "once for each direction");
}
