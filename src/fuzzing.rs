//! What has to hold whatever comes in: one function a topic, which takes any bytes and panics where it does not hold.
//!
//! Here for `cfg(fuzzing)` and tests alone: `fuzz/` feeds them what libFuzzer finds, an ordinary test run the seeds in
//! `fuzz/corpus/` and damaged copies of them. Where an answer can be had in a second way, by a naive reader or by another
//! implementation, the two are compared; that nothing panics is the least of it.
//!
//! # Deviations
//!
//! none

#![allow(clippy::indexing_slicing, clippy::panic, reason = "what a property is made of fails by panicking with a message")]

mod cache_control;
mod configuration;
mod credentials;
mod naive;
mod proof;
mod range;
mod storing;
mod target;
mod times;
mod variants;

use http::header::{HeaderMap, HeaderName, HeaderValue};

pub use self::cache_control::cache_control;
pub use self::configuration::configuration;
pub use self::credentials::credentials;
pub use self::proof::proof;
pub use self::range::range;
pub use self::storing::storing;
pub use self::target::target;
pub use self::times::times;
pub use self::variants::variants;
pub use crate::server::properties::request;
pub use crate::upstream::properties::upstream_response;

/// What has to be there.
pub(crate) trait Sure<T> {
    /// The value; panics and says what was expected where there is none.
    fn sure(self, what: &str) -> T;
}

impl<T> Sure<T> for Option<T> {
    fn sure(self, what: &str) -> T {
        self.unwrap_or_else(|| panic!("expected {what}, found none"))
    }
}

impl<T, E: std::fmt::Debug> Sure<T> for Result<T, E> {
    fn sure(self, what: &str) -> T {
        self.unwrap_or_else(|error| panic!("expected {what}, found {error:?}"))
    }
}

/// The lines of an input, without their ends.
pub(crate) fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// An input's two halves, parted by its first empty line; the second is empty where there is none.
fn halves(data: &[u8]) -> (Vec<&[u8]>, Vec<&[u8]>) {
    let mut all = lines(data);
    let first = all.by_ref().take_while(|line| !line.is_empty()).collect();
    (first, all.take_while(|line| !line.is_empty()).collect())
}

/// The field lines among these lines; what is none is left out.
fn fields(lines: &[&[u8]]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()));
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    map
}

/// A number that is another one for almost every other input.
pub(crate) fn number_of(data: &[u8]) -> usize {
    // FNV-1a.
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash >> 16).unwrap_or_default()
}

#[cfg(test)]
mod tests;
