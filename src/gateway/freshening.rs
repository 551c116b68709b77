//! Freshening of what the request did not ask about: what a 200 to HEAD says of the responses that a GET stored, and a 304 of
//! those beside the validated one.
//!
//! RFC 9111 sections 4.3.4 and 4.3.5.

use std::sync::Arc;

use http::{Method, StatusCode};

use super::exchange::Exchange;
use super::{Gateway, Way};
use crate::cache::confirm::{self, AnswerFields};
use crate::cache::entry::Filler;
use crate::cache::key::CacheKey;
use crate::cache::lookup::{self, Chosen};

impl Gateway {
    /// Updates each stored response that this HEAD could have selected, or lets it go stale where the answer
    /// describes another one; answers with other statuses than 200 change nothing.
    ///
    /// Source: RFC 9111 section 4.3.5.
    pub(super) fn freshen_by_head(
        &self,
        exchange: &Exchange,
        filler: &Filler<'_>,
        way: &Way,
        (key, status, answer): (&CacheKey<'_>, StatusCode, AnswerFields<'_>),
    ) {
        if exchange.method != Method::HEAD || exchange.has_content {
            return;
        }
        let Some(slot) = self.memory.find(key) else { return };
        let normalises = way.policy.settings.vary_normalise;
        for stored in lookup::matching(&slot, exchange.sight(), &exchange.fields, &self.keyed, normalises) {
            let becomes = confirm::by_head(stored, filler, status, answer, &way.policy);
            self.memory.settle(key.hash(), stored, becomes);
        }
    }

    /// Updates, or drops, each other stored response that could have answered and has the strong tag of this 304.
    ///
    /// Source: RFC 9111 section 4.3.4.
    pub(super) fn freshen_beside(
        &self,
        exchange: &Exchange,
        filler: &Filler<'_>,
        way: &Way,
        (key, chosen, answer): (&CacheKey<'_>, &Chosen, AnswerFields<'_>),
    ) {
        // What has come beside it since is about as new as the 304.
        if chosen.is_alone {
            return;
        }
        let Some(slot) = self.memory.find(key) else { return };
        let normalises = way.policy.settings.vary_normalise;
        let matching = lookup::matching(&slot, exchange.sight(), &exchange.fields, &self.keyed, normalises);
        for stored in matching.filter(|stored| !Arc::ptr_eq(stored, &chosen.stored)) {
            let becomes = confirm::beside(stored, filler, answer, &way.policy);
            self.memory.settle(key.hash(), stored, becomes);
        }
    }
}
