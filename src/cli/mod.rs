//! The command line: one subcommand a file.
//!
//! Exit codes: 0 done, 1 a failure at run time, 2 usage or configuration. Standard output is for
//! results, standard error for logs and messages.

pub mod admin;
pub mod check;
pub mod demo;
pub mod explain;
pub mod leak_test;
pub mod lint;
mod log;
pub mod manual;
pub mod policy;
pub mod serve;
pub mod simulate;
pub mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A failure at run time: a port in use, a wrong password.
pub const FAILED: u8 = 1;
/// A mistake in the command line or the configuration.
pub const MISUSED: u8 = 2;

/// The command line as written.
#[derive(Debug, Parser)]
#[command(name = "vouchsafe", version, propagate_version = true, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do; without it, `serve` with the embedded default configuration.
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "Without a command, vouchsafe runs the embedded default: a forward proxy on 127.0.0.1:3128 that asks \
for the user guest and a password it prints.\n\nVOUCHSAFE_LOG sets the log level: error, warn, info (default), debug, trace.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway in the foreground
    Serve(serve::ServeArgs),
    /// Check a configuration and print what is in force
    Check(check::CheckArgs),
    /// Ask a running gateway through its admin listener
    Admin(admin::AdminArgs),
    /// Explain whether a response would be stored, for whom it may be reused, and by which rule
    Explain(explain::ExplainArgs),
    /// Replay an access log through a candidate configuration and print what it would have saved
    Simulate(simulate::SimulateArgs),
    /// Print what the policies of a configuration decide
    Policy(policy::PolicyArgs),
    /// Maintain password files
    User(user::UserArgs),
    /// Print a completion script for a shell
    Completions(manual::CompletionsArgs),
    /// Print the manual page of the program or of one command (roff, for man -l -)
    Man(manual::ManArgs),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Show the authorization rules with real requests, on free ports of loopback
    Demo(demo::DemoArgs),
    /// Find out whether a cache hands out what was made for somebody else
    LeakTest(leak_test::LeakTestArgs),
    /// Fetch a URL with two credentials and with none, and say what is unsafe or needlessly not cached
    Lint(lint::LintArgs),
}

/// Reads the command line and does what it says.
///
/// Usage errors end the process here, with exit code 2 and a message on standard error.
#[must_use]
pub fn run() -> ExitCode {
    match Cli::parse().command {
        None => serve::run(serve::ServeArgs::default()),
        Some(Command::Serve(args)) => serve::run(args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Admin(args)) => admin::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Simulate(args)) => simulate::run(&args),
        Some(Command::Policy(args)) => policy::run(&args),
        Some(Command::Completions(args)) => manual::completions(&args),
        Some(Command::Man(args)) => manual::man(&args),
        Some(Command::Schema) => manual::schema(),
        Some(Command::User(args)) => user::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::LeakTest(args)) => leak_test::run(&args),
        Some(Command::Lint(args)) => lint::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_means_serve() {
        assert!(Cli::try_parse_from(["vouchsafe"]).unwrap().command.is_none());
        let served = Cli::try_parse_from(["vouchsafe", "serve", "--config", "a.toml"]).unwrap().command;
        let Some(Command::Serve(args)) = served else { panic!("expected serve, found {served:?}") };
        assert_eq!(args.config.as_deref(), Some(std::path::Path::new("a.toml")));
    }

    #[test]
    fn mistakes_are_usage_errors_and_help_is_none() {
        for line in [&["vouchsafe", "sevre"][..], &["vouchsafe", "serve", "--confg", "x"], &["vouchsafe", "serve", "x"]] {
            assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), i32::from(MISUSED), "{line:?}");
        }
        for line in [&["vouchsafe", "--help"][..], &["vouchsafe", "--version"], &["vouchsafe", "serve", "--version"]] {
            assert_eq!(Cli::try_parse_from(line).unwrap_err().exit_code(), 0, "{line:?}");
        }
    }
}
