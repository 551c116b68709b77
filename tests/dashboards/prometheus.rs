//! A real Prometheus on a free port, in a folder of its own.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::support::{Client, eventually, within};

/// How often it scrapes and evaluates; the shortest the rates need.
const INTERVAL: &str = "200ms";

pub struct Prometheus {
    client: Client,
    child: Child,
    _directory: TempDir,
}

/// Says so if there is no such program.
pub fn is_missing(program: &str, run: &io::Result<Output>) -> bool {
    let missing = run.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if missing {
        eprintln!("NOT RUN: there is no {program} to run it with");
    }
    missing
}

/// Does an answer hold a sample with such a number?
pub fn has_numbers(answer: &Value, is_such: impl Fn(f64) -> bool) -> bool {
    let samples = answer["data"]["result"].as_array().into_iter().flatten();
    let numbers = samples.filter_map(|sample| sample["value"][1].as_str()?.parse::<f64>().ok());
    numbers.into_iter().any(is_such)
}

impl Prometheus {
    /// Scrapes this gateway and evaluates these rules; none if there is no Prometheus here.
    pub async fn start(target: SocketAddr, rules: &Path) -> Option<Self> {
        if is_missing("prometheus", &Command::new("prometheus").arg("--version").output()) {
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = format!(
            "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}, evaluation_interval: {INTERVAL}}}\n\
             rule_files: [\"{}\"]\n\
             scrape_configs: [{{job_name: vouchsafe, static_configs: [{{targets: [\"{target}\"]}}]}}]\n",
            rules.display()
        );
        let file = directory.path().join("prometheus.yml");
        std::fs::write(&file, config).expect("a writable directory");
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus starts");
        let said = child.stderr.take().expect("its log");
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || read_log(said, tell));
        let address = within("prometheus to listen", told).await.unwrap_or_else(|_| panic!("prometheus ended early"));
        let prometheus = Self { client: Client::to(address), child, _directory: directory };
        prometheus.scrapes_more().await;
        Some(prometheus)
    }

    /// Waits until it has scraped what is there now: the scrape after the one that may be running.
    pub async fn scrapes_more(&self) {
        let before = self.scrapes().await;
        eventually("prometheus to scrape", async || {
            let now = self.scrapes().await;
            if now >= before + 2.0 { Ok(()) } else { Err(format!("{now} scrapes after {before}")) }
        })
        .await;
    }

    async fn scrapes(&self) -> f64 {
        let answer = self.query("sum(sum_over_time(up[10m]))").await;
        answer["data"]["result"][0]["value"][1].as_str().and_then(|number| number.parse().ok()).unwrap_or(0.0)
    }

    /// The answer to an instant query.
    pub async fn query(&self, expression: &str) -> Value {
        self.ask(&format!("/api/v1/query?query={}", encoded(expression))).await
    }

    /// The values of a label of these series.
    pub async fn values(&self, label: &str, series: &str) -> Vec<String> {
        let answer = self.ask(&format!("/api/v1/label/{label}/values?match[]={}", encoded(series))).await;
        let values = answer["data"].as_array().unwrap_or_else(|| panic!("{series}: {answer}"));
        values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    }

    /// Every rule, once each has been evaluated.
    pub async fn rules(&self) -> Vec<Value> {
        eventually("every rule to be evaluated", async || {
            let answer = self.ask("/api/v1/rules").await;
            let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
            let rules: Vec<Value> =
                groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect();
            let is_done = rules.len() > 10 && rules.iter().all(|rule| rule["health"] != "unknown");
            if is_done { Ok(rules) } else { Err(answer.to_string()) }
        })
        .await
    }

    async fn ask(&self, target: &str) -> Value {
        let answer = self.client.get(target).await;
        // It says 503 while it is getting ready.
        if answer.status == 503 { Value::Null } else { answer.json() }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tells the address it says it listens on, and reads on, so that it never waits for its log to be read.
fn read_log(log: impl io::Read, tell: oneshot::Sender<SocketAddr>) {
    let mut tell = Some(tell);
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let address = line.split_once("\"Listening on\" address=").and_then(|(_, address)| address.trim().parse().ok());
        if let (Some(address), Some(tell)) = (address, tell.take_if(|_| address.is_some())) {
            let _ = tell.send(address);
        }
    }
}

/// Percent-encodes all but unreserved characters.
///
/// Source: RFC 3986 section 2.1.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string can be written");
        }
        out
    })
}
