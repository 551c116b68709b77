//! The report as a page of text.

use std::fmt;

use super::{Finding, Report, Severity, Who};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "GET {}\n", self.url)?;
        writeln!(f, "{:<22} {:>6} {:>10}  {:<12} {:<24} answers", "asked with", "status", "bytes", "again", "a shared cache")?;
        for seen in &self.askers {
            let again = if seen.steady { "the same" } else { "different" };
            let answers = if seen.answers.is_empty() { "nobody else".to_owned() } else { names(&seen.answers) };
            let who = seen.who.as_str();
            writeln!(f, "{who:<22} {:>6} {:>10}  {again:<12} {:<24} {answers}", seen.status, seen.bytes, seen.stored)?;
        }
        for finding in &self.findings {
            write!(f, "\n{finding}")?;
        }
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let [unsafe_ones, wasteful, notes] = [Severity::Unsafe, Severity::Wasteful, Severity::Note].map(count);
        writeln!(f, "\n{unsafe_ones} unsafe, {wasteful} wasteful, {notes} to note")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<9} {}  [{}]", self.severity.as_str(), self.rule, self.source)?;
        writeln!(f, "  seen    {} ({})", self.seen, names(&self.answers))?;
        writeln!(f, "  means   {}", self.why)?;
        writeln!(f, "  send    {}", self.send)
    }
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unsafe => "unsafe",
            Self::Wasteful => "wasteful",
            Self::Note => "note",
        }
    }
}

fn names(of: &[Who]) -> String {
    of.iter().map(|who| who.as_str()).collect::<Vec<_>>().join(", ")
}
