//! What is stored, as the operator lists it.
//!
//! # Deviations
//!
//! none

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::order::{OrderError, target};
use crate::cache::rules::partition::Partition;
use crate::cache::store::StoredResponse;
use crate::reply;
use crate::target::Target;

/// Most entries of one list.
const MOST: usize = 10_000;

/// Which entries are listed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    prefix: String,
    #[serde(default = "usual")]
    limit: usize,
}

fn usual() -> usize {
    100
}

/// What is asked for: entries below a URI, and how many at most.
#[derive(Debug)]
pub(super) struct Listing {
    /// Their URIs begin with this one.
    pub(super) prefix: Target,
    /// Most that are listed.
    pub(super) limit: usize,
}

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct List {
    /// In the order of their URIs.
    entries: Vec<Entry>,
    /// There are more than the limit.
    more: bool,
}

/// One stored response; nothing of its content, and of its fields what decides about it.
#[derive(Debug, Serialize)]
struct Entry {
    url: String,
    status: u16,
    /// Content stored.
    bytes: u64,
    /// Only a part of the representation.
    part: bool,
    /// Seconds since it was generated or validated; none when the clock went back.
    age: Option<u64>,
    /// Seconds of freshness left, negative when stale.
    ttl: Option<i64>,
    /// The word of `Cache-Status` for why it may answer.
    permission: &'static str,
    /// By what its reuse is narrowed.
    partition: &'static str,
    /// Whether the policy's query rule keeps it for other queries too.
    query: &'static str,
    vary: Vec<String>,
    tags: Vec<String>,
}

impl Listing {
    /// Reads what is asked for.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn parse(text: &[u8]) -> Result<Self, OrderError> {
        let Written { prefix, limit } = serde_json::from_slice(text).map_err(OrderError::Listing)?;
        if !(1..=MOST).contains(&limit) {
            return Err(OrderError::Limit(MOST));
        }
        Ok(Self { prefix: target("prefix", &prefix)?, limit })
    }
}

impl List {
    /// Of these entries, as of now.
    pub(super) fn of(found: &[(String, std::sync::Arc<StoredResponse>)], more: bool, now: SystemTime) -> Self {
        let mut entries: Vec<_> = found.iter().map(|(url, stored)| Entry::of(url, stored, now)).collect();
        entries.sort_by(|a, b| a.url.cmp(&b.url));
        Self { entries, more }
    }

    /// How many are listed.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }
}

impl Entry {
    fn of(url: &str, stored: &StoredResponse, now: SystemTime) -> Self {
        let head = stored.head();
        Self {
            url: url.to_owned(),
            status: head.status.as_u16(),
            bytes: stored.content().length(),
            part: stored.part().is_some(),
            age: head.current_age(now).map(|age| age.as_secs()),
            ttl: reply::ttl(&head, now),
            permission: reply::permit_word(&head),
            partition: match stored.partition() {
                Partition::Common => "none",
                Partition::Credential(_) => "credential",
                Partition::Principal(_) => "principal",
            },
            query: if head.named.rule.is_some() { "rule" } else { "exact" },
            vary: stored.vary_names().iter().map(|name| name.as_str().to_owned()).collect(),
            tags: head.tags().map(str::to_owned).collect(),
        }
    }
}
