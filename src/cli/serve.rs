//! `vouchsafe serve`: runs the gateway in the foreground until it is told to stop.

use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Clock;
use crate::config;
use crate::config::settings::{Limits, ListenerAuth, Mode, Settings};
use crate::server::{Control, Server, Source, StartError};

use super::{FAILED, MISUSED, log};

/// Arguments of `vouchsafe serve`.
#[derive(Debug, Default, clap::Args)]
pub struct ServeArgs {
    /// Configuration file (TOML); without it, the embedded default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Length of the embedded default's password: 20 of 62 characters are 119 bits.
const PASSWORD_LENGTH: usize = 20;

/// Serves until SIGTERM or SIGINT, then drains.
#[must_use]
pub fn run(args: ServeArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("vouchsafe: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Why serving ended, and with which exit code.
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn failed(what: &str, cause: &dyn std::fmt::Display) -> Self {
        Self { message: format!("{what}: {cause}"), code: FAILED }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = if error.is_configuration() { MISUSED } else { FAILED };
        Self { message: error.to_string(), code }
    }
}

fn serve(args: ServeArgs) -> Result<(), Failure> {
    let source = args.config.clone().map(source_of);
    let (settings, guest) = settings(args.config)?;
    let set_level = log::start(settings.log.json);
    let settings = Arc::new(settings);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("cannot start the runtime", &error))?;
    runtime.block_on(async {
        let server = Server::bind_reloadable(Arc::clone(&settings), Clock::system(), source)?.with_log_level(set_level);
        let stop = stop_signal(server.control()).map_err(|error| Failure::failed("cannot listen for signals", &error))?;
        announce(&settings, &server);
        if let (Some(password), Some(address)) = (guest, server.addresses().first()) {
            invite(*address, &password);
        }
        server.run(stop).await.map_err(|error| Failure::failed("cannot serve", &error))
    })?;
    tracing::info!("stopped");
    Ok(())
}

/// The configuration, and the guest's password if it is the embedded one.
fn settings(file: Option<PathBuf>) -> Result<(Settings, Option<String>), Failure> {
    if let Some(file) = file {
        return config::load(&file)
            .map(|settings| (settings, None))
            .map_err(|errors| Failure { message: errors.to_string(), code: MISUSED });
    }
    let password = random_password().map_err(|error| Failure::failed("cannot make a random password", &error))?;
    Ok((config::embedded_default(password.clone()), Some(password)))
}

/// Letters and digits, each equally likely.
fn random_password() -> Result<String, getrandom::Error> {
    const CHARACTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut password = String::with_capacity(PASSWORD_LENGTH);
    while password.len() < PASSWORD_LENGTH {
        // Of six random bits, the two values beyond the alphabet are thrown away.
        let index = usize::from(getrandom::u32()?.to_le_bytes()[0] >> 2);
        password.extend(CHARACTERS.get(index).map(|byte| char::from(*byte)));
    }
    Ok(password)
}

/// Tells on standard output, once, how to use the embedded default; never in the log.
fn invite(address: SocketAddr, password: &str) {
    let invitation = format!(
        "vouchsafe is a proxy at {address} for user guest; try:\ncurl -x http://guest:{password}@{address} http://example.com/\n"
    );
    // Nobody has to read it.
    let _ = std::io::stdout().lock().write_all(invitation.as_bytes());
}

/// Logs what is in force.
fn announce(settings: &Settings, server: &Server) {
    for (listener, address) in settings.listeners.iter().zip(server.addresses()) {
        let mode = match listener.mode {
            Mode::Forward => "forward",
            Mode::Gateway => "gateway",
        };
        let auth = match listener.auth {
            ListenerAuth::Proxy => "proxy",
            ListenerAuth::Origin => "origin",
            ListenerAuth::None => "none",
        };
        let tls = listener.tls.is_some();
        tracing::info!(listener = listener.name, %address, mode, auth, tls, "listening");
    }
    if let Some(address) = server.admin_address() {
        tracing::info!(%address, "admin listening");
    }
    for warning in settings.warnings.iter().chain(&crate::auth::users::warnings(&settings.auth)) {
        tracing::warn!("{warning}");
    }
    for (name, value) in changed_limits(&settings.limits) {
        tracing::info!(limit = name, value, "limit changed from its default");
    }
}

/// Name and value of each limit that differs from its default.
fn changed_limits(limits: &Limits) -> Vec<(&'static str, String)> {
    let usual = written(&config::embedded_default(String::new()).limits);
    let changed = written(limits).into_iter().zip(usual).filter(|(limit, usual)| limit != usual);
    changed.map(|(limit, _)| limit).collect()
}

fn written(limits: &Limits) -> [(&'static str, String); 9] {
    [
        ("header_bytes", limits.header_bytes.to_string()),
        ("header_fields", limits.header_fields.to_string()),
        ("header_time", format!("{:?}", limits.header_time)),
        ("idle_time", format!("{:?}", limits.idle_time)),
        ("tunnel_idle_time", format!("{:?}", limits.tunnel_idle_time)),
        ("connect_time", format!("{:?}", limits.connect_time)),
        ("first_byte_time", format!("{:?}", limits.first_byte_time)),
        ("drain_time", format!("{:?}", limits.drain_time)),
        ("connections_per_address", limits.connections_per_address.to_string()),
    ]
}

/// Reads this file again for a reload.
fn source_of(file: PathBuf) -> Source {
    Box::new(move || config::load(&file).map_err(|errors| errors.to_string()))
}

/// Resolves at SIGTERM or SIGINT; SIGHUP reloads.
///
/// # Errors
///
/// A signal cannot be listened for.
fn stop_signal(control: Arc<Control>) -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = reload_at(&mut hangup, &control) => "SIGHUP",
        };
        tracing::info!(signal = name, "stopping: no new connections, draining");
    })
}

async fn reload_at(hangup: &mut Signal, control: &Control) {
    while hangup.recv().await.is_some() {
        // What came of it is in the log.
        drop(control.reload().await);
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_random_letters_and_digits() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert_ne!(one, other);
        for password in [one, other] {
            assert_eq!(password.len(), 20);
            assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn only_changed_limits_are_named() {
        let mut limits = config::embedded_default(String::new()).limits;
        assert_eq!(changed_limits(&limits), []);
        limits.header_fields = 50;
        assert_eq!(changed_limits(&limits), [("header_fields", "50".to_owned())]);
    }
}
