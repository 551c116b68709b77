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
static PIPES: Places = Places(AtomicUsize::new(0));

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
        if Fault::is(Fault::NoPipe) {
            return None;
        }
        EMPTY.with_borrow_mut(Vec::pop).or_else(|| Self::make(PIPES.take()?).ok())
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
        #[cfg(test)]
        if Fault::is(Fault::NoSplice) {
            return Err(Fault::refusal());
        }
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

/// Counts at most [`MOST_PIPES`].
struct Places(AtomicUsize);

/// One of them.
struct Place(&'static Places);

impl Places {
    fn take(&'static self) -> Option<Place> {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        // Made in any case: dropping it takes the count back.
        let place = Place(self);
        (count < MOST_PIPES).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What its thread is denied as long as it lives.
#[cfg(test)]
pub(super) struct Denied;

/// What a system may lack.
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// There are too many pipes.
    NoPipe,
    /// The sender's socket is of a kind that cannot be spliced.
    NoSplice,
}

#[cfg(test)]
thread_local! {
    static FAULT: std::cell::Cell<Option<Fault>> = const { std::cell::Cell::new(None) };
    static REFUSED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
impl Fault {
    pub(super) fn begin(self) -> Denied {
        FAULT.set(Some(self));
        REFUSED.set(0);
        Denied
    }

    fn is(self) -> bool {
        FAULT.get() == Some(self)
    }

    /// What the kernel says; who does not give in would ask for ever.
    fn refusal() -> io::Error {
        REFUSED.set(REFUSED.get() + 1);
        assert!(REFUSED.get() < 10, "it was said before");
        io::ErrorKind::InvalidInput.into()
    }
}

#[cfg(test)]
impl Denied {
    /// How often a splice was refused.
    pub(super) fn refused(&self) -> usize {
        REFUSED.get()
    }
}

#[cfg(test)]
impl Drop for Denied {
    fn drop(&mut self) {
        FAULT.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_only_so_many_places_and_each_is_given_back() {
        static OURS: Places = Places(AtomicUsize::new(0));
        let mut taken: Vec<Place> = std::iter::from_fn(|| OURS.take()).take(2 * MOST_PIPES).collect();
        assert_eq!(taken.len(), 128, "half of what a user may have in pipes of this size");
        assert!(OURS.take().is_none());
        taken.pop();
        assert!(OURS.take().is_some(), "who was refused took nobody's place");
        taken.clear();
        assert_eq!(OURS.0.load(Ordering::Relaxed), 0);
    }

    /// A pipe counts as long as it exists, also while nobody uses it.
    #[test]
    fn a_pipe_that_is_closed_gives_its_place_back() {
        static OURS: Places = Places(AtomicUsize::new(0));
        // A thread may have run other tests.
        EMPTY.with_borrow_mut(Vec::clear);
        let count = || OURS.0.load(Ordering::Relaxed);
        let pipes: Vec<Pipe> = (0..KEPT_PIPES + 2).map(|_| Pipe::make(OURS.take().unwrap()).unwrap()).collect();
        assert_eq!(count(), KEPT_PIPES + 2);
        pipes.into_iter().for_each(Pipe::give_back);
        assert_eq!(count(), KEPT_PIPES, "so many are kept by the thread");
        EMPTY.with_borrow_mut(Vec::clear);
        assert_eq!(count(), 0);
    }
}
