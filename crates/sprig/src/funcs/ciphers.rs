//! Hashes, passwords, encryption, keys and certificates.

use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use masthead_gotmpl::function::{Call, Function, Param};
use masthead_gotmpl::kind::{Kind, UintKind};
use masthead_gotmpl::object::Object;
use masthead_gotmpl::string::Str;
use masthead_gotmpl::value::Value;
use rand_core::RngCore;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::args::{at, elements, int, lossy, text};
use crate::codec::base64;
use crate::crypto::certificate::{self, Issuer, Template};
use crate::crypto::curve::EcKey;
use crate::crypto::dsa::DsaKey;
use crate::crypto::key::PrivateKey;
use crate::crypto::{cipher, password, pem};
use crate::host;
use crate::signature::{INT, fixed};
use crate::text::display;

const S: Param = Param::Str;
const L: Param = Param::List;
const TYPE: &str = "sprig.certificate";
const CERTIFICATE: Param = Param::Struct(TYPE);
/// Steps that a new RSA key counts for, by its thousand bits.
const KEY_STEPS: u64 = 100_000;

/// `sha256sum`, `genCA`, `htpasswd` and their kind.
pub static FUNCTIONS: [Function; 17] = [
    fixed("sha1sum", &[S], |_, a| Ok(hex(&Sha1::digest(text(a, 0))))),
    fixed("sha256sum", &[S], |_, a| Ok(hex(&Sha256::digest(text(a, 0))))),
    fixed("sha512sum", &[S], |_, a| Ok(hex(&Sha512::digest(text(a, 0))))),
    fixed("adler32sum", &[S], |_, a| {
        let (mut low, mut high) = (1u32, 0u32);
        for &byte in text(a, 0) {
            low = (low + u32::from(byte)) % 65_521;
            high = (high + low) % 65_521;
        }
        Ok(Value::from((high << 16 | low).to_string()))
    }),
    fixed("bcrypt", &[S], |call, a| Ok(Value::from(bcrypt(call, "bcrypt", text(a, 0))?))),
    fixed("htpasswd", &[S, S], |call, a| {
        let user = lossy(a, 0);
        if user.contains(':') {
            return Ok(Value::from(format!("invalid username: {user}")));
        }
        let hash = bcrypt(call, "htpasswd", text(a, 1))?;
        Ok(Value::str([text(a, 0), b":", hash.as_bytes()].concat()))
    }),
    fixed("derivePassword", &[Param::Uint(UintKind::Uint32), S, S, S, S], |call, a| {
        call.spend(KEY_STEPS, 0)?;
        let counter = u32::try_from(int(a, 0)).unwrap_or(u32::MAX);
        Ok(Value::from(password::derive(counter, text(a, 1), text(a, 2), text(a, 3), text(a, 4))))
    }),
    fixed("encryptAES", &[S, S], |call, a| {
        let mut vector = [0; 16];
        host::derived(call, "encryptAES")?.fill_bytes(&mut vector);
        Ok(Value::from(cipher::encrypt(text(a, 0), text(a, 1), vector)))
    }),
    fixed("decryptAES", &[S, S], |_, a| cipher::decrypt(text(a, 0), text(a, 1)).map(Value::str)),
    fixed("genPrivateKey", &[S], private_key),
    fixed("buildCustomCert", &[S, S], custom),
    fixed("genCA", &[S, INT], |call, a| issue(call, a, &Request { name: "genCA", lists: false, signed: false })),
    fixed("genCAWithKey", &[S, INT, S], |call, a| {
        issue(call, a, &Request { name: "genCAWithKey", lists: false, signed: false })
    }),
    fixed("genSelfSignedCert", &[S, L, L, INT], |call, a| {
        issue(call, a, &Request { name: "genSelfSignedCert", lists: true, signed: false })
    }),
    fixed("genSelfSignedCertWithKey", &[S, L, L, INT, S], |call, a| {
        issue(call, a, &Request { name: "genSelfSignedCertWithKey", lists: true, signed: false })
    }),
    fixed("genSignedCert", &[S, L, L, INT, CERTIFICATE], |call, a| {
        issue(call, a, &Request { name: "genSignedCert", lists: true, signed: true })
    }),
    fixed("genSignedCertWithKey", &[S, L, L, INT, CERTIFICATE, S], |call, a| {
        issue(call, a, &Request { name: "genSignedCertWithKey", lists: true, signed: true })
    }),
];

fn hex(bytes: &[u8]) -> Value {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    Value::from(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect::<String>())
}

fn bcrypt(call: &mut Call<'_>, purpose: &str, input: &[u8]) -> Result<String, String> {
    call.spend(KEY_STEPS, 0)?;
    let mut salt = [0; 16];
    host::derived(call, purpose)?.fill_bytes(&mut salt);
    Ok(password::bcrypt(input, salt))
}

fn private_key(call: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    call.spend(8 * KEY_STEPS, 0)?;
    let mut rng = host::derived(call, "genPrivateKey")?;
    let key = match text(a, 0) {
        b"" | b"rsa" => PrivateKey::rsa(&mut rng, 4096),
        b"dsa" => Ok(PrivateKey::Dsa(Box::new(DsaKey::generate(&mut rng)))),
        b"ecdsa" => Ok(PrivateKey::Ec(EcKey::generate(&mut rng))),
        b"ed25519" => Ok(PrivateKey::ed25519(&mut rng)),
        _ => return Ok(Value::from(format!("Unknown type {}", lossy(a, 0)))),
    };
    Ok(Value::from(match key {
        Ok(key) => key.to_pem(),
        Err(error) => format!("failed to generate private key: {error}"),
    }))
}

/// sprig's `certificate` struct.
struct Certificate {
    cert: Str,
    key: Str,
}

fn certificate(cert: impl Into<Str>, key: impl Into<Str>) -> Value {
    Value::Object(Rc::new(Certificate { cert: cert.into(), key: key.into() }))
}

fn custom(_: &mut Call<'_>, a: &[Value]) -> Result<Value, String> {
    let cert = base64::decode(text(a, 0)).map_err(|_| "unable to decode base64 certificate")?;
    let key = base64::decode(text(a, 1)).map_err(|_| "unable to decode base64 private key")?;
    let (_, bytes) = pem::decode(&cert).ok_or("unable to decode certificate")?;
    certificate::read_issuer(&bytes)
        .map_err(|error| format!("error parsing certificate: decodedCert.Bytes: {error}"))?;
    PrivateKey::from_pem(&key).map_err(|error| format!("error parsing private key: {error}"))?;
    Ok(certificate(cert, key))
}

/// Which of sprig's functions asks for a certificate: by its parameters.
struct Request {
    name: &'static str,
    /// Whether addresses and names are given.
    lists: bool,
    /// Whether an issuer is.
    signed: bool,
}

fn issue(call: &mut Call<'_>, a: &[Value], request: &Request) -> Result<Value, String> {
    call.spend(4 * KEY_STEPS, 0)?;
    let now = host::now(call)?;
    let mut rng = host::derived(call, request.name)?;
    let days = int(a, if request.lists { 3 } else { 1 });
    let key_at = if request.lists { 4 } else { 2 } + usize::from(request.signed);
    let key = if request.name.ends_with("WithKey") {
        PrivateKey::from_pem(text(a, key_at)).map_err(|error| format!("parsing private key: {error}"))?
    } else {
        PrivateKey::rsa(&mut rng, 2048).map_err(|error| format!("error generating rsa key: {error}"))?
    };
    let issuer = if request.signed { Some(issuer(at(a, 4))?) } else { None };
    let day = 24 * 3_600_000_000_000i64;
    let template = Template {
        common_name: text(a, 0).to_vec(),
        ips: if request.lists { addresses(at(a, 1))? } else { Vec::new() },
        names: if request.lists { names(at(a, 2))? } else { Vec::new() },
        not_after: now.plus(days.wrapping_mul(day)),
        not_before: now,
        is_ca: !request.lists,
    };
    let signer = issuer.as_ref().map(|(issuer, key)| (issuer, key));
    let cert = certificate::create(&template, &key, signer, &mut rng)?;
    Ok(certificate(cert, key.to_pem()))
}

fn issuer(value: &Value) -> Result<(Issuer, PrivateKey), String> {
    let Some(ca) = value.downcast::<Certificate>() else { return Err("unable to decode certificate".to_owned()) };
    let (_, bytes) = pem::decode(ca.cert.as_bytes()).ok_or("unable to decode certificate")?;
    let issuer = certificate::read_issuer(&bytes)
        .map_err(|error| format!("error parsing certificate: decodedSignerCert.Bytes: {error}"))?;
    let key = PrivateKey::from_pem(ca.key.as_bytes()).map_err(|error| format!("error parsing private key: {error}"))?;
    Ok((issuer, key))
}

fn addresses(value: &Value) -> Result<Vec<IpAddr>, String> {
    let mut found = Vec::new();
    for item in elements(value).unwrap_or_default().iter() {
        let Value::Str(ip) = item else {
            return Err(format!("error parsing ip: {} is not a string", display(item)?));
        };
        let parsed = ip.as_str().and_then(|ip| {
            let six = || ip.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
            ip.parse::<Ipv4Addr>().ok().map(IpAddr::V4).or_else(six)
        });
        found.push(parsed.ok_or_else(|| format!("error parsing ip: {ip}"))?);
    }
    Ok(found)
}

fn names(value: &Value) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    for item in elements(value).unwrap_or_default().iter() {
        let Value::Str(name) = item else {
            return Err(format!("error processing alternate dns name: {} is not a string", display(item)?));
        };
        found.push(name.as_bytes().to_vec());
    }
    Ok(found)
}

impl Object for Certificate {
    fn type_name(&self) -> &str {
        TYPE
    }

    fn kind(&self) -> Kind {
        Kind::Struct
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::Str(self.cert.clone())),
            "Key" => Some(Value::Str(self.key.clone())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Cert", Value::Str(self.cert.clone())), ("Key", Value::Str(self.key.clone()))]
    }

    fn to_json(&self) -> Result<serde_json::Value, String> {
        Ok(serde_json::json!({ "Cert": self.cert.to_str_lossy(), "Key": self.key.to_str_lossy() }))
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other = other.as_any().downcast_ref::<Self>()?;
        Some(self.cert == other.cert && self.key == other.key)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
