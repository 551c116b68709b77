//! Requests, put together from prepared bytes.

use crate::Drive;
use crate::digest::Credentials;

/// What all requests of a run have in common.
pub(crate) struct Asking {
    base: String,
    fields: String,
    line: String,
}

impl Asking {
    pub(crate) fn new(drive: &Drive) -> Asking {
        let Drive { origin, kind, bytes, .. } = drive;
        let authority = if drive.absolute && !drive.tunnel { format!("http://{origin}") } else { String::new() };
        let mut fields = format!("Host: {origin}\r\n");
        // What is for the proxy goes into no tunnel.
        for field in drive.field.iter().filter(|_| !drive.tunnel) {
            fields.push_str(field);
            fields.push_str("\r\n");
        }
        if drive.close {
            fields.push_str("Connection: close\r\n");
        }
        Asking { base: format!("{authority}/{kind}/{bytes}/"), fields, line: String::new() }
    }

    /// Writes the request of a user, 0 being one without credentials, for a number.
    pub(crate) fn write(&mut self, number: u64, user: usize, credentials: Option<&mut Credentials>, request: &mut Vec<u8>) {
        let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
        let number = first.format(number);
        request.clear();
        for part in ["GET ", &self.base, number, " HTTP/1.1\r\n", &self.fields] {
            request.extend_from_slice(part.as_bytes());
        }
        if user > 0 {
            for part in ["Authorization: Bearer user-", second.format(user), "\r\n"] {
                request.extend_from_slice(part.as_bytes());
            }
        }
        if let Some(credentials) = credentials {
            credentials.line(&format!("{}{number}", self.base), &mut self.line);
            request.extend_from_slice(self.line.as_bytes());
        }
        request.extend_from_slice(b"\r\n");
    }
}

/// The request that opens a tunnel.
pub(crate) fn connect(drive: &Drive) -> Vec<u8> {
    let fields: String = drive.field.iter().map(|field| format!("{field}\r\n")).collect();
    format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{fields}\r\n", drive.origin).into_bytes()
}
