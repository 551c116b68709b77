//! What `python3 benches/compare` measures with: the load, the origin, and a relay that shows what passing bytes on costs.
//!
//! Each role is one thread over non-blocking sockets with prepared bytes, so that one core of it keeps a server's core
//! busy. Every answer is judged: its status, its length, and every byte, which says for which target it was made.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that measures reads the clock, and fails by panicking with a message"
)]

mod asking;
mod content;
mod digest;
mod drive;
mod exchange;
mod hold;
mod latency;
mod message;
mod numbers;
mod origin;
mod relay;
mod socket;

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The load, the origin and the relay of `benches/compare`.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Ask, judge every answer, and print what was seen as JSON.
    Drive(Drive),
    /// Open connections, ask once on each, and hold them until standard input ends.
    Hold(hold::Hold),
    /// Answer `/KIND/BYTES/NUMBER`; the port is printed.
    Origin(origin::Origin),
    /// Pass bytes on without reading them; the port is printed.
    Relay(relay::Relay),
}

/// Which numbers are asked for, from `--from` on.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pattern {
    /// One number.
    Same,
    /// `--count` numbers, in turn.
    Cycle,
    /// Each number once.
    Unique,
    /// `--count` numbers, the n-th with a share of 1/n.
    Zipf,
}

/// What is asked, of whom and how fast.
#[derive(Args)]
struct Drive {
    /// The server under test.
    #[arg(long)]
    server: SocketAddr,
    /// The origin: the authority of targets.
    #[arg(long)]
    origin: SocketAddr,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long requests are sent.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// At most so many requests.
    #[arg(long)]
    requests: Option<u64>,
    /// So many requests a second; latency counts from when one was due. Without it the next one follows each answer.
    #[arg(long)]
    rate: Option<f64>,
    /// All connections ask for one number at once, so many times.
    #[arg(long)]
    bursts: Option<u64>,
    /// What the origin is to answer.
    #[arg(long, default_value = "hit")]
    kind: String,
    /// How long the content is.
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    #[arg(long, value_enum, default_value = "same")]
    pattern: Pattern,
    #[arg(long, default_value_t = 1)]
    from: u64,
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Each so-many-th request takes the next number from `--fresh-from` on; its latency is not recorded.
    #[arg(long)]
    fresh_every: Option<u64>,
    #[arg(long, default_value_t = 0)]
    fresh_from: u64,
    /// Targets in absolute form, as for a forward proxy.
    #[arg(long)]
    absolute: bool,
    /// A field line of every request.
    #[arg(long)]
    field: Vec<String>,
    /// So many users, each with credentials of their own, spread over the connections.
    #[arg(long, default_value_t = 0)]
    users: usize,
    /// Content is expected to be made for the user who asks, not for everybody.
    #[arg(long)]
    own: bool,
    /// Digest credentials `user:password`, computed for each request.
    #[arg(long)]
    digest: Option<String>,
    /// Ask the origin through CONNECT tunnels.
    #[arg(long)]
    tunnel: bool,
    /// A new connection for each request.
    #[arg(long)]
    close: bool,
}

fn main() {
    match Cli::parse().role {
        Role::Drive(drive) => println!("{}", drive::run(&drive)),
        Role::Hold(hold) => hold.run(),
        Role::Origin(origin) => origin.run(),
        Role::Relay(relay) => relay.run(),
    }
}
