//! What an answer means: whether these bytes may be with that person.
//!
//! RFC 9111 sections 3, 3.5, 4, 4.1 and 4.2.

use super::client::Answer;
use super::model::{self, Expectation, Question};
use super::people::{Mark, Person};
use super::spellings::{Kind, Spelling};

/// What becomes of one answer. Only [`Verdict::Leak`] and [`Verdict::Wrong`] are faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The origin made it for this very request.
    Fetched,
    /// Content made for another credential reached somebody without permission.
    Leak(&'static str),
    /// Fetched, although reuse was permitted.
    Missed,
    /// Reused, as is permitted.
    Reused,
    /// Reused, and the origin had confirmed it to the one who asked.
    Validated,
    /// A broken rule by which nobody's content reached another.
    Wrong(&'static str),
}

/// An answer and how it came about.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) spelling: &'a Spelling,
    pub(super) vary: Option<&'a str>,
    pub(super) asker: &'a Person,
    pub(super) language: &'a str,
    /// How old the response is.
    pub(super) seconds_later: u64,
    /// For whom the stored response was made: what the answer could have been.
    pub(super) stored: &'a Mark,
    /// Whether the origin told the asker that what is stored is current.
    pub(super) is_confirmed: bool,
}

impl Exchange<'_> {
    /// Judges the answer to a request that came when the response was stored.
    pub(super) fn judge(&self, answer: &Answer) -> Verdict {
        let mark = match answer {
            Answer::Content(mark) => mark,
            Answer::Broken(_) => return Verdict::Wrong("no complete answer"),
            Answer::Garbled(_) => return Verdict::Wrong("truncated or mixed content, framed as complete"),
            Answer::Status(_) => return Verdict::Wrong("another status than the origin's"),
        };
        if mark.hit == self.stored.hit {
            return self.judge_reuse();
        }
        if mark.by.name != self.asker.name {
            return Verdict::Leak("made for another's request");
        }
        let is_plain = matches!(self.spelling.kind, Kind::NoPermission | Kind::Permission) && self.states_lifetime();
        match self.expected(self.vary) {
            Expectation::Stored | Expectation::Validated if is_plain => Verdict::Missed,
            _ => Verdict::Fetched,
        }
    }

    /// May the stored response have answered?
    pub(super) fn judge_reuse(&self) -> Verdict {
        let expected = self.expected(self.vary);
        let is_own = self.stored.by.name == self.asker.name;
        if self.is_confirmed && (expected != Expectation::Origin || self.expected(None) != Expectation::Origin) {
            // Section 4.3.1 lets the origin select among variants, too.
            return Verdict::Validated;
        }
        let maker = self.stored.by;
        if self.is_other_variant() && self.expected(None) != Expectation::Origin {
            let is_leak = !is_own && self.vary.is_some_and(|name| maker.sends(name));
            return if is_leak { Verdict::Leak("Vary tells them apart") } else { Verdict::Wrong("another variant") };
        }
        match expected {
            Expectation::Stored | Expectation::StoredAndAsked => Verdict::Reused,
            Expectation::Origin if is_own => Verdict::Wrong("reused without permission, for whom it was made"),
            Expectation::Origin if self.is_confirmed => Verdict::Wrong("stored without permission, confirmed by the origin"),
            Expectation::Origin if !maker.is_credentialed() => Verdict::Wrong("reused without permission, made for nobody"),
            Expectation::Origin => Verdict::Leak("no permission"),
            Expectation::Validated if self.is_lifetime_open() => Verdict::Reused,
            Expectation::Validated if self.waits_for_origin() && !is_own => Verdict::Leak("the origin was not asked"),
            Expectation::Validated => Verdict::Wrong("stale"),
        }
    }

    fn expected(&self, vary: Option<&str>) -> Expectation {
        self.ask(vary, model::expect)
    }

    fn is_other_variant(&self) -> bool {
        self.ask(self.vary, |question| question.is_other_variant())
    }

    fn ask<T>(&self, vary: Option<&str>, about: impl Fn(&Question<'_>) -> T) -> T {
        about(&Question {
            cache_control: self.spelling.lines,
            expires: self.spelling.expires.then_some(60),
            vary,
            filled_with: &fields(self.stored.by, &self.stored.language),
            asked_with: &fields(self.asker, self.language),
            query: "",
            seconds_later: self.seconds_later,
            is_credential: model::is_authorization,
        })
    }

    fn states_lifetime(&self) -> bool {
        self.spelling.expires || model::states_lifetime(self.spelling.lines)
    }

    /// A cache may make up a lifetime where none is stated (section 4.2.2), and is only encouraged to take one that is not
    /// written as it should be for none (section 4.2.1).
    fn is_lifetime_open(&self) -> bool {
        let is_made_up = !self.states_lifetime() && !model::is_never_fresh(self.spelling.lines);
        is_made_up || self.spelling.kind == Kind::Odd
    }

    /// Section 3.5 lets others have it only once the origin was asked.
    fn waits_for_origin(&self) -> bool {
        self.stored.by.sends("authorization") && model::is_judged_by_origin(self.spelling.lines)
    }
}

fn fields<'a>(person: &'a Person, language: &'a str) -> Vec<(&'a str, &'a str)> {
    person.fields.iter().copied().chain([("accept-language", language)]).collect()
}
