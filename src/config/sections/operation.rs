//! `[log]`, `[trace]`, `[limits]` and `[shadow]`.
//!
//! RFC 9110 section 17.5 (bounded lengths), RFC 9112 section 9.5 (bounded times).
//!
//! # Deviations
//!
//! none

use std::path::PathBuf;

use crate::config::mistakes::did_you_mean;
use crate::config::reader::Section;
use crate::config::settings::{AccessLogTarget, Collector, Limits, Log, Trace};
use crate::config::value::Value;

/// `[log]`.
pub(super) fn read_log(root: &mut Section<'_>) -> Log {
    let mut log = Log::default();
    let Some(mut section) = root.section("log") else { return log };
    section.set("format", &mut log.json, |v| v.word(&[("json", true), ("text", false)]));
    section.set("access", &mut log.access, read_target);
    section.finish();
    log
}

/// `stderr`, `off`, or a file in a directory that exists.
fn read_target(value: &Value<'_>) -> Option<AccessLogTarget> {
    let expected = "\"stderr\", \"off\" or a file path";
    match value.text()? {
        "stderr" => return Some(AccessLogTarget::Stderr),
        "off" => return Some(AccessLogTarget::Off),
        // A bare word that is nearly one of the two is a slip, not a file name.
        word if !word.contains(['/', '.']) && !did_you_mean(word, ["stderr", "off"]).is_empty() => {
            return value.mistake_near(expected, ["stderr", "off"]);
        }
        _ => {}
    }
    let path = value.path()?;
    let has_directory = path.parent().is_some_and(|parent| parent.as_os_str().is_empty() || parent.is_dir());
    if has_directory && !path.is_dir() {
        return Some(AccessLogTarget::File(path));
    }
    value.complain(&format!("expected a file in a directory that exists, found {}", path.display()))
}

/// `[trace]`.
pub(super) fn read_trace(root: &mut Section<'_>) -> Trace {
    let mut trace = Trace::default();
    let Some(mut section) = root.section("trace") else { return trace };
    section.set("otlp", &mut trace.collector, read_collector);
    section.set("sample", &mut trace.sample, |v| v.share());
    section.finish();
    trace
}

/// `off`, or the URL of a collector where the program can speak to one.
fn read_collector(value: &Value<'_>) -> Option<Option<Collector>> {
    if value.text()? == "off" {
        return Some(None);
    }
    if !cfg!(feature = "otel") {
        return value.complain("this program was built without the feature otel; build with --features otel or leave it out");
    }
    value.collector().map(Some)
}

/// `[shadow]`: the file of the candidate.
pub(super) fn read_shadow(root: &mut Section<'_>) -> Option<PathBuf> {
    let mut section = root.section("shadow")?;
    let file = section.require("config", "\"candidate.toml\"", Value::file);
    section.finish();
    file
}

/// `[limits]`: none can be switched off.
pub(super) fn read_limits(root: &mut Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut section) = root.section("limits") else { return limits };
    // Below 8 KiB ordinary requests fail (RFC 9112 section 3 asks for request lines of 8000 octets).
    section.set("header_bytes", &mut limits.header_bytes, |v| v.size(8 << 10, 16 << 20).and_then(|n| usize::try_from(n).ok()));
    section.set("header_fields", &mut limits.header_fields, |v| v.count(16, 10_000));
    section.set("header_time", &mut limits.header_time, Value::bound);
    section.set("idle_time", &mut limits.idle_time, Value::bound);
    section.set("tunnel_idle_time", &mut limits.tunnel_idle_time, Value::bound);
    section.set("connect_time", &mut limits.connect_time, Value::bound);
    section.set("first_byte_time", &mut limits.first_byte_time, Value::bound);
    section.set("drain_time", &mut limits.drain_time, Value::duration);
    section.set("connections_per_address", &mut limits.connections_per_address, |v| v.count(1, 10_000_000));
    section.finish();
    limits
}
