//! Content without an end, and content that breaks off again and again: nobody pulls for nobody, what a transfer held is
//! given back, and others are served and stored meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::cases::Cases;
use crate::support::request::Incoming;
use crate::support::wire::{Wire, field};
use crate::support::{Client, Gateway, Origin, eventually, reply, test_clock};

const MEMORY: usize = 1 << 20;
const MOST: usize = 256 << 10;

/// An origin that does not stop: `/chunks`, `/length` and `/close` never end, whatever else is asked for is short.
struct Endless {
    address: std::net::SocketAddr,
    /// Answers without an end that somebody still takes.
    going: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endless {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let going = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&going);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(Wire::new(stream), Arc::clone(&counted)));
            }
        });
        Self { address, going, task }
    }

    fn gateway(&self) -> String {
        let listener = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"gateway\"\nauth = \"none\"\n";
        let upstream = format!("[[upstream]]\nname = \"origin\"\nservers = [\"http://{}\"]\n", self.address);
        let cache = format!("[cache]\nmemory = \"{MEMORY}B\"\nmax_object = \"{MOST}B\"\n");
        format!(
            "{listener}{upstream}[[route]]\nupstream = \"origin\"\n{cache}[admin]\naddress = \"127.0.0.1:0\"\n[log]\naccess = \"off\"\n"
        )
    }

    async fn is_left_alone(&self) {
        eventually("the origin to be left alone", async || match self.going.load(Ordering::SeqCst) {
            0 => Ok(()),
            going => Err(format!("{going} answers are still taken")),
        })
        .await;
    }
}

/// Answers what is asked over this connection, until nobody takes it any more.
async fn answer(mut wire: Wire, going: Arc<AtomicUsize>) {
    while let Some(head) = wire.head().await {
        let who = field(&head.fields, "authorization").unwrap_or("nobody").to_owned();
        let path = head.start_line.split(' ').nth(1).unwrap_or_default();
        let framing = match path.split('/').nth(1) {
            Some("chunks") => "transfer-encoding: chunked\r\n",
            Some("length") => "content-length: 9000000000000000000\r\n",
            Some("close") => "connection: close\r\n",
            _ => {
                let said = "HTTP/1.1 200 OK\r\ncache-control: public, max-age=60\r\ncontent-length: 4\r\n\r\nwell";
                if wire.send(said).await { continue } else { return }
            }
        };
        let says = if path.ends_with("own") { "max-age=60" } else { "public, max-age=60" };
        let piece = mark(&who).repeat(1000);
        let piece = if path.starts_with("/chunks") { format!("{:x}\r\n{piece}\r\n", piece.len()) } else { piece };
        going.fetch_add(1, Ordering::SeqCst);
        let mut is_taken = wire.send(format!("HTTP/1.1 200 OK\r\ncache-control: {says}\r\n{framing}\r\n")).await;
        while is_taken {
            is_taken = wire.send(&piece).await;
        }
        going.fetch_sub(1, Ordering::SeqCst);
        return;
    }
}

fn mark(who: &str) -> String {
    format!("[{who}]")
}

fn person(gateway: &Gateway, who: &str) -> Client {
    Client::to(gateway.address()).host("app.test").authorization(who).unpooled()
}

/// Everything read so far was made for one person.
fn is_for(content: &[u8], who: &str) -> bool {
    let mark = mark(who).into_bytes();
    content.chunks(mark.len()).all(|part| mark.starts_with(part))
}

async fn begin(gateway: &Gateway, who: &str, target: &str) -> Incoming {
    person(gateway, who).request("GET", target).begin().await
}

/// RFC 9111 section 3: what never ends is never stored; RFC 9112 section 6.3 names the three ways not to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n050_content_without_an_end_is_not_kept_and_delays_nobody() {
    let origin = Endless::start().await;
    let gateway = Gateway::toml(origin.gateway(), &test_clock()).start().await;
    let mut cases = Cases::new();
    for framing in ["chunks", "length", "close"] {
        for says in ["shared", "own"] {
            let target = format!("/{framing}/{says}");
            let mut alice = begin(&gateway, "alice", &target).await;
            cases.expect(&target, alice.answer.status, 200);
            alice.body_of(8 * MOST).await;
            cases.check(&target, is_for(&alice.answer.body, "alice"), "somebody else's bytes for Alice");
            // Its beginning is gone: nobody else can have it.
            let mut bob = begin(&gateway, "bob", &target).await;
            bob.body_of(8 * MOST).await;
            cases.check(&target, is_for(&bob.answer.body, "bob"), "somebody else's bytes for Bob");
            let carol = person(&gateway, "carol");
            for round in 0..3 {
                let well = format!("/well{target}/{round}");
                cases.expect(&target, carol.get(&well).await.stored(), true);
                cases.expect(&target, carol.get(&well).await.hit(), true);
            }
            drop((alice, bob));
            origin.is_left_alone().await;
        }
    }
    for gauge in ["vouchsafe_flights", "vouchsafe_flight_waiting", "vouchsafe_connections"] {
        gateway.metric_is(gauge, &[], 0.0).await;
    }
    // What is kept is the short answers.
    gateway.metric_is("vouchsafe_cache_entries", &[], 18.0).await;
    let kept = gateway.metric("vouchsafe_cache_bytes", &[]).await;
    cases.check("all", kept <= MEMORY as f64, kept);
    cases.finish(55);
}

/// The account of bytes in flight is one for the whole process: if it kept what is gone, nothing would be stored any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n050_what_transfers_held_is_given_back_however_they_end() {
    let origin = Endless::start().await;
    let gateway = Gateway::toml(origin.gateway(), &test_clock()).start().await;
    // Each holds as much as may be stored before it is found too large: together several times the memory.
    for round in 0..3 * MEMORY / MOST {
        for framing in ["chunks", "close"] {
            let mut alice = begin(&gateway, "alice", &format!("/{framing}/{round}")).await;
            // Some leave before that, some after, some at once.
            alice.body_of([0, MOST / 2, 2 * MOST][round % 3]).await;
            drop(alice);
        }
    }
    origin.is_left_alone().await;
    let carol = person(&gateway, "carol");
    assert!(carol.get("/well").await.stored() && carol.get("/well").await.hit());
}

/// The same of what breaks off just before its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n050_what_broke_off_holds_nothing() {
    let origin = Origin::serving(|request| {
        let answer = reply(200).field("cache-control", "public, max-age=60");
        if request.target == "/well" { answer.body("well") } else { answer.body(vec![b'x'; MOST]).truncate_after(MOST - 1) }
    })
    .await;
    let builder = Gateway::reverse(&origin, &test_clock()).set("cache", &format!("memory = \"{MEMORY}B\""));
    let gateway = builder.set("cache", &format!("max_object = \"{MOST}B\"")).start().await;
    for round in 0..3 * MEMORY / MOST {
        let answer = gateway.anonymous().get(&format!("/{round}")).await;
        assert!(answer.stored() && !answer.complete, "{round}: {}", answer.cache_status());
    }
    assert!(gateway.anonymous().get("/well").await.stored() && gateway.anonymous().get("/well").await.hit());
}
