//! Freshening by HEAD: what a 200 to HEAD says of the responses that a GET stored.
//!
//! RFC 9111 section 4.3.5.

use http::{Method, StatusCode};

use super::exchange::Exchange;
use super::{Gateway, Way};
use crate::cache::confirm::{self, AnswerFields};
use crate::cache::entry::Filler;
use crate::cache::key::CacheKey;
use crate::cache::lookup;

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
        (key, status, answer): (&CacheKey<'_>, StatusCode, AnswerFields<'_>),
    ) {
        if exchange.method != Method::HEAD || exchange.has_content {
            return;
        }
        let Some(slot) = self.memory.find(key) else { return };
        let normalises = way.policy.settings.vary_normalise;
        for stored in lookup::matching(&slot, exchange.partition, &exchange.fields, &self.keyed, normalises) {
            let becomes = confirm::by_head(stored, filler, status, answer, &way.policy);
            self.memory.settle(key.hash(), stored, becomes);
        }
    }
}
