//! Files whose text is no manifest: YAML that is broken, hostile, or something else altogether.

use crate::bad_inputs::lab::{Case, Expect, FILE, Lab, Make, run};

const fn file(
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
) -> Case {
    Case { name, make: Make::Files(files), expect: Expect::Refused, says }
}

const fn bytes(name: &'static str, tree: fn(&Lab) -> git2::Oid, says: &'static [&'static str]) -> Case {
    Case { name, make: Make::Tree(tree), expect: Expect::Refused, says }
}

fn one(lab: &Lab, content: &[u8]) -> git2::Oid {
    lab.within(&[(FILE, b"x.yaml", lab.blob(content))])
}

const HEAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n";

fn bomb() -> String {
    let mut text = format!("{HEAD}data: &a0 [x, x]\n");
    for i in 1..40 {
        text += &format!("a{i}: &a{i} [*a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}]\n", p = i - 1);
    }
    text
}

fn deep(n: usize) -> String {
    format!("{HEAD}data: {}{}\n", "[".repeat(n), "]".repeat(n))
}

fn utf16(text: &str) -> Vec<u8> {
    [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
}

const CASES: &[Case] = &[
    bytes("a YAML bomb of aliases", |lab| one(lab, bomb().as_bytes()), &["apps/x.yaml:", "alias_nodes"]),
    bytes(
        "a YAML bomb of merges",
        |lab| {
            let mut text = format!("{HEAD}data:\n  a0: &a0 {{x: y}}\n");
            for i in 1..30 {
                text += &format!("  a{i}: &a{i} {{<<: [*a{p}, *a{p}], b: *a{p}, c: *a{p}, d: *a{p}}}\n", p = i - 1);
            }
            one(lab, text.as_bytes())
        },
        &["apps/x.yaml:", "alias"],
    ),
    bytes(
        "lists nested a hundred thousand deep",
        |lab| one(lab, deep(100_000).as_bytes()),
        &["apps/x.yaml:", "depth", "256"],
    ),
    bytes(
        "mappings nested ten thousand deep",
        |lab| one(lab, format!("{}x{}", "{a: ".repeat(10_000), "}".repeat(10_000)).as_bytes()),
        &["depth"],
    ),
    bytes(
        "JSON nested a hundred thousand deep",
        |lab| lab.within(&[(FILE, b"x.json", lab.blob(format!("{}{}", "{\"a\":".repeat(100_000), "1").as_bytes()))]),
        &["apps/x.json:", "depth"],
    ),
    bytes(
        "more documents than a file may hold",
        |lab| one(lab, "---\na: b\n".repeat(100_001).as_bytes()),
        &["apps/x.yaml", "documents"],
    ),
    bytes(
        "a file of 100 MiB",
        |lab| one(lab, &vec![b'#'; 100 << 20]),
        &["apps/x.yaml: is 104857600 bytes", "8388608", ".mastheadignore"],
    ),
    bytes(
        "a binary file by the name of a manifest",
        |lab| one(lab, b"\x7fELF\x02\x01\x01\0\0\0\0"),
        &["apps/x.yaml: this is a binary file"],
    ),
    bytes(
        "control characters in the text",
        |lab| one(lab, b"apiVersion: v1\nkind: \x1b[31mConfigMap\n"),
        &["apps/x.yaml:", "control characters are not allowed"],
    ),
    bytes(
        "text that is not UTF-8",
        |lab| one(lab, b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \xff\xfe\n"),
        &["apps/x.yaml:", "UTF-8"],
    ),
    bytes("half a UTF-16 character", |lab| one(lab, &utf16("apiVersion: v1\n")[..7]), &["apps/x.yaml"]),
    bytes(
        "a misspelt kind in UTF-16",
        |lab| one(lab, &utf16("apiVersion: v1\nkind: ConfigMop\nmetadata:\n  name: x\n")),
        &["apps/x.yaml:2: ConfigMop/x: kind:", "did you mean ConfigMap?"],
    ),
    bytes(
        "a Git LFS pointer",
        |lab| one(lab, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
        &["apps/x.yaml", "Git LFS pointer"],
    ),
    bytes("an alias to itself", |lab| one(lab, b"a: &a [*a]\n"), &["apps/x.yaml:1: anchor 'a' value contains itself"]),
    bytes(
        "carriage returns in a message",
        |lab| one(lab, b"apiVersion: v1\nkind: \"Con\\rfig\\n\\e[2J\\u202e\"\nmetadata:\n  name: x\n"),
        &["apps/x.yaml:2:", "no such kind"],
    ),
    bytes(
        "a name of ten thousand characters",
        |lab| {
            one(lab, format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n", "n".repeat(10_000)).as_bytes())
        },
        &["apps/x.yaml:4: ConfigMap/nnn", "metadata.name: "],
    ),
    bytes(
        "a kind of a megabyte",
        |lab| one(lab, format!("apiVersion: v1\nkind: {}\nmetadata:\n  name: x\n", "k".repeat(1 << 20)).as_bytes()),
        &["apps/x.yaml:2:", "kind"],
    ),
    file(
        "tabs for indentation",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: x\n")],
        &["apps/x.yaml:4: found character that cannot start any token"],
    ),
    file(
        "a key that stands twice",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  name: y\n")],
        &["apps/x.yaml:5: key \"name\" already set in map"],
    ),
    file(
        "a mapping that is not closed",
        &[("apps/x.yaml", "apiVersion: v1\nkind: {ConfigMap\nmetadata:\n  name: x\n")],
        &["apps/x.yaml:"],
    ),
    file(
        "an anchor that nobody set",
        &[("apps/x.yaml", "apiVersion: v1\nkind: *kind\n")],
        &["apps/x.yaml:2: unknown anchor referenced (quote text that begins with *)"],
    ),
    file(
        "markers of a merge conflict",
        &[(
            "apps/settings.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n<<<<<<< HEAD\ndata:\n  a: b\n=======\n>>>>>>> topic\n",
        )],
        &["apps/settings.yaml:5"],
    ),
    file(
        "a template of Helm",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n")],
        &["apps/x.yaml:4"],
    ),
    file("JSON with a comma too many", &[("apps/x.json", "{\"apiVersion\": \"v1\",,}")], &["apps/x.json:1"]),
    file(
        "a scalar for a document",
        &[("apps/x.yaml", "hello\n")],
        &["apps/x.yaml:1: this is no manifest of an object", ".mastheadignore"],
    ),
    file(
        "a list for a document",
        &[("apps/x.yaml", "- a\n- b\n")],
        &["apps/x.yaml:1: this is no manifest of an object"],
    ),
    file(
        "a file of something else",
        &[("apps/values.yaml", "replicas: 3\nimage: web\n")],
        &["apps/values.yaml:1: this is no manifest of an object", ".mastheadignore"],
    ),
    file(
        "infinity for a number",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: .inf\n")],
        &["apps/x.yaml:6"],
    ),
    file(
        "a list for a key",
        &[("apps/x.yaml", "apiVersion: v1\nkind: ConfigMap\n? [a, b]\n: c\n")],
        &["apps/x.yaml:3: invalid map key"],
    ),
    file(
        "a chart without a version",
        &[("apps/web/Chart.yaml", "apiVersion: v2\nname: web\n")],
        &["apps/web/Chart.yaml:1: ", "chart.metadata.version is required"],
    ),
    file(
        "a chart whose template does not parse",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/templates/a.yaml", "a: {{ .Values.x | nope }}\n"),
        ],
        &["apps/web/templates/a.yaml:1: ", "function \"nope\" not defined"],
    ),
    file(
        "a chart that never ends",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/templates/a.yaml", "{{ range until 1000000000 }}x{{ end }}\n"),
        ],
        &["apps/web/templates/a.yaml:1: "],
    ),
    file(
        "a chart that includes itself",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/templates/a.yaml", "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}\n"),
        ],
        &["Release/web: "],
    ),
    file(
        "a Release of a chart that is not there",
        &[(
            "apps/web.yaml",
            "apiVersion: masthead.dev/v1\nkind: Release\nmetadata: {name: web}\nspec: {chart: {path: ../charts/web}}\n",
        )],
        &["apps/web.yaml:1: Release/web: spec.chart.path: there is no chart at ../charts/web"],
    ),
    file(
        "a Release of a chart that is not pinned",
        &[(
            "apps/web.yaml",
            "apiVersion: masthead.dev/v1\nkind: Release\nmetadata: {name: web}\nspec: {chart: {repository: 'https://charts.example.test', name: web}}\n",
        )],
        &["apps/web.yaml:1: Release/web: spec.chart: masthead.lock pins no version of web"],
    ),
    file(
        "a chart whose dependency is not there",
        &[
            (
                "apps/web/Chart.yaml",
                "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n  - {name: db, version: 1.0.0, repository: 'file://../../..'}\n",
            ),
            ("apps/web/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n"),
        ],
        &["apps/web/Chart.yaml:1: Release/web: found in Chart.yaml, but missing in charts/ directory: db"],
    ),
    file(
        "a chart by the name of the folder above",
        &[("apps/web/Chart.yaml", "apiVersion: v2\nname: ..\nversion: 1.0.0\n")],
        &["apps/web/Chart.yaml:1: Release/web: ", "chart.metadata.name \"..\" is not allowed"],
    ),
    file(
        "a chart by the name of a path",
        &[("apps/web/Chart.yaml", "apiVersion: v2\nname: a/../../b\nversion: 1.0.0\n")],
        &["apps/web/Chart.yaml:1: Release/web: ", "chart.metadata.name \"a/../../b\" is invalid"],
    ),
    file(
        "a chart whose version clears the screen",
        &[("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: \"1.0.0\\e[2J\"\n")],
        &["apps/web/Chart.yaml:1: Release/web: ", "chart.metadata.version"],
    ),
    file(
        "a chart that asks for the environment",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/templates/a.yaml", "a: {{ env \"HOME\" }}\n"),
        ],
        &["apps/web/templates/a.yaml:1: ", "function \"env\" not defined"],
    ),
    file(
        "a chart that makes a text of a gigabyte",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/templates/a.yaml", "\n\na: {{ repeat 1000000000 \"x\" }}\n"),
        ],
        &["apps/web/templates/a.yaml:3: ", "exceeded the limit of", "for one text"],
    ),
    file(
        "a chart whose text is a template of itself",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/templates/a.yaml", "a: {{ tpl \"{{ tpl .T . }}\" (dict \"T\" \"{{ tpl .T . }}\") }}\n"),
        ],
        &["Release/web: error during tpl function execution"],
    ),
    file(
        "a schema that reads a device",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/values.schema.json", "{\"$ref\": \"file:///dev/zero\"}"),
        ],
        &["apps/web/Chart.yaml:1: Release/web: ", "references to other files are not followed"],
    ),
    file(
        "a schema that asks the machine's landlord",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/values.schema.json", "{\"properties\": {\"a\": {\"$ref\": \"http://169.254.169.254/latest\"}}}"),
        ],
        &["apps/web/Chart.yaml:1: Release/web: ", "references to other places are not followed"],
    ),
    file(
        "a schema that is its own",
        &[
            ("apps/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
            ("apps/web/values.schema.json", "{\"$ref\": \"#\"}"),
        ],
        &["apps/web/Chart.yaml:1: Release/web: ", "causing reference cycle"],
    ),
    file(
        "a Secret that SOPS has encrypted",
        &[(
            "apps/x.yaml",
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\nstringData:\n  password: ENC[AES256_GCM,data:abc=]\nsops:\n  mac: ENC[AES256_GCM,data:x]\n",
        )],
        &["apps/x.yaml:7: Secret/x: sops: unknown field"],
    ),
    bytes(
        "more than an object may hold",
        |lab| one(lab, format!("{HEAD}data:\n  a: {}\n", "x".repeat(1_100_000)).as_bytes()),
        &["apps/x.yaml:1: ConfigMap/x: ", "Too long: may not be more than 1048576 bytes"],
    ),
    file(
        "a kustomization",
        &[("apps/kustomization.yaml", "resources: [web.yaml]\n")],
        &["apps/kustomization.yaml:1: ", "kubectl kustomize"],
    ),
    file(
        "faults in several files and documents at once",
        &[
            (
                "apps/a.yaml",
                "apiVersion: v1\nkind: ConfigMop\nmetadata:\n  name: x\n---\na: [\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  nane: x\n",
            ),
            ("apps/b.yaml", "- x\n"),
        ],
        &[
            "problems",
            "nothing changed",
            "apps/a.yaml:2: ConfigMop/x: kind: ",
            "apps/a.yaml:11: ",
            "metadata.nane: unknown field (did you mean name?)",
            "metadata.name",
            "apps/b.yaml:1: ",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_is_no_manifest_is_refused() {
    run(CASES).await;
}
