use super::*;
use crate::cache::PermissionReason;
use crate::server::sample;

fn metrics() -> Metrics {
    Metrics::new(&sample::settings())
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn every_family_moves_and_carries_its_help() {
    let metrics = metrics();
    metrics.request(0, &Method::GET, StatusCode::OK, CacheResult::Hit, Duration::from_millis(3));
    metrics.request(0, &Method::from_bytes(b"BREW").unwrap(), StatusCode::IM_A_TEAPOT, CacheResult::None, Duration::ZERO);
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
        (concat!(r#"vouchsafe_build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""}"#), 1.0),
    ];
    for (series, expect) in expected {
        assert_eq!(value(&text, series), Some(expect), "{series} in\n{text}");
    }
    for family in FAMILIES {
        assert!(text.contains(&format!("# HELP {} ", family.name)), "{} has no help", family.name);
        let kind = format!("{:?}", family.kind).to_lowercase();
        assert!(text.contains(&format!("# TYPE {} {kind}", family.name)), "{} has no type", family.name);
    }
}

#[test]
fn what_never_came_to_the_cache_is_no_cache_request() {
    let metrics = metrics();
    metrics.request(0, &Method::GET, StatusCode::OK, CacheResult::None, Duration::ZERO);
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
    metrics.request(9, &Method::GET, StatusCode::OK, CacheResult::Hit, Duration::ZERO);
    metrics.upstream(Some(9), None, Duration::ZERO);
    let _nobody = metrics.connected(9);
    assert!(!metrics.render().contains("vouchsafe_requests_total{"));
}
