use super::*;
use crate::cache::rules::freshness::LifetimeSource;
use crate::cache::tests::{ALICE, DATE, Given, anonymous, at, credentialed, entry, fields, filler, names, policy, secs};
use crate::config::settings::Policy;

#[test]
fn n054_an_entry_remembers_whether_it_was_credentialed_and_why_it_may_be_shared() {
    let head = credentialed("s-maxage=60");
    assert_eq!((head.credentialed, head.permission, head.is_shareable()), (true, Some(PermissionReason::SMaxage), true));
    let head = Head { permission: None, ..head };
    assert!(!head.is_shareable());
    let head = anonymous("public, max-age=60");
    assert_eq!((head.credentialed, head.permission, head.is_shareable()), (false, None, true));
    assert_eq!(head.policy_fingerprint, 7);
}

#[test]
fn t28_t35_what_is_kept_is_what_was_received_without_one_hops_fields() {
    let response = [
        ("cache-control", "max-age=60"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("age", "9"),
        ("link", "a"),
        ("link", "b"),
        ("etag", "\"a\""),
    ];
    let head = entry(&[], &response);
    let expected = fields(&[("cache-control", "max-age=60"), ("link", "a"), ("link", "b"), ("etag", "\"a\""), DATE]);
    assert_eq!(head.fields.to_map(0), expected);
    assert_eq!((head.current_age(at(1)), head.etag()), (Some(secs(10)), Some(&b"\"a\""[..])));
}

#[test]
fn decisions_read_the_fields_as_received_and_not_what_is_kept() {
    // The credential and the directive are judged before anything is removed.
    let given =
        Given { request: &[ALICE], response: &[("cache-control", "max-age=60"), ("connection", "x")], ..Given::default() };
    assert_eq!(given.judge().err(), Some(NotStored::NoPermit));
    let nominated = [("cache-control", "private"), ("connection", "cache-control")];
    assert_eq!(Given { response: &nominated, ..Given::default() }.judge().err(), Some(NotStored::Private));
}

#[test]
fn x026_expires_beside_a_targeted_field_gives_no_lifetime() {
    let response = [("cdn-cache-control", "public"), DATE, ("expires", "Fri, 15 Jan 2027 09:00:00 GMT"), ("etag", "\"a\"")];
    let targets = names(&["cdn-cache-control"]);
    let head = Given { response: &response, targets: &targets, ..Given::default() }.judge().unwrap();
    assert_eq!(head.lifetime.source, LifetimeSource::None);
    assert!(head.fields.contains_key("expires") && head.fields.contains_key("cdn-cache-control"), "passed on unchanged");
}

#[test]
fn fresh_for_ends_at_zero_and_is_zero_without_a_clock() {
    let head = anonymous("max-age=60");
    assert_eq!((head.fresh_for(at(10)), head.fresh_for(at(60)), head.fresh_for(at(99))), (secs(50), secs(0), secs(0)));
    assert_eq!(head.fresh_for(at(0) - secs(60)), secs(0));
}

/// The answer to one asker, made of the merged fields after a 304.
fn for_one(request: &[(&str, &str)], merged: &[(&str, &str)]) -> Head {
    let (request, received) = (fields(request), fields(merged));
    let directives = RequestDirectives::default();
    let credentials = RequestCredentials { any: request.contains_key("authorization"), in_query: false };
    let filler = Filler { request_time: at(100), response_time: at(101), ..filler(&directives, credentials) };
    Head::for_one(&anonymous("max-age=60"), &filler, &received, &received)
}

#[test]
fn n084_an_answer_for_one_asker_is_never_fresh_for_another() {
    let head = for_one(&[ALICE], &[("cache-control", "public, max-age=60"), ("set-cookie", "a=b"), ("age", "5")]);
    assert_eq!((head.status, head.permission, head.is_shareable()), (StatusCode::OK, None, false));
    assert_eq!((head.fresh_for(at(101)), head.current_age(at(101))), (secs(0), Some(secs(6))));
    assert!(head.reusable_fields().contains_key("set-cookie"), "its own cookie reaches the asker");
}

#[test]
fn every_verdict_has_its_metric_words() {
    let standard = PolicyAuthorization::Standard;
    for (verdict, policy, expected) in [
        (Ok(Some(PermissionReason::Public)), standard, ("shared", "public")),
        (Ok(Some(PermissionReason::SMaxage)), standard, ("shared", "s-maxage")),
        (Ok(Some(PermissionReason::MustRevalidate)), standard, ("shared", "must-revalidate")),
        (Err(NotStored::Private), standard, ("refused", "private")),
        (Err(NotStored::NoStore), standard, ("refused", "no-store")),
        (Err(NotStored::SecondKey), standard, ("refused", "second-key")),
        (Err(NotStored::Policy), standard, ("refused", "policy")),
        (Err(NotStored::NoPermit), standard, ("refused", "no-permit")),
        (Err(NotStored::NoPermit), PolicyAuthorization::Never, ("refused", "policy")),
        (Err(NotStored::Vary), standard, ("refused", "no-permit")),
        (Ok(None), standard, ("refused", "no-permit")),
    ] {
        let decision = authorization_decision(verdict, policy);
        assert_eq!((decision.decision(), decision.reason()), expected, "{verdict:?}");
    }
}

#[test]
fn a_debug_view_of_an_exchange_holds_no_credential() {
    let head = credentialed("public, max-age=60");
    assert!(!format!("{head:?}").contains("YWxpY2U6cGFzcw"), "the request's fields are not kept");
}

#[test]
fn an_entry_weighs_at_least_its_fields() {
    let with = |value: &str| entry(&[], &[("cache-control", "max-age=60"), ("x", value)]).weight_bytes();
    assert_eq!(with(&"y".repeat(10_000)) - with(""), 10_000);
    let name = "x".repeat(10_000);
    let named = entry(&[], &[("cache-control", "max-age=60"), (&name, "")]);
    let alone = named.weight_bytes();
    assert!(alone > 10_000);
    let same = named.clone();
    assert!(same.weight_bytes() < 1_000, "names that others have too are counted once");
    drop(same);
    assert_eq!(named.weight_bytes(), alone);
    let never = policy(Policy { bypass: true, ..Policy::default() });
    assert_eq!(
        Given { response: &[("cache-control", "max-age=60")], policy: never, ..Given::default() }.judge().err(),
        Some(NotStored::Policy)
    );
}
