//! The scripted origin: it answers what the test wrote, and remembers every request.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use vouchsafe::clock::Clock;

use super::authority::Authority;
use super::reply::{Reply, reply};
use super::wait::within;
use super::wire::{Fields, Framing, Wire, field, fields_named};

/// A request as the origin saw it.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    pub method: String,
    /// The request target as sent.
    pub target: String,
    /// `HTTP/1.1`, for instance.
    pub version: String,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Whether the content arrived as framed; false if it broke off.
    pub complete: bool,
    /// Which connection it came over, from 1.
    pub connection_number: usize,
}

impl SeenRequest {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    /// All values of a field, in order.
    pub fn fields_named(&self, name: &str) -> Vec<&str> {
        fields_named(&self.fields, name)
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A scripted HTTP/1.1 origin on a free port of loopback; dropping it closes all its connections.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    state: Mutex<State>,
    authority: Option<Authority>,
}

const BACKLOG: u32 = 1024;

enum State {
    Listening {
        stop: oneshot::Sender<()>,
        task: JoinHandle<()>,
    },
    /// Bound and not listening: nobody else can have the port, and connecting is refused.
    Refusing(TcpSocket),
}

struct Shared {
    answer: Box<dyn Fn(&SeenRequest) -> Reply + Send + Sync>,
    seen: Mutex<Vec<SeenRequest>>,
    count: watch::Sender<usize>,
    connections: AtomicUsize,
    clock: Mutex<Option<Clock>>,
    tls: Option<TlsAcceptor>,
}

impl Origin {
    /// Answers with these replies in order; further requests get 599 with a body that says so.
    pub async fn script(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start(in_order(replies), None).await
    }

    /// Answers every request with what the closure makes of it.
    pub async fn serving(answer: impl Fn(&SeenRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(answer, None).await
    }

    /// [`Origin::script`] over TLS, for `localhost` and 127.0.0.1, under a new certificate authority.
    pub async fn tls_script(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start(in_order(replies), Some(Authority::new())).await
    }

    /// [`Origin::serving`] over TLS, for `localhost` and 127.0.0.1, under a new certificate authority.
    pub async fn tls_serving(answer: impl Fn(&SeenRequest) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(answer, Some(Authority::new())).await
    }

    async fn start(answer: impl Fn(&SeenRequest) -> Reply + Send + Sync + 'static, authority: Option<Authority>) -> Self {
        let socket = bound((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        let listener = socket.listen(BACKLOG).expect("a port of our own");
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            seen: Mutex::default(),
            count: watch::Sender::new(0),
            connections: AtomicUsize::new(0),
            clock: Mutex::default(),
            tls: authority.as_ref().map(Authority::acceptor),
        });
        let address = listener.local_addr().expect("a bound socket");
        let state = Mutex::new(listen(listener, &shared));
        Self { address, shared, state, authority }
    }

    /// Dates the answers by this clock; a gateway built with this origin does so unless the test did.
    pub fn dated_by(&self, clock: &Clock) -> &Self {
        lock(&self.shared.clock).get_or_insert_with(|| clock.clone());
        self
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.authority.is_some() { "https" } else { "http" }
    }

    /// The absolute form of a path here: `http://127.0.0.1:port/path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme(), self.address)
    }

    /// The PEM file of the certificate authority (TLS variants only).
    pub fn ca_file(&self) -> &Path {
        self.authority.as_ref().expect("an origin with TLS").ca_file()
    }

    /// Every request so far, in order of arrival of their ends.
    pub fn requests(&self) -> Vec<SeenRequest> {
        lock(&self.shared.seen).clone()
    }

    /// How many requests came so far.
    pub fn count(&self) -> usize {
        lock(&self.shared.seen).len()
    }

    /// The request that came last.
    pub fn last(&self) -> SeenRequest {
        lock(&self.shared.seen).last().cloned().expect("at least one request")
    }

    /// The requests since the last call, which are forgotten.
    pub fn take(&self) -> Vec<SeenRequest> {
        self.shared.count.send_replace(0);
        std::mem::take(&mut lock(&self.shared.seen))
    }

    /// Waits until `count` requests have come (since the last [`Origin::take`]).
    pub async fn wait_for(&self, count: usize) {
        let mut so_far = self.shared.count.subscribe();
        within("requests at the origin", so_far.wait_for(|seen| *seen >= count)).await.expect("the origin lives");
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Closes every connection and refuses new ones; the port stays reserved for [`Origin::resume`].
    pub async fn stop(&self) {
        let socket = bound(self.address).expect("a port that is ours still");
        let before = self.take_state();
        if let Some(State::Listening { stop, task }) = before {
            drop(stop);
            within("the origin to stop", task).await.expect("the origin's task ends");
        }
        *lock(&self.state) = State::Refusing(socket);
    }

    /// Listens again after [`Origin::stop`].
    pub async fn resume(&self) {
        let Some(State::Refusing(socket)) = self.take_state() else { panic!("the origin is not stopped") };
        let listener = socket.listen(BACKLOG).expect("the port that was ours");
        *lock(&self.state) = listen(listener, &self.shared);
    }

    fn take_state(&self) -> Option<State> {
        let placeholder = State::Refusing(TcpSocket::new_v4().expect("a socket"));
        Some(std::mem::replace(&mut *lock(&self.state), placeholder))
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let State::Listening { task, .. } = &*lock(&self.state) {
            task.abort();
        }
    }
}

/// A socket that has the port beside the one that listens on it: one is bound before the other is closed, so
/// that no program beside this one can be given the port in between. It receives nothing until it listens.
fn bound(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn in_order(replies: impl IntoIterator<Item = Reply>) -> impl Fn(&SeenRequest) -> Reply + Send + Sync + 'static {
    let left: Mutex<VecDeque<Reply>> = Mutex::new(replies.into_iter().collect());
    move |request| {
        lock(&left).pop_front().unwrap_or_else(|| {
            reply(599).body(format!("the origin's script is exhausted: {} {}", request.method, request.target))
        })
    }
}

fn listen(listener: TcpListener, shared: &Arc<Shared>) -> State {
    let (stop, stopped) = oneshot::channel();
    State::Listening { stop, task: tokio::spawn(accept(listener, Arc::clone(shared), stopped)) }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Ok((stream, _)) = listener.accept() => {
                let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
                connections.spawn(serve(stream, Arc::clone(&shared), number));
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, connection_number: usize) {
    stream.set_nodelay(true).expect("an option of the socket");
    let mut wire = match &shared.tls {
        None => Wire::new(stream),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Wire::new(stream),
            Err(_) => return,
        },
    };
    while let Some(request) = read_request(&mut wire, connection_number).await {
        lock(&shared.seen).push(request.clone());
        shared.count.send_modify(|count| *count += 1);
        let now = lock(&shared.clock).as_ref().map(Clock::now);
        let answer = (shared.answer)(&request);
        if !request.complete || !answer.write(&mut wire, &request.method, now).await {
            return;
        }
    }
}

async fn read_request(wire: &mut Wire, connection_number: usize) -> Option<SeenRequest> {
    let head = wire.head().await?;
    if field(&head.fields, "expect").is_some_and(|expected| expected.eq_ignore_ascii_case("100-continue")) {
        wire.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    }
    let mut parts = head.start_line.splitn(3, ' ').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let (method, target, version) = (part(), part(), part());
    let (mut framing, mut body, mut trailers) = (Framing::of(&head.fields, Framing::Length(0)), Vec::new(), Vec::new());
    while let Some(piece) = framing.piece(wire, &mut trailers).await {
        body.extend(piece);
    }
    let complete = framing == Framing::Complete;
    Some(SeenRequest { method, target, version, fields: head.fields, body, trailers, complete, connection_number })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test thread panicked while it held this")
}
