//! What a client is asked: one challenge a field line.
//!
//! RFC 9110 sections 11.3 and 11.5 (challenge, realm), RFC 7617 section 2 (Basic), RFC 7616 sections
//! 3.3 and 3.7 (Digest, several algorithms).
//!
//! # Deviations
//!
//! - `domain` is not sent: it has no meaning in Proxy-Authenticate (RFC 7616 section 3.3), and an
//!   origin listener's protection space is the whole listener.

use http::HeaderValue;

use super::digest::algorithm_name;
use crate::config::settings::DigestAlgorithm;

/// A protection space's name that no field line can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a realm without control characters; choose another one in auth.realm")]
pub struct InvalidRealm;

/// The Basic challenge of a realm.
///
/// # Errors
///
/// [`InvalidRealm`] when the realm holds a control character.
///
/// Source: RFC 7617 sections 2 and 2.1.
pub fn basic(realm: &str) -> Result<HeaderValue, InvalidRealm> {
    let realm = quote(realm)?;
    field_value(&format!("Basic realm={realm}, charset=\"UTF-8\""))
}

/// A Digest challenge of which only the nonce changes.
#[derive(Clone, Debug)]
pub struct DigestChallenge {
    before_nonce: String,
    after_nonce: String,
}

impl DigestChallenge {
    /// Prepares the challenge of one algorithm; `opaque` is base64.
    ///
    /// # Errors
    ///
    /// [`InvalidRealm`] when the realm holds a control character.
    ///
    /// Source: RFC 7616 section 3.3: realm, nonce, opaque and qop quoted, algorithm and stale not.
    pub fn new(realm: &str, algorithm: DigestAlgorithm, opaque: &str) -> Result<Self, InvalidRealm> {
        let realm = quote(realm)?;
        let name = algorithm_name(algorithm);
        Ok(Self {
            before_nonce: format!("Digest realm={realm}, qop=\"auth\", algorithm={name}, nonce=\""),
            after_nonce: format!("\", opaque=\"{opaque}\", charset=UTF-8, userhash=true"),
        })
    }

    /// The challenge with this nonce (base64); `stale` tells the client to retry without asking its user.
    ///
    /// # Errors
    ///
    /// [`InvalidRealm`] when the parts make no field value, which [`DigestChallenge::new`] excludes.
    ///
    /// Source: RFC 7616 section 3.3.
    pub fn with_nonce(&self, nonce: &str, stale: bool) -> Result<HeaderValue, InvalidRealm> {
        let stale = if stale { ", stale=true" } else { "" };
        field_value(&[&self.before_nonce, nonce, &self.after_nonce, stale].concat())
    }
}

/// A field value in UTF-8, which [`HeaderValue::from_str`] would refuse.
fn field_value(text: &str) -> Result<HeaderValue, InvalidRealm> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| InvalidRealm)
}

/// ABNF (RFC 9110 section 5.6.4): `quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE`.
///
/// Source: RFC 9110 section 11.5: the realm is sent as a quoted-string.
fn quote(text: &str) -> Result<String, InvalidRealm> {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if character.is_control() {
            return Err(InvalidRealm);
        }
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7617_section_2_1_challenge() {
        assert_eq!(basic("foo").unwrap(), "Basic realm=\"foo\", charset=\"UTF-8\"");
    }

    #[test]
    fn n138_digest_parameters_are_quoted_where_they_must_be() {
        let challenge = DigestChallenge::new("r", DigestAlgorithm::Sha512_256, "b3A=").unwrap();
        assert_eq!(
            challenge.with_nonce("bm9u", false).unwrap(),
            "Digest realm=\"r\", qop=\"auth\", algorithm=SHA-512-256, nonce=\"bm9u\", opaque=\"b3A=\", charset=UTF-8, userhash=true"
        );
    }

    #[test]
    fn n139_stale_is_an_unquoted_true_or_absent() {
        let challenge = DigestChallenge::new("r", DigestAlgorithm::Md5, "o").unwrap();
        assert!(challenge.with_nonce("n", true).unwrap().to_str().unwrap().ends_with(", stale=true"));
        assert!(!challenge.with_nonce("n", false).unwrap().to_str().unwrap().contains("stale"));
    }

    #[test]
    fn n132_n022_the_realm_is_a_quoted_string_with_escapes() {
        assert_eq!(basic(r#"a "b" \c"#).unwrap(), r#"Basic realm="a \"b\" \\c", charset="UTF-8""#);
        assert_eq!(basic("büro").unwrap().as_bytes(), "Basic realm=\"büro\", charset=\"UTF-8\"".as_bytes());
        for realm in ["a\r\nX: y", "a\0", "\u{7f}", "\u{85}"] {
            assert_eq!(basic(realm).unwrap_err(), InvalidRealm);
            assert_eq!(DigestChallenge::new(realm, DigestAlgorithm::Sha256, "o").unwrap_err(), InvalidRealm);
        }
    }

    #[test]
    fn n140_no_domain_is_sent() {
        let challenge = DigestChallenge::new("r", DigestAlgorithm::Sha256, "o").unwrap();
        assert!(!challenge.with_nonce("n", true).unwrap().to_str().unwrap().contains("domain"));
    }
}
