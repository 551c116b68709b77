//! One history as plain text and numbers: what the engine is driven through and what the model looks at.

/// Field lines, names in lower case.
pub(crate) type Lines = Vec<(&'static str, String)>;

/// Times and durations are microseconds.
pub(crate) const SECOND: i64 = 1_000_000;

/// 2027-01-15 08:00:00 GMT.
pub(crate) const START: i64 = 1_800_000_000 * SECOND;

/// The targets; the last one holds a credential.
pub(crate) const PATHS: [&str; 3] = ["/a", "/b", "/a?access_token=k"];

/// What happens, in order.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) operator: Operator,
    pub(crate) steps: Vec<Step>,
}

/// What the operator says besides the cookie `sid`, which is a credential.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operator {
    /// `standard`, `never` or `always-validate`.
    pub(crate) authorization: &'static str,
    /// `reuse`, `validate` or `bypass`.
    pub(crate) anonymous_entries: &'static str,
    /// For how long past its lifetime a response may answer when the origin does not.
    pub(crate) max_stale_disconnected: i64,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Request(Request),
    /// Time goes on, or back.
    Wait(i64),
    /// The operator's policy is another one from now on.
    NewPolicy,
}

/// A request, and what the origin does if it comes to it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Index in [`PATHS`].
    pub(crate) path: usize,
    pub(crate) method: &'static str,
    pub(crate) fields: Lines,
    pub(crate) reply: Reply,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Marks everything that the origin says in this step; a multiple of ten, so that every answer has its own number.
    pub(crate) id: u32,
    /// What the origin said so far about the target is out of date.
    pub(crate) is_changed: bool,
    /// A request for the whole gets the newest representation once more, and no new one.
    pub(crate) is_again: bool,
    pub(crate) manner: Manner,
    pub(crate) status: u16,
    pub(crate) fields: Lines,
    /// How long the origin takes.
    pub(crate) delay: i64,
    /// What its clock is ahead of ours; none where it sends no `Date`.
    pub(crate) date: Option<i64>,
    pub(crate) has_tag: bool,
    pub(crate) has_modified: bool,
}

/// How the origin treats conditions and ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As RFC 9110 says.
    Proper,
    /// Its 304 names another representation.
    WrongTag,
    /// Its 304 names none.
    NoTag,
    /// It does not answer.
    Silent,
}

/// The first value of a field.
pub(crate) fn line<'a>(fields: &'a Lines, name: &str) -> Option<&'a str> {
    fields.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
}

/// Does a request bring a credential?
pub(crate) fn is_credentialed(path: usize, fields: &Lines) -> bool {
    path == 2
        || line(fields, "authorization").is_some()
        || line(fields, "cookie").is_some_and(|cookie| cookie.starts_with("sid="))
}
