//! One response that the origin gave, as the model remembers it.

use crate::dates::date;
use crate::origin::{Answer, Exchange};
use crate::reading::{Directives, has, vary};
use crate::step::{Lines, Operator, PATHS, Request, SECOND, is_credentialed, line};

/// The status codes that the second implementation knows (DESIGN: what it does not know is not stored with credentials).
const SECOND_KEY: [u16; 14] = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501];

#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) path: usize,
    /// Whose bytes they are.
    pub(crate) rep: u32,
    /// The `x-note` of the last answer that its fields come from.
    pub(crate) note: String,
    pub(crate) status: u16,
    pub(crate) is_part: bool,
    pub(crate) fields: Lines,
    /// The fields of the request that brought it.
    pub(crate) asked: Lines,
    /// Credentials were in the request that brought it or in one that it was confirmed to.
    pub(crate) is_credentialed: bool,
    /// `date_value` of RFC 9111 section 4.2.3.
    pub(crate) date: i64,
    pub(crate) initial_age: i64,
    pub(crate) received: i64,
    pub(crate) policy: u64,
    /// Why it must not be used for anybody else.
    pub(crate) gone: Option<&'static str>,
    /// A cache that stores what it may has it.
    pub(crate) is_sure: bool,
    /// An answer to HEAD described another one: it is stale.
    pub(crate) is_outdated: bool,
    /// When it was shown last, and with what `Age`.
    pub(crate) shown: Option<(i64, i64)>,
}

/// What a confirmation makes of a stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Fresh,
    Left,
    Outdated,
    Gone,
}

impl Known {
    pub(crate) fn new(request: &Request, exchange: &Exchange, answer: &Answer, (operator, policy): (Operator, u64)) -> Self {
        let note = line(&answer.fields, "x-note").unwrap_or_default().to_owned();
        let rep = answer.body.get(..4).unwrap_or(&note[1..]).parse().unwrap();
        let is_part = answer.status == 206;
        let mut known = Self {
            path: request.path,
            rep,
            note,
            status: if is_part { 200 } else { answer.status },
            is_part,
            fields: answer.fields.clone(),
            asked: request.fields.clone(),
            is_credentialed: is_credentialed(request.path, &request.fields),
            date: 0,
            initial_age: 0,
            received: 0,
            policy,
            gone: None,
            is_sure: false,
            is_outdated: false,
            shown: None,
        };
        known.date_from(exchange);
        known.gone = known.why_not_stored(request, answer, operator);
        known.is_sure = known.gone.is_none() && known.is_plainly_storable();
        known
    }

    /// RFC 9111 section 4.2.3.
    fn date_from(&mut self, exchange: &Exchange) {
        let dated = line(&self.fields, "date").and_then(|text| date(text, exchange.response_time / SECOND));
        self.date = dated.map_or(exchange.response_time, |seconds| seconds * SECOND);
        let age_value = line(&self.fields, "age").map_or(0, |age| age.parse::<i64>().unwrap() * SECOND);
        let response_delay = exchange.response_time - exchange.request_time;
        self.initial_age = (exchange.response_time - self.date).max(age_value + response_delay);
        self.received = exchange.response_time;
    }

    /// RFC 9111 section 3, and what the operator forbids.
    fn why_not_stored(&self, request: &Request, answer: &Answer, operator: Operator) -> Option<&'static str> {
        let directives = Directives::of(&self.fields);
        let is_located = line(&self.fields, "content-location") == Some(PATHS[self.path]);
        let is_post = request.method == "POST" && answer.status == 200 && is_located && self.states_lifetime();
        if request.method != "GET" && !is_post {
            return Some("n035: the method is not stored");
        }
        if [304, 401, 407].contains(&answer.status) {
            return Some("n043: the status is not stored");
        }
        if Directives::of(&request.fields).has("no-store") {
            return Some("n102: the request said no-store");
        }
        if directives.forbid_storing(self.is_credentialed) {
            return Some("n038: no-store");
        }
        if directives.has_plain("private") {
            return Some("n039: private");
        }
        if self.is_credentialed && (self.path == 2 || operator.authorization == "never" || !directives.permit()) {
            return Some("n040: for its credentials alone");
        }
        // Deviation: parts that credentials brought are not stored, nor parts without a strong tag.
        if self.is_part && (self.is_credentialed || !has(&self.fields, "etag")) {
            return Some("n048: such a part is not stored");
        }
        if vary(&self.fields).contains(&"*".to_owned()) {
            return Some("n068: it never matches");
        }
        has(&self.fields, "set-cookie").then_some("the operator refuses cookies")
    }

    /// Nothing is doubtful about storing it.
    fn is_plainly_storable(&self) -> bool {
        let directives = Directives::of(&self.fields);
        let is_doubtful = ["must-understand", "no-store", "private"].iter().any(|name| directives.has(name));
        !is_doubtful
            && !self.is_part
            && self.explicit_lifetime().flatten().is_some()
            && (!self.is_credentialed || SECOND_KEY.contains(&self.status))
    }

    fn explicit_lifetime(&self) -> Option<Option<i64>> {
        let directives = Directives::of(&self.fields);
        directives.seconds("s-maxage").or_else(|| directives.seconds("max-age"))
    }

    pub(crate) fn states_lifetime(&self) -> bool {
        self.explicit_lifetime().is_some()
    }

    /// RFC 9111 section 4.2.1; broken numbers are stale. Heuristics of section 4.2.2: a tenth, at most a day, and
    /// (Deviation) never for responses to credentials.
    pub(crate) fn lifetime(&self) -> i64 {
        if self.is_outdated {
            return 0;
        }
        if let Some(stated) = self.explicit_lifetime() {
            return stated.unwrap_or(0);
        }
        let is_cacheable = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501].contains(&self.status)
            || Directives::of(&self.fields).has_plain("public");
        let modified = line(&self.fields, "last-modified").and_then(|text| date(text, self.received / SECOND));
        match modified {
            Some(modified) if is_cacheable && !self.is_credentialed => {
                ((self.date - modified * SECOND) / 10).clamp(0, 86_400 * SECOND)
            }
            _ => 0,
        }
    }

    /// None where the clock went back behind its receipt (RFC 9111 section 4). Deviation: by more than two seconds.
    pub(crate) fn age(&self, now: i64) -> Option<i64> {
        (now >= self.received - 2 * SECOND).then(|| self.initial_age + (now - self.received).max(0))
    }

    /// A newer response for the same requests takes its place.
    pub(crate) fn is_replaced_by(&self, new: &Self) -> bool {
        let (names, new_names) = (vary(&self.fields), vary(&new.fields));
        let same = |name: &String| line(&self.asked, name) == line(&new.asked, name);
        self.path == new.path && names == new_names && names.iter().all(same)
    }

    /// RFC 9111 section 4.3.5: nothing that the answer to HEAD says of the representation is different.
    pub(crate) fn is_described_by(&self, answer: &Answer) -> bool {
        let same = |name: &str| line(&answer.fields, name).is_none_or(|value| Some(value) == line(&self.fields, name));
        self.status == 200 && same("etag") && same("last-modified")
    }

    /// RFC 9111 sections 3.2 and 4.3.4.
    pub(crate) fn freshen(&mut self, request: &Request, exchange: &Exchange, merged: Lines, policy: u64) {
        self.fields = merged;
        self.note = line(&self.fields, "x-note").unwrap_or_default().to_owned();
        self.is_credentialed |= is_credentialed(request.path, &request.fields);
        self.policy = policy;
        self.is_outdated = false;
        self.shown = None;
        self.date_from(exchange);
        self.is_sure &= self.is_plainly_storable();
    }
}

/// RFC 9111 section 3.2: the stored fields with the new ones in place of their namesakes; what describes the stored bytes
/// stays, and age starts anew.
pub(crate) fn overlaid(stored: &Lines, new: &Lines) -> Lines {
    let is_kept = |name: &str| ["content-encoding", "content-length", "content-range"].contains(&name);
    let replaced = |name: &str| ["age", "date"].contains(&name) || has(new, name) && !is_kept(name);
    let mut merged: Lines = stored.iter().filter(|(name, _)| !replaced(name)).cloned().collect();
    merged.extend(new.iter().filter(|(name, _)| !is_kept(name)).cloned());
    merged
}

/// May the merged fields still be stored and shared?
///
/// Left alone: what the request does not want stored, and a response of nobody's that was confirmed to credentials and may
/// not be shown to others as it is now.
pub(crate) fn settled(known: &Known, request: &Request, merged: &Lines, operator: Operator) -> Settled {
    let directives = Directives::of(merged);
    let is_credentialed = known.is_credentialed || is_credentialed(request.path, &request.fields);
    // Deviation: with credentials, a `private` that names fields is no permission.
    let is_shared = operator.authorization != "never" && directives.permit() && !directives.has("private");
    if directives.forbid_storing(is_credentialed) || directives.has_plain("private") {
        Settled::Gone
    } else if is_credentialed && !is_shared {
        if known.is_credentialed { Settled::Gone } else { Settled::Left }
    } else if !["max-age", "s-maxage"].iter().any(|name| directives.has(name))
        && !["etag", "last-modified"].iter().any(|name| has(merged, name))
    {
        // Deviation: what could never be used without fetching it anew is not kept.
        Settled::Gone
    } else if vary(merged) != vary(&known.fields) || vary(merged).contains(&"*".to_owned()) {
        Settled::Gone
    } else if has(merged, "set-cookie") {
        // Deviation: the operator refuses it, and with it what the origin says of freshness.
        Settled::Outdated
    } else if Directives::of(&request.fields).has("no-store") {
        Settled::Left
    } else {
        Settled::Fresh
    }
}
