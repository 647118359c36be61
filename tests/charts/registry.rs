//! A real registry on loopback: charts pushed, found by range and digest, depended on and locked, with and without a login.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::lab::{Lab, has};

const PROGRAM: &str = "docker-registry";

/// A registry that ends with the value.
struct Registry {
    child: Child,
    address: String,
}

impl Registry {
    /// `users` is a file as Apache's `htpasswd` writes it.
    fn start(lab: &Lab, users: Option<&str>) -> Registry {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            // Between the port's being free and the registry's taking it somebody else may; then another is tried.
            let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
            let address = format!("127.0.0.1:{port}");
            let auth = users.map_or_else(String::new, |users| {
                format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", lab.text_of_path(users))
            });
            let store = lab.text_of_path("store");
            let config = format!(
                "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: {store}\nhttp:\n  addr: {address}\n{auth}"
            );
            lab.write("registry.yaml", config);
            let mut command = Command::new(PROGRAM);
            command.arg("serve").arg(lab.path("registry.yaml")).stdin(Stdio::null());
            let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the registry starts");
            let mut registry = Registry { child, address };
            if registry.serves(deadline) {
                return registry;
            }
            assert!(Instant::now() < deadline, "no registry after a minute");
        }
    }

    fn serves(&mut self, deadline: Instant) -> bool {
        while Instant::now() < deadline {
            if self.child.try_wait().expect("its state").is_some() {
                return false;
            }
            if std::net::TcpStream::connect(&self.address).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn url(&self) -> String {
        format!("oci://{}/charts", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The digest that a push or a pull tells of.
fn digest(told: &str) -> String {
    let line = told.lines().find_map(|line| line.strip_prefix("Digest: "));
    line.unwrap_or_else(|| panic!("no digest in {told}")).to_owned()
}

fn push(lab: &Lab, registry: &Registry, versions: &[&str]) {
    for version in versions {
        lab.chart("demo", "demo", version);
        lab.good("package demo -d made");
        let done = lab.run(&format!("push made/demo-{version}.tgz {}", registry.url()));
        let tag = version.replace('+', "_");
        let head = format!("Pushed: {}/charts/demo:{tag}\nDigest: sha256:", registry.address);
        assert!(done.is_ok && done.stderr.starts_with(&head), "{done:?}");
        assert_eq!(done.stderr.contains("contains an underscore."), version.contains('+'), "{done:?}");
    }
}

#[test]
fn charts_are_pushed_and_found_again() {
    let lab = Lab::new();
    if !has(&[PROGRAM]) {
        return;
    }
    let registry = Registry::start(&lab, None);
    let url = registry.url();
    push(&lab, &registry, &["1.0.0", "1.1.0+b.1", "2.0.0-rc.1"]);
    let again = lab.run(&format!("push made/demo-1.0.0.tgz {url}/"));
    let first = digest(&again.stderr);
    let pulled = |line: &str, version: &str| {
        let folder = tempfile::tempdir_in(lab.path("home")).expect("a folder");
        let done = lab.run(&format!("pull {line} -d {}", folder.path().display()));
        assert!(done.is_ok, "{line} {done:?}");
        let files: Vec<_> = std::fs::read_dir(&folder).expect("a folder").flatten().map(|file| file.path()).collect();
        let [file] = files.as_slice() else { panic!("{line}: {files:?}") };
        assert_eq!(std::fs::read(file).expect("read"), lab.read(&format!("made/demo-{version}.tgz")), "{line}");
        (file.file_name().expect("a name").to_string_lossy().into_owned(), digest(&done.stderr))
    };
    assert_eq!(pulled(&format!("{url}/demo --version 1.0.0"), "1.0.0"), ("demo-1.0.0.tgz".to_owned(), first.clone()));
    assert_eq!(pulled(&format!("{url}/demo:1.0.0"), "1.0.0").1, first, "the same chart has the same digest");
    let hex = first.replace(':', "-");
    assert_eq!(pulled(&format!("{url}/demo@{first}"), "1.0.0").0, format!("demo@{hex}.tgz"));
    pulled(&format!("{url}/demo:1.0.0@{first}"), "1.0.0");
    assert_eq!(pulled(&format!("{url}/demo:1.1.0_b.1"), "1.1.0+b.1").0, "demo-1.1.0+b.1.tgz");
    for (line, version) in [
        ("", "1.1.0+b.1"),
        ("--version ^1", "1.1.0+b.1"),
        ("--version ~1.0", "1.0.0"),
        ("--version 1.1.0+b.1", "1.1.0+b.1"),
        ("--devel", "2.0.0-rc.1"),
        ("--version 2.0.0-rc.1", "2.0.0-rc.1"),
    ] {
        assert_eq!(pulled(&format!("{url}/demo {line}"), version).0, format!("demo-{version}.tgz"));
    }
    pulled(&format!("demo --repo {url} --version ^1"), "1.1.0+b.1");
    assert!(lab.good(&format!("template r {url}/demo --version ~1.0")).contains("# Source: demo/templates/map.yaml"));
    assert!(lab.good(&format!("show chart {url}/demo --version 2.0.0-rc.1")).contains("version: 2.0.0-rc.1"));
    lab.good(&format!("pull {url}/demo --untar --untardir here"));
    assert_eq!(lab.text("here/demo/values.yaml"), "# how many\ncount: 1\n");
    let zero = format!("sha256:{}", "0".repeat(64));
    for (line, expect) in [
        (format!("pull {url}/demo --version 9.9.9"), "/demo:9.9.9: not found\n"),
        (format!("pull {url}/demo --version >=3"), "the newest is 2.0.0-rc.1"),
        (format!("pull {url}/nope"), "/charts/nope: not found\n"),
        (format!("pull {url}/demo@{zero}"), "not found"),
        (format!("pull {url}/demo:1.0.0 --version 1.1.0"), "chart reference and version mismatch: 1.1.0 is not 1.0.0"),
        (format!("pull {url}/demo:2.0.0-rc.1@{first}"), "chart reference digest mismatch"),
        (format!("pull {url}/demo@sha256:12"), "is no digest"),
        (format!("pull {url}/demo --ca-file x"), "certificates of registries are checked as the system does"),
    ] {
        let told = lab.bad(&line);
        assert!(told.contains(expect), "{line}\n{told}");
    }
}

#[test]
fn charts_depend_on_a_registry_and_releases_are_locked_to_it() {
    let lab = Lab::new();
    if !has(&[PROGRAM]) {
        return;
    }
    let registry = Registry::start(&lab, None);
    let url = registry.url();
    push(&lab, &registry, &["1.0.0", "1.2.0+b"]);
    let dependency = format!("dependencies:\n- {{name: demo, version: ^1, repository: \"{url}\"}}\n");
    lab.write("parent/Chart.yaml", format!("apiVersion: v2\nname: parent\nversion: 1.0.0\n{dependency}"));
    let done = lab.run("dependency update parent");
    assert_eq!(
        done.stdout,
        format!("Saving 1 charts\nDownloading demo from repo {url}\nDeleting outdated charts\n"),
        "{done:?}"
    );
    assert!(done.stderr.starts_with(&format!("Pulled: {}/charts/demo:1.2.0_b\nDigest: sha256:", registry.address)));
    assert_eq!(lab.read("parent/charts/demo-1.2.0+b.tgz"), lab.read("made/demo-1.2.0+b.tgz"));
    assert!(lab.text("parent/Chart.lock").contains("version: 1.2.0+b\n"));
    std::fs::remove_dir_all(lab.path("parent/charts")).unwrap();
    lab.good("dependency build parent");
    assert!(lab.good("template r parent").contains("# Source: parent/charts/demo/templates/map.yaml"));

    let release = format!(
        "apiVersion: masthead.dev/v1\nkind: Release\nmetadata:\n  name: web\nspec:\n  chart: {{repository: \"{url}\", name: demo, version: \"~1.0\"}}\n"
    );
    lab.write("repo/releases/web.yaml", release);
    assert!(lab.good("lock repo").starts_with("demo 1.0.0 sha256:"));
    let lock = lab.text("repo/masthead.lock");
    let manifest = digest(&lab.run(&format!("pull {url}/demo:1.0.0")).stderr);
    assert!(lock.contains(&format!("url: {url}/demo@{manifest}")), "{lock}");
    let archive = masthead_agent::images::digest::Digest::of(&lab.read("made/demo-1.0.0.tgz"));
    assert!(lock.contains(&format!("digest: {archive}")), "{lock}");
    push(&lab, &registry, &["1.0.1"]);
    lab.good("lock repo");
    assert_eq!(lab.text("repo/masthead.lock"), lock, "what is pinned stays");
    assert!(lab.good("lock repo --update").starts_with("demo 1.0.1 sha256:"));
}

#[test]
fn a_registry_that_wants_a_password() {
    let mut lab = Lab::new();
    if !has(&[PROGRAM]) {
        return;
    }
    // The function of charts that writes such lines.
    lab.chart("users", "users", "1.0.0");
    lab.write("users/templates/map.yaml", "line: {{ htpasswd \"ann\" \"secret\" }}\n");
    let line = lab.good("template r users");
    let line = line.lines().find_map(|line| line.strip_prefix("line: ")).expect("a line").to_owned();
    lab.write("htpasswd", line + "\n");
    let registry = Registry::start(&lab, Some("htpasswd"));
    let url = registry.url();
    lab.chart("demo", "demo", "1.0.0");
    lab.good("package demo -d made");
    let login = "--username ann --password secret";
    for line in [
        format!("push made/demo-1.0.0.tgz {url}"),
        format!("push made/demo-1.0.0.tgz {url} --username ann --password wrong"),
    ] {
        let told = lab.bad(&line);
        assert!(told.contains("access denied"), "{told}");
        assert!(!told.contains("wrong"), "{told}");
    }
    lab.good(&format!("push made/demo-1.0.0.tgz {url} {login}"));
    assert!(lab.bad(&format!("pull {url}/demo")).contains("asks for a user name and a password"));
    lab.good(&format!("pull {url}/demo {login}"));
    lab.good(&format!("template r {url}/demo --version ^1 {login}"));
    // As `helm registry login` and `docker login` keep it.
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode("ann:secret");
    let logins = format!("{{\"auths\": {{\"{}\": {{\"auth\": \"{pair}\"}}}}}}", registry.address);
    lab.write("logins.json", &logins);
    lab.good(&format!("pull {url}/demo --registry-config logins.json"));
    lab.write("home/.config/helm/registry/config.json", &logins);
    lab.good(&format!("pull {url}/demo"));
    let dependency = format!("dependencies:\n- {{name: demo, version: ^1, repository: \"{url}\"}}\n");
    lab.write("parent/Chart.yaml", format!("apiVersion: v2\nname: parent\nversion: 1.0.0\n{dependency}"));
    lab.good("dependency update parent");
    std::fs::remove_file(lab.path("home/.config/helm/registry/config.json")).unwrap();
    lab.set("HELM_REGISTRY_CONFIG", &lab.text_of_path("logins.json"));
    lab.good(&format!("show values {url}/demo"));
}

/// A signature is a layer beside the chart.
#[test]
fn signatures_travel_with_charts() {
    let lab = Lab::new();
    if !has(&[PROGRAM, "gpgv"]) {
        return;
    }
    use base64::Engine as _;
    let decoded = |text: &str| {
        let text: String = text.split_whitespace().collect();
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    };
    lab.write("a-0.1.0.tgz", decoded(include_str!("signed/archive.txt")));
    lab.write("public.gpg", decoded(include_str!("signed/keyring.txt")));
    let registry = Registry::start(&lab, None);
    let url = registry.url();
    lab.good(&format!("push a-0.1.0.tgz {url}"));
    std::fs::create_dir(lab.path("out")).unwrap();
    let pull = format!("pull {url}/a --version 0.1.0 -d out --verify --keyring public.gpg");
    assert!(lab.bad(&pull).contains("failed to fetch provenance"));
    assert_eq!(lab.files("out").len(), 0);
    lab.write("a-0.1.0.tgz.prov", include_str!("signed/provenance.txt"));
    lab.good(&format!("push a-0.1.0.tgz {url}"));
    assert!(lab.good(&pull).starts_with("Signed by: Ann Test <ann@x.io>\n"));
    assert_eq!(lab.files("out"), ["a-0.1.0.tgz", "a-0.1.0.tgz.prov"]);
    assert_eq!(lab.text("out/a-0.1.0.tgz.prov"), include_str!("signed/provenance.txt"));
}
