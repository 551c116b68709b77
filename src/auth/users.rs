//! Who is known: users of password files, and the one user of the embedded default.
//!
//! RFC 7617 section 4 (passwords are stored hashed), RFC 7616 section 5.2 (what a Digest password
//! file is worth to a thief).
//!
//! # Deviations
//!
//! none

pub mod apr1;
pub mod htdigest;
pub mod htpasswd;
pub mod password;

use std::path::Path;

pub use htdigest::DigestUsers;
pub use htpasswd::BasicUsers;
use password::PasswordHash;

use super::grammar::normalise;
use crate::config::settings::{Auth, AuthScheme};

/// The users of the Basic scheme: those of the htpasswd file, and the built-in one.
///
/// # Errors
///
/// As [`BasicUsers::load`]; or the operating system's random source could not be read.
///
/// Source: RFC 7617 section 2.
pub fn load_basic(auth: &Auth) -> Result<BasicUsers, String> {
    let mut users = match &auth.basic.htpasswd {
        Some(path) if auth.schemes.contains(&AuthScheme::Basic) => BasicUsers::load(path)?,
        _ => BasicUsers::default(),
    };
    if let Some(user) = &auth.builtin_user {
        let hash = PasswordHash::generated(&normalise(&user.password)).map_err(no_randomness)?;
        users.add(&normalise(&user.name), hash);
    }
    Ok(users)
}

/// The users of the Digest scheme: those of the htdigest file, and the built-in one.
///
/// # Errors
///
/// As [`DigestUsers::load`].
///
/// Source: RFC 7616 section 3.4.2.
pub fn load_digest(auth: &Auth) -> Result<DigestUsers, String> {
    let mut users = DigestUsers::new(&auth.realm, &auth.digest.algorithms);
    if let Some(path) = auth.digest.htdigest.as_ref().filter(|_| auth.schemes.contains(&AuthScheme::Digest)) {
        users.load(path)?;
    }
    if let Some(user) = &auth.builtin_user {
        users.add_clear(&normalise(&user.name), &normalise(&user.password));
    }
    Ok(users)
}

/// Reads a password file that nobody but its owner and group may write.
///
/// # Errors
///
/// One message with the file's name and what to do: the file cannot be read, everybody may write it,
/// or it is not UTF-8.
///
/// Source: RFC 7616 section 5.2: the file is to be protected as if it held clear passwords.
pub fn read_private(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let file = std::fs::File::open(path).map_err(|error| format!("{shown}: cannot read the password file: {error}"))?;
    let metadata = file.metadata().map_err(|error| format!("{shown}: cannot read the password file: {error}"))?;
    if !metadata.is_file() {
        return Err(format!("{shown}: expected a password file, found something else"));
    }
    if is_open_to_everybody(&metadata, WRITE) {
        return Err(format!(
            "{shown}: expected a file of its owner's, found one that everybody may write; run \"chmod 600 {shown}\""
        ));
    }
    let octets = std::io::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => format!("{shown}: expected UTF-8, found something else"),
        _ => format!("{shown}: cannot read the password file: {error}"),
    })?;
    Ok(match octets.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => octets,
    })
}

/// The lines of a password file that hold entries, each with its number from 1.
pub fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| is_entry(line))
}

/// Is this line an entry, not blank and not a comment?
#[must_use]
pub fn is_entry(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// May a user of a password file have this name?
///
/// # Errors
///
/// What is wrong with it: empty, a colon, a control character, longer than 255 bytes, or a form
/// that a file would not keep.
///
/// Source: RFC 7617 section 2 (no colon, no control characters).
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("expected a user name, found nothing");
    }
    if name.len() > 255 {
        return Err("expected a user name of at most 255 bytes, found a longer one");
    }
    if name.contains(':') {
        return Err("expected a user name without colon, found one with a colon");
    }
    if name.chars().any(char::is_control) {
        return Err("expected a user name without control characters, found one with some");
    }
    if name.starts_with('#') || name.trim() != name {
        return Err("expected a user name without \"#\" in front and without surrounding space, found one with some");
    }
    Ok(())
}

/// How a start without randomness is reported.
pub(super) fn no_randomness(error: getrandom::Error) -> String {
    format!("cannot read the operating system's random source: {error}")
}

/// What an operator should know about the password files in use: one sentence for each that everybody
/// may read.
///
/// It is no mistake, because secrets are commonly mounted that way where the process is alone, but a
/// Digest file is worth as much as the passwords.
///
/// Source: RFC 7616 section 5.2.
#[must_use]
pub fn warnings(auth: &Auth) -> Vec<String> {
    let files = [&auth.basic.htpasswd, &auth.digest.htdigest].into_iter().flatten();
    files
        .filter(|path| is_exposed(path))
        .map(|path| format!("{0}: everybody on this machine may read this password file; run \"chmod 600 {0}\"", path.display()))
        .collect()
}

/// May everybody on this machine read this file?
#[must_use]
pub fn is_exposed(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| is_open_to_everybody(&metadata, READ))
}

/// The permission bits of everybody else.
const READ: u32 = 0o004;
const WRITE: u32 = 0o002;

#[cfg(unix)]
fn is_open_to_everybody(metadata: &std::fs::Metadata, bits: u32) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    metadata.mode() & bits != 0
}

#[cfg(not(unix))]
fn is_open_to_everybody(_metadata: &std::fs::Metadata, _bits: u32) -> bool {
    false
}

#[cfg(test)]
mod tests;
