//! Commands on files in a temporary folder; passwords come from a closure instead of a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clap::{FromArgMatches as _, Subcommand as _};

use super::*;
use crate::auth::digest::{UserName, compute_a1};
use crate::auth::users::{BasicUsers, DigestUsers, htpasswd::Verdict};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("users")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }

    fn write(&self, mode: u32, text: &str) {
        fs::write(self.path(), text).unwrap();
        fs::set_permissions(self.path(), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self) -> u32 {
        fs::metadata(self.path()).unwrap().permissions().mode() & 0o777
    }

    /// Runs `user WORDS` with FILE replaced; gives standard output and the notes.
    fn run(&self, words: &[&str], password: &str) -> Result<(String, Vec<String>), UserError> {
        let path = self.path();
        let words = words.iter().map(|word| if *word == "FILE" { path.to_str().unwrap() } else { word });
        let mut out = Vec::new();
        let mut give = |_: &str, _: bool| Ok(Zeroizing::new(password.to_owned()));
        let notes = apply(&parse(words).unwrap(), &mut give, &mut out)?;
        Ok((String::from_utf8(out).unwrap(), notes))
    }
}

fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Action, clap::Error> {
    let command = Action::augment_subcommands(clap::Command::new("user")).subcommand_required(true);
    let matches = command.try_get_matches_from(std::iter::once("user").chain(words))?;
    Action::from_arg_matches(&matches)
}

fn basic(folder: &Folder, name: &str, password: &str) -> Verdict {
    BasicUsers::load(&folder.path()).unwrap().verify(name, password, || ())
}

#[test]
fn set_creates_a_private_file_that_the_gateway_reads() {
    let folder = Folder::new();
    folder.run(&["set", "--file", "FILE", "alice"], "secret").unwrap();
    assert_eq!(folder.mode(), 0o600);
    assert!(folder.text().starts_with("alice:$2y$10$"));
    assert_eq!(basic(&folder, "alice", "secret"), Verdict::Verified("alice".into()));
    assert_eq!(basic(&folder, "alice", "other"), Verdict::WrongPassword);
    assert_eq!(fs::read_dir(folder.0.path()).unwrap().count(), 1);
}

#[test]
fn set_replaces_an_entry_in_place_and_keeps_everything_else() {
    let folder = Folder::new();
    folder.write(0o640, "# staff\r\nbob:x\nalice:old\n\nalice:older\ncarol:y");
    folder.run(&["set", "--file", "FILE", "alice"], "new").unwrap();
    let text = folder.text();
    let lines: Vec<_> = text.split('\n').collect();
    assert_eq!((lines[0], lines[1], lines[3], lines[4], lines.len()), ("# staff\r", "bob:x", "", "carol:y", 5));
    assert!(lines[2].starts_with("alice:$2y$10$"));
    assert_eq!(folder.mode(), 0o640);
    folder.run(&["set", "--file", "FILE", "dave"], "new").unwrap();
    assert!(folder.text().starts_with(&text) && folder.text()[text.len()..].starts_with("\ndave:$2y$10$"));
}

#[test]
fn set_follows_a_link_and_warns_of_an_open_file() {
    let folder = Folder::new();
    let real = folder.0.path().join("real");
    fs::write(&real, "bob:x\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&real, folder.path()).unwrap();
    let (_, notes) = folder.run(&["set", "--file", "FILE", "alice"], "pw").unwrap();
    assert!(fs::symlink_metadata(folder.path()).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("alice:$2y$10$"));
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("chmod 600"), "{notes:?}");
}

#[test]
fn set_writes_htdigest_entries_that_the_gateway_reads() {
    let folder = Folder::new();
    let set = ["set", "--file", "FILE", "--digest", "vouchsafe", "alice"];
    folder.run(&set, "secret").unwrap();
    folder.run(&[&set[..], &["--algorithm", "MD5"]].concat(), "secret").unwrap();
    folder.run(&[&set[..], &["--algorithm", "sha-512-256"]].concat(), "secret").unwrap();
    folder.run(&["set", "--file", "FILE", "--digest", "other", "alice"], "other").unwrap();
    let all = [DigestAlgorithm::Sha256, DigestAlgorithm::Md5, DigestAlgorithm::Sha512_256];
    let mut users = DigestUsers::new("vouchsafe", &all);
    users.load(&folder.path()).unwrap();
    for algorithm in all {
        let (_, a1) = users.find(&UserName::Clear("alice".into()), algorithm).unwrap();
        assert_eq!(*a1, compute_a1(algorithm, "alice", "vouchsafe", "secret"));
    }
    assert_eq!(folder.text().lines().count(), 4);
    // A new password for one algorithm leaves the others, and says so.
    let (_, notes) = folder.run(&set, "new").unwrap();
    assert_eq!(folder.text().lines().count(), 4);
    assert!(notes[0].contains("also has an entry for MD5"), "{notes:?}");
}

#[test]
fn rfc7616_section_3_4_2_a1_is_what_htdigest_writes() {
    let folder = Folder::new();
    folder
        .run(&["set", "--file", "FILE", "--digest", "testrealm@host.com", "--algorithm", "MD5", "Mufasa"], "Circle Of Life")
        .unwrap();
    assert_eq!(folder.text(), "Mufasa:testrealm@host.com:939e7578ed9e3c518a452acee763bce9\n");
}

#[test]
fn remove_takes_every_entry_of_the_user_and_no_other() {
    let folder = Folder::new();
    folder.write(0o600, "# a:b\nbob:x\nalice:y\nalice2:z\n");
    folder.run(&["remove", "--file", "FILE", "alice"], "").unwrap();
    assert_eq!(folder.text(), "# a:b\nbob:x\nalice2:z\n");
    assert_eq!(folder.run(&["remove", "--file", "FILE", "alice"], "").unwrap_err().exit_code(), 1);
    folder.write(0o600, "a:r:1\na:s:2\na:r:3\n");
    folder.run(&["remove", "--file", "FILE", "--digest", "r", "a"], "").unwrap();
    assert_eq!(folder.text(), "a:s:2\n");
}

#[test]
fn list_prints_each_name_once() {
    let folder = Folder::new();
    folder.write(0o644, "# staff\nbob:x\n\nalice:y\nbob:z\n");
    assert_eq!(folder.run(&["list", "--file", "FILE"], "").unwrap().0, "bob\nalice\n");
    folder.write(0o600, "a:r:1\nb:s:2\na:r:3\nc:r:4\n");
    assert_eq!(folder.run(&["list", "--file", "FILE", "--digest", "r"], "").unwrap().0, "a\nc\n");
}

#[test]
fn verify_says_by_its_exit_status_whether_the_password_is_right() {
    let folder = Folder::new();
    folder.run(&["set", "--file", "FILE", "jürg"], "secret").unwrap();
    // The name in another normalization form.
    let verify = ["verify", "--file", "FILE", "ju\u{308}rg"];
    folder.run(&verify, "secret").unwrap();
    assert_eq!(folder.run(&verify, "wrong").unwrap_err().exit_code(), 1);
    assert_eq!(folder.run(&verify, "").unwrap_err().to_string(), "wrong password for user jürg");
    assert_eq!(folder.run(&["verify", "--file", "FILE", "bob"], "x").unwrap_err().exit_code(), 1);
}

#[test]
fn verify_checks_every_digest_entry_or_the_one_asked_for() {
    let folder = Folder::new();
    folder.run(&["set", "--file", "FILE", "--digest", "r", "alice"], "new").unwrap();
    folder.run(&["set", "--file", "FILE", "--digest", "r", "--algorithm", "MD5", "alice"], "old").unwrap();
    let verify = ["verify", "--file", "FILE", "--digest", "r", "alice"];
    assert_eq!(folder.run(&verify, "new").unwrap_err().exit_code(), 1);
    folder.run(&[&verify[..], &["--algorithm", "SHA-256"]].concat(), "new").unwrap();
    folder.run(&[&verify[..], &["--algorithm", "MD5"]].concat(), "old").unwrap();
    assert_eq!(folder.run(&[&verify[..], &["--algorithm", "SHA-512-256"]].concat(), "old").unwrap_err().exit_code(), 1);
}

#[test]
fn a_broken_entry_is_named_without_its_content() {
    let folder = Folder::new();
    folder.write(0o600, "alice:hunter2\n");
    let error = folder.run(&["verify", "--file", "FILE", "alice"], "hunter2").unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("user alice: expected a bcrypt"), "{error}");
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn unusable_names_realms_and_passwords_are_usage_errors() {
    let folder = Folder::new();
    let long = "x".repeat(73);
    for (words, password) in [
        (&["set", "--file", "FILE", "a:b"][..], "pw"),
        (&["set", "--file", "FILE", "a\nb"], "pw"),
        (&["set", "--file", "FILE", ""], "pw"),
        (&["remove", "--file", "FILE", "a:b"], ""),
        (&["set", "--file", "FILE", "a"], ""),
        (&["set", "--file", "FILE", "a"], "p\tw"),
        (&["set", "--file", "FILE", "a"], &long),
        (&["set", "--file", "FILE", "--digest", "a:b", "a"], "pw"),
        (&["set", "--file", "FILE", "--digest", "", "a"], "pw"),
    ] {
        let error = folder.run(words, password).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words:?} {error}");
        assert!(!folder.path().exists());
    }
    folder.run(&["set", "--file", "FILE", "--digest", "r", "a"], &long).unwrap();
}

#[test]
fn arguments_are_checked_and_a_password_is_none_of_them() {
    for words in [
        &["set", "alice"][..],
        &["set", "--file", "f"],
        &["set", "--file", "f", "alice", "secret"],
        &["set", "--file", "f", "--password", "x", "alice"],
        &["set", "--file", "f", "--algorithm", "MD5", "alice"],
        &["set", "--file", "f", "--digest", "r", "--algorithm", "SHA-1", "alice"],
        &["list"],
        &["list", "--file", "f", "alice"],
        &[],
    ] {
        assert!(parse(words.iter().copied()).is_err(), "{words:?}");
    }
    assert!(parse(["verify", "alice", "--file", "f"]).is_ok());
}

#[test]
fn a_missing_file_or_folder_is_named() {
    let folder = Folder::new();
    for words in [&["list", "--file", "FILE"][..], &["remove", "--file", "FILE", "a"], &["verify", "--file", "FILE", "a"]] {
        let error = folder.run(words, "x").unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(
            error.to_string().starts_with(&format!("{}: cannot read the password file: ", folder.path().display())),
            "{error}"
        );
    }
    let deep = folder.path().join("no/users");
    let error = folder.run(&["set", "--file", deep.to_str().unwrap(), "a"], "x").unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("cannot write the password file: "), "{error}");
}

#[test]
fn the_password_is_the_first_line_without_its_end() {
    for (input, password) in
        [("secret\nmore\n", "secret"), ("secret", "secret"), ("se cret \r\n", "se cret "), ("\n", ""), ("", "")]
    {
        assert_eq!(first_line(input.as_bytes()).unwrap().as_str(), password, "{input:?}");
    }
    assert!(first_line(&b"\xff\n"[..]).is_err());
}
