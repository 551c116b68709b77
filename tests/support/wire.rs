//! One HTTP/1.1 connection seen as bytes: heads and content in both directions, as tolerant as a test needs.
//!
//! Deliberately not the gateway's parser: what the gateway writes is read here by other code.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a connection runs over: TCP, or TLS over it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Field lines in order of arrival, names as sent.
pub type Fields = Vec<(String, String)>;

/// The first value of a field, whatever the case of its name.
pub fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// All values of a field, in order.
pub fn fields_named<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

/// A start line and its field lines.
#[derive(Clone, Debug)]
pub struct Head {
    pub start_line: String,
    pub fields: Fields,
}

/// A connection and what was read from it and not used yet.
pub struct Wire {
    stream: Box<dyn Stream>,
    unread: VecDeque<u8>,
}

impl Wire {
    pub fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), unread: VecDeque::new() }
    }

    /// Sends bytes as they are; false if the peer is gone.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Ends our direction (FIN, or `close_notify` first) and leaves the other one open.
    pub async fn shutdown(&mut self) {
        let _peer_may_be_gone = self.stream.shutdown().await;
    }

    /// The start line and field lines that come next; none if the connection ends before they are complete.
    pub async fn head(&mut self) -> Option<Head> {
        let mut start_line = self.line().await?;
        while start_line.is_empty() {
            start_line = self.line().await?;
        }
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(Head { start_line, fields });
            }
            fields.push(split_field(&line));
        }
    }

    /// Exactly `n` bytes, or fewer if the connection ends.
    pub async fn bytes(&mut self, n: usize) -> Vec<u8> {
        while self.unread.len() < n && self.fill().await {}
        let available = n.min(self.unread.len());
        self.unread.drain(..available).collect()
    }

    /// Whatever comes until the peer ends its direction.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await {}
        self.unread.drain(..).collect()
    }

    /// Some bytes, at least one unless the connection ends.
    pub async fn some_bytes(&mut self) -> Vec<u8> {
        if self.unread.is_empty() {
            self.fill().await;
        }
        self.unread.drain(..).collect()
    }

    /// A line without its line end; none if the connection ends first.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.unread.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Whether the peer has neither closed nor sent anything that nobody asked for.
    pub async fn is_quiet(&mut self) -> bool {
        self.unread.is_empty() && tokio::time::timeout(Duration::ZERO, self.fill()).await.is_err()
    }

    /// The stream itself; nothing may be left unread.
    pub fn into_stream(self) -> Box<dyn Stream> {
        assert!(self.unread.is_empty(), "bytes are left unread: {:?}", self.unread);
        self.stream
    }

    async fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 16 * 1024];
        let read = self.stream.read(&mut buffer).await.unwrap_or(0);
        self.unread.extend(&buffer[..read]);
        read > 0
    }
}

fn split_field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.trim().to_owned())
}

/// How much content belongs to a message, and how far it was read (RFC 9112 section 6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Bytes that are still to come.
    Length(usize),
    /// Bytes of the current chunk that are still to come; none between chunks.
    Chunked(Option<usize>),
    /// Until the connection ends.
    UntilClose,
    /// All was read.
    Complete,
    /// The connection ended, or the framing was invalid, before all was read.
    Broken,
}

impl Framing {
    /// The framing of a request or, with `default` [`Framing::UntilClose`], of a response.
    pub fn of(fields: &[(String, String)], default: Self) -> Self {
        if field(fields, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return Self::Chunked(None);
        }
        field(fields, "content-length").map_or(default, |length| length.parse().map_or(Self::Broken, Self::Length))
    }

    /// The next piece of content, none at its end; trailer fields are added to `trailers`.
    pub async fn piece(&mut self, wire: &mut Wire, trailers: &mut Fields) -> Option<Vec<u8>> {
        loop {
            match self {
                Self::Length(0) => *self = Self::Complete,
                Self::Length(left) => {
                    let piece = wire.bytes((*left).min(1)).await;
                    return self.finish_piece(piece, wire);
                }
                Self::Chunked(Some(0)) => {
                    let end = wire.line().await;
                    *self = if end.as_deref() == Some("") { Self::Chunked(None) } else { Self::Broken };
                }
                Self::Chunked(Some(_)) => {
                    let piece = wire.bytes(1).await;
                    return self.finish_piece(piece, wire);
                }
                Self::Chunked(None) => self.next_chunk(wire, trailers).await,
                Self::UntilClose => {
                    let piece = wire.some_bytes().await;
                    if !piece.is_empty() {
                        return Some(piece);
                    }
                    *self = Self::Complete;
                }
                Self::Complete | Self::Broken => return None,
            }
        }
    }

    /// Adds what already arrived to the first byte, and counts it off.
    fn finish_piece(&mut self, mut piece: Vec<u8>, wire: &mut Wire) -> Option<Vec<u8>> {
        let (Self::Length(left) | Self::Chunked(Some(left))) = self else { return None };
        if piece.is_empty() {
            *self = Self::Broken;
            return None;
        }
        let more = (*left - 1).min(wire.unread.len());
        piece.extend(wire.unread.drain(..more));
        *left -= piece.len();
        Some(piece)
    }

    async fn next_chunk(&mut self, wire: &mut Wire, trailers: &mut Fields) {
        let line = wire.line().await.unwrap_or_default();
        let size = line.split(';').next().unwrap_or_default().trim();
        *self = match usize::from_str_radix(size, 16) {
            Ok(0) => read_trailers(wire, trailers).await,
            Ok(size) => Self::Chunked(Some(size)),
            Err(_) => Self::Broken,
        };
    }
}

async fn read_trailers(wire: &mut Wire, trailers: &mut Fields) -> Framing {
    loop {
        match wire.line().await.as_deref() {
            Some("") => return Framing::Complete,
            Some(line) => trailers.push(split_field(line)),
            None => return Framing::Broken,
        }
    }
}
