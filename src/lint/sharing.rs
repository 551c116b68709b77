//! Who gets whose answer from a shared cache, who should not, and who could.
//!
//! RFC 9111 sections 3.5 and 4.3.1.

use http::{StatusCode, header};

use super::content::Likeness;
use super::crossing::{Cache, Crossing};
use super::fields::{listed, seconds_stated};
use super::{Evidence, Finding, Findings, Severity, Who};
use crate::keyed::Keyed;

/// Whose answer a cache may give to whom.
const PAIRS: [(Who, Who); 6] = [
    (Who::First, Who::Second),
    (Who::Second, Who::First),
    (Who::First, Who::Nobody),
    (Who::Second, Who::Nobody),
    (Who::Nobody, Who::First),
    (Who::Nobody, Who::Second),
];

/// Judges what this cache shares and what it does not.
pub(super) fn judge(evidence: &Evidence, cache: &Cache, keyed: &Keyed, findings: &mut Findings) {
    for pair in PAIRS {
        let crossing = cache.crossing(evidence, keyed, pair);
        let likeness = evidence.likeness(pair.0, pair.1);
        let found = match (crossing, likeness) {
            (Crossing::Served, Likeness::Differ) => Some(given_away(evidence, cache, pair)),
            (Crossing::Served, Likeness::Unknown) => Some(untold(evidence, cache, pair)),
            (Crossing::Validated, Likeness::Differ) => confirmed(evidence, pair, Severity::Unsafe),
            (Crossing::Nothing, Likeness::Differ) => confirmed(evidence, pair, Severity::Note),
            _ => None,
        };
        found.into_iter().for_each(|finding| findings.add(finding));
    }
    for who in Who::ALL {
        cookies(evidence, cache, keyed, who).into_iter().for_each(|finding| findings.add(finding));
    }
    unshared(evidence, cache, keyed).into_iter().for_each(|finding| findings.add(finding));
}

/// What the deciding field of this asker's answer says.
fn said(evidence: &Evidence, cache: &Cache, who: Who) -> String {
    let fields = &evidence.asker(who).first.fields;
    let of = |name: &'static str| listed(fields, name).map(|value| format!("{name}: {value}"));
    of(cache.field).or_else(|| of("Cache-Control")).unwrap_or_else(|| "no Cache-Control".to_owned())
}

fn sizes(evidence: &Evidence, (from, to): (Who, Who)) -> String {
    let of = |who: Who| {
        let first = &evidence.asker(who).first;
        format!("{} bytes for {}", first.content.bytes, who.as_str())
    };
    let (one, other) = (evidence.asker(from).first.status, evidence.asker(to).first.status);
    if one == other {
        format!("other content: {}, {}", of(from), of(to))
    } else {
        format!("status {} for {}, {} for {}", one.as_u16(), from.as_str(), other.as_u16(), to.as_str())
    }
}

/// A cache answers one asker with what was made for another one.
fn given_away(evidence: &Evidence, cache: &Cache, pair: (Who, Who)) -> Finding {
    let (from, to) = pair;
    let is_same_for_people = evidence.likeness(Who::First, Who::Second) == Likeness::Same;
    let judged = format!("{}: s-maxage=0, with an ETag", cache.field);
    let (rule, why, send) = match (from, to) {
        (Who::Nobody, _) => (
            "answer-made-for-nobody",
            "a cache answers requests with credentials from what it stored without",
            "Vary: Authorization, or Cache-Control: no-cache with an ETag, on the answer without credentials".to_owned(),
        ),
        (_, Who::Nobody) if is_same_for_people => (
            "open-to-nobody",
            "a cache answers requests without credentials, and with wrong ones, by what it stored for right ones",
            judged,
        ),
        _ => ("somebody-elses-answer", "a cache gives one client what was made for another", format!("{}: private", cache.field)),
    };
    let seen = format!("{}; {}", said(evidence, cache, from), sizes(evidence, pair));
    let source = "RFC 9111 section 3.5";
    Finding { severity: Severity::Unsafe, rule, answers: vec![from], seen, why, source, send }
}

/// A cache shares what changes whenever it is asked for.
fn untold(evidence: &Evidence, cache: &Cache, (from, _): (Who, Who)) -> Finding {
    Finding {
        severity: Severity::Note,
        rule: "cannot-tell",
        answers: vec![from],
        seen: format!("{}; it is another answer each time, and is shared", said(evidence, cache, from)),
        why: "whether it depends on who asks cannot be seen from outside: look whether it holds anything personal",
        source: "RFC 9111 section 3.5",
        send: format!("{}: private, if it does", cache.field),
    }
}

/// The origin says 304 to somebody about what it made for the first credential, and would not have sent them.
fn confirmed(evidence: &Evidence, (from, to): (Who, Who), severity: Severity) -> Option<Finding> {
    let is_confirmed = from == Who::First && evidence.asker(to).confirmed == Some(StatusCode::NOT_MODIFIED);
    is_confirmed.then(|| Finding {
        severity,
        rule: "confirms-what-was-not-theirs",
        answers: vec![from],
        seen: format!("304 to {} for the validator of {}; {}", to.as_str(), from.as_str(), sizes(evidence, (from, to))),
        why: "a cache that asks the origin with this client's own credentials is told to give it the other one's content",
        source: "RFC 9111 section 4.3.3",
        send: "an ETag that differs where content differs, and 401 or 403 before 304".to_owned(),
    })
}

/// A cookie that was set for one goes to others.
fn cookies(evidence: &Evidence, cache: &Cache, keyed: &Keyed, who: Who) -> Option<Finding> {
    let head = cache.verdict(evidence, keyed, who).ok()?;
    let is_shared = Who::ALL.iter().any(|to| *to != who && cache.crossing(evidence, keyed, (who, *to)) == Crossing::Served);
    let sets = head.reusable_fields().contains_key(header::SET_COOKIE);
    (sets && is_shared).then(|| Finding {
        severity: Severity::Unsafe,
        rule: "cookie-for-all",
        answers: vec![who],
        seen: format!("{}; Set-Cookie", said(evidence, cache, who)),
        why: "whoever is answered from the cache is given the cookie that was set for one client",
        source: "RFC 9111 section 7.3",
        send: format!("no Set-Cookie on what is shared, or {}: private", cache.field),
    })
}

/// Both credentials get the same, and each costs the origin a fetch.
fn unshared(evidence: &Evidence, cache: &Cache, keyed: &Keyed) -> Option<Finding> {
    let [first, ..] = &evidence.askers;
    let is_same = evidence.likeness(Who::First, Who::Second) == Likeness::Same && first.first.status == StatusCode::OK;
    let crossing = cache.crossing(evidence, keyed, (Who::First, Who::Second));
    if !is_same || crossing != Crossing::Nothing {
        return None;
    }
    let why_not = match cache.verdict(evidence, keyed, Who::First) {
        Err(why) => why.as_str(),
        Ok(_) => "vary",
    };
    let is_open = evidence.likeness(Who::First, Who::Nobody) == Likeness::Same;
    let lifetime = seconds_stated(&first.first.fields).unwrap_or(60);
    let (rule, why, send) = if is_open {
        (
            "same-for-everybody",
            "everybody gets the same, with credentials or without, and every request with credentials goes to the origin",
            format!(
                "{}: public, max-age={lifetime}{}",
                cache.field,
                if why_not == "vary" { ", and no Vary that tells them apart" } else { "" }
            ),
        )
    } else {
        (
            "same-for-all-let-in",
            "everybody who is let in gets the same; the origin can judge each request, and the cache send the bytes",
            format!("{}: s-maxage=0, with an ETag, and without Vary: Authorization", cache.field),
        )
    };
    let seen = format!("{}; the same content for both credentials, not shared ({why_not})", said(evidence, cache, Who::First));
    let answers = vec![Who::First, Who::Second];
    Some(Finding { severity: Severity::Wasteful, rule, answers, seen, why, source: "RFC 9111 section 3.5", send })
}
