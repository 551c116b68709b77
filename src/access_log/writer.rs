//! The thread that formats records and writes lines; nobody waits for it.
//!
//! While lines come it looks for more at short intervals instead of being woken for each: a wake-up
//! is a system call in the exchange's own thread, and costs more than the rest of a cache hit.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TryRecvError};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::settings::AccessLogTarget;
use crate::metrics::Metrics;

use super::Record;
use super::line::Formatter;

/// Records that may wait to be formatted; more are dropped and counted.
const WAITING_RECORDS: usize = 8192;
/// How often a busy writer looks for records.
const LOOK_INTERVAL: Duration = Duration::from_millis(4);
/// So many looks without a record, and the writer sleeps until it is woken.
const IDLE_LOOKS: u32 = 50;
/// Lines are written when this many bytes are together, or when no record waits.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long closing waits for a destination that does not take its lines.
const CLOSE_TIME: Duration = Duration::from_secs(5);

/// The sending side of the access log.
pub(super) struct Writer {
    sender: SyncSender<Box<Record>>,
    metrics: Arc<Metrics>,
    /// The thread sleeps until woken.
    asleep: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    thread: Thread,
    /// Hangs up when the thread ends.
    ended: Mutex<Receiver<()>>,
}

/// The thread's side.
struct Sink {
    records: Receiver<Box<Record>>,
    destination: Destination,
    formatter: Formatter,
    metrics: Arc<Metrics>,
    asleep: Arc<AtomicBool>,
    closing: Arc<AtomicBool>,
    buffer: Vec<u8>,
    buffered_lines: u64,
}

/// Where lines go.
pub(super) enum Destination {
    /// Standard error, locked for each write so that lines of the program log do not cut in.
    Stderr,
    /// A file, or whatever a test reads.
    Stream(Box<dyn Write + Send>),
}

impl Writer {
    /// Starts the thread; none if the log is off.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, or the thread not started.
    pub(super) fn start(target: &AccessLogTarget, formatter: Formatter, metrics: Arc<Metrics>) -> io::Result<Option<Self>> {
        let destination = match target {
            AccessLogTarget::Off => return Ok(None),
            AccessLogTarget::Stderr => Destination::Stderr,
            AccessLogTarget::File(path) => Destination::Stream(Box::new(open(path)?)),
        };
        Self::start_into(destination, formatter, metrics).map(Some)
    }

    /// Starts the thread with this destination.
    pub(super) fn start_into(destination: Destination, formatter: Formatter, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (sender, records) = mpsc::sync_channel(WAITING_RECORDS);
        let (asleep, closing) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let sink = Sink {
            records,
            destination,
            formatter,
            metrics: Arc::clone(&metrics),
            asleep: Arc::clone(&asleep),
            closing: Arc::clone(&closing),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            buffered_lines: 0,
        };
        let (ending, ended) = mpsc::channel();
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || sink.run(ending))?;
        Ok(Self { sender, metrics, asleep, closing, thread: thread.thread().clone(), ended: Mutex::new(ended) })
    }

    /// Hands a record over without ever waiting.
    pub(super) fn write(&self, record: Box<Record>) {
        if self.closing.load(Ordering::Relaxed) || self.sender.try_send(record).is_err() {
            self.metrics.access_log_dropped(1);
        } else if self.asleep.load(Ordering::SeqCst) && self.asleep.swap(false, Ordering::SeqCst) {
            self.thread.unpark();
        }
    }

    /// Waits until everything handed over is written, within [`CLOSE_TIME`]; the thread then ends.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.thread.unpark();
        // Nothing is ever sent: this waits for the hang-up.
        let _ = self.ended.lock().recv_timeout(CLOSE_TIME);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Sink {
    /// Dropping `_ending` at the end is what [`Writer::close`] waits for.
    fn run(mut self, _ending: Sender<()>) {
        let mut idle_looks = 0;
        loop {
            match self.records.try_recv() {
                Ok(record) => {
                    idle_looks = 0;
                    self.append(&record);
                }
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.flush();
                    if self.closing.load(Ordering::SeqCst) && self.is_drained() {
                        break;
                    }
                    idle_looks += 1;
                    self.rest(idle_looks);
                }
            }
        }
        self.flush();
    }

    /// Takes what came between the last look and the order to close.
    fn is_drained(&mut self) -> bool {
        self.records.try_recv().map(|record| self.append(&record)).is_err()
    }

    fn rest(&mut self, idle_looks: u32) {
        if idle_looks <= IDLE_LOOKS {
            std::thread::park_timeout(LOOK_INTERVAL);
            return;
        }
        self.asleep.store(true, Ordering::SeqCst);
        // A record sent before `asleep` was seen wakes nobody: look once more.
        match self.records.try_recv() {
            Ok(record) => self.append(&record),
            Err(_) if self.closing.load(Ordering::SeqCst) => {}
            Err(_) => std::thread::park(),
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn append(&mut self, record: &Record) {
        self.formatter.append(record, &mut self.buffer);
        self.buffered_lines += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Writes whole lines only. What the destination refuses is lost and counted: a full disk must
    /// not stop the gateway.
    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let written = match &mut self.destination {
            Destination::Stderr => io::stderr().lock().write_all(&self.buffer),
            Destination::Stream(stream) => stream.write_all(&self.buffer).and_then(|()| stream.flush()),
        };
        if written.is_err() {
            self.metrics.access_log_dropped(self.buffered_lines);
        }
        self.buffer.clear();
        self.buffered_lines = 0;
    }
}

/// A file only its owner reads: addresses and paths are personal data.
fn open(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}
