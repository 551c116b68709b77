use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::config::settings::{HostPattern, MediaPattern, PathPattern, PolicyMatch, Settings, StatusRange};
use crate::policy::Policies;
use crate::target::{Host, Scheme};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn on(name: &str, content_types: &[&str], statuses: &[(u16, u16)], changes: Changes) -> ResponsePolicy {
    let content_types = content_types.iter().map(|text| MediaPattern::parse(text).unwrap()).collect();
    let statuses = statuses.iter().map(|(first, last)| StatusRange::new(*first, *last).unwrap()).collect();
    ResponsePolicy { name: name.to_owned(), matches: PolicyMatch::default(), content_types, statuses, changes }
}

fn target(host: &str, path: &str) -> Target {
    Target { scheme: Scheme::Http, host: Host::parse(host).unwrap(), port: 80, path_and_query: path.into() }
}

fn typed(lines: &[&'static str]) -> HeaderMap {
    lines.iter().map(|line| (header::CONTENT_TYPE, HeaderValue::from_static(line))).fold(
        HeaderMap::new(),
        |mut map, (name, value)| {
            map.append(name, value);
            map
        },
    )
}

/// The name of what decides for this status and these lines of Content-Type.
fn decides(of_responses: Vec<ResponsePolicy>, status: u16, lines: &[&'static str]) -> String {
    let policies = Policies::new(&Settings { response_policies: of_responses, ..Settings::default() });
    let selected = policies.select(None, &Method::GET, &target("a.test", "/x")).unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    selected.policy.for_response(selected.candidates, status, &typed(lines)).settings.name.clone()
}

#[test]
fn the_first_whose_conditions_hold_decides() {
    let written = || {
        vec![
            on("missing", &[], &[(404, 404), (410, 410)], Changes::default()),
            on("failed html", &["text/html"], &[(500, 599)], Changes::default()),
            on("images", &["image/*"], &[], Changes::default()),
            on("failed", &[], &[(500, 599)], Changes::default()),
        ]
    };
    for (status, lines, expect) in [
        (200, &[][..], "default"),
        (404, &[], "missing on default"),
        (404, &["image/png"], "missing on default"),
        (206, &["image/png"], "images on default"),
        (200, &["Image/PNG ; q=\"a,b/c\""], "images on default"),
        (503, &["text/html;charset=utf-8"], "failed html on default"),
        (503, &["image/png"], "images on default"),
        (503, &[], "failed on default"),
        (200, &["text/html"], "default"),
        // Of several the last that is valid.
        (200, &["text/html", "image/png"], "images on default"),
        (200, &["image/png, text/html"], "default"),
        (200, &["image/png", "nonsense"], "images on default"),
        (200, &["image/"], "default"),
        (200, &["image"], "default"),
    ] {
        assert_eq!(decides(written(), status, lines), expect, "{status} {lines:?}");
    }
}

#[test]
fn a_part_counts_as_the_200_that_it_is_a_part_of() {
    assert_eq!(decides(vec![on("whole", &[], &[(200, 200)], Changes::default())], 206, &[]), "whole on default");
}

#[test]
fn only_what_fits_the_request_is_looked_at() {
    let mut of_api = on("api", &[], &[(404, 404)], Changes::default());
    of_api.matches = PolicyMatch {
        hosts: vec![HostPattern::parse("*.test").unwrap()],
        paths: vec![PathPattern::parse("/v1/*").unwrap()],
        methods: vec![Method::GET],
    };
    let policies = Policies::new(&Settings { response_policies: vec![of_api], ..Settings::default() });
    for (host, path, method, fits) in [
        ("a.test", "/v1/x", Method::GET, true),
        ("a.test", "/v2/x", Method::GET, false),
        ("a.org", "/v1/x", Method::GET, false),
        ("a.test", "/v1/x", Method::HEAD, false),
    ] {
        let selected = policies.select(None, &method, &target(host, path)).unwrap();
        assert_eq!(selected.candidates, if fits { Candidates::only(0) } else { Candidates::NONE }, "{method} {host}{path}");
    }
}

#[test]
fn d4_what_a_response_sets_replaces_but_the_stricter_word_about_credentials_counts() {
    use PolicyAuthorization::{AlwaysValidate, Never, Standard};
    for (request, response, expect) in [
        (Standard, None, Standard),
        (Standard, Some(AlwaysValidate), AlwaysValidate),
        (AlwaysValidate, Some(Never), Never),
        (Never, Some(AlwaysValidate), Never),
        (Never, None, Never),
    ] {
        let policy = Policy { authorization: request, ..Policy::default() };
        let changes = Changes { authorization: response, ..Changes::default() };
        assert_eq!(combine(&policy, &on("s", &[], &[], changes)).authorization, expect, "{request:?} {response:?}");
    }
    for (request, response, expect) in [
        (AnonymousEntries::Reuse, Some(AnonymousEntries::Validate), AnonymousEntries::Validate),
        (AnonymousEntries::Bypass, Some(AnonymousEntries::Validate), AnonymousEntries::Bypass),
        (AnonymousEntries::Validate, Some(AnonymousEntries::Bypass), AnonymousEntries::Bypass),
    ] {
        let policy = Policy { anonymous_entries: request, ..Policy::default() };
        let changes = Changes { anonymous_entries: response, ..Changes::default() };
        assert_eq!(combine(&policy, &on("s", &[], &[], changes)).anonymous_entries, expect);
    }
    let bypassed = Policy { bypass: true, ..Policy::default() };
    assert!(combine(&bypassed, &on("s", &[], &[], Changes::default())).bypass);
    assert!(combine(&Policy::default(), &on("s", &[], &[], Changes { bypass: true, ..Changes::default() })).bypass);
    let request = Policy { min_ttl: secs(7), max_ttl: secs(900), ..Policy::default() };
    let both = combine(&request, &on("s", &[], &[], Changes { max_ttl: Some(secs(5)), ..Changes::default() }));
    assert_eq!((both.min_ttl, both.max_ttl), (secs(7), secs(5)));
}

#[test]
fn d15_what_a_response_changes_has_a_fingerprint_of_its_own() {
    let changes = |seconds| Changes { max_ttl: Some(secs(seconds)), ..Changes::default() };
    let fingerprints = |seconds| {
        let of_responses = vec![on("s", &[], &[(404, 404)], changes(seconds))];
        let policies = Policies::new(&Settings { response_policies: of_responses, ..Settings::default() });
        let policy = policies.all().next().unwrap();
        (policy.fingerprint, policy.by_response[0].policy.fingerprint)
    };
    let (plain, five) = fingerprints(5);
    assert_eq!(fingerprints(5), (plain, five), "the same in every process");
    assert_ne!(plain, five);
    assert_ne!(five, fingerprints(6).1);
    // What changes nothing leaves what is stored as it is.
    assert_eq!(fingerprints(86_400).1, plain);
}

#[test]
fn sixty_four_have_a_place() {
    assert_ne!(Candidates::only(Candidates::MOST - 1), Candidates::NONE);
    assert_eq!(Candidates::only(Candidates::MOST), Candidates::NONE);
}
