//! Who asks: the listener's authenticator, and the answer to whom it does not know.
//!
//! RFC 9110 sections 11.4, 15.5.2 and 15.5.8.

use http::Response;

use super::Gateway;
use super::exchange::Exchange;
use crate::auth::{Answer, Outcome, Presented, Principal, Recognised, Rejection, Scheme, Unverified};
use crate::body::Body;
use crate::config::settings::ListenerAuth;
use crate::error::Error;
use crate::reply;
use crate::target::Target;

impl Gateway {
    /// Who asks, as far as that is told without a password's hash.
    pub(super) fn recognise(&self, exchange: &Exchange, target: &Target) -> Recognised {
        let presented =
            Presented { method: &exchange.method, uri: &exchange.uri, target, fields: &exchange.fields, now: exchange.now };
        match self.authenticators.get(exchange.record.listener) {
            Some(authenticator) => authenticator.recognise(presented),
            None => Recognised::Known(Err(no_authenticator())),
        }
    }

    /// Who asks, when the password has been verified.
    pub(super) async fn verify(&self, exchange: &Exchange, credentials: Unverified) -> Result<Principal, Rejection> {
        match self.authenticators.get(exchange.record.listener) {
            Some(authenticator) => authenticator.verify(credentials, exchange.now).await,
            None => Err(no_authenticator()),
        }
    }

    /// Counts and records what came of it.
    pub(super) fn note_authentication(
        &self,
        exchange: &mut Exchange,
        result: Result<Principal, Rejection>,
    ) -> Result<Principal, Rejection> {
        let (scheme, outcome) = match &result {
            Ok(principal) => (principal.scheme, Outcome::Ok),
            Err(rejection) => (rejection.scheme, rejection.outcome),
        };
        if exchange.listener().auth != ListenerAuth::None {
            self.observer.metrics().authentication(scheme, outcome);
            exchange.record.judged = true;
        }
        exchange.note_authentication(scheme, outcome, result.as_ref().ok());
        result
    }

    /// 407 or 401 with challenges, or 400 where no challenge helps.
    ///
    /// Source: RFC 9110 sections 11.4, 15.5.2 and 15.5.8.
    pub(super) fn reject(&self, exchange: &mut Exchange, rejection: Rejection) -> Result<Response<Body>, Error> {
        exchange.record.reason = rejection.outcome.as_str();
        match rejection.answer {
            Answer::Challenge(challenges) if challenges.is_empty() => Err(Error::Internal("no challenge to offer")),
            Answer::Challenge(challenges) => {
                let is_proxy = exchange.listener().auth != ListenerAuth::Origin;
                Ok(reply::challenge(is_proxy, challenges, &exchange.reply_context()))
            }
            Answer::Refuse(error) => Err(error.into()),
        }
    }
}

fn no_authenticator() -> Rejection {
    Rejection { scheme: Scheme::None, outcome: Outcome::Unavailable, answer: Answer::Challenge(Vec::new()) }
}
