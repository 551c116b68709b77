use super::*;
use crate::cache::tests::Random;

const BOUNDS: Bounds = Bounds { bytes: 400, fields: 10 };

type Found = Result<Option<(u16, Version, Vec<(String, Vec<u8>)>, bool)>, ()>;

/// The head of a text that comes in pieces which end at these places, and how much is left behind it.
fn read(text: &[u8], cuts: &[usize]) -> (Found, usize) {
    let (mut seeker, mut buffer, mut start) = (Seeker::default(), BytesMut::new(), 0);
    for cut in cuts.iter().copied().chain([text.len()]) {
        buffer.extend_from_slice(&text[start..cut]);
        start = cut;
        match seeker.take(&mut buffer, BOUNDS) {
            Ok(None) => {}
            Ok(Some(head)) => {
                let fields = head.fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
                let found = (head.status.as_u16(), head.version, fields, head.is_persistent);
                return (Ok(Some(found)), buffer.len() + text.len() - start);
            }
            Err(_) => return (Err(()), 0),
        }
    }
    (Ok(None), 0)
}

#[test]
fn a_head_is_found_wherever_it_is_cut_and_no_byte_behind_it_is_taken() {
    for text in
        ["HTTP/1.1 200 OK\r\nA: b\r\nC:d \r\n\r\nrest", "HTTP/1.0 404 Nope\nA: b\n\nrest", "HTTP/1.1 200 \r\nA: b\n\r\nrest"]
    {
        let whole = read(text.as_bytes(), &[]);
        assert!(matches!(whole, (Ok(Some(_)), 4)), "{text:?} {whole:?}");
        for cut in 0..text.len() {
            assert_eq!(read(text.as_bytes(), &[cut]), whole, "{text:?} {cut}");
        }
        assert_eq!(read(text.as_bytes(), &(1..text.len()).collect::<Vec<_>>()), whole, "{text:?} byte by byte");
    }
}

#[test]
fn x013_x014_folds_and_white_space_before_the_colon_are_mended() {
    let (found, _) = read(b"HTTP/1.1 200 OK\r\nA : b\r\nF: a \r\n\t b\r\n  \r\n c\r\n\r\n", &[]);
    let fields = found.unwrap().unwrap().2;
    assert_eq!(fields, [("a".into(), b"b".to_vec()), ("f".into(), b"a b  c".to_vec())]);
}

#[test]
fn what_is_no_head_is_refused_and_early() {
    for text in
        ["SSH-2.0", "HTTP/2 200\r\n", "HTTP/1.1 20x", "HTTP/1.1 200 OK\r\nno colon\r\n", "HTTP/1.1 200 OK\r\n: a\r\n", "\u{0}"]
    {
        assert_eq!(read(text.as_bytes(), &[]).0, Err(()), "{text:?}");
    }
    for text in ["\r\n\r\n", "\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 099 Low\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \u{1}\r\n\r\n"]
    {
        assert_eq!(read(text.as_bytes(), &[]).0, Err(()), "{text:?}");
    }
}

#[test]
fn t044_a_head_is_bounded_in_bytes_and_fields() {
    let long = |length| format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(length));
    let fits = BOUNDS.bytes - long(0).len();
    assert!(matches!(read(long(fits).as_bytes(), &[]).0, Ok(Some(_))));
    assert_eq!(read(long(fits + 1).as_bytes(), &[]).0, Err(()));
    assert_eq!(read("HTTP/1.1 200 OK\r\nA: ".repeat(40).as_bytes(), &[]).0, Err(()), "without an end");
    let many = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: a\r\n".repeat(count));
    assert!(matches!(read(many(BOUNDS.fields).as_bytes(), &[]).0, Ok(Some(_))));
    assert_eq!(read(many(BOUNDS.fields + 1).as_bytes(), &[]).0, Err(()));
    let bounds = Bounds { bytes: 1 << 16, fields: 300 };
    let taken = |count| Seeker::default().take(&mut BytesMut::from(many(count).as_bytes()), bounds);
    assert_eq!(taken(300).unwrap().unwrap().fields.len(), 300);
    assert!(taken(301).is_err());
}

#[test]
fn n130_close_ends_a_connection_wherever_it_stands() {
    for (version, fields, expected) in [
        ("1.1", "", true),
        ("1.1", "Connection: x\r\n", true),
        ("1.1", "Connection: Close\r\n", false),
        ("1.1", "Connection: keep-alive, x ,close\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Connection: close\r\nConnection: keep-alive\r\n", false),
    ] {
        let (found, _) = read(format!("HTTP/{version} 200 OK\r\n{fields}\r\n").as_bytes(), &[]);
        assert_eq!(found.unwrap().unwrap().3, expected, "{version} {fields:?}");
    }
}

/// However it is cut, a damaged text has the same head or none, and no value has a line end in it.
#[test]
fn x015_no_damage_puts_a_line_end_into_a_value_or_depends_on_how_the_text_comes() {
    let alphabet = b"aA1 :\r\n\r\n\t,/.\0\x7f\xff";
    let mut random = Random::new();
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..60_000 {
        let mut text =
            b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\nA: b\r\n c\r\nConnection: close\r\n\r\nHTTP/1.1 304 No\r\n\r\n"
                .to_vec();
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
        let found = read(&text, &cuts);
        // What is refused early may have a mistake behind what a piece shows.
        assert_eq!(found, read(&text, &[]), "{:?} cut at {cuts:?}", String::from_utf8_lossy(&text));
        match found.0 {
            Ok(Some((_, _, fields, _))) => {
                taken += 1;
                assert!(fields.iter().all(|(_, value)| !value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0))));
            }
            _ => refused += 1,
        }
    }
    assert!(taken > 10_000 && refused > 10_000, "{taken} {refused}");
}
