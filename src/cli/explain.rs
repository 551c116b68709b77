//! `vouchsafe explain`: what the gateway would do with a response, and why, without asking anybody.
//!
//! RFC 9111 sections 3 and 4. Request and response are given as flags, or as files that hold a message head as `curl -i` or
//! a packet capture shows it.
//!
//! # Deviations
//!
//! none

pub(super) mod head;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, StatusCode, Uri};

use super::MISUSED;
use crate::access::{Access, Permit, Question};
use crate::auth::{Principal, Scheme};
use crate::clock::Clock;
use crate::config;
use crate::config::settings::{ListenerAuth, Mode, Settings};
use crate::explain::{Exchange, Explanation, Rules, explain};
use crate::hop::consumed_fields;
use crate::keyed::Keyed;
use crate::policy::{Policies, Routes, Selected};
use crate::target::{self, Arrival, Target};
use head::{read_request, read_response};

/// Arguments of `vouchsafe explain`.
#[derive(clap::Args, Clone, Debug)]
pub struct ExplainArgs {
    /// File with the request's head: request line and fields
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "url"])]
    pub request: Option<PathBuf>,
    /// File with the response's head: status line and fields
    #[arg(long, value_name = "FILE", conflicts_with = "status")]
    pub response: Option<PathBuf>,
    /// Request method [default: GET]
    #[arg(long, short = 'X')]
    pub method: Option<String>,
    /// Target URI, absolute [default: the root of example.com]
    #[arg(long)]
    pub url: Option<String>,
    /// A field of the request, may be repeated
    #[arg(long = "request-header", short = 'H', value_name = "NAME: VALUE")]
    pub request_headers: Vec<String>,
    /// Status code of the response [default: 200]
    #[arg(long)]
    pub status: Option<u16>,
    /// A field of the response, may be repeated
    #[arg(long = "response-header", short = 'R', value_name = "NAME: VALUE")]
    pub response_headers: Vec<String>,
    /// Configuration whose policies and listeners decide; without it, the defaults of a gateway
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Listener that the request comes to [default: the first]
    #[arg(long, value_name = "NAME", requires = "config")]
    pub listener: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the explanation and exits with 0, or says on standard error what is wrong with the arguments and exits with 2.
#[must_use]
pub fn run(args: &ExplainArgs) -> ExitCode {
    match report(args) {
        Ok(explanation) => {
            let text = if args.json {
                serde_json::to_string_pretty(&explanation).map(|json| json + "\n").unwrap_or_default()
            } else {
                explanation.to_string()
            };
            // A closed pipe (`explain | head`) is no mistake.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(mistake) => {
            eprintln!("vouchsafe: {mistake}");
            ExitCode::from(MISUSED)
        }
    }
}

/// A request or response as given, before anything is decided.
struct Given {
    method: Method,
    uri: Uri,
    request: HeaderMap,
    status: StatusCode,
    response: HeaderMap,
}

/// The explanation of what the arguments describe.
///
/// # Errors
///
/// What is wrong with the arguments, with file and line.
pub fn report(args: &ExplainArgs) -> Result<Explanation, String> {
    let settings = settings(args.config.as_deref())?;
    let given = given(args)?;
    let keyed = Keyed::random().map_err(|error| format!("expected random numbers from the operating system, found: {error}"))?;
    decide(&settings, args.listener.as_deref(), &given, &keyed, Clock::system().now())
}

fn settings(file: Option<&Path>) -> Result<Settings, String> {
    file.map_or_else(|| Ok(Settings::default()), |file| config::load(file).map_err(|mistakes| mistakes.to_string()))
}

fn given(args: &ExplainArgs) -> Result<Given, String> {
    let (method, uri, mut request) = match &args.request {
        Some(file) => read_request(file)?,
        None => {
            let method = args.method.as_deref().unwrap_or("GET");
            let method =
                Method::from_bytes(method.as_bytes()).map_err(|_| format!("--method: expected a method, found {method:?}"))?;
            let url = args.url.as_deref().unwrap_or("http://example.com/");
            // Not shown: a query may hold a secret.
            let uri = url.parse::<Uri>().ok().filter(|uri| uri.scheme().is_some());
            (
                method,
                uri.ok_or("--url: expected an absolute URI such as http://example.com/x, found something else")?,
                HeaderMap::new(),
            )
        }
    };
    let (status, mut response) = match &args.response {
        Some(file) => read_response(file)?,
        None => {
            let code = args.status.unwrap_or(200);
            let status = StatusCode::from_u16(code).map_err(|_| format!("--status: expected 100 to 999, found {code}"))?;
            (status, HeaderMap::new())
        }
    };
    for (fields, lines, flag) in
        [(&mut request, &args.request_headers, "--request-header"), (&mut response, &args.response_headers, "--response-header")]
    {
        for (at, line) in lines.iter().enumerate() {
            let (name, value) =
                head::field(line).ok_or_else(|| format!("{flag} {}: expected \"Name: value\", found something else", at + 1))?;
            fields.append(name, value);
        }
    }
    for (name, word) in [(header::AUTHORIZATION, "Authorization"), (header::PROXY_AUTHORIZATION, "Proxy-Authorization")] {
        if request.get_all(&name).iter().nth(1).is_some() {
            return Err(format!("expected {word} once, found it again: the gateway answers 400 and asks nobody"));
        }
    }
    Ok(Given { method, uri, request, status, response })
}

fn decide(
    settings: &Settings,
    listener: Option<&str>,
    given: &Given,
    keyed: &Keyed,
    now: SystemTime,
) -> Result<Explanation, String> {
    let listener = match listener {
        Some(name) => {
            let names = || settings.listeners.iter().map(|listener| listener.name.as_str()).collect::<Vec<_>>().join(", ");
            let found = settings.listeners.iter().find(|listener| listener.name == name);
            Some(found.ok_or_else(|| format!("--listener: expected one of {}, found {name:?}", names()))?)
        }
        None => settings.listeners.first(),
    };
    let permit = permit(&given.method, &given.uri, &given.request)?;
    let is_gateway = listener.is_none_or(|listener| listener.mode == Mode::Gateway);
    let named = Routes::new(settings).select(permit.target()).filter(|_| is_gateway).and_then(|route| route.policy);
    let policies = Policies::new(settings);
    let selected = policies.select(named, &given.method, permit.target()).ok_or("no policy fits")?;
    let Selected { policy, candidates } = &selected;
    let default_targets = [HeaderName::from_static("cdn-cache-control")];
    let consumed = consumed_fields(listener.is_some_and(|listener| listener.auth == ListenerAuth::Origin));
    let rules = Rules {
        policy,
        candidates: *candidates,
        targets: listener.map_or(&default_targets[..], |listener| &listener.targeted_fields),
        consumed: &consumed,
        most_bytes: settings.cache.max_object_bytes.min(settings.cache.memory_bytes),
        keyed,
    };
    let length = given.request.get(header::CONTENT_LENGTH).map(http::HeaderValue::as_bytes);
    let exchange = Exchange {
        permit: &permit,
        method: &given.method,
        request: &given.request,
        has_content: given.request.contains_key(header::TRANSFER_ENCODING) || length.is_some_and(|length| length != b"0"),
        status: given.status,
        response: &given.response,
        time: now,
    };
    Ok(explain(&exchange, &rules))
}

/// The target as a request that was let through has it: access rules are another question.
pub(crate) fn permit(method: &Method, uri: &Uri, fields: &HeaderMap) -> Result<Permit, String> {
    let arrival = Arrival { forward: false, tls: false, http10: true };
    let target: Target = target::parse(arrival, method, uri, fields).map_err(|error| error.to_string())?;
    let principal = Principal { name: None, scheme: Scheme::None };
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    let question = Question { principal, target, method, client, mode: Mode::Gateway };
    Access::new(&Settings::default(), &[]).decide(question).map_err(|denied| format!("{denied:?}"))
}
