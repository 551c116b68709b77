//! The program log: what happens to the process, on standard error.
//!
//! Exchanges are not logged here but in the access log ([`crate::access_log`]).

use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::admin::SetLevel;

/// The environment variable that sets the level.
const LEVEL_VARIABLE: &str = "VOUCHSAFE_LOG";

/// Starts logging for the whole process; a second call changes nothing. Gives back what sets another level.
///
/// The level comes from `VOUCHSAFE_LOG` and is `info` without it or when it makes no sense.
pub(super) fn start(json: bool) -> Option<SetLevel> {
    let filter = std::env::var(LEVEL_VARIABLE).ok().and_then(|level| EnvFilter::try_new(level).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let (started, set_level) = if json {
        let builder = builder.json().flatten_event(true).with_target(false).with_filter_reloading();
        let handle = builder.reload_handle();
        (builder.try_init(), setter(handle))
    } else {
        let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let builder = builder.with_ansi(ansi).with_target(false).with_filter_reloading();
        let handle = builder.reload_handle();
        (builder.try_init(), setter(handle))
    };
    started.ok()?;
    std::panic::set_hook(Box::new(log_panic));
    Some(set_level)
}

fn setter<S: 'static>(handle: Handle<EnvFilter, S>) -> SetLevel {
    Box::new(move |level| handle.reload(EnvFilter::new(level)).map_err(|error| error.to_string()))
}

/// Names the place and not the message: that may quote what a client sent.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!(place, "a defect ended one task; please report this place");
}
