//! Exchanges as spans at a collector (`--features otel`), and what a program without the feature says.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

#[cfg(feature = "otel")]
#[path = "otel/spans.rs"]
mod spans;

const LISTENER: &str = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";

fn read(otlp: &str) -> Result<vouchsafe::config::settings::Settings, String> {
    let text = format!("{LISTENER}[trace]\notlp = \"{otlp}\"\n");
    vouchsafe::config::parse(&text, "v.toml", std::path::Path::new("/")).map_err(|mistakes| mistakes.to_string())
}

#[test]
fn nobody_is_told_by_default() {
    assert_eq!(read("off").expect("a good configuration").trace.collector, None);
}

#[cfg(not(feature = "otel"))]
#[test]
fn a_program_without_the_feature_refuses_a_collector() {
    assert_eq!(
        read("http://127.0.0.1:4318/v1/traces").expect_err("no exporter"),
        "v.toml:7:8: trace.otlp: this program was built without the feature otel; build with --features otel or leave it out"
    );
}

#[cfg(feature = "otel")]
#[test]
fn a_collector_is_an_http_url_with_a_path() {
    let expected = "v.toml:7:8: trace.otlp: expected \"off\" or a URL such as \"http://127.0.0.1:4318/v1/traces\", found";
    for (url, found) in [
        ("http://127.0.0.1:4318", "no path in \"http://127.0.0.1:4318\""),
        (
            "https://a/v1/traces",
            "https, which spans are not sent over; name an agent beside the gateway, which may use it in \"https://a/v1/traces\"",
        ),
        ("http://u:hunter2@a/v1/traces", "user information, which is no place for a secret"),
        ("http://a/v1/traces?key=hunter2", "a query or fragment"),
    ] {
        assert_eq!(read(url).expect_err(url), format!("{expected} {found}"));
    }
}
