use super::*;
use crate::cache::tests::Random;

/// Content and what is left behind it, read in pieces that end at these places; none if it is refused, and no rest if it has no end.
fn read(text: &[u8], cuts: &[usize]) -> Option<(Vec<u8>, Option<usize>)> {
    let (mut chunked, mut buffer, mut content) = (Chunked::new(), BytesMut::new(), Vec::new());
    let mut start = 0;
    for cut in cuts.iter().copied().chain([text.len()]) {
        buffer.extend_from_slice(&text[start..cut]);
        start = cut;
        while let Some(data) = chunked.take(&mut buffer).ok()? {
            content.extend_from_slice(&data);
        }
        if chunked.is_over() {
            return Some((content, Some(buffer.len() + text.len() - start)));
        }
    }
    Some((content, None))
}

/// The same from the whole text at once, line by line.
fn by_lines(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let line = |rest: &[u8]| {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        Some((rest[..end].to_vec(), rest[end + 2..].to_vec()))
    };
    let (mut content, mut rest, mut extensions) = (Vec::new(), text.to_vec(), 0);
    loop {
        let (head, after) = line(&rest)?;
        let digits = head.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = u64::from_str_radix(std::str::from_utf8(&head[..digits]).ok()?, 16).ok()?;
        let more = &head[digits..];
        let blanks = more.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let extension = &more[blanks..];
        if !(extension.is_empty() || extension[0] == b';') || extension.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return None;
        }
        extensions += extension.len().saturating_sub(1);
        if extensions > MOST_ASIDE {
            return None;
        }
        rest = after;
        if size == 0 {
            break;
        }
        let size = usize::try_from(size).ok().filter(|size| rest.len() >= size + 2 && rest[*size..].starts_with(b"\r\n"))?;
        content.extend_from_slice(&rest[..size]);
        rest.drain(..size + 2);
    }
    loop {
        let (trailer, after) = line(&rest)?;
        rest = after;
        if trailer.is_empty() {
            return Some((content, rest.len()));
        }
        let colon = trailer.iter().position(|byte| *byte == b':')?;
        let is_value = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        if !crate::fields::is_token(&trailer[..colon]) || !trailer[colon + 1..].iter().all(is_value) {
            return None;
        }
    }
}

#[test]
fn x016_chunks_are_read_wherever_they_are_cut() {
    let text = b"3;a=b\r\nabc\r\n0A \r\n0123456789\r\n0\r\nX-T: 1\r\nY:\r\n\r\nHTTP";
    for cut in 0..text.len() {
        for other in cut..text.len() {
            assert_eq!(read(text, &[cut, other]), Some((b"abc0123456789".to_vec(), Some(4))), "{cut} {other}");
        }
    }
}

#[test]
fn x015_what_is_not_exactly_chunked_is_refused() {
    for text in [
        "\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "3;a\rb\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\r\nabc\r0\r\n\r\n",
        "10000000000000000\r\n",
        "00000000000000000000000010000000000000000\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: \u{1}\r\n\r\n",
        "0\r\n\n",
        "0\r\n\rX",
    ] {
        assert_eq!(read(text.as_bytes(), &[]), None, "{text:?}");
        assert_eq!(read(text.as_bytes(), &(1..text.len()).collect::<Vec<_>>()), None, "{text:?}, byte by byte");
    }
}

#[test]
fn x016_an_end_that_does_not_come_is_no_end() {
    let text = b"3\r\nabc\r\n0\r\nX: y\r\n\r\n";
    for end in 0..text.len() {
        let (content, rest) = read(&text[..end], &[]).unwrap();
        assert!(b"abc".starts_with(&content) && rest.is_none(), "{end}");
    }
}

#[test]
fn x015_what_stands_beside_the_content_is_bounded() {
    let many = |count| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(count));
    assert!(read(many(MOST_ASIDE).as_bytes(), &[]).is_some());
    assert_eq!(read(many(MOST_ASIDE + 1).as_bytes(), &[]), None);
    let over_all = format!("{}0\r\n\r\n", "1;xxxxxxx\r\na\r\n".repeat(MOST_ASIDE / 7 + 1));
    assert_eq!(read(over_all.as_bytes(), &[]), None);
    let trailers = |count| format!("0\r\n{}\r\n", "A:b\r\n".repeat(count));
    assert!(read(trailers(MOST_ASIDE / 3).as_bytes(), &[]).is_some());
    assert_eq!(read(trailers(MOST_ASIDE / 3 + 1).as_bytes(), &[]), None);
}

#[test]
fn x015_two_readers_agree_on_damaged_texts() {
    let alphabet = b"0123aAfF;=\"\r\n\r\n \t:xX-\0\x7f\xff";
    let mut random = Random::new();
    let (mut agreed, mut refused) = (0, 0);
    for _ in 0..60_000 {
        let mut text = b"3;a=b\r\nabc\r\n12\r\n0123456789abcdefgh\r\n0\r\nX-T: 1\r\n\r\nHTTP/1.1 200 OK\r\n".to_vec();
        for _ in 0..random.next() % 4 {
            let at = random.next() as usize % text.len();
            let byte = alphabet[random.next() as usize % alphabet.len()];
            match random.next() % 3 {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        let mut cuts: Vec<usize> = (0..random.next() % 5).map(|_| random.next() as usize % text.len()).collect();
        cuts.sort_unstable();
        let found = read(&text, &cuts).and_then(|(content, rest)| Some((content, rest?)));
        assert_eq!(found, by_lines(&text), "{:?} cut at {cuts:?}", String::from_utf8_lossy(&text));
        if found.is_some() { agreed += 1 } else { refused += 1 }
    }
    assert!(agreed > 10_000 && refused > 10_000, "{agreed} {refused}");
}
