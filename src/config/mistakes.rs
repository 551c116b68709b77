//! Every mistake of a configuration text, each with its position.
//!
//! # Deviations
//!
//! none

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// All mistakes of one configuration, in the order of the text.
///
/// `Display` prints one a line: `file:line:column: key: expected ..., found ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: String,
    mistakes: Vec<Mistake>,
    /// Those of a file that this one names.
    others: Option<Box<ConfigErrors>>,
}

/// One mistake; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mistake {
    line: usize,
    column: usize,
    message: String,
}

impl Mistake {
    fn shown_in(&self, file: &str) -> String {
        match self.line {
            0 => format!("{file}: {}", self.message),
            line => format!("{file}:{line}:{}: {}", self.column, self.message),
        }
    }
}

impl ConfigErrors {
    /// A mistake about the file as a whole.
    pub(super) fn about_file(file: &str, message: String) -> Self {
        Self { file: file.to_owned(), mistakes: vec![Mistake { line: 0, column: 0, message: one_line(message) }], others: None }
    }

    /// What two files came to, the first of which names the second: what the first has to say, if neither has mistakes.
    ///
    /// # Errors
    ///
    /// The mistakes of both.
    pub(super) fn both<T>(first: Result<T, Self>, second: Result<(), Self>) -> Result<T, Self> {
        match (first, second) {
            (Err(first), Err(second)) => Err(Self { others: Some(Box::new(second)), ..first }),
            (Ok(_), Err(second)) => Err(second),
            (first, Ok(())) => first,
        }
    }

    /// How many mistakes there are; never 0.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mistakes.len() + self.others.as_ref().map_or(0, |others| others.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.mistakes.iter().enumerate() {
            let end = if at == 0 { "" } else { "\n" };
            write!(f, "{end}{}", mistake.shown_in(&self.file))?;
        }
        self.others.as_ref().map_or(Ok(()), |others| write!(f, "\n{others}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// The text being read and what was found wrong with it so far.
pub(super) struct Source<'a> {
    text: &'a str,
    base_dir: &'a Path,
    mistakes: RefCell<Vec<Mistake>>,
    /// What is no mistake, but cannot do what was meant.
    warnings: RefCell<Vec<Mistake>>,
    /// Lines with a syntax error; what is read from them is not what was meant.
    broken_lines: Vec<usize>,
}

impl<'a> Source<'a> {
    /// A text; relative paths in it are resolved against `base_dir`.
    pub(super) fn new(text: &'a str, base_dir: &'a Path) -> Self {
        Self { text, base_dir, mistakes: RefCell::default(), warnings: RefCell::default(), broken_lines: Vec::new() }
    }

    /// Where relative paths start.
    pub(super) fn base_dir(&self) -> &'a Path {
        self.base_dir
    }

    /// Records a mistake at a byte range of the text; silent on a line that has a syntax error.
    pub(super) fn note(&self, at: &Range<usize>, message: String) {
        let (line, column) = self.position(at.start);
        if !self.broken_lines.contains(&line) {
            self.mistakes.borrow_mut().push(Mistake { line, column, message: one_line(message) });
        }
    }

    /// Records what may be in force, at a byte range of the text, and cannot do what was meant.
    pub(super) fn warn(&self, at: &Range<usize>, message: String) {
        let (line, column) = self.position(at.start);
        self.warnings.borrow_mut().push(Mistake { line, column, message: one_line(message) });
    }

    /// Records that something is left out; silent when a syntax error may have hidden it.
    pub(super) fn note_absence(&self, at: &Range<usize>, message: String) {
        if self.broken_lines.is_empty() {
            self.note(at, message);
        }
    }

    /// Records what the TOML grammar does not allow.
    pub(super) fn note_syntax(&mut self, error: &toml::de::Error) {
        let at = error.span().unwrap_or_default();
        let (line, column) = self.position(at.start);
        let found = self.text.get(at.start..at.end).and_then(|text| text.lines().next()).unwrap_or_default();
        let message = match (error.message(), found) {
            ("duplicate key", key) => format!("{key}: expected once, found again"),
            (message, "") => lower_start(message),
            (message, found) => format!("{}, found {}", lower_start(message), quoted(found)),
        };
        self.mistakes.borrow_mut().push(Mistake { line, column, message: one_line(message) });
        self.broken_lines.push(line);
    }

    /// How many mistakes were recorded so far.
    pub(super) fn count(&self) -> usize {
        self.mistakes.borrow().len()
    }

    /// All mistakes in the order of the text, or, where there is none, the warnings.
    ///
    /// # Errors
    ///
    /// The mistakes, when there are any.
    pub(super) fn finish(self, file: &str) -> Result<Vec<String>, ConfigErrors> {
        let mut mistakes = self.mistakes.into_inner();
        if mistakes.is_empty() {
            let mut warnings = self.warnings.into_inner();
            warnings.sort();
            return Ok(warnings.iter().map(|warning| warning.shown_in(file)).collect());
        }
        mistakes.sort();
        mistakes.dedup();
        Err(ConfigErrors { file: file.to_owned(), mistakes, others: None })
    }

    /// Line and column, both from 1, of a byte offset.
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
    }
}

/// The message with control characters escaped, whatever names and paths it repeats.
fn one_line(message: String) -> String {
    if !message.contains(char::is_control) {
        return message;
    }
    let mut line = String::with_capacity(message.len());
    for letter in message.chars() {
        if letter.is_control() { line.extend(letter.escape_default()) } else { line.push(letter) }
    }
    line
}

/// The parser's messages are sentences now and then; ours start in lower case.
fn lower_start(message: &str) -> String {
    let mut letters = message.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A piece of the text as messages show it: quoted, escaped, at most 60 characters.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(60).collect();
    let more = if shown.len() < text.len() { "..." } else { "" };
    format!("\"{}{more}\"", shown.escape_debug())
}

/// The candidate that `found` was most likely meant to be, if one is near.
pub(super) fn nearest<'c>(found: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let lower = found.to_ascii_lowercase();
    // One slip in three letters still looks like the word it was meant to be.
    let most = (found.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean ...?` when something is near, else nothing.
pub(super) fn did_you_mean<'c>(found: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(found, candidates).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
