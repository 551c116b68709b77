//! One exchange and one later request, as plain text and numbers: what the engine and the oracle are both given.

/// Field lines as they came, names in any case.
pub(crate) type Lines = Vec<(String, String)>;

/// Times are microseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) fields: Lines,
    pub(crate) has_content: bool,
}

/// A request that was answered, and a second one that asks for the same target.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) first: Request,
    pub(crate) query: &'static str,
    pub(crate) status: u16,
    pub(crate) response: Lines,
    pub(crate) request_time: i64,
    pub(crate) response_time: i64,
    pub(crate) second: Request,
    pub(crate) now: i64,
    pub(crate) policy: Operator,
}

/// What the operator says.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) bypass: bool,
    /// `standard`, `never` or `always-validate`.
    pub(crate) authorization: &'static str,
    /// `reuse`, `validate` or `bypass`.
    pub(crate) anonymous_entries: &'static str,
    /// `refuse`, `strip` or `store`.
    pub(crate) set_cookie: &'static str,
    /// Seconds.
    pub(crate) default_ttl: u32,
    pub(crate) min_ttl: u32,
    pub(crate) max_ttl: u32,
    pub(crate) negative_ttl: Option<u32>,
    /// Whether HEAD is answered from what GET stored.
    pub(crate) answers_head: bool,
    /// Whether responses to POST are stored.
    pub(crate) stores_post: bool,
    pub(crate) heuristic: bool,
    pub(crate) stale_while_revalidate: u32,
    pub(crate) stale_if_error: u32,
    pub(crate) max_stale_disconnected: u32,
    pub(crate) ignore_request_cache_control: bool,
    /// Besides `Authorization` and `access_token`.
    pub(crate) credential_field: Option<&'static str>,
    pub(crate) credential_cookie: Option<&'static str>,
    /// The policy changed between the two requests.
    pub(crate) is_changed: bool,
}

/// What both are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Nothing where the response is not stored.
    pub(crate) stored: Option<Kept>,
    /// `serve`, `serve-stale`, `serve-and-validate`, `validate`, `forward` or `refuse`.
    pub(crate) decision: &'static str,
    /// The stored response answers although its validation ends in a 500, 502, 503 or 504.
    pub(crate) survives_errors: bool,
    /// The stored response answers although its validation ends in no answer at all.
    pub(crate) survives_silence: bool,
}

/// What is remembered of a stored response; microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) is_credentialed: bool,
    pub(crate) is_permitted: bool,
    pub(crate) lifetime: i64,
    /// At the time of the second request; none when the clock went back.
    pub(crate) age: Option<i64>,
}

/// Fields that the gateway consumes or writes itself.
pub(crate) const CONSUMED: [&str; 4] = ["proxy-authorization", "via", "host", "connection"];
