//! A gateway and its route as a user sees them: pushed, waited for, answering at each node; what is missing holds up a
//! commit, and is named.

use std::fs;

use tokio::net::TcpStream;

use super::lab::Lab;
use super::load::ask_any;

const PORT: u16 = 8088;
const HOST: &str = "gateway.test";

/// A gateway and a route to a service; the route as older manifests have it.
fn manifests(service: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: edge
spec:
  gatewayClassName: masthead
  listeners:
    - {{name: http, port: {PORT}, protocol: HTTP}}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: HTTPRoute
metadata:
  name: edge
spec:
  parentRefs: [{{name: edge}}]
  hostnames: [{HOST}]
  rules:
    - backendRefs: [{{name: {service}, port: 80}}]
"
    )
}

/// The status with which a node answers.
fn status(lab: &Lab, node: &str) -> Option<u16> {
    let place = lab.address(node, PORT);
    let asked = async { ask_any(&mut TcpStream::connect(place).await?, HOST, true).await };
    lab.wait("an answer", asked).ok().map(|answer| answer.status)
}

/// Pushes one, takes its service away, and gives it back. The service `web` is there.
pub fn a_gateway_is_served(lab: &Lab) {
    lab.site.write("gateway.yaml", &manifests("web"));
    lab.site.push_healthy("a gateway");
    let route = lab.site.json(&["get", "httproute", "edge", "-o", "json"]);
    assert_eq!(route["apiVersion"], "gateway.networking.k8s.io/v1");
    let gateway = lab.site.json(&["get", "gateway", "edge", "-o", "json"]);
    assert_eq!(gateway["status"]["listeners"][0]["name"], "http", "it is healthy, so its status is there");
    lab.until("the gateway counts its route", || {
        lab.site.json(&["get", "gateway", "edge", "-o", "json"])["status"]["listeners"][0]["attachedRoutes"] == 1
    });
    for node in lab.names() {
        // The tables of a node follow the push a moment after it is healthy.
        lab.until(&format!("the gateway answers at {node}"), || status(lab, &node) == Some(200));
    }
    lab.site.write("gateway.yaml", &manifests("nobody"));
    let (taken, said) = lab.site.push("a route to nobody", &["-o", "no-wait"]);
    assert!(taken, "{said}");
    lab.until("the status says what is waited for", || {
        lab.site.ok(&["status"]).contains("BackendNotFound: Service default/nobody does not exist")
    });
    for node in lab.names() {
        lab.until(&format!("{node} refuses"), || status(lab, &node) == Some(500));
    }
    fs::remove_file(lab.site.dir.path().join("clone/gateway.yaml")).expect("a file");
    lab.site.push_healthy("without a gateway");
    for node in lab.names() {
        lab.until(&format!("the port of {node} is closed"), || status(lab, &node).is_none());
    }
}
