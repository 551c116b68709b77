//! What is written, and where a response ends.

use http::Method;

use super::origin::{Origin, Step, ok, write};
use super::*;
use crate::error::UpstreamError;

async fn request_seen(path: &str, request: Outbound) -> String {
    let origin = Origin::script(vec![vec![Step::Read, ok("1"), Step::Hold]]).await;
    let upstreams = upstreams(&settings(), &[]);
    let _ = exchange(&upstreams, &permit(origin.address, path), request).await.unwrap();
    let text = origin.requests().pop().unwrap();
    text.replace(&origin.address.to_string(), "ORIGIN")
}

#[tokio::test]
async fn x004_path_and_query_leave_as_they_came() {
    for path in ["/", "/a%2Fb/../c?x=%41&&y", "/?", "//double//", "/a?b?c", "/%zz"] {
        let text = request_seen(path, bare(Method::GET)).await;
        assert_eq!(text, format!("GET {path} HTTP/1.1\r\nhost: ORIGIN\r\n\r\n"));
    }
    assert_eq!(request_seen("*", bare(Method::OPTIONS)).await, "OPTIONS * HTTP/1.1\r\nhost: ORIGIN\r\n\r\n");
}

#[tokio::test]
async fn x012_host_is_made_from_the_target_and_stands_first() {
    let request = with_field(with_field(bare(Method::GET), "accept", "*/*"), "host", "other.example");
    let text = request_seen("/", with_field(request, "x-last", "1")).await;
    assert_eq!(text, "GET / HTTP/1.1\r\nhost: ORIGIN\r\naccept: */*\r\nx-last: 1\r\n\r\n");
}

#[tokio::test]
async fn x012_in_gateway_mode_host_names_the_target_and_not_the_server() {
    let origin = Origin::script(vec![vec![Step::Read, ok("1"), Step::Hold]]).await;
    let mut settings = settings();
    settings.upstreams.push(group(&[origin.address]));
    let upstreams = upstreams(&settings, &[]);
    let permit = permit_for(Scheme::Http, Host::Name("www.example".into()), 80, "/x");
    read(upstreams.send(&permit, Destination::Upstream(0), bare(Method::GET)).await.unwrap()).await.unwrap();
    assert_eq!(origin.requests(), ["GET /x HTTP/1.1\r\nhost: www.example\r\n\r\n"]);
}

#[tokio::test]
async fn request_framing_is_ours_alone() {
    let lied = |request| with_field(with_field(request, "content-length", "7"), "transfer-encoding", "chunked");
    let text = request_seen("/", lied(bare(Method::GET))).await;
    assert_eq!(text, "GET / HTTP/1.1\r\nhost: ORIGIN\r\n\r\n");
    let text = request_seen("/", lied(bare(Method::POST))).await;
    assert_eq!(text, "POST / HTTP/1.1\r\nhost: ORIGIN\r\ncontent-length: 0\r\n\r\n");
    let text = request_seen("/", lied(with_content(Method::PUT, "abc"))).await;
    assert_eq!(text, "PUT / HTTP/1.1\r\nhost: ORIGIN\r\ncontent-length: 3\r\n\r\nabc");
    let text = request_seen("/", with_content(Method::GET, "abc")).await;
    assert_eq!(text, "GET / HTTP/1.1\r\nhost: ORIGIN\r\ncontent-length: 3\r\n\r\nabc");
    let text = request_seen("/", bare(Method::DELETE)).await;
    assert_eq!(text, "DELETE / HTTP/1.1\r\nhost: ORIGIN\r\n\r\n");
}

#[tokio::test]
async fn content_of_unknown_length_is_chunked_with_every_method() {
    for method in [Method::GET, Method::POST] {
        let (body, mut client) = pooling::endless_content().await;
        tokio::io::AsyncWriteExt::write_all(&mut client, b"0\r\n\r\n").await.unwrap();
        let request = Outbound { method: method.clone(), fields: FieldSection::default(), body, interim: None, pins: None };
        let text = request_seen("/", request).await;
        assert!(
            text.contains("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n") && text.ends_with("\r\n0\r\n\r\n"),
            "{method} {text}"
        );
    }
}

/// One exchange with an origin that answers this and closes.
async fn answer(text: &str) -> Result<Result<(u16, HeaderMap, Bytes), BodyError>, Error> {
    let origin = Origin::script(vec![vec![Step::Read, write(text)]]).await;
    let upstreams = upstreams(&settings(), &[]);
    let response = upstreams.send(&permit(origin.address, "/"), Destination::Forward, bare(Method::GET)).await?;
    Ok(read(response).await)
}

#[tokio::test]
async fn x016_a_truncated_content_is_an_error_and_never_an_end() {
    let truncated = [
        "HTTP/1.1 200 OK\nContent-Length: 10\n\nshort",
        "HTTP/1.1 200 OK\nContent-Length: 10\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nshort\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nsho",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nshort\n0\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\nshort\n0\n\n",
    ];
    for text in truncated {
        let read = answer(text).await.unwrap();
        assert!(read.is_err(), "{text:?} passed for complete: {read:?}");
    }
}

#[tokio::test]
async fn x016_complete_contents_end_without_an_error() {
    let complete = [
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\n\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: 5, 5\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nwhole\n0\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2;x=y\nwh\n3\nole\n0\nX-Trailer: 1\n\n",
        "HTTP/1.1 200 OK\n\nwhole",
        "HTTP/1.0 200 OK\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: identity\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: x-fold\nTransfer-Encoding: x-cut, x-spin\n\nwhole",
        "HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 200 OK\nContent-Length: 5\n\nwhole",
    ];
    for text in complete {
        let (status, fields, content) = answer(text).await.unwrap().unwrap();
        assert_eq!((status, &content[..]), (200, &b"whole"[..]), "{text:?}");
        let lengths: Vec<_> = fields.get_all("content-length").iter().collect();
        assert!(lengths.is_empty() || lengths == ["5"], "{text:?}");
        assert!(!fields.contains_key("transfer-encoding") || text.contains("chunked"), "{text:?}");
    }
}

#[tokio::test]
async fn a_304_keeps_its_length_and_a_204_has_none() {
    let (status, fields, content) = answer("HTTP/1.1 304 Not Modified\nContent-Length: 100\n\n").await.unwrap().unwrap();
    assert_eq!((status, fields["content-length"].as_bytes(), content.len()), (304, &b"100"[..], 0));
    let (status, fields, content) = answer("HTTP/1.1 204 No Content\nContent-Length: 100\n\n").await.unwrap().unwrap();
    assert_eq!((status, fields.len(), content.len()), (204, 0, 0));
}

#[tokio::test]
async fn x015_ambiguous_response_framing_is_refused() {
    let ambiguous = [
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nContent-Length: 5\n\n5\nwhole\n0\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n5\nwhole\n0\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n5\nwhole\n0\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: x-fold, chunked\n\n5\nwhole\n0\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked, x-fold\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked;x=y\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: \"chunked\"\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: X-GZip\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: x-fold, deflate\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: x fold\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding:\n\nwhole",
        "HTTP/1.1 200 OK\nTransfer-Encoding: x-fold\nContent-Length: 5\n\nwhole",
        "HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n5\nwhole\n0\n\n",
        "HTTP/1.0 200 OK\nTransfer-Encoding: x-fold\n\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 6\n\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: 5, 6\n\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: +5\n\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: 0x5\n\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: -1\n\nwhole",
        "HTTP/1.1 200 OK\nContent-Length: 99999999999999999999\n\nwhole",
        "HTTP/1.1 304 Not Modified\nContent-Length: 5, 6\n\n",
        "HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: x\n\n",
    ];
    for text in ambiguous {
        let refused = answer(text).await;
        assert!(
            matches!(refused, Err(Error::Upstream(UpstreamError::Framing(_) | UpstreamError::Protocol(_)))),
            "{text:?}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn x015_a_connection_with_an_unknown_coding_is_not_used_again() {
    let head = "HTTP/1.1 200 OK\nTransfer-Encoding: x-fold\n\n";
    let origin = Origin::script(vec![vec![Step::Read, write(head), Step::Hold], vec![Step::Read, ok("2"), Step::Hold]]).await;
    let upstreams = upstreams(&settings(), &[]);
    let permit = permit(origin.address, "/");
    for content in ["", "2"] {
        let method = if content.is_empty() { Method::HEAD } else { Method::GET };
        let response = upstreams.send(&permit, Destination::Forward, bare(method)).await.unwrap();
        assert!(!response.headers().contains_key("transfer-encoding"));
        assert_eq!(read(response).await.unwrap().2, content);
    }
    assert_eq!((origin.requests().len(), origin.connections()), (2, 2));
}

#[tokio::test]
async fn x013_x014_white_space_before_the_colon_and_folded_lines_are_mended() {
    let (_, fields, content) =
        answer("HTTP/1.1 200 OK\nX-Space : a\nX-Fold: b\n  c\nContent-Length: 1\n\nx").await.unwrap().unwrap();
    assert_eq!(fields["x-space"], "a");
    assert_eq!(fields["x-fold"], "b c");
    assert_eq!(content, "x");
}
