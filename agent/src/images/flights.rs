//! The pulls under way, so that who asks for the same image waits for the same pull.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, Shared};

use crate::images::auth::Credentials;
use crate::images::digest::Digest;
use crate::images::error::Error;
use crate::images::image::Image;
use crate::images::reference::Reference;

/// How far a pull is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The layer.
    pub layer: Digest,
    /// Bytes fetched.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// Hears of progress; called often, from several tasks.
pub type Listener = Arc<dyn Fn(&Progress) + Send + Sync>;

pub(crate) type Key = (Reference, Option<Credentials>);

pub(crate) type Outcome = Shared<BoxFuture<'static, Result<Image, Error>>>;

pub(crate) type Listeners = Arc<Mutex<Vec<Listener>>>;

/// The pulls under way. Pulls with other credentials are other pulls: who has none must not profit.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<Key, (Outcome, Listeners)>>);

impl Flights {
    /// Joins the pull of the key; where there is none, `take_off` starts it. `take_off` may not call back.
    pub fn join(
        &self,
        key: Key,
        listener: Option<Listener>,
        take_off: impl FnOnce(Key, Listeners) -> Outcome,
    ) -> Outcome {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((outcome, listeners)) = flights.get(&key) {
            listeners.lock().unwrap_or_else(PoisonError::into_inner).extend(listener);
            return outcome.clone();
        }
        let listeners = Listeners::new(Mutex::new(listener.into_iter().collect()));
        let outcome = take_off(key.clone(), Arc::clone(&listeners));
        flights.insert(key, (outcome.clone(), listeners));
        outcome
    }

    /// Takes a pull off the list: who asks from now on starts another one.
    pub fn land(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
