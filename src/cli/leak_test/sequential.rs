//! One after the other: somebody fills, somebody asks. The product of what a response says, who fills and who asks, and what it
//! varies on, while it is fresh and when it is stale.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::Pass;
use super::client::{Answer, Client};
use super::origin::{First, Script, Target};
use super::people::{ALICE, BOB, COOKIE_1, COOKIE_2, EMPTY, MALFORMED, Mark, NOBODY, Person};
use super::report::{Judged, Row};
use super::spellings::{SHORT_LIVED, SPELLINGS, Spelling};
use super::verdict::{Exchange, Verdict};

/// Who fills and who asks.
static PAIRS: [(&Person, &Person); 8] = [
    (&ALICE, &BOB),
    (&ALICE, &NOBODY),
    (&NOBODY, &ALICE),
    (&ALICE, &ALICE),
    (&NOBODY, &NOBODY),
    (&EMPTY, &BOB),
    (&MALFORMED, &NOBODY),
    (&COOKIE_1, &COOKIE_2),
];

/// What the response varies on, and the language of who asks; who fills says `en`.
const VARIES: [(Option<&str>, &str); 4] =
    [(None, "fr"), (Some("Authorization"), "en"), (Some("Accept-Language"), "fr"), (Some("Cookie"), "en")];

/// When what is fresh for one second is asked for.
const STALE_AFTER_SECONDS: u64 = 3;

/// Of so many fresh cases one is asked for again and again; a number that meets every pair and every `Vary`.
const ONE_IN: usize = 5;

/// How often that is: a cache may give its last answers again to those who say the same once more.
const TIMES: usize = 4;

/// Connections of one pass.
const CONNECTIONS: usize = 4;

/// One case of the product.
#[derive(Clone, Copy)]
struct Case {
    number: usize,
    spelling: &'static Spelling,
    filler: &'static Person,
    asker: &'static Person,
    vary: Option<&'static str>,
    /// The asker's.
    language: &'static str,
    seconds_later: u64,
}

/// What was filled and has to be asked for.
struct Filled {
    case: Case,
    name: String,
    target: Arc<Target>,
}

impl Case {
    fn product(spellings: &'static [Spelling], seconds_later: u64) -> Vec<Self> {
        let mut cases = Vec::new();
        for spelling in spellings {
            for (filler, asker) in PAIRS {
                for (vary, language) in VARIES {
                    let number = cases.len();
                    cases.push(Self { number, spelling, filler, asker, vary, language, seconds_later });
                }
            }
        }
        cases
    }

    /// How a finding names it.
    fn title(&self, what: &str) -> String {
        let Self { spelling, filler, asker, vary, language, seconds_later, .. } = self;
        let vary = vary.map_or(String::new(), |name| format!(", Vary: {name}"));
        let expires = if spelling.expires { ", Expires in a minute" } else { "" };
        let later = if *seconds_later == 0 { String::new() } else { format!(", {seconds_later} s later") };
        format!("{:?}{expires}{vary}: {} in en, then {} in {language}{later}: {what}", spelling.lines, filler.name, asker.name)
    }

    /// The first fault among these answers, given to the two in turn when all they say was said before.
    async fn ask_again(&self, name: &str, target: &Target, client: &Client) -> Option<Judged> {
        for _ in 0..TIMES {
            for (asker, language) in [(self.asker, self.language), (self.filler, "en")] {
                let before = target.visits().len();
                let answer = client.get(name, asker, language).await;
                let is_confirmed = confirms(target, before, asker);
                // What came of an earlier request may answer, whoever sent it.
                let stored = match &answer {
                    Answer::Content(mark) if mark.hit <= before => mark.clone(),
                    _ => self.first_mark(),
                };
                let mut exchange = self.exchange((asker, language), &stored, is_confirmed);
                // RFC 9111 section 4.3.1: what the origin once selected for this asker is of their variant.
                exchange.vary = exchange.vary.filter(|_| !confirms(target, 1, asker));
                let verdict = exchange.judge(&answer);
                if matches!(verdict, Verdict::Leak(_) | Verdict::Wrong(_)) {
                    let told = self.title(&format!("then, once more, {} in {language}: {answer}", asker.name));
                    return Some(Judged { row: self.row(), verdict, told });
                }
            }
        }
        None
    }

    /// Of what the first request brought.
    fn first_mark(&self) -> Mark {
        Mark { by: self.filler, language: "en".to_owned(), hit: 1 }
    }

    fn exchange<'a>(&self, who: (&'a Person, &'a str), stored: &'a Mark, is_confirmed: bool) -> Exchange<'a> {
        let Self { spelling, vary, seconds_later, .. } = *self;
        let (asker, language) = who;
        Exchange { spelling, vary, asker, language, seconds_later, stored, is_confirmed }
    }

    fn row(&self) -> Row {
        if self.seconds_later > 0 { Row::Stale } else { self.spelling.kind.into() }
    }
}

/// How many cases one pass has.
pub(super) fn count() -> usize {
    (SPELLINGS.len() + SHORT_LIVED.len()) * PAIRS.len() * VARIES.len()
}

/// Fills what will be stale, runs all fresh cases, and asks for what is stale by then.
pub(super) async fn run(pass: &Arc<Pass>) -> Vec<Judged> {
    let mut judged = Vec::new();
    let mut waiting = Vec::new();
    for outcome in each(pass, Case::product(SHORT_LIVED, STALE_AFTER_SECONDS), fill).await {
        match outcome {
            Ok(filled) => waiting.push(filled),
            Err(wrong) => judged.push(wrong),
        }
    }
    judged.extend(each(pass, Case::product(SPELLINGS, 0), fill_and_ask).await);
    pass.pause(Duration::from_secs(STALE_AFTER_SECONDS)).await;
    judged.extend(each(pass, waiting, ask).await);
    judged
}

/// Runs one step of every case over a few connections.
async fn each<C, T, F>(pass: &Arc<Pass>, cases: Vec<C>, step: fn(Arc<Pass>, C, Arc<Client>) -> F) -> Vec<T>
where
    C: Send + 'static,
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let cases = Arc::new(Mutex::new(cases.into_iter()));
    let mut workers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (pass, cases) = (Arc::clone(pass), Arc::clone(&cases));
        workers.spawn(async move {
            let (client, mut results) = (Arc::new(pass.client()), Vec::new());
            loop {
                let next = cases.lock().next();
                let Some(case) = next else { return results };
                results.push(step(Arc::clone(&pass), case, Arc::clone(&client)).await);
            }
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

/// The first request; an answer that is not the origin's own is a finding.
async fn fill(pass: Arc<Pass>, case: Case, client: Arc<Client>) -> Result<Filled, Judged> {
    let name = pass.name(if case.seconds_later == 0 { "fresh" } else { "stale" }, case.number);
    let script =
        Script { spelling: case.spelling, vary: case.vary, chunked: case.number % 2 == 1, first: First::Answered, refused: None };
    let target = pass.origin.play(&name, script);
    match client.get(&name, case.filler, "en").await {
        Answer::Content(mark) if mark.by.name == case.filler.name && mark.hit == 1 => Ok(Filled { case, name, target }),
        other => {
            pass.origin.forget(&name);
            let told = case.title(&format!("expected the filler's own content, found {other}"));
            Err(Judged { row: case.row(), verdict: Verdict::Wrong("the first request"), told })
        }
    }
}

/// The second request, and in some cases the same again.
async fn ask(pass: Arc<Pass>, filled: Filled, client: Arc<Client>) -> Judged {
    let Filled { case, name, target } = filled;
    let answer = client.get(&name, case.asker, case.language).await;
    let stored = case.first_mark();
    let exchange = case.exchange((case.asker, case.language), &stored, confirms(&target, 1, case.asker));
    let mut judged = Judged { row: case.row(), verdict: exchange.judge(&answer), told: case.title(&answer.to_string()) };
    let is_fault = matches!(judged.verdict, Verdict::Leak(_) | Verdict::Wrong(_));
    if case.seconds_later == 0 && case.number % ONE_IN == 0 && !is_fault {
        judged = case.ask_again(&name, &target, &client).await.unwrap_or(judged);
    }
    pass.origin.forget(&name);
    judged
}

/// Whether the origin told this asker, after so many requests for the target, that what is stored is current.
fn confirms(target: &Target, before: usize, asker: &Person) -> bool {
    target.visits().iter().skip(before).any(|visit| visit.is_confirmed && visit.by.name == asker.name)
}

async fn fill_and_ask(pass: Arc<Pass>, case: Case, client: Arc<Client>) -> Judged {
    match fill(Arc::clone(&pass), case, Arc::clone(&client)).await {
        Ok(filled) => ask(pass, filled, client).await,
        Err(wrong) => wrong,
    }
}
