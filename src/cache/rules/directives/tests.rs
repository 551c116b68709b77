use super::*;
use crate::cache::rules::authorization::permission;
use crate::cache::tests::{Random, cache_control, fields, names};

fn response(value: &str) -> ResponseDirectives {
    ResponseDirectives::parse(&cache_control(value))
}

fn request(value: &str) -> RequestDirectives {
    RequestDirectives::parse(&cache_control(value))
}

#[test]
fn n099_every_response_directive_is_read() {
    let all = "max-age=1, s-maxage=2, must-revalidate, proxy-revalidate, public, private, no-store, no-cache, \
               must-understand, immutable, stale-while-revalidate=3, stale-if-error=4";
    let expected = ResponseDirectives {
        max_age: Some(Seconds::Valid(1)),
        s_maxage: Some(Seconds::Valid(2)),
        must_revalidate: true,
        must_revalidate_permits: true,
        proxy_revalidate: true,
        public: true,
        private: Qualified::Whole,
        no_store: true,
        no_cache: Qualified::Whole,
        must_understand: true,
        immutable: true,
        stale_while_revalidate: Some(Seconds::Valid(3)),
        stale_if_error: Some(Seconds::Valid(4)),
    };
    assert_eq!(response(all), expected);
    // Each directive by itself sets its own field and no other.
    for member in all.split(", ") {
        let others = all.split(", ").filter(|other| *other != member).collect::<Vec<_>>().join(", ");
        assert_ne!(response(&others), expected, "{member}");
        assert_ne!(response(member), ResponseDirectives::default(), "{member}");
    }
}

#[test]
fn n100_names_compare_in_any_case_and_all_lines_count() {
    assert_eq!(response("MaX-aGe=60, PUBLIC, No-Store"), response("max-age=60, public, no-store"));
    let lines = fields(&[("cache-control", "max-age=60"), ("cache-control", ""), ("Cache-Control", ",,NO-CACHE ,")]);
    assert_eq!(ResponseDirectives::parse(&lines), response("max-age=60, no-cache"));
    assert_eq!(request("NO-STORE, Only-If-Cached, Max-Age=5"), request("no-store, only-if-cached, max-age=5"));
}

#[test]
fn n100_arguments_may_be_tokens_or_quoted_strings() {
    for value in ["max-age=60", "max-age=\"60\"", "max-age=060"] {
        assert_eq!(response(value).max_age, Some(Seconds::Valid(60)), "{value}");
    }
    assert_eq!(response(r#"private="A, b""#).private, Qualified::Fields(names(&["a", "b"])));
    assert_eq!(response("private=a").private, Qualified::Fields(names(&["a"])), "token form of a single field");
}

#[test]
fn n114_unknown_directives_change_nothing() {
    for value in [
        "nothing-to-see-here",
        "foo=1, foo=2",
        "x-private=1",
        "no-store-x",
        "xno-store",
        "public2",
        "s-maxage2=60",
        "=public",
        "\"public\"",
    ] {
        assert_eq!(response(value), ResponseDirectives::default(), "{value}");
        assert_eq!(request(value), RequestDirectives::default(), "{value}");
    }
}

#[test]
fn t05_quoted_strings_are_opaque() {
    for value in [
        r#"foo="no-store""#,
        r#"foo="private, no-cache""#,
        r#"ext="a, public, b""#,
        r#"ext="a,s-maxage=9,b""#,
        r#"ext="a\", public, b\"""#,
        r#"ext="must-revalidate""#,
    ] {
        assert_eq!(response(value), ResponseDirectives::default(), "{value}");
    }
}

#[test]
fn n073_a_lifetime_that_is_no_number_is_broken_wherever_it_stands() {
    for argument in
        ["", "=", "=abc", "=-1", "=1.5", "=3600a", "=a3600", "='3600'", "=\"36", " =60", "= 60", "=\"6 0\"", "=\"60\"x", ";60"]
    {
        let value = format!("s-maxage{argument}");
        let read = response(&value).s_maxage;
        assert!(matches!(read, Some(Seconds::Broken)), "{value}: {read:?}");
        assert_eq!(permission(&response(&value)), None, "{value}");
    }
    assert_eq!(response("max-age=60, max-age=61").max_age, Some(Seconds::Valid(60)), "the first counts");
    assert_eq!(response("max-age=60, max-age=x").max_age, Some(Seconds::Broken));
    assert_eq!(response("max-age=x, max-age=60").max_age, Some(Seconds::Broken));
}

#[test]
fn n076_more_than_the_largest_number_is_the_largest() {
    assert_eq!(response("max-age=99999999999999999999").max_age, Some(Seconds::Valid(1 << 31)));
    assert_eq!(response("s-maxage=2147483649").s_maxage, Some(Seconds::Valid(1 << 31)));
}

#[test]
fn restrictions_keep_their_force_and_permissions_lose_it_with_a_broken_argument() {
    assert!(response("no-store=x").no_store && response("no-store =").no_store);
    assert!(response("must-revalidate=1").must_revalidate && !response("must-revalidate=1").must_revalidate_permits);
    assert!(response("proxy-revalidate=\"").proxy_revalidate);
    for value in ["private=\"", "private =x", "private=\"a b\"", "private=\"\"", "private=\"a\"b", "private;x", "private=\",\""] {
        assert!(response(value).private.is_whole(), "{value}");
    }
    for value in ["no-cache=\"", "no-cache==", "no-cache=\"@\""] {
        assert!(response(value).no_cache.is_whole(), "{value}");
    }
    for value in ["public=1", "public=\"x\"", "public ", "public;x", "must-understand=1"] {
        let read = response(value);
        assert_eq!(read.public || read.must_understand, value == "public ", "{value}");
    }
}

#[test]
fn qualified_forms_add_up_and_the_unqualified_one_wins() {
    assert_eq!(response(r#"private="a", private="b, c""#).private.fields(), names(&["a", "b", "c"]));
    assert!(response(r#"private="a", private"#).private.is_whole());
    assert!(response(r#"no-cache, no-cache="a""#).no_cache.is_whole());
    assert_eq!(response(r#"no-cache="set-cookie""#).no_cache.fields(), names(&["set-cookie"]));
}

#[test]
fn t05_after_a_quoted_string_that_never_ends_nothing_is_granted() {
    // RFC 9110 section 5.3: the lines of a field are one list, so the string may reach over them.
    let over =
        |first: &str, second: &str| ResponseDirectives::parse(&fields(&[("cache-control", first), ("cache-control", second)]));
    for granting in ["public, b\"", "s-maxage=60, b\"", "must-revalidate"] {
        assert_eq!(permission(&over("max-age=60, foo=\"a", granting)), None, "{granting}");
    }
    assert_eq!(over("foo=\"a", "max-age=60").max_age, Some(Seconds::Broken));
    assert!(over("foo=\"a", "no-store, b\"").no_store && over("foo=\"a\\\"", "no-cache").no_cache.is_whole());
    assert!(!over("foo=\"a", "immutable").immutable && over("foo=\"a\"", "immutable=1").immutable);
    assert!(over("foo=\"a\\\\\"", "public").public, "an escaped backslash, then the end");
    assert!(over("public", "foo=\"a").public, "what stood before it stands in both readings");
}

#[test]
fn t05_what_restricts_counts_in_the_combined_reading_too() {
    let over = |first: &str, second: &str| {
        let fields = fields(&[("cache-control", "max-age=9, public"), ("cache-control", first), ("cache-control", second)]);
        ResponseDirectives::parse(&fields)
    };
    // Line by line the quote before the first comma of the second line begins a string that hides the rest.
    assert!(over("foo=\"a", "b\", no-store").no_store && over("foo=\"a\\", "b\", no-store").no_store);
    assert!(
        over("foo=\"a", "b\", private").private.is_whole() && over("foo=\"a", "\", no-cache=x").no_cache != Qualified::Absent
    );
    let read = over("foo=\"a", "b\", must-revalidate, proxy-revalidate, s-maxage=60, public");
    assert!(read.must_revalidate && read.proxy_revalidate && !read.must_revalidate_permits);
    assert_eq!((read.max_age, read.s_maxage), (Some(Seconds::Valid(9)), Some(Seconds::Broken)), "what it prolongs does not");
    let broken =
        |value| ResponseDirectives::parse(&fields(&[("cache-control", value), ("cache-control", "b\", s-maxage=x, max-age=x")]));
    assert_eq!(permission(&broken("s-maxage=5, foo=\"a")), None, "one of them is broken in the combined reading");
    assert_eq!(broken("max-age=5, foo=\"a").max_age, Some(Seconds::Broken));
    assert_eq!(over("foo=\"a\"", "b\", no-store"), over("foo", "b=\"\""), "a string that ends in its line hides what it holds");
}

#[test]
fn n077_what_forbids_stale_answers() {
    for value in
        ["must-revalidate", "must-revalidate=x", "proxy-revalidate", "s-maxage=0", "s-maxage=x", "no-cache", r#"no-cache="a""#]
    {
        assert!(response(value).forbids_stale(), "{value}");
    }
    for value in ["max-age=0", "public", "immutable", "stale-if-error=5", "must-understand", r#"private="a""#] {
        assert!(!response(value).forbids_stale(), "{value}");
    }
}

#[test]
fn n103_request_directives() {
    let any = Some(u32::MAX);
    assert_eq!(
        request("max-age=5, max-stale=6, min-fresh=7, no-cache, stale-if-error=8"),
        RequestDirectives {
            max_age: Some(5),
            max_stale: Some(6),
            min_fresh: Some(7),
            no_cache: true,
            no_store: false,
            only_if_cached: false,
            stale_if_error: Some(8),
        }
    );
    assert_eq!((request("max-stale").max_stale, request("max-stale=5, max-stale").max_stale), (any, any));
    assert_eq!((request("max-stale=x").max_stale, request("min-fresh=-1").min_fresh), (None, None));
    assert_eq!((request("stale-if-error").stale_if_error, request("stale-if-error=x").stale_if_error), (None, None));
    assert_eq!(
        (request("max-age=x").max_age, request("max-age").max_age, request("max-age=0, max-age=9").max_age),
        (Some(0), Some(0), Some(0))
    );
    assert!(request("no-store=1").no_store && request("only-if-cached=x").only_if_cached);
}

#[test]
fn n102_n101_stay_binding_when_request_directives_are_ignored() {
    let read = request("no-store, only-if-cached, no-cache, max-age=0, max-stale, min-fresh=1, stale-if-error=9").only_binding();
    assert_eq!(read, RequestDirectives { no_store: true, only_if_cached: true, ..RequestDirectives::default() });
}

#[test]
fn n116_pragma_is_ignored() {
    assert_eq!(RequestDirectives::parse(&fields(&[("pragma", "no-cache")])), RequestDirectives::default());
}

#[test]
fn the_canonical_form_is_lower_case_unquoted_and_restrictive() {
    for (value, expected) in [
        ("Public, Max-Age=\"60\"", "public, max-age=60"),
        ("PRIVATE=\"a\", NO-CACHE=\"b\"", "private, no-cache"),
        ("max-age=60, max-age=61, foo=1, foo=2", "max-age=60"),
        ("s-maxage=abc, max-age", ""),
        ("must-revalidate=1, public=x", ""),
        ("must-revalidate, proxy-revalidate, s-maxage=0", "must-revalidate, proxy-revalidate, s-maxage=0"),
        ("no-store, must-understand, immutable", "no-store"),
    ] {
        assert_eq!(canonical(&response(value)), expected, "{value}");
    }
}

#[test]
fn the_tripwire_reads_bytes_and_no_grammar() {
    for line in ["private", "x=\"No-Store\"", "xPRIVATEx", "public, ext=\"a, private, b\"", "no-store-x"] {
        assert!(mentions_prohibition(line.as_bytes()), "{line}");
    }
    for line in ["", "public", "no-cache", "no store", "privat", "priv\u{e4}te"] {
        assert!(!mentions_prohibition(line.as_bytes()), "{line}");
    }
}

/// Members that mean something, members that look like it, and junk.
const MEMBERS: [&str; 30] = [
    "public",
    "private",
    "no-store",
    "no-cache",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "immutable",
    "s-maxage=0",
    "s-maxage=60",
    "s-maxage=x",
    "s-maxage",
    "s-maxage=\"5\"",
    "max-age=60",
    "max-age=0",
    "max-age=",
    "public=1",
    "must-revalidate=\"\"",
    "private=\"a, b\"",
    "no-cache=\"set-cookie\"",
    "ext=\"a, public, b\"",
    "ext=\"s-maxage=9\"",
    "x-public",
    "publicx",
    "foo=1",
    "stale-if-error=5",
    "=public",
    "\"public\"",
    "ext=\"\\\", public\"",
    "s-maxage =5",
];

/// Different numbers for one name make order count, so each name keeps to one of its forms.
fn random_members(random: &mut Random) -> Vec<&'static str> {
    let mut members: Vec<&str> = Vec::new();
    for _ in 0..=random.below(6) {
        let member = random.pick(&MEMBERS);
        let name = |member: &str| member.split('=').next().unwrap_or_default().trim().to_owned();
        if !members.iter().any(|other| name(other) == name(member)) {
            members.push(member);
        }
    }
    members
}

/// The members over some lines, in some order, with some white space and letter case; text in quotes
/// is left alone apart from its case.
fn scramble(random: &mut Random, members: &[&str]) -> HeaderMap {
    let mut members = members.to_vec();
    random.shuffle(&mut members);
    let mut lines = vec![String::new()];
    for member in members {
        if random.coin() {
            lines.push(random.pick(&["", ",", " , ,"]).to_owned());
        }
        let text = format!("{}{}{},", random.ows(), random.recase(member), random.ows());
        lines.last_mut().unwrap().push_str(&text);
    }
    fields(&lines.iter().map(|line| ("cache-control", line.as_str())).collect::<Vec<_>>())
}

#[test]
fn property_order_case_lines_and_white_space_change_nothing() {
    let mut random = Random::new();
    for _ in 0..5_000 {
        let members = random_members(&mut random);
        let (mut one, mut other) = (ResponseDirectives::parse(&scramble(&mut random, &members)), response(&members.join(",")));
        for read in [&mut one, &mut other] {
            if let Qualified::Fields(names) = &mut read.private {
                names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
            }
        }
        assert_eq!(one, other, "{members:?}");
    }
}

#[test]
fn property_the_canonical_form_is_stable_and_grants_the_same() {
    let mut random = Random::new();
    for _ in 0..5_000 {
        let members = random_members(&mut random);
        let read = ResponseDirectives::parse(&scramble(&mut random, &members));
        let text = canonical(&read);
        let again = response(&text);
        assert_eq!(canonical(&again), text, "{members:?}");
        assert_eq!(permission(&again), permission(&read), "{members:?}");
        assert_eq!(
            (again.no_store, again.private == Qualified::Absent),
            (read.no_store, read.private == Qualified::Absent),
            "{members:?}"
        );
    }
}

/// Words outside quoted strings, found without the parser: a byte at a time over all lines joined.
fn naive_words(lines: &HeaderMap) -> Vec<String> {
    let joined = lines.get_all("cache-control").iter().map(|line| line.as_bytes()).collect::<Vec<_>>().join(&b", "[..]);
    let (mut words, mut word, mut at) = (Vec::new(), Vec::new(), 0);
    while at < joined.len() {
        match joined[at] {
            b'"' => {
                at += 1;
                while at < joined.len() && joined[at] != b'"' {
                    at += if joined[at] == b'\\' { 2 } else { 1 };
                }
                word.push(b'"');
            }
            b',' => words.push(std::mem::take(&mut word)),
            byte => word.push(byte.to_ascii_lowercase()),
        }
        at += 1;
    }
    words.push(word);
    words.iter().map(|word| String::from_utf8_lossy(word).trim_matches([' ', '\t']).to_owned()).collect()
}

#[test]
fn n055_property_no_permission_where_a_naive_tokenizer_finds_none() {
    const PIECES: [&str; 22] = [
        "public",
        "must-revalidate",
        "s-maxage=",
        "s-maxage",
        "60",
        "\"",
        "\\",
        ",",
        ", ",
        "=",
        " ",
        "\t",
        "x",
        "private",
        "no-store",
        "max-age=60",
        "ext=\"",
        "\", ",
        ";",
        "PUBLIC",
        "\"60\"",
        "-",
    ];
    let mut random = Random::new();
    let mut granted = 0;
    for _ in 0..50_000 {
        let mut lines = HeaderMap::new();
        for _ in 0..=random.below(2) {
            let text: String = (0..=random.below(7)).map(|_| random.pick(&PIECES)).collect();
            lines.append("cache-control", text.parse().unwrap());
        }
        let read = ResponseDirectives::parse(&lines);
        if read.no_store || permission(&read).is_none() {
            continue;
        }
        granted += 1;
        let words = naive_words(&lines);
        let found = words.iter().any(|word| word == "public" || word == "must-revalidate" || word.starts_with("s-maxage="));
        assert!(found, "{lines:?} {words:?}");
    }
    assert!(granted > 100, "{granted}");
}
