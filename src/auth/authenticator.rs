//! The front desk of one listener: which scheme, whose credentials, or which challenge.
//!
//! RFC 9110 sections 11.3 to 11.7, RFC 7617 section 2, RFC 7616 sections 3.4 to 3.8.
//!
//! # Deviations
//!
//! - Repeated credential fields are refused with 400 instead of a challenge: which line counts is
//!   the difference that smuggling lives on (RFC 9110 section 5.3 forbids a sender to repeat them).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, Method};

use super::digest::{self, HexHash};
use super::grammar::{self, Parameters, Payload};
use super::nonces::{MAX_NONCES, Nonces, Standing};
use super::offers::Offers;
use super::revocations::Revocations;
use super::users::htpasswd::Verdict;
use super::users::{self, BasicUsers, DigestUsers};
use super::verdicts::{MAX_VERDICTS, Verdicts};
use super::{Answer, Outcome, Presented, Principal, Recognised, Rejection, Scheme, Unverified, basic};
use crate::clock::Clock;
use crate::config::settings::{Auth, AuthScheme, Listener, ListenerAuth, Settings};
use crate::error::ClientError;
use crate::keyed::Keyed;
use crate::metrics::Metrics;
use crate::target::Target;

/// Authenticates the requests of one listener.
pub struct Authenticator {
    role: ListenerAuth,
    /// The listener's number: part of every remembered verdict and of every nonce.
    number: u64,
    /// What the nonces belong to.
    origin: NonceOrigin,
    offers: Offers,
    nonces: Arc<Nonces>,
    shared: Arc<Shared>,
    /// The same for all listeners, and after a reload.
    revocations: Arc<Revocations>,
}

/// Nonces outlive a reload where all of this stays.
#[derive(Clone, PartialEq)]
struct NonceOrigin {
    listener: String,
    realm: String,
    lifetime: Duration,
}

/// What all listeners share.
struct Shared {
    realm: String,
    keyed: Keyed,
    basic: BasicUsers,
    digest: DigestUsers,
    verdicts: Verdicts,
    hashed: AtomicU64,
    metrics: Option<Arc<Metrics>>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("role", &self.role).finish_non_exhaustive()
    }
}

impl Authenticator {
    /// One authenticator per listener, in the listeners' order, sharing users and verdicts' memory.
    ///
    /// # Errors
    ///
    /// A password file that cannot be read or parsed, with the file, the line and what to do; one
    /// mistake a line.
    pub fn for_listeners(settings: &Settings, keyed: Keyed, _clock: &Clock) -> Result<Vec<Self>, String> {
        Self::after(&[], settings, keyed, None)
    }

    /// The same after a reload: users are read again and nothing verified is remembered, but nonces that clients hold stay
    /// good where listener, realm and lifetime are the same. `metrics` is told how long verdicts take.
    ///
    /// # Errors
    ///
    /// As [`Authenticator::for_listeners`].
    pub fn after(
        before: &[Self],
        settings: &Settings,
        keyed: Keyed,
        metrics: Option<&Arc<Metrics>>,
    ) -> Result<Vec<Self>, String> {
        let shared = Arc::new(Shared { metrics: metrics.cloned(), ..Shared::load(&settings.auth, keyed)? });
        let revocations = before.first().map_or_else(Arc::default, |other| Arc::clone(&other.revocations));
        let made = |(number, listener)| Self::new(number, listener, &settings.auth, (&shared, &revocations, before));
        (0..).zip(&settings.listeners).map(made).collect()
    }

    fn new(
        number: u64,
        listener: &Listener,
        auth: &Auth,
        (shared, revocations, before): (&Arc<Shared>, &Arc<Revocations>, &[Self]),
    ) -> Result<Self, String> {
        let lifetime = auth.digest.nonce_lifetime;
        let origin = NonceOrigin { listener: listener.name.clone(), realm: auth.realm.clone(), lifetime };
        let nonces = match before.iter().find(|other| other.origin == origin) {
            Some(other) => Arc::clone(&other.nonces),
            None => Arc::new(Nonces::new(&auth.realm, number, lifetime, MAX_NONCES).map_err(users::no_randomness)?),
        };
        Ok(Self {
            role: listener.auth,
            number,
            origin,
            offers: Offers::new(auth, &listener.name).map_err(|error| format!("auth.realm: {error}"))?,
            nonces,
            shared: Arc::clone(shared),
            revocations: Arc::clone(revocations),
        })
    }

    /// Who is asking?
    ///
    /// A user whom the operator revoked is nobody, whatever proves the name.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with the challenges to send.
    ///
    /// Source: RFC 9110 sections 11.4, 11.6.2 and 11.7.2.
    pub async fn authenticate(&self, request: Presented<'_>) -> Result<Principal, Rejection> {
        let now = request.now;
        match self.recognise(request) {
            Recognised::Known(result) => result,
            Recognised::Unverified(credentials) => self.verify(credentials, now).await,
        }
    }

    /// The same as far as it needs no password hash: that takes long and a thread of its own.
    #[must_use]
    pub fn recognise(&self, request: Presented<'_>) -> Recognised {
        let now = request.now;
        match self.prove(request) {
            Recognised::Known(result) => Recognised::Known(self.unless_revoked(result, now)),
            unverified => unverified,
        }
    }

    /// Verifies a password, once for all who wait for the same one.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with the challenges to send.
    ///
    /// Source: RFC 7617 section 2.
    pub async fn verify(&self, unverified: Unverified, now: SystemTime) -> Result<Principal, Rejection> {
        let result = self.verify_basic(unverified, now).await;
        self.unless_revoked(result, now)
    }

    fn unless_revoked(&self, result: Result<Principal, Rejection>, now: SystemTime) -> Result<Principal, Rejection> {
        let principal = result?;
        match &principal.name {
            Some(name) if self.revocations.has(name) => Err(self.challenge(principal.scheme, Outcome::Revoked, now)),
            Some(_) | None => Ok(principal),
        }
    }

    /// The users that the operator refuses.
    #[must_use]
    pub fn revocations(&self) -> &Arc<Revocations> {
        &self.revocations
    }

    fn prove(&self, request: Presented<'_>) -> Recognised {
        let (field, name): (HeaderName, _) = match self.role {
            ListenerAuth::Proxy => (PROXY_AUTHORIZATION, "Proxy-Authorization"),
            ListenerAuth::Origin => (AUTHORIZATION, "Authorization"),
            ListenerAuth::None => return Recognised::Known(Ok(Principal { name: None, scheme: Scheme::None })),
        };
        let mut lines = request.fields.get_all(field).iter();
        let Some(line) = lines.next() else {
            return Recognised::Known(Err(self.challenge(Scheme::None, Outcome::Missing, request.now)));
        };
        if lines.next().is_some() {
            let answer = Answer::Refuse(ClientError::RepeatedField(name));
            return Recognised::Known(Err(Rejection { scheme: Scheme::None, outcome: Outcome::Malformed, answer }));
        }
        Recognised::Known(match scheme_of(line.as_bytes()) {
            Scheme::Basic if self.offers.has(AuthScheme::Basic) => return self.recognise_basic(line.as_bytes(), request.now),
            Scheme::Digest if self.offers.has(AuthScheme::Digest) => self.authenticate_digest(line.as_bytes(), &request),
            Scheme::None if grammar::parse(line.as_bytes()).is_err() => Err(self.malformed(Scheme::None, request.now)),
            scheme => Err(self.challenge(scheme, Outcome::UnsupportedScheme, request.now)),
        })
    }

    /// Until when the Basic credentials in these fields are recognised as they are, whatever the operator revokes.
    ///
    /// Source: RFC 7617 section 2.
    #[must_use]
    pub fn remembers_until(&self, fields: &HeaderMap) -> Option<SystemTime> {
        let field = match self.role {
            ListenerAuth::Proxy => PROXY_AUTHORIZATION,
            ListenerAuth::Origin => AUTHORIZATION,
            ListenerAuth::None => return None,
        };
        let line = fields.get(field)?.as_bytes();
        (scheme_of(line) == Scheme::Basic).then(|| self.shared.verdicts.until(self.verdict_key(line)))?
    }

    fn verdict_key(&self, line: &[u8]) -> u128 {
        self.shared.keyed.start("basic verdict").number(self.number).part(line).finish()
    }

    /// How many password hashes were computed since the start, those for unknown users included.
    #[must_use]
    pub fn passwords_hashed(&self) -> u64 {
        self.shared.hashed.load(Ordering::Relaxed)
    }

    /// Basic: a look at the remembered verdicts, and only if there is none, base64.
    ///
    /// Source: RFC 7617 section 2.
    fn recognise_basic(&self, line: &[u8], now: SystemTime) -> Recognised {
        let reject = |outcome| Recognised::Known(Err(self.challenge(Scheme::Basic, outcome, now)));
        if line.len() > grammar::MAX_CREDENTIALS_BYTES {
            return reject(Outcome::Malformed);
        }
        let key = self.verdict_key(line);
        if let Some(name) = self.shared.verdicts.recall(key, now) {
            return Recognised::Known(Ok(Principal { name: Some(name), scheme: Scheme::Basic }));
        }
        let Ok(grammar::Credentials { payload: Payload::Token68(token68), .. }) = grammar::parse(line) else {
            return reject(Outcome::Malformed);
        };
        match basic::parse(token68) {
            Ok(credentials) => Recognised::Unverified(Unverified { key, credentials }),
            Err(_) => reject(Outcome::Malformed),
        }
    }

    async fn verify_basic(&self, unverified: Unverified, now: SystemTime) -> Result<Principal, Rejection> {
        let Unverified { key, credentials } = unverified;
        let reject = |outcome| Err(self.challenge(Scheme::Basic, outcome, now));
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let hashed = || _ = shared.hashed.fetch_add(1, Ordering::Relaxed);
            shared.basic.verify(&credentials.user, &credentials.password, hashed)
        };
        let asked = Clock::instant();
        let verdict = self.shared.verdicts.verify(key, now, work).await;
        if let Some(metrics) = &self.shared.metrics {
            metrics.verdict(Clock::instant().saturating_duration_since(asked));
        }
        match verdict {
            Some(Verdict::Verified(name)) => Ok(Principal { name: Some(name), scheme: Scheme::Basic }),
            Some(Verdict::UnknownUser) => reject(Outcome::UnknownUser),
            Some(Verdict::WrongPassword) => reject(Outcome::WrongPassword),
            None => reject(Outcome::Unavailable),
        }
    }

    /// Digest: values, resource, user, response, and last the nonce, which only a right digest uses.
    ///
    /// Source: RFC 7616 sections 3.4 and 3.4.6.
    fn authenticate_digest(&self, line: &[u8], request: &Presented<'_>) -> Result<Principal, Rejection> {
        match grammar::parse(line) {
            Ok(grammar::Credentials { payload: Payload::Parameters(parameters), .. }) => self.judge_digest(&parameters, request),
            _ => Err(self.malformed(Scheme::Digest, request.now)),
        }
    }

    fn judge_digest(&self, parameters: &Parameters<'_>, request: &Presented<'_>) -> Result<Principal, Rejection> {
        let Some(credentials) = digest::parse(parameters).ok().filter(|credentials| self.is_ours(credentials)) else {
            return Err(self.malformed(Scheme::Digest, request.now));
        };
        if !digest::names_target(credentials.uri, request.method, request.target) {
            let answer = Answer::Refuse(ClientError::DigestUri);
            return Err(Rejection { scheme: Scheme::Digest, outcome: Outcome::UriMismatch, answer });
        }
        let user = self.shared.digest.find(&credentials.user, credentials.algorithm);
        // An unknown user costs the same work.
        let a1 = user.map_or(HexHash::zero(credentials.algorithm), |(_, a1)| *a1);
        let is_right = digest::compute_response(&credentials, &a1, request.method).equals(&credentials.response);
        let outcome = match user {
            Some((name, _)) if is_right => match self.nonces.admit(credentials.nonce, credentials.nc, request.now) {
                Standing::Fresh => return Ok(Principal { name: Some(Arc::clone(name)), scheme: Scheme::Digest }),
                Standing::Replayed => Outcome::Replayed,
                Standing::Stale => Outcome::StaleNonce,
            },
            Some(_) => Outcome::WrongPassword,
            None => Outcome::UnknownUser,
        };
        Err(self.challenge(Scheme::Digest, outcome, request.now))
    }

    /// May Digest credentials in `Proxy-Authorization` prove who asks?
    #[must_use]
    pub fn reads_proxy_digest(&self) -> bool {
        self.role == ListenerAuth::Proxy && self.offers.has(AuthScheme::Digest)
    }

    /// Do these Digest credentials prove that this user asks for this? If so their nonce count is used, if not nothing is.
    ///
    /// Source: RFC 7616 sections 3.4 and 3.4.6.
    #[must_use]
    pub fn is_proven_again(&self, line: &[u8], name: &str, (method, target): (&Method, &Target), now: SystemTime) -> bool {
        let parameters = match grammar::parse(line) {
            Ok(grammar::Credentials { payload: Payload::Parameters(it), .. }) if scheme_of(line) == Scheme::Digest => it,
            _ => return false,
        };
        let Some(credentials) = digest::parse(&parameters).ok().filter(|credentials| self.is_ours(credentials)) else {
            return false;
        };
        let user = self.shared.digest.find(&credentials.user, credentials.algorithm).filter(|(found, _)| &***found == name);
        user.is_some_and(|(_, a1)| {
            digest::names_target(credentials.uri, method, target)
                && digest::compute_response(&credentials, a1, method).equals(&credentials.response)
                && self.nonces.admit(credentials.nonce, credentials.nc, now) == Standing::Fresh
        })
    }

    /// Made for a challenge of ours: realm, opaque and an algorithm that is offered.
    ///
    /// Source: RFC 7616 section 3.4: opaque and algorithm "must be those supplied".
    fn is_ours(&self, credentials: &digest::DigestCredentials<'_>) -> bool {
        credentials.realm == self.shared.realm
            && credentials.opaque == self.offers.opaque()
            && self.shared.digest.offers(credentials.algorithm)
    }

    fn malformed(&self, scheme: Scheme, now: SystemTime) -> Rejection {
        self.challenge(scheme, Outcome::Malformed, now)
    }

    /// A rejection with every challenge; `stale` where only the nonce was at fault.
    ///
    /// Source: RFC 9110 section 11.4 (at least one challenge), RFC 7616 section 3.3 (stale).
    fn challenge(&self, scheme: Scheme, outcome: Outcome, now: SystemTime) -> Rejection {
        let stale = matches!(outcome, Outcome::StaleNonce | Outcome::Replayed);
        let challenges = self.offers.challenges(|| self.nonces.issue(now), stale);
        Rejection { scheme, outcome, answer: Answer::Challenge(challenges) }
    }
}

impl Shared {
    fn load(auth: &Auth, keyed: Keyed) -> Result<Self, String> {
        let (basic, digest) = match (users::load_basic(auth), users::load_digest(auth)) {
            (Ok(basic), Ok(digest)) => (basic, digest),
            (Err(basic), Err(digest)) => return Err(format!("{basic}\n{digest}")),
            (Err(mistakes), Ok(_)) | (Ok(_), Err(mistakes)) => return Err(mistakes),
        };
        let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            realm: auth.realm.clone(),
            keyed,
            basic,
            digest,
            verdicts: Verdicts::new(auth.basic.verdict_ttl, MAX_VERDICTS, at_once),
            hashed: AtomicU64::new(0),
            metrics: None,
        })
    }
}

/// The scheme in front, compared without regard to case.
///
/// Source: RFC 9110 section 11.1.
fn scheme_of(line: &[u8]) -> Scheme {
    let name = line.split(|byte| matches!(byte, b' ' | b'\t' | b',')).next().unwrap_or_default();
    if name.eq_ignore_ascii_case(b"basic") {
        Scheme::Basic
    } else if name.eq_ignore_ascii_case(b"digest") {
        Scheme::Digest
    } else {
        Scheme::None
    }
}
