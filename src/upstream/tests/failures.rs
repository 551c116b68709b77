//! Origins that are not there, are silent, or talk nonsense: the right error, and soon.

use std::sync::Arc;

use http::Method;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;

use super::origin::{Origin, Step, write};
use super::*;
use crate::error::{Denied, UpstreamError};

/// A loopback port on which nobody listens, and which nobody else is given.
pub(super) struct ClosedPort(TcpSocket);

impl ClosedPort {
    pub(super) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Somebody listens from now on.
    pub(super) fn open(self) -> TcpListener {
        self.0.listen(16).unwrap()
    }
}

async fn failure(scripts: Vec<Vec<Step>>) -> UpstreamError {
    failure_within(settings().limits.first_byte_time, scripts).await
}

async fn failure_within(first_byte_time: Duration, scripts: Vec<Vec<Step>>) -> UpstreamError {
    let origin = Origin::script(scripts).await;
    let mut settings = settings();
    settings.limits.first_byte_time = first_byte_time;
    let upstreams = upstreams(&settings, &[]);
    match upstreams.send(&permit(origin.address, "/"), Destination::Forward, bare(Method::GET)).await {
        Err(Error::Upstream(error)) => error,
        Err(error) => panic!("{error:?}"),
        Ok(response) => panic!("{:?}", response.status()),
    }
}

#[tokio::test]
async fn nobody_listens() {
    let (upstreams, closed) = (upstreams(&settings(), &[]), ClosedPort::new());
    let answer = exchange(&upstreams, &permit(closed.address(), "/"), bare(Method::GET)).await;
    assert!(matches!(answer, Err(Error::Upstream(UpstreamError::Refused))), "{answer:?}");
}

#[tokio::test]
async fn the_name_does_not_resolve() {
    let upstreams = upstreams_resolving(&settings(), Vec::new());
    let permit = permit_for(Scheme::Http, Host::Name("none.example".into()), 80, "/");
    let answer = exchange(&upstreams, &permit, bare(Method::GET)).await;
    assert!(matches!(answer, Err(Error::Upstream(UpstreamError::Dns))), "{answer:?}");
}

#[tokio::test]
async fn garbage_is_no_response() {
    let garbage = [
        "SSH-2.0-OpenSSH_9.2\n",
        "220 mail ready\n",
        "<html>hello</html>\n\n",
        "HTTP/2 200\n\n",
        "HTTP/1.1 banana OK\n\n",
        "HTTP/1.1 200 OK\nno colon\n\n",
        "HTTP/1.1 200 OK\nA: \u{1}\n\n",
        "\u{0}\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}\u{7}",
    ];
    for text in garbage {
        for script in [vec![Step::Read, write(text), Step::Hold], vec![write(text), Step::Hold]] {
            let error = failure(vec![script]).await;
            assert!(matches!(error, UpstreamError::Protocol(_)), "{text:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_head_beyond_the_limits_is_refused() {
    let long = format!("HTTP/1.1 200 OK\nA: {}\n\n", "a".repeat(40_000));
    let many = format!("HTTP/1.1 200 OK\n{}\n", "A: a\n".repeat(101));
    for text in [long, many] {
        let error = failure(vec![vec![Step::Read, write(&text), Step::Hold]]).await;
        assert!(matches!(error, UpstreamError::Protocol(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_without_a_head_is_closed() {
    for script in [vec![Step::Read], vec![], vec![Step::Read, write("HTTP/1.1 200 OK\nA: b\n")]] {
        let error = failure(vec![script]).await;
        assert!(matches!(error, UpstreamError::Closed), "{error:?}");
    }
}

#[tokio::test]
async fn a_silent_origin_is_given_up() {
    for script in [vec![Step::Read, Step::Hold], vec![Step::Read, write("HTTP/1.1 200 OK\nA"), Step::Hold]] {
        let error = failure_within(Duration::from_millis(200), vec![script]).await;
        assert!(matches!(error, UpstreamError::FirstByteTimeout), "{error:?}");
    }
}

#[tokio::test]
async fn an_origin_that_stops_in_its_content_is_given_up_and_closed() {
    let origin = Origin::script(vec![vec![Step::Read, write("HTTP/1.1 200 OK\nContent-Length: 9\n\nsome"), Step::Hold]]).await;
    let mut settings = settings();
    // The head has to come within it, however busy the machine is.
    settings.limits.first_byte_time = Duration::from_secs(1);
    let upstreams = upstreams(&settings, &[]);
    let response = upstreams.send(&permit(origin.address, "/"), Destination::Forward, bare(Method::GET)).await.unwrap();
    let error = read(response).await.unwrap_err();
    assert!(error.to_string().contains("nothing more"), "{error}");
    origin.is_left().await;
}

#[tokio::test]
async fn t059_a_request_content_that_breaks_off_is_the_clients_fault_and_never_ends_cleanly() {
    let begun = Arc::new(Notify::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let told = Arc::clone(&begun);
    let seen = tokio::spawn(async move {
        use tokio::io::AsyncReadExt;
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut text = Vec::new();
        loop {
            let mut piece = [0; 512];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return String::from_utf8(text).unwrap(),
                Ok(count) => text.extend_from_slice(&piece[..count]),
            }
            if text.ends_with(b"abc\r\n") {
                told.notify_one();
            }
        }
    });
    let upstreams = upstreams(&settings(), &[]);
    let (body, client) = pooling::endless_content().await;
    let request = Outbound { method: Method::POST, fields: FieldSection::default(), body, interim: None, pins: None };
    let permit = permit(address, "/");
    let hang_up = async {
        begun.notified().await;
        drop(client);
    };
    let (answer, ()) = tokio::join!(upstreams.send(&permit, Destination::Forward, request), hang_up);
    assert!(matches!(answer.err().unwrap(), Error::Upstream(UpstreamError::RequestBody)));
    let seen = seen.await.unwrap();
    assert!(seen.ends_with("3\r\nabc\r\n"), "{seen}: no last chunk");
}

#[tokio::test]
async fn a_client_that_stalls_in_its_content_is_told_so() {
    let origin = Origin::script(vec![vec![Step::Hold]]).await;
    let mut settings = settings();
    settings.limits.first_byte_time = Duration::from_millis(80);
    let upstreams = upstreams(&settings, &[]);
    let (body, _client) = pooling::endless_content().await;
    let request = Outbound { method: Method::POST, fields: FieldSection::default(), body, interim: None, pins: None };
    let answer = upstreams.send(&permit(origin.address, "/"), Destination::Forward, request).await;
    assert!(matches!(answer.err().unwrap(), Error::Upstream(UpstreamError::RequestBody)));
    origin.is_left().await;
}

#[tokio::test]
async fn the_next_address_is_tried_and_a_name_is_resolved_once_for_a_connection() {
    let origin = Origin::script(vec![vec![
        Step::Read,
        write("HTTP/1.1 204 No Content\n\n"),
        Step::Read,
        write("HTTP/1.1 204 No Content\n\n"),
    ]])
    .await;
    let closed = ClosedPort::new();
    let upstreams = upstreams_resolving(&settings(), vec![vec![closed.address(), origin.address]]);
    let permit = permit_for(Scheme::Http, Host::Name("two.example".into()), 80, "/");
    for _ in 0..2 {
        // A second question would find no answer.
        assert_eq!(exchange(&upstreams, &permit, bare(Method::GET)).await.unwrap().0, 204);
    }
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn an_unknown_upstream_is_our_fault() {
    let (upstreams, closed) = (upstreams(&settings(), &[]), ClosedPort::new());
    let answer = upstreams.send(&permit(closed.address(), "/"), Destination::Upstream(7), bare(Method::GET)).await;
    assert!(matches!(answer.err().unwrap(), Error::Internal(_)));
}

#[tokio::test]
async fn d026_prohibited_addresses_are_refused_for_requests_and_tunnels() {
    let origin = Origin::script(Vec::new()).await;
    let mut strict = settings();
    strict.forward.allow_networks.clear();
    strict.upstreams.push(group(&[origin.address]));
    let own = upstreams(&strict, &[origin.address]);
    let rebound = upstreams_resolving(&strict, vec![vec!["192.0.2.1:80".parse().unwrap(), origin.address]]);
    let literal = permit(origin.address, "/");
    let name = permit_for(Scheme::Http, Host::Name("rebound.example".into()), 80, "/");
    let answers = [
        own.send(&literal, Destination::Forward, bare(Method::GET)).await.err().unwrap(),
        own.send(&literal, Destination::Upstream(0), bare(Method::GET)).await.err().unwrap(),
        own.open_tunnel(&literal).await.err().unwrap(),
        rebound.send(&name, Destination::Forward, bare(Method::GET)).await.err().unwrap(),
    ];
    for answer in answers {
        assert!(matches!(answer, Error::Denied(Denied::Destination(_))), "{answer:?}");
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn a_tunnel_is_opened_to_a_permitted_destination() {
    let origin = Origin::script(vec![vec![Step::Hold]]).await;
    let upstreams = upstreams(&settings(), &[]);
    let stream = upstreams.open_tunnel(&permit(origin.address, "")).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), origin.address);
    drop(stream);
    origin.is_left().await;
    let closed = ClosedPort::new();
    let refused = upstreams.open_tunnel(&permit(closed.address(), "")).await;
    assert!(matches!(refused.err().unwrap(), Error::Upstream(UpstreamError::Refused)));
}
