//! Where the cache is, and how it is asked.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;

use super::people::{Mark, Person};

/// No cache takes longer on purpose.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the cache is.
#[derive(Clone, Debug)]
pub struct Aim {
    host: String,
    port: u16,
    way: Way,
}

#[derive(Clone, Debug)]
enum Way {
    /// It stands in front of the origin; its paths begin with this.
    Base { prefix: String },
    /// It is a forward proxy that may want to know who asks.
    Proxy { authorization: Option<String> },
}

impl Aim {
    /// A cache in front of the origin: `http://HOST[:PORT][/PREFIX]`.
    ///
    /// # Errors
    ///
    /// What was expected and found, if the URL is not one.
    pub fn base(url: &str) -> Result<Self, String> {
        let (uri, host, port) = parse(url)?;
        if authority(&uri).contains('@') {
            return Err(format!("expected no user in the URL of a cache, found {}", shown(&uri)));
        }
        Ok(Self { host, port, way: Way::Base { prefix: uri.path().trim_end_matches('/').to_owned() } })
    }

    /// A forward proxy: `http://[USER:PASSWORD@]HOST[:PORT]`; the user is sent in Proxy-Authorization (Basic, RFC 7617).
    ///
    /// # Errors
    ///
    /// What was expected and found, if the URL is not one.
    pub fn proxy(url: &str) -> Result<Self, String> {
        let (uri, host, port) = parse(url)?;
        if uri.path() != "/" {
            return Err(format!("expected no path in the URL of a proxy, found {}", uri.path()));
        }
        let user = authority(&uri).rsplit_once('@').map(|(user, _)| user);
        let authorization = user.map(|user| format!("Basic {}", BASE64_STANDARD.encode(user)));
        Ok(Self { host, port, way: Way::Proxy { authorization } })
    }

    /// Whether the cache has to be told where the origin is.
    pub(super) fn is_base(&self) -> bool {
        matches!(self.way, Way::Base { .. })
    }

    /// Without the user.
    pub(super) fn title(&self) -> String {
        let kind = if self.is_base() { "cache" } else { "proxy" };
        format!("{kind} http://{}:{}", self.host, self.port)
    }
}

fn parse(url: &str) -> Result<(Uri, String, u16), String> {
    let uri: Uri = url.parse().map_err(|error| format!("expected http://HOST:PORT: {error}"))?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http") && uri.query().is_none());
    let host = host.ok_or("expected http://HOST:PORT, without a query")?.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(80);
    Ok((uri, host, port))
}

fn authority(uri: &Uri) -> &str {
    uri.authority().map_or("", http::uri::Authority::as_str)
}

/// The authority without what may be a password.
fn shown(uri: &Uri) -> &str {
    authority(uri).rsplit('@').next().unwrap_or_default()
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// 200, complete, of one making.
    Content(Mark),
    /// It broke off, or did not come.
    Broken(String),
    /// Framed as complete, and not what the origin sent.
    Garbled(String),
    Status(u16),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(mark) => write!(f, "content made for {} in {} (request {})", mark.by.name, mark.language, mark.hit),
            Self::Broken(why) => write!(f, "no answer: {why}"),
            Self::Garbled(content) => write!(f, "200 with {} bytes that are not of one making: {content:.60}", content.len()),
            Self::Status(status) => write!(f, "status {status}"),
        }
    }
}

/// One connection to the cache, opened anew when it ends.
pub(super) struct Client {
    aim: Aim,
    /// The authority of the origin.
    origin: String,
    idle: Mutex<Option<SendRequest<Empty<Bytes>>>>,
}

impl Client {
    pub(super) fn new(aim: &Aim, origin: std::net::SocketAddr) -> Self {
        Self { aim: aim.clone(), origin: origin.to_string(), idle: Mutex::default() }
    }

    /// Asks for a target of the origin.
    pub(super) async fn get(&self, target: &str, who: &Person, language: &str) -> Answer {
        match tokio::time::timeout(PATIENCE, self.exchange(target, who, language)).await {
            Ok(Ok((200, content))) => Mark::of(&content).map_or(Answer::Garbled(content), Answer::Content),
            Ok(Ok((status, _))) => Answer::Status(status),
            Ok(Err(error)) => Answer::Broken(format!("{error:#}")),
            Err(_) => Answer::Broken(format!("no complete answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn exchange(&self, target: &str, who: &Person, language: &str) -> anyhow::Result<(u16, String)> {
        let request = self.request(target, who, language)?;
        let mut sender = self.connection().await?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let content = response.into_body().collect().await?.to_bytes();
        *self.idle.lock() = Some(sender);
        Ok((status, String::from_utf8_lossy(&content).into_owned()))
    }

    fn request(&self, target: &str, who: &Person, language: &str) -> anyhow::Result<Request<Empty<Bytes>>> {
        let Aim { host, port, way } = &self.aim;
        let request = match way {
            Way::Base { prefix } => Request::get(format!("{prefix}/{target}")).header(header::HOST, format!("{host}:{port}")),
            Way::Proxy { authorization } => {
                let request = Request::get(format!("http://{}/{target}", self.origin)).header(header::HOST, &self.origin);
                authorization.iter().fold(request, |request, value| request.header(header::PROXY_AUTHORIZATION, value))
            }
        };
        let request = request.header(header::ACCEPT_LANGUAGE, language);
        Ok(who.fields.iter().fold(request, |request, (name, value)| request.header(*name, *value)).body(Empty::new())?)
    }

    async fn connection(&self) -> anyhow::Result<SendRequest<Empty<Bytes>>> {
        let idle = self.idle.lock().take();
        if let Some(mut sender) = idle
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream = tokio::net::TcpStream::connect((self.aim.host.as_str(), self.aim.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = Builder::new().title_case_headers(true).handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
