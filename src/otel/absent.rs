//! What stands in for the exporter in a program without it: a type that has no value.

use std::sync::Arc;

use http::Version;

use crate::access_log::Record;
use crate::config::settings::Settings;
use crate::keyed::Keyed;
use crate::metrics::Metrics;
use crate::trace::{Span, TraceContext};

/// Never there.
#[derive(Debug)]
pub enum Exporter {}

impl Exporter {
    /// None.
    ///
    /// # Errors
    ///
    /// Never.
    pub fn start(_: &Settings, _: Keyed, _: &Arc<Metrics>) -> std::io::Result<Option<Self>> {
        Ok(None)
    }

    pub(crate) fn begin(&self, _: u64, _: Option<TraceContext>, _: Version) -> Option<Box<Span>> {
        match *self {}
    }

    pub(crate) fn end(&self, _: &mut Record) {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }
}
