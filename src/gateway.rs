//! The way of a request, readable in one place: `Gateway::serve`.
//!
//! ```text
//! target -> authenticate -> access -> route, policy -> cache look-up -> serve | validate | forward
//! ```
//!
//! [`Gateway::handle`] is the outer function: it starts the clock, calls `serve`, maps an error to an
//! answer once and records once.

mod again;
mod answering;
mod assembly;
mod authentication;
mod background;
mod boarding;
mod canary;
mod exchange;
mod fetch;
mod fill;
mod freshening;
mod inspect;
mod selection;
mod shadowing;
mod stale;
mod tunnel;
mod validation;
mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::access::{Access, Permit, Question};
use crate::access_log::Observer;
use crate::admin::Operator;
use crate::auth::{Authenticator, Principal, Recognised, Rejection, Unverified};
use crate::body::{Body, ReplyBody};
use crate::cache::flights::Flights;
use crate::cache::key::CacheKey;
use crate::cache::lookup::{self, Chosen, Decision};
use crate::cache::rules::stale::WhyStale;
use crate::cache::store::Memory;
use crate::cache::{CacheResult, ForwardReason};
use crate::clock::Clock;
use crate::config::settings::{Listener, Mode, Settings};
use crate::error::{ClientError, Denied, Error, UpstreamError};
use crate::fields::nominates_protected;
use crate::hop::{self, Pseudonym, is_plainly_coded};
use crate::keyed::Keyed;
use crate::policy::{Policies, Routes};
use crate::repeats::Repeats;
use crate::reply::{self, CacheStatus, Shown};
use crate::server::Connection;
use crate::shadow::Shadow;
use crate::target::{self, Arrival, Target};
use crate::upstream::Upstreams;
pub use again::Again;
pub use answering::Answering;
use boarding::Boarded;
use exchange::Exchange;
pub use inspect::{Found, Health, ServerHealth};
use way::Way;

/// Everything one process needs to answer requests; shared by all listeners and connections.
pub struct Gateway {
    settings: Arc<Settings>,
    observer: Arc<Observer>,
    authenticators: Vec<Authenticator>,
    access: Arc<Access>,
    policies: Policies,
    routes: Routes,
    upstreams: Upstreams,
    /// Per listener: the fields that its origins never see as the client sent them.
    consumed: Vec<Vec<HeaderName>>,
    clock: Clock,
    keyed: Keyed,
    memory: Arc<Memory>,
    flights: Arc<Flights>,
    pseudonym: Pseudonym,
    /// Bytes of transfers that are kept for the store but not stored yet.
    in_flight_bytes: Arc<AtomicU64>,
    open_tunnels: Arc<AtomicUsize>,
    /// Answers that are given again within their second.
    repeats: Repeats,
    /// Other policies that are evaluated beside these.
    shadow: Option<Shadow>,
    /// Requests of the gateway's own that may run in the background at one time.
    background: Arc<Semaphore>,
}

/// How far a request comes without waiting for anything.
enum Step {
    /// To its answer.
    Answer(Response<Body>),
    /// To credentials whose password's hash has to be computed.
    Verify(Unverified, Target),
    /// To CONNECT.
    Tunnel(Permit),
    /// Past the look-up, and what is stored does not simply answer.
    Board(Permit, Way, Decision),
}

impl Gateway {
    /// Answers one request; never fails.
    ///
    /// `listener` is an index into `Settings::listeners` of this gateway. Most of what is stored answers at once; what has to
    /// wait for an origin or a password goes on in a future of its own, so that hits do not carry its state about.
    pub fn handle(
        self: Arc<Self>,
        connection: Arc<Connection>,
        listener: usize,
        request: Request<Option<Incoming>>,
    ) -> Answering {
        let mut exchange = Exchange::begin(self, (connection, listener), request);
        let gateway = Arc::clone(&exchange.gateway);
        match gateway.enter(&mut exchange) {
            Ok(Step::Answer(response)) if exchange.is_settled() => Answering::Now(Some(exchange.finish(response))),
            step => Answering::Later(Box::pin(gateway.go_on(exchange, step))),
        }
    }

    /// What waits goes on here.
    #[expect(clippy::manual_async_fn, reason = "an async fn moves its arguments once more, and has room for them twice")]
    fn go_on(
        self: Arc<Self>,
        mut exchange: Box<Exchange>,
        step: Result<Step, Error>,
    ) -> impl Future<Output = Response<ReplyBody>> + Send {
        async move {
            let outcome = match step {
                Ok(step) => self.serve(&mut exchange, step).await,
                Err(error) => Err(error),
            };
            let mut response = match outcome {
                Ok(response) => response,
                Err(error) => exchange.error(&error),
            };
            if exchange.content.is_some() {
                Box::pin(exchange.settle_content(&mut response)).await;
            }
            exchange.finish(response)
        }
    }

    /// The way of a request, first part: up to the look-up. Nothing but this and [`Gateway::serve`] decides order.
    ///
    /// Authentication and access come before look-up, so that a stored response is neither released
    /// nor betrayed by timing to somebody who was not let through (RFC 9111 section 7.1).
    fn enter(&self, exchange: &mut Exchange) -> Result<Step, Error> {
        check_head(&exchange.method, &exchange.uri, &exchange.fields)?;
        let target = self.target(exchange)?;
        exchange.note_target(&target);
        match self.recognise(exchange, &target) {
            Recognised::Known(result) => self.admit(exchange, result, target),
            Recognised::Unverified(credentials) => Ok(Step::Verify(credentials, target)),
        }
    }

    /// The way of a request from authentication to look-up.
    fn admit(&self, exchange: &mut Exchange, result: Result<Principal, Rejection>, target: Target) -> Result<Step, Error> {
        let principal = match self.note_authentication(exchange, result) {
            Ok(principal) => principal,
            Err(rejection) => return self.reject(exchange, rejection).map(Step::Answer),
        };
        let permit = self.permit(exchange, principal, target)?;
        if exchange.method == Method::CONNECT {
            return Ok(Step::Tunnel(permit));
        }
        if hop::forwards_left(&exchange.method, &exchange.fields) == Some(0) {
            exchange.note_cache(CacheResult::None, "max-forwards");
            return Ok(Step::Answer(reply::options(exchange.now)));
        }
        let way = self.way(exchange, &permit)?;
        exchange.record.destination = Some(way.destination);
        let key = way.key(&permit, &self.keyed);
        exchange.record.url_hash = Some(key.hash());
        exchange.standing = Some(self.memory.standing(key.hash()));
        match self.look_up(exchange, &key, &way) {
            Decision::Serve(chosen) => {
                exchange.note_repeatable((&permit, &way.policy), &chosen);
                let answer = self.serve_stored(exchange, (&permit, &way), &chosen);
                self.cast_shadow(exchange, &permit, &way);
                Ok(Step::Answer(answer))
            }
            decision => Ok(Step::Board(permit, way, decision)),
        }
    }

    /// The way of a request, second part: what waits for a password's hash, for others or for an origin.
    async fn serve(&self, exchange: &mut Exchange, step: Step) -> Result<Response<Body>, Error> {
        let step = match step {
            Step::Verify(credentials, target) => {
                let result = Box::pin(self.verify(exchange, credentials)).await;
                self.admit(exchange, result, target)?
            }
            step => step,
        };
        match step {
            Step::Answer(response) => Ok(response),
            Step::Verify(..) => Err(Error::Internal("a password is verified once")),
            Step::Tunnel(permit) => Box::pin(self.tunnel(exchange, &permit)).await,
            Step::Board(permit, way, decision) => {
                let answer = self.board_or_ask(exchange, &permit, &way, decision).await;
                self.cast_shadow(exchange, &permit, &way);
                answer
            }
        }
    }

    /// From look-up to the answer of another request, the store or the origin.
    async fn board_or_ask(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        decision: Decision,
    ) -> Result<Response<Body>, Error> {
        let key = way.key(permit, &self.keyed);
        let decision = match self.board(exchange, &key, way, decision).await {
            Boarded::Answered(response) => return Ok(*response),
            Boarded::Goes(decision) => decision,
        };
        match decision {
            Decision::Serve(chosen) => Ok(self.serve_stored(exchange, (permit, way), &chosen)),
            Decision::ServeAndValidate(chosen) => {
                exchange.validate_behind(permit, way, &chosen);
                Ok(self.serve_stored(exchange, (permit, way), &chosen))
            }
            Decision::Validate(chosen, why) => self.validate(exchange, permit, way, (chosen, why)).await,
            Decision::Offer(offered) => Box::pin(self.select_by_tag(exchange, permit, way, offered)).await,
            Decision::Forward(reason) => self.forward(exchange, permit, way, reason).await,
            Decision::Refuse => {
                exchange.note_cache(CacheResult::Miss, "only-if-cached");
                Err(Denied::OnlyIfCached.into())
            }
        }
    }

    /// What is stored for this key is worth what to this request?
    fn look_up(&self, exchange: &Exchange, key: &CacheKey<'_>, way: &Way) -> Decision {
        let slot = self.memory.find(key);
        lookup::decide(slot.as_deref(), &exchange.asked(), &self.keyed, &way.policy)
    }

    /// Reads the target and refuses a request that has been here before.
    ///
    /// Source: RFC 9110 sections 7.1 and 7.6.
    fn target(&self, exchange: &Exchange) -> Result<Target, Error> {
        let arrival = Arrival {
            forward: exchange.listener().mode == Mode::Forward,
            tls: exchange.connection.tls,
            http10: exchange.version == http::Version::HTTP_10,
        };
        let asked = (&exchange.method, &exchange.uri);
        let target = target::parse_after(&exchange.connection.authority, arrival, asked, &exchange.fields);
        let target = target.map_err(ClientError::Target)?;
        if self.pseudonym.is_in(&exchange.fields) {
            return Err(UpstreamError::Loop.into());
        }
        Ok(target)
    }

    fn permit(&self, exchange: &mut Exchange, principal: Principal, target: Target) -> Result<Permit, Error> {
        let question = Question {
            principal,
            target,
            method: &exchange.method,
            client: exchange.connection.peer.ip(),
            mode: exchange.listener().mode,
        };
        self.access.decide(question).map_err(|denied| {
            self.count_denied(&denied);
            denied.into()
        })
    }

    fn count_denied(&self, denied: &Denied) {
        match denied {
            Denied::Rule(name) => self.observer.metrics().access_denied(name),
            Denied::Destination(_) => self.observer.metrics().access_denied("destination"),
            Denied::OnlyIfCached | Denied::NoRoute => {}
        }
    }

    /// A stored response answers without the origin being asked.
    ///
    /// Source: RFC 9111 section 4.
    fn serve_stored(&self, exchange: &mut Exchange, (permit, way): (&Permit, &Way), chosen: &Chosen) -> Response<Body> {
        if exchange.is_drawn(way.policy.settings.canary) {
            exchange.doubt(permit, way, chosen);
        }
        self.memory.touch(&chosen.stored);
        let word = chosen.stale.map_or_else(|| reply::permit_word(&chosen.head), WhyStale::as_str);
        let status = CacheStatus { ttl: reply::ttl(&chosen.head, exchange.now), detail: Some(word), ..CacheStatus::default() };
        let result = if chosen.stale.is_some() { CacheResult::Stale } else { CacheResult::Hit };
        exchange.note_cache(result, word);
        exchange.note_shown(&chosen.head, chosen.stored.content().length());
        let via = self.pseudonym.via(http::Version::HTTP_11);
        reply::stored(chosen, Shown::Reused, &exchange.reply_asked(&via), status)
    }

    /// A listener by its number.
    fn listener(&self, number: usize) -> &Listener {
        #[expect(clippy::indexing_slicing, reason = "the number was made by counting these listeners")]
        // invariant: requests come from the listeners of these settings alone
        &self.settings.listeners[number]
    }

    /// Whether requests can be answered: true from the moment all listeners are bound.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.authenticators.is_empty()
    }

    /// What the operator may do with this gateway's cache.
    #[must_use]
    pub fn operator(&self) -> Operator {
        let revocations = self.authenticators.first().map_or_else(Arc::default, |one| Arc::clone(one.revocations()));
        Operator::new(Arc::clone(&self.memory), self.keyed, self.clock.clone(), revocations)
    }

    /// Tunnels that are open now; a stopping server waits for them.
    #[must_use]
    pub fn open_tunnels(&self) -> usize {
        self.open_tunnels.load(Ordering::Relaxed)
    }

    /// Runs what must be run about once a second: the memory tier's maintenance, its gauges, and the look at idle connections.
    pub fn maintain(&self) {
        self.upstreams.sweep(Clock::instant());
        self.memory.maintain();
        self.observer.metrics().flights(self.flights.count());
    }
}

/// Longest field value and request target; below what origins commonly accept, so that nobody makes
/// the origin produce errors for others to find stored.
const MAX_LINE_BYTES: usize = 8 << 10;

/// Refuses what is ambiguous or oversized whatever the target.
///
/// Source: RFC 9110 sections 5.3, 5.4, 7.6.1 and 9.3.8; RFC 9112 sections 3.2 and 6.1.
fn check_head(method: &Method, uri: &Uri, fields: &HeaderMap) -> Result<(), Error> {
    if fields.values().any(|value| value.len() > MAX_LINE_BYTES) {
        return Err(ClientError::FieldTooLarge(MAX_LINE_BYTES).into());
    }
    if uri.path_and_query().is_some_and(|path| path.as_str().len() > MAX_LINE_BYTES) {
        return Err(ClientError::TargetTooLong(MAX_LINE_BYTES).into());
    }
    for (name, word) in [(header::AUTHORIZATION, "Authorization"), (header::PROXY_AUTHORIZATION, "Proxy-Authorization")] {
        if fields.get_all(&name).iter().nth(1).is_some() {
            return Err(ClientError::RepeatedField(word).into());
        }
    }
    if nominates_protected(fields) {
        return Err(ClientError::ProtectedNomination.into());
    }
    if !is_plainly_coded(fields) {
        return Err(ClientError::Malformed("expected no transfer coding but chunked, once").into());
    }
    if method == Method::TRACE {
        return Err(ClientError::MethodNotAllowed.into());
    }
    Ok(())
}

/// The cache's contribution when a request goes forward for this reason.
fn result_of(reason: ForwardReason) -> CacheResult {
    match reason {
        ForwardReason::Bypass | ForwardReason::Method => CacheResult::Bypass,
        ForwardReason::UriMiss
        | ForwardReason::VaryMiss
        | ForwardReason::Miss
        | ForwardReason::Request
        | ForwardReason::Stale => CacheResult::Miss,
    }
}

#[cfg(test)]
mod tests;
