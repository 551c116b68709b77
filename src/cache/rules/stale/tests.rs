use super::*;
use crate::cache::rules::directives::RequestDirectives;
use crate::cache::tests::{anonymous, at, cache_control, credentialed, fields, policy, secs};
use crate::config::settings::Policy;
use crate::policy::Candidates;

/// What a failure so many seconds after receipt is answered with.
fn after(stored: &Head, asked: &str, seconds: u64, failure: Failure) -> Option<WhyStale> {
    by_policy(stored, (asked, false), seconds, failure, Policy::default())
}

fn by_policy(
    stored: &Head,
    (asked, credentialed): (&str, bool),
    seconds: u64,
    failure: Failure,
    settings: Policy,
) -> Option<WhyStale> {
    let directives = RequestDirectives::parse(&cache_control(asked));
    let asker = Asker { directives: &directives, credentialed, now: at(seconds), candidates: Candidates::NONE };
    after_failure(stored, &asker, &policy(settings), failure)
}

use Failure::{NoAnswer, ServerError};

const DISCONNECTED: Option<WhyStale> = Some(WhyStale::Disconnected);
const IF_ERROR: Option<WhyStale> = Some(WhyStale::IfError);

#[test]
fn x030_an_error_is_one_of_four_statuses() {
    let errors: Vec<u16> = (100..=599).filter(|code| is_error(StatusCode::from_u16(*code).unwrap())).collect();
    assert_eq!(errors, [500, 502, 503, 504]);
}

#[test]
fn x030_as_long_as_the_response_says_and_no_longer() {
    for (value, seconds, on_error, on_silence) in [
        ("max-age=60", 61, None, DISCONNECTED),
        ("max-age=60, stale-if-error=40", 61, IF_ERROR, IF_ERROR),
        ("max-age=60, stale-if-error=40", 100, IF_ERROR, IF_ERROR),
        ("max-age=60, stale-if-error=40", 101, None, DISCONNECTED),
        ("max-age=60, stale-if-error=40", 3_661, None, None),
        ("max-age=60, stale-if-error=0", 60, None, DISCONNECTED),
        ("max-age=60, stale-if-error=x", 61, None, DISCONNECTED),
        ("max-age=60, stale-if-error", 61, None, DISCONNECTED),
        ("max-age=60, stale-if-error=90, stale-if-error=9", 100, IF_ERROR, IF_ERROR),
        ("max-age=60, stale-if-error=9000", 9_060, IF_ERROR, IF_ERROR),
        ("max-age=60, stale-if-error=9000", 9_061, None, None),
        ("max-age=x, stale-if-error=40", 40, IF_ERROR, IF_ERROR),
    ] {
        let head = anonymous(value);
        assert_eq!(after(&head, "", seconds, ServerError), on_error, "{value} after {seconds}, error");
        assert_eq!(after(&head, "", seconds, NoAnswer), on_silence, "{value} after {seconds}, no answer");
    }
}

#[test]
fn x030_a_request_may_accept_more_and_a_policy_speaks_where_the_response_does_not() {
    let grace = |seconds| Policy { stale_if_error: secs(seconds), ..Policy::default() };
    for (value, asked, settings, seconds, expected) in [
        ("max-age=60", "stale-if-error=40", grace(0), 100, IF_ERROR),
        ("max-age=60", "stale-if-error=40", grace(0), 101, None),
        ("max-age=60, stale-if-error=20", "stale-if-error=40", grace(0), 100, IF_ERROR),
        ("max-age=60, stale-if-error=40", "stale-if-error=20", grace(0), 100, IF_ERROR),
        ("max-age=60", "stale-if-error=x", grace(0), 61, None),
        ("max-age=60", "", grace(40), 100, IF_ERROR),
        ("max-age=60", "", grace(40), 101, None),
        ("max-age=60, stale-if-error=20", "", grace(40), 90, None),
        ("max-age=60, stale-if-error=0", "", grace(40), 61, None),
        ("max-age=60, stale-if-error=x", "", grace(40), 61, None),
        ("max-age=60", "stale-if-error=5", grace(40), 100, IF_ERROR),
    ] {
        let found = by_policy(&anonymous(value), (asked, false), seconds, ServerError, settings);
        assert_eq!(found, expected, "{value}, {asked}, after {seconds}");
    }
    let off = Policy { max_stale_disconnected: Duration::ZERO, ..Policy::default() };
    assert_eq!(by_policy(&anonymous("max-age=60"), ("", false), 60, NoAnswer, off), None, "a window of nothing is none");
}

#[test]
fn n077_n078_n105_what_forbids_stale_wins_over_every_permission() {
    let generous = || Policy { stale_if_error: secs(9_000), ..Policy::default() };
    for value in
        ["must-revalidate", "must-revalidate=x", "proxy-revalidate", "s-maxage=60", "s-maxage=x", "no-cache", "no-cache=\"x\""]
    {
        let head = anonymous(&format!("{value}, max-age=60, stale-if-error=9000"));
        for failure in [ServerError, NoAnswer] {
            let found = by_policy(&head, ("stale-if-error=9000, max-stale", false), 61, failure, generous());
            assert_eq!(found, None, "{value} {failure:?}");
        }
    }
}

#[test]
fn n078_a_request_that_asks_for_validation_gets_no_less() {
    let head = anonymous("max-age=60, stale-if-error=9000");
    for asked in ["no-cache", "no-store", "max-age=100", "min-fresh=1", "max-age=0, stale-if-error=9000"] {
        for failure in [ServerError, NoAnswer] {
            assert_eq!(after(&head, asked, 61, failure), None, "{asked}");
        }
    }
    for failure in [ServerError, NoAnswer] {
        assert_eq!(after(&head, "max-stale=5", 100, failure), IF_ERROR);
        assert_eq!(after(&Head { policy_fingerprint: 8, ..head.clone() }, "", 61, failure), None, "another policy");
    }
}

#[test]
fn n065_no_age_no_stale_answer() {
    let directives = RequestDirectives::default();
    let asker = Asker { directives: &directives, credentialed: false, now: at(0) - secs(60), candidates: Candidates::NONE };
    let head = anonymous("max-age=60, stale-if-error=9000");
    assert_eq!(after_failure(&head, &asker, &policy(Policy::default()), NoAnswer), None);
}

#[test]
fn t51_permission_is_asked_before_stale_is_given() {
    for failure in [ServerError, NoAnswer] {
        let found = |head: &Head, settings| by_policy(head, ("", true), 61, failure, settings);
        let public = credentialed("public, max-age=60, stale-if-error=600");
        assert_eq!(found(&public, Policy::default()), IF_ERROR);
        assert_eq!(found(&Head { permission: None, ..public.clone() }, Policy::default()), None);
        for authorization in [PolicyAuthorization::Never, PolicyAuthorization::AlwaysValidate] {
            assert_eq!(found(&public, Policy { authorization, ..Policy::default() }), None, "{authorization:?}");
        }
        let unknown = anonymous("max-age=60, stale-if-error=600");
        for anonymous_entries in [AnonymousEntries::Validate, AnonymousEntries::Bypass] {
            let settings = Policy { anonymous_entries, ..Policy::default() };
            assert_eq!(found(&unknown, settings.clone()), None, "{anonymous_entries:?}");
            assert_eq!(by_policy(&unknown, ("", false), 61, failure, settings), IF_ERROR);
        }
        assert_eq!(found(&Head { status: StatusCode::FORBIDDEN, ..unknown }, Policy::default()), None, "a stored refusal");
    }
}

fn serves(stored: &Head, asked: &str, seconds: u64, settings: Policy) -> bool {
    let directives = RequestDirectives::parse(&cache_control(asked));
    let asker = Asker { directives: &directives, credentialed: false, now: at(seconds), candidates: Candidates::NONE };
    answers_while_revalidating(stored, &asker, &policy(settings))
}

#[test]
fn x029_while_revalidating_as_long_as_the_response_says_and_the_request_accepts() {
    for (value, asked, seconds, expected) in [
        ("max-age=60, stale-while-revalidate=40", "", 60, true),
        ("max-age=60, stale-while-revalidate=40", "", 100, true),
        ("max-age=60, stale-while-revalidate=40", "", 101, false),
        ("max-age=60", "", 60, false),
        ("max-age=60, stale-while-revalidate=0", "", 60, false),
        ("max-age=60, stale-while-revalidate=x", "", 61, false),
        ("max-age=60, stale-while-revalidate", "", 61, false),
        ("max-age=60, stale-while-revalidate=40", "max-age=100", 61, false),
        ("max-age=60, stale-while-revalidate=40", "min-fresh=0", 61, false),
        ("max-age=60, stale-while-revalidate=40", "max-stale=9", 69, true),
        ("max-age=60, stale-while-revalidate=40", "max-stale=9", 70, false),
        ("max-age=60, stale-while-revalidate=40", "max-stale", 100, true),
        ("max-age=60, stale-while-revalidate=40", "max-stale", 101, false),
        ("max-age=60, stale-while-revalidate=40", "stale-if-error=5", 100, true),
    ] {
        assert_eq!(serves(&anonymous(value), asked, seconds, Policy::default()), expected, "{value}, {asked}, after {seconds}");
    }
    let head = anonymous("max-age=60, stale-while-revalidate=40");
    assert!(!serves(&head.without_grace(), "", 61, Policy { stale_while_revalidate: secs(90), ..Policy::default() }));
}

#[test]
fn n077_x029_what_forbids_stale_forbids_it_while_revalidating() {
    let grace = || Policy { stale_while_revalidate: secs(600), ..Policy::default() };
    for value in ["must-revalidate", "proxy-revalidate", "s-maxage=60", "s-maxage=x", "no-cache", "no-cache=\"x\""] {
        for head in [anonymous(value), anonymous(&format!("{value}, max-age=60, stale-while-revalidate=600"))] {
            assert!(!serves(&head, "", 61, grace()), "{value}");
        }
    }
}

#[test]
fn x029_credentialed_entries_need_their_own_directive_and_public() {
    let grace = || Policy { stale_while_revalidate: secs(40), ..Policy::default() };
    for (head, expected) in [
        (anonymous("max-age=60"), true),
        (anonymous("max-age=60, stale-while-revalidate=0"), false),
        (anonymous("max-age=60, stale-while-revalidate=x"), false),
        (credentialed("public, max-age=60"), false),
        (credentialed("public, max-age=60, stale-while-revalidate=40"), true),
    ] {
        assert_eq!(serves(&head, "", 100, grace()), expected, "{:?}", head.directives);
        assert!(!serves(&head, "", 101, grace()), "{:?}", head.directives);
    }
    let public = credentialed("public, max-age=60, stale-while-revalidate=40");
    for permission in [None, Some(PermissionReason::SMaxage), Some(PermissionReason::MustRevalidate)] {
        assert!(!serves(&Head { permission, ..public.clone() }, "", 61, grace()), "{permission:?}");
    }
}

#[test]
fn x029_t23_t37_whose_credentials_go_with_another_request() {
    // As it is; as HEAD; with a range.
    for (name, value, whole, changed) in [
        ("x", "", true, true),
        ("authorization", "Basic YTph", true, true),
        ("authorization", "BEARER b", true, true),
        ("authorization", "Digest username=\"a\"", true, false),
        ("authorization", "AWS4-HMAC-SHA256 Credential=a", true, false),
        ("authorization", "", true, false),
        ("authorization", "NTLM TlRM", false, false),
        ("authorization", "negotiate a", false, false),
        ("signature", "sig1=:a:", true, false),
    ] {
        let with = |other| fields(&[(name, value), other]);
        assert_eq!(may_ask_behind(&Method::GET, &with(("accept", "*/*"))), whole, "{value}");
        assert_eq!(may_ask_behind(&Method::HEAD, &with(("accept", "*/*"))), changed, "{value}");
        for narrowing in ["range", "if-range", "if-none-match", "if-modified-since"] {
            assert_eq!(may_ask_behind(&Method::GET, &with((narrowing, "x"))), changed, "{value}, {narrowing}");
        }
    }
}

#[test]
fn x029_t20_refusals_and_errors_say_nothing_of_the_resource() {
    let silent: Vec<u16> = (200..=599).filter(|code| !speaks_of_resource(StatusCode::from_u16(*code).unwrap())).collect();
    let expected: Vec<u16> = [401, 403, 407, 408, 425, 429].into_iter().chain(500..=599).collect();
    assert_eq!(silent, expected);
}
