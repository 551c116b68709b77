//! The files a gateway is started from: configuration text and users, in a temporary directory.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::LazyLock;

use super::digest::hash;
use super::origin::Origin;

/// The users that every gateway of the harness knows; `password_of` tells their passwords.
pub const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// The realm of the default configuration.
pub const REALM: &str = "vouchsafe";

/// The name of the access log in the gateway's directory.
pub const ACCESS_LOG: &str = "access.log";

/// The right password of a user: `alice-secret` for alice.
pub fn password_of(user: &str) -> String {
    format!("{user}-secret")
}

/// bcrypt lines at the lowest cost, made once a process.
static HTPASSWD: LazyLock<String> = LazyLock::new(|| {
    let line = |user: &&str| format!("{user}:{}\n", bcrypt::hash(password_of(user), 4).expect("a valid cost"));
    USERS.iter().map(line).collect()
});

/// One line a user and algorithm, as `htdigest` and RFC 7616 section 3.4.2 (A1) make them.
static HTDIGEST: LazyLock<String> = LazyLock::new(|| {
    let mut text = String::new();
    for user in USERS {
        let a1 = format!("{user}:{REALM}:{}", password_of(user));
        for (algorithm, mark) in [("SHA-256", ""), ("SHA-512-256", "SHA-512-256:"), ("MD5", "")] {
            writeln!(text, "{user}:{REALM}:{mark}{}", hash(algorithm, &a1)).expect("a string can be written");
        }
    }
    text
});

/// Writes `users.htpasswd` and `users.htdigest`.
pub fn write_users(directory: &Path) {
    std::fs::write(directory.join("users.htpasswd"), &*HTPASSWD).expect("a writable directory");
    std::fs::write(directory.join("users.htdigest"), &*HTDIGEST).expect("a writable directory");
}

/// What a gateway's configuration is put together from.
#[derive(Clone, Debug)]
pub struct ConfigText {
    /// `forward` or `gateway`.
    pub mode: &'static str,
    /// `proxy`, `origin` or `none`.
    pub auth: &'static str,
    /// More lines of the listener.
    pub listener: Vec<String>,
    /// How many listeners there are; they differ in name and port only.
    pub listeners: usize,
    /// Lines by table: `limits`, `cache`, `auth.digest` and so on.
    pub tables: BTreeMap<String, Vec<String>>,
    /// Whole tables to append: `[[access]]`, further `[[policy]]`.
    pub appended: String,
    servers: Vec<String>,
    ports: Vec<String>,
    ca_file: Option<String>,
}

impl ConfigText {
    /// The configuration of a gateway in this mode that asks for credentials so.
    pub fn new(mode: &'static str, auth: &'static str) -> Self {
        let mut tables = BTreeMap::new();
        let mut table = |name: &str, line: &str| tables.insert(name.to_owned(), vec![line.to_owned()]);
        table("admin", "address = \"127.0.0.1:0\"");
        table("log", &format!("access = \"{ACCESS_LOG}\""));
        table("auth.basic", "htpasswd = \"users.htpasswd\"");
        table("auth.digest", "htdigest = \"users.htdigest\"");
        let (listener, servers, ports) = (Vec::new(), Vec::new(), Vec::new());
        Self { mode, auth, listener, listeners: 1, tables, appended: String::new(), servers, ports, ca_file: None }
    }

    /// Adds a line to a table, in place of an earlier one for the same key.
    pub fn set(&mut self, table: &str, line: &str) {
        let key = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
        let lines = self.tables.entry(table.to_owned()).or_default();
        lines.retain(|earlier| key(earlier) != key(line));
        lines.push(line.to_owned());
    }

    /// Lets the gateway reach an origin: as destination of a forward proxy, as server of the one route's upstream.
    pub fn add_origin(&mut self, origin: &Origin) {
        self.servers.push(format!("\"{}\"", origin.url("")));
        self.add_port(origin.address().port());
        if origin.scheme() == "https" {
            self.ca_file = Some(format!("ca_file = \"{}\"", origin.ca_file().display()));
        }
    }

    /// Lets a forward proxy reach this port.
    pub fn add_port(&mut self, port: u16) {
        self.ports.push(port.to_string());
    }

    /// The configuration file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for index in 0..self.listeners {
            text += &format!("[[listener]]\nname = \"{}\"\naddress = \"127.0.0.1:0\"\n", listener_name(index));
            text += &format!("mode = \"{}\"\nauth = \"{}\"\n{}\n", self.mode, self.auth, self.listener.join("\n"));
        }
        let mut tables = self.tables.clone();
        let policy = tables.remove("policy");
        if self.mode == "forward" {
            tables.entry("forward".to_owned()).or_default().extend(self.forward_lines());
        } else {
            text += &self.upstream_and_route();
        }
        for (name, lines) in tables {
            text += &format!("[{name}]\n{}\n", lines.join("\n"));
        }
        if let Some(lines) = policy {
            text += &format!("[[policy]]\nname = \"default\"\n{}\n", lines.join("\n"));
        }
        text + &self.appended
    }

    fn forward_lines(&self) -> Vec<String> {
        let ports = self.ports.join(", ");
        let mut lines = vec![format!("allow_ports = [{ports}]"), format!("connect_ports = [{ports}]")];
        lines.push("allow_networks = [\"127.0.0.0/8\"]".to_owned());
        lines.extend(self.ca_file.clone());
        let given = self.tables.get("forward").cloned().unwrap_or_default();
        lines.retain(|line| !given.iter().any(|own| own.split('=').next() == line.split('=').next()));
        lines
    }

    fn upstream_and_route(&self) -> String {
        let ca_file = self.ca_file.clone().unwrap_or_default();
        let servers = self.servers.join(", ");
        format!("[[upstream]]\nname = \"origin\"\nservers = [{servers}]\n{ca_file}\n[[route]]\nupstream = \"origin\"\n")
    }
}

/// `edge`, `edge-1`, `edge-2` and so on.
pub fn listener_name(index: usize) -> String {
    if index == 0 { "edge".to_owned() } else { format!("edge-{index}") }
}
