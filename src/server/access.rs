//! `kubectl auth can-i` → what of the API may be written here, and why the rest may not: objects are made and changed by
//! commits. Whoever reaches the API may read all of it.

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use masthead_api::authorization::review::{ResourceAttributes, SelfSubjectAccessReview};
use masthead_api::decode::protobuf;
use serde_json::json;

use crate::server::state::State;
use crate::server::status::Failure;

/// Where it is asked.
pub const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
/// Where all is asked for that may be done, `kubectl auth can-i --list`.
pub const RULES_PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";

/// What may be deleted through the API: what controllers and agents make.
const DELETABLE: &[(&str, &str)] =
    &[("", "pods"), ("", "events"), ("", "nodes"), ("apps", "replicasets"), ("coordination.k8s.io", "leases")];

/// What may be done with a pod through the API.
const POD_SUBRESOURCES: &[&str] = &["attach", "eviction", "exec", "portforward"];

/// Answers a review.
pub async fn review(Shared(state): Shared<State>, body: Bytes) -> Response {
    let value = match protobuf::read_as(SelfSubjectAccessReview::SCHEMA, &body) {
        Ok(value) => Ok(value),
        Err(protobuf::Error::Magic) => serde_json::from_slice(&body).map_err(|fault| fault.to_string()),
        Err(fault) => Err(fault.to_string()),
    };
    let asked = value
        .and_then(|value| serde_json::from_value::<SelfSubjectAccessReview>(value).map_err(|fault| fault.to_string()));
    let mut review = match asked {
        Ok(review) => review,
        Err(fault) => {
            return Failure::bad_request(format!("the body is no SelfSubjectAccessReview: {fault}")).into_response();
        }
    };
    review.status.allowed = review.spec.resource_attributes.as_ref().is_none_or(is_allowed);
    if !review.status.allowed {
        review.status.reason = format!(
            "the API of this cluster is the git repository {} (branch {}): commit and push there",
            state.sync.tracked.url, state.sync.tracked.branch
        );
    }
    let mut body = json!(review);
    body["kind"] = "SelfSubjectAccessReview".into();
    body["apiVersion"] = "authorization.k8s.io/v1".into();
    (StatusCode::CREATED, axum::Json(body)).into_response()
}

/// Answers with all that may be done; it is the same in every namespace.
pub async fn rules() -> Response {
    let of_pods: Vec<String> = POD_SUBRESOURCES.iter().map(|subresource| format!("pods/{subresource}")).collect();
    let mut resources = vec![
        json!({ "verbs": ["get", "list", "watch"], "apiGroups": ["*"], "resources": ["*"] }),
        json!({ "verbs": ["create"], "apiGroups": [""], "resources": of_pods }),
    ];
    resources.extend(
        DELETABLE
            .iter()
            .map(|(group, resource)| json!({ "verbs": ["delete"], "apiGroups": [group], "resources": [resource] })),
    );
    let paths = json!([{ "verbs": ["get"], "nonResourceURLs": ["*"] }]);
    let body = json!({
        "kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {},
        "status": { "resourceRules": resources, "nonResourceRules": paths, "incomplete": false },
    });
    (StatusCode::CREATED, axum::Json(body)).into_response()
}

fn is_allowed(asked: &ResourceAttributes) -> bool {
    match (asked.verb.as_str(), asked.resource.as_str(), asked.subresource.as_str()) {
        ("get" | "list" | "watch", _, _) => true,
        ("create", "pods", subresource) => POD_SUBRESOURCES.contains(&subresource),
        ("delete", resource, "") => DELETABLE.contains(&(asked.group.as_str(), resource)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_what_controllers_make_are_allowed() {
        for (verb, group, resource, subresource, expect) in [
            ("get", "", "pods", "", true),
            ("list", "example.test", "anything", "", true),
            ("create", "", "pods", "", false),
            ("create", "", "pods", "exec", true),
            ("delete", "", "pods", "", true),
            ("delete", "apps", "replicasets", "", true),
            ("delete", "apps", "deployments", "", false),
            ("deletecollection", "", "pods", "", false),
            ("patch", "apps", "deployments", "", false),
            ("*", "*", "*", "", false),
        ] {
            let of = |text: &str| text.to_owned();
            let asked = ResourceAttributes {
                verb: of(verb),
                group: of(group),
                resource: of(resource),
                subresource: of(subresource),
                ..ResourceAttributes::default()
            };
            assert_eq!(is_allowed(&asked), expect, "{verb} {resource}.{group}/{subresource}");
        }
    }
}
