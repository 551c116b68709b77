//! What a request head asks, apart from a proof that is another one each time.
//!
//! RFC 7616 section 3.4 (a nonce count is used once), RFC 9112 section 5 (field lines).

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::fields::trim_ows;
use crate::keyed::KeyedHash;

/// How the line begins that is left out, and how nearly everybody writes what it begins with.
const NAME: &[u8] = b"proxy-authorization:";
static SCHEME: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b": Digest "));
static USER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b"username=\""));
static SESSION: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(b" nonce=\""));

/// What is the same in every head that asks the same.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Question<'h> {
    /// All of a head.
    Whole(&'h [u8]),
    /// A head without its line of Digest credentials for a proxy, whose they say they are, and the server's nonce in them.
    ///
    /// Only who was sent the nonce knows it: nobody else can find out, by how long a refusal takes, that somebody was given an
    /// answer to this a moment ago (RFC 9111 section 7.1).
    ///
    /// That there is but one such line is no matter here: a head with two is never answered, and so neither is one that is like
    /// it but for the first.
    Proven { front: &'h [u8], back: &'h [u8], user: &'h [u8], nonce: &'h [u8] },
}

impl<'h> Question<'h> {
    /// What a head asks of a listener that reads `Proxy-Authorization`, beside the field value that proves it.
    pub(super) fn of(head: &'h [u8]) -> (Self, Option<&'h [u8]>) {
        proven(head).map_or((Self::Whole(head), None), |(question, value)| (question, Some(value)))
    }

    /// Adds it to a hash.
    pub(super) fn add_to(&self, hash: &mut KeyedHash) {
        match self {
            Self::Whole(head) => hash.part(head),
            Self::Proven { front, back, user, nonce } => hash.part(front).part(back).part(user).part(nonce),
        };
    }
}

fn proven(head: &[u8]) -> Option<(Question<'_>, &[u8])> {
    let scheme = SCHEME.find(head)?;
    let (before, after) = head.split_at_checked(scheme)?;
    let start = memchr::memrchr(b'\n', before)? + 1;
    let end = scheme + memchr::memchr(b'\n', after)? + 1;
    let line = head.get(start..end)?;
    let (name, value) = line.split_at_checked(scheme + 1 - start)?;
    let (user, nonce) = (quoted(value, &USER)?, quoted(value, &SESSION)?);
    let question = Question::Proven { front: head.get(..start)?, back: head.get(end..)?, user, nonce };
    name.eq_ignore_ascii_case(NAME).then_some((question, trim_ows(value.strip_suffix(b"\r\n")?)))
}

/// What is in quotes behind this.
fn quoted<'h>(value: &'h [u8], name: &Finder<'_>) -> Option<&'h [u8]> {
    let rest = value.get(name.find(value)? + name.needle().len()..)?;
    rest.get(..memchr::memchr(b'"', rest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_proves_it_is_no_part_of_the_question() {
        for name in ["Proxy-Authorization", "proxy-authorization"] {
            let value = " Digest realm=\"r\", username=\"alice\", cnonce=\"c\", nonce=\"n\", nc=00000001";
            for (front, back) in [("GET / HTTP/1.1\r\nhost: a\r\n", "\r\n"), ("GET / HTTP/1.1\r\n", "host: a\r\n\r\n")] {
                let head = format!("{front}{name}:{value}\r\n{back}");
                let (front, back) = (front.as_bytes(), back.as_bytes());
                let question = Question::Proven { front, back, user: b"alice", nonce: b"n" };
                assert_eq!(Question::of(head.as_bytes()), (question, Some(value.trim().as_bytes())));
            }
        }
    }

    /// Whoever guesses a user, but not what that user was sent, asks something that nobody has asked.
    #[test]
    fn another_user_or_nonce_is_another_question_and_another_proof_is_not() {
        let keyed = crate::keyed::Keyed::random().unwrap();
        let hash = |value: &str| {
            let head = format!("GET / HTTP/1.1\r\nproxy-authorization: Digest {value}\r\n\r\n");
            let mut hash = keyed.start("head");
            Question::of(head.as_bytes()).0.add_to(&mut hash);
            hash.finish()
        };
        let one = hash("username=\"a\", nonce=\"n\", cnonce=\"c\", nc=1");
        assert_eq!(hash("username=\"a\", nonce=\"n\", cnonce=\"d\", nc=2"), one);
        assert_ne!(hash("username=\"a\", nonce=\"m\", cnonce=\"c\", nc=1"), one);
        assert_ne!(hash("username=\"b\", nonce=\"n\", cnonce=\"c\", nc=1"), one);
    }

    #[test]
    fn all_other_heads_ask_with_all_that_is_in_them() {
        for line in [
            "host: a",
            "proxy-authorization: Basic YQ==",
            "authorization: Digest username=\"a\", nonce=\"n\"",
            "authorization: Digest username=\"a\", nonce=\"n\"\r\nproxy-authorization: Digest username=\"a\", nonce=\"n\"",
            "proxy-authorization : Digest username=\"a\", nonce=\"n\"",
            "proxy-authorization: Basic YQ==: Digest username=\"a\", nonce=\"n\"",
            "proxy-authorization: Digest username=a, nonce=\"n\"",
            "proxy-authorization: Digest username=\"a\", cnonce=\"n\"",
            "proxy-authorization: Digest username=\"a",
            "x: proxy-authorization: Digest username=\"a\", nonce=\"n\"",
        ] {
            let head = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
            let found = Question::of(head.as_bytes());
            assert_eq!(found, (Question::Whole(head.as_bytes()), None), "{line:?}");
        }
        assert_eq!(Question::of(b"Digest"), (Question::Whole(b"Digest"), None));
    }
}
