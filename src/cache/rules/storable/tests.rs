use super::*;
use crate::cache::tests::{ALICE, DATE, Given, Lines, Random, at, fields, names, policy};
use crate::cache::words::PermissionReason::{MustRevalidate, Public, SMaxage};
use crate::config::settings::Credentials;

/// What is decided on a response to a GET, the second key included.
fn judge(request: Lines<'_>, status: u16, response: Lines<'_>) -> Result<Option<PermissionReason>, NotStored> {
    Given { request, status, response, ..Given::default() }.judge().map(|head| head.permission)
}

/// The rules alone, without the second key.
fn own(request: Lines<'_>, status: u16, response: Lines<'_>, settings: &Policy) -> Result<Option<PermissionReason>, NotStored> {
    let (request, response) = (fields(request), fields(response));
    let asked = Asked {
        method: &Method::GET,
        directives: &RequestDirectives::parse(&request),
        credentials: super::super::authorization::request_credentials(&request, None, &settings.credentials),
        consumed: &[],
        targets: &[],
        is_located: false,
    };
    let answered = Answered {
        status: StatusCode::from_u16(status).unwrap(),
        fields: &response,
        directives: &ResponseDirectives::parse(&response),
        is_targeted: false,
        credentialed: asked.credentials.any,
        response_time: at(0),
    };
    storable(&asked, &answered, settings)
}

fn cc(value: &str) -> [(&str, &str); 2] {
    [("cache-control", value), ("etag", "\"a\"")]
}

#[test]
fn n035_only_responses_to_get_are_stored() {
    for (method, expected) in [
        (Method::GET, None),
        (Method::HEAD, Some(NotStored::Method)),
        (Method::POST, Some(NotStored::Method)),
        (Method::PUT, Some(NotStored::Method)),
        (Method::OPTIONS, Some(NotStored::Method)),
        (Method::from_bytes(b"QUERY").unwrap(), Some(NotStored::Method)),
        (Method::from_bytes(b"BREW").unwrap(), Some(NotStored::Method)),
    ] {
        let given = Given { method: method.clone(), response: &cc("public, max-age=60"), ..Given::default() };
        assert_eq!(given.judge().err(), expected, "{method}");
    }
}

/// RFC 9110 section 9.3.3.
#[test]
fn n035_a_response_to_post_is_stored_if_fresh_and_located_at_the_target() {
    use PermissionReason::SMaxage;
    for (request, status, response, is_located, expected) in [
        (&[][..], 200, "max-age=60", true, Ok(None)),
        (&[], 200, "max-age=60", false, Err(NotStored::Method)),
        (&[], 200, "public", true, Err(NotStored::Method)),
        (&[], 200, "no-cache", true, Err(NotStored::Method)),
        (&[], 201, "max-age=60", true, Err(NotStored::Method)),
        (&[], 404, "max-age=60", true, Err(NotStored::Method)),
        (&[], 200, "max-age=60, private", true, Err(NotStored::Private)),
        (&[], 200, "max-age=60, no-store", true, Err(NotStored::NoStore)),
        (&[ALICE], 200, "max-age=60", true, Err(NotStored::NoPermit)),
        (&[ALICE], 200, "s-maxage=60", true, Ok(Some(SMaxage))),
        (&[ALICE], 200, "s-maxage=60", false, Err(NotStored::Method)),
    ] {
        let lines = cc(response);
        let given = Given { method: Method::POST, request, status, response: &lines, is_located, ..Given::default() };
        assert_eq!(given.judge().map(|head| head.permission), expected, "{request:?} {status} {response} {is_located}");
    }
}

#[test]
fn n036_n037_statuses_that_are_not_final_or_not_understood() {
    for (status, directives, expected) in [
        (100, "max-age=60", Some(NotStored::Status)),
        (103, "max-age=60", Some(NotStored::Status)),
        (206, "max-age=60", Some(NotStored::Partial)),
        (304, "max-age=60", Some(NotStored::Status)),
        (401, "public, max-age=60", Some(NotStored::Status)),
        (407, "public, max-age=60", Some(NotStored::Status)),
        (412, "public, max-age=60", Some(NotStored::Status)),
        (416, "public, max-age=60", Some(NotStored::Status)),
        (417, "public, max-age=60", Some(NotStored::Status)),
        (428, "public, max-age=60", Some(NotStored::Status)),
        (429, "public, max-age=60", Some(NotStored::Status)),
        (431, "public, max-age=60", Some(NotStored::Status)),
        (511, "public, max-age=60", Some(NotStored::Status)),
        (414, "max-age=60", None),
        (600, "max-age=60", Some(NotStored::Status)),
        (999, "public, max-age=60", Some(NotStored::Status)),
        (599, "max-age=60", None),
        (599, "must-understand, max-age=60", Some(NotStored::Status)),
        (299, "max-age=60", None),
        (403, "max-age=60", None),
        (503, "max-age=60", None),
        (200, "must-understand, max-age=60", None),
    ] {
        assert_eq!(judge(&[], status, &cc(directives)).err(), expected, "{status} {directives}");
    }
}

#[test]
fn n038_n108_no_store_wins_in_any_case_and_order() {
    for value in ["no-store", "No-Store, max-age=60", "public, max-age=60, no-store", "no-store=x", "s-maxage=60, NO-STORE"] {
        assert_eq!(judge(&[], 200, &cc(value)), Err(NotStored::NoStore), "{value}");
        assert_eq!(judge(&[ALICE], 200, &cc(value)), Err(NotStored::NoStore), "{value}");
    }
    let over_lines = [("cache-control", "public, max-age=60"), ("cache-control", "no-store, x=\u{ff}")];
    assert_eq!(judge(&[ALICE], 200, &over_lines), Err(NotStored::NoStore));
}

#[test]
fn n106_must_understand_overrides_no_store_for_the_uncredentialed_only() {
    let value = "must-understand, no-store, public, max-age=60";
    assert_eq!(judge(&[], 200, &cc(value)), Ok(None));
    assert_eq!(judge(&[ALICE], 200, &cc(value)), Err(NotStored::NoStore));
    assert_eq!(judge(&[], 599, &cc(value)), Err(NotStored::Status));
    assert_eq!(judge(&[], 200, &cc("must-understand=1, no-store, max-age=60")), Err(NotStored::NoStore));
}

#[test]
fn n039_n110_private_bars_storing_unless_it_is_qualified() {
    for value in [
        "private",
        "Private, max-age=60",
        "PRIVATE, public, max-age=60",
        "private=\"a b\", max-age=60",
        "private =x, s-maxage=60",
    ] {
        assert_eq!(judge(&[], 200, &cc(value)), Err(NotStored::Private), "{value}");
        assert_eq!(judge(&[ALICE], 200, &cc(value)), Err(NotStored::Private), "{value}");
    }
    let response =
        [("cache-control", "max-age=60, private=\"X-User, x-mail\""), ("x-user", "alice"), ("x-mail", "a@b"), ("x-other", "1")];
    let head = Given { response: &response, ..Given::default() }.judge().unwrap();
    assert!(!head.fields.contains_key("x-user") && !head.fields.contains_key("x-mail") && head.fields.contains_key("x-other"));
}

#[test]
fn n110_private_of_a_field_that_decides_is_private_of_the_whole() {
    for name in ["vary", "Cache-Control", "expires", "etag"] {
        let value = format!("max-age=60, private=\"x, {name}\"");
        assert_eq!(judge(&[], 200, &[("cache-control", &value), ("vary", "cookie")]), Err(NotStored::Private), "{name}");
    }
    let given = Given {
        response: &[("cdn-cache-control", "max-age=60, private=\"cdn-cache-control\"")],
        targets: &names(&["cdn-cache-control"]),
        ..Given::default()
    };
    assert_eq!(given.judge().err(), Some(NotStored::Private));
}

#[test]
fn n040_n005_n054_a_credentialed_response_needs_a_permitting_directive() {
    for (value, expected) in [
        ("max-age=60", Err(NotStored::NoPermit)),
        ("no-cache", Err(NotStored::NoPermit)),
        ("proxy-revalidate, max-age=60", Err(NotStored::NoPermit)),
        ("immutable, max-age=60", Err(NotStored::NoPermit)),
        ("max-age=60, s-maxage=x", Err(NotStored::NoPermit)),
        ("public, max-age=60", Ok(Some(Public))),
        ("s-maxage=60", Ok(Some(SMaxage))),
        ("s-maxage=0", Ok(Some(SMaxage))),
        ("must-revalidate, max-age=60", Ok(Some(MustRevalidate))),
        ("public, no-cache", Ok(Some(Public))),
    ] {
        assert_eq!(judge(&[ALICE], 200, &cc(value)), expected, "{value}");
        assert_eq!(judge(&[], 200, &cc(value)), Ok(None), "anonymous {value}");
        assert_eq!(judge(&[("proxy-authorization", "Basic x")], 200, &cc(value)), Ok(None), "for this hop only {value}");
    }
    assert_eq!(judge(&[ALICE], 200, &[("expires", "Fri, 15 Jan 2027 09:00:00 GMT"), DATE]), Err(NotStored::NoPermit));
    assert_eq!(judge(&[ALICE], 200, &[("cache-control", "max-age=60"), ("vary", "authorization")]), Err(NotStored::NoPermit));
}

#[test]
fn n112_public_allows_what_nothing_else_forbids() {
    for (request, status, value, expected) in [
        (&[][..], 302, "unknown", Err(NotStored::NotCacheable)),
        (&[], 302, "public", Ok(None)),
        (&[ALICE], 200, "unknown", Err(NotStored::NoPermit)),
        (&[ALICE], 200, "public", Ok(Some(Public))),
        (&[], 200, "public, no-store", Err(NotStored::NoStore)),
        (&[ALICE], 200, "no-store, public", Err(NotStored::NoStore)),
        (&[], 200, "public, private", Err(NotStored::Private)),
        (&[ALICE], 200, "private, public", Err(NotStored::Private)),
        (&[], 401, "public, max-age=60", Err(NotStored::Status)),
        (&[("cache-control", "no-store")], 200, "public", Err(NotStored::RequestNoStore)),
    ] {
        assert_eq!(judge(request, status, &cc(value)), expected, "{request:?} {status} {value}");
    }
}

#[test]
fn t09_an_empty_authorization_is_one() {
    assert_eq!(judge(&[("authorization", "")], 200, &cc("max-age=60")), Err(NotStored::NoPermit));
}

#[test]
fn x021_a_credential_in_the_query_is_never_stored() {
    for target in ["/x?access_token=1", "/x?a&%61ccess_token"] {
        let given = Given { target, response: &cc("public, s-maxage=60"), ..Given::default() };
        assert_eq!(given.judge().err(), Some(NotStored::QueryCredential), "{target}");
    }
}

#[test]
fn t10_listed_credentials_count_as_authorization() {
    let credentials = Credentials { headers: names(&["x-api-key"]), cookies: vec!["sid".to_owned()], ..Credentials::default() };
    let settings = Policy { credentials, ..Policy::default() };
    for request in [&[("x-api-key", "k")][..], &[("cookie", "a=b; sid=1")]] {
        assert_eq!(own(request, 200, &cc("max-age=60"), &settings), Err(NotStored::NoPermit), "{request:?}");
        assert_eq!(own(request, 200, &cc("max-age=60"), &Policy::default()), Ok(None), "{request:?}");
    }
}

#[test]
fn n041_something_must_say_that_it_may_be_cached() {
    const MODIFIED: (&str, &str) = ("last-modified", "Mon, 11 Jan 2027 04:00:00 GMT");
    const EXPIRES: (&str, &str) = ("expires", "0");
    for (status, response, expected) in [
        (200, &[MODIFIED][..], Ok(None)),
        (404, &[MODIFIED], Ok(None)),
        (302, &[MODIFIED], Err(NotStored::NotCacheable)),
        (403, &[MODIFIED], Err(NotStored::NotCacheable)),
        (500, &[("cache-control", "must-revalidate"), MODIFIED], Err(NotStored::NotCacheable)),
        (302, &[("cache-control", "public"), MODIFIED], Ok(None)),
        (302, &[EXPIRES], Ok(None)),
        (302, &[("cache-control", "max-age=0")], Ok(None)),
        (302, &[("cache-control", "s-maxage=x")], Ok(None)),
        // Neither a lifetime nor a validator: nothing would ever be saved.
        (200, &[], Err(NotStored::NoLifetime)),
        (200, &[("cache-control", "no-cache")], Err(NotStored::NoLifetime)),
        (200, &[("etag", "\"a\"")], Ok(None)),
    ] {
        assert_eq!(own(&[], status, response, &Policy::default()), expected, "{status} {response:?}");
    }
}

#[test]
fn n007_t14_s_maxage_0_is_stored_to_be_validated() {
    assert_eq!(judge(&[ALICE], 200, &[("cache-control", "s-maxage=0")]), Ok(Some(SMaxage)));
    assert_eq!(judge(&[], 200, &[("cache-control", "max-age=0")]), Ok(None));
}

#[test]
fn n102_request_no_store() {
    assert_eq!(judge(&[("cache-control", "No-Store")], 200, &cc("public, max-age=60")), Err(NotStored::RequestNoStore));
}

#[test]
fn n068_n066_vary_that_cannot_be_honoured() {
    let consumed = names(&["proxy-authorization", "host"]);
    for (vary, expected) in [
        ("accept", None),
        ("authorization", None),
        ("*", Some(NotStored::Vary)),
        ("accept, *", Some(NotStored::Vary)),
        ("bad name", Some(NotStored::Vary)),
        ("cookie, x\u{ff}", Some(NotStored::Vary)),
        ("accept, Proxy-Authorization", Some(NotStored::Vary)),
        ("host", Some(NotStored::Vary)),
    ] {
        let given = Given {
            request: &[ALICE],
            response: &[("cache-control", "public, max-age=60"), ("vary", vary)],
            consumed: &consumed,
            ..Given::default()
        };
        assert_eq!(given.judge().err(), expected, "{vary}");
    }
}

#[test]
fn n043_a_response_that_nominates_what_decides_is_not_stored() {
    for name in ["cache-control", "Vary", "expires", "etag"] {
        let connection = format!("close, {name}");
        assert_eq!(
            judge(&[], 200, &[("cache-control", "max-age=60"), ("connection", &connection)]),
            Err(NotStored::Nominated),
            "{name}"
        );
    }
    let head = Given {
        response: &[("cache-control", "max-age=60"), ("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "5")],
        ..Given::default()
    };
    let head = head.judge().unwrap();
    assert!(["connection", "x-hop", "keep-alive"].iter().all(|name| !head.fields.contains_key(*name)));
}

#[test]
fn t33_set_cookie_is_refused_stripped_or_stored() {
    let response = [("cache-control", "public, max-age=60"), ("set-cookie", "sid=1"), ("set-cookie", "b=2")];
    for (set_cookie, expected) in
        [(SetCookie::Refuse, Err(NotStored::SetCookie)), (SetCookie::Strip, Ok(0)), (SetCookie::Store, Ok(2))]
    {
        let given = Given { response: &response, policy: policy(Policy { set_cookie, ..Policy::default() }), ..Given::default() };
        let lines = given.judge().map(|head| head.fields.names().filter(|name| *name == "set-cookie").count());
        assert_eq!(lines, expected, "{set_cookie:?}");
    }
}

#[test]
fn an_operator_may_refuse_more() {
    let bypass = Policy { bypass: true, ..Policy::default() };
    assert_eq!(own(&[], 200, &cc("max-age=60"), &bypass), Err(NotStored::Policy));
    let never = Policy { authorization: PolicyAuthorization::Never, ..Policy::default() };
    assert_eq!(own(&[ALICE], 200, &cc("public, max-age=60"), &never), Err(NotStored::Policy));
    assert_eq!(own(&[], 200, &cc("public, max-age=60"), &never), Ok(None));
}

#[test]
fn the_tripwire_reads_every_decisive_field_of_a_credentialed_response() {
    for response in [
        &[("cache-control", "public, foo=\"private\"")][..],
        &[("cache-control", "public"), ("cache-control", "x-No-Store")],
        &[("cache-control", "public, private=\"x\"")],
        &[("cache-control", "public"), ("cdn-cache-control", "public, no-store=?0")],
        &[("cdn-cache-control", "public, max-age=9"), ("cache-control", "private")],
    ] {
        let mut response = response.to_vec();
        response.push(("etag", "\"a\""));
        let targets = names(&["cdn-cache-control"]);
        let given = |request| Given { request, response: &response, targets: &targets, ..Given::default() }.judge().err();
        assert_eq!(given(&[ALICE]), Some(NotStored::SecondKey), "{response:?}");
        assert_eq!(given(&[]), None, "{response:?}");
    }
}

#[test]
fn t13_a_targeted_field_decides_permission_too() {
    let targets = names(&["cdn-cache-control"]);
    for (targeted, untargeted, expected) in [
        ("max-age=60", "public", Err(NotStored::NoPermit)),
        ("no-store", "public, max-age=60", Err(NotStored::NoStore)),
        ("private", "public, max-age=60", Err(NotStored::Private)),
        ("public, max-age=60", "max-age=0", Ok(Some(Public))),
        ("s-maxage=\"60\"", "public", Err(NotStored::NoPermit)),
        ("&&&", "public, max-age=60", Ok(Some(Public))),
    ] {
        let response = [("cdn-cache-control", targeted), ("cache-control", untargeted), ("etag", "\"a\"")];
        let given = Given { request: &[ALICE], response: &response, targets: &targets, ..Given::default() };
        assert_eq!(given.judge().map(|head| head.permission), expected, "{targeted} | {untargeted}");
    }
}

#[test]
fn n042_n044_t36_what_is_kept_of_the_fields() {
    let response = [
        ("cache-control", "public, max-age=60"),
        ("x-unknown", "1"),
        ("link", "a"),
        ("link", "b"),
        ("content-disposition", "inline"),
        ("age", "5"),
        ("authentication-info", "nextnonce=\"x\""),
        ("www-authenticate", "Negotiate dG9rZW4="),
        ("proxy-authentication-info", "x"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authorization", "Basic x"),
        ("proxy-status", "p; error=x"),
        DATE,
    ];
    let kept = |request| {
        let head = Given { request, response: &response, ..Given::default() }.judge().unwrap();
        let mut kept: Vec<String> = head.fields.names().map(ToString::to_string).collect();
        kept.sort_unstable();
        kept
    };
    assert_eq!(kept(&[ALICE]), ["cache-control", "content-disposition", "date", "link", "link", "x-unknown"]);
    let anonymous = kept(&[]);
    assert_eq!(anonymous.len(), 7);
    assert!(anonymous.contains(&"www-authenticate".to_owned()), "a challenge to nobody is for everybody");
}

#[test]
fn every_reason_has_a_word_of_its_own() {
    use NotStored as N;
    let all = [
        N::Method,
        N::Status,
        N::Partial,
        N::RequestNoStore,
        N::RequestContent,
        N::NoStore,
        N::Private,
        N::NoPermit,
        N::NotCacheable,
        N::NoLifetime,
        N::Vary,
        N::SetCookie,
        N::Nominated,
        N::QueryCredential,
        N::Policy,
        N::SecondKey,
        N::TooLarge,
    ];
    let words: std::collections::HashSet<&str> = all.iter().map(|why| why.as_str()).collect();
    assert_eq!(words.len(), all.len());
    assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')), "a token of RFC 9211");
}

#[test]
fn x026_the_first_valid_targeted_field_of_the_list_decides() {
    let targets = names(&["ours-cache-control", "cdn-cache-control"]);
    for (ours, cdn, expected) in [
        ("max-age=1", "no-store", Ok(1)),
        ("no-store", "max-age=2", Err(NotStored::NoStore)),
        ("", "max-age=2", Ok(2)),
        ("max-age=\"", "max-age=2", Ok(2)),
        ("max-age=1;x, odd=(a b)", "no-store", Ok(1)),
        ("", "", Ok(9)),
    ] {
        let response =
            [("cdn-cache-control", cdn), ("ours-cache-control", ours), ("cache-control", "max-age=9"), ("etag", "\"a\"")];
        let given = Given { response: &response, targets: &targets, ..Given::default() };
        assert_eq!(given.judge().map(|head| head.lifetime.duration.as_secs()), expected, "{ours} | {cdn}");
    }
}

/// A response from some of these lines; each field occurs once, so that order means nothing.
fn random_response(random: &mut Random) -> Vec<(&'static str, String)> {
    const DIRECTIVES: [&str; 12] = [
        "public",
        "private",
        "no-store",
        "no-cache",
        "must-revalidate",
        "s-maxage=60",
        "max-age=30",
        "private=\"x-a\"",
        "no-cache=\"x-a, x-b\"",
        "must-understand",
        "ext=\"public, x\"",
        "s-maxage=x",
    ];
    const LINES: [(&str, &str); 10] = [
        ("etag", "\"A\""),
        ("last-modified", "Mon, 11 Jan 2027 04:00:00 GMT"),
        ("expires", "Fri, 15 Jan 2027 09:00:00 GMT"),
        ("expires", "0"),
        ("age", "5"),
        ("vary", "accept"),
        ("vary", "*"),
        ("connection", "x-a"),
        ("connection", "vary"),
        ("set-cookie", "a=b"),
    ];
    let mut directives: Vec<&str> = (0..random.below(4)).map(|_| random.pick(&DIRECTIVES)).collect();
    directives.sort_unstable();
    directives.dedup_by_key(|directive| directive.split('=').next());
    let mut lines: Vec<(&str, String)> = directives.iter().map(|directive| ("cache-control", (*directive).to_owned())).collect();
    for (name, value) in LINES {
        if random.below(4) == 0 && !lines.iter().any(|(other, _)| *other == name) {
            lines.push((name, value.to_owned()));
        }
    }
    lines
}

#[test]
fn n100_property_order_letter_case_and_white_space_change_no_decision() {
    let mut random = Random::new();
    let mut stored = 0;
    for _ in 0..5_000 {
        let lines = random_response(&mut random);
        let request: &[(&str, &str)] = if random.coin() { &[ALICE] } else { &[] };
        let status = [200, 404, 302, 403][random.below(4)];
        let verdict = |lines: &[(&str, String)]| {
            let response: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let head = Given { request, status, response: &response, ..Given::default() }.judge()?;
            let mut names: Vec<String> = head.reusable_fields().keys().map(ToString::to_string).collect();
            names.sort_unstable();
            Ok::<_, NotStored>((head.permission, head.credentialed, head.lifetime, head.age, names))
        };
        let before = verdict(&lines);
        let mut scrambled = lines.clone();
        random.shuffle(&mut scrambled);
        for (name, value) in &mut scrambled {
            if ["cache-control", "vary", "connection", "expires", "last-modified"].contains(name) {
                *value = random.recase(value);
            }
            if ["cache-control", "vary", "connection"].contains(name) {
                *value = format!("{}{value}{},", random.ows(), random.ows());
            }
        }
        assert_eq!(before, verdict(&scrambled), "{lines:?} {scrambled:?}");
        stored += u32::from(before.is_ok());
    }
    assert!(stored > 300, "{stored}");
}

#[test]
fn n044_fields_of_one_hop_or_exchange_are_never_stored() {
    for name in
        ["age", "authentication-info", "proxy-authentication-info", "proxy-authenticate", "proxy-authorization", "proxy-status"]
    {
        let (received, directives) = (fields(&[(name, "x"), ("y", "z")]), ResponseDirectives::default());
        let kept = stored_fields(&received, &directives, &Policy::default(), false);
        assert!(kept.eq(&fields(&[("y", "z")])), "{name}");
    }
}
