//! What stored responses are said to weigh, against the memory that the process takes for them.

#![allow(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test; the numbers are what it is about"
)]

use std::fs;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use vouchsafe::access::{Access, Permit, Question};
use vouchsafe::auth::{Principal, Scheme as AuthScheme};
use vouchsafe::cache::entry::{Filler, Head};
use vouchsafe::cache::key::{CacheKey, KeyPath};
use vouchsafe::cache::rules::authorization::RequestCredentials;
use vouchsafe::cache::rules::directives::RequestDirectives;
use vouchsafe::cache::rules::partition::Identity;
use vouchsafe::cache::rules::query::Named;
use vouchsafe::cache::rules::vary;
use vouchsafe::cache::store::{Content, FilledBy, Memory, StoredResponse};
use vouchsafe::config::settings::{Mode, Policy, Settings};
use vouchsafe::hop;
use vouchsafe::keyed::Keyed;
use vouchsafe::metrics::Metrics;
use vouchsafe::policy::{Candidates, CompiledPolicy};
use vouchsafe::target::{Host, Scheme, Target};

/// The program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is stored, and how often.
struct Kind {
    name: &'static str,
    count: usize,
    /// Of one key.
    variants: usize,
    /// Bytes of content, in so many chunks.
    content: (usize, usize),
    /// Further fields; their names are other ones in each response.
    own_fields: usize,
}

const KINDS: [Kind; 7] = [
    Kind { name: "1 KB, the first ones", count: 30_000, variants: 1, content: (1_024, 1), own_fields: 0 },
    Kind { name: "1 KB", count: 40_000, variants: 1, content: (1_024, 1), own_fields: 0 },
    Kind { name: "names of its own", count: 5_000, variants: 1, content: (100, 1), own_fields: 20 },
    Kind { name: "nothing", count: 40_000, variants: 1, content: (0, 0), own_fields: 0 },
    Kind { name: "64 KiB in four chunks", count: 1_000, variants: 1, content: (1 << 16, 4), own_fields: 0 },
    Kind { name: "many small chunks", count: 1_000, variants: 1, content: (20_000, 200), own_fields: 0 },
    Kind { name: "variants", count: 800, variants: 32, content: (1_024, 1), own_fields: 0 },
];

/// Bytes of memory that the process has.
fn resident() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}

fn permit(number: usize) -> Permit {
    let host = Host::parse("origin.example").unwrap();
    let target = Target { scheme: Scheme::Http, host, port: 80, path_and_query: format!("/stored/{number}").into() };
    let principal = Principal { name: None, scheme: AuthScheme::None };
    let question = Question { principal, target, method: &Method::GET, client: Ipv4Addr::LOCALHOST.into(), mode: Mode::Gateway };
    Access::new(&Settings { access: Vec::new(), ..Settings::default() }, &[]).decide(question).unwrap()
}

fn response(kind: &Kind, number: usize) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in [
        ("server", "an origin"),
        ("content-type", "text/plain"),
        ("cache-control", "public, s-maxage=3600"),
        ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("vary", "Accept-Encoding"),
    ] {
        fields.append(name, HeaderValue::from_static(value));
    }
    fields.append("etag", HeaderValue::try_from(format!("\"{number:016}\"")).unwrap());
    for own in 0..kind.own_fields {
        let name = HeaderName::try_from(format!("x-own-{number}-{own}")).unwrap();
        fields.append(name, HeaderValue::from_static("a value"));
    }
    fields
}

fn stored(kind: &Kind, number: usize, policy: &CompiledPolicy) -> StoredResponse {
    let (received, now) = (response(kind, number), SystemTime::UNIX_EPOCH);
    let filler = Filler {
        method: &Method::GET,
        path_and_query: "/",
        directives: &RequestDirectives::default(),
        credentials: RequestCredentials::default(),
        named: Named::EXACT,
        consumed: &[],
        targets: &[],
        candidates: Candidates::NONE,
        is_located: false,
        born: 0,
        request_time: now,
        response_time: now,
    };
    let head = Head::judge(&filler, StatusCode::OK, &received, &hop::response_fields(&received, now), policy).unwrap();
    let (bytes, chunks) = kind.content;
    let chunks = (0..chunks).map(|_| vec![b'x'; bytes / chunks].into()).collect::<Vec<_>>();
    let names = vary::names(&head.fields).unwrap();
    let identity = Identity { class: 1, principal: 2 };
    let stored = StoredResponse::new(head, names, number as u128, Content::new(chunks));
    let stored = stored.filled_by([FilledBy { identity, asked: 0 }]).sharing();
    // Asked for once: from then on a piece of memory that answers share has a count.
    drop((stored.head().reusable_fields(), stored.content().chunks().to_vec()));
    stored
}

#[test]
fn the_weight_of_what_is_stored_is_near_the_memory_that_it_takes() {
    let (keyed, policy) = (Keyed::random().unwrap(), CompiledPolicy::new(Policy::default()));
    let mut kept = Vec::new();
    for kind in &KINDS {
        let memory = Memory::new(1 << 40, Arc::new(Metrics::new(&Settings::default())));
        // Only Linux says so.
        let Some(before) = resident() else { return };
        for number in 0..kind.count {
            let permit = permit(number);
            let key = CacheKey::new(&permit, &KeyPath::AS_SENT, &keyed).to_stored();
            for variant in 0..kind.variants {
                let stored = stored(kind, number * kind.variants + variant, &policy);
                memory.insert(&key, &Arc::new(stored), kind.variants, memory.epoch());
            }
        }
        let taken = resident().unwrap() - before;
        let (weight, count) = memory.size();
        assert_eq!(count, kind.count as u64, "{}", kind.name);
        let share = weight as f64 / taken as f64;
        let each = (taken / kind.count as u64, weight / kind.count as u64);
        println!("{}: {} bytes of memory and {} of weight each", kind.name, each.0, each.1);
        assert!((0.88..1.15).contains(&share), "{}: {} bytes of memory and {} of weight each", kind.name, each.0, each.1);
        // What is given back would be taken again by the next ones.
        kept.push(memory);
    }
}
