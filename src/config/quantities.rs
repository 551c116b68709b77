//! Sizes, durations, networks and server addresses as the configuration writes them.
//!
//! RFC 4632 section 3.1 (networks), RFC 3986 section 3 (URLs), RFC 9110 section 4.2.4 (no user
//! information in them).
//!
//! # Deviations
//!
//! none

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use ipnet::IpNet;

use crate::config::settings::{Collector, Server};
use crate::target::{Host, Scheme};

const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIME_UNITS: [(&str, u64); 5] = [("ms", 1), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
/// Ten years: far above any sensible lifetime, far below what overflows a time of day.
const LONGEST_MS: u64 = 3_650 * 86_400_000;

/// Bytes of `512MiB`, `64KiB`, `100B`: a whole number and a binary unit.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text, &SIZE_UNITS)?;
    number.checked_mul(unit)
}

/// `250ms`, `10s`, `5m`, `12h`, `1d`: a whole number and a unit, ten years at most.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text, &TIME_UNITS)?;
    let total_ms = number.checked_mul(unit)?;
    (total_ms <= LONGEST_MS).then(|| Duration::from_millis(total_ms))
}

/// What a size in decimal units was most likely meant to be (`512MB`, `512mb`, `512M`).
pub(super) fn size_meant(text: &str) -> Option<String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let meant = match unit.trim().to_ascii_lowercase().as_str() {
        "k" | "kb" | "kib" => "KiB",
        "m" | "mb" | "mib" => "MiB",
        "g" | "gb" | "gib" => "GiB",
        "t" | "tb" | "tib" => "TiB",
        "b" | "bytes" => "B",
        _ => return None,
    };
    let meant = format!("{number}{meant}");
    parse_size(&meant).map(|_| meant)
}

/// The largest unit in which a size is a whole number.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS, "B")
}

/// The largest unit in which a duration is a whole number.
pub(super) fn show_duration(duration: Duration) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), &units, "s")
}

fn show(amount: u64, units: &[(&str, u64)], when_zero: &str) -> String {
    let whole = units.iter().find(|(_, unit)| amount > 0 && amount.is_multiple_of(*unit));
    whole.map_or_else(|| format!("0{when_zero}"), |(name, unit)| format!("{}{name}", amount / unit))
}

/// Splits `12ms` into 12 and the worth of `ms`.
fn split_unit(text: &str, units: &[(&str, u64)]) -> Option<(u64, u64)> {
    let (digits, worth) = units.iter().find_map(|(name, worth)| Some((text.strip_suffix(name)?, *worth)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok().map(|number| (number, worth))).flatten()
}

/// A network in prefix notation, or one address; with the right spelling where host bits are set.
///
/// # Errors
///
/// The network that was most likely meant, if one can be told.
pub(super) fn parse_network(text: &str) -> Result<IpNet, Option<String>> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text.parse().map_err(|_| None)?;
    if network == network.trunc() { Ok(network) } else { Err(Some(network.trunc().to_string())) }
}

/// `http://host:port` of a server, the port filled in from the scheme.
///
/// # Errors
///
/// What is wrong with it, without repeating it: user information in a URL is a secret.
pub(super) fn parse_server(text: &str) -> Result<Server, &'static str> {
    if text.contains('@') {
        return Err("user information, which is no place for a secret");
    }
    let uri: Uri = text.parse().map_err(|_| "something that is no URL")?;
    let scheme = match uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some(_) => return Err("another scheme"),
        None => return Err("a URL without scheme"),
    };
    if uri.path_and_query().is_some_and(|path| path.as_str() != "/") || text.contains('#') {
        return Err("a path, query or fragment");
    }
    let written = uri.host().unwrap_or_default();
    let host = Host::parse(written).map_err(|_| "something that is no host name or address")?;
    // `Uri::port` is none for a port that is no number as well; what follows the host tells.
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let port = match authority.strip_prefix(written).unwrap_or(authority) {
        "" => scheme.default_port(),
        _ => uri.port_u16().filter(|port| *port > 0).ok_or("a port outside 1 to 65535")?,
    };
    Ok(Server { scheme, host, port })
}

/// `http://host:port/path` of a collector of traces.
///
/// # Errors
///
/// What is wrong with it, without repeating it: user information and a query may be secrets.
pub(super) fn parse_collector(text: &str) -> Result<Collector, &'static str> {
    if text.contains(['?', '#']) {
        return Err("a query or fragment");
    }
    let after_scheme = text.find("://").map_or(0, |at| at + 3);
    let path_at = text.get(after_scheme..).and_then(|rest| rest.find('/')).map_or(text.len(), |at| after_scheme + at);
    let (server, path) = text.split_at(path_at);
    let server = parse_server(server)?;
    if server.scheme != Scheme::Http {
        return Err("https, which spans are not sent over; name an agent beside the gateway, which may use it");
    }
    if path.len() <= 1 {
        return Err("no path");
    }
    path.parse::<Uri>().map_err(|_| "something that is no path")?;
    Ok(Collector { server, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_whole_numbers_with_a_unit() {
        for (text, expect) in [("512MiB", Some(512 << 20)), ("1B", Some(1)), ("0KiB", Some(0)), ("18446744073709551615TiB", None)]
        {
            assert_eq!(parse_size(text), expect, "{text}");
        }
        for bad in ["", "512", "MiB", "512 MiB", "512MB", "-1MiB", "1.5GiB", "+1B"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
        assert_eq!(size_meant("512MB").as_deref(), Some("512MiB"));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("5m"), Some(Duration::from_secs(300)));
        for bad in ["", "5", "5 s", "5min", "1y", "99999999999999999999s", "3651d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn shown_quantities_read_back() {
        for text in ["1d", "12h", "5m", "90s", "250ms", "0s"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["256MiB", "1TiB", "1000B", "0B"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }

    #[test]
    fn collectors_are_http_urls_with_a_path() {
        for (text, expect) in [
            ("http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/v1/traces"),
            ("http://otel-agent/v1/traces", "http://otel-agent:80/v1/traces"),
        ] {
            assert_eq!(parse_collector(text).unwrap().to_string(), expect);
        }
        for (text, found) in [
            ("http://127.0.0.1:4318", "no path"),
            ("http://127.0.0.1:4318/", "no path"),
            ("http://a/v1 traces", "something that is no path"),
            ("http://a/v1?key=k", "a query or fragment"),
            ("http://u:p@a/v1", "user information, which is no place for a secret"),
            ("127.0.0.1:4318/v1/traces", "a URL without scheme"),
            ("grpc://a/v1", "another scheme"),
        ] {
            assert_eq!(parse_collector(text).unwrap_err(), found, "{text}");
        }
        assert!(parse_collector("https://a/v1/traces").unwrap_err().starts_with("https, "));
    }

    #[test]
    fn servers_are_scheme_host_and_port() {
        assert_eq!(parse_server("http://127.0.0.1:8000").unwrap().to_string(), "http://127.0.0.1:8000");
        assert_eq!(parse_server("https://[::1]").unwrap().to_string(), "https://[::1]:443");
        let cases = [
            "http://u:hunter2@h",
            "ftp://h",
            "127.0.0.1:8000",
            "http://h/path",
            "http://h:0",
            "http://h:99999",
            "http://",
            "http://0x7f.1",
        ];
        for bad in cases {
            let complaint = parse_server(bad).unwrap_err();
            assert!(!complaint.contains("hunter2"), "{bad}: {complaint}");
        }
    }

    #[test]
    fn a_network_with_host_bits_is_corrected() {
        assert_eq!(parse_network("10.0.0.1/8"), Err(Some("10.0.0.0/8".to_owned())));
        assert_eq!(parse_network("10.0.0.1").unwrap().to_string(), "10.0.0.1/32");
        assert_eq!(parse_network("all"), Err(None));
    }
}
