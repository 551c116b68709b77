//! Connections that are held open: idle after an answer, or in the middle of one.

use std::io::{Read, Write, stdin};
use std::net::{SocketAddr, TcpStream};

use clap::Args;

use crate::content::{is_made_of, token};
use crate::message;

#[derive(Args)]
pub(crate) struct Hold {
    /// The server under test.
    #[arg(long)]
    server: SocketAddr,
    /// The origin: the authority of targets.
    #[arg(long)]
    origin: SocketAddr,
    #[arg(long)]
    connections: usize,
    #[arg(long, default_value = "hit")]
    kind: String,
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    /// The number of the first connection's target; with `--unique` each connection has the next one.
    #[arg(long, default_value_t = 1)]
    from: u64,
    #[arg(long)]
    unique: bool,
    /// Stop reading an answer after so many bytes of content; left out, it is read whole.
    #[arg(long)]
    read: Option<usize>,
}

impl Hold {
    pub(crate) fn run(&self) {
        let held: Vec<TcpStream> = (0..self.connections).map(|at| self.open(at)).collect();
        println!("{}", held.len());
        let mut rest = Vec::new();
        stdin().read_to_end(&mut rest).expect("standard input ends");
    }

    fn open(&self, at: usize) -> TcpStream {
        let number = self.from + if self.unique { at as u64 } else { 0 };
        let mut stream = TcpStream::connect(self.server).expect("a connection");
        let request = format!("GET /{}/{}/{number} HTTP/1.1\r\nHost: {}\r\n\r\n", self.kind, self.bytes, self.origin);
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = Vec::new();
        let end = loop {
            self.more(&mut stream, &mut answer);
            if let Some(end) = message::head_end(&answer) {
                break end;
            }
        };
        assert_eq!((message::status(&answer), message::framing(&answer[..end]).0), (Some(200), Some(self.bytes as u64)));
        while answer.len() < end + self.read.unwrap_or(self.bytes) {
            self.more(&mut stream, &mut answer);
        }
        assert!(is_made_of(token(number, 0), 0, &answer[end..]), "content that was not made for {number}");
        stream
    }

    fn more(&self, stream: &mut TcpStream, answer: &mut Vec<u8>) {
        let mut buffer = [0; 1 << 14];
        let count = stream.read(&mut buffer).expect("an answer");
        assert!(count > 0, "the connection to {} ended before an answer was complete", self.server);
        answer.extend_from_slice(&buffer[..count]);
    }
}
