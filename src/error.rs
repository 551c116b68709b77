//! What can go wrong with one exchange, grouped by whose fault it is.
//!
//! The log gets the cause; the client gets a status, a fixed sentence and a request id, and nothing
//! of what it sent (RFC 9110 section 17.16.1).
//!
//! # Deviations
//!
//! none

use http::StatusCode;

use crate::target::TargetError;
use crate::upstream::NotHttp;

/// Why an exchange is answered by the gateway itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is at fault.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The request is understood and refused.
    #[error("{0}")]
    Denied(#[from] Denied),
    /// The origin or the way to it is at fault.
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
    /// We are at fault.
    #[error("internal: {0}")]
    Internal(&'static str),
}

/// A request that cannot be served as it is.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Ambiguous or invalid request target: 400.
    #[error("request target: {0}")]
    Target(#[from] TargetError),
    /// More than one line of a field that may occur once: 400.
    #[error("expected at most one {0} field line, found several")]
    RepeatedField(&'static str),
    /// A protected field was nominated as hop-by-hop: 400.
    #[error("expected only connection options in Connection, found an end-to-end field")]
    ProtectedNomination,
    /// TRACE: 405.
    #[error("method not allowed here")]
    MethodNotAllowed,
    /// A field line longer than the gateway accepts: 431.
    #[error("expected field lines of at most {0} bytes, found a longer one")]
    FieldTooLarge(usize),
    /// A request target longer than the gateway accepts: 414.
    #[error("expected a request target of at most {0} bytes, found a longer one")]
    TargetTooLong(usize),
    /// Framing or a field that the gateway does not accept: 400.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// The Digest `uri` names another resource: 400 (RFC 7616 section 3.4.6).
    #[error("the Digest uri parameter names another resource than the request target")]
    DigestUri,
}

/// A request that is understood and refused.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// An access rule refused: 403. The rule's name is for log and metric.
    #[error("refused by access rule {0}")]
    Rule(String),
    /// The destination is not one that this proxy connects to: 403.
    #[error("destination not allowed: {0}")]
    Destination(&'static str),
    /// `only-if-cached` and nothing usable stored: 504 (RFC 9111 section 5.2.1.7).
    #[error("only-if-cached was asked for and no usable response is stored")]
    OnlyIfCached,
    /// No route for this host and path: 404.
    #[error("no route for this host and path")]
    NoRoute,
}

/// What happened on the way to the origin; the words are those of RFC 9209 section 2.3.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The name does not resolve: 502.
    #[error("cannot resolve the destination's name")]
    Dns,
    /// Nobody listens there: 502.
    #[error("connection refused by the origin")]
    Refused,
    /// No way there: 502.
    #[error("cannot reach the origin: {0}")]
    Unreachable(#[source] std::io::Error),
    /// No connection within `connect_time`: 504.
    #[error("no connection to the origin within the connect time")]
    ConnectTimeout,
    /// TLS failed: 502.
    #[error("TLS with the origin failed: {0}")]
    Tls(#[source] std::io::Error),
    /// The connection ended before a response head: 502.
    #[error("the origin closed the connection before a response")]
    Closed,
    /// No response head within `first_byte_time`: 504.
    #[error("no response from the origin within the first byte time")]
    FirstByteTimeout,
    /// What came is not HTTP: 502.
    #[error("the origin's answer is not valid HTTP: {0}")]
    Protocol(#[source] NotHttp),
    /// Where the response ends is ambiguous: 502 (RFC 9112 section 6.3).
    #[error("the origin's response has ambiguous framing: {0}")]
    Framing(&'static str),
    /// Another proxy asked for credentials that we cannot give: 502 (RFC 9110 section 15.5.8).
    #[error("the upstream asked for proxy authentication")]
    ProxyAuthentication,
    /// A stored response must be validated and the origin did not answer: 504 (RFC 9111 section
    /// 5.2.2.2).
    #[error("the stored response may not be used stale and the origin did not answer: {0}")]
    NotValidated(#[source] Box<UpstreamError>),
    /// A 304 to a request without conditions: 502.
    #[error("the origin answered 304 to a request without conditions")]
    UnaskedNotModified,
    /// The request has been here before: 502 (RFC 9110 section 7.6).
    #[error("the request came back to this gateway: a loop in the configuration of proxies or names")]
    Loop,
    /// The client's request body broke off while it was being sent: 400.
    #[error("the request body broke off")]
    RequestBody,
}

impl Error {
    /// The status code of the answer; exhaustive, so that a new error forces a decision.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Client(error) => error.status(),
            Self::Denied(Denied::Rule(_) | Denied::Destination(_)) => StatusCode::FORBIDDEN,
            Self::Denied(Denied::OnlyIfCached) => StatusCode::GATEWAY_TIMEOUT,
            Self::Denied(Denied::NoRoute) => StatusCode::NOT_FOUND,
            Self::Upstream(error) => error.status(),
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `error` parameter of `Proxy-Status`.
    ///
    /// Source: RFC 9209 section 2.3.
    #[must_use]
    pub fn proxy_status(&self) -> &'static str {
        match self {
            Self::Client(_) => "http_request_error",
            Self::Denied(Denied::Destination(_)) => "destination_ip_prohibited",
            Self::Denied(Denied::Rule(_) | Denied::OnlyIfCached) => "http_request_denied",
            Self::Denied(Denied::NoRoute) => "destination_not_found",
            Self::Upstream(error) => error.proxy_status(),
            Self::Internal(_) => "proxy_internal_error",
        }
    }

    /// What the client is told: a fixed sentence that says what to do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Client(error) => error.advice(),
            Self::Denied(Denied::Rule(_)) => {
                "Your credentials are valid but do not give access to this resource. Ask the operator."
            }
            Self::Denied(Denied::Destination(_)) => "This proxy does not connect to that destination. Ask the operator.",
            Self::Denied(Denied::OnlyIfCached) => "Nothing usable is stored. Send the request without only-if-cached.",
            Self::Denied(Denied::NoRoute) => "No route is configured for this host and path. Check the address.",
            Self::Upstream(error) => error.advice(),
            Self::Internal(_) => "The gateway failed. Try again, and tell the operator the request id.",
        }
    }
}

impl ClientError {
    fn status(&self) -> StatusCode {
        match self {
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::FieldTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong(_) => StatusCode::URI_TOO_LONG,
            Self::Target(_) | Self::RepeatedField(_) | Self::ProtectedNomination | Self::Malformed(_) | Self::DigestUri => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Target(TargetError::NotAbsolute) => {
                "This is a forward proxy. Send the absolute address, as clients do when it is configured as their proxy."
            }
            Self::Target(TargetError::Userinfo) => "Send credentials in a field, never in the address.",
            Self::Target(_) => "The request target or Host is ambiguous or invalid. Send one valid host and port.",
            Self::RepeatedField(_) => "Send each credential field and Host once.",
            Self::ProtectedNomination => "Connection names a field that is not hop-by-hop. Remove it.",
            Self::FieldTooLarge(_) => "A field of the request is too long. Send less, for instance fewer cookies.",
            Self::TargetTooLong(_) => "The address is too long.",
            Self::MethodNotAllowed => "This method is not served here.",
            Self::Malformed(_) => "The request is malformed. Check the client.",
            Self::DigestUri => "The uri parameter of the Digest credentials must name the requested resource.",
        }
    }
}

impl UpstreamError {
    fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::FirstByteTimeout | Self::NotValidated(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestBody => StatusCode::BAD_REQUEST,
            Self::Dns
            | Self::Refused
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Closed
            | Self::Protocol(_)
            | Self::UnaskedNotModified
            | Self::Framing(_)
            | Self::Loop
            | Self::ProxyAuthentication => StatusCode::BAD_GATEWAY,
        }
    }

    /// Source: RFC 9209 section 2.3.
    fn proxy_status(&self) -> &'static str {
        match self {
            Self::Dns => "dns_error",
            Self::Refused => "connection_refused",
            Self::Unreachable(_) => "destination_ip_unroutable",
            Self::ConnectTimeout => "connection_timeout",
            Self::Tls(_) => "tls_protocol_error",
            Self::Closed => "connection_terminated",
            Self::FirstByteTimeout => "http_response_timeout",
            Self::Protocol(_) | Self::UnaskedNotModified | Self::Framing(_) => "http_protocol_error",
            Self::Loop => "proxy_loop_detected",
            Self::ProxyAuthentication => "proxy_configuration_error",
            Self::NotValidated(cause) => cause.proxy_status(),
            Self::RequestBody => "http_request_error",
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Dns => "The host name does not resolve. Check the address.",
            Self::Refused | Self::Unreachable(_) => "The origin cannot be reached. Check the address or try later.",
            Self::ConnectTimeout | Self::FirstByteTimeout => "The origin did not answer in time. Try later.",
            Self::Tls(_) => {
                "A verified TLS connection to the origin could not be made. The operator finds the reason in the log."
            }
            Self::Loop => "The request came back to this gateway. Tell the operator.",
            Self::Closed | Self::Protocol(_) | Self::UnaskedNotModified | Self::Framing(_) => {
                "The origin's answer was not valid HTTP. Try later, or tell the origin's operator."
            }
            Self::ProxyAuthentication => "The next proxy wants credentials that this gateway does not have. Tell the operator.",
            Self::NotValidated(_) => "The stored response must be validated and the origin did not answer. Try later.",
            Self::RequestBody => "The request body broke off. Send it again.",
        }
    }
}
