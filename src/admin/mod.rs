//! The operator's listener: metrics and health.
//!
//! RFC 9110 section 9.1 (methods), section 15.5.6 (405 and `Allow`), RFC 6750 section 2.1 (bearer
//! token in `Authorization`).
//!
//! # Deviations
//!
//! none

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::config::settings;
use crate::metrics::Metrics;
use crate::server::{Bound, Listening, StartError};

/// Connections served at a time; more wait.
const CONNECTIONS: usize = 64;
/// How long a request head may take.
const HEAD_TIME: Duration = Duration::from_secs(10);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Source: the Prometheus text exposition format.
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const PLACES: &str = "not found; this listener has /metrics, /healthz and /readyz\n";

/// The admin listener, bound and not yet accepting.
pub struct Admin {
    bound: Bound,
    desk: Desk,
}

/// What answers.
struct Desk {
    metrics: Arc<Metrics>,
    token: Option<Zeroizing<String>>,
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
        Ok(Self { bound, desk: Desk { metrics, token } })
    }

    /// The address really bound.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.bound.address
    }

    /// Starts accepting; `ready` answers `/readyz`. The future serves for ever; dropping it also ends
    /// the connections.
    ///
    /// # Errors
    ///
    /// The runtime cannot take the listening socket.
    pub fn serve<R>(self, ready: R) -> io::Result<impl Future<Output = ()> + Send>
    where
        R: Fn() -> bool + Send + Sync + 'static,
    {
        let listening = self.bound.listen()?;
        Ok(accept_for_ever(listening, Arc::new(self.desk), Arc::new(ready)))
    }
}

async fn accept_for_ever<R>(mut listening: Listening, desk: Arc<Desk>, ready: Arc<R>)
where
    R: Fn() -> bool + Send + Sync + 'static,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, _) = listening.accept().await;
        while connections.try_join_next().is_some() {}
        let (desk, ready) = (Arc::clone(&desk), Arc::clone(&ready));
        connections.spawn(async move {
            let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(desk.answer(&request, ready.as_ref()))));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "admin connection broke off");
            }
            drop(place);
        });
    }
}

impl Desk {
    fn answer<B>(&self, request: &Request<B>, ready: &dyn Fn() -> bool) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        let is_known = matches!(path, "/metrics" | "/healthz" | "/readyz");
        // Health checkers rarely hold secrets; everything else tells something.
        if path != "/healthz" && !self.admits(request.headers()) {
            let mut response = text(StatusCode::UNAUTHORIZED, "a bearer token is needed here\n");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return response;
        }
        if !is_known {
            return text(StatusCode::NOT_FOUND, PLACES);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served here\n");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if ready() => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            _ => typed(StatusCode::OK, EXPOSITION, self.metrics.render()),
        }
    }

    /// Whether no token is configured, or this request brings it.
    ///
    /// Source: RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
    fn admits(&self, fields: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let mut lines = fields.get_all(header::AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return false };
        let Some((scheme, given)) = line.as_bytes().split_at_checked(7) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(given.trim_ascii().ct_eq(token.as_bytes()))
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
fn read_token(file: &Path) -> Result<Zeroizing<String>, StartError> {
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
