//! Certificates: what sprig fills in, laid out as Go's `x509.CreateCertificate` lays it out.

use std::net::IpAddr;

use masthead_gotmpl::quote::quote;
use sha2::{Digest, Sha256};

use super::der::{self, Reader};
use super::key::PrivateKey;
use super::pem;
use super::rng::Derived;
use crate::time::format;
use crate::time::moment::Moment;

const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const KEY_USAGE: &[u8] = &[0x55, 0x1D, 15];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1D, 37];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 19];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1D, 14];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 35];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 17];
const SERVER_AUTH: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2B, 6, 1, 5, 5, 7, 3, 2];

/// What a certificate says.
pub struct Template {
    /// May be empty.
    pub common_name: Vec<u8>,
    /// Alternative addresses.
    pub ips: Vec<IpAddr>,
    /// Alternative names.
    pub names: Vec<Vec<u8>>,
    /// From when.
    pub not_before: Moment,
    /// Until when.
    pub not_after: Moment,
    /// Whether it may sign others.
    pub is_ca: bool,
}

/// Who signs: its name, the identifier of its key, and its public key, as its certificate has them.
pub struct Issuer {
    subject: Vec<u8>,
    key_id: Vec<u8>,
    public_info: Vec<u8>,
}

/// Reads the certificate of an issuer; the error is that of `x509.ParseCertificate`.
pub fn read_issuer(bytes: &[u8]) -> Result<Issuer, String> {
    read(bytes).ok_or_else(|| "x509: malformed certificate".to_owned())
}

fn read(bytes: &[u8]) -> Option<Issuer> {
    let mut whole = Reader::new(bytes);
    let mut certificate = whole.sequence()?;
    let mut body = certificate.sequence()?;
    certificate.sequence()?;
    certificate.tagged(der::BIT_STRING)?;
    body.tagged(der::context(0));
    body.tagged(der::INTEGER)?;
    body.sequence()?;
    body.sequence()?;
    body.sequence()?;
    let (tag, _, subject) = body.any()?;
    let (info_tag, _, public_info) = body.any()?;
    if tag != der::SEQUENCE || info_tag != der::SEQUENCE || !whole.is_empty() {
        return None;
    }
    let mut key_id = Vec::new();
    while let Some((tag, content, _)) = body.any() {
        if tag != der::context(3) {
            continue;
        }
        let mut extensions = Reader::new(content).sequence()?;
        while let Some(mut extension) = extensions.sequence() {
            if extension.tagged(der::OID)? == SUBJECT_KEY_ID {
                extension.tagged(der::BOOLEAN);
                key_id = Reader::new(extension.tagged(der::OCTET_STRING)?).tagged(der::OCTET_STRING)?.to_vec();
            }
        }
    }
    Some(Issuer { subject: subject.to_vec(), key_id, public_info: public_info.to_vec() })
}

/// Makes a certificate in PEM, signed by an issuer with its key, or by itself.
pub fn create(
    template: &Template,
    key: &PrivateKey,
    signer: Option<(&Issuer, &PrivateKey)>,
    rng: &mut Derived,
) -> Result<String, String> {
    let wrong = |reason: &str| Err(format!("error creating certificate: {reason}"));
    let signing_key = signer.map_or(key, |(_, key)| key);
    let (Some(algorithm), Some((signer_info, _))) = (signing_key.signature_algorithm(), signing_key.public_info())
    else {
        return wrong("x509: certificate private key does not implement crypto.Signer");
    };
    let Some((public_info, public_bits)) = key.public_info() else {
        return wrong("x509: unsupported public key type: *dsa.PublicKey");
    };
    if signer.is_some_and(|(issuer, _)| issuer.public_info != signer_info) {
        return wrong("x509: provided PrivateKey doesn't match parent's PublicKey");
    }
    let Some(subject) = name(&template.common_name) else {
        return wrong("asn1: string not valid UTF-8");
    };
    let issuer_name = signer.map_or(&subject, |(issuer, _)| &issuer.subject);
    // A certificate that names another issuer points at that one's key.
    let authority = signer.filter(|(issuer, _)| issuer.subject != subject).map(|(issuer, _)| issuer.key_id.as_slice());
    let (Some(begin), Some(end)) = (time(&template.not_before), time(&template.not_after)) else {
        return wrong("asn1: structure error: cannot represent time as GeneralizedTime");
    };
    let extensions = extensions(template, &public_bits, authority, &subject)
        .map_err(|reason| format!("error creating certificate: {reason}"))?;
    let body = der::nested(
        der::SEQUENCE,
        &[
            der::nested(der::context(0), &[der::integer(&[2])]),
            der::integer(&rng.bytes(16)),
            algorithm.clone(),
            issuer_name.clone(),
            der::nested(der::SEQUENCE, &[begin, end]),
            subject.clone(),
            public_info,
            der::nested(der::context(3), &[der::nested(der::SEQUENCE, &extensions)]),
        ],
    );
    let Some(signature) = signing_key.sign(&body, rng) else {
        return wrong("crypto/rsa: message too long for RSA key size");
    };
    let whole = der::nested(der::SEQUENCE, &[body, algorithm, der::bit_string(&signature)]);
    Ok(pem::encode("CERTIFICATE", &whole))
}

/// A name of a common name alone; none where that is no UTF-8.
fn name(common_name: &[u8]) -> Option<Vec<u8>> {
    if common_name.is_empty() {
        return Some(der::value(der::SEQUENCE, &[]));
    }
    std::str::from_utf8(common_name).ok()?;
    let printable = |b: &u8| b.is_ascii_alphanumeric() || b"'()+,-./:=? ".contains(b);
    let tag = if common_name.iter().all(printable) { der::PRINTABLE_STRING } else { der::UTF8_STRING };
    let pair = der::nested(der::SEQUENCE, &[der::value(der::OID, COMMON_NAME), der::value(tag, common_name)]);
    Some(der::nested(der::SEQUENCE, &[der::nested(der::SET, &[pair])]))
}

/// `UTCTime` until 2049, then `GeneralizedTime`; none beyond the year 9999.
fn time(moment: &Moment) -> Option<Vec<u8>> {
    match moment.wall().date.year {
        1950..=2049 => Some(der::value(der::UTC_TIME, &format::format(moment, b"060102150405Z"))),
        0..=9999 => Some(der::value(der::GENERALIZED_TIME, &format::format(moment, b"20060102150405Z"))),
        _ => None,
    }
}

fn extension(oid: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![der::value(der::OID, oid)];
    if critical {
        parts.push(der::value(der::BOOLEAN, &[0xFF]));
    }
    parts.push(der::value(der::OCTET_STRING, content));
    der::nested(der::SEQUENCE, &parts)
}

fn extensions(
    template: &Template,
    public_bits: &[u8],
    authority: Option<&[u8]>,
    subject: &[u8],
) -> Result<Vec<Vec<u8>>, String> {
    // Digital signature and key encipherment; of a CA, signing certificates too.
    let usage: &[u8] = if template.is_ca { &[2, 0xA4] } else { &[5, 0xA0] };
    let purposes = [SERVER_AUTH, CLIENT_AUTH].map(|oid| der::value(der::OID, oid));
    let constraints: &[Vec<u8>] = if template.is_ca { &[der::value(der::BOOLEAN, &[0xFF])] } else { &[] };
    let mut out = vec![
        extension(KEY_USAGE, true, &der::value(der::BIT_STRING, usage)),
        extension(EXTENDED_KEY_USAGE, false, &der::nested(der::SEQUENCE, &purposes)),
        extension(BASIC_CONSTRAINTS, true, &der::nested(der::SEQUENCE, constraints)),
    ];
    if template.is_ca {
        // RFC 7093, section 2, method 1.
        let id = &Sha256::digest(public_bits)[..20];
        out.push(extension(SUBJECT_KEY_ID, false, &der::value(der::OCTET_STRING, id)));
    }
    if let Some(id) = authority.filter(|id| !id.is_empty()) {
        let content = der::nested(der::SEQUENCE, &[der::value(der::implicit(0), id)]);
        out.push(extension(AUTHORITY_KEY_ID, false, &content));
    }
    if template.names.is_empty() && template.ips.is_empty() {
        return Ok(out);
    }
    let mut names = Vec::new();
    for name in &template.names {
        if !name.is_ascii() {
            return Err(format!("x509: {} cannot be encoded as an IA5String", quote(name)));
        }
        names.push(der::value(der::implicit(2), name));
    }
    for ip in &template.ips {
        names.push(match ip.to_canonical() {
            IpAddr::V4(ip) => der::value(der::implicit(7), &ip.octets()),
            IpAddr::V6(ip) => der::value(der::implicit(7), &ip.octets()),
        });
    }
    let anonymous = subject.len() == 2;
    out.push(extension(ALTERNATIVE_NAMES, anonymous, &der::nested(der::SEQUENCE, &names)));
    Ok(out)
}
