//! One JSON line per exchange, written once, at the end, by a thread of its own.
//!
//! RFC 9110 section 17.9 (a URI reveals), section 17.16.1 (credentials are confidential): a line has
//! no query, no credential and no user name; what it needs of these are hashes under a key that is
//! random per process.
//!
//! # Deviations
//!
//! none

mod line;
mod recent;
mod record;
#[cfg(test)]
mod tests;
mod writer;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode, Version};

use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::keyed::Keyed;
use crate::metrics::{Ended, Metrics};
use crate::otel::Exporter;
use crate::trace::{Span, TraceContext};
pub use line::format_hash;
pub use recent::{Recent, Refusal};
pub use record::{Record, ResponseFields};
use writer::Writer;

/// Counts every exchange and, if the access log is on, has its line written.
pub struct Observer {
    metrics: Arc<Metrics>,
    writer: Option<Writer>,
    exporter: Option<Exporter>,
    keyed: Keyed,
    /// Random per process, so that ids of two runs do not meet.
    salt: u64,
    counter: Arc<AtomicU64>,
    recent: Arc<Recent>,
}

/// Writes the record and the metrics of one exchange when its reply's content ends.
pub struct Finish {
    observer: Arc<Observer>,
    record: Box<Record>,
}

impl Observer {
    /// An observer that counts in `metrics` and logs where `settings.log.access` says.
    ///
    /// # Errors
    ///
    /// The log file cannot be opened for appending, or its writer's thread not started.
    pub fn new(settings: &Settings, metrics: Arc<Metrics>, _clock: Clock, keyed: Keyed) -> std::io::Result<Self> {
        Self::counting(settings, metrics, keyed, Arc::default(), Arc::default())
    }

    /// An observer under other settings whose ids and hashes go on with this one's.
    ///
    /// # Errors
    ///
    /// As [`Observer::new`].
    pub fn successor(&self, settings: &Settings, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        Self::counting(settings, metrics, self.keyed, Arc::clone(&self.counter), Arc::clone(&self.recent))
    }

    fn counting(
        settings: &Settings,
        metrics: Arc<Metrics>,
        keyed: Keyed,
        counter: Arc<AtomicU64>,
        recent: Arc<Recent>,
    ) -> std::io::Result<Self> {
        let names = settings.listeners.iter().map(|listener| listener.name.clone()).collect();
        let formatter = line::Formatter::new(names, keyed);
        let writer = Writer::start(&settings.log.access, formatter, Arc::clone(&metrics))?;
        let exporter = Exporter::start(settings, keyed, &metrics)?;
        let salt = keyed.start("request-id").finish();
        Ok(Self { metrics, writer, exporter, keyed, salt: (salt >> 64) as u64, counter, recent })
    }

    /// The metrics of this gateway.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The last refusals.
    #[must_use]
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Whether anybody reads the fields of a [`Record`] that only the log needs.
    #[must_use]
    pub fn logs_access(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether anybody reads the trace of a [`Record`].
    #[must_use]
    pub fn follows_traces(&self) -> bool {
        self.writer.is_some() || self.exporter.is_some()
    }

    /// Whether exchanges are told to a collector, each as a part of a trace of its own.
    #[must_use]
    pub fn records_traces(&self) -> bool {
        self.exporter.is_some()
    }

    /// This exchange's own part of a trace, if it is recorded; the same id and trace give the same one again.
    #[must_use]
    pub fn span(&self, id: u64, trace: Option<TraceContext>, version: Version) -> Option<Box<Span>> {
        self.exporter.as_ref().and_then(|exporter| exporter.begin(id, trace, version))
    }

    /// A request id that this process never gives twice and that does not tell how many there were.
    #[must_use]
    pub fn next_id(&self) -> u64 {
        // An odd factor is a permutation of the 64-bit numbers: the ids are scattered and unique.
        self.counter.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.salt
    }

    /// Another exchange ended as the one of this record did: the same request of this client, answered from the store with the
    /// same bytes.
    pub fn repeated(&self, record: &Record, client: IpAddr, time: SystemTime, started: Instant) {
        let duration = Clock::instant().saturating_duration_since(started);
        self.count_repeat(record);
        self.metrics.request(&Ended { duration, ..record.ended() });
        if let Some(writer) = &self.writer {
            let place = (self.next_id(), client, time, started, duration);
            writer.write(Box::new(record.again(place)));
        }
    }

    /// The same for an exchange that has not ended yet.
    #[must_use]
    pub fn repeating(self: &Arc<Self>, record: &Record, client: IpAddr, time: SystemTime, started: Instant) -> Finish {
        self.count_repeat(record);
        let place = (self.next_id(), client, time, started, Duration::ZERO);
        Finish::new(Arc::clone(self), Box::new(record.again(place)))
    }

    fn count_repeat(&self, record: &Record) {
        if record.judged {
            self.metrics.authentication(record.auth.0, record.auth.1);
        }
        self.metrics.repeated();
    }

    /// Waits until everything recorded so far is written and sent, and ends the writer; later lines and spans are
    /// dropped and counted. Dropping the observer does the same, but does not wait for a collector of spans.
    pub fn close(&self) {
        if let Some(exporter) = &self.exporter {
            exporter.close();
        }
        if let Some(writer) = &self.writer {
            writer.close();
        }
    }
}

/// A request id as the log and error bodies show it: 16 hex digits.
#[must_use]
pub fn format_id(id: u64) -> String {
    format!("{id:016x}")
}

impl Finish {
    /// What is to be recorded when the reply's content has ended; to be given to
    /// [`crate::body::ReplyBody`].
    #[must_use]
    pub fn new(observer: Arc<Observer>, record: Box<Record>) -> Self {
        Self { observer, record }
    }

    /// The reply's content ended: `complete` is false when it broke off, `sent_bytes` is what was
    /// handed to the connection (none for HEAD, 204 and 304: RFC 9110 section 6.4.1).
    pub fn end(self, sent_bytes: u64, complete: bool) {
        let Self { observer, mut record } = self;
        let content = has_content(&record.method, record.status);
        record.bytes = if content { sent_bytes } else { 0 };
        record.complete = complete || !content;
        record.duration = Clock::instant().saturating_duration_since(record.started);
        observer.metrics.request(&record.ended());
        observer.recent.note(&record);
        if let Some(exporter) = &observer.exporter {
            exporter.end(&mut record);
        }
        if let Some(writer) = &observer.writer {
            writer.write(record);
        }
    }
}

/// Whether a response has content at all.
///
/// Source: RFC 9110 section 6.4.1.
fn has_content(method: &Method, status: StatusCode) -> bool {
    *method != Method::HEAD && status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("logs_access", &self.logs_access()).finish_non_exhaustive()
    }
}
