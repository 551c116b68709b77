//! What is stored, and what it is worth now.

use std::time::SystemTime;

use http::header::HeaderName;
use serde::Serialize;

use super::{Step, clauses};
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::partition::Partition;
use crate::cache::rules::reuse::{self, Asker, Reuse, WhyNever, WhyValidate};
use crate::cache::store::View;
use crate::policy::Selected;

/// One stored response in words.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Status code.
    pub status: u16,
    /// The word that `Cache-Status` shows when it answers.
    pub reason: &'static str,
    /// Whether the request that filled it carried credentials.
    pub credentialed: bool,
    /// The policy that decides, if one with conditions on the response does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// For whom the policy keeps it.
    pub partition: &'static str,
    /// The fields that tell it from its siblings.
    pub vary: Vec<String>,
    /// Bytes of content.
    pub bytes: u64,
    /// Whether the whole representation is stored.
    pub complete: bool,
    /// Seconds of its current age, none if no age can be told.
    pub age: Option<u64>,
    /// Seconds for which it is still fresh.
    pub fresh_for: u64,
    /// What a GET without credentials gets now.
    pub without_credentials: &'static str,
    /// What a GET with credentials gets now.
    pub with_credentials: &'static str,
    /// How that comes.
    pub steps: Vec<Step>,
}

/// For which requests a stored response is there by the query of a URL.
#[derive(Clone, Copy, Debug)]
pub struct There {
    /// Those without credentials.
    pub without_credentials: bool,
    /// Those with credentials.
    pub with_credentials: bool,
}

/// What this stored response is worth now, to requests that its `Vary` and partition select it for.
///
/// Source: RFC 9111 section 4.
#[must_use]
pub fn explain_entry(view: &View, there: There, selected: &Selected, now: SystemTime) -> Entry {
    let (head, Selected { policy, candidates }) = (&view.head, selected);
    let decides = policy.for_response(*candidates, head.status, &head.fields);
    let worth = |credentialed, is_there: bool| {
        if !is_there {
            return "origin: it is kept for other queries or other requests";
        }
        let directives = RequestDirectives::default();
        word(reuse::decide(head, &Asker { directives: &directives, credentialed, now, candidates: *candidates }, policy))
    };
    Entry {
        status: head.status.as_u16(),
        reason: crate::reply::permit_word(head),
        credentialed: head.credentialed,
        policy: (!std::ptr::eq(decides, &**policy)).then(|| decides.settings.name.clone()),
        partition: match view.partition {
            Partition::Common => "everybody",
            Partition::Credential(_) => "the same credentials",
            Partition::Principal(_) => "the same verified user",
        },
        vary: view.vary_names.iter().map(HeaderName::to_string).collect(),
        bytes: view.bytes,
        complete: !view.is_part,
        age: head.current_age(now).map(|age| age.as_secs()),
        fresh_for: head.fresh_for(now).as_secs(),
        without_credentials: worth(false, there.without_credentials),
        with_credentials: worth(true, there.with_credentials),
        steps: clauses::of_entry(head, now),
    }
}

fn word(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::Fresh => "answer from the store",
        Reuse::AcceptedStale => "stale answer from the store",
        Reuse::WhileRevalidating => "stale answer from the store, validated behind it",
        Reuse::Validate(WhyValidate::Stale) => "from the store, once the origin confirms it to the asker: it is stale",
        Reuse::Validate(WhyValidate::NoCache) => "from the store, once the origin confirms it to the asker: no-cache",
        Reuse::Validate(WhyValidate::Policy) => {
            "from the store, once the origin confirms it to the asker: the policy says so, or was changed"
        }
        Reuse::Validate(WhyValidate::Request | WhyValidate::Clock) => "from the store, once the origin confirms it to the asker",
        Reuse::Never(WhyNever::NoPermit) => "origin: it is for who filled it alone",
        Reuse::Never(WhyNever::StoredRefusal) => "origin: a stored refusal answers nobody with credentials",
        Reuse::Never(WhyNever::Policy) => "origin: the policy says so",
    }
}
