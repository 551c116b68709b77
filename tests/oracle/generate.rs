//! Exchanges with the corners of RFC 9111 in them more often than chance would put them there.

use crate::case::{Case, Lines, Operator, Request};
use crate::dates::write;
use crate::random::Random;

const SECOND: i64 = 1_000_000;

/// 2027-01-15 08:00:00 GMT.
const START: i64 = 1_800_000_000;

const FLAGS: [&str; 20] = [
    "public",
    "public",
    "public",
    "private",
    "no-store",
    "no-cache",
    "must-revalidate",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "immutable",
    "immutable",
    "unknown",
    "no-transform",
    "stale-if-error=60",
    "stale-if-error=60",
    "stale-if-error=4000",
    "stale-while-revalidate=60",
    "stale-while-revalidate=4000",
    "stale-while-revalidate=4000",
];

const ODD: [&str; 43] = [
    "stale-while-revalidate",
    "stale-while-revalidate=x",
    "stale-while-revalidate=0",
    "stale-if-error",
    "stale-if-error=\"5\"",
    "stale-if-error=x",
    "stale-if-error=0",
    "immutable=0",
    "immutable=\"a\"",
    "immutable x",
    "private=\"set-cookie\"",
    "private=\"vary\"",
    "private=x-a",
    "private=\"x-a, X-B\"",
    "private=\"\"",
    "private=\"x a\"",
    "private=\"a",
    "no-cache=\"x-a\"",
    "no-cache=x-b",
    "no-cache=\"x-a, set-cookie\"",
    "no-cache=\"",
    "public=yes",
    "public=\"\"",
    "must-revalidate=1",
    "must-understand=1",
    "no-store=0",
    "no-store, must-understand",
    "must-understand",
    "x=\"a, public\"",
    "x=\"private, s-maxage=5\"",
    "x=\"a\\\", public\"",
    "x=\"a\\\\\", public",
    "\"public\"",
    "public;a=b",
    "public x",
    "private x",
    "=public",
    "x=\"open, public",
    "",
    ",",
    "max-age",
    "s-maxage=\"60\", proxy-revalidate",
    "publıc",
];

const NUMBERS: [&str; 18] = [
    "0",
    "1",
    "2",
    "10",
    "60",
    "60",
    "600",
    "600",
    "3600",
    "\"60\"",
    "\"6\\0\"",
    "-1",
    "1.5",
    "+60",
    "60s",
    "",
    "99999999999999999999",
    "2147483649",
];

const STATUSES: [u16; 26] = [
    200, 200, 200, 200, 200, 200, 200, 200, 203, 204, 206, 300, 301, 302, 304, 307, 308, 401, 403, 404, 407, 410, 418, 501, 503,
    999,
];

pub(crate) fn case(random: &mut Random) -> Case {
    let request_time = START * SECOND + i64::try_from(random.below(5_000_000)).unwrap();
    let response_time = request_time + random.pick(&[0, 0, 1, 400_000, SECOND, 7 * SECOND, -SECOND]);
    let status = if random.one_in(6) { 200 + u16::try_from(random.below(400)).unwrap() } else { random.pick(&STATUSES) };
    let response = response(random, response_time / SECOND);
    let waits = [
        0,
        0,
        1,
        SECOND,
        SECOND,
        5 * SECOND,
        9 * SECOND,
        59 * SECOND,
        60 * SECOND,
        61 * SECOND,
        599 * SECOND,
        3_600 * SECOND,
        90_000 * SECOND,
        -SECOND,
        -3 * SECOND,
        -900 * SECOND,
    ];
    let mut now = response_time + random.pick(&waits);
    if random.one_in(3) {
        now -= now.rem_euclid(SECOND);
    }
    let mut first = request(random, false);
    if !random.one_in(20) {
        first.method = "GET";
    }
    Case {
        query: random.pick(&[
            "",
            "",
            "",
            "",
            "",
            "",
            "a=b",
            "a=b",
            "access_token=x",
            "a=b&ACCESS_TOKEN=",
            "%61ccess_token",
            "a;access%5Ftoken=1",
            "xaccess_token=1",
            "a=access_token",
        ]),
        second: second(random, &first),
        first,
        status,
        response,
        request_time,
        response_time,
        now,
        policy: operator(random),
    }
}

fn operator(random: &mut Random) -> Operator {
    let mut rarely = |of: u64| random.one_in(of);
    let (bypass, no_heuristic, ignores, field, cookie, is_changed) =
        (rarely(40), rarely(5), rarely(8), rarely(10), rarely(10), rarely(25));
    let (no_head, no_post) = (rarely(6), rarely(6));
    Operator {
        bypass,
        authorization: random.pick(&["standard", "standard", "standard", "standard", "never", "always-validate"]),
        anonymous_entries: random.pick(&["reuse", "reuse", "reuse", "reuse", "validate", "bypass"]),
        set_cookie: random.pick(&["refuse", "strip", "store"]),
        default_ttl: random.pick(&[0, 0, 0, 60]),
        min_ttl: random.pick(&[0, 0, 0, 10, 120]),
        max_ttl: random.pick(&[86_400, 86_400, 86_400, 30]),
        negative_ttl: random.pick(&[None, None, Some(0), Some(5), Some(200)]),
        answers_head: !no_head,
        stores_post: !no_post,
        stale_while_revalidate: random.pick(&[0, 0, 0, 60, 90_000]),
        stale_if_error: random.pick(&[0, 0, 0, 60, 90_000]),
        max_stale_disconnected: random.pick(&[3_600, 3_600, 0, 5, 200_000]),
        heuristic: !no_heuristic,
        ignore_request_cache_control: ignores,
        credential_field: field.then_some("x-api-key"),
        credential_cookie: cookie.then_some("sid"),
        is_changed,
    }
}

fn request(random: &mut Random, is_second: bool) -> Request {
    let mut fields = Lines::new();
    let credentials = [
        ("authorization", "Basic YTph"),
        ("authorization", "Bearer b"),
        ("authorization", "NTLM b"),
        ("authorization", "Digest b"),
        ("authorization", ""),
        ("Authorization", "x"),
        ("x-api-key", "k"),
        ("cookie", "sid=1"),
        ("cookie", "a=b; sid=2"),
        ("cookie", "xsid=1"),
    ];
    if !random.one_in(3) {
        add(&mut fields, random.pick(&credentials));
    }
    if random.one_in(4) {
        add(&mut fields, random.pick(&credentials));
    }
    for name in ["x-a", "x-b", "accept-language"] {
        if random.one_in(3) {
            add(&mut fields, (name, random.pick(&["1", "1", "2", "1, 2", "1 ,2", "", "\"a, b\""])));
        }
    }
    let asks = if is_second { 2 } else { 6 };
    if random.one_in(asks) {
        for _ in 0..=random.below(2) {
            let number = random.pick(&NUMBERS);
            let name = random.pick(&["max-age", "max-stale", "max-stale", "max-stale", "min-fresh", "stale-if-error"]);
            let word =
                random.pick(&["no-cache", "no-store", "only-if-cached", "max-stale", "unknown", "no-cache=x", "x=\"no-store"]);
            let line = if random.one_in(3) {
                word.to_owned()
            } else if random.one_in(3) {
                format!("{word}, {name}={number}")
            } else {
                format!("{name}={number}")
            };
            add(&mut fields, ("Cache-Control", &line));
        }
    }
    if is_second && random.one_in(40) {
        add(&mut fields, random.pick(&[("if-match", "\"a\""), ("if-unmodified-since", "x")]));
    }
    for (name, value, of) in [("range", "bytes=0-1", 30), ("if-none-match", "\"a\"", 30), ("signature", "a=:b:", 60)] {
        if is_second && random.one_in(of) {
            add(&mut fields, (name, value));
        }
    }
    random.shuffle(&mut fields);
    let method = random.pick(&["GET", "GET", "GET", "GET", "GET", "GET", "HEAD", "HEAD", "POST", "PUT", "OPTIONS", "FOO"]);
    Request { method, fields, has_content: is_second && random.one_in(50) }
}

/// Often like the first one, so that what was stored is of use.
fn second(random: &mut Random, first: &Request) -> Request {
    let other = request(random, true);
    if random.one_in(3) {
        return other;
    }
    let is_control = |(name, _): &&(String, String)| {
        name == "Cache-Control" || name.starts_with("if-") || name == "range" || name == "signature"
    };
    let mut fields: Lines = first.fields.iter().filter(|line| !is_control(line)).cloned().collect();
    if random.one_in(2) {
        fields.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
        fields.extend(other.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).cloned());
    }
    fields.extend(other.fields.iter().filter(is_control).cloned());
    Request { fields, ..other }
}

fn response(random: &mut Random, received: i64) -> Lines {
    let mut fields = Lines::new();
    for _ in 0..random.pick(&[0, 1, 1, 1, 1, 2, 2, 3]) {
        let line = control(random);
        add(&mut fields, ("Cache-Control", &line));
    }
    if !random.one_in(4) {
        let offset = random.pick(&[0, 0, 0, -1, -10, -100, 100, -86_400, 3_600]);
        let line = date_line(random, received + offset);
        add(&mut fields, ("Date", &line));
    }
    if random.one_in(4) {
        let offset = random.pick(&[60, 60, 600, 3_600, 0, -1, 9_000_000]);
        let line = date_line(random, received + offset);
        add(&mut fields, ("Expires", &line));
    }
    if random.one_in(2) {
        let offset = random.pick(&[0, 100, 600, 10_000, 8_000_000, -60]);
        let line = date_line(random, received - offset);
        add(&mut fields, ("Last-Modified", &line));
    }
    if random.one_in(4) {
        add(
            &mut fields,
            (
                "Age",
                random.pick(&[
                    "0",
                    "1",
                    "5",
                    "59",
                    "60",
                    "600",
                    "5, 600",
                    "600, 5",
                    "x",
                    "-1",
                    "",
                    ", 59",
                    "1.5",
                    "99999999999999999999",
                    "\"5\"",
                ]),
            ),
        );
    }
    for (name, values, of) in [
        ("Age", &["7"][..], 30),
        ("Expires", &["0", "-1"], 30),
        ("ETag", &["\"a\"", "W/\"a\"", "a"], 2),
        (
            "Vary",
            &[
                "x-a",
                "X-A, x-b",
                "x-a ,,x-b",
                "*",
                "x-a, *",
                "a b",
                "authorization",
                "cookie",
                "",
                "via",
                "accept-language",
                "x-missing",
            ],
            4,
        ),
        ("Vary", &["x-b", "*"], 15),
        ("Set-Cookie", &["s=1"], 8),
        ("Connection", &["close", "cache-control", "x-a, Vary", "etag", "age", "set-cookie"], 20),
        ("Content-Location", &["/x", "/x", "/y"], 4),
        ("Pragma", &["no-cache"], 20),
    ] {
        if random.one_in(of) {
            add(&mut fields, (name, random.pick(values)));
        }
    }
    if random.one_in(2) {
        random.shuffle(&mut fields);
    }
    fields
}

/// One line of `Cache-Control`.
fn control(random: &mut Random) -> String {
    let mut members = Vec::new();
    for _ in 0..=random.below(3) {
        let member = match random.below(10) {
            0..=3 => random.pick(&FLAGS).to_owned(),
            4..=5 => format!("max-age={}", random.pick(&NUMBERS)),
            6..=7 => format!("s-maxage={}", random.pick(&NUMBERS)),
            8 => random.pick(&["max-age=60", "s-maxage=60", "max-age=600", "s-maxage=600"]).to_owned(),
            _ => random.pick(&ODD).to_owned(),
        };
        members.push(if random.one_in(6) { recase(random, &member) } else { member });
    }
    let comma = random.pick(&[",", ", ", " ,\t", ", ,"]);
    members.join(comma)
}

/// A date, sometimes one that is none.
fn date_line(random: &mut Random, time: i64) -> String {
    let form = random.pick(&[0, 0, 1, 1, 2, 2, 2, 2, 2]);
    let mut text = write(time, form);
    if form == 0 && random.one_in(3) {
        // Any century may be meant.
        let year = format!("-{:02} ", random.pick(&[0, 26, 27, 69, 70, 76, 77, 78, 99]));
        text = text.split_once(' ').map(|(day, rest)| format!("{day} {}{year}{}", &rest[..6], &rest[10..])).unwrap();
    }
    match random.below(24) {
        0 => recase(random, &text),
        1 => text.replace("GMT", random.pick(&["UTC", "EST", "+0000"])),
        2 => text.replace(':', random.pick(&[".", "::", ""])),
        3 => text.replacen(' ', random.pick(&["  ", "", "\t"]), 1),
        4 => text.replacen(", ", random.pick(&[",", " "]), 1),
        5 => random
            .pick(&[
                "",
                "0",
                "-1",
                "tomorrow",
                "Mon, 31 Feb 2027 08:00:00 GMT",
                "Mon, 5 Jan 2027 08:00:00 GMT",
                "Fri Jan  15 08:00:00 2027",
                "Fri Jan 5 08:00:00 2027",
                "Fri, 15 Jan 2027 24:00:00 GMT",
                "Fri, 15 Jan 2027 08:00:60 GMT",
                "Thu, 01 Jan 1960 00:00:00 GMT",
                "Fri, 5-Jan-27 08:00:00 GMT",
                "Friday, 5-Jan-27 08:00:00 GMT",
                "Friday, 15-Jan-2027 08:00:00 GMT",
            ])
            .to_owned(),
        _ => text,
    }
}

pub(crate) fn recase(random: &mut Random, text: &str) -> String {
    text.chars().map(|c| if random.one_in(2) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect()
}

fn add(fields: &mut Lines, (name, value): (&str, &str)) {
    fields.push((name.to_owned(), value.to_owned()));
}

/// The same exchange written in another way: the order of lines of different names, letter case of names and of what is
/// read without regard to case, white space around commas.
pub(crate) fn rewritten(random: &mut Random, case: &Case) -> Case {
    let mut other = case.clone();
    other.response = reordered(random, &case.response);
    other.first.fields = reordered(random, &case.first.fields);
    other.second.fields = reordered(random, &case.second.fields);
    let has_quote = |fields: &Lines| fields.iter().any(|(_, value)| value.contains('"'));
    for fields in [&mut other.response, &mut other.first.fields, &mut other.second.fields] {
        let is_quoted = has_quote(fields);
        for (name, value) in fields.iter_mut() {
            *name = recase(random, name);
            let lower = name.to_ascii_lowercase();
            if ["cache-control", "vary", "date", "expires", "last-modified", "connection"].contains(&lower.as_str()) {
                *value = recase(random, value);
            }
            if !is_quoted && ["cache-control", "vary", "connection", "x-a", "x-b"].contains(&lower.as_str()) {
                let comma = random.pick(&[",", " ,", ", ", "\t,,  "]);
                *value = value.replace(',', comma);
            }
        }
    }
    other
}

/// Lines of one name stay in their order: for them it has a meaning (RFC 9110 section 5.3).
fn reordered(random: &mut Random, fields: &Lines) -> Lines {
    let mut order: Vec<usize> = (0..fields.len()).collect();
    random.shuffle(&mut order);
    let mut taken = vec![false; fields.len()];
    let mut lines = Lines::new();
    for at in order {
        let same = |other: &usize| !taken[*other] && fields[*other].0.eq_ignore_ascii_case(&fields[at].0);
        let first = (0..fields.len()).find(same).unwrap();
        taken[first] = true;
        lines.push(fields[first].clone());
    }
    lines
}
