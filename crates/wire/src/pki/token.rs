//! Turns a join token into its parts, and a record of one into the record after its use.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

const VERSION: &str = "mh1";
const SECRET_BYTES: usize = 16;
const ID_BYTES: usize = 4;

/// Why a token does not let a node in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form of a token. The text is not quoted: it may be one with a slip in it.
    #[error("not a join token: it must read mh1.<id>.<secret>.<digest of the CA>")]
    Form,
    /// No such token, or its secret is another.
    #[error("join token {0} is not known here; create one with `masthead token create`")]
    Unknown(String),
    /// Too late.
    #[error("join token {0} has expired; create one with `masthead token create`")]
    Expired(String),
    /// Used as often as it may be.
    #[error("join token {0} has been used already; create one with `masthead token create`")]
    Used(String),
}

/// A join token: `mh1.<id>.<secret>.<SHA-256 of the CA's certificate, base64url>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: String,
    secret: [u8; SECRET_BYTES],
    ca_digest: [u8; 32],
}

impl Token {
    /// A new token that pins the authority with this digest.
    pub fn generate(ca_digest: [u8; 32]) -> Self {
        let id: [u8; ID_BYTES] = rand::random();
        Self { id: id.iter().map(|b| format!("{b:02x}")).collect(), secret: rand::random(), ca_digest }
    }

    /// Names the token without its secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which authority it pins: SHA-256 of its certificate.
    pub fn ca_digest(&self) -> &[u8; 32] {
        &self.ca_digest
    }

    /// The token's text, secret included.
    pub fn reveal(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(self.secret);
        let digest = URL_SAFE_NO_PAD.encode(self.ca_digest);
        format!("{VERSION}.{}.{secret}.{digest}", self.id)
    }

    /// What is stored in place of the secret. It has 128 random bits, so a plain hash will do.
    pub fn secret_sha256(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

impl FromStr for Token {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut fields = text.trim().split('.');
        let mut field = || fields.next().ok_or(Error::Form);
        let (version, id, secret, digest) = (field()?, field()?, field()?, field()?);
        let id_is_ours = id.len() == 2 * ID_BYTES && id.bytes().all(|b| b.is_ascii_hexdigit());
        if version != VERSION || !id_is_ours || fields.next().is_some() {
            return Err(Error::Form);
        }
        let bytes = |text| URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::Form);
        Ok(Self {
            id: id.to_owned(),
            secret: bytes(secret)?.try_into().map_err(|_| Error::Form)?,
            ca_digest: bytes(digest)?.try_into().map_err(|_| Error::Form)?,
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id)
    }
}

/// What the control plane keeps of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The token's id.
    pub id: String,
    /// SHA-256 of the secret.
    pub secret_sha256: [u8; 32],
    /// Good until then, seconds since 1970; absent: for ever.
    pub expires_unix_s: Option<u64>,
    /// How often it may still be used; absent: always.
    pub uses_left: Option<u32>,
}

impl TokenRecord {
    /// The record of a new token.
    pub fn new(token: &Token, expires_unix_s: Option<u64>, uses_left: Option<u32>) -> Self {
        Self { id: token.id.clone(), secret_sha256: token.secret_sha256(), expires_unix_s, uses_left }
    }

    /// The record after `token` let a node in.
    pub fn redeem(&self, token: &Token, now_unix_s: u64) -> Result<Self, Error> {
        let known = self.id == token.id;
        if !same(&self.secret_sha256, &token.secret_sha256()) || !known {
            return Err(Error::Unknown(token.id.clone()));
        }
        if self.expires_unix_s.is_some_and(|end| now_unix_s >= end) {
            return Err(Error::Expired(token.id.clone()));
        }
        let mut after = self.clone();
        if let Some(left) = &mut after.uses_left {
            *left = left.checked_sub(1).ok_or_else(|| Error::Used(token.id.clone()))?;
        }
        Ok(after)
    }
}

/// Whether two digests are equal, in a time that does not tell where they differ.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differ = a.iter().zip(b).fold(0, |acc, (a, b)| acc | (a ^ b));
    std::hint::black_box(differ) == 0
}

/// Where token records are kept. The control plane's implementation stands on its store.
#[tonic::async_trait]
pub trait TokenStore: Send + Sync + 'static {
    /// The record with this id. An error is text for the log.
    async fn load(&self, id: &str) -> Result<Option<TokenRecord>, String>;

    /// Puts `new` in the place of `old`; false when `old` is not there any more.
    async fn replace(&self, old: &TokenRecord, new: &TokenRecord) -> Result<bool, String>;
}

/// Token records in memory.
#[derive(Debug, Default)]
pub struct MemoryTokens(Mutex<BTreeMap<String, TokenRecord>>);

impl MemoryTokens {
    /// Adds a record.
    pub fn insert(&self, record: TokenRecord) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.insert(record.id.clone(), record);
    }
}

#[tonic::async_trait]
impl TokenStore for MemoryTokens {
    async fn load(&self, id: &str) -> Result<Option<TokenRecord>, String> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(records.get(id).cloned())
    }

    async fn replace(&self, old: &TokenRecord, new: &TokenRecord) -> Result<bool, String> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match records.get_mut(&old.id) {
            Some(record) if record == old => *record = new.clone(),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text() {
        let token = Token::generate([7; 32]);
        assert_eq!(token.reveal().parse(), Ok(token.clone()));
        assert!(!format!("{token:?}").contains(&URL_SAFE_NO_PAD.encode(token.secret)));
    }

    #[test]
    fn what_is_no_token_is_refused_unquoted() {
        let good = Token::generate([7; 32]).reveal();
        let bad = [
            "",
            "mh1",
            "mh1.a.b.c",
            &good.replacen("mh1", "mh2", 1),
            &good[..good.len() - 1],
            &format!("{good}.x"),
            &good.replacen('.', "..", 1),
        ];
        for text in bad {
            assert_eq!(text.parse::<Token>(), Err(Error::Form), "{text}");
        }
    }

    #[test]
    fn a_record_lets_in_whom_it_should() {
        let token = Token::generate([7; 32]);
        let id = token.id.clone();
        let rogue = Token { secret: [0; SECRET_BYTES], ..token.clone() };
        let record = TokenRecord::new(&token, Some(100), Some(2));
        assert_eq!(record.redeem(&rogue, 1), Err(Error::Unknown(id.clone())));
        assert_eq!(record.redeem(&token, 100), Err(Error::Expired(id.clone())));
        let once = record.redeem(&token, 99).unwrap();
        let twice = once.redeem(&token, 99).unwrap();
        assert_eq!(twice.redeem(&token, 99), Err(Error::Used(id)));
        let forever = TokenRecord::new(&token, None, None);
        assert_eq!(forever.redeem(&token, u64::MAX), Ok(forever.clone()));
    }
}
