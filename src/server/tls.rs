//! TLS of a listener: certificate, key, handshake.
//!
//! RFC 9110 section 4.2.2 (https). HTTP/1.1 is the only protocol offered (RFC 7301).

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::settings;

use super::StartError;

/// Reads certificate and key and prepares handshakes of TLS 1.2 and 1.3.
///
/// # Errors
///
/// [`StartError::Certificate`] names the file that is unreadable, empty or does not fit the other.
pub(super) fn acceptor(files: &settings::Tls) -> Result<TlsAcceptor, StartError> {
    let chain = chain(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| invalid(&files.key, "expected one private key in PEM form", &error))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| invalid(&files.certificate, "expected TLS 1.2 and 1.3 to be available", &error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| {
            let expected = format!("expected a certificate for the key in {}", files.key.display());
            invalid(&files.certificate, &expected, &error)
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    const EXPECTED: &str = "expected certificates in PEM form, the server's own first";
    let chain = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| invalid(file, EXPECTED, &error))?;
    if chain.is_empty() {
        return Err(invalid(file, EXPECTED, &"found none"));
    }
    Ok(chain)
}

fn invalid(file: &Path, expected: &str, found: &dyn std::fmt::Display) -> StartError {
    StartError::Certificate { file: file.to_owned(), reason: format!("{expected}: {found}") }
}
