use super::*;
use crate::cache::tests::Random;

const BOUNDS: Bounds = Bounds { bytes: 400, fields: 10 };

type Found = Result<Option<(u16, Version, Vec<(String, Vec<u8>)>, bool)>, ()>;

/// The head of a text that comes in pieces which end at these places, and how much is left behind it.
fn read(text: &[u8], cuts: &[usize]) -> (Found, usize) {
    read_after(&mut Former::default(), text, cuts)
}

/// The same on a connection where others came before.
fn read_after(former: &mut Former, text: &[u8], cuts: &[usize]) -> (Found, usize) {
    let (mut seeker, mut buffer, mut start) = (Seeker::default(), BytesMut::new(), 0);
    for cut in cuts.iter().copied().chain([text.len()]) {
        buffer.extend_from_slice(&text[start..cut]);
        start = cut;
        match seeker.take(&mut buffer, BOUNDS, former) {
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
    let taken = |count| Seeker::default().take(&mut BytesMut::from(many(count).as_bytes()), bounds, &mut Former::default());
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

/// What is remembered when these came one after the other.
fn after(texts: &[&str]) -> Former {
    let mut former = Former::default();
    for text in texts {
        assert!(matches!(read_after(&mut former, text.as_bytes(), &[]), (Ok(Some(_)), 0)), "{text:?}");
    }
    former
}

const USUAL: &str = "HTTP/1.1 200 OK\r\nDate: x\r\nServer:  s, t\r\nContent-Length: 5\r\nA:\r\nConnection: keep-alive\r\n\r\n";

#[test]
fn a_head_is_read_by_the_former_one_when_two_of_its_kind_came() {
    let other = "HTTP/1.1 304 No\r\nDate: x\r\n\r\n";
    for (before, is_known) in [
        (&[USUAL][..], false),
        (&[USUAL, USUAL], true),
        (&[USUAL, other, USUAL], false),
        (&[USUAL, USUAL, other, USUAL, other], true),
        (&[USUAL, USUAL, other, other], false),
    ] {
        for (text, is_like) in [(USUAL, true), (&USUAL.replace('x', "another day"), true), (&USUAL.replace("OK", "Yes"), false)] {
            let mut former = after(before);
            let found = former.read(text.as_bytes()).map(|(end, head)| (end, head.fields.len()));
            assert_eq!(found, (is_known && is_like).then_some((text.len(), 5)), "{before:?} {text:?}");
        }
    }
}

#[test]
fn what_is_for_one_exchange_or_is_read_in_more_than_one_way_is_not_remembered() {
    for fields in [
        "Set-Cookie: a=b\r\n",
        "WWW-Authenticate: Basic realm=a\r\n",
        "A: b\r\nA: c\r\n",
        "A: b \r\n",
        "A: b\n",
        "A: b\r\n c\r\n",
        &format!("A: {}\r\n", "b".repeat(2048)),
    ] {
        let (text, mut former) = (format!("HTTP/1.1 200 OK\r\nDate: x\r\n{fields}\r\n"), Former::default());
        for _ in 0..2 {
            let bounds = Bounds { bytes: 4096, fields: 10 };
            let head = Seeker::default().take(&mut BytesMut::from(text.as_bytes()), bounds, &mut former);
            assert!(head.unwrap().is_some(), "{text:?}");
        }
        assert!(former.read(text.as_bytes()).is_none(), "{text:?}");
    }
}

#[test]
fn n130_another_connection_field_counts_in_a_head_like_the_former() {
    for (value, expected) in [("keep-alive", true), ("close", false), ("x, Close", false), ("x", true)] {
        let mut former = after(&[USUAL, USUAL]);
        let text = USUAL.replace("keep-alive", value);
        assert!(former.read(text.as_bytes()).is_some());
        assert_eq!(read_after(&mut former, text.as_bytes(), &[]).0.unwrap().unwrap().3, expected, "{value}");
    }
}

#[test]
fn t044_a_head_like_the_former_is_bounded_as_well() {
    let long = |length| USUAL.replace('x', &"x".repeat(length));
    let fits = BOUNDS.bytes - long(0).len();
    let mut former = after(&[USUAL, USUAL]);
    assert!(matches!(read_after(&mut former, long(fits).as_bytes(), &[]).0, Ok(Some(_))));
    assert_eq!(read_after(&mut former, long(fits + 1).as_bytes(), &[]).0, Err(()));
}

/// A day of the same length is the known one from then on, wherever another value changes, and one of another length is not.
#[test]
fn n130_what_changed_once_is_what_the_next_one_is_held_against() {
    let mut former = after(&[USUAL, USUAL]);
    for (date, connection) in
        [("y", "keep-alive"), ("y", "close, x,,"), ("z", "close, x,,"), ("longer", "keep-alive"), ("z", "close")]
    {
        let text = USUAL.replace('x', date).replace("keep-alive", connection);
        assert!(former.read(text.as_bytes()).is_some(), "{text:?}");
        assert_eq!(read_after(&mut former, text.as_bytes(), &[]), read(text.as_bytes(), &[]), "{text:?}");
    }
}

/// The parser is the measure: whatever came before, a damaged text has the head that it has by itself.
#[test]
fn x015_what_came_before_changes_no_head() {
    let alphabet = b"aA1 :\r\n\r\n\t,/.\0\x7f\xff";
    let mut random = Random::new();
    let (mut by_former, mut otherwise) = (0, 0);
    let mut former = after(&[USUAL, USUAL]);
    for _ in 0..60_000 {
        let mut text = [USUAL.as_bytes(), b"HTTP/1.1 304 No\r\n\r\n"].concat();
        // Most damage is done to values, where it may be none.
        for _ in 0..random.next() % 3 {
            let at = random.below(USUAL.len());
            let byte = alphabet[random.below(alphabet.len())];
            match random.next() % 3 {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => drop(text.remove(at)),
            }
        }
        let cut = [random.below(text.len())];
        let cuts = if random.coin() { &cut[..] } else { &[] };
        // Now and then there is nothing damaged in what came before.
        if random.below(8) == 0 {
            former = after(&[USUAL, USUAL]);
        }
        let is_like = former.read(&text).is_some();
        let found = read_after(&mut former, &text, cuts);
        assert_eq!(found, read(&text, &[]), "{:?} cut at {cuts:?}", String::from_utf8_lossy(&text));
        if is_like { by_former += 1 } else { otherwise += 1 }
    }
    assert!(by_former > 10_000 && otherwise > 10_000, "{by_former} {otherwise}");
}
