//! Vouchsafe: an authorization-aware shared HTTP cache behind a proxy-authentication front end.
//!
//! # Map
//!
//! A request goes through the rooms in this order; [`gateway`] is the only place that knows it.
//!
//! | room | what happens there |
//! |---|---|
//! | [`server`] | accept, TLS, limits, drain: from socket to request head |
//! | [`target`] | the request target's form becomes a [`target::Target`], or the request is refused |
//! | [`auth`] | `Proxy-Authorization` (or `Authorization`) becomes a [`auth::Principal`], or a challenge |
//! | [`access`] | principal, target, method and source become an [`access::Permit`], or 403 |
//! | [`policy`] | the cache policy compiled from the configuration for this target |
//! | [`cache`] | key, stored responses, the RFC 9111 rules, the memory tier, transfers |
//! | [`upstream`] | pools, balance, name resolution with the destination guard, tunnels |
//! | [`repeats`] | answers that the same request head is given again within seconds, while nothing changed |
//! | [`reply`] | what is written to the client: `Age`, `Via`, `Cache-Status`, errors |
//! | [`metrics`], [`access_log`], [`otel`], [`admin`] | what the operator sees |
//!
//! # Invariants
//!
//! - A stored body is reachable only with a [`access::Permit`]; only [`access`] makes one.
//! - A response to a credentialed request answers another request only with a recorded permission
//!   (RFC 9111 section 3.5), checked when it is stored and again when it is served.
//! - Credentials are never part of a key, a log line, a metric, a `Debug` output or an error body.
//! - Rule modules are pure: no clock, no I/O, no `async`.
//! - Only [`clock`] reads the time.
//!
//! Deliberately absent: scripting, body transformation, ESI, FTP, ICAP, ICP, SNMP, NTLM, own
//! clustering, an own TLS stack, an own HTTP/1 parser.

pub mod access;
pub mod access_log;
pub mod admin;
pub mod auth;
pub mod body;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod explain;
pub mod fields;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
pub mod hop;
mod index;
pub mod interim;
pub mod keyed;
pub mod lint;
pub mod metrics;
pub mod otel;
pub mod policy;
pub mod repeats;
pub mod reply;
pub mod server;
pub mod shadow;
pub mod simulate;
pub mod target;
pub mod trace;
pub mod upstream;
