//! What counts as a credential, however it is written (RFC 9111 section 3.5, RFC 6750 sections 2.1 to 2.3).

use crate::table::Outcome::{Own, Refused, Shared, Validated};
use crate::table::{ALICE, BOB, Fields, Mode, NOBODY, Written, case, run};

const MINUTE: Fields = &[("cache-control", "max-age=60")];
const PUBLIC: Fields = &[("cache-control", "public, max-age=60")];
const LISTED: &str = "credentials = { query = [\"access_token\"], headers = [\"X-Api-Key\"], cookies = [\"sid\"] }";

const fn by(id: &'static str, filler: Fields) -> Written {
    case(id, MINUTE, Own).filled(filler).asked(NOBODY).policy(LISTED)
}

const fn shared(id: &'static str, filler: Fields) -> Written {
    case(id, MINUTE, Shared).filled(filler).asked(NOBODY).policy(LISTED)
}

pub const FIELDS: &[Written] = &[
    by("Authorization, empty", &[("authorization", "")]),
    by("Authorization, spaces", &[("authorization", "  ")]),
    by("Authorization, a scheme alone", &[("authorization", "Bearer")]),
    by("Authorization, no scheme", &[("Authorization", "=====")]),
    by("Authorization, obs-text", &[("AUTHORIZATION", "Basic \u{e9}\u{ff}")]),
    by("Authorization, Digest", &[("authorization", "Digest username=\"a\", uri=\"/x\"")]),
    by("Authorization, a signature", &[("authorization", "AWS4-HMAC-SHA256 Credential=a/b")]),
    by("Authorization, of a connection", &[("authorization", "Negotiate YQ==")]),
    by("a listed field", &[("x-api-key", "one")]),
    by("a listed field, empty", &[("X-Api-Key", "")]),
    by("a listed field, twice", &[("X-API-KEY", "one"), ("x-api-key", "two")]),
    by("a listed field that Connection names", &[("x-api-key", "one"), ("connection", "x-api-key")]),
    case("a field that is not listed", MINUTE, Shared).filled(&[("x-api-key", "one")]).asked(NOBODY),
    shared("Proxy-Authorization is for this proxy", &[("proxy-authorization", "Basic YTpi")]),
    case("Authorization that Connection names", MINUTE, Refused(400))
        .filled(NOBODY)
        .asked(&[("authorization", "Bearer bob"), ("connection", "authorization")]),
    case("Cookie that Connection names", MINUTE, Refused(400))
        .filled(NOBODY)
        .asked(&[("cookie", "sid=one"), ("connection", "close, Cookie")]),
    case("two Authorization lines", MINUTE, Refused(400))
        .filled(NOBODY)
        .asked(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]),
];

pub const COOKIES: &[Written] = &[
    by("the cookie alone", &[("cookie", "sid=one")]),
    by("the last of three", &[("cookie", "a=1; b=2; sid=one")]),
    by("without spaces", &[("cookie", "a=1;sid=one;b=2")]),
    by("on a second line", &[("cookie", "a=1"), ("cookie", "sid=one")]),
    by("after a comma", &[("cookie", "a=1,sid=one")]),
    by("an empty value", &[("cookie", "a=1; sid=")]),
    by("no value at all", &[("cookie", "a=1; sid")]),
    by("in quotes that a semicolon ends", &[("cookie", "a=\"1; sid=one\"")]),
    by("among empty pairs", &[("cookie", ";;; sid=one;;")]),
    shared("another name", &[("cookie", "xsid=1; sid2=2")]),
    shared("in another's value", &[("cookie", "a=sid")]),
    case("not listed", MINUTE, Shared).filled(&[("cookie", "sid=one")]).asked(NOBODY),
    case("public for all sessions", PUBLIC, Shared)
        .filled(&[("cookie", "sid=one")])
        .asked(&[("cookie", "sid=two")])
        .policy(LISTED),
    case("told apart by Vary", &[("cache-control", "public, max-age=60"), ("vary", "Cookie")], Own)
        .filled(&[("cookie", "sid=one")])
        .asked(&[("cookie", "sid=two")])
        .policy(LISTED),
];

/// The credential is part of the target, so both have it; nothing is stored, whatever the response says.
const fn at(id: &'static str, target: Fields) -> Written {
    case(id, PUBLIC, Own).filled(target).asked(target).policy(LISTED)
}

pub const QUERIES: &[Written] = &[
    at("the token alone", &[(":path", "/x?access_token=a")]),
    at("the token, empty", &[(":path", "/x?access_token=")]),
    at("the token, without a value", &[(":path", "/x?access_token")]),
    at("the token, last", &[(":path", "/x?a=b&access_token=a")]),
    at("the token, after an empty pair", &[(":path", "/x?&&access_token=a")]),
    at("the token, encoded at its start", &[(":path", "/x?%61ccess_token=a")]),
    at("the token, encoded in its middle", &[(":path", "/x?access%5ftoken=a")]),
    at("the token, encoded as a whole", &[(":path", "/x?%61%63%63%65%73%73%5F%74%6F%6B%65%6E=a")]),
    at("the token, in other case", &[(":path", "/x?Access_Token=a")]),
    at("the token, after a semicolon", &[(":path", "/x?a=b;access_token=a")]),
    at("the token, by default", &[(":path", "/x?access_token=a")]).policy(""),
    case("in another's value", PUBLIC, Shared).filled(&[(":path", "/x?a=access_token")]).asked(&[(":path", "/x?a=access_token")]),
    case("another name", PUBLIC, Shared).filled(&[(":path", "/x?my_access_token=a")]).asked(&[(":path", "/x?my_access_token=a")]),
];

pub const VARIES: &[Written] = &[
    case("Vary is no permission", &[("cache-control", "max-age=60"), ("vary", "Authorization")], Own).asked(ALICE),
    case("Vary beside permission, the same", &[("cache-control", "public, max-age=60"), ("vary", "authorization")], Shared)
        .asked(ALICE),
    case("Vary beside permission, another", &[("cache-control", "public, max-age=60"), ("vary", "AUTHORIZATION")], Own),
    case("Vary beside permission, none", &[("cache-control", "public, max-age=60"), ("vary", "authorization")], Own)
        .asked(NOBODY),
    case("Vary on two lines", &[("cache-control", "s-maxage=60"), ("vary", "accept"), ("vary", "authorization")], Own),
    case("Vary of everything", &[("cache-control", "s-maxage=60"), ("vary", "*")], Own).asked(ALICE),
    case("Vary of everything in a list", &[("cache-control", "s-maxage=60"), ("vary", "accept, *")], Own).asked(ALICE),
    case("Vary of what is consumed here", &[("cache-control", "s-maxage=60"), ("vary", "proxy-authorization")], Own),
    case(
        "an empty Authorization is none that was sent",
        &[("cache-control", "public, max-age=60"), ("vary", "authorization")],
        Own,
    )
    .filled(NOBODY)
    .asked(&[("authorization", "")]),
    case(
        "a scheme in other case is another credential",
        &[("cache-control", "public, max-age=60"), ("vary", "authorization")],
        Own,
    )
    .asked(&[("authorization", "bearer alice")]),
];

pub const POLICIES: &[Written] = &[
    case("credentials never shared", PUBLIC, Own).policy("authorization = \"never\""),
    case("credentials always validated", PUBLIC, Validated).policy("authorization = \"always-validate\""),
    case("anonymous reused", MINUTE, Shared).filled(NOBODY),
    case("anonymous validated", MINUTE, Validated).filled(NOBODY).policy("anonymous_entries = \"validate\""),
    case("anonymous bypassed", MINUTE, Own).filled(NOBODY).policy("anonymous_entries = \"bypass\""),
    case("a cookie that is set", &[("cache-control", "public, max-age=60"), ("set-cookie", "sid=one")], Own),
    case("a cookie that is stripped", &[("cache-control", "public, max-age=60"), ("set-cookie", "sid=one")], Shared)
        .policy("set_cookie = \"strip\""),
    case("an anonymous refusal", &[("cache-control", "max-age=60")], Own).filled(&[("x-status", "403")]).asked(BOB),
];

#[tokio::test]
async fn n054_every_field_that_carries_credentials_counts() {
    run(Mode::Gateway, FIELDS).await;
}

#[tokio::test]
async fn n054_a_listed_cookie_counts_wherever_it_stands() {
    run(Mode::Gateway, COOKIES).await;
}

#[tokio::test]
async fn n054_nothing_is_stored_under_a_credential_in_the_query() {
    run(Mode::Gateway, QUERIES).await;
}

#[tokio::test]
async fn n066_vary_tells_apart_and_permits_nothing() {
    run(Mode::Gateway, VARIES).await;
}

#[tokio::test]
async fn n054_a_policy_only_narrows() {
    run(Mode::Gateway, POLICIES).await;
}
