//! A pod and the container a request names → the one to talk to, or Kubernetes' words for why there is none.

use masthead_api::core::pod::Pod;
use masthead_api::core::pod_status::ContainerStatus;

use crate::server::status::Failure;

/// The container of a request for logs, exec or attach.
///
/// # Errors
/// 400: the pod has none of this name, or several and the request names none.
pub fn choose(pod: &Pod, asked: Option<&str>) -> Result<String, Failure> {
    let name = &pod.metadata.name;
    let containers: Vec<&str> = pod.spec.containers.iter().map(|c| c.name.as_str()).collect();
    let inits: Vec<&str> = pod.spec.init_containers.iter().map(|c| c.name.as_str()).collect();
    if let Some(asked) = asked {
        let ephemeral = pod.spec.ephemeral_containers.iter().map(|c| c.name.as_str());
        if containers.iter().chain(&inits).copied().chain(ephemeral).any(|known| known == asked) {
            return Ok(asked.to_owned());
        }
        return Err(Failure::bad_request(format!("container {asked} is not valid for pod {name}")));
    }
    match containers.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(Failure::bad_request(format!("a container name must be specified for pod {name}"))),
        _ => {
            let mut message =
                format!("a container name must be specified for pod {name}, choose one of: [{}]", containers.join(" "));
            if !inits.is_empty() {
                message.push_str(&format!(" or one of the init containers: [{}]", inits.join(" ")));
            }
            Err(Failure::bad_request(message))
        }
    }
}

/// Whether there is a log to read yet (`validateContainerLogStatus` of the kubelet).
///
/// # Errors
/// 400: the container has not run, or not before.
pub fn has_log(pod: &Pod, container: &str, previous: bool) -> Result<(), Failure> {
    let name = &pod.metadata.name;
    let status = &pod.status;
    let all = status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses)
        .chain(&status.ephemeral_container_statuses);
    // A pod that has just come has no status; its node knows better.
    let Some(found) = all.into_iter().find(|status| status.name == container) else { return Ok(()) };
    if previous {
        return match last_ended(found) {
            true => Ok(()),
            false => Err(Failure::bad_request(format!(
                "previous terminated container {container:?} in pod {name:?} not found"
            ))),
        };
    }
    let Some(waiting) = &found.state.waiting else { return Ok(()) };
    if last_ended(found) {
        return Ok(());
    }
    let why = match waiting.reason.as_str() {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        other => other,
    };
    Err(Failure::bad_request(format!("container {container:?} in pod {name:?} is waiting to start: {why}")))
}

fn last_ended(status: &ContainerStatus) -> bool {
    status.last_state.terminated.is_some()
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde_json::json;

    use super::*;

    fn pod(containers: &[&str], status: serde_json::Value) -> Pod {
        let containers: Vec<_> = containers.iter().map(|name| json!({"name": name, "image": "i"})).collect();
        let value = json!({"metadata": {"name": "p"}, "spec": {"containers": containers, "initContainers": [{"name": "i", "image": "i"}]}, "status": {"containerStatuses": [status]}});
        serde_json::from_value(value).unwrap()
    }

    fn text<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
        let failure = result.unwrap_err();
        assert_eq!(failure.clone().into_response().status().as_u16(), 400);
        failure.body()["message"].as_str().unwrap().to_owned()
    }

    #[test]
    fn containers_are_chosen_as_kubernetes_does() {
        let none = json!({"name": "a", "ready": false, "restartCount": 0, "image": "", "imageID": "", "state": {}});
        assert_eq!(choose(&pod(&["a"], none.clone()), None).unwrap(), "a");
        assert_eq!(choose(&pod(&["a", "b"], none.clone()), Some("i")).unwrap(), "i");
        assert_eq!(text(choose(&pod(&["a"], none.clone()), Some("x"))), "container x is not valid for pod p");
        let several =
            "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]";
        assert_eq!(text(choose(&pod(&["a", "b"], none), None)), several);
    }

    #[test]
    fn a_log_needs_a_container_that_ran() {
        let status = |state: serde_json::Value, last: serde_json::Value| json!({"name": "a", "ready": false, "restartCount": 0, "image": "", "imageID": "", "state": state, "lastState": last});
        let ended = json!({"terminated": {"exitCode": 1}});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        let check = |state, last, previous| has_log(&pod(&["a"], status(state, last)), "a", previous);
        assert!(check(json!({"running": {}}), json!({}), false).is_ok());
        assert!(check(waiting("CrashLoopBackOff"), ended.clone(), false).is_ok());
        assert!(check(json!({"running": {}}), ended, true).is_ok());
        let previous = "previous terminated container \"a\" in pod \"p\" not found";
        assert_eq!(text(check(json!({"running": {}}), json!({}), true)), previous);
        let creating = "container \"a\" in pod \"p\" is waiting to start: ContainerCreating";
        assert_eq!(text(check(waiting("ContainerCreating"), json!({}), false)), creating);
        let pulling = "container \"a\" in pod \"p\" is waiting to start: image can't be pulled";
        assert_eq!(text(check(waiting("ErrImagePull"), json!({}), false)), pulling);
        let backing_off = "container \"a\" in pod \"p\" is waiting to start: trying and failing to pull image";
        assert_eq!(text(check(waiting("ImagePullBackOff"), json!({}), false)), backing_off);
    }
}
