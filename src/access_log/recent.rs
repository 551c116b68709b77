//! The last refusals: responses to requests with credentials that were not stored, and requests that were not let through.

use std::collections::VecDeque;

use parking_lot::Mutex;
use serde::Serialize;

use super::line::{format_hash, rfc3339};
use super::record::Record;
use crate::cache::CacheResult;
use crate::explain::refusal_of;

/// How many are remembered.
const MOST: usize = 50;

/// The last refusals of one process, newest first.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Refusal>>);

/// One refusal; a path without its query, no user and no credential.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// When the request came.
    pub time: String,
    /// Request method.
    pub method: String,
    /// Host and port.
    pub host: Option<String>,
    /// Path without query.
    pub path: Option<String>,
    /// The hash under which the access log knows the URL.
    pub url_hash: Option<String>,
    /// Status code of the answer.
    pub status: u16,
    /// The word that decided.
    pub reason: &'static str,
    /// What it means.
    pub rule: &'static str,
    /// Where the rule stands.
    pub source: &'static str,
}

impl Recent {
    /// Remembers this exchange if it was refused.
    pub(super) fn note(&self, record: &Record) {
        // Almost every exchange ends here.
        if record.result == CacheResult::Hit {
            return;
        }
        let Some(refusal) = Refusal::of(record) else { return };
        let mut last = self.0.lock();
        last.truncate(MOST - 1);
        last.push_front(refusal);
    }

    /// All that are remembered, newest first.
    #[must_use]
    pub fn all(&self) -> Vec<Refusal> {
        self.0.lock().iter().cloned().collect()
    }
}

impl Refusal {
    fn of(record: &Record) -> Option<Self> {
        let is_denied = record.result == CacheResult::None && record.status == http::StatusCode::FORBIDDEN;
        let (rule, source) = match refusal_of(record.reason) {
            Some(found) if record.credentialed => found,
            _ if is_denied => ("an access rule or the destination guard refused the request", "RFC 9110 section 15.5.4"),
            _ => return None,
        };
        let target = record.permit.as_ref().map(crate::access::Permit::target).or(record.target.as_ref());
        Some(Self {
            time: rfc3339(record.time),
            method: record.method.to_string(),
            host: target.map(crate::target::Target::authority),
            path: target.map(|target| target.path().escape_debug().to_string()),
            url_hash: record.url_hash.map(format_hash),
            status: record.status.as_u16(),
            reason: record.reason,
            rule,
            source,
        })
    }
}
