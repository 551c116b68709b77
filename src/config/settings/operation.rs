//! What the operator sees and what bounds every exchange: `[log]`, `[trace]` and `[limits]`.
//!
//! RFC 9110 section 17.5 and RFC 9112 section 9.5 (lengths and times are bounded).
//!
//! # Deviations
//!
//! none

use std::path::PathBuf;
use std::time::Duration;

use super::destination::Server;
use crate::cache::rules::canary::Share;

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// JSON or text on standard error.
    pub json: bool,
    /// Where the access log goes.
    pub access: AccessLogTarget,
}

/// `log.access`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Standard error.
    Stderr,
    /// Appended to a file, created with private mode.
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// `[trace]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Who is told; none: nobody.
    pub collector: Option<Collector>,
    /// Share of exchanges that are told.
    pub sample: Share,
}

/// `trace.otlp`: the URL that spans are posted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    /// Its scheme is `http`.
    pub server: Server,
    /// Begins with a slash.
    pub path: String,
}

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request or response head, bytes.
    pub header_bytes: usize,
    /// Most field lines in a head.
    pub header_fields: usize,
    /// A request head must be complete within this.
    pub header_time: Duration,
    /// An idle client connection is closed after this.
    pub idle_time: Duration,
    /// An idle tunnel is closed after this.
    pub tunnel_idle_time: Duration,
    /// Bound on connecting upstream, TLS handshake included.
    pub connect_time: Duration,
    /// Bound on the first byte of an upstream response.
    pub first_byte_time: Duration,
    /// How long a stopping gateway waits for exchanges in the air.
    pub drain_time: Duration,
    /// Most connections from one client address.
    pub connections_per_address: usize,
}

impl Default for Log {
    fn default() -> Self {
        Self { json: true, access: AccessLogTarget::Stderr }
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self { collector: None, sample: Share::EACH }
    }
}

impl std::fmt::Display for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.server, self.path)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 << 10,
            header_fields: 100,
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            tunnel_idle_time: Duration::from_secs(60),
            connect_time: Duration::from_secs(3),
            first_byte_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(10),
            connections_per_address: 1024,
        }
    }
}
