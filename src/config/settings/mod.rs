//! What is in force: the configuration after reading, resolving and filling in defaults.
//!
//! Every other room receives these values and never sees the text they came from. Paths are
//! absolute (resolved against the configuration file), sizes are bytes, durations are
//! [`std::time::Duration`]s. Each setting is declared once: its meaning is the field's documentation, its
//! default the `Default` of the struct, its range is checked where it is read.
//!
//! # Deviations
//!
//! none

mod access;
mod auth;
mod destination;
mod listener;
mod operation;
mod pattern;
mod policy;
mod response_policy;

use std::path::PathBuf;

pub use access::AccessRule;
pub use auth::{Auth, AuthScheme, Basic, BuiltinUser, Digest, DigestAlgorithm};
pub use destination::{Forward, Route, Server, Upstream};
pub use listener::{Admin, Listener, ListenerAuth, Mode, Tls};
pub use operation::{AccessLogTarget, Collector, Limits, Log, Trace};
pub use pattern::{HostPattern, PathPattern};
pub use policy::{
    AnonymousEntries, Cache, CacheMethods, Credentials, PartitionBy, Policy, PolicyAuthorization, PolicyMatch, SetCookie,
};
pub use response_policy::{Changes, MediaPattern, ResponsePolicy, StatusRange};

/// The whole configuration in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// The operator's listener, if any.
    pub admin: Option<Admin>,
    /// Realm, schemes and password files.
    pub auth: Auth,
    /// First match decides; empty: everybody admitted may do everything.
    pub access: Vec<AccessRule>,
    /// Limits on forward-proxy destinations.
    pub forward: Forward,
    /// Named groups of origin servers.
    pub upstreams: Vec<Upstream>,
    /// Which upstream answers for which host and path in gateway mode.
    pub routes: Vec<Route>,
    /// Memory and object bounds of the cache.
    pub cache: Cache,
    /// Cache policies; always contains one named `default`, last.
    pub policies: Vec<Policy>,
    /// Policies with conditions on the response, in the order they are tried; no route names them.
    pub response_policies: Vec<ResponsePolicy>,
    /// Log format and destination.
    pub log: Log,
    /// Who is told of exchanges as spans of a trace.
    pub trace: Trace,
    /// Every finite bound.
    pub limits: Limits,
    /// Another configuration whose policies are evaluated beside these without acting.
    pub shadow: Option<Shadow>,
    /// What is in force and cannot do what was meant, one a text: `file:line:column: key: ...`.
    pub warnings: Vec<String>,
}

/// `[shadow]`.
#[derive(Clone, Debug)]
pub struct Shadow {
    /// The candidate's file.
    pub file: PathBuf,
    /// What would be in force under it; its policies, its routes' policies and its bound of a body are looked at.
    pub settings: Box<Settings>,
}

impl Default for Settings {
    /// No listener, and every other section left out.
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            admin: None,
            auth: Auth::default(),
            access: Vec::new(),
            forward: Forward::default(),
            upstreams: Vec::new(),
            routes: Vec::new(),
            cache: Cache::default(),
            policies: vec![Policy::default()],
            response_policies: Vec::new(),
            log: Log::default(),
            trace: Trace::default(),
            limits: Limits::default(),
            shadow: None,
            warnings: Vec::new(),
        }
    }
}
