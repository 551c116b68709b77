//! `vouchsafe completions`, `man` and `schema`: what shells, readers and editors want to know of the program.

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::{Cli, FAILED, MISUSED};

/// The JSON Schema (draft 2020-12) of the configuration, made from `config/reference.toml` by a test.
const SCHEMA: &str = include_str!("../../config/schema.json");

/// Arguments of `vouchsafe completions`.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct CompletionsArgs {
    /// The shell to complete for
    pub shell: Shell,
}

/// Arguments of `vouchsafe man`.
#[derive(clap::Args, Clone, Debug)]
pub struct ManArgs {
    /// The command whose page to print [default: the program itself]
    pub command: Option<String>,
}

/// Prints a completion script.
#[must_use]
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vouchsafe", &mut script);
    print(&script)
}

/// Prints a manual page in roff.
#[must_use]
pub fn man(args: &ManArgs) -> ExitCode {
    let mut program = Cli::command();
    program.build();
    let command = match args.command.as_deref() {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                let names: Vec<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
                eprintln!("vouchsafe: expected one of {}, found {name:?}", names.join(", "));
                return ExitCode::from(MISUSED);
            }
        },
    };
    let mut page = Vec::new();
    match Man::new(command).render(&mut page) {
        Ok(()) => print(&page),
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Prints the JSON Schema of the configuration.
#[must_use]
pub fn schema() -> ExitCode {
    print(SCHEMA.as_bytes())
}

fn print(bytes: &[u8]) -> ExitCode {
    // A closed pipe is no mistake.
    let _ = std::io::stdout().lock().write_all(bytes);
    ExitCode::SUCCESS
}
