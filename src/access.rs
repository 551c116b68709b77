//! Who may do what: principal, target, method and source become a [`Permit`], or a refusal.
//!
//! RFC 9110 section 15.5.4 (403: credentials that do not suffice), section 9.3.6 (CONNECT is
//! limited to known ports), section 17.1 (authority), RFC 3986 section 6.2.2 (spellings of one
//! path).
//!
//! # Deviations
//!
//! - A rule that names paths compares every spelling under which an origin may read the path: to
//!   admit, all of them must match; to refuse, one is enough.

mod guard;
mod spelling;

use std::net::{IpAddr, SocketAddr};

use http::Method;

use crate::access::guard::Guard;
use crate::access::spelling::spellings;
use crate::auth::Principal;
use crate::config::settings::{AccessRule, Mode, PathPattern, Settings};
use crate::error::Denied;
use crate::index::{Asked, Index, Named};
use crate::target::{Host, Target};

/// The name under which a request is refused that no rule matches.
const NO_MATCH: &str = "no-match";

/// Proof that access control let this exchange through; the only key to cache and upstream.
///
/// Only [`Access::decide`] makes one, so that reaching a stored body without access control does not
/// compile.
#[derive(Clone, Debug)]
pub struct Permit {
    principal: Principal,
    target: Target,
}

impl Permit {
    /// Who was let through.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What they were let through to.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }
}

/// What is to be decided on.
#[derive(Debug)]
pub struct Question<'a> {
    /// Who asks; the permit takes it over.
    pub principal: Principal,
    /// For what; the permit takes it over.
    pub target: Target,
    /// With which method; CONNECT has ports of its own.
    pub method: &'a Method,
    /// From where.
    pub client: IpAddr,
    /// Forward listeners have the destination guard, gateways their routes.
    pub mode: Mode,
}

/// The compiled `[[access]]` rules, the port lists and the destination guard.
#[derive(Debug)]
pub struct Access {
    rules: Vec<AccessRule>,
    index: Index,
    names_networks: bool,
    connect_ports: Vec<u16>,
    allow_ports: Vec<u16>,
    guard: Guard,
}

impl Access {
    /// Compiles the rules; `own` are the addresses that this process listens on.
    #[must_use]
    pub fn new(settings: &Settings, own: &[SocketAddr]) -> Self {
        Self {
            index: Index::new(settings.access.iter().map(named)),
            names_networks: settings.access.iter().any(|rule| !rule.networks.is_empty()),
            rules: settings.access.clone(),
            connect_ports: settings.forward.connect_ports.clone(),
            allow_ports: settings.forward.allow_ports.clone(),
            guard: Guard::new(&settings.forward.allow_networks, own),
        }
    }

    /// May this principal do this? First match decides.
    ///
    /// A forward target is first held against the port lists and, when it is an address, against
    /// the destination guard; a name is held against it once it is resolved
    /// ([`Access::check_destination`]). A gateway connects to its upstreams, never to the target.
    ///
    /// # Errors
    ///
    /// [`Denied::Rule`] or [`Denied::Destination`].
    ///
    /// Source: RFC 9110 sections 9.3.6 and 15.5.4.
    pub fn decide(&self, question: Question<'_>) -> Result<Permit, Denied> {
        if question.mode == Mode::Forward {
            self.check_port(question.method, question.target.port)?;
            if let Host::Address(address) = question.target.host {
                self.check_destination(SocketAddr::new(address, question.target.port))?;
            }
        }
        self.check_rules(&question)?;
        Ok(Permit { principal: question.principal, target: question.target })
    }

    /// Whether any rule looks at where a request comes from.
    #[must_use]
    pub fn names_networks(&self) -> bool {
        self.names_networks
    }

    /// May this address be connected to for a forward target? Own addresses never.
    ///
    /// # Errors
    ///
    /// [`Denied::Destination`].
    pub fn check_destination(&self, address: SocketAddr) -> Result<(), Denied> {
        self.guard.check(address).map_err(Denied::Destination)
    }

    /// Is this one of our own listening addresses? Never a target, whatever is configured.
    #[must_use]
    pub fn is_own(&self, address: SocketAddr) -> bool {
        self.guard.is_own(address)
    }

    /// Source: RFC 9110 section 9.3.6: a proxy should restrict CONNECT to known ports.
    fn check_port(&self, method: &Method, port: u16) -> Result<(), Denied> {
        let (ports, reason) = if method == Method::CONNECT {
            (&self.connect_ports, "port not in forward.connect_ports")
        } else {
            (&self.allow_ports, "port not in forward.allow_ports")
        };
        if ports.contains(&port) { Ok(()) } else { Err(Denied::Destination(reason)) }
    }

    /// First match decides; no rules at all admit, rules without a match refuse.
    fn check_rules(&self, question: &Question<'_>) -> Result<(), Denied> {
        if self.rules.is_empty() {
            return Ok(());
        }
        match self.first_match(question, |rule| matches(rule, question)) {
            Some(rule) if rule.allow => Ok(()),
            Some(rule) => Err(Denied::Rule(rule.name.clone())),
            None => Err(Denied::Rule(NO_MATCH.to_owned())),
        }
    }

    /// The first rule that this question matches; only those are looked at that may.
    fn first_match(&self, question: &Question<'_>, mut matches: impl FnMut(&AccessRule) -> bool) -> Option<&AccessRule> {
        let asked = Asked {
            user: question.principal.name.as_deref(),
            client: Some(question.client.to_canonical()),
            host: &question.target.host,
            readings: || spellings(question.target.path()),
        };
        let at = self.index.first(asked, |at| self.rules.get(at).is_some_and(&mut matches))?;
        self.rules.get(at)
    }
}

/// What of a rule it is found by.
fn named(rule: &AccessRule) -> Named<'_> {
    Named { users: &rule.users, networks: &rule.networks, hosts: &rule.hosts, paths: &rule.paths }
}

/// Does every condition of the rule hold? An empty list is no condition.
fn matches(rule: &AccessRule, question: &Question<'_>) -> bool {
    let Question { principal, target, method, client, .. } = question;
    // A dual-stack listener shows IPv4 clients in their IPv6-mapped spelling (RFC 4291 section
    // 2.5.5.2); networks name them as IPv4.
    let client = client.to_canonical();
    any(&rule.users, |user| principal.name.as_deref() == Some(user.as_str()))
        && any(&rule.networks, |network| network.contains(&client))
        && any(&rule.hosts, |host| host.matches(&target.host))
        && any(&rule.ports, |port| *port == target.port)
        && any(&rule.methods, |wanted| wanted == *method)
        && any(&rule.schemes, |scheme| *scheme == target.scheme)
        && (rule.paths.is_empty() || matches_path(&rule.paths, rule.allow, target.path()))
}

fn any<T>(list: &[T], condition: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(condition)
}

/// A path that origins may read in several ways is admitted only when every reading is, and refused
/// when one is.
///
/// Source: RFC 3986 sections 6.2.2.2 and 6.2.2.3.
fn matches_path(patterns: &[PathPattern], allow: bool, path: &str) -> bool {
    let covers = |spelling: &str| patterns.iter().any(|pattern| pattern.matches(spelling));
    let mut readings = spellings(path);
    if allow { readings.all(|reading| covers(&reading)) } else { readings.any(|reading| covers(&reading)) }
}

#[cfg(test)]
mod tests;
