use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::cache::store::Memory;
use crate::clock::Clock;
use crate::keyed::Keyed;
use crate::server::sample;

fn operator() -> Operator {
    let memory = Arc::new(Memory::new(1 << 20, Arc::new(Metrics::new(&sample::settings()))));
    Operator::new(memory, Keyed::random().unwrap(), Clock::system(), Arc::default())
}

fn office(token: Option<&str>) -> Arc<Office<impl Fn() -> bool + Send + Sync + 'static>> {
    ready_or_not(token, true)
}

fn ready_or_not(token: Option<&str>, is_ready: bool) -> Arc<Office<impl Fn() -> bool + Send + Sync + 'static>> {
    let metrics = Arc::new(Metrics::new(&sample::settings()));
    let gate = Gate::new(token.map(|token| Zeroizing::new(token.to_owned())));
    Arc::new(Office { desk: Desk { metrics, gate }, ready: move || is_ready, operator: Arc::new(operator()) })
}

/// The answer to a request with these field lines and this content.
async fn ask<R>(
    office: &Arc<Office<R>>,
    method: Method,
    path: &str,
    lines: &[(&str, &str)],
    content: &str,
) -> Response<Full<Bytes>>
where
    R: Fn() -> bool + Send + Sync + 'static,
{
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    let client = SocketAddr::from(([127, 0, 0, 1], 1));
    Arc::clone(office).answer(request.body(Full::new(Bytes::from(content.to_owned()))).unwrap(), client).await
}

async fn text_of(response: Response<Full<Bytes>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn what_exists_is_served_and_what_does_not_says_what_does() {
    let office = office(None);
    let cases = [
        (Method::GET, "/metrics", 200),
        (Method::HEAD, "/metrics", 200),
        (Method::GET, "/healthz", 200),
        (Method::GET, "/readyz", 200),
        (Method::GET, "/", 200),
        (Method::GET, "/status", 503),
        (Method::GET, "/explain", 400),
        (Method::GET, "/explain?url=x", 400),
        (Method::GET, "/nothing", 404),
        (Method::POST, "/", 405),
        (Method::GET, "/purge", 405),
        (Method::PUT, "/purge", 405),
        (Method::OPTIONS, "/purge", 405),
        (Method::POST, "/metrics", 405),
        (Method::DELETE, "/healthz", 405),
    ];
    for (method, path, status) in cases {
        assert_eq!(ask(&office, method.clone(), path, &[], "").await.status(), status, "{method} {path}");
    }
    assert_eq!(ask(&office, Method::PUT, "/readyz", &[], "").await.headers()["allow"], "GET, HEAD");
    assert_eq!(ask(&office, Method::GET, "/purge", &[], "").await.headers()["allow"], "POST");
    let metrics = ask(&office, Method::GET, "/metrics", &[], "").await;
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert!(text_of(ask(&office, Method::GET, "/x", &[], "").await).await.contains("/purge"));
}

/// Every place is in the document, with its methods, and the other way round.
#[tokio::test]
async fn the_document_for_programs_says_what_there_is() {
    let document: serde_json::Value =
        serde_json::from_str(&text_of(ask(&office(None), Method::GET, "/openapi.json", &[], "").await).await).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let mut described: Vec<_> = paths.keys().map(String::as_str).collect();
    let mut places = ROUTES.map(|(place, _)| place);
    described.sort_unstable();
    places.sort_unstable();
    assert_eq!(described, places);
    for (place, allowed) in ROUTES {
        let methods: Vec<_> = paths[place].as_object().unwrap().keys().map(|method| method.to_ascii_uppercase()).collect();
        assert_eq!(methods, [allowed.split(',').next().unwrap()], "{place}");
        assert_eq!(Action::at(place).is_some(), allowed == CHANGE, "{place}");
    }
    // What an order may have is what is read.
    for (place, least) in
        [("/purge", r#"{"all": true}"#), ("/entries", r#"{"prefix": "http://a"}"#), ("/revoke", r#"{"principal": "a"}"#)]
    {
        let schema = &paths[place]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"];
        for key in schema.as_object().unwrap().keys().filter(|key| !least.contains(key.as_str())) {
            let content = least.replace('}', &format!(", \"{key}\": []}}"));
            let answer =
                text_of(ask(&office(Some("t")), Method::POST, place, &[("authorization", "Bearer t")], &content).await).await;
            assert!(answer.contains("invalid type"), "{place} {key}: {answer}");
        }
    }
}

#[tokio::test]
async fn what_this_process_cannot_do_is_a_conflict_and_what_is_unclear_a_mistake() {
    let office = office(Some("t"));
    for (place, content, status, start) in [
        ("/reload", "", 409, "this process cannot be reloaded"),
        ("/log", r#"{"level": "debug"}"#, 409, "the log of this process was set up elsewhere"),
        ("/log", r#"{"level": "loud"}"#, 400, "level: expected error, warn, info, debug or trace"),
        ("/log", "{}", 400, "expected a JSON object with level"),
        ("/revoke", r#"{"principal": ""}"#, 400, "principal: expected a name"),
        ("/revoke", "[]", 400, "expected a JSON object with principal"),
        ("/entries", r#"{"prefix": "/x"}"#, 400, "prefix: expected a URI"),
        ("/entries", r#"{"prefix": "http://a.example", "limit": 0}"#, 400, "limit: expected a number from 1 to 10000"),
        ("/entries", r#"{"prefix": "http://a.example", "limit": 10001}"#, 400, "limit: expected a number from 1 to 10000"),
        ("/entries", r#"{"limit": 1}"#, 400, "expected a JSON object with prefix"),
        ("/entries", r#"{"prefix": "http://a.example"}"#, 200, r#"{"entries":[],"more":false}"#),
        ("/revoke", r#"{"principal": "alice"}"#, 200, r#"{"revoked":true}"#),
    ] {
        let answer = ask(&office, Method::POST, place, &[("authorization", "Bearer t")], content).await;
        assert_eq!(answer.status(), status, "{place} {content}");
        let text = text_of(answer).await;
        assert!(text.starts_with(start), "{place} {content}: {text}");
    }
}

#[tokio::test]
async fn not_ready_is_503() {
    assert_eq!(ask(&ready_or_not(None, false), Method::GET, "/readyz", &[], "").await.status(), 503);
}

#[tokio::test]
async fn a_token_guards_everything_but_healthz() {
    let office = office(Some("s3cret"));
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
        let lines: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
        assert_eq!(ask(&office, Method::GET, path, &lines, "").await.status(), status, "{path} {authorization:?}");
    }
    assert_eq!(ask(&office, Method::GET, "/metrics", &[], "").await.headers()["www-authenticate"], "Bearer");
    let all = r#"{"all": true}"#;
    assert_eq!(ask(&office, Method::POST, "/purge", &[("host", "localhost"), JSON_LINE], all).await.status(), 401);
    assert_eq!(ask(&office, Method::POST, "/purge", &[("authorization", "Bearer s3cret")], all).await.status(), 200);
}

const JSON_LINE: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn without_a_token_a_change_is_for_this_machine_alone() {
    let office = office(None);
    let all = r#"{"all": true}"#;
    for (lines, status) in [
        (&[("host", "localhost:9128"), JSON_LINE][..], 200),
        (&[("host", "localhost:9128")], 415),
        (&[("host", "localhost:9128"), ("content-type", "text/plain")], 415),
        (&[("host", "rebound.example"), JSON_LINE], 403),
        (&[JSON_LINE], 403),
    ] {
        assert_eq!(ask(&office, Method::POST, "/purge", lines, all).await.status(), status, "{lines:?}");
    }
}

#[tokio::test]
async fn an_order_is_answered_with_what_was_done_or_what_is_wrong() {
    let office = office(Some("t"));
    let post = async |content: &str| {
        let response = ask(&office, Method::POST, "/purge", &[("authorization", "Bearer t")], content).await;
        (response.status().as_u16(), text_of(response).await)
    };
    let done = |text: &str| (200, text.to_owned());
    assert_eq!(post(r#"{"all": true}"#).await, done(r#"{"what":"all","soft":false,"dry_run":false,"count":null}"#));
    assert_eq!(
        post(r#"{"tag": "a", "soft": true, "dry_run": true}"#).await,
        done(r#"{"what":"tag","soft":true,"dry_run":true,"count":0}"#)
    );
    assert_eq!(post(r#"{"url": "http://a.example/"}"#).await, done(r#"{"what":"url","soft":false,"dry_run":false,"count":0}"#));
    assert_eq!(post(r#"{"all": false}"#).await, (400, "all: expected true, found false\n".to_owned()));
    let (status, text) = post(&"x".repeat(70_000)).await;
    assert_eq!((status, text.as_str()), (413, "expected at most 64 KiB of JSON\n"));
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
    let serving = tokio::spawn(admin.serve(|| true, operator()).unwrap());
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("vouchsafe_build_info{"), "{answer}");
    serving.abort();
}
