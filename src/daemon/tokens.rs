//! Join tokens in the store: records by id, replaced only when they are as they were.

use std::sync::Arc;

use masthead_store::kv::{Compare, Kv, Op, Relation, Target, Txn};
use masthead_store::objects::OWN_ROOT;
use masthead_wire::pki::token::{TokenRecord, TokenStore};

/// Tokens of a store.
pub struct Tokens {
    kv: Arc<dyn Kv>,
}

fn key(id: &str) -> String {
    format!("{OWN_ROOT}tokens/{id}")
}

impl Tokens {
    /// Over a store.
    pub fn new(kv: Arc<dyn Kv>) -> Tokens {
        Tokens { kv }
    }

    /// Adds a new token's record.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn add(&self, record: &TokenRecord) -> anyhow::Result<()> {
        self.kv.put(key(&record.id).into(), serde_json::to_vec(record)?.into()).await?;
        Ok(())
    }
}

#[tonic::async_trait]
impl TokenStore for Tokens {
    async fn load(&self, id: &str) -> Result<Option<TokenRecord>, String> {
        let found = self.kv.get(key(id).into()).await.map_err(|e| e.to_string())?;
        found.map(|kv| serde_json::from_slice(&kv.value).map_err(|e| e.to_string())).transpose()
    }

    async fn replace(&self, old: &TokenRecord, new: &TokenRecord) -> Result<bool, String> {
        let (before, after) = (serde_json::to_vec(old), serde_json::to_vec(new));
        let (Ok(before), Ok(after)) = (before, after) else {
            return Err("a token's record has no JSON form".to_owned());
        };
        let compare = Compare::new(key(&old.id), Relation::Equal, Target::Value(before.into()));
        let txn = Txn::of(vec![Op::put(key(&old.id), after)]).when(compare);
        Ok(self.kv.txn(txn).await.map_err(|e| e.to_string())?.succeeded)
    }
}
