//! What is stored and how long it answers: `[cache]` and `[[policy]]`.
//!
//! RFC 9111 section 3.5 (credentialed requests), section 4.2 (freshness), section 4.2.4 (stale
//! responses), section 5.2.1 (request directives); RFC 6265 section 3 (cookies and caches).
//!
//! # Deviations
//!
//! - A policy only tightens the authorization rule; no value of any key loosens it.

use std::time::Duration;

use http::{HeaderName, Method};

use super::{HostPattern, PathPattern};
use crate::cache::rules::canary::Share;
use crate::cache::rules::query::QueryRule;

/// `[cache]`.
#[derive(Clone, Debug)]
pub struct Cache {
    /// Bound of the memory tier, bytes.
    pub memory_bytes: u64,
    /// Largest body that is stored, bytes.
    pub max_object_bytes: u64,
    /// How long a request waits for the response head of an equal one; zero: not at all.
    pub collapse_wait: Duration,
}

/// One `[[policy]]`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The name in routes and logs.
    pub name: String,
    /// When this policy applies without being named by a route.
    pub matches: PolicyMatch,
    /// `cache = "bypass"`: neither store nor reuse.
    pub bypass: bool,
    /// What a credential in the request means.
    pub authorization: PolicyAuthorization,
    /// Who may be answered from what another request stored.
    pub partition: PartitionBy,
    /// What an entry stored without credentials is worth to a request with some.
    pub anonymous_entries: AnonymousEntries,
    /// What counts as a credential besides `Authorization`.
    pub credentials: Credentials,
    /// What to do with a response that sets cookies.
    pub set_cookie: SetCookie,
    /// Freshness where the response states none and has no heuristic of its own.
    pub default_ttl: Duration,
    /// Whether heuristic freshness is used (uncredentialed responses only).
    pub heuristic: bool,
    /// Floor where the response states no lifetime and no restricting directive.
    pub min_ttl: Duration,
    /// Ceiling, always.
    pub max_ttl: Duration,
    /// Freshness of an error response that states none, in place of heuristic, `default_ttl` and `min_ttl`; none: those.
    pub negative_ttl: Option<Duration>,
    /// How stale a response may answer while it is validated in the background, where it states nothing itself
    /// (uncredentialed responses only).
    pub stale_while_revalidate: Duration,
    /// How stale a response may answer in place of a received 5xx, where it states nothing itself.
    pub stale_if_error: Duration,
    /// How stale a response may answer when the origin cannot be reached.
    pub max_stale_disconnected: Duration,
    /// Whether requests that the origin cannot tell apart are confirmed by one validation.
    pub share_validations: bool,
    /// Share of reuses across requesters that are compared with what the origin says to the asker.
    pub canary: Share,
    /// What of a query is part of the key (uncredentialed requests only).
    pub query: QueryRule,
    /// `Accept-Language` and `Accept-Encoding` select variants by meaning, not by spelling.
    pub vary_normalise: bool,
    /// Most variants of one key.
    pub vary_limit: usize,
    /// Which methods the cache takes part in, besides GET.
    pub methods: CacheMethods,
    /// Largest body that is stored, bytes; none: that of `[cache]`.
    pub max_object_bytes: Option<u64>,
    /// Request directives other than `no-store` and `only-if-cached` are ignored.
    pub ignore_request_cache_control: bool,
}

/// When a policy applies; an empty list means "any".
#[derive(Clone, Debug, Default)]
pub struct PolicyMatch {
    /// Host patterns.
    pub hosts: Vec<HostPattern>,
    /// Path patterns.
    pub paths: Vec<PathPattern>,
    /// Methods.
    pub methods: Vec<Method>,
}

/// `methods`: GET always, whose responses alone are stored as they come.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct CacheMethods {
    /// HEAD is answered from what GET stored.
    pub head: bool,
    /// A response to POST that says how long it is fresh, and that it is what GET would get, is stored.
    pub post: bool,
}

impl Default for CacheMethods {
    fn default() -> Self {
        Self { head: true, post: true }
    }
}

/// `authorization`: may only tighten RFC 9111 section 3.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyAuthorization {
    /// As RFC 9111 section 3.5 says.
    Standard,
    /// A response to a credentialed request is never stored.
    Never,
    /// A response to a credentialed request is validated before each reuse.
    AlwaysValidate,
}

/// `partition`: narrows the reuse of what may be stored to who filled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionBy {
    /// Whoever the rules permit.
    Nothing,
    /// Requests with the same credentials.
    Credential,
    /// Requests of the same verified user.
    Principal,
}

/// `anonymous_entries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnonymousEntries {
    /// Reused like any other.
    Reuse,
    /// Validated with the asker's credentials.
    Validate,
    /// Not used for a credentialed request.
    Bypass,
}

/// `credentials`: what counts as `Authorization` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Query parameter names.
    pub query: Vec<String>,
    /// Field names.
    pub headers: Vec<HeaderName>,
    /// Cookie names.
    pub cookies: Vec<String>,
}

/// `set_cookie`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetCookie {
    /// Such a response is not stored.
    Refuse,
    /// Stored without the field.
    Strip,
    /// Stored with it.
    Store,
}

impl Default for Cache {
    fn default() -> Self {
        Self { memory_bytes: 256 << 20, max_object_bytes: 64 << 20, collapse_wait: Duration::from_secs(1) }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: Self::DEFAULT_NAME.to_owned(),
            matches: PolicyMatch::default(),
            bypass: false,
            authorization: PolicyAuthorization::Standard,
            partition: PartitionBy::Nothing,
            anonymous_entries: AnonymousEntries::Reuse,
            credentials: Credentials::default(),
            set_cookie: SetCookie::Refuse,
            default_ttl: Duration::ZERO,
            heuristic: true,
            min_ttl: Duration::ZERO,
            max_ttl: Duration::from_secs(86_400),
            negative_ttl: None,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            max_stale_disconnected: Duration::from_secs(3_600),
            share_validations: true,
            canary: Share::NONE,
            query: QueryRule::default(),
            vary_normalise: true,
            vary_limit: 64,
            methods: CacheMethods::default(),
            max_object_bytes: None,
            ignore_request_cache_control: false,
        }
    }
}

impl Policy {
    /// The policy that applies where no other does.
    pub const DEFAULT_NAME: &'static str = "default";
}

impl Default for Credentials {
    fn default() -> Self {
        Self { query: vec!["access_token".to_owned()], headers: Vec::new(), cookies: Vec::new() }
    }
}

impl PolicyAuthorization {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Never => "never",
            Self::AlwaysValidate => "always-validate",
        }
    }
}

impl PartitionBy {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Credential => "credential",
            Self::Principal => "principal",
        }
    }
}

impl AnonymousEntries {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reuse => "reuse",
            Self::Validate => "validate",
            Self::Bypass => "bypass",
        }
    }
}

impl SetCookie {
    /// The word of the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Strip => "strip",
            Self::Store => "store",
        }
    }
}
