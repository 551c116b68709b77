//! An answer as the client saw it, and what its `Cache-Status` says.

use super::wire::{Fields, field, fields_named};

/// A response. Status 0: the connection ended without one.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// `HTTP/1.1`, for instance.
    pub version: String,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    /// Interim responses (1xx) that came before, with their fields.
    pub interim: Vec<(u16, Fields)>,
    /// Whether the content arrived as framed; false if it broke off.
    pub complete: bool,
}

impl Answer {
    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    /// All values of a field, in order.
    pub fn fields_named(&self, name: &str) -> Vec<&str> {
        fields_named(&self.fields, name)
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content as JSON (problem documents).
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("expected JSON, found {:?}: {error}", self.text()))
    }

    /// The Age field as a number (RFC 9111 section 5.1).
    pub fn age(&self) -> Option<u64> {
        self.field("age").map(|age| age.parse().unwrap_or_else(|_| panic!("expected a number in Age, found {age:?}")))
    }

    /// The parameters of the gateway's member of Cache-Status (RFC 9211), as sent: `hit; ttl=30; detail=permit-public`.
    /// Empty if there is none.
    pub fn cache_status(&self) -> String {
        self.cache_parameters().map(|(name, value)| show(name, value)).collect::<Vec<_>>().join("; ")
    }

    /// [`Answer::cache_status`] without `ttl`, `fwd-status` and `detail`: `hit` or `fwd=uri-miss; stored`.
    pub fn decision(&self) -> String {
        let kept = self.cache_parameters().filter(|(name, _)| !matches!(*name, "ttl" | "fwd-status" | "detail"));
        kept.map(|(name, value)| show(name, value)).collect::<Vec<_>>().join("; ")
    }

    /// A parameter of the gateway's member of Cache-Status; a bare one is `""`.
    pub fn cache_parameter(&self, name: &str) -> Option<&str> {
        self.cache_parameters().find(|(found, _)| *found == name).map(|(_, value)| value.trim_matches('"'))
    }

    /// `hit`: answered from the store without asking the origin.
    pub fn hit(&self) -> bool {
        self.cache_parameter("hit").is_some()
    }

    /// `fwd`: why the request went to the origin.
    pub fn fwd(&self) -> Option<&str> {
        self.cache_parameter("fwd")
    }

    /// `fwd-status`: what the origin answered.
    pub fn fwd_status(&self) -> Option<&str> {
        self.cache_parameter("fwd-status")
    }

    /// `detail`: the deciding rule.
    pub fn detail(&self) -> Option<&str> {
        self.cache_parameter("detail")
    }

    /// `ttl`: seconds of freshness left.
    pub fn ttl(&self) -> Option<i64> {
        self.cache_parameter("ttl").map(|ttl| ttl.parse().unwrap_or_else(|_| panic!("expected a number in ttl, found {ttl:?}")))
    }

    /// `stored`: the answer went into the store.
    pub fn stored(&self) -> bool {
        self.cache_parameter("stored").is_some()
    }

    /// `collapsed`: the answer is another request's.
    pub fn collapsed(&self) -> bool {
        self.cache_parameter("collapsed").is_some()
    }

    /// The `error` of the gateway's Proxy-Status (RFC 9209), if it generated this answer because of one.
    pub fn proxy_error(&self) -> Option<&str> {
        let values = fields_named(&self.fields, "proxy-status");
        let member = values.into_iter().flat_map(|value| split_outside_quotes(value, ',')).find(|member| is_ours(member))?;
        parameters(member).find(|(name, _)| *name == "error").map(|(_, value)| value)
    }

    fn cache_parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = fields_named(&self.fields, "cache-status");
        let member = values.into_iter().flat_map(|value| split_outside_quotes(value, ',')).rfind(|member| is_ours(member));
        member.into_iter().flat_map(parameters)
    }
}

fn is_ours(member: &str) -> bool {
    member.split(';').next().is_some_and(|name| name.trim().trim_matches('"') == "vouchsafe")
}

fn parameters(member: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = split_outside_quotes(member, ';').into_iter().skip(1);
    parts.map(|part| part.split_once('=').map_or((part, ""), |(name, value)| (name.trim(), value.trim())))
}

fn show(name: &str, value: &str) -> String {
    if value.is_empty() { name.to_owned() } else { format!("{name}={value}") }
}

/// Splits a structured field at a separator that does not stand inside a quoted string, and trims the parts.
pub fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            found if found == separator && !quoted => {
                parts.push(text[start..at].trim());
                start = at + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}
