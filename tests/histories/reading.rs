//! How the model reads fields: plainly, because the generator writes them plainly.

use crate::step::{Lines, SECOND, line};

/// The directives of all lines of `Cache-Control`, names in lower case, quotes removed from arguments.
pub(crate) struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    pub(crate) fn of(fields: &Lines) -> Self {
        let lines = fields.iter().filter(|(name, _)| *name == "cache-control");
        let members = lines.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|member| !member.is_empty());
        Self(members.map(read).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// Without an argument.
    pub(crate) fn has_plain(&self, name: &str) -> bool {
        self.0.iter().any(|(other, argument)| other == name && argument.is_none())
    }

    /// With this field as its argument.
    pub(crate) fn names(&self, name: &str, field: &str) -> bool {
        self.0.iter().any(|(other, argument)| other == name && argument.as_deref() == Some(field))
    }

    /// Microseconds; `Some(None)` where one of them is no number.
    pub(crate) fn seconds(&self, name: &str) -> Option<Option<i64>> {
        let mut arguments = self.0.iter().filter(|(other, _)| other == name).map(|(_, argument)| argument.as_deref());
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok()).map(|number| i64::from(number) * SECOND);
        let first = number(arguments.next()?);
        Some(first.filter(|_| arguments.all(|other| number(other).is_some())))
    }

    /// RFC 9111 section 3.5: a directive that lets a response to credentials be used for others.
    pub(crate) fn permit(&self) -> bool {
        self.has_plain("public") || self.has_plain("must-revalidate") || self.seconds("s-maxage").flatten().is_some()
    }

    /// RFC 9111 sections 5.2.2.3 and 5.2.2.5. Deviation: `must-understand` lifts nothing of a response to credentials.
    pub(crate) fn forbid_storing(&self, is_credentialed: bool) -> bool {
        self.has("no-store") && (is_credentialed || !self.has("must-understand"))
    }
}

fn read(member: &str) -> (String, Option<String>) {
    match member.split_once('=') {
        None => (member.to_ascii_lowercase(), None),
        Some((name, argument)) => (name.to_ascii_lowercase(), Some(argument.trim_matches('"').to_owned())),
    }
}

pub(crate) fn has(fields: &Lines, name: &str) -> bool {
    line(fields, name).is_some()
}

/// The names in `Vary`.
pub(crate) fn vary(fields: &Lines) -> Vec<String> {
    let members = line(fields, "vary").unwrap_or_default().split(',').map(|name| name.trim().to_ascii_lowercase());
    members.filter(|name| !name.is_empty()).collect()
}

/// RFC 9111 section 4.1: some field that `Vary` names differs.
pub(crate) fn varies(response: &Lines, asked: &Lines, asks: &Lines) -> bool {
    vary(response).iter().any(|name| name == "*" || line(asked, name) != line(asks, name))
}
