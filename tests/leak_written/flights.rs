//! Whoever comes while an equal request is on its way: each has the reuse decision to itself (RFC 9111 section 4).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::cases::Cases;
use crate::support::{Gate, Gateway, Origin, test_clock};
use crate::table::Outcome::{Judged, Own, Shared};
use crate::table::{ALICE, Fields, NOBODY, Outcome, Written, answer, case, outcome, send};

const PUBLIC: Fields = &[("cache-control", "public, max-age=60")];
const MINUTE: Fields = &[("cache-control", "max-age=60")];

pub const FOLLOWERS: &[Written] = &[
    case("public", PUBLIC, Shared),
    case("public, for nobody", PUBLIC, Shared).asked(NOBODY),
    case("s-maxage", &[("cache-control", "s-maxage=60")], Shared),
    case("must-revalidate", &[("cache-control", "must-revalidate, max-age=60")], Shared),
    case("a targeted permission", &[("cache-control", "max-age=60"), ("cdn-cache-control", "public, max-age=60")], Shared),
    case("nobody's, for somebody", MINUTE, Shared).filled(NOBODY),
    case("nobody's, for somebody, bypassed", MINUTE, Own).filled(NOBODY).policy("anonymous_entries = \"bypass\""),
    case("nothing said", &[], Own),
    case("no permission", MINUTE, Own),
    case("no permission, for nobody", MINUTE, Own).asked(NOBODY),
    case("no permission, for the same", MINUTE, Own).asked(ALICE),
    case("private", &[("cache-control", "private, max-age=60")], Own),
    case("private beside public", &[("cache-control", "public, max-age=60"), ("cache-control", "private")], Own),
    case("no-store", &[("cache-control", "no-store")], Own),
    case("proxy-revalidate", &[("cache-control", "proxy-revalidate, max-age=60")], Own),
    case("a broken s-maxage", &[("cache-control", "s-maxage=60s, max-age=60")], Own),
    case("a cookie that is set", &[("cache-control", "public, max-age=60"), ("set-cookie", "sid=alice")], Own),
    case("everything in Vary", &[("cache-control", "public, max-age=60"), ("vary", "*")], Own),
    case("told apart by Vary", &[("cache-control", "public, max-age=60"), ("vary", "authorization")], Own),
    case("not told apart by Vary", &[("cache-control", "public, max-age=60"), ("vary", "authorization")], Shared).asked(ALICE),
    case("s-maxage=0 is judged", &[("cache-control", "s-maxage=0")], Judged),
    case("public, no-cache is judged", &[("cache-control", "public, no-cache")], Judged),
    case("public without a lifetime is judged", &[("cache-control", "public")], Judged),
    case("always validated", PUBLIC, Judged).policy("authorization = \"always-validate\""),
    case("never shared", PUBLIC, Own).policy("authorization = \"never\""),
    case("a refused leader", PUBLIC, Own).filled(&[("authorization", "Bearer mallory"), ("x-status", "401")]),
    case("a forbidden leader", PUBLIC, Own).filled(&[("authorization", "Bearer mallory"), ("x-status", "403")]),
    case("a refused leader without credentials", PUBLIC, Own).filled(&[("x-status", "401")]),
    case("a leader with no-store", PUBLIC, Own).filled(&[("authorization", "Bearer alice"), ("cache-control", "no-store")]),
    case("a follower's HEAD", PUBLIC, Shared).asked(&[("authorization", "Bearer bob"), (":method", "HEAD")]),
    case("a follower's range", PUBLIC, Shared).asked(&[("authorization", "Bearer bob"), ("range", "bytes=0-3")]),
    case("a follower's range without permission", MINUTE, Own).asked(&[("authorization", "Bearer bob"), ("range", "bytes=0-3")]),
    case("a follower's POST", PUBLIC, Own).asked(&[("authorization", "Bearer bob"), (":method", "POST"), (":body", "a")]),
    case("a session's, for another", MINUTE, Own)
        .filled(&[("cookie", "sid=one")])
        .asked(&[("cookie", "sid=two")])
        .policy("credentials = { cookies = [\"sid\"] }"),
];

#[tokio::test]
async fn n054_n063_followers_decide_for_themselves() {
    let mut cases = Cases::new();
    for written in FOLLOWERS {
        cases.expect(written.id, follow(written).await, Ok(written.outcome));
    }
    cases.finish(FOLLOWERS.len());
}

/// The leader is held at the origin until the follower waits for it or is there too.
async fn follow(written: &Written) -> Result<Outcome, String> {
    let clock = test_clock();
    let (gate, hits) = (Gate::new(), AtomicUsize::new(0));
    let (held, says) = (gate.clone(), written.says);
    let origin = Origin::serving(move |request| {
        let hit = hits.fetch_add(1, Ordering::SeqCst) + 1;
        let answer = answer(request, says, None, hit);
        if hit == 1 { answer.gate(&held) } else { answer }
    })
    .await;
    let gateway = Gateway::reverse(&origin, &clock).set("cache", "collapse_wait = \"60s\"");
    let gateway = if written.policy.is_empty() { gateway } else { gateway.policy(written.policy) };
    let gateway = Arc::new(gateway.start().await);
    let spawn = |fields: Fields| {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move { send(&gateway, fields).await })
    };
    let leader = spawn(written.fill);
    gate.wait_reached().await;
    let follower = spawn(written.ask);
    tokio::select! {
        () = gateway.metric_is("vouchsafe_flight_waiting", &[], 1.0) => {}
        () = origin.wait_for(2) => {}
    }
    gate.open();
    let (led, followed) = (leader.await.expect("an answer"), follower.await.expect("an answer"));
    let made_for = led.field("x-made-for").unwrap_or_default();
    if !made_for.ends_with("#1]") {
        return Err(format!("the leader got {} {made_for}", led.status));
    }
    let seen: Vec<_> = origin.requests().into_iter().skip(1).collect();
    match outcome(&followed, &seen, written.ask) {
        Ok(Outcome::Own | Outcome::Validated) if written.outcome == Judged => Ok(Judged),
        other => other,
    }
}
