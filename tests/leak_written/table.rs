//! The table of written cases: somebody fills, others may ask meanwhile, and then it is decided who gets whose bytes.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::cases::Cases;
use crate::support::{Answer, Gateway, Origin, Reply, SeenRequest, reply, secs, test_clock};
use crate::{TAG, person};

/// Field lines; `:method`, `:path` and `:body` are what they are called, `x-status` is the status the origin answers with.
pub type Fields = &'static [(&'static str, &'static str)];

pub const ALICE: Fields = &[("authorization", "Bearer alice")];
pub const BOB: Fields = &[("authorization", "Bearer bob")];
pub const CAROL: Fields = &[("authorization", "Bearer carol")];
pub const NOBODY: Fields = &[];

/// What becomes of the last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first one's bytes at once; the origin is asked behind, with the asker's own credentials.
    Behind,
    /// The first one's bytes, in place of the origin's error.
    Instead,
    /// [`Outcome::Own`] or [`Outcome::Validated`]: whether the leader's response is whole by then is chance.
    Judged,
    /// What the origin says to the asker, who came without conditions of another's making.
    Own,
    /// Refused by the gateway, with this status; the origin sees nothing.
    Refused(u16),
    /// The first one's bytes; the origin sees nothing.
    Shared,
    /// The first one's bytes, which the origin has confirmed to the asker's own credentials.
    Validated,
}

/// One written case.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    pub id: &'static str,
    pub says: Fields,
    pub confirms: Option<Fields>,
    pub fill: Fields,
    pub between: &'static [Fields],
    pub ask: Fields,
    pub later: u64,
    pub policy: &'static str,
    pub outcome: Outcome,
}

/// Alice fills, Bob asks at once.
pub const fn case(id: &'static str, says: Fields, outcome: Outcome) -> Written {
    Written { id, says, confirms: None, fill: ALICE, between: &[], ask: BOB, later: 0, policy: "", outcome }
}

impl Written {
    /// What a 304 says instead.
    pub const fn confirms(mut self, fields: Fields) -> Self {
        self.confirms = Some(fields);
        self
    }

    pub const fn filled(mut self, by: Fields) -> Self {
        self.fill = by;
        self
    }

    /// Who asks before it is decided.
    pub const fn between(mut self, requests: &'static [Fields]) -> Self {
        self.between = requests;
        self
    }

    pub const fn asked(mut self, by: Fields) -> Self {
        self.ask = by;
        self
    }

    /// Seconds between the fill and the next request.
    pub const fn later(mut self, seconds: u64) -> Self {
        self.later = seconds;
        self
    }

    pub const fn policy(mut self, line: &'static str) -> Self {
        self.policy = line;
        self
    }
}

/// Which gateway stands before the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Forward,
    Gateway,
}

/// Runs a table, each case with an origin and a gateway of its own.
pub async fn run(mode: Mode, table: &[Written]) {
    let mut cases = Cases::new();
    for written in table {
        let found = play(mode, written).await;
        cases.expect(written.id, found, Ok(written.outcome));
    }
    cases.finish(table.len());
}

/// What became of it, or what does not fit any outcome.
async fn play(mode: Mode, written: &Written) -> Result<Outcome, String> {
    let clock = test_clock();
    let Written { says, confirms, .. } = *written;
    let hits = AtomicUsize::new(0);
    let origin = Origin::serving(move |request| answer(request, says, confirms, hits.fetch_add(1, Ordering::SeqCst) + 1)).await;
    let gateway = match mode {
        Mode::Forward => Gateway::forward(&clock).auth("none").origin(&origin),
        Mode::Gateway => Gateway::reverse(&origin, &clock),
    };
    let gateway = if written.policy.is_empty() { gateway } else { gateway.policy(written.policy) };
    let gateway = gateway.start().await;
    let filled = send(&gateway, written.fill).await;
    if origin.count() != 1 || !matches!(filled.status, 200 | 401 | 403) {
        return Err(format!("filling gave {} ({})", filled.status, filled.text()));
    }
    clock.advance(secs(written.later));
    for fields in written.between {
        send(&gateway, fields).await;
    }
    let before = origin.count();
    let answer = send(&gateway, written.ask).await;
    if written.outcome == Outcome::Behind {
        origin.wait_for(before + 1).await;
    }
    let seen: Vec<SeenRequest> = origin.requests().into_iter().skip(before).collect();
    outcome(&answer, &seen, written.ask)
}

/// The origin's answer; a request with the tag is confirmed to anybody, so that a gateway that asks with what it must not
/// even look at is found out.
pub fn answer(request: &SeenRequest, says: Fields, confirms: Option<Fields>, hit: usize) -> Reply {
    let status: u16 = request.field("x-status").map_or(200, |status| status.parse().expect("a status"));
    let is_current = status == 200 && request.field("if-none-match").is_some_and(|tags| tags.contains(TAG));
    let (status, says) = if is_current { (304, confirms.unwrap_or(says)) } else { (status, says) };
    let answer = says.iter().fold(reply(status), |answer, (name, value)| answer.field(name, value));
    let has_tag = says.iter().any(|(name, _)| name.eq_ignore_ascii_case("etag"));
    let answer = if has_tag { answer } else { answer.field("etag", TAG) };
    if is_current {
        return answer;
    }
    let mark = mark(request, hit);
    answer.field("x-made-for", &mark).body(mark.repeat(4))
}

/// For whom, and at which request: every credential as sent.
fn mark(request: &SeenRequest, hit: usize) -> String {
    format!("[{}#{hit}]", credentials_of(request).join(";"))
}

fn credentials_of(request: &SeenRequest) -> Vec<String> {
    credentials(request.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn credentials<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let names = ["authorization", "cookie", "x-api-key"];
    let lines = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim()));
    lines.filter(|(name, _)| names.contains(&name.as_str())).map(|(name, value)| format!("{name}={value}")).collect()
}

pub async fn send(gateway: &Gateway, fields: Fields) -> Answer {
    let part = |name: &str| fields.iter().find(|(found, _)| *found == name).map(|(_, value)| *value);
    let request = person(gateway, "nobody").request(part(":method").unwrap_or("GET"), part(":path").unwrap_or("/x"));
    let request = fields
        .iter()
        .filter(|(name, _)| !name.starts_with(':'))
        .fold(request, |request, (name, value)| request.field(name, value));
    part(":body").into_iter().fold(request, |request, content| request.body(content)).send().await
}

/// Reads the outcome off the answer and what reached the origin.
pub fn outcome(answer: &Answer, seen: &[SeenRequest], ask: Fields) -> Result<Outcome, String> {
    let told = || {
        let seen: Vec<_> = seen.iter().map(|request| (&request.method, &request.fields)).collect();
        format!("{} {:?} {} after {seen:?}", answer.status, answer.text(), answer.cache_status())
    };
    let own = credentials(ask.iter().copied());
    if seen.iter().any(|request| credentials_of(request) != own) {
        return Err(format!("the origin saw other credentials: {}", told()));
    }
    let is_conditional = |request: &SeenRequest| request.field("if-none-match").is_some_and(|tags| tags.contains(TAG));
    let asks_conditionally = ask.iter().any(|(name, value)| *name == "if-none-match" && value.contains(TAG));
    let is_first = answer.field("x-made-for").is_some_and(|mark| mark.ends_with("#1]"));
    let is_mixed = answer.status == 200
        && !answer.body.is_empty()
        && Some(answer.text()) != answer.field("x-made-for").map(|mark| mark.repeat(4));
    match (seen, is_first) {
        _ if is_mixed => Err(format!("mixed: {}", told())),
        ([], false) if answer.status >= 400 => Ok(Outcome::Refused(answer.status)),
        ([], first) if first || answer.status == 304 => Ok(Outcome::Shared),
        ([one], true) if answer.cache_status().contains("stale-while-revalidate") && is_conditional(one) => Ok(Outcome::Behind),
        ([one], true) if one.field("x-status").is_some() => Ok(Outcome::Instead),
        ([one], true) if is_conditional(one) => Ok(Outcome::Validated),
        ([one], false) if asks_conditionally || !is_conditional(one) || one.field("x-status").is_some() => Ok(Outcome::Own),
        _ => Err(told()),
    }
}
