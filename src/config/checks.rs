//! What no single section shows: open proxies, credentials in clear, listeners that cannot work.
//!
//! RFC 7617 section 4 and RFC 9110 section 17.16 (credentials in clear), RFC 9110 section 11.7.1
//! (a challenge somebody can answer).
//!
//! # Deviations
//!
//! none

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::contradictions;
use super::mistakes::Source;
use super::sections::{Draft, Placed};
use super::settings::{AccessRule, Auth, AuthScheme, Listener, ListenerAuth, Mode, PartitionBy, Policy, Settings, Upstream};
use crate::target::Host;

/// Checks the draft and makes it the settings; mistakes are recorded in the source.
pub(super) fn complete(source: &Source<'_>, draft: Draft) -> Settings {
    let Draft { mut settings, listeners, upstreams, policies, response_policies, routes, sound, candidate: _ } = draft;
    check_apart(source, &listeners, settings.admin.as_ref().map(|admin| admin.address));
    for listener in &listeners {
        if sound.auth {
            check_users(source, listener, &settings.auth);
            check_cleartext(source, listener, &settings.auth);
        }
        if sound.access {
            check_open_proxy(source, listener, &settings.access);
        }
        if sound.routes && listener.value.mode == Mode::Gateway && routes.is_empty() {
            note(source, listener, "expected at least one [[route]] for a gateway, found none");
        }
    }
    contradictions::warn_of_requests(source, &policies, &routes);
    contradictions::warn_of_responses(source, &response_policies);
    settings.policies = policies.into_iter().map(|placed| placed.value).collect();
    if settings.policies.last().is_none_or(|last| last.name != Policy::DEFAULT_NAME) {
        settings.policies.push(Policy::default());
    }
    settings.response_policies = response_policies.into_iter().map(|placed| placed.value).collect();
    check_partitions(source, &listeners, &settings.policies);
    let admin = settings.admin.iter().map(|admin| admin.address);
    let own: Vec<SocketAddr> = listeners.iter().map(|listener| listener.value.address).chain(admin).collect();
    for upstream in &upstreams {
        check_loop(source, upstream, &own);
    }
    let auth = &settings.auth;
    let offered = auth.schemes.iter().copied().filter(|scheme| auth.has_users(*scheme)).collect();
    settings.auth.schemes = offered;
    settings.listeners = listeners.into_iter().map(|placed| placed.value).collect();
    settings.upstreams = upstreams.into_iter().map(|placed| placed.value).collect();
    settings.routes = routes;
    settings
}

fn note<T>(source: &Source<'_>, place: &Placed<T>, message: &str) {
    source.note_absence(&place.at, format!("{}: {message}", place.path));
}

/// Names and addresses are unique; port 0 means a free one and is not compared.
fn check_apart(source: &Source<'_>, listeners: &[Placed<Listener>], admin: Option<SocketAddr>) {
    for (at, listener) in listeners.iter().enumerate() {
        let others = || listeners.iter().take(at).map(|other| &other.value);
        let Listener { name, address, .. } = &listener.value;
        if others().any(|other| other.name == *name) {
            note(source, listener, &format!("expected a name of its own, found \"{name}\" again"));
        }
        let taken = others().any(|other| other.address == *address) || admin == Some(*address);
        if taken && address.port() != 0 {
            note(source, listener, &format!("expected an address of its own, found {address} again"));
        }
    }
}

/// A gateway that is its own origin would ask itself for ever, and the admin address is never a
/// target.
///
/// Source: RFC 9110 section 7.6.3.
fn check_loop(source: &Source<'_>, upstream: &Placed<Upstream>, own: &[SocketAddr]) {
    for server in &upstream.value.servers {
        let Host::Address(address) = server.host else { continue };
        let reaches = |own: &SocketAddr| {
            let every_interface = own.ip().is_unspecified() && is_loopback(address);
            own.port() == server.port && (own.ip() == address || every_interface)
        };
        if own.iter().any(reaches) {
            note(source, upstream, &format!("expected servers other than our own listeners, found {server}"));
        }
    }
}

/// A listener that asks for credentials which nobody can have would refuse everybody.
fn check_users(source: &Source<'_>, listener: &Placed<Listener>, auth: &Auth) {
    let asks = listener.value.auth != ListenerAuth::None;
    if !asks || auth.schemes.iter().any(|scheme| auth.has_users(*scheme)) {
        return;
    }
    let keys: Vec<&str> = auth.schemes.iter().map(|scheme| users_key(*scheme)).collect();
    let word = listener.value.auth.as_str();
    let message = format!(
        "expected users because auth is \"{word}\", found no password file; set {}, or auth = \"none\" here",
        keys.join(" or ")
    );
    note(source, listener, &message);
}

fn users_key(scheme: AuthScheme) -> &'static str {
    match scheme {
        AuthScheme::Basic => "auth.basic.htpasswd",
        AuthScheme::Digest => "auth.digest.htdigest",
    }
}

/// Where nobody is asked who they are, everybody is one partition, and nothing is narrowed.
fn check_partitions(source: &Source<'_>, listeners: &[Placed<Listener>], policies: &[Policy]) {
    let Some(policy) = policies.iter().find(|policy| policy.partition == PartitionBy::Principal) else { return };
    let Some(first) = listeners.first().filter(|_| listeners.iter().all(|listener| listener.value.auth == ListenerAuth::None))
    else {
        return;
    };
    let message = format!(
        "expected a listener that asks for credentials because policy \"{}\" has partition = \"principal\", found auth = \"none\"; \
         set auth, or partition = \"credential\"",
        policy.name
    );
    note(source, first, &message);
}

/// Basic sends the password itself.
///
/// Source: RFC 7617 section 4.
fn check_cleartext(source: &Source<'_>, listener: &Placed<Listener>, auth: &Auth) {
    let Listener { auth: asks, tls, address, .. } = &listener.value;
    let offers_basic =
        *asks != ListenerAuth::None && auth.schemes.contains(&AuthScheme::Basic) && auth.has_users(AuthScheme::Basic);
    if offers_basic && tls.is_none() && !is_loopback(address.ip()) && !auth.basic.allow_cleartext {
        let message = format!(
            "expected TLS or a loopback address because Basic is offered, found {address} in clear; \
             set tls, take \"basic\" out of auth.schemes, or set auth.basic.allow_cleartext = true"
        );
        note(source, listener, &message);
    }
}

/// A forward proxy that anybody may use from anywhere is a weapon; no switch allows it.
fn check_open_proxy(source: &Source<'_>, listener: &Placed<Listener>, rules: &[AccessRule]) {
    let Listener { mode, auth, address, .. } = &listener.value;
    let asks_nobody = *mode == Mode::Forward && *auth == ListenerAuth::None && !is_loopback(address.ip());
    if asks_nobody && (rules.is_empty() || rules.iter().any(admits_the_world)) {
        let message = format!(
            "expected auth, a loopback address, or networks in every [[access]] rule that allows, \
             found an open proxy on {address}"
        );
        note(source, listener, &message);
    }
}

/// Does the rule let somebody in without a name, wherever they come from? A rule that names users
/// never matches where nobody is asked.
fn admits_the_world(rule: &AccessRule) -> bool {
    let covers_all = || IpNet::aggregate(&rule.networks).iter().any(|network| network.prefix_len() == 0);
    rule.allow && rule.users.is_empty() && (rule.networks.is_empty() || covers_all())
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
