//! Digest proofs: what is taken for one says exactly what was proven.
//!
//! RFC 7616 sections 3.4, 3.4.1 and 3.4.6.
//!
//! # Deviations
//!
//! none

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderValue, PROXY_AUTHORIZATION};
use http::{Method, Uri};
use sha2::Digest as _;

use super::{Sure as _, number_of};
use crate::auth::grammar::{self, Parameters, Payload};
use crate::auth::{Answer, Authenticator, Presented, Principal, Recognised, Rejection};
use crate::clock::Clock;
use crate::config::embedded_default;
use crate::keyed::Keyed;
use crate::target::{Target, parse_uri};

const PASSWORD: &str = "open sesame";

const URI: &str = "http://example.com/a?b=c";

/// The time, in milliseconds.
static MOMENT: AtomicU64 = AtomicU64::new(0);

/// The proof that a client writes.
const TRUE: &str = "Digest username=\"guest\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm=SHA-256, qop=auth, \
                    nc=00000001, cnonce=\"cn\", response=\"{response}\", opaque=\"{opaque}\"";

/// What a challenge gives, and the proof that belongs to it.
struct Given {
    realm: String,
    nonce: String,
    opaque: String,
    response: String,
}

/// The input is a field value in which `{realm}`, `{nonce}`, `{uri}`, `{opaque}` and `{response}` stand for what a client that knows
/// the password would write.
///
/// Whatever is accepted has exactly these values, and no more than once; a true proof with one octet changed is accepted only
/// if it still has them.
pub fn proof(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let given = Given::new();
    check(&given.fill(text), &given);
    let given = Given::new();
    let mut line = given.fill(TRUE).into_bytes();
    let number = number_of(data);
    let at = number % line.len();
    line[at] = u8::try_from(number / line.len() % 256).unwrap_or_default();
    if let Ok(line) = std::str::from_utf8(&line) {
        check(line, &given);
    }
    // Nothing that was refused used the count.
    let given = Given::new();
    let line = given.fill(TRUE);
    let without_last = line.strip_suffix('"').unwrap_or_default();
    assert!(ask(without_last, &Method::GET).is_err() && ask(&line, &Method::HEAD).is_err());
    assert!(ask(&line, &Method::GET).is_ok() && ask(&line, &Method::GET).is_err(), "a count is used once");
}

/// Accepted only with the true values, and then once.
fn check(line: &str, given: &Given) {
    if HeaderValue::from_str(line).is_err() {
        return;
    }
    assert!(ask(line, &Method::POST).is_err(), "{line} proves a method that it was not made for");
    let Ok(principal) = ask(line, &Method::GET) else { return };
    assert_eq!(principal.name.as_deref(), Some("guest"));
    let Ok(grammar::Credentials { payload: Payload::Parameters(parameters), .. }) = grammar::parse(line.as_bytes()) else {
        panic!("{line} is accepted and does not parse");
    };
    assert!(given.are_said_by(&parameters), "{line} is accepted");
    assert!(ask(line, &Method::GET).is_err(), "{line} is accepted twice");
}

impl Given {
    /// The formulas by another way: strings joined with colons.
    fn new() -> Self {
        // Of very many nonces of one moment some are refused, as they may have been forgotten.
        MOMENT.fetch_add(1, Ordering::Relaxed);
        let Err(Rejection { answer: Answer::Challenge(challenges), .. }) = judge(&HeaderMap::new(), &Method::GET) else {
            panic!("expected a challenge");
        };
        let challenge = challenges.iter().filter_map(|line| line.to_str().ok()).find(|line| line.contains("SHA-256,"));
        let challenge = challenge.sure("a challenge for SHA-256");
        let quoted = |name: &str| {
            let (_, rest) = challenge.split_once(&format!("{name}=\"")).sure("a parameter");
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let (realm, nonce, opaque) = (quoted("realm"), quoted(" nonce"), quoted("opaque"));
        let hash = |text: String| -> String { sha2::Sha256::digest(text).iter().map(|octet| format!("{octet:02x}")).collect() };
        let (a1, a2) = (hash(format!("guest:{realm}:{PASSWORD}")), hash(format!("GET:{URI}")));
        let response = hash(format!("{a1}:{nonce}:00000001:cn:auth:{a2}"));
        Self { realm, nonce, opaque, response }
    }

    fn fill(&self, text: &str) -> String {
        let Self { realm, nonce, opaque, response } = self;
        text.replace("{realm}", realm)
            .replace("{nonce}", nonce)
            .replace("{opaque}", opaque)
            .replace("{response}", response)
            .replace("{uri}", URI)
    }

    fn are_said_by(&self, parameters: &Parameters<'_>) -> bool {
        let says = |name, value: &str| parameters.value(name) == Some(value);
        let says_in_any_case = |name, value: &str| parameters.value(name).is_some_and(|said| said.eq_ignore_ascii_case(value));
        says("realm", &self.realm)
            && says("nonce", &self.nonce)
            && says("opaque", &self.opaque)
            && says("uri", URI)
            && says("nc", "00000001")
            && says("cnonce", "cn")
            && says_in_any_case("response", &self.response)
            && says_in_any_case("qop", "auth")
            && says_in_any_case("algorithm", "SHA-256")
            && (says("username", "guest") != parameters.value("username*").is_some())
    }
}

/// Who asks with this field, as far as no password is hashed.
fn ask(line: &str, method: &Method) -> Result<Principal, ()> {
    let value = HeaderValue::from_str(line).map_err(drop)?;
    judge(&HeaderMap::from_iter([(PROXY_AUTHORIZATION, value)]), method).map_err(drop)
}

fn judge(fields: &HeaderMap, method: &Method) -> Result<Principal, Rejection> {
    static DESK: OnceLock<(Authenticator, Target, Uri)> = OnceLock::new();
    let (desk, target, uri) = DESK.get_or_init(|| {
        let settings = embedded_default(PASSWORD.to_owned());
        let keyed = Keyed::random().sure("random numbers");
        let mut desks = Authenticator::for_listeners(&settings, keyed, &Clock::system()).sure("a listener");
        (desks.remove(0), parse_uri(URI).sure("a target"), URI.parse().sure("a URI"))
    });
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_000 + MOMENT.load(Ordering::Relaxed));
    match desk.recognise(Presented { method, uri, target, fields, now }) {
        Recognised::Known(result) => result,
        Recognised::Unverified(_) => judge(&HeaderMap::new(), method),
    }
}
