//! Why a gateway cannot start, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a gateway cannot start; the text names the thing and the remedy.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The setting that holds it.
        setting: String,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or key is unreadable, or they do not belong together.
    Certificate {
        /// The file at fault.
        file: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// The admin token cannot be used.
    Token {
        /// The file at fault.
        file: PathBuf,
        /// Expected and found.
        reason: String,
    },
    /// The access log cannot be written.
    AccessLog(io::Error),
    /// The system has no random numbers.
    Random(getrandom::Error),
    /// A later room refused: password files, root certificates.
    Gateway(String),
}

impl StartError {
    /// Whether the configuration is at fault rather than the state of the machine.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Certificate { .. } | Self::Token { .. } | Self::Gateway(_) => true,
            Self::Listen { .. } | Self::AccessLog(_) | Self::Random(_) => false,
        }
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen { address, setting, source } => {
                write!(f, "cannot listen on {address}: {}", listen_advice(source, setting))
            }
            Self::Certificate { file, reason } => write!(f, "{}: {reason}; check listener.tls", file.display()),
            Self::Token { file, reason } => write!(f, "{}: {reason}; check admin.token_file", file.display()),
            Self::AccessLog(source) => {
                write!(f, "log.access: cannot open the access log: {source}; create its directory or change log.access")
            }
            Self::Random(source) => write!(f, "cannot read random numbers from the system: {source}"),
            Self::Gateway(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for StartError {}

fn listen_advice(source: &io::Error, setting: &str) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            format!("the address is already in use; stop the program that listens there or change {setting}")
        }
        io::ErrorKind::AddrNotAvailable => format!("this machine does not have that address; change {setting}"),
        io::ErrorKind::PermissionDenied => {
            format!("permission denied; choose a port above 1023 in {setting} or grant CAP_NET_BIND_SERVICE")
        }
        _ => format!("{source}; check {setting}"),
    }
}
