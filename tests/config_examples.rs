//! Every example in `config/` and `benches/peers/` is a valid configuration, and the reference shows the true defaults.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vouchsafe::cli::check;
use vouchsafe::config;
use vouchsafe::config::settings::Settings;

/// One user in the realms of the examples; any 64 hex digits will do.
const DIGESTS: &str = "alice:office:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\
                       alice:vouchsafe:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";

/// The files that examples refer to, with content that their readers accept.
const FILES: [(&str, &str); 12] = [
    ("users.htpasswd", "alice:$2y$04$OU8rmx6CSQT1P1z2v0XcVu0VSgtbSFyZLZOhW/nLsmvAF7cRlfLqm\n"),
    ("users.htdigest", DIGESTS),
    ("admin.token", "a-token-of-the-operator\n"),
    ("server.pem", ""),
    ("server.key", ""),
    ("proxy.pem", ""),
    ("proxy.key", ""),
    ("api.pem", ""),
    ("api.key", ""),
    ("internal-ca.pem", ""),
    ("roots.pem", ""),
    ("candidate.toml", "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n"),
];

fn examples() -> Vec<PathBuf> {
    examples_in("config")
}

fn examples_in(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    files
}

/// A copy of an example in a folder of its own, with the files it refers to.
fn installed(example: &Path) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in FILES {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let path = folder.path().join(example.file_name().unwrap());
    fs::copy(example, &path).unwrap();
    (folder, path)
}

#[test]
fn every_example_passes_the_check() {
    let examples = [examples(), examples_in("benches/peers")].concat();
    for example in &examples {
        let (_folder, path) = installed(example);
        let report = check::report(&path).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert!(report.contains("listeners\n"), "{report}");
    }
    assert_eq!(examples.len(), 4 + 3, "{examples:?}");
}

#[test]
fn every_example_fails_without_its_files_and_says_which() {
    let mut seen = 0;
    for example in examples() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(example.file_name().unwrap());
        fs::copy(&example, &path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let Err(mistakes) = config::load(&path) else {
            assert!(!text.contains("htpasswd ="), "{}", example.display());
            continue;
        };
        let mistakes = mistakes.to_string();
        assert!(mistakes.lines().all(|line| line.contains("expected a readable file at ")), "{mistakes}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

/// The reference without the lines marked as examples and the tables that consist of them.
fn without_defaults(reference: &str) -> String {
    let keeps = |line: &&str| line.starts_with('[') || line.contains("# example");
    reference.lines().filter(keeps).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_shows_the_true_defaults() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/reference.toml");
    let (folder, path) = installed(&example);
    let text = fs::read_to_string(&path).unwrap();
    let read = |text: &str| -> Settings {
        config::parse(text, "reference.toml", folder.path()).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    };
    let short = without_defaults(&text);
    assert!(short.lines().count() + 40 < text.lines().count(), "{short}");
    assert_eq!(format!("{:?}", read(&text)), format!("{:?}", read(&short)));
}

#[test]
fn the_reference_shows_every_key() {
    let reference = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/reference.toml")).unwrap();
    // What `check` lists as known for an unknown key is the full list of a section.
    let sections = [
        ("", ""),
        ("[[listener]]", "name = \"x\""),
        ("[admin]", ""),
        ("[auth]", ""),
        ("[auth.basic]", ""),
        ("[auth.digest]", ""),
        ("[[access]]", ""),
        ("[forward]", ""),
        ("[[upstream]]", ""),
        ("[[route]]", ""),
        ("[cache]", ""),
        ("[trace]", ""),
        ("[[policy]]", ""),
        ("[log]", ""),
        ("[limits]", ""),
        ("[shadow]", ""),
    ];
    let mut seen = 0;
    for (head, line) in sections {
        let text = format!("{head}\n{line}\nzzzzzzzzzzzzzzzzzzzz = 1\n");
        let mistakes = config::parse(&text, "t.toml", Path::new("/")).unwrap_err().to_string();
        let listed = mistakes.lines().find_map(|line| line.split_once("; known here: ")).unwrap().1;
        for key in listed.split(", ") {
            let shown = |line: &str| {
                let line = line.strip_prefix("# ").unwrap_or(line);
                line.starts_with(&format!("{key} = ")) || line.contains(&format!("[{key}")) || line.contains(&format!(".{key}]"))
            };
            assert!(reference.lines().any(shown), "{head} {key} is not in the reference");
            seen += 1;
        }
    }
    assert!(seen > 80, "{seen}");
}
