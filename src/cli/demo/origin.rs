//! The demo's origin: it knows alice and bob, marks every answer with the credentials it was made for,
//! and remembers what reached it.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

/// An origin on a free port of loopback.
pub(super) struct DemoOrigin {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl DemoOrigin {
    /// Starts serving in the background.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = Arc::clone(&log);
                let service = service_fn(move |request: Request<Incoming>| {
                    let response = answer(&request, &log);
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { port, seen })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Forgets what reached it so far.
    pub(super) fn forget(&self) {
        self.seen.lock().clear();
    }

    /// What reached it since, in words.
    pub(super) fn seen(&self) -> String {
        let seen = self.seen.lock();
        if seen.is_empty() { "nothing".to_owned() } else { seen.join(", ") }
    }
}

/// The credentials of a request, as this origin reads them.
fn user(fields: &HeaderMap) -> &str {
    let token = fields.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    token.and_then(|token| token.strip_prefix("Bearer ")).unwrap_or("nobody")
}

fn answer(request: &Request<Incoming>, log: &Mutex<Vec<String>>) -> Response<Full<Bytes>> {
    let who = user(request.headers());
    let is_conditional = request.headers().contains_key(header::IF_NONE_MATCH);
    log.lock().push(format!("{}GET by {who}", if is_conditional { "conditional " } else { "" }));
    let (cache_control, vary, needs_user) = match request.uri().path() {
        "/s-maxage" => ("s-maxage=60", None, true),
        "/s-maxage-0" => ("s-maxage=0", None, true),
        "/must-revalidate" => ("max-age=60, must-revalidate", None, true),
        "/public" => ("public, max-age=60", None, true),
        "/none" => ("max-age=60", None, true),
        "/anonymous" => ("max-age=60", None, false),
        "/private" => ("private, s-maxage=60", None, true),
        "/vary" => ("max-age=60", Some("Authorization"), true),
        "/vary-public" => ("public, max-age=60", Some("Authorization"), true),
        _ => return plain(StatusCode::NOT_FOUND, "no such scene"),
    };
    if needs_user && !matches!(who, "alice" | "bob") {
        let mut response = plain(StatusCode::UNAUTHORIZED, "");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer realm=\"demo\""));
        return response;
    }
    let mut response = plain(StatusCode::OK, &format!("bytes made for {who}"));
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, http::HeaderValue::from_static(cache_control));
    fields.insert(header::ETAG, http::HeaderValue::from_static("\"1\""));
    if let Some(vary) = vary {
        fields.insert(header::VARY, http::HeaderValue::from_static(vary));
    }
    if is_conditional && request.headers().get(header::IF_NONE_MATCH) == fields.get(header::ETAG) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Full::default();
    }
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}
