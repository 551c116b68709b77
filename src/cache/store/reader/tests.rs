use std::task::Waker;

use super::*;
use crate::cache::store::{Content, StoredResponse, Transfer};
use crate::cache::tests::{CONTENT, anonymous, stored};

fn read(mut reader: Reader) -> String {
    let mut cx = Context::from_waker(Waker::noop());
    let mut bytes = Vec::new();
    while let Poll::Ready(Some(chunk)) = reader.poll_chunk(&mut cx) {
        bytes.extend_from_slice(&chunk.unwrap());
        assert!(!bytes.is_empty());
    }
    assert!(reader.is_at_end());
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_part_is_what_it_says() {
    let stored = stored(anonymous("max-age=60"));
    assert_eq!(read(Reader::whole(Arc::clone(&stored))), CONTENT);
    for first in 0..10 {
        for last in first..12 {
            let reader = Reader::part(Arc::clone(&stored), first as u64, last as u64);
            let expected = &CONTENT[first..(last + 1).min(10)];
            assert_eq!(reader.remaining(), Some(expected.len() as u64));
            assert_eq!(read(reader), expected, "{first}-{last}");
        }
    }
}

#[test]
fn parts_outside_the_content_are_empty() {
    let stored = stored(anonymous("max-age=60"));
    for (first, last) in [(10, 10), (99, u64::MAX), (u64::MAX, u64::MAX), (5, 2)] {
        assert_eq!(read(Reader::part(Arc::clone(&stored), first, last)), "", "{first}-{last}");
    }
    assert_eq!(read(Reader::part(Arc::clone(&stored), 0, u64::MAX)), CONTENT);
}

#[test]
fn empty_chunks_do_not_end_the_content() {
    let content = Content::new(vec!["".into(), "a".into(), "".into(), "b".into()]);
    let stored = Arc::new(StoredResponse::new(anonymous("max-age=60"), Vec::new(), 0, content));
    assert_eq!(read(Reader::whole(Arc::clone(&stored))), "ab");
    assert_eq!(read(Reader::part(stored, 1, 1)), "b");
}

#[test]
fn a_running_transfer_counts_down_what_is_left() {
    let transfer = Transfer::new();
    let mut reader = Reader::running(transfer.reader(), Some(3));
    transfer.push("ab".into());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(reader.poll_chunk(&mut cx), Poll::Ready(Some(Ok(chunk))) if chunk == "ab"));
    assert_eq!((reader.remaining(), reader.is_at_end()), (Some(1), false));
    transfer.push("c".into());
    transfer.complete();
    assert_eq!(read(reader), "c");
}

#[test]
fn n050_a_part_of_a_running_transfer_is_the_wanted_bytes_or_an_error() {
    for (first, last, expected) in [(0, 0, "a"), (1, 2, "bc"), (2, 5, "cdef"), (5, 5, "f"), (0, 5, "abcdef")] {
        let transfer = Transfer::new();
        let reader = Reader::running_part(transfer.late_reader().unwrap(), first, last);
        assert_eq!(reader.remaining(), Some(last - first + 1));
        for chunk in ["ab", "", "cde", "f"] {
            transfer.push(chunk.into());
        }
        assert_eq!(read(reader), expected, "{first}-{last}");
    }
    let transfer = Transfer::new();
    let mut reader = Reader::running_part(transfer.reader(), 1, 3);
    transfer.push("ab".into());
    transfer.complete();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(reader.poll_chunk(&mut cx), Poll::Ready(Some(Ok(chunk))) if chunk == "b"));
    assert!(matches!(reader.poll_chunk(&mut cx), Poll::Ready(Some(Err(_)))) && !reader.is_at_end());
}
