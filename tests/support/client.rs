//! A raw HTTP/1.1 client: it sends exactly what the test says, and keeps its connections.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::net::TcpStream;

use super::answer::Answer;
use super::authority::secure;
use super::origin::Origin;
use super::request::Request;
use super::toml::password_of;
use super::wait::within;
use super::wire::{Fields, Wire};

/// A client of one address. Requests of one client may run at the same time (`tokio::join!`, `tokio::spawn`), each over its
/// own connection; a clone is the same person on connections of its own.
pub struct Client {
    address: SocketAddr,
    ca_file: Option<PathBuf>,
    /// `http://host:port` in front of every path, towards a forward proxy (RFC 9112 section 3.2.2).
    prefix: Option<String>,
    host: String,
    fields: Fields,
    keep_alive: bool,
    idle: Arc<Mutex<Vec<Wire>>>,
}

impl Client {
    /// A client that sends origin-form requests to this address, with its authority as Host.
    pub fn to(address: SocketAddr) -> Self {
        let host = address.to_string();
        Self { address, ca_file: None, prefix: None, host, fields: Vec::new(), keep_alive: true, idle: Arc::default() }
    }

    /// Speaks TLS and trusts this authority alone.
    pub fn tls(mut self, ca_file: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(ca_file.into());
        self
    }

    /// Puts `scheme://authority` in front of every path that does not have its own.
    pub fn absolute(mut self, scheme: &str, authority: &str) -> Self {
        self.prefix = Some(format!("{scheme}://{authority}"));
        self.host(authority)
    }

    /// [`Client::absolute`] towards this origin.
    pub fn towards(self, origin: &Origin) -> Self {
        self.absolute(origin.scheme(), &origin.address().to_string())
    }

    /// The Host of every request.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// A field of every request, in place of an earlier one of this name.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// No field of this name any more.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
        self
    }

    /// The Authorization of every request, verbatim.
    pub fn authorization(self, value: &str) -> Self {
        self.with("authorization", value)
    }

    /// The Proxy-Authorization of every request: Basic, as this user with the right password.
    pub fn proxy_user(self, user: &str) -> Self {
        self.with("proxy-authorization", &basic(user, &password_of(user)))
    }

    /// A new connection for every request.
    pub fn unpooled(mut self) -> Self {
        self.keep_alive = false;
        self
    }

    /// Sends GET and reads the answer.
    pub fn get(&self, target: &str) -> impl Future<Output = Answer> + Send + use<> {
        self.request("GET", target).send()
    }

    /// Sends HEAD and reads the answer.
    pub fn head(&self, target: &str) -> impl Future<Output = Answer> + Send + use<> {
        self.request("HEAD", target).send()
    }

    /// Where it connects to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request to be completed and sent; the target is a path, or anything else verbatim.
    pub fn request(&self, method: &str, target: &str) -> Request {
        let sharing_connections = Self { idle: Arc::clone(&self.idle), ..self.clone() };
        Request::new(sharing_connections, method, self.target_for(target))
    }

    /// Sends bytes as they are over a new connection and reads one answer (to a request with content in its answer).
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut wire = self.open().await;
        wire.send(bytes).await;
        wire.answer("GET").await
    }

    /// A new connection to play with.
    pub async fn open(&self) -> Wire {
        let stream = within("a connection", TcpStream::connect(self.address)).await.expect("somebody listens there");
        stream.set_nodelay(true).expect("an option of the socket");
        match &self.ca_file {
            None => Wire::new(stream),
            Some(ca) => Wire::new(within("a TLS handshake", secure(stream, ca, "localhost")).await.expect("a TLS handshake")),
        }
    }

    /// Opens a tunnel (RFC 9110 section 9.3.6), or returns the refusal.
    pub async fn connect(&self, authority: &str) -> Result<Wire, Answer> {
        let mut wire = self.open().await;
        wire.send(self.request("CONNECT", authority).field("host", authority).bytes()).await;
        let answer = wire.answer("CONNECT").await;
        if (200..300).contains(&answer.status) { Ok(wire) } else { Err(answer) }
    }

    /// The field lines of every request, Host first.
    pub(super) fn default_fields(&self) -> Fields {
        let host = ("host".to_owned(), self.host.clone());
        std::iter::once(host).chain(self.fields.iter().cloned()).collect()
    }

    /// An idle connection that is still good, or a new one.
    pub(super) async fn connection(&self) -> Wire {
        loop {
            let idle = self.idle.lock().expect("no panic while held").pop();
            match idle {
                None => return self.open().await,
                Some(mut wire) => {
                    if wire.is_quiet().await {
                        return wire;
                    }
                }
            }
        }
    }

    /// Takes back a connection whose last answer is complete.
    pub(super) fn keep(&self, wire: Wire, answer: &Answer) {
        let close = answer.fields_named("connection").iter().any(|options| options.to_ascii_lowercase().contains("close"));
        if self.keep_alive && answer.complete && !close && answer.version == "HTTP/1.1" {
            self.idle.lock().expect("no panic while held").push(wire);
        }
    }

    fn target_for(&self, target: &str) -> String {
        match &self.prefix {
            Some(prefix) if target.starts_with('/') => format!("{prefix}{target}"),
            _ => target.to_owned(),
        }
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        Self {
            address: self.address,
            ca_file: self.ca_file.clone(),
            prefix: self.prefix.clone(),
            host: self.host.clone(),
            fields: self.fields.clone(),
            keep_alive: self.keep_alive,
            idle: Arc::default(),
        }
    }
}

/// Basic credentials (RFC 7617 section 2).
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}
