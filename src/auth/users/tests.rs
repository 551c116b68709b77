//! Password files as the operating system keeps them, and user names.

use std::io::Write as _;

use super::*;

fn file(mode: u32, content: &[u8]) -> tempfile::NamedTempFile {
    use std::os::unix::fs::PermissionsExt as _;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
    file
}

#[test]
#[cfg(unix)]
fn a_file_that_everybody_may_write_is_refused_with_the_remedy() {
    for mode in [0o602, 0o666] {
        let file = file(mode, b"alice:x\n");
        let message = read_private(file.path()).unwrap_err();
        let path = file.path().display();
        assert_eq!(
            message,
            format!("{path}: expected a file of its owner's, found one that everybody may write; run \"chmod 600 {path}\"")
        );
    }
    for mode in [0o600, 0o640, 0o660, 0o400, 0o644, 0o444] {
        assert_eq!(read_private(file(mode, b"alice:x\n").path()).unwrap(), "alice:x\n", "{mode:o}");
    }
}

#[test]
#[cfg(unix)]
fn a_file_that_everybody_may_read_is_warned_about() {
    for (mode, warnings) in [(0o644, 1), (0o444, 1), (0o640, 0), (0o600, 0)] {
        let file = file(mode, b"alice:x\n");
        let mut auth = Auth::default();
        auth.digest.htdigest = Some(file.path().to_owned());
        assert_eq!(super::warnings(&auth).len(), warnings, "{mode:o}");
    }
}

#[test]
#[cfg(unix)]
fn what_is_no_text_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read_private(folder.path()).unwrap_err().ends_with("expected a password file, found something else"));
    let missing = folder.path().join("users");
    assert!(read_private(&missing).unwrap_err().starts_with(&format!("{}: cannot read the password file: ", missing.display())));
    assert!(read_private(file(0o600, b"a:\xff\n").path()).unwrap_err().ends_with("expected UTF-8, found something else"));
    assert_eq!(read_private(file(0o600, "\u{feff}a:b".as_bytes()).path()).unwrap(), "a:b");
}

#[test]
fn comments_and_blank_lines_are_no_entries() {
    let found: Vec<_> = entries("a\n\n  # b\r\n\t\nc\r\n").collect();
    assert_eq!(found, [(1, "a"), (5, "c")]);
}

#[test]
fn n133_n134_names_are_checked() {
    for name in ["alice", "jürg", "a b", "a@example.com", "0"] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
    for name in ["", "a:b", "a\nb", "a\u{7f}", "#a", " a", "a ", &"x".repeat(256)] {
        assert!(check_name(name).is_err(), "{name}");
    }
}
