//! `vouchsafe user`: maintains htpasswd and htdigest files.
//!
//! RFC 7617 section 2 (names, passwords), RFC 7616 section 3.4.2 (what an htdigest file stores).
//!
//! The password is the first line of standard input, or asked for at a terminal; never an argument,
//! which everybody on the machine could read.
//!
//! # Deviations
//!
//! none

mod entries;
mod error;
mod file;

use std::io::{BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use crate::auth::grammar::normalise;
use crate::auth::users::check_name;
use crate::config::settings::DigestAlgorithm;
use entries::Format;
pub use error::UserError;

/// The arguments of `vouchsafe user`.
#[derive(Clone, Debug, Args)]
pub struct UserArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Add a user, or set a user's password; creates a missing file with private mode
    Set(OneUser),
    /// Remove a user
    Remove(OneUser),
    /// Print the users' names, one a line
    List(PasswordFile),
    /// Check a user's password; exit status 1 when it is wrong
    Verify(OneUser),
}

#[derive(Clone, Debug, Args)]
struct OneUser {
    #[command(flatten)]
    file: PasswordFile,
    /// User name
    name: String,
}

#[derive(Clone, Debug, Args)]
struct PasswordFile {
    /// Password file: htpasswd, or with --digest htdigest
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The file is an htdigest file, and this is the realm (auth.realm of the configuration)
    #[arg(long, value_name = "REALM")]
    digest: Option<String>,
    /// Digest algorithm; MD5 only for clients that know nothing else [default: SHA-256]
    #[arg(long, value_name = "ALGORITHM", requires = "digest", ignore_case = true)]
    algorithm: Option<Algorithm>,
}

/// RFC 7616 section 6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Algorithm {
    #[value(name = "SHA-256")]
    Sha256,
    #[value(name = "SHA-512-256")]
    Sha512_256,
    #[value(name = "MD5")]
    Md5,
}

/// Runs one command: names go to standard output, notes and the error to standard error.
///
/// The exit code is that of [`UserError::exit_code`], or 0.
#[must_use]
pub fn run(args: &UserArgs) -> ExitCode {
    match apply(&args.action, &mut ask, &mut std::io::stdout().lock()) {
        Ok(notes) => {
            for note in notes {
                eprintln!("{note}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("vouchsafe user: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// How a password is obtained: whose, and whether it is a new one.
type Ask<'a> = &'a mut dyn FnMut(&str, bool) -> Result<Zeroizing<String>, UserError>;

fn apply(action: &Action, ask: Ask<'_>, out: &mut dyn Write) -> Result<Vec<String>, UserError> {
    match action {
        Action::Set(user) => set(user, ask),
        Action::Remove(user) => remove(user),
        Action::List(file) => list(file, out),
        Action::Verify(user) => verify(user, ask),
    }
}

fn set(user: &OneUser, ask: Ask<'_>) -> Result<Vec<String>, UserError> {
    let name = user.checked_name()?;
    let format = user.file.format()?;
    let path = &user.file.file;
    let old = match file::read(path) {
        Err(UserError::File { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    let password = ask(&name, true)?;
    let password = Zeroizing::new(normalise(&password).into_owned());
    check_password(&password, &format)?;
    let entry = format.entry(&name, &password)?;
    file::write(path, &format.with_entry(&old, &name, &entry))?;
    Ok(notes_on(path, &format, &old, &name))
}

fn remove(user: &OneUser) -> Result<Vec<String>, UserError> {
    let name = user.checked_name()?;
    let format = user.file.format()?;
    let old = file::read(&user.file.file)?;
    let new = format.without(&old, &name).ok_or_else(|| user.missing(&name))?;
    file::write(&user.file.file, &new)?;
    Ok(Vec::new())
}

fn list(file: &PasswordFile, out: &mut dyn Write) -> Result<Vec<String>, UserError> {
    let text = file::read(&file.file)?;
    for name in file.format()?.names(&text) {
        // A reader that has seen enough, such as head, is no failure.
        if writeln!(out, "{name}").is_err() {
            break;
        }
    }
    Ok(Vec::new())
}

fn verify(user: &OneUser, ask: Ask<'_>) -> Result<Vec<String>, UserError> {
    let name = user.checked_name()?;
    let format = user.file.format()?;
    let text = file::read(&user.file.file)?;
    let entries = format.entries_of(&text, &name, user.file.algorithm.map(Algorithm::setting));
    if entries.is_empty() {
        return Err(user.missing(&name));
    }
    let password = ask(&name, false)?;
    let password = Zeroizing::new(normalise(&password).into_owned());
    for entry in entries {
        let is_right = format
            .verify(entry, &name, &password)
            .map_err(|reason| UserError::BrokenEntry { path: user.file.file.clone(), reason })?;
        if !is_right {
            return Err(UserError::WrongPassword(name));
        }
    }
    Ok(Vec::new())
}

impl OneUser {
    /// The name in Unicode Normalization Form C (RFC 7617 section 2.1).
    fn checked_name(&self) -> Result<String, UserError> {
        check_name(&self.name).map_err(UserError::Usage)?;
        Ok(normalise(&self.name).into_owned())
    }

    fn missing(&self, name: &str) -> UserError {
        UserError::NoSuchUser { path: self.file.file.clone(), name: name.to_owned() }
    }
}

impl PasswordFile {
    fn format(&self) -> Result<Format, UserError> {
        let Some(realm) = &self.digest else { return Ok(Format::Htpasswd) };
        if realm.is_empty() || realm.contains(':') || realm.chars().any(char::is_control) {
            return Err(UserError::Usage("expected a realm without colon and control characters, found another one"));
        }
        let algorithm = self.algorithm.map_or(DigestAlgorithm::Sha256, Algorithm::setting);
        Ok(Format::Htdigest { realm: realm.clone(), algorithm })
    }
}

impl Algorithm {
    fn setting(self) -> DigestAlgorithm {
        match self {
            Self::Sha256 => DigestAlgorithm::Sha256,
            Self::Sha512_256 => DigestAlgorithm::Sha512_256,
            Self::Md5 => DigestAlgorithm::Md5,
        }
    }
}

/// Source: RFC 7617 section 2 (no control characters); bcrypt ignores what follows the 72nd byte.
fn check_password(password: &str, format: &Format) -> Result<(), UserError> {
    if password.is_empty() {
        return Err(UserError::Usage("expected a password as the first line of standard input, found an empty line"));
    }
    if password.chars().any(char::is_control) {
        return Err(UserError::Usage("expected a password without control characters, found some"));
    }
    if password.len() > format.max_password_bytes() {
        return Err(UserError::Usage("expected a password of at most 72 bytes (1024 with --digest), found a longer one"));
    }
    Ok(())
}

fn notes_on(path: &Path, format: &Format, old: &str, name: &str) -> Vec<String> {
    let shown = path.display();
    let mut notes = Vec::new();
    if let Some(other) = format.other_algorithm(old, name) {
        notes.push(format!(
            "{shown}: user {name} also has an entry for {other} with its former password; set that one too, or remove the user first"
        ));
    }
    if crate::auth::users::is_exposed(path) {
        notes.push(format!("{shown}: everybody on this machine may read this file; run \"chmod 600 {shown}\""));
    }
    notes
}

/// The first line of standard input, or what is typed at a terminal, twice when it is new.
fn ask(name: &str, is_new: bool) -> Result<Zeroizing<String>, UserError> {
    let failed = |cause: std::io::Error| UserError::Password { verb: "read", cause: cause.into() };
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return first_line(stdin.lock()).map_err(failed);
    }
    let once = rpassword::prompt_password(format!("Password for {name}: ")).map(Zeroizing::new).map_err(failed)?;
    if is_new {
        let again = rpassword::prompt_password("Once more: ").map(Zeroizing::new).map_err(failed)?;
        if once != again {
            return Err(UserError::Usage("expected the same password twice, found two different ones"));
        }
    }
    Ok(once)
}

/// The first line without its line end, CRLF included.
fn first_line(input: impl BufRead) -> std::io::Result<Zeroizing<String>> {
    const MAX_LINE_BYTES: u64 = 64 * 1024;
    let mut line = Zeroizing::new(String::new());
    input.take(MAX_LINE_BYTES).read_line(&mut line)?;
    let length = line.trim_end_matches('\n').trim_end_matches('\r').len();
    line.truncate(length);
    Ok(line)
}

#[cfg(test)]
mod tests;
