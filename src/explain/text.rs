//! The explanation as a page of text.

use std::fmt;

use super::Explanation;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentialed = if self.credentialed { "with credentials" } else { "without credentials" };
        writeln!(f, "{} {}, {credentialed}, answered {}\n", self.method, self.url, self.status)?;
        for step in &self.steps {
            writeln!(f, "{:<12} {}  [{}]", step.question, step.answer, step.source)?;
        }
        if self.reuse.is_empty() {
            return writeln!(f, "\nEvery request for it goes to the origin.");
        }
        writeln!(f, "\n{:<18} {:<57} when stale", "a later GET with", "while fresh")?;
        for row in &self.reuse {
            writeln!(f, "{:<18} {:<57} {}", row.asker, row.fresh, row.stale)?;
        }
        Ok(())
    }
}
