//! What the scripted origin answers, down to the last byte if need be.

use std::time::SystemTime;

use super::wait::Gate;
use super::wire::{Fields, Wire, field};

/// An answer with this status code, no content, and a `Date` of the origin's clock if it has one.
pub fn reply(status: u16) -> Reply {
    Reply { status, ..Reply::default() }
}

/// These bytes are the whole answer; say `.close()` unless they frame themselves.
pub fn raw(bytes: impl AsRef<[u8]>) -> Reply {
    Reply { framing: ReplyFraming::Raw, pieces: vec![bytes.as_ref().to_vec()], ..Reply::default() }
}

/// One answer of the origin's script.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    status: u16,
    fields: Fields,
    interim: Vec<(u16, Fields)>,
    framing: ReplyFraming,
    pieces: Vec<Vec<u8>>,
    trailers: Fields,
    close: bool,
    truncate_after: Option<usize>,
    gate: Option<Gate>,
    body_gate: Option<Gate>,
    undated: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ReplyFraming {
    #[default]
    Length,
    Chunked,
    UntilClose,
    Raw,
}

impl Reply {
    /// Adds a field line; repeats are kept, and the bytes are sent as they are.
    pub fn field(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.fields.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The content, with a Content-Length unless a field line or another framing says otherwise.
    pub fn body(mut self, content: impl AsRef<[u8]>) -> Self {
        self.pieces = vec![content.as_ref().to_vec()];
        self
    }

    /// The content in pieces, with one Content-Length; [`Reply::body_gate`] stands between them.
    pub fn body_pieces<B: AsRef<[u8]>>(mut self, pieces: impl IntoIterator<Item = B>) -> Self {
        self.pieces = pieces.into_iter().map(|piece| piece.as_ref().to_vec()).collect();
        self
    }

    /// The content in chunks of the chunked transfer coding.
    pub fn chunked<B: AsRef<[u8]>>(mut self, chunks: impl IntoIterator<Item = B>) -> Self {
        self.framing = ReplyFraming::Chunked;
        self.body_pieces(chunks)
    }

    /// The content ends with the connection.
    pub fn no_length(mut self) -> Self {
        self.framing = ReplyFraming::UntilClose;
        self.close()
    }

    /// Adds a trailer field after the last chunk.
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// An interim answer (1xx) before this one.
    pub fn interim(mut self, status: u16, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.interim.push((status, fields));
        self
    }

    /// Closes the connection after the answer, without announcing it.
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// Closes the connection after `n` bytes of content.
    pub fn truncate_after(mut self, n: usize) -> Self {
        self.truncate_after = Some(n);
        self.close()
    }

    /// A barrier before the head (after interim answers).
    pub fn gate(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// A barrier before every piece of content but the first, and before the end of chunked content; content in one piece
    /// is sent in two halves.
    pub fn body_gate(mut self, gate: &Gate) -> Self {
        self.body_gate = Some(gate.clone());
        self
    }

    /// A Date field of this time instead of the origin's clock.
    pub fn date(self, time: SystemTime) -> Self {
        self.field("date", httpdate::fmt_http_date(time))
    }

    /// No Date field.
    pub fn no_date(mut self) -> Self {
        self.undated = true;
        self
    }

    /// Writes the answer to a request of this method; false if the connection is to be closed.
    pub(super) async fn write(self, wire: &mut Wire, method: &str, now: Option<SystemTime>) -> bool {
        for (status, fields) in &self.interim {
            wire.send(head(*status, fields)).await;
        }
        if let Some(gate) = &self.gate {
            gate.pass().await;
        }
        if self.framing != ReplyFraming::Raw && !wire.send(self.head(now)).await {
            return false;
        }
        let without_content = method == "HEAD" || matches!(self.status, 204 | 304);
        let alive = (without_content && self.framing != ReplyFraming::Raw) || self.write_content(wire).await;
        if self.close {
            wire.shutdown().await;
        }
        alive && !self.close
    }

    fn head(&self, now: Option<SystemTime>) -> Vec<u8> {
        let mut fields = self.fields.clone();
        if let (Some(now), false, None) = (now, self.undated, field(&fields, "date")) {
            fields.push(("date".to_owned(), httpdate::fmt_http_date(now)));
        }
        let framed = field(&fields, "content-length").is_some() || field(&fields, "transfer-encoding").is_some();
        match self.framing {
            ReplyFraming::Length if !framed && !matches!(self.status, 204 | 304) => {
                let length: usize = self.pieces.iter().map(Vec::len).sum();
                fields.push(("content-length".to_owned(), length.to_string()));
            }
            ReplyFraming::Chunked if !framed => fields.push(("transfer-encoding".to_owned(), "chunked".to_owned())),
            _ => {}
        }
        head(self.status, &fields)
    }

    async fn write_content(&self, wire: &mut Wire) -> bool {
        let mut left = self.truncate_after.unwrap_or(usize::MAX);
        for (index, piece) in self.pieces_to_send().iter().enumerate() {
            if let (true, Some(gate)) = (index > 0, &self.body_gate) {
                gate.pass().await;
            }
            let sent = &piece[..piece.len().min(left)];
            left -= sent.len();
            let cut = sent.len() < piece.len() || self.truncate_after.is_some() && left == 0;
            let alive = match self.framing {
                ReplyFraming::Chunked if cut => wire.send([format!("{:x}\r\n", piece.len()).as_bytes(), sent].concat()).await,
                ReplyFraming::Chunked => wire.send(chunk(sent)).await,
                _ => wire.send(sent).await,
            };
            if !alive || cut {
                return false;
            }
        }
        self.framing != ReplyFraming::Chunked || self.write_last_chunk(wire).await
    }

    async fn write_last_chunk(&self, wire: &mut Wire) -> bool {
        if let Some(gate) = &self.body_gate {
            gate.pass().await;
        }
        let trailers: String = self.trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        wire.send(format!("0\r\n{trailers}\r\n")).await
    }

    fn pieces_to_send(&self) -> Vec<Vec<u8>> {
        match self.pieces.as_slice() {
            [whole] if self.body_gate.is_some() && self.framing != ReplyFraming::Chunked => {
                let (first, second) = whole.split_at(whole.len() / 2);
                vec![first.to_vec(), second.to_vec()]
            }
            pieces => pieces.to_vec(),
        }
    }
}

/// A chunk of the chunked transfer coding; of nothing, nothing (it would end the content).
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn head(status: u16, fields: &Fields) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or("Scripted");
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status} {reason}\r\n{lines}\r\n").into_bytes()
}
