//! Completions, manual pages and the JSON Schema of the configuration.
//!
//! `UPDATE_SCHEMA=1 cargo test --test manual` writes `config/schema.json` from `config/reference.toml`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Map, Value, json};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn vouchsafe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn shells_complete_commands_and_flags() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&vouchsafe(&["completions", shell]));
        assert!(script.contains("simulate") && script.contains("config"), "{shell}: {script}");
    }
    assert_eq!(vouchsafe(&["completions", "dosh"]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page() {
    let page = text(&vouchsafe(&["man"]));
    assert!(page.contains(".TH vouchsafe 1") && page.contains("simulate"), "{page}");
    for command in ["serve", "check", "explain", "policy", "simulate", "user", "demo", "lint"] {
        let page = text(&vouchsafe(&["man", command]));
        assert!(page.contains(".TH") && page.contains(command), "{page}");
    }
    let wrong = vouchsafe(&["man", "nothing"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("serve"));
}

/// What follows `#` on the line of a key, by the key's full name; of several the first.
fn comments() -> HashMap<String, String> {
    let reference = std::fs::read_to_string(root().join("config/reference.toml")).unwrap();
    let (mut section, mut comments) = (String::new(), HashMap::new());
    for line in reference.lines() {
        if line.starts_with('[') {
            section = line.split(['#', ' ']).next().unwrap().trim_matches(['[', ']']).to_owned();
        }
        let Some((key, rest)) = line.split_once(" = ") else { continue };
        // A comment begins after the value; no value of the reference holds " # ".
        let Some((_, comment)) = rest.rsplit_once(" # ") else { continue };
        let comment = comment.trim_start_matches("example").trim_start_matches(':').trim();
        if key.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !comment.is_empty() {
            comments.entry(format!("{section}.{key}")).or_insert_with(|| comment.to_owned());
        }
    }
    comments
}

fn schema_of(name: &str, value: &toml::Value, comments: &HashMap<String, String>) -> Value {
    let mut schema = match value {
        toml::Value::String(_) => json!({ "type": "string" }),
        toml::Value::Integer(_) => json!({ "type": "integer" }),
        toml::Value::Float(_) => json!({ "type": "number" }),
        toml::Value::Boolean(_) => json!({ "type": "boolean" }),
        toml::Value::Datetime(_) => json!({}),
        toml::Value::Array(list) => match list.first() {
            Some(first) => {
                json!({ "type": "array", "items": schema_of(if first.is_table() { name } else { "an item" }, first, comments) })
            }
            None => json!({ "type": "array" }),
        },
        toml::Value::Table(table) => {
            let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
            let property = |(key, value): (&String, &toml::Value)| (key.clone(), schema_of(&below(key), value, comments));
            let properties: Map<_, _> = table.iter().map(property).collect();
            json!({ "type": "object", "properties": properties, "additionalProperties": false })
        }
    };
    if name == "policy.query" {
        // A word, or a table that names parameters.
        schema = json!({ "type": ["string", "object"] });
    }
    if let Some(comment) = comments.get(name).filter(|_| !is_section(value)) {
        schema["description"] = comment.clone().into();
    }
    schema
}

/// A table in sections of its own; an inline table is described where it stands.
fn is_section(value: &toml::Value) -> bool {
    value.as_array().is_some_and(|list| list.first().is_some_and(toml::Value::is_table))
}

fn parsed(name: &str) -> toml::Value {
    let text = std::fs::read_to_string(root().join("config").join(name)).unwrap();
    toml::Value::Table(text.parse::<toml::Table>().unwrap())
}

fn schema() -> Value {
    let mut schema = schema_of("", &parsed("reference.toml"), &comments());
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "Configuration of vouchsafe".into();
    schema
}

#[test]
fn the_schema_is_that_of_the_reference() {
    let path = root().join("config/schema.json");
    let wanted = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert_eq!(found, wanted, "run UPDATE_SCHEMA=1 cargo test --test manual");
    assert_eq!(text(&vouchsafe(&["schema"])), wanted);
}

/// Does this value keep to the part of JSON Schema that the file uses?
fn fits(schema: &Value, value: &toml::Value) -> Result<(), String> {
    let is = |name: &str| match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => true,
    };
    let is_right = match value {
        toml::Value::String(_) => is("string"),
        toml::Value::Integer(_) => is("integer") || is("number"),
        toml::Value::Float(_) => is("number"),
        toml::Value::Boolean(_) => is("boolean"),
        toml::Value::Array(_) => is("array"),
        toml::Value::Table(_) => is("object"),
        toml::Value::Datetime(_) => false,
    };
    if !is_right {
        return Err(format!("expected {}, found {value}", schema["type"]));
    }
    match value {
        toml::Value::Array(list) => list.iter().try_for_each(|one| fits(&schema["items"], one)),
        toml::Value::Table(table) if schema["properties"].is_object() => table.iter().try_for_each(|(key, value)| {
            let known = schema["properties"].get(key).ok_or_else(|| format!("unknown key {key}"))?;
            fits(known, value).map_err(|error| format!("{key}: {error}"))
        }),
        _ => Ok(()),
    }
}

#[test]
fn every_example_fits_the_schema_and_mistakes_do_not() {
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(root().join("config/schema.json")).unwrap()).unwrap();
    for name in std::fs::read_dir(root().join("config")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        if Path::new(&name).extension().is_some_and(|end| end == "toml") {
            fits(&schema, &parsed(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
    for wrong in ["[lag]\n", "[log]\nformat = 1\n", "[[listener]]\nname = [\"a\"]\n", "[cache]\nmemory = 5\n", "listener = 1\n"] {
        let value = toml::Value::Table(wrong.parse::<toml::Table>().unwrap());
        assert!(fits(&schema, &value).is_err(), "{wrong}");
    }
}
