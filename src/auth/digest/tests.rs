//! RFC 7616 section 3.9 first, then each parameter on its own.

use super::*;
use crate::auth::grammar::{Payload, parse as parse_credentials};
use crate::target::{Host, Scheme};

/// RFC 7616 section 3.9.1, with `algorithm` and `response` to be filled in.
const EXAMPLE: &str = r#"Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html",
 algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
 cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth,
 response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
 opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#;

const MD5_RESPONSE: &str = "8ca523f5e9506fed4657c9700eebdbec";
const SHA_256_RESPONSE: &str = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1";

fn example() -> String {
    EXAMPLE.replace('\n', "")
}

fn with<R>(field: &str, look: impl FnOnce(Result<DigestCredentials<'_>, DigestError>) -> R) -> R {
    match parse_credentials(field.as_bytes()).unwrap().payload {
        Payload::Parameters(parameters) => look(parse(&parameters)),
        Payload::Token68(_) => panic!("{field}"),
    }
}

fn is_right(field: &str, user: &str, realm: &str, password: &str) -> bool {
    with(field, |credentials| {
        let credentials = credentials.unwrap();
        let a1 = compute_a1(credentials.algorithm, user, realm, password);
        compute_response(&credentials, &a1, &Method::GET).equals(&credentials.response)
    })
}

#[test]
fn n146_rfc7616_section_3_9_1_sha_256_and_md5() {
    let md5 = example().replace("SHA-256", "MD5").replace(SHA_256_RESPONSE, MD5_RESPONSE);
    let default = md5.replace(" algorithm=MD5,", "");
    for field in [example(), md5, default] {
        assert!(is_right(&field, "Mufasa", "http-auth@example.org", "Circle of Life"), "{field}");
        assert!(!is_right(&field, "Mufasa", "http-auth@example.org", "circle of life"), "{field}");
        assert!(!is_right(&field, "Mufasa", "http-auth@example.com", "Circle of Life"), "{field}");
    }
}

/// Section 3.9.2 with the values of erratum 4897: the printed ones truncate SHA-512 instead of
/// computing SHA-512/256.
const EXAMPLE_2: &str = r#"Digest USER, realm="api@example.org", uri="/doe.json", algorithm=SHA-512-256,
 nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", nc=00000001,
 cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", qop=auth,
 response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
 opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS""#;

fn example_2(user: &str) -> String {
    EXAMPLE_2.replace('\n', "").replace("USER", user)
}

#[test]
fn n144_n146_rfc7616_section_3_9_2_user_hash() {
    let hash = "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b";
    let field = example_2(&format!("username=\"{hash}\", userhash=true"));
    assert!(is_right(&field, "Jäsøn Doe", "api@example.org", "Secret, or not?"));
    let expected = compute_user_hash(DigestAlgorithm::Sha512_256, "Jäsøn Doe", "api@example.org");
    with(&field, |credentials| assert_eq!(credentials.unwrap().user, UserName::Hashed(expected)));
    assert_eq!(expected.as_bytes(), hash.as_bytes());
}

#[test]
fn n144_rfc7616_section_3_9_2_extended_user_name() {
    for user in [
        "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, userhash=false",
        "username*=utf-8'en'J%c3%a4s%C3%B8n%20Doe",
        "username=\"Jäsøn Doe\"",
        "username=\"Ja\u{308}søn Doe\"",
    ] {
        let field = example_2(user);
        assert!(is_right(&field, "Jäsøn Doe", "api@example.org", "Secret, or not?"), "{user}");
        with(&field, |credentials| assert_eq!(credentials.unwrap().user, UserName::Clear("Jäsøn Doe".into()), "{user}"));
    }
}

#[test]
fn n144_user_names_that_are_refused() {
    let hash = "7".repeat(64);
    for (user, error) in [
        ("username=a, username*=UTF-8''a".to_owned(), DigestError::Improper("username*")),
        ("x=y".to_owned(), DigestError::Missing("username")),
        ("username*=UTF-8''a, userhash=true".to_owned(), DigestError::Improper("username*")),
        ("username*=UTF-8'a".to_owned(), DigestError::Improper("username*")),
        ("username*=ISO-8859-1''a".to_owned(), DigestError::Improper("username*")),
        ("username*=UTF-8''%ff".to_owned(), DigestError::Improper("username*")),
        ("username*=UTF-8''%4".to_owned(), DigestError::Improper("username*")),
        ("username*=UTF-8''%+4".to_owned(), DigestError::Improper("username*")),
        ("username*=UTF-8''a%0Ab".to_owned(), DigestError::Improper("username*")),
        ("username*=\"UTF-8''a b\"".to_owned(), DigestError::Improper("username*")),
        ("username=alice, userhash=true".to_owned(), DigestError::Improper("username")),
        (format!("username={hash}, userhash=maybe"), DigestError::Improper("userhash")),
    ] {
        with(&example_2(&user), |credentials| assert_eq!(credentials.unwrap_err(), error, "{user}"));
    }
}

#[test]
fn n142_every_parameter_is_required() {
    for name in ["realm", "nonce", "uri", "response", "cnonce", "nc", "qop", "opaque", "username"] {
        let field = example().replace(&format!(" {name}="), &format!(" x-{name}="));
        with(&field, |credentials| assert_eq!(credentials.unwrap_err(), DigestError::Missing(name)));
    }
}

#[test]
fn n142_nc_must_be_eight_hex_digits() {
    for nc in ["1", "0000001", "000000001", "0000000g", "+0000001", "-0000001", "\"\"", "\"00000 01\"", "00000000"] {
        let field = example().replace("nc=00000001", &format!("nc={nc}"));
        with(&field, |credentials| assert_eq!(credentials.unwrap_err(), DigestError::Improper("nc"), "{nc}"));
    }
    for (nc, number) in [("0000000a", 10), ("FFFFFFFF", u32::MAX), ("\"00000001\"", 1)] {
        let field = example().replace("nc=00000001", &format!("nc={nc}"));
        with(&field, |credentials| assert_eq!(credentials.unwrap().nc, number, "{nc}"));
    }
}

#[test]
fn n142_qop_is_one_we_offered() {
    for qop in ["auth-int", "\"auth,auth-int\"", "\"\"", "none"] {
        let field = example().replace("qop=auth", &format!("qop={qop}"));
        with(&field, |credentials| assert_eq!(credentials.unwrap_err(), DigestError::Improper("qop"), "{qop}"));
    }
    with(&example().replace("qop=auth", "qop=\"auth\""), |credentials| assert!(credentials.is_ok()));
}

#[test]
fn improper_values_are_refused() {
    for (from, to, error) in [
        ("algorithm=SHA-256", "algorithm=SHA-256-sess", DigestError::Improper("algorithm")),
        ("algorithm=SHA-256", "algorithm=SHA-1", DigestError::Improper("algorithm")),
        ("algorithm=SHA-256", "algorithm=MD5", DigestError::Improper("response")),
        (SHA_256_RESPONSE, MD5_RESPONSE, DigestError::Improper("response")),
        ("753927fa", "753927fx", DigestError::Improper("response")),
        ("cnonce=\"f2/", "cnonce=\"ä/", DigestError::Improper("cnonce")),
        ("cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\"", "cnonce=\"\"", DigestError::Improper("cnonce")),
    ] {
        with(&example().replace(from, to), |credentials| assert_eq!(credentials.unwrap_err(), error, "{to}"));
    }
}

#[test]
fn n016_n017_names_and_hex_digits_compare_without_case() {
    let field = example()
        .replace("response=", "RESPONSE=")
        .replace("SHA-256", "sha-256")
        .replace(SHA_256_RESPONSE, &SHA_256_RESPONSE.to_ascii_uppercase());
    assert!(is_right(&field, "Mufasa", "http-auth@example.org", "Circle of Life"));
}

#[test]
fn n146_the_digest_covers_method_uri_nonce_count_and_cnonce() {
    for (from, to) in [
        ("/dir/index", "/dir/Index"),
        ("7ypf", "8ypf"),
        ("nc=00000001", "nc=00000002"),
        ("f2/w", "f3/w"),
        ("753927fa", "753927fb"),
    ] {
        assert!(!is_right(&example().replace(from, to), "Mufasa", "http-auth@example.org", "Circle of Life"), "{to}");
    }
    with(&example(), |credentials| {
        let credentials = credentials.unwrap();
        let a1 = compute_a1(credentials.algorithm, "Mufasa", "http-auth@example.org", "Circle of Life");
        assert!(!compute_response(&credentials, &a1, &Method::HEAD).equals(&credentials.response));
    });
}

fn target(path_and_query: &str) -> Target {
    Target { scheme: Scheme::Http, host: Host::parse("example.com").unwrap(), port: 80, path_and_query: path_and_query.into() }
}

#[test]
fn n145_the_uri_names_the_requested_resource() {
    for (uri, path) in [
        ("/a?b=c", "/a?b=c"),
        ("http://example.com/a?b=c", "/a?b=c"),
        ("HTTP://EXAMPLE.com:80/a", "/a"),
        ("http://example.com", "/"),
        ("http://example.com/", "/"),
        ("http://example.com?q", "/?q"),
        ("*", "*"),
    ] {
        assert!(names_target(uri, &Method::GET, &target(path)), "{uri}");
    }
    for (uri, path) in [
        ("/a", "/b"),
        ("/a", "/a?b"),
        ("/A", "/a"),
        ("/a/", "/a"),
        ("/%61", "/a"),
        ("/a/../b", "/b"),
        ("*", "/"),
        ("", "/"),
        ("a", "/a"),
        ("https://example.com/a", "/a"),
        ("http://example.com:8080/a", "/a"),
        ("http://example.org/a", "/a"),
        ("http://user@example.com/a", "/a"),
        ("http://example.com/b/a", "/a"),
        ("http:///a", "/a"),
        ("//example.com/a", "/a"),
        ("example.com:80", "/"),
        ("http://", "/"),
    ] {
        assert!(!names_target(uri, &Method::GET, &target(path)), "{uri}");
    }
}

#[test]
fn n145_connect_is_named_by_host_and_port() {
    let tunnel =
        Target { scheme: Scheme::Https, host: Host::parse("example.com").unwrap(), port: 443, path_and_query: "".into() };
    for uri in ["example.com:443", "EXAMPLE.com:443"] {
        assert!(names_target(uri, &Method::CONNECT, &tunnel), "{uri}");
    }
    for uri in ["example.com", "example.com:80", "example.org:443", "/", "*", "", "https://example.com:443", "example.com:443/"] {
        assert!(!names_target(uri, &Method::CONNECT, &tunnel), "{uri}");
    }
}

#[test]
fn debug_shows_no_secret() {
    with(&example(), |credentials| {
        let credentials = credentials.unwrap();
        assert_eq!(format!("{credentials:?} {:?}", credentials.response), "DigestCredentials(***) HexHash(***)");
    });
}
