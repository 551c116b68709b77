use super::*;
use crate::cache::tests::{ALICE, Given, Lines, Random, anonymous, at, cache_control, credentialed, entry, policy, secs};
use crate::config::settings::Policy;
use crate::policy::Candidates;

/// What becomes of an entry so many seconds after receipt.
fn decide_at(stored: &Head, asked: &str, is_credentialed: bool, seconds: u64, settings: Policy) -> Reuse {
    let directives = RequestDirectives::parse(&cache_control(asked));
    decide(
        stored,
        &Asker { directives: &directives, credentialed: is_credentialed, now: at(seconds), candidates: Candidates::NONE },
        &policy(settings),
    )
}

fn plain(stored: &Head, asked: &str, seconds: u64) -> Reuse {
    decide_at(stored, asked, false, seconds, Policy::default())
}

const STALE: Reuse = Reuse::Validate(WhyValidate::Stale);
const REQUEST: Reuse = Reuse::Validate(WhyValidate::Request);
const POLICY: Reuse = Reuse::Validate(WhyValidate::Policy);

#[test]
fn n060_fresh_until_the_lifetime_is_reached() {
    for (value, seconds, expected) in [
        ("max-age=60", 0, Reuse::Fresh),
        ("max-age=60", 59, Reuse::Fresh),
        ("max-age=60", 60, STALE),
        ("max-age=60, s-maxage=10", 10, STALE),
        ("s-maxage=60, max-age=10", 50, Reuse::Fresh),
        ("max-age=0", 0, STALE),
        ("max-age=x", 0, STALE),
        ("max-age=4000000000", 80_000, Reuse::Fresh),
    ] {
        assert_eq!(plain(&anonymous(value), "", seconds), expected, "{value} after {seconds}");
    }
    let aged = entry(&[], &[("cache-control", "max-age=60"), ("age", "50")]);
    assert_eq!((plain(&aged, "", 9), plain(&aged, "", 10)), (Reuse::Fresh, STALE));
}

#[test]
fn n006_n007_n008_n009_permitted_entries_are_for_everybody_while_fresh() {
    for (value, fresh, stale) in
        [("public, max-age=60", 59, 60), ("s-maxage=60", 59, 60), ("must-revalidate, max-age=60", 59, 60)]
    {
        let head = credentialed(value);
        for is_credentialed in [true, false] {
            let at = |seconds| decide_at(&head, "", is_credentialed, seconds, Policy::default());
            assert_eq!((at(fresh), at(stale)), (Reuse::Fresh, STALE), "{value}");
        }
    }
    assert_eq!(plain(&credentialed("s-maxage=0"), "", 0), STALE, "validated on every use");
    assert_eq!(plain(&credentialed("s-maxage=0, max-age=60"), "", 0), STALE);
}

#[test]
fn n054_without_a_recorded_permission_an_entry_is_for_nobody() {
    let head = Head { permission: None, ..credentialed("public, max-age=60") };
    for is_credentialed in [true, false] {
        assert_eq!(decide_at(&head, "", is_credentialed, 1, Policy::default()), Reuse::Never(WhyNever::NoPermit));
    }
    let head = Head { permission: None, ..anonymous("max-age=60") };
    assert_eq!(decide_at(&head, "", true, 1, Policy::default()), Reuse::Fresh, "RFC 9111 section 3.5 is about credentialed ones");
}

#[test]
fn n059_n107_no_cache_is_validated_on_every_use() {
    assert_eq!(plain(&anonymous("no-cache, max-age=60"), "", 1), Reuse::Validate(WhyValidate::NoCache));
    assert_eq!(plain(&anonymous("NO-CACHE==, max-age=60"), "", 1), Reuse::Validate(WhyValidate::NoCache));
}

#[test]
fn n107_qualified_no_cache_is_reused_without_those_fields() {
    let response: Lines<'_> = &[("cache-control", "max-age=60, no-cache=\"X-A, x-b\""), ("x-a", "1"), ("x-b", "2"), ("x-c", "3")];
    let head = entry(&[], response);
    assert_eq!(plain(&head, "", 1), Reuse::Fresh);
    assert!(
        !head.reusable_fields().contains_key("x-a")
            && !head.reusable_fields().contains_key("x-b")
            && head.reusable_fields().contains_key("x-c")
    );
    assert!(head.fields.contains_key("x-a"), "shown again once validated");
}

#[test]
fn n103_what_the_request_asks_for() {
    let head = anonymous("max-age=60");
    for (asked, seconds, expected) in [
        ("no-cache", 1, REQUEST),
        ("no-store", 1, REQUEST),
        ("max-age=0", 0, Reuse::Fresh),
        ("max-age=0", 1, REQUEST),
        ("max-age=10", 10, Reuse::Fresh),
        ("max-age=10", 11, REQUEST),
        ("max-age=10, max-stale", 11, REQUEST),
        ("max-age=90", 60, STALE),
        ("min-fresh=10", 50, Reuse::Fresh),
        ("min-fresh=10", 51, REQUEST),
        ("max-stale=10", 70, Reuse::AcceptedStale),
        ("max-stale=10", 71, STALE),
        ("max-stale", 5_000, Reuse::AcceptedStale),
        ("max-stale=x", 61, STALE),
        ("max-age=90, max-stale=10", 65, Reuse::AcceptedStale),
    ] {
        assert_eq!(plain(&head, asked, seconds), expected, "{asked} after {seconds}");
    }
}

#[test]
fn x031_what_is_immutable_and_fresh_is_not_validated_for_a_reload() {
    for (value, asked, seconds, expected) in [
        ("max-age=60, immutable", "max-age=0", 59, Reuse::Fresh),
        ("max-age=60, immutable=0", "max-age=10", 59, Reuse::Fresh),
        ("max-age=60, immutable=\"\", immutable", "max-age=x", 59, Reuse::Fresh),
        ("max-age=60, immutable x", "max-age=0", 59, REQUEST),
        ("max-age=60", "max-age=0", 59, REQUEST),
        ("max-age=60, immutable", "max-age=0", 60, REQUEST),
        ("max-age=60, immutable", "", 60, STALE),
        ("max-age=60, immutable", "no-cache", 1, REQUEST),
        ("max-age=60, immutable", "no-store", 1, REQUEST),
        ("max-age=60, immutable", "max-age=0, no-cache", 1, REQUEST),
        ("max-age=60, immutable", "min-fresh=30", 31, REQUEST),
        ("max-age=60, immutable", "max-age=0, min-fresh=30", 31, REQUEST),
        ("max-age=60, immutable, no-cache", "", 1, Reuse::Validate(WhyValidate::NoCache)),
    ] {
        assert_eq!(plain(&anonymous(value), asked, seconds), expected, "{value}, {asked}, {seconds}");
    }
    let changed = Head { policy_fingerprint: 8, ..anonymous("max-age=60, immutable") };
    assert_eq!(plain(&changed, "max-age=0", 1), POLICY);
}

#[test]
fn x029_validation_comes_before_the_window_and_the_window_before_max_stale() {
    let head = anonymous("max-age=60, stale-while-revalidate=40");
    for (asked, seconds, expected) in [
        ("", 59, Reuse::Fresh),
        ("", 60, Reuse::WhileRevalidating),
        ("max-stale=50", 100, Reuse::WhileRevalidating),
        ("max-stale=50", 101, Reuse::AcceptedStale),
        ("", 101, STALE),
        ("no-cache", 61, REQUEST),
        ("max-age=0", 61, REQUEST),
    ] {
        assert_eq!(plain(&head, asked, seconds), expected, "{asked} after {seconds}");
    }
    assert_eq!(plain(&Head { policy_fingerprint: 8, ..head }, "", 61), POLICY);
}

#[test]
fn n077_n104_n111_n113_max_stale_beats_no_prohibition() {
    for value in
        ["must-revalidate, max-age=1", "proxy-revalidate, max-age=1", "s-maxage=1", "max-age=1, no-cache=\"x\"", "s-maxage=x"]
    {
        assert_eq!(plain(&anonymous(value), "max-stale", 5), STALE, "{value}");
    }
    assert_eq!(plain(&anonymous("no-cache, max-age=1"), "max-stale", 5), Reuse::Validate(WhyValidate::NoCache));
    assert_eq!(plain(&credentialed("public, max-age=1"), "max-stale", 5), Reuse::AcceptedStale);
}

#[test]
fn t16_a_fresh_must_revalidate_entry_is_not_validated() {
    assert_eq!(decide_at(&credentialed("must-revalidate, max-age=60"), "", true, 1, Policy::default()), Reuse::Fresh);
}

#[test]
fn n065_no_age_no_reuse() {
    let directives = RequestDirectives::default();
    let asker = Asker { directives: &directives, credentialed: false, now: at(0) - secs(60), candidates: Candidates::NONE };
    assert_eq!(decide(&anonymous("max-age=60"), &asker, &policy(Policy::default())), Reuse::Validate(WhyValidate::Clock));
}

#[test]
fn a_stored_403_never_answers_a_credentialed_request() {
    let response: Lines<'_> = &[("cache-control", "public, max-age=60")];
    for request in [&[][..], &[ALICE]] {
        let Ok(head) = (Given { request, status: 403, response, ..Given::default() }).judge() else { continue };
        assert_eq!(decide_at(&head, "", true, 1, Policy::default()), Reuse::Never(WhyNever::StoredRefusal));
        assert_eq!(decide_at(&head, "", false, 1, Policy::default()), Reuse::Fresh);
    }
}

#[test]
fn an_operator_may_ask_for_more_never_for_less() {
    let with = |authorization, anonymous_entries| Policy { authorization, anonymous_entries, ..Policy::default() };
    use {AnonymousEntries as Anonymous, PolicyAuthorization as Auth};
    let (known, unknown) = (credentialed("public, max-age=60"), anonymous("max-age=60"));
    for (head, is_credentialed, settings, expected) in [
        (&known, true, with(Auth::AlwaysValidate, Anonymous::Reuse), POLICY),
        (&known, false, with(Auth::AlwaysValidate, Anonymous::Reuse), POLICY),
        (&known, true, with(Auth::Never, Anonymous::Reuse), Reuse::Never(WhyNever::Policy)),
        (&unknown, true, with(Auth::Never, Anonymous::Reuse), Reuse::Fresh),
        (&unknown, true, with(Auth::Standard, Anonymous::Validate), POLICY),
        (&unknown, false, with(Auth::Standard, Anonymous::Validate), Reuse::Fresh),
        (&known, true, with(Auth::Standard, Anonymous::Validate), Reuse::Fresh),
        (&unknown, true, with(Auth::Standard, Anonymous::Bypass), Reuse::Never(WhyNever::Policy)),
        (&unknown, false, with(Auth::Standard, Anonymous::Bypass), Reuse::Fresh),
    ] {
        assert_eq!(decide_at(head, "", is_credentialed, 1, settings.clone()), expected, "{settings:?}");
    }
    let moved = Head { policy_fingerprint: 8, ..anonymous("max-age=60") };
    assert_eq!(plain(&moved, "max-stale", 1), POLICY, "stored under another policy");
}

#[test]
fn n054_property_no_permission_no_use_whatever_else_is_said() {
    let mut random = Random::new();
    for _ in 0..5_000 {
        let value = random.pick(&[
            "public, max-age=60",
            "s-maxage=60",
            "must-revalidate, max-age=5",
            "public, no-cache",
            "s-maxage=0",
            "public, max-age=600",
        ]);
        let asked = random.pick(&[
            "",
            "max-stale",
            "max-age=9",
            "only-if-cached",
            "no-cache",
            "min-fresh=1",
            "no-store",
            "max-stale=9, max-age=9",
        ]);
        let settings = Policy {
            authorization: [PolicyAuthorization::Standard, PolicyAuthorization::Never, PolicyAuthorization::AlwaysValidate]
                [random.below(3)],
            anonymous_entries: [AnonymousEntries::Reuse, AnonymousEntries::Validate, AnonymousEntries::Bypass][random.below(3)],
            min_ttl: secs(random.next() % 100),
            ..Policy::default()
        };
        let head = Head { permission: None, policy_fingerprint: 7 + random.next() % 2, ..credentialed(value) };
        let (is_credentialed, seconds) = (random.coin(), random.next() % 700);
        assert!(
            matches!(decide_at(&head, asked, is_credentialed, seconds, settings.clone()), Reuse::Never(_)),
            "{value} {asked} {settings:?}"
        );
    }
}

#[test]
fn n075_property_age_never_decreases_and_stale_never_gets_fresh() {
    let mut random = Random::new();
    for _ in 0..2_000 {
        let (age, lifetime) = (random.next() % 200, random.next() % 200);
        let head = entry(&[], &[("cache-control", &format!("max-age={lifetime}")), ("age", &age.to_string()), ("etag", "\"a\"")]);
        let mut now = 0;
        let (mut known, mut was_stale) = (head.current_age(at(0)).unwrap(), false);
        for _ in 0..10 {
            now += random.next() % 60;
            let age = head.current_age(at(now)).unwrap();
            assert!(age >= known, "{age:?} after {known:?}");
            known = age;
            let is_fresh = plain(&head, "", now) == Reuse::Fresh;
            assert!(!(was_stale && is_fresh));
            assert_eq!(is_fresh, age < secs(lifetime));
            assert_eq!(is_fresh, !head.fresh_for(at(now)).is_zero());
            was_stale = !is_fresh;
        }
    }
}
