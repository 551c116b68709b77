//! As much of HTTP/1.1 as a measuring program needs: where a head ends, and a few of its fields.

/// How many bytes the head has that begins here, its end included.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    // A head ends with two line ends: of any four bytes that touch them one is looked at.
    let mut at = 3;
    while let Some(byte) = bytes.get(at) {
        if matches!(byte, b'\r' | b'\n') {
            let from = at - 3;
            let until = bytes.len().min(at + 4);
            if let Some(found) = bytes[from..until].windows(4).position(|four| four == b"\r\n\r\n") {
                return Some(from + found + 4);
            }
        }
        at += 4;
    }
    None
}

/// The lines of a head after the first one, as name and value.
pub(crate) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// What a number's digits say.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The status of a response head.
pub(crate) fn status(head: &[u8]) -> Option<u64> {
    number(head.get(9..12)?)
}

/// The content's length and whether the connection ends after it.
pub(crate) fn framing(head: &[u8]) -> (Option<u64>, bool) {
    let (mut length, mut closes) = (None, false);
    // Every field of an answer is looked at in every round: first by its length.
    for (name, value) in fields(head) {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => length = number(value),
            10 if name.eq_ignore_ascii_case(b"connection") => closes = value.eq_ignore_ascii_case(b"close"),
            _ => {}
        }
    }
    (length, closes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_where_it_ends() {
        for text in
            ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "GET / HTTP/1.1\r\nAb: cde\r\n\r\n", "\r\n\r\n"]
        {
            for after in ["", "x", "\r\n\r\n"] {
                let whole = [text, after].concat();
                assert_eq!(head_end(whole.as_bytes()), Some(text.len()), "{whole:?}");
            }
            assert_eq!(head_end(&text.as_bytes()[..text.len() - 1]), None, "{text:?}");
        }
    }

    #[test]
    fn framing_is_read() {
        let head = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-LENGTH: 12\r\nconnection: Close\r\n\r\n";
        assert_eq!((status(head), framing(head)), (Some(407), (Some(12), true)));
        assert_eq!(framing(b"HTTP/1.1 200 OK\r\nX-Content-Length: 3\r\n\r\n"), (None, false));
    }
}
