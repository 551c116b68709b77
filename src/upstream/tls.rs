//! TLS towards an origin: whom to believe, and the handshake.
//!
//! Verification cannot be switched off. RFC 9110 section 4.3.4 (the certificate must match the
//! origin's identity), section 4.2.2 (`https`).
//!
//! # Deviations
//!
//! - Revocation is not checked: RFC 9110 section 4.3.4 does not ask for it, and neither lists nor
//!   stapled answers are at hand for a private bundle.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::target::Host;

/// The system's roots, read when they are needed for the first time.
#[derive(Default)]
pub(crate) struct SystemRoots(OnceCell<Arc<ClientConfig>>);

/// Whose certificates are believed.
pub(crate) enum Trust {
    /// The certificates of a bundle, and no others.
    Bundle(Arc<ClientConfig>),
    /// The system's roots.
    System(Arc<SystemRoots>),
}

impl Trust {
    /// Trust in a bundle if there is one, otherwise in the system's roots. `owner` is the setting
    /// that named the bundle, for the message.
    ///
    /// # Errors
    ///
    /// The bundle cannot be read, holds no certificate, or one that is none.
    pub(crate) fn new(owner: &str, bundle: Option<&Path>, system: &Arc<SystemRoots>) -> Result<Self, String> {
        let Some(path) = bundle else { return Ok(Self::System(Arc::clone(system))) };
        let told = |found: String| {
            format!("{owner}: {}: expected a readable PEM file with CA certificates, found {found}", path.display())
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| told(error.to_string()))? {
            let certificate = certificate.map_err(|error| told(error.to_string()))?;
            roots.add(certificate).map_err(|error| told(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(told("no certificate".to_owned()));
        }
        Ok(Self::Bundle(client_config(roots).map_err(|error| told(error.to_string()))?))
    }

    /// Speaks TLS on a fresh connection and verifies that it leads to `host`.
    ///
    /// # Errors
    ///
    /// Missing roots, a failed handshake, or a certificate that is not the host's.
    ///
    /// Source: RFC 9110 section 4.3.4.
    pub(crate) async fn handshake(&self, host: &Host, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = match self {
            Self::Bundle(config) => Arc::clone(config),
            Self::System(roots) => roots.config().await?,
        };
        TlsConnector::from(config).connect(server_name(host)?, stream).await
    }
}

impl SystemRoots {
    async fn config(&self) -> io::Result<Arc<ClientConfig>> {
        let config = self.0.get_or_try_init(|| async {
            // The store is a folder of files.
            tokio::task::spawn_blocking(|| system_config(rustls_native_certs::load_native_certs().certs))
                .await
                .map_err(io::Error::other)?
        });
        config.await.cloned()
    }
}

/// Certificates in the system's store that cannot be used are skipped: the store is not ours, and
/// one odd root must not take the others away.
fn system_config(certificates: Vec<CertificateDer<'static>>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(io::Error::other(
            "expected root certificates in the system's store, found none; install the package ca-certificates or set ca_file",
        ));
    }
    client_config(roots).map_err(io::Error::other)
}

fn client_config(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn server_name(host: &Host) -> io::Result<ServerName<'static>> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        Host::Name(name) => ServerName::try_from(name.to_string()).map_err(io::Error::other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &Path) -> String {
        Trust::new("forward.ca_file", Some(path), &Arc::default()).err().unwrap()
    }

    #[test]
    fn a_bad_bundle_is_named_with_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.pem");
        let message = told(&missing);
        assert!(message.starts_with("forward.ca_file: ") && message.contains("missing.pem"), "{message}");
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing here\n").unwrap();
        assert!(told(&empty).ends_with("found no certificate"), "{}", told(&empty));
        let broken = folder.path().join("broken.pem");
        std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(told(&broken).contains("broken.pem: expected"), "{}", told(&broken));
    }

    #[test]
    fn a_missing_system_store_says_what_to_do() {
        let error = system_config(Vec::new()).unwrap_err().to_string();
        assert!(error.contains("ca-certificates") && error.contains("ca_file"), "{error}");
    }
}
