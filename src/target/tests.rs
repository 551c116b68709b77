use http::HeaderValue;

use super::*;

const FORWARD: Arrival = Arrival { forward: true, tls: false, http10: false };
const GATEWAY: Arrival = Arrival { forward: false, tls: false, http10: false };

fn read(arrival: Arrival, method: &str, uri: &str, hosts: &[&str]) -> Result<String, TargetError> {
    let mut fields = HeaderMap::new();
    for host in hosts {
        fields.append(header::HOST, HeaderValue::from_str(host).unwrap());
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    parse(arrival, &method, &uri.parse().unwrap(), &fields)
        .map(|t| format!("{}://{}:{}{}", t.scheme.as_str(), t.host, t.port, t.path_and_query))
}

#[test]
fn x012_absolute_form_wins_over_host() {
    assert_eq!(read(FORWARD, "GET", "http://A.example/x?q=%2f", &["b.example"]).unwrap(), "http://a.example:80/x?q=%2f");
    assert_eq!(read(GATEWAY, "GET", "https://a.example:8443/", &["b.example"]).unwrap(), "https://a.example:8443/");
    assert_eq!(read(FORWARD, "GET", "http://a.example?q", &["a.example"]).unwrap(), "http://a.example:80/?q");
}

/// What was read before on the connection changes nothing, whatever it was.
#[test]
fn x011_a_remembered_authority_is_read_like_a_new_one() {
    let texts =
        ["a.example", "A.example:80", "a.example:81", "10.0.0.1", "a.example:0", "a b", "u@a.example", "[::1]:8080", "a.example"];
    let last = LastAuthority::default();
    for text in texts.iter().chain(texts.iter().rev()).chain(&texts) {
        let mut fields = HeaderMap::new();
        fields.insert(header::HOST, HeaderValue::from_str(text).unwrap());
        let uri: Uri = "/x".parse().unwrap();
        let known = parse_after(&last, GATEWAY, (&Method::GET, &uri), &fields);
        assert_eq!(known, parse(GATEWAY, &Method::GET, &uri, &fields), "{text}");
        let absolute: Uri = "http://b.example/x".parse().unwrap();
        let known = parse_after(&last, FORWARD, (&Method::GET, &absolute), &fields);
        assert_eq!(known, parse(FORWARD, &Method::GET, &absolute, &fields), "{text}");
    }
}

#[test]
fn an_authority_is_written_as_it_is_displayed() {
    for host in ["a.example", "10.0.200.1", "0.0.0.0", "255.255.255.255", "[::1]", "[2001:db8::7]"] {
        for (port, suffix) in [(80, ""), (8080, ":8080"), (443, ":443")] {
            let host = Host::parse(host).unwrap();
            let target = Target { scheme: Scheme::Http, host: host.clone(), port, path_and_query: "/".into() };
            assert_eq!(target.authority(), format!("{host}{suffix}"));
        }
    }
}

#[test]
fn x011_host_must_be_single_and_valid() {
    assert_eq!(read(GATEWAY, "GET", "/x", &["a.example:8080"]).unwrap(), "http://a.example:8080/x");
    assert_eq!(read(GATEWAY, "GET", "/x", &[]).unwrap_err(), TargetError::MissingHost);
    assert_eq!(read(GATEWAY, "GET", "/x", &[""]).unwrap_err(), TargetError::MissingHost);
    assert_eq!(read(GATEWAY, "GET", "/x", &["a", "a"]).unwrap_err(), TargetError::SeveralHosts);
    assert_eq!(read(FORWARD, "GET", "http://a/x", &["a", "b"]).unwrap_err(), TargetError::SeveralHosts);
    for bad in ["a b", "a/b", "a?b", "a#b", "a,b", "[::1", "::1", "a..b", "%61"] {
        assert!(read(GATEWAY, "GET", "/x", &[bad]).is_err(), "{bad}");
    }
    assert_eq!(read(GATEWAY, "GET", "/x", &["u@a"]).unwrap_err(), TargetError::Userinfo);
    for bad in ["a:0", "a:65536", "a:x", "a:-1", "a:+80", "a: 80"] {
        assert_eq!(read(GATEWAY, "GET", "/x", &[bad]).unwrap_err(), TargetError::InvalidPort, "{bad}");
    }
}

#[test]
fn x011_http10_may_come_without_host_only_where_the_target_names_it() {
    let old = Arrival { http10: true, ..FORWARD };
    assert!(read(old, "GET", "http://a/x", &[]).is_ok());
    assert_eq!(read(Arrival { http10: true, ..GATEWAY }, "GET", "/x", &[]).unwrap_err(), TargetError::MissingHost);
}

#[test]
fn n120_connect_needs_a_valid_port() {
    assert_eq!(read(FORWARD, "CONNECT", "a.example:443", &["a.example:443"]).unwrap(), "https://a.example:443");
    assert_eq!(read(FORWARD, "CONNECT", "a.example", &["a.example"]).unwrap_err(), TargetError::InvalidPort);
    assert_eq!(read(FORWARD, "CONNECT", "a.example:0", &["a"]).unwrap_err(), TargetError::InvalidPort);
    assert_eq!(read(FORWARD, "CONNECT", "http://a.example:443/", &["a"]).unwrap_err(), TargetError::WrongForm);
    assert_eq!(read(GATEWAY, "CONNECT", "a.example:443", &["a"]).unwrap_err(), TargetError::WrongForm);
}

#[test]
fn forms_that_do_not_fit_are_refused() {
    assert_eq!(read(FORWARD, "GET", "/x", &["a"]).unwrap_err(), TargetError::NotAbsolute);
    assert_eq!(read(GATEWAY, "GET", "*", &["a"]).unwrap_err(), TargetError::WrongForm);
    assert_eq!(read(GATEWAY, "OPTIONS", "*", &["a"]).unwrap(), "http://a:80*");
    assert_eq!(read(FORWARD, "GET", "ftp://a/x", &["a"]).unwrap_err(), TargetError::UnsupportedScheme);
    assert_eq!(read(FORWARD, "GET", "http://u:p@a/x", &["a"]).unwrap_err(), TargetError::Userinfo);
}

#[test]
fn numeric_spellings_of_addresses_are_refused() {
    for bad in ["0x7f.0.0.1", "2130706433", "0177.0.0.1", "127.1", "1.2.3", "0x7f000001", "127.0.0.1.", "300.1.1.1"] {
        assert!(read(GATEWAY, "GET", "/", &[bad]).is_err(), "{bad}");
    }
    assert_eq!(read(GATEWAY, "GET", "/", &["[::FFFF:127.0.0.1]:80"]).unwrap(), "http://[::ffff:127.0.0.1]:80/");
    assert_eq!(read(GATEWAY, "GET", "/", &["a.example."]).unwrap(), "http://a.example:80/");
}
