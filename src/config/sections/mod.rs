//! The sections of the configuration: which keys each has, what a value may be, what is not in
//! this version.
//!
//! # Deviations
//!
//! none

mod access;
mod auth;
mod destination;
mod listener;
mod operation;
mod policy;
mod response_policy;

use std::ops::Range;
use std::path::PathBuf;

use super::reader::Section;
use super::settings::{BuiltinUser, Listener, Policy, ResponsePolicy, Route, Settings, Upstream};

/// Something read, and where it stands, for checks that look at several sections.
pub(super) struct Placed<T> {
    /// What was read.
    pub(super) value: T,
    /// The head of its table.
    pub(super) at: Range<usize>,
    /// Its name in messages.
    pub(super) path: String,
}

impl<T> Placed<T> {
    /// Keeps the place of a section beside what was read from it.
    fn new(section: &Section<'_>, value: T) -> Self {
        Self { value, at: section.at.clone(), path: section.path.clone() }
    }

    /// Another value that stands at this place.
    fn with<U>(self, value: U) -> Placed<U> {
        Placed { value, at: self.at, path: self.path }
    }
}

/// Everything read, before the checks that look at several sections.
pub(super) struct Draft {
    /// Everything but what stands below.
    pub(super) settings: Settings,
    /// With their places.
    pub(super) listeners: Vec<Placed<Listener>>,
    /// With their places.
    pub(super) upstreams: Vec<Placed<Upstream>>,
    /// With their places; the built-in `default` has none and is no part of it.
    pub(super) policies: Vec<Placed<Policy>>,
    /// With their places.
    pub(super) response_policies: Vec<Placed<ResponsePolicy>>,
    /// Without their places, which no check asks for.
    pub(super) routes: Vec<Route>,
    /// The file of the candidate that `[shadow]` names.
    pub(super) candidate: Option<PathBuf>,
    /// Which sections may be drawn conclusions from.
    pub(super) sound: Sound,
}

/// Sections that were read without a mistake; a conclusion from the others would be a false one.
#[derive(Clone, Copy)]
pub(super) struct Sound {
    pub(super) auth: bool,
    pub(super) access: bool,
    pub(super) routes: bool,
}

/// Reads the whole document; what is missing or wrong has been recorded in its source.
pub(super) fn read(mut root: Section<'_>, builtin_user: Option<BuiltinUser>) -> Draft {
    let listeners = listener::read_listeners(&mut root);
    let admin = listener::read_admin(&mut root);
    let source = root.source;
    let start = source.count();
    let auth = auth::read(&mut root, builtin_user);
    let after_auth = source.count();
    let access = access::read(&mut root);
    let after_access = source.count();
    let forward = destination::read_forward(&mut root);
    let upstreams = destination::read_upstreams(&mut root);
    let cache = policy::read_cache(&mut root);
    let (policies, response_policies) = policy::read_policies(&mut root, &cache);
    let before_routes = source.count();
    let routes =
        destination::read_routes(&mut root, &destination::names(&upstreams), &policy::names(&policies, &response_policies));
    let sound = Sound { auth: after_auth == start, access: after_access == after_auth, routes: source.count() == before_routes };
    let (log, trace) = (operation::read_log(&mut root), operation::read_trace(&mut root));
    let limits = operation::read_limits(&mut root);
    let candidate = operation::read_shadow(&mut root);
    root.finish();
    let settings = Settings {
        listeners: Vec::new(),
        admin,
        auth,
        access,
        forward,
        upstreams: Vec::new(),
        routes: Vec::new(),
        cache,
        policies: Vec::new(),
        response_policies: Vec::new(),
        log,
        trace,
        limits,
        shadow: None,
        warnings: Vec::new(),
    };
    Draft { settings, listeners, upstreams, policies, response_policies, routes, candidate, sound }
}
