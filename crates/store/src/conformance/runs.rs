//! The suite and the model on memory, embedded store and a real etcd.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use tempfile::TempDir;

use crate::clock::{Clock, ManualClock};
use crate::conformance::model::{Model, agree};
use crate::conformance::run::run;
use crate::conformance::suite::Fixture;
use crate::embedded::store::{Embedded, Options};
use crate::etcd::server::{Server, missing};
use crate::kv::{Kv, Limits};
use crate::memory::Memory;
use crate::mvcc::keyspace::Retention;

/// Steps of each seed.
const STEPS: usize = 400;

struct Local {
    kv: Arc<dyn Kv>,
    clock: ManualClock,
}

impl Fixture for Local {
    fn kv(&self) -> Arc<dyn Kv> {
        Arc::clone(&self.kv)
    }

    fn pass(&self, by: Duration) -> BoxFuture<'static, ()> {
        self.clock.advance_ms(by.as_millis() as u64);
        futures::future::ready(()).boxed()
    }
}

struct Remote(Arc<dyn Kv>);

impl Fixture for Remote {
    fn kv(&self) -> Arc<dyn Kv> {
        Arc::clone(&self.0)
    }

    fn pass(&self, by: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(by).boxed()
    }
}

fn memory() -> Memory {
    Memory::with(Arc::new(ManualClock::new()), Limits::ETCD, Retention::default())
}

fn options(clock: impl Clock) -> Options {
    // A log this small is replaced many times within a test.
    Options { limits: Limits::ETCD, clock: Arc::new(clock), log_bytes_max: 4 << 10, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_holds_to_the_contract() {
    let clock = ManualClock::new();
    let kv = Memory::with(Arc::new(clock.clone()), Limits::ETCD, Retention::default());
    run(&Local { kv: Arc::new(kv), clock }).await;
}

#[tokio::test]
async fn memory_holds_to_the_contract_in_one_thread() {
    let clock = ManualClock::new();
    let kv = Memory::with(Arc::new(clock.clone()), Limits::ETCD, Retention::default());
    run(&Local { kv: Arc::new(kv), clock }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_holds_to_the_contract() {
    let (dir, clock) = (TempDir::new().unwrap(), ManualClock::new());
    let kv = Embedded::open(dir.path(), options(clock.clone())).await.unwrap();
    run(&Local { kv: Arc::new(kv), clock }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_holds_to_the_contract() {
    if missing() {
        return;
    }
    let server = Server::start().await;
    run(&Remote(server.connect(&server.address()).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_agrees_with_memory_through_restarts() {
    for seed in 1..=30 {
        println!("seed {seed}");
        let (dir, memory): (_, Arc<dyn Kv>) = (TempDir::new().unwrap(), Arc::new(memory()));
        let mut model = Model::new(seed);
        for _ in 0..4 {
            let embedded = Embedded::open(dir.path(), options(ManualClock::new())).await.unwrap();
            let stores = [("memory", Arc::clone(&memory)), ("embedded", Arc::new(embedded))];
            agree(&mut model, &stores, STEPS / 4).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_three_agree() {
    if missing() {
        return;
    }
    for seed in 101..=103 {
        println!("seed {seed}");
        let (dir, server) = (TempDir::new().unwrap(), Server::start().await);
        let embedded = Embedded::open(dir.path(), options(ManualClock::new())).await.unwrap();
        let stores: [(&str, Arc<dyn Kv>); 3] = [
            ("memory", Arc::new(memory())),
            ("embedded", Arc::new(embedded)),
            ("etcd", server.connect(&server.address()).await),
        ];
        agree(&mut Model::new(seed), &stores, STEPS).await;
    }
}
