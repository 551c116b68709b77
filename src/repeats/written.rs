//! A response as it is written: a short one is copied whole, of a long one the head is and the content is counted.

use std::io::IoSlice;

use super::LONGEST_BYTES;

/// What was written of one response until now.
#[derive(Debug, Default)]
pub struct Written {
    /// The head, and the content if both are short.
    pub bytes: Vec<u8>,
    /// Bytes of content that were not copied; none: all were.
    pub beyond: u64,
}

impl Written {
    /// The first `written` bytes of these slices left; false where the head is too long to be kept.
    pub fn note(&mut self, slices: &[IoSlice<'_>], written: usize) -> bool {
        if self.beyond > 0 {
            self.beyond += written as u64;
            return true;
        }
        // Looked at before anything is copied: of a long response the head is enough.
        let is_short = self.bytes.len() + written <= LONGEST_BYTES;
        let mut left = written;
        for slice in slices {
            let taken = slice.get(..left).unwrap_or(slice);
            left -= taken.len();
            if is_short {
                self.bytes.extend_from_slice(taken);
            } else if !self.note_long(taken) {
                return false;
            }
        }
        true
    }

    /// Source: RFC 9112 section 2.1 (the first empty line ends the head).
    fn note_long(&mut self, taken: &[u8]) -> bool {
        if self.beyond > 0 {
            self.beyond += taken.len() as u64;
            return true;
        }
        let room = LONGEST_BYTES - self.bytes.len();
        let copied = taken.get(..room).unwrap_or(taken);
        self.bytes.extend_from_slice(copied);
        if let Some(empty_line) = memchr::memmem::find(&self.bytes, b"\r\n\r\n") {
            let end = empty_line + 4;
            self.beyond = (self.bytes.len() - end + taken.len() - copied.len()) as u64;
            self.bytes.truncate(end);
            return true;
        }
        copied.len() == taken.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n";

    /// What is known after these writes, each of slices as hyper gives them.
    fn after(writes: &[&[&[u8]]]) -> Option<(usize, u64)> {
        let mut written = Written::default();
        for slices in writes {
            let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
            let length = slices.iter().map(|slice| slice.len()).sum();
            if !written.note(&slices, length) {
                return None;
            }
        }
        assert!(written.beyond == 0 || written.bytes == HEAD);
        Some((written.bytes.len(), written.beyond))
    }

    #[test]
    fn a_short_response_is_copied_and_of_a_long_one_the_head() {
        let (short, long) = (vec![b's'; 100], vec![b'l'; LONGEST_BYTES]);
        let joined = [HEAD, &long].concat();
        assert_eq!(after(&[&[HEAD, &short]]), Some((HEAD.len() + 100, 0)));
        assert_eq!(after(&[&[HEAD], &[&short], &[&short]]), Some((HEAD.len() + 200, 0)));
        let fitting = &long[HEAD.len()..];
        assert_eq!(after(&[&[HEAD], &[fitting]]), Some((LONGEST_BYTES, 0)), "the longest that is copied");
        let found = Some((HEAD.len(), LONGEST_BYTES as u64));
        assert_eq!(after(&[&[HEAD, &long]]), found);
        assert_eq!(after(&[&[HEAD], &[&long]]), found);
        assert_eq!(after(&[&[&joined]]), found, "one slice");
        assert_eq!(after(&[&[&joined[..40]], &[&joined[40..]]]), found);
        assert_eq!(after(&[&[HEAD, fitting], &[&long], &[b"x"]]), Some((HEAD.len(), (fitting.len() + long.len() + 1) as u64)));
    }

    #[test]
    fn only_what_was_taken_counts() {
        let (mut written, long) = (Written::default(), vec![b'l'; 2 * LONGEST_BYTES]);
        assert!(written.note(&[IoSlice::new(HEAD), IoSlice::new(&long)], HEAD.len() + LONGEST_BYTES));
        assert_eq!((&*written.bytes, written.beyond), (HEAD, LONGEST_BYTES as u64));
        let mut written = Written::default();
        assert!(written.note(&[IoSlice::new(HEAD), IoSlice::new(&long)], HEAD.len() - 1));
        assert_eq!((written.bytes.len(), written.beyond), (HEAD.len() - 1, 0));
    }

    #[test]
    fn a_head_that_is_too_long_is_given_up() {
        let endless = vec![b'h'; LONGEST_BYTES];
        assert_eq!(after(&[&[&endless], &[b"h"]]), None);
        assert_eq!(after(&[&[&endless, b"h"]]), None);
    }
}
