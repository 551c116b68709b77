//! The syntax of credentials: written anew they say the same, and nothing shows what they hold.
//!
//! RFC 9110 sections 5.6.4 and 11.4, RFC 7617 section 2, RFC 7616 section 3.4.
//!
//! # Deviations
//!
//! none

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;

use super::Sure as _;
use crate::auth::basic;
use crate::auth::digest::{self, DigestError, compute_response};
use crate::auth::grammar::{self, GrammarError, Parameters, Payload};
use crate::fields::is_token;
use crate::target::parse_uri;

/// Parameters that Digest knows, and one that nobody does.
const NAMES: [&str; 13] =
    ["username", "username*", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "nc", "qop", "opaque", "userhash", "x"];

/// The input is the value of a `Proxy-Authorization` field.
pub fn credentials(data: &[u8]) {
    let read = match grammar::parse(data) {
        Ok(read) => read,
        Err(error) => {
            assert!(error != GrammarError::NotUtf8 || std::str::from_utf8(data).is_err());
            assert!(error != GrammarError::TooLong || data.len() > 64);
            return;
        }
    };
    assert!(data.len() <= grammar::MAX_CREDENTIALS_BYTES && std::str::from_utf8(data).is_ok());
    assert!(is_token(read.scheme.as_bytes()), "{}", read.scheme);
    assert_eq!(format!("{read:?}"), "Credentials(***)");
    let blanks = [b" \t", data, b"\t "].concat();
    assert!(
        data.len() + 4 > grammar::MAX_CREDENTIALS_BYTES || grammar::parse(&blanks).as_ref() == Ok(&read),
        "white space around"
    );
    match &read.payload {
        Payload::Token68(token) => check_token(token),
        Payload::Parameters(parameters) => check_parameters(read.scheme, parameters),
    }
}

/// Base64 has one spelling, and the first colon parts user and password.
fn check_token(token: &str) {
    assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",\\".contains(&byte)));
    let Ok(pair) = basic::parse(token) else { return };
    let octets = STANDARD.decode(token).sure("what was read as base64");
    assert_eq!(STANDARD.encode(&octets), token, "a second spelling of the same octets");
    let is_clean = |text: &str| !text.chars().any(char::is_control);
    assert!(!pair.user.contains(':') && is_clean(&pair.user) && is_clean(&pair.password));
    assert_eq!(format!("{pair:?}"), "BasicCredentials(***)");
    let again = basic::parse(&STANDARD.encode(format!("{}:{}", pair.user, &*pair.password)));
    // Form C may be longer than what it was made of.
    assert!(again.as_ref() == Ok(&pair) || again == Err(basic::BasicError::TooLong), "form C is its own form C");
}

/// Written in quotes, in another order and in capitals they say the same; each is there once.
fn check_parameters(scheme: &str, parameters: &Parameters<'_>) {
    let known: Vec<(&str, &str)> = NAMES.iter().filter_map(|name| Some((*name, parameters.value(name)?))).collect();
    let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut written: Vec<String> =
        known.iter().map(|(name, value)| format!("{}=\"{}\"", name.to_ascii_uppercase(), quote(value))).collect();
    written.reverse();
    let text = format!("{scheme} {}", written.join(" ,,\t"));
    if text.len() > grammar::MAX_CREDENTIALS_BYTES {
        return;
    }
    let Ok(grammar::Credentials { payload: Payload::Parameters(again), .. }) = grammar::parse(text.as_bytes()) else {
        panic!("{text} was refused");
    };
    for name in NAMES {
        assert_eq!(parameters.value(name), again.value(name), "{name} in {text}");
    }
    if let Some(one) = written.first() {
        let twice = format!("{text}, {one}");
        let is_long = twice.len() > grammar::MAX_CREDENTIALS_BYTES;
        assert!(is_long || grammar::parse(twice.as_bytes()) == Err(GrammarError::Duplicate), "{twice} has one twice");
    }
    let (first, second) = (digest::parse(parameters), digest::parse(&again));
    assert!(first == second, "the order of parameters says something");
    check_digest(&first);
}

fn check_digest(read: &Result<digest::DigestCredentials<'_>, DigestError>) {
    let Ok(read) = read else { return };
    assert!(read.nc > 0 && u32::from_str_radix(read.nc_text, 16) == Ok(read.nc) && read.nc_text.len() == 8);
    assert_eq!(format!("{read:?}"), "DigestCredentials(***)");
    let a1 = digest::HexHash::zero(read.algorithm);
    let proof = compute_response(read, &a1, &Method::GET);
    assert!(!proof.equals(&compute_response(read, &a1, &Method::HEAD)), "a proof is of one method");
    let target = parse_uri("http://example.com:8080/a?b=c").sure("a target");
    if digest::names_target(read.uri, &Method::GET, &target) {
        let is_path = read.uri == &*target.path_and_query;
        assert!(is_path || parse_uri(read.uri).as_ref() == Ok(&target), "{} names another resource", read.uri);
    }
}
