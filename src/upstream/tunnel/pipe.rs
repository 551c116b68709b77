//! Pipes for the kernel's splice: bytes go from socket to socket without being copied into this program.
//!
//! A pipe is two descriptors and pinned memory, so that there are only so many, and a direction has one only while something
//! is in it: whoever emptied one gives it back to its thread.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

/// What one pipe is asked to hold.
const PIPE_BYTES: usize = 256 * 1024;
/// Most pipes at a time; with [`PIPE_BYTES`] half of what a user may have in pipes on Linux (`pipe-user-pages-soft`).
const MOST_PIPES: usize = 128;
/// How many empty pipes a thread keeps.
const KEPT_PIPES: usize = 4;

/// Pipes that exist.
static PIPES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static EMPTY: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe; closed when dropped.
pub(super) struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
    /// Counts it as long as it exists.
    _place: Place,
}

impl Pipe {
    /// An empty pipe; none if there are too many, or the system has none.
    pub(super) fn take() -> Option<Self> {
        #[cfg(test)]
        if Shortage::is_on() {
            return None;
        }
        EMPTY.with_borrow_mut(Vec::pop).or_else(|| Self::make(Place::take()?).ok())
    }

    /// To be called with an empty pipe alone.
    pub(super) fn give_back(self) {
        EMPTY.with_borrow_mut(|empty| {
            if empty.len() < KEPT_PIPES {
                empty.push(self);
            }
        });
    }

    fn make(place: Place) -> io::Result<Self> {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Where that is not allowed the usual size does.
        let _ = fcntl_setpipe_size(&into, PIPE_BYTES);
        Ok(Self { out, into, _place: place })
    }

    /// Moves what `from` has into this pipe; 0: `from` has ended.
    ///
    /// # Errors
    ///
    /// `WouldBlock`, which means that `from` has nothing only if this pipe is empty; what the socket says.
    pub(super) fn fill(&self, from: impl AsFd) -> io::Result<usize> {
        Ok(splice(from, None, &self.into, None, PIPE_BYTES, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?)
    }

    /// Moves at most `bytes` from this pipe into `to`.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when `to` takes no more; what the socket says.
    pub(super) fn pour(&self, to: impl AsFd, bytes: usize) -> io::Result<usize> {
        Ok(splice(&self.out, None, to, None, bytes, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)?)
    }
}

/// One of [`MOST_PIPES`].
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let count = PIPES.fetch_add(1, Ordering::Relaxed);
        // Made in any case: dropping it takes the count back.
        let place = Self;
        (count < MOST_PIPES).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PIPES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// As long as it lives its thread finds no pipe.
#[cfg(test)]
pub(super) struct Shortage;

#[cfg(test)]
thread_local! {
    static SHORTAGE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

#[cfg(test)]
impl Shortage {
    pub(super) fn begin() -> Self {
        SHORTAGE.set(true);
        Self
    }

    fn is_on() -> bool {
        SHORTAGE.get()
    }
}

#[cfg(test)]
impl Drop for Shortage {
    fn drop(&mut self) {
        SHORTAGE.set(false);
    }
}
