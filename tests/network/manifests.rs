//! Manifests that the tests push.

use base64::Engine as _;

/// The web servers, their service and their Ingress at host `web.test`.
pub fn web(replicas: usize, version: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
        - name: c
          image: masthead.local/demo:v1
          env:
            - {{name: VERSION, value: {version:?}}}
          ports:
            - {{name: http, containerPort: 8080}}
          readinessProbe:
            httpGet: {{path: /readyz, port: http}}
            periodSeconds: 1
---
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {{app: web}}
  ports:
    - {{name: http, port: 80, targetPort: http}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
spec:
  rules:
    - host: web.test
      http:
        paths:
          - {{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{name: http}}}}}}}}
"
    )
}

/// A headless service of two pods with names of their own, and a pod to ask from.
pub fn names() -> String {
    let mut out = "apiVersion: v1
kind: Service
metadata:
  name: db
spec:
  clusterIP: None
  selector: {app: db}
  ports:
    - {name: sql, port: 5432}
"
    .to_owned();
    for (name, app, rest) in [
        ("db-0", "db", "  hostname: db-0\n  subdomain: db\n"),
        ("db-1", "db", "  hostname: db-1\n  subdomain: db\n"),
        ("tools", "tools", ""),
    ] {
        out += &format!(
            "---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: {app}}}
spec:
{rest}  terminationGracePeriodSeconds: 1
  containers:
    - name: c
      image: masthead.local/busybox:v1
      env:
        - {{name: SCRIPT, value: exec /bin/busybox sleep 100000}}
"
        );
    }
    out
}

/// An Ingress with TLS at this host by this Secret.
pub fn tls_ingress(host: &str, secret: &str) -> String {
    let name = host.replace('.', "-");
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {name}
spec:
  tls:
    - {{hosts: [{host}], secretName: {secret}}}
  rules:
    - host: {host}
      http:
        paths:
          - {{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}
"
    )
}

/// A certificate for a host as a Secret, and its bytes for a client to trust.
pub fn certificate(name: &str, host: &str) -> (String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).expect("a certificate");
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    let manifest = format!(
        "apiVersion: v1
kind: Secret
metadata:
  name: {name}
type: kubernetes.io/tls
data:
  tls.crt: {}
  tls.key: {}
",
        encode(made.cert.pem()),
        encode(made.signing_key.serialize_pem())
    );
    (manifest, made.cert.der().to_vec())
}
