use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::*;
use crate::auth::{Outcome, Scheme};
use crate::cache::CacheResult;
use crate::config::settings::AccessLogTarget;
use crate::server::sample;
use crate::target::{Host, Target};

fn observer(target: AccessLogTarget) -> Arc<Observer> {
    let mut settings = sample::settings();
    settings.log.access = target;
    let metrics = Arc::new(Metrics::new(&settings));
    Arc::new(Observer::new(&settings, metrics, Clock::system(), Keyed::random().unwrap()).unwrap())
}

fn record() -> Record {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Record::new(0, IpAddr::V4(Ipv4Addr::LOCALHOST), now, Clock::instant())
}

fn target() -> Target {
    let path_and_query = "/a/b?access_token=hush".into();
    Target { scheme: crate::target::Scheme::Http, host: Host::parse("example.com").unwrap(), port: 8080, path_and_query }
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn one_line_a_record_and_every_field_of_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let observer = observer(AccessLogTarget::File(file.clone()));
    let mut record = record();
    record.id = observer.next_id();
    record.method = Method::POST;
    record.target = Some(target());
    record.principal = Some("alice".into());
    record.url_hash = Some(u128::MAX);
    record.status = StatusCode::OK;
    record.upstream = Some(Duration::from_micros(250));
    record.auth = (Scheme::Basic, Outcome::Ok);
    record.credentialed = true;
    record.credential = Some(0xab << 64);
    record.result = CacheResult::Miss;
    record.reason = "uri-miss";
    record.fwd_status = Some(StatusCode::OK);
    let mut fields = HeaderMap::new();
    fields.append(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    fields.append(header::CACHE_CONTROL, HeaderValue::from_static("max-age=5"));
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    fields.insert(header::ETAG, HeaderValue::from_static("\"v1\""));
    fields.insert(header::VARY, HeaderValue::from_bytes(b"a\xff\tb").unwrap());
    record.response = Some(Arc::new(ResponseFields::of(&fields)));
    record.vary_hash = Some(1 << 64);
    let id = format_id(record.id);
    Finish::new(Arc::clone(&observer), Box::new(record)).end(1234, true);
    observer.close();
    let lines = lines(&file);
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    let expected = [
        ("time", Value::from("2023-11-14T22:13:20.000Z")),
        ("id", Value::from(id)),
        ("listener", Value::from("edge")),
        ("client", Value::from("127.0.0.1")),
        ("method", Value::from("POST")),
        ("host", Value::from("example.com:8080")),
        ("path", Value::from("/a/b")),
        ("url_hash", Value::from("ffffffffffffffff")),
        ("status", Value::from(200)),
        ("bytes", Value::from(1234)),
        ("complete", Value::from(true)),
        ("upstream_us", Value::from(250)),
        ("auth", serde_json::json!({ "scheme": "basic", "outcome": "ok" })),
        ("credentialed", Value::from(true)),
        ("credential", Value::from("00000000000000ab")),
        ("result", Value::from("miss")),
        ("reason", Value::from("uri-miss")),
        ("fwd_status", Value::from(200)),
        ("cache_control", Value::from("public, max-age=5")),
        ("content_type", Value::from("text/plain")),
        ("age", Value::Null),
        ("vary", Value::from("a\u{fffd}\tb")),
        ("vary_hash", Value::from("0000000000000001")),
    ];
    for (name, expect) in expected {
        assert_eq!(line[name], expect, "{name}");
    }
    assert!(line["duration_us"].is_u64());
    assert_eq!(line["etag"].as_str().unwrap().len(), 16);
    let text = std::fs::read_to_string(&file).unwrap();
    for secret in ["hush", "alice", "v1"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(observer.metrics().render().matches("vouchsafe_requests_total{").count(), 1);
}

#[cfg(unix)]
#[test]
fn the_file_is_private_and_appended() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    for _ in 0..2 {
        let observer = observer(AccessLogTarget::File(file.clone()));
        Finish::new(Arc::clone(&observer), Box::new(record())).end(0, true);
        observer.close();
    }
    assert_eq!(lines(&file).len(), 2);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_head_or_a_304_has_no_content_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("access.log");
    let observer = observer(AccessLogTarget::File(file.clone()));
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 304), (Method::GET, 200)] {
        let mut record = record();
        (record.method, record.status) = (method, StatusCode::from_u16(status).unwrap());
        Finish::new(Arc::clone(&observer), Box::new(record)).end(9, false);
    }
    drop(observer);
    let seen: Vec<_> = lines(&file).iter().map(|line| (line["bytes"].clone(), line["complete"].clone())).collect();
    let expect = [(0, true), (0, true), (9, false)].map(|(bytes, complete)| (Value::from(bytes), Value::from(complete)));
    assert_eq!(seen, expect);
}

/// A destination that reports each write and waits for leave to go on.
struct Gate(mpsc::Sender<()>, mpsc::Receiver<()>);

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(());
        let _ = self.1.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_slow_destination_drops_lines_and_counts_them() {
    let metrics = Arc::new(Metrics::new(&sample::settings()));
    let (began, begins) = mpsc::channel();
    let (leave, leaves) = mpsc::channel();
    let formatter = line::Formatter::new(vec!["edge".to_owned()], Keyed::random().unwrap());
    let destination = writer::Destination::Stream(Box::new(Gate(began, leaves)));
    let writer = Writer::start_into(destination, formatter, Arc::clone(&metrics)).unwrap();
    let finish = || Box::new(record());
    writer.write(finish());
    begins.recv().unwrap();
    // The writer now stands in its first write; the channel takes 8192 records and no more.
    for _ in 0..8192 + 5 {
        writer.write(finish());
    }
    assert!(metrics.render().lines().any(|line| line == "vouchsafe_access_log_dropped_total 5"), "{}", metrics.render());
    drop(leave);
    drop(begins);
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("disk full"))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_counted_and_stops_nothing() {
    let metrics = Arc::new(Metrics::new(&sample::settings()));
    let formatter = line::Formatter::new(Vec::new(), Keyed::random().unwrap());
    let destination = writer::Destination::Stream(Box::new(Full));
    let writer = Writer::start_into(destination, formatter, Arc::clone(&metrics)).unwrap();
    for _ in 0..3 {
        writer.write(Box::new(record()));
    }
    writer.close();
    assert!(metrics.render().lines().any(|line| line == "vouchsafe_access_log_dropped_total 3"));
}

#[test]
fn ids_are_unique_and_16_hex_digits() {
    let observer = observer(AccessLogTarget::Off);
    assert!(!observer.logs_access());
    let ids: std::collections::HashSet<_> = (0..1000).map(|_| format_id(observer.next_id())).collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.iter().all(|id| id.len() == 16));
}
