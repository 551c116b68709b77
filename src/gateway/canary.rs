//! The canary: of reuses that cross from one requester to another, a share is asked for again behind the asker's back, and a
//! difference is reported.
//!
//! RFC 9111 section 3.5. The origin gets a plain GET with the asker's own fields and credentials. What it says is compared
//! and thrown away: nothing is stored, nothing invalidated, no answer changed.
//!
//! # Deviations
//!
//! - What has changed at the origin while its old state is still fresh differs as well: a suspect is a reason to look, not a
//!   proof.
//! - Who is answered from a transfer that still arrives is not doubted; the same content is when it is stored.

use std::future::poll_fn;
use std::sync::Arc;

use http::Method;
use http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::Gateway;
use super::exchange::Exchange;
use crate::access::{Permit, Question};
use crate::access_log::{format_hash, format_id};
use crate::auth::Principal;
use crate::cache::CanaryOutcome;
use crate::cache::key::CacheKey;
use crate::cache::lookup::Chosen;
use crate::cache::rules::canary::{Comparison, Share, Suspicion, compare_status};
use crate::error::Error;
use crate::interim::Interim;
use crate::reply;
use crate::server::Connection;
use crate::target::Target;
use crate::upstream::{Pins, UpstreamBody};

/// What a comparison needs when the request that it is about has long been answered.
struct Doubt {
    gateway: Arc<Gateway>,
    connection: Connection,
    listener: usize,
    request: Parts,
    /// Number of the exchange that was answered, for the log.
    id: u64,
    principal: Principal,
    target: Target,
    chosen: Chosen,
    room: OwnedSemaphorePermit,
}

impl Exchange<'_> {
    /// Has the origin asked what it would have said to this asker, if somebody else may have filled the entry.
    ///
    /// Source: RFC 9111 section 3.5.
    pub(super) fn doubt(&self, permit: &Permit, chosen: &Chosen) {
        let gateway = self.gateway;
        let is_shared = self.credentials.any || chosen.head.credentialed;
        let is_comparable = chosen.stale.is_none() && chosen.stored.part().is_none() && !self.connection.pins.is_used();
        if !is_shared || !is_comparable {
            return;
        }
        let Ok(room) = Arc::clone(&gateway.background).try_acquire_owned() else { return };
        let doubt = Doubt {
            gateway: Arc::clone(gateway),
            connection: Connection { interim: Interim::default(), pins: Pins::default(), ..self.connection.clone() },
            listener: self.record.listener,
            request: self.plain_get(),
            id: self.record.id,
            principal: permit.principal().clone(),
            target: permit.target().clone(),
            chosen: chosen.clone(),
            room,
        };
        tokio::spawn(doubt.run());
    }

    /// Whether chance picks this exchange for a share of all.
    #[expect(clippy::cast_possible_truncation, reason = "any 64 bits of a hash are spread evenly")]
    pub(super) fn is_drawn(&self, share: Share) -> bool {
        share > Share::NONE && share.has(self.gateway.keyed.start("canary").number(self.record.id).finish() as u64)
    }
}

impl Doubt {
    async fn run(self) {
        let Self { gateway, connection, listener, request, id, principal, target, chosen, room } = self;
        let mut exchange = Exchange::behind(&gateway, (&connection, listener), (request, id), None);
        let outcome = match gateway.compare(&mut exchange, (principal, target), &chosen).await {
            Ok(Some(Ok(()))) => CanaryOutcome::Same,
            Ok(Some(Err(suspicion))) => {
                report(&exchange, &chosen, suspicion);
                CanaryOutcome::Suspect
            }
            Ok(None) => CanaryOutcome::Unknown,
            Err(error) => {
                tracing::debug!(id = %format_id(id), %error, "the canary's own request failed");
                CanaryOutcome::Unknown
            }
        };
        gateway.observer.metrics().canary(outcome);
        drop(room);
    }
}

/// Names the URL's hash, as the access log does, and the rule by which the response was reused.
fn report(exchange: &Exchange<'_>, chosen: &Chosen, suspicion: Suspicion) {
    let url_hash = exchange.record.url_hash.map(format_hash).unwrap_or_default();
    tracing::warn!(
        id = %format_id(exchange.record.id),
        url_hash,
        rule = reply::permit_word(&chosen.head),
        difference = suspicion.as_str(),
        "leak suspect: the origin answers this asker otherwise than the stored response did"
    );
}

impl Gateway {
    /// Asks the origin with the asker's credentials; none where its answer tells nothing.
    ///
    /// Source: RFC 9111 section 3.5.
    async fn compare(
        &self,
        exchange: &mut Exchange<'_>,
        (principal, target): (Principal, Target),
        chosen: &Chosen,
    ) -> Result<Option<Result<(), Suspicion>>, Error> {
        // The GET is a request of its own, and may be one that HEAD was let through for and GET is not.
        let (client, mode) = (exchange.connection.peer.ip(), exchange.listener.mode);
        let permit = self.access.decide(Question { principal, target, method: &Method::GET, client, mode })?;
        let way = self.way(exchange, &permit)?;
        exchange.note_policy(&permit, &way.policy);
        exchange.record.url_hash = Some(CacheKey::new(&permit, &self.keyed).hash());
        let fields = self.onward_fields(exchange, &permit);
        let arrived = self.send(exchange, &permit, &way, fields).await?;
        let own = arrived.response.status();
        let content = arrived.response.into_body();
        match compare_status(chosen.head.status, own) {
            Some(Ok(())) => Ok(is_same(content, chosen).await.map(|same| if same { Ok(()) } else { Err(Suspicion::Content) })),
            told => {
                content.let_go().await;
                Ok(told)
            }
        }
    }
}

/// Is this the stored content? None if it broke off before it differed.
async fn is_same(mut content: UpstreamBody, chosen: &Chosen) -> Option<bool> {
    let mut comparison = Comparison::with(chosen.stored.content().chunks());
    while let Some(frame) = poll_fn(|cx| content.poll_frame(cx)).await {
        let frame = frame.ok()?;
        if let Some(data) = frame.data_ref()
            && !comparison.goes_on_with(data)
        {
            return Some(false);
        }
    }
    Some(comparison.is_at_end())
}
