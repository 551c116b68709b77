//! What was found, as a table and as JSON.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::spellings::Kind;
use super::verdict::Verdict;

/// A part of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    NoPermission,
    Odd,
    Permission,
    Prohibition,
    Stale,
    Concurrent,
}

impl Row {
    const ALL: [Self; 6] = [Self::NoPermission, Self::Prohibition, Self::Permission, Self::Odd, Self::Stale, Self::Concurrent];

    fn name(self) -> &'static str {
        match self {
            Self::NoPermission => "no permission",
            Self::Odd => "odd spelling",
            Self::Permission => "permission",
            Self::Prohibition => "private, no-store",
            Self::Stale => "stale",
            Self::Concurrent => "concurrent",
        }
    }
}

impl From<Kind> for Row {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::NoPermission => Self::NoPermission,
            Kind::Odd => Self::Odd,
            Kind::Permission => Self::Permission,
            Kind::Prohibition => Self::Prohibition,
        }
    }
}

/// One answer and what it means.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) row: Row,
    pub(super) verdict: Verdict,
    /// The case, and what was found.
    pub(super) told: String,
}

/// Figures of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Answers judged.
    pub cases: usize,
    /// Answered from the store, as is permitted.
    pub reused: usize,
    /// Answered from the store once the origin had confirmed it to the asker.
    pub validated: usize,
    /// Made by the origin for the asker.
    pub fetched: usize,
    /// Fetched, although reuse was permitted: no fault.
    pub missed: usize,
    /// Broken rules by which nobody's content reached another.
    pub wrong: usize,
    /// Content made for one credential that reached another without permission.
    pub leaks: usize,
}

impl Figures {
    fn count(&mut self, verdict: Verdict) {
        self.cases += 1;
        *match verdict {
            Verdict::Fetched => &mut self.fetched,
            Verdict::Leak(_) => &mut self.leaks,
            Verdict::Missed => &mut self.missed,
            Verdict::Reused => &mut self.reused,
            Verdict::Validated => &mut self.validated,
            Verdict::Wrong(_) => &mut self.wrong,
        } += 1;
    }

    fn columns(&self) -> [(&'static str, usize); 7] {
        let Self { cases, reused, validated, fetched, missed, wrong, leaks } = *self;
        [
            ("cases", cases),
            ("reused", reused),
            ("validated", validated),
            ("fetched", fetched),
            ("missed", missed),
            ("wrong", wrong),
            ("leaks", leaks),
        ]
    }
}

/// A fault, or a reuse that did not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `leak`, `wrong` or `missed`.
    pub kind: &'static str,
    /// What is the matter.
    pub what: &'static str,
    /// The case, and what was found.
    pub case: String,
}

/// How many findings of a kind are kept, and how many are printed.
const KEPT: usize = 1000;
const PRINTED: usize = 10;

/// What a run found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was tested.
    pub cache: String,
    /// Figures by part of the matrix.
    pub rows: Vec<(&'static str, Figures)>,
    /// All together.
    pub total: Figures,
    /// The first of each kind.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(cache: String) -> Self {
        let rows = Row::ALL.map(|row| (row.name(), Figures::default())).to_vec();
        Self { cache, rows, total: Figures::default(), findings: Vec::new() }
    }

    pub(super) fn add(&mut self, judged: Judged) {
        let Judged { row, verdict, told } = judged;
        self.total.count(verdict);
        self.rows.iter_mut().filter(|(name, _)| *name == row.name()).for_each(|(_, figures)| figures.count(verdict));
        let (kind, what) = match verdict {
            Verdict::Leak(what) => ("leak", what),
            Verdict::Wrong(what) => ("wrong", what),
            Verdict::Missed => ("missed", "reuse was permitted"),
            Verdict::Fetched | Verdict::Reused | Verdict::Validated => return,
        };
        if self.of_kind(kind).count() < KEPT {
            self.findings.push(Finding { kind, what, case: told });
        }
    }

    /// Whether nothing is wrong; what was missed is no fault.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.total.cases > 0 && self.total.leaks == 0 && self.total.wrong == 0
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |finding| finding.kind == kind)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.cache)?;
        let heading = self.total.columns().map(|(name, _)| format!("{name:>10}")).concat();
        writeln!(f, "{:<20}{heading}", "")?;
        for (name, figures) in self.rows.iter().chain([&("all", self.total)]) {
            let line = figures.columns().map(|(_, count)| format!("{count:>10}")).concat();
            writeln!(f, "{name:<20}{line}")?;
        }
        for kind in ["leak", "wrong", "missed"] {
            let mut lines = String::new();
            for finding in self.of_kind(kind).take(PRINTED) {
                writeln!(lines, "  {}: {}", finding.what, finding.case)?;
            }
            if !lines.is_empty() {
                write!(f, "\n{kind}, at most {PRINTED} shown:\n{lines}")?;
            }
        }
        Ok(())
    }
}
