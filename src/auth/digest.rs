//! Digest: the values of credentials, and the formulas that prove a password without sending it.
//!
//! RFC 7616 section 3.4 (parameters), 3.4.1 to 3.4.4 (response, A1, A2, user hash), 3.4.6 (`uri`);
//! RFC 5987 section 3.2 (`username*`).
//!
//! # Deviations
//!
//! - `qop` must be `auth` and present; RFC 2069 clients (no `qop`) are refused (RFC 7616 section 3.4
//!   makes it mandatory).
//! - `uri` may be the path and query of an absolute request target (curl sends that), though RFC
//!   7616 section 3.4.6 asks for the absolute form; it designates the same resource.
//! - Quoted `algorithm`, `qop` and `nc` are read like unquoted ones (RFC 9110 section 11.2).

mod hash;

use std::borrow::Cow;

use http::{HeaderMap, Method, Uri};

use super::grammar::{self, Parameters};
use crate::config::settings::DigestAlgorithm;
use crate::target::{self, Arrival, Target};

use hash::compute_hash;
pub use hash::{HexHash, algorithm_name};

/// Whose digest it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName<'a> {
    /// `username` or `username*`, in Unicode Normalization Form C.
    Clear(Cow<'a, str>),
    /// `H(username ":" realm)` with `userhash=true`.
    Hashed(HexHash),
}

/// Digest credentials whose parameters are complete and well-formed.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestCredentials<'a> {
    /// Whose digest it is.
    pub user: UserName<'a>,
    /// The realm it was made for.
    pub realm: &'a str,
    /// The server's nonce.
    pub nonce: &'a str,
    /// The request target the client saw.
    pub uri: &'a str,
    /// The proof.
    pub response: HexHash,
    /// The algorithm it was made with.
    pub algorithm: DigestAlgorithm,
    /// The client's nonce.
    pub cnonce: &'a str,
    /// The nonce count as sent: eight hex digits.
    pub nc_text: &'a str,
    /// The nonce count, at least 1.
    pub nc: u32,
    /// What the server asked to be given back.
    pub opaque: &'a str,
}

/// Why parameters are not Digest credentials; never says what they held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// A required parameter is missing.
    #[error("expected the parameter {0}")]
    Missing(&'static str),
    /// A parameter's value is improper.
    #[error("the parameter {0} has an improper value")]
    Improper(&'static str),
}

impl std::fmt::Debug for DigestCredentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestCredentials(***)")
    }
}

/// Reads Digest credentials from their parameters.
///
/// # Errors
///
/// [`DigestError`] with the first parameter that is missing or improper.
///
/// Source: RFC 7616 section 3.4.
pub fn parse<'a>(parameters: &'a Parameters<'_>) -> Result<DigestCredentials<'a>, DigestError> {
    let required = |name: &'static str| parameters.value(name).ok_or(DigestError::Missing(name));
    let algorithm = parse_algorithm(parameters.value("algorithm"))?;
    let response = HexHash::parse(algorithm, required("response")?).ok_or(DigestError::Improper("response"))?;
    if !required("qop")?.eq_ignore_ascii_case("auth") {
        return Err(DigestError::Improper("qop"));
    }
    let nc_text = required("nc")?;
    let cnonce = required("cnonce")?;
    // RFC 7616 section 3.4: an ASCII-only string.
    if cnonce.is_empty() || !cnonce.is_ascii() {
        return Err(DigestError::Improper("cnonce"));
    }
    Ok(DigestCredentials {
        user: parse_user(parameters, algorithm)?,
        realm: required("realm")?,
        nonce: required("nonce")?,
        uri: required("uri")?,
        response,
        algorithm,
        cnonce,
        nc_text,
        nc: parse_nc(nc_text)?,
        opaque: required("opaque")?,
    })
}

/// `H(A1)`, what an htdigest file stores: `H(username ":" realm ":" password)`.
///
/// Source: RFC 7616 section 3.4.2.
#[must_use]
pub fn compute_a1(algorithm: DigestAlgorithm, user: &str, realm: &str, password: &str) -> HexHash {
    compute_hash(algorithm, &[user.as_bytes(), realm.as_bytes(), password.as_bytes()])
}

/// The hashed user name: `H(username ":" realm)`.
///
/// Source: RFC 7616 section 3.4.4.
#[must_use]
pub fn compute_user_hash(algorithm: DigestAlgorithm, user: &str, realm: &str) -> HexHash {
    compute_hash(algorithm, &[user.as_bytes(), realm.as_bytes()])
}

/// The response that these credentials should carry if `a1` is the user's `H(A1)`.
///
/// Source: RFC 7616 sections 3.4.1 and 3.4.3, `qop=auth`.
#[must_use]
pub fn compute_response(credentials: &DigestCredentials<'_>, a1: &HexHash, method: &Method) -> HexHash {
    let a2 = compute_hash(credentials.algorithm, &[method.as_str().as_bytes(), credentials.uri.as_bytes()]);
    compute_hash(
        credentials.algorithm,
        &[
            a1.as_bytes(),
            credentials.nonce.as_bytes(),
            credentials.nc_text.as_bytes(),
            credentials.cnonce.as_bytes(),
            b"auth",
            a2.as_bytes(),
        ],
    )
}

/// Does a `uri` parameter name the resource of this request?
///
/// Yes if it is the path and query of the target (or `*`), its absolute form, or for CONNECT its
/// `host:port`; paths compare octet by octet, scheme and host without regard to case.
///
/// Source: RFC 7616 section 3.4.6.
#[must_use]
pub fn names_target(uri: &str, method: &Method, target: &Target) -> bool {
    let is_connect = method == Method::CONNECT;
    if uri.starts_with('/') || uri == "*" {
        return !is_connect && uri == &*target.path_and_query;
    }
    if !is_connect && is_written_out(uri, target) {
        return true;
    }
    let Ok(named) = uri.parse::<Uri>() else { return false };
    // The absolute form needs no Host field beside it, which HTTP/1.0 may lack.
    let arrival = Arrival { forward: is_connect, tls: false, http10: true };
    match target::parse(arrival, method, &named, &HeaderMap::new()) {
        Ok(named) if is_connect => named.host == target.host && named.port == target.port,
        Ok(named) => named == *target,
        Err(_) => false,
    }
}

/// Is this the target's absolute form, letter for letter as we write it? Most clients of a forward proxy write it so.
fn is_written_out(uri: &str, target: &Target) -> bool {
    let path = &*target.path_and_query;
    let written = uri.strip_prefix(target.scheme.as_str()).and_then(|rest| rest.strip_prefix("://"));
    let authority = written.and_then(|rest| rest.strip_suffix(path));
    path.starts_with('/') && authority.is_some_and(|authority| authority == target.authority())
}

/// A missing algorithm means MD5 (RFC 7616 section 3.3); session variants are not offered.
fn parse_algorithm(name: Option<&str>) -> Result<DigestAlgorithm, DigestError> {
    let Some(name) = name else { return Ok(DigestAlgorithm::Md5) };
    [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512_256, DigestAlgorithm::Md5]
        .into_iter()
        .find(|algorithm| algorithm_name(*algorithm).eq_ignore_ascii_case(name))
        .ok_or(DigestError::Improper("algorithm"))
}

/// ABNF (RFC 7616 section 3.4): `nc-value = 8LHEX`; the first request counts 1.
fn parse_nc(text: &str) -> Result<u32, DigestError> {
    let is_count = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match u32::from_str_radix(text, 16) {
        Ok(nc) if is_count && nc > 0 => Ok(nc),
        _ => Err(DigestError::Improper("nc")),
    }
}

/// `username`, `username*` or a hashed `username`; never two of them.
///
/// Source: RFC 7616 sections 3.4 and 3.4.4.
fn parse_user<'a>(parameters: &'a Parameters<'_>, algorithm: DigestAlgorithm) -> Result<UserName<'a>, DigestError> {
    let is_hashed = match parameters.value("userhash") {
        Some(flag) if flag.eq_ignore_ascii_case("true") => true,
        Some(flag) if !flag.eq_ignore_ascii_case("false") => return Err(DigestError::Improper("userhash")),
        _ => false,
    };
    match (parameters.value("username"), parameters.value("username*")) {
        (Some(hash), None) if is_hashed => {
            HexHash::parse(algorithm, hash).map(UserName::Hashed).ok_or(DigestError::Improper("username"))
        }
        (Some(name), None) => Ok(UserName::Clear(grammar::normalise(name))),
        (None, Some(extended)) if !is_hashed => {
            let name = parse_extended(extended).ok_or(DigestError::Improper("username*"))?;
            Ok(UserName::Clear(Cow::Owned(grammar::normalise(&name).into_owned())))
        }
        (None, None) => Err(DigestError::Missing("username")),
        (_, Some(_)) => Err(DigestError::Improper("username*")),
    }
}

/// ABNF (RFC 5987 section 3.2.1): `ext-value = charset "'" [ language ] "'" value-chars`; UTF-8 only.
fn parse_extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return None;
    }
    let mut octets = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.bytes();
    while let Some(byte) = bytes.next() {
        octets.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            _ if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) => byte,
            _ => return None,
        });
    }
    String::from_utf8(octets).ok().filter(|name| !name.chars().any(char::is_control))
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
