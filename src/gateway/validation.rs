//! Validation: the origin judges this request's own credentials, the content comes from the store.
//!
//! RFC 9111 sections 4.3, 4.3.3 and 4.3.4. One validation per asker: nobody is answered with what the
//! origin said to somebody else.

use std::sync::Arc;
use std::time::SystemTime;

use http::{Response, StatusCode};

use super::exchange::Exchange;
use super::fetch::Arrived;
use super::{Gateway, Way};
use crate::access::Permit;
use crate::body::Body;
use crate::cache::confirm::{self, AnswerFields, Confirmed};
use crate::cache::entry::Head;
use crate::cache::flights::{Confirmation, Lead};
use crate::cache::lookup::Chosen;
use crate::cache::rules::reuse::WhyValidate;
use crate::cache::rules::validate::{NO_CONDITIONS, conditions, selects};
use crate::cache::{CacheResult, ForwardReason, ValidationOutcome};
use crate::error::{Error, UpstreamError};
use crate::hop;
use crate::reply::{self, CacheStatus, Shown};

impl Gateway {
    /// Asks the origin, with this request's credentials, whether the stored response still answers.
    ///
    /// Source: RFC 9111 section 4.3.
    pub(super) async fn validate(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        (chosen, why): (Chosen, WhyValidate),
    ) -> Result<Response<Body>, Error> {
        let reason = reason_of(why);
        exchange.note_cache(CacheResult::Miss, reason.as_str());
        exchange.behind_cache = Some(CacheStatus { fwd: Some(reason), ..CacheStatus::default() });
        let (arrived, outcome) = match self.ask(exchange, permit, way, &chosen).await {
            Ok(said) => said,
            Err(error) => return self.disconnected(exchange, way, &chosen, error),
        };
        if outcome == ValidationOutcome::NotModified {
            return if selects(arrived.response.headers(), &chosen.head) {
                Ok(self.not_modified(exchange, permit, way, chosen, &arrived))
            } else {
                let arrived = Box::pin(self.ask_anew(exchange, permit, way)).await?;
                self.answer(exchange, permit, way, arrived, reason)
            };
        }
        let arrived = match self.stand_in(exchange, way, &chosen, arrived) {
            Ok(response) => return Ok(response),
            Err(arrived) => *arrived,
        };
        // 401, 403 and any other final response answer this client alone; the entry stays, and is
        // replaced only if the new response may be stored (RFC 9111 section 4.3.3).
        self.answer(exchange, permit, way, arrived, reason)
    }

    /// Sends this request with the stored validators, and counts what came of it.
    ///
    /// Source: RFC 9111 section 4.3.1.
    pub(super) async fn ask(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        chosen: &Chosen,
    ) -> Result<(Arrived, ValidationOutcome), Error> {
        let conditions = conditions(&chosen.head);
        let is_conditional = conditions.iter().any(|(_, validator)| validator.is_some());
        let fields = self.onward_fields(exchange, permit, &conditions);
        let arrived = self.send(exchange, permit, way, fields).await.inspect_err(|error| {
            if let Error::Upstream(_) = error {
                self.observer.metrics().validation(ValidationOutcome::Unreachable);
            }
        })?;
        let outcome = outcome_of(arrived.response.status(), is_conditional);
        self.observer.metrics().validation(outcome);
        Ok((arrived, outcome))
    }

    /// A 304 that names another response than the stored one: ask again without conditions, for the
    /// same credentials.
    ///
    /// Source: RFC 9111 section 4.3.4.
    pub(super) async fn ask_anew(&self, exchange: &mut Exchange, permit: &Permit, way: &Way) -> Result<Arrived, Error> {
        let fields = self.onward_fields(exchange, permit, &NO_CONDITIONS);
        let arrived = self.send(exchange, permit, way, fields).await?;
        if arrived.response.status() == StatusCode::NOT_MODIFIED {
            return Err(UpstreamError::UnaskedNotModified.into());
        }
        Ok(arrived)
    }

    /// The origin confirmed the stored response to this request.
    ///
    /// Source: RFC 9111 section 4.3.3.
    fn not_modified(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        chosen: Chosen,
        arrived: &Arrived,
    ) -> Response<Body> {
        let settled = self.settle(exchange, permit, way, &chosen, arrived);
        self.memory.touch(&chosen.stored);
        if let Some(lead) = exchange.lead.take() {
            let is_aged = arrived.response.headers().contains_key(http::header::AGE);
            settled.tell(lead, &chosen, is_aged, arrived.response_time);
        }
        self.answer_settled(exchange, chosen, settled, arrived)
    }

    /// Freshens the stored response with the fields of the 304, leaves it or drops it, as the rules say of
    /// both together; and so those beside it that the 304 speaks of.
    ///
    /// Source: RFC 9111 sections 3.2 and 4.3.4.
    pub(super) fn settle(&self, exchange: &Exchange, permit: &Permit, way: &Way, chosen: &Chosen, arrived: &Arrived) -> Settled {
        let filler = self.filler(exchange, permit, arrived.request_time, arrived.response_time);
        let fresh = hop::response_fields(arrived.response.headers(), arrived.response_time);
        let answer = AnswerFields { received: arrived.response.headers(), kept: &fresh };
        let key = way.key(permit, &self.keyed);
        self.freshen_beside(exchange, &filler, way, (&key, chosen, answer));
        let is_its_head = Arc::ptr_eq(&chosen.stored.head(), &chosen.head);
        if is_its_head && confirm::is_said_already(&chosen.head, &filler, answer, &way.policy) {
            return Settled { is_freshened: true, head: Arc::clone(&chosen.head), detail: VALIDATED };
        }
        let Confirmed { verdict, credentialed } = confirm::by_not_modified(&chosen.head, &filler, answer, &way.policy);
        let detail = match &verdict {
            Ok(_) => VALIDATED,
            Err(why) => why.as_str(),
        };
        let becomes = confirm::becomes(verdict, &chosen.head, chosen.stored.vary_names(), credentialed);
        let freshened = self.memory.settle(key.hash(), &chosen.stored, becomes);
        let is_freshened = freshened.is_some();
        let head = freshened.unwrap_or_else(|| Arc::new(confirm::for_one(&chosen.head, &filler, answer)));
        Settled { is_freshened, head, detail }
    }

    /// The answer that a 304 allowed to be made from the store.
    ///
    /// Source: RFC 9111 section 4.3.3.
    pub(super) fn answer_settled(
        &self,
        exchange: &mut Exchange,
        chosen: Chosen,
        Settled { head, detail, .. }: Settled,
        arrived: &Arrived,
    ) -> Response<Body> {
        exchange.note_cache(CacheResult::Validated, detail);
        exchange.note_shown(&head, chosen.stored.content().length());
        let status = CacheStatus {
            fwd: exchange.behind_cache.and_then(|status| status.fwd),
            fwd_status: Some(StatusCode::NOT_MODIFIED.as_u16()),
            ttl: reply::ttl(&head, arrived.response_time),
            detail: Some(detail),
            ..CacheStatus::default()
        };
        let via = self.pseudonym.via(http::Version::HTTP_11);
        let fresh = hop::response_fields(arrived.response.headers(), arrived.response_time);
        let is_aged = arrived.response.headers().contains_key(http::header::AGE);
        let validated = Chosen { head, stale: None, ..chosen };
        let asked = reply::Asked { now: arrived.response_time, ..exchange.reply_asked(&via) };
        let mut response = reply::stored(&validated, Shown::Validated { is_aged }, &asked, status);
        hop::add_exchange_fields(response.headers_mut(), &fresh);
        response
    }
}

/// The word for a stored response that a 304 confirmed and the rules still let be shared.
const VALIDATED: &str = "validated";

/// What became of a stored response that a 304 confirmed.
pub(super) struct Settled {
    /// The entry has the head below from now on.
    pub(super) is_freshened: bool,
    /// The head that answers the asker, whatever others may see.
    pub(super) head: Arc<Head>,
    /// The word of the deciding rule.
    pub(super) detail: &'static str,
}

impl Settled {
    /// Who waits for this validation is answered by it if the entry stays; else each asks for itself.
    ///
    /// Source: RFC 9111 section 4.3.4.
    fn tell(&self, lead: Lead, chosen: &Chosen, is_aged: bool, response_time: SystemTime) {
        if self.is_freshened {
            lead.confirmed(|| {
                let chosen = Chosen { head: Arc::clone(&self.head), stale: None, ..chosen.clone() };
                Confirmation { chosen, detail: self.detail, is_aged, response_time }
            });
        } else {
            lead.release(None);
        }
    }
}

/// The RFC 9211 word: a fresh response that the request's own directives do not accept is no stale one.
///
/// Source: RFC 9211 section 2.2.
fn reason_of(why: WhyValidate) -> ForwardReason {
    match why {
        WhyValidate::Request => ForwardReason::Request,
        WhyValidate::Stale | WhyValidate::NoCache | WhyValidate::Policy | WhyValidate::Clock => ForwardReason::Stale,
    }
}

/// What the origin's status means for a validation.
///
/// Source: RFC 9111 section 4.3.3.
fn outcome_of(status: StatusCode, is_conditional: bool) -> ValidationOutcome {
    match status {
        StatusCode::NOT_MODIFIED if is_conditional => ValidationOutcome::NotModified,
        StatusCode::UNAUTHORIZED => ValidationOutcome::Unauthorized,
        StatusCode::FORBIDDEN => ValidationOutcome::Forbidden,
        status if status.is_server_error() => ValidationOutcome::ServerError,
        _ => ValidationOutcome::Replaced,
    }
}
