//! Flights under random departures: whoever leaves, and wherever, takes nothing from the others.
//!
//! Every seed sends two to six requests for one cold URL. Some are dropped after a random number of steps of their own
//! future, which is at any `await` of the gateway's, or after a number of reads of their content. The rest must all be
//! answered: in full or visibly broken off, by a response that may be theirs, and nobody is left waiting.
//!
//! `SEEDS=50000 cargo test --test flight_seeds` tries more, `SEED=7` one alone. RFC 9111 sections 3.5 and 4, RFC 9112 section 8.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use support::{Origin, Reply, SeenRequest, reply, test_clock, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use vouchsafe::access_log::Observer;
use vouchsafe::body::{BodyError, ReplyBody};
use vouchsafe::gateway::Gateway;
use vouchsafe::keyed::Keyed;
use vouchsafe::metrics::Metrics;
use vouchsafe::server::Connection;

/// How many seeds a run tries; `SEEDS` changes it.
const SEEDS: u64 = 10_000;

/// What the origin says about a URL; its path names it.
const KINDS: [&str; 9] = ["public", "private", "plain", "vary", "refusing", "failing", "breaking", "chunked", "validated"];

/// Cut off where a future is dropped.
#[derive(Debug, thiserror::Error)]
#[error("left")]
struct Left;

/// Polls what it holds a number of times, and then drops it.
struct Leaving<F> {
    inner: Option<Pin<Box<F>>>,
    polls: u32,
}

impl<F: Future> Future for Leaving<F> {
    type Output = Result<F::Output, Left>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            self.inner = None;
            return Poll::Ready(Err(Left));
        }
        self.polls -= 1;
        let inner = self.inner.as_mut().expect("polled after its end");
        let polled = inner.as_mut().poll(cx).map(Ok);
        if polled.is_pending() && self.polls == 0 {
            // Nobody else would wake it for its end.
            cx.waker().wake_by_ref();
        }
        polled
    }
}

/// Content of which a number of frames is read before the reader leaves.
struct Partly {
    inner: Option<ReplyBody>,
    frames: u32,
}

impl Body for Partly {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.frames == 0 {
            self.inner = None;
            return Poll::Ready(Some(Err(Left.into())));
        }
        self.frames -= 1;
        let Some(inner) = self.inner.as_mut() else { return Poll::Ready(None) };
        Pin::new(inner).poll_frame(cx).map_err(|error: BodyError| error.to_string().into())
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

/// A stream of numbers from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }
}

/// One request of a seed.
#[derive(Clone, Debug)]
struct Plan {
    who: Option<String>,
    method: &'static str,
    /// Steps of its future before it is dropped.
    polls: u32,
    /// Frames of content that it reads before it is dropped.
    frames: u32,
    /// Turns of the scheduler before it is sent.
    delay: u64,
}

impl Plan {
    fn stays(&self) -> bool {
        self.polls == u32::MAX && self.frames == u32::MAX
    }
}

fn plans(chance: &mut Chance) -> Vec<Plan> {
    let count = 2 + chance.below(5);
    let mut plan = |_| {
        let who = [None, Some("alice"), Some("bob"), Some("carol")][usize::try_from(chance.below(4)).unwrap()];
        let method = if chance.below(8) == 0 { "HEAD" } else { "GET" };
        let (leaves, frames) = (chance.below(3), chance.below(4));
        let polls = chance.below(12);
        Plan {
            who: who.map(|name| format!("Bearer {name}")),
            method,
            polls: if leaves == 1 { u32::try_from(polls).unwrap() } else { u32::MAX },
            frames: if leaves == 2 { u32::try_from(frames).unwrap() } else { u32::MAX },
            delay: chance.below(12),
        }
    };
    (0..count).map(&mut plan).collect()
}

/// Says in every few bytes for whom it was made, and for which request it was.
fn content(who: &str, hit: usize) -> Vec<String> {
    (0..3).map(|_| format!("<{who} {hit}>").repeat(5)).collect()
}

/// Counts the requests of each URL.
fn origin_answer(hits: &Mutex<HashMap<String, usize>>, request: &SeenRequest) -> Reply {
    let hit = {
        let mut hits = hits.lock().unwrap();
        let hit = hits.entry(request.target.clone()).or_default();
        *hit += 1;
        *hit
    };
    let who = request.field("authorization").unwrap_or("nobody");
    let kind = request.target.trim_start_matches('/').split('/').next().unwrap();
    let pieces = content(who, hit);
    let said = |status: u16, cache_control: &str| reply(status).field("cache-control", cache_control).body_pieces(pieces.clone());
    match (kind, hit) {
        ("private", _) => said(200, "private, max-age=60"),
        ("plain", _) => said(200, "max-age=60"),
        ("vary", _) => said(200, "public, max-age=60").field("vary", "authorization"),
        ("refusing", 1) => said(403, "public, max-age=60"),
        ("failing", 1) => said(500, "no-transform"),
        ("breaking", 1) => said(200, "public, max-age=60").truncate_after(pieces[0].len() + 3),
        ("chunked", _) => {
            let whole = reply(200).field("cache-control", "public, max-age=60").chunked(pieces.clone());
            if hit == 1 { whole.truncate_after(pieces[0].len() + 20) } else { whole }
        }
        ("validated", _) => said(200, "s-maxage=0").field("etag", format!("\"{hit}\"")),
        _ => said(200, "public, max-age=60"),
    }
}

/// Lets one request through the gateway as hyper would, and leaves where the plan says.
async fn ask(gateway: &Arc<Gateway>, host: SocketAddr, target: &str, plan: &Plan) -> Vec<u8> {
    for _ in 0..plan.delay {
        tokio::task::yield_now().await;
    }
    let (mut client, server) = duplex(256);
    let serving = tokio::spawn(serve(Arc::clone(gateway), server, plan.clone()));
    let credentials = plan.who.as_ref().map(|who| format!("Authorization: {who}\r\n")).unwrap_or_default();
    let head = format!("{} {target} HTTP/1.1\r\nHost: {host}\r\n{credentials}Connection: close\r\n\r\n", plan.method);
    // Who is dropped early leaves both ends of the pipe to fail.
    drop(client.write_all(head.as_bytes()).await);
    let mut answer = Vec::new();
    drop(client.read_to_end(&mut answer).await);
    drop(serving.await);
    answer
}

async fn serve(gateway: Arc<Gateway>, stream: DuplexStream, plan: Plan) {
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let connection = Arc::new(Connection::new(peer, false));
    let service = service_fn(move |request: Request<Incoming>| {
        let inner = Box::pin(Arc::clone(&gateway).handle(Arc::clone(&connection), 0, request.map(Some)));
        let leaving = Leaving { inner: Some(inner), polls: plan.polls };
        let frames = plan.frames;
        async move {
            let answer: Response<ReplyBody> = leaving.await?;
            Ok::<_, Left>(answer.map(|inner| Partly { inner: Some(inner), frames }))
        }
    });
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// An answer as the client read it.
struct Read {
    status: u16,
    content: String,
    is_whole: bool,
    cache_status: String,
}

fn read(bytes: &[u8], method: &str) -> Read {
    let text = String::from_utf8_lossy(bytes);
    // What breaks off may do so before a narrow pipe has taken the head; such an answer is not whole.
    let (head, content) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let is_cut = !text.contains("\r\n\r\n");
    assert!(text.starts_with("HTTP/1.1 "), "expected an answer, found {text:?}");
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length = field("content-length").and_then(|value| value.parse::<usize>().ok());
    let is_chunked = field("transfer-encoding").is_some();
    let (content, is_whole) = if is_chunked { joined(content) } else { (content.to_owned(), length == Some(content.len())) };
    Read {
        status: head[9..12].parse().unwrap(),
        is_whole: !is_cut && (method == "HEAD" || is_whole),
        content,
        cache_status: field("cache-status").unwrap_or_default(),
    }
}

/// Chunked content, and whether its last chunk is there (RFC 9112 section 7.1).
fn joined(mut chunks: &str) -> (String, bool) {
    let mut content = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return (content, true);
        }
        content.push_str(&rest[..size.min(rest.len())]);
        chunks = rest.get(size + 2..).unwrap_or_default();
    }
    (content, false)
}

/// For whom an answer was made; all of its bytes must agree.
fn made_for(content: &str) -> Option<String> {
    let first = content.split('>').next().filter(|first| first.starts_with('<'))?;
    let whole = format!("{first}>").repeat(15);
    assert!(whole.starts_with(content), "bytes of two answers in one: {content:?}");
    first.rsplit_once(' ').map(|(who, _)| who.trim_start_matches('<').to_owned())
}

/// May an answer made for `made_for` be this asker's? Straight from RFC 9111 section 3.5.
fn is_permitted(kind: &str, status: u16, made_for: &str, asker: &str) -> bool {
    let is_shared = matches!(kind, "public" | "refusing" | "failing" | "breaking" | "chunked") && status == 200;
    let is_for_anybody = kind == "plain" && made_for == "nobody";
    made_for == asker || is_shared || is_for_anybody
}

fn judge(kind: &str, plan: &Plan, bytes: &[u8]) {
    let answer = read(bytes, plan.method);
    let asker = plan.who.as_deref().unwrap_or("nobody");
    // A leader's truncated content is broken off for everybody who shares it, and never looks complete.
    let breaks = matches!(kind, "breaking" | "chunked");
    assert!(answer.is_whole || breaks, "{plan:?}: broken off: {}", answer.content);
    // A failure shown to somebody is what the origin said to them.
    assert!(matches!(answer.status, 200 | 403 | 500) || breaks, "{plan:?}: {}", answer.status);
    if plan.method == "HEAD" || answer.status >= 502 {
        return;
    }
    assert!(!answer.is_whole || answer.content.split('>').count() == 16, "{plan:?}: short and complete: {:?}", answer.content);
    let Some(made_for) = made_for(&answer.content) else {
        assert!(!answer.is_whole, "{plan:?}: {:?}", answer.content);
        return;
    };
    let is_permitted = is_permitted(kind, answer.status, &made_for, asker);
    assert!(is_permitted, "{kind}: {asker} was shown what was made for {made_for}: {}", answer.cache_status);
}

fn gateway(origin: &Origin) -> (Arc<Gateway>, Arc<Metrics>) {
    let text = format!(
        "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"gateway\"\nauth = \"none\"\n\
         [[upstream]]\nname = \"origin\"\nservers = [\"http://{}\"]\n[[route]]\nupstream = \"origin\"\n\
         [cache]\ncollapse_wait = \"60s\"\n[log]\naccess = \"off\"\n",
        origin.address()
    );
    let settings = Arc::new(vouchsafe::config::parse(&text, "seeds.toml", Path::new(".")).expect("settings"));
    let (clock, keyed) = (test_clock(), Keyed::random().unwrap());
    let metrics = Arc::new(Metrics::new(&settings));
    let observer = Arc::new(Observer::new(&settings, Arc::clone(&metrics), clock.clone(), keyed).unwrap());
    origin.dated_by(&clock);
    (Gateway::new(settings, clock, observer, &[]).unwrap(), metrics)
}

async fn run(gateway: &Arc<Gateway>, origin: &Origin, seed: u64) {
    let mut chance = Chance(seed);
    let kind = KINDS[usize::try_from(chance.below(KINDS.len() as u64)).unwrap()];
    let target = format!("/{kind}/{seed}");
    let mut plans = plans(&mut chance);
    // One at least is there to tell.
    plans[0] = Plan { polls: u32::MAX, frames: u32::MAX, delay: 3, ..plans[0].clone() };
    let asking = plans.iter().map(|plan| {
        let (gateway, plan, target, host) = (Arc::clone(gateway), plan.clone(), target.clone(), origin.address());
        tokio::spawn(async move { (ask(&gateway, host, &target, &plan).await, plan) })
    });
    for asked in asking.collect::<Vec<_>>() {
        let (answer, plan) = within("an answer to everybody who stays", asked).await.unwrap();
        if plan.stays() {
            judge(kind, &plan, &answer);
        }
    }
    let late = Plan { who: Some("Bearer late".to_owned()), method: "GET", polls: u32::MAX, frames: u32::MAX, delay: 0 };
    judge(kind, &late, &within("an answer to who comes after", ask(gateway, origin.address(), &target, &late)).await);
}

#[tokio::test]
async fn n054_n063_whoever_leaves_takes_nothing_from_the_others() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let hits = Mutex::default();
    let origin = Origin::serving(move |request| origin_answer(&hits, request)).await;
    let (gateway, metrics) = gateway(&origin);
    let seeds = number("SEED").map_or(0..number("SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let mut tried = 0;
    for seed in seeds {
        let _named = Named(seed);
        run(&gateway, &origin, seed).await;
        origin.take();
        tried += 1;
    }
    support::eventually("no flight left in the air", || async {
        gateway.maintain();
        let text = metrics.render();
        let left = support::observe::sum_of(&text, "vouchsafe_flights", &[]);
        let waiting = support::observe::sum_of(&text, "vouchsafe_flight_waiting", &[]);
        if left + waiting > 0.0 { Err(format!("{left} flights, {waiting} waiting")) } else { Ok(()) }
    })
    .await;
    let text = metrics.render();
    for outcome in ["shared", "released", "handed-over", "regrouped"] {
        let count = support::observe::sum_of(&text, "vouchsafe_flight_followers_total", &[("outcome", outcome)]);
        assert!(count >= 1.0 || tried < 100, "no follower was ever {outcome}: the seeds prove little");
        eprintln!("followers {outcome}: {count}");
    }
}

/// Tells the seed of a test that fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with SEED={}", self.0);
        }
    }
}
