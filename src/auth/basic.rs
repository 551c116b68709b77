//! Basic: a user name and a password in base64.
//!
//! RFC 7617 section 2 (user-pass), section 2.1 (UTF-8, NFC); RFC 4648 section 4 (base64).
//!
//! # Deviations
//!
//! - What is not UTF-8 is malformed; the fallback to other encodings of RFC 7617 appendix B is not
//!   made, it would hash every wrong password twice.
//! - A password above [`MAX_PASSWORD_BYTES`] is malformed: hashing costs grow with its length, and
//!   nobody unverified should set the price.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::grammar;

/// The longest password that is hashed, bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// A user name and a password, both in Unicode Normalization Form C.
#[derive(Clone, PartialEq, Eq)]
pub struct BasicCredentials {
    /// The user name; contains no colon.
    pub user: String,
    /// The password; may contain colons.
    pub password: Zeroizing<String>,
}

/// Why a token is not Basic credentials; never says what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BasicError {
    /// Not base64 with its padding.
    #[error("expected base64")]
    NotBase64,
    /// The decoded octets are not UTF-8.
    #[error("expected user name and password in UTF-8")]
    NotUtf8,
    /// No colon between user name and password.
    #[error("expected a colon between user name and password")]
    NoColon,
    /// A control character in user name or password.
    #[error("expected no control characters in user name and password")]
    ControlCharacter,
    /// The password is longer than [`MAX_PASSWORD_BYTES`].
    #[error("expected a password of at most 1024 bytes")]
    TooLong,
}

impl std::fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BasicCredentials(***)")
    }
}

/// Reads the token68 of Basic credentials.
///
/// The user name ends at the first colon; control characters are refused.
///
/// # Errors
///
/// A [`BasicError`] that says what was expected.
///
/// Source: RFC 7617 sections 2 and 2.1.
pub fn parse(token68: &str) -> Result<BasicCredentials, BasicError> {
    let octets = Zeroizing::new(STANDARD.decode(token68).map_err(|_| BasicError::NotBase64)?);
    let text = std::str::from_utf8(&octets).map_err(|_| BasicError::NotUtf8)?;
    let (user, password) = text.split_once(':').ok_or(BasicError::NoColon)?;
    if text.chars().any(char::is_control) {
        return Err(BasicError::ControlCharacter);
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(BasicError::TooLong);
    }
    Ok(BasicCredentials {
        user: grammar::normalise(user).into_owned(),
        password: Zeroizing::new(match grammar::normalise(password) {
            Cow::Borrowed(password) => password.to_owned(),
            Cow::Owned(password) => password,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(token: &str) -> (String, String) {
        let credentials = parse(token).unwrap();
        (credentials.user, credentials.password.to_string())
    }

    fn error(octets: &[u8]) -> BasicError {
        parse(&STANDARD.encode(octets)).unwrap_err()
    }

    #[test]
    fn rfc7617_section_2_example() {
        assert_eq!(pair("QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), ("Aladdin".into(), "open sesame".into()));
    }

    #[test]
    fn rfc7617_section_2_1_example_with_a_pound_sign() {
        assert_eq!(pair("dGVzdDoxMjPCow=="), ("test".into(), "123£".into()));
    }

    #[test]
    fn n133_the_first_colon_ends_the_user_name() {
        for (octets, user, password) in
            [("a:b:c", "a", "b:c"), (":x", "", "x"), ("a:", "a", ""), (":", "", ""), ("a::", "a", ":")]
        {
            assert_eq!(pair(&STANDARD.encode(octets)), (user.into(), password.into()), "{octets}");
        }
        assert_eq!(error(b"alice"), BasicError::NoColon);
    }

    #[test]
    fn n134_control_characters_are_refused() {
        for octets in ["a\0:b", "a:b\n", "a:\x7fb", "a\t:b", "a:b\u{85}"] {
            assert_eq!(error(octets.as_bytes()), BasicError::ControlCharacter, "{octets:?}");
        }
    }

    #[test]
    fn n135_user_name_and_password_are_brought_to_form_c() {
        assert_eq!(pair(&STANDARD.encode("ju\u{308}rg:o\u{308}l \u{1f980}")), ("jürg".into(), "öl 🦀".into()));
        assert_eq!(error(b"j\xfcrg:x"), BasicError::NotUtf8);
    }

    #[test]
    fn base64_is_strict() {
        for token in ["QWxhZGRpbjpvcGVuIHNlc2FtZQ", "QWxhZGRpbjpvcGVuIHNlc2FtZR==", "YTpi=", "YTp-", "YTpi====", "a"] {
            assert_eq!(parse(token).unwrap_err(), BasicError::NotBase64, "{token}");
        }
    }

    #[test]
    fn a_password_has_a_bound() {
        assert_eq!(error(format!("a:{}", "x".repeat(MAX_PASSWORD_BYTES + 1)).as_bytes()), BasicError::TooLong);
        assert_eq!(pair(&STANDARD.encode(format!("a:{}", "x".repeat(MAX_PASSWORD_BYTES)))).1.len(), MAX_PASSWORD_BYTES);
    }

    #[test]
    fn debug_shows_no_password() {
        assert_eq!(format!("{:?}", parse("QWxhZGRpbjpvcGVuIHNlc2FtZQ==").unwrap()), "BasicCredentials(***)");
    }
}
