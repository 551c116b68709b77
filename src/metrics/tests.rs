use http::Method;

use super::families::{FAMILIES, Family};
use super::*;
use crate::cache::PermissionReason;
use crate::config::settings::Upstream;
use crate::server::sample;
use crate::upstream::Destination;

fn metrics() -> Metrics {
    Metrics::new(&sample::settings())
}

fn ended(result: CacheResult) -> Ended<'static> {
    Ended {
        listener: 0,
        method: &Method::GET,
        code: StatusCode::OK,
        destination: Some(Destination::Forward),
        auth: Some(Outcome::Ok),
        result,
        reason: "permit-public",
        bytes: 5,
        duration: Duration::from_millis(3),
    }
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn every_family_moves_and_carries_its_help() {
    let metrics = metrics();
    metrics.request(&ended(CacheResult::Hit));
    let brew = Method::from_bytes(b"BREW").unwrap();
    metrics.request(&Ended { method: &brew, code: StatusCode::IM_A_TEAPOT, reason: "", ..ended(CacheResult::None) });
    metrics.verdict(Duration::from_millis(60));
    metrics.authentication(Scheme::Basic, Outcome::WrongPassword);
    metrics.access_denied("destination");
    metrics.authorization(AuthorizationDecision::Shared(PermissionReason::SMaxage));
    metrics.authorization(AuthorizationDecision::NoPermit);
    metrics.validation(ValidationOutcome::NotModified);
    metrics.upstream(None, Some(StatusCode::NOT_FOUND), Duration::from_millis(20));
    metrics.upstream(None, None, Duration::from_millis(20));
    metrics.eviction("size");
    metrics.cache_size(4096, 2);
    let _connected = metrics.connected(0);
    metrics.reloaded(ReloadOutcome::Refused, SystemTime::UNIX_EPOCH + Duration::from_secs(9));
    metrics.reloaded(ReloadOutcome::Applied, SystemTime::UNIX_EPOCH + Duration::from_secs(7));
    metrics.connection_refused(0, RefusedConnection::AddressLimit);
    metrics.tunnels(1);
    metrics.tunnel_bytes(true, 10);
    metrics.tunnel_bytes(false, 20);
    metrics.access_log_dropped(7);
    metrics.traces_dropped(3);
    metrics.shadow_decision("hit", "miss");
    metrics.shadow_stored("permit-public", "no-permit", "none");
    let text = metrics.render();
    let expected = [
        (r#"vouchsafe_config_reloads_total{outcome="applied"}"#, 1.0),
        (r#"vouchsafe_config_reloads_total{outcome="refused"}"#, 1.0),
        ("vouchsafe_config_last_reload_successful", 1.0),
        ("vouchsafe_config_timestamp_seconds", 7.0),
        (r#"vouchsafe_requests_total{listener="edge",method="GET",code="200"}"#, 1.0),
        (r#"vouchsafe_requests_total{listener="edge",method="other",code="418"}"#, 1.0),
        (r#"vouchsafe_request_duration_seconds_bucket{listener="edge",result="hit",le="0.0025"}"#, 0.0),
        (r#"vouchsafe_request_duration_seconds_bucket{listener="edge",result="hit",le="0.005"}"#, 1.0),
        (r#"vouchsafe_request_duration_seconds_count{listener="edge",result="none"}"#, 1.0),
        (r#"vouchsafe_response_bytes_total{listener="edge",result="hit"}"#, 5.0),
        (r#"vouchsafe_decisions_total{route="forward",cache="hit",auth="ok",reason="permit-public"}"#, 1.0),
        (r#"vouchsafe_decisions_total{route="forward",cache="none",auth="ok",reason="other"}"#, 1.0),
        (r#"vouchsafe_auth_duration_seconds_bucket{scheme="basic",le="0.1"}"#, 1.0),
        (r#"vouchsafe_cache_requests_total{result="hit"}"#, 1.0),
        (r#"vouchsafe_cache_authorization_total{decision="shared",reason="s-maxage"}"#, 1.0),
        (r#"vouchsafe_cache_authorization_total{decision="refused",reason="no-permit"}"#, 1.0),
        (r#"vouchsafe_auth_total{scheme="basic",outcome="wrong-password"}"#, 1.0),
        (r#"vouchsafe_access_denied_total{rule="destination"}"#, 1.0),
        (r#"vouchsafe_validations_total{outcome="not-modified"}"#, 1.0),
        (r#"vouchsafe_upstream_requests_total{upstream="forward",code="404"}"#, 1.0),
        (r#"vouchsafe_upstream_requests_total{upstream="forward",code="none"}"#, 1.0),
        (r#"vouchsafe_upstream_duration_seconds_count{upstream="forward"}"#, 2.0),
        (r#"vouchsafe_cache_bytes{tier="memory"}"#, 4096.0),
        (r#"vouchsafe_cache_entries{tier="memory"}"#, 2.0),
        (r#"vouchsafe_cache_evictions_total{tier="memory",reason="size"}"#, 1.0),
        (r#"vouchsafe_connections{listener="edge"}"#, 1.0),
        (r#"vouchsafe_connections_refused_total{listener="edge",reason="address-limit"}"#, 1.0),
        ("vouchsafe_tunnels", 1.0),
        (r#"vouchsafe_tunnel_bytes_total{direction="inbound"}"#, 10.0),
        (r#"vouchsafe_tunnel_bytes_total{direction="outbound"}"#, 20.0),
        ("vouchsafe_access_log_dropped_total", 7.0),
        ("vouchsafe_traces_dropped_total", 3.0),
        (r#"vouchsafe_shadow_decisions_total{active="hit",shadow="miss"}"#, 1.0),
        (r#"vouchsafe_shadow_stored_total{active="permit-public",shadow="no-permit",lifetime="none"}"#, 1.0),
        (concat!(r#"vouchsafe_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""}"#), 1.0),
    ];
    for (series, expect) in expected {
        assert_eq!(value(&text, series), Some(expect), "{series} in\n{text}");
    }
    for family in &FAMILIES {
        assert_eq!(labels_of(&text, family), family.labels, "{}", family.name);
        assert!(text.contains(&format!("# HELP {} ", family.name)), "{} has no help", family.name);
        let kind = format!("{:?}", family.kind).to_lowercase();
        assert!(text.contains(&format!("# TYPE {} {kind}", family.name)), "{} has no type", family.name);
    }
}

/// The labels of the family's first series.
fn labels_of(text: &str, family: &Family) -> Vec<String> {
    let series = text.lines().find(|line| {
        let rest = line.strip_prefix(family.name).unwrap_or_default();
        [" ", "{", "_count"].iter().any(|next| rest.starts_with(next))
    });
    let series = series.unwrap_or_else(|| panic!("no series of {}", family.name));
    let labels = series.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(labels, _)| labels);
    labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect()
}

/// Whoever names another upstream is told apart; whoever never came to one, or comes after the sixty-fourth, is not.
#[test]
fn routes_are_bounded_by_the_configuration() {
    let upstreams = (0..70).map(|number| Upstream { name: format!("u{number}"), servers: Vec::new(), ca_file: None }).collect();
    let metrics = Metrics::new(&Settings { upstreams, ..sample::settings() });
    for number in 0..90 {
        metrics.request(&Ended { destination: Some(Destination::Upstream(number)), auth: None, ..ended(CacheResult::Miss) });
    }
    metrics.request(&Ended { destination: None, auth: Some(Outcome::Missing), reason: "missing", ..ended(CacheResult::None) });
    let text = metrics.render();
    let count = |route: &str| {
        value(&text, &format!(r#"vouchsafe_decisions_total{{route="{route}",cache="miss",auth="none",reason="permit-public"}}"#))
    };
    assert_eq!((count("u0"), count("u63"), count("u64"), count("other")), (Some(1.0), Some(1.0), None, Some(26.0)));
    let refused = r#"vouchsafe_decisions_total{route="other",cache="none",auth="missing",reason="missing"}"#;
    assert_eq!(value(&text, refused), Some(1.0));
    let successor = metrics.successor(&Settings::default());
    successor.request(&Ended { destination: None, auth: Some(Outcome::Missing), reason: "missing", ..ended(CacheResult::None) });
    assert_eq!(value(&metrics.render(), refused), Some(2.0), "a reload counts on");
}

/// `UPDATE_TABLE=1` writes the table.
#[test]
fn the_list_in_the_documents_is_that_of_the_source() {
    const BEGIN: &str = "<!-- metrics: begin -->\n";
    const END: &str = "<!-- metrics: end -->";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/METRICS.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let mut expect = String::from("| name | kind | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for family in &FAMILIES {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = format!("{:?}", family.kind).to_lowercase();
        let (name, unit, labels, help) = (family.name, family.unit().unwrap_or("–"), labels.join(", "), family.help);
        expect += &format!("| `{name}` | {kind} | {unit} | {labels} | {help} |\n");
    }
    if std::env::var_os("UPDATE_TABLE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{expect}{END}{after}")).unwrap();
        return;
    }
    assert!(table == expect, "docs/METRICS.md is not what the source says; UPDATE_TABLE=1 writes it:\n{expect}");
}

#[test]
fn what_never_came_to_the_cache_is_no_cache_request() {
    let metrics = metrics();
    metrics.request(&ended(CacheResult::None));
    let text = metrics.render();
    assert!(!text.contains(r#"vouchsafe_cache_requests_total{result="none"}"#));
    assert_eq!(text.lines().filter(|line| line.starts_with("vouchsafe_cache_requests_total{")).count(), 6);
    assert!(text.lines().filter(|line| line.starts_with("vouchsafe_cache_requests_total{")).all(|line| line.ends_with(" 0")));
}

#[test]
fn gateways_of_one_process_do_not_share_numbers() {
    let (one, other) = (metrics(), metrics());
    one.tunnels(1);
    assert_eq!(value(&one.render(), "vouchsafe_tunnels"), Some(1.0));
    assert_eq!(value(&other.render(), "vouchsafe_tunnels"), Some(0.0));
}

#[test]
fn indices_out_of_range_are_ignored() {
    let metrics = metrics();
    metrics.request(&Ended { listener: 9, ..ended(CacheResult::Hit) });
    metrics.upstream(Some(9), None, Duration::ZERO);
    let _nobody = metrics.connected(9);
    assert!(!metrics.render().contains("vouchsafe_requests_total{"));
}
