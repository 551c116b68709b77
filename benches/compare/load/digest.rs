//! Digest credentials as a client computes them, one response for each request (RFC 7616 section 3.4).

use std::fmt::Write;

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::message;

/// What a connection answers a challenge with, and how often it did.
#[derive(Clone)]
pub(crate) struct Credentials {
    algorithm: Algorithm,
    named: bool,
    user: String,
    realm: String,
    nonce: String,
    opaque: Option<String>,
    secret: String,
    count: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn hash(self, text: &str) -> String {
        let hexadecimal = |hash: &[u8]| {
            hash.iter().fold(String::with_capacity(64), |mut text, byte| {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                text.push(DIGITS[usize::from(byte >> 4)] as char);
                text.push(DIGITS[usize::from(byte & 15)] as char);
                text
            })
        };
        match self {
            Algorithm::Md5 => hexadecimal(&Md5::digest(text)),
            Algorithm::Sha256 => hexadecimal(&Sha256::digest(text)),
        }
    }
}

impl Credentials {
    /// What answers the first Digest challenge of a head, for `user:password`.
    pub(crate) fn answering(head: &[u8], login: &str) -> Result<Credentials, String> {
        let challenges = message::fields(head).filter(|(name, _)| name.eq_ignore_ascii_case(b"proxy-authenticate"));
        let mut values = challenges.filter_map(|(_, value)| std::str::from_utf8(value).ok());
        let challenge =
            values.find_map(|value| value.strip_prefix("Digest ")).ok_or("expected a Digest challenge, found none")?;
        let says = |name: &str| parameter(challenge, name);
        let algorithm = match says("algorithm").as_deref() {
            None | Some("MD5") => Algorithm::Md5,
            Some("SHA-256") => Algorithm::Sha256,
            Some(other) => return Err(format!("expected the algorithm MD5 or SHA-256, found {other}")),
        };
        let (user, password) = login.split_once(':').ok_or("expected user:password")?;
        let realm = says("realm").ok_or("the challenge has no realm")?;
        let nonce = says("nonce").ok_or("the challenge has no nonce")?;
        let secret = algorithm.hash(&format!("{user}:{realm}:{password}"));
        let named = says("algorithm").is_some();
        Ok(Credentials { algorithm, named, user: user.into(), realm, nonce, opaque: says("opaque"), secret, count: 0 })
    }

    /// The field line for the next GET of a target.
    pub(crate) fn line(&mut self, uri: &str, line: &mut String) {
        const CNONCE: &str = "0a4f113b9c2d";
        self.count += 1;
        let request = self.algorithm.hash(&format!("GET:{uri}"));
        let Credentials { user, realm, nonce, secret, count, .. } = &*self;
        let response = self.algorithm.hash(&format!("{secret}:{nonce}:{count:08x}:{CNONCE}:auth:{request}"));
        line.clear();
        let _ = write!(
            line,
            "Proxy-Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", qop=auth, \
             nc={count:08x}, cnonce=\"{CNONCE}\", response=\"{response}\""
        );
        if self.named {
            line.push_str(if self.algorithm == Algorithm::Md5 { ", algorithm=MD5" } else { ", algorithm=SHA-256" });
        }
        if let Some(opaque) = &self.opaque {
            let _ = write!(line, ", opaque=\"{opaque}\"");
        }
        line.push_str("\r\n");
    }
}

/// A parameter of a challenge, without its quotes.
fn parameter(challenge: &str, name: &str) -> Option<String> {
    challenge
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 section 3.4.1, spelled out once more.
    #[test]
    fn a_response_is_that_of_the_specification() {
        let head =
            b"HTTP/1.1 407 X\r\nProxy-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n\r\n";
        let mut credentials = Credentials::answering(head, "u:p").unwrap();
        let mut line = String::new();
        credentials.line("/x", &mut line);
        let sha = |text: &str| Algorithm::Sha256.hash(text);
        let expected = sha(&format!("{}:n:00000001:0a4f113b9c2d:auth:{}", sha("u:r:p"), sha("GET:/x")));
        assert!(line.contains(&format!("response=\"{expected}\"")) && line.contains("nc=00000001"), "{line}");
        assert_eq!(sha("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        credentials.line("/x", &mut line);
        assert!(line.contains("nc=00000002") && !line.contains(&expected), "{line}");
    }
}
