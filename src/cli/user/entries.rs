//! The lines of password files: found, replaced in place, made and verified.
//!
//! RFC 7616 sections 3.4.2 and 6.1 (what htdigest stores), RFC 7617 section 4 (hashed passwords).
//!
//! # Deviations
//!
//! none

use crate::auth::basic::MAX_PASSWORD_BYTES;
use crate::auth::digest::{self, algorithm_name};
use crate::auth::grammar::normalise;
use crate::auth::users::htdigest::{SHA_512_256_MARK, parse_entry};
use crate::auth::users::is_entry;
use crate::auth::users::password::PasswordHash;
use crate::config::settings::DigestAlgorithm;

use super::UserError;

/// The cost of the bcrypt hashes that are made.
const BCRYPT_COST: u32 = 10;

/// The two formats, with what tells one user's entries apart.
#[derive(Clone, Debug)]
pub(super) enum Format {
    /// `name:hash`.
    Htpasswd,
    /// `name:realm:H(A1)`.
    Htdigest {
        /// Entries of other realms are left alone.
        realm: String,
        /// What a new entry is made with.
        algorithm: DigestAlgorithm,
    },
}

impl Format {
    /// The longest password that the format keeps apart from longer ones.
    pub(super) fn max_password_bytes(&self) -> usize {
        match self {
            Self::Htpasswd => 72,
            Self::Htdigest { .. } => MAX_PASSWORD_BYTES,
        }
    }

    /// A new line for this user, without line end.
    ///
    /// # Errors
    ///
    /// [`UserError::Password`] when there is no randomness for a salt.
    pub(super) fn entry(&self, name: &str, password: &str) -> Result<String, UserError> {
        match self {
            Self::Htpasswd => {
                let hash = bcrypt::hash_with_result(password, BCRYPT_COST)
                    .map_err(|cause| UserError::Password { verb: "hash", cause: cause.into() })?;
                // Apache writes and reads this prefix.
                Ok(format!("{name}:{}", hash.format_for_version(bcrypt::Version::TwoY)))
            }
            Self::Htdigest { realm, algorithm } => {
                let a1 = digest::compute_a1(*algorithm, name, realm, password);
                let mark = if *algorithm == DigestAlgorithm::Sha512_256 { SHA_512_256_MARK } else { "" };
                Ok(format!("{name}:{realm}:{mark}{}", String::from_utf8_lossy(a1.as_bytes())))
            }
        }
    }

    /// The text with this entry in the place of the user's first one, or at the end.
    pub(super) fn with_entry(&self, text: &str, name: &str, entry: &str) -> String {
        let mut new = String::with_capacity(text.len() + entry.len() + 2);
        let mut is_placed = false;
        for line in text.split_inclusive('\n') {
            if !self.is_replaced(line, name) {
                new.push_str(line);
            } else if !is_placed {
                is_placed = true;
                new.push_str(entry);
                new.push('\n');
            }
        }
        if !is_placed {
            if !new.is_empty() && !new.ends_with('\n') {
                new.push('\n');
            }
            new.push_str(entry);
            new.push('\n');
        }
        new
    }

    /// The text without any entry of this user; none if it has none.
    pub(super) fn without(&self, text: &str, name: &str) -> Option<String> {
        let kept: String = text.split_inclusive('\n').filter(|line| !self.belongs_to(line, name)).collect();
        (kept.len() != text.len()).then_some(kept)
    }

    /// The users' names in the file's order, each once.
    pub(super) fn names<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut names = Vec::new();
        for line in text.lines() {
            if let Some((name, realm)) = self.key(line)
                && self.is_own_realm(realm)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        names
    }

    /// The lines of this user, of one algorithm if it is given.
    pub(super) fn entries_of<'a>(&self, text: &'a str, name: &str, algorithm: Option<DigestAlgorithm>) -> Vec<&'a str> {
        let is_wanted = |line: &&str| algorithm.is_none() || algorithm_of(line) == algorithm;
        text.lines().filter(|line| self.belongs_to(line, name)).filter(is_wanted).collect()
    }

    /// Is this the password of an entry?
    ///
    /// # Errors
    ///
    /// What is wrong with the entry.
    pub(super) fn verify(&self, line: &str, name: &str, password: &str) -> Result<bool, String> {
        match self {
            Self::Htpasswd => {
                let hash = line.split_once(':').map_or("", |(_, hash)| hash.trim_end());
                let hash = PasswordHash::parse(hash).map_err(|error| format!("user {name}: {error}"))?;
                Ok(hash.verify(password.as_bytes()))
            }
            Self::Htdigest { realm, .. } => {
                let entry = parse_entry(line)?;
                Ok(digest::compute_a1(entry.algorithm, name, realm, password).equals(&entry.a1))
            }
        }
    }

    /// The name of another algorithm for which the user has an entry that `set` leaves alone.
    pub(super) fn other_algorithm(&self, text: &str, name: &str) -> Option<&'static str> {
        let Self::Htdigest { algorithm, .. } = self else { return None };
        let mut others = text.lines().filter(|line| self.belongs_to(line, name)).filter_map(algorithm_of);
        others.find(|other| other != algorithm).map(algorithm_name)
    }

    /// An entry of the same algorithm is replaced, and so is one that cannot be read.
    fn is_replaced(&self, line: &str, name: &str) -> bool {
        let is_same = match self {
            Self::Htpasswd => true,
            Self::Htdigest { algorithm, .. } => algorithm_of(line).is_none_or(|found| found == *algorithm),
        };
        is_same && self.belongs_to(line, name)
    }

    fn belongs_to(&self, line: &str, name: &str) -> bool {
        self.key(line).is_some_and(|(found, realm)| self.is_own_realm(realm) && normalise(found) == name)
    }

    fn is_own_realm(&self, found: Option<&str>) -> bool {
        match self {
            Self::Htpasswd => true,
            Self::Htdigest { realm, .. } => found == Some(realm),
        }
    }

    /// The name, and the realm of an htdigest line.
    fn key<'a>(&self, line: &'a str) -> Option<(&'a str, Option<&'a str>)> {
        if !is_entry(line) {
            return None;
        }
        let (name, rest) = line.split_once(':')?;
        Some((name, rest.split_once(':').map(|(realm, _)| realm)))
    }
}

fn algorithm_of(line: &str) -> Option<DigestAlgorithm> {
    parse_entry(line).ok().map(|entry| entry.algorithm)
}
