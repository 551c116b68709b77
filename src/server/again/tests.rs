use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[test]
fn one_head_is_told_from_less_and_from_more() {
    for one in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n"] {
        assert!(is_one_head(one.as_bytes()), "{one:?}");
    }
    for other in [
        "",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nx",
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\nhost: a\n\n",
        "GET / HTTP/1.1\r\nhost: a\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\n\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        assert!(!is_one_head(other.as_bytes()), "{other:?}");
    }
}

/// Answers everything with the same bytes.
struct Parrot {
    answer: Vec<u8>,
    asked: Arc<AtomicUsize>,
}

impl Repeating for Parrot {
    fn again<R>(&self, _: &Connection, _: &[u8], send: impl FnOnce(&[u8]) -> R) -> Again<R> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Again::Sent(send(&self.answer))
    }

    fn keep(&self, _: Name, _: Box<Repeatable>, _: Vec<u8>) {}
}

fn encore(answer: Vec<u8>, room: usize) -> (Encore<tokio::io::DuplexStream, Parrot>, tokio::io::DuplexStream, Arc<AtomicUsize>) {
    let (socket, client) = tokio::io::duplex(room);
    let asked = Arc::new(AtomicUsize::new(0));
    let connection = Arc::new(Connection::new((std::net::Ipv4Addr::LOCALHOST, 1).into(), false));
    let parrot = Parrot { answer, asked: Arc::clone(&asked) };
    (Encore::new(socket, parrot, connection, Arc::new(Watch::new())), client, asked)
}

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A client that takes little at a time gets every byte in order, and the next request waits for that.
#[tokio::test]
async fn an_answer_that_does_not_fit_is_sent_to_its_end_before_anything_else() {
    let answer: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let (mut encore, mut client, asked) = encore(answer.clone(), 64);
    let reading = tokio::spawn(async move {
        let mut rest = Vec::new();
        encore.read_to_end(&mut rest).await.unwrap();
        rest
    });
    for count in 1..=3 {
        client.write_all(HEAD).await.unwrap();
        let mut seen = vec![0; answer.len()];
        client.read_exact(&mut seen).await.unwrap();
        assert_eq!((seen == answer, asked.load(Ordering::SeqCst)), (true, count));
    }
    drop(client);
    assert!(reading.await.unwrap().is_empty(), "what was answered is not read by anybody else");
}

/// What the answerer is not asked about is read as it is, and from then on nothing is answered on this connection.
#[tokio::test]
async fn after_a_doubt_everything_is_passed_on() {
    let (mut encore, mut client, asked) = encore(b"again".to_vec(), 1024);
    let half = HEAD.split_at(10).0;
    client.write_all(half).await.unwrap();
    let mut seen = vec![0; half.len()];
    encore.read_exact(&mut seen).await.unwrap();
    client.write_all(HEAD).await.unwrap();
    let mut seen = vec![0; HEAD.len()];
    encore.read_exact(&mut seen).await.unwrap();
    assert_eq!((&*seen, asked.load(Ordering::SeqCst)), (HEAD, 0));
}

/// A server that is to end answers nobody again: hyper says the last word.
#[tokio::test]
async fn a_connection_that_is_to_end_is_left_to_hyper() {
    let (mut encore, mut client, asked) = encore(b"again".to_vec(), 1024);
    encore.watch.tell(Order::Finish);
    client.write_all(HEAD).await.unwrap();
    let mut seen = vec![0; HEAD.len()];
    encore.read_exact(&mut seen).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// A response that is too long to be kept is not copied, not even its beginning.
#[test]
fn what_is_too_long_is_not_copied() {
    let (mut encore, _client, _) = encore(Vec::new(), 64);
    let begin = |encore: &mut Encore<_, _>| {
        encore.state = State::Within(Some(Wanted { name: Name { light: 1, hash: 1 }, bytes: Vec::new() }));
    };
    let copied = |encore: &Encore<_, Parrot>| match &encore.state {
        State::Within(Some(wanted)) => Some(wanted.bytes.len()),
        _ => None,
    };
    let (head, content) = (vec![b'h'; 100], vec![b'c'; LONGEST_BYTES]);
    begin(&mut encore);
    encore.note_written(&[io::IoSlice::new(&head), io::IoSlice::new(&content)], 150);
    assert_eq!(copied(&encore), Some(150));
    encore.note_written(&[io::IoSlice::new(&content)], LONGEST_BYTES - 150);
    assert_eq!(copied(&encore), Some(LONGEST_BYTES));
    encore.note_written(&[io::IoSlice::new(&content)], 1);
    assert_eq!(copied(&encore), None);
    begin(&mut encore);
    encore.note_written(&[io::IoSlice::new(&head), io::IoSlice::new(&content)], 100 + LONGEST_BYTES);
    assert_eq!(copied(&encore), None);
}
