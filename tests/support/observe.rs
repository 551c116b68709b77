//! What the operator sees: metrics, the access log, and Digest challenges to start from.

use super::answer::Answer;
use super::digest::Challenge;
use super::gateway::Gateway;
use super::toml::ACCESS_LOG;
use super::wait::eventually;

impl Gateway {
    /// The Prometheus text of `/metrics`.
    pub async fn metrics(&self) -> String {
        let answer = self.admin().get("/metrics").await;
        assert_eq!(answer.status, 200, "of /metrics: {}", answer.text());
        answer.text()
    }

    /// The sum of all series of this name that have these labels (others may differ); 0 if there is none.
    pub async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        sum_of(&self.metrics().await, name, labels)
    }

    /// Waits until a metric has a value: a record is written when an answer's content has ended, which a client may see
    /// first.
    pub async fn metric_is(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        let what = format!("{name} with {labels:?} to be {value}");
        eventually(&what, async || {
            let found = self.metric(name, labels).await;
            if (found - value).abs() < 1e-9 { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
    }

    /// Waits until the access log has at least `count` lines and returns all.
    pub async fn log_lines(&self, count: usize) -> Vec<serde_json::Value> {
        let what = format!("{count} lines of the access log");
        eventually(&what, async || {
            let text = self.log_text();
            let lines: Result<Vec<_>, _> = text.lines().map(serde_json::from_str).collect();
            lines.ok().filter(|lines| lines.len() >= count).ok_or(text)
        })
        .await
    }

    /// The access log as it stands on disk.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(self.directory().join(ACCESS_LOG)).unwrap_or_default()
    }

    /// The first Digest challenge that the gateway sends to a request without credentials.
    pub async fn digest_challenge(&self) -> Challenge {
        let refused: Answer = self.anonymous().get("/").await;
        assert!(matches!(refused.status, 401 | 407), "expected a challenge, found {}", refused.status);
        Challenge::of(&refused)
    }
}

/// The sum of the series of `name` that have all of `labels` in a Prometheus text.
pub fn sum_of(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let series = samples.filter_map(|line| line.rsplit_once(' '));
    let wanted = series.filter(|(series, _)| is_series(series, name, labels));
    wanted.map(|(_, value)| value.parse::<f64>().unwrap_or_else(|_| panic!("expected a number, found {value:?}"))).sum()
}

fn is_series(series: &str, name: &str, labels: &[(&str, &str)]) -> bool {
    let (found, rest) = series.split_once('{').unwrap_or((series, ""));
    found == name && labels.iter().all(|(label, value)| format!(",{rest}").contains(&format!(",{label}=\"{value}\"")))
}
