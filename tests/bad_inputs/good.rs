//! Pushes that look odd and are good: each is taken, and does what it says.

use crate::push::Site;

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  color: blue\n";

/// The names of the ConfigMaps that are there.
fn configs(site: &Site) -> Vec<String> {
    let cluster = site.running.api.view.read();
    cluster.objects().map(|o| o.key().to_string()).filter(|key| key.starts_with("ConfigMap ")).collect()
}

fn remove(site: &Site, path: &str) {
    std::fs::remove_file(site.clone_dir().join(path)).expect("a file");
}

fn refs(site: &Site, args: &[&str]) -> (bool, String) {
    let output = site.git(&[&["push"], args].concat(), "clone");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_pushes_that_are_good_are_taken() {
    let site = Site::start().await;
    let check = |what: &str, (taken, said): (bool, String), words: &[&str], there: &[&str]| {
        assert!(taken, "{what}: {said}");
        for words in words {
            assert!(said.contains(words), "{what} does not say {words:?}: {said}");
        }
        assert_eq!(configs(&site), there, "{what}: {said}");
    };
    let settings = "ConfigMap default/settings";

    site.write(".github/workflows/ci.yaml", "on: [push]\njobs: {}\n");
    check("a manifest in a dot folder only", site.push("ci", &[]), &["nothing is asked for", "healthy"], &[]);
    site.write("apps/settings.yaml", &format!("\u{feff}{}", CONFIG.replace('\n', "\r\n")));
    check(
        "a byte order mark and CRLF",
        site.push("first", &[]),
        &["+ ConfigMap default/settings", "healthy"],
        &[settings],
    );
    check("an empty commit", site.push("empty", &[]), &["1 unchanged", "healthy"], &[settings]);
    site.write("moved/to/here.yaml", CONFIG);
    remove(&site, "apps/settings.yaml");
    check("a file that moved", site.push("moved", &[]), &["1 unchanged", "healthy"], &[settings]);
    site.write("list.yaml", "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: a}\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n");
    site.write("c.json", "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"c\"}}");
    site.write("empty.yaml", "---\n# nothing here\n---\n");
    let all = ["ConfigMap default/a", "ConfigMap default/b", "ConfigMap default/c", settings];
    check("a List and JSON", site.push("more", &[]), &["3 to create", "healthy"], &all);

    check("a tag", refs(&site, &["origin", "HEAD:refs/tags/v1"]), &[], &all);
    check("a branch", refs(&site, &["origin", "HEAD:refs/heads/topic"]), &["nothing is applied: only main is"], &all);
    check("the delete of a branch", refs(&site, &["origin", ":refs/heads/topic"]), &[], &all);
    site.write(
        "c.json",
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"c\"}, \"data\": {\"x\": \"1\"}}",
    );
    check(
        "no wait",
        site.push("quick", &["-o", "no-wait"]),
        &["~ ConfigMap default/c: data", "not waiting for the rollout"],
        &all,
    );
    site.write(
        "c.json",
        "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"c\"}, \"data\": {\"x\": \"2\"}}",
    );
    site.git(&["add", "-A"], "clone");
    site.git(&["commit", "-q", "-m", "two"], "clone");
    check(
        "two refs at once",
        refs(&site, &["origin", "HEAD:refs/heads/main", "HEAD:refs/heads/also"]),
        &["nothing is applied: only main is", "healthy"],
        &all,
    );

    remove(&site, "list.yaml");
    check(
        "a file that is gone",
        site.push("gone", &[]),
        &["- ConfigMap default/a", "- ConfigMap default/b", "healthy"],
        &all[2..],
    );
    site.git(&["revert", "--no-edit", "HEAD"], "clone");
    check("a revert", refs(&site, &["origin", "HEAD:main"]), &["2 to create", "healthy"], &all);
    site.git(&["revert", "--no-edit", "HEAD"], "clone");
    check("the revert of a revert", refs(&site, &["origin", "HEAD:main"]), &["2 to delete", "healthy"], &all[2..]);
    remove(&site, "c.json");
    remove(&site, "moved/to/here.yaml");
    check(
        "everything goes, confirmed",
        site.push("all\n\nMasthead-Confirm: delete", &[]),
        &["2 to delete", "healthy"],
        &[],
    );
    site.running.stop().await;
}
