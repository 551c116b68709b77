//! `[[listener]]` and `[admin]`.
//!
//! RFC 9213 section 2.2 (target lists), RFC 9110 section 11.7 (proxy authentication).
//!
//! # Deviations
//!
//! none

use http::HeaderName;

use super::Placed;
use crate::config::reader::Section;
use crate::config::settings::{Admin, Listener, ListenerAuth, Mode, Tls};

/// Every `[[listener]]`; one at least.
pub(super) fn read_listeners(root: &mut Section<'_>) -> Vec<Placed<Listener>> {
    let sections = root.sections("listener");
    if sections.is_empty() {
        root.source.note_absence(&root.at, "listener: expected at least one [[listener]], found none".to_owned());
    }
    sections.into_iter().filter_map(read_listener).collect()
}

fn read_listener(mut section: Section<'_>) -> Option<Placed<Listener>> {
    let name = section.require("name", "\"edge\"", |v| v.name());
    let address = section.require("address", "\"127.0.0.1:3128\"", |v| v.address());
    let modes = [("forward", Mode::Forward), ("gateway", Mode::Gateway)];
    let mode = section.require("mode", "\"forward\"", |v| v.word(&modes));
    let mut auth = ListenerAuth::Proxy;
    let words = [("proxy", ListenerAuth::Proxy), ("origin", ListenerAuth::Origin), ("none", ListenerAuth::None)];
    section.set("auth", &mut auth, |v| v.word(&words));
    let tls = section.section("tls").and_then(read_tls);
    let (mut trusted_peers, mut targeted_fields) = (Vec::new(), default_target_list(mode));
    section.set_list("trusted_peers", &mut trusted_peers, |v| v.network());
    section.set_list("targeted_fields", &mut targeted_fields, |v| v.field_name());
    section.refuse_unless("proxy_protocol", "false");
    let (at, path) = (section.at.clone(), section.path.clone());
    section.finish();
    let value = Listener { name: name?, address: address?, mode: mode?, auth, tls, trusted_peers, targeted_fields };
    Some(Placed { value, at, path })
}

/// A gateway is close to its origins and obeys what they say to CDNs; a proxy is not meant by it.
///
/// Source: RFC 9213 section 3.1.
fn default_target_list(mode: Option<Mode>) -> Vec<HeaderName> {
    match mode {
        Some(Mode::Gateway) => vec![HeaderName::from_static("cdn-cache-control")],
        Some(Mode::Forward) | None => Vec::new(),
    }
}

fn read_tls(mut section: Section<'_>) -> Option<Tls> {
    let certificate = section.require("certificate", "\"server.pem\"", |v| v.file());
    let key = section.require("key", "\"server.key\"", |v| v.file());
    section.finish();
    Some(Tls { certificate: certificate?, key: key? })
}

/// `[admin]`, which needs a token where others than this machine can reach it.
pub(super) fn read_admin(root: &mut Section<'_>) -> Option<Admin> {
    let mut section = root.section("admin")?;
    let address = section.require("address", "\"127.0.0.1:9128\"", |v| v.address());
    let has_token = section.value("token_file").is_some();
    let mut token_file = None;
    section.set_some("token_file", &mut token_file, |v| v.file());
    let exposed = address.filter(|address| !address.ip().to_canonical().is_loopback() && !has_token);
    if let Some(address) = exposed {
        let message = format!("admin.token_file: expected a value because {address} is not loopback, found none");
        section.source.note_absence(&section.position("address"), message);
    }
    section.finish();
    Some(Admin { address: address?, token_file })
}
