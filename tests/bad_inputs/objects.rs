//! Manifests that ask for what cannot be: unknown kinds and fields, broken rules, fields that may not change.

use crate::bad_inputs::lab::{Case, Expect, Make, run};

const fn refused(
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
) -> Case {
    Case { name, make: Make::Files(files), expect: Expect::Refused, says }
}

const CASES: &[Case] = &[
    refused(
        "fields of pods that no node acts upon",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  hostUsers: false\n  priorityClassName: gold\n  volumes:\n    - name: v\n      persistentVolumeClaim: {claimName: c}\n  containers:\n    - {name: c, image: i}\n",
        )],
        &[
            "apps/x.yaml:5: Pod/x: spec.hostUsers: user namespaces are not supported yet",
            "apps/x.yaml:6: Pod/x: spec.priorityClassName: no PriorityClass with name gold was found",
            "apps/x.yaml:9: Pod/x: spec.volumes[0].persistentVolumeClaim: volumes of kind persistentVolumeClaim are not supported yet",
        ],
    ),
    refused(
        "an unknown kind",
        &[("apps/x.yaml", "apiVersion: apps/v1\nkind: Deploymnet\nmetadata:\n  name: x\n")],
        &["apps/x.yaml:2: Deploymnet/x: kind: ", "did you mean Deployment?"],
    ),
    refused(
        "a kind of Kubernetes that is not in scope",
        &[(
            "apps/x.yaml",
            "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata:\n  name: x\n",
        )],
        &["apps/x.yaml:2: CertificateSigningRequest/x: kind: ", "not supported yet"],
    ),
    refused(
        "a kind of a wrong version",
        &[("apps/x.yaml", "apiVersion: v1\nkind: Deployment\nmetadata:\n  name: x\n")],
        &["apps/x.yaml:", "Deployment/x", "it is in apps/v1"],
    ),
    refused(
        "an apiVersion that is long gone",
        &[("apps/x.yaml", "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata:\n  name: x\n")],
        &["it is in apps/v1"],
    ),
    refused(
        "an apiVersion that is missing",
        &[("apps/x.yaml", "kind: ConfigMap\nmetadata:\n  name: x\n")],
        &["apps/x.yaml:1: ConfigMap/x: ", "v1"],
    ),
    refused(
        "a kind that is missing",
        &[("apps/x.yaml", "apiVersion: v1\nmetadata:\n  name: x\n")],
        &["apps/x.yaml:1: "],
    ),
    refused(
        "a name that is missing",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\n")],
        &["apps/x.yaml:1: ConfigMap/: metadata.name: "],
    ),
    refused(
        "a misspelt field",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    - name: c\n      imge: nginx\n",
        )],
        &[
            "apps/x.yaml:8: Pod/x: spec.containers[0].imge: unknown field (did you mean image?)",
            "spec.containers[0].image: Required value",
        ],
    ),
    refused(
        "a field at the wrong place",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\nspec:\n  replicas: 1\n")],
        &["apps/x.yaml:5: ConfigMap/x: spec: unknown field"],
    ),
    refused(
        "a number for text",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  port: 8080\n")],
        &["apps/x.yaml:6: ConfigMap/x: data", "must be text, not a number", "quotes"],
    ),
    refused(
        "yes for text",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  debug: yes\n")],
        &["apps/x.yaml:6: ConfigMap/x: data", "must be text, not true or false", "quotes"],
    ),
    refused(
        "text for a number",
        &[(
            "apps/web.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: three\n  selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'web:1'}]}}\n",
        )],
        &["apps/web.yaml:6: Deployment/web: spec.replicas: must be a whole number, not text"],
    ),
    refused(
        "a mapping for a list",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    name: c\n    image: c:1\n",
        )],
        &["apps/x.yaml:6: Pod/x: spec.containers: must be a list, not a mapping"],
    ),
    refused(
        "replicas below zero",
        &[(
            "apps/web.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: -1\n  selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'web:1'}]}}\n",
        )],
        &["apps/web.yaml:6: Deployment/web: spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    ),
    refused(
        "replicas beyond 31 bits",
        &[(
            "apps/web.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 2147483648\n  selector: {matchLabels: {app: web}}\n  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'web:1'}]}}\n",
        )],
        &["apps/web.yaml:6: Deployment/web: spec.replicas: "],
    ),
    refused(
        "a selector that the template does not meet",
        &[(
            "apps/x.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\nspec:\n  selector: {matchLabels: {app: a}}\n  template: {metadata: {labels: {app: b}}, spec: {containers: [{name: c, image: 'c:1'}]}}\n",
        )],
        &["Deployment/x: spec.template.metadata.labels: Invalid value", "`selector` does not match template `labels`"],
    ),
    refused(
        "a name in capitals",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: Settings\n")],
        &[
            "apps/x.yaml:4: ConfigMap/Settings: metadata.name: Invalid value: \"Settings\": a lowercase RFC 1123 subdomain",
        ],
    ),
    refused(
        "a name with a slash",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a/../../b\n")],
        &["apps/x.yaml:4: ConfigMap/a/../../b: metadata.name: Invalid value"],
    ),
    refused(
        "a name with a newline and an escape",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \"a\\nb\\e[2J\"\n")],
        &["apps/x.yaml:4: ConfigMap/a\\nb\\x1b[2J: metadata.name: "],
    ),
    refused(
        "a namespace in capitals",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  namespace: PROD\n")],
        &["apps/x.yaml:5: ConfigMap/x: metadata.namespace: Invalid value"],
    ),
    refused(
        "a label that is too long",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  labels:\n    a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
        )],
        &["apps/x.yaml:", "metadata.labels", "must be no more than 63"],
    ),
    refused(
        "a quantity that is none",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    - name: c\n      image: c:1\n      resources:\n        requests:\n          cpu: lots\n",
        )],
        &["apps/x.yaml:", "Pod/x", "quantities must match"],
    ),
    refused(
        "a request above its limit",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    - name: c\n      image: c:1\n      resources:\n        requests:\n          cpu: 2\n        limits:\n          cpu: 1\n",
        )],
        &["must be less than or equal to cpu limit"],
    ),
    refused(
        "a request below zero and a probe of the past",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    - name: c\n      image: ' '\n      resources: {requests: {cpu: '-1'}}\n      readinessProbe: {tcpSocket: {port: 0}, periodSeconds: -1}\n",
        )],
        &[
            "spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0",
            "apps/x.yaml:10: Pod/x: spec.containers[0].readinessProbe.periodSeconds: Invalid value: -1",
            "spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535",
            "apps/x.yaml:8: Pod/x: spec.containers[0].image: Invalid value",
        ],
    ),
    refused(
        "two containers of one name",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    - {name: c, image: 'c:1'}\n    - {name: c, image: 'c:2'}\n",
        )],
        &["apps/x.yaml:8: Pod/x: spec.containers[1].name: Duplicate value: \"c\""],
    ),
    refused(
        "a volume that is nowhere",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers:\n    - name: c\n      image: c:1\n      volumeMounts: [{name: v, mountPath: /v}]\n",
        )],
        &["spec.containers[0].volumeMounts[0].name: Not found: \"v\""],
    ),
    refused(
        "a port out of range",
        &[(
            "apps/service.yaml",
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n    - port: 70000\n",
        )],
        &["apps/service.yaml:7: Service/web: spec.ports[0].port: Invalid value: 70000"],
    ),
    refused(
        "generateName",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: x-\n")],
        &["apps/x.yaml:4: ConfigMap/: metadata.generateName: not supported in a repository"],
    ),
    refused(
        "a copy of a live object",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  uid: 8b3c\n")],
        &["apps/x.yaml:5: ConfigMap/x: metadata.uid: may not be set in a repository", "copied from a live object"],
    ),
    refused(
        "a forged owner",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n  ownerReferences:\n    - {apiVersion: v1, kind: Node, name: n, uid: u}\nspec:\n  containers: [{name: c, image: 'c:1'}]\n",
        )],
        &["apps/x.yaml:5: Pod/x: metadata.ownerReferences: may not be set"],
    ),
    refused(
        "a node",
        &[("apps/x.yaml", "apiVersion: v1\nkind: Node\nmetadata:\n  name: node-1\n")],
        &["apps/x.yaml:1: Node/node-1: metadata.name: nodes come from their agents"],
    ),
    refused(
        "a lease",
        &[("apps/x.yaml", "apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata:\n  name: node-1\n")],
        &["Lease/node-1", "the cluster writes these itself"],
    ),
    refused(
        "the cluster's own namespace",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  namespace: kube-node-lease\n")],
        &["kube-node-lease is the cluster's own"],
    ),
    refused(
        "one object in two files",
        &[("apps/z.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n")],
        &["apps/z.yaml:1: ConfigMap/settings: ", "also written at apps/settings.yaml:1", "keep one of the two"],
    ),
    refused(
        "one object twice in a file",
        &[(
            "apps/z.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: z\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: z\n  namespace: default\n",
        )],
        &["apps/z.yaml:6: ConfigMap/z: ", "also written at apps/z.yaml:1"],
    ),
    refused(
        "a List without items",
        &[("apps/x.yaml", "apiVersion: v1\nkind: List\n")],
        &["apps/x.yaml:1: a List has no items"],
    ),
    refused(
        "a List in a List",
        &[("apps/x.yaml", "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: List\n    items: []\n")],
        &["apps/x.yaml:4: a List is inside a List"],
    ),
    refused(
        "a fault inside a List",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: ConfigMap\n    metadata:\n      name: ok\n  - apiVersion: v1\n    kind: ConfigMap\n    metadata:\n      name: ok2\n    dato: {}\n",
        )],
        &["apps/x.yaml:12: ConfigMap/ok2: dato: unknown field (did you mean data?)"],
    ),
    refused(
        "an immutable ConfigMap is changed",
        &[(
            "apps/frozen.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: frozen\nimmutable: true\ndata:\n  color: red\n",
        )],
        &["± ConfigMap default/frozen", "Masthead-Confirm: replace"],
    ),
    refused(
        "the selector of a Deployment is changed",
        &[(
            "apps/web.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 0\n  selector: {matchLabels: {app: other}}\n  template: {metadata: {labels: {app: other}}, spec: {containers: [{name: web, image: 'web:1'}]}}\n",
        )],
        &["± Deployment", "spec.selector", "Masthead-Confirm: replace"],
    ),
    refused(
        "the type of a Secret is changed",
        &[(
            "apps/token.yaml",
            "apiVersion: v1\nkind: Secret\ntype: other\nmetadata:\n  name: token\nstringData:\n  password: hunter2\n",
        )],
        &["± Secret default/token", "type", "Masthead-Confirm: replace"],
    ),
    refused(
        "a number in a Secret",
        &[("apps/x.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  pin: 314159265\n")],
        &["apps/x.yaml:6: Secret/x: stringData", "must be text, not a number"],
    ),
    refused(
        "a Secret whose data is text",
        &[("apps/x.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata: hunter2\n")],
        &["apps/x.yaml:5: Secret/x: data: must be a mapping, not text"],
    ),
    refused(
        "a Secret whose data is not base64",
        &[("apps/x.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  password: correct-horse\n")],
        &["apps/x.yaml:6: Secret/x: data", "base64"],
    ),
    refused(
        "a value of a Secret at the wrong depth",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  nested:\n    password: hunter2\npassword: correct-horse\n",
        )],
        &["apps/x.yaml:", "Secret/x: password: unknown field", "must be text, not a mapping"],
    ),
    refused(
        "a value of a Secret as its key",
        &[("apps/x.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  \"a b\": hunter2\n")],
        &["Secret/x: data[a b]: Invalid value"],
    ),
    refused(
        "a value of a Secret as a tagged number",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  password: !!int hunter2\n",
        )],
        &["apps/x.yaml:6"],
    ),
    refused(
        "a value of a Secret as its type",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ntype: kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: hunter2\n",
        )],
        &["Secret/x: data[.dockerconfigjson]"],
    ),
    refused(
        "a value of a Secret before an unclosed quote",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  password: \"hunter2\n  other: x\n",
        )],
        &["apps/x.yaml:"],
    ),
    refused(
        "a value of a Secret as an alias",
        &[("apps/x.yaml", "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  password: *hunter2\n")],
        &["apps/x.yaml:6: "],
    ),
    refused(
        "more is deleted than may be at once",
        &[
            ("apps/settings.yaml", ""),
            ("apps/frozen.yaml", ""),
            ("apps/token.yaml", ""),
            ("apps/web.yaml", ""),
            ("apps/service.yaml", ""),
            ("apps/count.yaml", ""),
        ],
        &["Masthead-Confirm: delete", "nothing changed"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_cannot_be_are_refused() {
    run(CASES).await;
}
