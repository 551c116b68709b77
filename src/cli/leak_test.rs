//! `vouchsafe leak-test`: does a cache hand out what was made for somebody else?
//!
//! An origin that marks every few bytes with the credential they were made for, a client, and a naive reading of RFC 9111
//! section 3.5 that judges every answer. It works against any cache over HTTP/1.1.
//!
//! # Deviations
//!
//! none

mod client;
mod concurrent;
pub mod model;
mod origin;
mod people;
mod report;
mod sequential;
pub mod spellings;
mod verdict;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::FAILED;
use crate::clock::Clock;
pub use client::Aim;
use client::{Answer, Client};
use origin::{First, Origin, Script};
pub use report::{Figures, Finding, Report};

/// Arguments of `vouchsafe leak-test`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("cache").required(true).args(["proxy", "base"])))]
pub struct LeakTestArgs {
    /// A forward proxy: http://[USER:PASSWORD@]HOST:PORT
    #[arg(long, value_name = "URL", value_parser = Aim::proxy)]
    proxy: Option<Aim>,
    /// A cache in front of the origin of this test, which it has to be configured to forward to (see --listen)
    #[arg(long, value_name = "URL", value_parser = Aim::base)]
    base: Option<Aim>,
    /// Where the origin of this test listens; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How many times the matrix runs at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    load: u16,
    /// How many times each of them runs it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// How long to wait for the cache to reach the origin, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    wait: u64,
    /// Print JSON, with up to 1000 findings of each kind
    #[arg(long)]
    json: bool,
}

/// Runs the leak matrix; the table goes to standard output. Exits with 1 if anything leaked or was wrong.
#[must_use]
pub fn run(args: &LeakTestArgs) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().map_err(anyhow::Error::from);
    match runtime.and_then(|runtime| runtime.block_on(conduct(args))) {
        Ok(report) if report.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(FAILED),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "vouchsafe leak-test: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn conduct(args: &LeakTestArgs) -> anyhow::Result<Report> {
    // invariant: clap lets exactly one of the two through.
    let aim = args.proxy.as_ref().or(args.base.as_ref()).ok_or_else(|| anyhow::anyhow!("expected --proxy or --base"))?;
    let test = LeakTest::bind(args.listen, Clock::system()).await?;
    let _ = writeln!(std::io::stderr(), "{}", test.introduction(aim));
    test.wait_for_cache(aim, args.wait).await?;
    let report = test.run(aim, args.load, args.repeat).await?;
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
    // A reader who left is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(report)
}

/// The origin of the test, and what runs against it.
#[derive(Debug)]
pub struct LeakTest {
    origin: Arc<Origin>,
    clock: Clock,
}

/// One run of the matrix, with targets of its own.
struct Pass {
    origin: Arc<Origin>,
    aim: Aim,
    clock: Clock,
    /// The first part of every target's name.
    prefix: String,
}

impl LeakTest {
    /// Starts the origin. A movable clock is moved where the system's is waited for.
    ///
    /// # Errors
    ///
    /// If the address cannot be had.
    pub async fn bind(listen: SocketAddr, clock: Clock) -> anyhow::Result<Self> {
        let origin = Origin::bind(listen, clock.clone()).await;
        let origin = origin.map_err(|error| anyhow::anyhow!("cannot listen on {listen}: {error}"))?;
        Ok(Self { origin: Arc::new(origin), clock })
    }

    /// Where the cache has to forward to.
    #[must_use]
    pub fn origin_address(&self) -> SocketAddr {
        self.origin.address()
    }

    /// How many answers one pass judges.
    #[must_use]
    pub fn cases() -> usize {
        sequential::count() + concurrent::count()
    }

    /// Runs the matrix `load` times at once and each of them `repeat` times in a row.
    ///
    /// # Errors
    ///
    /// If the operating system has no random numbers, by which the targets of this run differ from those of others.
    pub async fn run(&self, aim: &Aim, load: u16, repeat: u16) -> anyhow::Result<Report> {
        let run = random_word()?;
        let mut passes = JoinSet::new();
        for lane in 0..load {
            let (origin, aim, clock, run) = (Arc::clone(&self.origin), aim.clone(), self.clock.clone(), run.clone());
            passes.spawn(async move {
                let mut judged = Vec::new();
                for turn in 0..repeat {
                    let prefix = format!("{run}-{lane}-{turn}");
                    let pass = Pass { origin: Arc::clone(&origin), aim: aim.clone(), clock: clock.clone(), prefix };
                    judged.extend(pass.run().await);
                }
                judged
            });
        }
        let mut report = Report::new(aim.title());
        passes.join_all().await.into_iter().flatten().for_each(|judged| report.add(judged));
        Ok(report)
    }

    fn introduction(&self, aim: &Aim) -> String {
        let address = self.origin_address();
        let note = if aim.is_base() { "; configure the cache to forward to it" } else { "" };
        format!("origin http://{address}{note}; {} cases a pass", Self::cases())
    }

    /// Asks until a request comes through.
    async fn wait_for_cache(&self, aim: &Aim, seconds: u64) -> anyhow::Result<()> {
        let name = format!("{}-probe", random_word()?);
        let [spelling, ..] = spellings::SPELLINGS else { anyhow::bail!("expected spellings") };
        let script = Script { spelling, vary: None, chunked: false, first: First::Answered, refused: None };
        let target = self.origin.play(&name, script);
        let client = Client::new(aim, self.origin_address());
        let asking = async {
            loop {
                let answer = client.get(&name, &people::ALICE, "en").await;
                if !target.visits().is_empty() && matches!(answer, Answer::Content(_)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let is_reached = tokio::time::timeout(Duration::from_secs(seconds), asking).await.is_ok();
        anyhow::ensure!(
            is_reached,
            "expected {} to reach the origin at http://{} within {seconds} s, found that no request \
            came through",
            aim.title(),
            self.origin_address()
        );
        Ok(())
    }
}

impl Pass {
    async fn run(self) -> Vec<report::Judged> {
        let pass = Arc::new(self);
        let mut judged = sequential::run(&pass).await;
        judged.extend(concurrent::run(&pass).await);
        judged
    }

    fn client(&self) -> Client {
        Client::new(&self.aim, self.origin.address())
    }

    fn name(&self, part: &str, number: usize) -> String {
        format!("{}-{part}-{number}", self.prefix)
    }

    /// Moves the clock, or waits for it where it moves by itself.
    async fn pause(&self, by: Duration) {
        let until = self.clock.now() + by;
        self.clock.advance(by);
        while let Ok(left) = until.duration_since(self.clock.now()) {
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left).await;
        }
    }
}

fn random_word() -> anyhow::Result<String> {
    let number = getrandom::u64().map_err(|error| anyhow::anyhow!("no random source: {error}"))?;
    Ok(format!("{number:016x}"))
}
