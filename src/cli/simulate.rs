//! `vouchsafe simulate`: a recorded access log through a candidate configuration.
//!
//! RFC 9111 sections 3 and 4 decide, through the functions that serve.
//!
//! # Deviations
//!
//! none

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{FAILED, MISUSED};
use crate::config;
use crate::simulate::{Line, Report, Simulation, Tally};

/// Longest line that is read; no line of ours comes near.
const LINE_BYTES: usize = 1 << 20;
/// How often the progress bar moves, in lines.
const STEP: u64 = 10_000;

/// Arguments of `vouchsafe simulate`.
#[derive(clap::Args, Clone, Debug)]
pub struct SimulateArgs {
    /// The candidate configuration
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The access log, as the gateway wrote it (log.access)
    #[arg(long, value_name = "FILE")]
    pub log: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the report and exits with 0; 2 for mistakes in the configuration, 1 for a log that cannot be used.
#[must_use]
pub fn run(args: &SimulateArgs) -> ExitCode {
    match report(args) {
        Ok(outcome) => {
            for note in &outcome.notes {
                eprintln!("vouchsafe: {note}");
            }
            let text = if args.json { outcome.json() } else { outcome.text() };
            // A closed pipe is no mistake.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err((message, code)) => {
            eprintln!("vouchsafe: {message}");
            ExitCode::from(code)
        }
    }
}

struct Outcome {
    report: Report,
    foreign: u64,
    notes: Vec<String>,
    /// Policies whose query rules the log cannot show.
    ruled: Vec<String>,
}

fn report(args: &SimulateArgs) -> Result<Outcome, (String, u8)> {
    let settings = config::load(&args.config).map_err(|mistakes| (mistakes.to_string(), MISUSED))?;
    let name = args.log.display();
    let failed = |error: std::io::Error| (format!("{name}: expected a readable access log, found: {error}"), FAILED);
    let file = File::open(&args.log).map_err(failed)?;
    let progress = progress(file.metadata().map_err(failed)?.len());
    let mut lines = BufReader::with_capacity(1 << 18, file);
    let ruled = settings.policies.iter().filter(|policy| policy.query.mark().is_some());
    let ruled = ruled.map(|policy| policy.name.clone()).collect();
    let mut simulation = Simulation::new(settings);
    let (mut notes, mut number, mut foreign) = (Vec::new(), 0_u64, 0_u64);
    let mut buffer = Vec::with_capacity(1 << 12);
    loop {
        buffer.clear();
        let read = std::io::Read::take(&mut lines, LINE_BYTES as u64).read_until(b'\n', &mut buffer).map_err(failed)?;
        if read == 0 {
            break;
        }
        number += 1;
        match serde_json::from_slice::<Line<'_>>(&buffer) {
            Ok(line) => simulation.replay(&line),
            Err(_) if buffer.trim_ascii().is_empty() => {}
            Err(error) => {
                foreign += 1;
                if notes.len() < 3 {
                    notes.push(format!(
                        "{name}:{number}: expected a line as log.access writes it, found another: {}",
                        category(&error)
                    ));
                }
            }
        }
        if number.is_multiple_of(STEP) {
            progress.set_position(std::io::Seek::stream_position(&mut lines).unwrap_or_default());
        }
    }
    progress.finish_and_clear();
    let report = simulation.report().clone();
    if report.lines == 0 {
        let found = notes.first().cloned().unwrap_or_else(|| format!("{name}: expected lines, found none"));
        return Err((
            format!(
                "{found}\nno line could be replayed: name the file that log.access writes, with log.format = \"json\" or not"
            ),
            FAILED,
        ));
    }
    if foreign > 0 {
        notes.push(format!("{foreign} of {number} lines were left out"));
    }
    Ok(Outcome { report, foreign, notes, ruled })
}

/// Never the text itself: it may hold anything.
fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Io | serde_json::error::Category::Eof => "it ends in the middle",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data => "a field is missing or of another type",
    }
}

fn progress(bytes: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(bytes), target);
    match ProgressStyle::with_template("replaying {bar:40} {percent} % {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl Outcome {
    fn text(&self) -> String {
        let (logged, simulated) = (&self.report.logged, &self.report.simulated);
        let mut text = format!("{} requests to the cache\n\n{:<28}{:>14}{:>14}\n", simulated.requests, "", "logged", "simulated");
        let mut row = |name: &str, show: &dyn Fn(&Tally) -> String| {
            let _ = writeln!(text, "{name:<28}{:>14}{:>14}", show(logged), show(simulated));
        };
        row("hit ratio", &|tally| percent(tally.hit_ratio()));
        row("bytes saved", &|tally| percent(tally.byte_ratio()));
        row("hits", &|tally| tally.hits.to_string());
        row("validated", &|tally| tally.validated.to_string());
        row("requests to origins", &|tally| tally.origin_requests.to_string());
        row("MiB from origins", &|tally| ((tally.bytes - tally.saved_bytes) >> 20).to_string());
        for (name, (paths, total)) in
            [("newly shared", self.report.newly_shared()), ("newly refused", self.report.newly_refused())]
        {
            let _ = writeln!(text, "\n{name}, requests with credentials: {total}");
            for (path, count) in paths {
                let _ = writeln!(text, "{count:>10} {path}");
            }
        }
        if !self.ruled.is_empty() {
            let names = self.ruled.join(", ");
            let _ = writeln!(
                text,
                "\nnot replayed: query of {names}; the log has no queries, and its keys are those of the gateway that wrote it"
            );
        }
        text
    }

    fn json(&self) -> String {
        let paths = |(paths, total): (Vec<(&str, u64)>, u64)| {
            let paths: Vec<_> =
                paths.iter().map(|(path, count)| serde_json::json!({ "path": path, "requests": count })).collect();
            serde_json::json!({ "requests": total, "paths": paths })
        };
        let tally = |tally: &Tally| serde_json::json!({ "counts": tally, "hit_ratio": tally.hit_ratio(), "byte_ratio": tally.byte_ratio() });
        let value = serde_json::json!({
            "lines": self.report.lines,
            "foreign_lines": self.foreign,
            "logged": tally(&self.report.logged),
            "simulated": tally(&self.report.simulated),
            "newly_shared": paths(self.report.newly_shared()),
            "newly_refused": paths(self.report.newly_refused()),
            "query_not_replayed": self.ruled,
        });
        format!("{value:#}\n")
    }
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}
