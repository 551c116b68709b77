//! A table of cases: every row is run, and all that differ are told at once.

use std::fmt::{Debug, Write};

/// Collects what differs, until [`Cases::finish`].
#[derive(Debug, Default)]
pub struct Cases {
    run: usize,
    wrong: String,
}

impl Cases {
    pub fn new() -> Self {
        Self::default()
    }

    /// One expectation of the case `id`.
    pub fn expect<T: PartialEq<U> + Debug, U: Debug>(&mut self, id: &str, found: T, expected: U) {
        self.run += 1;
        if found != expected {
            writeln!(self.wrong, "  {id}: expected {expected:?}, found {found:?}").expect("a string can be written");
        }
    }

    /// One condition of the case `id`, with what was seen.
    pub fn check(&mut self, id: &str, holds: bool, seen: impl Debug) {
        self.run += 1;
        if !holds {
            writeln!(self.wrong, "  {id}: {seen:?}").expect("a string can be written");
        }
    }

    /// Fails the test if anything differed, or if fewer than `at_least` expectations were made.
    pub fn finish(self, at_least: usize) {
        assert!(self.wrong.is_empty(), "of {} expectations these do not hold:\n{}", self.run, self.wrong);
        assert!(self.run >= at_least, "expected at least {at_least} expectations, found {}", self.run);
    }
}
