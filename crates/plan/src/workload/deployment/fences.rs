//! A deployment's strategy → how many pods it may be over and under its size.

use masthead_api::apps::deployment::{Deployment, DeploymentSpec};
use masthead_api::intstr::{IntOrString, Round};

/// How far a deployment may leave its size while it rolls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fences {
    /// Pods it may have beyond its size.
    pub surge: i32,
    /// Pods of its size that may be unavailable.
    pub unavailable: i32,
}

/// The size that is asked for.
pub fn replicas(spec: &DeploymentSpec) -> i32 {
    spec.replicas.unwrap_or(1).max(0)
}

/// Whether pods are replaced step by step; anything but `Recreate` is.
pub fn is_rolling(spec: &DeploymentSpec) -> bool {
    spec.strategy.type_ != "Recreate"
}

impl Fences {
    /// The fences of a deployment. Percentages of surge round up, of unavailability down; when both give zero, one pod
    /// may be unavailable, else nothing could ever move. `Recreate` has no fences: both are zero.
    pub fn of(deployment: &Deployment) -> Fences {
        let spec = &deployment.spec;
        if !is_rolling(spec) {
            return Fences { surge: 0, unavailable: 0 };
        }
        let size = replicas(spec);
        let quarter = IntOrString::String("25%".to_owned());
        let update = spec.strategy.rolling_update.as_ref();
        let part =
            |value: Option<&IntOrString>, round| value.unwrap_or(&quarter).scaled(size, round).unwrap_or(0).max(0);
        let surge = part(update.and_then(|u| u.max_surge.as_ref()), Round::Up);
        let unavailable = part(update.and_then(|u| u.max_unavailable.as_ref()), Round::Down);
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        Fences { surge, unavailable: unavailable.min(size) }
    }

    /// The most pods that a deployment of this size may have.
    pub fn most(self, replicas: i32) -> i32 {
        replicas.saturating_add(self.surge)
    }

    /// The fewest available pods that a deployment of this size promises.
    pub fn fewest_available(self, replicas: i32) -> i32 {
        replicas - self.unavailable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fences_round_in_favour_of_service() {
        let check = |size: i32, surge: serde_json::Value, unavailable: serde_json::Value, expect: (i32, i32)| {
            let deployment: Deployment = serde_json::from_value(json!({"spec": {"replicas": size,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}}))
            .unwrap();
            let fences = Fences::of(&deployment);
            assert_eq!((fences.surge, fences.unavailable), expect, "{size} {surge} {unavailable}");
        };
        check(4, json!("25%"), json!("25%"), (1, 1));
        check(3, json!("25%"), json!("25%"), (1, 0));
        check(10, json!("25%"), json!("25%"), (3, 2));
        check(3, json!(0), json!(0), (0, 1));
        check(3, json!("0%"), json!("10%"), (0, 1));
        check(3, json!(0), json!("100%"), (0, 3));
        check(1, json!(1), json!(5), (1, 1));
        check(0, json!("25%"), json!("25%"), (0, 0));
        check(5, json!("junk"), json!(null), (0, 1));
        let recreate: Deployment =
            serde_json::from_value(json!({"spec": {"replicas": 3, "strategy": {"type": "Recreate"}}})).unwrap();
        assert_eq!(Fences::of(&recreate), Fences { surge: 0, unavailable: 0 });
    }
}
