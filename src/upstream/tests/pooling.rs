//! Which requests share a connection, and which must not.

use std::sync::Arc;

use http::Method;
use tokio::sync::Notify;

use super::origin::{Origin, Step, ok, write};
use super::*;
use crate::error::UpstreamError;

/// An upstream that keeps answering on each connection.
fn answering(count: usize) -> Vec<Step> {
    (0..count).flat_map(|number| [Step::Read, ok(&format!("{number}"))]).chain([Step::Hold]).collect()
}

#[tokio::test]
async fn requests_one_after_the_other_share_a_connection() {
    let origin = Origin::script(vec![answering(3)]).await;
    let upstreams = upstreams(&settings(), &[]);
    for number in 0..3 {
        let answer = exchange(&upstreams, &permit(origin.address, "/"), bare(Method::GET)).await.unwrap();
        assert_eq!(answer, (200, number.to_string()));
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_does_not_depend_on_luck_between_threads() {
    let origin = Origin::script(vec![answering(200)]).await;
    let upstreams = Arc::new(upstreams(&settings(), &[]));
    let address = origin.address;
    let client = tokio::spawn(async move {
        for _ in 0..200 {
            exchange(&upstreams, &permit(address, "/"), bare(Method::GET)).await.unwrap();
        }
    });
    client.await.unwrap();
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn concurrent_requests_never_share_a_connection() {
    let go = Arc::new(Notify::new());
    let script = |name| vec![Step::Read, Step::Wait(Arc::clone(&go)), ok(name), Step::Hold];
    let origin = Origin::script(vec![script("a"), script("a")]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    let both = async {
        tokio::join!(exchange(&upstreams, &permit, bare(Method::GET)), exchange(&upstreams, &permit, bare(Method::GET)))
    };
    let release = async {
        while origin.requests().len() < 2 {
            tokio::task::yield_now().await;
        }
        go.notify_waiters();
    };
    let (both, ()) = tokio::join!(both, release);
    assert_eq!((both.0.unwrap().0, both.1.unwrap().0), (200, 200));
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn x005_a_pooled_connection_that_died_is_replaced_once_for_get() {
    for method in [Method::GET, Method::HEAD] {
        // The first connection takes the second request and closes without a word.
        let head = "HTTP/1.1 200 OK\nContent-Length: 0\n\n";
        let origin =
            Origin::script(vec![vec![Step::Read, write(head), Step::Read], vec![Step::Read, write(head), Step::Hold]]).await;
        let upstreams = upstreams(&settings(), &[]);
        let permit = permit(origin.address, "/a?b");
        assert_eq!(exchange(&upstreams, &permit, bare(method.clone())).await.unwrap().0, 200);
        assert_eq!(exchange(&upstreams, &permit, with_field(bare(method), "x-a", "1")).await.unwrap().0, 200);
        let requests = origin.requests();
        assert_eq!(requests.len(), 3);
        assert_eq!(requests[1], requests[2], "the same request, word for word");
        assert!(requests[2].contains("x-a: 1\r\n"));
    }
}

#[tokio::test]
async fn x005_other_methods_are_never_repeated_after_they_were_sent() {
    let cases = [
        with_content(Method::POST, "pay"),
        bare(Method::POST),
        bare(Method::DELETE),
        bare(Method::PUT),
        with_content(Method::GET, "query"),
    ];
    for request in cases {
        let origin = Origin::script(vec![vec![Step::Read, ok("1"), Step::Read], answering(1)]).await;
        let upstreams = upstreams(&settings(), &[]);
        let permit = permit(origin.address, "/");
        exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
        let answer = exchange(&upstreams, &permit, request).await;
        assert!(matches!(answer, Err(Error::Upstream(UpstreamError::Closed))), "{answer:?}");
        assert_eq!(origin.requests().len(), 2);
        assert_eq!(origin.connections(), 1);
    }
}

#[tokio::test]
async fn x005_get_is_repeated_only_once_and_only_before_the_first_byte() {
    // Both die: the second failure is final.
    let origin = Origin::script(vec![vec![Step::Read, ok("1"), Step::Read], vec![Step::Read], answering(1)]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
    assert!(exchange(&upstreams, &permit, bare(Method::GET)).await.is_err());
    assert_eq!(origin.connections(), 2);
    // A first byte was there: not repeated.
    let origin = Origin::script(vec![vec![Step::Read, ok("1"), Step::Read, write("HTTP/1.1 20")], answering(1)]).await;
    let permit = super::permit(origin.address, "/");
    exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
    let answer = exchange(&upstreams, &permit, bare(Method::GET)).await;
    assert!(matches!(answer, Err(Error::Upstream(UpstreamError::Closed))), "{answer:?}");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_for_every_method() {
    let (close, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let first = vec![Step::Read, ok("1"), Step::Wait(Arc::clone(&close)), Step::Tell(Arc::clone(&closed))];
    let origin = Origin::script(vec![first, answering(1)]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
    close.notify_one();
    closed.notified().await;
    let answer = exchange(&upstreams, &permit, with_content(Method::POST, "pay")).await.unwrap();
    assert_eq!(answer, (200, "0".into()));
    assert_eq!(origin.requests().len(), 2, "the POST was written once");
    assert!(origin.requests()[1].ends_with("\r\n\r\npay"));
}

#[tokio::test]
async fn t058_bytes_after_a_response_never_reach_the_next_request() {
    let evil = "HTTP/1.1 200 OK\nContent-Length: 4\n\nevil";
    let endings = [
        format!("HTTP/1.1 200 OK\nContent-Length: 2\n\nok{evil}"),
        format!("HTTP/1.1 200 OK\nContent-Length: 2\n\nok{evil}{evil}"),
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nokay and more".to_owned(),
        format!("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n{evil}"),
        format!("HTTP/1.1 304 Not Modified\nContent-Length: {}\n\n{evil}", evil.len()),
        format!("HTTP/1.1 204 No Content\nContent-Length: {}\n\n{evil}", evil.len()),
        format!("HTTP/1.1 204 No Content\nTransfer-Encoding: chunked\n\n{evil}"),
    ];
    for ending in endings {
        let origin = Origin::script(vec![vec![Step::Read, write(&ending), Step::Hold], answering(1)]).await;
        let upstreams = upstreams(&settings(), &[]);
        let permit = permit(origin.address, "/");
        let (_, content) = exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
        assert!(content == "ok" || content.is_empty(), "{ending:?} gave {content:?}");
        let answer = exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
        assert_eq!(answer, (200, "0".into()), "{ending:?}");
        assert_eq!(origin.connections(), 2, "{ending:?}");
    }
}

#[tokio::test]
async fn t058_content_after_a_head_response_never_reaches_the_next_request() {
    let first = vec![Step::Read, write("HTTP/1.1 200 OK\nContent-Length: 4\n\nevil"), Step::Hold];
    let origin = Origin::script(vec![first, answering(1)]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    let response = upstreams.send(&permit, Destination::Forward, bare(Method::HEAD)).await.unwrap();
    assert_eq!(response.headers()["content-length"], "4", "what GET would have sent stays visible");
    assert!(read(response).await.unwrap().2.is_empty());
    assert_eq!(exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap(), (200, "0".into()));
}

#[tokio::test]
async fn t058_bytes_that_come_while_idle_close_the_connection() {
    let (go, gone) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let late = write("HTTP/1.1 200 OK\nContent-Length: 4\n\nevil");
    let first = vec![Step::Read, ok("1"), Step::Wait(Arc::clone(&go)), late, Step::Tell(Arc::clone(&gone)), Step::Hold];
    let origin = Origin::script(vec![first, answering(1)]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
    go.notify_one();
    gone.notified().await;
    let answer = exchange(&upstreams, &permit, with_content(Method::POST, "x")).await.unwrap();
    assert_eq!(answer, (200, "0".into()));
}

#[tokio::test]
async fn content_dropped_before_its_end_closes_the_connection() {
    let first = vec![Step::Read, write("HTTP/1.1 200 OK\nContent-Length: 100000\n\nsome"), Step::Hold];
    let origin = Origin::script(vec![first, answering(1)]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    drop(upstreams.send(&permit, Destination::Forward, bare(Method::GET)).await.unwrap());
    origin.is_left().await;
    assert_eq!(exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap(), (200, "0".into()));
}

#[tokio::test]
async fn a_request_given_up_before_its_response_closes_the_connection() {
    let read = Arc::new(Notify::new());
    let origin = Origin::script(vec![vec![Step::Read, Step::Tell(Arc::clone(&read)), Step::Hold]]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    tokio::select! {
        _ = upstreams.send(&permit, Destination::Forward, bare(Method::GET)) => panic!("there was no response"),
        () = read.notified() => {}
    }
    origin.is_left().await;
}

#[tokio::test]
async fn a_connection_is_not_reused_while_request_content_is_owed() {
    // The origin answers before it has the content, which the client never finishes.
    let first = vec![write("HTTP/1.1 413 Content Too Large\nContent-Length: 2\n\nno"), Step::Hold];
    let origin = Origin::script(vec![first, answering(1)]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    let (content, _client) = endless_content().await;
    let request = Outbound { method: Method::POST, fields: FieldSection::default(), body: content, interim: None, pins: None };
    let answer = exchange(&upstreams, &permit, request).await;
    // Depending on who is first, the early answer is taken or refused as an answer to nothing.
    assert!(matches!(answer, Ok((413, _)) | Err(Error::Upstream(UpstreamError::Protocol(_)))), "{answer:?}");
    origin.is_left().await;
    assert_eq!(exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap(), (200, "0".into()));
}

/// Request content that begins and never ends, as hyper's server delivers it.
pub(super) async fn endless_content() -> (Body, tokio::io::DuplexStream) {
    use hyper::service::service_fn;
    use tokio::io::AsyncWriteExt;
    let (mut client, server) = tokio::io::duplex(1024);
    let (give, take) = tokio::sync::oneshot::channel();
    let give = Arc::new(parking_lot::Mutex::new(Some(give)));
    tokio::spawn(async move {
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let give = give.lock().take().unwrap();
            async move {
                assert!(give.send(request.into_body()).is_ok());
                std::future::pending::<Result<http::Response<String>, std::convert::Infallible>>().await
            }
        });
        drop(hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(server), service).await);
    });
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await.unwrap();
    (Body::Request(take.await.unwrap()), client)
}

#[tokio::test]
async fn t037_connections_that_authenticate_are_not_shared() {
    for scheme in ["Negotiate abc", "NTLM TlRM"] {
        let origin = Origin::script(vec![answering(2), answering(1)]).await;
        let upstreams = upstreams(&settings(), &[]);
        let permit = permit(origin.address, "/");
        exchange(&upstreams, &permit, with_field(bare(Method::GET), "authorization", scheme)).await.unwrap();
        exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
        assert_eq!(origin.connections(), 2, "{scheme}");
    }
    let challenge = write("HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Negotiate\nContent-Length: 0\n\n");
    let origin = Origin::script(vec![vec![Step::Read, challenge, Step::Hold], answering(1)]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
    exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap();
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_the_origin_ends_is_not_used_again() {
    for head in ["HTTP/1.1 200 OK\nConnection: close\nContent-Length: 1", "HTTP/1.0 200 OK\nContent-Length: 1", "HTTP/1.1 200 OK"]
    {
        let origin = Origin::script(vec![vec![Step::Read, write(&format!("{head}\n\n1"))], answering(1)]).await;
        let upstreams = upstreams(&settings(), &[]);
        let permit = permit(origin.address, "/");
        assert_eq!(exchange(&upstreams, &permit, with_content(Method::POST, "x")).await.unwrap(), (200, "1".into()));
        assert_eq!(exchange(&upstreams, &permit, with_content(Method::POST, "x")).await.unwrap(), (200, "0".into()));
        assert_eq!((origin.connections(), origin.requests().len()), (2, 2));
    }
}

#[tokio::test]
async fn servers_take_turns_and_a_dead_one_is_passed_over() {
    let first = Origin::script(vec![answering(9)]).await;
    let second = Origin::script(vec![answering(9)]).await;
    let closed = failures::ClosedPort::new();
    let mut settings = settings();
    settings.upstreams.push(group(&[closed.address(), first.address, second.address]));
    let upstreams = upstreams(&settings, &[]);
    let permit = permit(first.address, "/");
    for _ in 0..6 {
        // POST as well: nothing was sent to the dead server.
        let response = upstreams.send(&permit, Destination::Upstream(0), with_content(Method::POST, "x")).await.unwrap();
        read(response).await.unwrap();
    }
    assert_eq!((first.connections(), second.connections()), (1, 1));
    assert_eq!(first.requests().len() + second.requests().len(), 6);
    assert!(first.requests().len() >= 2 && second.requests().len() >= 2);
}

#[tokio::test]
async fn the_last_server_is_always_tried() {
    let closed = failures::ClosedPort::new();
    let address = closed.address();
    let mut settings = settings();
    settings.upstreams.push(group(&[address]));
    let upstreams = upstreams(&settings, &[]);
    let permit = permit(address, "/");
    for _ in 0..2 {
        let answer = upstreams.send(&permit, Destination::Upstream(0), bare(Method::GET)).await;
        assert!(matches!(answer.err().unwrap(), Error::Upstream(UpstreamError::Refused)));
    }
    // It is marked, and asked all the same.
    let listener = closed.open();
    let answer = async { upstreams.send(&permit, Destination::Upstream(0), bare(Method::GET)).await };
    let serve = async {
        use tokio::io::AsyncWriteExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        origin::read_request(&mut stream).await.unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (answer, ()) = tokio::join!(answer, serve);
    assert_eq!(answer.unwrap().status(), 204);
}
