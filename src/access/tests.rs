mod found;

use std::sync::Arc;

use super::*;
use crate::auth::Scheme as AuthScheme;
use crate::config;
use crate::target::Scheme;

/// Access rules in configuration text, compiled for a gateway that listens on 127.0.0.1:3128.
fn access(text: &str) -> Access {
    let listener = "[[listener]]\nname = \"l\"\naddress = \"127.0.0.1:3128\"\nmode = \"forward\"\nauth = \"none\"\n";
    let settings = config::parse(&format!("{listener}{text}"), "test.toml", std::path::Path::new("/")).unwrap();
    Access::new(&settings, &["127.0.0.1:3128".parse().unwrap()])
}

/// `METHOD url` by a user from an address; "-" is nobody.
fn question(user: &str, request: &str, client: &str, method: &Method) -> Question<'static> {
    let (scheme, rest) = request.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, format!("/{path}")));
    let (host, port) = authority.rsplit_once(':').unwrap();
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let name = (user != "-").then(|| Arc::from(user));
    // The method outlives the test; leaking five bytes keeps the table short.
    let method = Box::leak(Box::new(method.clone()));
    Question {
        principal: Principal { name, scheme: AuthScheme::Basic },
        target: Target { scheme, host: Host::parse(host).unwrap(), port: port.parse().unwrap(), path_and_query: path.into() },
        method,
        client: client.parse().unwrap(),
        mode: Mode::Forward,
    }
}

fn decide(access: &Access, user: &str, request: &str) -> String {
    match access.decide(question(user, request, "192.0.2.1", &Method::GET)) {
        Ok(_) => "allowed".to_owned(),
        Err(Denied::Rule(rule)) => rule,
        Err(other) => other.to_string(),
    }
}

#[test]
fn without_rules_everybody_is_admitted() {
    let access = access("");
    let permit = access.decide(question("alice", "http://example.com:80/x?y", "192.0.2.1", &Method::GET)).unwrap();
    assert_eq!(permit.principal().name.as_deref(), Some("alice"));
    assert_eq!(&*permit.target().path_and_query, "/x?y");
}

#[test]
fn the_first_matching_rule_decides_and_no_match_refuses() {
    let access = access(
        r#"
        [[access]]
        name = "no-admin"
        allow = false
        paths = ["/admin*"]
        [[access]]
        name = "staff"
        allow = true
        users = ["alice", "bob"]
        hosts = ["*.example.com"]
        [[access]]
        name = "public"
        allow = true
        hosts = ["www.example.org"]
        paths = ["/pub/*"]
        "#,
    );
    let cases = [
        ("alice", "http://a.example.com:80/", "allowed"),
        ("alice", "http://a.example.com:80/admin", "no-admin"),
        ("alice", "http://a.example.com:80/%61dmin", "no-admin"),
        ("alice", "http://a.example.com:80/x/..%2fadmin", "no-admin"),
        ("alice", "http://a.example.com:80//admin", "no-admin"),
        ("alice", "http://example.com:80/", "no-match"),
        ("carol", "http://a.example.com:80/", "no-match"),
        ("-", "http://a.example.com:80/", "no-match"),
        ("-", "http://www.example.org:80/pub/a", "allowed"),
        ("-", "http://www.example.org:80/pub/../secret", "no-match"),
        ("-", "http://www.example.org:80/pub/%2e%2e/secret", "no-match"),
        ("-", "http://www.example.org:80/pub/@scope%2fname", "allowed"),
    ];
    for (user, request, expect) in cases {
        assert_eq!(decide(&access, user, request), expect, "{user} {request}");
    }
}

#[test]
fn every_condition_of_a_rule_must_hold() {
    let access = access(
        r#"
        [[access]]
        name = "narrow"
        allow = true
        networks = ["192.0.2.0/24"]
        ports = [8080]
        methods = ["GET"]
        schemes = ["http"]
        "#,
    );
    let allowed = |request: &str, client: &str, method: &Method| access.decide(question("-", request, client, method)).is_ok();
    assert!(allowed("http://h:8080/", "192.0.2.9", &Method::GET));
    assert!(allowed("http://h:8080/", "::ffff:192.0.2.9", &Method::GET));
    assert!(!allowed("http://h:8080/", "198.51.100.1", &Method::GET));
    assert!(!allowed("http://h:80/", "192.0.2.9", &Method::GET));
    assert!(!allowed("http://h:8080/", "192.0.2.9", &Method::POST));
    assert!(!allowed("https://h:8080/", "192.0.2.9", &Method::GET));
}

#[test]
fn connect_and_plain_requests_have_ports_of_their_own() {
    let access = access("");
    let ports = |method: &Method| -> Vec<u16> {
        let open = |port: &u16| access.decide(question("-", &format!("https://example.com:{port}"), "192.0.2.1", method)).is_ok();
        (1..=u16::MAX).filter(open).collect()
    };
    assert_eq!(ports(&Method::CONNECT), [443]);
    assert_eq!(ports(&Method::GET), [80, 443, 8080]);
}

#[test]
fn addresses_are_guarded_before_any_rule_and_names_later() {
    let access = access("[forward]\nallow_networks = [\"127.0.0.0/8\"]\nallow_ports = [80, 3128]");
    assert_eq!(decide(&access, "-", "http://10.0.0.1:80/"), "destination not allowed: private address");
    assert_eq!(decide(&access, "-", "http://[::ffff:10.0.0.1]:80/"), "destination not allowed: private address");
    assert_eq!(decide(&access, "-", "http://127.0.0.1:80/"), "allowed");
    assert_eq!(decide(&access, "-", "http://127.0.0.1:3128/"), "destination not allowed: the gateway's own address");
    assert_eq!(decide(&access, "-", "http://localhost:3128/"), "allowed");
    assert!(access.check_destination("127.0.0.1:3128".parse().unwrap()).is_err());
    assert!(access.is_own("0.0.0.0:3128".parse().unwrap()));
}

#[test]
fn a_gateway_is_addressed_by_its_own_name_and_connects_elsewhere() {
    let access = access("");
    let mut asked = question("-", "http://127.0.0.1:3128/", "127.0.0.1", &Method::GET);
    asked.mode = Mode::Gateway;
    assert!(access.decide(asked).is_ok());
}
