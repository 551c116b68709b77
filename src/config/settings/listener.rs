//! Where clients and the operator connect: `[[listener]]` and `[admin]`.
//!
//! RFC 9112 section 3.2 (which target forms a role takes), RFC 9110 sections 11.6 and 11.7 (which
//! fields ask for credentials), RFC 9213 section 2.2 (target lists).
//!
//! # Deviations
//!
//! none

use std::net::SocketAddr;
use std::path::PathBuf;

use http::HeaderName;
use ipnet::IpNet;

/// One `[[listener]]`.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The name in metrics and logs.
    pub name: String,
    /// The socket address to bind.
    pub address: SocketAddr,
    /// Forward proxy or gateway.
    pub mode: Mode,
    /// Who asks for credentials, and how.
    pub auth: ListenerAuth,
    /// Certificate and key for TLS, if the listener speaks it.
    pub tls: Option<Tls>,
    /// Networks whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_peers: Vec<IpNet>,
    /// RFC 9213 target list, most specific first.
    pub targeted_fields: Vec<HeaderName>,
}

/// The role of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// absolute-form and CONNECT.
    Forward,
    /// origin-form and absolute-form, through routes.
    Gateway,
}

/// Which field carries the credentials that the gateway itself consumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerAuth {
    /// 407 and `Proxy-Authorization`.
    Proxy,
    /// 401 and `Authorization`, consumed here.
    Origin,
    /// Nobody is asked.
    None,
}

/// PEM files of a TLS listener.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// `[admin]`.
#[derive(Clone, Debug)]
pub struct Admin {
    /// The socket address to bind.
    pub address: SocketAddr,
    /// File with the bearer token for calls; required unless the address is loopback.
    pub token_file: Option<PathBuf>,
}

impl Mode {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Gateway => "gateway",
        }
    }
}

impl ListenerAuth {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Origin => "origin",
            Self::None => "none",
        }
    }
}
