//! What the shadow is told of an exchange; without one each of these is a look at a pointer.
//!
//! RFC 9111 sections 3 and 4.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, StatusCode};

use super::exchange::Exchange;
use super::{Gateway, Way};
use crate::access::Permit;
use crate::cache::entry::Head;
use crate::cache::rules::partial::StoredPart;
use crate::cache::rules::storable::NotStored;
use crate::config::settings::Mode;
use crate::shadow::{Answered, Around, Seen};
use crate::upstream::UpstreamBody;

impl Exchange {
    /// A stored response with this head, and content of this length, answers.
    pub(super) fn note_shown(&mut self, head: &Arc<Head>, bytes: u64) {
        if let Some(witness) = &mut self.witness {
            witness.shown = Some((Arc::clone(head), bytes));
        }
    }

    /// The origin's answer is the client's, and this is said to storing it.
    pub(super) fn note_answered(
        &mut self,
        (status, received): (StatusCode, &HeaderMap),
        (times, epoch): ((SystemTime, SystemTime), u64),
        body: &UpstreamBody,
        verdict: &Result<(Head, Option<StoredPart>), NotStored>,
    ) {
        let Some(witness) = &mut self.witness else { return };
        let active = Answered::told(verdict.as_ref().map(|(head, _)| head).map_err(|why| *why));
        let bytes = body.size_hint().lower();
        witness.answered = Some(Answered { status, received: received.clone(), times, epoch, bytes, active });
    }
}

impl Gateway {
    /// Counts what the shadow's policies would have done with an exchange that came to the cache; changes nothing of it.
    pub(super) fn cast_shadow(&self, exchange: &Exchange, permit: &Permit, way: &Way) {
        let (Some(shadow), Some(witness)) = (&self.shadow, &exchange.witness) else { return };
        let consumed = self.consumed.get(exchange.record.listener).map_or(&[][..], Vec::as_slice);
        let seen = Seen {
            permit,
            method: &exchange.method,
            fields: &exchange.fields,
            has_content: exchange.has_content,
            is_gateway: exchange.listener().mode == Mode::Gateway,
            bound_to: exchange.bound_class(),
            targets: &exchange.listener().targeted_fields,
            consumed,
            filled_by: exchange.filled_by(permit, &way.policy),
            now: exchange.now,
            active: exchange.record.result,
            witness,
        };
        shadow.observe(&seen, Around { memory: &self.memory, metrics: self.observer.metrics(), keyed: &self.keyed });
    }
}
