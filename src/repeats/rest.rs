//! An answer on its way: the bytes that the socket is given, and what it did not take of them.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::{Buf, Bytes};

use crate::access_log::Finish;
use crate::cache::store::StoredResponse;

/// Slices that are offered to a socket at one time.
const MOST_SLICES: usize = 16;

/// What a socket did not take at once of an answer that is given again; recorded when it is dropped, as complete if nothing
/// is left.
pub struct Rest {
    bytes: Bytes,
    content: Option<Arc<StoredResponse>>,
    /// The chunk of the content that comes next.
    chunk: usize,
    /// Its bytes that were taken.
    taken: usize,
    left: u64,
    /// Content that is recorded if all of it is taken, bytes.
    content_bytes: u64,
    finish: Option<Finish>,
}

/// The first slices of an answer: these bytes, and the content that follows.
pub fn first_slices<'a>(bytes: &'a [u8], content: &'a StoredResponse) -> ([IoSlice<'a>; MOST_SLICES], usize) {
    let mut slices = [IoSlice::new(&[]); MOST_SLICES];
    let all = std::iter::once(bytes).chain(content.content().chunks().iter().map(|chunk| &**chunk));
    let mut count = 0;
    for (place, slice) in slices.iter_mut().zip(all) {
        *place = IoSlice::new(slice);
        count += 1;
    }
    (slices, count)
}

impl Rest {
    /// Nothing was taken yet of these bytes and the content behind them; `content_bytes` of both are content.
    #[must_use]
    pub fn new(bytes: Bytes, content: Option<Arc<StoredResponse>>, content_bytes: u64, finish: Finish) -> Self {
        let left = bytes.len() as u64 + content.as_ref().map_or(0, |content| content.content().length());
        Self { bytes, content, chunk: 0, taken: 0, left, content_bytes, finish: Some(finish) }
    }

    /// Was everything taken?
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// What comes next, and in how many slices.
    #[must_use]
    pub fn slices(&self) -> ([IoSlice<'_>; MOST_SLICES], usize) {
        let mut slices = [IoSlice::new(&[]); MOST_SLICES];
        let chunks = self.content.as_deref().and_then(|content| content.content().chunks().get(self.chunk..));
        let first = chunks.and_then(<[Bytes]>::first).and_then(|chunk| chunk.get(self.taken..));
        let others = chunks.unwrap_or_default().iter().skip(1).map(|chunk| &**chunk);
        let bytes = Some(&*self.bytes).filter(|bytes| !bytes.is_empty());
        let mut count = 0;
        for (place, slice) in slices.iter_mut().zip(bytes.into_iter().chain(first).chain(others)) {
            *place = IoSlice::new(slice);
            count += 1;
        }
        (slices, count)
    }

    /// So many bytes of the slices were taken.
    pub fn advance(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes as u64);
        let front = bytes.min(self.bytes.len());
        self.bytes.advance(front);
        let mut rest = bytes - front;
        let Some(content) = &self.content else { return };
        while let Some(chunk) = content.content().chunks().get(self.chunk) {
            let of_chunk = chunk.len() - self.taken;
            if rest < of_chunk {
                self.taken += rest;
                return;
            }
            rest -= of_chunk;
            (self.chunk, self.taken) = (self.chunk + 1, 0);
        }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        if let Some(finish) = self.finish.take() {
            finish.end(self.content_bytes.saturating_sub(self.left), self.is_over());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::{Observer, Record};
    use crate::cache::store::Content;
    use crate::cache::tests::anonymous;
    use crate::clock::Clock;
    use crate::config::settings::AccessLogTarget;
    use crate::keyed::Keyed;
    use crate::metrics::Metrics;
    use crate::server::sample::settings;

    /// Takes so many bytes a time as often as there are; all that was offered, and what is recorded then.
    fn taken(head: &[u8], content: &[&'static [u8]], a_time: &[usize]) -> (Vec<u8>, serde_json::Value) {
        let directory = tempfile::tempdir().unwrap();
        let (path, mut settings) = (directory.path().join("access.log"), settings());
        settings.log.access = AccessLogTarget::File(path.clone());
        let metrics = Arc::new(Metrics::new(&settings));
        let observer = Arc::new(Observer::new(&settings, metrics, Clock::system(), Keyed::random().unwrap()).unwrap());
        let record = Record::new(0, std::net::Ipv4Addr::LOCALHOST.into(), Clock::system().now(), Clock::instant());
        let finish = observer.repeating(&record, record.client, record.time, record.started);
        let content = Content::new(content.iter().map(|chunk| Bytes::from_static(chunk)).collect());
        let length = content.length();
        let stored = Arc::new(StoredResponse::new(anonymous("max-age=60"), Vec::new(), 0, content));
        let mut rest = Rest::new(Bytes::copy_from_slice(head), Some(stored), length, finish);
        let mut seen = Vec::new();
        for count in a_time {
            let (slices, filled) = rest.slices();
            let offered: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.iter().copied()).collect();
            seen.extend_from_slice(&offered[..*count]);
            rest.advance(*count);
        }
        drop(rest);
        observer.close();
        (seen, serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap())
    }

    #[test]
    fn what_was_taken_is_recorded_when_it_ends() {
        for (a_time, complete, bytes) in [
            (&[4 + 7][..], true, 7),
            (&[1, 3, 2, 1, 0, 3, 1], true, 7),
            (&[2, 3, 6], true, 7),
            (&[2, 3, 5], false, 6),
            (&[3], false, 0),
            (&[], false, 0),
        ] {
            let (seen, line) = taken(b"head", &[b"abc", b"", b"defg"], a_time);
            assert_eq!(seen, b"headabcdefg"[..a_time.iter().sum()], "{a_time:?}");
            assert_eq!((&line["complete"], &line["bytes"]), (&complete.into(), &bytes.into()), "{a_time:?}");
        }
    }
}
