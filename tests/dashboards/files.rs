//! The files of dashboards and rules, taken apart.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every dashboard with the name of its file.
pub fn dashboards() -> Vec<(String, Value)> {
    let entries = fs::read_dir(root().join("dashboards")).expect("dashboards");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 4, "{paths:?}");
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).expect("a dashboard");
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().expect("a name").to_string_lossy().into_owned(), value)
    };
    paths.iter().map(read).collect()
}

/// The panels that show something, with their titles.
pub fn panels(dashboard: &Value) -> Vec<(String, Value)> {
    let panels = dashboard["panels"].as_array().expect("panels").iter().filter(|panel| panel["type"] != "row");
    panels.map(|panel| (panel["title"].as_str().expect("a title").to_owned(), panel.clone())).collect()
}

/// Each query of each panel, with the panel's title and the query's letter.
pub fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (title, panel) in panels(dashboard) {
        let targets = panel["targets"].as_array().filter(|targets| !targets.is_empty());
        for target in targets.unwrap_or_else(|| panic!("{title}: no query")) {
            let place = format!("{title} {}", target["refId"].as_str().expect("a letter"));
            all.push((place, target["expr"].as_str().unwrap_or_else(|| panic!("{title}: no expression")).to_owned()));
        }
    }
    all
}

/// The series whose labels each variable offers, and the label.
pub fn variables(dashboard: &Value) -> Vec<(String, String)> {
    let list = dashboard["templating"]["list"].as_array().expect("variables").iter();
    let asked = list.filter(|variable| variable["type"] == "query").map(|variable| {
        let query = variable["query"].as_str().and_then(|query| query.strip_prefix("label_values(")?.strip_suffix(')'));
        let (series, label) = query.and_then(|query| query.rsplit_once(", ")).expect("label_values(series, label)");
        (label.to_owned(), series.to_owned())
    });
    asked.collect()
}

/// A query as Grafana sends it for one gateway and the last minute.
pub fn expanded(expression: &str, instance: &str) -> String {
    let values =
        [("$__rate_interval", "1m"), ("$__range", "1m"), ("$job", "vouchsafe"), ("$instance", instance), ("$listener", "edge")];
    let text = values.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!text.contains('$'), "a variable that no dashboard has: {text}");
    text
}

/// The rules' text.
pub fn rules() -> String {
    let text = fs::read_to_string(root().join("deploy/prometheus/rules.yml")).expect("rules");
    text.lines().filter(|line| !line.trim_start().starts_with('#')).map(|line| format!("{line}\n")).collect()
}

/// The names of recorded series.
pub fn recorded() -> Vec<String> {
    let names: Vec<String> =
        rules().lines().filter_map(|line| line.trim().strip_prefix("- record: ").map(str::to_owned)).collect();
    assert!(names.len() >= 5, "{names:?}");
    names
}

/// The metric families, as their list in the documents has them.
pub fn families() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("docs/METRICS.md")).expect("a list of metrics");
    let names: BTreeSet<String> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned)).collect();
    assert!(names.len() >= 25, "{names:?}");
    names
}

/// The words of an expression; a recorded name is one word.
pub fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
}
