//! `vouchsafe check`: reads a configuration and says what is in force, or every mistake.
//!
//! RFC 7617 section 4 and RFC 7616 section 5.4 are why the posture of every listener is printed.
//!
//! # Deviations
//!
//! none

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::config;
use crate::keyed::Keyed;

/// The exit code for a configuration with mistakes.
const EXIT_CONFIGURATION: u8 = 2;

/// Arguments of `vouchsafe check`.
#[derive(clap::Args, Debug)]
pub struct CheckArgs {
    /// The configuration file to check
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Prints what is in force and exits with 0, or prints every mistake on standard error and exits
/// with 2.
#[must_use]
pub fn run(args: &CheckArgs) -> ExitCode {
    // A closed pipe (`check | head`) is no mistake of the configuration.
    match report(&args.config) {
        Ok(description) => {
            let _ = std::io::stdout().lock().write_all(description.as_bytes());
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            let _ = writeln!(std::io::stderr().lock(), "{mistakes}");
            ExitCode::from(EXIT_CONFIGURATION)
        }
    }
}

/// What is in force under a configuration file, password files and all.
///
/// # Errors
///
/// Every mistake, one a line: those of the configuration, or the first of the password files.
pub fn report(path: &Path) -> Result<String, String> {
    let settings = config::load(path).map_err(|mistakes| mistakes.to_string())?;
    let keyed = Keyed::random().map_err(|error| format!("expected random numbers from the operating system, found: {error}"))?;
    Authenticator::for_listeners(&settings, keyed, &Clock::system())?;
    let mut text = config::describe(&settings);
    for warning in settings.warnings.iter().chain(&crate::auth::users::warnings(&settings.auth)) {
        text.push_str(&format!("\nwarning: {warning}\n"));
    }
    Ok(text)
}
