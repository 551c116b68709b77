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

use super::background::Errand;
use super::exchange::Exchange;
use super::{Gateway, Way};
use crate::access::Permit;
use crate::access_log::{format_hash, format_id};
use crate::auth::Principal;
use crate::cache::CanaryOutcome;
use crate::cache::lookup::Chosen;
use crate::cache::rules::canary::{Comparison, Share, Suspicion, compare_status};
use crate::error::Error;
use crate::reply;
use crate::target::Target;
use crate::upstream::UpstreamBody;

impl Exchange {
    /// Has the origin asked what it would have said to this asker, if somebody else may have filled the entry.
    ///
    /// Source: RFC 9111 section 3.5.
    pub(super) fn doubt(&self, permit: &Permit, way: &Way, chosen: &Chosen) {
        let is_shared = self.credentials.any || chosen.head.credentialed;
        let is_comparable = chosen.stale.is_none() && chosen.stored.part().is_none() && !self.connection.pins.is_used();
        if is_shared
            && is_comparable
            && let Some(errand) = self.errand(permit, way, chosen)
        {
            tokio::spawn(errand.compare());
        }
    }

    /// Whether chance picks this exchange for a share of all.
    #[expect(clippy::cast_possible_truncation, reason = "any 64 bits of a hash are spread evenly")]
    pub(super) fn is_drawn(&self, share: Share) -> bool {
        share > Share::NONE && share.has(self.gateway.keyed.start("canary").number(self.record.id).finish() as u64)
    }
}

impl Errand {
    async fn compare(self) {
        let Self { gateway, connection, listener, request, id, asker, chosen, room, .. } = self;
        let mut exchange = Exchange::behind(Arc::clone(&gateway), (Arc::new(connection), listener), (request, id), None);
        let outcome = match gateway.compare(&mut exchange, asker, &chosen).await {
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
fn report(exchange: &Exchange, chosen: &Chosen, suspicion: Suspicion) {
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
        exchange: &mut Exchange,
        asker: (Principal, Target),
        chosen: &Chosen,
    ) -> Result<Option<Result<(), Suspicion>>, Error> {
        let (permit, way) = self.let_through(exchange, asker)?;
        exchange.record.url_hash = Some(way.key(&permit, &self.keyed).hash());
        let fields = self.onward_fields(exchange, &permit, &[]);
        let arrived = self.send(exchange, &permit, &way, fields).await?;
        let own = arrived.response.status();
        let content = (*arrived.response).into_body();
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
