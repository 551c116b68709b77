//! One request and its answer: what was received, what is known so far, what will be recorded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Uri, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{Gateway, Way};
use crate::access::Permit;
use crate::access_log::{Finish, Record, ResponseFields, format_id};
use crate::auth::{Outcome, Principal, Scheme};
use crate::body::{Body, ReplyBody};
use crate::cache::CacheResult;
use crate::cache::flights::Lead;
use crate::cache::lookup;
use crate::cache::rules::authorization::{RequestCredentials, request_credentials};
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::rules::partition::{Identity, Partition, Sight, class_of_one, credential_class, principal_hash};
use crate::cache::rules::query::Named;
use crate::cache::rules::reuse::Asker;
use crate::cache::rules::vary;
use crate::cache::store::{FilledBy, Standing, Turn};
use crate::clock::Clock;
use crate::config::settings::Listener;
use crate::error::Error;
use crate::fields::is_connection_scheme;
use crate::policy::{Candidates, CompiledPolicy};
use crate::repeats::{Basis, Repeatable};
use crate::reply::{self, CacheStatus};
use crate::server::Connection;
use crate::shadow::Witness;
use crate::target::Target;
use crate::trace::TraceContext;

/// Unread request content that is read and discarded so that the connection can be kept.
const DRAIN_BYTES: u64 = 64 << 10;

/// How long a client may take to send that content.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// One request on its way through the gateway.
pub(super) struct Exchange {
    pub(super) gateway: Arc<Gateway>,
    pub(super) connection: Arc<Connection>,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    /// The fields as received; credentials are judged on these.
    pub(super) fields: HeaderMap,
    /// Request content until somebody takes it.
    pub(super) content: Option<Incoming>,
    pub(super) has_content: bool,
    /// The time of the request.
    pub(super) now: SystemTime,
    pub(super) directives: RequestDirectives,
    pub(super) credentials: RequestCredentials,
    /// Among whose stored responses one is looked for.
    pub(super) partition: Partition,
    /// How its target relates to the key.
    pub(super) named: Named,
    /// Policies with conditions on the response that fit it.
    pub(super) candidates: Candidates,
    /// The policy compares languages and codings by meaning.
    normalises: bool,
    /// Count of group invalidations and withdrawals when the request was sent to the origin.
    pub(super) born: u64,
    /// The standing of its key before it was looked up.
    pub(super) standing: Option<Standing>,
    /// Others wait for the response to this request.
    pub(super) lead: Option<Lead>,
    /// It waited for another one's response.
    pub(super) has_waited: bool,
    /// What the cache will say about itself if the exchange fails behind it.
    pub(super) behind_cache: Option<CacheStatus>,
    pub(super) record: Box<Record>,
    /// What its answer rests on, if it may be given again.
    pub(super) basis: Option<Basis>,
    /// What the shadow has to know, where there is one.
    pub(super) witness: Option<Box<Witness>>,
    /// A validation in the background: nobody waits for the answer.
    pub(super) turn: Option<Arc<Turn>>,
}

impl Exchange {
    /// A client's request, in a place of its own: it is handed on from one part of its way to the next.
    pub(super) fn begin(gateway: Arc<Gateway>, place: (Arc<Connection>, usize), request: Request<Option<Incoming>>) -> Box<Self> {
        let (parts, content) = request.into_parts();
        let id = gateway.observer.next_id();
        let mut exchange = Box::new(Self::of(gateway, place, (parts, id)));
        exchange.has_content = content.as_ref().is_some_and(|content| !content.is_end_stream());
        exchange.content = content;
        exchange
    }

    /// A request of the gateway's own, which nobody waits for and which is not recorded.
    pub(super) fn behind(
        gateway: Arc<Gateway>,
        place: (Arc<Connection>, usize),
        request: (Parts, u64),
        turn: Option<Turn>,
    ) -> Self {
        let mut exchange = Self { turn: turn.map(Arc::new), ..Self::of(gateway, place, request) };
        if let Some(span) = &mut exchange.record.span {
            span.end();
        }
        exchange
    }

    fn of(gateway: Arc<Gateway>, (connection, listener): (Arc<Connection>, usize), (parts, id): (Parts, u64)) -> Self {
        let now = gateway.clock.now();
        let witness = gateway.shadow.as_ref().map(|_| Box::default());
        let mut record = Box::new(Record::new(listener, connection.peer.ip(), now, Clock::instant()));
        record.id = id;
        record.method = parts.method.clone();
        record.trace = gateway.observer.follows_traces().then(|| TraceContext::of(&parts.headers)).flatten();
        record.span = gateway.observer.span(id, record.trace, parts.version);
        Self {
            gateway,
            connection,
            directives: RequestDirectives::parse(&parts.headers),
            has_content: false,
            content: None,
            method: parts.method,
            uri: parts.uri,
            version: parts.version,
            fields: parts.headers,
            now,
            credentials: RequestCredentials::default(),
            partition: Partition::Common,
            named: Named::EXACT,
            candidates: Candidates::NONE,
            normalises: false,
            born: 0,
            standing: None,
            lead: None,
            has_waited: false,
            behind_cache: None,
            record,
            basis: None,
            witness,
            turn: None,
        }
    }

    /// The listener that it came to.
    pub(super) fn listener(&self) -> &Listener {
        self.gateway.listener(self.record.listener)
    }

    /// What the look-up decides on.
    pub(super) fn asked(&self) -> lookup::Asked<'_> {
        let (method, fields, sight) = (&self.method, &self.fields, self.sight());
        lookup::Asked { method, fields, has_content: self.has_content, sight, asker: self.asker() }
    }

    /// Which stored responses are there for it.
    pub(super) fn sight(&self) -> Sight {
        Sight { partition: self.partition, named: self.named }
    }

    /// What the reuse rules decide on.
    pub(super) fn asker(&self) -> Asker<'_> {
        let candidates = self.candidates;
        Asker { directives: &self.directives, credentialed: self.credentials.any, now: self.now, candidates }
    }

    /// What an answer from a stored response depends on.
    pub(super) fn reply_asked<'a>(&'a self, via: &'a HeaderValue) -> reply::Asked<'a> {
        let (keyed, ready, id) = (&self.gateway.keyed, self.gateway.memory.ready(), self.record.id);
        reply::Asked { method: &self.method, fields: &self.fields, now: self.now, via, ready, keyed, id }
    }

    /// What an answer of our own depends on.
    pub(super) fn reply_context(&self) -> reply::Context<'_> {
        reply::Context { request: &self.fields, id: self.record.id, now: self.now }
    }

    /// What a stored response remembers of who asked.
    pub(super) fn filled_by(&self, permit: &Permit, policy: &CompiledPolicy) -> FilledBy {
        FilledBy { identity: self.identity(permit, policy), asked: self.born }
    }

    /// Keeps the target for log and trace, if anybody reads it.
    pub(super) fn note_target(&mut self, target: &Target) {
        if self.gateway.observer.logs_access() || self.record.span.is_some() {
            self.record.target = Some(target.clone());
        }
    }

    /// Keeps the target of a response with credentials that is not stored, for the operator.
    pub(super) fn note_refused(&mut self, permit: &Permit) {
        if self.credentials.any && self.record.target.is_none() {
            self.record.target = Some(permit.target().clone());
        }
    }

    pub(super) fn note_authentication(&mut self, scheme: Scheme, outcome: Outcome, principal: Option<&Principal>) {
        self.record.auth = (scheme, outcome);
        self.record.principal = principal.and_then(|principal| principal.name.clone());
    }

    /// Judges credentials and request directives by the policy in force, on the request as received.
    ///
    /// Source: RFC 9111 sections 3.5 and 5.2.1.
    pub(super) fn note_policy(&mut self, permit: &Permit, way: &Way) {
        let policy = &*way.policy;
        self.candidates = way.candidates;
        self.credentials = request_credentials(&self.fields, permit.target().query(), &policy.settings.credentials);
        // RFC 4559 section 6: the origin may know who asks from the connection alone.
        self.credentials.any |= self.connection.pins.is_used();
        self.partition = Partition::of(policy.settings.partition, || self.identity(permit, policy));
        self.normalises = policy.settings.vary_normalise;
        if policy.settings.ignore_request_cache_control {
            self.directives = std::mem::take(&mut self.directives).only_binding();
        }
        self.record.credentialed = self.credentials.any;
        if self.credentials.any && self.gateway.observer.logs_access() {
            self.record.credential = Some(self.credential_class(permit, policy));
        }
    }

    /// Who asks, as keyed hashes.
    ///
    /// Source: RFC 9111 section 3.5, RFC 4559 section 6.
    pub(super) fn identity(&self, permit: &Permit, policy: &CompiledPolicy) -> Identity {
        let principal = permit.principal().name.as_deref();
        Identity { class: self.credential_class(permit, policy), principal: principal_hash(&self.gateway.keyed, principal) }
    }

    fn credential_class(&self, permit: &Permit, policy: &CompiledPolicy) -> u128 {
        self.bound_class().unwrap_or_else(|| {
            let query = permit.target().query().filter(|_| self.credentials.in_query);
            credential_class(&self.gateway.keyed, &self.fields, query, &policy.settings.credentials)
        })
    }

    /// The class of this request alone, where the origin knows who asks from the connection.
    ///
    /// Source: RFC 4559 section 6.
    pub(super) fn bound_class(&self) -> Option<u128> {
        let is_bound =
            self.connection.pins.is_used() || self.fields.get_all(header::AUTHORIZATION).iter().any(is_connection_scheme);
        is_bound.then(|| class_of_one(&self.gateway.keyed, self.record.id))
    }

    pub(super) fn note_cache(&mut self, result: CacheResult, word: &'static str) {
        self.record.result = result;
        self.record.reason = word;
    }

    /// The answer to an exchange that failed.
    pub(super) fn error(&mut self, error: &Error) -> Response<Body> {
        let mut response = reply::error(error, &self.reply_context());
        if let Some(status) = self.behind_cache {
            reply::add_cache_status(&mut response, status);
        }
        match error {
            Error::Internal(_) => tracing::error!(id = %format_id(self.record.id), %error, "exchange failed"),
            Error::Upstream(_) => tracing::warn!(id = %format_id(self.record.id), %error, "exchange failed"),
            Error::Client(_) | Error::Denied(_) => tracing::debug!(id = %format_id(self.record.id), %error, "exchange refused"),
        }
        if self.record.reason.is_empty() {
            self.record.reason = error.proxy_status();
        }
        response
    }

    /// Has the request no content left to be read?
    pub(super) fn is_settled(&self) -> bool {
        self.content.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    /// Request content that nobody took is read within a bound, so that the connection can be kept; else
    /// the answer says that it will be closed.
    ///
    /// A client that waits for `100 (Continue)` has not sent it, and asking for it now would be a lie.
    ///
    /// Source: RFC 9110 section 10.1.1, RFC 9112 section 9.3.
    pub(super) async fn settle_content(&mut self, response: &mut Response<Body>) {
        let Some(content) = self.content.take() else { return };
        if content.is_end_stream() || response.status().is_success() && self.method == Method::CONNECT {
            return;
        }
        // Where the codings are odd, nobody can be sure where the content ends.
        let waits = self.fields.contains_key(header::EXPECT) || !crate::hop::is_plainly_coded(&self.fields);
        let is_small = content.size_hint().upper().is_none_or(|most| most <= DRAIN_BYTES);
        let is_drained = !waits && is_small && tokio::time::timeout(DRAIN_TIME, drain(content)).await.unwrap_or(false);
        if !is_drained {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Keeps what a replay needs of the answer.
    fn note_response(&mut self, fields: &HeaderMap) {
        self.record.response = Some(Arc::new(ResponseFields::of(fields)));
        self.record.vary_hash = vary::names(fields)
            .filter(|names| !names.is_empty())
            .map(|names| vary::fingerprint(&self.gateway.keyed, &names, &self.fields, self.normalises));
    }

    /// An answer that may be given again is offered to the connection, with the record of one that was sent to its end.
    fn offer_again(&mut self, response: &Response<Body>) {
        let Some(basis) = self.basis.take() else { return };
        if let Some(length) = response.body().size_hint().exact() {
            let record = self.record.ended_with(length);
            self.connection.repetition.offer(Box::new(Repeatable { basis, record: Box::new(record) }));
        }
    }

    /// Ties the record to the end of the answer's content.
    pub(super) fn finish(mut self: Box<Self>, response: Response<Body>) -> Response<ReplyBody> {
        self.record.status = response.status();
        if self.gateway.observer.logs_access() {
            self.note_response(response.headers());
        }
        self.offer_again(&response);
        let Self { gateway, record, .. } = *self;
        let finish = Finish::new(Arc::clone(&gateway.observer), record);
        response.map(|content| ReplyBody::new(content, Some(finish)))
    }
}

/// Reads content to its end; false when there is more than is worth reading.
async fn drain(mut content: Incoming) -> bool {
    let mut read = 0;
    while let Some(frame) = content.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
        if read > DRAIN_BYTES {
            return false;
        }
    }
    true
}
