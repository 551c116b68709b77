//! What RFC 9111 lets a shared cache do, read from its sentences and from nothing else.
//!
//! Naive on purpose, and independent of the gateway: it shares no code and no parser with it, so that a mistake has to be
//! made twice to go unseen.

/// A response that was asked for once, and is now asked for again.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The lines of `Cache-Control`.
    pub cache_control: &'a [&'a str],
    /// `Expires`, in seconds after `Date`.
    pub expires: Option<u64>,
    /// The one field that `Vary` names.
    pub vary: Option<&'a str>,
    /// The fields of the request that was answered by the origin.
    pub filled_with: &'a [(&'a str, &'a str)],
    /// The fields of the request that comes later.
    pub asked_with: &'a [(&'a str, &'a str)],
    /// The query, which is the same for both.
    pub query: &'a str,
    /// How old the response is.
    pub seconds_later: u64,
    /// Whether a field, by name and value, is a credential.
    pub is_credential: fn(&str, &str) -> bool,
}

/// What RFC 9111 section 3.5 itself calls one: Authorization, whatever it says.
#[must_use]
pub fn is_authorization(name: &str, _value: &str) -> bool {
    name.eq_ignore_ascii_case("authorization")
}

/// What must be done with the second request. The stored response has an entity tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// It goes to the origin as if nothing had been stored.
    Origin,
    /// The stored response answers.
    Stored,
    /// The stored response answers, and the origin may be asked about it meanwhile.
    StoredAndAsked,
    /// The stored response answers once the origin has confirmed it to this very request.
    Validated,
}

/// Reads the rules for one question.
///
/// Source: RFC 9111 sections 3, 3.5, 4, 4.1, 4.2 and 5.2.2; RFC 5861 section 3; RFC 6750 section 2.3.
#[must_use]
pub fn expect(question: &Question<'_>) -> Expectation {
    let readings = readings(question.cache_control);
    let some = |name: &str| readings.iter().any(|reading| reading.iter().any(|member| member.name == name));
    // Section 3: "the no-store cache directive is not present in the response".
    // Section 3: "if the cache is shared: the private response directive is either not present or allows a shared cache
    // to store a modified response" - which only a list of field names does (section 5.2.2.7).
    let is_private = readings.iter().any(|reading| reading.iter().any(|member| member.name == "private" && !member.is_limited()));
    if some("no-store") || is_private {
        return Expectation::Origin;
    }
    // RFC 6750 section 2.3: a token in the query; what is stored would be found by its URI, so nothing is.
    if question.query.replace("%61", "a").contains("access_token=") {
        return Expectation::Origin;
    }
    // Section 3.5: "a shared cache MUST NOT use a cached response to a request with an Authorization header field to
    // satisfy any subsequent request unless the response contains a Cache-Control field with a response directive that
    // allows it to be stored by a shared cache".
    if question.is_credentialed(question.filled_with) && !readings.iter().all(|reading| permits(reading)) {
        return Expectation::Origin;
    }
    // Section 4.1: "the cache MUST NOT use that stored response without revalidation unless all the presented request
    // header fields nominated by that Vary field value match those fields in the original request".
    if question.is_other_variant() {
        // Section 4.3.1 lets the origin be asked whether the stored one is the one; never about people.
        let is_of_somebody = question.is_credentialed(question.filled_with) || question.is_credentialed(question.asked_with);
        let is_about_people = question.vary.is_some_and(|name| !name.to_ascii_lowercase().starts_with("accept-"));
        return if is_of_somebody || is_about_people { Expectation::Origin } else { Expectation::Validated };
    }
    // Section 5.2.2.4: no-cache without argument "MUST NOT be used to satisfy any other request without forwarding it for
    // validation and receiving a successful response".
    let needs_validation = is_never_fresh(question.cache_control);
    // Section 4.2: "a fresh response is one whose age has not yet exceeded its freshness lifetime".
    let lifetime = readings.iter().map(|reading| lifetime(reading, question.expires)).min().unwrap_or(0);
    if !needs_validation && question.seconds_later < lifetime {
        return Expectation::Stored;
    }
    let staleness = question.seconds_later.saturating_sub(lifetime);
    let is_in_window = readings.iter().all(|reading| stale_window(reading).is_some_and(|window| staleness <= window));
    if is_in_window { Expectation::StoredAndAsked } else { Expectation::Validated }
}

/// RFC 5861 section 3: "caches MAY serve the response it appears in after it becomes stale, up to the indicated number of
/// seconds"; RFC 9111 section 4.2.4 forbids it for "no-cache", "must-revalidate", "s-maxage" and "proxy-revalidate".
fn stale_window(reading: &[Member]) -> Option<u64> {
    let forbidding = ["no-cache", "must-revalidate", "s-maxage", "proxy-revalidate"];
    let is_forbidden = reading.iter().any(|member| forbidding.contains(&member.name.as_str()));
    seconds(reading, "stale-while-revalidate").flatten().filter(|_| !is_forbidden)
}

/// Section 3.5: "the following response directives have such an effect: must-revalidate, public, and s-maxage". They are
/// taken at their word only when they are written as sections 5.2.2.2, 5.2.2.9 and 5.2.2.10 define them.
fn permits(reading: &[Member]) -> bool {
    let bare = |name: &str| reading.iter().any(|member| member.name == name && member.argument == Argument::Absent);
    bare("public") || bare("must-revalidate") || matches!(seconds(reading, "s-maxage"), Some(Some(_)))
}

/// Section 4.2.1: s-maxage in a shared cache, else max-age, else Expires minus Date; "when there is more than one value
/// present for a given directive, either the first occurrence should be used or the response should be considered stale",
/// and invalid freshness information makes it stale. The heuristic of section 4.2.2 needs a Last-Modified.
fn lifetime(reading: &[Member], expires: Option<u64>) -> u64 {
    let stated = seconds(reading, "s-maxage").or_else(|| seconds(reading, "max-age"));
    stated.map_or(expires.unwrap_or(0), |valid| valid.unwrap_or(0))
}

/// None: not stated. `Some(None)`: stated in a way that means nothing.
fn seconds(reading: &[Member], name: &str) -> Option<Option<u64>> {
    let stated: Vec<Option<u64>> = reading.iter().filter(|member| member.name == name).map(Member::seconds).collect();
    let first = *stated.first()?;
    Some(if stated.contains(&None) { None } else { first })
}

impl Question<'_> {
    /// Whether `Vary` tells the two requests apart (section 4.1).
    #[must_use]
    pub fn is_other_variant(&self) -> bool {
        self.vary.is_some_and(|name| value_of(self.filled_with, name) != value_of(self.asked_with, name))
    }

    /// Presence counts.
    fn is_credentialed(&self, fields: &[(&str, &str)]) -> bool {
        fields.iter().any(|(name, value)| (self.is_credential)(name, value))
    }
}

/// Whether the response asks that the origin judges every use, or every use once it is stale: `no-cache`, `s-maxage` and
/// `must-revalidate` do (sections 3.5 and 5.2.2.4), `public` alone does not.
#[must_use]
pub fn is_judged_by_origin(cache_control: &[&str]) -> bool {
    let judged = ["no-cache", "s-maxage", "must-revalidate"];
    readings(cache_control).iter().flatten().any(|member| judged.contains(&member.name.as_str()))
}

/// Whether `no-cache` without argument forbids every use that the origin did not confirm (section 5.2.2.4).
#[must_use]
pub fn is_never_fresh(cache_control: &[&str]) -> bool {
    readings(cache_control).iter().flatten().any(|member| member.name == "no-cache" && !member.is_limited())
}

/// Whether a lifetime is stated, even by a number that is none; else a cache may make one up (section 4.2.2).
#[must_use]
pub fn states_lifetime(cache_control: &[&str]) -> bool {
    readings(cache_control).iter().flatten().any(|member| matches!(member.name.as_str(), "s-maxage" | "max-age"))
}

fn value_of<'a>(fields: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// One member of the list: `cache-directive = token [ "=" ( token / quoted-string ) ]` (section 5.2).
struct Member {
    name: String,
    argument: Argument,
}

#[derive(PartialEq, Eq)]
enum Argument {
    Absent,
    Text(String),
    /// Not of the grammar.
    Broken,
}

impl Member {
    /// Section 1.2.2: `delta-seconds = 1*DIGIT`.
    fn seconds(&self) -> Option<u64> {
        let Argument::Text(text) = &self.argument else { return None };
        let is_number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    }

    /// Sections 5.2.2.4 and 5.2.2.7: limited to the fields of a list.
    fn is_limited(&self) -> bool {
        let Argument::Text(names) = &self.argument else { return false };
        let is_name = |name: &str| !name.trim().is_empty() && name.trim().chars().all(is_token_char);
        names.split(',').all(is_name)
    }
}

/// Every way to read the field. RFC 9110 section 5.3: lines may be joined with commas "without changing the semantics of
/// the message"; where joining does change it, because of a quoted string that never ends, what restricts counts in either
/// reading and what permits has to be there in both.
fn readings(lines: &[&str]) -> [Vec<Member>; 2] {
    [lines.iter().flat_map(|line| members(line)).collect(), members(&lines.join(", "))]
}

fn members(text: &str) -> Vec<Member> {
    let mut members = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = end_of_member(rest);
        let member = rest[..end].trim_matches([' ', '\t']);
        if !member.is_empty() {
            members.push(read_member(member));
        }
        rest = rest.get(end + 1..).unwrap_or("");
    }
    members
}

/// Where the next comma outside quotes stands.
fn end_of_member(text: &str) -> usize {
    let mut quoted = false;
    let mut skip = false;
    for (at, c) in text.char_indices() {
        if std::mem::take(&mut skip) {
            continue;
        }
        match c {
            '"' => quoted = !quoted,
            '\\' => skip = quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

fn read_member(member: &str) -> Member {
    let end = member.find(|c| !is_token_char(c)).unwrap_or(member.len());
    let (name, rest) = member.split_at(end);
    let argument = match rest.strip_prefix('=') {
        None if rest.is_empty() => Argument::Absent,
        None => Argument::Broken,
        Some(value) if !value.is_empty() && value.chars().all(is_token_char) => Argument::Text(value.to_owned()),
        Some(value) => read_quoted(value).map_or(Argument::Broken, Argument::Text),
    };
    Member { name: name.to_ascii_lowercase(), argument }
}

/// RFC 9110 section 5.6.4.
fn read_quoted(value: &str) -> Option<String> {
    let mut characters = value.strip_prefix('"')?.chars();
    let mut text = String::new();
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(text),
            '\\' => text.push(characters.next()?),
            c => text.push(c),
        }
    }
}

/// RFC 9110 section 5.6.2.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
