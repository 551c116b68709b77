//! An answer as it arrives, held against what was asked for.

use crate::content::{TOKEN, is_made_of};
use crate::message;

/// What is expected of an answer and how far it has come.
#[derive(Default)]
pub(crate) struct Exchange {
    token: [u8; TOKEN],
    bytes: usize,
    head: Vec<u8>,
    is_inside: bool,
    offset: usize,
    /// The connection ends with this answer.
    pub(crate) closes: bool,
}

impl Exchange {
    /// An answer of so many bytes, made of a token, is waited for.
    pub(crate) fn begin(&mut self, token: [u8; TOKEN], bytes: usize) {
        (self.token, self.bytes, self.is_inside, self.offset) = (token, bytes, false, 0);
        self.head.clear();
    }

    /// Takes what arrived and says whether the answer is complete, or what is wrong with it.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<bool, String> {
        if self.is_inside {
            return self.content(bytes);
        }
        if self.head.is_empty()
            && let Some(end) = message::head_end(bytes)
        {
            self.judge(&bytes[..end])?;
            return self.content(&bytes[end..]);
        }
        self.head.extend_from_slice(bytes);
        let Some(end) = message::head_end(&self.head) else { return Ok(false) };
        let whole = std::mem::take(&mut self.head);
        self.judge(&whole[..end])?;
        self.content(&whole[end..])
    }

    fn judge(&mut self, head: &[u8]) -> Result<(), String> {
        let status = message::status(head);
        let (length, closes) = message::framing(head);
        if status != Some(200) {
            return Err(format!("expected status 200, found {}", status.unwrap_or_default()));
        }
        if length != Some(self.bytes as u64) {
            let found = length.map_or("none".to_owned(), |length| length.to_string());
            return Err(format!("expected Content-Length {}, found {found}", self.bytes));
        }
        (self.is_inside, self.closes) = (true, closes);
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<bool, String> {
        if self.offset + bytes.len() > self.bytes {
            return Err(format!("expected {} bytes of content, found more", self.bytes));
        }
        if !is_made_of(self.token, self.offset, bytes) {
            let expected = String::from_utf8_lossy(&self.token[..TOKEN - 1]).into_owned();
            let found = String::from_utf8_lossy(&bytes[..bytes.len().min(TOKEN - 1)]).into_owned();
            return Err(format!("expected content made of {expected}, found {found} from byte {} on", self.offset));
        }
        self.offset += bytes.len();
        Ok(self.offset == self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{content, token};

    fn judged(status: &str, length: usize, made: [u8; TOKEN], step: usize) -> Result<bool, String> {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
        let whole = [head.into_bytes(), content(made, length)].concat();
        let mut exchange = Exchange::default();
        exchange.begin(token(7, 0), 100);
        whole.chunks(step).try_fold(false, |_, part| exchange.take(part))
    }

    #[test]
    fn only_the_right_answer_passes() {
        for step in [1, 7, 40, 1000] {
            assert_eq!(judged("200 OK", 100, token(7, 0), step), Ok(true));
            for (status, length, made, says) in [
                ("502 Bad Gateway", 100, token(7, 0), "status 200, found 502"),
                ("200 OK", 99, token(7, 0), "Content-Length 100, found 99"),
                ("200 OK", 100, token(8, 0), "000000007.00000"),
                ("200 OK", 100, token(7, 1), "000000007.00000"),
            ] {
                let wrong = judged(status, length, made, step).expect_err(says);
                assert!(wrong.contains(says), "{wrong}");
            }
        }
    }
}
