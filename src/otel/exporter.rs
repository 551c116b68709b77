//! The thread that gathers ended exchanges and posts them; nobody waits for it.
//!
//! It looks for them at intervals instead of being woken for each (see the access log's writer), and is woken when a batch is
//! together.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::Thread;
use std::time::{Duration, Instant};

use http::Version;
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use super::encode::{Encoder, Ended};
use super::post::Post;
use crate::access_log::Record;
use crate::cache::rules::canary::Share;
use crate::clock::Clock;
use crate::config::settings::Settings;
use crate::keyed::Keyed;
use crate::metrics::Metrics;
use crate::trace::{Span, TraceContext, is_recorded};

/// Exchanges that may wait to be sent; more are dropped and counted.
pub(super) const WAITING_EXCHANGES: usize = 2048;
/// Most exchanges in one request.
pub(super) const BATCH_EXCHANGES: usize = 512;
/// How long an exchange waits for others.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is told that exchanges are lost.
const TELL_INTERVAL: Duration = Duration::from_secs(60);
/// Closing waits no longer than this, however long a stopping gateway may take.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// The gateway's side of a collector.
pub struct Exporter {
    sender: SyncSender<Box<Ended>>,
    metrics: Arc<Metrics>,
    keyed: Keyed,
    sample: Share,
    /// Exchanges handed over since the thread looked last.
    handed: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
    thread: Thread,
    /// Hangs up when the thread ends.
    ended: Mutex<Receiver<()>>,
    close_time: Duration,
}

/// The thread's side.
struct Courier {
    exchanges: Receiver<Box<Ended>>,
    encoder: Encoder,
    post: Post,
    runtime: Runtime,
    metrics: Arc<Metrics>,
    handed: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
    /// Lost since it was told last, and when that was.
    untold: u64,
    told: Option<Instant>,
}

impl Exporter {
    /// Starts the thread; none if nobody is to be told.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub fn start(settings: &Settings, keyed: Keyed, metrics: &Arc<Metrics>) -> io::Result<Option<Self>> {
        let Some(collector) = &settings.trace.collector else { return Ok(None) };
        let (sender, exchanges) = mpsc::sync_channel(WAITING_EXCHANGES);
        let (handed, closing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let courier = Courier {
            exchanges,
            encoder: Encoder::new(settings),
            post: Post::to(collector),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            metrics: Arc::clone(metrics),
            handed: Arc::clone(&handed),
            closing: Arc::clone(&closing),
            untold: 0,
            told: None,
        };
        let (ending, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("traces".to_owned()).spawn(move || courier.run(ending))?;
        Ok(Some(Self {
            sender,
            metrics: Arc::clone(metrics),
            keyed,
            sample: settings.trace.sample,
            handed,
            closing,
            thread: thread.thread().clone(),
            ended: Mutex::new(ended),
            close_time: settings.limits.drain_time.min(CLOSE_TIME),
        }))
    }

    /// The span of this exchange, if it is recorded. All exchanges of a trace are, or none is.
    pub(crate) fn begin(&self, id: u64, context: Option<TraceContext>, version: Version) -> Option<Box<Span>> {
        let id_of = |purpose| self.keyed.start(purpose).number(id).finish();
        let trace_id = context.map_or_else(|| id_of("trace-id"), |context| context.trace_id);
        // Under a key, so that nobody can choose a trace id that is drawn.
        let draw = self.keyed.start("trace-sample").part(&trace_id.to_be_bytes()).finish();
        is_recorded(context, self.sample, draw as u64)
            .then(|| Box::new(Span::new(context, (trace_id, id_of("span-id") as u64), version)))
    }

    /// Hands the exchange over, if it is recorded, without ever waiting.
    pub(crate) fn end(&self, record: &mut Record) {
        let Some(ended) = Ended::of(record) else { return };
        if self.closing.load(Ordering::Relaxed) || self.sender.try_send(Box::new(ended)).is_err() {
            self.metrics.traces_dropped(1);
        } else if self.handed.fetch_add(1, Ordering::Relaxed) + 1 == BATCH_EXCHANGES {
            self.thread.unpark();
        }
    }

    /// Waits until everything handed over is sent, within the time of a stop; the thread then ends.
    pub(crate) fn close(&self) {
        self.hang_up();
        // Nothing is ever sent: this waits for the hang-up.
        let _ = self.ended.lock().recv_timeout(self.close_time);
    }

    fn hang_up(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Drop for Exporter {
    /// After a reload the last exchange under the old settings drops it: the thread sends what it has on its own.
    fn drop(&mut self) {
        self.hang_up();
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("sample", &self.sample).finish_non_exhaustive()
    }
}

impl Courier {
    /// Dropping `_ending` at the end is what [`Exporter::close`] waits for.
    fn run(mut self, _ending: Sender<()>) {
        loop {
            // Read before the look: what was handed over before the order to close is seen.
            let is_closing = self.closing.load(Ordering::SeqCst);
            self.handed.store(0, Ordering::Relaxed);
            self.send_all();
            if is_closing {
                break;
            }
            std::thread::park_timeout(FLUSH_INTERVAL);
        }
    }

    fn send_all(&mut self) {
        loop {
            let batch: Vec<Box<Ended>> = self.exchanges.try_iter().take(BATCH_EXCHANGES).collect();
            if batch.is_empty() {
                return;
            }
            let count = batch.len() as u64;
            match self.runtime.block_on(self.post.send(self.encoder.request(&batch))) {
                Ok(0) => {}
                Ok(rejected) => self.lose(rejected.min(count), "the collector took a part of them"),
                Err(why) => self.lose(count, &why),
            }
        }
    }

    /// Counts what is lost, and tells of it now and then.
    fn lose(&mut self, exchanges: u64, why: &str) {
        self.metrics.traces_dropped(exchanges);
        self.untold += exchanges;
        let now = Clock::instant();
        if self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL_INTERVAL) {
            tracing::warn!(collector = %self.post, exchanges = self.untold, why, "spans of exchanges lost");
            (self.untold, self.told) = (0, Some(now));
        }
    }
}
