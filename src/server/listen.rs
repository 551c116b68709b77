//! From a configured address to accepted connections.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::StartError;

/// Connections that the kernel may keep for us while we are busy.
const BACKLOG: i32 = 4096;
/// How long to wait after the first failure to accept for want of descriptors or memory.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest such wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A socket that listens, and the address it really has.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: StdListener,
    /// With the port that the system chose where 0 was asked for.
    pub(crate) address: SocketAddr,
}

/// A listening socket within the runtime.
pub(crate) struct Listening {
    socket: TcpListener,
    pause: Duration,
}

impl Bound {
    /// Binds and listens; `setting` is what to change in the configuration if that fails.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`], with address and remedy.
    pub(crate) fn new(address: SocketAddr, setting: &str) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen { address, setting: setting.to_owned(), source };
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(failed)?;
        // A restart must not wait for connections of the last run to be forgotten.
        socket.set_reuse_address(true).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        // Without it a response's last piece may wait for an acknowledgement; connections have it from here.
        socket.set_tcp_nodelay(true).map_err(failed)?;
        socket.bind(&address.into()).map_err(failed)?;
        socket.listen(BACKLOG).map_err(failed)?;
        let socket = StdListener::from(socket);
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// Registers the socket with the current runtime.
    ///
    /// # Errors
    ///
    /// The system refused.
    pub(crate) fn listen(self) -> io::Result<Listening> {
        Ok(Listening { socket: TcpListener::from_std(self.socket)?, pause: FIRST_PAUSE })
    }
}

impl Listening {
    /// The next connection; failures are waited out, never spun on.
    pub(crate) async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    self.pause = FIRST_PAUSE;
                    return (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port()));
                }
                Err(error) if is_about_the_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, pause = ?self.pause, "cannot accept connections, trying again");
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }
}

/// The client gave up before it was accepted: the next one may be fine.
fn is_about_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_send_at_once() {
        let bound = Bound::new(SocketAddr::from(([127, 0, 0, 1], 0)), "listener.address").unwrap();
        let client = std::net::TcpStream::connect(bound.address).unwrap();
        let (accepted, peer) = bound.listen().unwrap().accept().await;
        assert!(accepted.nodelay().unwrap());
        assert_eq!(peer, client.local_addr().unwrap());
    }
}
