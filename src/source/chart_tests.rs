//! Whole trees with charts and Releases against the objects and the problems they give.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid, Repository};
use serde_json::Value;

use crate::git::commit::CommitId;
use crate::git::reader::Reader;
use crate::sync::charts::Surroundings;
use crate::sync::observe::{Fault, Observed, Source};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.2.3\n";
const VALUES: &str = "greeting: hello\nreplicas: 1\n";
const TEMPLATE: &str = "# settings\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  greeting: {{ .Values.greeting | quote }}\n  replicas: {{ .Values.replicas | quote }}\n";
const RELEASE: &str = "apiVersion: masthead.dev/v1\nkind: Release\nmetadata:\n  name: shop\n  namespace: prod\nspec:\n  chart:\n    path: ../charts/web\n";

/// A repository whose commits are written file by file.
struct Lab {
    dir: tempfile::TempDir,
    repository: Repository,
    files: BTreeMap<String, String>,
    source: Source,
}

impl Lab {
    fn new() -> Lab {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let repository = Repository::init_bare(dir.path()).expect("a repository");
        Lab { dir, repository, files: BTreeMap::new(), source: Source::default() }
    }

    /// With the chart `web`.
    fn with_chart() -> Lab {
        Lab::new()
            .put("charts/web/Chart.yaml", CHART)
            .put("charts/web/values.yaml", VALUES)
            .put("charts/web/templates/settings.yaml", TEMPLATE)
    }

    fn put(mut self, path: &str, text: &str) -> Lab {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    fn folder(&self, prefix: &str) -> Oid {
        let mut tree = self.repository.treebuilder(None).expect("a tree");
        let inside = self.files.iter().filter_map(|(path, text)| Some((path.strip_prefix(prefix)?, text)));
        for (path, text) in inside {
            match path.split_once('/') {
                None => {
                    let blob = self.repository.blob(text.as_bytes()).expect("a blob");
                    tree.insert(path, blob, 0o100_644).expect("an entry");
                }
                Some((folder, _)) => {
                    tree.insert(folder, self.folder(&format!("{prefix}{folder}/")), 0o040_000).expect("an entry");
                }
            }
        }
        tree.write().expect("written")
    }

    fn commit(&self) -> CommitId {
        let who = git2::Signature::new("Ada", "ada@example.test", &git2::Time::new(86_400, 0)).expect("a person");
        let tree = self.repository.find_object(self.folder(""), Some(ObjectType::Tree)).expect("a tree");
        let tree = tree.as_tree().expect("a tree");
        let id = self.repository.commit(None, &who, &who, "all", tree, &[]).expect("a commit");
        id.to_string().parse().expect("an id")
    }

    fn observe(&self) -> Result<Observed, Fault> {
        self.source.observe(&Reader::open(self.dir.path()).expect("a reader"), self.commit())
    }

    /// `Kind namespace/name at path:line` of all objects.
    fn objects(&self) -> Vec<String> {
        let observed = self.observe().unwrap_or_else(|fault| panic!("{fault:?}"));
        observed
            .desired
            .objects
            .values()
            .map(|wanted| format!("{} at {}", wanted.object.key(), wanted.origin))
            .collect()
    }

    fn data(&self, name: &str) -> Value {
        let observed = self.observe().unwrap_or_else(|fault| panic!("{fault:?}"));
        let mut all = observed.desired.objects.values().map(|wanted| wanted.object.value());
        all.find(|v| v["kind"] == "ConfigMap" && v["metadata"]["name"] == name)
            .map_or(Value::Null, |v| v["data"].clone())
    }

    fn problems(&self) -> Vec<String> {
        match self.observe() {
            Ok(_) => Vec::new(),
            Err(Fault::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_chart_without_a_release_is_installed_under_its_folders_name() {
    let lab = Lab::with_chart().put("charts/README.md", "not read").put("a.yaml", "");
    assert_eq!(lab.objects(), ["ConfigMap default/web at charts/web/templates/settings.yaml:2"]);
    assert_eq!(lab.data("web"), serde_json::json!({ "greeting": "hello", "replicas": "1" }));
}

#[test]
fn a_release_chooses_name_namespace_and_values() {
    let lab = Lab::with_chart()
        .put(
            "apps/shop.yaml",
            &format!("{RELEASE}  valuesFrom:\n  - file: prod.yaml\n  - configMap: {{name: extra}}\n  values:\n    replicas: 5\n"),
        )
        .put("apps/prod.yaml", "greeting: from a file\nreplicas: 3\n")
        .put(
            "apps/extra.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: prod}\ndata:\n  values.yaml: |\n    greeting: from a map\n",
        );
    assert_eq!(
        lab.objects(),
        [
            "ConfigMap prod/extra at apps/extra.yaml:1",
            "ConfigMap prod/shop at charts/web/templates/settings.yaml:2",
            "Release prod/shop at apps/shop.yaml:1",
        ]
    );
    assert_eq!(lab.data("shop"), serde_json::json!({ "greeting": "from a map", "replicas": "5" }));
}

#[test]
fn only_what_reads_a_change_is_rendered_again() {
    let lab = Lab::with_chart()
        .put("apps/one.yaml", &RELEASE.replace("shop", "one"))
        .put("apps/two.yaml", &format!("{}  valuesFrom: [{{file: two.txt}}]\n", RELEASE.replace("shop", "two")))
        .put("apps/two.txt", "greeting: a\n");
    let first = lab.observe().expect("good");
    let lab = lab.put("apps/two.txt", "greeting: b\n");
    let second = lab.observe().expect("good");
    let object = |observed: &Observed, name: &str| {
        let mut all = observed.desired.objects.values();
        let found = all.find(|w| w.object.key().name == name && w.object.key().kind.info().kind == "ConfigMap");
        found.map(|wanted| wanted.object.clone()).expect("it is there")
    };
    assert!(std::sync::Arc::ptr_eq(&object(&first, "one"), &object(&second, "one")));
    assert_eq!(object(&second, "two").value()["data"]["greeting"], "b");
    // A fresh look gives the same as one that goes on from before.
    let fresh = Lab { source: Source::default(), ..lab }.observe().expect("good");
    assert_eq!(fresh.desired.objects, second.desired.objects);
}

#[test]
fn faults_name_the_template_the_line_and_the_value() {
    let check = |lab: Lab, expect: &[&str]| {
        let told = lab.problems();
        assert_eq!(told.len(), expect.len(), "{told:?}");
        for (told, expect) in told.iter().zip(expect) {
            assert!(told.contains(expect), "{told}\nlacks {expect}");
        }
    };
    let release = |text: &str| Lab::with_chart().put("apps/shop.yaml", text);
    check(
        release(&RELEASE.replace("../charts/web", "../charts/wob")),
        &["apps/shop.yaml:1: Release/shop: spec.chart.path: there is no chart at ../charts/wob"],
    );
    check(
        release(&format!("{RELEASE}  valuesFrom: [{{file: no.yaml}}]\n")),
        &["spec.valuesFrom[0]: there is no file no.yaml"],
    );
    check(release(&format!("{RELEASE}  suspend: true\n")), &["spec.suspend: is not supported yet"]);
    check(
        release(&RELEASE.replace("path: ../charts/web", "repository: https://charts.example.test\n    name: redis")),
        &["masthead.lock pins no version of redis (run `masthead chart lock`"],
    );
    check(
        Lab::with_chart()
            .put("charts/web/templates/settings.yaml", &TEMPLATE.replace(".Values.greeting", ".Values.a.b")),
        &["charts/web/templates/settings.yaml:7: Release/web: template: web/templates/settings.yaml:7:22: executing"],
    );
    check(
        Lab::with_chart().put("charts/web/templates/settings.yaml", &TEMPLATE.replace("| quote", "")),
        &[
            "charts/web/templates/settings.yaml:8: ConfigMap/web: data[replicas]: must be text, not a number (put it in quotes; from .Values.replicas of charts/web/Chart.yaml:1)",
        ],
    );
    check(
        Lab::with_chart().put(
            "charts/web/templates/job.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hooked\n  annotations: {helm.sh/hook: pre-install}\n",
        ),
        &["charts/web/Chart.yaml:1: Release/web: spec.hooks: hooks are not run yet, and the chart has hooked"],
    );
    check(Lab::with_chart().put("charts/web/Chart.yaml", "name: web\n"), &["chart.metadata.version is required"]);
    check(Lab::with_chart().put("masthead.lock", "charts: 5\n"), &["masthead.lock"]);
}

#[test]
fn random_values_and_the_time_stay_as_they_are() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  secret: {{ randAlphaNum 20 | quote }}\n  other: {{ randAlphaNum 20 | quote }}\n  now: {{ now | unixEpoch | quote }}\n";
    let lab = || Lab::with_chart().put("charts/web/templates/settings.yaml", template);
    let with = |entropy: u8| {
        let lab = lab();
        let store = lab.dir.path().join("charts");
        lab.source.surround(Surroundings { entropy: [entropy; 32], find: None, store });
        lab.data("web")
    };
    let (one, again, other) = (with(1), with(1), with(2));
    assert_eq!(one, again);
    assert_ne!(one["secret"], other["secret"]);
    assert_ne!(one["secret"], one["other"]);
    assert_eq!(one["now"], "86400");
}

#[test]
fn what_is_looked_up_is_as_it_is_now() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  found: {{ get (get (lookup \"v1\" \"Secret\" \"default\" \"x\") \"data\" | default dict) \"a\" | default \"nothing\" | quote }}\n";
    let lab = Lab::with_chart().put("charts/web/templates/settings.yaml", template);
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = calls.clone();
    let find = move |_: &str, _: &str, _: &str, _: &str| {
        let call = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(if call == 0 { serde_json::json!({}) } else { serde_json::json!({ "data": { "a": "b" } }) })
    };
    let store = lab.dir.path().join("charts");
    lab.source.surround(Surroundings { entropy: [0; 32], find: Some(std::sync::Arc::new(find)), store });
    assert_eq!(lab.data("web")["found"], "nothing");
    assert_eq!(lab.data("web")["found"], "b");
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 2);
}
