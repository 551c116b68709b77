//! Non-blocking sockets: what a read or a write came to.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use mio::net::TcpStream;

/// What a read came to.
pub(crate) enum Got {
    Bytes(usize),
    Nothing,
    End,
}

/// Reads once.
pub(crate) fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> Got {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Got::End,
            Ok(count) => return Got::Bytes(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Got::Nothing,
            Err(_) => return Got::End,
        }
    }
}

/// Bytes on their way out: a part of one's own and one that is shared.
#[derive(Default)]
pub(crate) struct Outgoing<T> {
    pub(crate) own: Vec<u8>,
    pub(crate) shared: T,
    sent: usize,
}

impl<T: AsRef<[u8]> + Default> Outgoing<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.shared.as_ref().is_empty()
    }

    /// Sends until all is sent or there is no room; afterwards it is empty, or to be sent when there is room again.
    pub(crate) fn send(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        let shared = self.shared.as_ref();
        let whole = self.own.len() + shared.len();
        while self.sent < whole {
            let first = &self.own[self.sent.min(self.own.len())..];
            let second = &shared[self.sent.saturating_sub(self.own.len())..];
            match stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.own.clear();
        self.shared = T::default();
        self.sent = 0;
        Ok(())
    }
}
