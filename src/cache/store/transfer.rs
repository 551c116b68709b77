//! A response on its way from the origin to the store and to its readers at once.
//!
//! The content is pulled at the origin's pace into a list of chunks that becomes the stored content;
//! readers follow at their own pace, so a slow reader holds nobody up. When the content turns out to
//! be larger than may be stored, the transfer lets go of what its readers have passed and pulls only
//! as fast as they read.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::body::BodyError;

/// Unread bytes that a transfer holds for its slowest reader once it is no longer kept for the store.
const WINDOW_BYTES: u64 = 256 << 10;

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All content came.
    Complete,
    /// It broke off.
    Broken,
}

/// The content broke off before its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the origin's response broke off")]
pub struct BrokenOff;

/// A shared transfer.
#[derive(Debug)]
pub struct Transfer {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Chunks from number `first` on.
    chunks: VecDeque<Bytes>,
    first: usize,
    /// Bytes received in total.
    received: u64,
    /// Bytes of `chunks`.
    held: u64,
    end: Option<End>,
    /// All chunks are kept for the store.
    keeps: bool,
    readers: Readers,
    pump: Option<Waker>,
}

/// The readers that there are, each in a place of its own, so that many followers do not look for themselves among each other.
#[derive(Debug, Default)]
struct Readers {
    places: Vec<Option<ReaderState>>,
    free: Vec<usize>,
}

/// Where a reader is.
#[derive(Debug, Default)]
struct ReaderState {
    position: usize,
    waker: Option<Waker>,
}

impl Transfer {
    /// A transfer that keeps everything until [`Transfer::let_go`].
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { keeps: true, ..State::default() }) })
    }

    /// A reader from the beginning; to be made before anything was let go.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> TransferReader {
        let place = self.state.lock().readers.take_in();
        TransferReader { transfer: Arc::clone(self), place }
    }

    /// A further reader from the beginning; none when that was let go or the transfer broke off, so that
    /// nobody is given less than all.
    #[must_use]
    pub fn late_reader(self: &Arc<Self>) -> Option<TransferReader> {
        let mut state = self.state.lock();
        if state.first > 0 || state.end == Some(End::Broken) {
            return None;
        }
        let place = state.readers.take_in();
        Some(TransferReader { transfer: Arc::clone(self), place })
    }

    /// Adds a chunk and wakes the readers.
    pub fn push(&self, chunk: Bytes) {
        let mut state = self.state.lock();
        state.received += chunk.len() as u64;
        state.held += chunk.len() as u64;
        state.chunks.push_back(chunk);
        state.wake_readers();
    }

    /// Bytes received so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.state.lock().received
    }

    /// The content is not kept for the store any more.
    pub fn let_go(&self) {
        let mut state = self.state.lock();
        state.keeps = false;
        state.drop_passed();
    }

    /// Waits until more may be pulled; false when nobody wants it any more.
    pub async fn wants_more(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            if state.keeps {
                return Poll::Ready(true);
            }
            if state.readers.is_empty() {
                return Poll::Ready(false);
            }
            if state.held < WINDOW_BYTES {
                return Poll::Ready(true);
            }
            state.pump = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// What came so far, if all of it was kept for the store.
    #[must_use]
    pub fn kept(&self) -> Option<Vec<Bytes>> {
        let state = self.state.lock();
        state.keeps.then(|| state.chunks.iter().cloned().collect())
    }

    /// All content came.
    pub fn complete(&self) {
        let mut state = self.state.lock();
        state.end = Some(End::Complete);
        state.wake_readers();
    }

    /// The content broke off; readers get an error after what came.
    pub fn break_off(&self) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(End::Broken);
            state.keeps = false;
        }
        state.wake_readers();
    }
}

impl State {
    fn wake_readers(&mut self) {
        for reader in self.readers.all_mut() {
            if let Some(waker) = reader.waker.take() {
                waker.wake();
            }
        }
    }

    /// Lets go of chunks that every reader has passed.
    fn drop_passed(&mut self) {
        if self.keeps {
            return;
        }
        let slowest = self.readers.all().map(|reader| reader.position).min().unwrap_or(usize::MAX);
        while self.first < slowest {
            let Some(chunk) = self.chunks.pop_front() else { break };
            self.held -= chunk.len() as u64;
            self.first += 1;
        }
        if (self.held < WINDOW_BYTES || self.readers.is_empty())
            && let Some(pump) = self.pump.take()
        {
            pump.wake();
        }
    }
}

impl Readers {
    /// A reader at the beginning.
    fn take_in(&mut self) -> usize {
        let place = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some(free) => *free = Some(ReaderState::default()),
            None => self.places.push(Some(ReaderState::default())),
        }
        place
    }

    fn leave(&mut self, place: usize) {
        if self.places.get_mut(place).and_then(Option::take).is_some() {
            self.free.push(place);
        }
    }

    fn at(&self, place: usize) -> Option<&ReaderState> {
        self.places.get(place)?.as_ref()
    }

    fn at_mut(&mut self, place: usize) -> Option<&mut ReaderState> {
        self.places.get_mut(place)?.as_mut()
    }

    fn all(&self) -> impl Iterator<Item = &ReaderState> {
        self.places.iter().flatten()
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut ReaderState> {
        self.places.iter_mut().flatten()
    }

    fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }
}

/// One reader of a transfer; leaving lets go of what only it held.
#[derive(Debug)]
pub struct TransferReader {
    transfer: Arc<Transfer>,
    place: usize,
}

impl TransferReader {
    /// The next chunk, the end, or [`BrokenOff`].
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut guard = self.transfer.state.lock();
        let state = &mut *guard;
        let Some(reader) = state.readers.at_mut(self.place) else { return Poll::Ready(None) };
        // A reader that came after something was let go misses its beginning: an end would be a lie.
        let Some(at) = reader.position.checked_sub(state.first) else { return Poll::Ready(Some(Err(Box::new(BrokenOff)))) };
        if let Some(chunk) = state.chunks.get(at).cloned() {
            reader.position += 1;
            // Only who was among the slowest can have been waited for.
            if at == 0 {
                state.drop_passed();
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        match state.end {
            Some(End::Complete) => Poll::Ready(None),
            Some(End::Broken) => Poll::Ready(Some(Err(Box::new(BrokenOff)))),
            None => {
                reader.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Whether all content was read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        let state = self.transfer.state.lock();
        let position = state.readers.at(self.place).map(|reader| reader.position);
        state.end == Some(End::Complete) && position.is_some_and(|position| position >= state.first + state.chunks.len())
    }
}

impl Drop for TransferReader {
    fn drop(&mut self) {
        let mut state = self.transfer.state.lock();
        state.readers.leave(self.place);
        state.drop_passed();
    }
}

#[cfg(test)]
mod tests;
