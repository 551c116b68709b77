//! A certificate authority of the test's own, and one server certificate for loopback.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::wait::within;
use super::wire::{Stream, Wire};

/// The names that the server certificate is good for.
pub const NAMES: [&str; 3] = ["localhost", "origin.test", "127.0.0.1"];

/// PEM files of an authority and of a server that it vouches for; deleted on drop.
pub struct Authority {
    directory: TempDir,
    ca_file: PathBuf,
}

impl Authority {
    /// Makes keys and certificates.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Names of their own: OpenSSL takes equal ones for a self-signed certificate.
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        let server_key = KeyPair::generate().expect("a key");
        let mut server_params = CertificateParams::new(NAMES.map(str::to_owned)).expect("valid names");
        server_params.distinguished_name.push(DnType::CommonName, "server of a test");
        let server = server_params.signed_by(&server_key, &issuer).expect("a certificate");
        let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text).expect("a writable directory");
        write("ca.pem", certificate.pem());
        write("server.pem", server.pem());
        write("server.key", server_key.serialize_pem());
        Self { ca_file: directory.path().join("ca.pem"), directory }
    }

    /// The authority's certificate.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The server's certificate chain.
    pub fn certificate_file(&self) -> PathBuf {
        self.directory.path().join("server.pem")
    }

    /// The server's private key.
    pub fn key_file(&self) -> PathBuf {
        self.directory.path().join("server.key")
    }

    /// Accepts TLS with the server certificate, HTTP/1.1 only.
    pub fn acceptor(&self) -> TlsAcceptor {
        let certificate = CertificateDer::from_pem_file(self.certificate_file()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(self.key_file()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
        TlsAcceptor::from(Arc::new(config.expect("a key that fits its certificate")))
    }
}

/// Speaks TLS over `stream` as a client that trusts the authority in `ca_file` alone.
pub async fn secure(stream: impl Stream + 'static, ca_file: &Path, name: &str) -> std::io::Result<impl Stream + 'static> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).expect("a certificate")).expect("a usable root");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).expect("a valid name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

impl Wire {
    /// Speaks TLS inside this connection (a tunnel), as a client that trusts the authority in `ca_file` alone.
    pub async fn secure(self, ca_file: &Path) -> Self {
        let handshake = secure(self.into_stream(), ca_file, "localhost");
        Self::new(within("a TLS handshake", handshake).await.expect("a TLS handshake"))
    }
}
