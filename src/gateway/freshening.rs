//! Freshening by HEAD: what a 200 to HEAD says of the responses that a GET stored.
//!
//! RFC 9111 section 4.3.5.
//!
//! # Deviations
//!
//! - The answer to a credentialed HEAD freshens nothing unless its own directives would let it be shared:
//!   its fields would otherwise reach others under the permission of the stored response.
//! - A stored response that came after the HEAD was sent is left alone.

use std::sync::Arc;

use http::response::Parts;
use http::{HeaderMap, Method, StatusCode};

use super::exchange::Exchange;
use super::{Gateway, Way};
use crate::cache::entry::{Filler, Head};
use crate::cache::key::CacheKey;
use crate::cache::lookup::{self, Chosen};
use crate::cache::rules::update::merge;
use crate::cache::rules::validate::is_described_by;
use crate::cache::store::StoredResponse;

impl Gateway {
    /// Updates each stored response that this HEAD could have selected, or lets it go stale where the answer
    /// describes another one; answers with other statuses than 200 change nothing.
    ///
    /// Source: RFC 9111 section 4.3.5.
    pub(super) fn freshen_by_head(
        &self,
        exchange: &Exchange<'_>,
        filler: &Filler<'_>,
        way: &Way,
        answered: (&CacheKey<'_>, &Parts, &HeaderMap),
    ) {
        let (key, answer, _) = answered;
        if exchange.method != Method::HEAD || answer.status != StatusCode::OK || exchange.has_content {
            return;
        }
        let Some(slot) = self.memory.find(key) else { return };
        for stored in lookup::matching(&slot, &exchange.fields, &self.keyed, way.policy.settings.vary_normalise) {
            self.freshen_one(stored, filler, way, answered);
        }
    }

    fn freshen_one(
        &self,
        stored: &Arc<StoredResponse>,
        filler: &Filler<'_>,
        way: &Way,
        (key, answer, kept): (&CacheKey<'_>, &Parts, &HeaderMap),
    ) {
        let head = stored.head();
        if head.age.response_time > filler.request_time {
            return;
        }
        if head.status != answer.status || !is_described_by(&answer.headers, &head, stored.content().length()) {
            stored.freshen(head.without_freshness());
            return;
        }
        // What GET stored is judged as GET's, with the fields of HEAD in place of their namesakes.
        let alone = Filler { method: &Method::GET, ..*filler };
        let mut merged = alone;
        merged.credentials.any |= head.credentialed;
        let received = merge(&head.fields, &answer.headers);
        let verdict = Head::judge(&merged, head.status, &received, &merge(&head.fields, kept), &way.policy);
        let is_own_permission =
            !filler.credentials.any || Head::judge(&alone, answer.status, &answer.headers, kept, &way.policy).is_ok();
        if verdict.is_err() || is_own_permission {
            let chosen = Chosen { stored: Arc::clone(stored), head, is_stale: false };
            self.settle_entry(key, &chosen, verdict, &merged);
        }
    }
}
