//! What the fields of an answer say that does not mean what it seems to, or costs reuse.
//!
//! RFC 9111 sections 4.2, 4.3 and 5; RFC 9110 sections 8.8 and 12.5.5.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};

use super::crossing::Cache;
use super::{Evidence, Fetched, Finding, Findings, Severity, Who};
use crate::cache::entry::Head;
use crate::cache::rules::authorization::request_credentials;
use crate::cache::rules::directives::{ResponseDirectives, Seconds};
use crate::cache::rules::freshness::{Answered, LifetimeSource, explicit_lifetime};
use crate::cache::rules::storable::NotStored;
use crate::cache::rules::validate::{is_weak, weak_match};
use crate::config::settings::Policy;
use crate::fields::list_members;
use crate::keyed::Keyed;

/// A rule, what was seen, what follows, the clause, what to send.
type Told = (&'static str, String, &'static str, &'static str, &'static str);

/// All lines of a field as one list, fit to be shown; none if there is none.
pub(super) fn listed(fields: &HeaderMap, name: &str) -> Option<String> {
    let lines = fields.get_all(name).iter().map(|line| String::from_utf8_lossy(line.as_bytes()).escape_debug().to_string());
    let lines: Vec<String> = lines.collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

/// The lifetime that `Cache-Control` states, if it is more than nothing.
pub(super) fn seconds_stated(fields: &HeaderMap) -> Option<u32> {
    let directives = ResponseDirectives::parse(fields);
    [directives.s_maxage, directives.max_age].into_iter().find_map(|stated| match stated {
        Some(Seconds::Valid(seconds)) if seconds > 0 => Some(seconds),
        _ => None,
    })
}

/// Judges the fields of every answer.
pub(super) fn judge(evidence: &Evidence, caches: &[Cache], keyed: &Keyed, findings: &mut Findings) {
    for who in Who::ALL {
        let fetched = &evidence.asker(who).first;
        let directives = ResponseDirectives::parse(&fetched.fields);
        let verdicts: Vec<_> = caches.iter().map(|cache| cache.verdict(evidence, keyed, who)).collect();
        let told = [
            (Severity::Wasteful, broken_lifetime(fetched, &directives)),
            (Severity::Wasteful, no_validator(fetched, &verdicts)),
            (Severity::Wasteful, moving_tag(evidence, who)),
            (Severity::Wasteful, vary(fetched)),
            (Severity::Note, conflict(fetched, &directives)),
            (Severity::Note, expires(fetched, &directives)),
            (Severity::Note, pragma(fetched)),
            (Severity::Note, assumed_lifetime(&verdicts)),
            (Severity::Note, weak_tag(fetched)),
            (Severity::Note, date(fetched)),
            (Severity::Note, error(fetched, &verdicts)),
            (Severity::Note, refused(fetched, who)),
            (Severity::Note, intermediary(fetched)),
        ];
        for (severity, told) in told {
            let Some((rule, seen, why, source, send)) = told else { continue };
            findings.add(Finding { severity, rule, answers: vec![who], seen, why, source, send: send.to_owned() });
        }
    }
    for (severity, (rule, seen, why, source, send)) in of_all(evidence) {
        let answers = vec![Who::First, Who::Second];
        findings.add(Finding { severity, rule, answers, seen, why, source, send: send.to_owned() });
    }
}

fn broken_lifetime(fetched: &Fetched, directives: &ResponseDirectives) -> Option<Told> {
    let is_broken = [directives.max_age, directives.s_maxage].contains(&Some(Seconds::Broken));
    let seen = listed(&fetched.fields, "cache-control").unwrap_or_default();
    is_broken.then(|| {
        let why = "a lifetime that is no number of seconds makes the answer stale at once";
        ("broken-lifetime", format!("Cache-Control: {seen}"), why, "RFC 9111 section 4.2.1", "digits alone: max-age=60")
    })
}

fn no_validator(fetched: &Fetched, verdicts: &[Result<Head, NotStored>]) -> Option<Told> {
    let has = |name: HeaderName| fetched.fields.contains_key(name);
    let is_kept = verdicts.iter().any(|verdict| matches!(verdict, Ok(_) | Err(NotStored::NoLifetime)));
    let lacks = fetched.status.is_success() && is_kept && !has(header::ETAG) && !has(header::LAST_MODIFIED);
    lacks.then(|| {
        let why = "when it is stale, or has to be confirmed, the whole of it is sent again";
        ("no-validator", "neither ETag nor Last-Modified".to_owned(), why, "RFC 9111 section 4.3.1", "ETag: \"...\"")
    })
}

fn tag(fetched: &Fetched) -> Option<&[u8]> {
    fetched.fields.get(header::ETAG).map(http::HeaderValue::as_bytes)
}

/// The same content under two tags.
fn moving_tag(evidence: &Evidence, who: Who) -> Option<Told> {
    let asker = evidence.asker(who);
    let moves = |one: &Fetched, other: &Fetched| {
        let tags = tag(one).zip(tag(other));
        one.content == other.content && tags.is_some_and(|(one, other)| !weak_match(one, other))
    };
    let (first, nobody) = (&evidence.asker(Who::First).first, Who::Nobody);
    let seen = if moves(&asker.first, &asker.second) {
        "another ETag for the same content, asked a second time"
    } else if who != nobody && moves(first, &asker.first) {
        "another ETag for the same content, by who asks"
    } else {
        return None;
    };
    let why = "the origin never confirms what is stored, and sends the whole of it instead";
    Some(("moving-tag", seen.to_owned(), why, "RFC 9110 section 8.8.1", "an ETag made of the content alone"))
}

fn vary(fetched: &Fetched) -> Option<Told> {
    let names = || list_members(&fetched.fields, &header::VARY);
    let names_one = |wanted: &str| names().any(|name| name.eq_ignore_ascii_case(wanted.as_bytes()));
    let (why, send) = if names_one("*") {
        ("nothing that is stored ever matches a later request", "Vary: the fields that select the content")
    } else if names_one("cookie") {
        (
            "almost every browser has cookies of its own, and gets a copy of its own",
            "no Vary: Cookie where cookies change nothing",
        )
    } else if names_one("user-agent") {
        ("there are about as many spellings of User-Agent as clients, and a copy for each", "no Vary: User-Agent")
    } else {
        return None;
    };
    let seen = format!("Vary: {}", listed(&fetched.fields, "vary").unwrap_or_default());
    Some(("vary-too-wide", seen, why, "RFC 9110 section 12.5.5", send))
}

fn conflict(fetched: &Fetched, directives: &ResponseDirectives) -> Option<Told> {
    let is_timed = directives.states_lifetime();
    let (why, send) = if directives.public && directives.private.is_whole() {
        ("private wins; who reads it carelessly takes public for permission", "private or public, not both")
    } else if directives.no_store && !directives.must_understand && (is_timed || directives.public) {
        ("no-store wins, and nothing beside it counts", "Cache-Control: no-store")
    } else if directives.private.is_whole() && directives.s_maxage.is_some() {
        ("private wins; s-maxage is for shared caches, which do not store it", "Cache-Control: private, max-age=60")
    } else {
        return None;
    };
    let seen = format!("Cache-Control: {}", listed(&fetched.fields, "cache-control").unwrap_or_default());
    Some(("conflict", seen, why, "RFC 9111 section 5.2.2", send))
}

fn explicit(fetched: &Fetched, directives: &ResponseDirectives) -> Option<Duration> {
    let answered = Answered {
        status: fetched.status,
        fields: &fetched.fields,
        directives,
        is_targeted: false,
        credentialed: false,
        response_time: fetched.time,
    };
    explicit_lifetime(&answered).map(|lifetime| lifetime.duration)
}

/// `Expires` and `max-age` that disagree.
fn expires(fetched: &Fetched, directives: &ResponseDirectives) -> Option<Told> {
    let stated = directives.states_lifetime().then(|| explicit(fetched, directives)).flatten()?;
    let by_date =
        fetched.fields.contains_key(header::EXPIRES).then(|| explicit(fetched, &ResponseDirectives::default())).flatten()?;
    (stated.abs_diff(by_date) > Duration::from_secs(1)).then(|| {
        let seen = format!("{} s by Cache-Control, {} s by Expires", stated.as_secs(), by_date.as_secs());
        let why = "Cache-Control decides, and Expires is ignored";
        ("expires-ignored", seen, why, "RFC 9111 section 5.3", "no Expires")
    })
}

fn pragma(fetched: &Fetched) -> Option<Told> {
    let has = |name: HeaderName| fetched.fields.contains_key(name);
    (has(header::PRAGMA) && !has(header::CACHE_CONTROL)).then(|| {
        let why = "Pragma means nothing in a response: caches use it as they would without";
        ("pragma-alone", "Pragma without Cache-Control".to_owned(), why, "RFC 9111 section 5.4", "Cache-Control: no-cache")
    })
}

fn assumed_lifetime(verdicts: &[Result<Head, NotStored>]) -> Option<Told> {
    let head = verdicts.iter().flatten().find(|head| head.lifetime.source == LifetimeSource::Heuristic)?;
    let seen = format!("no lifetime is stated, {} s are assumed from Last-Modified", head.lifetime.duration.as_secs());
    let why = "each cache assumes what it likes";
    Some(("assumed-lifetime", seen, why, "RFC 9111 section 4.2.2", "Cache-Control: max-age=60, or no-cache"))
}

fn weak_tag(fetched: &Fetched) -> Option<Told> {
    tag(fetched).filter(|tag| is_weak(tag)).map(|_| {
        let why = "it validates, and cannot put together ranges nor select among variants";
        ("weak-tag", "a weak ETag".to_owned(), why, "RFC 9110 section 8.8.3.2", "a strong ETag, if bytes are what it stands for")
    })
}

fn date(fetched: &Fetched) -> Option<Told> {
    (!fetched.fields.contains_key(header::DATE)).then(|| {
        let why = "its age counts from when it was received, however long it was under way";
        ("no-date", "no Date".to_owned(), why, "RFC 9110 section 6.6.1", "Date")
    })
}

fn error(fetched: &Fetched, verdicts: &[Result<Head, NotStored>]) -> Option<Told> {
    let is_error = fetched.status.is_client_error() || fetched.status.is_server_error();
    let head = verdicts.iter().flatten().find(|head| is_error && !head.lifetime.duration.is_zero())?;
    let seen = format!("status {} is stored for {} s", fetched.status.as_u16(), head.lifetime.duration.as_secs());
    let why = "an error that has passed goes on to be answered";
    Some(("error-stored", seen, why, "RFC 9110 section 15.1", "Cache-Control: no-store, or a few seconds"))
}

/// Without two answers to people who are let in nothing can be compared.
fn refused(fetched: &Fetched, who: Who) -> Option<Told> {
    let is_refused = matches!(fetched.status.as_u16(), 401 | 403 | 407);
    (is_refused && who != Who::Nobody).then(|| {
        let seen = format!("status {}", fetched.status.as_u16());
        let why = "the credential is not accepted, so that what it would get was not seen";
        ("refused", seen, why, "RFC 9110 section 15.5", "nothing else: lint with credentials that are let in")
    })
}

fn intermediary(fetched: &Fetched) -> Option<Told> {
    let has = |name: &str| fetched.fields.contains_key(name);
    (has("age") || has("cache-status")).then(|| {
        let why = "what one asker got may have been made for another one before";
        ("behind-a-cache", "Age or Cache-Status".to_owned(), why, "RFC 9111 section 5.1", "nothing else: lint the origin itself")
    })
}

/// What concerns all answers.
fn of_all(evidence: &Evidence) -> Vec<(Severity, Told)> {
    let mut told = Vec::new();
    let [first, second, _] = &evidence.askers;
    let default = Policy::default();
    let credentials = |request: &HeaderMap, query| request_credentials(request, query, &default.credentials);
    if credentials(&HeaderMap::new(), evidence.permit.target().query()).in_query {
        let why = "the URL is the key under which caches store, and stands in logs";
        let seen = "a credential in the query".to_owned();
        told.push((
            Severity::Unsafe,
            ("credential-in-url", seen, why, "RFC 6750 section 5.3", "nothing else: take it in Authorization"),
        ));
    }
    let is_plain = [first, second].iter().any(|asker| !credentials(&asker.request, None).any);
    if is_plain {
        let why = "to a cache that is not told so, requests with it are requests without credentials";
        let seen = "a credential in another field than Authorization".to_owned();
        let send = "the permission meant for requests without credentials, or take it in Authorization";
        told.push((Severity::Note, ("no-credential-to-caches", seen, why, "RFC 9111 section 3.5", send)));
    }
    let is_steady = first.first.status == first.second.status && first.first.content == first.second.content;
    if is_steady && first.first.status.is_success() && first.confirmed.is_some_and(|status| status.is_success()) {
        let seen = "the whole content again, asked with its own validator".to_owned();
        let why = "validation never saves the content";
        told.push((
            Severity::Wasteful,
            ("never-confirms", seen, why, "RFC 9110 section 13.1.2", "304 where If-None-Match or If-Modified-Since says so"),
        ));
    }
    told
}
