//! Parts of stored responses through real sockets.
//!
//! RFC 9110 section 14, RFC 9111 sections 3.3 and 3.4.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use support::{Answer, Gateway, Origin, Reply, reply, test_clock};

/// Content in which every byte tells its place.
fn content() -> Vec<u8> {
    (0..250_u8).collect()
}

fn fresh() -> Reply {
    reply(200).field("cache-control", "max-age=600").field("etag", "\"v\"").field("content-type", "text/a")
}

/// `bytes first-last/complete`.
fn content_range(text: &str) -> (usize, usize, usize) {
    let (range, complete) = text.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
    let (first, last) = range.split_once('-').unwrap();
    (first.parse().unwrap(), last.parse().unwrap(), complete.parse().unwrap())
}

/// The parts of an answer as they came: value of `Content-Range`, bytes.
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    if let Some(range) = answer.field("content-range") {
        return vec![(range.to_owned(), answer.body.clone())];
    }
    let boundary = answer.field("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let delimiter = format!("\r\n--{boundary}");
    let body = [b"\r\n", answer.body.as_slice()].concat();
    let mut pieces = split(&body, delimiter.as_bytes());
    assert_eq!((pieces.remove(0), pieces.pop().unwrap()), (vec![], b"--\r\n".to_vec()));
    pieces
        .into_iter()
        .map(|piece| {
            let end = piece.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
            let head = String::from_utf8(piece[..end].to_vec()).unwrap();
            assert_eq!(head.lines().nth(1), Some("Content-Type: text/a"));
            (head.rsplit_once("Content-Range: ").unwrap().1.to_owned(), piece[end + 4..].to_vec())
        })
        .collect()
}

fn split(bytes: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let (mut pieces, mut start, mut at) = (Vec::new(), 0, 0);
    while at + delimiter.len() <= bytes.len() {
        if bytes[at..].starts_with(delimiter) {
            pieces.push(bytes[start..at].to_vec());
            at += delimiter.len();
            start = at;
        } else {
            at += 1;
        }
    }
    pieces.push(bytes[start..].to_vec());
    pieces
}

/// RFC 9110 section 15.3.7.2, across the stored chunks.
#[tokio::test]
async fn n130_several_ranges_of_a_stored_response() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh().chunked(content().chunks(7))).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    let answer = client.request("GET", "/x").field("range", "bytes=200-, 0-19, 100-100").send().await;
    assert_eq!((answer.status, answer.hit(), answer.complete), (206, true, true));
    assert_eq!(answer.field("content-length").unwrap(), answer.body.len().to_string());
    assert_eq!((answer.field("etag"), answer.field("cache-control")), (Some("\"v\""), Some("max-age=600")));
    let all = content();
    let expected = [(200, 249), (0, 19), (100, 100)];
    assert_eq!(parts(&answer), expected.map(|(first, last)| (format!("bytes {first}-{last}/250"), all[first..=last].to_vec())));
    let again = client.request("GET", "/x").field("range", "bytes=200-, 0-19, 100-100").send().await;
    assert_ne!(answer.field("content-type"), again.field("content-type"), "a boundary is used once");
    let none = client.request("GET", "/x").field("range", "bytes=300-,400-").send().await;
    assert_eq!((none.status, none.field("content-range"), none.body.len()), (416, Some("bytes */250"), 0));
    assert_eq!(origin.count(), 1);
}

/// RFC 9110 sections 13.2.2 and 14.2: preconditions first, then If-Range, then Range; a HEAD has no range.
#[tokio::test]
async fn n127_conditions_come_before_ranges() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh().body(content())).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    for (method, none_match, if_range, range, status) in [
        ("GET", "\"v\"", "\"v\"", "bytes=0-1,4-5", 304),
        ("GET", "\"v\"", "\"w\"", "bytes=999-", 304),
        ("GET", "\"w\"", "\"v\"", "bytes=0-1,4-5", 206),
        ("GET", "\"w\"", "\"w\"", "bytes=0-1,4-5", 200),
        ("GET", "\"w\"", "\"w\"", "bytes=999-", 200),
        ("GET", "\"w\"", "\"v\"", "bytes=999-", 416),
        ("HEAD", "\"w\"", "\"v\"", "bytes=0-1,4-5", 200),
        ("HEAD", "\"w\"", "\"v\"", "bytes=999-", 200),
    ] {
        let request = client.request(method, "/x").field("if-none-match", none_match).field("if-range", if_range);
        let answer = request.field("range", range).send().await;
        assert_eq!((answer.status, answer.hit()), (status, true), "{method} {none_match} {if_range} {range}");
    }
    assert_eq!(origin.count(), 1);
}

/// splitmix64; a failing test shows its seed, `SEED=...` repeats it.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| getrandom::u64().unwrap());
        println!("SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn range(&mut self) -> String {
        let (first, length) = (self.below(260), self.below(60));
        match self.below(30) {
            0 => "18446744073709551615-".to_owned(),
            1 => "0-18446744073709551616".to_owned(),
            2 => "9223372036854775807-9223372036854775808".to_owned(),
            3 => format!("{}-{}", self.below(u64::MAX), self.below(u64::MAX)),
            4 => ["", "-", "--1", "1", "0x1-2", "2-1", "+1-2", "1 -2", "*", "%30-1"][usize::try_from(self.below(10)).unwrap()]
                .to_owned(),
            5 | 6 => format!("-{length}"),
            7 | 8 => format!("{first}-"),
            _ => format!("{first}-{}", first + length),
        }
    }

    fn header(&mut self) -> String {
        let ranges: Vec<String> = (0..=self.below(8)).map(|_| self.range()).collect();
        let unit =
            ["bytes=", "bytes=", "bytes=", "bytes=", "BYTES=", "lines=", "bytes ", ""][usize::try_from(self.below(8)).unwrap()];
        format!("{unit}{}", ranges.join([",", ",", " , ", ";"][usize::try_from(self.below(4)).unwrap()]))
    }
}

/// Overflow, overlap and garbage: every byte of an answer is the byte that it says it is.
#[tokio::test]
async fn n129_two_thousand_range_headers_yield_no_byte_outside_the_content() {
    let clock = test_clock();
    let origin = Origin::serving(|_| fresh().chunked(content().chunks(13))).await;
    let gateway = Gateway::reverse(&origin, &clock).start().await;
    let client = gateway.anonymous();
    client.get("/x").await;
    let (mut random, all, mut seen) = (Random::new(), content(), [0; 4]);
    for _ in 0..2000 {
        let header = random.header();
        let answer = client.request("GET", "/x").field("range", &header).send().await;
        assert!(answer.complete && answer.hit(), "{header}: {:?}", answer.fields);
        let kind = match answer.status {
            200 => {
                assert_eq!(answer.body, all, "{header}");
                0
            }
            206 => {
                let parts = parts(&answer);
                for (range, bytes) in &parts {
                    let (first, last, complete) = content_range(range);
                    assert_eq!((complete, Some(bytes.as_slice())), (250, all.get(first..=last)), "{header}: {range}");
                }
                parts.len().min(2)
            }
            status => {
                assert_eq!((status, answer.body.len()), (416, 0), "{header}");
                3
            }
        };
        seen[kind] += 1;
    }
    assert!(seen.iter().all(|count| *count > 10), "every kind of answer is seen: {seen:?}");
    assert_eq!(origin.count(), 1);
}
