//! `vouchsafe admin`: asks a running gateway through its admin listener.
//!
//! RFC 9112 (one request, one connection), RFC 6750 section 2.1 (bearer token).
//!
//! # Deviations
//!
//! none

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpStream;

use super::{FAILED, MISUSED};
use crate::admin::read_token;

/// How long an answer may take: counting looks at everything stored.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Arguments of `vouchsafe admin`.
#[derive(Debug, Args)]
pub struct AdminArgs {
    /// Address of the gateway's admin listener
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9128", global = true)]
    address: SocketAddr,
    /// File whose first line is the admin token
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Withdraw stored responses
    Purge(PurgeArgs),
    /// List stored responses
    Entries(EntriesArgs),
    /// Refuse a user's credentials from now on
    Revoke(RevokeArgs),
    /// Change the level of the log
    Log(LogArgs),
    /// Read the configuration again
    Reload,
    /// Explain what is stored for a URL, what it is worth now, and why its last response was refused
    Explain(ExplainUrlArgs),
    /// Print the state of servers and store, and the last refusals
    Status,
    /// Print the metrics
    Metrics,
}

#[derive(Debug, Args)]
struct ExplainUrlArgs {
    /// The URL, with scheme and host
    url: String,
}

#[derive(Debug, Args)]
struct PurgeArgs {
    #[command(flatten)]
    what: What,
    /// Make stale instead of dropping
    #[arg(long)]
    soft: bool,
    /// Only count
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// A URI, in all its variants
    #[arg(long)]
    url: Option<String>,
    /// Every URI that begins with this one
    #[arg(long)]
    prefix: Option<String>,
    /// What Surrogate-Key or Cache-Groups name so
    #[arg(long)]
    tag: Option<String>,
    /// What this user filled
    #[arg(long)]
    principal: Option<String>,
    /// What this credential filled, by its hash in the access log
    #[arg(long)]
    credential: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct EntriesArgs {
    /// Every URI that begins with this one
    #[arg(long)]
    prefix: String,
    /// Most entries to list
    #[arg(long, default_value_t = 100)]
    limit: u64,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The user
    principal: String,
    /// Let the user in again
    #[arg(long)]
    lift: bool,
}

#[derive(Debug, Args)]
struct LogArgs {
    /// error, warn, info, debug or trace
    level: String,
}

/// Sends one request and prints the answer.
#[must_use]
pub fn run(args: &AdminArgs) -> ExitCode {
    let token = match args.token_file.as_deref().map(read_token).transpose() {
        Ok(token) => token,
        Err(error) => return failed(MISUSED, &error.to_string()),
    };
    let (method, path, content) = args.action.request();
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, args.address.to_string());
    request = request.header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", *token));
    }
    let content = content.map_or_else(Bytes::new, |content| Bytes::from(Value::Object(content).to_string()));
    let Ok(request) = request.body(Full::new(content)) else {
        return failed(MISUSED, "expected a token of printable characters, found others");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(ask(args.address, request)));
    match asked {
        Ok((status, text)) if status.is_success() => print(&text),
        Ok((status, text)) => {
            let code = if status == StatusCode::BAD_REQUEST { MISUSED } else { FAILED };
            failed(code, &format!("{} answered {status}: {}", args.address, text.trim_end()))
        }
        Err(message) => failed(FAILED, &format!("cannot ask {}: {message}", args.address)),
    }
}

impl Action {
    /// Method, path and content of the request.
    fn request(&self) -> (Method, String, Option<Map<String, Value>>) {
        let (method, path, content) = match self {
            Self::Purge(args) => (Method::POST, "/purge", Some(args.order())),
            Self::Entries(EntriesArgs { prefix, limit }) => {
                (Method::POST, "/entries", Some(object([("prefix", prefix.as_str().into()), ("limit", (*limit).into())])))
            }
            Self::Revoke(RevokeArgs { principal, lift }) => {
                (Method::POST, "/revoke", Some(object([("principal", principal.as_str().into()), ("lift", (*lift).into())])))
            }
            Self::Log(LogArgs { level }) => (Method::POST, "/log", Some(object([("level", level.as_str().into())]))),
            Self::Reload => (Method::POST, "/reload", Some(Map::new())),
            Self::Explain(ExplainUrlArgs { url }) => return (Method::GET, format!("/explain?url={}", encode(url)), None),
            Self::Status => (Method::GET, "/status", None),
            Self::Metrics => (Method::GET, "/metrics", None),
        };
        (method, path.to_owned(), content)
    }
}

/// Percent-encoded, but for what a query may hold as it is.
///
/// Source: RFC 3986 sections 2.1 and 2.3.
fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    text.bytes().map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl PurgeArgs {
    fn order(&self) -> Map<String, Value> {
        let What { url, prefix, tag, principal, credential, all } = &self.what;
        let named = [("url", url), ("prefix", prefix), ("tag", tag), ("principal", principal), ("credential", credential)];
        let mut order = object([("soft", self.soft.into()), ("dry_run", self.dry_run.into())]);
        order.extend(named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.as_deref()?.into()))));
        if *all {
            order.insert("all".to_owned(), true.into());
        }
        order
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// One request over a connection of its own.
async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) -> Result<(StatusCode, String), String> {
    let asking = async {
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let content = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok((status, String::from_utf8_lossy(&content).into_owned()))
    };
    tokio::time::timeout(ANSWER_TIME, asking).await.map_err(|_| format!("no answer within {ANSWER_TIME:?}"))?
}

fn print(text: &str) -> ExitCode {
    use std::io::Write as _;
    // A closed pipe is no failure of what was asked.
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
    ExitCode::SUCCESS
}

fn failed(code: u8, message: &str) -> ExitCode {
    eprintln!("vouchsafe: {message}");
    ExitCode::from(code)
}
