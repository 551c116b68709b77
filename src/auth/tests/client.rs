//! A gateway's front desk with two users, and a client that knows both schemes.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderName, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Uri};
use sha2::Digest as _;

use crate::auth::digest::{HexHash, algorithm_name, compute_a1};
use crate::auth::{Answer, Authenticator, Presented, Principal, Rejection};
use crate::clock::Clock;
use crate::config::settings::{
    AccessLogTarget, Auth, AuthScheme, Basic, Cache, Digest, DigestAlgorithm, Forward, Limits, Listener, ListenerAuth, Log, Mode,
    Settings,
};
use crate::keyed::Keyed;
use crate::target::{self, Arrival, Target};

/// A realm that needs escapes.
const REALM: &str = "r \"q\"";

/// Settings of one forward listener over files with alice (`secret`) and bob (`se:cret`).
pub(super) fn settings() -> Settings {
    let folder = fixtures();
    Settings {
        listeners: vec![Listener {
            name: "edge".into(),
            address: ([127, 0, 0, 1], 0).into(),
            mode: Mode::Forward,
            auth: ListenerAuth::Proxy,
            tls: None,
            trusted_peers: vec![],
            targeted_fields: vec![],
        }],
        admin: None,
        auth: Auth {
            realm: REALM.into(),
            schemes: vec![AuthScheme::Digest, AuthScheme::Basic],
            basic: Basic {
                htpasswd: Some(folder.join("htpasswd")),
                verdict_ttl: Duration::from_secs(60),
                allow_cleartext: false,
            },
            digest: Digest {
                htdigest: Some(folder.join("htdigest")),
                algorithms: vec![DigestAlgorithm::Sha256],
                nonce_lifetime: Duration::from_secs(300),
            },
            builtin_user: None,
        },
        access: vec![],
        forward: Forward { connect_ports: vec![], allow_ports: vec![], allow_networks: vec![], ca_file: None },
        upstreams: vec![],
        routes: vec![],
        cache: Cache { memory_bytes: 0, max_object_bytes: 0, ..Cache::default() },
        policies: vec![],
        response_policies: Vec::new(),
        warnings: Vec::new(),
        log: Log { json: true, access: AccessLogTarget::Off },
        trace: crate::config::settings::Trace::default(),
        shadow: None,
        limits: Limits {
            header_bytes: 0,
            header_fields: 0,
            header_time: Duration::ZERO,
            idle_time: Duration::ZERO,
            tunnel_idle_time: Duration::ZERO,
            connect_time: Duration::ZERO,
            first_byte_time: Duration::ZERO,
            drain_time: Duration::ZERO,
            connections_per_address: 0,
        },
    }
}

/// The password files, made once for all tests.
fn fixtures() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let basic: String = [("alice", "secret"), ("bob", "se:cret")]
                .map(|(name, password)| format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap()))
                .concat();
            let digest: String = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512_256, DigestAlgorithm::Md5]
                .map(|algorithm| {
                    let mark = if algorithm == DigestAlgorithm::Sha512_256 { "SHA-512-256:" } else { "" };
                    let a1 = compute_a1(algorithm, "alice", REALM, "secret");
                    format!("alice:{REALM}:{mark}{}\n", std::str::from_utf8(a1.as_bytes()).unwrap())
                })
                .concat();
            write_private(&folder.path().join("htpasswd"), &basic);
            write_private(&folder.path().join("htdigest"), &digest);
            folder
        })
        .path()
}

fn write_private(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

pub(super) fn load(settings: &Settings) -> Result<Vec<Authenticator>, String> {
    Authenticator::for_listeners(settings, Keyed::random().unwrap(), &Clock::movable(UNIX_EPOCH))
}

/// The listeners' authenticators and the time.
pub(super) struct Room {
    pub(super) authenticators: Vec<Authenticator>,
    pub(super) clock: Clock,
}

impl Room {
    pub(super) fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let clock = Clock::movable(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        Self { authenticators: load(&settings).unwrap(), clock }
    }

    pub(super) async fn ask(&self, ask: &Ask) -> Result<Principal, Rejection> {
        self.ask_at(0, ask).await
    }

    pub(super) async fn ask_at(&self, listener: usize, ask: &Ask) -> Result<Principal, Rejection> {
        let (uri, target): (Uri, _) = (ask.uri.parse().unwrap(), ask.target());
        let request = Presented { method: &ask.method, uri: &uri, target: &target, fields: &ask.fields, now: self.clock.now() };
        self.authenticators[listener].authenticate(request).await
    }

    /// Whether the first listener takes it for a new proof of this user's.
    pub(super) fn is_proven_again(&self, ask: &Ask, name: &str) -> bool {
        let line = ask.fields[PROXY_AUTHORIZATION].as_bytes();
        self.authenticators[0].is_proven_again(line, name, (&ask.method, &ask.target()), self.clock.now())
    }

    pub(super) fn hashed(&self) -> u64 {
        self.authenticators[0].passwords_hashed()
    }
}

/// The challenges of a rejection.
pub(super) fn lines(rejection: &Rejection) -> Vec<String> {
    match &rejection.answer {
        Answer::Challenge(challenges) => challenges.iter().map(|line| line.to_str().unwrap().to_owned()).collect(),
        Answer::Refuse(error) => panic!("{error}"),
    }
}

/// The schemes of the challenges.
pub(super) fn schemes(rejection: &Rejection) -> Vec<String> {
    lines(rejection).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

/// The field value of Basic credentials.
pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

pub(super) fn sha256(text: &str) -> String {
    sha2::Sha256::digest(text).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    method: Method,
    uri: String,
    fields: HeaderMap,
}

impl Ask {
    pub(super) fn get(path: &str) -> Self {
        Self { method: Method::GET, uri: format!("http://example.com{path}"), fields: HeaderMap::new() }
    }

    pub(super) fn field(mut self, name: HeaderName, value: &str) -> Self {
        self.fields.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(super) fn credentials(self, value: &str) -> Self {
        self.field(PROXY_AUTHORIZATION, value)
    }

    fn target(&self) -> Target {
        let arrival = Arrival { forward: true, tls: false, http10: true };
        target::parse(arrival, &self.method, &self.uri.parse().unwrap(), &HeaderMap::new()).unwrap()
    }

    /// The same credentials for another method.
    pub(super) fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The same credentials for another target.
    pub(super) fn path(mut self, path: &str) -> Self {
        self.uri = format!("http://example.com{path}");
        self
    }

    pub(super) fn replace(mut self, from: &str, to: &str) -> Self {
        let value = self.fields[PROXY_AUTHORIZATION].to_str().unwrap();
        assert!(value.contains(from), "{from} in {value}");
        let value = HeaderValue::from_str(&value.replacen(from, to, 1)).unwrap();
        self.fields.insert(PROXY_AUTHORIZATION, value);
        self
    }

    pub(super) fn without(self, part: &str) -> Self {
        self.replace(part, "")
    }

    pub(super) fn append(mut self, text: &str) -> Self {
        let value = format!("{}{text}", self.fields[PROXY_AUTHORIZATION].to_str().unwrap());
        self.fields.insert(PROXY_AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
        self
    }
}

/// A Digest client that has received a challenge.
#[derive(Clone)]
pub(super) struct Digester {
    user: String,
    password: String,
    algorithm: DigestAlgorithm,
    nonce: String,
    opaque: String,
}

impl Digester {
    /// alice, with the challenge of this algorithm.
    pub(super) async fn new(room: &Room, algorithm: DigestAlgorithm) -> Self {
        let lines = lines(&room.ask(&Ask::get("/")).await.unwrap_err());
        let line = lines.iter().find(|line| line.contains(&format!("algorithm={},", algorithm_name(algorithm)))).unwrap();
        let quoted = |name: &str| {
            let (_, rest) = line.split_once(&format!(" {name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        Self { user: "alice".into(), password: "secret".into(), algorithm, nonce: quoted("nonce"), opaque: quoted("opaque") }
    }

    pub(super) fn with_user(&self, user: &str) -> Self {
        Self { user: user.into(), ..self.clone() }
    }

    pub(super) fn with_password(&self, password: &str) -> Self {
        Self { password: password.into(), ..self.clone() }
    }

    pub(super) fn with_nonce(&self, nonce: &str) -> Self {
        Self { nonce: nonce.into(), ..self.clone() }
    }

    pub(super) fn algorithm(self, algorithm: DigestAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// GET of the resource that `uri` names: a path of example.com, or an absolute URI.
    pub(super) fn get(&self, uri: &str, nc: u32) -> Ask {
        let path = if uri.starts_with('/') { uri } else { "/" };
        Ask::get(path).credentials(&self.credentials("GET", uri, nc))
    }

    /// CONNECT to example.com:443 with this `uri`.
    pub(super) fn connect(&self, uri: &str, nc: u32) -> Ask {
        let ask = Ask { method: Method::CONNECT, uri: "example.com:443".into(), fields: HeaderMap::new() };
        ask.credentials(&self.credentials("CONNECT", uri, nc))
    }

    /// The formulas once more, by another way: strings joined with colons.
    fn credentials(&self, method: &str, uri: &str, nc: u32) -> String {
        let hash = |text: String| match self.algorithm {
            DigestAlgorithm::Sha256 => sha256(&text),
            DigestAlgorithm::Sha512_256 => hex(&sha2::Sha512_256::digest(text)),
            DigestAlgorithm::Md5 => hex(&md5::Md5::digest(text)),
        };
        let Self { user, password, nonce, opaque, .. } = self;
        let a1 = hash(format!("{user}:{REALM}:{password}"));
        let a2 = hash(format!("{method}:{uri}"));
        let response = hash(format!("{a1}:{nonce}:{nc:08x}:cn:auth:{a2}"));
        let algorithm = algorithm_name(self.algorithm);
        assert!(HexHash::parse(self.algorithm, &response).is_some());
        format!(
            "Digest username=\"{user}\", realm=\"r \\\"q\\\"\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}, \
             qop=auth, nc={nc:08x}, cnonce=\"cn\", response=\"{response}\", opaque=\"{opaque}\""
        )
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
