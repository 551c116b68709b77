//! A typed walk over a TOML document that records every mistake and goes on.
//!
//! A [`Section`] is a table whose keys are asked for by name; what nobody asked for is unknown. A
//! [`Value`] is one value with its position; reading it gives the value or records what was
//! expected and what was found.
//!
//! # Deviations
//!
//! none

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistakes::{Source, did_you_mean, nearest, quoted};
use super::value::Value;

/// A table of the document.
pub(super) struct Section<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) path: String,
    pub(super) at: Range<usize>,
    table: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The whole document.
    pub(super) fn root(source: &'a Source<'a>, document: &'a Spanned<DeTable<'a>>) -> Self {
        Self { source, path: String::new(), at: 0..0, table: document.get_ref(), known: Vec::new() }
    }

    /// The value of a key, which is known from now on.
    pub(super) fn value(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.known.push(key);
        let node = self.table.get(key)?;
        Some(Value { source: self.source, path: self.path_of(key), node })
    }

    /// Replaces the default in `slot` when the key is there and reads well.
    pub(super) fn set<T>(&mut self, key: &'static str, slot: &mut T, read: impl FnOnce(&Value<'a>) -> Option<T>) {
        if let Some(value) = self.value(key).and_then(|value| read(&value)) {
            *slot = value;
        }
    }

    /// As [`Section::set`] for a setting that may be left out altogether.
    pub(super) fn set_some<T>(&mut self, key: &'static str, slot: &mut Option<T>, read: impl FnOnce(&Value<'a>) -> Option<T>) {
        if let Some(value) = self.value(key) {
            *slot = read(&value);
        }
    }

    /// As [`Section::set`] for an array, each element read alike.
    pub(super) fn set_list<T>(&mut self, key: &'static str, slot: &mut Vec<T>, each: impl Fn(&Value<'a>) -> Option<T>) {
        self.set(key, slot, |value| value.list(each));
    }

    /// The value of a key that has no default; its absence is a mistake.
    pub(super) fn require<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        let Some(value) = self.value(key) else {
            let message = format!("{}: expected a value, found none; add {key} = {example}", self.path_of(key));
            self.source.note_absence(&self.at, message);
            return None;
        };
        read(&value)
    }

    /// A table below this one, if it is there.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        self.value(key)?.section()
    }

    /// The tables of an array of tables; none when the key is left out.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(array) = value.node.get_ref() else {
            let _: Option<()> = value.mistake(&format!("tables, each begun with [[{key}]]"));
            return Vec::new();
        };
        let each = array.iter().enumerate();
        each.filter_map(|(at, node)| Value { source: self.source, path: format!("{key}[{at}]"), node }.section()).collect()
    }

    /// Refuses a key of later versions, whatever its value.
    pub(super) fn refuse(&mut self, key: &'static str) {
        if let Some(at) = self.key_position(key) {
            self.source.note(&at, format!("{}: not in this version; leave it out", self.path_of(key)));
        }
        self.known.push(key);
    }

    /// Refuses a key where it stands, whatever its value, and says why.
    pub(super) fn refuse_because(&mut self, key: &'static str, why: &str) {
        if let Some(at) = self.key_position(key) {
            self.source.note(&at, format!("{}: expected no `{key}` here, which {why}", self.path_of(key)));
        }
        self.known.push(key);
    }

    /// Whether this key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Whether a table below this one has this key with anything but an empty array.
    pub(super) fn has_below(&self, table: &str, key: &str) -> bool {
        let below = self.table.get(table).and_then(|node| node.get_ref().as_table());
        let value = below.and_then(|table| table.get(key));
        value.is_some_and(|value| value.get_ref().as_array().is_none_or(|array| !array.is_empty()))
    }

    /// Refuses a key of later versions unless its value is the one that changes nothing, given as
    /// TOML writes it.
    pub(super) fn refuse_unless(&mut self, key: &'static str, neutral: &str) {
        let Some(value) = self.value(key) else { return };
        let is_neutral = match value.node.get_ref() {
            DeValue::Boolean(flag) => neutral == flag.to_string(),
            DeValue::String(word) => neutral == quoted(word),
            _ => false,
        };
        if !is_neutral {
            self.source.note(
                &value.node.span(),
                format!("{}: not in this version; expected {neutral}, found {}", value.path, value.found()),
            );
        }
    }

    /// Records the keys that nobody asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let hint = match nearest(name, self.known.iter().copied()) {
                Some(_) => did_you_mean(name, self.known.iter().copied()),
                None => format!("; known here: {}", self.known.join(", ")),
            };
            self.source.note(&key.span(), format!("{}: expected a known key, found `{name}`{hint}", self.path_of(name)));
        }
    }

    /// Where a key's value stands, or else the head of this table.
    pub(super) fn position(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.at.clone(), Spanned::span)
    }

    /// Where a key itself stands.
    fn key_position(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// The full name of a key in this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A table that stands inside another.
    pub(super) fn below(source: &'a Source<'a>, path: String, node: &'a Spanned<DeValue<'a>>, table: &'a DeTable<'a>) -> Self {
        Self { source, path, at: node.span(), table, known: Vec::new() }
    }
}
