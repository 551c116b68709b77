//! Rules by host and path: the hosts that cover one, and of their paths those that it starts with.
//!
//! Paths that a prefix covers stand behind it in alphabetical order, so that what covers a path is found by one binary search and
//! then by going from each prefix to the next shorter one that it starts with.

use std::collections::{BTreeMap, HashMap};

use crate::config::settings::{HostPattern, PathPattern};
use crate::target::Host;

/// Of more hosts times paths a rule is filed by its hosts alone.
const MOST_PLACES: usize = 64;

/// A host with a path.
pub(super) type Place = (HostPattern, PathPattern);

/// Everything that these conditions cover, each place once; nothing where they cover every place.
pub(super) fn of(hosts: &[HostPattern], paths: &[PathPattern]) -> Vec<Place> {
    let hosts = super::distinct(hosts.iter().map(canonical));
    let paths = super::distinct(paths.iter().cloned());
    let any_host = hosts.is_empty() || hosts.contains(&HostPattern::Any);
    let every_path = PathPattern::Prefix("/".into());
    let any_path = paths.is_empty() || paths.contains(&every_path);
    if any_host && any_path {
        return Vec::new();
    }
    let hosts = if any_host { vec![HostPattern::Any] } else { hosts };
    let has_too_many = !any_host && hosts.len().saturating_mul(paths.len()) > MOST_PLACES;
    let paths = if any_path || has_too_many { vec![every_path] } else { paths };
    hosts.iter().flat_map(|host| paths.iter().map(move |path| (host.clone(), path.clone()))).collect()
}

/// Source: RFC 4291 section 2.5.5.2.
fn canonical(host: &HostPattern) -> HostPattern {
    match host {
        HostPattern::Exact(Host::Address(address)) => HostPattern::Exact(Host::Address(address.to_canonical())),
        other => other.clone(),
    }
}

/// Rules by the places that they name.
#[derive(Debug, Default)]
pub(super) struct Places {
    exact: HashMap<Host, Paths>,
    /// By suffix with its leading dot.
    below: HashMap<Box<str>, Paths>,
    /// The length of the longest of those suffixes in bytes.
    longest: usize,
    any: Option<Paths>,
}

impl Places {
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.below.is_empty() && self.any.is_none()
    }

    pub(super) fn add(&mut self, (host, path): &Place, rule: usize) {
        let paths = match host {
            HostPattern::Exact(host) => self.exact.entry(host.clone()).or_default(),
            HostPattern::Below(suffix) => {
                self.longest = self.longest.max(suffix.len());
                self.below.entry(suffix.clone()).or_default()
            }
            HostPattern::Any => self.any.get_or_insert_default(),
        };
        paths.add(path, rule);
    }

    /// Once everything is added, before anything is looked for.
    pub(super) fn arrange(&mut self) {
        self.exact.values_mut().chain(self.below.values_mut()).chain(&mut self.any).for_each(Paths::arrange);
    }

    /// Shows the rules of every place that covers this one, of the most specific host first.
    pub(super) fn visit(&self, host: &Host, path: &str, among: &mut impl FnMut(&[usize])) {
        let exact = match host {
            Host::Address(address) => self.exact.get(&Host::Address(address.to_canonical())),
            Host::Name(_) => self.exact.get(host),
        };
        let above = self.above(host).filter_map(|suffix| self.below.get(suffix));
        for paths in exact.into_iter().chain(above).chain(&self.any) {
            paths.visit(path, among);
        }
    }

    /// Every suffix of the name that begins with a dot and that a pattern may have, the longest first.
    fn above<'h>(&self, host: &'h Host) -> impl Iterator<Item = &'h str> {
        let name = match host {
            Host::Name(name) => &**name,
            Host::Address(_) => "",
        };
        let tail = name.len().saturating_sub(self.longest);
        let dots = name.bytes().enumerate().skip(tail).filter(|(_, byte)| *byte == b'.');
        dots.filter_map(|(at, _)| name.get(at..)).filter(|suffix| suffix.len() < name.len())
    }
}

/// Rules by path.
#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, Vec<usize>>,
    added: BTreeMap<Box<str>, Vec<usize>>,
    /// In alphabetical order.
    prefixes: Vec<Prefix>,
}

#[derive(Debug)]
struct Prefix {
    path: Box<str>,
    /// The longest other prefix that this one starts with.
    shorter: Option<usize>,
    rules: Vec<usize>,
}

impl Paths {
    fn add(&mut self, path: &PathPattern, rule: usize) {
        let rules = match path {
            PathPattern::Exact(path) => self.exact.entry(path.clone()).or_default(),
            // `/*` covers what does not begin with a slash, too.
            PathPattern::Prefix(path) if **path == *"/" => self.added.entry("".into()).or_default(),
            PathPattern::Prefix(_) | PathPattern::Glob(_) => self.added.entry(path.start().into()).or_default(),
        };
        rules.push(rule);
    }

    fn arrange(&mut self) {
        let mut open: Vec<(usize, Box<str>)> = Vec::new();
        for (at, (path, rules)) in std::mem::take(&mut self.added).into_iter().enumerate() {
            while open.pop_if(|(_, shorter)| !path.starts_with(&**shorter)).is_some() {}
            let shorter = open.last().map(|(at, _)| *at);
            open.push((at, path.clone()));
            self.prefixes.push(Prefix { path, shorter, rules });
        }
    }

    fn visit(&self, path: &str, among: &mut impl FnMut(&[usize])) {
        if let Some(rules) = self.exact.get(path) {
            among(rules);
        }
        // The longest prefix that covers the path is the last one before it, or one that this starts with.
        let mut next = self.prefixes.partition_point(|prefix| *prefix.path <= *path).checked_sub(1);
        while let Some(prefix) = next.and_then(|at| self.prefixes.get(at)) {
            if path.starts_with(&*prefix.path) {
                among(&prefix.rules);
            }
            next = prefix.shorter;
        }
    }
}
