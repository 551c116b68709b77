//! Who may do what: `[[access]]`.
//!
//! # Deviations
//!
//! none

use http::Method;
use ipnet::IpNet;

use super::{HostPattern, PathPattern};
use crate::target::Scheme;

/// One `[[access]]`; an empty list in a rule means "any".
#[derive(Clone, Debug, Default)]
pub struct AccessRule {
    /// The name in metrics and logs.
    pub name: String,
    /// Whether a match admits or refuses.
    pub allow: bool,
    /// User names.
    pub users: Vec<String>,
    /// Client networks.
    pub networks: Vec<IpNet>,
    /// Host patterns: `example.com` or `*.example.com`.
    pub hosts: Vec<HostPattern>,
    /// Target ports.
    pub ports: Vec<u16>,
    /// Path patterns: exact, or a prefix that ends in `*`.
    pub paths: Vec<PathPattern>,
    /// Methods, upper case.
    pub methods: Vec<Method>,
    /// Target schemes.
    pub schemes: Vec<Scheme>,
}
