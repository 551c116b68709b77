//! Validation in the background: a stale response has answered, and the origin is asked while nobody waits.
//!
//! RFC 5861 section 3. What is asked is a plain GET with the fields and credentials of the request that was answered; what
//! comes back goes the way of every answer, but to no client. It is bounded by the limits on upstreams and ends with the
//! process.
//!
//! # Deviations
//!
//! - Beyond [`MOST_AT_ONCE`] nothing is asked: a later request has the turn (RFC 5861 section 3 says SHOULD).

use std::sync::Arc;

use http::Method;
use http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::exchange::Exchange;
use super::{Gateway, Way};
use crate::access::{Permit, Question};
use crate::access_log::format_id;
use crate::auth::Principal;
use crate::body::Body;
use crate::cache::lookup::Chosen;
use crate::cache::rules::stale::{NARROWING, speaks_of_resource};
use crate::cache::rules::validate::selects;
use crate::cache::store::Turn;
use crate::cache::{ForwardReason, ValidationOutcome};
use crate::error::Error;
use crate::server::Connection;
use crate::target::Target;

/// Most validations in the background at one time: a client that waits for nothing must not open connections without end.
pub(super) const MOST_AT_ONCE: usize = 128;

/// What a request of the gateway's own needs when the request that caused it has long been answered.
pub(super) struct Errand {
    pub(super) gateway: Arc<Gateway>,
    pub(super) connection: Connection,
    pub(super) listener: usize,
    pub(super) request: Parts,
    /// Number of the exchange that was answered, for the log.
    pub(super) id: u64,
    pub(super) asker: (Principal, Target),
    pub(super) chosen: Chosen,
    /// The hash that it was found under.
    pub(super) found_under: u128,
    pub(super) room: OwnedSemaphorePermit,
}

impl Exchange {
    /// Has the origin asked about the stored response, unless that is being done or has just been done.
    ///
    /// Source: RFC 5861 section 3.
    pub(super) fn validate_behind(&self, permit: &Permit, way: &Way, chosen: &Chosen) {
        let gateway = &self.gateway;
        // What the origin knows of a connection goes with no other one (RFC 4559 section 6).
        if self.connection.pins.is_used() {
            return;
        }
        let key = way.key(permit, &gateway.keyed);
        let Some(turn) = gateway.memory.turn(&key, (&chosen.stored, &chosen.head)) else { return };
        if let Some(errand) = self.errand(permit, way, chosen) {
            tokio::spawn(errand.validate(turn));
        }
    }

    /// What to ask the origin about this stored response behind the asker's back; none while too many are on their way.
    pub(super) fn errand(&self, permit: &Permit, way: &Way, chosen: &Chosen) -> Option<Errand> {
        let room = Arc::clone(&self.gateway.background).try_acquire_owned().ok()?;
        Some(Errand {
            gateway: Arc::clone(&self.gateway),
            // Nothing of the client's connection is held, and nobody listens to what comes before the answer.
            connection: Connection::new(self.connection.peer, self.connection.tls),
            listener: self.record.listener,
            request: self.plain_get(),
            id: self.record.id,
            asker: (permit.principal().clone(), permit.target().clone()),
            chosen: chosen.clone(),
            found_under: way.key(permit, &self.gateway.keyed).hash(),
            room,
        })
    }

    /// This request as one for the whole representation.
    fn plain_get(&self) -> Parts {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = Method::GET;
        parts.uri = self.uri.clone();
        parts.version = self.version;
        parts.headers = self.fields.clone();
        for name in &NARROWING {
            parts.headers.remove(name);
        }
        parts
    }
}

impl Errand {
    async fn validate(self, turn: Turn) {
        let Self { gateway, connection, listener, request, id, asker, chosen, found_under, room } = self;
        let mut exchange = Exchange::behind(Arc::clone(&gateway), (Arc::new(connection), listener), (request, id), Some(turn));
        if let Err(error) = gateway.validate_unasked(&mut exchange, asker, (&chosen, found_under)).await {
            tracing::debug!(id = %format_id(id), %error, "validation in the background failed, the stored response stays");
        }
        drop(room);
    }
}

impl Gateway {
    /// Lets an errand through: its GET is a request of its own, and may be one that HEAD was let through for and GET is not.
    pub(super) fn let_through(
        &self,
        exchange: &mut Exchange,
        (principal, target): (Principal, Target),
    ) -> Result<(Permit, Way), Error> {
        let (client, mode) = (exchange.connection.peer.ip(), exchange.listener().mode);
        let permit = self.access.decide(Question { principal, target, method: &Method::GET, client, mode })?;
        let way = self.way(exchange, &permit)?;
        Ok((permit, way))
    }

    /// Asks the origin and does with the entry what the answer says, by the rules of every answer.
    ///
    /// Refusals and errors change nothing. An answer about the resource that may not be stored ends the time in which the
    /// entry answers while it is validated: the origin has something else to say now.
    ///
    /// Source: RFC 5861 section 3, RFC 9111 section 4.3.3.
    async fn validate_unasked(
        &self,
        exchange: &mut Exchange,
        asker: (Principal, Target),
        (chosen, found_under): (&Chosen, u128),
    ) -> Result<(), Error> {
        let (permit, way) = self.let_through(exchange, asker)?;
        // A policy for GET alone may keep them elsewhere; what is asked now would then say nothing of this one.
        if way.key(&permit, &self.keyed).hash() != found_under {
            return Ok(());
        }
        let (arrived, outcome) = self.ask(exchange, &permit, &way, chosen).await?;
        let arrived = match outcome {
            ValidationOutcome::NotModified if selects(arrived.response.headers(), &chosen.head) => {
                drop(self.settle(exchange, &permit, &way, chosen, &arrived));
                return Ok(());
            }
            ValidationOutcome::NotModified => self.ask_anew(exchange, &permit, &way).await?,
            _ => arrived,
        };
        if !speaks_of_resource(arrived.response.status()) {
            (*arrived.response).into_body().let_go().await;
            return Ok(());
        }
        let answer = self.answer(exchange, &permit, &way, arrived, ForwardReason::Stale)?;
        // What is stored comes through a transfer; what is not comes as it is.
        if let Body::Upstream(content) = answer.into_body() {
            if Arc::ptr_eq(&chosen.stored.head(), &chosen.head) {
                chosen.stored.freshen(chosen.head.without_grace());
            }
            content.let_go().await;
        }
        Ok(())
    }
}
