//! Instructions of the pure rules, each alone: the same in every run, whatever else the machine does.
//!
//! `cargo install gungraun-runner --version 0.20.0 --locked` once, then `cargo bench --bench instructions`; needs valgrind.

#![allow(missing_docs, clippy::unwrap_used, reason = "what a benchmark is made of fails by panicking with a message")]

mod world;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use http::{HeaderMap, HeaderValue, Method, Response, Version};
use vouchsafe::access::{Access, Permit};
use vouchsafe::body::Body;
use vouchsafe::cache::entry::Head;
use vouchsafe::cache::key::{CacheKey, KeyPath};
use vouchsafe::cache::lookup::{Chosen, Decision};
use vouchsafe::cache::ready::Ready;
use vouchsafe::cache::rules::directives::RequestDirectives;
use vouchsafe::cache::store::Slot;
use vouchsafe::hop::{self, Pseudonym};
use vouchsafe::reply::{self, CacheStatus, Shown};

use world::{World, question, rules, world};

/// Nothing of what a benchmark is given is dropped within it.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// What happens once in a process, such as finding a function of the C library, has happened then.
fn warmed<T: Copy, R>(given: T, once: fn(T) -> R) -> T {
    drop(black_box(once(given)));
    given
}

#[library_benchmark]
#[bench::seven_fields(warmed(kept(world()), parsed))]
fn request_directives(world: &'static World) -> RequestDirectives {
    parsed(world)
}

fn parsed(world: &'static World) -> RequestDirectives {
    RequestDirectives::parse(black_box(&world.request))
}

#[library_benchmark]
#[bench::usual(warmed(kept(world()), hashed))]
fn key_hash(world: &'static World) -> u128 {
    hashed(world)
}

fn hashed(world: &'static World) -> u128 {
    CacheKey::new(black_box(&world.permit), &KeyPath::AS_SENT, &world.keyed).hash()
}

type Arrived = (&'static World, &'static HeaderMap, &'static HeaderMap);

fn arrived() -> Arrived {
    let world = kept(world());
    let response = kept(world.response());
    (world, response, kept(hop::response_fields(response, world.now).into_owned()))
}

fn judged((world, response, kept): Arrived) -> Head {
    world.judge(black_box(response), kept)
}

#[library_benchmark]
#[bench::stored(warmed(arrived(), judged))]
fn verdict(arrived: Arrived) -> Head {
    judged(arrived)
}

type Asked = (&'static World, &'static Slot, &'static RequestDirectives);

fn among(variants: usize) -> Asked {
    let world = kept(world());
    warmed((world, kept(world.slot(variants - 1)), kept(RequestDirectives::parse(&world.request))), decided)
}

fn decided((world, slot, directives): Asked) -> Decision {
    world.decide(black_box(slot), directives)
}

#[library_benchmark]
#[bench::one(among(1))]
#[bench::eight(among(8))]
#[bench::sixty_four(among(64))]
fn lookup(asked: Asked) -> Decision {
    decided(asked)
}

#[library_benchmark]
#[bench::one(warmed(kept(rules(1)), permitted))]
#[bench::seven(warmed(kept(rules(7)), permitted))]
#[bench::five_thousand(warmed(kept(rules(5_000)), permitted))]
fn access(access: &'static Access) -> Permit {
    permitted(access)
}

fn permitted(access: &'static Access) -> Permit {
    access.decide(question(black_box(&Method::GET))).unwrap()
}

type Found = (&'static World, &'static Chosen, &'static HeaderValue, &'static Ready);

fn found() -> Found {
    let world = kept(world());
    (world, kept(world.chosen()), kept(Pseudonym::new(1).via(Version::HTTP_11)), kept(Ready::default()))
}

#[library_benchmark]
#[bench::stored(warmed(found(), answered))]
fn answer(found: Found) -> Response<Body> {
    answered(found)
}

fn answered((world, chosen, via, ready): Found) -> Response<Body> {
    let status = CacheStatus { ttl: Some(300), detail: Some("permit-public"), ..CacheStatus::default() };
    let (method, fields, now, keyed) = (&Method::GET, &world.request, world.now, &world.keyed);
    let asked = reply::Asked { method, fields, now, via, ready, keyed, id: 1 };
    reply::stored(black_box(chosen), Shown::Reused, &asked, status)
}

library_benchmark_group!(name = rules_alone; benchmarks = request_directives, key_hash, verdict, lookup, access, answer);
main!(library_benchmark_groups = rules_alone);
