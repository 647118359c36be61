//! Commands on folders: what each prints, how it ends, and what it leaves.

use super::lab::Lab;

/// Charts that each row finds.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.chart("a", "a", "0.1.0");
    lab.write("a/README.md", "# A\n");
    lab.write("a/crds/foo.yaml", "kind: CustomResourceDefinition\n");
    lab.write("b/Chart.yaml", "apiVersion: v2\nname: b\nversion: 1.2.3\ndependencies:\n- {name: a, version: ^0.1, repository: \"file://../a\"}\n");
    lab.write("old/Chart.yaml", "apiVersion: v1\nname: old\nversion: 2.0.0+b.1\n");
    lab.write("old/requirements.yaml", "dependencies:\n- {name: a, version: \"*\", repository: \"file://../a\"}\n");
    lab.write("bad/Chart.yaml", "apiVersion: v2\nname: bad\n");
    lab.write("wants/Chart.yaml", "apiVersion: v2\nname: wants\nversion: 1.0.0\ndependencies:\n- {name: a, version: 9.x, repository: \"file://../a\"}\n");
    lab.write("gone/Chart.yaml", "apiVersion: v2\nname: gone\nversion: 1.0.0\ndependencies:\n- {name: a, version: 9.x, repository: \"file://../nowhere\"}\n");
    lab.write("wrong/Chart.yaml", "apiVersion: v2\nname: wrong\nversion: 1.0.0\ndependencies:\n- {name: a, version: \"!!\", repository: \"file://../a\"}\n");
    lab.write("named/Chart.yaml", "apiVersion: v2\nname: named\nversion: 1.0.0\ndependencies:\n- {name: y, version: 1.x, repository: \"@nope\"}\n- {name: z, version: 1.x, repository: \"alias:none\"}\n");
    lab.write(
        "stable/Chart.yaml",
        "apiVersion: v2\nname: stable\nversion: 1.0.0\ndependencies:\n- {name: z, version: 1.x, repository: stable}\n",
    );
    lab.write(
        "kept/Chart.yaml",
        "apiVersion: v2\nname: kept\nversion: 1.0.0\ndependencies:\n- {name: own, version: 2.x}\n",
    );
    lab.chart("kept/charts/own", "own", "1.0.1");
    lab.write("page.tgz", "<!DOCTYPE html><html></html>\n");
    lab.write("f.yaml", "count: 5\n");
    lab
}

/// What has to fail: the words before the colon are those of the command line.
const FAILS: &[(&str, &str)] = &[
    ("lint --bogus", "Error: unknown flag: --bogus\n"),
    ("lint a -f none.yaml", "Error: open none.yaml: no such file or directory\n"),
    ("lint a --kube-version zz", "Error: invalid kube version 'zz': "),
    (
        "show all",
        "Error: \"masthead chart show all\" requires 1 argument\n\nUsage:  masthead chart show all [CHART] [flags]\n",
    ),
    ("show crds a b", "Error: \"masthead chart show crds\" requires 1 argument\n"),
    ("show bogus a", "Error: unknown command \"bogus\" for \"masthead chart show\"\n"),
    ("show all ./nowhere", "Error: path \"./nowhere\" not found\n"),
    ("show chart a --jsonpath {.x}", "Error: unknown flag: --jsonpath\n"),
    ("show values a --jsonpath {.x", "Error: error parsing jsonpath {.x: unclosed action\n"),
    (
        "show all page.tgz",
        "Error: file 'HERE/page.tgz' does not appear to be a gzipped archive; got 'text/html; charset=utf-8'\n",
    ),
    ("package", "Error: need at least one argument, the path to the chart\n"),
    ("package nowhere", "Error: stat nowhere: no such file or directory\n"),
    ("package a --version x", "Error: invalid semantic version\n"),
    ("package a -d f.yaml", "Error: failed to save: is not a directory: f.yaml\n"),
    ("package a/values.yaml", "Error: Chart.yaml file is missing\n"),
    ("package a --sign", "Error: --key is required for signing a package\n"),
    ("package b", "Error: found in Chart.yaml, but missing in charts/ directory: a\n"),
    (
        "package wants -u",
        "Error: can't get a valid version for 1 subchart(s): \"a\" (repository \"file://../a\", version \"9.x\"). Make sure",
    ),
    ("create", "Error: \"masthead chart create\" requires 1 argument\n\nUsage:  masthead chart create NAME [flags]\n"),
    ("create X!", "Error: chart name must match the regular expression \"^[a-zA-Z0-9._-]+$\"\n"),
    ("create deep/er/z", "Error: stat HERE/deep/er: no such file or directory\n"),
    ("create f.yaml", "Error: file HERE/f.yaml already exists and is not a directory\n"),
    (
        "create x --starter nope",
        "Error: could not load HERE/home/.local/share/helm/starters/nope: stat HERE/home/.local/share/helm/starters/nope: no such file or directory\n",
    ),
    ("dependency bogus", "Error: unknown command \"bogus\" for \"masthead chart dependency\"\n"),
    (
        "dependency list a b",
        "Error: \"masthead chart dependency list\" accepts at most 1 argument\n\nUsage:  masthead chart dependency list CHART [flags]\n",
    ),
    ("dependency update nowhere", "Error: could not find nowhere: stat nowhere: no such file or directory\n"),
    ("dependency update f.yaml", "Error: only unpacked charts can be updated\n"),
    ("dependency update gone", "Error: directory nowhere not found\n"),
    (
        "dependency update wrong",
        "Error: dependency \"a\" has an invalid version/constraint format: improper constraint: \"!!\"\n",
    ),
    (
        "dependency update named",
        "Error: no repository definition for @nope, alias:none. Please add them via 'helm repo add'\n",
    ),
    (
        "dependency update stable",
        "Error: no repository definition for stable. Please add them via 'helm repo add'\nNote that repositories must be URLs or aliases.",
    ),
    ("dependency update kept", "Error: dependency own at version 1.0.1 does not satisfy the constraint 2.x\n"),
    (
        "pull",
        "Error: \"masthead chart pull\" requires at least 1 argument\n\nUsage:  masthead chart pull [chart URL | repo/chartname] [...] [flags]\n",
    ),
    (
        "push a",
        "Error: \"masthead chart push\" requires at least 2 arguments\n\nUsage:  masthead chart push [chart] [remote] [flags]\n",
    ),
    ("push a oci://127.0.0.1:1/x", "Error: cannot push directory, must provide chart archive (.tgz)\n"),
    ("push nowhere.tgz oci://127.0.0.1:1/x", "Error: nowhere.tgz: no such file\n"),
    ("push page.tgz http://x", "Error: scheme \"http\" not supported\n"),
    ("push page.tgz x", "Error: scheme prefix missing from remote (e.g. \"oci://\")\n"),
    ("push page.tgz oci://x.io/y --ca-file f", "Error: certificates of registries are checked as the system does"),
    ("verify", "Error: \"masthead chart verify\" requires 1 argument\n"),
    ("verify nowhere", "Error: stat nowhere: no such file or directory\n"),
    ("verify a", "Error: unpacked charts cannot be verified\n"),
    ("verify f.yaml", "Error: chart must be a tgz file\n"),
    (
        "verify page.tgz",
        "Error: could not load provenance file page.tgz.prov: stat page.tgz.prov: no such file or directory\n",
    ),
    ("template r a --verify", "Error: unpacked charts cannot be verified\n"),
    ("template r a --post-renderer cat", "Error: flag --post-renderer is not supported"),
    ("template r a --validate", "Error: flag --validate is not supported"),
    ("template r a --enable-dns", "Error: flag --enable-dns is not supported"),
    ("template r b", "Error: An error occurred while checking for chart dependencies."),
    ("template r wants --dependency-update", "Error: can't get a valid version for 1 subchart(s)"),
    ("template r a --show-only templates/nope.yaml", "Error: could not find template templates/nope.yaml in chart\n"),
    ("bogus", "Error: unknown command \"bogus\" for \"masthead chart\"\n"),
];

#[test]
fn what_is_wrong_is_told_in_helms_words_and_leaves_nothing() {
    let lab = lab();
    let before = lab.files("");
    for (line, expect) in FAILS {
        let told = lab.bad(line);
        assert!(told.starts_with(expect), "{line}\ntold:   {told}expect: {expect}");
        assert_eq!(lab.files(""), before, "{line}");
    }
}

#[test]
fn archives_hold_what_helms_hold() {
    let lab = lab();
    assert_eq!(
        lab.good("package a b --dependency-update -d out/deep"),
        "Successfully packaged chart and saved it to: out/deep/a-0.1.0.tgz\nSuccessfully packaged chart and saved it to: out/deep/b-1.2.3.tgz\n"
    );
    let own = ["a/Chart.yaml", "a/values.yaml", "a/templates/map.yaml", "a/README.md", "a/crds/foo.yaml"];
    assert_eq!(lab.packed("out/deep/a-0.1.0.tgz"), own);
    let mut expect = vec!["b/Chart.yaml".to_owned(), "b/Chart.lock".to_owned()];
    expect.extend(own.iter().map(|name| format!("b/charts/{name}")));
    assert_eq!(lab.packed("out/deep/b-1.2.3.tgz"), expect);
    // The digest of a lock is over what is asked for and what was found, in Go's JSON.
    let digest = "3c2f4b0551768c89a78e9614e4bd48bc7900040cc579652c613e0e8bfaf8cbe4";
    let lock = lab.text("b/Chart.lock");
    assert!(lock.starts_with(&format!("dependencies:\n- name: a\n  repository: file://../a\n  version: 0.1.0\ndigest: sha256:{digest}\ngenerated: ")), "{lock}");
    assert_eq!(
        lab.good("package a --version 2.0.0+x --app-version 7"),
        "Successfully packaged chart and saved it to: HERE/a-2.0.0+x.tgz\n"
    );
    let chart = lab.unpacked("a-2.0.0+x.tgz", "a/Chart.yaml");
    assert_eq!(chart, "apiVersion: v2\nappVersion: \"7\"\nname: a\nversion: 2.0.0+x\n");
    lab.good("package old -u");
    assert!(
        lab.packed("old-2.0.0+b.1.tgz").starts_with(&["old/Chart.yaml".to_owned(), "old/requirements.lock".to_owned()])
    );
    let digest = "8aa31a63decf129977200b245fed2a65327132b1ad6dc0208e8c4641a7de82d4";
    assert!(lab.text("old/requirements.lock").contains(digest), "{}", lab.text("old/requirements.lock"));
}

#[test]
fn dependencies_are_listed_brought_and_rendered() {
    let lab = lab();
    let list = |status: &str, width: usize| {
        format!("NAME\tVERSION\tREPOSITORY \t{:width$}\na   \t^0.1   \tfile://../a\t{status:width$}\n\n", "STATUS")
    };
    assert_eq!(lab.good("dependency list b"), list("missing", 7));
    let brought = "Saving 1 charts\nDeleting outdated charts\n";
    let rendered = lab.good("template r b --dependency-update --set a.count=4");
    assert!(rendered.starts_with(brought) && rendered.contains("count: \"4\""), "{rendered}");
    assert_eq!(lab.good("dependency list b"), list("ok", 6));
    assert_eq!(lab.good("dependency update ./b/"), brought);
    assert_eq!(lab.good("dependency build b"), brought);
    assert_eq!(lab.good("dependency update a"), "", "it asks for nothing");
    let done = lab.run("dependency update kept");
    assert_eq!(
        done.stdout,
        "Saving 1 charts\nDependency own did not declare a repository. Assuming it exists in the charts directory\nSave error occurred:  dependency own at version 1.0.1 does not satisfy the constraint 2.x\n"
    );
    // A lock that a link leads away from the chart is not written through.
    std::fs::remove_file(lab.path("b/Chart.lock")).unwrap();
    std::os::unix::fs::symlink("elsewhere", lab.path("b/Chart.lock")).unwrap();
    assert!(!lab.run("dependency update b").is_ok && !lab.path("b/elsewhere").exists());
}

#[test]
fn linting_archives_and_what_is_in_charts() {
    let lab = lab();
    lab.good("package a");
    assert_eq!(
        lab.good("lint a-0.1.0.tgz"),
        "==> Linting a-0.1.0.tgz\n[INFO] Chart.yaml: icon is recommended\n\n1 chart(s) linted, 0 chart(s) failed\n"
    );
    lab.good("dependency update b");
    let told = lab.good("lint --with-subcharts b");
    let linted: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("==> Linting ")).collect();
    assert_eq!(linted, ["b", "b/charts/a-0.1.0.tgz"]);
    assert_eq!(lab.good("lint --quiet a"), "");
    let done = lab.run("lint page.tgz nowhere");
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        (
            "==> Linting page.tgz\nError unable to extract tarball: gzip: invalid header\n\n==> Linting nowhere\nError unable to check Chart.yaml file in chart: stat nowhere/Chart.yaml: no such file or directory\n\n",
            "Error: 2 chart(s) linted, 2 chart(s) failed\n"
        )
    );
    assert!(lab.bad("lint").starts_with("Error: 1 chart(s) linted, 1 chart(s) failed"));
    assert!(lab.run("lint").stdout.contains("stat Chart.yaml: no such file"));
}

#[test]
fn a_new_chart_from_nothing_and_from_a_starter() {
    let lab = lab();
    assert_eq!(lab.good("create new"), "Creating new\n");
    assert!(lab.good("lint new").contains("0 chart(s) failed"));
    lab.good("template r new");
    assert_eq!(
        lab.good("create new").lines().nth(1),
        Some("WARNING: File \"HERE/new/Chart.yaml\" already exists. Overwriting.")
    );
    lab.chart("home/.local/share/helm/starters/ours", "ours", "9.9.9");
    lab.write("home/.local/share/helm/starters/ours/templates/x.yaml", "a: <CHARTNAME>-x\n");
    lab.write("home/.local/share/helm/starters/ours/values.yaml", "# of <CHARTNAME>\nname: <CHARTNAME>\n");
    lab.write("home/.local/share/helm/starters/ours/docs/x.txt", "<CHARTNAME>\n");
    assert_eq!(lab.good("create -p ours mine/"), "Creating mine/\n");
    assert_eq!(
        lab.text("mine/Chart.yaml"),
        "apiVersion: v2\nappVersion: 0.1.0\ndescription: A Helm chart for Kubernetes\nname: mine\ntype: application\nversion: 0.1.0\n"
    );
    assert_eq!(lab.text("mine/templates/x.yaml"), "a: mine-x\n");
    assert_eq!(lab.text("mine/values.yaml"), "# of mine\nname: mine\n");
    assert_eq!(lab.text("mine/docs/x.txt"), "<CHARTNAME>\n", "only templates and values are named");
    let absolute = lab.text_of_path("home/.local/share/helm/starters/ours");
    lab.good(&format!("create other --starter {absolute}"));
}

#[test]
fn templates_are_shown_written_and_named() {
    let lab = lab();
    let map = "---\n# Source: a/templates/map.yaml\nkind: ConfigMap\napiVersion: v1\nmetadata:\n  name: r\ndata:\n  count: \"1\"\n";
    assert_eq!(lab.good("template r a"), map);
    assert_eq!(lab.good("template r ./a --show-only templates/*.yaml"), map);
    assert_eq!(lab.good("template a --name-template r"), map);
    assert_eq!(lab.good("template r a --output-dir out --release-name"), "wrote out/r/a/templates/map.yaml\n\n");
    assert_eq!(lab.text("out/r/a/templates/map.yaml"), map);
    let with =
        lab.good("template r a --include-crds --api-versions x/v1 --kube-version 1.30 --is-upgrade --skip-tests");
    assert!(with.starts_with("---\n# Source: a/crds/foo.yaml\nkind: CustomResourceDefinition\n"), "{with}");
    // The chart that is here comes before the repository that is named.
    let done = lab.run("template r a --repo http://127.0.0.1:1");
    assert!(done.is_ok && done.stdout == map && done.stderr.contains("repository url ignored"), "{done:?}");
    assert_eq!(lab.good("show values a --jsonpath count={.count}"), "count=1");
}

#[test]
fn every_command_tells_its_flags() {
    let lab = Lab::new();
    for command in [
        "template",
        "lint",
        "show",
        "show all",
        "show values",
        "package",
        "create",
        "dependency",
        "dependency list",
        "dependency update",
        "dependency build",
        "pull",
        "push",
        "verify",
        "lock",
        "",
    ] {
        let told = lab.good(&format!("{command} --help"));
        assert!(told.contains("Usage:"), "{command}: {told}");
    }
    assert!(lab.good("pull -h").contains("--untardir string"));
}
