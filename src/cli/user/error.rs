//! What keeps `vouchsafe user` from doing what it was asked.
//!
//! Never says anything of a password or of an entry but its user's name (RFC 7616 section 3.4).
//!
//! # Deviations
//!
//! none

use std::path::PathBuf;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The arguments or the password cannot be used.
    #[error("{0}")]
    Usage(&'static str),
    /// The password file could not be read or written.
    #[error("{path}: cannot {verb} the password file: {cause}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// Why it failed.
        #[source]
        cause: std::io::Error,
    },
    /// The file has no such user.
    #[error("{path}: expected an entry for user {name}, found none", path = .path.display())]
    NoSuchUser {
        /// The file.
        path: PathBuf,
        /// The user.
        name: String,
    },
    /// The file has an entry that cannot be verified against.
    #[error("{path}: {reason}", path = .path.display())]
    BrokenEntry {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The password is another one.
    #[error("wrong password for user {0}")]
    WrongPassword(String),
    /// The password could not be read or hashed.
    #[error("cannot {verb} the password: {cause}")]
    Password {
        /// What was tried.
        verb: &'static str,
        /// Why it failed.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl UserError {
    /// The exit status: 2 for unusable arguments, 1 for what failed at run time.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::File { .. }
            | Self::NoSuchUser { .. }
            | Self::BrokenEntry { .. }
            | Self::WrongPassword(_)
            | Self::Password { .. } => 1,
        }
    }
}
