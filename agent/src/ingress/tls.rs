//! Secrets → certificates, and the name a client asks for → the one it gets.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::ingress::live::Live;
use crate::ingress::objects::Secret;

/// Certificates in one chain.
const CHAIN_MAX: usize = 16;

/// Chooses a certificate from the table as it is when a client says its name.
struct ByName {
    live: Arc<Live>,
    port: u16,
    is_shared: bool,
    /// For hosts that have none, so that who asks is told more than that TLS can't begin.
    last_resort: Option<Arc<CertifiedKey>>,
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByName")
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A client that names no host gets what is for every host.
        let name = hello.server_name().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        let found = self.live.get().certificate_at(self.port, self.is_shared, &name).cloned();
        found.or_else(|| self.last_resort.clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Why a Secret gives no certificate. No text of the Secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A value is missing.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A value is not what it should be.
    #[error("its {0} can't be read")]
    Unreadable(&'static str),
    /// There are too many certificates.
    #[error("its chain is longer than {CHAIN_MAX}")]
    Long,
    /// The key belongs to another certificate.
    #[error("its key is not that of its certificate")]
    Mismatch,
    /// The kind of key is not supported.
    #[error("its kind of key is not supported")]
    Key,
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}")]
    Setup(String),
}

/// The certificate of a Secret of type `kubernetes.io/tls`.
///
/// # Errors
/// There is none that can be used.
pub fn certificate(secret: &Secret) -> Result<CertifiedKey, Error> {
    let value = |key: &'static str| -> Result<Vec<u8>, Error> {
        let text = secret.data.get(key).filter(|text| !text.is_empty()).ok_or(Error::Missing(key))?;
        base64::engine::general_purpose::STANDARD.decode(text.trim()).map_err(|_| Error::Unreadable(key))
    };
    let (chain, key) = (value("tls.crt")?, value("tls.key")?);
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&chain).collect::<Result<_, _>>().map_err(|_| Error::Unreadable("tls.crt"))?;
    if chain.is_empty() {
        return Err(Error::Unreadable("tls.crt"));
    }
    if chain.len() > CHAIN_MAX {
        return Err(Error::Long);
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| Error::Unreadable("tls.key"))?;
    let key = provider().key_provider.load_private_key(key).map_err(|_| Error::Key)?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        // A key that can't say what it belongs to is taken as it is.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Error::Mismatch),
        Err(_) => Err(Error::Unreadable("tls.crt")),
    }
}

/// A certificate that nobody trusts, made for this life of the node.
fn last_resort() -> Result<CertifiedKey, Error> {
    let setup = |error: rcgen::Error| Error::Setup(error.to_string());
    let mut params = rcgen::CertificateParams::new(vec!["ingress.invalid".to_owned()]).map_err(setup)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Masthead has no certificate for this host");
    let key = rcgen::KeyPair::generate().map_err(setup)?;
    let chain = vec![params.self_signed(&key).map_err(setup)?.der().clone()];
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = provider().key_provider.load_private_key(key).map_err(|_| Error::Key)?;
    Ok(CertifiedKey::new(chain, key))
}

/// The settings of TLS at a port: certificates by name, HTTP/2 before HTTP/1.1, tickets to go on with. A port that
/// `is_shared` has the certificates of Ingresses, too, and one of last resort.
///
/// # Errors
/// The library has no such settings.
pub fn config(live: Arc<Live>, port: u16, is_shared: bool) -> Result<ServerConfig, Error> {
    let setup = |error: rustls::Error| Error::Setup(error.to_string());
    let last_resort = is_shared.then(last_resort).transpose()?.map(Arc::new);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName { live, port, is_shared, last_resort }));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(setup)?;
    Ok(config)
}
