//! Turns an authority, an identity or a token into the TLS configuration of one end.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::authority::{self, Authority, SERVER_LIFETIME};
use super::identity::Identity;
use super::token::Token;

const HTTP2: &[u8] = b"h2";
/// A server certificate is replaced at this age.
const SERVER_REISSUE: Duration = Duration::from_secs(SERVER_LIFETIME.as_secs() / 2);

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// rustls does not take the material.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
    /// The verifier does not take the authority.
    #[error("TLS: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The authority can't sign.
    #[error(transparent)]
    Authority(#[from] authority::Error),
    /// The identity holds no key.
    #[error("the node's identity holds no private key")]
    NoKey,
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(ca: &CertificateDer<'static>) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone())?;
    Ok(Arc::new(roots))
}

/// The control plane's end. A client may come without a certificate (to join); one that shows a
/// certificate must show one of this authority. The server's own certificate carries `names` and
/// is replaced long before it expires.
pub fn server(authority: Arc<Authority>, names: Vec<String>) -> Result<Arc<ServerConfig>, Error> {
    let roots = roots(authority.certificate())?;
    let clients = WebPkiClientVerifier::builder_with_provider(roots, provider()).allow_unauthenticated().build()?;
    let certificate = Reissued::new(authority, names)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(certificate));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

/// A node's end.
pub fn node(identity: &Identity) -> Result<Arc<ClientConfig>, Error> {
    let chain = vec![identity.certificate().clone()];
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(identity.authority())?)
        .with_client_auth_cert(chain, identity.key().ok_or(Error::NoKey)?)?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

/// The end of one who has only a token: it trusts the authority that the token names.
pub fn joining(token: &Token) -> Result<Arc<ClientConfig>, Error> {
    let pinned = Pinned { ca_digest: *token.ca_digest(), provider: provider() };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

/// The server's certificate, made anew when it gets old.
#[derive(Debug)]
struct Reissued {
    authority: Arc<Authority>,
    names: Vec<String>,
    current: Mutex<(SystemTime, Arc<CertifiedKey>)>,
}

impl Reissued {
    fn new(authority: Arc<Authority>, names: Vec<String>) -> Result<Self, Error> {
        let now = SystemTime::now();
        let key = issue(&authority, &names, now)?;
        Ok(Self { authority, names, current: Mutex::new((now, key)) })
    }
}

fn issue(authority: &Authority, names: &[String], now: SystemTime) -> Result<Arc<CertifiedKey>, Error> {
    let pair = authority.issue_server(names, now, SERVER_LIFETIME)?;
    let key = provider().key_provider.load_private_key(pair.key)?;
    Ok(Arc::new(CertifiedKey::new(pair.chain, key)))
}

impl ResolvesServerCert for Reissued {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = SystemTime::now();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(current.0).unwrap_or_default() > SERVER_REISSUE {
            match issue(&self.authority, &self.names, now) {
                Ok(key) => *current = (now, key),
                Err(error) => tracing::error!(%error, "can't renew the server's certificate"),
            }
        }
        Some(current.1.clone())
    }
}

/// Trusts the one authority whose certificate has the digest; it must be in the server's chain.
#[derive(Debug)]
struct Pinned {
    ca_digest: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let pinned = |c: &&CertificateDer<'_>| Sha256::digest(c)[..] == self.ca_digest[..];
        let Some(ca) = intermediates.iter().find(pinned) else {
            let text = "the control plane's authority is not the one that the join token names";
            return Err(rustls::Error::General(text.into()));
        };
        let roots = roots(&ca.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone())
            .build()
            .map_err(|e| rustls::Error::General(e.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
