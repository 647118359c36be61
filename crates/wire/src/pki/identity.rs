//! Turns a file into a node's identity (key, certificate, authority), and an identity into a file.

use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::authority::{self, NODE_ORGANIZATION, NODE_PREFIX};
use super::der;

/// Holds key, certificate and authority, so that they always belong together.
const FILE: &str = "node.pem";

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there and is not ours.
    #[error("{path}: no key, certificate and authority of a node; remove it and join again")]
    Damaged {
        /// Where.
        path: PathBuf,
    },
    /// The control plane sent something else than a certificate for us.
    #[error("the control plane's answer is no certificate of node {0}")]
    Answer(String),
    /// The control plane's authority is not the one that the token names.
    #[error("the control plane's authority is not the one that the join token names")]
    WrongAuthority,
    /// No key can be made.
    #[error("can't make a key: {0}")]
    Key(#[from] rcgen::Error),
}

/// What a certificate says about its holder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The node.
    pub node: String,
    /// SHA-256 of its public key.
    pub key_digest: [u8; 32],
}

/// The node that a verified client certificate names; nothing when it is not a node's.
pub fn peer(certificate: &[u8]) -> Option<Peer> {
    let facts = der::read(certificate)?;
    let node = facts.common_name.strip_prefix(NODE_PREFIX)?;
    let member = facts.organizations.iter().any(|o| o == NODE_ORGANIZATION);
    (member && authority::is_node_name(node))
        .then(|| Peer { node: node.to_owned(), key_digest: Sha256::digest(&facts.public_key).into() })
}

/// A key that has no certificate yet.
pub struct NewKey(KeyPair);

impl NewKey {
    /// Makes one.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(KeyPair::generate()?))
    }

    /// What a request carries: the uncompressed P-256 point.
    pub fn public_key(&self) -> Vec<u8> {
        self.0.public_key_raw().to_vec()
    }
}

/// With what a node shows who it is, and knows its control plane.
#[derive(Clone)]
pub struct Identity {
    node: String,
    not_before_unix_s: i64,
    not_after_unix_s: i64,
    text: String,
    certificate: CertificateDer<'static>,
    authority: CertificateDer<'static>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("node", &self.node)
            .field("not_after_unix_s", &self.not_after_unix_s)
            .finish_non_exhaustive()
    }
}

impl Identity {
    /// Joins a key with the control plane's answer to it.
    pub fn new(node: &str, key: &NewKey, certificate_pem: &str, authority_pem: &str) -> Result<Self, Error> {
        let text = format!("{}{certificate_pem}{authority_pem}", key.0.serialize_pem());
        let identity = Self::read(text);
        identity.filter(|i| i.node == node && i.holds_key(&key.0)).ok_or_else(|| Error::Answer(node.to_owned()))
    }

    fn holds_key(&self, key: &KeyPair) -> bool {
        use rcgen::PublicKeyData;
        let facts = der::read(&self.certificate);
        facts.is_some_and(|f| f.public_key == key.subject_public_key_info())
    }

    fn read(text: String) -> Option<Self> {
        PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).ok()?;
        let mut certificates = CertificateDer::pem_slice_iter(text.as_bytes());
        let certificate = certificates.next()?.ok()?;
        let authority = certificates.next()?.ok()?;
        let facts = der::read(&certificate)?;
        Some(Self {
            node: peer(&certificate)?.node,
            not_before_unix_s: facts.not_before_unix_s,
            not_after_unix_s: facts.not_after_unix_s,
            text,
            certificate,
            authority,
        })
    }

    /// The identity in `dir`; nothing when there is none.
    pub fn load(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(FILE);
        match authority::read_bounded(&path) {
            Ok(text) => {
                let identity = String::from_utf8(text).ok().and_then(Self::read);
                identity.map(Some).ok_or(Error::Damaged { path })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    /// Writes the identity to `dir` in one step.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(FILE);
        let draft = dir.join(format!(".{FILE}.{:016x}", rand::random::<u64>()));
        let save = || -> io::Result<()> {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(dir)?;
            authority::write_private(&draft, self.text.as_bytes())?;
            fs::rename(&draft, &path)?;
            fs::File::open(dir)?.sync_all()
        };
        save().map_err(|source| {
            let _ = fs::remove_file(&draft);
            Error::Io { path, source }
        })
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Whether its time is over.
    pub fn expired(&self, now: SystemTime) -> bool {
        unix_s(now) >= self.not_after_unix_s
    }

    /// How long until it should be renewed: when a third of its time is left.
    pub fn renew_in(&self, now: SystemTime) -> Duration {
        let third = (self.not_after_unix_s - self.not_before_unix_s) / 3;
        let left = self.not_after_unix_s - third - unix_s(now);
        Duration::from_secs(u64::try_from(left).unwrap_or(0))
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The authority's certificate.
    pub fn authority(&self) -> &CertificateDer<'static> {
        &self.authority
    }

    /// Whether the authority is the one with this SHA-256.
    pub fn pinned_to(&self, ca_digest: &[u8; 32]) -> bool {
        Sha256::digest(&self.authority)[..] == ca_digest[..]
    }

    /// The private key.
    pub(super) fn key(&self) -> Option<PrivateKeyDer<'static>> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(self.text.as_bytes()).ok()?;
        Some(key.into())
    }
}

fn unix_s(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::authority::{Authority, NODE_LIFETIME};
    use super::*;

    fn issue(authority: &Authority, key: &NewKey) -> String {
        let now = SystemTime::now();
        authority.issue_node("one", &key.public_key(), now, NODE_LIFETIME).unwrap()
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Identity::load(dir.path()).unwrap().is_none());
        let authority = Authority::generate(SystemTime::now()).unwrap();
        let key = NewKey::generate().unwrap();
        let new = Identity::new("one", &key, &issue(&authority, &key), authority.certificate_pem());
        let new = new.unwrap();
        new.save(dir.path()).unwrap();
        new.save(dir.path()).unwrap();
        let loaded = Identity::load(dir.path()).unwrap().unwrap();
        assert_eq!((loaded.node(), loaded.certificate()), ("one", new.certificate()));
        assert!(loaded.pinned_to(&authority.digest()) && !loaded.pinned_to(&[0; 32]));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        let shown = format!("{loaded:?}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
        std::fs::write(dir.path().join(FILE), "torn").unwrap();
        let error = Identity::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("join again"), "{error}");
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", dir.path().join(FILE)).unwrap();
        let error = Identity::load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("PEM_BYTES_MAX"), "{error}");
    }

    #[test]
    fn an_answer_that_is_not_for_us_is_refused() {
        let authority = Authority::generate(SystemTime::now()).unwrap();
        let (ours, other) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        let (for_us, ca) = (issue(&authority, &ours), authority.certificate_pem());
        let check = |node: &str, key: &NewKey, pem: &str, ca: &str| {
            let made = Identity::new(node, key, pem, ca).map(|_| ());
            made.unwrap_err().to_string()
        };
        for error in [
            check("two", &ours, &for_us, ca),
            check("one", &other, &for_us, ca),
            check("one", &ours, "", ca),
            check("one", &ours, &for_us, ""),
            check("one", &ours, ca, ca),
        ] {
            assert!(error.contains("is no certificate of node"), "{error}");
        }
    }

    #[test]
    fn it_is_renewed_when_a_third_of_its_time_is_left() {
        let authority = Authority::generate(SystemTime::now()).unwrap();
        let key = NewKey::generate().unwrap();
        let pem = issue(&authority, &key);
        let new = Identity::new("one", &key, &pem, authority.certificate_pem()).unwrap();
        let now = SystemTime::now();
        let days = new.renew_in(now).as_secs() / 86_400;
        assert!((58..=60).contains(&days), "{days}");
        assert_eq!(new.renew_in(now + NODE_LIFETIME), Duration::ZERO);
        assert!(new.expired(now + NODE_LIFETIME) && !new.expired(now));
    }
}
