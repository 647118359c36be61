//! Recorded objects of every supported kind → typed → the same JSON.

use masthead_api::kind::{Kind, Resource, registry};
use masthead_api::{apps, coordination, core, discovery, networking};
use serde_json::Value;

use crate::read::cases;

fn round<T: Resource>(value: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<T>(value.clone()).unwrap()).unwrap()
}

/// `null` and absent say the same; the server itself is not uniform about them.
pub fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[test]
fn recorded_objects_keep_their_json() {
    let files = [
        "tables/pods.json",
        "tables/others.json",
        "defaults/core-pods.json",
        "defaults/apps-batch.json",
        "defaults/core-config.json",
        "defaults/network.json",
        "defaults/admission.json",
    ];
    let mut count = 0;
    for (file, case) in files.iter().flat_map(|f| cases(f).into_iter().map(move |c| (f, c))) {
        let object = if case["object"].is_object() { &case["object"] } else { &case["output"] };
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let Some(kind) = Kind::by_gvk(text("apiVersion"), text("kind")) else { continue };
        let mut object = object.clone();
        // A placeholder of the recordings stands where a time or a number was.
        let body = serde_json::to_string(&object).unwrap();
        if body.contains("<TIME>") || body.contains("\"<ALLOCATED>\"") {
            object = serde_json::from_str(
                &body
                    .replace("<TIME>", "2026-01-02T03:04:05Z")
                    .replace("\"nodePort\":\"<ALLOCATED>\"", "\"nodePort\":30000")
                    .replace("\"healthCheckNodePort\":\"<ALLOCATED>\"", "\"healthCheckNodePort\":30000"),
            )
            .unwrap();
        }
        let mut back = match kind {
            registry::POD => round::<core::pod::Pod>(&object),
            registry::NAMESPACE => round::<core::namespace::Namespace>(&object),
            registry::NODE => round::<core::node::Node>(&object),
            registry::SERVICE_ACCOUNT => round::<core::config::ServiceAccount>(&object),
            registry::SECRET => round::<core::config::Secret>(&object),
            registry::CONFIG_MAP => round::<core::config::ConfigMap>(&object),
            registry::SERVICE => round::<core::service::Service>(&object),
            registry::ENDPOINTS => round::<core::endpoints::Endpoints>(&object),
            registry::ENDPOINT_SLICE => round::<discovery::endpoint_slice::EndpointSlice>(&object),
            registry::INGRESS => round::<networking::ingress::Ingress>(&object),
            registry::INGRESS_CLASS => round::<networking::ingress::IngressClass>(&object),
            registry::NETWORK_POLICY => round::<networking::network_policy::NetworkPolicy>(&object),
            registry::EVENT => round::<core::event::Event>(&object),
            registry::LEASE => round::<coordination::lease::Lease>(&object),
            registry::DEPLOYMENT => round::<apps::deployment::Deployment>(&object),
            registry::REPLICA_SET => round::<apps::replica_set::ReplicaSet>(&object),
            registry::JOB => round::<masthead_api::batch::job::Job>(&object),
            registry::GATEWAY_CLASS => round::<masthead_api::gateway::class::GatewayClass>(&object),
            registry::GATEWAY => round::<masthead_api::gateway::gateway::Gateway>(&object),
            registry::REFERENCE_GRANT => round::<masthead_api::gateway::grant::ReferenceGrant>(&object),
            registry::HTTP_ROUTE => round::<masthead_api::gateway::http_route::HTTPRoute>(&object),
            registry::GRPC_ROUTE => round::<masthead_api::gateway::grpc_route::GRPCRoute>(&object),
            registry::RELEASE => round::<masthead_api::release::release::Release>(&object),
        };
        without_nulls(&mut object);
        without_nulls(&mut back);
        assert_eq!(back, object, "{file}: {}", case["name"]);
        count += 1;
    }
    println!("{count} objects");
}
