//! Under which query a response is kept: a policy may say which spellings of a query mean the same to the origin.
//!
//! RFC 9111 section 4 wants the presented target URI to match that of the stored response; what is merged here is merged
//! because the operator says that the origin does not look at it. Only what was filled without credentials is, and only for
//! requests without any ([`Named`]); the origin always gets the target as sent.
//!
//! # Deviations
//!
//! - A part of a query that holds `;` is never left out, and `sorted` leaves a query with one as it is: some origins divide
//!   parameters there.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The `query` of a policy, and a mark that tells it from every other rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct QueryRule {
    form: Form,
    mark: Option<u64>,
}

/// What of a query is part of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// All of it, as sent.
    #[default]
    All,
    /// Nothing.
    None,
    /// All of it, its parameters in the order of their names.
    Sorted,
    /// These parameters alone, in the order sent.
    Keep(Vec<Parameter>),
    /// All but these parameters, in the order sent.
    Drop(Vec<Parameter>),
}

/// A parameter by its name, or every one whose name begins so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parameter {
    name: Box<str>,
    is_prefix: bool,
}

/// How the target of a request relates to the URI that its responses are kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// They are the same URI.
    pub is_exact: bool,
    /// The mark of the rule that keeps other targets there too; none where the target as sent is the key.
    pub rule: Option<u64>,
}

impl QueryRule {
    /// A rule of this form.
    #[must_use]
    pub fn new(form: Form) -> Self {
        let mark = (form != Form::All).then(|| {
            let mut hash = DefaultHasher::new();
            form.hash(&mut hash);
            hash.finish()
        });
        Self { form, mark }
    }

    /// What it makes of a query.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Tells it from every other rule; none for the one that merges nothing. The same in every process.
    #[must_use]
    pub fn mark(&self) -> Option<u64> {
        self.mark
    }

    /// The path and query that responses to requests for this path and query are kept under; none if that is the same.
    ///
    /// Source: RFC 9111 section 4.
    #[must_use]
    pub fn key_of(&self, path_and_query: &str) -> Option<Box<str>> {
        if self.form == Form::All {
            return None;
        }
        let (path, query) = path_and_query.split_once('?')?;
        match &self.form {
            Form::All => None,
            Form::None => Some(path.into()),
            Form::Sorted => sorted(query).map(|query| format!("{path}?{query}").into()),
            Form::Keep(listed) => rest(path, query, |part| must_stay(part, listed)),
            Form::Drop(listed) => rest(path, query, |part| !may_go(part, listed)),
        }
    }
}

impl std::fmt::Display for QueryRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |names: &[Parameter]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &self.form {
            Form::All => f.write_str("as sent"),
            Form::None => f.write_str("left out"),
            Form::Sorted => f.write_str("parameters sorted by name"),
            Form::Keep(listed) => write!(f, "nothing kept but {}", list(listed)),
            Form::Drop(listed) => write!(f, "left out: {}", list(listed)),
        }
    }
}

impl Parameter {
    /// Reads a name, or with a trailing `*` the beginning of names; none for what no parameter's name can be, written without
    /// percent-encoding.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, is_prefix) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        let is_apart = |c: char| matches!(c, '&' | '=' | ';' | '?' | '#' | '%' | '*') || c.is_whitespace() || c.is_control();
        (!name.is_empty() && !name.contains(is_apart)).then(|| Self { name: name.into(), is_prefix })
    }

    /// Is this its name, letter case aside?
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        !self.is_prefix && self.name.eq_ignore_ascii_case(name)
    }

    /// Does it cover a name as written in a query, its percent-encoding undone?
    fn covers(&self, written: &str, is_equal: impl Fn(u8, u8) -> bool) -> bool {
        let mut bytes = decoded(written);
        let begins = self.name.bytes().all(|byte| bytes.next().is_some_and(|own| is_equal(own, byte)));
        begins && (self.is_prefix || bytes.next().is_none())
    }
}

impl std::fmt::Display for Parameter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.name, if self.is_prefix { "*" } else { "" })
    }
}

impl Default for Named {
    fn default() -> Self {
        Self::EXACT
    }
}

impl Named {
    /// The target as sent, and no rule.
    pub const EXACT: Self = Self { is_exact: true, rule: None };

    /// Is what such a request filled there for this one? Where both ask for the very URI it is, as ever; else only where one
    /// rule, which requests with credentials never have, says that their targets are the same.
    ///
    /// Source: RFC 9111 section 4.
    #[must_use]
    pub fn is_for(self, asker: Self) -> bool {
        self.is_exact && asker.is_exact || self.rule.is_some() && self.rule == asker.rule
    }

    /// How a stored response relates to its key when another request has changed it.
    #[must_use]
    pub fn changed_by(self, other: Self) -> Self {
        Self { is_exact: self.is_exact && other.is_exact, rule: self.rule.filter(|_| self.rule == other.rule) }
    }

    /// Whether a response that was filled so is there for everybody for whom one that was filled like the other is.
    #[must_use]
    pub fn replaces(self, other: Self) -> bool {
        (self.is_exact || !other.is_exact) && (other.rule.is_none() || self.rule == other.rule)
    }
}

/// The path with the parts of the query that stay; none if all do. An empty part names nothing and goes.
fn rest(path: &str, query: &str, stays: impl Fn(&str) -> bool) -> Option<Box<str>> {
    let stays = |part: &&str| !part.is_empty() && stays(part);
    if query.split('&').all(|part| stays(&part)) {
        return None;
    }
    let mut key = String::with_capacity(path.len() + 1 + query.len());
    key.push_str(path);
    for (at, part) in query.split('&').filter(stays).enumerate() {
        key.push(if at == 0 { '?' } else { '&' });
        key.push_str(part);
    }
    Some(key.into())
}

/// The parts in the order of their names, those of equal names in the order sent; none if they are in it already. Nothing but
/// the order changes. What origins may take for one name counts as equal: encodings, letter case, `+` for a space.
fn sorted(query: &str) -> Option<String> {
    let by_name = |a: &&str, b: &&str| folded(a).cmp(folded(b));
    if query.contains(';') || query.split('&').is_sorted_by(|a, b| by_name(a, b) != Ordering::Greater) {
        return None;
    }
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.sort_by(by_name);
    Some(parts.join("&"))
}

fn folded(part: &str) -> impl Iterator<Item = u8> + '_ {
    decoded(name_of(part)).map(|byte| if byte == b'+' { b' ' } else { byte.to_ascii_lowercase() })
}

/// `keep`: what is listed, letter case aside, and whatever an origin may read as something else than it says: a name of other
/// characters than letters, digits, `_` and `-`, or a part that some divide further.
fn must_stay(part: &str, listed: &[Parameter]) -> bool {
    let name = name_of(part);
    let is_plain = decoded(name).all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    !is_plain || part.contains(';') || listed.iter().any(|parameter| parameter.covers(name, |a, b| a.eq_ignore_ascii_case(&b)))
}

/// `drop`: what is listed, in exactly this letter case, and nothing that some divide further.
fn may_go(part: &str, listed: &[Parameter]) -> bool {
    !part.contains(';') && listed.iter().any(|parameter| parameter.covers(name_of(part), |a, b| a == b))
}

fn name_of(part: &str) -> &str {
    part.split('=').next().unwrap_or_default()
}

/// The octets that percent-encoded text stands for; a `%` without two hex digits stands for itself.
///
/// Source: RFC 3986 section 2.1.
fn decoded(text: &str) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let digit = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let (byte, length) = match (rest.first()?, digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => (u8::try_from(high * 16 + low).ok()?, 3),
            (byte, ..) => (*byte, 1),
        };
        rest = rest.get(length..)?;
        Some(byte)
    })
}

#[cfg(test)]
mod tests;
