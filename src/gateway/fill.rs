//! Filling the store: content goes to the client and to the store at once.
//!
//! RFC 9111 section 3.3: an incomplete response is not stored as complete.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::HeaderName;

use crate::cache::entry::Head;
use crate::cache::flights::Lead;
use crate::cache::key::StoredKey;
use crate::cache::own::{joined, own_chunk};
use crate::cache::rules::partial::StoredPart;
use crate::cache::rules::partition::Partition;
use crate::cache::store::{Content, FilledBy, Memory, StoredResponse, Transfer, Turn};
use crate::upstream::UpstreamBody;

/// A response that is stored when its content is complete.
pub(super) struct Fill {
    pub(super) memory: Arc<Memory>,
    pub(super) key: StoredKey,
    pub(super) head: Head,
    /// The content is only this part of the representation.
    pub(super) part: Option<StoredPart>,
    pub(super) vary_names: Vec<HeaderName>,
    pub(super) variant: u128,
    /// Who asked.
    pub(super) filled_by: FilledBy,
    /// Among whose requests it is reused.
    pub(super) partition: Partition,
    pub(super) variants: usize,
    pub(super) epoch: u64,
    /// Keeps others from asking in the background again while this response is on its way.
    pub(super) turn: Option<Arc<Turn>>,
    /// Let go when the response is stored, or will not be.
    pub(super) lead: Option<Lead>,
}

impl Fill {
    /// Stores the complete response, or a part that is as long as it says.
    ///
    /// Source: RFC 9111 section 3.3.
    pub(super) fn commit(self, chunks: Vec<Bytes>) {
        let content = Content::new(joined(chunks));
        if self.part.is_some_and(|part| part.span.length() != content.length()) {
            return;
        }
        let whole = StoredResponse::new(self.head, self.vary_names, self.variant, content).within(self.partition);
        let whole = whole.filled_by([self.filled_by]).sharing();
        let stored = match self.part {
            Some(part) => whole.incomplete(part),
            None => whole,
        };
        self.memory.insert(&self.key, &Arc::new(stored), self.variants, self.epoch);
        // Whoever has the turn next finds what was stored.
        drop(self.turn);
        if let Some(lead) = self.lead {
            lead.stored();
        }
    }
}

/// Bytes of one transfer in the common account; given back when it ends.
pub(super) struct InFlight {
    total: Arc<AtomicU64>,
    held: u64,
}

impl InFlight {
    /// An account that holds nothing yet.
    pub(super) fn new(total: Arc<AtomicU64>) -> Self {
        Self { total, held: 0 }
    }

    fn add(&mut self, bytes: u64) {
        self.held += bytes;
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    fn release(&mut self) {
        self.total.fetch_sub(std::mem::take(&mut self.held), Ordering::Relaxed);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.release();
    }
}

/// Pulls the content at the origin's pace; the entry is committed only when its framing completed, and
/// before the last reader can know that, so that a following request finds it.
///
/// Source: RFC 9111 section 3.3: an incomplete response is not stored as complete.
pub(super) async fn pump(transfer: Arc<Transfer>, mut body: UpstreamBody, fill: Fill, most: u64, mut in_flight: InFlight) {
    // Whatever ends this task, readers must not wait for ever.
    let ending = Ending(Arc::clone(&transfer));
    let mut fill = Some(fill);
    while transfer.wants_more().await {
        match poll_fn(|cx| body.poll_frame(cx)).await {
            Some(Ok(frame)) => {
                let Ok(chunk) = frame.into_data().map(own_chunk) else { continue };
                let is_too_large = transfer.received() + chunk.len() as u64 > most;
                if fill.is_some() && is_too_large {
                    fill = None;
                    transfer.let_go();
                    in_flight.release();
                }
                if fill.is_some() {
                    in_flight.add(chunk.len() as u64);
                }
                if body.is_end_stream() {
                    commit(&transfer, fill.take(), Some(chunk.clone()));
                    transfer.push(chunk);
                    transfer.complete();
                    return;
                }
                transfer.push(chunk);
            }
            Some(Err(_)) => break,
            None => {
                commit(&transfer, fill.take(), None);
                transfer.complete();
                return;
            }
        }
    }
    drop(ending);
}

fn commit(transfer: &Transfer, fill: Option<Fill>, last: Option<Bytes>) {
    if let (Some(fill), Some(mut chunks)) = (fill, transfer.kept()) {
        chunks.extend(last);
        fill.commit(chunks);
    }
}

/// Breaks a transfer off unless it was completed.
struct Ending(Arc<Transfer>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.break_off();
    }
}
