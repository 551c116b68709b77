//! One request, one connection: to the origin itself, or to a forward proxy.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::clock::Clock;
use crate::lint::{Content, Fetched, Who};
use crate::target::{Host, Scheme, Target};
use crate::upstream::{SystemRoots, Trust};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most content that is read.
const CONTENT_BYTES: usize = 64 << 20;

/// A forward proxy.
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
}

/// Asks for one target.
pub(super) struct Client {
    target: Target,
    proxy: Option<Proxy>,
    trust: Trust,
}

impl Client {
    /// A client that believes the certificates of this file, or the system's.
    ///
    /// # Errors
    ///
    /// The file holds no certificates.
    pub(super) fn new(target: Target, proxy: Option<Proxy>, ca_file: Option<&Path>) -> Result<Self, String> {
        Ok(Self { target, proxy, trust: Trust::new("--ca-file", ca_file, &std::sync::Arc::new(SystemRoots::default()))? })
    }

    /// One answer.
    ///
    /// # Errors
    ///
    /// For whom there is none, and why.
    pub(super) async fn get(&self, who: Who, fields: &HeaderMap, clock: &Clock) -> Result<Fetched, String> {
        let told = |why: &str| format!("cannot ask {} with {}: {why}", self.place(), who.as_str());
        match tokio::time::timeout(PATIENCE, self.fetch(fields, clock)).await {
            Ok(Ok(fetched)) => Ok(fetched),
            Ok(Err(error)) => Err(told(&format!("{error:#}"))),
            Err(_) => Err(told(&format!("no complete answer within {} s", PATIENCE.as_secs()))),
        }
    }

    fn place(&self) -> String {
        self.proxy.as_ref().map_or_else(|| self.target.authority(), |proxy| format!("{}:{}", proxy.host, proxy.port))
    }

    async fn fetch(&self, fields: &HeaderMap, clock: &Clock) -> anyhow::Result<Fetched> {
        let request = self.request(fields)?;
        let host = match (&self.proxy, &self.target.host) {
            (Some(proxy), _) => proxy.host.clone(),
            (None, Host::Address(address)) => address.to_string(),
            (None, Host::Name(name)) => name.to_string(),
        };
        let port = self.proxy.as_ref().map_or(self.target.port, |proxy| proxy.port);
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        let response = match self.target.scheme {
            Scheme::Http => exchange(TokioIo::new(stream), request).await?,
            Scheme::Https => {
                let stream = self.trust.handshake(&self.target.host, stream).await?;
                exchange(TokioIo::new(stream), request).await?
            }
        };
        let time = clock.now();
        let (head, body) = response.into_parts();
        let content = Limited::new(body, CONTENT_BYTES).collect().await.map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Fetched { status: head.status, fields: head.headers, content: Content::of(&content.to_bytes()), time })
    }

    /// Source: RFC 9112 sections 3.2.1 and 3.2.2.
    fn request(&self, fields: &HeaderMap) -> anyhow::Result<Request<Empty<Bytes>>> {
        let (authority, path) = (self.target.authority(), &*self.target.path_and_query);
        let form = if self.proxy.is_some() { format!("http://{authority}{path}") } else { path.to_owned() };
        let mut request = Request::get(form).header(header::HOST, authority).body(Empty::new())?;
        request.headers_mut().extend(fields.clone());
        Ok(request)
    }
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> anyhow::Result<Response<Incoming>>
where
    S: Read + Write + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::Builder::new().title_case_headers(true).handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
