//! What one listener offers: its schemes in order, and their challenges.
//!
//! RFC 9110 section 11.6.1 (several challenges), RFC 7616 section 3.7 (several algorithms).
//!
//! # Deviations
//!
//! - A scheme without a source of users is not offered while another one has one: a client picks the
//!   first challenge that it understands and would fail for ever.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::challenge::{self, DigestChallenge, InvalidRealm};
use crate::config::settings::{Auth, AuthScheme, DigestAlgorithm};

/// The schemes that a listener offers, in the configured order.
pub(super) struct Offers {
    opaque: String,
    offers: Vec<Offer>,
}

/// One scheme with what its challenges need.
enum Offer {
    Basic(HeaderValue),
    Digest(Vec<DigestChallenge>),
}

impl Offers {
    /// What a listener of this name offers.
    ///
    /// # Errors
    ///
    /// [`InvalidRealm`] when the realm holds a control character.
    ///
    /// Source: RFC 9110 section 11.6.1.
    pub(super) fn new(auth: &Auth, listener: &str) -> Result<Self, InvalidRealm> {
        let opaque = compute_opaque(&auth.realm, listener);
        let any_has = auth.schemes.iter().any(|scheme| has_users(auth, *scheme));
        // A challenge there must be, even where nobody is known.
        let offered = auth.schemes.iter().filter(|scheme| has_users(auth, **scheme) || !any_has);
        let offers = offered
            .map(|scheme| match scheme {
                AuthScheme::Basic => challenge::basic(&auth.realm).map(Offer::Basic),
                AuthScheme::Digest => digest_challenges(auth, &opaque).map(Offer::Digest),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { opaque, offers })
    }

    /// Is this scheme offered?
    pub(super) fn has(&self, scheme: AuthScheme) -> bool {
        self.offers.iter().any(|offer| match offer {
            Offer::Basic(_) => scheme == AuthScheme::Basic,
            Offer::Digest(_) => scheme == AuthScheme::Digest,
        })
    }

    /// What a Digest client has to give back unchanged.
    pub(super) fn opaque(&self) -> &str {
        &self.opaque
    }

    /// One challenge a scheme and algorithm; those of Digest share a nonce.
    ///
    /// Source: RFC 9110 section 11.4 (at least one), RFC 7616 section 3.3.
    pub(super) fn challenges(&self, nonce: impl Fn() -> String, stale: bool) -> Vec<HeaderValue> {
        let mut challenges = Vec::with_capacity(self.offers.len() + 2);
        for offer in &self.offers {
            match offer {
                Offer::Basic(challenge) => challenges.push(challenge.clone()),
                Offer::Digest(algorithms) => {
                    let nonce = nonce();
                    challenges.extend(algorithms.iter().flat_map(|challenge| challenge.with_nonce(&nonce, stale)));
                }
            }
        }
        challenges
    }
}

fn has_users(auth: &Auth, scheme: AuthScheme) -> bool {
    let file = match scheme {
        AuthScheme::Basic => &auth.basic.htpasswd,
        AuthScheme::Digest => &auth.digest.htdigest,
    };
    file.is_some() || auth.builtin_user.is_some()
}

/// Source: RFC 7616 section 3.7: one challenge an algorithm, in the order of preference.
fn digest_challenges(auth: &Auth, opaque: &str) -> Result<Vec<DigestChallenge>, InvalidRealm> {
    let mut distinct: Vec<DigestAlgorithm> = Vec::with_capacity(auth.digest.algorithms.len());
    for algorithm in &auth.digest.algorithms {
        if !distinct.contains(algorithm) {
            distinct.push(*algorithm);
        }
    }
    distinct.into_iter().map(|algorithm| DigestChallenge::new(&auth.realm, algorithm, opaque)).collect()
}

/// Realm and listener in 24 characters; the same after a restart, so that a client's old nonce is
/// found stale rather than its credentials foreign.
///
/// Source: RFC 7616 section 3.3 (opaque: base64 recommended).
fn compute_opaque(realm: &str, listener: &str) -> String {
    let length = u64::try_from(realm.len()).unwrap_or(u64::MAX).to_be_bytes();
    let hash = Sha256::new().chain_update(length).chain_update(realm).chain_update(listener).finalize();
    STANDARD.encode(hash.get(..18).unwrap_or_default())
}
