//! The origin of the leak test: every few bytes of its content name the credential and the request they were made for, and
//! it remembers who asked.
//!
//! It writes its bytes itself, so that field lines stay as they are spelled and content can break off.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::people::{Mark, Person};
use super::spellings::Spelling;
use crate::clock::Clock;

/// What the origin does with the requests for one target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    pub(super) spelling: &'static Spelling,
    pub(super) vary: Option<&'static str>,
    pub(super) chunked: bool,
    pub(super) first: First,
    /// Who is refused, and how.
    pub(super) refused: Option<(&'static Person, u16)>,
}

/// What becomes of the first request for a target, while others come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Answered as all others.
    Answered,
    /// Its content waits half-way for the gate, then breaks off.
    BrokenOff,
    /// Its content waits half-way for the gate.
    ContentHeld,
    /// Its response head waits for the gate.
    HeadHeld,
}

/// One request that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) by: &'static Person,
    /// Whether it was told that what it has is current.
    pub(super) is_confirmed: bool,
}

/// A target and what came for it.
#[derive(Debug)]
pub(super) struct Target {
    tag: String,
    script: Script,
    visits: watch::Sender<Vec<Visit>>,
    gate: watch::Sender<bool>,
}

impl Target {
    pub(super) fn visits(&self) -> Vec<Visit> {
        self.visits.borrow().clone()
    }

    /// Waits until so many requests have come, or until this has lasted too long; tells which.
    pub(super) async fn is_reached(&self, times: usize, at_most: Duration) -> bool {
        let mut visits = self.visits.subscribe();
        tokio::time::timeout(at_most, visits.wait_for(|visits| visits.len() >= times)).await.is_ok()
    }

    /// Lets the first request go on.
    pub(super) fn open(&self) {
        self.gate.send_replace(true);
    }

    async fn pass_gate(&self) {
        // The sender lives in self, so waiting cannot fail.
        let _ = self.gate.subscribe().wait_for(|is_open| *is_open).await;
    }
}

/// The running origin; dropping it stops it.
#[derive(Debug)]
pub(super) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    targets: Mutex<HashMap<String, Arc<Target>>>,
}

impl Origin {
    /// Listens and serves in the background; responses are dated by `clock`.
    pub(super) async fn bind(address: SocketAddr, clock: Clock) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { clock, targets: Mutex::default() });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests for this target, the last segment of a path, from now on.
    pub(super) fn play(&self, name: &str, script: Script) -> Arc<Target> {
        let (visits, gate) = (watch::Sender::new(Vec::new()), watch::Sender::new(false));
        let target = Arc::new(Target { tag: format!("\"{name}\""), script, visits, gate });
        self.shared.targets.lock().insert(name.to_owned(), Arc::clone(&target));
        target
    }

    pub(super) fn forget(&self, name: &str) {
        self.shared.targets.lock().remove(name);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                let shared = Arc::clone(&shared);
                connections.spawn(async move { serve(stream, &shared).await });
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufStream::new(stream);
    while let Some(request) = Request::read(&mut stream).await? {
        let target = request.path.rsplit('/').next().and_then(|name| shared.targets.lock().get(name).cloned());
        match target {
            None => stream.write_all(b"HTTP/1.1 404 Not Found\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n").await?,
            Some(target) if !answer(&target, &request, &shared.clock, &mut stream).await? => return Ok(()),
            Some(_) => {}
        }
        stream.flush().await?;
        if request.is_last() {
            return Ok(());
        }
    }
    Ok(())
}

/// Answers one request; false if the connection ends with it.
async fn answer(target: &Target, request: &Request, clock: &Clock, stream: &mut BufStream<TcpStream>) -> std::io::Result<bool> {
    let Script { first, refused, .. } = target.script;
    let chunked = target.script.chunked && !request.is_http10;
    let by = Person::who_sends(request.value("authorization"), request.value("cookie"));
    let refusal = refused.filter(|(person, _)| person.name == by.name).map(|(_, status)| status);
    let is_current = refusal.is_none() && request.value("if-none-match").is_some_and(|tags| tags.contains(&target.tag));
    let mut hit = 0;
    target.visits.send_modify(|visits| {
        visits.push(Visit { by, is_confirmed: is_current });
        hit = visits.len();
    });
    if hit == 1 && first == First::HeadHeld {
        target.pass_gate().await;
    }
    if let Some(status) = refusal {
        // Says nothing about caching, so nobody else may have it (RFC 9111 sections 3 and 3.5).
        let head = format!("HTTP/1.1 {status} No\r\nWWW-Authenticate: Bearer realm=\"leak-test\"\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        return Ok(true);
    }
    let head = head(target, clock, if is_current { "304 Not Modified" } else { "200 OK" });
    stream.write_all(head.as_bytes()).await?;
    if is_current {
        stream.write_all(b"\r\n").await?;
        return Ok(true);
    }
    let language = request.value("accept-language").unwrap_or("none").to_owned();
    let content = Mark { by, language, hit }.content();
    let (start, rest) = content.split_at(content.len() / 2);
    let framing = if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {}", content.len()) };
    stream.write_all(format!("{framing}\r\n\r\n{}", piece(start, chunked)).as_bytes()).await?;
    if hit == 1 && matches!(first, First::ContentHeld | First::BrokenOff) {
        stream.flush().await?;
        target.pass_gate().await;
    }
    if hit == 1 && first == First::BrokenOff {
        return Ok(false);
    }
    stream.write_all(format!("{}{}", piece(rest, chunked), if chunked { "0\r\n\r\n" } else { "" }).as_bytes()).await?;
    Ok(true)
}

/// The head of a 200 or 304, but for its framing and the empty line.
fn head(target: &Target, clock: &Clock, status: &str) -> String {
    let Script { spelling, vary, .. } = target.script;
    let now = clock.now();
    let mut head = format!("HTTP/1.1 {status}\r\nDate: {}\r\nETag: {}\r\n", httpdate::fmt_http_date(now), target.tag);
    for line in spelling.lines {
        head.push_str(&format!("Cache-Control: {line}\r\n"));
    }
    if spelling.expires {
        head.push_str(&format!("Expires: {}\r\n", httpdate::fmt_http_date(now + Duration::from_secs(60))));
    }
    if let Some(name) = vary {
        head.push_str(&format!("Vary: {name}\r\n"));
    }
    head + "Content-Type: text/plain\r\n"
}

fn piece(text: &str, chunked: bool) -> String {
    if chunked { format!("{:x}\r\n{text}\r\n", text.len()) } else { text.to_owned() }
}

/// The head of a request; the test sends no content.
struct Request {
    path: String,
    is_http10: bool,
    fields: Vec<(String, String)>,
}

/// More than any cache sends for a request of the test.
const MAX_HEAD_BYTES: u64 = 64 * 1024;

impl Request {
    /// None at the end of the connection.
    async fn read(stream: &mut BufStream<TcpStream>) -> std::io::Result<Option<Self>> {
        let mut limited = stream.take(MAX_HEAD_BYTES);
        let mut lines = Vec::new();
        loop {
            let mut line = Vec::new();
            limited.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") {
                return Ok(None);
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let start = lines.first().map_or("", String::as_str);
        let path = start.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_http10 = start.ends_with("HTTP/1.0");
        let field =
            |line: &String| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
        Ok(Some(Self { path, is_http10, fields: lines.iter().skip(1).filter_map(field).collect() }))
    }

    /// Whether the connection ends with the answer (RFC 9112 section 9.3).
    fn is_last(&self) -> bool {
        self.is_http10 || self.value("connection").is_some_and(|options| options.eq_ignore_ascii_case("close"))
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}
