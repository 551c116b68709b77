//! An origin that follows a script.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// What an origin does next on a connection.
#[derive(Clone)]
pub(crate) enum Step {
    /// Reads one request head and the content that it announces with `Content-Length` or `chunked`.
    Read,
    /// Writes these bytes.
    Write(String),
    /// Waits until it is told to go on.
    Wait(Arc<Notify>),
    /// Tells that it has come this far.
    Tell(Arc<Notify>),
    /// Keeps the connection open, silently, until the peer closes it; then notes so.
    Hold,
}

/// `write("...")` with `\n` standing for CRLF.
pub(crate) fn write(text: &str) -> Step {
    Step::Write(text.replace('\n', "\r\n"))
}

/// A whole 200 response.
pub(crate) fn ok(content: &str) -> Step {
    write(&format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{content}", content.len()))
}

/// What an origin saw.
#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    connections: usize,
}

/// An origin on a loopback port; connection number n follows script number n and is then closed.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    released: Arc<Notify>,
}

impl Origin {
    pub(crate) async fn script(scripts: Vec<Vec<Step>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let released = Arc::new(Notify::new());
        let (noted, told) = (Arc::clone(&seen), Arc::clone(&released));
        tokio::spawn(async move {
            for script in scripts {
                let (stream, _) = listener.accept().await.unwrap();
                noted.lock().connections += 1;
                tokio::spawn(follow(stream, script, Arc::clone(&noted), Arc::clone(&told)));
            }
            // Further connections are counted and closed.
            while let Ok((stream, _)) = listener.accept().await {
                noted.lock().connections += 1;
                drop(stream);
            }
        });
        Self { address, seen, released }
    }

    /// Waits until a peer has closed its connection during a [`Step::Hold`].
    pub(crate) async fn is_left(&self) {
        let patience = std::time::Duration::from_secs(60);
        tokio::time::timeout(patience, self.released.notified()).await.expect("the connection stayed open");
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().connections
    }
}

async fn follow<S>(mut stream: S, script: Vec<Step>, seen: Arc<Mutex<Seen>>, released: Arc<Notify>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for step in script {
        match step {
            Step::Read => match read_request(&mut stream).await {
                Some(request) => seen.lock().requests.push(request),
                None => return,
            },
            Step::Write(text) => {
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
                let _ = stream.flush().await;
            }
            Step::Wait(go) => go.notified().await,
            Step::Tell(there) => there.notify_one(),
            Step::Hold => {
                let mut sink = [0; 1024];
                while stream.read(&mut sink).await.is_ok_and(|read| read > 0) {}
                released.notify_one();
            }
        }
    }
}

/// One request as text; none when the peer closed.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut text = String::new();
    while !is_complete(&text) {
        let byte = stream.read_u8().await.ok()?;
        text.push(char::from(byte));
    }
    Some(text)
}

fn is_complete(text: &str) -> bool {
    let Some((head, content)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return content.ends_with("0\r\n\r\n");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| content.len() >= length.parse().unwrap())
}
