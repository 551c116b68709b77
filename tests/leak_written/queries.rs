//! Query rules merge targets for nobody with credentials, neither who filled nor who asks (RFC 9111 sections 3.5 and 4).

use crate::table::Outcome::{Own, Shared, Validated};
use crate::table::{BOB, Fields, Mode, NOBODY, Written, case, run};

const PUBLIC: Fields = &[("cache-control", "public, max-age=60")];
const MINUTE: Fields = &[("cache-control", "max-age=60")];
const DROP: &str = "query = { drop = [\"utm_*\"] }";
const SESSION: &str = "query = \"none\"\ncredentials = { query = [\"token\"], cookies = [\"sid\"], headers = [\"x-api-key\"] }";

const NOBODYS_OTHER: Fields = &[(":path", "/x?utm_a=1")];
const ALICES_OTHER: Fields = &[("authorization", "Bearer alice"), (":path", "/x?utm_a=1")];
const BOBS_OTHER: Fields = &[("authorization", "Bearer bob"), (":path", "/x?utm_b=1")];

pub const MERGED: &[Written] = &[
    case("nobody's, for nobody", MINUTE, Shared).filled(NOBODYS_OTHER).asked(NOBODY).policy(DROP),
    case("nobody's very target, for somebody", MINUTE, Shared).filled(NOBODY).policy(DROP),
    case("nobody's other target, for somebody", PUBLIC, Own).filled(NOBODYS_OTHER).policy(DROP),
    case("nobody's very target, for somebody's other one", PUBLIC, Own).filled(NOBODY).asked(BOBS_OTHER).policy(DROP),
    case("somebody's very target, for nobody's other one", PUBLIC, Own).asked(NOBODYS_OTHER).policy(DROP),
    case("somebody's very target, for nobody", PUBLIC, Shared).asked(NOBODY).policy(DROP),
    case("somebody's other target, for nobody", PUBLIC, Own).filled(ALICES_OTHER).asked(NOBODY).policy(DROP),
    case("somebody's other target, for nobody's same one", PUBLIC, Own).filled(ALICES_OTHER).asked(NOBODYS_OTHER).policy(DROP),
    case("somebody's other target, for another", PUBLIC, Own).filled(ALICES_OTHER).policy(DROP),
    case("somebody's other target, for another's", PUBLIC, Own).filled(ALICES_OTHER).asked(BOBS_OTHER).policy(DROP),
    case("somebody's very target, for another", PUBLIC, Shared).policy(DROP),
    case("without permission, for nobody's other target", MINUTE, Own).asked(NOBODYS_OTHER).policy(DROP),
    case("freshened by somebody, for nobody's other target", &[("cache-control", "public, s-maxage=60")], Own)
        .filled(NOBODY)
        .later(100)
        .between(&[BOB])
        .asked(NOBODYS_OTHER)
        .policy(DROP),
    case("freshened by nobody's other target, for somebody", &[("cache-control", "public, s-maxage=60")], Own)
        .filled(NOBODY)
        .later(100)
        .between(&[NOBODYS_OTHER])
        .policy(DROP),
    case("freshened by nobody's other target, for nobody", &[("cache-control", "s-maxage=60")], Shared)
        .filled(NOBODY)
        .later(100)
        .between(&[NOBODYS_OTHER])
        .asked(NOBODY)
        .policy(DROP),
    case("stale, for nobody's other target", &[("cache-control", "s-maxage=60")], Validated)
        .filled(NOBODY)
        .later(100)
        .asked(NOBODYS_OTHER)
        .policy(DROP),
];

pub const LISTED: &[Written] = &[
    case("a token in the query", PUBLIC, Own).filled(&[(":path", "/x?token=alice")]).asked(NOBODY).policy(SESSION),
    case("a token in the query, for another", PUBLIC, Own)
        .filled(&[(":path", "/x?token=alice")])
        .asked(&[(":path", "/x?token=bob")])
        .policy(SESSION),
    case("nobody's, for a token in the query", PUBLIC, Own)
        .filled(&[(":path", "/x?page=1")])
        .asked(&[(":path", "/x?token=bob")])
        .policy(SESSION),
    case("a session's, for nobody", PUBLIC, Own)
        .filled(&[("cookie", "sid=one"), (":path", "/x?page=1")])
        .asked(NOBODY)
        .policy(SESSION),
    case("nobody's, for a session", PUBLIC, Own)
        .filled(&[(":path", "/x?page=1")])
        .asked(&[("cookie", "sid=one")])
        .policy(SESSION),
    case("nobody's, for a key", PUBLIC, Own)
        .filled(&[(":path", "/x?page=1")])
        .asked(&[("x-api-key", ""), (":path", "/x?page=2")])
        .policy(SESSION),
    case("invalidated by another target of somebody's", PUBLIC, Own)
        .filled(&[(":path", "/x?page=1")])
        .between(&[&[("authorization", "Bearer bob"), (":method", "POST"), (":path", "/x?page=2"), (":body", "a")]])
        .asked(&[(":path", "/x?page=1")])
        .policy(SESSION),
];

#[tokio::test]
async fn d4_a_query_rule_merges_nothing_of_credentials() {
    run(Mode::Gateway, MERGED).await;
    run(Mode::Forward, MERGED).await;
}

#[tokio::test]
async fn d5_whatever_is_listed_as_a_credential() {
    run(Mode::Gateway, LISTED).await;
}
