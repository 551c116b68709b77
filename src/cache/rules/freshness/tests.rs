use super::LifetimeSource::{Expires, Heuristic, MaxAge, SMaxage};
use super::*;
use crate::cache::tests::{DATE, Lines, at, entry, fields, secs};

fn answered<T>(status: u16, response: Lines<'_>, credentialed: bool, question: impl FnOnce(&Answered<'_>) -> T) -> T {
    let fields = fields(response);
    question(&Answered {
        status: StatusCode::from_u16(status).unwrap(),
        fields: &fields,
        directives: &ResponseDirectives::parse(&fields),
        is_targeted: false,
        credentialed,
        response_time: at(0),
    })
}

fn lifetime_of(status: u16, response: Lines<'_>, credentialed: bool, policy: &Policy) -> (u64, LifetimeSource) {
    let Lifetime { duration, source } = answered(status, response, credentialed, |answered| lifetime(answered, policy));
    (duration.as_secs(), source)
}

const HOUR_LATER: (&str, &str) = ("expires", "Fri, 15 Jan 2027 09:00:00 GMT");
/// A hundred hours before the date.
const MODIFIED: (&str, &str) = ("last-modified", "Mon, 11 Jan 2027 04:00:00 GMT");

#[test]
fn n073_s_maxage_then_max_age_then_expires_then_the_heuristic() {
    for (lines, expected) in [
        (&[("cache-control", "max-age=1, s-maxage=2"), DATE, HOUR_LATER, MODIFIED][..], (2, SMaxage)),
        (&[("cache-control", "max-age=1"), DATE, HOUR_LATER, MODIFIED], (1, MaxAge)),
        (&[("cache-control", "max-age=1"), ("cache-control", "s-maxage=5")], (5, SMaxage)),
        (&[("cache-control", "public"), DATE, HOUR_LATER, MODIFIED], (3600, Expires)),
        (&[DATE, MODIFIED], (36_000, Heuristic)),
        (&[DATE], (0, LifetimeSource::None)),
        // Broken ones do not fall through to the next.
        (&[("cache-control", "s-maxage=x, max-age=60"), DATE, HOUR_LATER], (0, SMaxage)),
        (&[("cache-control", "max-age=x"), DATE, HOUR_LATER, MODIFIED], (0, MaxAge)),
        (&[("cache-control", "s-maxage=0, max-age=60")], (0, SMaxage)),
    ] {
        assert_eq!(lifetime_of(200, lines, false, &Policy::default()), expected, "{lines:?}");
    }
}

#[test]
fn n115_an_expires_that_is_no_date_is_the_past() {
    for expires in [
        "0",
        "-1",
        "",
        "Fri, 15 Jan 2027 09:00:00 UTC",
        "Fri, 15 Jan 2027 09:00:00 +0500",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 15 Jan 2027 08:00:00 GMT",
    ] {
        assert_eq!(
            lifetime_of(200, &[DATE, ("expires", expires), MODIFIED], false, &Policy::default()),
            (0, Expires),
            "{expires}"
        );
    }
    let twice = [DATE, HOUR_LATER, HOUR_LATER];
    assert_eq!(lifetime_of(200, &twice, false, &Policy::default()), (0, Expires), "of several lines none counts");
}

#[test]
fn n073_expires_counts_from_date_and_without_one_from_receipt() {
    let skewed = [("date", "Fri, 15 Jan 2027 06:00:00 GMT"), HOUR_LATER];
    assert_eq!(lifetime_of(200, &skewed, false, &Policy::default()), (3 * 3600, Expires));
    assert_eq!(lifetime_of(200, &[HOUR_LATER], false, &Policy::default()), (3600, Expires));
    assert_eq!(lifetime_of(200, &[("date", "yesterday"), HOUR_LATER], false, &Policy::default()), (3600, Expires));
    for form in ["Friday, 15-Jan-27 09:00:00 GMT", "Fri Jan 15 09:00:00 2027"] {
        assert_eq!(lifetime_of(200, &[DATE, ("expires", form)], false, &Policy::default()), (3600, Expires), "{form}");
    }
}

#[test]
fn n074_heuristics_are_for_listed_statuses_or_public() {
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert_eq!(lifetime_of(status, &[DATE, MODIFIED], false, &Policy::default()).1, Heuristic, "{status}");
    }
    for status in [201, 202, 302, 303, 307, 400, 403, 451, 500, 502, 503, 504, 599] {
        assert_eq!(lifetime_of(status, &[DATE, MODIFIED], false, &Policy::default()).1, LifetimeSource::None, "{status}");
        let public = [("cache-control", "public"), DATE, MODIFIED];
        assert_eq!(lifetime_of(status, &public, false, &Policy::default()).1, Heuristic, "{status}");
    }
}

#[test]
fn n033_refusals_are_not_heuristically_cacheable() {
    for status in [401, 403, 407] {
        assert!(!is_heuristically_cacheable(StatusCode::from_u16(status).unwrap()), "{status}");
    }
}

#[test]
fn n074_the_heuristic_is_a_tenth_and_at_most_a_day() {
    let years = [DATE, ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")];
    assert_eq!(lifetime_of(200, &years, false, &Policy { max_ttl: Duration::MAX, ..Policy::default() }), (86_400, Heuristic));
    let future = [DATE, ("last-modified", "Sat, 16 Jan 2027 08:00:00 GMT")];
    assert_eq!(lifetime_of(200, &future, false, &Policy::default()), (0, Heuristic));
    assert_eq!(
        lifetime_of(200, &[DATE, MODIFIED], false, &Policy { heuristic: false, ..Policy::default() }).1,
        LifetimeSource::None
    );
}

#[test]
fn t25_credentialed_responses_have_no_assumed_lifetime() {
    let generous = Policy { default_ttl: secs(60), min_ttl: secs(60), ..Policy::default() };
    for lines in [&[("cache-control", "public"), DATE, MODIFIED][..], &[("cache-control", "must-revalidate"), DATE]] {
        assert_eq!(lifetime_of(200, lines, true, &generous), (0, LifetimeSource::None), "{lines:?}");
    }
    assert_eq!(lifetime_of(200, &[("cache-control", "public, max-age=9")], true, &generous), (9, MaxAge));
}

#[test]
fn an_operator_prolongs_only_what_states_nothing_and_shortens_always() {
    let floor = Policy { default_ttl: secs(30), min_ttl: secs(60), ..Policy::default() };
    let policy = LifetimeSource::Policy;
    let young = ("last-modified", "Fri, 15 Jan 2027 07:59:00 GMT");
    for (lines, expected) in [
        (&[DATE][..], (60, policy)),
        (&[DATE, young], (60, policy)),
        (&[DATE, MODIFIED], (36_000, Heuristic)),
        (&[("cache-control", "max-age=1")], (1, MaxAge)),
        (&[DATE, ("expires", "0")], (0, Expires)),
        (&[DATE, ("cache-control", "no-cache")], (0, LifetimeSource::None)),
        (&[DATE, young, ("cache-control", "must-revalidate")], (6, Heuristic)),
        (&[DATE, ("cache-control", "proxy-revalidate")], (0, LifetimeSource::None)),
        (&[DATE, ("cache-control", "private=\"a\"")], (0, LifetimeSource::None)),
    ] {
        assert_eq!(lifetime_of(200, lines, false, &floor), expected, "{lines:?}");
    }
    assert_eq!(lifetime_of(502, &[DATE], false, &floor), (0, LifetimeSource::None));
    let ceiling = Policy { max_ttl: secs(10), ..Policy::default() };
    assert_eq!(lifetime_of(200, &[("cache-control", "s-maxage=99")], true, &ceiling), (10, SMaxage));
}

#[test]
fn x026_expires_does_not_count_where_a_targeted_field_decides() {
    let decided = |is_targeted| {
        answered(200, &[DATE, HOUR_LATER], false, |answered| explicit_lifetime(&Answered { is_targeted, ..*answered }))
    };
    assert_eq!(decided(true), None);
    assert!(decided(false).is_some());
}

#[test]
fn n072_expires_ends_freshness_on_its_second_and_not_after() {
    let minute_later = ("expires", "Fri, 15 Jan 2027 08:01:00 GMT");
    let head = entry(&[], &[DATE, minute_later, ("etag", "\"a\"")]);
    let tick = std::time::Duration::from_nanos(1);
    assert_eq!((head.fresh_for(at(60) - tick), head.fresh_for(at(60))), (tick, secs(0)));
}
