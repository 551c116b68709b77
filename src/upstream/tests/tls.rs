//! `https` origins: verified, or not spoken to.

use std::sync::Arc;

use http::Method;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::origin::read_request;
use super::*;
use crate::error::UpstreamError;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An origin with a certificate for `name` that answers every request with the name that it was
/// asked for in SNI and the protocol, and closes as `is_clean` says.
async fn origin(authority: &Authority, name: &str, answer: &'static str) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            while read_request(&mut stream).await.is_some() {
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                if !answer.contains("Content-Length") {
                    // Ends without close_notify, as an attacker would end it.
                    break;
                }
            }
        }
    });
    address
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn settings_trusting(authority: &Authority, folder: &tempfile::TempDir) -> Settings {
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    let mut settings = settings();
    settings.forward.ca_file = Some(path);
    settings
}

fn https(name: &str, address: SocketAddr) -> Permit {
    permit_for(Scheme::Https, Host::Name(name.into()), address.port(), "/")
}

#[tokio::test]
async fn a_certificate_of_a_given_authority_is_accepted_and_the_connection_reused() {
    let (authority, folder) = (authority(), tempfile::tempdir().unwrap());
    let address = origin(&authority, "origin.example", ANSWER).await;
    // One answer of the resolver: the second request finds the connection in the pool.
    let upstreams = upstreams_resolving(&settings_trusting(&authority, &folder), vec![vec![address]]);
    for _ in 0..2 {
        let answer = exchange(&upstreams, &https("origin.example", address), bare(Method::GET)).await.unwrap();
        assert_eq!(answer, (200, "ok".into()));
    }
}

#[tokio::test]
async fn an_https_server_of_an_upstream_uses_its_own_bundle_and_name() {
    let (authority, folder) = (authority(), tempfile::tempdir().unwrap());
    let address = origin(&authority, "server.example", ANSWER).await;
    let mut settings = settings_trusting(&authority, &folder);
    let server = Server { scheme: Scheme::Https, host: Host::Name("server.example".into()), port: address.port() };
    settings.upstreams.push(Upstream { name: "up".into(), servers: vec![server], ca_file: settings.forward.ca_file.take() });
    let upstreams = upstreams_resolving(&settings, vec![vec![address]]);
    let permit = permit_for(Scheme::Http, Host::Name("www.example".into()), 80, "/");
    let response = upstreams.send(&permit, Destination::Upstream(0), bare(Method::GET)).await.unwrap();
    assert_eq!(read(response).await.unwrap().2, "ok");
}

#[tokio::test]
async fn a_wrong_name_or_an_unknown_authority_is_refused() {
    let (known, unknown, folder) = (authority(), authority(), tempfile::tempdir().unwrap());
    let settings = settings_trusting(&known, &folder);
    for (issuer, name) in [(&known, "other.example"), (&unknown, "origin.example")] {
        let address = origin(issuer, name, ANSWER).await;
        let upstreams = upstreams_resolving(&settings, vec![vec![address]]);
        let answer = exchange(&upstreams, &https("origin.example", address), bare(Method::GET)).await;
        assert!(matches!(answer, Err(Error::Upstream(UpstreamError::Tls(_)))), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn an_origin_that_does_not_speak_tls_is_a_tls_error() {
    let (authority, folder) = (authority(), tempfile::tempdir().unwrap());
    let plain = super::origin::Origin::script(vec![vec![super::origin::write("HTTP/1.1 200 OK\n\n")]]).await;
    let upstreams = upstreams_resolving(&settings_trusting(&authority, &folder), vec![vec![plain.address]]);
    let answer = exchange(&upstreams, &https("origin.example", plain.address), bare(Method::GET)).await;
    assert!(matches!(answer, Err(Error::Upstream(UpstreamError::Tls(_)))), "{answer:?}");
}

#[tokio::test]
async fn content_that_ends_without_close_notify_is_truncated() {
    let (authority, folder) = (authority(), tempfile::tempdir().unwrap());
    let address = origin(&authority, "origin.example", "HTTP/1.1 200 OK\r\n\r\npart").await;
    let upstreams = upstreams_resolving(&settings_trusting(&authority, &folder), vec![vec![address]]);
    let response = upstreams.send(&https("origin.example", address), Destination::Forward, bare(Method::GET)).await.unwrap();
    assert!(read(response).await.is_err());
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_given_up() {
    let (authority, folder) = (authority(), tempfile::tempdir().unwrap());
    let silent = super::origin::Origin::script(vec![vec![super::origin::Step::Hold]]).await;
    let mut settings = settings_trusting(&authority, &folder);
    settings.limits.connect_time = Duration::from_millis(80);
    let upstreams = upstreams_resolving(&settings, vec![vec![silent.address]]);
    let answer = exchange(&upstreams, &https("origin.example", silent.address), bare(Method::GET)).await;
    assert!(matches!(answer, Err(Error::Upstream(UpstreamError::ConnectTimeout))), "{answer:?}");
    silent.is_left().await;
}
