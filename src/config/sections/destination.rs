//! `[forward]`, `[[upstream]]` and `[[route]]`.
//!
//! RFC 9110 section 9.3.6 (CONNECT is limited to known ports), section 3.7 (gateways).
//!
//! # Deviations
//!
//! none

use super::Placed;
use crate::config::reader::Section;
use crate::config::settings::{Forward, HostPattern, PathPattern, Route, Upstream};
use crate::config::value::Value;

/// `[forward]`; chains of proxies are not in this version.
pub(super) fn read_forward(root: &mut Section<'_>) -> Forward {
    let mut forward = Forward::default();
    let Some(mut section) = root.section("forward") else { return forward };
    section.set_list("connect_ports", &mut forward.connect_ports, |v| v.port());
    section.set_list("allow_ports", &mut forward.allow_ports, |v| v.port());
    section.set_list("allow_networks", &mut forward.allow_networks, |v| v.network());
    section.set_some("ca_file", &mut forward.ca_file, |v| v.file());
    section.refuse("parent");
    section.refuse_unless("parent_authorization", "\"none\"");
    section.finish();
    forward
}

/// Every `[[upstream]]`; one that does not read well keeps its name, so that routes find it.
pub(super) fn read_upstreams(root: &mut Section<'_>) -> Vec<Placed<Upstream>> {
    let mut upstreams: Vec<Placed<Upstream>> = Vec::new();
    for section in root.sections("upstream") {
        let (source, at, path) = (section.source, section.position("name"), section.path_of("name"));
        let Some(upstream) = read_upstream(section) else { continue };
        if upstreams.iter().any(|other| other.value.name == upstream.value.name) {
            source.note(&at, format!("{path}: expected a name of its own, found \"{}\" again", upstream.value.name));
        }
        upstreams.push(upstream);
    }
    upstreams
}

fn read_upstream(mut section: Section<'_>) -> Option<Placed<Upstream>> {
    let name = section.require("name", "\"api\"", |v| v.name());
    let servers = section.require("servers", "[\"http://127.0.0.1:8000\"]", |v| v.distinct(Value::server));
    let mut ca_file = None;
    section.set_some("ca_file", &mut ca_file, |v| v.file());
    let placed = name.map(|name| Placed::new(&section, Upstream { name, servers: servers.unwrap_or_default(), ca_file }));
    section.finish();
    placed
}

/// The names that routes may refer to, in order.
pub(super) fn names(upstreams: &[Placed<Upstream>]) -> Vec<String> {
    upstreams.iter().map(|upstream| upstream.value.name.clone()).collect()
}

/// Every `[[route]]`, references resolved.
pub(super) fn read_routes(root: &mut Section<'_>, upstreams: &[String], policies: &(Vec<String>, &str)) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for section in root.sections("route") {
        let (source, at, name) = (section.source, section.at.clone(), section.path.clone());
        let Some(route) = read_route(section, upstreams, policies) else { continue };
        if routes.iter().any(|other| other.host == route.host && other.path == route.path) {
            let found = format!("{} {} again", route.host, route.path);
            source.note(&at, format!("{name}: expected a host and path of its own, found {found}"));
        }
        routes.push(route);
    }
    routes
}

fn read_route(mut section: Section<'_>, upstreams: &[String], (policies, expected): &(Vec<String>, &str)) -> Option<Route> {
    let (mut host, mut path, mut policy) = (HostPattern::Any, PathPattern::Prefix("/".into()), None);
    section.set("host", &mut host, |v| v.host());
    section.set("path", &mut path, |v| v.path_pattern());
    let upstream = section.require("upstream", "\"api\"", |v| refer(v, "the name of an [[upstream]]", upstreams));
    section.set_some("policy", &mut policy, |v| refer(v, expected, policies));
    section.finish();
    upstream.map(|upstream| Route { host, path, upstream, policy })
}

/// The index of the thing that is named.
fn refer(value: &Value<'_>, expected: &str, names: &[String]) -> Option<usize> {
    let name = value.text()?;
    let at = names.iter().position(|other| other == name);
    at.or_else(|| value.mistake_near(expected, names.iter().map(String::as_str)))
}
