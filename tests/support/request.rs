//! One request on its way, and its answer as it comes in.

use super::answer::Answer;
use super::client::Client;
use super::reply::chunk;
use super::wait::within;
use super::wire::{Fields, Framing, Wire, field};

/// A request that is being written.
pub struct Request {
    client: Client,
    method: String,
    target: String,
    version: &'static str,
    fields: Fields,
    content: Vec<u8>,
    expects_continue: bool,
}

impl Request {
    pub(super) fn new(client: Client, method: &str, target: String) -> Self {
        let (method, fields) = (method.to_owned(), client.default_fields());
        Self { client, method, target, version: "HTTP/1.1", fields, content: Vec::new(), expects_continue: false }
    }

    /// Adds a field line; a first line of its own takes the place of the client's default of that name.
    pub fn field(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let defaults = self.client.default_fields();
        self.fields.retain(|line| !(line.0.eq_ignore_ascii_case(name) && defaults.contains(line)));
        self.fields.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The content, with its Content-Length.
    pub fn body(self, content: impl AsRef<[u8]>) -> Self {
        let length = content.as_ref().len().to_string();
        let mut request = self.field("content-length", length);
        request.content = content.as_ref().to_vec();
        request
    }

    /// The content in chunks of the chunked transfer coding.
    pub fn chunked<B: AsRef<[u8]>>(self, chunks: impl IntoIterator<Item = B>) -> Self {
        let mut request = self.field("transfer-encoding", "chunked");
        request.content = chunks.into_iter().flat_map(|piece| chunk(piece.as_ref())).collect();
        request.content.extend_from_slice(b"0\r\n\r\n");
        request
    }

    /// Sends the content only after 100 (Continue) (RFC 9110 section 10.1.1).
    pub fn expect_continue(self) -> Self {
        let mut request = self.field("expect", "100-continue");
        request.expects_continue = true;
        request
    }

    /// HTTP/1.0.
    pub fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// The request as it would be sent.
    pub fn bytes(&self) -> Vec<u8> {
        let lines: String = self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut bytes = format!("{} {} {}\r\n{lines}\r\n", self.method, self.target, self.version).into_bytes();
        if !self.expects_continue {
            bytes.extend_from_slice(&self.content);
        }
        bytes
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Answer {
        let incoming = self.exchange().await;
        let (answer, wire) = incoming.finish_with_wire().await;
        self.client.keep(wire, &answer);
        answer
    }

    /// Sends it and reads the head of the answer.
    pub async fn begin(self) -> Incoming {
        self.exchange().await
    }

    async fn exchange(&self) -> Incoming {
        let mut wire = self.client.connection().await;
        wire.send(self.bytes()).await;
        let late_content: &[u8] = if self.expects_continue { &self.content } else { &[] };
        Incoming::read(wire, &self.method, late_content).await
    }
}

/// An answer whose content is still coming in. Dropping it drops the connection.
pub struct Incoming {
    /// What came so far; [`Answer::body`] grows with every piece read.
    pub answer: Answer,
    wire: Wire,
    framing: Framing,
}

impl Incoming {
    async fn read(mut wire: Wire, method: &str, late_content: &[u8]) -> Self {
        let mut interim = Vec::new();
        loop {
            let Some(head) = within("an answer", wire.head()).await else {
                return Self { answer: Answer { interim, ..Answer::default() }, wire, framing: Framing::Broken };
            };
            let (version, status) = head.start_line.split_once(' ').unwrap_or((&head.start_line, "0"));
            let status = status.split(' ').next().unwrap_or_default().parse().unwrap_or(0);
            if !(100..200).contains(&status) {
                let framing = response_framing(method, status, &head.fields);
                let answer = Answer { status, version: version.to_owned(), fields: head.fields, interim, ..Answer::default() };
                return Self { answer, wire, framing };
            }
            if status == 100 {
                wire.send(late_content).await;
            }
            interim.push((status, head.fields));
        }
    }

    /// Reads until the content has at least `n` bytes in all, or ends; returns it.
    pub async fn body_of(&mut self, n: usize) -> &[u8] {
        while self.answer.body.len() < n && self.read_piece().await {}
        &self.answer.body
    }

    /// Reads the rest of the content.
    pub async fn finish(self) -> Answer {
        self.finish_with_wire().await.0
    }

    async fn finish_with_wire(mut self) -> (Answer, Wire) {
        while self.read_piece().await {}
        self.answer.complete = self.framing == Framing::Complete;
        (self.answer, self.wire)
    }

    async fn read_piece(&mut self) -> bool {
        let piece = self.framing.piece(&mut self.wire, &mut self.answer.trailers);
        let Some(piece) = within("content of an answer", piece).await else { return false };
        self.answer.body.extend(piece);
        true
    }
}

impl Wire {
    /// Reads the next answer, to a request of this method.
    pub async fn answer(&mut self, method: &str) -> Answer {
        let placeholder = Self::new(tokio::io::empty());
        let own = std::mem::replace(self, placeholder);
        let (answer, own) = Incoming::read(own, method, &[]).await.finish_with_wire().await;
        *self = own;
        answer
    }
}

/// RFC 9112 section 6.3.
fn response_framing(method: &str, status: u16, fields: &Fields) -> Framing {
    if method == "HEAD" || matches!(status, 0 | 204 | 304) || (method == "CONNECT" && (200..300).contains(&status)) {
        return if status == 0 { Framing::Broken } else { Framing::Complete };
    }
    if field(fields, "transfer-encoding").is_none() && field(fields, "content-length").is_none() {
        return Framing::UntilClose;
    }
    Framing::of(fields, Framing::UntilClose)
}
