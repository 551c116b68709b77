use super::*;

fn fields(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn now() -> SystemTime {
    httpdate::parse_http_date("Sat, 21 Nov 2026 10:00:00 GMT").unwrap()
}

#[test]
fn lists_are_split_outside_quotes_over_all_lines() {
    let map = fields(&[("x", r#"a, "b, c" ,, d"#), ("x", r#""e\", f", g"#)]);
    let members: Vec<_> = list_members(&map, &HeaderName::from_static("x")).map(|m| std::str::from_utf8(m).unwrap()).collect();
    assert_eq!(members, ["a", r#""b, c""#, "d", r#""e\", f""#, "g"]);
}

#[test]
fn n076_delta_seconds_overflow_is_capped() {
    assert_eq!(parse_delta_seconds(b"0"), Some(0));
    assert_eq!(parse_delta_seconds(b"007"), Some(7));
    assert_eq!(parse_delta_seconds(b"2147483648"), Some(1 << 31));
    assert_eq!(parse_delta_seconds(b"99999999999999999999999999"), Some(1 << 31));
    for bad in ["", "-1", "+1", "1.0", "a1", "1a", " 1", "\"1\""] {
        assert_eq!(parse_delta_seconds(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn x006_three_date_forms_are_read() {
    let expected = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    for form in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "sun, 06 NOV 1994 08:49:37 gmt",
    ] {
        assert_eq!(parse_http_date(form.as_bytes(), now()), Some(expected), "{form}");
    }
}

#[test]
fn x006_two_digit_years_more_than_fifty_ahead_are_past() {
    let year = |yy: &str| {
        let text = format!("Monday, 02-Feb-{yy} 00:00:00 GMT");
        httpdate::fmt_http_date(parse_http_date(text.as_bytes(), now()).unwrap()).get(12..16).unwrap().to_owned()
    };
    assert_eq!(year("76"), "2076");
    assert_eq!(year("77"), "1977");
    assert_eq!(year("26"), "2026");
}

#[test]
fn x006_fifty_years_ahead_are_counted_to_the_second() {
    // 2027-01-15 08:00:00 GMT.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let year = |text: &str| http_date(parse_http_date(text.as_bytes(), now).unwrap()).to_str().unwrap()[12..16].to_owned();
    assert_eq!(year("Friday, 15-Jan-77 08:00:00 GMT"), "2077");
    assert_eq!(year("Friday, 15-Jan-77 08:00:01 GMT"), "1977");
}

#[test]
fn x006_days_have_as_many_digits_as_their_form_says() {
    for text in
        ["Mon, 5 Jan 2027 08:00:00 GMT", "Friday, 5-Jan-27 08:00:00 GMT", "Fri Jan  15 08:00:00 2027", "Fri Jan 5 08:00:00 2027"]
    {
        assert_eq!(parse_http_date(text.as_bytes(), now()), None, "{text}");
    }
}

#[test]
fn n070_other_zones_and_broken_forms_are_invalid() {
    for bad in [
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "0",
        "-1",
        "",
    ] {
        assert_eq!(parse_http_date(bad.as_bytes(), now()), None, "{bad}");
    }
}

#[test]
fn n118_connection_and_what_it_names_are_removed() {
    let mut map = fields(&[
        ("connection", "close, x-a"),
        ("connection", "X-B"),
        ("x-a", "1"),
        ("x-b", "1"),
        ("x-c", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
    ]);
    strip_hop_by_hop(&mut map);
    assert_eq!(map.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-c"]);
}

#[test]
fn n118_protected_nominations_are_found() {
    for name in [
        "authorization",
        "Cookie",
        "HOST",
        "cache-control",
        "if-none-match",
        "x-forwarded-for",
        "proxy-authorization",
        "via",
        "range",
    ] {
        assert!(nominates_protected(&fields(&[("connection", &format!("close, {name}"))])), "{name}");
    }
    for name in ["close", "keep-alive", "upgrade", "x-hop", "te", "http2-settings"] {
        assert!(!nominates_protected(&fields(&[("connection", name)])), "{name}");
    }
}

#[test]
fn n043_responses_that_nominate_cache_fields_are_found() {
    let cdn = [HeaderName::from_static("cdn-cache-control")];
    for name in ["vary", "Cache-Control", "expires", "etag", "cdn-cache-control"] {
        assert!(nominates_cache_field(&fields(&[("connection", name)]), &cdn), "{name}");
    }
    assert!(!nominates_cache_field(&fields(&[("connection", "close, x-hop")]), &cdn));
    assert!(!nominates_cache_field(&fields(&[("connection", "cdn-cache-control")]), &[]));
}

#[test]
fn x006_own_calendar_agrees_with_the_library_over_two_centuries() {
    for days in 0..(200 * 365) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86400 + days % 86400);
        let text = httpdate::fmt_http_date(time);
        assert_eq!(parse_http_date(text.as_bytes(), now()), Some(time), "{text}");
    }
}

#[test]
fn x006_the_day_of_the_week_is_not_compared() {
    assert!(parse_http_date(b"Thu Nov  6 08:49:37 1994", now()).is_some());
    assert!(parse_http_date(b"Mon, 06 Nov 1994 08:49:37 GMT", now()).is_some());
    assert!(parse_http_date(b"Xyz, 06 Nov 1994 08:49:37 GMT", now()).is_none());
}

/// The short way for dates in the usual form and the way for all forms read the same, whatever is wrong with a date.
#[test]
fn dates_in_the_usual_form_are_read_like_any_other() {
    const GOOD: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    assert_eq!(fixed_date(GOOD), parse_any_date(GOOD, now));
    assert!(fixed_date(GOOD).is_some());
    for day in 0..=20_000 {
        let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400 + day % 86_400));
        assert_eq!(fixed_date(text.as_bytes()), parse_any_date(text.as_bytes(), now), "{text}");
    }
    // Whatever stands in one place, the short way says the same or leaves it to the other.
    let mut read = 0;
    for at in 0..GOOD.len() {
        for byte in 0..=u8::MAX {
            let mut text = GOOD.to_vec();
            text[at] = byte;
            if let Some(date) = fixed_date(&text) {
                assert_eq!(Some(date), parse_any_date(&text, now), "{}", text.escape_ascii());
                read += 1;
            }
        }
    }
    assert!(read > GOOD.len(), "{read}");
    for text in [
        "Sun, 29 Feb 1995 00:00:00 GMT",
        "Sun, 29 Feb 1996 23:59:60 GMT",
        "Sun, 31 Dec 1969 00:00:00 GMT",
        "Sun, 00 Jan 1994 00:00:00 GMT",
    ] {
        assert_eq!(fixed_date(text.as_bytes()), parse_any_date(text.as_bytes(), now), "{text}");
    }
}
