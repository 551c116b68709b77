//! A request's fields as they go on: written once, where a map of them would be made to be written.
//!
//! RFC 9110 section 6.3 (header fields), RFC 9112 section 5 (field syntax).

use http::header::{self, HeaderName, HeaderValue};

use super::is_connection_scheme;

/// Field lines of a request on its way to an origin, without `Host` and without the framing fields: those are written by who
/// writes the message, whatever stands elsewhere.
///
/// It holds credentials and shows them to nobody.
#[derive(Clone, Default)]
pub struct FieldSection {
    text: Vec<u8>,
    is_connection_bound: bool,
}

impl FieldSection {
    /// A section with room for this many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: Vec::with_capacity(bytes), is_connection_bound: false }
    }

    /// Writes one line.
    pub fn append(&mut self, name: &HeaderName, value: &HeaderValue) {
        match *name {
            header::HOST | header::CONTENT_LENGTH | header::TRANSFER_ENCODING => return,
            header::AUTHORIZATION => self.is_connection_bound |= is_connection_scheme(value),
            _ => {}
        }
        write_line(&mut self.text, name.as_str(), |text| text.extend_from_slice(value.as_bytes()));
    }

    /// Writes one line of ours, whose value `write` writes.
    pub fn append_written(&mut self, name: &HeaderName, write: impl FnOnce(&mut Vec<u8>)) {
        write_line(&mut self.text, name.as_str(), write);
    }

    /// The lines, each with its end.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Whether its credentials speak for the connection and not for this request alone.
    ///
    /// Source: RFC 4559 section 6.
    #[must_use]
    pub fn is_connection_bound(&self) -> bool {
        self.is_connection_bound
    }
}

/// Writes `name: value` and its end.
///
/// ABNF: `field-line = field-name ":" OWS field-value OWS`.
///
/// Source: RFC 9112 section 5.
pub fn write_line(out: &mut Vec<u8>, name: &str, write_value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    write_value(out);
    out.extend_from_slice(b"\r\n");
}
