//! The four NIST curves: keys and signatures of ECDSA.

use p256::ecdsa::signature::hazmat::{PrehashSigner, RandomizedPrehashSigner};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::rng::Derived;

/// A curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// secp224r1
    P224,
    /// prime256v1
    P256,
    /// secp384r1
    P384,
    /// secp521r1
    P521,
}

/// All of them.
pub const CURVES: [Curve; 4] = [Curve::P224, Curve::P256, Curve::P384, Curve::P521];

impl Curve {
    /// The content of its object identifier.
    pub fn oid(self) -> &'static [u8] {
        match self {
            Self::P224 => &[0x2B, 0x81, 0x04, 0x00, 0x21],
            Self::P256 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2B, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2B, 0x81, 0x04, 0x00, 0x23],
        }
    }

    /// Bytes of a scalar.
    pub fn size(self) -> usize {
        match self {
            Self::P224 => 28,
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The last arc of `ecdsa-with-SHA…`, with the digest that Go pairs the curve with.
    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P224 | Self::P256 => Sha256::digest(message).to_vec(),
            Self::P384 => Sha384::digest(message).to_vec(),
            Self::P521 => Sha512::digest(message).to_vec(),
        }
    }

    /// The content of the object identifier of `ecdsa-with-SHA…`.
    pub fn signature_oid(self) -> &'static [u8] {
        match self {
            Self::P224 | Self::P256 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02],
            Self::P384 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03],
            Self::P521 => &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x04],
        }
    }
}

/// A private key: a scalar of its curve.
#[derive(Clone)]
pub struct EcKey {
    /// Its curve.
    pub curve: Curve,
    /// Big-endian, of the curve's size.
    scalar: Vec<u8>,
    /// Uncompressed.
    public: Vec<u8>,
}

/// Public point and signature by one curve's crate.
macro_rules! by_curve {
    ($curve:expr, $name:ident => $body:expr) => {
        match $curve {
            Curve::P224 => {
                use p224 as $name;
                $body
            }
            Curve::P256 => {
                use p256 as $name;
                $body
            }
            Curve::P384 => {
                use p384 as $name;
                $body
            }
            Curve::P521 => {
                use p521 as $name;
                $body
            }
        }
    };
}

impl EcKey {
    /// The key of a scalar; none where it is 0 or not below the curve's order.
    pub fn new(curve: Curve, scalar: &[u8]) -> Option<Self> {
        let scalar = padded(scalar, curve.size())?;
        let public = by_curve!(curve, c => {
            let key = c::SecretKey::from_slice(&scalar).ok()?;
            let point = c::EncodedPoint::from(key.public_key());
            point.as_bytes().to_vec()
        });
        let public = uncompressed(curve, &public)?;
        Some(Self { curve, scalar, public })
    }

    /// A new P-256 key.
    pub fn generate(rng: &mut Derived) -> Self {
        loop {
            if let Some(key) = Self::new(Curve::P256, &rng.bytes(32)) {
                return key;
            }
        }
    }

    /// Big-endian, of the curve's size.
    pub fn scalar(&self) -> &[u8] {
        &self.scalar
    }

    /// The uncompressed public point.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// A signature in DER. Its nonce derives from key and message (RFC 6979); that of P-521 is drawn.
    pub fn sign(&self, message: &[u8], rng: &mut Derived) -> Option<Vec<u8>> {
        let digest = self.curve.digest(message);
        let der = match self.curve {
            Curve::P224 => {
                let key = p224::ecdsa::SigningKey::from_slice(&self.scalar).ok()?;
                let signature: p224::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
            Curve::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(&self.scalar).ok()?;
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
            Curve::P384 => {
                let key = p384::ecdsa::SigningKey::from_slice(&self.scalar).ok()?;
                let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
            Curve::P521 => {
                let key = p521::ecdsa::SigningKey::from_slice(&self.scalar).ok()?;
                let signature: p521::ecdsa::Signature = key.sign_prehash_with_rng(rng, &digest).ok()?;
                signature.to_der().as_bytes().to_vec()
            }
        };
        Some(der)
    }
}

/// The crates write points compressed or not by a default of their own.
fn uncompressed(curve: Curve, point: &[u8]) -> Option<Vec<u8>> {
    if point.first() == Some(&4) {
        return Some(point.to_vec());
    }
    by_curve!(curve, c => {
        use c::elliptic_curve::sec1::ToEncodedPoint;
        let key = c::PublicKey::from_sec1_bytes(point).ok()?;
        Some(key.to_encoded_point(false).as_bytes().to_vec())
    })
}

/// With zeros in front up to a size; none where more than zeros is too much.
fn padded(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let start = bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    let zeros = size.checked_sub(bytes.len())?;
    Some([vec![0; zeros].as_slice(), bytes].concat())
}
