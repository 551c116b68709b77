//! One request to the collector, one connection.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::config::settings::Collector;

/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most of its answer that is read.
const ANSWER_BYTES: usize = 64 << 10;

/// Where to.
pub(super) struct Post {
    host: String,
    port: u16,
    authority: String,
    collector: Collector,
}

impl Post {
    pub(super) fn to(collector: &Collector) -> Self {
        let written = collector.server.host.to_string();
        let (host, port) = (written.trim_matches(['[', ']']).to_owned(), collector.server.port);
        Self { host, port, authority: format!("{written}:{port}"), collector: collector.clone() }
    }

    /// Sends one batch; how many spans of it the collector says it has not taken.
    ///
    /// # Errors
    ///
    /// Why nothing was taken.
    pub(super) async fn send(&self, batch: Vec<u8>) -> Result<u64, String> {
        match tokio::time::timeout(PATIENCE, self.exchange(batch)).await {
            Ok(Ok(rejected)) => Ok(rejected),
            Ok(Err(error)) => Err(format!("{error:#}")),
            Err(_) => Err(format!("no complete answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// Source: OTLP 1, sections OTLP/HTTP Request and OTLP/HTTP Response.
    async fn exchange(&self, batch: Vec<u8>) -> anyhow::Result<u64> {
        let request = Request::post(&self.collector.path)
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("vouchsafe/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(batch)))?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        anyhow::ensure!(
            answer.status().is_success(),
            "expected a status code from 200 to 299, found {}",
            answer.status().as_u16()
        );
        let content = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
        Ok(content.map_or(0, |content| rejected(&content.to_bytes())))
    }
}

impl std::fmt::Display for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.collector.fmt(f)
    }
}

/// How many spans were not taken; an answer that says nothing has taken all.
///
/// Source: OTLP 1, section Partial Success; JSON Protobuf Encoding (64-bit integers are strings, and numbers are read as well).
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let count = answer.get("partialSuccess").and_then(|part| part.get("rejectedSpans"));
    count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok())).unwrap_or(0)
}
