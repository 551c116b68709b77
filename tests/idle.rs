//! What connections take on which nothing happens.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::fs;

use support::wire::Wire;
use support::{Gateway, Origin, reply, test_clock};

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HEAD: &str = "GET /x HTTP/1.1\r\nhost: app.test\r\n\r\n";
/// Both ends of each are in this process, and need fewer files together than any system allows.
const COUNT: usize = 300;

/// Bytes of memory that the process has.
fn resident() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kilobytes| kilobytes * 1_024)
}

async fn held(gateway: &Gateway, count: usize) -> Vec<Wire> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut wire = gateway.anonymous().open().await;
        assert!(wire.send(HEAD).await);
        assert_eq!(wire.answer("GET").await.status, 200);
        held.push(wire);
    }
    held
}

/// With hyper's buffers it is 11 KiB, and with room for TLS 15.
#[tokio::test]
async fn an_idle_connection_takes_little_memory() {
    let origin = Origin::serving(|_| reply(200).field("cache-control", "public, max-age=60").body("abc")).await;
    let gateway = Gateway::reverse(&origin, &test_clock()).limit("connections_per_address = 1000").start().await;
    // Whatever is made once is there before it begins.
    let first = held(&gateway, 50).await;
    // Only Linux says so.
    let Some(before) = resident() else { return };
    let more = held(&gateway, COUNT).await;
    let each = (resident().unwrap() - before) / COUNT;
    assert!(
        each < 7 * 1_024,
        "expected an idle connection to take less than 7 KiB, its client's end included, found {each} bytes"
    );
    drop((first, more));
}
