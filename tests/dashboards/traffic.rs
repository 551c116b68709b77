//! Traffic in which everything happens that a panel shows.

use std::net::SocketAddr;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use vouchsafe::clock::Clock;

use crate::support::client::basic;
use crate::support::wire::Wire;
use crate::support::{Answer, Client, Gate, Gateway, Origin, Reply, SeenRequest, eventually, reply, secs, test_clock};

pub struct Traffic {
    gateway: Gateway,
    /// Where the shadow's candidate is.
    _folder: TempDir,
    origin: Origin,
    /// Nobody listens there.
    absent: Origin,
    clock: Clock,
    /// Before the answer to each flight's leader.
    gates: [Gate; 3],
    /// Open as long as the traffic lasts.
    _tunnel: Wire,
}

/// A flight with a leader and a follower, in the air.
pub struct Held {
    gate: Gate,
    requests: [JoinHandle<Answer>; 2],
}

impl Held {
    /// Lets it land.
    pub async fn end(self) {
        self.gate.open();
        for request in self.requests {
            assert_eq!(request.await.expect("no panic").status, 200);
        }
    }
}

const RULES: &str =
    "[[access]]\nname = \"no-deletes\"\nallow = false\nmethods = [\"DELETE\"]\n[[access]]\nname = \"rest\"\nallow = true\n";

/// Under which less is answered from the store, and what is longer than a second is validated.
const CANDIDATE: &str = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n\
                         [[policy]]\nname = \"default\"\nmax_ttl = \"1s\"\n";

/// One answer for each decision that the cache can come to.
fn answer(request: &SeenRequest, gates: &[Gate; 3]) -> Reply {
    let shared = |says: &str| reply(200).field("cache-control", says).field("etag", "\"a\"");
    let asker = request.field("authorization").unwrap_or("nobody").to_owned();
    let path = request.target.split('?').next().unwrap_or_default();
    let number = request.target.split_once('?').and_then(|(_, number)| number.parse::<usize>().ok());
    match path {
        "/slow" => shared("public, max-age=600").body("slow").gate(&gates[number.expect("which flight")]),
        "/public" => shared("public, max-age=600").body(format!("for {asker}")),
        "/seconds" => shared("s-maxage=600").body("seconds"),
        "/must" => shared("max-age=600, must-revalidate").body("must"),
        "/judged" if request.field("if-none-match").is_some() => {
            reply(304).field("etag", "\"a\"").field("cache-control", "s-maxage=0")
        }
        "/judged" => shared("s-maxage=0").body("judged"),
        "/private" => shared("private, max-age=600").body("private"),
        "/broken" => reply(500),
        _ if path.starts_with("/large") => reply(200).field("cache-control", "max-age=600").body(vec![b'x'; 400 << 10]),
        _ => reply(200).field("cache-control", "max-age=600").body("mine"),
    }
}

impl Traffic {
    pub async fn start() -> Self {
        let clock = test_clock();
        let gates = [Gate::new(), Gate::new(), Gate::new()];
        let known = gates.clone();
        let origin = Origin::serving(move |request| answer(request, &known)).await;
        let absent = Origin::serving(|_| reply(200)).await;
        absent.stop().await;
        let builder = Gateway::forward(&clock).origin(&origin).port(absent.address().port());
        let builder = builder.set("cache", "memory = \"1MiB\"").set("cache", "collapse_wait = \"60s\"");
        let folder = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(folder.path().join("candidate.toml"), CANDIDATE).expect("a writable directory");
        let shadow = format!("[shadow]\nconfig = \"{}\"\n", folder.path().join("candidate.toml").display());
        let gateway = builder.policy("canary = 1.0").append(RULES).append(&shadow).start().await;
        let tunnel = gateway.client("bob").connect(&origin.address().to_string()).await.expect("a tunnel");
        Self { gateway, origin, absent, clock, gates, _folder: folder, _tunnel: tunnel }
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.gateway.admin_address()
    }

    /// Everything once; rounds differ in what has to be new.
    pub async fn round(&self, number: usize) {
        let (alice, bob) = (self.user("alice"), self.user("bob"));
        let evicted = self.evictions().await;
        for path in ["/public", "/seconds", "/must", "/judged", "/private", "/own", "/broken"] {
            let path = format!("{path}?{number}");
            alice.get(&path).await;
            bob.get(&path).await;
        }
        for path in 0..4 {
            self.gateway.client("alice").get(&format!("/large{number}-{path}")).await;
        }
        alice.clone().with("cache-control", "max-stale").get("/private").await;
        alice.request("DELETE", "/own").send().await;
        alice.request("POST", "/own").send().await;
        alice.clone().towards(&self.absent).get("/").await;
        self.strangers(number).await;
        self.fly(number).await.end().await;
        self.gateway.reload(|text| text + "nonsense").await.expect_err("a configuration that is refused");
        let mut tunnel = bob.connect(&self.origin.address().to_string()).await.expect("a tunnel");
        tunnel.send("GET /in HTTP/1.1\r\nhost: a\r\n\r\n").await;
        tunnel.answer("GET").await;
        self.clock.advance(secs(5));
        self.wait_for_evictions(evicted).await;
        self.gateway.metric_is("vouchsafe_tunnels", &[], 2.0).await;
        drop(tunnel);
        self.gateway.metric_is("vouchsafe_tunnels", &[], 1.0).await;
    }

    /// The store makes room when its maintenance runs.
    async fn wait_for_evictions(&self, before: f64) {
        eventually("room to be made", async || {
            let found = self.evictions().await;
            if found > before { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    async fn evictions(&self) -> f64 {
        self.gateway.metric("vouchsafe_cache_evictions_total", &[("reason", "size")]).await
    }

    /// A flight that is seen by scrapes.
    pub async fn hold(&self) -> Held {
        let held = self.fly(2).await;
        self.gateway.metric_is("vouchsafe_flights", &[], 1.0).await;
        held
    }

    async fn fly(&self, number: usize) -> Held {
        let (gate, path) = (self.gates[number].clone(), format!("/slow?{number}"));
        let leader = tokio::spawn(self.user("alice").get(&path));
        gate.wait_reached().await;
        let follower = tokio::spawn(self.user("bob").get(&path));
        self.gateway.metric_is("vouchsafe_flight_waiting", &[], 1.0).await;
        Held { gate, requests: [leader, follower] }
    }

    /// Requests that are not let in.
    async fn strangers(&self, number: usize) {
        let nobody = self.gateway.anonymous();
        nobody.get("/own").await;
        for credentials in [basic("alice", &format!("guess{number}")), basic(&format!("user{number}"), "x"), "Basic ?".to_owned()]
        {
            nobody.clone().with("proxy-authorization", &credentials).get("/own").await;
        }
    }

    fn user(&self, name: &str) -> Client {
        self.gateway.client(name).authorization(&format!("Bearer {name}"))
    }
}
