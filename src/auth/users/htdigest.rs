//! Users of the Digest scheme: an htdigest file, `name:realm:H(A1)` a line.
//!
//! RFC 7616 section 3.4.2 (A1), section 3.4.4 (hashed user names), section 5.2 (the file).
//!
//! # Deviations
//!
//! - Entries of other realms are read and left alone: one file may serve several programs.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::auth::digest::{self, HexHash, UserName};
use crate::auth::grammar::normalise;
use crate::config::settings::DigestAlgorithm;

/// What stands before the digits of a SHA-512-256 entry, which are as many as SHA-256 has.
pub const SHA_512_256_MARK: &str = "SHA-512-256:";

/// The users that Digest knows in one realm, with the algorithms that are offered.
#[derive(Debug)]
pub struct DigestUsers {
    realm: Box<str>,
    tables: Vec<Table>,
}

/// The users of one algorithm.
#[derive(Debug)]
struct Table {
    algorithm: DigestAlgorithm,
    by_name: HashMap<Arc<str>, HexHash>,
    by_hash: HashMap<HexHash, Arc<str>>,
}

/// One line of an htdigest file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// User name.
    pub name: &'a str,
    /// Realm.
    pub realm: &'a str,
    /// What the hash was made with.
    pub algorithm: DigestAlgorithm,
    /// `H(A1)`.
    pub a1: HexHash,
}

impl DigestUsers {
    /// Nobody yet, in this realm, for these algorithms.
    #[must_use]
    pub fn new(realm: &str, algorithms: &[DigestAlgorithm]) -> Self {
        let table =
            |algorithm: &DigestAlgorithm| Table { algorithm: *algorithm, by_name: HashMap::new(), by_hash: HashMap::new() };
        Self { realm: realm.into(), tables: algorithms.iter().map(table).collect() }
    }

    /// Reads an htdigest file into it.
    ///
    /// # Errors
    ///
    /// All mistakes, one a line, each with file, line, what was expected and what to do; never more
    /// of a line than its user name. Entries of which none fits realm and algorithms are a mistake.
    ///
    /// Source: RFC 7616 section 5.2.
    pub fn load(&mut self, path: &Path) -> Result<(), String> {
        self.read(&super::read_private(path)?, &path.display().to_string())
    }

    /// Reads the text of an htdigest file into it; `file` names it in messages.
    ///
    /// # Errors
    ///
    /// As [`DigestUsers::load`].
    pub fn read(&mut self, text: &str, file: &str) -> Result<(), String> {
        let mut lines_of: HashMap<(String, &str, DigestAlgorithm), usize> = HashMap::new();
        let mut mistakes = Vec::new();
        let mut usable = 0;
        for (number, line) in super::entries(text) {
            let entry = match parse_entry(line) {
                Ok(entry) => entry,
                Err(mistake) => {
                    mistakes.push(format!("{file}:{number}: {mistake}"));
                    continue;
                }
            };
            let name = normalise(entry.name).into_owned();
            if let Some(first) = lines_of.insert((name.clone(), entry.realm, entry.algorithm), number) {
                mistakes.push(format!("{file}:{number}: user {name}: expected each user once for a realm and algorithm, found another entry in line {first}; remove one of them"));
            } else if entry.realm == &*self.realm {
                usable += usize::from(self.add(&name, entry.algorithm, entry.a1));
            }
        }
        if mistakes.is_empty() && usable == 0 && !lines_of.is_empty() {
            mistakes.push(self.nobody_fits(file));
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes.join("\n")) }
    }

    /// Adds a user whose password is known, for every algorithm.
    pub fn add_clear(&mut self, name: &str, password: &str) {
        let realm = self.realm.clone();
        let algorithms: Vec<_> = self.tables.iter().map(|table| table.algorithm).collect();
        for algorithm in algorithms {
            self.add(name, algorithm, digest::compute_a1(algorithm, name, &realm, password));
        }
    }

    /// The user and `H(A1)` that a digest of this algorithm is checked against.
    ///
    /// Source: RFC 7616 sections 3.4.2 and 3.4.4.
    #[must_use]
    pub fn find(&self, name: &UserName<'_>, algorithm: DigestAlgorithm) -> Option<(&Arc<str>, &HexHash)> {
        let table = self.tables.iter().find(|table| table.algorithm == algorithm)?;
        match name {
            UserName::Clear(name) => table.by_name.get_key_value(&**name),
            UserName::Hashed(hash) => table.by_name.get_key_value(table.by_hash.get(hash)?),
        }
    }

    /// Is this one of the realm's algorithms?
    #[must_use]
    pub fn offers(&self, algorithm: DigestAlgorithm) -> bool {
        self.tables.iter().any(|table| table.algorithm == algorithm)
    }

    /// Adds an entry; false if its algorithm is not offered.
    fn add(&mut self, name: &str, algorithm: DigestAlgorithm, a1: HexHash) -> bool {
        let Some(table) = self.tables.iter_mut().find(|table| table.algorithm == algorithm) else { return false };
        let name: Arc<str> = name.into();
        table.by_hash.insert(digest::compute_user_hash(algorithm, &name, &self.realm), Arc::clone(&name));
        table.by_name.insert(name, a1);
        true
    }

    fn nobody_fits(&self, file: &str) -> String {
        let names: Vec<_> = self.tables.iter().map(|table| digest::algorithm_name(table.algorithm)).collect();
        let (realm, names) = (&self.realm, names.join(" or "));
        format!(
            "{file}: expected an entry for the realm \"{realm}\" made with {names}, found only others; add one with \"vouchsafe user set --file FILE --digest {realm:?} NAME\", or change auth.realm or auth.digest.algorithms"
        )
    }
}

/// Reads one line: 32 digits are MD5, 64 are SHA-256, or SHA-512-256 with its mark.
///
/// # Errors
///
/// What was expected, with the user name and nothing else of the line.
///
/// Source: RFC 7616 section 3.4.2.
pub fn parse_entry(line: &str) -> Result<Entry<'_>, String> {
    const SHAPE: &str = "expected name:realm:hash, found something else; set the user with \"vouchsafe user set --digest REALM\"";
    let (name, rest) = line.split_once(':').ok_or(SHAPE)?;
    let (realm, digits) = rest.split_once(':').ok_or(SHAPE)?;
    super::check_name(name)?;
    let (algorithm, digits) = match digits.trim_end().strip_prefix(SHA_512_256_MARK) {
        Some(digits) => (DigestAlgorithm::Sha512_256, digits),
        None if digits.trim_end().len() == 32 => (DigestAlgorithm::Md5, digits.trim_end()),
        None => (DigestAlgorithm::Sha256, digits.trim_end()),
    };
    let a1 = HexHash::parse(algorithm, digits).ok_or_else(|| {
        format!("user {name}: expected 32 hex digits (MD5), 64 (SHA-256), or \"SHA-512-256:\" and 64, found something else; set the password again with \"vouchsafe user set --file FILE --digest REALM {name}\"")
    })?;
    Ok(Entry { name, realm, algorithm, a1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [DigestAlgorithm; 3] = [DigestAlgorithm::Sha512_256, DigestAlgorithm::Sha256, DigestAlgorithm::Md5];

    fn line(algorithm: DigestAlgorithm, name: &str, realm: &str) -> String {
        let a1 = digest::compute_a1(algorithm, name, realm, "secret");
        let mark = if algorithm == DigestAlgorithm::Sha512_256 { SHA_512_256_MARK } else { "" };
        format!("{name}:{realm}:{mark}{}\n", std::str::from_utf8(a1.as_bytes()).unwrap())
    }

    #[test]
    fn a_file_of_apaches_htdigest_is_read() {
        // H("Mufasa:testrealm@host.com:Circle Of Life") of RFC 2617 section 3.5.
        let mut users = DigestUsers::new("testrealm@host.com", &[DigestAlgorithm::Md5]);
        users.read("Mufasa:testrealm@host.com:939e7578ed9e3c518a452acee763bce9\n", "f").unwrap();
        let (name, a1) = users.find(&UserName::Clear("Mufasa".into()), DigestAlgorithm::Md5).unwrap();
        assert_eq!(
            (&**name, a1),
            ("Mufasa", &digest::compute_a1(DigestAlgorithm::Md5, "Mufasa", "testrealm@host.com", "Circle Of Life"))
        );
    }

    #[test]
    fn users_are_found_by_name_and_by_hash_for_each_algorithm() {
        let text: String = ALL.iter().map(|algorithm| line(*algorithm, "alice", "r")).collect();
        let mut users = DigestUsers::new("r", &ALL);
        users.read(&format!("# staff\n\n{text}{}", line(DigestAlgorithm::Md5, "bob", "other")), "f").unwrap();
        for algorithm in ALL {
            let expected = digest::compute_a1(algorithm, "alice", "r", "secret");
            let hashed = UserName::Hashed(digest::compute_user_hash(algorithm, "alice", "r"));
            for name in [UserName::Clear("alice".into()), hashed] {
                let (found, a1) = users.find(&name, algorithm).unwrap();
                assert_eq!((&**found, a1), ("alice", &expected));
            }
            assert!(users.find(&UserName::Clear("bob".into()), algorithm).is_none());
            assert!(users.find(&UserName::Clear("Alice".into()), algorithm).is_none());
        }
    }

    #[test]
    fn n152_an_entry_of_an_algorithm_that_is_not_offered_is_not_found() {
        let mut users = DigestUsers::new("r", &[DigestAlgorithm::Sha256]);
        users.read(&(line(DigestAlgorithm::Md5, "alice", "r") + &line(DigestAlgorithm::Sha256, "bob", "r")), "f").unwrap();
        assert!(users.find(&UserName::Clear("alice".into()), DigestAlgorithm::Md5).is_none());
        assert!(users.find(&UserName::Clear("alice".into()), DigestAlgorithm::Sha256).is_none());
        assert!(users.find(&UserName::Clear("bob".into()), DigestAlgorithm::Sha256).is_some());
    }

    #[test]
    fn a_user_with_a_clear_password_serves_every_algorithm() {
        let mut users = DigestUsers::new("r", &ALL);
        users.add_clear("guest", "pw");
        for algorithm in ALL {
            let (_, a1) = users.find(&UserName::Clear("guest".into()), algorithm).unwrap();
            assert_eq!(*a1, digest::compute_a1(algorithm, "guest", "r", "pw"));
        }
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_without_the_hash() {
        let good = line(DigestAlgorithm::Sha256, "alice", "r");
        let text =
            format!("{good}deadbeef\ndeadbeef:r\nbob:r:deadbeef\n{good}:r:deadbeef\ncarol:r:SHA-512-256:{}\n", "a".repeat(32));
        let message = DigestUsers::new("r", &ALL).read(&text, "u").unwrap_err();
        let lines: Vec<_> = message.lines().collect();
        assert_eq!(lines.len(), 6);
        assert!(lines[0].starts_with("u:2: expected name:realm:hash"));
        assert!(lines[1].starts_with("u:3: expected name:realm:hash"));
        assert!(lines[2].starts_with("u:4: user bob: expected 32 hex digits (MD5), 64 (SHA-256)"));
        assert!(lines[3].starts_with("u:5: user alice: expected each user once") && lines[3].contains("line 1"));
        assert!(lines[4].starts_with("u:6: expected a user name, found nothing"));
        assert!(lines[5].starts_with("u:7: user carol"));
        assert!(!message.contains("deadbeef"));
    }

    #[test]
    fn a_file_that_fits_neither_realm_nor_algorithm_is_a_mistake() {
        let mut users = DigestUsers::new("vouchsafe", &[DigestAlgorithm::Sha256]);
        for text in [line(DigestAlgorithm::Sha256, "alice", "other"), line(DigestAlgorithm::Md5, "alice", "vouchsafe")] {
            let message = users.read(&text, "u").unwrap_err();
            assert!(
                message.starts_with("u: expected an entry for the realm \"vouchsafe\" made with SHA-256, found only others"),
                "{message}"
            );
        }
        users.read("# nobody yet\n", "u").unwrap();
    }
}
