//! Configuration texts: in force, or refused with the places of what is wrong, and the same each time.
//!
//! # Deviations
//!
//! none

use std::path::Path;

use crate::config::settings::Settings;
use crate::config::{ConfigErrors, describe, parse};

/// The input is the text of a configuration file.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Files that are named are opened; these may never end.
    if ["/dev/", "/proc/", "/sys/"].iter().any(|folder| text.contains(folder)) {
        return;
    }
    let (first, second) = (read(text), read(text));
    match (&first, &second) {
        (Ok(first), Ok(second)) => {
            assert_eq!(describe(first), describe(second), "the same text is in force in two ways");
            assert_eq!(first.warnings, second.warnings);
            assert!(!first.listeners.is_empty(), "a gateway that listens nowhere");
        }
        (Err(first), Err(second)) => {
            assert_eq!(first, second, "the same text is refused in two ways");
            check_places(text, first);
        }
        _ => panic!("the same text is in force and refused"),
    }
    let commented = format!("# a comment\n{text}");
    assert_eq!(first.is_ok(), read(&commented).is_ok(), "a comment makes a difference");
    assert!(read(&format!("{text}\n[[no-such-section]]\n")).is_err(), "an unknown section is accepted");
}

fn read(text: &str) -> Result<Settings, ConfigErrors> {
    parse(text, "a.toml", Path::new("/nonexistent"))
}

/// Each mistake is one line and has a place in the text, in the order of the text.
fn check_places(text: &str, errors: &ConfigErrors) {
    let shown = errors.to_string();
    assert!(!errors.is_empty() && shown.lines().count() == errors.len(), "{shown}");
    let mut before = (0, 0);
    for line in shown.lines() {
        if text.contains("shadow") && line.starts_with("/nonexistent/") {
            continue;
        }
        let mut parts = line.splitn(4, ':');
        assert_eq!(parts.next(), Some("a.toml"), "{line}");
        let mut number =
            || parts.next().and_then(|part| part.parse::<usize>().ok()).unwrap_or_else(|| panic!("no place in {line}"));
        let place = (number(), number());
        assert!((1..=text.split('\n').count() + 1).contains(&place.0) && place.1 >= 1, "{line}");
        assert!(place >= before, "not in the order of the text: {shown}");
        before = place;
        assert!(parts.next().is_some_and(|message| !message.trim().is_empty()), "{line}");
    }
}
