//! The words with which metrics, logs and `Cache-Status` name what the cache did.
//!
//! One enum a question, each with an `as_str`, so that a word is found once in the source.

/// What the cache contributed to an answer: label `result` of `vouchsafe_cache_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheResult {
    /// Answered from a stored response without asking the origin.
    Hit,
    /// Fetched because nothing usable was stored.
    Miss,
    /// A stored response was validated with this request's own credentials.
    Validated,
    /// A stale stored response was used where nothing forbids it.
    Stale,
    /// The cache was not asked: method, policy or directive.
    Bypass,
    /// Answered from another request's fetch.
    Collapsed,
    /// The exchange never came to the cache (refused, challenged, tunnel).
    None,
}

impl CacheResult {
    /// Every value, in label order.
    pub const ALL: [Self; 7] = [Self::Hit, Self::Miss, Self::Validated, Self::Stale, Self::Bypass, Self::Collapsed, Self::None];

    /// The metric label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Validated => "validated",
            Self::Stale => "stale",
            Self::Bypass => "bypass",
            Self::Collapsed => "collapsed",
            Self::None => "none",
        }
    }
}

/// Which directive of a stored response permits its reuse for other requests.
///
/// Source: RFC 9111 section 3.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PermissionReason {
    /// `must-revalidate`.
    MustRevalidate,
    /// `public`.
    Public,
    /// `s-maxage` with a valid number.
    SMaxage,
}

/// What the authorization rule decided about a response to a credentialed request: labels of
/// `vouchsafe_cache_authorization_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthorizationDecision {
    /// May be shared, because of this directive.
    Shared(PermissionReason),
    /// No directive permits it.
    NoPermit,
    /// `private` forbids it.
    Private,
    /// `no-store` forbids it.
    NoStore,
    /// The second key or the tripwire refused.
    SecondKey,
    /// The operator's policy refused.
    Policy,
}

impl AuthorizationDecision {
    /// Every value.
    pub const ALL: [Self; 8] = [
        Self::Shared(PermissionReason::MustRevalidate),
        Self::Shared(PermissionReason::Public),
        Self::Shared(PermissionReason::SMaxage),
        Self::NoPermit,
        Self::Private,
        Self::NoStore,
        Self::SecondKey,
        Self::Policy,
    ];

    /// Label `decision`.
    #[must_use]
    pub fn decision(self) -> &'static str {
        if matches!(self, Self::Shared(_)) { "shared" } else { "refused" }
    }

    /// Label `reason`.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Shared(reason) => reason.as_str(),
            Self::NoPermit => "no-permit",
            Self::Private => "private",
            Self::NoStore => "no-store",
            Self::SecondKey => "second-key",
            Self::Policy => "policy",
        }
    }
}

impl PermissionReason {
    /// The directive's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MustRevalidate => "must-revalidate",
            Self::Public => "public",
            Self::SMaxage => "s-maxage",
        }
    }
}

/// What the origin said to a validation: label of `vouchsafe_validations_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValidationOutcome {
    /// 304: the stored response is good for this request.
    NotModified,
    /// Another final response, which is the answer.
    Replaced,
    /// 401: the answer for this client alone.
    Unauthorized,
    /// 403: the answer for this client alone.
    Forbidden,
    /// 5xx.
    ServerError,
    /// No answer.
    Unreachable,
}

impl ValidationOutcome {
    /// Every value.
    pub const ALL: [Self; 6] =
        [Self::NotModified, Self::Replaced, Self::Unauthorized, Self::Forbidden, Self::ServerError, Self::Unreachable];

    /// The metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotModified => "not-modified",
            Self::Replaced => "replaced",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::ServerError => "server-error",
            Self::Unreachable => "unreachable",
        }
    }
}

/// What came of asking the origin about a reused response: label of `vouchsafe_canary_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CanaryOutcome {
    /// The asker would have got the same.
    Same,
    /// The asker would have got something else.
    Suspect,
    /// The origin's answer, or its absence, tells nothing.
    Unknown,
}

impl CanaryOutcome {
    /// Every value.
    pub const ALL: [Self; 3] = [Self::Same, Self::Suspect, Self::Unknown];

    /// The metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Suspect => "suspect",
            Self::Unknown => "unknown",
        }
    }
}

/// What became of a request that waited for another one's response: label of
/// `vouchsafe_flight_followers_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerOutcome {
    /// The leader failed or left, and somebody else leads.
    HandedOver,
    /// It waits with those whose nominated fields are like its own.
    Regrouped,
    /// It went to the origin with its own credentials.
    Released,
    /// The leader's response answered it.
    Shared,
    /// No response head came within `collapse_wait`.
    TimedOut,
}

impl FollowerOutcome {
    /// Every value.
    pub const ALL: [Self; 5] = [Self::HandedOver, Self::Regrouped, Self::Released, Self::Shared, Self::TimedOut];

    /// The metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HandedOver => "handed-over",
            Self::Regrouped => "regrouped",
            Self::Released => "released",
            Self::Shared => "shared",
            Self::TimedOut => "timed-out",
        }
    }
}

/// Why a request went forward: the `fwd` parameter of `Cache-Status`.
///
/// Source: RFC 9211 section 2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForwardReason {
    /// The cache was configured not to handle this request.
    Bypass,
    /// The method's semantics require it.
    Method,
    /// Nothing is stored for the target URI.
    UriMiss,
    /// Something is stored, but no variant for this request.
    VaryMiss,
    /// Something is stored and may not be used for this request.
    Miss,
    /// The request's own directives or preconditions ask for it.
    Request,
    /// What is stored is stale, or must be validated.
    Stale,
}

impl ForwardReason {
    /// The word in `Cache-Status`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}
