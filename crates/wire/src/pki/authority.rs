//! Turns a directory into the cluster's certificate authority, and public keys into certificates.

use rand::RngCore;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The name that every control plane's certificate carries and every agent asks for.
pub const SERVER_NAME: &str = "control-plane.masthead.internal";
/// Organization of node certificates, as Kubernetes has it.
pub const NODE_ORGANIZATION: &str = "system:nodes";
/// What precedes the node's name in a node certificate's common name, as Kubernetes has it.
pub const NODE_PREFIX: &str = "system:node:";
/// Certificates are valid from this long ago: clocks differ.
pub const BACKDATE: Duration = Duration::from_secs(3600);
/// How long a node's certificate is valid. Agents renew it when a third of this is left.
pub const NODE_LIFETIME: Duration = Duration::from_secs(90 * 86_400);
/// How long a server's certificate is valid.
pub const SERVER_LIFETIME: Duration = Duration::from_secs(90 * 86_400);
const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
const CA_NAME: &str = "masthead-ca";
/// Holds key and certificate, so that there is never one without the other.
const CA_FILE: &str = "ca.pem";
/// The certificate alone, for others to read.
const CA_CERTIFICATE_FILE: &str = "ca.crt";
/// Bytes of a file of keys and certificates at most; one has three of them, of about a kilobyte each.
const PEM_BYTES_MAX: u64 = 1 << 20;
/// An uncompressed P-256 point.
const POINT_BYTES: usize = 65;

/// Why the authority can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there and is not ours.
    #[error("{path}: no key and certificate of an authority")]
    Damaged {
        /// Where.
        path: PathBuf,
    },
    /// A certificate can't be made.
    #[error("can't make a certificate: {0}")]
    Sign(#[from] rcgen::Error),
    /// A node's name that Kubernetes would not take.
    #[error("node name {0:?} is not a lowercase RFC 1123 subdomain")]
    NodeName(String),
    /// A public key that is no P-256 point.
    #[error("public key is not an uncompressed P-256 point of 65 bytes")]
    PublicKey,
}

/// Signs the certificates of one cluster.
pub struct Authority {
    key: KeyPair,
    params: CertificateParams,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A key with its certificate.
pub struct Pair {
    /// The certificate, then the authority's.
    pub chain: Vec<CertificateDer<'static>>,
    /// The certificate as PEM.
    pub certificate_pem: String,
    /// The private key as PEM.
    pub key_pem: String,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

impl Authority {
    /// The authority that lives in `dir`, made at the first call. Two processes that come at the
    /// same time get the same one.
    pub fn open(dir: &Path, now: SystemTime) -> Result<Self, Error> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { path, source }
        };
        let path = dir.join(CA_FILE);
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(dir);
        made.map_err(at(dir))?;
        if !path.try_exists().map_err(at(&path))? {
            let new = Self::generate(now)?;
            let text = format!("{}{}", new.key.serialize_pem(), new.certificate_pem);
            // Written aside and linked: the name appears once, with all of its content.
            let draft = dir.join(format!(".{CA_FILE}.{:016x}", rand::random::<u64>()));
            write_private(&draft, text.as_bytes()).map_err(at(&draft))?;
            let linked = fs::hard_link(&draft, &path);
            let _ = fs::remove_file(&draft);
            match linked {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(at(&path)(e)),
                _ => {}
            }
        }
        let text = read_bounded(&path).map_err(at(&path))?;
        let authority = Self::read(&text).ok_or(Error::Damaged { path })?;
        let public = dir.join(CA_CERTIFICATE_FILE);
        if !public.try_exists().map_err(at(&public))? {
            fs::write(&public, &authority.certificate_pem).map_err(at(&public))?;
        }
        Ok(authority)
    }

    /// A new authority that lives in memory.
    pub fn generate(now: SystemTime) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = ca_params();
        let (not_before, not_after) = (now - BACKDATE, now + CA_LIFETIME);
        set_validity(&mut params, not_before, not_after);
        params.serial_number = Some(serial());
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate_pem: certificate.pem(), certificate: certificate.into(), params, key })
    }

    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).ok()?;
        let key = KeyPair::try_from(key.secret_pkcs8_der()).ok()?;
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
        let from = text.find("-----BEGIN CERTIFICATE")?;
        let ours = super::der::read(&certificate)?.common_name == CA_NAME;
        ours.then_some(Self { key, params: ca_params(), certificate_pem: text[from..].to_owned(), certificate })
    }

    /// The authority's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// What a join token pins: SHA-256 of the certificate.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    /// A certificate with which the holder of `public_key` is node `name`; as PEM.
    pub fn issue_node(
        &self,
        name: &str,
        public_key: &[u8],
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<String, Error> {
        if !is_node_name(name) {
            return Err(Error::NodeName(name.chars().take(64).collect()));
        }
        let point = Point::parse(public_key).ok_or(Error::PublicKey)?;
        let subject = (format!("{NODE_PREFIX}{name}"), NODE_ORGANIZATION);
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        let mut params = leaf_params(&subject.0, Some(subject.1), usage);
        set_validity(&mut params, now - BACKDATE, now + lifetime);
        Ok(params.signed_by(&point, &self.issuer())?.pem())
    }

    /// A certificate for a server that is reached under `names` (host names and addresses).
    pub fn issue_server(&self, names: &[String], now: SystemTime, lifetime: Duration) -> Result<Pair, Error> {
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let mut params = leaf_params(SERVER_NAME, None, usage);
        let mut all = vec![SERVER_NAME.to_owned()];
        all.extend(names.iter().cloned());
        params.subject_alt_names = CertificateParams::new(all)?.subject_alt_names;
        set_validity(&mut params, now - BACKDATE, now + lifetime);
        self.issue_pair(&params)
    }

    /// A certificate for a client of the API: user `name`, member of `group`.
    pub fn issue_user(
        &self,
        name: &str,
        group: Option<&str>,
        now: SystemTime,
        lifetime: Duration,
    ) -> Result<Pair, Error> {
        let mut params = leaf_params(name, group, ExtendedKeyUsagePurpose::ClientAuth);
        set_validity(&mut params, now - BACKDATE, now + lifetime);
        self.issue_pair(&params)
    }

    fn issue_pair(&self, params: &CertificateParams) -> Result<Pair, Error> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer())?;
        Ok(Pair {
            certificate_pem: certificate.pem(),
            chain: vec![certificate.into(), self.certificate.clone()],
            key_pem: key.serialize_pem(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }
}

/// Whether Kubernetes takes `name` as a node's: a lowercase RFC 1123 subdomain of at most 253 bytes.
pub fn is_node_name(name: &str) -> bool {
    let label = |label: &str| {
        let ends = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = label.as_bytes();
        bytes.first().copied().is_some_and(ends)
            && bytes.last().copied().is_some_and(ends)
            && bytes.iter().all(|&c| ends(c) || c == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Reads a file of keys and certificates.
pub(super) fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // The size that a file tells is not that of a device or a pipe.
    let read = fs::File::open(path)?.take(PEM_BYTES_MAX + 1).read_to_end(&mut content)?;
    if read as u64 > PEM_BYTES_MAX {
        return Err(io::Error::other(format!("more than {PEM_BYTES_MAX} bytes (PEM_BYTES_MAX)")));
    }
    Ok(content)
}

/// Writes a file that only its owner may read, and that is on the disk afterwards.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, CA_NAME);
    // No intermediate authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(name: &str, organization: Option<&str>, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(organization) = organization {
        let subject = &mut params.distinguished_name;
        subject.push(DnType::OrganizationName, organization);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial());
    params
}

fn set_validity(params: &mut CertificateParams, from: SystemTime, until: SystemTime) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |t: SystemTime| epoch + t.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = at(from);
    params.not_after = at(until);
}

fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    // RFC 5280 4.1.2.2: positive.
    bytes[0] &= 0x7f;
    bytes[0] |= 0x01;
    SerialNumber::from_slice(&bytes)
}

/// A public key of somebody else. That they hold its private key, no request proves; without it
/// the certificate opens nothing, so none is asked to.
struct Point(Vec<u8>);

impl Point {
    fn parse(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == POINT_BYTES && bytes[0] == 4).then(|| Self(bytes.to_vec()))
    }
}

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_authority_is_made_once_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let pki = dir.path().join("pki");
        let first = Authority::open(&pki, SystemTime::now()).unwrap();
        let second = Authority::open(&pki, SystemTime::now()).unwrap();
        assert_eq!(first.digest(), second.digest());
        let mode = fs::metadata(pki.join(CA_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::metadata(&pki).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&pki).unwrap().count(), 2);
        fs::write(pki.join(CA_FILE), "torn").unwrap();
        let error = Authority::open(&pki, SystemTime::now()).unwrap_err();
        assert!(error.to_string().contains("ca.pem: no key and certificate"), "{error}");
    }

    #[test]
    fn a_node_certificate_says_who_and_how_long() {
        let authority = Authority::generate(SystemTime::now()).unwrap();
        let key = KeyPair::generate().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let life = Duration::from_secs(60);
        let pem = authority.issue_node("a.b-1", key.public_key_raw(), now, life).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let facts = super::super::der::read(&der).unwrap();
        assert_eq!(facts.common_name, "system:node:a.b-1");
        assert_eq!(facts.organizations, ["system:nodes"]);
        assert_eq!(facts.not_before_unix_s, 1_800_000_000 - 3600);
        assert_eq!(facts.not_after_unix_s, 1_800_000_060);
        assert_eq!(facts.public_key, key.subject_public_key_info());
    }

    #[test]
    fn a_server_certificate_is_valid_for_agents_whose_clock_is_behind() {
        let authority = Authority::generate(SystemTime::now()).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let names = ["127.0.0.1".to_owned(), "example.org".to_owned()];
        let pair = authority.issue_server(&names, now, SERVER_LIFETIME).unwrap();
        let facts = super::super::der::read(&pair.chain[0]).unwrap();
        assert_eq!(facts.not_before_unix_s, 1_800_000_000 - 3600);
        assert_eq!(pair.chain[1], *authority.certificate());
        assert!(!format!("{pair:?} {authority:?}").contains("KEY"));
    }

    #[test]
    fn what_is_no_node_gets_no_certificate() {
        let authority = Authority::generate(SystemTime::now()).unwrap();
        let key = KeyPair::generate().unwrap();
        let issue = |name: &str, key: &[u8]| {
            let now = SystemTime::now();
            authority.issue_node(name, key, now, NODE_LIFETIME).unwrap_err().to_string()
        };
        for name in ["", "A", "a_b", "-a", "a-", "a..b", "a/b", "a\0", &"a".repeat(254)] {
            assert!(issue(name, key.public_key_raw()).contains("RFC 1123"), "{name}");
        }
        assert!(issue("a", &[]).contains("P-256"));
        assert!(issue("a", &[2; 65]).contains("P-256"));
    }
}
