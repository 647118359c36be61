//! Private keys of all kinds: made, read from PEM and written to it, with the errors of sprig and `crypto/x509`.

use ed25519_dalek::Signer;
use num_bigint_dig::{BigUint, ModInverse};
use rsa::Pkcs1v15Sign;
use rsa::RsaPrivateKey;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use sha2::{Digest, Sha256};

use super::curve::{CURVES, EcKey};
use super::der::{self, Reader};
use super::dsa::DsaKey;
use super::pem;
use super::prime;
use super::rng::Derived;

const RSA_OID: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01];
const RSA_SHA256_OID: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
const EC_OID: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const ED25519_OID: &[u8] = &[0x2B, 0x65, 0x70];

/// A private key.
pub enum PrivateKey {
    /// Go's `*rsa.PrivateKey`.
    Rsa(Box<RsaPrivateKey>),
    /// Go's `*ecdsa.PrivateKey`.
    Ec(EcKey),
    /// Go's `ed25519.PrivateKey`.
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// Go's `*dsa.PrivateKey`, which signs no certificates.
    Dsa(Box<DsaKey>),
}

impl PrivateKey {
    /// A new RSA key of 2,048 or 4,096 bits.
    pub fn rsa(rng: &mut Derived, bits: usize) -> Result<Self, String> {
        let (p, q) = match bits {
            2048 => (prime::generate::<16>(rng), prime::generate::<16>(rng)),
            4096 => (prime::generate::<32>(rng), prime::generate::<32>(rng)),
            _ => return Err(format!("an RSA key of {bits} bits is not supported")),
        };
        let key = RsaPrivateKey::from_p_q(p, q, BigUint::from(prime::EXPONENT));
        key.map(|key| Self::Rsa(Box::new(key))).map_err(|error| error.to_string())
    }

    /// A new Ed25519 key.
    pub fn ed25519(rng: &mut Derived) -> Self {
        let mut seed = [0; 32];
        seed.copy_from_slice(&rng.bytes(32));
        Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// As sprig writes it: PKCS #1, SEC 1, OpenSSL's DSA, else PKCS #8.
    pub fn to_pem(&self) -> String {
        match self {
            Self::Rsa(key) => pem::encode("RSA PRIVATE KEY", &pkcs1(key)),
            Self::Ec(key) => pem::encode("EC PRIVATE KEY", &sec1(key)),
            Self::Dsa(key) => pem::encode("DSA PRIVATE KEY", &key.to_der()),
            Self::Ed25519(key) => {
                let inner = der::value(der::OCTET_STRING, &key.to_bytes());
                let parts = [
                    der::integer(&[]),
                    der::nested(der::SEQUENCE, &[der::value(der::OID, ED25519_OID)]),
                    der::value(der::OCTET_STRING, &inner),
                ];
                pem::encode("PRIVATE KEY", &der::nested(der::SEQUENCE, &parts))
            }
        }
    }

    /// Reads a key; the error is sprig's.
    pub fn from_pem(text: &[u8]) -> Result<Self, String> {
        let Some((kind, bytes)) = pem::decode(text) else { return Err("no PEM data in input".to_owned()) };
        if kind == "PRIVATE KEY" {
            return from_pkcs8(&bytes).map_err(|error| format!("decoding PEM as PKCS#8: {error}"));
        }
        let Some(kind) = kind.strip_suffix(" PRIVATE KEY") else {
            return Err(format!("no private key data in PEM block of type {kind}"));
        };
        match kind {
            "RSA" => from_pkcs1(&bytes).map_err(|error| format!("parsing RSA private key from PEM: {error}")),
            "EC" => from_sec1(&bytes, None).map_err(|error| format!("parsing EC private key from PEM: {error}")),
            "DSA" => DsaKey::from_der(&bytes)
                .map(|key| Self::Dsa(Box::new(key)))
                .ok_or_else(|| "parsing DSA private key from PEM: asn1: structure error: tags don't match".to_owned()),
            kind => Err(format!("invalid private key type {kind}")),
        }
    }

    /// The `SubjectPublicKeyInfo`, and the bits of the key in it; none for DSA.
    pub fn public_info(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let (algorithm, bits) = match self {
            Self::Rsa(key) => {
                let numbers = [der::integer(&key.n().to_bytes_be()), der::integer(&key.e().to_bytes_be())];
                (vec![der::value(der::OID, RSA_OID), der::null()], der::nested(der::SEQUENCE, &numbers))
            }
            Self::Ec(key) => {
                let curve = der::value(der::OID, key.curve.oid());
                (vec![der::value(der::OID, EC_OID), curve], key.public().to_vec())
            }
            Self::Ed25519(key) => (vec![der::value(der::OID, ED25519_OID)], key.verifying_key().to_bytes().to_vec()),
            Self::Dsa(_) => return None,
        };
        let info = der::nested(der::SEQUENCE, &[der::nested(der::SEQUENCE, &algorithm), der::bit_string(&bits)]);
        Some((info, bits))
    }

    /// The algorithm identifier of its signatures; none for DSA.
    pub fn signature_algorithm(&self) -> Option<Vec<u8>> {
        let parts = match self {
            Self::Rsa(_) => vec![der::value(der::OID, RSA_SHA256_OID), der::null()],
            Self::Ec(key) => vec![der::value(der::OID, key.curve.signature_oid())],
            Self::Ed25519(_) => vec![der::value(der::OID, ED25519_OID)],
            Self::Dsa(_) => return None,
        };
        Some(der::nested(der::SEQUENCE, &parts))
    }

    /// A signature; none for DSA, and for RSA keys too short for one.
    pub fn sign(&self, message: &[u8], rng: &mut Derived) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => {
                // PKCS #1 v1.5 with the prefix of SHA-256 in front of the digest, as `Pkcs1v15Sign` wants it.
                let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: SHA256_PREFIX.into() };
                key.sign(scheme, &Sha256::digest(message)).ok()
            }
            Self::Ec(key) => key.sign(message, rng),
            Self::Ed25519(key) => Some(key.sign(message).to_bytes().to_vec()),
            Self::Dsa(_) => None,
        }
    }
}

/// `DigestInfo` of SHA-256 (RFC 8017, 9.2).
const SHA256_PREFIX: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

fn pkcs1(key: &RsaPrivateKey) -> Vec<u8> {
    let one = BigUint::from(1u8);
    let number = |number: &BigUint| der::integer(&number.to_bytes_be());
    let mut parts = vec![der::integer(&[]), number(key.n()), number(key.e()), number(key.d())];
    if let [p, q, ..] = key.primes() {
        parts.extend([number(p), number(q)]);
        parts.extend([number(&(key.d() % (p - &one))), number(&(key.d() % (q - &one)))]);
        let inverse = q.clone().mod_inverse(p).and_then(|inverse| inverse.to_biguint());
        parts.push(number(&inverse.unwrap_or_default()));
    }
    der::nested(der::SEQUENCE, &parts)
}

fn sec1(key: &EcKey) -> Vec<u8> {
    let parts = [
        der::integer(&[1]),
        der::value(der::OCTET_STRING, key.scalar()),
        der::nested(der::context(0), &[der::value(der::OID, key.curve.oid())]),
        der::nested(der::context(1), &[der::bit_string(key.public())]),
    ];
    der::nested(der::SEQUENCE, &parts)
}

const TAGS: &str = "asn1: structure error: tags don't match";

fn from_pkcs1(bytes: &[u8]) -> Result<PrivateKey, String> {
    if read_sec1(bytes).is_some() {
        return Err("x509: failed to parse private key (use ParseECPrivateKey instead for this key format)".into());
    }
    if read_pkcs8(bytes).is_some() {
        return Err("x509: failed to parse private key (use ParsePKCS8PrivateKey instead for this key format)".into());
    }
    let read = || {
        let mut key = Reader::new(bytes).sequence()?;
        let version = key.unsigned()?;
        let mut next = || key.unsigned().map(BigUint::from_bytes_be);
        Some((version.to_vec(), [next()?, next()?, next()?, next()?, next()?]))
    };
    let Some((version, [n, e, d, p, q])) = read() else { return Err(TAGS.to_owned()) };
    if version != [0] {
        return Err("x509: unsupported private key version".to_owned());
    }
    let key = RsaPrivateKey::from_components(n, e, d, vec![p, q]).map_err(|error| format!("crypto/rsa: {error}"))?;
    key.validate().map_err(|error| format!("crypto/rsa: {error}"))?;
    Ok(PrivateKey::Rsa(Box::new(key)))
}

/// The scalar and the curve's identifier.
fn read_sec1(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let mut key = Reader::new(bytes).sequence()?;
    if key.unsigned()? != [1] {
        return None;
    }
    let scalar = key.tagged(der::OCTET_STRING)?;
    let curve = key.tagged(der::context(0)).and_then(|inner| Reader::new(inner).tagged(der::OID));
    Some((scalar, curve))
}

fn from_sec1(bytes: &[u8], named: Option<&[u8]>) -> Result<PrivateKey, String> {
    let Some((scalar, curve)) = read_sec1(bytes) else {
        if read_pkcs8(bytes).is_some() {
            return Err(
                "x509: failed to parse private key (use ParsePKCS8PrivateKey instead for this key format)".into()
            );
        }
        if from_pkcs1(bytes).is_ok() {
            return Err(
                "x509: failed to parse private key (use ParsePKCS1PrivateKey instead for this key format)".into()
            );
        }
        return Err(format!("x509: failed to parse EC private key: {TAGS}"));
    };
    let oid = named.or(curve);
    let Some(curve) = CURVES.into_iter().find(|curve| Some(curve.oid()) == oid) else {
        return Err("x509: unknown elliptic curve".to_owned());
    };
    EcKey::new(curve, scalar).map(PrivateKey::Ec).ok_or_else(|| {
        "x509: failed to parse EC private key: x509: invalid elliptic curve private key value".to_owned()
    })
}

/// A key of PKCS #8: its algorithm, the parameters where they are an identifier, the key's bytes.
struct Wrapped<'d> {
    oid: &'d [u8],
    parameters: Option<&'d [u8]>,
    inner: &'d [u8],
}

fn read_pkcs8(bytes: &[u8]) -> Option<Wrapped<'_>> {
    let mut key = Reader::new(bytes).sequence()?;
    key.unsigned()?;
    let mut algorithm = key.sequence()?;
    let oid = algorithm.tagged(der::OID)?;
    let parameters = algorithm.tagged(der::OID);
    Some(Wrapped { oid, parameters, inner: key.tagged(der::OCTET_STRING)? })
}

fn from_pkcs8(bytes: &[u8]) -> Result<PrivateKey, String> {
    let Some(Wrapped { oid, parameters, inner }) = read_pkcs8(bytes) else {
        if read_sec1(bytes).is_some() {
            return Err("x509: failed to parse private key (use ParseECPrivateKey instead for this key format)".into());
        }
        if from_pkcs1(bytes).is_ok() {
            return Err(
                "x509: failed to parse private key (use ParsePKCS1PrivateKey instead for this key format)".into()
            );
        }
        return Err(TAGS.to_owned());
    };
    match oid {
        RSA_OID => from_pkcs1(inner)
            .map_err(|error| format!("x509: failed to parse RSA private key embedded in PKCS#8: {error}")),
        EC_OID => from_sec1(inner, parameters)
            .map_err(|error| format!("x509: failed to parse EC private key embedded in PKCS#8: {error}")),
        ED25519_OID => {
            let seed = Reader::new(inner).tagged(der::OCTET_STRING).unwrap_or_default();
            match <[u8; 32]>::try_from(seed) {
                Ok(seed) => Ok(PrivateKey::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&seed)))),
                Err(_) => Err(format!("x509: invalid Ed25519 private key length: {}", seed.len())),
            }
        }
        other => Err(format!("x509: PKCS#8 wrapping contained private key with unknown algorithm: {}", dotted(other))),
    }
}

/// An object identifier as numbers with points.
fn dotted(oid: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut value = 0u64;
    for &byte in oid {
        value = value.wrapping_shl(7) | u64::from(byte & 0x7F);
        if byte < 0x80 {
            if arcs.is_empty() {
                let first = (value / 40).min(2);
                arcs.extend([first, value - first * 40]);
            } else {
                arcs.push(value);
            }
            value = 0;
        }
    }
    arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}
