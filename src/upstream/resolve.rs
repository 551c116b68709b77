//! From a host to addresses that may be connected to: resolved once, every address checked.
//!
//! Who resolves twice, once for the check and once for the connection, lets a name server answer
//! differently the second time (RFC 9110 section 17.1, DNS as a means of attack).
//!
//! # Deviations
//!
//! - A name with one prohibited address among several is refused as a whole, so that it does not
//!   depend on luck which of them is used.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::{Denied, Error, UpstreamError};
use crate::target::Host;

/// Most look-ups at a time; each holds a thread of the blocking pool for as long as it takes.
const LOOKUPS: usize = 64;

/// Most addresses of a name that are tried.
const ADDRESSES: usize = 8;

/// Turns names into addresses.
pub(super) enum Resolver {
    /// The operating system's resolver.
    System(Arc<Semaphore>),
    /// Fixed answers, each used for one question.
    #[cfg(test)]
    Fixed(parking_lot::Mutex<Vec<Vec<SocketAddr>>>),
}

impl Resolver {
    /// The operating system's resolver, with a bound on concurrent questions.
    pub(super) fn system() -> Self {
        Self::System(Arc::new(Semaphore::new(LOOKUPS)))
    }

    /// The addresses of `host`, every one checked; never empty.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Dns`] if there is none, or the first refusal of `check`.
    pub(super) async fn resolve(
        &self,
        host: &Host,
        port: u16,
        check: impl Fn(SocketAddr) -> Result<(), Denied>,
    ) -> Result<Vec<SocketAddr>, Error> {
        let mut addresses = match host {
            Host::Address(address) => vec![SocketAddr::new(*address, port)],
            Host::Name(name) => self.look_up(name, port).await.map_err(|_| UpstreamError::Dns)?,
        };
        addresses.iter().try_for_each(|address| check(*address))?;
        if addresses.is_empty() {
            return Err(UpstreamError::Dns.into());
        }
        addresses.truncate(ADDRESSES);
        Ok(addresses)
    }

    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::System(turns) => {
                let turn = Arc::clone(turns).acquire_owned().await.map_err(io::Error::other)?;
                let question = (name.to_owned(), port);
                tokio::task::spawn_blocking(move || {
                    // The turn ends with the thread's work, not with the asker's patience.
                    let _turn = turn;
                    question.to_socket_addrs().map(Iterator::collect)
                })
                .await
                .map_err(io::Error::other)?
            }
            #[cfg(test)]
            Self::Fixed(answers) => answers.lock().pop().ok_or_else(|| io::Error::other("asked too often")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(answer: &[&str]) -> Resolver {
        Resolver::Fixed(parking_lot::Mutex::new(vec![answer.iter().map(|text| text.parse().unwrap()).collect()]))
    }

    fn public_only(address: SocketAddr) -> Result<(), Denied> {
        if address.ip().is_loopback() { Err(Denied::Destination("loopback")) } else { Ok(()) }
    }

    #[tokio::test]
    async fn one_prohibited_address_among_several_refuses_the_name() {
        let resolver = fixed(&["192.0.2.1:80", "127.0.0.1:80", "192.0.2.2:80"]);
        let found = resolver.resolve(&Host::Name("two.example".into()), 80, public_only).await;
        assert!(matches!(found, Err(Error::Denied(Denied::Destination("loopback")))), "{found:?}");
    }

    #[tokio::test]
    async fn a_literal_goes_through_the_same_check() {
        let resolver = fixed(&[]);
        let literal = Host::Address("127.0.0.1".parse().unwrap());
        assert!(matches!(resolver.resolve(&literal, 80, public_only).await, Err(Error::Denied(_))));
        let literal = Host::Address("192.0.2.7".parse().unwrap());
        assert_eq!(resolver.resolve(&literal, 8080, public_only).await.unwrap(), ["192.0.2.7:8080".parse().unwrap()]);
    }

    #[tokio::test]
    async fn a_name_without_addresses_is_a_dns_error() {
        let found = fixed(&[]).resolve(&Host::Name("none.example".into()), 80, public_only).await;
        assert!(matches!(found, Err(Error::Upstream(UpstreamError::Dns))), "{found:?}");
        // Too long a label: the system's resolver refuses it without asking anybody.
        let host = Host::Name(format!("{}.example", "a".repeat(70)).into());
        let found = Resolver::system().resolve(&host, 80, public_only).await;
        assert!(matches!(found, Err(Error::Upstream(UpstreamError::Dns))), "{found:?}");
    }
}
