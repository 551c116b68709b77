//! Password hashes of an htpasswd file: which formats are read, what they may cost, is it the one.
//!
//! No RFC describes the formats; RFC 7617 section 4 asks for hashes that a leak does not reverse.
//!
//! # Deviations
//!
//! - Clear text, DES crypt and `$1$` are refused: the first two protect nothing, and all are one
//!   command away from bcrypt.
//! - bcrypt looks at the first 72 bytes of a password, as every other reader of such files does.

use std::str::FromStr as _;

use argon2::password_hash::phc;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::apr1::Apr1;

/// The highest bcrypt cost that is accepted: about a second.
pub const MAX_BCRYPT_COST: u32 = 14;
/// The most SHA-crypt rounds that are accepted: about a second.
pub const MAX_SHA_CRYPT_ROUNDS: u32 = 1_000_000;
/// The most memory that argon2id may ask for, KiB.
pub const MAX_ARGON2_KIB: u32 = 256 * 1024;
/// The most passes times lanes of argon2id.
pub const MAX_ARGON2_PASSES: u32 = 32;

/// One user's password hash.
#[derive(Clone)]
pub enum PasswordHash {
    /// `$apr1$`.
    Apr1(Apr1),
    /// `$argon2id$`, with its memory in KiB and its passes.
    Argon2(Box<phc::PasswordHash>, u64),
    /// `$2a$`, `$2b$`, `$2y$`, with its cost.
    Bcrypt(Box<str>, u32),
    /// A password that this process made up: salt and SHA-256, enough for what is random.
    Generated([u8; 16], [u8; 32]),
    /// `{SHA}`: SHA-1 without salt.
    Sha1([u8; 20]),
    /// `$5$` and `$6$`, with the rounds.
    ShaCrypt(Box<str>, u32),
}

/// Why a hash is not accepted; never says what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Not a format that is read.
    #[error(
        "expected a bcrypt, apr1, {{SHA}}, SHA-crypt or argon2id hash, found another format (a clear password, DES or MD5 crypt?)"
    )]
    Unknown,
    /// The format is known and the rest is broken.
    #[error("expected a complete {0} hash, found a broken one")]
    Broken(&'static str),
    /// Verifying would take too long or too much memory.
    #[error("expected {0}, found more")]
    TooCostly(&'static str),
    /// Verifying would be cheaper than its format allows.
    #[error("expected {0}, found less")]
    TooCheap(&'static str),
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

impl PasswordHash {
    /// Reads the part of an htpasswd line after the first colon.
    ///
    /// # Errors
    ///
    /// [`HashError`]: unknown format, broken, or too costly to verify.
    ///
    /// Source: RFC 7617 section 4.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        if text.starts_with("$apr1$") {
            return Apr1::parse(text).map(Self::Apr1).ok_or(HashError::Broken("apr1"));
        }
        if let Some(encoded) = text.strip_prefix("{SHA}") {
            let octets = STANDARD.decode(encoded).ok().and_then(|octets| octets.try_into().ok());
            return octets.map(Self::Sha1).ok_or(HashError::Broken("{SHA}"));
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return parse_bcrypt(text);
        }
        if text.starts_with("$5$") || text.starts_with("$6$") {
            return parse_sha_crypt(text);
        }
        if text.starts_with("$argon2id$") {
            return parse_argon2(text);
        }
        Err(HashError::Unknown)
    }

    /// The hash of a random password made up by this process.
    ///
    /// # Errors
    ///
    /// The operating system's random source could not be read.
    pub fn generated(password: &str) -> Result<Self, getrandom::Error> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        Ok(Self::Generated(salt, hash_generated(&salt, password.as_bytes())))
    }

    /// Is this the password? Takes as long as [`PasswordHash::cost`] says, whatever the answer.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Apr1(hash) => hash.verify(password),
            Self::Argon2(hash, _) => argon2::Argon2::default().verify_password(password, &**hash).is_ok(),
            Self::Bcrypt(hash, _) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Generated(salt, hash) => hash_generated(salt, password).ct_eq(hash).into(),
            Self::Sha1(hash) => <[u8; 20]>::from(Sha1::digest(password)).ct_eq(hash).into(),
            Self::ShaCrypt(hash, _) => ShaCrypt::default().verify_password(password, &**hash).is_ok(),
        }
    }

    /// Roughly how long a verification takes, microseconds; for comparing two hashes only.
    #[must_use]
    pub fn cost(&self) -> u64 {
        match self {
            Self::Apr1(_) => 300,
            Self::Argon2(_, kib_passes) => *kib_passes,
            Self::Bcrypt(_, cost) => 50 << (*cost).min(MAX_BCRYPT_COST),
            Self::Generated(..) | Self::Sha1(_) => 1,
            Self::ShaCrypt(_, rounds) => u64::from(*rounds) / 2,
        }
    }
}

fn parse_bcrypt(text: &str) -> Result<PasswordHash, HashError> {
    bcrypt::HashParts::from_str(text).map_err(|_| HashError::Broken("bcrypt"))?;
    let cost = text.get(4..6).and_then(|digits| digits.parse().ok()).ok_or(HashError::Broken("bcrypt"))?;
    match cost {
        0..4 => Err(HashError::TooCheap("a bcrypt cost of at least 4")),
        4..=MAX_BCRYPT_COST => Ok(PasswordHash::Bcrypt(text.into(), cost)),
        _ => Err(HashError::TooCostly("a bcrypt cost of at most 14")),
    }
}

/// `$5$[rounds=N$]salt$hash`; without rounds, 5000.
fn parse_sha_crypt(text: &str) -> Result<PasswordHash, HashError> {
    const BROKEN: HashError = HashError::Broken("SHA-crypt");
    let fields: Vec<&str> = text.split('$').skip(2).collect();
    let (rounds, salt, hash) = match *fields.as_slice() {
        [salt, hash] => (5000, salt, hash),
        [rounds, salt, hash] => {
            (rounds.strip_prefix("rounds=").and_then(|digits| digits.parse().ok()).ok_or(BROKEN)?, salt, hash)
        }
        _ => return Err(BROKEN),
    };
    let is_crypt64 = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/');
    let length = if text.starts_with("$5$") { 43 } else { 86 };
    if hash.len() != length || !is_crypt64(hash) || salt.len() > 16 || !is_crypt64(salt) {
        return Err(BROKEN);
    }
    match rounds {
        0..1000 => Err(HashError::TooCheap("at least 1000 SHA-crypt rounds")),
        1000..=MAX_SHA_CRYPT_ROUNDS => Ok(PasswordHash::ShaCrypt(text.into(), rounds)),
        _ => Err(HashError::TooCostly("at most 1000000 SHA-crypt rounds")),
    }
}

fn parse_argon2(text: &str) -> Result<PasswordHash, HashError> {
    const BROKEN: HashError = HashError::Broken("argon2id");
    let hash = phc::PasswordHash::new(text).map_err(|_| BROKEN)?;
    let params = argon2::Params::try_from(&hash).map_err(|_| BROKEN)?;
    if hash.salt.is_none() || hash.hash.as_ref().is_none_or(|output| output.len() < 16) {
        return Err(BROKEN);
    }
    if params.m_cost() > MAX_ARGON2_KIB {
        return Err(HashError::TooCostly("argon2id with at most 256 MiB of memory"));
    }
    if params.t_cost().saturating_mul(params.p_cost()) > MAX_ARGON2_PASSES {
        return Err(HashError::TooCostly("argon2id with at most 32 passes times lanes"));
    }
    let kib_passes = u64::from(params.m_cost()) * u64::from(params.t_cost());
    Ok(PasswordHash::Argon2(Box::new(hash), kib_passes))
}

fn hash_generated(salt: &[u8; 16], password: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(password).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by openssl, the C library's crypt, and the reference argon2.
    const SECRET: [&str; 8] = [
        "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "$5$saltstring$C3o4O1TC6aRHF4FI.QSZMXtHbaj2gSXr4sUc/3NcUi.",
        "$5$rounds=1000$abc$Mz4DiYKTnNKbZLo/mIp3d8Y4aQBhv3uhSwxLDy55/Y8",
        "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.",
        "$6$rounds=1000$abc$MqEcPZUYRGGcOeq7PhMpfjfu/F0HrVEI0OlZBijWvO8mSG77iNUDP5MqFceKpJTBc8iITVtNyLiNTRNCxv6oh0",
    ];

    #[test]
    fn hashes_of_other_programs_are_verified() {
        for text in SECRET {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(hash.verify(b"secret"), "{text}");
            for wrong in ["", "secre", "secret ", "Secret"] {
                assert!(!hash.verify(wrong.as_bytes()), "{text} {wrong}");
            }
            assert_eq!(format!("{hash:?}"), "PasswordHash(***)");
        }
        // The reference implementation's test: "password", "somesalt", 256 KiB, two passes.
        let hash = PasswordHash::parse("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4");
        assert!(hash.as_ref().unwrap().verify(b"password") && !hash.unwrap().verify(b"Password"));
    }

    #[test]
    fn a_changed_hash_is_not_verified() {
        for text in SECRET {
            let at = text.len() - 6;
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(!PasswordHash::parse(&changed).unwrap().verify(b"secret"), "{changed}");
        }
    }

    #[test]
    fn a_generated_password_is_verified() {
        let hash = PasswordHash::generated("s3cr3t").unwrap();
        assert!(hash.verify(b"s3cr3t") && !hash.verify(b"s3cr3") && !hash.verify(b""));
    }

    #[test]
    fn unknown_broken_and_costly_hashes_are_refused() {
        let long = "a".repeat(86);
        for (text, error) in [
            ("", HashError::Unknown),
            ("secret", HashError::Unknown),
            ("rl.3StKT.4T8M", HashError::Unknown),
            ("$1$abc$BXBqpb9BZcZhXLgbee.0s/", HashError::Unknown),
            ("{SSHA}abc", HashError::Unknown),
            ("$2x$10$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", HashError::Unknown),
            ("{SHA}", HashError::Broken("{SHA}")),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/Bf==", HashError::Broken("{SHA}")),
            ("$apr1$abc", HashError::Broken("apr1")),
            ("$2y$10$abc", HashError::Broken("bcrypt")),
            ("$2y$1x$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", HashError::Broken("bcrypt")),
            ("$2y$03$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", HashError::TooCheap("a bcrypt cost of at least 4")),
            ("$2y$15$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", HashError::TooCostly("a bcrypt cost of at most 14")),
            ("$6$salt$abc", HashError::Broken("SHA-crypt")),
            ("$6$rounds=x$salt$abc", HashError::Broken("SHA-crypt")),
            ("$6$rounds=1000$salt$abc$def", HashError::Broken("SHA-crypt")),
            (&format!("$6$rounds=1000001$salt${long}"), HashError::TooCostly("at most 1000000 SHA-crypt rounds")),
            (&format!("$6$rounds=999$salt${long}"), HashError::TooCheap("at least 1000 SHA-crypt rounds")),
            ("$argon2id$", HashError::Broken("argon2id")),
            ("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ", HashError::Broken("argon2id")),
            (
                "$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQ$CWOrkoo7oJBQ/iyh7uJ0LO2aLEfrHwTWllSAxT0zRno",
                HashError::TooCostly("argon2id with at most 256 MiB of memory"),
            ),
            (
                "$argon2id$v=19$m=64,t=33,p=1$c29tZXNhbHQ$CWOrkoo7oJBQ/iyh7uJ0LO2aLEfrHwTWllSAxT0zRno",
                HashError::TooCostly("argon2id with at most 32 passes times lanes"),
            ),
        ] {
            assert_eq!(PasswordHash::parse(text).unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn costs_order_hashes_as_time_does() {
        let cost = |text: &str| PasswordHash::parse(text).unwrap().cost();
        assert!(cost(SECRET[0]) > cost(SECRET[2]));
        assert!(cost(SECRET[4]) > cost(SECRET[5]));
        assert!(cost("$2y$10$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW") > cost(SECRET[6]));
    }
}
