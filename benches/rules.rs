//! What the pure rules cost, each alone: `cargo bench --bench rules`.

#![allow(clippy::unwrap_used, reason = "what a benchmark is made of fails by panicking with a message")]

mod world;

use std::hint::black_box;

use divan::Bencher;
use http::{Method, Version};
use vouchsafe::cache::key::{CacheKey, KeyPath};
use vouchsafe::cache::ready::Ready;
use vouchsafe::cache::rules::directives::RequestDirectives;
use vouchsafe::config::settings::{PathPattern, Route, Settings};
use vouchsafe::hop::{self, Pseudonym};
use vouchsafe::policy::Routes;
use vouchsafe::reply::{self, CacheStatus, Shown};

use world::{hosts, question, rules, target, world};

fn main() {
    divan::main();
}

#[divan::bench]
fn request_directives(bencher: Bencher<'_, '_>) {
    let world = world();
    bencher.bench_local(|| RequestDirectives::parse(black_box(&world.request)));
}

#[divan::bench]
fn key_hash(bencher: Bencher<'_, '_>) {
    let world = world();
    bencher.bench_local(|| CacheKey::new(black_box(&world.permit), &KeyPath::AS_SENT, &world.keyed).hash());
}

#[divan::bench]
fn judge(bencher: Bencher<'_, '_>) {
    let world = world();
    let response = world.response();
    let kept = hop::response_fields(&response, world.now);
    bencher.bench_local(|| world.judge(black_box(&response), &kept));
}

#[divan::bench(args = [1, 8, 64])]
fn decide_among_variants(bencher: Bencher<'_, '_>, variants: usize) {
    let world = world();
    let (slot, directives) = (world.slot(variants - 1), RequestDirectives::parse(&world.request));
    bencher.bench_local(|| world.decide(black_box(&slot), &directives));
}

#[divan::bench]
fn reply_from_the_store(bencher: Bencher<'_, '_>) {
    let world = world();
    let (chosen, via) = (world.chosen(), Pseudonym::new(1).via(Version::HTTP_11));
    let (method, fields, now, keyed) = (&Method::GET, &world.request, world.now, &world.keyed);
    let status = CacheStatus { ttl: Some(300), detail: Some("permit-public"), ..CacheStatus::default() };
    let ready = Ready::default();
    let asked = reply::Asked { method, fields, now, via: &via, ready: &ready, keyed, id: 1 };
    bencher.bench_local(|| reply::stored(black_box(&chosen), Shown::Reused, &asked, status));
}

#[divan::bench(args = [1, 7, 5_000])]
fn access_rules(bencher: Bencher<'_, '_>, count: usize) {
    let access = rules(count);
    bencher.with_inputs(|| question(&Method::GET)).bench_local_values(|question| access.decide(question).unwrap());
}

#[divan::bench(args = [1, 7, 5_000])]
fn routes(bencher: Bencher<'_, '_>, count: usize) {
    let route = |host| Route { host, path: PathPattern::parse("/*").unwrap(), upstream: 0, policy: None };
    let routes = Routes::new(&Settings { routes: hosts(count).map(route).collect(), ..Settings::default() });
    let target = target();
    bencher.bench_local(|| routes.select(black_box(&target)).unwrap());
}
