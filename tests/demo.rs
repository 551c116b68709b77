//! `vouchsafe demo --once`, as a reader of its table.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

use std::path::Path;
use std::process::Command;

/// Who asks, what reached the origin, the answer, and what the decision must contain.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// What RFC 9111 section 3.5 says of each scene, by its number.
const SCENES: [(&str, &[Row]); 10] = [
    ("0.", &[("stranger", "nothing", "407", "challenge")]),
    (
        "1. Cache-Control: s-maxage=60",
        &[
            ("alice", "GET by alice", "200 bytes made for alice", "fwd=uri-miss ttl=60 stored permit-s-maxage"),
            ("bob", "nothing", "200 bytes made for alice", "hit"),
            ("anonymous", "nothing", "200 bytes made for alice", "hit"),
        ],
    ),
    (
        "2. Cache-Control: s-maxage=0",
        &[
            ("alice", "GET by alice", "200 bytes made for alice", "stored permit-s-maxage"),
            ("bob", "conditional GET by bob", "200 bytes made for alice", "fwd-status=304"),
            ("anonymous", "conditional GET by nobody", "401", "fwd=stale"),
            ("bob", "conditional GET by bob", "200 bytes made for alice", "validated"),
        ],
    ),
    (
        "3. Cache-Control: max-age=60, must-revalidate",
        &[
            ("alice", "GET by alice", "200 bytes made for alice", "stored permit-must-revalidate"),
            ("bob", "nothing", "200 bytes made for alice", "hit"),
            ("anonymous", "nothing", "200 bytes made for alice", "hit"),
        ],
    ),
    (
        "4. Cache-Control: public, max-age=60",
        &[
            ("alice", "GET by alice", "200 bytes made for alice", "stored permit-public"),
            ("bob", "nothing", "200 bytes made for alice", "hit"),
            ("anonymous", "nothing", "200 bytes made for alice", "hit"),
        ],
    ),
    (
        "5. Cache-Control: max-age=60",
        &[
            ("alice", "GET by alice", "200 bytes made for alice", "no-permit"),
            ("bob", "GET by bob", "200 bytes made for bob", "no-permit"),
            ("alice", "GET by alice", "200 bytes made for alice", "no-permit"),
        ],
    ),
    (
        "6.",
        &[
            ("anonymous", "GET by nobody", "200 bytes made for nobody", "stored uncredentialed"),
            ("alice", "nothing", "200 bytes made for nobody", "hit"),
        ],
    ),
    (
        "7. Cache-Control: private, s-maxage=60",
        &[
            ("alice", "GET by alice", "200 bytes made for alice", "private"),
            ("alice", "GET by alice", "200 bytes made for alice", "private"),
            ("bob", "GET by bob", "200 bytes made for bob", "private"),
        ],
    ),
    (
        "8. Cache-Control: max-age=60, with Vary: Authorization",
        &[
            ("alice", "GET by alice", "200 bytes made for alice", "no-permit"),
            ("alice", "GET by alice", "200 bytes made for alice", "no-permit"),
        ],
    ),
    (
        "9. Cache-Control: public, max-age=60, with Vary: Authorization",
        &[
            ("alice", "GET by alice", "200 bytes made for alice", "stored permit-public"),
            ("bob", "GET by bob", "200 bytes made for bob", "fwd=vary-miss"),
            ("alice", "nothing", "200 bytes made for alice", "hit"),
        ],
    ),
];

#[test]
fn n054_every_scene_shows_what_the_rules_say() {
    let output = Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(["demo", "--once"]).output().expect("the demo runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let scenes: Vec<&str> = text.split("\n\n").skip(1).collect();
    assert_eq!(scenes.len(), SCENES.len(), "{text}");
    for (scene, (title, rows)) in scenes.iter().zip(SCENES) {
        let lines: Vec<&str> = scene.lines().collect();
        assert!(lines[0].starts_with(title), "expected {title}, found {}", lines[0]);
        let found = &lines[3..];
        assert_eq!(found.len(), rows.len(), "{scene}");
        for (line, (who, seen, answer, decision)) in found.iter().zip(rows) {
            let columns: Vec<&str> = line.trim().split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
            assert_eq!(columns[..3], [*who, *seen, *answer], "{title}: {line}");
            assert!(columns[3].contains(decision), "{title}: expected {decision} in {line}");
            assert!(line.contains("RFC 9111 section") || line.contains("RFC 9110 section"), "{title}: no rule in {line}");
        }
    }
}

/// Results stand alone on standard output; nothing is left behind.
#[test]
fn the_demo_is_quiet_on_standard_error_and_has_its_room() {
    let output = Command::new(env!("CARGO_BIN_EXE_vouchsafe")).args(["demo", "--once"]).output().expect("the demo runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    assert!(room.join("demo.rs").is_file() && room.join("demo").is_dir());
}
