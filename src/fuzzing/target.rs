//! Request targets: one spelling of each, a key of its own for each, and no trace of the request before.
//!
//! RFC 9112 section 3.2, RFC 9110 section 7.1, RFC 9111 section 4.
//!
//! # Deviations
//!
//! none

use std::sync::OnceLock;

use http::header::{self, HeaderMap};
use http::{Method, Uri};

use super::{Sure as _, fields, lines};
use crate::cache::key::hash_of;
use crate::keyed::Keyed;
use crate::target::{Arrival, Host, LastAuthority, Scheme, Target, parse, parse_after, parse_uri};

/// One request: method, target, and its fields.
struct Asked {
    method: Method,
    uri: Uri,
    fields: HeaderMap,
}

/// Requests, parted by empty lines: `GET http://host/path` and field lines.
///
/// What is taken has one spelling, which is read as the same again, and which another reader of URIs agrees with; it does not
/// depend on the request before it; keys are equal where targets are and nowhere else.
pub fn target(data: &[u8]) {
    let all: Vec<&[u8]> = lines(data).collect();
    let requests: Vec<Asked> = all.split(|line| line.is_empty()).filter_map(Asked::read).take(4).collect();
    for bits in 0..8 {
        let arrival = Arrival { forward: bits & 1 != 0, tls: bits & 2 != 0, http10: bits & 4 != 0 };
        let last = LastAuthority::default();
        let mut taken = Vec::new();
        for asked in &requests {
            let read = parse(arrival, &asked.method, &asked.uri, &asked.fields);
            let after = parse_after(&last, arrival, (&asked.method, &asked.uri), &asked.fields);
            assert_eq!(read, after, "the request before it made a difference");
            if let Ok(target) = read {
                asked.check(arrival, &target);
                taken.push(target);
            }
        }
        check_keys(&taken);
    }
}

impl Asked {
    fn read(lines: &[&[u8]]) -> Option<Self> {
        let (first, rest) = lines.split_first()?;
        let (method, uri) = std::str::from_utf8(first).ok()?.split_once(' ')?;
        Some(Self { method: method.parse().ok()?, uri: uri.parse().ok()?, fields: fields(rest) })
    }

    /// What holds of every target that is taken.
    fn check(&self, arrival: Arrival, target: &Target) {
        let hosts = self.fields.get_all(header::HOST).iter().count();
        assert!(hosts == 1 || hosts == 0 && arrival.http10, "{hosts} Host fields were accepted");
        assert!(target.port != 0);
        let host = target.host.to_string();
        assert_eq!(Host::parse(&host).as_ref(), Ok(&target.host), "another spelling of one host");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() && !byte.is_ascii_uppercase() || b"-_.:[]".contains(&byte);
        assert!(host.bytes().all(is_plain), "{host}");
        if self.method == Method::CONNECT {
            assert!(arrival.forward && target.path_and_query.is_empty());
            return;
        }
        let path = &*target.path_and_query;
        assert!(path.starts_with('/') || path == "*", "{path}");
        assert!(path.bytes().all(|byte| byte > b' ' && byte != 0x7f), "{path}");
        if path != "*" {
            let written = format!("{}://{}{path}", target.scheme.as_str(), target.authority());
            assert_eq!(parse_uri(&written).as_ref(), Ok(target), "{written}");
        }
        self.check_by_another_reader(target);
    }

    /// The `http` crate takes authorities apart by itself.
    fn check_by_another_reader(&self, target: &Target) {
        let Some(host) = self.uri.host() else {
            assert!(self.uri.authority().is_none());
            return;
        };
        let plain = host.to_ascii_lowercase();
        let plain = plain.strip_suffix('.').unwrap_or(&plain);
        match &target.host {
            Host::Name(name) => assert_eq!(&**name, plain),
            Host::Address(address) => assert_eq!(plain.trim_matches(['[', ']']).parse().ok(), Some(*address)),
        }
        let is_tls = self.uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        assert_eq!(target.scheme, if is_tls { Scheme::Https } else { Scheme::Http });
        assert_eq!(target.port, self.uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }));
    }
}

/// Keys are equal where the targets' texts are.
fn check_keys(targets: &[Target]) {
    static KEYED: OnceLock<Keyed> = OnceLock::new();
    let keyed = KEYED.get_or_init(|| Keyed::random().sure("random numbers"));
    let text = |target: &Target| format!("{} {} {} {}", target.scheme.as_str(), target.host, target.port, target.path_and_query);
    let key = |target: &Target| hash_of(keyed, target, &target.path_and_query);
    for one in targets {
        for other in targets {
            assert_eq!(text(one) == text(other), key(one) == key(other), "{one:?} {other:?}");
            assert_eq!(text(one) == text(other), one == other);
        }
        let beside = Target { port: one.port.wrapping_add(1), ..one.clone() };
        assert_ne!(key(one), key(&beside), "a port is part of a key");
        let longer = Target { path_and_query: format!("{}a", one.path_and_query).into(), ..one.clone() };
        assert_ne!(key(one), key(&longer), "all of a path is part of a key");
    }
}
