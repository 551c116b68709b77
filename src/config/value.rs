//! One value of the document: read as what a setting needs, or a mistake is recorded.
//!
//! RFC 9110 section 5.1 (field names), section 9.1 (methods are case-sensitive), RFC 9111
//! section 1.2.2 (delta-seconds stay below 2^31, durations here far below).
//!
//! # Deviations
//!
//! none

use std::fs::File;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, Method};
use ipnet::IpNet;
use toml::Spanned;
use toml::de::DeValue;

use super::mistakes::{Source, did_you_mean, quoted};
use super::quantities::{parse_collector, parse_duration, parse_network, parse_server, parse_size, show_size, size_meant};
use super::reader::Section;
use super::settings::{Collector, HostPattern, MediaPattern, PathPattern, Server, StatusRange};
use crate::cache::rules::canary::Share;
use crate::cache::rules::query::Parameter;

/// One value with its full name.
pub(super) struct Value<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) path: String,
    pub(super) node: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    /// Records what was expected here and what was found.
    pub(super) fn mistake<T>(&self, expected: &str) -> Option<T> {
        self.complain(&format!("expected {expected}, found {}", self.found()))
    }

    /// Records a mistake in words of its own.
    pub(super) fn complain<T>(&self, message: &str) -> Option<T> {
        self.source.note(&self.node.span(), format!("{}: {message}", self.path));
        None
    }

    /// The value as messages show it.
    pub(super) fn found(&self) -> String {
        match self.node.get_ref() {
            DeValue::String(text) => quoted(text),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
            DeValue::Array(_) => "an array".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }

    /// A table.
    pub(super) fn section(self) -> Option<Section<'a>> {
        match self.node.get_ref() {
            DeValue::Table(table) => Some(Section::below(self.source, self.path, self.node, table)),
            _ => self.mistake("a table"),
        }
    }

    /// An array, each element read alike; all of its mistakes are recorded.
    pub(super) fn list<T>(&self, each: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        let DeValue::Array(array) = self.node.get_ref() else { return self.mistake("an array") };
        let elements = array.iter().enumerate();
        let read: Vec<Option<T>> =
            elements.map(|(at, node)| each(&Self { source: self.source, path: format!("{}[{at}]", self.path), node })).collect();
        read.into_iter().collect()
    }

    /// As [`Value::list`] for words that may occur once; an empty array is a mistake.
    pub(super) fn distinct<T: PartialEq>(&self, each: impl Fn(&Self) -> Option<T>) -> Option<Vec<T>> {
        let list = self.list(each)?;
        if list.is_empty() {
            return self.complain("expected at least one, found an empty array");
        }
        let repeated = list.iter().enumerate().any(|(at, one)| list.iter().take(at).any(|other| one == other));
        if repeated { self.complain("expected each once, found one again") } else { Some(list) }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        self.node.get_ref().as_bool().or_else(|| self.mistake("true or false"))
    }

    /// A string that is not empty.
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.string("a string")?;
        if text.is_empty() { self.mistake("a string that is not empty") } else { Some(text) }
    }

    /// An owned [`Value::text`].
    pub(super) fn name(&self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    /// A string, wanted as something that `expected` describes.
    fn string(&self, expected: &str) -> Option<&'a str> {
        match self.node.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.mistake(expected),
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let all = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let text = self.string(&all)?;
        let known = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        known.or_else(|| self.mistake_near(&all, words.iter().map(|(word, _)| *word)))
    }

    /// Records a mistake with the candidate that was most likely meant.
    pub(super) fn mistake_near<'c, T>(&self, expected: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<T> {
        let text = self.node.get_ref().as_str().unwrap_or_default();
        self.complain(&format!("expected {expected}, found {}{}", self.found(), did_you_mean(text, candidates)))
    }

    /// A whole number in a range.
    pub(super) fn count(&self, least: usize, most: usize) -> Option<usize> {
        let number = self.node.get_ref().as_integer();
        let number = number.and_then(|n| usize::from_str_radix(n.as_str(), n.radix()).ok());
        let expected = || format!("a whole number from {least} to {most}");
        number.filter(|n| (least..=most).contains(n)).or_else(|| self.mistake(&expected()))
    }

    /// A number from 0 to 1.
    pub(super) fn share(&self) -> Option<Share> {
        let number = match self.node.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        };
        number.and_then(Share::new).or_else(|| self.mistake("a number from 0 to 1 such as 0.001"))
    }

    /// A port.
    pub(super) fn port(&self) -> Option<u16> {
        self.count(1, usize::from(u16::MAX)).and_then(|port| u16::try_from(port).ok())
    }

    /// Bytes in a range.
    pub(super) fn size(&self, least: u64, most: u64) -> Option<u64> {
        let expected = "a size such as \"512MiB\" (units B, KiB, MiB, GiB, TiB)";
        let text = self.string(expected)?;
        let Some(bytes) = parse_size(text) else {
            let meant = size_meant(text);
            let hint = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            return self.complain(&format!("expected {expected}, found {}{hint}", self.found()));
        };
        if (least..=most).contains(&bytes) {
            return Some(bytes);
        }
        self.mistake(&format!("a size from {} to {}", show_size(least), show_size(most)))
    }

    /// A duration, zero included.
    pub(super) fn duration(&self) -> Option<Duration> {
        let expected = "a duration such as \"10s\" (units ms, s, m, h, d; at most 3650d)";
        parse_duration(self.string(expected)?).or_else(|| self.mistake(expected))
    }

    /// A duration above zero.
    pub(super) fn bound(&self) -> Option<Duration> {
        self.duration().and_then(|bound| if bound.is_zero() { self.mistake("a duration above zero") } else { Some(bound) })
    }

    /// An address and port to bind.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let expected = "an address and port such as \"127.0.0.1:3128\" or \"[::1]:3128\"";
        self.string(expected)?.parse().ok().or_else(|| self.mistake(expected))
    }

    /// A network or a single address.
    pub(super) fn network(&self) -> Option<IpNet> {
        let expected = "a network such as \"10.0.0.0/8\" or \"fd00::/8\"";
        let meant = match parse_network(self.string(expected)?) {
            Ok(network) => return Some(network),
            Err(meant) => meant,
        };
        let hint = meant.map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
        self.complain(&format!("expected {expected}, found {}{hint}", self.found()))
    }

    /// A host, `*.` and a domain, or `*`.
    pub(super) fn host(&self) -> Option<HostPattern> {
        let expected = "a host such as \"example.com\", \"*.example.com\" or \"*\"";
        HostPattern::parse(self.string(expected)?).or_else(|| self.mistake(expected))
    }

    /// A path, or one with `*` at its end or elsewhere.
    pub(super) fn path_pattern(&self) -> Option<PathPattern> {
        let expected = "a path such as \"/v1/status\", \"/v1/*\" or \"/*/feed\"";
        PathPattern::parse(self.string(expected)?).or_else(|| self.mistake(expected))
    }

    /// A method; the registered ones are upper case and methods are case-sensitive.
    ///
    /// Source: RFC 9110 section 9.1.
    pub(super) fn method(&self) -> Option<Method> {
        let expected = "a method in upper case such as \"GET\"";
        let text = self.string(expected)?;
        let upper = text.to_ascii_uppercase();
        let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| text == upper);
        method.or_else(|| self.mistake_near(expected, [upper.as_str()]))
    }

    /// A media type or all subtypes of a type.
    ///
    /// Source: RFC 9110 section 8.3.1.
    pub(super) fn media_type(&self) -> Option<MediaPattern> {
        let expected = "a media type without parameters such as \"text/html\" or \"image/*\"";
        MediaPattern::parse(self.string(expected)?).or_else(|| self.mistake(expected))
    }

    /// A status code, a class or a range of them.
    ///
    /// Source: RFC 9110 section 15.
    pub(super) fn statuses(&self) -> Option<StatusRange> {
        let expected = "a status code from 100 to 599 such as 404, a class such as \"5xx\" or a range such as \"500-504\"";
        let range = match self.node.get_ref() {
            DeValue::String(text) => StatusRange::parse(text),
            DeValue::Integer(number) => {
                let code = u16::from_str_radix(number.as_str(), number.radix()).ok();
                code.and_then(|code| StatusRange::new(code, code))
            }
            _ => None,
        };
        range.or_else(|| self.mistake(expected))
    }

    /// A field name.
    pub(super) fn field_name(&self) -> Option<HeaderName> {
        let expected = "a field name such as \"X-Api-Key\"";
        HeaderName::from_bytes(self.string(expected)?.as_bytes()).ok().or_else(|| self.mistake(expected))
    }

    /// The URL of a server; what it holds is not repeated where it may hold a secret.
    pub(super) fn server(&self) -> Option<Server> {
        let expected = "a server such as \"http://127.0.0.1:8000\"";
        let text = self.string(expected)?;
        match parse_server(text) {
            Ok(server) => Some(server),
            Err(found) if text.contains('@') => self.complain(&format!("expected {expected}, found {found}")),
            Err(found) => self.complain(&format!("expected {expected}, found {found} in {}", self.found())),
        }
    }

    /// The URL of a collector; as [`Value::server`].
    pub(super) fn collector(&self) -> Option<Collector> {
        let expected = "\"off\" or a URL such as \"http://127.0.0.1:4318/v1/traces\"";
        let text = self.string(expected)?;
        match parse_collector(text) {
            Ok(collector) => Some(collector),
            Err(found) if text.contains(['@', '?']) => self.complain(&format!("expected {expected}, found {found}")),
            Err(found) => self.complain(&format!("expected {expected}, found {found} in {}", self.found())),
        }
    }

    /// A parameter of a query by its name, or by the beginning of its name.
    pub(super) fn parameter(&self) -> Option<Parameter> {
        let expected = "a parameter such as \"page\" or \"utm_*\", without percent-encoding";
        Parameter::parse(self.string(expected)?).or_else(|| self.mistake(expected))
    }

    /// A path, made absolute; the file need not exist.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.text().map(|text| self.source.base_dir().join(text))
    }

    /// A path to a file that can be read now.
    pub(super) fn file(&self) -> Option<PathBuf> {
        let path = self.path()?;
        let found = match File::open(&path).and_then(|file| file.metadata()) {
            Ok(about) if about.is_file() => return Some(path),
            Ok(_) => "something that is no file".to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => "none".to_owned(),
            Err(error) => format!("one that cannot be read ({})", error.kind()),
        };
        self.complain(&format!("expected a readable file at {}, found {found}", path.display()))
    }
}
