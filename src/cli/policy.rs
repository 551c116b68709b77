//! `vouchsafe policy table`: what each policy of a configuration makes of the answers that matter.
//!
//! RFC 9111 sections 3 and 4.
//!
//! # Deviations
//!
//! none

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use super::MISUSED;
use crate::clock::Clock;
use crate::config;
use crate::explain::table::{Page, tables};
use crate::keyed::Keyed;

/// Arguments of `vouchsafe policy`.
#[derive(clap::Args, Clone, Debug)]
pub struct PolicyArgs {
    /// What to do
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What can be done with policies.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum PolicyCommand {
    /// Print what each policy makes of the answers that matter: stored or not, how long, and for whom
    Table(TableArgs),
}

/// Arguments of `vouchsafe policy table`.
#[derive(clap::Args, Clone, Debug)]
pub struct TableArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the tables and exits with 0, or says on standard error what is wrong with the configuration and exits with 2.
#[must_use]
pub fn run(args: &PolicyArgs) -> ExitCode {
    let PolicyCommand::Table(args) = &args.command;
    match report(args) {
        Ok(text) => {
            // A closed pipe (`table | head`) is no mistake.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            let _ = writeln!(std::io::stderr().lock(), "{mistakes}");
            ExitCode::from(MISUSED)
        }
    }
}

/// The tables as text or JSON.
///
/// # Errors
///
/// Every mistake of the configuration, one a line.
pub fn report(args: &TableArgs) -> Result<String, String> {
    let settings = config::load(&args.config).map_err(|mistakes| mistakes.to_string())?;
    let keyed = Keyed::random().map_err(|error| format!("expected random numbers from the operating system, found: {error}"))?;
    let tables = tables(&settings, &keyed, Clock::system().now());
    if args.json {
        return serde_json::to_string_pretty(&tables).map(|json| json + "\n").map_err(|error| error.to_string());
    }
    Ok(Page(&tables).to_string())
}
