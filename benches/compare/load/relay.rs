//! What passing bytes on costs at least: two sockets for a client, a read and a write for each direction, nothing understood.
//!
//! A client whose first bytes are a CONNECT is told 200 and tied to the port that it names, every other one to the origin.

use std::io::Write;
use std::net::SocketAddr;

use clap::Args;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use crate::message;
use crate::socket::{self, Got, Outgoing};

const LISTENER: Token = Token(usize::MAX);

#[derive(Args)]
pub(crate) struct Relay {
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    #[arg(long)]
    origin: SocketAddr,
}

/// One of the two sockets of a client, and what has to go out of it.
struct Side {
    stream: TcpStream,
    other: Option<usize>,
    outgoing: Outgoing<[u8; 0]>,
}

struct Relaying {
    origin: SocketAddr,
    registry: Registry,
    sides: Vec<Option<Side>>,
    free: Vec<usize>,
}

impl Relay {
    pub(crate) fn run(&self) {
        let mut poll = Poll::new().expect("a poll");
        let mut listener = TcpListener::bind(self.address).expect("an address");
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a place in the poll");
        println!("{}", listener.local_addr().expect("an address").port());
        let registry = poll.registry().try_clone().expect("a registry");
        let mut relaying = Relaying { origin: self.origin, registry, sides: Vec::new(), free: Vec::new() };
        let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 1 << 18]);
        loop {
            poll.poll(&mut events, None).expect("events");
            for event in &events {
                match event.token() {
                    LISTENER => relaying.accept(&listener),
                    Token(at) => relaying.on_event(at, &mut buffer),
                }
            }
        }
    }
}

impl Relaying {
    fn accept(&mut self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            self.add(stream, None);
        }
    }

    fn add(&mut self, mut stream: TcpStream, other: Option<usize>) -> usize {
        let at = self.free.pop().unwrap_or(self.sides.len());
        let _ = stream.set_nodelay(true);
        self.registry.register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE).expect("a place in the poll");
        if at == self.sides.len() {
            self.sides.push(None);
        }
        self.sides[at] = Some(Side { stream, other, outgoing: Outgoing::default() });
        at
    }

    fn drop(&mut self, at: usize) {
        let Some(side) = self.sides[at].take() else { return };
        self.free.push(at);
        if let Some(other) = side.other {
            self.drop(other);
        }
    }

    fn on_event(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(side) = &mut self.sides[at] else { return };
        let was_full = !side.outgoing.is_empty();
        if side.outgoing.send(&mut side.stream).is_err() {
            return self.drop(at);
        }
        let (has_room, other) = (was_full && side.outgoing.is_empty(), side.other);
        self.pass(at, buffer);
        if let Some(other) = other.filter(|_| has_room) {
            self.pass(other, buffer);
        }
    }

    /// Passes on what has come in on a socket, for as long as the other one has room.
    fn pass(&mut self, at: usize, buffer: &mut [u8]) {
        loop {
            let Some(side) = &mut self.sides[at] else { return };
            let other = side.other;
            if other.and_then(|other| self.sides[other].as_ref()).is_some_and(|other| !other.outgoing.is_empty()) {
                return;
            }
            let Some(side) = &mut self.sides[at] else { return };
            match socket::read(&mut side.stream, buffer) {
                Got::Nothing => return,
                Got::End => return self.drop(at),
                Got::Bytes(count) => {
                    match other {
                        Some(other) => self.put(other, &buffer[..count]),
                        None => self.tie(at, &buffer[..count]),
                    }
                    if count < buffer.len() {
                        return;
                    }
                }
            }
        }
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let Some(side) = &mut self.sides[at] else { return };
        // What is there at once goes out without a copy of its own.
        let sent = if side.outgoing.is_empty() { side.stream.write(bytes).unwrap_or(0) } else { 0 };
        side.outgoing.own.extend_from_slice(&bytes[sent..]);
        if side.outgoing.send(&mut side.stream).is_err() {
            self.drop(at);
        }
    }

    /// The first bytes of a client decide where it is tied to.
    fn tie(&mut self, at: usize, first: &[u8]) {
        let named = first.strip_prefix(b"CONNECT ").and_then(|rest| rest.split(|byte| *byte == b' ').next());
        let port = named.and_then(|authority| authority.rsplit(|byte| *byte == b':').next()).and_then(message::number);
        let mut to = self.origin;
        to.set_port(port.map_or(to.port(), |port| port as u16));
        // It blocks for as long as a connection on this machine takes to make; bytes may be written at once.
        let dialled = std::net::TcpStream::connect(to).and_then(|stream| stream.set_nonblocking(true).map(|()| stream));
        let Ok(stream) = dialled else { return self.drop(at) };
        let other = self.add(TcpStream::from_std(stream), Some(at));
        if let Some(side) = &mut self.sides[at] {
            side.other = Some(other);
        }
        match named {
            Some(_) => self.put(at, b"HTTP/1.1 200 OK\r\n\r\n"),
            None => self.put(other, first),
        }
    }
}
