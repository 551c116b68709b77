//! The demo's client: one connection and one request at a time.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Request, header};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use super::scenes::Who;

/// Asks the demo origin through the gateway.
pub(super) struct Client {
    gateway: SocketAddr,
    origin_port: u16,
    proxy_authorization: String,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
    /// `Cache-Status` without the cache's name and the reason.
    pub(super) decision: String,
    /// The reason word.
    pub(super) reason: String,
}

impl Client {
    pub(super) fn new(gateway: SocketAddr, origin_port: u16, password: &str) -> Self {
        let proxy_authorization = format!("Basic {}", BASE64_STANDARD.encode(format!("guest:{password}")));
        Self { gateway, origin_port, proxy_authorization }
    }

    /// One request in absolute-form, on a connection of its own.
    pub(super) async fn get(&self, path: &str, who: &Who) -> anyhow::Result<Answer> {
        let stream = tokio::net::TcpStream::connect(self.gateway).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let authority = format!("127.0.0.1:{}", self.origin_port);
        let mut request = Request::get(format!("http://{authority}{path}")).header(header::HOST, authority);
        if *who != Who::Stranger {
            request = request.header(header::PROXY_AUTHORIZATION, &self.proxy_authorization);
        }
        if matches!(who, Who::Alice | Who::Bob) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", who.name()));
        }
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let (parts, body) = response.into_parts();
        let content = body.collect().await?.to_bytes();
        let is_ours = parts.headers.get(header::CONTENT_TYPE).is_some_and(|media_type| media_type == "application/problem+json");
        let text = if is_ours { String::new() } else { String::from_utf8_lossy(&content).into_owned() };
        let cache_status = parts.headers.get("cache-status").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (decision, reason) = split_status(cache_status);
        Ok(Answer { status: parts.status.as_u16(), text, decision, reason })
    }
}

/// Takes the cache's name and the `detail` parameter out of a `Cache-Status` member (RFC 9211).
fn split_status(value: &str) -> (String, String) {
    let mut reason = String::new();
    let mut rest = Vec::new();
    for parameter in value.split("; ").skip(1) {
        match parameter.strip_prefix("detail=") {
            Some(word) => word.clone_into(&mut reason),
            None => rest.push(parameter),
        }
    }
    if rest.is_empty() {
        return ("challenge".to_owned(), reason);
    }
    rest.push(&reason);
    (rest.join(" "), reason)
}
