//! Fifty pods at once: all ready, in parallel, and every container started once.

use std::time::Instant;

use serde_json::json;

use crate::pods::bed::{machine, pod, script};
use crate::pods::life::WAITS;

#[test]
fn fifty_pods_start_together() {
    machine(|bed| async move {
        let agent = bed.agent().await;
        let pods: Vec<_> =
            (0..50).map(|n| pod(&format!("p{n}"), json!({"containers": [script("main", WAITS)]}))).collect();
        let began = Instant::now();
        agent.says(&pods, &[]);
        for n in 0..50 {
            agent.ready(&format!("p{n}")).await;
        }
        println!("50 pods ready after {:?}", began.elapsed());
        let started = agent.events().iter().filter(|event| event.starts_with("Started")).count();
        assert_eq!(started, 50);
        let reports: usize = (0..50).map(|n| agent.history(&format!("p{n}")).len()).sum();
        println!("{reports} statuses were reported");
        let began = Instant::now();
        agent.says(&[], &[]);
        for n in 0..50 {
            agent.gone(&format!("p{n}")).await;
        }
        println!("50 pods gone after {:?}", began.elapsed());
        agent.stop().await;
    });
}
