//! Selection by tag: nothing stored was selected by this request's fields, and the origin is asked whether
//! a stored response for other fields is the one.
//!
//! RFC 9111 sections 4.1, 4.3.1 and 4.3.4.

use std::sync::Arc;

use http::header::IF_NONE_MATCH;
use http::{Response, StatusCode};

use super::exchange::Exchange;
use super::fetch::Arrived;
use super::{Gateway, Way};
use crate::access::Permit;
use crate::body::Body;
use crate::cache::entry::Head;
use crate::cache::lookup::Chosen;
use crate::cache::rules::offer;
use crate::cache::rules::vary;
use crate::cache::store::StoredResponse;
use crate::cache::{CacheResult, ForwardReason, ValidationOutcome};
use crate::error::Error;
use crate::reply::CacheStatus;

impl Gateway {
    /// Sends the request with the tags of what is stored for other requests.
    ///
    /// A 304 selects one of them: it answers, and is kept for requests like this one if the rules allow it
    /// of the merged fields. Any other answer is treated as if nothing had been offered.
    ///
    /// Source: RFC 9111 section 4.3.1.
    pub(super) async fn select_by_tag(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        offered: Vec<Chosen>,
    ) -> Result<Response<Body>, Error> {
        let reason = ForwardReason::VaryMiss;
        exchange.note_cache(CacheResult::Miss, reason.as_str());
        exchange.behind_cache = Some(CacheStatus { fwd: Some(reason), ..CacheStatus::default() });
        let condition = offer::condition(offered.iter().map(|chosen| &*chosen.head));
        let instead = condition.map(|condition| (IF_NONE_MATCH, Some(condition)));
        let fields = self.onward_fields(exchange, permit, instead.as_slice());
        let arrived = self.send(exchange, permit, way, fields).await?;
        if arrived.response.status() != StatusCode::NOT_MODIFIED {
            return self.answer(exchange, permit, way, arrived, reason);
        }
        let is_only = offered.len() == 1;
        let mut offered = offered.into_iter();
        let selected = offered.find(|chosen| offer::is_selected(arrived.response.headers(), &chosen.head, is_only));
        match selected {
            Some(selected) => Ok(self.selected(exchange, permit, way, selected, &arrived)),
            None => {
                let arrived = self.ask_anew(exchange, permit, way).await?;
                self.answer(exchange, permit, way, arrived, reason)
            }
        }
    }

    /// The origin selected this stored response for a request that it was not stored for.
    ///
    /// Source: RFC 9111 sections 4.1 and 4.3.4.
    fn selected(
        &self,
        exchange: &mut Exchange,
        permit: &Permit,
        way: &Way,
        selected: Chosen,
        arrived: &Arrived,
    ) -> Response<Body> {
        self.observer.metrics().validation(ValidationOutcome::NotModified);
        let settled = self.settle(exchange, permit, way, &selected, arrived);
        if settled.is_freshened {
            self.keep_selected(exchange, permit, way, (&settled.head, &selected), arrived.epoch);
        }
        match exchange.lead.take() {
            Some(lead) if settled.is_freshened => lead.stored(),
            Some(lead) => lead.release(None),
            None => {}
        }
        self.answer_settled(exchange, selected, settled, arrived)
    }

    /// Stores the selected response once more, for requests whose nominated fields are like this one's; its
    /// content is shared.
    fn keep_selected(&self, exchange: &Exchange, permit: &Permit, way: &Way, (head, selected): (&Head, &Chosen), epoch: u64) {
        let settings = &way.policy.settings;
        let names = selected.stored.vary_names().to_vec();
        let variant = vary::fingerprint(&self.keyed, &names, &exchange.fields, settings.vary_normalise);
        let content = selected.stored.content().clone();
        let stored = StoredResponse::new(head.clone(), names, variant, content).within(exchange.partition);
        let stored = stored.filled_by(selected.stored.fillers());
        self.memory.insert(&way.key(permit, &self.keyed).to_stored(), &Arc::new(stored), settings.vary_limit, epoch);
    }
}
