//! The origin: `/KIND/BYTES/NUMBER`, answered with content that says the number in every sixteen bytes.
//!
//! A kind is a word and, where the answer is to be held back, so many milliseconds: `hit` may be shared for an hour,
//! `vary` too and is made for the asking user, `zero` is to be validated each time, `private` is for the asking user,
//! `miss` is not stored. `/_seen` says how much was asked.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::{Args, ValueEnum};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::content::{TOKEN, content, token};
use crate::message;
use crate::socket::{self, Got, Outgoing};

const LISTENER: Token = Token(usize::MAX);

/// What a lying origin does wrong, so that it is seen to be noticed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lie {
    /// Content that says another number.
    Number,
    /// Content that is shorter.
    Length,
    /// Another status.
    Status,
    /// Nothing may be stored.
    Storing,
}

#[derive(Args)]
pub(crate) struct Origin {
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    #[arg(long, value_enum)]
    lie: Option<Lie>,
}

struct Connection {
    stream: TcpStream,
    incoming: Vec<u8>,
    outgoing: Outgoing<Arc<[u8]>>,
    is_waiting: bool,
    closes: bool,
}

/// What was asked since the start.
#[derive(Default)]
struct Seen {
    requests: u64,
    confirmed: u64,
    by_user: Vec<u64>,
}

struct Serving {
    lie: Option<Lie>,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    delayed: VecDeque<(Instant, usize)>,
    seen: Seen,
    date: (u64, String),
    made: ([u8; TOKEN], Arc<[u8]>),
}

/// What a request asks for.
struct Request<'a> {
    kind: &'a str,
    delay: Duration,
    bytes: usize,
    number: u64,
    user: usize,
    is_conditional: bool,
    closes: bool,
}

impl Origin {
    pub(crate) fn run(&self) {
        let mut poll = Poll::new().expect("a poll");
        let mut listener = TcpListener::bind(self.address).expect("an address");
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a place in the poll");
        println!("{}", listener.local_addr().expect("an address").port());
        let mut serving = Serving {
            lie: self.lie,
            connections: Vec::new(),
            free: Vec::new(),
            delayed: VecDeque::new(),
            seen: Seen::default(),
            date: (0, String::new()),
            made: ([0; TOKEN], Arc::default()),
        };
        let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 1 << 16]);
        loop {
            let pause = serving.delayed.front().map(|(due, _)| due.saturating_duration_since(Instant::now()));
            poll.poll(&mut events, pause).expect("events");
            for event in &events {
                match event.token() {
                    LISTENER => serving.accept(&listener, &poll),
                    Token(at) => serving.on_event(at, &mut buffer),
                }
            }
            serving.release();
        }
    }
}

impl Serving {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) {
        while let Ok((mut stream, _)) = listener.accept() {
            let at = self.free.pop().unwrap_or(self.connections.len());
            let _ = stream.set_nodelay(true);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(at), interest).expect("a place in the poll");
            if at == self.connections.len() {
                self.connections.push(None);
            }
            let (incoming, outgoing) = (Vec::new(), Outgoing::default());
            self.connections[at] = Some(Connection { stream, incoming, outgoing, is_waiting: false, closes: false });
        }
    }

    fn drop(&mut self, at: usize) {
        // A place whose answer is held back is not given to another connection before.
        let is_held = self.delayed.iter().any(|(_, held)| *held == at);
        if self.connections[at].take().is_some() && !is_held {
            self.free.push(at);
        }
    }

    fn on_event(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(connection) = &mut self.connections[at] else { return };
        if !connection.is_waiting && connection.outgoing.send(&mut connection.stream).is_err() {
            return self.drop(at);
        }
        loop {
            let Some(connection) = &mut self.connections[at] else { return };
            match socket::read(&mut connection.stream, buffer) {
                Got::Nothing => return self.answer(at),
                Got::End => return self.drop(at),
                Got::Bytes(count) => {
                    connection.incoming.extend_from_slice(&buffer[..count]);
                    if count < buffer.len() {
                        return self.answer(at);
                    }
                }
            }
        }
    }

    /// Answers every complete request, until one has to wait or there is no room.
    fn answer(&mut self, at: usize) {
        loop {
            let Some(connection) = &mut self.connections[at] else { return };
            if connection.is_waiting || !connection.outgoing.is_empty() {
                return;
            }
            if connection.closes {
                return self.drop(at);
            }
            let Some(end) = message::head_end(&connection.incoming) else { return };
            let head: Vec<u8> = connection.incoming.drain(..end).collect();
            let (own, shared, delay, closes) = self.respond(&head);
            let Some(connection) = &mut self.connections[at] else { return };
            (connection.outgoing.own, connection.outgoing.shared, connection.closes) = (own, shared, closes);
            if delay > Duration::ZERO {
                connection.is_waiting = true;
                let due = Instant::now() + delay;
                let place = self.delayed.partition_point(|(other, _)| *other <= due);
                self.delayed.insert(place, (due, at));
            } else if connection.outgoing.send(&mut connection.stream).is_err() {
                return self.drop(at);
            }
        }
    }

    /// Sends the answers whose time has come.
    fn release(&mut self) {
        while let Some((due, at)) = self.delayed.front().copied()
            && due <= Instant::now()
        {
            self.delayed.pop_front();
            let Some(connection) = &mut self.connections[at] else {
                self.free.push(at);
                continue;
            };
            connection.is_waiting = false;
            match connection.outgoing.send(&mut connection.stream) {
                Ok(()) => self.answer(at),
                Err(_) => self.drop(at),
            }
        }
    }

    /// Head, content and delay of the answer to a request, and whether the connection ends with it.
    fn respond(&mut self, head: &[u8]) -> (Vec<u8>, Arc<[u8]>, Duration, bool) {
        let Some(request) = read(head) else {
            let text = self.seen.text();
            let head = format!("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            return (head.into_bytes(), Arc::default(), Duration::ZERO, true);
        };
        self.seen.note(&request);
        let (says, is_own) = match request.kind {
            _ if self.lie == Some(Lie::Storing) => ("no-store", false),
            "hit" => ("public, s-maxage=3600", false),
            "vary" => ("public, s-maxage=3600\r\nVary: Authorization", true),
            "zero" => ("s-maxage=0", false),
            "private" => ("private, max-age=3600", true),
            _ => ("no-store", false),
        };
        let number = request.number + u64::from(self.lie == Some(Lie::Number));
        let bytes = request.bytes - usize::from(self.lie == Some(Lie::Length));
        let is_confirmed = request.is_conditional && request.kind == "zero";
        let status = match self.lie {
            Some(Lie::Status) => "503 Service Unavailable",
            _ if is_confirmed => "304 Not Modified",
            _ => "200 OK",
        };
        self.seen.confirmed += u64::from(is_confirmed);
        let mut head = format!(
            "HTTP/1.1 {status}\r\nDate: {}\r\nContent-Type: text/plain\r\nCache-Control: {says}\r\nETag: \"{number}\"\r\n\
             Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
            self.date()
        );
        if request.closes {
            head.push_str("Connection: close\r\n");
        }
        if is_confirmed {
            head.push_str("\r\n");
            return (head.into_bytes(), Arc::default(), request.delay, request.closes);
        }
        head.push_str(&format!("Content-Length: {bytes}\r\n\r\n"));
        let made_for = if is_own { request.user } else { 0 };
        (head.into_bytes(), self.made(token(number, made_for), bytes), request.delay, request.closes)
    }

    /// Content, made anew only where it differs from the last.
    fn made(&mut self, token: [u8; TOKEN], bytes: usize) -> Arc<[u8]> {
        if self.made.0 != token || self.made.1.len() != bytes {
            self.made = (token, content(token, bytes).into());
        }
        Arc::clone(&self.made.1)
    }

    fn date(&mut self) -> &str {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.date.0 != second {
            self.date = (second, httpdate::fmt_http_date(now));
        }
        &self.date.1
    }
}

impl Seen {
    fn note(&mut self, request: &Request<'_>) {
        self.requests += 1;
        if self.by_user.len() <= request.user {
            self.by_user.resize(request.user + 1, 0);
        }
        self.by_user[request.user] += 1;
    }

    fn text(&self) -> String {
        let Seen { requests, confirmed, by_user } = self;
        serde_json::json!({ "requests": requests, "confirmed": confirmed, "by_user": by_user }).to_string()
    }
}

/// Reads a request; none where it is not for content.
fn read(head: &[u8]) -> Option<Request<'_>> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let target = line.split(' ').nth(1)?;
    let path = target.strip_prefix("http://").map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    let mut parts = path.strip_prefix('/')?.split('/');
    let kind = parts.next()?;
    let name = kind.trim_end_matches(|byte: char| byte.is_ascii_digit());
    let delay = Duration::from_millis(kind[name.len()..].parse().unwrap_or_default());
    let (bytes, number) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let mut request = Request { kind: name, delay, bytes, number, user: 0, is_conditional: false, closes: false };
    for (field, value) in message::fields(head) {
        match field.len() {
            10 if field.eq_ignore_ascii_case(b"connection") => request.closes = value.eq_ignore_ascii_case(b"close"),
            13 if field.eq_ignore_ascii_case(b"if-none-match") => request.is_conditional = true,
            13 if field.eq_ignore_ascii_case(b"authorization") => {
                request.user = value.strip_prefix(b"Bearer user-").and_then(message::number).unwrap_or_default() as usize;
            }
            _ => {}
        }
    }
    Some(request)
}
