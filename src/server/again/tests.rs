use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::access_log::{Finish, Observer, Record};
use crate::body::ReplyBody;
use crate::cache::store::{Content, StoredResponse};
use crate::cache::tests::anonymous;
use crate::clock::Clock;
use crate::keyed::Keyed;
use crate::metrics::Metrics;
use crate::repeats::first_slices;
use crate::server::connection::Host;
use crate::server::plain::Parties;
use crate::server::rest::until_needed;
use crate::server::sample::settings;

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

/// Answers everything with the same bytes and the content of the same stored response.
#[derive(Clone)]
struct Parrot {
    bytes: Vec<u8>,
    stored: Arc<StoredResponse>,
    observer: Arc<Observer>,
    asked: Arc<AtomicUsize>,
    after: After,
}

impl Repeating for Parrot {
    fn again(&self, _: &Connection, _: &[u8], send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> Again {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (slices, count) = first_slices(&self.bytes, &self.stored);
        let sent = send(&slices[..count]).unwrap();
        let record = Box::new(Record::new(0, std::net::Ipv4Addr::LOCALHOST.into(), Clock::system().now(), Clock::instant()));
        let finish = Finish::new(Arc::clone(&self.observer), record);
        let mut rest = Rest::new(Bytes::copy_from_slice(&self.bytes), Some(Arc::clone(&self.stored)), 0, finish);
        rest.advance(sent);
        Again::Sent(Ok(Some(Box::new(rest))), self.after)
    }

    fn keep(&self, _: Name, _: Box<Repeatable>, _: Written) {}
}

impl Host for Parrot {
    fn answer(
        &self,
        _: Arc<Connection>,
        _: Request<Option<Incoming>>,
    ) -> impl Future<Output = Response<ReplyBody>> + Unpin + Send + 'static + use<> {
        std::future::pending()
    }
}

type Sockets = (Encore<tokio::io::DuplexStream, Parrot>, tokio::io::DuplexStream);

fn encore(bytes: &[u8], chunks: Vec<Bytes>, room: usize) -> (Sockets, Arc<AtomicUsize>) {
    let (socket, client) = tokio::io::duplex(room);
    let asked = Arc::new(AtomicUsize::new(0));
    let connection = Arc::new(Connection::new((std::net::Ipv4Addr::LOCALHOST, 1).into(), false));
    let settings = settings();
    let metrics = Arc::new(Metrics::new(&settings));
    let observer = Arc::new(Observer::new(&settings, metrics, Clock::system(), Keyed::random().unwrap()).unwrap());
    let stored = Arc::new(StoredResponse::new(anonymous("max-age=60"), Vec::new(), 0, Content::new(chunks)));
    let parrot = Parrot { bytes: bytes.to_vec(), stored, observer, asked: Arc::clone(&asked), after: After::Stay };
    ((Encore::new(socket, parrot, connection, Arc::new(Watch::new())), client), asked)
}

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A client that takes little at a time gets every byte in order, and the next request waits for that.
#[tokio::test]
async fn an_answer_that_does_not_fit_is_sent_to_its_end_before_anything_else() {
    let answer: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let (bytes, content) = answer.split_at(100);
    // More chunks than one write takes, one of them empty, of other lengths than the socket's.
    let mut chunks: Vec<_> = content.chunks(97).map(Bytes::copy_from_slice).collect();
    chunks.insert(3, Bytes::new());
    let ((mut encore, mut client), asked) = encore(bytes, chunks, 64);
    let watch = Arc::clone(&encore.watch);
    let reading = tokio::spawn(async move {
        let mut rest = Vec::new();
        encore.read_to_end(&mut rest).await.unwrap();
        rest
    });
    for count in 1..=3 {
        client.write_all(HEAD).await.unwrap();
        let mut seen = vec![0; answer.len()];
        client.read_exact(&mut seen[..1]).await.unwrap();
        assert!(!watch.is_at_rest(), "an answer is on its way");
        client.read_exact(&mut seen[1..]).await.unwrap();
        assert_eq!((seen == answer, asked.load(Ordering::SeqCst)), (true, count));
    }
    drop(client);
    assert!(reading.await.unwrap().is_empty(), "what was answered is not read by anybody else");
}

/// What the answerer is not asked about is read as it is, and from then on nothing is answered on this connection.
#[tokio::test]
async fn after_a_doubt_everything_is_passed_on() {
    let ((mut encore, mut client), asked) = encore(b"again", Vec::new(), 1024);
    let half = HEAD.split_at(10).0;
    client.write_all(half).await.unwrap();
    let mut seen = vec![0; half.len()];
    encore.read_exact(&mut seen).await.unwrap();
    client.write_all(HEAD).await.unwrap();
    let mut seen = vec![0; HEAD.len()];
    encore.read_exact(&mut seen).await.unwrap();
    assert_eq!((&*seen, asked.load(Ordering::SeqCst)), (HEAD, 0));
}

/// After an answer that says so nothing is read, and whoever reads here sees the end when the answer is sent.
#[tokio::test]
async fn the_last_answer_is_the_last() {
    let ((mut encore, mut client), asked) = encore(&[b'a'; 1000], Vec::new(), 64);
    encore.host.after = After::Close;
    let reading = tokio::spawn(async move {
        let mut rest = Vec::new();
        encore.read_to_end(&mut rest).await.unwrap();
        (rest, encore)
    });
    client.write_all(HEAD).await.unwrap();
    let mut seen = vec![0; 1000];
    client.read_exact(&mut seen[..500]).await.unwrap();
    client.write_all(HEAD).await.unwrap();
    client.read_exact(&mut seen[500..]).await.unwrap();
    assert!(reading.await.unwrap().0.is_empty());
    assert_eq!((seen, asked.load(Ordering::SeqCst)), (vec![b'a'; 1000], 1));
}

/// A server that is to end answers nobody again: hyper says the last word.
#[tokio::test]
async fn a_connection_that_is_to_end_is_left_to_hyper() {
    let ((mut encore, mut client), asked) = encore(b"again", Vec::new(), 1024);
    encore.watch.tell(Order::Finish);
    client.write_all(HEAD).await.unwrap();
    let mut seen = vec![0; HEAD.len()];
    encore.read_exact(&mut seen).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// The same where there is no hyper and the server is to end.
#[tokio::test]
async fn an_order_to_finish_waits_for_an_answer_that_has_begun() {
    let content: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let ((mut encore, mut client), _) = encore(b"", vec![Bytes::from(content.clone())], 64);
    let watch = Arc::clone(&encore.watch);
    let (host, connection) = (encore.host.clone(), Arc::clone(&encore.connection));
    let parties = Parties { host, connection, watch: Arc::clone(&watch) };
    let bounds = Bounds::new(&settings().limits);
    let resting = tokio::spawn(async move { until_needed(&mut encore, &parties, bounds).await.unwrap() });
    client.write_all(HEAD).await.unwrap();
    let mut seen = vec![0];
    client.read_exact(&mut seen).await.unwrap();
    watch.tell(Order::Finish);
    client.read_to_end(&mut seen).await.unwrap();
    assert_eq!((seen == content, resting.await.unwrap()), (true, false));
}

/// What was read without hyper is read by it, however little it takes at a time; nothing of it is lost if it goes before.
#[tokio::test]
async fn what_was_read_without_hyper_is_there_for_it() {
    let ((mut encore, mut client), _) = encore(b"again", Vec::new(), 1024);
    client.write_all(b"CONNECT a:1 HTTP/1.1\n").await.unwrap();
    assert!(std::future::poll_fn(|cx| encore.poll_needed(cx)).await.unwrap());
    let mut seen = [0; 7];
    encore.read_exact(&mut seen).await.unwrap();
    assert_eq!((&seen, &*encore.into_inner().1), (b"CONNECT", &b" a:1 HTTP/1.1\n"[..]));
}
