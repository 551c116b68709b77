//! The syntax of credentials: scheme, then token68 or a list of parameters.
//!
//! RFC 9110 sections 11.1 to 11.4, 5.6.2 (token), 5.6.4 (quoted-string), 5.6.1.2 (empty list
//! elements).
//!
//! # Deviations
//!
//! - Credentials above [`MAX_CREDENTIALS_BYTES`], of more than [`MAX_PARAMETERS`] parameters, or not
//!   in UTF-8 are malformed; RFC 9110 section 5.4 lets a server set such bounds, and RFC 7616
//!   section 4 and RFC 7617 section 2.1 know no encoding but UTF-8.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::fields::{among, is_tchar};

/// The longest credentials field value that is looked at, bytes.
pub const MAX_CREDENTIALS_BYTES: usize = 4096;

/// The most parameters that credentials may have; Digest defines eleven.
pub const MAX_PARAMETERS: usize = 32;

/// Credentials as they stand in the field.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// The scheme's name as sent; compare with [`str::eq_ignore_ascii_case`].
    pub scheme: &'a str,
    /// What follows it.
    pub payload: Payload<'a>,
}

/// The part of credentials after the scheme.
///
/// ABNF (RFC 9110 section 11.4): `credentials = auth-scheme [ 1*SP ( token68 / #auth-param ) ]`.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload<'a> {
    /// One opaque token, as Basic has it.
    Token68(&'a str),
    /// Name and value pairs, as Digest has them; possibly none.
    Parameters(Parameters<'a>),
}

/// Parameters, each name once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters<'a>(Vec<(&'a str, Cow<'a, str>)>);

/// Why a field value is not credentials; never says what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// Longer than [`MAX_CREDENTIALS_BYTES`].
    #[error("expected credentials of at most 4096 bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("expected credentials in UTF-8")]
    NotUtf8,
    /// No auth-scheme in front.
    #[error("expected an auth-scheme in front")]
    Scheme,
    /// Neither token68 nor a list of parameters.
    #[error("expected token68 or name=value parameters after the scheme")]
    Parameter,
    /// A parameter name occurs twice, in whatever case.
    #[error("expected each parameter once")]
    Duplicate,
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl<'a> Parameters<'a> {
    /// The unquoted value of a parameter; names compare without regard to case.
    ///
    /// Source: RFC 9110 section 11.2.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }

    /// Adds a parameter, unless its name is there already or there are too many.
    fn add(&mut self, name: &'a str, value: Cow<'a, str>) -> Result<(), GrammarError> {
        if self.value(name).is_some() {
            return Err(GrammarError::Duplicate);
        }
        if self.0.len() == MAX_PARAMETERS {
            return Err(GrammarError::TooLong);
        }
        self.0.push((name, value));
        Ok(())
    }
}

/// Reads one credentials field value.
///
/// # Errors
///
/// A [`GrammarError`] that names what is wrong, never the value.
///
/// Source: RFC 9110 section 11.4.
pub fn parse(field: &[u8]) -> Result<Credentials<'_>, GrammarError> {
    if field.len() > MAX_CREDENTIALS_BYTES {
        return Err(GrammarError::TooLong);
    }
    let text = std::str::from_utf8(field).map_err(|_| GrammarError::NotUtf8)?;
    let (scheme, rest) = split_token(text.trim_matches([' ', '\t']));
    if scheme.is_empty() || !(rest.is_empty() || rest.starts_with(' ')) {
        return Err(GrammarError::Scheme);
    }
    let rest = rest.trim_start_matches(' ');
    // `abc=` fits token68 and the start of a parameter; RFC 9110 section 11.2 calls the forms
    // exclusive, and a parameter never ends in its `=`.
    let payload = if is_token68(rest) { Payload::Token68(rest) } else { Payload::Parameters(parse_parameters(rest)?) };
    Ok(Credentials { scheme, payload })
}

/// Unicode Normalization Form C of a user name or password, without a copy where it is that already.
///
/// Source: RFC 7617 section 2.1 and RFC 7616 section 4.
#[must_use]
pub fn normalise(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

/// `#auth-param`: a comma-separated list whose empty elements mean nothing.
///
/// Source: RFC 9110 sections 5.6.1.2 and 11.2.
fn parse_parameters(text: &str) -> Result<Parameters<'_>, GrammarError> {
    let mut parameters = Parameters(Vec::with_capacity(12));
    let mut rest = text;
    loop {
        rest = trim_start(rest, |byte| is_ows(byte) || byte == b',');
        if rest.is_empty() {
            return Ok(parameters);
        }
        let (name, value, after) = parse_parameter(rest)?;
        parameters.add(name, value)?;
        rest = trim_start(after, is_ows);
        if !(rest.is_empty() || rest.starts_with(',')) {
            return Err(GrammarError::Parameter);
        }
    }
}

/// One parameter and what follows it.
///
/// ABNF (RFC 9110 section 11.2): `auth-param = token BWS "=" BWS ( token / quoted-string )`.
fn parse_parameter(text: &str) -> Result<(&str, Cow<'_, str>, &str), GrammarError> {
    let (name, rest) = split_token(text);
    let rest = trim_start(rest, is_ows).strip_prefix('=').ok_or(GrammarError::Parameter)?;
    let rest = trim_start(rest, is_ows);
    let (value, after) = match rest.strip_prefix('"') {
        Some(quoted) => unquote(quoted).ok_or(GrammarError::Parameter)?,
        None => {
            let (token, after) = split_token(rest);
            (Cow::Borrowed(token), after)
        }
    };
    let is_complete = !name.is_empty() && (rest.starts_with('"') || !value.is_empty());
    if is_complete { Ok((name, value, after)) } else { Err(GrammarError::Parameter) }
}

/// The content of a quoted-string whose opening quote is gone, and what follows its closing quote.
///
/// ABNF (RFC 9110 section 5.6.4): `quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE`.
fn unquote(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = memchr::memchr2(b'"', b'\\', text.as_bytes())?;
    let (plain, rest) = text.split_at_checked(end)?;
    if let Some(after) = rest.strip_prefix('"') {
        // Each octet is looked at, whatever the others are: that is done many at a time.
        let is_allowed = plain.bytes().fold(true, |all, byte| all & !is_forbidden(byte));
        return is_allowed.then_some((Cow::Borrowed(plain), after));
    }
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return (!value.bytes().any(is_forbidden)).then_some((Cow::Owned(value), characters.as_str())),
            '\\' => value.push(characters.next()?),
            other => value.push(other),
        }
    }
    None
}

/// A control character other than HTAB: no `qdtext`, and in no `quoted-pair` of RFC 9110 section 5.6.4.
fn is_forbidden(byte: u8) -> bool {
    byte != b'\t' && byte.is_ascii_control()
}

/// Splits off the longest token in front, possibly empty.
fn split_token(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !is_tchar(b)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// ABNF (RFC 9110 section 11.2): `token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_token68(text: &str) -> bool {
    static TOKEN68: [bool; 256] = among(b"-._~+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    let is_one = |byte: u8| TOKEN68.get(usize::from(byte)).is_some_and(|is_one| *is_one);
    let end = text.bytes().position(|byte| !is_one(byte)).unwrap_or(text.len());
    end > 0 && text.bytes().skip(end).all(|byte| byte == b'=')
}

/// ABNF (RFC 9110 section 5.6.3): `OWS = *( SP / HTAB )`.
fn is_ows(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Without the ASCII octets in front that are so.
fn trim_start(text: &str, is_so: impl Fn(u8) -> bool) -> &str {
    let start = text.bytes().position(|byte| !is_so(byte)).unwrap_or(text.len());
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(field: &str) -> Vec<(String, String)> {
        match parse(field.as_bytes()).unwrap().payload {
            Payload::Parameters(list) => list.0.into_iter().map(|(n, v)| (n.to_owned(), v.into_owned())).collect(),
            Payload::Token68(_) => panic!("{field} read as token68"),
        }
    }

    #[test]
    fn n018_both_forms_of_credentials_are_read() {
        for (field, scheme, token) in [
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("Bearer a-._~+/9=", "Bearer", "a-._~+/9="),
            ("X   abc", "X", "abc"),
            ("X abc= ", "X", "abc="),
        ] {
            let credentials = parse(field.as_bytes()).unwrap();
            assert_eq!(credentials.scheme, scheme, "{field}");
            assert!(credentials.payload == Payload::Token68(token), "{field}");
        }
        assert_eq!(
            parameters(r#"Digest a=b, C="d e",f = "" "#),
            [("a", "b"), ("C", "d e"), ("f", "")].map(|(n, v)| (n.into(), v.into()))
        );
        assert_eq!(parameters("Digest"), []);
        assert_eq!(parameters("Digest   "), []);
    }

    #[test]
    fn n014_commas_inside_quotes_and_empty_elements_do_not_split() {
        assert_eq!(
            parameters(r#"Digest ,, a="x, y=z" ,,	b=c, "#),
            [("a", "x, y=z"), ("b", "c")].map(|(n, v)| (n.into(), v.into()))
        );
    }

    #[test]
    fn n022_token_and_quoted_form_of_a_value_mean_the_same() {
        for field in [r#"Digest realm=a"#, r#"Digest realm="a""#, r#"Digest REALM="\a""#] {
            let Payload::Parameters(list) = parse(field.as_bytes()).unwrap().payload else { panic!("{field}") };
            assert_eq!(list.value("realm"), Some("a"), "{field}");
        }
    }

    #[test]
    fn escapes_are_removed() {
        assert_eq!(parameters(r#"D a="q\"\\ü\ü""#), [("a".to_owned(), r#"q"\üü"#.to_owned())]);
    }

    #[test]
    fn n017_a_parameter_occurs_once_whatever_its_case() {
        for field in ["D a=1, a=1", "D a=1, A=2", r#"D nonce="x", b=c, NONCE=x"#] {
            assert_eq!(parse(field.as_bytes()).unwrap_err(), GrammarError::Duplicate, "{field}");
        }
    }

    #[test]
    fn t53_every_digest_parameter_is_refused_when_it_occurs_twice() {
        let names = "username username* realm nonce uri response cnonce nc qop opaque algorithm userhash x";
        for name in names.split(' ') {
            for again in [name.to_owned(), name.to_ascii_uppercase()] {
                for value in ["1", "2", "\"1\""] {
                    let field = format!("Digest {name}=1, y=2, {again}={value}");
                    assert_eq!(parse(field.as_bytes()).unwrap_err(), GrammarError::Duplicate, "{field}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_credentials_is_refused() {
        let long = format!("Basic {}", "a".repeat(MAX_CREDENTIALS_BYTES));
        let many = format!("D {}", (0..40).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join(","));
        let cases: &[(&[u8], GrammarError)] = &[
            (b"", GrammarError::Scheme),
            (b"   ", GrammarError::Scheme),
            (b"=abc", GrammarError::Scheme),
            (b"Basic\tabc", GrammarError::Scheme),
            (b"Basic, abc", GrammarError::Scheme),
            ("Bäsic abc".as_bytes(), GrammarError::Scheme),
            (b"Basic a b", GrammarError::Parameter),
            (b"Basic =abc", GrammarError::Parameter),
            (b"Basic a=b=", GrammarError::Parameter),
            (b"D a=\"b", GrammarError::Parameter),
            (b"D a=\"b\\", GrammarError::Parameter),
            (b"D a=\"b\"c", GrammarError::Parameter),
            (b"D a=\"b\" c=d", GrammarError::Parameter),
            (b"D a=, b=c", GrammarError::Parameter),
            (b"D a, b=c", GrammarError::Parameter),
            (b"D \"a\"=b", GrammarError::Parameter),
            (b"D a=\"\x01\"", GrammarError::Parameter),
            (b"D a=\"\\\x7f\"", GrammarError::Parameter),
            (b"D a='b c'", GrammarError::Parameter),
            (b"Basic \xff", GrammarError::NotUtf8),
            (long.as_bytes(), GrammarError::TooLong),
            (many.as_bytes(), GrammarError::TooLong),
        ];
        for (field, error) in cases {
            assert_eq!(parse(field).unwrap_err(), *error, "{:?}", String::from_utf8_lossy(field));
        }
    }

    #[test]
    fn no_input_panics_and_debug_shows_nothing() {
        let alphabet = b"aA=\", \\\t;\xc3\xa4/";
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..20_000 {
            let mut field = b"D ".to_vec();
            for _ in 0..12 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                field.push(alphabet[(state >> 33) as usize % alphabet.len()]);
            }
            let _ = parse(&field);
        }
        assert_eq!(format!("{:?}", parse(b"Basic c2VjcmV0").unwrap()), "Credentials(***)");
    }

    #[test]
    fn n135_names_are_compared_in_form_c() {
        assert_eq!(normalise("a\u{308}"), "ä");
        assert!(matches!(normalise("ä"), Cow::Borrowed("ä")));
    }
}
