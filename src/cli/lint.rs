//! `vouchsafe lint`: fetches a URL with two credentials and with none, and says what is unsafe or needlessly not cached.
//!
//! Credentials come from files: arguments can be seen by everybody on the machine. Neither they nor contents are printed.
//!
//! # Deviations
//!
//! none

mod client;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};

use super::explain::head;
use super::{FAILED, MISUSED};
use crate::access::{Access, Permit, Question};
use crate::auth::{Principal, Scheme as AuthScheme};
use crate::clock::Clock;
use crate::config::settings::{Mode, Settings};
use crate::keyed::Keyed;
use crate::lint::{Asker, Evidence, Fetched, Report, Who, lint};
use crate::target::{Scheme, Target, parse_uri};
use client::{Client, Proxy};

/// Fields that belong to the message or its connection, and not to who asks.
const NOT_OURS: [HeaderName; 7] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
];

/// Arguments of `vouchsafe lint`.
#[derive(clap::Args, Clone, Debug)]
pub struct LintArgs {
    /// The URL, http or https
    pub url: String,
    /// File with the field line of a credential ("Authorization: Bearer ..."); twice, for two clients
    #[arg(long = "credential-file", value_name = "FILE", required = true)]
    pub credential_files: Vec<PathBuf>,
    /// File with field lines that every request has
    #[arg(long, value_name = "FILE")]
    pub header_file: Option<PathBuf>,
    /// Forward proxy to ask through (http only)
    #[arg(long, value_name = "URL")]
    pub proxy: Option<String>,
    /// PEM file with the certificates to believe instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// A message and its exit code.
type Failure = (String, u8);

/// Prints the report; exits with 0 if nothing unsafe was found, 1 if something was or the URL could not be fetched, 2 for
/// mistakes in the arguments.
#[must_use]
pub fn run(args: &LintArgs) -> ExitCode {
    match report(args) {
        Ok(report) => {
            let text = if args.json {
                serde_json::to_string_pretty(&report).map(|json| json + "\n").unwrap_or_default()
            } else {
                report.to_string()
            };
            // A closed pipe is no mistake.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            if report.is_unsafe() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
        }
        Err((message, code)) => {
            eprintln!("vouchsafe: {message}");
            ExitCode::from(code)
        }
    }
}

fn report(args: &LintArgs) -> Result<Report, Failure> {
    let misused = |message: String| (message, MISUSED);
    let target = parse_uri(&args.url).map_err(|error| misused(format!("the URL: {error}")))?;
    let proxy = args.proxy.as_deref().map(|url| proxy(url, &target)).transpose().map_err(misused)?;
    let requests = requests(args).map_err(misused)?;
    let permit = permit(target.clone()).map_err(misused)?;
    let client = Client::new(target, proxy, args.ca_file.as_deref()).map_err(misused)?;
    let failed = |error: &dyn std::fmt::Display| (error.to_string(), FAILED);
    let keyed = Keyed::random().map_err(|error| failed(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let askers = runtime.block_on(ask(&client, requests, &Clock::system())).map_err(|error| failed(&error))?;
    Ok(lint(&Evidence { permit, askers }, &keyed))
}

/// The target as that of a request that was let through: access rules are another question.
fn permit(target: Target) -> Result<Permit, String> {
    let principal = Principal { name: None, scheme: AuthScheme::None };
    let client = std::net::Ipv4Addr::LOCALHOST.into();
    let question = Question { principal, target, method: &Method::GET, client, mode: Mode::Gateway };
    Access::new(&Settings::default(), &[]).decide(question).map_err(|denied| format!("{denied:?}"))
}

fn proxy(url: &str, target: &Target) -> Result<Proxy, String> {
    const EXPECTED: &str = "--proxy: expected http://HOST:PORT";
    let uri: Uri = url.parse().map_err(|_| format!("{EXPECTED}, found no URL"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(format!("{EXPECTED} without a user, found one: put Proxy-Authorization into --header-file"));
    }
    if target.scheme == Scheme::Https {
        return Err("--proxy: expected an http URL to ask for, found https, which a proxy only tunnels".to_owned());
    }
    let host = uri.host().filter(|_| uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/"));
    let host = host.ok_or_else(|| format!("{EXPECTED}, found something else"))?;
    Ok(Proxy { host: host.trim_matches(['[', ']']).to_owned(), port: uri.port_u16().unwrap_or(80) })
}

/// The fields of each asker's requests.
fn requests(args: &LintArgs) -> Result<[HeaderMap; 3], String> {
    let [first, second] = args.credential_files.as_slice() else {
        return Err(format!("expected --credential-file twice, found {}", args.credential_files.len()));
    };
    let mut common = HeaderMap::new();
    common.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    common.insert(header::USER_AGENT, HeaderValue::from_static(concat!("vouchsafe/", env!("CARGO_PKG_VERSION"))));
    if let Some(file) = &args.header_file {
        with(&mut common, field_lines(file)?);
    }
    if args.proxy.is_none() && common.contains_key(header::PROXY_AUTHORIZATION) {
        return Err("--header-file: expected Proxy-Authorization only with --proxy, found it without".to_owned());
    }
    let asker = |file: &Path| {
        let lines = field_lines(file)?;
        if lines.is_empty() {
            return Err(format!("{}: expected a field line such as \"Authorization: Bearer ...\", found none", file.display()));
        }
        let mut fields = common.clone();
        with(&mut fields, lines);
        Ok(fields)
    };
    let (first, second) = (asker(first)?, asker(second)?);
    if first == second {
        return Err("expected two credentials that differ, found the same one twice".to_owned());
    }
    Ok([first, second, common])
}

/// Puts these lines in place of those of the same names.
fn with(fields: &mut HeaderMap, lines: HeaderMap) {
    // A map extended by another one replaces what it names.
    fields.extend(lines);
}

/// The field lines of a file; empty ones are passed over. No message repeats a value.
fn field_lines(file: &Path) -> Result<HeaderMap, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: expected a readable file, found: {error}", file.display()))?;
    let mut fields = HeaderMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}:{}", file.display(), at + 1);
        let (name, mut value) =
            head::field(line).ok_or_else(|| format!("{}: expected \"Name: value\", found something else", place()))?;
        if NOT_OURS.contains(&name) {
            return Err(format!("{}: expected a field that says who asks, found {name}", place()));
        }
        value.set_sensitive(true);
        fields.append(name, value);
    }
    Ok(fields)
}

/// Everybody asks, then everybody asks again, then everybody asks whether what the first one got is still good.
async fn ask(client: &Client, requests: [HeaderMap; 3], clock: &Clock) -> Result<[Asker; 3], String> {
    let [first, second, nobody] = &requests;
    let mut rounds = Vec::with_capacity(2);
    for _ in 0..2 {
        rounds.push([
            client.get(Who::First, first, clock).await?,
            client.get(Who::Second, second, clock).await?,
            client.get(Who::Nobody, nobody, clock).await?,
        ]);
    }
    let condition = rounds.first().and_then(|[first, ..]| condition(first));
    let mut confirmed = [None; 3];
    for ((who, request), confirmed) in Who::ALL.into_iter().zip(&requests).zip(&mut confirmed) {
        if let Some((name, value)) = &condition {
            let mut fields = request.clone();
            fields.insert(name, value.clone());
            *confirmed = Some(client.get(who, &fields, clock).await?.status);
        }
    }
    let askers = zip(requests, rounds, confirmed);
    askers.ok_or_else(|| "expected two answers each, found fewer".to_owned())
}

fn zip(requests: [HeaderMap; 3], rounds: Vec<[Fetched; 3]>, confirmed: [Option<http::StatusCode>; 3]) -> Option<[Asker; 3]> {
    let [one, two]: [[Fetched; 3]; 2] = rounds.try_into().ok()?;
    let answers = one.into_iter().zip(two).zip(requests.into_iter().zip(confirmed));
    let asker = |((first, second), (request, confirmed))| Asker { request, first, second, confirmed };
    answers.map(asker).collect::<Vec<_>>().try_into().ok()
}

/// The condition by which a cache would validate this answer.
///
/// Source: RFC 9111 section 4.3.1.
fn condition(fetched: &Fetched) -> Option<(HeaderName, HeaderValue)> {
    let of = |validator: HeaderName, condition: HeaderName| Some((condition, fetched.fields.get(validator)?.clone()));
    of(header::ETAG, header::IF_NONE_MATCH).or_else(|| of(header::LAST_MODIFIED, header::IF_MODIFIED_SINCE))
}
