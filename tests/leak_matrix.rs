//! The leak matrix: no bytes made for one credential reach another unless RFC 9111 permits it, and what it permits is
//! done.
//!
//! The full product of what a response says, who fills and who asks, what the response varies on, and whether it is fresh
//! or stale, over real sockets. An origin marks its bytes with the credentials they were made for; an independent reading
//! of RFC 9111 says what may be done with them.

#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::large_futures,
    reason = "a matrix prints what it found and fails by panicking with a message"
)]

mod support;

#[path = "leak_matrix/axes.rs"]
mod axes;
#[path = "leak_matrix/origin.rs"]
mod origin;
#[path = "leak_matrix/runner.rs"]
mod runner;

use axes::Case;
use runner::{Mode, run, spellings_of};
use vouchsafe::cli::leak_test::spellings::Kind;

/// RFC 9111 section 3.5, for a gateway in front of its origin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_leak_matrix_of_a_gateway() {
    run(&Mode::Gateway, &Case::all()).await.finish("gateway", 10_000);
}

/// RFC 9111 section 3.5, for a forward proxy that asks nobody who they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_leak_matrix_of_a_forward_proxy() {
    run(&Mode::Forward, &Case::all()).await.finish("forward proxy", 10_000);
}

/// RFC 9111 section 3.5, for a forward proxy that authenticates its users: who they are to the proxy changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n054_leak_matrix_of_an_authenticating_forward_proxy() {
    run(&Mode::ForwardAuthenticated, &Case::all()).await.finish("authenticating forward proxy", 10_000);
}

/// The product is what it claims to be: a kind or an axis that shrinks is noticed.
#[test]
fn the_product_is_full() {
    let kinds = [Kind::NoPermission, Kind::Prohibition, Kind::Permission, Kind::Odd].map(spellings_of);
    assert!(kinds[0] >= 9 && kinds[1] >= 20 && kinds[2] >= 15 && kinds[3] >= 35, "{kinds:?}");
    assert_eq!(Case::all().len(), kinds.iter().sum::<usize>() * axes::PAIRS.len() * axes::VARIES.len() * axes::MOMENTS.len());
}
