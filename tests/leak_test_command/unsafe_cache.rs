//! Caches that do what a shared cache must not: a tiny forward proxy for each sin.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::support::wire::{Framing, Wire};

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sin {
    /// Nothing: it keeps nothing.
    None,
    /// What was fetched for a URL answers everybody who asks for it, for ever.
    ReusesByUrl,
    /// Who comes while a response is fetched gets that response; it keeps nothing.
    SharesFlights,
    /// Content that broke off is framed as complete.
    CompletesWhatBroke,
}

/// A running proxy; dropping it stops it.
pub struct UnsafeCache {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Stored {
    start_line: String,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
    is_complete: bool,
}

type Cells = Arc<Mutex<HashMap<String, Arc<OnceCell<Stored>>>>>;

impl UnsafeCache {
    pub async fn start(sin: Sin) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let cells = Cells::default();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sin, Arc::clone(&cells)));
            }
        });
        Self { address, task }
    }
}

impl Drop for UnsafeCache {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, sin: Sin, cells: Cells) {
    stream.set_nodelay(true).expect("an option of the socket");
    let mut client = Wire::new(stream);
    while let Some(head) = client.head().await {
        let url = head.start_line.split(' ').nth(1).expect("a request line").to_owned();
        let stored = match sin {
            Sin::None | Sin::CompletesWhatBroke => fetch(&url, &head.fields).await,
            Sin::ReusesByUrl | Sin::SharesFlights => {
                let cell = Arc::clone(cells.lock().expect("no panic while held").entry(url.clone()).or_default());
                let stored = cell.get_or_init(|| fetch(&url, &head.fields)).await.clone();
                if sin == Sin::SharesFlights || !stored.is_complete {
                    cells.lock().expect("no panic while held").remove(&url);
                }
                stored
            }
        };
        let is_short = !stored.is_complete && sin != Sin::CompletesWhatBroke;
        let length = stored.content.len() + usize::from(is_short);
        let fields: String = stored.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let framing = if stored.start_line.contains(" 304 ") { String::new() } else { format!("Content-Length: {length}\r\n") };
        let mut message = format!("{}\r\n{fields}{framing}\r\n", stored.start_line).into_bytes();
        message.extend(&stored.content);
        if !client.send(message).await || is_short {
            return;
        }
    }
}

/// Asks the origin with the client's own fields.
async fn fetch(url: &str, fields: &[(String, String)]) -> Stored {
    let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an absolute URL");
    let stream = TcpStream::connect(authority).await.expect("the origin listens");
    let mut origin = Wire::new(stream);
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    origin.send(format!("GET /{path} HTTP/1.1\r\n{lines}\r\n")).await;
    let head = origin.head().await.expect("a response head");
    let (mut framing, mut content) = (Framing::of(&head.fields, Framing::Length(0)), Vec::new());
    while let Some(piece) = framing.piece(&mut origin, &mut Vec::new()).await {
        content.extend(piece);
    }
    let is_framing =
        |name: &str| ["content-length", "transfer-encoding"].iter().any(|framing| name.eq_ignore_ascii_case(framing));
    let fields = head.fields.into_iter().filter(|(name, _)| !is_framing(name)).collect();
    Stored { start_line: head.start_line, fields, content, is_complete: framing == Framing::Complete }
}
