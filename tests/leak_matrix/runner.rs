//! Runs the product against one gateway over real sockets and judges what everybody got.

use std::fmt::Write;
use std::sync::Arc;

use tokio::task::JoinSet;
use vouchsafe::cli::leak_test::model::{Expectation, Question, expect};
use vouchsafe::cli::leak_test::spellings::{Kind, SPELLINGS};
use vouchsafe::clock::Clock;

use crate::axes::{Case, MOMENTS};
use crate::origin::{Ledger, label, maker, marking, tag_of};
use crate::support::{Answer, Client, Gateway, Origin, SeenRequest, secs, test_clock};

/// What counts as a credential besides Authorization in every gateway of the matrix.
const CREDENTIALS: &str = "credentials = { query = [\"access_token\"], headers = [\"X-Api-Key\"], cookies = [\"sid\"] }";

/// Cases in flight.
const WORKERS: usize = 8;

/// Permitted reuses that the gateway refuses on purpose: the tripwire of credentialed responses reads `private` and
/// `no-store` anywhere in the field, so that no mistake of the parser can share what a simple reading would not.
const REFUSED_ON_PURPOSE: [(&str, &str); 4] = [
    ("public, private=1, max-age=60", "limited to a field named 1, if its author meant that"),
    ("private=\"x-note\", public, max-age=60", "limited to one field"),
    ("ext=\"private, no-store\", public, max-age=60", "only quoted in an unknown directive"),
    ("x-private=1, s-maxage=60", "only part of an unknown directive"),
];

/// What was found, by how bad it is.
#[derive(Debug, Default)]
pub struct Tally {
    pub cases: usize,
    pub stored: usize,
    pub stored_and_asked: usize,
    pub validated: usize,
    pub fetched: usize,
    leaks: Vec<String>,
    missed: Vec<String>,
    failures: Vec<String>,
    /// Permitted reuses refused on purpose, by index into [`REFUSED_ON_PURPOSE`].
    refused: [usize; REFUSED_ON_PURPOSE.len()],
}

/// What one case showed.
struct Observed {
    case: Case,
    answer: Answer,
    /// Requests of the second asker that reached the origin.
    origin: Vec<SeenRequest>,
}

/// The gateway under test, and what its clients need.
struct Bench {
    gateway: Gateway,
    _origin: Origin,
    ledger: Ledger,
    /// Who is let through by the gateway itself, if it asks: the filler and the asker.
    users: [&'static str; 2],
}

/// A gateway in this mode.
pub enum Mode {
    Forward,
    ForwardAuthenticated,
    Gateway,
}

/// Runs these cases: all are filled, those of the first moment are asked for, the clock moves, the others are.
pub async fn run(mode: &Mode, cases: &[Case]) -> Tally {
    let clock = test_clock();
    let bench = Arc::new(Bench::start(mode, &clock).await);
    let mut tally = Tally::default();
    for broken in each(&bench, cases.to_vec(), Bench::fill).await {
        tally.failures.extend(broken);
    }
    let mut now = 0;
    for (moment, seconds) in MOMENTS.into_iter().enumerate() {
        clock.advance(secs(seconds - now));
        now = seconds;
        let due: Vec<Case> = cases.iter().copied().filter(|case| case.moment == moment).collect();
        for observed in each(&bench, due, Bench::ask).await {
            tally.judge(&observed);
        }
    }
    tally
}

/// Runs one step of every case, several at a time.
async fn each<T, F>(bench: &Arc<Bench>, cases: Vec<Case>, step: fn(Arc<Bench>, Case, Arc<[Client; 2]>) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut workers = JoinSet::new();
    for part in cases.chunks(cases.len().div_ceil(WORKERS).max(1)) {
        let (part, bench) = (part.to_vec(), Arc::clone(bench));
        workers.spawn(async move {
            let clients = Arc::new(bench.users.map(|user| bench.gateway.client(user)));
            let mut results = Vec::new();
            for case in part {
                results.push(step(Arc::clone(&bench), case, Arc::clone(&clients)).await);
            }
            results
        });
    }
    workers.join_all().await.into_iter().flatten().collect()
}

impl Bench {
    async fn start(mode: &Mode, clock: &Clock) -> Self {
        let (origin, ledger) = marking(clock).await;
        let gateway = match mode {
            Mode::Gateway => Gateway::reverse(&origin, clock),
            Mode::Forward => Gateway::forward(clock).auth("none").origin(&origin),
            Mode::ForwardAuthenticated => Gateway::forward(clock).origin(&origin),
        };
        let gateway = gateway.policy(CREDENTIALS).start().await;
        Self { gateway, _origin: origin, ledger, users: ["alice", "bob"] }
    }

    /// The first request; tells what is wrong with its answer, if anything is.
    async fn fill(self: Arc<Self>, case: Case, clients: Arc<[Client; 2]>) -> Option<String> {
        let (target, fields) = (case.target(), case.fill_fields());
        let answer = send(&clients[0], &target, &fields).await;
        let made_for = maker(&answer.text());
        let expected = Some((label(&fields, &target), 1));
        let is_as_asked = self.ledger.of(&target).iter().all(|seen| credentials_of(seen) == sent_credentials(&fields));
        let holds = answer.status == 200 && made_for == expected && is_as_asked;
        (!holds).then(|| format!("{}: filling gave {} {made_for:?}", case.title(), answer.status))
    }

    /// The second request.
    async fn ask(self: Arc<Self>, case: Case, clients: Arc<[Client; 2]>) -> Observed {
        let target = case.target();
        let answer = send(&clients[1], &target, &case.ask_fields()).await;
        let origin = self.ledger.of(&target).into_iter().skip(1).collect();
        Observed { case, answer, origin }
    }
}

async fn send(client: &Client, target: &str, fields: &[(&str, &str)]) -> Answer {
    let request = client.request("GET", target);
    fields.iter().fold(request, |request, (name, value)| request.field(name, value)).send().await
}

/// Rule I3: the origin sees exactly the asker's own credentials, and never those meant for the gateway.
fn credentials_of(seen: &SeenRequest) -> Vec<(String, String)> {
    let fields: Vec<(&str, &str)> = seen.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    sent_credentials(&fields)
}

fn sent_credentials(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let names = ["authorization", "proxy-authorization", "x-api-key", "cookie"];
    let lines = fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let mut credentials: Vec<_> = lines.filter(|(name, _)| names.contains(&name.as_str())).collect();
    credentials.sort();
    credentials
}

impl Tally {
    fn judge(&mut self, observed: &Observed) {
        self.cases += 1;
        let Observed { case, answer, origin } = observed;
        let (target, asked_with) = (case.target(), case.ask_fields());
        let expected = expect(&Question {
            cache_control: case.spelling().lines,
            expires: case.spelling().expires.then_some(60),
            vary: case.vary(),
            filled_with: &case.fill_fields(),
            asked_with: &asked_with,
            query: target.split_once('?').map_or("", |(_, query)| query),
            seconds_later: MOMENTS[case.moment],
            is_credential,
        });
        let told = |what: &str| format!("{what}: {}: {} {:?}", case.title(), answer.cache_status(), answer.text());
        let Some((made_for, hit)) = maker(&answer.text()).filter(|_| answer.status == 200) else {
            return self.failures.push(told(&format!("status {}", answer.status)));
        };
        if origin.iter().any(|seen| credentials_of(seen) != sent_credentials(&asked_with)) {
            self.failures.push(told("the origin saw other credentials than the asker's"));
        }
        if answer.detail() == Some("second-key-refused") && listed(case).is_none() {
            self.failures.push(told("the second key had to refuse what the first let through"));
        }
        let is_reused = hit == 1;
        let is_own = made_for == label(&asked_with, &target);
        let was_confirmed = origin.len() == 1 && origin[0].field("if-none-match") == Some(tag_of(case).as_str());
        let may_see = match expected {
            Expectation::Origin => false,
            Expectation::Stored | Expectation::StoredAndAsked => true,
            Expectation::Validated => was_confirmed,
        };
        let is_asked_once =
            origin.len() <= 1 && origin.iter().all(|seen| seen.field("if-none-match") == Some(tag_of(case).as_str()));
        if expected == Expectation::StoredAndAsked && !is_asked_once {
            self.failures.push(told("asked in the background more than once, or without conditions"));
        }
        match (is_reused, may_see) {
            (true, false) if is_own => self.failures.push(told("reused what may not be, for the one it was made for")),
            (true, false) => self.leaks.push(told("LEAK")),
            (false, _) if !is_own => self.leaks.push(told("LEAK of another making")),
            (false, _) if expected != Expectation::Origin => self.note_missed(case, told("missed")),
            (false, _) if origin.len() != 1 || origin[0].field("if-none-match").is_some() => {
                self.failures.push(told("a miss has to reach the origin once, as it came"));
            }
            (true, true) if expected == Expectation::Stored && !origin.is_empty() => {
                self.note_missed(case, told("asked in vain"));
            }
            _ => self.count(expected),
        }
    }

    fn count(&mut self, expected: Expectation) {
        match expected {
            Expectation::Origin => self.fetched += 1,
            Expectation::Stored => self.stored += 1,
            Expectation::StoredAndAsked => self.stored_and_asked += 1,
            Expectation::Validated => self.validated += 1,
        }
    }

    /// A permitted reuse that did not happen: on purpose where the filler has credentials and the list says so.
    fn note_missed(&mut self, case: &Case, told: String) {
        match listed(case) {
            Some(at) if !case.filler().fields.is_empty() => self.refused[at] += 1,
            _ => self.missed.push(told),
        }
    }

    /// Prints the outcome and fails the test unless all is well and there was enough of it.
    pub fn finish(self, name: &str, at_least: usize) {
        let Self { cases, stored, stored_and_asked, validated, fetched, leaks, missed, failures, refused } = &self;
        println!(
            "{name}: {cases} cases, {} leaks, {} missed, {} failures; {stored} stored, {stored_and_asked} stored and asked, {validated} validated, {fetched} fetched, \
             {} refused on purpose",
            leaks.len(),
            missed.len(),
            failures.len(),
            refused.iter().sum::<usize>(),
        );
        let mut wrong = String::new();
        for (kind, list) in [("leaks", leaks), ("failures", failures), ("missed", missed)] {
            for line in list.iter().take(25) {
                writeln!(wrong, "  {kind}: {line}").expect("a string can be written");
            }
        }
        assert!(
            wrong.is_empty(),
            "{name}: {} leaks, {} failures, {} missed:\n{wrong}",
            leaks.len(),
            failures.len(),
            missed.len()
        );
        assert!(*cases >= at_least, "expected at least {at_least} cases, found {cases}");
        assert!(*stored > cases / 20 && *validated > cases / 20 && *fetched > cases / 20, "every outcome occurs: {self:?}");
        assert!(*stored_and_asked > 40, "every outcome occurs: {self:?}");
        for (at, (lines, why)) in REFUSED_ON_PURPOSE.iter().enumerate() {
            assert!(refused[at] > 0, "{lines:?} ({why}) is listed as refused on purpose, yet was reused");
        }
    }
}

/// Section 3.5 speaks of Authorization; [`CREDENTIALS`] adds a field and a cookie. Presence counts.
fn is_credential(name: &str, value: &str) -> bool {
    match name.to_ascii_lowercase().as_str() {
        "authorization" | "x-api-key" => true,
        "cookie" => value.split(';').any(|pair| pair.trim().starts_with("sid=")),
        _ => false,
    }
}

/// Where the case's spelling stands in [`REFUSED_ON_PURPOSE`].
fn listed(case: &Case) -> Option<usize> {
    let lines = case.spelling().lines.join("|");
    REFUSED_ON_PURPOSE.iter().position(|(listed, _)| *listed == lines)
}

/// How many spellings of a kind there are.
pub fn spellings_of(kind: Kind) -> usize {
    SPELLINGS.iter().filter(|spelling| spelling.kind == kind).count()
}
