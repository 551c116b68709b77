//! From the request target's form to the target URI; what is ambiguous is refused.
//!
//! RFC 9112 section 3.2 (request target forms, `Host`), RFC 9110 section 7.1 (target URI),
//! section 4.2.4 (userinfo), section 9.3.6 (CONNECT).
//!
//! # Deviations
//!
//! - userinfo in an http URI is refused instead of ignored (RFC 9110 section 4.2.4 advises to treat
//!   it as an error, it is a phishing device and a credential that caches overlook).
//! - A host that only looks like an IPv4 address (`0x7f.1`, `2130706433`) is refused: resolvers
//!   read such spellings as addresses, and no guard should have to guess.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri, header};
use parking_lot::Mutex;

/// The scheme of a target URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`, default port 80.
    Http,
    /// `https`, default port 443.
    Https,
}

impl Scheme {
    /// The scheme's name in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URI of this scheme means when it names none.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// The host part of an authority, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A canonical IP literal.
    Address(IpAddr),
    /// A registered name in lower case, without a trailing dot.
    Name(Arc<str>),
}

impl Host {
    /// Reads a host as it stands in an authority: a registered name, an IPv4 literal, or an IPv6
    /// literal in brackets.
    ///
    /// # Errors
    ///
    /// [`TargetError::InvalidHost`] for empty names, characters that no host name has, numeric
    /// spellings that are not canonical IPv4, and labels that are too long.
    ///
    /// Source: RFC 3986 section 3.2.2, RFC 1035 section 2.3.4.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address = inner.parse().map_err(|_| TargetError::InvalidHost)?;
            return Ok(Self::Address(IpAddr::V6(address)));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_name = !name.is_empty()
            && name.len() <= 253
            && name.split('.').all(is_label)
            && !name.rsplit('.').next().is_some_and(looks_numeric);
        if !is_name {
            return Err(TargetError::InvalidHost);
        }
        Ok(Self::Name(name.to_ascii_lowercase().into()))
    }
}

impl Host {
    /// Writes it as it stands in an authority; this is done for every request that goes to an origin.
    fn append_to(&self, text: &mut Vec<u8>) {
        match self {
            Self::Name(name) => text.extend_from_slice(name.as_bytes()),
            Self::Address(address) => append_address(text, *address),
        }
    }
}

fn append_address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                text.extend_from_slice(if at == 0 { b"" } else { b"." });
                text.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(address) => text.extend_from_slice(format!("[{address}]").as_bytes()),
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A label of letters, digits, hyphen and underscore, at most 63 of them (underscore occurs in names
/// of private networks).
fn is_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A last label that a resolver would read as a number: digits, or `0x` and hex digits.
fn looks_numeric(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|b| b.is_ascii_digit()) || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A target URI: what the client wants, whatever form it wrote.
///
/// Source: RFC 9110 section 7.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `http` or `https`; for CONNECT it has no meaning and is `https`.
    pub scheme: Scheme,
    /// Host in one spelling.
    pub host: Host,
    /// Port, filled in from the scheme.
    pub port: u16,
    /// Path and query exactly as sent; `*` for asterisk-form; empty for CONNECT.
    pub path_and_query: Box<str>,
}

impl Target {
    /// The path without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query.split('?').next().unwrap_or_default()
    }

    /// The query without its question mark, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.path_and_query.split_once('?').map(|(_, query)| query)
    }

    /// `host` or `host:port` as a `Host` field carries it, the default port left out.
    #[must_use]
    pub fn authority(&self) -> String {
        let mut text = Vec::with_capacity(24);
        self.write_authority(&mut text);
        // Host names are ASCII.
        String::from_utf8(text).unwrap_or_default()
    }

    /// Writes the same; this is done for every request that goes to an origin.
    pub fn write_authority(&self, text: &mut Vec<u8>) {
        self.host.append_to(text);
        if self.port != self.scheme.default_port() {
            text.push(b':');
            text.extend_from_slice(itoa::Buffer::new().format(self.port).as_bytes());
        }
    }

    /// Whether `other` names the same origin (scheme, host and port).
    ///
    /// Source: RFC 9110 section 4.3.1.
    #[must_use]
    pub fn is_same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host == other.host && self.port == other.port
    }
}

/// Why a request target is refused; the answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No `Host` field in an HTTP/1.1 request.
    #[error("expected one Host field, found none")]
    MissingHost,
    /// More than one `Host` field line.
    #[error("expected one Host field, found several")]
    SeveralHosts,
    /// The host is not a host name or address.
    #[error("expected a host name or a canonical address, found something else")]
    InvalidHost,
    /// The port is empty, zero, not a number or above 65535.
    #[error("expected a port between 1 and 65535")]
    InvalidPort,
    /// The authority carries userinfo.
    #[error("expected no user information in the target, found some; send credentials in Authorization")]
    Userinfo,
    /// The scheme is neither http nor https.
    #[error("expected the scheme http or https")]
    UnsupportedScheme,
    /// origin-form sent to a forward proxy.
    #[error("expected an absolute target such as http://host/path, as proxies receive it")]
    NotAbsolute,
    /// The form does not fit the method or the listener.
    #[error("the form of the request target does not fit this method or listener")]
    WrongForm,
}

/// Where a request came in, as far as its target depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// A forward listener insists on absolute-form or CONNECT.
    pub forward: bool,
    /// The client's connection is TLS: origin-form then means `https`.
    pub tls: bool,
    /// HTTP/1.0 may come without `Host`.
    pub http10: bool,
}

/// The authority that was read last on one connection: clients send the same one with every request.
#[derive(Debug, Default)]
pub struct LastAuthority(Mutex<Option<(Box<str>, Authority)>>);

/// Host and port, if one is named.
type Authority = (Host, Option<u16>);

impl LastAuthority {
    /// Reads an authority, or knows it.
    fn read(&self, text: &str) -> Result<Authority, TargetError> {
        let mut last = self.0.lock();
        if let Some((known, authority)) = &*last
            && **known == *text
        {
            return Ok(authority.clone());
        }
        let authority = parse_authority(text)?;
        *last = Some((text.into(), authority.clone()));
        Ok(authority)
    }
}

/// Reads the request target of one request.
///
/// The absolute-form wins over `Host`, which must still be valid and single.
///
/// # Errors
///
/// A [`TargetError`] that names what is ambiguous or wrong.
///
/// Source: RFC 9112 sections 3.2, 3.2.1 to 3.2.4 and 3.3; RFC 9110 section 9.3.6.
pub fn parse(arrival: Arrival, method: &Method, uri: &Uri, fields: &HeaderMap) -> Result<Target, TargetError> {
    parse_after(&LastAuthority::default(), arrival, (method, uri), fields)
}

/// The same on a connection on which another one was read before.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_after(
    last: &LastAuthority,
    arrival: Arrival,
    (method, uri): (&Method, &Uri),
    fields: &HeaderMap,
) -> Result<Target, TargetError> {
    let host = host_field(last, arrival, fields)?;
    if method == Method::CONNECT {
        return parse_connect(arrival, uri);
    }
    if uri.scheme().is_some() {
        return parse_absolute(last, uri);
    }
    if uri.authority().is_some() {
        return Err(TargetError::WrongForm);
    }
    if arrival.forward {
        return Err(TargetError::NotAbsolute);
    }
    let scheme = if arrival.tls { Scheme::Https } else { Scheme::Http };
    let (host, port) = host.ok_or(TargetError::MissingHost)?;
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    if path_and_query == "*" && method != Method::OPTIONS {
        return Err(TargetError::WrongForm);
    }
    Ok(Target { scheme, host, port: port.unwrap_or(scheme.default_port()), path_and_query: path_and_query.into() })
}

/// The single `Host` field, checked even where the absolute-form overrides it.
///
/// Source: RFC 9112 section 3.2: missing, repeated or invalid Host is 400.
fn host_field(last: &LastAuthority, arrival: Arrival, fields: &HeaderMap) -> Result<Option<Authority>, TargetError> {
    let mut lines = fields.get_all(header::HOST).iter();
    let Some(line) = lines.next() else {
        return if arrival.http10 { Ok(None) } else { Err(TargetError::MissingHost) };
    };
    if lines.next().is_some() {
        return Err(TargetError::SeveralHosts);
    }
    let text = line.to_str().map_err(|_| TargetError::InvalidHost)?;
    if text.is_empty() {
        // An empty Host is what a client sends for a target without authority (RFC 9110 section
        // 7.2); it only helps where the absolute-form names the host.
        return Ok(None);
    }
    last.read(text).map(Some)
}

/// `host`, `host:port` or `[v6]:port`.
///
/// ABNF (RFC 3986): `authority = [ userinfo "@" ] host [ ":" port ]`.
fn parse_authority(text: &str) -> Result<Authority, TargetError> {
    if text.contains('@') {
        return Err(TargetError::Userinfo);
    }
    let after_bracket = text.rfind(']').map_or(0, |at| at + 1);
    let colon = text.get(after_bracket..).and_then(|rest| rest.find(':')).map(|at| at + after_bracket);
    let (host, port) = match colon {
        Some(at) => (text.get(..at).unwrap_or_default(), text.get(at + 1..)),
        None => (text, None),
    };
    let host = Host::parse(host)?;
    let port = match port {
        // `host:` means the default port in a URI (RFC 3986 section 6.2.3).
        None | Some("") => None,
        Some(digits) => Some(parse_port(digits)?),
    };
    Ok((host, port))
}

fn parse_port(digits: &str) -> Result<u16, TargetError> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(TargetError::InvalidPort);
    }
    match digits.parse::<u16>() {
        Ok(0) | Err(_) => Err(TargetError::InvalidPort),
        Ok(port) => Ok(port),
    }
}

/// authority-form: CONNECT must name host and port.
///
/// Source: RFC 9110 section 9.3.6: an empty or invalid port is rejected.
fn parse_connect(arrival: Arrival, uri: &Uri) -> Result<Target, TargetError> {
    if !arrival.forward
        || uri.scheme().is_some()
        || uri.path_and_query().is_some_and(|path| path.as_str() != "/" && !path.as_str().is_empty())
    {
        return Err(TargetError::WrongForm);
    }
    let authority = uri.authority().ok_or(TargetError::WrongForm)?;
    let (host, port) = parse_authority(authority.as_str())?;
    let port = port.ok_or(TargetError::InvalidPort)?;
    Ok(Target { scheme: Scheme::Https, host, port, path_and_query: "".into() })
}

/// Reads a URI with scheme and authority as the target that a request for it has.
///
/// # Errors
///
/// A [`TargetError`] that names what is wrong.
///
/// Source: RFC 9110 section 7.1.
pub fn parse_uri(text: &str) -> Result<Target, TargetError> {
    let uri: Uri = text.parse().map_err(|_| TargetError::NotAbsolute)?;
    if uri.scheme().is_none() || uri.authority().is_none() {
        return Err(TargetError::NotAbsolute);
    }
    parse_absolute(&LastAuthority::default(), &uri)
}

/// absolute-form: `http://host/path`.
fn parse_absolute(last: &LastAuthority, uri: &Uri) -> Result<Target, TargetError> {
    let scheme = match uri.scheme_str() {
        Some(name) if name.eq_ignore_ascii_case("http") => Scheme::Http,
        Some(name) if name.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => return Err(TargetError::UnsupportedScheme),
    };
    let authority = uri.authority().ok_or(TargetError::InvalidHost)?;
    let (host, port) = last.read(authority.as_str())?;
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    let path_and_query: Box<str> =
        if path_and_query.starts_with('?') { format!("/{path_and_query}").into() } else { path_and_query.into() };
    Ok(Target { scheme, host, port: port.unwrap_or(scheme.default_port()), path_and_query })
}

#[cfg(test)]
mod tests;
