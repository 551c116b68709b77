//! Clients that people really use, each where it is installed; where it is not, a line says so.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::digest::Challenge;
use support::{Gateway, Origin, SeenRequest, reply, test_clock};
use vouchsafe::clock::Clock;

/// Whether a program answers to this; if not, says so.
fn is_installed(program: &str, arguments: &[&str]) -> bool {
    let found = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("not run: {program} {} is not installed", arguments.join(" "));
    }
    found
}

/// Runs a client without the machine's proxies and configuration; the gateway goes on in this process meanwhile.
async fn run(directory: &Path, program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", directory);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C.UTF-8");
    for name in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{name}_NAME"), "A").env(format!("GIT_{name}_EMAIL"), "a@example.com");
    }
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("no panic").expect("the client starts")
}

/// curl, quietly, with its answer's status at the end.
async fn curl(gateway: &Gateway, arguments: &[&str]) -> String {
    let own = ["-q", "-sS", "--max-time", "60", "-w", " %{http_code}"];
    let arguments: Vec<&str> = own.into_iter().chain(arguments.iter().copied()).collect();
    let output = run(gateway.directory(), "curl", &arguments).await;
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn proxy(gateway: &Gateway) -> String {
    format!("http://{}", gateway.address())
}

async fn forward(clock: &Clock, origin: &Origin, algorithms: &str) -> Gateway {
    Gateway::forward(clock).origin(origin).set("auth.digest", &format!("algorithms = [{algorithms}]")).start().await
}

#[tokio::test]
async fn curl_authenticates_with_basic_digest_and_whatever_is_offered() {
    if !is_installed("curl", &["--version"]) {
        return;
    }
    let clock = test_clock();
    let origin = Origin::serving(|request| reply(200).body(format!("{} {}", request.method, request.text()))).await;
    for algorithms in ["\"SHA-256\"", "\"MD5\"", "\"SHA-256\", \"MD5\""] {
        let gateway = forward(&clock, &origin, algorithms).await;
        let (proxy, url) = (proxy(&gateway), origin.url("/x?q=1"));
        for scheme in ["--proxy-basic", "--proxy-digest", "--proxy-anyauth"] {
            let with = async |user: &str| curl(&gateway, &["-x", &proxy, scheme, "--proxy-user", user, &url]).await;
            assert_eq!(with("alice:alice-secret").await, "GET  200", "{scheme} {algorithms}");
            assert!(with("alice:wrong").await.ends_with(" 407"), "{scheme} {algorithms}");
            let posted = curl(&gateway, &["-x", &proxy, scheme, "--proxy-user", "bob:bob-secret", "-d", "content", &url]).await;
            assert_eq!(posted, "POST content 200", "{scheme} {algorithms}");
        }
        assert!(curl(&gateway, &["-x", &proxy, &url]).await.ends_with(" 407"));
        gateway.metric_is("vouchsafe_auth_total", &[("scheme", "basic"), ("outcome", "ok")], 2.0).await;
        gateway.metric_is("vouchsafe_auth_total", &[("scheme", "digest"), ("outcome", "ok")], 4.0).await;
    }
    assert!(origin.requests().iter().all(|request| request.field("proxy-authorization").is_none()));
}

#[tokio::test]
async fn curl_tunnels_to_a_tls_server() {
    if !is_installed("curl", &["--version"]) {
        return;
    }
    let clock = test_clock();
    let origin = Origin::tls_serving(|_| reply(200).body("through")).await;
    let gateway = forward(&clock, &origin, "\"SHA-256\"").await;
    let (proxy, ca_file) = (proxy(&gateway), origin.ca_file().display().to_string());
    let url = format!("https://localhost:{}/x", origin.address().port());
    for scheme in ["--proxy-basic", "--proxy-digest", "--proxy-anyauth"] {
        let arguments = ["-x", &proxy, scheme, "--proxy-user", "alice:alice-secret", "--cacert", &ca_file, &url];
        assert_eq!(curl(&gateway, &arguments).await, "through 200", "{scheme}");
        let wrong = ["-x", &proxy, scheme, "--proxy-user", "alice:wrong", "--cacert", &ca_file, &url];
        assert!(curl(&gateway, &wrong).await.contains("407"), "{scheme}");
    }
    assert_eq!(origin.count(), 3);
    gateway.metric_is("vouchsafe_tunnels", &[], 0.0).await;
}

/// One process, many addresses, a challenge each and one connection.
#[tokio::test]
async fn t61_curl_fetches_sixty_addresses_with_digest() {
    if !is_installed("curl", &["--version"]) {
        return;
    }
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body(".")).await;
    let gateway = forward(&clock, &origin, "\"SHA-256\"").await;
    let (proxy, urls) = (proxy(&gateway), origin.url("/[1-60]"));
    let answer = curl(&gateway, &["-x", &proxy, "--proxy-digest", "--proxy-user", "alice:alice-secret", &urls]).await;
    assert_eq!(answer.matches(". 200").count(), 60, "{answer}");
    assert_eq!(origin.count(), 60);
}

#[tokio::test]
async fn curl_authenticates_to_an_origin_listener() {
    if !is_installed("curl", &["--version"]) {
        return;
    }
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::reverse(&origin, &clock).auth("origin").start().await;
    let url = format!("{}/x", proxy(&gateway));
    for scheme in ["--basic", "--digest", "--anyauth"] {
        assert_eq!(curl(&gateway, &[scheme, "-u", "alice:alice-secret", &url]).await, "a 200", "{scheme}");
        assert!(curl(&gateway, &[scheme, "-u", "alice:wrong", &url]).await.ends_with(" 401"), "{scheme}");
    }
}

/// A repository served as plain files ("dumb" HTTP) to whoever knows the origin's own password.
fn serve_file(root: &Path, request: &SeenRequest) -> support::Reply {
    if request.field("authorization") != Some(support::client::basic("reader", "origin-secret").as_str()) {
        return reply(401).field("www-authenticate", "Basic realm=\"repositories\"");
    }
    let path = request.target.split('?').next().unwrap_or_default().trim_start_matches('/');
    match std::fs::read(root.join(path)) {
        Ok(content) => reply(200).field("cache-control", "s-maxage=600").field("content-type", "text/plain").body(content),
        Err(_) => reply(404).body("no such file"),
    }
}

async fn git(directory: &Path, arguments: &[&str]) {
    let output = run(directory, "git", arguments).await;
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn git_clones_through_the_proxy_with_credentials_for_both() {
    if !is_installed("git", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let directory = folder.path();
    git(directory, &["init", "-q", "work"]).await;
    std::fs::write(directory.join("work/file.txt"), "content of the repository\n").expect("a writable directory");
    git(directory, &["-C", "work", "add", "file.txt"]).await;
    git(directory, &["-C", "work", "commit", "-q", "-m", "one"]).await;
    git(directory, &["clone", "-q", "--bare", "work", "served.git"]).await;
    git(directory, &["-C", "served.git", "update-server-info"]).await;

    let (clock, root) = (test_clock(), directory.to_owned());
    let origin = Origin::serving(move |request| serve_file(&root, request)).await;
    let gateway = forward(&clock, &origin, "\"SHA-256\"").await;
    let url = format!("http://reader:origin-secret@{}/served.git", origin.address());
    let mut asked = Vec::new();
    for (user, scheme) in [("alice", "basic"), ("bob", "digest"), ("carol", "anyauth")] {
        let proxy = format!("http.proxy=http://{user}:{user}-secret@{}", gateway.address());
        let method = format!("http.proxyAuthMethod={scheme}");
        git(directory, &["-c", &proxy, "-c", &method, "clone", "-q", &url, user]).await;
        let cloned = std::fs::read_to_string(directory.join(user).join("file.txt")).expect("a clone");
        assert_eq!(cloned, "content of the repository\n", "{scheme}");
        asked.push(origin.take().len());
    }
    // What the first clone fetched, the others get from the store; what is not there (404) is asked for again.
    assert!(asked[0] > 4 && asked[1] < asked[0] && asked[2] < asked[0], "{asked:?}");
    let refused = format!("http.proxy=http://alice:wrong@{}", gateway.address());
    let output = run(directory, "git", &["-c", &refused, "clone", "-q", &url, "refused"]).await;
    assert!(!output.status.success() && !directory.join("refused").exists());
}

const REQUESTS: &str = r#"
import sys, requests
from requests.auth import HTTPDigestAuth
proxy, url, gateway = sys.argv[1:4]
session = requests.Session()
session.trust_env = False
session.proxies = {"http": proxy, "https": proxy}
print([session.get(url).text for _ in range(3)])
print(session.post(url, data=b"content").status_code)
print(requests.get(url, proxies={"http": proxy.replace("secret", "wrong")}).status_code)
direct = requests.Session()
direct.trust_env = False
direct.auth = HTTPDigestAuth("alice", "alice-secret")
print([direct.get(gateway + "/x").status_code for _ in range(3)], direct.post(gateway + "/x", data=b"content").text)
"#;

#[tokio::test]
async fn python_requests_uses_the_proxy_and_the_origin_listener() {
    if !is_installed("python3", &["-c", "import requests"]) {
        return;
    }
    let clock = test_clock();
    let origin = Origin::serving(|request| reply(200).body(format!("<{}>", request.text()))).await;
    let (forward, reverse) =
        (Gateway::forward(&clock).origin(&origin).start().await, Gateway::reverse(&origin, &clock).auth("origin").start().await);
    let proxy = format!("http://alice:alice-secret@{}", forward.address());
    let arguments = ["-c", REQUESTS, &proxy, &origin.url("/x"), &format!("http://{}", reverse.address())];
    let output = run(forward.directory(), "python3", &arguments).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text, "['<>', '<>', '<>']\n200\n407\n[200, 200, 200] <content>\n");
    assert!(origin.requests().iter().all(|request| request.field("authorization").is_none()), "consumed here");
}

const URLLIB: &str = r#"
import sys, urllib.request
proxy, url = sys.argv[1:3]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": proxy}))
print(opener.open(url).read().decode())
"#;

#[tokio::test]
async fn pythons_own_client_uses_the_proxy() {
    if !is_installed("python3", &["--version"]) {
        return;
    }
    let clock = test_clock();
    let origin = Origin::serving(|_| reply(200).body("a")).await;
    let gateway = Gateway::forward(&clock).origin(&origin).start().await;
    let proxy = format!("http://bob:bob-secret@{}", gateway.address());
    let output = run(gateway.directory(), "python3", &["-c", URLLIB, &proxy, &origin.url("/x")]).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a\n", "{}", String::from_utf8_lossy(&output.stderr));
}

/// The harness's own Digest client agrees with curl's on what a response is (RFC 7616 section 3.4.1).
#[tokio::test]
async fn the_harness_and_curl_compute_the_same_digest() {
    if !is_installed("curl", &["--version"]) {
        return;
    }
    let challenge = "Digest realm=\"vouchsafe\", nonce=\"fixed\", qop=\"auth\", algorithm=SHA-256, opaque=\"o\"";
    let origin = Origin::serving(move |request| match request.field("authorization") {
        None => reply(401).field("www-authenticate", challenge),
        Some(credentials) => {
            let sent = Challenge::parse(credentials).expect("Digest credentials");
            let [cnonce, nc] = ["cnonce", "nc"].map(|name| sent.parameter(name).unwrap_or_default().to_owned());
            let ours = Challenge::parse(challenge).expect("a challenge").credentials("alice", "GET", &request.target);
            let same = ours.set("cnonce", &cnonce).set("nc", &nc).response() == sent.parameter("response").unwrap_or_default();
            reply(200).body(if same { "same" } else { "different" })
        }
    })
    .await;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let output = run(folder.path(), "curl", &["-q", "-sS", "--digest", "-u", "alice:alice-secret", &origin.url("/x?a=b")]).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "same", "{}", String::from_utf8_lossy(&output.stderr));
}
