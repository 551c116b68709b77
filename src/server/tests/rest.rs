//! Connections without hyper: at their beginning, and at rest until something comes.

use parking_lot::Mutex;

use crate::server::again::Repeating;
use crate::server::connection::{Broken, Host, Http};
use crate::server::registry::{Registry, Rules};
use crate::server::watch::{Order, Patience, Watch};

use super::*;
use crate::repeats::After;

/// Answers with target and content; one target is answered again.
#[derive(Clone, Default)]
pub(super) struct Echo {
    /// There is a copy for each one of this host.
    copies: Arc<()>,
    /// Whom the next head that is looked at makes finish.
    pub(super) finishing: Arc<Mutex<Option<Arc<Watch>>>>,
}

impl Host for Echo {
    fn answer(
        &self,
        connection: Arc<Connection>,
        request: Request<Option<Incoming>>,
    ) -> impl Future<Output = Response<ReplyBody>> + Unpin + Send + 'static + use<> {
        Box::pin(async move {
            if request.method() == Method::CONNECT {
                connection.handover.leave_to(|Released { socket, early, place }| {
                    let Socket::Plain(mut tunnel) = socket else { panic!("this listener has no TLS") };
                    tokio::spawn(async move {
                        tunnel.write_all(&early).await.unwrap();
                        drop(place);
                    });
                });
                return reply("");
            }
            let (parts, content) = request.into_parts();
            let content = match content {
                Some(content) => content.collect().await.unwrap().to_bytes(),
                None => Bytes::from_static(b"without hyper"),
            };
            reply(format!("<{} {}>", parts.uri.path(), String::from_utf8_lossy(&content)))
        })
    }
}

impl Repeating for Echo {
    fn again(&self, _: &Connection, head: &[u8], send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> Again {
        if let Some(watch) = self.finishing.lock().take() {
            watch.tell(Order::Finish);
        }
        if !head.starts_with(b"GET /again ") {
            return Again::Unknown;
        }
        let sent = send(&[IoSlice::new(b"<again>")]).map(|sent| {
            assert_eq!(sent, 7);
            None
        });
        Again::Sent(sent, After::Stay)
    }

    fn keep(&self, _: Name, _: Box<Repeatable>, _: Written) {}
}

/// One served connection.
pub(super) struct One<C> {
    pub(super) client: C,
    pub(super) host: Echo,
    registry: Arc<Registry>,
    pub(super) watch: Arc<Watch>,
    pub(super) served: JoinHandle<Result<(), Broken>>,
}

impl<C: AsyncRead + AsyncWriteExt + Unpin> One<C> {
    /// Whether there is a hyper: it has the host, beside the test, the connection and its wire.
    pub(super) fn has_hyper(&self) -> bool {
        Arc::strong_count(&self.host.copies) > 3
    }

    /// Lets sweeps pass that all could come to rest in.
    async fn is_swept(&self) {
        for _ in 0..50 {
            self.registry.sweep(0, Clock::instant());
            tokio::task::yield_now().await;
        }
    }

    /// Sweeps until the connection is at rest.
    pub(super) async fn rests(&self) {
        tokio::time::timeout(NEVER, async {
            while self.has_hyper() {
                self.is_swept().await;
            }
        })
        .await
        .expect("the connection does not come to rest");
    }

    /// Sends this and reads up to `end`.
    pub(super) async fn says(&mut self, sent: &str, end: &str) -> String {
        self.client.write_all(sent.as_bytes()).await.unwrap();
        expect(&mut self.client, end).await
    }
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (listener.accept().await.unwrap().0, client)
}

pub(super) async fn one() -> One<TcpStream> {
    let (stream, client) = sockets().await;
    serve(stream, client)
}

fn serve<S, C>(stream: S, client: C) -> One<C>
where
    S: AsyncRead + tokio::io::AsyncWrite + Unpin + Into<Socket> + Send + 'static,
{
    let settings = sample::settings();
    let patience = Patience { head: NEVER, idle: NEVER, stall: NEVER };
    let registry = Registry::new(Rules { per_address: 1, patience });
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let open = registry.open(0, address, || Metrics::new(&settings).connected(0)).unwrap();
    let watch = Arc::clone(open.watch());
    let http = Http::new(&settings.limits);
    let connection = Connection::new((address, 1).into(), false);
    let host = Echo::default();
    let theirs = host.clone();
    let served = tokio::spawn(async move { http.serve((stream, open), connection, theirs).await });
    One { client, host, registry, watch, served }
}

/// A request that is one head.
pub(super) fn plain(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: example.com\r\n\r\n")
}

/// A request that hyper is needed for.
pub(super) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn hyper_goes_when_nothing_comes_and_is_there_when_something_does() {
    let mut one = one().await;
    one.is_swept().await;
    assert!(!one.has_hyper(), "nothing has come");
    for turn in 0..3 {
        one.says(&get(&format!("/{turn}")), &format!("</{turn} >")).await;
        one.says(&get("/after"), "</after >").await;
        assert!(one.has_hyper());
        one.rests().await;
    }
    drop(one.client);
    one.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn pipelined_requests_content_and_heads_in_pieces_end_a_rest() {
    let posted = "POST /c HTTP/1.1\r\nhost: example.com\r\ncontent-length: 5\r\n\r\nhello";
    let long = format!("GET /d HTTP/1.1\r\nhost: example.com\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let cases = [([get("/a"), get("/b")].concat(), "</b >", 2), (posted.to_owned(), "</c hello>", 1), (long, "</d >", 1)];
    for (sent, end, count) in cases {
        let mut one = one().await;
        one.says(&get("/first"), "</first >").await;
        one.rests().await;
        let answers = one.says(&sent, end).await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), count, "{answers}");
    }
}

/// What hyper has read of a request would be lost with it.
#[tokio::test]
async fn a_head_or_content_that_has_begun_keeps_hyper() {
    let posted = "POST /c HTTP/1.1\r\nhost: example.com\r\ncontent-length: 5\r\n\r\nhello";
    for (sent, end) in [(get("/in-pieces"), "</in-pieces >"), (posted.to_owned(), "</c hello>")] {
        let (first, rest) = sent.split_at(sent.len() - 3);
        let both = [get("/before"), first.to_owned()].concat();
        for (sent, before) in [(first, ""), (both.as_str(), "</before >")] {
            let mut one = one().await;
            one.says(&get("/first"), "</first >").await;
            one.rests().await;
            one.says(sent, before).await;
            while !one.has_hyper() {
                tokio::task::yield_now().await;
            }
            one.is_swept().await;
            assert!(one.has_hyper(), "{sent}");
            one.says(rest, end).await;
        }
    }
}

/// An offer made at one note is nothing worth at the next one.
#[tokio::test]
async fn a_request_that_comes_with_the_offer_is_answered() {
    for _ in 0..50 {
        let mut one = one().await;
        one.says(&get("/first"), "</first >").await;
        one.registry.sweep(0, Clock::instant());
        one.client.write_all(get("/second").as_bytes()).await.unwrap();
        one.registry.sweep(0, Clock::instant());
        let answers = expect(&mut one.client, "</second >").await;
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 1, "{answers}");
    }
}

#[tokio::test]
async fn what_comes_again_needs_no_hyper() {
    let mut one = one().await;
    one.says(&get("/again"), "<again>").await;
    assert!(!one.has_hyper(), "at the beginning");
    one.says(&get("/first"), "</first >").await;
    one.rests().await;
    for _ in 0..3 {
        one.says(&get("/again"), "<again>").await;
        one.is_swept().await;
        assert!(!one.has_hyper(), "at rest");
    }
    one.says(&get("/other"), "</other >").await;
}

#[tokio::test]
async fn a_connection_becomes_a_tunnel_after_a_rest() {
    let mut one = one().await;
    one.says(&get("/first"), "</first >").await;
    one.rests().await;
    one.says("CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\nearly", "\r\n\r\nearly").await;
    assert_eq!(until_closed(&mut one.client).await, b"");
}

#[tokio::test]
async fn orders_and_clients_end_a_connection_at_rest() {
    for order in [Some(Order::Finish), Some(Order::Cut), None] {
        let mut one = one().await;
        one.says(&get("/first"), "</first >").await;
        one.rests().await;
        match order {
            Some(order) => one.watch.tell(order),
            None => one.client.shutdown().await.unwrap(),
        }
        assert_eq!(until_closed(&mut one.client).await, b"", "{order:?}");
        one.served.await.unwrap().unwrap();
    }
}

/// Told so while the head is looked at, hyper is there only after the order.
#[tokio::test]
async fn a_request_that_was_read_before_the_order_is_answered() {
    let mut one = one().await;
    one.says(&get("/first"), "</first >").await;
    one.rests().await;
    *one.host.finishing.lock() = Some(Arc::clone(&one.watch));
    one.says(&get("/last"), "</last >").await;
    assert_eq!(until_closed(&mut one.client).await, b"");
}

#[tokio::test]
async fn a_rest_within_tls_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (files, root) = certificate(directory.path());
    let acceptor = tls::acceptor(&files).unwrap();
    let (stream, socket) = sockets().await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = trusting(root);
    let (client, stream) = tokio::join!(connector.connect(name, socket), acceptor.accept(stream));
    let mut one = serve(stream.unwrap(), client.unwrap());
    for _ in 0..3 {
        one.says(&get("/first"), "</first >").await;
        one.rests().await;
        one.says(&get("/again"), "<again>").await;
    }
    let answers = one.says(&[get("/a"), get("/b")].concat(), "</b >").await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
}
