//! Stale answers after a validation that failed.
//!
//! RFC 9111 sections 4.2.4 and 4.3.3, RFC 5861 section 4.

use http::{Response, StatusCode};

use super::exchange::Exchange;
use super::fetch::Arrived;
use super::{Gateway, Way};
use crate::access_log::format_id;
use crate::body::Body;
use crate::cache::CacheResult;
use crate::cache::lookup::Chosen;
use crate::cache::rules::reuse::Asker;
use crate::cache::rules::stale::{self, Failure};
use crate::error::{Error, UpstreamError};
use crate::reply::{self, CacheStatus, Shown};

impl Gateway {
    /// No answer from the origin: stale where nothing forbids it, else 504.
    ///
    /// Source: RFC 9111 sections 4.2.4 and 5.2.2.2.
    pub(super) fn disconnected(
        &self,
        exchange: &mut Exchange,
        way: &Way,
        chosen: &Chosen,
        error: Error,
    ) -> Result<Response<Body>, Error> {
        let Error::Upstream(cause) = error else { return Err(error) };
        let Some(response) = self.stale_after(exchange, way, chosen, None) else {
            return Err(UpstreamError::NotValidated(Box::new(cause)).into());
        };
        tracing::warn!(id = %format_id(exchange.record.id), error = %cause, "origin did not answer, serving stale");
        Ok(response)
    }

    /// The stored response in place of an error that the origin answered with, where nothing forbids it and the response,
    /// the request or the policy allow it; else the answer is given back.
    ///
    /// Source: RFC 9111 section 4.3.3, RFC 5861 section 4.
    pub(super) fn stand_in(
        &self,
        exchange: &mut Exchange,
        way: &Way,
        chosen: &Chosen,
        arrived: Arrived,
    ) -> Result<Response<Body>, Box<Arrived>> {
        let status = arrived.response.status();
        if !stale::is_error(status) {
            return Err(Box::new(arrived));
        }
        let Some(response) = self.stale_after(exchange, way, chosen, Some(status)) else { return Err(Box::new(arrived)) };
        tracing::warn!(id = %format_id(exchange.record.id), %status, "origin answered with an error, serving stale");
        let content = (*arrived.response).into_body();
        if !content.is_end_stream() {
            tokio::spawn(content.let_go());
        }
        Ok(response)
    }

    /// The stale answer, if there may be one; `answered` is the origin's error, if it sent one.
    ///
    /// Source: RFC 9111 section 4.2.4, RFC 9211 sections 2.1 to 2.3.
    fn stale_after(
        &self,
        exchange: &mut Exchange,
        way: &Way,
        chosen: &Chosen,
        answered: Option<StatusCode>,
    ) -> Option<Response<Body>> {
        // The wait for the origin counts: the answer tells its age as of now.
        let now = self.clock.now();
        let failure = if answered.is_some() { Failure::ServerError } else { Failure::NoAnswer };
        let why = stale::after_failure(&chosen.head, &Asker { now, ..exchange.asker() }, &way.policy, failure)?;
        exchange.note_cache(CacheResult::Stale, why.as_str());
        let status = CacheStatus {
            fwd: exchange.behind_cache.and_then(|status| status.fwd).filter(|_| answered.is_some()),
            fwd_status: answered.map(|status| status.as_u16()),
            ttl: reply::ttl(&chosen.head, now),
            detail: Some(why.as_str()),
            ..CacheStatus::default()
        };
        let via = self.pseudonym.via(http::Version::HTTP_11);
        let asked = reply::Asked { now, ..exchange.reply_asked(&via) };
        Some(reply::stored(chosen, Shown::Reused, &asked, status))
    }
}
