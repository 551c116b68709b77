//! `[[access]]`.
//!
//! # Deviations
//!
//! none

use crate::config::reader::Section;
use crate::config::settings::AccessRule;
use crate::target::Scheme;

/// Every `[[access]]`, in order: the first match decides.
pub(super) fn read(root: &mut Section<'_>) -> Vec<AccessRule> {
    let mut rules: Vec<AccessRule> = Vec::new();
    for section in root.sections("access") {
        let (source, at, path) = (section.source, section.position("name"), section.path_of("name"));
        let Some(rule) = read_rule(section) else { continue };
        if rules.iter().any(|other| other.name == rule.name) {
            source.note(&at, format!("{path}: expected a name of its own, found \"{}\" again", rule.name));
        }
        rules.push(rule);
    }
    rules
}

fn read_rule(mut section: Section<'_>) -> Option<AccessRule> {
    let name = section.require("name", "\"staff\"", |v| v.name());
    let allow = section.require("allow", "true", |v| v.flag());
    let mut rule = AccessRule::default();
    section.set_list("users", &mut rule.users, |v| v.name());
    section.set_list("networks", &mut rule.networks, |v| v.network());
    section.set_list("hosts", &mut rule.hosts, |v| v.host());
    section.set_list("ports", &mut rule.ports, |v| v.port());
    section.set_list("paths", &mut rule.paths, |v| v.path_pattern());
    section.set_list("methods", &mut rule.methods, |v| v.method());
    let schemes = [("http", Scheme::Http), ("https", Scheme::Https)];
    section.set_list("schemes", &mut rule.schemes, |v| v.word(&schemes));
    section.refuse("groups");
    section.finish();
    Some(AccessRule { name: name?, allow: allow?, ..rule })
}
