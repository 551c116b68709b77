use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::server::sample;

fn desk(token: Option<&str>) -> Desk {
    let metrics = Arc::new(Metrics::new(&sample::settings()));
    Desk { metrics, token: token.map(|token| Zeroizing::new(token.to_owned())) }
}

fn ask(desk: &Desk, method: Method, path: &str, authorization: &[&str]) -> Response<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for line in authorization {
        request = request.header("authorization", *line);
    }
    desk.answer(&request.body(()).unwrap(), &|| true)
}

#[test]
fn what_exists_is_served_and_what_does_not_says_what_does() {
    let desk = desk(None);
    let cases = [
        (Method::GET, "/metrics", 200),
        (Method::HEAD, "/metrics", 200),
        (Method::GET, "/healthz", 200),
        (Method::GET, "/readyz", 200),
        (Method::GET, "/", 404),
        (Method::POST, "/purge", 404),
        (Method::POST, "/metrics", 405),
        (Method::DELETE, "/healthz", 405),
    ];
    for (method, path, status) in cases {
        assert_eq!(ask(&desk, method.clone(), path, &[]).status(), status, "{method} {path}");
    }
    assert_eq!(ask(&desk, Method::PUT, "/readyz", &[]).headers()["allow"], "GET, HEAD");
    assert_eq!(ask(&desk, Method::GET, "/metrics", &[]).headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
}

#[tokio::test]
async fn not_found_lists_the_places() {
    let content = ask(&desk(None), Method::GET, "/x", &[]).into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&content).unwrap().contains("/metrics"));
}

#[test]
fn not_ready_is_503() {
    let request = Request::builder().uri("/readyz").body(()).unwrap();
    assert_eq!(desk(None).answer(&request, &|| false).status(), 503);
}

#[test]
fn a_token_guards_everything_but_healthz() {
    let desk = desk(Some("s3cret"));
    let cases: [(&str, &[&str], u16); 11] = [
        ("/healthz", &[], 200),
        ("/metrics", &[], 401),
        ("/readyz", &[], 401),
        ("/nowhere", &[], 401),
        ("/metrics", &["Bearer s3cret"], 200),
        ("/metrics", &["bearer  s3cret"], 200),
        ("/metrics", &["Bearer s3cre"], 401),
        ("/metrics", &["Bearer s3crets"], 401),
        ("/metrics", &["Basic s3cret"], 401),
        ("/metrics", &["Bearer"], 401),
        ("/metrics", &["Bearer s3cret", "Bearer s3cret"], 401),
    ];
    for (path, authorization, status) in cases {
        assert_eq!(ask(&desk, Method::GET, path, authorization).status(), status, "{path} {authorization:?}");
    }
    assert_eq!(ask(&desk, Method::GET, "/metrics", &[]).headers()["www-authenticate"], "Bearer");
}

#[test]
fn a_token_file_is_read_or_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("admin.token");
    assert!(read_token(&file).unwrap_err().to_string().contains("admin.token: expected a readable file"));
    std::fs::write(&file, " \n").unwrap();
    let message = read_token(&file).unwrap_err().to_string();
    assert!(message.ends_with("expected the admin token in the first line, found none; check admin.token_file"), "{message}");
    std::fs::write(&file, "s3cret \r\nsecond line\n").unwrap();
    assert_eq!(read_token(&file).unwrap().as_str(), "s3cret");
}

#[tokio::test]
async fn it_answers_on_a_socket() {
    let settings = settings::Admin { address: sample::free_port(), token_file: None };
    let admin = Admin::bind(&settings, Arc::new(Metrics::new(&sample::settings()))).unwrap();
    let address = admin.address();
    let serving = tokio::spawn(admin.serve(|| true).unwrap());
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("vouchsafe_build_info{"), "{answer}");
    serving.abort();
}
