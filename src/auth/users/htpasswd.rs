//! Users of the Basic scheme: an htpasswd file, `name:hash` a line.
//!
//! RFC 7617 sections 2 (names) and 4 (hashed passwords).
//!
//! # Deviations
//!
//! - A name that occurs twice is an error; Apache takes the first line and ignores the other.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::password::{HashError, PasswordHash};
use crate::auth::grammar::normalise;

/// The users that Basic knows.
#[derive(Debug, Default)]
pub struct BasicUsers {
    known: HashMap<Box<str>, User>,
    /// What is hashed for a name that nobody has, or that costs less than others.
    dummy: Option<PasswordHash>,
}

#[derive(Debug)]
struct User {
    name: Arc<str>,
    hash: PasswordHash,
}

/// What became of a user name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They belong together; the name as the file has it.
    Verified(Arc<str>),
    /// Nobody has this name.
    UnknownUser,
    /// The name is known and the password is another one.
    WrongPassword,
}

impl BasicUsers {
    /// Reads an htpasswd file.
    ///
    /// # Errors
    ///
    /// All mistakes, one a line, each with file, line, what was expected and what to do; never more
    /// of a line than its user name.
    pub fn load(path: &Path) -> Result<Self, String> {
        Self::parse(&super::read_private(path)?, &path.display().to_string())
    }

    /// Reads the text of an htpasswd file; `file` names it in messages.
    ///
    /// # Errors
    ///
    /// As [`BasicUsers::load`].
    pub fn parse(text: &str, file: &str) -> Result<Self, String> {
        let mut users = Self::default();
        let mut lines_of: HashMap<String, usize> = HashMap::new();
        let mut mistakes = Vec::new();
        for (number, line) in super::entries(text) {
            match parse_line(line) {
                Ok((name, hash)) => match lines_of.insert(name.clone(), number) {
                    Some(first) => mistakes.push(format!("{file}:{number}: user {name}: expected each user once, found another entry in line {first}; remove one of them")),
                    None => users.add(&name, hash),
                },
                Err(mistake) => mistakes.push(format!("{file}:{number}: {mistake}")),
            }
        }
        if mistakes.is_empty() { Ok(users) } else { Err(mistakes.join("\n")) }
    }

    /// Adds a user; the costliest hash becomes what unknown names are measured with.
    pub fn add(&mut self, name: &str, hash: PasswordHash) {
        if self.dummy.as_ref().is_none_or(|dummy| dummy.cost() < hash.cost()) {
            self.dummy = Some(hash.clone());
        }
        self.known.insert(name.into(), User { name: name.into(), hash });
    }

    /// Do name and password belong together? Both in Unicode Normalization Form C.
    ///
    /// Blocks for as long as the hash takes. A wrong password and an unknown name take as long as the
    /// costliest hash of the file, so that the time does not tell who exists; `hashed` is called
    /// once for each hash that is computed.
    ///
    /// Source: RFC 7617 section 2.
    #[must_use]
    pub fn verify(&self, name: &str, password: &str, mut hashed: impl FnMut()) -> Verdict {
        let user = self.known.get(name);
        if let Some(user) = user {
            hashed();
            if user.hash.verify(password.as_bytes()) {
                return Verdict::Verified(Arc::clone(&user.name));
            }
        }
        let spent = user.map_or(0, |user| user.hash.cost());
        if let Some(dummy) = self.dummy.as_ref().filter(|dummy| dummy.cost() > spent) {
            hashed();
            // The answer is of no interest, the time is.
            std::hint::black_box(dummy.verify(password.as_bytes()));
        }
        if user.is_some() { Verdict::WrongPassword } else { Verdict::UnknownUser }
    }
}

/// One line: the name in Unicode Normalization Form C, and the hash.
fn parse_line(line: &str) -> Result<(String, PasswordHash), String> {
    let (name, hash) =
        line.split_once(':').ok_or("expected name:hash, found no colon; set the user with \"vouchsafe user set\"")?;
    super::check_name(name)?;
    let hash = PasswordHash::parse(hash.trim_end()).map_err(|error| advise(name, error))?;
    Ok((normalise(name).into_owned(), hash))
}

fn advise(name: &str, error: HashError) -> String {
    format!("user {name}: {error}; set the password again with \"vouchsafe user set --file FILE {name}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
    const SHA1: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

    fn verify(users: &BasicUsers, name: &str, password: &str) -> (Verdict, usize) {
        let mut count = 0;
        let verdict = users.verify(name, password, || count += 1);
        (verdict, count)
    }

    #[test]
    fn users_are_read_and_verified() {
        let text = format!("\u{23} staff\n\nalice:{BCRYPT}\r\n  \nju\u{308}rg:{BCRYPT}  \n");
        let users = BasicUsers::parse(&text, "f").unwrap();
        assert_eq!(verify(&users, "alice", "secret"), (Verdict::Verified("alice".into()), 1));
        assert_eq!(verify(&users, "jürg", "secret"), (Verdict::Verified("jürg".into()), 1));
        assert_eq!(verify(&users, "alice", "Secret"), (Verdict::WrongPassword, 1));
    }

    #[test]
    fn t56_an_unknown_name_costs_as_much_as_a_wrong_password() {
        let users = BasicUsers::parse(&format!("alice:{BCRYPT}\nbob:{SHA1}\n"), "f").unwrap();
        assert_eq!(verify(&users, "mallory", "secret"), (Verdict::UnknownUser, 1));
        assert_eq!(verify(&users, "alice", "wrong"), (Verdict::WrongPassword, 1));
        // bob's own hash is cheap, so the costly one follows.
        assert_eq!(verify(&users, "bob", "wrong"), (Verdict::WrongPassword, 2));
        assert_eq!(verify(&users, "bob", "secret"), (Verdict::Verified("bob".into()), 1));
        assert_eq!(users.dummy.as_ref().unwrap().cost(), PasswordHash::parse(BCRYPT).unwrap().cost());
    }

    #[test]
    fn an_empty_file_knows_nobody() {
        let users = BasicUsers::parse("# nobody yet\n", "f").unwrap();
        assert_eq!(verify(&users, "alice", "secret"), (Verdict::UnknownUser, 0));
        assert_eq!(verify(&users, "", ""), (Verdict::UnknownUser, 0));
    }

    #[test]
    fn every_mistake_is_named_with_its_line_and_without_the_secret() {
        let text = format!("alice:{BCRYPT}\nhunter2\nbob:hunter2\nalice:{SHA1}\n:hunter2\ncarol:$2y$31${}\n", &BCRYPT[7..]);
        let message = BasicUsers::parse(&text, "users.htpasswd").unwrap_err();
        let lines: Vec<_> = message.lines().collect();
        assert_eq!(
            lines,
            [
                "users.htpasswd:2: expected name:hash, found no colon; set the user with \"vouchsafe user set\"",
                "users.htpasswd:3: user bob: expected a bcrypt, apr1, {SHA}, SHA-crypt or argon2id hash, found another format (a clear password, DES or MD5 crypt?); set the password again with \"vouchsafe user set --file FILE bob\"",
                "users.htpasswd:4: user alice: expected each user once, found another entry in line 1; remove one of them",
                "users.htpasswd:5: expected a user name, found nothing",
                "users.htpasswd:6: user carol: expected a bcrypt cost of at most 14, found more; set the password again with \"vouchsafe user set --file FILE carol\"",
            ]
        );
        assert!(!message.contains("hunter2"));
    }
}
