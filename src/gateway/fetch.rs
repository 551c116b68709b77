//! To the origin: forward a request, answer with what comes, and store it where the rules allow.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use http::{Method, Response, StatusCode};
use http_body::Body as _;

use super::exchange::Exchange;
use super::fill::{Fill, InFlight, pump};
use super::{Gateway, Way, result_of};
use crate::access::Permit;
use crate::access_log::format_id;
use crate::body::Body;
use crate::cache::admit::{Answer, admit};
use crate::cache::confirm::AnswerFields;
use crate::cache::entry::{Filler, Head, authorization_decision};
use crate::cache::flights::Arriving;
use crate::cache::rules::collapse::tells_of_the_key;
use crate::cache::rules::invalidate::is_located_at;
use crate::cache::rules::partial::StoredPart;
use crate::cache::rules::storable::NotStored;
use crate::cache::rules::vary;
use crate::cache::store::{Reader, Transfer};
use crate::cache::{AuthorizationDecision, ForwardReason};
use crate::clock::Clock;
use crate::config::settings::Mode;
use crate::error::{Error, UpstreamError};
use crate::fields::FieldSection;
use crate::hop::{self, HopReport, Instead, Onward};
use crate::policy::CompiledPolicy;
use crate::reply::{self, CacheStatus};
use crate::upstream::{Outbound, UpstreamBody};

/// A response head from the origin, with the times that its age counts from.
pub(super) struct Arrived {
    pub(super) response: Box<Response<UpstreamBody>>,
    pub(super) request_time: SystemTime,
    pub(super) response_time: SystemTime,
    /// Count of invalidations when the request was sent.
    pub(super) epoch: u64,
}

impl Gateway {
    /// The fields with which this exchange goes to the origin, with what is said instead of the client's own.
    pub(super) fn onward_fields(&self, exchange: &Exchange, permit: &Permit, instead: &[Instead]) -> FieldSection {
        let via = self.pseudonym.via(exchange.version);
        let client = exchange.connection.peer.ip();
        let report = HopReport { client: &exchange.connection.address, target: permit.target() };
        let spent = hop::spent_forward(&exchange.method, &exchange.fields);
        let announced = exchange.record.span.as_ref().map(|span| span.announcement());
        let instead = match (spent, announced) {
            (None, None) => Cow::Borrowed(instead),
            (spent, announced) => instead.iter().cloned().chain(spent).chain(announced.into_iter().flatten()).collect(),
        };
        let onward = Onward {
            via: &via,
            is_trusted: exchange.listener().trusted_peers.iter().any(|network| network.contains(&client)),
            consumes_authorization: exchange.listener().auth == crate::config::settings::ListenerAuth::Origin,
            report: (exchange.listener().mode == Mode::Gateway).then_some(report),
            instead: &instead,
        };
        hop::request_fields(&exchange.fields, &onward)
    }

    /// Sends the exchange's request with these fields and waits for the response head.
    pub(super) async fn send(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        fields: FieldSection,
    ) -> Result<Arrived, Error> {
        let body = match exchange.content.take() {
            Some(content) if !content.is_end_stream() => Body::Request(content),
            Some(_) | None => Body::Empty,
        };
        let epoch = self.memory.epoch();
        exchange.born = self.memory.groups().count();
        let request_time = self.clock.now();
        let started = Clock::instant();
        let listens = exchange.turn.is_none();
        let interim = listens.then(|| exchange.connection.interim.relay(exchange.version)).flatten();
        let pins = Some(exchange.connection.pins.clone());
        let mut outbound = Outbound { method: exchange.method.clone(), fields, body, interim, pins };
        let (result, waited) = self.upstreams.send_at(permit, way.destination, &mut outbound, started).await;
        exchange.record.upstream = Some(exchange.record.upstream.unwrap_or_default() + waited);
        if let Some(span) = &mut exchange.record.span {
            span.fetched(started, waited, result.as_ref().ok().map(|response| response.status()));
        }
        let response = result.inspect_err(|error| {
            if let Error::Denied(denied) = error {
                self.count_denied(denied);
            }
        })?;
        exchange.record.fwd_status = Some(response.status());
        Ok(Arrived { response, request_time, response_time: self.clock.now(), epoch })
    }

    /// The request goes to the origin as it is.
    ///
    /// Source: RFC 9110 section 7.6, RFC 9111 section 4.
    pub(super) async fn forward(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        reason: ForwardReason,
    ) -> Result<Response<Body>, Error> {
        exchange.note_cache(result_of(reason), reason.as_str());
        exchange.behind_cache = Some(CacheStatus { fwd: Some(reason), ..CacheStatus::default() });
        let fields = self.onward_fields(exchange, permit, &[]);
        let arrived = self.send(exchange, permit, way, fields).await?;
        self.answer(exchange, permit, way, arrived, reason)
    }

    /// The origin's response is the answer, and is stored on its way if the rules allow.
    ///
    /// Source: RFC 9111 sections 3, 4.3.3 and 4.4.
    pub(super) fn answer(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        arrived: Arrived,
        reason: ForwardReason,
    ) -> Result<Response<Body>, Error> {
        let (mut parts, body) = (*arrived.response).into_parts();
        if parts.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            // RFC 9110 section 15.5.8: another proxy's challenge is not for our client.
            return Err(UpstreamError::ProxyAuthentication.into());
        }
        let key = way.key(permit, &self.keyed);
        let answered = (&exchange.method, parts.status, &parts.headers);
        let epoch = self.memory.invalidate_after(&key, &self.keyed, answered, arrived.epoch);
        let kept = hop::response_fields(&parts.headers, arrived.response_time);
        let fields = AnswerFields { received: &parts.headers, kept: &kept };
        let mut filler = self.filler(exchange, permit, arrived.request_time, arrived.response_time);
        filler.is_located = is_located_at(permit.target(), &parts.headers);
        self.freshen_by_head(exchange, &filler, way, (&key, parts.status, fields));
        let is_validation = matches!(reason, ForwardReason::Stale | ForwardReason::Request);
        let decided_by = way.policy.for_response(exchange.candidates, parts.status, &parts.headers);
        let most_bytes = decided_by.most_bytes(self.most_bytes());
        let answer = Answer { status: parts.status, fields, is_validation, most_bytes };
        let verdict = admit(&exchange.asked(), &filler, &answer, &way.policy);
        let verdict = verdict.and_then(|admitted| self.admit_size(&body, most_bytes).map(|()| admitted));
        self.count_authorization(exchange, decided_by, &verdict);
        let times = (arrived.request_time, arrived.response_time);
        exchange.note_answered((parts.status, &parts.headers), (times, epoch), &body, &verdict);
        let content = (body, epoch, most_bytes);
        let (body, became) = self.pass_on(exchange, (permit, way), verdict, (parts.status, arrived.response_time), content);
        let status = CacheStatus { fwd: Some(reason), collapsed: exchange.has_waited.then_some(false), ..became };
        exchange.record.reason = status.detail.unwrap_or(reason.as_str());
        // They go on as they came, or as they were changed.
        if let Cow::Owned(changed) = kept {
            parts.headers = changed;
        }
        let via = self.pseudonym.via(parts.version);
        Ok(reply::forwarded(parts, body, via, status))
    }

    /// Passes the content on, and stores it on its way if the rules allow; says what becomes of it. Who waits is told.
    ///
    /// Source: RFC 9111 section 3.
    fn pass_on(
        &self,
        exchange: &mut Exchange,
        (permit, way): (&Permit, &Way),
        verdict: Result<(Head, Option<StoredPart>), NotStored>,
        (status, response_time): (StatusCode, SystemTime),
        (body, epoch, most_bytes): (UpstreamBody, u64, u64),
    ) -> (Body, CacheStatus) {
        match verdict {
            Err(why) => {
                exchange.note_refused(permit);
                if let Some(lead) = exchange.lead.take() {
                    lead.release(tells_of_the_key(status).then_some(response_time));
                }
                (Body::Upstream(body), CacheStatus { detail: Some(why.as_str()), ..CacheStatus::default() })
            }
            Ok((head, part)) => {
                let (ttl, detail) = (reply::ttl(&head, response_time), Some(reply::permit_word(&head)));
                let became = CacheStatus { stored: true, ttl, detail, ..CacheStatus::default() };
                (self.store_while_streaming(exchange, permit, (head, part), way, (body, epoch, most_bytes)), became)
            }
        }
    }

    /// The largest content that is stored, whatever the policy.
    fn most_bytes(&self) -> u64 {
        self.settings.cache.max_object_bytes.min(self.settings.cache.memory_bytes)
    }

    /// What a stored response remembers of this exchange's request.
    pub(super) fn filler<'a>(
        &'a self,
        exchange: &'a Exchange,
        permit: &'a Permit,
        request_time: SystemTime,
        response_time: SystemTime,
    ) -> Filler<'a> {
        Filler {
            method: &exchange.method,
            path_and_query: &permit.target().path_and_query,
            directives: &exchange.directives,
            credentials: exchange.credentials,
            named: exchange.named,
            consumed: self.consumed.get(exchange.record.listener).map_or(&[], Vec::as_slice),
            targets: &exchange.listener().targeted_fields,
            candidates: exchange.candidates,
            is_located: false,
            born: exchange.born,
            request_time,
            response_time,
        }
    }

    /// Counts what the authorization rule decided about a response to a credentialed GET.
    pub(super) fn count_authorization(
        &self,
        exchange: &Exchange,
        policy: &CompiledPolicy,
        verdict: &Result<(Head, Option<StoredPart>), NotStored>,
    ) {
        if !exchange.credentials.any || exchange.method != Method::GET {
            return;
        }
        let verdict = verdict.as_ref().map(|(head, _)| head.permission).map_err(|why| *why);
        let decision = authorization_decision(verdict, policy.settings.authorization);
        if decision == AuthorizationDecision::SecondKey {
            tracing::warn!(id = %format_id(exchange.record.id), "second key refused a response that the rules called storable");
        }
        self.observer.metrics().authorization(decision);
    }

    /// Whether a response of this size may be kept while it arrives.
    fn admit_size(&self, body: &UpstreamBody, most_bytes: u64) -> Result<(), NotStored> {
        let cache = &self.settings.cache;
        let is_too_large = body.size_hint().lower() > most_bytes;
        let in_flight = self.in_flight_bytes.load(Ordering::Relaxed);
        if is_too_large || in_flight > cache.memory_bytes { Err(NotStored::TooLarge) } else { Ok(()) }
    }

    /// Starts a transfer to the client and to the store at once.
    fn store_while_streaming(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        (head, part): (Head, Option<StoredPart>),
        way: &Way,
        (body, epoch, most): (UpstreamBody, u64, u64),
    ) -> Body {
        let vary_names = vary::names(&head.fields).unwrap_or_default();
        let variant = vary::fingerprint(&self.keyed, &vary_names, &exchange.fields, way.policy.settings.vary_normalise);
        let (length, transfer) = (body.size_hint().exact(), Transfer::new());
        let key = way.key(permit, &self.keyed);
        let (partition, filled_by) = (exchange.partition, exchange.filled_by(permit, &way.policy));
        // A part is for nobody else before it is stored.
        let lead = exchange.lead.take().filter(|_| part.is_none() && exchange.method == Method::GET);
        if let Some(lead) = lead.as_ref().filter(|_| !body.is_end_stream()) {
            let (head, vary_names, transfer) = (head.clone(), vary_names.clone(), Arc::clone(&transfer));
            lead.arriving(Arriving { head, vary_names, variant, filled_by, partition, transfer, length });
        }
        self.flights.note_shared(self.whole_group(exchange, &key));
        let (memory, key, variants) = (Arc::clone(&self.memory), key.to_stored(), way.policy.settings.vary_limit);
        let turn = exchange.turn.clone();
        let fill = Fill { memory, key, variant, filled_by, partition, variants, vary_names, head, part, epoch, lead, turn };
        if body.is_end_stream() {
            fill.commit(Vec::new());
            return Body::Empty;
        }
        let reader = Reader::running(transfer.reader(), length);
        let held = InFlight::new(Arc::clone(&self.in_flight_bytes));
        tokio::spawn(pump(transfer, body, fill, most, held));
        Body::Stored(reader)
    }
}
