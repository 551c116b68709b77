//! The model: everything the origin ever said, and what RFC 9111 makes of it. It is told what the cache asked and answered,
//! never what it holds, and uses nothing of the project.
//!
//! Where the project decides otherwise than RFC 9111 must have it, the line says `Deviation`.

use crate::engine::{Given, How};
use crate::known::Known;
use crate::origin::{Answer, Exchange, content, parse_range, tag};
use crate::reading::{Directives, has, varies, vary};
use crate::step::{Operator, PATHS, Request, is_credentialed, line};

#[path = "learning.rs"]
mod learning;

/// What must not be, in words.
type Wrong = String;

pub(crate) struct Model {
    operator: Operator,
    policy: u64,
    known: Vec<Known>,
    pub(crate) gets: u64,
    pub(crate) reused: u64,
}

impl Model {
    pub(crate) fn new(operator: Operator) -> Self {
        Self { operator, policy: 0, known: Vec::new(), gets: 0, reused: 0 }
    }

    pub(crate) fn change_policy(&mut self) {
        self.policy += 1;
    }

    /// Looks at an answer, then learns from what the origin said for it.
    pub(crate) fn look(&mut self, request: &Request, given: &Given, exchanges: &[Exchange], asked_at: i64) -> Result<(), Wrong> {
        if request.method == "GET" {
            self.gets += 1;
            self.reused += u64::from(given.how == How::Reused);
        }
        let must_reuse = self.must_reuse(request, asked_at);
        match exchanges.last() {
            None => self.check_unasked(request, given)?,
            Some(last) => self.check_asked(request, given, exchanges, last)?,
        }
        if must_reuse && given.how != How::Reused {
            return Err(format!("missed reuse: a fresh response could answer, and it was {:?}", given.how));
        }
        for exchange in exchanges.iter().filter(|_| ![How::Ignored, How::StoodIn].contains(&given.how)) {
            if let Some(answer) = &exchange.answer {
                self.learn(request, given, exchange, answer);
            }
        }
        Ok(())
    }

    /// The origin was not asked.
    fn check_unasked(&mut self, request: &Request, given: &Given) -> Result<(), Wrong> {
        if given.how == How::Refused {
            let wanted = Directives::of(&request.fields).has("only-if-cached");
            return if wanted && given.status == 504 { Ok(()) } else { Err("504 to who did not ask for it".to_owned()) };
        }
        self.check_stored(request, given, None)
    }

    /// An answer from the store without confirmation; `failed` after a failure, for how long the operator bridges it.
    fn check_stored(&mut self, request: &Request, given: &Given, failed: Option<i64>) -> Result<(), Wrong> {
        let at = self.find(request, note(given), given)?;
        let known = &self.known[at];
        if let Some(why) = self.why_not(known, request, given.now, failed) {
            return Err(why);
        }
        if let Some(newer) = self.preferable(known, request) {
            return Err(format!("n064: {} was received, {} is newer", known.note, newer.note));
        }
        check_content(known, request, given)?;
        check_fields(known, given)?;
        self.check_age(at, given)
    }

    /// RFC 9111 sections 4 and 5.1: `Age` is the current age, and does not decrease while time goes on.
    fn check_age(&mut self, at: usize, given: &Given) -> Result<(), Wrong> {
        let known = &mut self.known[at];
        let age = known.age(given.now).unwrap_or_default() / crate::step::SECOND;
        let shown = value(given, "age").and_then(|age| age.parse::<i64>().ok());
        if shown != Some(age) {
            return Err(format!("n061: expected Age {age}, found {shown:?}"));
        }
        if let Some((then, before)) = known.shown.replace((given.now, age))
            && then <= given.now
            && age < before
        {
            return Err(format!("age went from {before} to {age}"));
        }
        Ok(())
    }

    /// The origin was asked.
    fn check_asked(&mut self, request: &Request, given: &Given, exchanges: &[Exchange], last: &Exchange) -> Result<(), Wrong> {
        for name in ["authorization", "cookie"] {
            if exchanges.iter().any(|exchange| line(&exchange.sent, name) != line(&request.fields, name)) {
                return Err(format!("n025: the origin was asked with another {name}"));
            }
        }
        let Some(answer) = &last.answer else {
            return match given.how {
                How::Failed if given.status >= 502 => Ok(()),
                How::StoodIn => self.check_stored(request, given, Some(self.operator.max_stale_disconnected)),
                how => Err(format!("the origin was silent and the answer was {how:?}")),
            };
        };
        match given.how {
            How::Confirmed | How::Selected | How::Settled => self.check_confirmed(request, given, last, answer),
            How::Relayed if is_same(given, answer) => Ok(()),
            How::Ignored if answer.status >= 400 => Ok(()),
            How::Failed if answer.status == 304 => Ok(()),
            // A received 5xx: RFC 5861 section 4.
            How::StoodIn if [500, 502, 503, 504].contains(&answer.status) => self.check_stored(request, given, Some(0)),
            how => Err(format!("the origin said {} {}, the asker got {how:?}", answer.status, answer.body)),
        }
    }

    /// RFC 9111 sections 4.3.3 and 4.3.4: the bytes are those that the origin confirmed to this asker.
    fn check_confirmed(&self, request: &Request, given: &Given, last: &Exchange, answer: &Answer) -> Result<(), Wrong> {
        let known = &self.known[self.find(request, given.validated.as_deref(), given)?];
        if answer.status != 304 {
            return Err(format!("confirmed by {}", answer.status));
        }
        let is_selected = given.how == How::Selected;
        // What it varies on is for the origin to say.
        let asks = if is_selected { Request { fields: known.asked.clone(), ..request.clone() } } else { request.clone() };
        if let Some(why) = self.why_never(known, &asks) {
            return Err(format!("{why} (validated)"));
        }
        let (asked_for, named, own) =
            (line(&last.sent, "if-none-match"), line(&answer.fields, "etag"), line(&known.fields, "etag"));
        let is_one_of = asked_for.is_some_and(|tags| tags.split(", ").any(|tag| Some(tag) == own));
        // Deviation: nothing is offered to, or of, somebody with credentials, nor what varies on them.
        let tells_who = vary(&known.fields).iter().any(|name| ["authorization", "cookie"].contains(&name.as_str()));
        let is_anybodys = !known.is_credentialed && !tells_who && !is_credentialed(request.path, &request.fields);
        // Deviation: without a tag a 304 selects the only one that was offered.
        let is_named = named == own || named.is_none() && asked_for == own;
        if is_selected && !(is_one_of && is_named && is_anybodys) {
            return Err(format!("n079: {asked_for:?} were offered, {named:?} was selected, shown is {}", known.note));
        }
        if !is_selected && asked_for != own {
            return Err(format!("n079: {} was to be confirmed, the origin was asked for {asked_for:?}", known.note));
        }
        if asked_for.is_none() && line(&last.sent, "if-modified-since") != line(&known.fields, "last-modified") {
            return Err("n080: another Last-Modified was asked for".to_owned());
        }
        if named.is_some() && named != own && own.is_some() {
            return Err(format!("n090: asked for {asked_for:?}, confirmed was {named:?}"));
        }
        if note(given) != line(&answer.fields, "x-note") {
            return Err(format!("n092: the 304 said {:?}, shown is {:?}", line(&answer.fields, "x-note"), note(given)));
        }
        if given.how == How::Settled { Ok(()) } else { check_content(known, request, given) }
    }

    /// The stored response that an answer was made of. Several may have one note (a HEAD or a selection gave it to them):
    /// then the bytes tell, the fields of the request, and those of the answer that the last 304 did not bring.
    fn find(&self, request: &Request, note: Option<&str>, given: &Given) -> Result<usize, Wrong> {
        let is_meant = |known: &Known| known.path == request.path && Some(known.note.as_str()) == note;
        let likeness = |known: &Known| {
            let has_bytes = given.body.starts_with(&content(known.rep)[..4]);
            let is_alike = |name: &str| value(given, name) == line(&known.fields, name);
            let is_asked = given.how == How::Selected || !varies(&known.fields, &known.asked, &request.fields);
            (known.gone.is_none(), has_bytes, is_alike("etag"), is_asked, is_alike("cache-control"), is_alike("vary"))
        };
        let meant = self.known.iter().enumerate().filter(|(_, known)| is_meant(known));
        let found = meant.max_by_key(|(_, known)| likeness(known)).map(|(at, _)| at);
        found.ok_or_else(|| format!("nothing that the origin said of {} is {note:?}", PATHS[request.path]))
    }

    /// Why this response must not be shown to this asker at all, not even confirmed.
    fn why_never(&self, known: &Known, request: &Request) -> Option<Wrong> {
        let directives = Directives::of(&known.fields);
        let asker = is_credentialed(request.path, &request.fields);
        let reason = if let Some(gone) = known.gone {
            gone
        } else if !["GET", "HEAD"].contains(&request.method) {
            "n062: the method is to be written through"
        } else if varies(&known.fields, &known.asked, &request.fields) {
            "n058: another variant"
        } else if known.is_credentialed && !directives.permit() {
            "n054: for its credentials alone"
        } else if directives.has_plain("private") {
            "n110: private"
        } else if directives.forbid_storing(known.is_credentialed) {
            "n108: no-store"
        } else if known.is_credentialed && self.operator.authorization == "never" {
            "the operator shares nothing credentialed"
        } else if asker && known.status == 403 {
            // Deviation: it was for who had no credentials.
            "a stored refusal"
        } else if asker && !known.is_credentialed && self.operator.anonymous_entries == "bypass" {
            "the operator keeps such entries from askers with credentials"
        } else {
            return None;
        };
        Some(format!("{reason}: {}", known.note))
    }

    /// Why this response must not answer without being confirmed in this very exchange.
    fn why_not(&self, known: &Known, request: &Request, now: i64, failed: Option<i64>) -> Option<Wrong> {
        if let Some(why) = self.why_never(known, request) {
            return Some(why);
        }
        let (said, asked) = (Directives::of(&known.fields), Directives::of(&request.fields));
        let asker = is_credentialed(request.path, &request.fields);
        let Some(age) = known.age(now) else { return Some(format!("n065: no age can be told: {}", known.note)) };
        let lifetime = known.lifetime();
        let is_fresh = age < lifetime;
        let least = asked.seconds("min-fresh").flatten().unwrap_or(0);
        let most = asked.seconds("max-age").flatten().filter(|_| !(said.has("immutable") && is_fresh));
        let reason = if said.has_plain("no-cache") {
            "n107: no-cache"
        } else if asked.has("no-cache") || asked.has("no-store") {
            "n103: the request wants a validation"
        } else if known.policy != self.policy
            || known.is_credentialed && self.operator.authorization == "always-validate"
            || asker && !known.is_credentialed && self.operator.anonymous_entries == "validate"
        {
            "the operator wants a validation"
        } else if most.is_some_and(|most| age > most) || is_fresh && lifetime - age < least {
            "n103: too old for the request"
        } else if !is_fresh && !self.may_be_stale(&said, &asked, age - lifetime, failed) {
            "n060: stale"
        } else {
            return None;
        };
        Some(format!("{reason}: {} is {age} old of {lifetime}", known.note))
    }

    /// RFC 9111 section 4.2.4, RFC 5861: may a response answer that is this much past its lifetime?
    fn may_be_stale(&self, said: &Directives, asked: &Directives, staleness: i64, failed: Option<i64>) -> bool {
        if ["no-cache", "must-revalidate", "proxy-revalidate", "s-maxage"].iter().any(|name| said.has(name)) {
            return false;
        }
        let within = |seconds: Option<i64>| seconds.is_some_and(|most| staleness <= most);
        let is_accepted = asked.has_plain("max-stale") || within(asked.seconds("max-stale").flatten());
        let is_meanwhile = within(said.seconds("stale-while-revalidate").flatten());
        // A failure and for how long the operator has it bridged; RFC 5861 section 4 for the rest.
        let is_bridged = failed.is_some_and(|most| {
            let seconds = |directives: &Directives| directives.seconds("stale-if-error").flatten();
            most > 0 && within(Some(most)) || within(seconds(said)) || within(seconds(asked))
        });
        is_accepted || is_meanwhile || is_bridged
    }

    /// RFC 9111 sections 4 and 4.1: of several matching ones the newest, one with `Vary` before one without.
    fn preferable<'a>(&'a self, chosen: &Known, request: &'a Request) -> Option<&'a Known> {
        let rank = |known: &Known| (has(&known.fields, "vary"), known.date / crate::step::SECOND);
        self.matching(request).find(|other| other.is_sure && !other.is_part && rank(other) > rank(chosen))
    }

    fn matching<'a>(&'a self, request: &'a Request) -> impl Iterator<Item = &'a Known> {
        self.known.iter().filter(|known| {
            known.path == request.path && known.gone.is_none() && !varies(&known.fields, &known.asked, &request.fields)
        })
    }

    /// A stored response plainly may answer, so it should. Left out: requests with directives, conditions or ranges, and
    /// where anything that may be stored beside it would have to be validated or is perhaps not stored.
    fn must_reuse(&self, request: &Request, now: i64) -> bool {
        let is_plain = ["cache-control", "range", "if-none-match"].iter().all(|name| !has(&request.fields, name));
        let mut matching = self.matching(request).filter(|known| !known.is_part).peekable();
        is_plain
            && matching.peek().is_some()
            && matching.all(|known| {
                let is_fresh = known.states_lifetime() && known.age(now).is_some_and(|age| age < known.lifetime());
                known.is_sure && is_fresh && self.why_not(known, request, now, None).is_none()
            })
    }
}

fn value<'a>(given: &'a Given, name: &str) -> Option<&'a str> {
    given.fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn note(given: &Given) -> Option<&str> {
    value(given, "x-note")
}

/// The origin's answer, as it was.
fn is_same(given: &Given, answer: &Answer) -> bool {
    given.status == answer.status && given.body == answer.body && note(given) == line(&answer.fields, "x-note")
}

/// The bytes are those of this response, all of them or the part that was asked for.
fn check_content(known: &Known, request: &Request, given: &Given) -> Result<(), Wrong> {
    let whole = if known.status == 204 { String::new() } else { content(known.rep) };
    let range = line(&request.fields, "range").and_then(parse_range).filter(|_| known.status == 200);
    let expected = match given.status {
        304 if line(&request.fields, "if-none-match") == Some(tag(known.rep).as_str()) && has(&known.fields, "etag") => "",
        206 if range
            .is_some_and(|(first, last)| value(given, "content-range") == Some(format!("bytes {first}-{last}/16").as_str())) =>
        {
            range.map_or("", |(first, last)| &whole[first..=last])
        }
        status if status == known.status && request.method == "HEAD" => "",
        status if status == known.status => &whole,
        status => return Err(format!("n051: {status} from a stored {}", known.status)),
    };
    if given.body == expected { Ok(()) } else { Err(format!("expected {expected:?}, found {:?}", given.body)) }
}

/// RFC 9111 sections 3.1, 5.2.2.4 and 5.2.2.7: all fields but those that must not be shown.
fn check_fields(known: &Known, given: &Given) -> Result<(), Wrong> {
    let directives = Directives::of(&known.fields);
    let is_withheld = directives.names("private", "x-a") || directives.names("no-cache", "x-a");
    let expected = line(&known.fields, "x-a").filter(|_| !is_withheld);
    if value(given, "x-a") != expected {
        return Err(format!("n042: expected x-a {expected:?}, found {:?}", value(given, "x-a")));
    }
    if value(given, "set-cookie").is_some() {
        return Err("a stored Set-Cookie is shown".to_owned());
    }
    Ok(())
}
