//! The built program: password files, `check`, start-up failures, signals, and the exit codes that scripts rely on.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test is made of fails by panicking with a message"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vouchsafe"));
    command.current_dir(directory).env_remove("VOUCHSAFE_LOG");
    command
}

/// Runs the program with this on standard input.
fn run(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = program(directory)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Whoever does not read its input may have gone already.
    let _gone = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("the program ends")
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn users_are_set_listed_verified_and_removed() {
    for format in [
        &["--file", "users"][..],
        &["--file", "users", "--digest", "office"],
        &["--file", "users", "--digest", "office", "--algorithm", "MD5"],
    ] {
        let directory = folder();
        let user = |action: &str, name: &str, input: &str| {
            let arguments: Vec<&str> = ["user", action]
                .into_iter()
                .chain(format.iter().copied())
                .chain([name].into_iter().filter(|name| !name.is_empty()))
                .collect();
            run(directory.path(), &arguments, input)
        };
        assert_eq!(code(&user("set", "alice", "first secret\n")), Some(0), "{format:?}");
        assert_eq!(code(&user("set", "bob", "bob's secret")), Some(0));
        assert_eq!(code(&user("set", "alice", "second secret\r\nignored")), Some(0));
        let mode = fs::metadata(directory.path().join("users")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(directory.path().join("users")).expect("a file");
        assert!(!text.contains("secret") && text.lines().count() == 2, "{text}");
        let names = stdout(&user("list", "", ""));
        assert_eq!(names.lines().collect::<Vec<_>>(), ["alice", "bob"], "{format:?}");

        assert_eq!(code(&user("verify", "alice", "second secret\n")), Some(0));
        let wrong = user("verify", "alice", "first secret\n");
        assert_eq!((code(&wrong), stdout(&wrong).as_str()), (Some(1), ""));
        assert!(!stderr(&wrong).contains("secret"), "{}", stderr(&wrong));
        assert_eq!(code(&user("verify", "mallory", "x\n")), Some(1));

        assert_eq!(code(&user("remove", "alice", "")), Some(0));
        assert_eq!(code(&user("remove", "alice", "")), Some(1));
        assert_eq!(code(&user("verify", "alice", "second secret\n")), Some(1));
        assert_eq!(stdout(&user("list", "", "")), "bob\n");
    }
}

#[test]
fn the_formats_are_those_of_htpasswd_and_htdigest() {
    let directory = folder();
    run(directory.path(), &["user", "set", "--file", "p", "alice"], "x\n");
    run(directory.path(), &["user", "set", "--file", "d", "--digest", "office", "alice"], "x\n");
    run(directory.path(), &["user", "set", "--file", "m", "--digest", "office", "--algorithm", "MD5", "alice"], "x\n");
    let line = |name: &str| fs::read_to_string(directory.path().join(name)).expect("a file").trim_end().to_owned();
    assert!(line("p").starts_with("alice:$2") && line("p").contains("$10$"), "{}", line("p"));
    let hash = |name: &str| line(name).rsplit(':').next().map(str::len);
    assert!(line("d").starts_with("alice:office:") && hash("d") == Some(64), "{}", line("d"));
    // echo -n alice:office:x | md5sum
    assert!(line("m").starts_with("alice:office:") && hash("m") == Some(32), "{}", line("m"));
}

#[test]
fn bad_usage_exits_with_2_and_says_what_was_expected() {
    let directory = folder();
    for arguments in [
        &["--unknown"][..],
        &["serve", "--unknown"],
        &["unknown"],
        &["user"],
        &["user", "set", "--file", "f"],
        &["user", "set", "--file", "f", "--digest", "r", "--algorithm", "SHA-1", "alice"],
        &["user", "set", "--file", "f", "a:b"],
        &["user", "set", "--file", "f", "--digest", "a:b", "alice"],
        &["check"],
        &["check", "--config", "missing.toml"],
        &["serve", "--config", "missing.toml"],
    ] {
        let output = run(directory.path(), arguments, "secret\n");
        assert_eq!(code(&output), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).is_empty() && stdout(&output).is_empty(), "{arguments:?}");
        assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    }
    assert!(!directory.path().join("f").exists());
    let empty = run(directory.path(), &["user", "set", "--file", "f", "alice"], "\n");
    assert_eq!(code(&empty), Some(2), "{}", stderr(&empty));
    let missing = run(directory.path(), &["user", "list", "--file", "none"], "");
    assert!(code(&missing) == Some(1) && stderr(&missing).contains("none"), "{}", stderr(&missing));
}

#[test]
fn help_and_version_are_everywhere() {
    let directory = folder();
    for command in [&[][..], &["serve"], &["check"], &["user"], &["user", "set"], &["demo"]] {
        for option in ["--help", "--version"] {
            let arguments: Vec<&str> = command.iter().copied().chain([option]).collect();
            let output = run(directory.path(), &arguments, "");
            assert_eq!(code(&output), Some(0), "{arguments:?}: {}", stderr(&output));
            let expected = if option == "--help" { "Usage:" } else { env!("CARGO_PKG_VERSION") };
            assert!(stdout(&output).contains(expected), "{arguments:?}: {}", stdout(&output));
        }
    }
}

const CONFIG: &str = "[[listener]]\nname = \"edge\"\naddress = \"127.0.0.1:0\"\nmode = \"forward\"\nauth = \"none\"\n";

#[test]
fn check_says_what_is_in_force_or_every_mistake() {
    let directory = folder();
    let path = directory.path().join("v.toml");
    fs::write(&path, CONFIG).expect("a writable directory");
    let good = run(directory.path(), &["check", "--config", "v.toml"], "");
    assert_eq!(code(&good), Some(0), "{}", stderr(&good));
    assert!(stdout(&good).contains("edge") && stderr(&good).is_empty(), "{}", stdout(&good));

    fs::write(&path, format!("{CONFIG}[cache]\nmemmory = \"1GiB\"\nmax_object = \"big\"\n")).expect("a writable directory");
    for command in ["check", "serve"] {
        let bad = run(directory.path(), &[command, "--config", "v.toml"], "");
        let text = stderr(&bad);
        assert_eq!((code(&bad), stdout(&bad).as_str()), (Some(2), ""), "{command}: {text}");
        assert!(text.contains("v.toml:7:") && text.contains("memmory") && text.contains("memory"), "{command}: {text}");
        assert!(text.contains("v.toml:8:") && text.contains("big"), "{command}: {text}");
    }

    fs::write(&path, CONFIG.replace("none", "proxy") + "[auth.basic]\nhtpasswd = \"users\"\n").expect("a writable directory");
    let bad = run(directory.path(), &["check", "--config", "v.toml"], "");
    assert!(code(&bad) == Some(2) && stderr(&bad).contains("users"), "{}", stderr(&bad));
    fs::write(directory.path().join("users"), "alice:plain text\n").expect("a writable directory");
    fs::set_permissions(directory.path().join("users"), fs::Permissions::from_mode(0o600)).expect("our own file");
    let malformed = run(directory.path(), &["check", "--config", "v.toml"], "");
    assert_eq!(code(&malformed), Some(2), "{}", stderr(&malformed));
    assert!(stderr(&malformed).contains("users") && !stderr(&malformed).contains("plain text"), "{}", stderr(&malformed));
}

#[test]
fn a_port_in_use_is_a_failure_with_a_remedy() {
    let directory = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("a bound socket").to_string();
    for (text, setting) in
        [(CONFIG.replace("127.0.0.1:0", &address), "edge"), (format!("{CONFIG}[admin]\naddress = \"{address}\"\n"), "admin")]
    {
        fs::write(directory.path().join("v.toml"), text).expect("a writable directory");
        let output = run(directory.path(), &["serve", "--config", "v.toml"], "");
        let message = stderr(&output);
        assert_eq!(code(&output), Some(1), "{message}");
        assert!(message.contains(&address) && message.contains("in use") && message.contains(setting), "{message}");
    }
}

/// The program serving with a configuration; killed when dropped.
struct Serving {
    child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Serving {
    fn start(directory: &Path) -> Self {
        let mut child = program(directory)
            .args(["serve", "--config", "v.toml"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, log }
    }

    /// The first address of loopback that the log names.
    fn address(&mut self) -> String {
        let mut line = String::new();
        while self.log.read_line(&mut line).expect("a readable log") > 0 {
            let after = line.split_once("127.0.0.1:").map(|(_, rest)| rest);
            let port: String = after.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
            if !port.is_empty() {
                return format!("127.0.0.1:{port}");
            }
            line.clear();
        }
        panic!("the log names no address");
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().expect("kill runs").success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// SIGTERM: what is being answered is finished, then the program ends well.
#[test]
fn sigterm_and_sigint_drain_and_exit_with_0() {
    for signal in ["TERM", "INT"] {
        let directory = folder();
        let origin = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = origin.local_addr().expect("a bound socket").port();
        let text = format!("{CONFIG}[forward]\nallow_ports = [{port}]\nallow_networks = [\"127.0.0.0/8\"]\n");
        fs::write(directory.path().join("v.toml"), text).expect("a writable directory");
        let mut serving = Serving::start(directory.path());
        let address = serving.address();
        let mut client = TcpStream::connect(&address).expect("the gateway listens");
        client.write_all(format!("GET http://127.0.0.1:{port}/ HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).expect("a connection");
        let (mut asked, _) = origin.accept().expect("the gateway connects");
        assert!(asked.read(&mut [0; 1024]).expect("a request") > 0);
        serving.signal(signal);
        while TcpStream::connect(&address).is_ok() {
            std::thread::yield_now();
        }
        asked.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlast").expect("a connection");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("an answer and the end");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("last"), "{answer}");
        let status = serving.child.wait().expect("the program ends");
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}
