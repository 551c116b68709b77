//! Who may use the operator's listener, and for what.
//!
//! RFC 6750 section 2.1 (bearer token in `Authorization`), RFC 9110 section 7.2 (`Host`).
//!
//! Without a token the listener is on loopback, where a page in the operator's browser can reach it too. A page cannot send
//! JSON to another origin without asking first, and a name that was rebound to loopback stays in `Host`: both are asked for.
//!
//! # Deviations
//!
//! none

use http::{HeaderMap, StatusCode, header};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::target::Host;

/// What is asked of whoever uses the listener.
pub(super) struct Gate {
    /// The token, if one is configured.
    token: Option<Zeroizing<String>>,
}

impl Gate {
    /// A gate with this token, or on loopback without one.
    pub(super) fn new(token: Option<Zeroizing<String>>) -> Self {
        Self { token }
    }

    /// Whether no token is configured, or this request brings it.
    ///
    /// Source: RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
    pub(super) fn admits(&self, fields: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let mut lines = fields.get_all(header::AUTHORIZATION).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else { return false };
        let Some((scheme, given)) = line.as_bytes().split_at_checked(7) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(given.trim_ascii().ct_eq(token.as_bytes()))
    }

    /// Why an admitted request may not change anything, if it may not.
    pub(super) fn may_change(&self, fields: &HeaderMap) -> Result<(), (StatusCode, &'static str)> {
        if self.token.is_some() {
            return Ok(());
        }
        if !is_loopback_host(fields) {
            return Err((StatusCode::FORBIDDEN, "expected a Host of loopback because no token is configured\n"));
        }
        if !is_json(fields) {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json\n"));
        }
        Ok(())
    }
}

/// One `Host` that is `localhost` or an address of loopback, whatever the port.
fn is_loopback_host(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::HOST).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let Ok(text) = line.to_str() else { return false };
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit());
    let host = match text.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => text,
    };
    match Host::parse(host) {
        Ok(Host::Address(address)) => address.is_loopback(),
        Ok(Host::Name(name)) => &*name == "localhost",
        Err(_) => false,
    }
}

/// `application/json`, whatever its parameters.
fn is_json(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let media_type = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::fields;

    const JSON: (&str, &str) = ("content-type", "application/json");

    #[test]
    fn without_a_token_a_change_needs_json_and_a_loopback_host() {
        let gate = Gate::new(None);
        for (host, may) in [
            ("127.0.0.1:9128", true),
            ("127.8.8.8", true),
            ("localhost:9128", true),
            ("LocalHost", true),
            ("[::1]:9128", true),
            ("[::1]", true),
            ("admin.example:9128", false),
            ("localhost.example", false),
            ("127.0.0.1.example", false),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("", false),
        ] {
            assert_eq!(gate.may_change(&fields(&[("host", host), JSON])).is_ok(), may, "{host}");
        }
        let local = ("host", "localhost");
        for (lines, status) in [
            (&[local][..], 415),
            (&[local, ("content-type", "text/plain")], 415),
            (&[local, ("content-type", "application/jsonx")], 415),
            (&[local, JSON, ("content-type", "text/plain")], 415),
            (&[JSON], 403),
            (&[local, ("host", "a.example"), JSON], 403),
        ] {
            assert_eq!(gate.may_change(&fields(lines)).unwrap_err().0, status, "{lines:?}");
        }
        assert!(gate.may_change(&fields(&[local, ("content-type", "Application/JSON; charset=utf-8")])).is_ok());
    }

    #[test]
    fn with_a_token_nothing_else_is_asked() {
        let gate = Gate::new(Some(Zeroizing::new("t".to_owned())));
        assert!(gate.may_change(&fields(&[("host", "admin.example")])).is_ok());
        assert!(gate.admits(&fields(&[("authorization", "Bearer t")])) && !gate.admits(&fields(&[])));
    }
}
