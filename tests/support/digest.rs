//! The client's half of Digest (RFC 7616), with every parameter open to abuse.

use md5::Md5;
use sha2::Digest as _;
use sha2::{Sha256, Sha512_256};

use super::answer::{Answer, split_outside_quotes};
use super::toml::password_of;

/// A Digest challenge's parameters, names in lower case, values without quotes.
#[derive(Clone, Debug)]
pub struct Challenge(Vec<(String, String)>);

impl Challenge {
    /// Reads one challenge: `Digest realm="...", ...`; none if it is of another scheme.
    pub fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.split_once(' ')?;
        let pairs = split_outside_quotes(rest, ',').into_iter().filter_map(|pair| pair.split_once('='));
        let parameters = pairs.map(|(name, value)| (name.trim().to_ascii_lowercase(), unquote(value.trim()))).collect();
        scheme.eq_ignore_ascii_case("digest").then_some(Self(parameters))
    }

    /// The Digest challenges of a 407 or 401, in order, one field a challenge.
    pub fn all(answer: &Answer) -> Vec<Self> {
        let name = if answer.status == 407 { "proxy-authenticate" } else { "www-authenticate" };
        answer.fields_named(name).into_iter().filter_map(Self::parse).collect()
    }

    /// The first Digest challenge of a 407 or 401.
    pub fn of(answer: &Answer) -> Self {
        Self::all(answer).into_iter().next().unwrap_or_else(|| panic!("expected a Digest challenge, found {:?}", answer.fields))
    }

    /// A parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether the challenge says that only the nonce was at fault.
    pub fn stale(&self) -> bool {
        self.parameter("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }

    /// Credentials for this user with the right password; see [`DigestCredentials`] for everything that can be changed.
    pub fn credentials(&self, user: &str, method: &str, uri: &str) -> DigestCredentials {
        let mut credentials = DigestCredentials {
            user: user.to_owned(),
            password: password_of(user),
            method: method.to_owned(),
            parameters: Vec::new(),
        };
        let own = [("username", user), ("uri", uri), ("nc", "00000001"), ("cnonce", "0a4f113b"), ("qop", "auth")];
        let copied = ["realm", "nonce", "algorithm", "opaque"].map(|name| (name, self.parameter(name)));
        let copied = copied.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
        credentials.parameters = own.into_iter().chain(copied).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        credentials
    }
}

/// Digest credentials. The response is computed from the parameters when they are written, unless `response` was set.
#[derive(Clone, Debug)]
pub struct DigestCredentials {
    user: String,
    password: String,
    method: String,
    parameters: Vec<(String, String)>,
}

impl DigestCredentials {
    /// Another password than the right one.
    pub fn password(mut self, password: &str) -> Self {
        password.clone_into(&mut self.password);
        self
    }

    /// The nonce count.
    pub fn nc(self, count: u32) -> Self {
        self.set("nc", &format!("{count:08x}"))
    }

    /// Sets a parameter, before the response is computed of them.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self = self.remove(name);
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a parameter out.
    pub fn remove(mut self, name: &str) -> Self {
        self.parameters.retain(|(found, _)| found != name);
        self
    }

    /// Adds a second parameter of a name.
    pub fn duplicate(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the hash of the user name in its place (RFC 7616 section 3.4.4).
    pub fn userhash(self) -> Self {
        let hash = self.hash(&format!("{}:{}", self.user, self.parameter("realm")));
        self.set("username", &hash).set("userhash", "true")
    }

    /// The `response` (RFC 7616 section 3.4.1); without `qop`, as in RFC 2069.
    pub fn response(&self) -> String {
        let a1 = self.hash(&format!("{}:{}:{}", self.user, self.parameter("realm"), self.password));
        let a1 = if self.parameter("algorithm").to_ascii_lowercase().ends_with("-sess") {
            self.hash(&format!("{a1}:{}:{}", self.parameter("nonce"), self.parameter("cnonce")))
        } else {
            a1
        };
        let a2 = self.hash(&format!("{}:{}", self.method, self.parameter("uri")));
        let [nonce, nc, cnonce, qop] = ["nonce", "nc", "cnonce", "qop"].map(|name| self.parameter(name));
        let data = if qop.is_empty() { nonce.to_owned() } else { format!("{nonce}:{nc}:{cnonce}:{qop}") };
        self.hash(&format!("{a1}:{data}:{a2}"))
    }

    /// The value of Proxy-Authorization or Authorization.
    pub fn value(&self) -> String {
        let response = ("response".to_owned(), self.response());
        let own = self.parameters.iter().all(|(name, _)| name != "response").then_some(&response);
        let written = self.parameters.iter().chain(own).map(|(name, value)| match name.as_str() {
            "algorithm" | "nc" | "qop" | "userhash" => format!("{name}={value}"),
            _ => format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
        });
        format!("Digest {}", written.collect::<Vec<_>>().join(", "))
    }

    fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    fn hash(&self, text: &str) -> String {
        hash(self.parameter("algorithm"), text)
    }
}

/// Lower-case hexadecimal digits of the hash that a Digest algorithm uses; MD5 when none is named.
pub fn hash(algorithm: &str, text: &str) -> String {
    let bytes = match algorithm.to_ascii_uppercase().trim_end_matches("-SESS") {
        "SHA-256" => Sha256::digest(text).to_vec(),
        "SHA-512-256" => Sha512_256::digest(text).to_vec(),
        _ => Md5::digest(text).to_vec(),
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}
