//! Exchanges without hyper, on a server's socket.

use super::*;
use crate::cache::store::{Reader, Transfer};

use super::rest::{get, one, plain};

#[tokio::test]
async fn requests_that_are_one_head_need_no_hyper() {
    let mut one = one().await;
    for turn in 0..3 {
        one.says(&plain(&format!("/{turn}")), &format!("</{turn} without hyper>")).await;
        assert!(!one.has_hyper());
    }
    one.says(&get("/hyper"), "</hyper >").await;
    assert!(one.has_hyper());
    one.rests().await;
    one.says(&plain("/after"), "</after without hyper>").await;
    assert!(!one.has_hyper());
    drop(one.client);
    one.served.await.unwrap().unwrap();
}

/// RFC 9112 section 2.2: a line may end with LF alone, but not every reader takes it for the end.
#[tokio::test]
async fn a_head_whose_lines_others_may_read_otherwise_is_left_to_hyper() {
    let mut one = one().await;
    one.says("GET /lf HTTP/1.1\nhost: example.com\n\n", "</lf >").await;
    assert!(one.has_hyper());
}

/// RFC 9112 section 9.6: the answer says so, and then the connection ends.
#[tokio::test]
async fn who_wants_to_close_is_answered_and_closed() {
    let mut one = one().await;
    let asked = plain("/last").replace("host:", "connection: close\r\nhost:");
    let answer = one.says(&asked, "</last without hyper>").await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(until_closed(&mut one.client).await, b"");
    one.served.await.unwrap().unwrap();
}

/// Told so while the head is looked at.
#[tokio::test]
async fn the_last_answer_before_the_end_says_so() {
    let mut one = one().await;
    *one.host.finishing.lock() = Some(Arc::clone(&one.watch));
    let answer = one.says(&plain("/last"), "</last without hyper>").await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(until_closed(&mut one.client).await, b"");
    one.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_exchange_is_cut_before_its_answer_and_within_it() {
    for is_answered in [false, true] {
        let began = Arc::new(Notify::new());
        let transfer = Transfer::new();
        let (begins, arriving) = (Arc::clone(&began), Arc::clone(&transfer));
        let running = Running::start(
            |settings| settings.limits.drain_time = Duration::ZERO,
            NEVER,
            move |_, _, request| {
                assert!(request.body().is_none(), "there is no hyper");
                begins.notify_one();
                let content = Body::Stored(Reader::running(arriving.reader(), None));
                async move {
                    if !is_answered {
                        std::future::pending::<()>().await;
                    }
                    Response::new(ReplyBody::new(content, None))
                }
            },
        );
        let mut client = running.connect().await;
        client.write_all(GET).await.unwrap();
        began.notified().await;
        if is_answered {
            expect(&mut client, "\r\n\r\n").await;
        }
        running.stop().await;
        assert_eq!(until_closed(&mut client).await, b"");
    }
}

/// RFC 9110 section 15.2: interim responses go before the final one, however late they are.
#[tokio::test]
async fn x008_interim_heads_go_before_the_answer() {
    let hints = http::StatusCode::from_u16(103).unwrap();
    let running = Running::start(
        |_| {},
        NEVER,
        move |connection, _, request| async move {
            let relay = connection.interim.relay(request.version()).unwrap();
            relay.pass(hints, &http::HeaderMap::new());
            tokio::task::yield_now().await;
            relay.pass(hints, &http::HeaderMap::new());
            reply("hello")
        },
    );
    let mut client = running.connect().await;
    for _ in 0..2 {
        client.write_all(GET).await.unwrap();
        let answers = expect(&mut client, "hello").await;
        let places = ["103", "103", "200 OK"].iter().scan(0, |from, word| {
            *from += answers[*from..].find(&format!("HTTP/1.1 {word}"))? + 1;
            Some(*from)
        });
        assert_eq!(places.count(), 3, "{answers}");
    }
}

/// Answers with content that comes while the test pushes it, said to be so long.
fn streaming(length: Option<u64>) -> (Running, Arc<Transfer>) {
    let transfer = Transfer::new();
    let arriving = Arc::clone(&transfer);
    let handler = move |_, _, _| {
        let content = Body::Stored(Reader::running(arriving.reader(), length));
        std::future::ready(Response::new(ReplyBody::new(content, None)))
    };
    (Running::start(|_| {}, NEVER, handler), transfer)
}

/// RFC 9112 section 8: content that breaks off is no end, and the connection is not used again.
#[tokio::test]
async fn an_answer_that_breaks_off_closes_the_connection() {
    let (running, transfer) = streaming(None);
    let mut client = running.connect().await;
    client.write_all(GET).await.unwrap();
    expect(&mut client, "\r\n\r\n").await;
    transfer.push(Bytes::from_static(b"begun"));
    expect(&mut client, "begun\r\n").await;
    transfer.break_off();
    assert_eq!(until_closed(&mut client).await, b"");
    until_empty(&running).await;
}

/// An order that comes with the answer is no order to cut it.
#[tokio::test]
async fn an_exchange_in_the_air_is_finished() {
    let (running, transfer) = streaming(Some(5));
    let mut client = running.connect().await;
    client.write_all(GET).await.unwrap();
    expect(&mut client, "\r\n\r\n").await;
    let stopping = tokio::spawn(running.stop());
    tokio::task::yield_now().await;
    transfer.push(Bytes::from_static(b"hello"));
    transfer.complete();
    assert_eq!(until_closed(&mut client).await, b"hello");
    stopping.await.unwrap();
}
