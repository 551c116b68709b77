//! What a policy makes of the answers that matter: stored or not, how long, and for whom.
//!
//! Every cell is computed by the functions that serve. RFC 9111 sections 3 and 4.
//!
//! # Deviations
//!
//! none

mod page;

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use serde::Serialize;

use super::{Exchange, Rules, Who, later, stands_in, verdict};
use crate::access::{Access, Permit, Question};
use crate::auth::{Principal, Scheme as AuthScheme};
use crate::cache::entry::Head;
use crate::cache::lookup::Decision;
use crate::cache::rules::stale::Failure;
use crate::cache::rules::storable::is_never_stored;
use crate::config::settings::{Mode, ResponsePolicy, Settings};
use crate::fields::http_date;
use crate::keyed::Keyed;
use crate::policy::coverage::{covers, may_meet};
use crate::policy::{Candidates, CompiledPolicy, Policies};
use crate::reply;
use crate::target::{Host, Scheme, Target};

pub use page::Page;

/// What one policy makes of the answers that matter.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Name of the policy, and of what conditions on the response make of it.
    pub policy: String,
    /// Status code of the answers in it.
    pub status: u16,
    /// Their media type, if it matters.
    pub content_type: Option<String>,
    /// One kind of answer a row.
    pub rows: Vec<Row>,
}

/// One kind of answer to one kind of request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Whether the request carries credentials; none: it makes no difference.
    pub credentialed: Option<bool>,
    /// What the answer says.
    pub says: &'static str,
    /// Whether it is stored.
    pub stored: bool,
    /// The word of the deciding rule.
    pub reason: &'static str,
    /// Seconds for which it is fresh.
    pub fresh_for: u64,
    /// Who is answered from it.
    pub answers: String,
    /// A stale answer while the origin is asked behind it.
    pub stale_while_revalidating: bool,
    /// A stale answer in place of a 500, 502, 503 or 504.
    pub stale_if_error: bool,
    /// A stale answer in place of silence.
    pub stale_if_disconnected: bool,
}

/// What an answer says.
struct Situation {
    says: &'static str,
    /// None: the status of the table; otherwise shown only beside other statuses.
    status: Option<u16>,
    cache_control: &'static str,
    etag: bool,
    more: Option<More>,
}

#[derive(Clone, Copy)]
enum More {
    Cookie,
    Modified,
}

const fn says(says: &'static str, cache_control: &'static str) -> Situation {
    Situation { says, status: None, cache_control, etag: false, more: None }
}

const fn tagged(says: &'static str, cache_control: &'static str) -> Situation {
    Situation { etag: true, ..self::says(says, cache_control) }
}

/// In the order of the page.
const SITUATIONS: [Situation; 13] = [
    says("nothing", ""),
    tagged("ETag", ""),
    Situation { more: Some(More::Modified), ..says("Last-Modified 10 h ago", "") },
    tagged("max-age=60", "max-age=60"),
    tagged("public, max-age=60", "public, max-age=60"),
    tagged("s-maxage=60", "s-maxage=60"),
    tagged("max-age=60, must-revalidate", "max-age=60, must-revalidate"),
    tagged("public, no-cache", "public, no-cache"),
    Situation { more: Some(More::Cookie), ..tagged("public, max-age=60; cookie", "public, max-age=60") },
    tagged("private, max-age=60", "private, max-age=60"),
    tagged("no-store", "no-store"),
    Situation { status: Some(404), ..says("nothing; it is a 404", "") },
    Situation { status: Some(500), ..tagged("max-age=60; it is a 500", "max-age=60") },
];

/// The tables of a configuration, in the order in which its policies are tried.
///
/// `time` makes dates, and no cell depends on it.
#[must_use]
pub fn tables(settings: &Settings, keyed: &Keyed, time: SystemTime) -> Vec<Table> {
    // `Date` counts whole seconds.
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let most_bytes = settings.cache.max_object_bytes.min(settings.cache.memory_bytes);
    let policies = Policies::new(settings);
    let mut tables = Vec::new();
    for policy in policies.all() {
        let rules = Rules { policy, candidates: Candidates::NONE, targets: &[], consumed: &[], most_bytes, keyed };
        let always =
            (policy.by_response.iter().enumerate()).filter(|(_, one)| covers(&one.when.matches, &policy.settings.matches));
        let always = always.fold(Candidates::NONE, |all, (number, _)| all.with(number));
        tables.push(table(policy, &Rules { candidates: always, ..rules }, (200, None), time));
        let met = policy.by_response.iter().enumerate();
        for (number, one) in met.filter(|(_, one)| may_meet(&policy.settings.matches, &one.when.matches)) {
            let rules = Rules { candidates: Candidates::only(number), ..rules };
            tables.push(table(&one.policy, &rules, shown(&one.when), time));
        }
    }
    tables.retain(|table| !table.rows.is_empty());
    tables
}

/// A status and a media type that fit these conditions.
fn shown(policy: &ResponsePolicy) -> (u16, Option<String>) {
    let mut codes = policy.statuses.iter().flat_map(|range| range.codes());
    let status = codes.find(|code| StatusCode::from_u16(*code).is_ok_and(|status| !is_never_stored(status))).unwrap_or(200);
    (status, policy.content_types.first().map(|pattern| pattern.to_string().replace('*', "x")))
}

fn table(policy: &CompiledPolicy, rules: &Rules<'_>, (status, content_type): (u16, Option<String>), time: SystemTime) -> Table {
    let shown = (status, content_type.as_deref());
    let is_base = std::ptr::eq(policy, rules.policy);
    let situations = SITUATIONS.iter().filter(|situation| situation.status.is_none() || is_base);
    let mut rows: Vec<Row> = situations.flat_map(|situation| rows_of(situation, (policy, shown), rules, time)).collect();
    if let Some(first) = rows.first().cloned()
        && rows.iter().all(|row| Row { says: first.says, ..row.clone() } == first)
    {
        rows = vec![Row { says: "anything", ..first }];
    }
    Table { policy: policy.settings.name.clone(), status, content_type, rows }
}

/// One row where credentials make no difference, else two.
fn rows_of(
    situation: &Situation,
    (policy, shown): (&CompiledPolicy, (u16, Option<&str>)),
    rules: &Rules<'_>,
    time: SystemTime,
) -> Vec<Row> {
    let status = StatusCode::from_u16(situation.status.unwrap_or(shown.0)).unwrap_or_default();
    let decides = rules.policy.for_response(rules.candidates, status, &response(situation, shown.1, time));
    if !std::ptr::eq(decides, policy) {
        // Another table shows it.
        return Vec::new();
    }
    let row = |credentialed| row(situation, shown, rules, (credentialed, time));
    let (Some(without), Some(with)) = (row(false), row(true)) else { return Vec::new() };
    if (Row { credentialed: None, ..without.clone() }) == (Row { credentialed: None, ..with.clone() }) {
        return vec![Row { credentialed: None, ..with }];
    }
    vec![without, with]
}

fn row(
    situation: &Situation,
    (status, content_type): (u16, Option<&str>),
    rules: &Rules<'_>,
    (credentialed, time): (bool, SystemTime),
) -> Option<Row> {
    let permit = permit(credentialed)?;
    let mut request = HeaderMap::new();
    if credentialed {
        request.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer of-alice"));
    }
    let response = response(situation, content_type, time);
    let status = StatusCode::from_u16(situation.status.unwrap_or(status)).ok()?;
    let exchange = Exchange {
        permit: &permit,
        method: &Method::GET,
        request: &request,
        has_content: false,
        status,
        response: &response,
        time,
    };
    let nothing = Row {
        credentialed: Some(credentialed),
        says: situation.says,
        stored: false,
        reason: "",
        fresh_for: 0,
        answers: "nobody".to_owned(),
        stale_while_revalidating: false,
        stale_if_error: false,
        stale_if_disconnected: false,
    };
    Some(match verdict(&exchange, rules) {
        Err(why) => Row { reason: why.as_str(), ..nothing },
        Ok(head) => of_stored(&head, &exchange, rules, &nothing),
    })
}

/// Whom a stored answer is for, fresh if it ever is.
fn of_stored(head: &Head, exchange: &Exchange<'_>, rules: &Rules<'_>, row: &Row) -> Row {
    let fresh_for = head.fresh_for(exchange.time);
    let stale_at = exchange.time + fresh_for + Duration::from_secs(1);
    let at = if fresh_for.is_zero() { stale_at } else { exchange.time };
    let askers: &[(Who, &str)] = if head.credentialed {
        &[(Who::Nobody, "anonymous"), (Who::Same, "the same"), (Who::Other, "others")]
    } else {
        &[(Who::Nobody, "anonymous"), (Who::Other, "others")]
    };
    let is_behind = |who| matches!(later(head, exchange, rules, (who, stale_at)), Decision::ServeAndValidate(_));
    Row {
        stored: true,
        reason: reply::permit_word(head),
        fresh_for: fresh_for.as_secs(),
        answers: answers(askers, |who| later(head, exchange, rules, (who, at))),
        stale_while_revalidating: askers.iter().any(|(who, _)| is_behind(*who)),
        stale_if_error: stands_in(head, exchange, rules, Failure::ServerError),
        stale_if_disconnected: stands_in(head, exchange, rules, Failure::NoAnswer),
        ..row.clone()
    }
}

/// Who is answered at once, and who once the origin has confirmed it to them.
fn answers(askers: &[(Who, &str)], decide: impl Fn(Who) -> Decision) -> String {
    let (mut at_once, mut confirmed) = (Vec::new(), Vec::new());
    for (who, name) in askers {
        match decide(*who) {
            Decision::Serve(_) | Decision::ServeAndValidate(_) => at_once.push(*name),
            Decision::Validate(..) => confirmed.push(*name),
            Decision::Offer(_) | Decision::Forward(_) | Decision::Refuse => {}
        }
    }
    let named = |list: &[&str]| if list.len() == askers.len() { "everybody".to_owned() } else { list.join(", ") };
    match (at_once.is_empty(), confirmed.is_empty()) {
        (true, true) => "nobody".to_owned(),
        (false, true) => named(&at_once),
        (true, false) => format!("{}, confirmed", named(&confirmed)),
        (false, false) => format!("{}; {} confirmed", named(&at_once), named(&confirmed)),
    }
}

/// The answer as an origin would send it.
fn response(situation: &Situation, content_type: Option<&str>, time: SystemTime) -> HeaderMap {
    const TEN_HOURS: Duration = Duration::from_secs(36_000);
    let mut fields = HeaderMap::new();
    fields.insert(header::DATE, http_date(time));
    if !situation.cache_control.is_empty() {
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(situation.cache_control));
    }
    if situation.etag {
        fields.insert(header::ETAG, HeaderValue::from_static("\"1\""));
    }
    match situation.more {
        Some(More::Cookie) => drop(fields.insert(header::SET_COOKIE, HeaderValue::from_static("a=b"))),
        Some(More::Modified) => drop(fields.insert(header::LAST_MODIFIED, http_date(time - TEN_HOURS))),
        None => {}
    }
    fields.extend(content_type.and_then(|text| HeaderValue::from_str(text).ok()).map(|value| (header::CONTENT_TYPE, value)));
    fields
}

/// One client's request for some target, let through; with credentials as a verified user.
fn permit(credentialed: bool) -> Option<Permit> {
    let target = Target { scheme: Scheme::Http, host: Host::parse("example.com").ok()?, port: 80, path_and_query: "/".into() };
    let principal = Principal { name: credentialed.then(|| "alice".into()), scheme: AuthScheme::None };
    let question = Question { principal, target, method: &Method::GET, client: Ipv4Addr::LOCALHOST.into(), mode: Mode::Gateway };
    Access::new(&Settings::default(), &[]).decide(question).ok()
}
