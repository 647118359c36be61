//! Charts with hooks pushed to a running control plane; the test is the node on which their pods end.

use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use masthead::sync::record::Outcome;
use masthead_api::change::Change;
use masthead_api::key::ObjectKey;
use masthead_api::kind::registry::{CONFIG_MAP, POD};
use masthead_api::object::Object;
use masthead_store::objects::Batch;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::push::Site;

/// How long anything may take on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(120);

const RELEASE: &str = "apiVersion: masthead.dev/v1\nkind: Release\nmetadata: {name: shop}\nspec:\n  chart: {path: /charts/shop}\n  values:\n    text: ";

/// A pod that is a hook.
fn hook(name: &str, events: &str, policies: &str) -> String {
    let policies =
        if policies.is_empty() { String::new() } else { format!("\n    helm.sh/hook-delete-policy: {policies}") };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{{{ .Release.Name }}}}-{name}\n  annotations:\n    helm.sh/hook: {events}{policies}\nspec:\n  restartPolicy: Never\n  containers: [{{name: c, image: i}}]\n"
    )
}

struct Lab {
    site: Arc<Site>,
}

impl Lab {
    async fn new(hooks: &[(&str, String)]) -> Lab {
        let site = Site::start().await;
        site.write("charts/shop/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n");
        site.write("charts/shop/values.yaml", "text: none\nother: 7\n");
        let template = "# the shop\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  text: {{ .Values.text | quote }}\n  other: {{ .Values.other | quote }}\n";
        site.write("charts/shop/templates/shop.yaml", template);
        for (name, text) in hooks {
            site.write(&format!("charts/shop/templates/{name}.yaml"), text);
        }
        Lab { site: Arc::new(site) }
    }

    /// Pushes, without waiting for the end.
    fn push(&self, message: &str) -> JoinHandle<(bool, String)> {
        let (site, message) = (self.site.clone(), message.to_owned());
        tokio::task::spawn_blocking(move || site.push(&message, &[]))
    }

    fn text(&self, text: &str) {
        self.site.write("apps/shop.yaml", &format!("{RELEASE}{text}\n"));
    }

    async fn until(&self, what: &str, mut holds: impl FnMut(&Lab) -> bool) {
        let mut revisions = self.site.running.api.view.subscribe();
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < WAIT_MAX, "not within {WAIT_MAX:?}: {what}");
            // Whatever changes the state wakes it; the time is for what does not.
            let _ = tokio::time::timeout(Duration::from_millis(200), revisions.changed()).await;
        }
    }

    fn pod(&self, name: &str) -> Option<Arc<Object>> {
        self.site.running.api.view.read().get(&ObjectKey::new(POD, "default", name)).cloned()
    }

    /// The text that is applied.
    fn applied(&self) -> Option<String> {
        let view = self.site.running.api.view.read();
        let value = view.get(&ObjectKey::new(CONFIG_MAP, "default", "shop"))?.value();
        value["data"]["text"].as_str().map(str::to_owned)
    }

    /// Waits for a pod and lets it end; its uid.
    async fn end(&self, name: &str, phase: &str, code: i32) -> String {
        self.until(&format!("{name} is made"), |lab| {
            lab.pod(name)
                .is_some_and(|pod| pod.value()["status"]["phase"].as_str().is_none_or(|phase| phase == "Pending"))
        })
        .await;
        loop {
            let live = self.pod(name).expect("it is there");
            let mut value = live.value();
            let state =
                json!({"terminated": {"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" }}});
            value["status"]["phase"] = json!(phase);
            value["status"]["containerStatuses"] =
                json!([{"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
            let object = Arc::new(Object::from_value(value).expect("an object"));
            let change = Change::Update { object, base: live.revision(), reason: "it ended".to_owned() };
            let api = &self.site.running.api;
            if api.store.apply(Batch { changes: vec![change], ..Batch::default() }).await.is_ok() {
                return live.meta().uid.clone();
            }
            self.until("the view is as the store", |lab| {
                lab.pod(name).is_some_and(|now| now.revision() > live.revision())
            })
            .await;
        }
    }

    /// The command line, which does not run on this runtime's threads.
    fn masthead(&self, args: &[&str]) -> JoinHandle<Output> {
        let data = self.site.dir.path().join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_masthead"));
        command.args(args).env("MASTHEAD_DATA", data);
        tokio::task::spawn_blocking(move || command.output().expect("masthead runs"))
    }

    async fn said(&self, args: &[&str]) -> (bool, String) {
        said(self.masthead(args).await.expect("no panic"))
    }

    /// Stops, and starts again without the store: with git alone.
    async fn lose_store(self) -> Lab {
        let Site { dir, running } = Arc::into_inner(self.site).expect("nobody else holds it");
        running.stop().await;
        std::fs::remove_dir_all(dir.path().join("data/store")).expect("a store");
        let site = Site::over(dir).await;
        site.git(&["remote", "set-url", "origin", &site.running.daemon.repository_url], "clone");
        Lab { site: Arc::new(site) }
    }

    /// Waits until the tip of the branch is healthy; what its hooks did.
    async fn healthy(&self) -> Vec<String> {
        let head = crate::push::git(&self.site.clone_dir(), &["rev-parse", "HEAD"]);
        let head = String::from_utf8_lossy(&head.stdout).trim().to_owned();
        let record = |lab: &Lab| lab.site.running.api.view.commit(&head);
        self.until("it is healthy", |lab| record(lab).is_some_and(|record| record.outcome == Outcome::Healthy)).await;
        record(self).expect("it was there").hooks.clone()
    }

    async fn stop(self) {
        let site = Arc::into_inner(self.site).expect("nobody else holds it");
        site.running.stop().await;
    }
}

fn said(output: Output) -> (bool, String) {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_gates_its_release_once_a_change() {
    let lab = Lab::new(&[
        ("migrate", hook("migrate", "pre-install,pre-upgrade", "")),
        ("tell", hook("tell", "post-install,post-upgrade", "hook-succeeded")),
    ])
    .await;
    lab.text("one");
    let pushed = lab.push("the shop");
    let first = lab.end("shop-migrate", "Succeeded", 0).await;
    lab.end("shop-tell", "Succeeded", 0).await;
    let (taken, told) = pushed.await.expect("no panic");
    assert!(taken, "{told}");
    let order = [
        "2 to create, 2 hooks to run",
        "* pre-install hook Pod default/shop-migrate will run: Release default/shop, charts/shop/templates/migrate.yaml:1",
        "+ ConfigMap default/shop",
        "* post-install hook Pod default/shop-tell will run",
        "healthy after",
    ];
    let mut rest = told.as_str();
    for expect in order {
        let at = rest.find(expect).unwrap_or_else(|| panic!("{expect:?} does not come next in\n{told}"));
        rest = &rest[at..];
    }
    assert_eq!(lab.applied().as_deref(), Some("one"));
    // What happens before the pusher listens is told by the log.
    let (_, log) = lab.said(&["log"]).await;
    for event in ["pre-install hook Pod default/shop-migrate", "post-install hook Pod default/shop-tell"] {
        assert!(log.contains(&format!("Release default/shop: {event} succeeded after")), "{log}");
    }

    // Another commit, and the same one again: no hook runs.
    lab.site.write("apps/other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n");
    let (taken, told) = lab.push("something else").await.expect("no panic");
    assert!(taken && told.contains("healthy after") && !told.contains("hook"), "{told}");
    assert_eq!(lab.pod("shop-migrate").expect("it stays").meta().uid, first);

    // A change: what is applied stays until its hook has run.
    lab.text("two");
    let pushed = lab.push("two");
    lab.until("the hook runs anew", |lab| lab.pod("shop-migrate").is_some_and(|pod| pod.meta().uid != first)).await;
    assert_eq!(lab.applied().as_deref(), Some("one"));
    let (_, status) = lab.said(&["status"]).await;
    assert!(status.contains("Release default/shop: pre-upgrade hook Pod default/shop-migrate: "), "{status}");
    assert!(status.contains("applied is still"), "{status}");
    lab.end("shop-migrate", "Succeeded", 0).await;
    lab.end("shop-tell", "Succeeded", 0).await;
    let (taken, told) = pushed.await.expect("no panic");
    assert!(taken && told.contains("healthy after"), "{told}");
    assert_eq!(lab.applied().as_deref(), Some("two"));
    assert!(lab.pod("shop-tell").is_none(), "its policy deletes it");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_fails_is_the_commits_failure_until_another_tries_again() {
    let lab = Lab::new(&[("migrate", hook("migrate", "pre-install,pre-upgrade", ""))]).await;
    lab.text("one");
    let pushed = lab.push("the shop");
    lab.end("shop-migrate", "Failed", 3).await;
    let (_, told) = pushed.await.expect("no panic");
    let why =
        "Release default/shop: pre-install hook Pod default/shop-migrate failed: Error: container c exited with code 3";
    assert!(told.contains("failed after") && told.contains(why), "{told}");
    assert_eq!(lab.applied(), None);
    assert_eq!(lab.site.running.api.view.read().applied_commit(), None, "its writes are not done");
    let (_, log) = lab.said(&["log"]).await;
    assert!(log.contains(why), "{log}");

    // An empty commit tries again; a newer one takes its place while the hook runs, and is the one that counts.
    let again = lab.push("again");
    lab.until("the hook runs again", |lab| {
        lab.pod("shop-migrate").is_some_and(|pod| pod.value()["status"]["phase"] != "Failed")
    })
    .await;
    lab.text("two");
    let newest = lab.push("two");
    let (_, told) = again.await.expect("no panic");
    assert!(told.contains("superseded"), "{told}");
    lab.end("shop-migrate", "Succeeded", 0).await;
    let (taken, told) = newest.await.expect("no panic");
    assert!(taken && told.contains("healthy after"), "{told}");
    assert_eq!(lab.applied().as_deref(), Some("two"));

    // Removed: its objects go, and what its hooks left.
    std::fs::remove_dir_all(lab.site.clone_dir().join("charts")).expect("it is there");
    std::fs::remove_file(lab.site.clone_dir().join("apps/shop.yaml")).expect("it is there");
    let (taken, told) = lab.push("no shop\n\nMasthead-Confirm: delete").await.expect("no panic");
    assert!(taken && told.contains("healthy after"), "{told}");
    lab.until("the hook's pod is gone", |lab| lab.pod("shop-migrate").is_none() && lab.applied().is_none()).await;
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_release_is_left_as_it_is() {
    let lab = Lab::new(&[]).await;
    lab.text("one");
    assert!(lab.push("the shop").await.expect("no panic").0);
    lab.site.write("charts/shop/templates/more.yaml", "{{ fail \"not rendered\" }}");
    lab.text("two\n  suspend: true");
    let (taken, told) = lab.push("hold it").await.expect("no panic");
    assert!(taken && told.contains("healthy after"), "{told}");
    assert!(told.contains("= Release default/shop: suspended at apps/shop.yaml:1, nothing of it changes"), "{told}");
    assert_eq!(lab.applied().as_deref(), Some("one"));
    let (_, status) = lab.said(&["status"]).await;
    assert!(status.contains("suspended   Release default/shop: nothing of it changes"), "{status}");
    std::fs::remove_file(lab.site.clone_dir().join("charts/shop/templates/more.yaml")).expect("it is there");
    lab.text("two");
    let (taken, told) = lab.push("go on").await.expect("no panic");
    assert!(taken, "{told}");
    assert_eq!(lab.applied().as_deref(), Some("two"));
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tests_are_run_by_hand_and_reported_as_helm_does() {
    let lab = Lab::new(&[
        ("one", hook("one", "test", "hook-succeeded")),
        ("two", hook("two", "test", "")),
        (
            "bad",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: bad\n  annotations: {helm.sh/hook: test}\nspec: {}\n"
                .to_owned(),
        ),
    ])
    .await;
    lab.text("one");
    let (taken, told) = lab.push("the shop").await.expect("no panic");
    assert!(taken && !told.contains("hook"), "tests are no part of a rollout: {told}");
    let (_, told) = lab.said(&["test", "shop"]).await;
    assert!(told.contains("Pod/bad: spec.containers: Required value"), "{told}");
    std::fs::remove_file(lab.site.clone_dir().join("charts/shop/templates/bad.yaml")).expect("it is there");
    assert!(lab.push("without the bad test").await.expect("no panic").0);

    let (passed, told) = lab.said(&["test", "nothing"]).await;
    assert_eq!((passed, told.as_str()), (false, "Error: release: not found\n"));
    let running = lab.masthead(&["test", "shop"]);
    lab.end("shop-one", "Succeeded", 0).await;
    lab.end("shop-two", "Succeeded", 0).await;
    let (passed, told) = said(running.await.expect("no panic"));
    assert!(passed, "{told}");
    let suites: Vec<&str> =
        told.lines().filter(|line| line.starts_with("TEST SUITE") || line.starts_with("Phase")).collect();
    assert_eq!(
        suites,
        [
            "TEST SUITE:     shop-one",
            "Phase:          Succeeded",
            "TEST SUITE:     shop-two",
            "Phase:          Succeeded"
        ]
    );
    assert!(told.starts_with("NAME: shop\nLAST DEPLOYED: ") && told.contains("STATUS: deployed\n"), "{told}");
    lab.until("what succeeded is deleted", |lab| lab.pod("shop-one").is_none()).await;
    assert!(lab.pod("shop-two").is_some());

    let running = lab.masthead(&["chart", "test", "shop", "--filter", "name=shop-two", "-o", "json"]);
    lab.end("shop-two", "Failed", 1).await;
    let output = running.await.expect("no panic");
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(stderr, "Error: 1 error occurred:\n\t* pod shop-two failed: Error: container c exited with code 1\n\n");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["tests"][0]["phase"], "Failed");
    assert_eq!(report["tests"].as_array().map(Vec::len), Some(1), "one was chosen");
    // Nothing of it is intent.
    let commits = lab.site.running.api.view.commits().len();
    assert_eq!(commits, 2);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_has_its_commit_template_and_value() {
    let lab = Lab::new(&[]).await;
    lab.text("one");
    lab.site.write(
        "apps/plain.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: plain\ndata:\n  a: '1'\n  b: '2'\n",
    );
    assert!(lab.push("first").await.expect("no panic").0);
    lab.text("two");
    lab.site.write(
        "apps/plain.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: plain\ndata:\n  a: '1'\n  b: '3'\n",
    );
    assert!(lab.push("second").await.expect("no panic").0);
    let log = crate::push::git(&lab.site.clone_dir(), &["log", "--format=%H %s"]);
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    let commit = |subject: &str| {
        let line = log.lines().find(|line| line.ends_with(subject)).unwrap_or_else(|| panic!("{subject} in {log}"));
        line[..10].to_owned()
    };
    let (first, second) = (commit("first"), commit("second"));
    let check = async |args: &[&str], expect: &[String]| {
        let (done, told) = lab.said(&[&["blame"], args].concat()).await;
        assert!(done, "{told}");
        let squeezed: Vec<String> =
            told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").replace(" )", ")")).collect();
        for expect in expect {
            assert!(squeezed.iter().any(|line| line.contains(expect.as_str())), "{expect}\nis not in\n{told}");
        }
        told
    };
    let day = masthead_api::meta::Time(masthead::clock::now_s()).to_string()[..8].to_owned();
    let by = |commit: &str| format!("{commit} (Ada {day}");
    let told = check(&["cm/plain"], &[by(&first), by(&second), "---------- (server) uid:".to_owned()]).await;
    let line = |needle: &str| {
        told.lines().find(|line| line.contains(needle)).unwrap_or_else(|| panic!("{needle} in {told}")).to_owned()
    };
    assert!(line("a: \"1\"").starts_with(&first) && line("a: \"1\"").contains("apps/plain.yaml:6"), "{told}");
    assert!(line("b: \"3\"").starts_with(&second) && line("b: \"3\"").contains("apps/plain.yaml:7"), "{told}");
    assert!(line("namespace: default").contains("(default"), "{told}");

    // Of a chart: the template's line, the key, and where it is set; the younger commit of the two.
    let told = check(&["configmap/shop", "data"], &[]).await;
    let line = |needle: &str| {
        told.lines().find(|line| line.contains(needle)).unwrap_or_else(|| panic!("{needle} in {told}")).to_owned()
    };
    assert!(line("text: two").starts_with(&second), "{told}");
    assert!(line("text: two").contains("charts/shop/templates/shop.yaml:7 .Values.text apps/shop.yaml:7"), "{told}");
    assert!(line("other: \"7\"").starts_with(&first), "{told}");
    assert!(
        line("other: \"7\"").contains("charts/shop/templates/shop.yaml:8 .Values.other charts/shop/values.yaml:2"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 3, "{told}");

    // By file: of a manifest its objects, of others the lines.
    check(&["apps/plain.yaml"], &[format!("{second} (Ada")]).await;
    let told = check(&["charts/shop/values.yaml"], &[]).await;
    assert!(told.lines().count() == 2 && told.lines().all(|line| line.starts_with(&first)), "{told}");
    let (done, told) = lab.said(&["blame", "cm/none"]).await;
    assert!(!done && told.contains("ConfigMap default/none not found"), "{told}");
    let (done, told) = lab.said(&["blame", "cm/plain", "data.z"]).await;
    assert!(!done && told.contains("has no field data.z"), "{told}");
    lab.stop().await;
}

/// Neither a pod nor what a hook left is there to tell of it: git alone knows that the release was installed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_store_runs_no_hook_again_and_changes_nothing_of_what_was_told() {
    let events = "pre-install,pre-upgrade";
    let kept = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kept\n  annotations: {helm.sh/hook: pre-install}\n";
    let lab = Lab::new(&[
        ("migrate", hook("migrate", events, "before-hook-creation,hook-succeeded")),
        ("tell", hook("tell", "post-install,post-upgrade", "hook-succeeded")),
        ("kept", kept.to_owned()),
    ])
    .await;
    let told = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: told\ndata:\n  change: '{{ .Release.Revision }} {{ .Release.IsInstall }} {{ .Release.IsUpgrade }}'\n  random: {{ randAlphaNum 20 }}\n";
    lab.site.write("charts/shop/templates/told.yaml", told);
    let config = |lab: &Lab, name: &str| {
        let live = lab.site.running.api.view.read().get(&ObjectKey::new(CONFIG_MAP, "default", name)).cloned();
        live.map_or(Value::Null, |live| live.value()["data"].clone())
    };
    let is_there =
        |lab: &Lab| lab.site.running.api.view.read().get(&ObjectKey::new(CONFIG_MAP, "default", "kept")).is_some();
    lab.text("one");
    let pushed = lab.push("the shop");
    lab.end("shop-migrate", "Succeeded", 0).await;
    lab.end("shop-tell", "Succeeded", 0).await;
    let (taken, said) = pushed.await.expect("no panic");
    assert!(taken && said.contains("healthy after"), "{said}");
    let before = config(&lab, "told");
    assert_eq!(before["change"], "1 true false");
    let (taken, said) = {
        let output = lab.site.git(&["push", "origin", "+HEAD:refs/masthead/releases"], "clone");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(!taken && said.contains("refs/masthead/releases is written by Masthead alone"), "{said}");

    let lab = lab.lose_store().await;
    assert_eq!(lab.healthy().await, Vec::<String>::new(), "no hook ran");
    assert_eq!((lab.applied().as_deref(), config(&lab, "told")), (Some("one"), before));
    assert!(lab.pod("shop-migrate").is_none() && lab.pod("shop-tell").is_none());
    lab.until("what a hook had made and left is made again", is_there).await;

    // What comes with the loss is an upgrade.
    lab.text("two");
    let pushed = lab.push("two");
    lab.end("shop-migrate", "Succeeded", 0).await;
    lab.end("shop-tell", "Succeeded", 0).await;
    let (taken, said) = pushed.await.expect("no panic");
    assert!(taken && said.contains("pre-upgrade hook Pod default/shop-migrate will run"), "{said}");
    assert_eq!(config(&lab, "told")["change"], "2 false true");
    // A commit that changes nothing of the release is none of its changes.
    lab.site.write("apps/other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n");
    assert!(lab.push("something else").await.expect("no panic").0);
    assert_eq!(config(&lab, "told")["change"], "2 false true");

    // Lost between the hooks before and those after: the ones before do not run again.
    lab.text("three");
    assert!(lab.site.push("three", &["-o", "no-wait"]).0);
    lab.end("shop-migrate", "Succeeded", 0).await;
    lab.until("the hook after it is made", |lab| lab.pod("shop-tell").is_some()).await;
    let kept = |lab: &Lab| {
        let repository = lab.site.dir.path().join("data/repo.git");
        let shown = crate::push::git(&repository, &["show", "refs/masthead/releases:default/shop"]);
        serde_json::from_slice::<Value>(&shown.stdout).unwrap_or_default()
    };
    lab.until("git bears witness of it", |lab| kept(lab)["run"]["phase"] == "post").await;
    assert_eq!(kept(&lab)["changes"]["count"], 3);
    let lab = lab.lose_store().await;
    lab.end("shop-tell", "Succeeded", 0).await;
    let hooks = lab.healthy().await;
    assert!(hooks.len() == 1 && hooks[0].contains("post-upgrade hook Pod default/shop-tell succeeded"), "{hooks:?}");
    assert_eq!(config(&lab, "told")["change"], "3 false true");

    // Back to what was: the text of then, and the count goes on.
    lab.text("two");
    assert!(lab.push("back").await.expect("no panic").0);
    assert_eq!(config(&lab, "told")["change"], "2 false true");
    assert_eq!(kept(&lab)["changes"]["count"], 4);
    lab.stop().await;
}

/// Installs at once, from several sides: each but the first comes late and begins anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn installs_that_race_all_arrive() {
    let lab = Lab::new(&[]).await;
    lab.text("one");
    assert!(lab.push("the shop").await.expect("no panic").0);
    let chart = lab.site.clone_dir().join("charts/shop").display().to_string();
    let names = ["a", "b", "c"];
    let running: Vec<_> =
        names.iter().map(|name| lab.masthead(&["install", name, &chart, "--set", "text=x"])).collect();
    for install in running {
        let (done, told) = said(install.await.expect("no panic"));
        assert!(done, "{told}");
    }
    for name in names {
        let key = ObjectKey::new(CONFIG_MAP, "default", name);
        lab.until(&format!("{name} is there"), |lab| lab.site.running.api.view.read().get(&key).is_some()).await;
    }
    lab.stop().await;
}
