use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::body::{Body, ReplyBody};
use crate::config::settings::{Limits, Tls};
use crate::gateway::Again;
use crate::repeats::{Name, Repeatable, Written};

/// Long enough never to matter in a test that works.
const NEVER: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(60);

fn reply(content: impl Into<Bytes>) -> Response<ReplyBody> {
    Response::new(ReplyBody::new(Body::Full(content.into()), None))
}

/// A handler made from a function.
#[derive(Clone)]
struct Made<F>(F);

impl<F, R> front::Handler for Made<F>
where
    F: Fn(Arc<Connection>, usize, Request<Option<Incoming>>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<ReplyBody>> + Send + 'static,
{
    fn answer(
        self,
        connection: Arc<Connection>,
        listener: usize,
        request: Request<Option<Incoming>>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send + Unpin + 'static {
        Box::pin((self.0)(connection, listener, request))
    }

    fn again(&self, _: (&Connection, usize), _: &[u8], _: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>) -> Again {
        Again::Unknown
    }

    fn keep(&self, _: Name, _: Box<Repeatable>, _: Written) {}
}

/// A front with a handler of the test's own; dropping `stop` stops it.
struct Running {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<io::Result<()>>,
}

impl Running {
    fn start<H, R>(change: impl FnOnce(&mut Settings), stall: Duration, handler: H) -> Self
    where
        H: Fn(Arc<Connection>, usize, Request<Option<Incoming>>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<ReplyBody>> + Send + 'static,
    {
        let mut settings = sample::settings();
        change(&mut settings);
        let metrics = Arc::new(Metrics::new(&settings));
        let front = Front::bind_patient(&settings, Arc::clone(&metrics), stall, |_, _| false).unwrap();
        let address = front.addresses()[0];
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(front.serve(Made(handler), async {
            let _ = stopped.await;
        }));
        Self { address, metrics, stop, ended }
    }

    /// Answers everything with "hello" at once.
    fn hello(change: impl FnOnce(&mut Limits)) -> Self {
        Self::start(|settings| change(&mut settings.limits), NEVER, |_, _, _| std::future::ready(reply("hello")))
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) {
        drop(self.stop);
        self.ended.await.unwrap().unwrap();
    }

    fn shows(&self, series: &str) -> bool {
        self.metrics.render().lines().any(|line| line == series)
    }
}

const GET: &[u8] = b"GET http://example.com/ HTTP/1.1\r\nhost: example.com\r\n\r\n";

/// Reads one response whose content is `content`.
async fn expect(client: &mut (impl AsyncRead + Unpin), content: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(content.as_bytes()) {
        let mut space = [0; 1024];
        let read = client.read(&mut space).await.unwrap();
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&space[..read]);
    }
    String::from_utf8(seen).unwrap()
}

async fn until_closed(client: &mut TcpStream) -> Vec<u8> {
    let mut seen = Vec::new();
    // A reset is a close, too.
    let _ = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut seen)).await.unwrap();
    seen
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let running = Running::hello(|_| {});
    let mut client = running.connect().await;
    for _ in 0..3 {
        client.write_all(GET).await.unwrap();
        let head = expect(&mut client, "hello").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("date: "), "{head}");
    }
    assert!(running.shows(r#"vouchsafe_connections{listener="edge"} 1"#));
    running.stop().await;
    assert_eq!(until_closed(&mut client).await, b"");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let running = Running::hello(|_| {});
    let mut client = running.connect().await;
    client.write_all(&[GET, GET].concat()).await.unwrap();
    client.shutdown().await.unwrap();
    let answers = String::from_utf8(until_closed(&mut client).await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{answers}");
    assert_eq!(answers.matches("hello").count(), 2, "{answers}");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let running = Running::hello(|limits| limits.idle_time = SOON);
    let mut client = running.connect().await;
    client.write_all(GET).await.unwrap();
    expect(&mut client, "hello").await;
    assert_eq!(until_closed(&mut client).await, b"");
}

#[tokio::test]
async fn a_head_that_does_not_come_or_does_not_end_closes_the_connection() {
    for sent in [&b""[..], b"GET http://example.com/ HTTP/1.1\r\nhost: exa"] {
        let running = Running::hello(|limits| limits.header_time = SOON);
        let mut client = running.connect().await;
        client.write_all(sent).await.unwrap();
        assert_eq!(until_closed(&mut client).await, b"");
    }
}

#[tokio::test]
async fn a_second_head_has_its_time_too() {
    let running = Running::hello(|limits| limits.header_time = SOON);
    let mut client = running.connect().await;
    client.write_all(&[GET, b"GET"].concat()).await.unwrap();
    expect(&mut client, "hello").await;
    client.write_all(b" http").await.unwrap();
    assert_eq!(until_closed(&mut client).await, b"");
}

#[tokio::test]
async fn an_exchange_may_take_longer_than_head_and_idle_time() {
    let go_on = Arc::new(Notify::new());
    let waited_for = Arc::clone(&go_on);
    let change = |settings: &mut Settings| (settings.limits.header_time, settings.limits.idle_time) = (SOON, SOON);
    let running = Running::start(change, NEVER, move |_, _, _| {
        let go_on = Arc::clone(&waited_for);
        async move {
            go_on.notified().await;
            reply("hello")
        }
    });
    // Another connection is closed for idleness in the meantime; this one is not.
    let (mut busy, mut idle) = (running.connect().await, running.connect().await);
    busy.write_all(GET).await.unwrap();
    until_closed(&mut idle).await;
    go_on.notify_one();
    expect(&mut busy, "hello").await;
}

#[tokio::test]
async fn a_client_that_closes_its_writing_half_gets_its_answer() {
    let half_closed = Arc::new(Notify::new());
    let waited_for = Arc::clone(&half_closed);
    let running = Running::start(
        |_| {},
        NEVER,
        move |_, _, _| {
            let half_closed = Arc::clone(&waited_for);
            async move {
                half_closed.notified().await;
                reply("hello")
            }
        },
    );
    let mut client = running.connect().await;
    client.write_all(GET).await.unwrap();
    client.shutdown().await.unwrap();
    half_closed.notify_one();
    assert!(until_closed(&mut client).await.ends_with(b"hello"));
}

#[tokio::test]
async fn t54_an_early_answer_survives_a_large_unread_content() {
    // Nobody takes the content: its receiver is dropped with the request.
    let running = Running::hello(|_| {});
    let mut client = running.connect().await;
    let content = vec![b'x'; 4 * 1024 * 1024];
    let head = format!("POST http://example.com/ HTTP/1.1\r\nhost: example.com\r\ncontent-length: {}\r\n\r\n", content.len());
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&content).await.unwrap();
    let answer = until_closed(&mut client).await;
    assert!(answer.ends_with(b"hello"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut() {
    let began = Arc::new(Notify::new());
    let beginning = Arc::clone(&began);
    let running = Running::start(
        |_| {},
        SOON,
        move |_, _, _| {
            beginning.notify_one();
            std::future::ready(reply(vec![b'x'; 64 * 1024 * 1024]))
        },
    );
    let mut client = running.connect().await;
    client.write_all(GET).await.unwrap();
    began.notified().await;
    until_empty(&running).await;
    assert!(until_closed(&mut client).await.len() < 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_client_that_does_not_send_its_content_is_cut() {
    let running = Running::start(
        |_| {},
        SOON,
        |_, _, request| async move {
            let _ = request.into_body().unwrap().collect().await;
            reply("hello")
        },
    );
    let mut client = running.connect().await;
    client.write_all(b"POST http://example.com/ HTTP/1.1\r\nhost: example.com\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
    assert_eq!(until_closed(&mut client).await, b"");
}

/// Waits until no connection is open.
async fn until_empty(running: &Running) {
    let deadline = tokio::time::sleep(Duration::from_secs(20));
    tokio::pin!(deadline);
    while !running.shows(r#"vouchsafe_connections{listener="edge"} 0"#) {
        tokio::select! {
            () = &mut deadline => panic!("a connection stays open"),
            () = tokio::task::yield_now() => {}
        }
    }
}

#[tokio::test]
async fn an_address_has_only_so_many_connections() {
    let running = Running::hello(|limits| limits.connections_per_address = 2);
    let (mut one, two) = (running.connect().await, running.connect().await);
    let mut three = running.connect().await;
    assert_eq!(until_closed(&mut three).await, b"");
    assert!(running.shows(r#"vouchsafe_connections_refused_total{listener="edge",reason="address-limit"} 1"#));
    one.write_all(GET).await.unwrap();
    expect(&mut one, "hello").await;
    drop((one, two));
    until_empty(&running).await;
    let mut four = running.connect().await;
    four.write_all(GET).await.unwrap();
    expect(&mut four, "hello").await;
}

#[tokio::test]
async fn draining_lets_the_exchange_in_the_air_end_and_takes_no_new_client() {
    let (began, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (beginning, waited_for) = (Arc::clone(&began), Arc::clone(&go_on));
    let running = Running::start(
        |_| {},
        NEVER,
        move |_, _, _| {
            let (began, go_on) = (Arc::clone(&beginning), Arc::clone(&waited_for));
            async move {
                began.notify_one();
                go_on.notified().await;
                reply("hello")
            }
        },
    );
    let (mut busy, mut idle) = (running.connect().await, running.connect().await);
    busy.write_all(GET).await.unwrap();
    began.notified().await;
    let address = running.address;
    drop(running.stop);
    assert_eq!(until_closed(&mut idle).await, b"");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!running.ended.is_finished());
    go_on.notify_one();
    assert!(until_closed(&mut busy).await.ends_with(b"hello"));
    running.ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn draining_ends_when_its_time_is_over() {
    let began = Arc::new(Notify::new());
    let beginning = Arc::clone(&began);
    let running = Running::start(
        |settings| settings.limits.drain_time = SOON,
        NEVER,
        move |_, _, _| {
            beginning.notify_one();
            std::future::pending()
        },
    );
    let mut client = running.connect().await;
    client.write_all(GET).await.unwrap();
    began.notified().await;
    running.stop().await;
    assert_eq!(until_closed(&mut client).await, b"");
}

#[tokio::test]
async fn a_tunnel_lives_on_and_is_cut_when_draining_ends() {
    let broke_off = Arc::new(Notify::new());
    let breaking = Arc::clone(&broke_off);
    let change = |settings: &mut Settings| {
        (settings.limits.header_time, settings.limits.idle_time, settings.limits.drain_time) = (SOON, SOON, SOON);
    };
    let running = Running::start(change, SOON, move |connection: Arc<Connection>, _, _| {
        let broke_off = Arc::clone(&breaking);
        connection.handover.leave_to(move |Released { socket, early, place }| {
            let Socket::Plain(mut tunnel) = socket else { panic!("this listener has no TLS") };
            tokio::spawn(async move {
                assert_eq!(early, "early");
                let mut space = [0; 16];
                let echo = async {
                    while let Ok(read @ 1..) = tunnel.read(&mut space).await {
                        tunnel.write_all(&space[..read]).await.unwrap();
                    }
                };
                tokio::select! {
                    () = echo => panic!("the client did not end"),
                    () = place => broke_off.notify_one(),
                }
            });
        });
        std::future::ready(reply(""))
    });
    let (mut client, mut idle) = (running.connect().await, running.connect().await);
    client.write_all(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\nearly").await.unwrap();
    expect(&mut client, "\r\n\r\n").await;
    // Every bound of an ordinary connection has passed when this one is closed.
    until_closed(&mut idle).await;
    client.write_all(b"ping").await.unwrap();
    expect(&mut client, "ping").await;
    assert!(running.shows(r#"vouchsafe_connections{listener="edge"} 1"#));
    running.stop().await;
    broke_off.notified().await;
    assert_eq!(until_closed(&mut client).await, b"");
}

#[tokio::test]
async fn a_panic_ends_one_connection() {
    let calls = Arc::new(AtomicUsize::new(0));
    let running = Running::start(
        |_| {},
        NEVER,
        move |_, _, _| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                assert_ne!(call, 0, "the first request fails (this panic is expected)");
                reply("hello")
            }
        },
    );
    let mut client = running.connect().await;
    client.write_all(GET).await.unwrap();
    assert_eq!(until_closed(&mut client).await, b"");
    until_empty(&running).await;
    let mut client = running.connect().await;
    client.write_all(GET).await.unwrap();
    expect(&mut client, "hello").await;
}

#[tokio::test]
async fn an_unreadable_head_is_answered_and_counted() {
    let cases = [
        (b"GET http://example.com/ HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n".to_vec(), "400"),
        ([&b"GET http://example.com/ HTTP/1.1\r\nx: "[..], &vec![b'x'; 40 * 1024], b"\r\n\r\n"].concat(), "431"),
    ];
    for (head, status) in cases {
        let running = Running::hello(|_| {});
        let mut client = running.connect().await;
        client.write_all(&head).await.unwrap();
        let answer = String::from_utf8(until_closed(&mut client).await).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        until_empty(&running).await;
        let series = format!(r#"vouchsafe_requests_total{{listener="edge",method="other",code="{status}"}} 1"#);
        assert!(running.shows(&series), "{}", running.metrics.render());
    }
}

#[tokio::test]
async fn the_handler_learns_where_a_request_came_from() {
    let running = Running::start(
        |_| {},
        NEVER,
        |connection: Arc<Connection>, listener, request| {
            assert_eq!(*request.method(), Method::GET);
            std::future::ready(reply(format!("{} {} {}", listener, connection.peer, connection.tls)))
        },
    );
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(sample::free_port()).unwrap();
    let mut client = socket.connect(running.address).await.unwrap();
    assert_eq!(client.local_addr().unwrap().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    client.write_all(GET).await.unwrap();
    let expected = format!("0 {} false", client.local_addr().unwrap());
    expect(&mut client, &expected).await;
}

/// A certificate for `localhost` and its key, as PEM files.
fn certificate(directory: &Path) -> (Tls, rustls_pki_types::CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = Tls { certificate: directory.join("server.pem"), key: directory.join("server.key") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.der().clone())
}

/// A client that trusts this certificate and would speak either HTTP.
fn trusting(root: rustls_pki_types::CertificateDer<'static>) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tokio_rustls::TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_tls_listener_speaks_http_1_1() {
    let directory = tempfile::tempdir().unwrap();
    let (files, root) = certificate(directory.path());
    let running = Running::start(
        |settings| settings.listeners[0].tls = Some(files),
        NEVER,
        |connection: Arc<Connection>, _, _| std::future::ready(reply(format!("tls {}", connection.tls))),
    );
    let connector = trusting(root);
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = connector.connect(name, running.connect().await).await.unwrap();
    assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    client.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    expect(&mut client, "tls true").await;
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0, "expected close_notify");
}

#[tokio::test]
async fn a_handshake_that_fails_or_never_ends_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    for sent in [&b""[..], b"GET / HTTP/1.1\r\n\r\n"] {
        let (files, _) = certificate(directory.path());
        let change = |settings: &mut Settings| {
            settings.listeners[0].tls = Some(files);
            settings.limits.header_time = SOON;
        };
        let running = Running::start(change, NEVER, |_, _, _| std::future::ready(reply("hello")));
        let mut client = running.connect().await;
        client.write_all(sent).await.unwrap();
        until_closed(&mut client).await;
        assert!(running.shows(r#"vouchsafe_connections_refused_total{listener="edge",reason="handshake"} 1"#));
    }
}

fn bind_error(change: impl FnOnce(&mut Settings)) -> StartError {
    let mut settings = sample::settings();
    change(&mut settings);
    Server::bind(Arc::new(settings), Clock::system()).unwrap_err()
}

#[test]
fn a_port_in_use_is_named_with_what_to_change() {
    let taken = std::net::TcpListener::bind(sample::free_port()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind_error(|settings| settings.listeners[0].address = address);
    let expected = format!(
        "cannot listen on {address}: the address is already in use; stop the program that listens there or change the \
         address of listener \"edge\""
    );
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_configuration());
    let admin = crate::config::settings::Admin { address, token_file: None };
    let error = bind_error(|settings| settings.admin = Some(admin));
    assert!(error.to_string().ends_with("or change admin.address"), "{error}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ((files, _), (others, _)) = (certificate(one.path()), certificate(other.path()));
    let missing = Tls { certificate: one.path().join("none.pem"), key: files.key.clone() };
    let no_key = Tls { certificate: files.certificate.clone(), key: files.certificate.clone() };
    let no_certificate = Tls { certificate: files.key.clone(), key: files.key.clone() };
    let mismatch = Tls { certificate: files.certificate, key: others.key };
    let cases = [
        (missing, "none.pem: expected certificates in PEM form, the server's own first: "),
        (no_key, "server.pem: expected one private key in PEM form: "),
        (no_certificate, "server.key: expected certificates in PEM form, the server's own first: found none"),
        (mismatch, "server.pem: expected a certificate for the key in "),
    ];
    for (files, expected) in cases {
        let error = bind_error(|settings| settings.listeners[0].tls = Some(files));
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().ends_with("; check listener.tls"), "{error}");
        assert!(error.is_configuration());
    }
}

#[tokio::test]
async fn the_whole_server_runs_and_stops() {
    let mut settings = sample::settings();
    settings.admin = Some(crate::config::settings::Admin { address: sample::free_port(), token_file: None });
    let server = Server::bind(Arc::new(settings), Clock::system()).unwrap();
    assert_eq!(server.addresses().len(), 1);
    let admin = server.admin_address().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let mut client = TcpStream::connect(admin).await.unwrap();
    client.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    expect(&mut client, "ready\n").await;
    drop(stop);
    running.await.unwrap().unwrap();
    assert!(TcpStream::connect(admin).await.is_err());
}

mod plain;
mod rest;
