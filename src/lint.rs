//! What an origin's answers to two credentials and to none mean for shared caches: what is unsafe, and what is needlessly
//! not cached.
//!
//! Whether an answer is stored and whom it answers is decided by the functions that serve, under the rules that every cache
//! has which keeps to RFC 9111: `Authorization` is the only credential, cookies and other fields are none (sections 3 and 4).
//!
//! # Deviations
//!
//! none

mod content;
mod crossing;
mod fields;
mod sharing;
#[cfg(test)]
mod tests;
mod text;

use std::time::SystemTime;

use http::header::HeaderMap;
use http::{Method, StatusCode};
use serde::Serialize;

use crate::access::Permit;
use crate::keyed::Keyed;

pub use content::{Content, Likeness};
use crossing::Cache;

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Who {
    /// The first credential.
    #[serde(rename = "first")]
    First,
    /// The second credential.
    #[serde(rename = "second")]
    Second,
    /// No credential.
    #[serde(rename = "none")]
    Nobody,
}

impl Who {
    /// Every one, in the order in which they ask.
    pub const ALL: [Self; 3] = [Self::First, Self::Second, Self::Nobody];

    /// The words of the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "the first credential",
            Self::Second => "the second credential",
            Self::Nobody => "no credential",
        }
    }
}

/// One answer of the origin.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its status code.
    pub status: StatusCode,
    /// Its fields as received.
    pub fields: HeaderMap,
    /// Its content, as far as contents are compared.
    pub content: Content,
    /// When it came.
    pub time: SystemTime,
}

/// What one asker sent and got.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The fields of the request, credentials included.
    pub request: HeaderMap,
    /// The first answer.
    pub first: Fetched,
    /// The second one, which came after everybody's first.
    pub second: Fetched,
    /// The status code of the answer to a request that is conditional on a validator of what the first credential got; none
    /// if that had none.
    pub confirmed: Option<StatusCode>,
}

/// Everything that was seen.
#[derive(Debug)]
pub struct Evidence {
    /// The target.
    pub permit: Permit,
    /// In the order of [`Who::ALL`].
    pub askers: [Asker; 3],
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A cache gives somebody what was not made for them.
    Unsafe,
    /// The origin is asked, or sends content, more often than it need be.
    Wasteful,
    /// Worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A word for it that does not change.
    pub rule: &'static str,
    /// In whose answers.
    pub answers: Vec<Who>,
    /// What was seen.
    pub seen: String,
    /// What follows from it.
    pub why: &'static str,
    /// The clause.
    pub source: &'static str,
    /// What to send instead.
    pub send: String,
}

/// What was seen of one asker, without anything that is theirs.
#[derive(Clone, Debug, Serialize)]
pub struct Seen {
    /// Whose answers.
    pub who: Who,
    /// Status code of the first answer.
    pub status: u16,
    /// Length of its content, bytes.
    pub bytes: u64,
    /// Whether both answers were the same.
    pub steady: bool,
    /// What a shared cache does with it: a permission, or why it is not stored.
    pub stored: &'static str,
    /// Whom the stored answer answers, the origin not asked.
    pub answers: Vec<Who>,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The URL without its query, which may hold a secret.
    pub url: String,
    /// Who asked and what came.
    pub askers: Vec<Seen>,
    /// The worst ones first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether anything unsafe was found.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Unsafe)
    }
}

impl Evidence {
    fn asker(&self, who: Who) -> &Asker {
        let [first, second, nobody] = &self.askers;
        match who {
            Who::First => first,
            Who::Second => second,
            Who::Nobody => nobody,
        }
    }

    fn likeness(&self, one: Who, other: Who) -> Likeness {
        content::compare(self.asker(one), self.asker(other))
    }
}

/// Findings, each rule once for one remedy, with what was seen first.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, finding: Finding) {
        let known = self.0.iter_mut().find(|known| (known.rule, &known.send) == (finding.rule, &finding.send));
        match known {
            Some(known) => {
                let new = finding.answers.into_iter().filter(|who| !known.answers.contains(who)).collect::<Vec<_>>();
                known.answers.extend(new);
            }
            None => self.0.push(finding),
        }
    }
}

/// Judges what was seen.
///
/// Source: RFC 9111 sections 3, 3.5, 4, 4.2, 4.3 and 5.2; RFC 9213 section 2.2.
#[must_use]
pub fn lint(evidence: &Evidence, keyed: &Keyed) -> Report {
    let caches = Cache::all(evidence);
    let mut findings = Findings::default();
    for cache in &caches {
        sharing::judge(evidence, cache, keyed, &mut findings);
    }
    fields::judge(evidence, &caches, keyed, &mut findings);
    let mut findings = findings.0;
    findings.sort_by_key(|finding| finding.severity);
    let target = evidence.permit.target();
    let url = format!("{}://{}{}", target.scheme.as_str(), target.authority(), target.path());
    let askers = caches.last().map(|cache| Who::ALL.map(|who| seen(evidence, cache, keyed, who))).into_iter().flatten();
    Report { url, askers: askers.collect(), findings }
}

fn seen(evidence: &Evidence, cache: &Cache, keyed: &Keyed, who: Who) -> Seen {
    let Asker { first, second, .. } = evidence.asker(who);
    let verdict = cache.verdict(evidence, keyed, who);
    let is_served = |to: &Who| cache.crossing(evidence, keyed, (who, *to)) == crossing::Crossing::Served;
    Seen {
        who,
        status: first.status.as_u16(),
        bytes: first.content.bytes,
        steady: first.status == second.status && first.content == second.content,
        stored: verdict.as_ref().map_or_else(|why| why.as_str(), crate::reply::permit_word),
        answers: Who::ALL.into_iter().filter(|to| *to != who).filter(is_served).collect(),
    }
}

/// The method that is linted.
const METHOD: Method = Method::GET;
