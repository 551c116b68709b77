//! The naive oracle: RFC 9111, RFC 5861 and RFC 8246 read sentence by sentence over plain text and numbers.
//!
//! It imports nothing of the project. Where the project decides otherwise on purpose, the line says `Deviation` and why.

use crate::case::{Answer, CONSUMED, Case, Kept, Operator, Request};
use crate::dates::date;

const SECOND: i64 = 1_000_000;

/// The lines of a field, in order.
pub(crate) fn lines<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect()
}

fn has(fields: &[(String, String)], name: &str) -> bool {
    !lines(fields, name).is_empty()
}

/// RFC 9110 section 5.6.1: members between commas, empty ones do not count; section 5.6.4: a comma in a quoted string
/// is no separator. The second value tells that a quoted string is still open at the end.
pub(crate) fn members(line: &str) -> (Vec<String>, bool) {
    let mut list = vec![String::new()];
    let mut chars = line.chars();
    let mut is_open = false;
    while let Some(c) = chars.next() {
        if c == ',' && !is_open {
            list.push(String::new());
            continue;
        }
        list.last_mut().unwrap().push(c);
        if c == '"' {
            is_open = !is_open;
        }
        if c == '\\' && is_open {
            list.last_mut().unwrap().extend(chars.next());
        }
    }
    let list = list.iter().map(|member| member.trim_matches([' ', '\t']).to_owned()).filter(|member| !member.is_empty());
    (list.collect(), is_open)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

/// An argument as a directive has it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Argument {
    Absent,
    Text(String),
    /// Neither a token nor one quoted string.
    Broken,
}

/// RFC 9111 section 5.2: `token [ "=" ( token / quoted-string ) ]`; names in any case.
fn directive(member: &str) -> (String, Argument) {
    let name: String = member.chars().take_while(|c| is_token(&c.to_string())).collect();
    let rest = &member[name.len()..];
    let argument = match rest.strip_prefix('=') {
        None if rest.is_empty() => Argument::Absent,
        // Deviation: what follows the name is not grammatical. A restriction must keep its force, a permission must not.
        None => Argument::Broken,
        Some(value) if is_token(value) => Argument::Text(value.to_owned()),
        Some(value) => quoted(value).map_or(Argument::Broken, Argument::Text),
    };
    (name.to_ascii_lowercase(), argument)
}

/// RFC 9110 section 5.6.4. Deviation: quoted pairs are left as they are, so that an argument with one is broken: nothing
/// that is a number or a field name needs one.
fn quoted(value: &str) -> Option<String> {
    let (list, is_open) = members(value);
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    let unescaped_quotes = inner.replace("\\\\", "").replace("\\\"", "").contains('"');
    (value.len() >= 2 && list.len() == 1 && !is_open && !unescaped_quotes).then(|| inner.to_owned())
}

/// RFC 9111 section 1.2.2.
pub(crate) fn delta_seconds(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(i64::MAX).min(1 << 31))
}

/// All directives of all lines of `Cache-Control`.
struct Directives(Vec<(String, Argument)>);

impl Directives {
    fn of_response(fields: &[(String, String)]) -> Self {
        let mut all = Vec::new();
        let mut was_open = false;
        for line in lines(fields, "cache-control") {
            let (list, is_open) = members(line);
            for member in list {
                let (name, argument) = directive(&member);
                // Deviation: RFC 9110 section 5.3 lets lines be joined, and then this line stands in a quoted string. Both
                // readings are possible; what restricts in one of them restricts, what permits must do so in both.
                all.push((name, if was_open { Argument::Broken } else { argument }));
            }
            was_open |= is_open;
        }
        let written = lines(fields, "cache-control");
        let is_divided = written.split_last().is_some_and(|(_, before)| before.iter().any(|line| members(line).1));
        let mut read = Self(all);
        if is_divided {
            read.restrict_as_joined(&written.join(", "));
        }
        read
    }

    /// The same deviation, the other way round: what restricts in the joined reading.
    fn restrict_as_joined(&mut self, joined: &str) {
        let joined = Self(members(joined).0.iter().map(|member| directive(member)).collect());
        for name in ["no-store", "must-revalidate", "proxy-revalidate"] {
            self.0.extend(joined.has(name).then(|| (name.to_owned(), Argument::Broken)));
        }
        for name in ["max-age", "s-maxage"] {
            let is_broken = joined.lifetime(name).is_some_and(|lifetime| lifetime.is_err() || !self.has(name));
            self.0.extend(is_broken.then(|| (name.to_owned(), Argument::Broken)));
        }
        self.0.extend(joined.0.into_iter().filter(|(name, _)| ["private", "no-cache"].contains(&name.as_str())));
    }

    fn of_request(fields: &[(String, String)]) -> Self {
        let lines = lines(fields, "cache-control");
        Self(lines.iter().flat_map(|line| members(line).0).map(|member| directive(&member)).collect())
    }

    fn arguments<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Argument> {
        self.0.iter().filter(move |(other, _)| other == name).map(|(_, argument)| argument)
    }

    fn has(&self, name: &str) -> bool {
        self.arguments(name).next().is_some()
    }

    fn has_plain(&self, name: &str) -> bool {
        self.arguments(name).any(|argument| *argument == Argument::Absent)
    }

    /// RFC 9111 section 4.2.1: of several the first, or stale; stale it is when one is broken. Seconds.
    fn lifetime(&self, name: &str) -> Option<Result<i64, ()>> {
        let all: Vec<Option<i64>> = self.arguments(name).map(number).collect();
        let first = *all.first()?;
        Some(if all.contains(&None) { Err(()) } else { first.ok_or(()) })
    }

    /// RFC 9111 sections 5.2.2.4 and 5.2.2.7: none when absent, no names when it is for the whole response.
    fn qualified(&self, name: &str) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for argument in self.arguments(name) {
            let Argument::Text(text) = argument else { return Some(Vec::new()) };
            let list = members(text).0;
            // Deviation: an argument that is no list of field names must not weaken the directive.
            if list.is_empty() || !list.iter().all(|name| is_token(name)) {
                return Some(Vec::new());
            }
            names.extend(list.iter().map(|name| name.to_ascii_lowercase()));
        }
        self.has(name).then_some(names)
    }

    fn is_whole(&self, name: &str) -> bool {
        self.qualified(name).is_some_and(|names| names.is_empty())
    }
}

fn number(argument: &Argument) -> Option<i64> {
    match argument {
        Argument::Text(text) => delta_seconds(text),
        Argument::Absent | Argument::Broken => None,
    }
}

/// RFC 9111 section 3.5, and what a policy lists besides; presence alone counts.
fn is_credentialed(request: &Request, query: &str, policy: &Operator) -> bool {
    let cookies = || lines(&request.fields, "cookie").join(";");
    let has_cookie = |name: &str| cookies().split([';', ',']).any(|pair| pair.split('=').next().unwrap().trim() == name);
    has(&request.fields, "authorization")
        || policy.credential_field.is_some_and(|name| has(&request.fields, name))
        || policy.credential_cookie.is_some_and(has_cookie)
        || has_query_credential(query)
}

/// RFC 6750 section 2.3.
fn has_query_credential(query: &str) -> bool {
    let name_of = |pair: &str| pair.split('=').next().unwrap().replace("%61", "a").replace("%5F", "_").to_ascii_lowercase();
    query.split(['&', ';']).any(|pair| name_of(pair) == "access_token")
}

/// RFC 9110 section 15.1.
fn is_cacheable_by_default(status: u16) -> bool {
    [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501].contains(&status)
}

/// The codes of the registry: RFC 9110 section 15 and its successors.
fn is_understood(status: u16) -> bool {
    matches!(status, 100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=418 | 421..=426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511)
}

/// A single date; several lines are no date (RFC 9110 section 5.3: not a list).
fn single_date(fields: &[(String, String)], name: &str, now: i64) -> Option<i64> {
    match lines(fields, name).as_slice() {
        [line] => date(line, now / SECOND).map(|seconds| seconds.max(0) * SECOND),
        _ => None,
    }
}

/// One stored response, as the oracle remembers it.
struct Stored {
    is_credentialed: bool,
    is_permitted: bool,
    lifetime: i64,
    initial_age: i64,
    received: i64,
}

/// RFC 9111 section 3, sentence by sentence.
fn store(case: &Case) -> Option<Stored> {
    let (policy, fields) = (&case.policy, &case.response);
    let directives = Directives::of_response(fields);
    let asked = Directives::of_request(&case.first.fields);
    let credentialed = is_credentialed(&case.first, case.query, policy);
    // Deviation: the operator may switch the cache off; 206, 304, 401 and 407 have no entry of their own, and 412, 416 and
    // 417 are about the fields of one request. RFC 6585 sections 3 to 6: 428, 429, 431 and 511 "MUST NOT be stored".
    let is_left_out = case.first.method == "POST" && !policy.stores_post;
    if policy.bypass || is_left_out || !(200..=599).contains(&case.status) || !is_understood_method(case, &directives) {
        return None;
    }
    if [206, 304, 401, 407, 412, 416, 417, 428, 429, 431, 511].contains(&case.status) {
        return None;
    }
    // "if the response status code is 206 or 304, or the must-understand cache directive is present: the cache understands
    // the response status code"
    let must_understand = directives.has_plain("must-understand");
    if must_understand && !is_understood(case.status) {
        return None;
    }
    // Section 5.2.1.5.
    if asked.has("no-store") {
        return None;
    }
    // "the no-store cache directive is not present in the response (see Section 5.2.2.5)", 5.2.2.3 for must-understand.
    // Deviation: must-understand never lifts no-store of a response to credentials.
    if directives.has("no-store") && (!must_understand || credentialed) {
        return None;
    }
    // "if the cache is shared: the private response directive is either not present or allows a shared cache to store a
    // modified response". Deviation: not when it takes away what decides about reuse.
    if directives.is_whole("private") {
        return None;
    }
    let withheld = directives.qualified("private").unwrap_or_default();
    if withheld.iter().any(|name| decides(name)) {
        return None;
    }
    let is_permitted = is_permitted(&directives);
    if credentialed && !may_store_credentialed(case, &directives, is_permitted) {
        return None;
    }
    // "the response contains at least one of the following: ..."
    let states = directives.has("max-age") || directives.has("s-maxage") || has(fields, "expires");
    if !directives.has_plain("public") && !states && !is_cacheable_by_default(case.status) {
        return None;
    }
    let assumed = assumed(case, &directives, credentialed);
    // Deviation: what could never be used without fetching it anew is not worth its memory.
    if !states && assumed.is_none() && !has(fields, "etag") && !has(fields, "last-modified") {
        return None;
    }
    if !fields_allow(case) {
        return None;
    }
    let lifetime = stated(case, &directives).or(assumed).unwrap_or(0).min(i64::from(policy.max_ttl) * SECOND);
    Some(Stored {
        is_credentialed: credentialed,
        is_permitted: credentialed && is_permitted,
        lifetime,
        initial_age: initial_age(case),
        received: case.response_time,
    })
}

/// "the request method is understood by the cache": GET, and RFC 9110 section 9.3.3 for POST: explicit freshness and a
/// Content-Location with the same value as the target URI. Deviation: only a 200.
fn is_understood_method(case: &Case, directives: &Directives) -> bool {
    let is_located = lines(&case.response, "content-location") == ["/x"];
    case.first.method == "GET"
        || (case.first.method == "POST" && case.status == 200 && is_located && stated(case, directives).is_some())
}

/// The fields without which a stored response would be judged by less than the origin said.
fn decides(name: &str) -> bool {
    ["cache-control", "vary", "expires", "etag"].contains(&name)
}

/// RFC 9111 section 3.5: "must-revalidate, public, and s-maxage"; a broken one permits nothing.
fn is_permitted(directives: &Directives) -> bool {
    directives.has_plain("public")
        || directives.has_plain("must-revalidate")
        || matches!(directives.lifetime("s-maxage"), Some(Ok(_)))
}

/// RFC 9111 section 3.5, and what is asked for besides.
fn may_store_credentialed(case: &Case, directives: &Directives, is_permitted: bool) -> bool {
    // Deviation: a key must not hold a credential; an operator may forbid sharing.
    if has_query_credential(case.query) || case.policy.authorization == "never" || !is_permitted {
        return false;
    }
    // Deviation, the tripwire: a mention of a prohibition is enough, whatever the grammar makes of it.
    let text = lines(&case.response, "cache-control").join(",").to_ascii_lowercase();
    if text.contains("private") || text.contains("no-store") {
        return false;
    }
    // Deviation, the second key: an implementation that knows fourteen status codes must agree, and it counts no broken
    // lifetime as one.
    let known = [200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501];
    let is_temporary = [302, 303, 307].contains(&case.status);
    // It stores what answers a POST by an explicit lifetime alone.
    let is_post = case.first.method == "POST";
    let states = (directives.has_plain("public") && !is_post)
        || has(&case.response, "expires")
        || ["max-age", "s-maxage"].iter().any(|name| matches!(directives.lifetime(name), Some(Ok(_))));
    known.contains(&case.status) && (states || !is_temporary && !is_post)
}

/// RFC 9111 sections 3.1 and 4.1, RFC 9110 section 7.6.1, RFC 6265 section 3.
fn fields_allow(case: &Case) -> bool {
    // Deviation: a field that `Connection` takes away from the next recipient must not decide.
    let nominated = lines(&case.response, "connection").into_iter().flat_map(|line| members(line).0);
    if nominated.map(|name| name.to_ascii_lowercase()).any(|name| decides(&name)) {
        return false;
    }
    let Some(names) = vary(case) else { return false };
    // Deviation: what the origin did not see as the client sent it cannot be varied on.
    if names.iter().any(|name| CONSUMED.contains(&name.as_str())) {
        return false;
    }
    // Deviation: cookies of a stored response would go to others, unless the operator says so.
    case.policy.set_cookie != "refuse" || !has(&case.response, "set-cookie")
}

/// RFC 9110 section 12.5.5; none when nothing ever matches.
fn vary(case: &Case) -> Option<Vec<String>> {
    let all: Vec<String> = lines(&case.response, "vary").into_iter().flat_map(|line| members(line).0).collect();
    all.iter()
        .all(|name| is_token(name) && !name.contains('*'))
        .then(|| all.iter().map(|name| name.to_ascii_lowercase()).collect())
}

/// RFC 9111 section 4.2.1: the first of s-maxage, max-age, Expires minus Date. Microseconds.
fn stated(case: &Case, directives: &Directives) -> Option<i64> {
    for name in ["s-maxage", "max-age"] {
        if let Some(seconds) = directives.lifetime(name) {
            // "caches are encouraged to consider responses that have invalid freshness information to be stale"
            return Some(seconds.unwrap_or(0) * SECOND);
        }
    }
    if !has(&case.response, "expires") {
        return None;
    }
    let generated = single_date(&case.response, "date", case.response_time).unwrap_or(case.response_time);
    // Section 5.3: invalid dates, "0" above all, are a time in the past.
    let expires = single_date(&case.response, "expires", case.response_time);
    Some(expires.map_or(0, |expires| (expires - generated).max(0)))
}

/// RFC 9111 section 4.2.2: only where nothing is stated. Deviation: never for a response to credentials.
fn assumed(case: &Case, directives: &Directives, credentialed: bool) -> Option<i64> {
    let policy = &case.policy;
    if credentialed || !(is_cacheable_by_default(case.status) || directives.has_plain("public")) {
        return None;
    }
    let is_restricted =
        ["no-cache", "no-store", "private", "must-revalidate", "proxy-revalidate"].iter().any(|name| directives.has(name));
    let floor = if is_restricted { 0 } else { i64::from(policy.min_ttl) * SECOND };
    // Deviation: of errors the operator may state it apart, and then nothing else is assumed.
    if let Some(negative) = policy.negative_ttl.filter(|_| case.status >= 400 && is_cacheable_by_default(case.status)) {
        return (negative > 0 && !is_restricted).then_some(i64::from(negative) * SECOND);
    }
    let generated = single_date(&case.response, "date", case.response_time).unwrap_or(case.response_time);
    let modified = single_date(&case.response, "last-modified", case.response_time);
    if let Some(modified) = modified.filter(|_| policy.heuristic) {
        // "a typical setting of this fraction might be 10%"; at most a day.
        let tenth = ((generated - modified).max(0) / 10).min(86400 * SECOND);
        return Some(tenth.max(floor));
    }
    // Deviation: an operator may state what the origin leaves open.
    let wanted = if is_restricted { 0 } else { floor.max(i64::from(policy.default_ttl) * SECOND) };
    (wanted > 0).then_some(wanted)
}

/// RFC 9111 section 4.2.3, the formulas as they stand.
fn initial_age(case: &Case) -> i64 {
    let date_value = single_date(&case.response, "date", case.response_time).unwrap_or(case.response_time);
    // Section 5.1: of a list the first member; what is no number is ignored.
    let list: Vec<String> = lines(&case.response, "age").into_iter().flat_map(|line| members(line).0).collect();
    let age_value = list.first().and_then(|first| delta_seconds(first)).unwrap_or(0) * SECOND;
    let apparent_age = (case.response_time - date_value).max(0);
    let response_delay = (case.response_time - case.request_time).max(0);
    let corrected_age_value = age_value + response_delay;
    apparent_age.max(corrected_age_value)
}

impl Stored {
    /// RFC 9111 section 4.2.3. Deviation: a clock that went back by more than two seconds tells no age.
    fn age(&self, now: i64) -> Option<i64> {
        let resident = now - self.received;
        (resident >= -2 * SECOND).then(|| self.initial_age + resident.max(0))
    }
}

/// RFC 9111 section 4.1: the nominated fields of both requests match.
fn varies(case: &Case) -> bool {
    let value = |request: &Request, name: &str| -> Option<Vec<String>> {
        let lines = lines(&request.fields, name);
        if lines.is_empty() {
            return None;
        }
        // White space around commas may be normalised; credentials and cookies are no lists.
        let is_exact = ["authorization", "cookie"].contains(&name);
        Some(if is_exact {
            lines.iter().map(|line| (*line).to_owned()).collect()
        } else {
            lines.iter().flat_map(|line| members(line).0).collect()
        })
    };
    vary(case).unwrap_or_default().iter().any(|name| value(&case.first, name) != value(&case.second, name))
}

/// RFC 9111 section 4: what is done with the second request.
fn decide(case: &Case, stored: Option<&Stored>) -> &'static str {
    let method = case.second.method;
    if method != "GET" && method != "HEAD" {
        // "MUST write through requests with methods that are unsafe", whatever they say.
        return "forward";
    }
    let directives = Directives::of_request(&case.second.fields);
    // Section 5.2.1.7.
    let instead = |decision| if directives.has("only-if-cached") { "refuse" } else { decision };
    // Deviation: content is no part of the key; If-Match and If-Unmodified-Since are the origin's (RFC 9110 section 13).
    let is_for_origin = has(&case.second.fields, "if-match") || has(&case.second.fields, "if-unmodified-since");
    let is_left_out = case.second.method == "HEAD" && !case.policy.answers_head;
    if case.policy.bypass || is_left_out || case.second.has_content || is_for_origin {
        return instead("forward");
    }
    let Some(stored) = stored.filter(|_| !varies(case)) else { return instead("forward") };
    let credentialed = is_credentialed(&case.second, case.query, &case.policy);
    if is_withheld(case, stored, credentialed) {
        return instead("forward");
    }
    match reuse(case, stored, &directives, credentialed) {
        "validate" => instead("validate"),
        // Section 5.2.1.7: a stored response "consistent with the other constraints of the request", and nothing more.
        "serve-and-validate" => {
            if directives.has("only-if-cached") {
                "serve-stale"
            } else {
                "serve-and-validate"
            }
        }
        decision => decision,
    }
}

/// RFC 9111 section 3.5, and what an operator withholds.
fn is_withheld(case: &Case, stored: &Stored, credentialed: bool) -> bool {
    let policy = &case.policy;
    // Deviation: a stored refusal is nothing for somebody with credentials.
    (stored.is_credentialed && (!stored.is_permitted || policy.authorization == "never"))
        || (credentialed && case.status == 403)
        || (credentialed && !stored.is_credentialed && policy.anonymous_entries == "bypass")
}

/// RFC 9111 sections 4.2, 4.2.4 and 5.2.
fn reuse(case: &Case, stored: &Stored, asked: &Directives, credentialed: bool) -> &'static str {
    let policy = &case.policy;
    let directives = Directives::of_response(&case.response);
    let obeys = !policy.ignore_request_cache_control;
    // "the stored response does not contain the no-cache directive, unless it is successfully validated"; sections 5.2.1.4
    // and 5.2.1.5. Deviation: a request with no-store does not reuse.
    if directives.is_whole("no-cache") || (obeys && asked.has("no-cache")) || asked.has("no-store") {
        return "validate";
    }
    // Deviation: what was stored under other rules, or what the operator wants confirmed.
    if policy.is_changed
        || (stored.is_credentialed && policy.authorization == "always-validate")
        || (credentialed && !stored.is_credentialed && policy.anonymous_entries == "validate")
    {
        return "validate";
    }
    let Some(age) = stored.age(case.now) else { return "validate" };
    let of_first = |name| asked.arguments(name).next().filter(|_| obeys).map(number);
    // RFC 8246 section 2: "will not update the representation of that resource during the freshness lifetime"; section 2.1:
    // "proxies SHOULD skip conditionally revalidating fresh responses containing the immutable extension unless there is a
    // signal from the client that a validation is necessary". "If any arguments are present, they have no meaning and MUST
    // be ignored". Deviation: what is no argument by the grammar makes it another word.
    let is_immutable = stored.lifetime > age && directives.arguments("immutable").any(|argument| *argument != Argument::Broken);
    // Section 5.2.1.1. Deviation: a broken max-age wants the youngest.
    if !is_immutable && of_first("max-age").is_some_and(|most| age > most.unwrap_or(0) * SECOND) {
        return "validate";
    }
    if stored.lifetime > age {
        // Section 5.2.1.3.
        let least = asked.arguments("min-fresh").find_map(number).filter(|_| obeys).unwrap_or(0) * SECOND;
        return if stored.lifetime - age >= least { "serve" } else { "validate" };
    }
    if serves_while_revalidating(case, stored, asked, age - stored.lifetime) {
        // Deviation: what cannot be asked in the background with these credentials is asked with the client waiting.
        return if may_ask_behind(&case.second) { "serve-and-validate" } else { "validate" };
    }
    // Section 5.2.1.2; without an argument any staleness, a broken one is no permission.
    let is_accepted = obeys
        && (asked.has_plain("max-stale")
            || asked.arguments("max-stale").find_map(number).is_some_and(|most| age - stored.lifetime <= most * SECOND));
    if is_accepted && !is_stale_prohibited(&directives) { "serve-stale" } else { "validate" }
}

/// RFC 9111 section 4.2.4: "explicitly prohibited: ... no-cache, must-revalidate, or an applicable s-maxage or
/// proxy-revalidate". Deviation: a qualified no-cache counts too.
fn is_stale_prohibited(directives: &Directives) -> bool {
    ["no-cache", "must-revalidate", "s-maxage", "proxy-revalidate"].iter().any(|name| directives.has(name))
}

/// RFC 5861 section 3: "caches MAY serve the response it appears in after it becomes stale, up to the indicated number of
/// seconds".
fn serves_while_revalidating(case: &Case, stored: &Stored, asked: &Directives, staleness: i64) -> bool {
    let directives = Directives::of_response(&case.response);
    let obeys = !case.policy.ignore_request_cache_control;
    // RFC 9111 sections 5.2.1.1 and 5.2.1.3: the client wants a fresh one; section 5.2.1.2: or one no staler than it says.
    let wants_fresh = asked.has("max-age") || asked.arguments("min-fresh").any(|one| number(one).is_some());
    let accepts = asked.has_plain("max-stale")
        || asked.arguments("max-stale").find_map(number).is_none_or(|most| staleness <= most * SECOND);
    if is_stale_prohibited(&directives) || (obeys && (wants_fresh || !accepts)) {
        return false;
    }
    let window = match directives.lifetime("stale-while-revalidate") {
        Some(stated) => stated.unwrap_or(0),
        // Deviation: an operator may state what the origin leaves open, for what was stored without credentials.
        None if stored.is_credentialed => 0,
        None => i64::from(case.policy.stale_while_revalidate),
    };
    window > 0 && staleness <= window * SECOND
}

/// Credentials of a connection (RFC 4559 section 6) go with it alone; those that may cover method and fields (RFC 7616
/// section 3.4.3, RFC 9421) with an unchanged request: a GET for the whole.
fn may_ask_behind(request: &Request) -> bool {
    let is_whole_get = request.method == "GET"
        && !["range", "if-range", "if-none-match", "if-modified-since"].iter().any(|name| has(&request.fields, name));
    let schemes: Vec<String> = lines(&request.fields, "authorization")
        .iter()
        .map(|value| value.split([' ', ',']).next().unwrap().to_ascii_lowercase())
        .collect();
    let has_scheme = |names: &[&str]| schemes.iter().any(|scheme| names.contains(&scheme.as_str()));
    let is_free = schemes.iter().all(|scheme| scheme == "basic" || scheme == "bearer") && !has(&request.fields, "signature");
    !has_scheme(&["ntlm", "negotiate"]) && (is_whole_get || is_free)
}

/// RFC 5861 section 4, "when an error is encountered, a cached stale response MAY be used to satisfy the request", and RFC
/// 9111 section 4.2.4, "unless it is disconnected": for a validation that ends in an error, and for one that ends in nothing.
fn survives(case: &Case, stored: &Stored, asked: &Directives) -> [bool; 2] {
    let policy = &case.policy;
    let directives = Directives::of_response(&case.response);
    let obeys = !policy.ignore_request_cache_control;
    // Deviation: who asks for a validation, operator or client, is not content with less.
    let credentialed = is_credentialed(&case.second, case.query, policy);
    let is_asked_for = asked.has("no-store")
        || (obeys
            && (asked.has("no-cache") || asked.has("max-age") || asked.arguments("min-fresh").any(|one| number(one).is_some())))
        || policy.is_changed
        || (stored.is_credentialed && policy.authorization == "always-validate")
        || (credentialed && !stored.is_credentialed && policy.anonymous_entries == "validate");
    let Some(age) = stored.age(case.now).filter(|_| !is_asked_for && !is_stale_prohibited(&directives)) else {
        return [false; 2];
    };
    // "Its value indicates the upper limit to staleness"; of several values as section 4.2.1 of RFC 9111 says.
    // Deviation: an operator may state what the origin leaves open; nothing is no window.
    let of_response =
        directives.lifetime("stale-if-error").map_or(i64::from(policy.stale_if_error), |stated| stated.unwrap_or(0));
    // "When used as a request Cache-Control extension, its scope of application is the request it appears in".
    let of_request = asked.arguments("stale-if-error").find_map(number).filter(|_| obeys).unwrap_or(0);
    let on_error = of_response.max(of_request);
    let on_silence = on_error.max(i64::from(policy.max_stale_disconnected));
    [on_error, on_silence].map(|most| most > 0 && age - stored.lifetime <= most * SECOND)
}

/// What RFC 9111 says of this case.
pub(crate) fn answer(case: &Case) -> Answer {
    let stored = store(case);
    let decision = decide(case, stored.as_ref());
    let kept = |stored: &Stored| Kept {
        is_credentialed: stored.is_credentialed,
        is_permitted: stored.is_permitted,
        lifetime: stored.lifetime,
        age: stored.age(case.now),
    };
    let asked = Directives::of_request(&case.second.fields);
    let survives = stored.as_ref().filter(|_| decision == "validate").map(|stored| survives(case, stored, &asked));
    let [survives_errors, survives_silence] = survives.unwrap_or_default();
    Answer { stored: stored.as_ref().map(kept), decision, survives_errors, survives_silence }
}

/// RFC 9111 section 4.3.4: does a 304 with these validators stand for the stored response with those?
///
/// Deviations: a 304 without any confirms what the condition was made from; so does a date alone where only a tag is stored.
pub(crate) fn selects(new_tag: Option<&str>, new_date: Option<&str>, old_tag: Option<&str>, old_date: Option<&str>) -> bool {
    match (new_tag, old_tag) {
        // "If the new response contains one or more strong validators ... identical"
        (Some(new), Some(old)) if !new.starts_with("W/") => new == old,
        (Some(new), Some(old)) => new.trim_start_matches("W/") == old.trim_start_matches("W/"),
        (Some(_), None) => false,
        (None, _) => match (new_date, old_date) {
            (Some(new), Some(old)) => new == old,
            (Some(_), None) => old_tag.is_some(),
            (None, _) => true,
        },
    }
}
