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

const HOOK: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hooked\n  annotations: {helm.sh/hook: 'pre-install,test', helm.sh/hook-weight: '-3', helm.sh/hook-delete-policy: hook-succeeded}\ndata: {}\n";

/// A repository whose commits are written file by file.
struct Lab {
    dir: tempfile::TempDir,
    repository: Repository,
    files: BTreeMap<String, String>,
    source: Source,
    /// When the next commit is made, and which comes before it.
    time_s: i64,
    parent: Option<Oid>,
}

impl Lab {
    fn new() -> Lab {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let repository = Repository::init_bare(dir.path()).expect("a repository");
        Lab { dir, repository, files: BTreeMap::new(), source: Source::default(), time_s: 86_400, parent: None }
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
        let who = git2::Signature::new("Ada", "ada@example.test", &git2::Time::new(self.time_s, 0)).expect("a person");
        let tree = self.repository.find_object(self.folder(""), Some(ObjectType::Tree)).expect("a tree");
        let tree = tree.as_tree().expect("a tree");
        let parent = self.parent.map(|id| self.repository.find_commit(id).expect("a commit"));
        let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
        let id = self.repository.commit(None, &who, &who, "all", tree, &parents).expect("a commit");
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
        Lab::with_chart().put("charts/web/templates/hook.yaml", &HOOK.replace("hooked", "web")),
        &[
            "charts/web/templates/hook.yaml:1: ConfigMap/web: ConfigMap default/web is also written at charts/web/templates/settings.yaml:2 (a hook makes an object of its own",
        ],
    );
    check(
        Lab::with_chart().put("charts/web/templates/hook.yaml", &HOOK.replace("data: {}", "datum: {}")),
        &["charts/web/templates/hook.yaml:6: ConfigMap/hooked: datum: unknown field"],
    );
    check(
        Lab::with_chart()
            .put("apps/web.yaml", &RELEASE.replace("shop", "web").replace("prod", "default"))
            .put("charts/other/Chart.yaml", CHART)
            .put(
                "apps/two.yaml",
                &RELEASE
                    .replace("shop", "two")
                    .replace("prod", "default")
                    .replace("charts/web", "charts/other")
                    .replace("spec:", "spec:\n  releaseName: web"),
            ),
        &["Release/web: Release default/web is also installed by apps/two.yaml:1 (give one of the two another name)"],
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
        lab.source.surround(Surroundings { entropy: [entropy; 32], find: None, known: None, store });
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
    let find: crate::sync::charts::Find = std::sync::Arc::new(find);
    lab.source.surround(Surroundings { entropy: [0; 32], find: Some(find), known: None, store });
    assert_eq!(lab.data("web")["found"], "nothing");
    assert_eq!(lab.data("web")["found"], "b");
    assert_eq!(calls.load(std::sync::atomic::Ordering::Relaxed), 2);
}

#[test]
fn hooks_and_tests_are_no_objects_of_a_commit() {
    let test = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: try\n  annotations: {helm.sh/hook: test}\nspec: {}\n";
    let lab = |spec: &str| {
        Lab::with_chart()
            .put("charts/web/templates/hook.yaml", &format!("# a hook\n{HOOK}"))
            .put("charts/web/templates/test.yaml", test)
            .put("apps/shop.yaml", &format!("{RELEASE}{spec}"))
    };
    let release = |lab: &Lab| {
        let observed = lab.observe().unwrap_or_else(|fault| panic!("{fault:?}"));
        assert_eq!(observed.desired.objects.len(), 2, "the Release and what is no hook");
        observed.desired.releases.values().next().expect("a release").clone()
    };
    let found = release(&lab(""));
    assert_eq!(found.key.to_string(), "Release prod/shop");
    assert_eq!(found.objects.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ConfigMap prod/shop"]);
    let shown: Vec<String> = found
        .hooks
        .iter()
        .map(|h| format!("{} {:?} {} {} {}", h.key(), h.events, h.weight, h.deletes_before, h.deletes_succeeded))
        .collect();
    assert_eq!(shown, ["ConfigMap prod/hooked [PreInstall, Test] -3 false true"]);
    assert_eq!(found.hooks[0].origin.to_string(), "charts/web/templates/hook.yaml:2");
    assert!(found.broken_tests[0].contains("Pod/try: spec.containers"), "{:?}", found.broken_tests);
    // Skipped hooks are no other release.
    let skipped = release(&lab("  hooks: Skip\n"));
    assert_eq!(skipped.digest, found.digest);
    assert_eq!(format!("{:?}", skipped.hooks[0].events), "[Test]");
    // What is rendered is what counts: a comment is no change, another value and another hook are.
    let digest = |path: &str, text: &str| release(&lab("").put(path, text)).digest.clone();
    assert_eq!(digest("charts/web/templates/hook.yaml", HOOK), found.digest);
    assert_eq!(digest("charts/web/templates/test.yaml", &test.replace("try", "other")), found.digest);
    assert_ne!(digest("charts/web/templates/hook.yaml", &HOOK.replace("-3", "4")), found.digest);
    assert_ne!(digest("charts/web/values.yaml", &VALUES.replace("hello", "hi")), found.digest);
}

#[test]
fn a_suspended_release_asks_for_nothing_and_its_chart_is_not_looked_at() {
    let lab = Lab::with_chart()
        .put("charts/web/templates/settings.yaml", "{{ fail \"never rendered\" }}")
        .put("apps/shop.yaml", &format!("{RELEASE}  suspend: true\n"));
    assert_eq!(lab.objects(), ["Release prod/shop at apps/shop.yaml:1"]);
    let observed = lab.observe().expect("good");
    let release = observed.desired.releases.values().next().expect("a release");
    assert!(release.is_suspended && release.objects.is_empty(), "{release:?}");
    let lab = lab.put("apps/shop.yaml", RELEASE);
    assert!(lab.problems()[0].contains("never rendered"));
}

#[test]
fn now_is_when_the_release_changed_however_often_it_is_looked_at() {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  now: {{ now | unixEpoch | quote }}\n  of: {{ .Values.greeting }}\n";
    let mut lab = Lab::with_chart()
        .put("charts/web/templates/settings.yaml", template)
        .put("apps/shop.yaml", &format!("{RELEASE}  valuesFrom: [{{file: prod.yaml}}]\n"))
        .put("apps/prod.yaml", "greeting: a\n")
        .put("apps/other.yaml", "");
    // Each commit is looked at by who has seen those before, and by who starts with it.
    let mut check = |path: &str, text: &str, expect: &str| {
        lab.time_s += 100;
        lab.files.insert(path.to_owned(), text.to_owned());
        let id = lab.commit();
        lab.parent = Some(id.to_string().parse().expect("an id"));
        let reader = Reader::open(lab.dir.path()).expect("a reader");
        for source in [&lab.source, &Source::default()] {
            let observed = source.observe(&reader, id).unwrap_or_else(|fault| panic!("{fault:?}"));
            let shop = observed.desired.objects.values().find(|w| w.object.key().to_string() == "ConfigMap prod/shop");
            assert_eq!(shop.expect("it is there").object.value()["data"]["now"], expect, "{path}");
        }
    };
    check("apps/other.yaml", "", "86500");
    check("apps/other.yaml", "# unrelated\n", "86500");
    check("apps/prod.yaml", "greeting: b\n", "86700");
    check("apps/other.yaml", "# more\n", "86700");
    check("charts/web/values.yaml", "greeting: c\n", "86900");
    check(
        "apps/shop.yaml",
        &format!("# the same in other words\n{RELEASE}  valuesFrom: [{{file: prod.yaml}}]\n"),
        "87000",
    );
    check("apps/other.yaml", "", "87000");
}

/// The test is who applies: what it says of a release is what is known of it.
#[test]
fn charts_are_told_which_change_it_is_and_no_other_commit_is_one() {
    use std::sync::{Arc, Mutex};

    use masthead_plan::sync::installed::Installed;
    use masthead_plan::sync::revision::Changes;

    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  told: '{{ .Release.Revision }} {{ .Release.IsInstall }} {{ .Release.IsUpgrade }}'\n  of: {{ .Values.greeting }}\n";
    let mut lab = Lab::with_chart()
        .put("charts/web/templates/settings.yaml", template)
        .put("apps/shop.yaml", &format!("{RELEASE}  valuesFrom: [{{file: prod.yaml}}]\n"))
        .put("apps/prod.yaml", "greeting: a\n");
    let known: Arc<Mutex<Option<Arc<Installed>>>> = Arc::default();
    let finds = known.clone();
    let find: crate::sync::charts::Known =
        Arc::new(move |key| finds.lock().expect("whole").clone().filter(|_| key.to_string() == "Release prod/shop"));
    let store = lab.dir.path().join("charts");
    lab.source.surround(Surroundings { entropy: [0; 32], find: None, known: Some(find), store });
    let installed = |changes: serde_json::Value| -> Arc<Installed> {
        let changes: Changes = serde_json::from_value(changes).expect("changes");
        let origin = serde_json::json!({"path": "apps/shop.yaml", "line": 1});
        let record = serde_json::json!({"commit": "", "origin": origin, "applied": "digest", "is_settled": true,
            "former": [], "changes": changes, "made": [], "run": null});
        Arc::new(serde_json::from_value(record).expect("a record"))
    };
    let change = |inputs: &str, number: u32| {
        serde_json::json!({"inputs": inputs, "isApplied": true,
        "revision": {"number": number, "isUpgrade": number > 1}})
    };
    let mut check = |path: &str, text: &str, expect: &str| -> String {
        lab.files.insert(path.to_owned(), text.to_owned());
        let observed = lab.observe().unwrap_or_else(|fault| panic!("{fault:?}"));
        let shop = observed.desired.objects.values().find(|w| w.object.key().to_string() == "ConfigMap prod/shop");
        assert_eq!(shop.expect("it is there").object.value()["data"]["told"], expect, "{path} {text}");
        let release = observed.desired.releases.values().next().expect("a release");
        release.inputs.clone()
    };
    let first = check("apps/other.yaml", "", "1 true false");
    *known.lock().expect("whole") = Some(installed(serde_json::json!({"count": 1, "known": [change(&first, 1)]})));
    // Neither another commit, nor where it is written, nor how.
    assert_eq!(check("apps/other.yaml", "# unrelated\n", "1 true false"), first);
    let moved = format!("# further down\n{RELEASE}  valuesFrom: [{{file: prod.yaml}}]\n  hooks: Skip\n");
    assert_eq!(check("apps/shop.yaml", &moved, "1 true false"), first);
    let second = check("apps/prod.yaml", "greeting: b\n", "2 false true");
    let both = serde_json::json!({"count": 2, "known": [change(&first, 1), change(&second, 2)]});
    *known.lock().expect("whole") = Some(installed(both));
    assert_eq!(check("apps/other.yaml", "", "2 false true"), second);
    assert_ne!(check("charts/web/values.yaml", "greeting: c\nnone: 1\n", "3 false true"), second);
    // Back to what was there.
    check("charts/web/values.yaml", VALUES, "2 false true");
    assert_eq!(check("apps/prod.yaml", "greeting: a\n", "1 true false"), first);
}

/// Charts may not know kinds, and plans may not know charts: that both install in Helm's order is said twice.
#[test]
fn kinds_are_made_in_the_order_of_charts() {
    use masthead_api::kind::registry::KINDS;
    let mut by_plan: Vec<&str> = KINDS.iter().map(|kind| kind.info().kind).collect();
    let mut by_chart = by_plan.clone();
    by_plan.sort_by_key(|name| {
        let kind = KINDS.iter().find(|kind| kind.info().kind == *name).expect("it is one of them");
        masthead_plan::sync::order::rank(*kind)
    });
    by_chart.sort_by_key(|name| masthead_chart::kinds::install_order(name).0);
    assert_eq!(by_plan, by_chart);
}
