//! The end-to-end harness: a scripted origin, the real gateway, raw clients and a clock that only moves when told.
//!
//! Everything runs on real sockets on port 0 in the test's own process. Order is forced by [`wait::Gate`]s and by
//! [`origin::Origin::wait_for`], time by the movable clock; nothing waits for time to pass. Every wait is bounded, so that
//! a hang is a failure with a name.
//!
//! ```ignore
//! let clock = test_clock();
//! let origin = Origin::script([reply(200).field("cache-control", "s-maxage=60").body("a")]).await;
//! let gateway = Gateway::forward(&clock).origin(&origin).start().await;
//! let alice = gateway.client("alice").authorization("Bearer alice");
//! assert_eq!(alice.get("/x").await.decision(), "fwd=uri-miss; stored");
//! clock.advance(secs(30));
//! assert!(gateway.client("bob").get("/x").await.hit());
//! assert_eq!(origin.count(), 1);
//! ```

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::large_futures,
    clippy::needless_pass_by_value,
    reason = "each test binary uses a part of the harness, and a harness fails by panicking with a message"
)]

pub mod answer;
pub mod authority;
pub mod cases;
pub mod client;
pub mod clock;
pub mod digest;
pub mod gateway;
pub mod observe;
pub mod origin;
pub mod reply;
pub mod request;
pub mod toml;
pub mod wait;
pub mod wire;

pub use answer::Answer;
pub use client::Client;
pub use clock::{date_at, http_date, secs, test_clock};
pub use gateway::Gateway;
pub use origin::{Origin, SeenRequest};
pub use reply::{Reply, raw, reply};
pub use wait::{Gate, eventually, within};
