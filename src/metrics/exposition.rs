//! The recorder behind the exposition, its two text formats, and which of them a scraper asked for.
//!
//! Source: Prometheus text exposition format 0.0.4; OpenMetrics 1.0.0 (sections "ABNF" and "Text format"). The exporter
//! writes the first alone, and its native histograms only in protobuf, which nobody reads by eye: hence
//! buckets, and a translation.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, header};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use super::families::{BUCKETS, FAMILIES, Family, Kind};
use crate::fields::{list_members, trim_ows};

/// A text format of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text, version 0.0.4.
    Text,
}

const OPENMETRICS: &[u8] = b"application/openmetrics-text";
const TEXT: &[u8] = b"text/plain";

impl Format {
    /// OpenMetrics where the request names it and likes it no less than text; text everywhere else.
    ///
    /// Source: RFC 9110 section 12.5.1.
    #[must_use]
    pub fn wanted_by(request: &HeaderMap) -> Self {
        let openmetrics = weight(request, OPENMETRICS).unwrap_or(0.0);
        let text = weight(request, TEXT).unwrap_or(0.0);
        if openmetrics > 0.0 && openmetrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        })
    }
}

/// The weight of a media type that `Accept` names, 0 to 1.
///
/// Source: RFC 9110 sections 12.4.2 and 12.5.1.
fn weight(request: &HeaderMap, wanted: &[u8]) -> Option<f32> {
    let weights = list_members(request, &header::ACCEPT).filter_map(|member| {
        let mut parts = member.split(|byte| *byte == b';').map(trim_ows);
        parts.next().filter(|range| range.eq_ignore_ascii_case(wanted))?;
        let weight = parts.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
        Some(weight.map_or(1.0, |text| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0)))
    });
    weights.max_by(f32::total_cmp)
}

/// A recorder of this gateway alone: several gateways in one process do not share numbers.
pub(super) fn recorder() -> PrometheusRecorder {
    let mut builder = PrometheusBuilder::new();
    for family in FAMILIES.iter().filter(|family| family.kind == Kind::Histogram) {
        let matcher = Matcher::Full(family.name.to_owned());
        // Only an empty bucket list is refused; the families then would be summaries.
        builder = builder.set_buckets_for_metric(matcher, &BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new());
    }
    builder.build_recorder()
}

/// Gives every family its help text; a local recorder is in place.
pub(super) fn describe() {
    for family in FAMILIES {
        match family.kind {
            Kind::Counter => metrics::describe_counter!(family.name, family.help),
            Kind::Gauge => metrics::describe_gauge!(family.name, family.help),
            Kind::Histogram => metrics::describe_histogram!(family.name, family.help),
        }
    }
}

/// The same exposition as OpenMetrics: counters' families lose `_total`, units are named, bounds of buckets are
/// written as floats, no blank lines, and an end that a broken transfer lacks.
pub(super) fn to_openmetrics(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1024);
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let family = if kind == "counter" { stem(name) } else { name };
                let _ = writeln!(out, "# TYPE {family} {kind}");
                if let Some(unit) = FAMILIES.iter().find(|known| known.name == name).and_then(Family::unit) {
                    let _ = writeln!(out, "# UNIT {family} {unit}");
                }
            }
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                let is_counter = FAMILIES.iter().any(|known| known.name == name && known.kind == Kind::Counter);
                let family = if is_counter { stem(name) } else { name };
                let _ = writeln!(out, "# HELP {family} {}", help.replace('"', "\\\""));
            }
            _ => {
                push_sample(&mut out, line);
            }
        }
    }
    out.push_str("# EOF\n");
    out
}

fn stem(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// A sample; a bucket's bound is a float in its canonical form.
fn push_sample(out: &mut String, line: &str) {
    const BOUND: &str = "le=\"";
    // The exporter writes `le` last.
    let bound = line.rsplit_once(BOUND).and_then(|(before, rest)| Some((before, rest.split_once('"')?)));
    match bound {
        Some((before, (number, rest))) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            let _ = writeln!(out, "{before}{BOUND}{number}.0\"{rest}");
        }
        _ => {
            out.push_str(line);
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_who_names_it() {
        let cases = [
            (None, Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/plain"), Format::Text),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("Application/OpenMetrics-Text; version=1.0.0"), Format::OpenMetrics),
            (
                // What Prometheus 2.42 sends.
                Some(
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                Format::OpenMetrics,
            ),
            (Some("application/openmetrics-text;q=0.3, text/plain;q=0.5"), Format::Text),
            (Some("application/openmetrics-text;q=0"), Format::Text),
            (Some("application/openmetrics-text;q=x"), Format::Text),
        ];
        for (accept, expect) in cases {
            let mut fields = HeaderMap::new();
            if let Some(accept) = accept {
                fields.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Format::wanted_by(&fields), expect, "{accept:?}");
        }
    }

    #[test]
    fn the_translation_keeps_every_sample() {
        let text = "# HELP vouchsafe_tunnel_bytes_total Say \"x\".\n# TYPE vouchsafe_tunnel_bytes_total counter\n\
                    vouchsafe_tunnel_bytes_total{direction=\"inbound\"} 7\n\n\
                    # TYPE vouchsafe_auth_duration_seconds histogram\n\
                    vouchsafe_auth_duration_seconds_bucket{scheme=\"basic\",le=\"10\"} 1\n\
                    vouchsafe_auth_duration_seconds_bucket{scheme=\"basic\",le=\"0.5\"} 1\n\
                    vouchsafe_auth_duration_seconds_bucket{scheme=\"basic\",le=\"+Inf\"} 1\n\n";
        let expect = "# HELP vouchsafe_tunnel_bytes Say \\\"x\\\".\n# TYPE vouchsafe_tunnel_bytes counter\n# UNIT vouchsafe_tunnel_bytes bytes\n\
                      vouchsafe_tunnel_bytes_total{direction=\"inbound\"} 7\n\
                      # TYPE vouchsafe_auth_duration_seconds histogram\n# UNIT vouchsafe_auth_duration_seconds seconds\n\
                      vouchsafe_auth_duration_seconds_bucket{scheme=\"basic\",le=\"10.0\"} 1\n\
                      vouchsafe_auth_duration_seconds_bucket{scheme=\"basic\",le=\"0.5\"} 1\n\
                      vouchsafe_auth_duration_seconds_bucket{scheme=\"basic\",le=\"+Inf\"} 1\n# EOF\n";
        assert_eq!(to_openmetrics(text), expect);
    }
}
