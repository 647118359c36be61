//! The simulation's time and seed → the clock that the loops of the control plane go by.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};

use futures::FutureExt;
use futures::future::BoxFuture;
use masthead::control::clock;
use masthead_plan::context::{Context, Ids};

/// The clock of one life of the control plane.
pub struct Clock(Arc<Mutex<State>>);

struct State {
    now_ms: i64,
    ids: Ids,
    /// Who sleeps until when.
    sleepers: BTreeMap<(u64, u64), Waker>,
    serial: u64,
}

fn state(of: &Mutex<State>) -> MutexGuard<'_, State> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn now(&self) -> u64 {
        u64::try_from(self.now_ms).unwrap_or(0)
    }
}

impl Clock {
    pub fn new(now_ms: i64, seed: u64) -> Clock {
        let state = State { now_ms, ids: Ids::new(seed), sleepers: BTreeMap::new(), serial: 0 };
        Clock(Arc::new(Mutex::new(state)))
    }

    /// Time goes on; whoever has slept long enough wakes.
    pub fn set(&self, now_ms: i64) {
        let mut state = state(&self.0);
        state.now_ms = now_ms;
        let after = (state.now() + 1, 0);
        let later = state.sleepers.split_off(&after);
        let due = std::mem::replace(&mut state.sleepers, later);
        due.into_values().for_each(Waker::wake);
    }

    /// When the first sleeper wakes.
    pub fn due_ms(&self) -> Option<i64> {
        // Who waits for no time at all waits for a moment that no clock reaches.
        state(&self.0).sleepers.keys().next().and_then(|(at, _)| i64::try_from(*at).ok())
    }
}

impl clock::Clock for Clock {
    fn now_ms(&self) -> u64 {
        state(&self.0).now()
    }

    fn now_s(&self) -> i64 {
        state(&self.0).now_ms.div_euclid(1000)
    }

    fn context(&self) -> Context {
        let mut state = state(&self.0);
        let mut cx = Context::new(state.now_ms.div_euclid(1000), state.ids.bits());
        cx.micros = u32::try_from(state.now_ms.rem_euclid(1000)).unwrap_or(0) * 1000;
        cx
    }

    fn until(&self, at_ms: u64) -> BoxFuture<'static, ()> {
        let mut inner = state(&self.0);
        inner.serial += 1;
        Sleep { clock: self.0.clone(), key: (at_ms, inner.serial) }.boxed()
    }
}

struct Sleep {
    clock: Arc<Mutex<State>>,
    key: (u64, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut state = state(&self.clock);
        if self.key.0 <= state.now() {
            return Poll::Ready(());
        }
        state.sleepers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        state(&self.clock).sleepers.remove(&self.key);
    }
}
