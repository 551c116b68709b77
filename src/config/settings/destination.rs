//! Where requests go: `[forward]`, `[[upstream]]` and `[[route]]`.
//!
//! RFC 9110 section 3.7 (proxies and gateways), section 9.3.6 (CONNECT is limited to known ports).
//!
//! # Deviations
//!
//! none

use std::path::PathBuf;

use ipnet::IpNet;

use super::{HostPattern, PathPattern};
use crate::target::{Host, Scheme};

/// `[forward]`.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Ports CONNECT may reach.
    pub connect_ports: Vec<u16>,
    /// Ports plain requests may reach.
    pub allow_ports: Vec<u16>,
    /// Destinations outside the public internet that are allowed.
    pub allow_networks: Vec<IpNet>,
    /// PEM bundle used instead of the system's roots for `https` targets.
    pub ca_file: Option<PathBuf>,
}

/// One `[[upstream]]`.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The name in routes, metrics and logs.
    pub name: String,
    /// `scheme://host:port` of each server.
    pub servers: Vec<Server>,
    /// PEM bundle used instead of the system's roots for `https` servers.
    pub ca_file: Option<PathBuf>,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Name or address.
    pub host: Host,
    /// Port, filled in from the scheme when left out.
    pub port: u16,
}

/// One `[[route]]`.
#[derive(Clone, Debug)]
pub struct Route {
    /// Host pattern; `Any` when left out.
    pub host: HostPattern,
    /// Path pattern; `/*` when left out.
    pub path: PathPattern,
    /// Index into [`super::Settings::upstreams`].
    pub upstream: usize,
    /// Index into [`super::Settings::policies`]; none: the first whose match fits.
    pub policy: Option<usize>,
}

impl Default for Forward {
    fn default() -> Self {
        Self { connect_ports: vec![443], allow_ports: vec![80, 443, 8080], allow_networks: Vec::new(), ca_file: None }
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", self.scheme.as_str(), self.host, self.port)
    }
}
