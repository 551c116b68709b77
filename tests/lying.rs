//! Origins that lie, and clients that leave at any byte: nothing wrong is stored or shared, nothing is held for ever, and
//! whoever else asks is answered as if nothing had been.
//!
//! RFC 9111 sections 3, 3.3, 3.5, 4.1 and 4.3; RFC 9112 section 8. What a lie is made of stands in a table, told once with
//! nothing stored and once to a validation; who asks after it and who waits beside it have other credentials.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::large_futures,
    unreachable_pub,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

#[path = "lying/endless.rs"]
mod endless;
#[path = "lying/leaving.rs"]
mod leaving;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use support::cases::Cases;
use support::{Answer, Client, Gate, Gateway, Origin, Reply, SeenRequest, raw, reply, test_clock};

const TAG: &str = "\"v1\"";
/// What the honest origin says: everybody may see it, and is asked about.
const SAYS: &str = "s-maxage=0";
/// What a liar says, so that all of it would be kept and shared if it could.
const SHARED: &str = "public, max-age=60, s-maxage=60";

/// One lie, told to Bob alone; everybody else is answered honestly.
struct Lie {
    id: &'static str,
    /// A field line of Bob's request besides his credentials.
    asks: &'static str,
    /// The response: lines divided by `|`, an empty one before the content. It says [`SHARED`] unless it says otherwise.
    told: &'static str,
    /// What Bob gets: status, content, whether all of it came.
    bob: (u16, &'static str, bool),
}

const fn told(id: &'static str, asks: &'static str, told: &'static str, bob: (u16, &'static str, bool)) -> Lie {
    Lie { id, asks, told, bob }
}

const ALICES: &str = "[Bearer alice]";
const WHOLE: bool = true;
const BROKEN: bool = false;

/// Told when nothing is stored.
const COLD: &[Lie] = &[
    told("304 without a stored response", "", "304 N|etag: \"v1\"||", (304, "", WHOLE)),
    told("304 with content", "", "304 N|etag: \"v1\"|content-length: 3||lie", (304, "", WHOLE)),
    told("304 to a tag of Bob's", "if-none-match: \"mine\"", "304 N|etag: \"v1\"||", (304, "", WHOLE)),
    told("206 without asking", "", "206 P|etag: \"v1\"|content-range: bytes 0-2/9|content-length: 3||lie", (206, "lie", WHOLE)),
    told("206 of the whole, unasked", "", "206 P|content-range: bytes 0-2/3|content-length: 3||lie", (206, "lie", WHOLE)),
    told("206 of nothing", "", "206 P|etag: \"v1\"|content-length: 3||lie", (206, "lie", WHOLE)),
    told(
        "206 of another range",
        "range: bytes=0-2",
        "206 P|etag: \"v1\"|content-range: bytes 5-7/9|content-length: 3||lie",
        (206, "lie", WHOLE),
    ),
    told("206 without a tag", "range: bytes=0-2", "206 P|content-range: bytes 0-2/3|content-length: 3||lie", (206, "lie", WHOLE)),
    told(
        "206 in parts",
        "range: bytes=0-0,2-2",
        "206 P|etag: \"v1\"|content-type: multipart/byteranges; boundary=b|content-length: 3||lie",
        (206, "lie", WHOLE),
    ),
    told("416 for everybody", "range: bytes=99-", "416 R|content-range: bytes */3|content-length: 3||lie", (416, "lie", WHOLE)),
    told("416 without asking", "", "416 R|content-length: 3||lie", (416, "lie", WHOLE)),
    told("412 for everybody", "if-match: \"mine\"", "412 P|content-length: 3||lie", (412, "lie", WHOLE)),
    told("412 without asking", "", "412 P|content-length: 3||lie", (412, "lie", WHOLE)),
    told("401 for everybody", "", "401 U|www-authenticate: Bearer|content-length: 3||lie", (401, "lie", WHOLE)),
    told("407 for everybody", "", "407 P|proxy-authenticate: Basic|content-length: 3||lie", (502, "", WHOLE)),
    told("no permission", "", "200 O|cache-control: max-age=60|etag: \"v1\"|content-length: 3||lie", (200, "lie", WHOLE)),
    told("told apart by credentials", "", "200 O|vary: authorization|content-length: 3||lie", (200, "lie", WHOLE)),
    told("told apart by everything", "", "200 O|vary: *|content-length: 3||lie", (200, "lie", WHOLE)),
    told("told apart by a field", "", "200 O|vary: accept|vary: X-Who|content-length: 3||lie", (200, "lie", WHOLE)),
    told("shorter than its length", "", "200 O|content-length: 9||lie", (200, "lie", BROKEN)),
    told("shorter, without permission", "", "200 O|cache-control: max-age=60|content-length: 9||lie", (200, "lie", BROKEN)),
    told("without its last chunk", "", "200 O|transfer-encoding: chunked||3|lie|", (200, "lie", BROKEN)),
    told("in a chunk that is no chunk", "", "200 O|transfer-encoding: chunked||3|lie|lie|0||", (200, "lie", BROKEN)),
    told(
        "in a chunk too long for numbers",
        "",
        "200 O|transfer-encoding: chunked||3|lie|fffffffffffffffff|lie",
        (200, "lie", BROKEN),
    ),
    told("of the greatest length", "", "200 O|content-length: 18446744073709551613||lie", (200, "lie", BROKEN)),
    told("of a length beyond numbers", "", "200 O|content-length: 99999999999999999999||lie", (502, "", WHOLE)),
    told("longer than its length", "", "200 O|vary: x-who|content-length: 3||lie and more", (200, "lie", WHOLE)),
    told("content where there is none", "", "204 N|vary: x-who|content-length: 3||lie", (204, "", WHOLE)),
];

/// Told to a validation of what Alice filled.
const JUDGED: &[Lie] = &[
    told("304 for another tag, again and again", "", "304 N|etag: \"v2\"||", (502, "", WHOLE)),
    told("304 for no tag at all, again and again", "", "304 N|etag: v1||", (502, "", WHOLE)),
    told("304 of another length", "", "304 N|cache-control: s-maxage=0|etag: \"v1\"|content-length: 3||", (200, ALICES, WHOLE)),
    told(
        "304 of another coding and range",
        "",
        "304 N|cache-control: s-maxage=0|content-encoding: gzip|content-range: bytes 0-2/3||",
        (200, ALICES, WHOLE),
    ),
    told("304 with content", "", "304 N|cache-control: s-maxage=0|content-length: 3||lie", (200, ALICES, WHOLE)),
    told("304 that takes the permission back", "", "304 N|cache-control: max-age=60||", (200, ALICES, WHOLE)),
    told("304 that tells apart", "", "304 N|vary: x-who||", (200, ALICES, WHOLE)),
    told("206 without asking", "", "206 P|etag: \"v1\"|content-range: bytes 0-2/9|content-length: 3||lie", (206, "lie", WHOLE)),
    told("206 without a tag", "range: bytes=0-2", "206 P|content-range: bytes 0-2/3|content-length: 3||lie", (206, "lie", WHOLE)),
    told("416 without asking", "", "416 R|content-length: 3||lie", (416, "lie", WHOLE)),
    told("412 to our condition", "", "412 P|content-length: 3||lie", (412, "lie", WHOLE)),
    told("403 for everybody", "", "403 F|content-length: 3||lie", (403, "lie", WHOLE)),
    told("no permission", "", "200 O|cache-control: max-age=60|etag: \"v2\"|content-length: 3||lie", (200, "lie", WHOLE)),
    told("told apart by credentials", "", "200 O|vary: authorization|content-length: 3||lie", (200, "lie", WHOLE)),
    told("told apart by a field", "", "200 O|vary: x-who|content-length: 3||lie", (200, "lie", WHOLE)),
    told("shorter than its length", "", "200 O|content-length: 9||lie", (200, "lie", BROKEN)),
    told("without its last chunk", "", "200 O|transfer-encoding: chunked||3|lie|", (200, "lie", BROKEN)),
];

impl Lie {
    fn reply(&self) -> Reply {
        let (line, rest) = self.told.split_once('|').expect("a status line");
        let says = if rest.contains("cache-control") { String::new() } else { format!("cache-control: {SHARED}\r\n") };
        raw(format!("HTTP/1.1 {line}\r\n{says}{}", rest.replace('|', "\r\n"))).close()
    }

    /// Without credentials Bob's answer needs no permission.
    fn is_for_anybody(&self) -> bool {
        self.told.starts_with("200 ") && self.told.contains("cache-control")
    }
}

fn honest(request: &SeenRequest) -> Reply {
    let status = if request.field("if-none-match").is_some_and(|tags| tags.contains(TAG)) { 304 } else { 200 };
    let who = request.field("authorization").unwrap_or("nobody");
    reply(status).field("cache-control", SAYS).field("etag", TAG).body(format!("[{who}]"))
}

/// How Carol comes: when the lie has been told, for all or for a part, or while it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    After,
    AfterForAPart,
    Beside,
}

/// One telling of a lie, on a target of its own.
struct Telling<'a> {
    lie: &'a Lie,
    is_cold: bool,
    has_credentials: bool,
    comes: Comes,
    target: String,
}

/// Where each lie is told, and what holds it back until Carol is there.
type Held = Arc<Mutex<HashMap<String, (Reply, Gate)>>>;

fn person(gateway: &Gateway, who: &str, has_credentials: bool) -> Client {
    let client = gateway.anonymous().with("x-who", who);
    if has_credentials { client.authorization(&format!("Bearer {who}")) } else { client }
}

impl Telling<'_> {
    /// What Bob and Carol were told.
    async fn tell(&self, gateway: &Gateway, origin: &Origin, held: &Held) -> (Answer, Answer) {
        let gate = Gate::new();
        held.lock().unwrap().insert(self.target.clone(), (self.lie.reply(), gate.clone()));
        let request = person(gateway, "bob", self.has_credentials).unpooled().request("GET", &self.target);
        let asks = self.lie.asks.split_once(": ");
        let request = asks.into_iter().fold(request, |request, (name, value)| request.field(name, value));
        let before = origin.count();
        let bob = tokio::spawn(request.send());
        gate.wait_reached().await;
        let carol = person(gateway, "carol", true).unpooled();
        let carol = if self.comes == Comes::AfterForAPart { carol.with("range", "bytes=0-2") } else { carol };
        let beside = (self.comes == Comes::Beside).then(|| tokio::spawn(carol.get(&self.target)));
        if beside.is_some() {
            tokio::select! {
                () = gateway.metric_is("vouchsafe_flight_waiting", &[], 1.0) => {}
                () = origin.wait_for(before + 2) => {}
            }
        }
        gate.open();
        let bob = bob.await.expect("an answer");
        let carol = match beside {
            Some(beside) => beside.await.expect("an answer"),
            None => carol.get(&self.target).await,
        };
        (bob, carol)
    }

    async fn check(&self, gateway: &Gateway, origin: &Origin, held: &Held, cases: &mut Cases) {
        let Self { lie, is_cold, has_credentials, comes, target } = self;
        let id = format!("{} (cold {is_cold}, Bob has credentials {has_credentials}, Carol comes {comes:?})", lie.id);
        if !is_cold {
            cases.expect(&id, person(gateway, "alice", true).get(target).await.stored(), true);
        }
        let (bob, carol) = self.tell(gateway, origin, held).await;
        let (status, content, is_whole) = lie.bob;
        let text = if status == 502 { String::new() } else { bob.text() };
        let is_told = if is_whole { (bob.status, text.as_str(), bob.complete) == lie.bob } else { is_broken_off(&bob, content) };
        cases.check(&id, is_told, (bob.status, text, bob.complete));
        // Public content that breaks off does so for everybody who reads it; nothing else of Bob's is Carol's.
        let may_break = *is_cold && *comes == Comes::Beside && !is_whole && !lie.told.contains("cache-control");
        let is_honest = carol.text() == "[Bearer carol]" || !is_cold && carol.text() == ALICES;
        let is_part = *comes == Comes::AfterForAPart && (carol.status, carol.text().as_str()) == (206, "[Be");
        let is_right = carol.complete && (carol.status == 200 && is_honest || is_part);
        let seen = (carol.status, carol.text(), carol.complete, carol.cache_status());
        cases.check(&id, is_right || may_break && is_broken_off(&carol, content), seen);
        for _ in 0..2 {
            let dave = person(gateway, "dave", !has_credentials).get(target).await;
            let is_right = dave.status == 200 && dave.complete && dave.text().starts_with('[');
            cases.check(&id, is_right, (dave.status, dave.text(), dave.cache_status()));
        }
    }
}

/// Visibly so; how much of it still comes through, and whether its head does, is nobody's promise.
fn is_broken_off(answer: &Answer, content: &str) -> bool {
    matches!(answer.status, 0 | 200) && !answer.complete && content.starts_with(&answer.text())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_n090_what_an_origin_tells_one_asker_wrongly_reaches_no_other() {
    let clock = test_clock();
    let held = Held::default();
    let lies = Arc::clone(&held);
    let origin = Origin::serving(move |request| match request.field("x-who") {
        Some("bob") => {
            let lies = lies.lock().unwrap();
            let (lie, gate) = &lies[&request.target];
            lie.clone().gate(gate)
        }
        _ => honest(request),
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "collapse_wait = \"60s\"").start().await;
    let mut cases = Cases::new();
    let rows = COLD.iter().map(|lie| (lie, true)).chain(JUDGED.iter().map(|lie| (lie, false)));
    for (number, (lie, is_cold)) in rows.enumerate() {
        for has_credentials in [true, false] {
            for comes in [Comes::After, Comes::AfterForAPart, Comes::Beside] {
                let target = format!("/{number}/{has_credentials}/{comes:?}");
                let telling = Telling { lie, is_cold, has_credentials, comes, target };
                if has_credentials || !lie.is_for_anybody() {
                    telling.check(&gateway, &origin, &held, &mut cases).await;
                }
            }
        }
    }
    gateway.metric_is("vouchsafe_flights", &[], 0.0).await;
    gateway.metric_is("vouchsafe_flight_waiting", &[], 0.0).await;
    cases.finish(1000);
}
