//! The operator's listener: metrics, health, and what changes a running cache.
//!
//! RFC 9110 section 9.1 (methods), section 15.5.6 (405 and `Allow`).
//!
//! # Deviations
//!
//! none

mod entries;
mod gate;
mod operator;
mod order;
mod page;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::config::settings;
use crate::metrics::{Format, Metrics};
use crate::server::{Bound, Listening, StartError};
use gate::Gate;
use operator::{Action, Refusal};
pub use operator::{Operator, SetLevel};

/// Connections served at a time; more wait.
const CONNECTIONS: usize = 64;
/// How long a request head may take, and its content.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Most content of a request.
const CONTENT_BYTES: usize = 64 << 10;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What there is, and by which methods.
const ROUTES: [(&str, &str); 12] = [
    ("/", READ),
    ("/status", READ),
    ("/explain", READ),
    ("/healthz", READ),
    ("/readyz", READ),
    ("/metrics", READ),
    ("/openapi.json", READ),
    ("/entries", CHANGE),
    ("/log", CHANGE),
    ("/purge", CHANGE),
    ("/reload", CHANGE),
    ("/revoke", CHANGE),
];
const READ: &str = "GET, HEAD";
const CHANGE: &str = "POST";
/// All of this for programs; a test holds it against [`ROUTES`].
const OPENAPI: &str = include_str!("openapi.json");

/// The admin listener, bound and not yet accepting.
pub struct Admin {
    bound: Bound,
    desk: Desk,
}

/// What answers.
struct Desk {
    metrics: Arc<Metrics>,
    gate: Gate,
}

impl Admin {
    /// Reads the token, if one is configured, and binds the address.
    ///
    /// # Errors
    ///
    /// An unreadable or empty token file, an address that cannot be listened on.
    pub fn bind(settings: &settings::Admin, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        let token = settings.token_file.as_deref().map(read_token).transpose()?;
        let bound = Bound::new(settings.address, "admin.address")?;
        Ok(Self { bound, desk: Desk { metrics, gate: Gate::new(token) } })
    }

    /// The address really bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.bound.address
    }

    /// Starts accepting; `ready` answers `/readyz`, changes go through `operator`. The future serves for ever; dropping it
    /// also ends the connections.
    ///
    /// # Errors
    ///
    /// The runtime cannot take the listening socket.
    pub fn serve<R>(self, ready: R, operator: Operator) -> io::Result<impl Future<Output = ()> + Send>
    where
        R: Fn() -> bool + Send + Sync + 'static,
    {
        let listening = self.bound.listen()?;
        let office = Office { desk: self.desk, ready, operator: Arc::new(operator) };
        Ok(accept_for_ever(listening, Arc::new(office)))
    }
}

/// The desk, open: with what it needs of the running gateway.
struct Office<R> {
    desk: Desk,
    ready: R,
    operator: Arc<Operator>,
}

async fn accept_for_ever<R>(mut listening: Listening, office: Arc<Office<R>>)
where
    R: Fn() -> bool + Send + Sync + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, client) = listening.accept().await;
        while connections.try_join_next().is_some() {}
        let office = Arc::clone(&office);
        connections.spawn(async move {
            let service = service_fn(|request| {
                let office = Arc::clone(&office);
                async move { Ok::<_, Infallible>(office.answer(request, client).await) }
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "admin connection broke off");
            }
            drop(place);
        });
    }
}

impl<R> Office<R>
where
    R: Fn() -> bool + Send + Sync + 'static,
{
    async fn answer<B>(self: Arc<Self>, request: Request<B>, client: SocketAddr) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (parts, content) = request.into_parts();
        if let Some(refusal) = self.desk.refusal(&parts) {
            return refusal;
        }
        let Some(action) = Action::at(parts.uri.path()) else { return self.show(&parts) };
        let content = tokio::time::timeout(HEAD_TIME, Limited::new(content, CONTENT_BYTES).collect()).await;
        let content = match content {
            Ok(Ok(content)) => content.to_bytes(),
            Ok(Err(_)) => return text(StatusCode::PAYLOAD_TOO_LARGE, "expected at most 64 KiB of JSON\n"),
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "expected the content within 10 seconds\n"),
        };
        match Arc::clone(&self.operator).perform(action, content.to_vec(), client).await {
            Ok(document) => typed(StatusCode::OK, JSON, document),
            Err(refusal) => {
                let status = match refusal {
                    Refusal::Order(_) => StatusCode::BAD_REQUEST,
                    Refusal::State(_) => StatusCode::CONFLICT,
                };
                typed(status, TEXT, format!("{refusal}\n"))
            }
        }
    }
}

impl<R: Fn() -> bool> Office<R> {
    fn show(&self, parts: &Parts) -> Response<Full<Bytes>> {
        match parts.uri.path() {
            "/" => page::page(),
            "/status" => page::status(&self.operator),
            "/explain" => page::explain(&self.operator, parts.uri.query()),
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if (self.ready)() => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            "/openapi.json" => typed(StatusCode::OK, JSON, OPENAPI),
            _ => self.desk.exposition(&parts.headers),
        }
    }
}

impl Desk {
    /// The answer to a request that is not for this listener, or not let through.
    fn refusal(&self, parts: &Parts) -> Option<Response<Full<Bytes>>> {
        let path = parts.uri.path();
        // Health checkers rarely hold secrets, and the page holds no data; everything else tells something.
        if !matches!(path, "/healthz" | "/") && !self.gate.admits(&parts.headers) {
            let mut response = text(StatusCode::UNAUTHORIZED, "a bearer token is needed here\n");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Some(response);
        }
        let Some((_, allowed)) = ROUTES.into_iter().find(|(place, _)| *place == path) else {
            let places = ROUTES.map(|(place, _)| place).join(", ");
            return Some(typed(StatusCode::NOT_FOUND, TEXT, format!("not found; this listener has {places}\n")));
        };
        if !allowed.split(", ").any(|method| method == parts.method.as_str()) {
            let mut response = typed(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("expected {allowed}\n"));
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
            return Some(response);
        }
        let is_change = parts.method == Method::POST;
        let refused = is_change.then(|| self.gate.may_change(&parts.headers).err()).flatten();
        refused.map(|(status, message)| text(status, message))
    }

    /// The metrics in the format that the scraper asks for.
    ///
    /// Source: RFC 9110 sections 12.5.1 and 12.5.5.
    fn exposition(&self, request: &HeaderMap) -> Response<Full<Bytes>> {
        let format = Format::wanted_by(request);
        let mut response = typed(StatusCode::OK, format.media_type(), self.metrics.render_as(format));
        response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
        response
    }
}

fn text(status: StatusCode, content: &'static str) -> Response<Full<Bytes>> {
    typed(status, TEXT, content)
}

fn typed(status: StatusCode, media_type: HeaderValue, content: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The first line of the file, without surrounding white space.
pub(crate) fn read_token(file: &Path) -> Result<Zeroizing<String>, StartError> {
    let invalid = |reason: String| StartError::Token { file: file.to_owned(), reason };
    let content = std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|error| invalid(format!("expected a readable file with the admin token: {error}")))?;
    let token = content.lines().next().unwrap_or_default().trim();
    if token.is_empty() {
        return Err(invalid("expected the admin token in the first line, found none".to_owned()));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

#[cfg(test)]
mod tests;
