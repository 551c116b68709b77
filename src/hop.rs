//! What changes on a message because it passes this hop.
//!
//! RFC 9110 sections 7.6.1 (Connection), 7.6.3 (Via), 11.7 (proxy authentication), 6.6.1 (Date).
//!
//! # Deviations
//!
//! - `X-Original-URL` and `X-Rewrite-URL` of untrusted clients are removed although they are ordinary
//!   fields: some origins let them override the target, which no key would notice.
//! - `Proxy-Authorization` is never relayed to a further proxy (RFC 9110 section 11.7.2 allows it to proxies that
//!   authenticate cooperatively): the credentials were meant for this one.

use std::borrow::Cow;
use std::time::SystemTime;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version};

use crate::fields::{FieldSection, HOP_BY_HOP, http_date, list_members, nominated, strip, strip_hop_by_hop};
use crate::target::Target;

/// Client fields about earlier hops, believed from trusted peers only.
const HOP_REPORTS: [HeaderName; 8] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// Fields that the origin never sees as the client sent them: a response whose `Vary` names one cannot
/// be stored. `Authorization` belongs to them where the gateway consumes it.
#[must_use]
pub fn consumed_fields(consumes_authorization: bool) -> Vec<HeaderName> {
    let mut names = vec![header::PROXY_AUTHORIZATION, header::VIA, header::EXPECT, header::HOST];
    names.extend(HOP_REPORTS);
    names.extend(crate::fields::HOP_BY_HOP);
    if consumes_authorization {
        names.push(header::AUTHORIZATION);
    }
    names
}

/// How this process names itself in `Via`, and recognises itself.
#[derive(Clone, Debug)]
pub struct Pseudonym {
    mark: String,
    http11: HeaderValue,
    http10: HeaderValue,
}

impl Pseudonym {
    /// The name `vouchsafe` with a comment that is random per process, so that two gateways in a chain
    /// are no loop.
    #[must_use]
    pub fn new(random: u64) -> Self {
        let mark = format!("vouchsafe ({random:016x})");
        let line = |version| {
            HeaderValue::try_from(format!("{version} {mark}")).unwrap_or_else(|_| HeaderValue::from_static("1.1 vouchsafe"))
        };
        Self { http11: line("1.1"), http10: line("1.0"), mark }
    }

    /// The member to append to `Via` of a message received with this version.
    ///
    /// Source: RFC 9110 section 7.6.3.
    #[must_use]
    pub fn via(&self, version: Version) -> HeaderValue {
        if version == Version::HTTP_10 { self.http10.clone() } else { self.http11.clone() }
    }

    /// Whether a request has been here before.
    ///
    /// Source: RFC 9110 section 7.6: a proxy must not forward to itself.
    #[must_use]
    pub fn is_in(&self, fields: &HeaderMap) -> bool {
        fields.contains_key(header::VIA)
            && list_members(fields, &header::VIA).any(|member| member.ends_with(self.mark.as_bytes()))
    }
}

/// Whether a message has no transfer coding, or `chunked` once and nothing else: others would have to be
/// undone here, and a second one is read differently by different recipients.
///
/// Source: RFC 9112 sections 6.1 and 7.
#[must_use]
pub fn is_plainly_coded(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::TRANSFER_ENCODING).iter();
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// What a request's onward fields depend on besides the fields themselves.
#[derive(Clone, Copy, Debug)]
pub struct Onward<'a> {
    /// Our `Via` member.
    pub via: &'a HeaderValue,
    /// Whether the client's word about earlier hops is believed.
    pub is_trusted: bool,
    /// The gateway consumes `Authorization` itself.
    pub consumes_authorization: bool,
    /// In gateway mode: what the origin is told about the client.
    pub report: Option<HopReport<'a>>,
    /// What this hop says in place of the client.
    pub instead: &'a [Instead],
}

/// A field that is left out as received, and what is said in its place, if anything.
pub type Instead = (HeaderName, Option<HeaderValue>);

/// What the origin is told about the client in gateway mode.
#[derive(Clone, Copy, Debug)]
pub struct HopReport<'a> {
    /// The client's address.
    pub client: &'a HeaderValue,
    /// What the client asked for: its scheme, as the client connected, and its host and port are told.
    pub target: &'a Target,
}

/// The fields with which a request goes on.
///
/// `Proxy-Authorization` never goes on (RFC 9110 section 11.7.2), nor does `Expect`, which this hop
/// answers itself (RFC 9110 section 10.1.1).
///
/// Source: RFC 9110 section 7.6.
#[must_use]
pub fn request_fields(received: &HeaderMap, onward: &Onward<'_>) -> FieldSection {
    let named: Vec<HeaderName> =
        if received.contains_key(header::CONNECTION) { nominated(received).collect() } else { Vec::new() };
    let ends_here = |name: &HeaderName| {
        matches!(*name, header::PROXY_AUTHORIZATION | header::EXPECT)
            || HOP_BY_HOP.contains(name)
            || *name == header::AUTHORIZATION && onward.consumes_authorization
            || !onward.is_trusted && HOP_REPORTS.contains(name)
            || named.contains(name)
            || onward.instead.iter().any(|(replaced, _)| replaced == name)
    };
    let mut section = FieldSection::with_capacity(SECTION_BYTES);
    for (name, value) in received {
        if !ends_here(name) {
            section.append(name, value);
        }
    }
    for (name, value) in onward.instead {
        if let Some(value) = value {
            section.append(name, value);
        }
    }
    if let Some(report) = &onward.report {
        // What a trusted peer says of the request as it came to it is believed.
        let is_told = |name: &HeaderName| onward.is_trusted && received.contains_key(name);
        add_report(&mut section, report, is_told);
    }
    section.append(&header::VIA, onward.via);
    section
}

/// Room that most requests' fields have enough of.
const SECTION_BYTES: usize = 512;

/// How many further hops an OPTIONS request may take; none where the field is absent, repeated or no
/// number, and for every other method.
///
/// ABNF: `Max-Forwards = 1*DIGIT`; greater numbers than 32 bits hold are read as the greatest.
///
/// Source: RFC 9110 section 7.6.2.
#[must_use]
pub fn forwards_left(method: &Method, fields: &HeaderMap) -> Option<u32> {
    if *method != Method::OPTIONS {
        return None;
    }
    let mut lines = fields.get_all(header::MAX_FORWARDS).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    let text = line.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(text.parse().unwrap_or(u32::MAX))
}

/// What an OPTIONS request that counts its hops says from here on; for requests of which [`forwards_left`] is not zero.
///
/// Source: RFC 9110 section 7.6.2.
#[must_use]
pub fn spent_forward(method: &Method, fields: &HeaderMap) -> Option<Instead> {
    let left = forwards_left(method, fields)?;
    Some((header::MAX_FORWARDS, Some(HeaderValue::from(left.saturating_sub(1)))))
}

/// Appends the client's address and, unless that is told already, its scheme and authority.
fn add_report(section: &mut FieldSection, report: &HopReport<'_>, is_told: impl Fn(&HeaderName) -> bool) {
    let [_, for_name, host_name, proto_name, ..] = &HOP_REPORTS;
    section.append(for_name, report.client);
    if !is_told(host_name) {
        section.append_written(host_name, |text| report.target.write_authority(text));
    }
    if !is_told(proto_name) {
        section.append_written(proto_name, |text| text.extend_from_slice(report.target.scheme.as_str().as_bytes()));
    }
}

/// The fields of a received response that go on: hop-by-hop and proxy authentication fields removed,
/// `Date` filled in, `Via` appended by the reply. Borrowed where all go on as they are.
///
/// `WWW-Authenticate` and `Authentication-Info` pass unmodified (RFC 9110 sections 11.6.1 and 11.6.3).
///
/// Source: RFC 9110 sections 6.6.1, 7.6.1, 11.7.1 and 11.7.3.
#[must_use]
pub fn response_fields(received: &HeaderMap, response_time: SystemTime) -> Cow<'_, HeaderMap> {
    const PROXY_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");
    let is_for_us = |name: &HeaderName| *name == header::PROXY_AUTHENTICATE || *name == PROXY_INFO;
    let (mut is_dated, mut is_whole) = (false, true);
    for name in received.keys() {
        is_dated |= *name == header::DATE;
        // Without `Connection`, which is one of them, nothing else is nominated.
        is_whole &= !HOP_BY_HOP.contains(name) && !is_for_us(name);
    }
    if is_dated && is_whole {
        return Cow::Borrowed(received);
    }
    let mut fields = received.clone();
    strip(&mut fields, is_for_us);
    if !fields.contains_key(header::DATE) {
        fields.insert(header::DATE, http_date(response_time));
    }
    Cow::Owned(fields)
}

/// The fields of a received interim response that go on: what concerns this hop, proxies or framing is
/// removed, and nothing is added.
///
/// Source: RFC 9110 sections 7.6.1, 8.6 and 15.2.
#[must_use]
pub fn interim_fields(received: &HeaderMap) -> HeaderMap {
    let mut stripped = received.clone();
    strip_hop_by_hop(&mut stripped);
    stripped.remove(header::CONTENT_LENGTH);
    let proxies: Vec<HeaderName> = stripped.keys().filter(|name| name.as_str().starts_with("proxy-")).cloned().collect();
    for name in &proxies {
        stripped.remove(name);
    }
    stripped
}

/// Fields that belong to one exchange and are therefore never kept in a stored response.
pub(crate) const EXCHANGE_FIELDS: [HeaderName; 3] =
    [HeaderName::from_static("authentication-info"), header::WWW_AUTHENTICATE, header::SET_COOKIE];

/// Gives the asker of a validation what the origin said to it alone, where the stored response has no
/// such field.
///
/// Source: RFC 9110 sections 11.6.1 and 11.6.3.
pub fn add_exchange_fields(fields: &mut HeaderMap, not_modified: &HeaderMap) {
    for name in not_modified.keys().filter(|name| EXCHANGE_FIELDS.contains(name)) {
        if !fields.contains_key(name) {
            for line in not_modified.get_all(name) {
                fields.append(name, line.clone());
            }
        }
    }
}

/// Removes `Content-Length` where a status cannot have content, so that no recipient waits for any.
///
/// Source: RFC 9110 section 8.6, RFC 9112 section 6.3.
pub fn drop_impossible_length(status: StatusCode, fields: &mut HeaderMap) {
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        fields.remove(header::CONTENT_LENGTH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Host, Scheme};

    fn fields(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    const VIA: HeaderValue = HeaderValue::from_static("1.1 v");

    fn sent(received: &HeaderMap, onward: &Onward<'_>) -> HeaderMap {
        let section = request_fields(received, onward);
        let text = std::str::from_utf8(section.as_bytes()).unwrap();
        let lines: Vec<(&str, &str)> = text.split_terminator("\r\n").map(|line| line.split_once(": ").unwrap()).collect();
        fields(&lines)
    }

    #[test]
    fn n012_proxy_authorization_is_consumed_and_authorization_goes_on_unmodified() {
        let onward = Onward { via: &VIA, is_trusted: false, consumes_authorization: false, report: None, instead: &[] };
        let received = fields(&[("proxy-authorization", "Basic x"), ("authorization", "  odd   value"), ("x", "1")]);
        assert_eq!(sent(&received, &onward), fields(&[("authorization", "  odd   value"), ("x", "1"), ("via", "1.1 v")]));
        let consuming = Onward { consumes_authorization: true, ..onward };
        assert_eq!(sent(&fields(&[("authorization", "a")]), &consuming), fields(&[("via", "1.1 v")]));
    }

    #[test]
    fn x012_what_ends_here_does_not_go_on_and_what_is_said_instead_does() {
        let instead = [(header::IF_NONE_MATCH, Some(HeaderValue::from_static("\"ours\""))), (header::IF_MODIFIED_SINCE, None)];
        let onward = Onward { via: &VIA, is_trusted: false, consumes_authorization: false, report: None, instead: &instead };
        let received = fields(&[
            ("connection", "x-hop, close"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("if-none-match", "\"theirs\""),
            ("if-none-match", "\"other\""),
            ("if-modified-since", "Fri, 15 Jan 2027 07:00:00 GMT"),
            ("host", "a.example"),
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("x", "1"),
            ("via", "1.0 fred"),
            ("x", "2"),
        ]);
        let expected = [("x", "1"), ("x", "2"), ("via", "1.0 fred"), ("if-none-match", "\"ours\""), ("via", "1.1 v")];
        assert_eq!(sent(&received, &onward), fields(&expected));
    }

    /// RFC 4559 section 6: such a connection is nobody else's from then on.
    #[test]
    fn credentials_that_go_on_bind_the_connection_where_their_scheme_says_so() {
        let onward = Onward { via: &VIA, is_trusted: false, consumes_authorization: false, report: None, instead: &[] };
        for (credentials, is_bound) in [("Basic x", false), ("NTLM x", true), ("negotiate x", true), ("Bearer negotiate", false)]
        {
            let received = fields(&[("authorization", credentials)]);
            assert_eq!(request_fields(&received, &onward).is_connection_bound(), is_bound, "{credentials}");
            let consuming = Onward { consumes_authorization: true, ..onward };
            assert!(!request_fields(&received, &consuming).is_connection_bound(), "{credentials} ends here");
        }
    }

    #[test]
    fn n117_reports_about_earlier_hops_are_believed_from_trusted_peers_only() {
        let client = HeaderValue::from_static("192.0.2.1");
        let target =
            |port| Target { scheme: Scheme::Http, host: Host::Name("a.example".into()), port, path_and_query: "/".into() };
        let (usual, unusual) = (target(80), target(8080));
        let report = HopReport { client: &client, target: &usual };
        let onward = Onward { via: &VIA, is_trusted: false, consumes_authorization: false, report: Some(report), instead: &[] };
        let received = fields(&[
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=x"),
            ("x-original-url", "/admin"),
        ]);
        let expected = |host| {
            fields(&[
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-host", host),
                ("x-forwarded-proto", "http"),
                ("via", "1.1 v"),
            ])
        };
        assert_eq!(sent(&received, &onward), expected("a.example"));
        let report = HopReport { client: &client, target: &unusual };
        assert_eq!(sent(&received, &Onward { report: Some(report), ..onward }), expected("a.example:8080"));
        let believed = sent(&received, &Onward { is_trusted: true, ..onward });
        assert_eq!(believed.get_all("x-forwarded-for").iter().count(), 2);
        assert_eq!(believed.get_all("x-forwarded-host").iter().collect::<Vec<_>>(), ["evil"]);
        assert_eq!(believed.get("x-forwarded-proto").unwrap(), "http");
    }

    #[test]
    fn x001_a_loop_is_recognised_by_our_own_mark_only() {
        let us = Pseudonym::new(1);
        let via = us.via(Version::HTTP_11).to_str().unwrap().to_owned();
        assert!(us.is_in(&fields(&[("via", &format!("1.0 fred, {via}, 1.1 p.example"))])));
        assert!(!Pseudonym::new(2).is_in(&fields(&[("via", &via)])));
        assert!(!us.is_in(&fields(&[])));
    }

    #[test]
    fn x003_max_forwards_counts_for_options_and_where_it_is_a_number() {
        for (value, left, onward) in
            [("0", Some(0), "0"), ("1", Some(1), "0"), ("10", Some(10), "9"), ("99999999999", Some(u32::MAX), "4294967294")]
        {
            let map = fields(&[("max-forwards", value)]);
            assert_eq!(forwards_left(&Method::OPTIONS, &map), left, "{value}");
            assert_eq!(forwards_left(&Method::GET, &map), None, "{value}");
            let (name, value) = spent_forward(&Method::OPTIONS, &map).unwrap();
            assert_eq!((name.as_str(), value.unwrap().to_str().unwrap()), ("max-forwards", onward));
        }
        for lines in [&[][..], &[("max-forwards", "")], &[("max-forwards", "+1")], &[("max-forwards", "1, 2")]] {
            assert_eq!(forwards_left(&Method::OPTIONS, &fields(lines)), None, "{lines:?}");
        }
        let twice = fields(&[("max-forwards", "0"), ("max-forwards", "1")]);
        assert_eq!(spent_forward(&Method::OPTIONS, &twice), None, "not understood, left alone");
    }

    #[test]
    fn x015_only_chunked_once_is_a_coding_we_undo() {
        assert!(is_plainly_coded(&fields(&[])) && is_plainly_coded(&fields(&[("transfer-encoding", "Chunked")])));
        for odd in ["chunked, chunked", "gzip, chunked", "chunked;a=b", "xchunked", ""] {
            assert!(!is_plainly_coded(&fields(&[("transfer-encoding", odd)])), "{odd}");
        }
        assert!(!is_plainly_coded(&fields(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")])));
    }

    #[test]
    fn x008_an_interim_response_keeps_its_end_to_end_fields() {
        let kept = interim_fields(&fields(&[
            ("link", "</a>"),
            ("link", "</b>"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authentication-info", "x"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
        ]));
        assert_eq!(kept, fields(&[("link", "</a>"), ("link", "</b>")]));
    }

    #[test]
    fn n124_a_missing_date_is_filled_in_and_proxy_fields_go() {
        let time = SystemTime::UNIX_EPOCH;
        let received =
            fields(&[("proxy-authenticate", "Basic"), ("proxy-authentication-info", "x"), ("www-authenticate", "Odd  x=\"y\"")]);
        let kept = response_fields(&received, time);
        assert_eq!(*kept, fields(&[("www-authenticate", "Odd  x=\"y\""), ("date", "Thu, 01 Jan 1970 00:00:00 GMT")]));
        let whole = fields(&[("date", "any"), ("www-authenticate", "Odd"), ("set-cookie", "a=b")]);
        assert!(
            matches!(response_fields(&whole, SystemTime::UNIX_EPOCH), Cow::Borrowed(fields) if std::ptr::eq(fields, &raw const whole))
        );
        for name in HOP_BY_HOP.iter().map(HeaderName::as_str).chain(["proxy-authenticate", "proxy-authentication-info"]) {
            let odd = fields(&[("date", "any"), (name, "x")]);
            assert_eq!(*response_fields(&odd, SystemTime::UNIX_EPOCH), fields(&[("date", "any")]), "{name}");
        }
    }
}
