//! Random responses, damaged or not, read by our client and by hyper's: what ours takes for whole hyper takes for the same, and a
//! connection that ours would use again has nothing left on it.
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::origin::{Origin, Step};
use super::*;
use crate::cache::tests::Random;
use crate::clock::Clock;

/// Status and content of a whole response.
type Whole = (u16, Vec<u8>);

/// What hyper makes of it, with the same leniency; none if it is refused or not whole.
async fn by_hyper(text: &str) -> Option<Whole> {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let mut builder = http1::Builder::new();
    builder.allow_spaces_after_header_name_in_responses(true).allow_obsolete_multiline_headers_in_responses(true);
    let (mut sender, connection) = builder.handshake(TokioIo::new(near)).await.unwrap();
    let origin = async {
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !seen.ends_with(b"\r\n\r\n") && far.read(&mut byte).await.is_ok_and(|count| count > 0) {
            seen.push(byte[0]);
        }
        drop(far.write_all(text.as_bytes()).await);
        drop(far);
    };
    let client = async {
        let request = http::Request::get("/").header("host", "a").body(String::new()).unwrap();
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.into_body().collect().await.ok()?.to_bytes().to_vec()))
    };
    let (answer, (), _) = tokio::join!(client, origin, async { drop(connection.await) });
    answer
}

/// The same by us, and whether the connection was kept.
async fn by_us(text: &str) -> (Option<Whole>, bool) {
    let origin = Origin::script(vec![vec![Step::Read, Step::Write(text.to_owned())]]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    let Ok(response) = upstreams.send(&permit, Destination::Forward, bare(Method::GET)).await else { return (None, false) };
    let whole = read(response).await.ok().map(|(status, _, content)| (status, content.to_vec()));
    let kept = upstreams.forward_origins.origin(permit.target(), Clock::instant()).idle_count();
    (whole, kept > 0)
}

fn response(random: &mut Random) -> String {
    let mut one_of = |choices: &[&str]| choices[random.next() as usize % choices.len()].to_owned();
    let status = one_of(&[
        "HTTP/1.1 200 OK",
        "HTTP/1.1 404 No",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 304 Same",
        "HTTP/1.1 204 None",
        "HTTP/1.1 200 ",
    ]);
    let hint = one_of(&["", "", "", "HTTP/1.1 103 Hint\r\nLink: a\r\n\r\n", "HTTP/1.1 100 Go\r\n\r\n"]);
    let fields = one_of(&["", "A: b\r\n", "A: b\r\n c\r\n", "Connection: close\r\n", "Connection: keep-alive\r\n", "A : b\r\n"]);
    let framed = one_of(&[
        "Content-Length: 5\r\n\r\nwhole",
        "Content-Length: 0\r\n\r\n",
        "Content-Length: 5, 5\r\n\r\nwhole",
        "Content-Length: 05\r\n\r\nwhole",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nwh\r\n03\r\nole\r\n0\r\nT: x\r\n\r\n",
        "Transfer-Encoding: x-fold\r\n\r\nwhole",
        "\r\nwhole",
    ]);
    let behind = one_of(&["", "", "", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "\r\n", "0"]);
    format!("{hint}{status}\r\n{fields}{framed}{behind}")
}

fn damage(random: &mut Random, text: &mut String) {
    let alphabet = b"05ac:;, \t\r\n\r\nCTx-";
    for _ in 0..random.next() % 3 {
        let at = random.next() as usize % text.len();
        let byte = char::from(alphabet[random.next() as usize % alphabet.len()]);
        match random.next() % 3 {
            0 => text.replace_range(at..=at, &byte.to_string()),
            1 => text.insert(at, byte),
            _ => drop(text.remove(at)),
        }
    }
}

#[tokio::test]
async fn x015_x016_what_we_take_for_whole_hyper_takes_for_the_same() {
    let mut random = Random::new();
    let (mut whole, mut kept) = (0, 0);
    for _ in 0..1_500 {
        let mut text = response(&mut random);
        damage(&mut random, &mut text);
        let (ours, is_kept) = by_us(&text).await;
        if ours.is_some() {
            whole += 1;
            assert_eq!(ours, by_hyper(&text).await, "{text:?}");
        }
        if is_kept {
            kept += 1;
            assert!(ours.is_some(), "{text:?} was not read to its end");
            let without_last = &text[..text.len() - 1];
            assert_eq!(by_hyper(without_last).await, None, "{text:?} has bytes behind its response");
        }
    }
    // About 130 are kept: far enough from what chance may bring.
    assert!(whole > 300 && kept > 60, "{whole} {kept}");
}
