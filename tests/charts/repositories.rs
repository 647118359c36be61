//! Chart repositories over HTTP: how charts are named, who is shown a password, and what `dependency` brings.

use super::lab::Lab;
use super::server::{Answer, Asked, Server, basic, index, missing, ok};

/// A lab with the archives of some charts, and a repository that has them.
fn repository(lab: &Lab, charts: &[(&str, &str)]) -> Server {
    let mut archives = Vec::new();
    let mut entries = Vec::new();
    for (name, version) in charts {
        lab.chart(&format!("made/{name}"), name, version);
        lab.good(&format!("package made/{name} -d made"));
        let file = format!("{name}-{version}.tgz");
        let bytes = lab.read(&format!("made/{file}"));
        let digest = masthead_agent::images::digest::Digest::of(&bytes).hex().to_owned();
        entries.push(((*name).to_owned(), (*version).to_owned(), file.clone(), digest));
        archives.push((format!("/charts/{file}"), bytes));
    }
    let rows: Vec<_> = entries.iter().map(|(a, b, c, d)| (a.as_str(), b.as_str(), c.as_str(), d.as_str())).collect();
    let text = index(&rows);
    Server::start(move |asked: &Asked| -> Answer {
        if asked.path == "/charts/index.yaml" {
            return ok(&text);
        }
        archives.iter().find(|(path, _)| *path == asked.path).map_or_else(missing, |(_, bytes)| ok(bytes))
    })
}

fn note(lab: &Lab, rest: &str) {
    lab.write("home/.config/helm/repositories.yaml", format!("apiVersion: \"\"\nrepositories:\n{rest}"));
}

#[test]
fn a_chart_is_pulled_by_url_by_name_and_out_of_the_list_of_helm() {
    let lab = Lab::new();
    let server = repository(&lab, &[("demo", "1.2.0"), ("demo", "1.3.0-rc.1"), ("other", "0.1.0")]);
    let url = format!("{}/charts", server.url);
    note(&lab, &format!("- name: mine\n  url: {url}/\n"));
    let archive = lab.read("made/demo-1.2.0.tgz");
    for (folder, line) in [
        ("a", format!("pull demo --repo {url}")),
        ("b", "pull mine/demo".to_owned()),
        ("c", format!("pull {url}/demo-1.2.0.tgz")),
        ("d", format!("pull demo --repo {url}/ --version ~1.2")),
    ] {
        std::fs::create_dir(lab.path(folder)).unwrap();
        lab.good(&format!("{line} -d {folder}"));
        assert_eq!(lab.read(&format!("{folder}/demo-1.2.0.tgz")), archive, "{line}");
    }
    lab.good(&format!("pull demo --repo {url} --devel -d a"));
    lab.good(&format!("pull demo --repo {url} --version 1.3.0-rc.1 -d b"));
    assert_eq!(lab.read("a/demo-1.3.0-rc.1.tgz"), lab.read("b/demo-1.3.0-rc.1.tgz"));
    lab.good("pull mine/demo mine/other --untar --untardir inner -d d");
    assert_eq!(
        lab.files("d/inner"),
        [
            "demo/Chart.yaml",
            "demo/templates/map.yaml",
            "demo/values.yaml",
            "other/Chart.yaml",
            "other/templates/map.yaml",
            "other/values.yaml"
        ]
    );
    assert_eq!(
        lab.bad("pull mine/demo --untar --untardir inner -d d"),
        "Error: failed to untar: a file or directory with the name d/inner/demo already exists\n"
    );
    let rendered = lab.good("template r mine/demo --set count=3");
    assert!(rendered.contains("# Source: demo/templates/map.yaml") && rendered.contains("count: \"3\""), "{rendered}");
    assert_eq!(lab.good(&format!("show values demo --repo {url}")), "# how many\ncount: 1\n\n");
    assert_eq!(lab.good("show values mine/demo --jsonpath {.count}"), "1");
    assert!(
        lab.good(&format!("template r {url}/demo-1.2.0.tgz --set-json list=[1] --api-versions a,b"))
            .contains("count: \"1\"")
    );
}

#[test]
fn what_is_not_there_is_told_in_helms_words() {
    let lab = Lab::new();
    let server = repository(&lab, &[("demo", "1.2.0")]);
    let url = format!("{}/charts", server.url);
    note(&lab, &format!("- name: mine\n  url: {url}\n"));
    for (line, expect) in [
        ("pull demo".to_owned(), "non-absolute URLs should be in form of repo_name/path_to_chart, got: demo"),
        ("pull other/demo".to_owned(), "repo other not found"),
        ("pull mine/nope".to_owned(), "chart \"nope\" not found in http://"),
        ("pull mine/demo --version >=2".to_owned(), "the newest is 1.2.0"),
        ("pull mine/demo --version nonsense".to_owned(), "version \"nonsense\": improper constraint"),
        (format!("pull demo --repo {}", server.url), "is not a valid chart repository or cannot be reached"),
        ("pull demo --repo ftp://x".to_owned(), "could not find protocol handler for: ftp"),
        ("pull demo --repo x".to_owned(), "could not find protocol handler for: \n"),
        ("pull ftp://x/y.tgz".to_owned(), "scheme \"ftp\" not supported"),
        ("pull mine/demo -d nowhere".to_owned(), "open nowhere/demo-1.2.0.tgz: no such file or directory"),
        ("template r ./nope".to_owned(), "path \"./nope\" not found"),
        ("template r nope".to_owned(), "non-absolute URLs should be in form of repo_name/path_to_chart, got: nope"),
        ("show chart other/demo".to_owned(), "repo other not found"),
    ] {
        let told = lab.bad(&line);
        assert!(told.starts_with("Error: ") && told.contains(expect), "{line}\n{told}");
    }
    assert_eq!(lab.files("").iter().filter(|name| !name.starts_with("made/")).count(), 0, "{:?}", lab.files(""));
}

/// A repository whose index leads to another server: that one is never shown the password, unless it is asked for.
#[test]
fn a_password_is_shown_to_the_repositorys_own_server_alone() {
    let lab = Lab::new();
    lab.chart("made/demo", "demo", "1.0.0");
    lab.good("package made/demo -d made");
    let archive = lab.read("made/demo-1.0.0.tgz");
    let other = Server::start(move |_| ok(&archive));
    let elsewhere = format!("{}/demo-1.0.0.tgz", other.url);
    let body = index(&[("demo", "1.0.0", &elsewhere, "")]);
    let home = Server::start(move |asked| if asked.path == "/index.yaml" { ok(&body) } else { missing() });
    let shown = |server: &Server| server.asked().last().and_then(|asked| asked.authorization.clone());

    lab.good(&format!("pull demo --repo {} --username ann --password secret", home.url));
    assert_eq!((shown(&home), shown(&other)), (basic("ann:secret"), None));
    lab.good(&format!("pull demo --repo {} --username ann --password secret --pass-credentials", home.url));
    assert_eq!((shown(&home), shown(&other)), (basic("ann:secret"), basic("ann:secret")));

    // The same from helm's list, for pull, template and dependencies.
    note(&lab, &format!("- name: mine\n  url: {}\n  username: bob\n  password: hidden\n", home.url));
    let dependency = format!("dependencies:\n- {{name: demo, version: 1.x, repository: {}}}\n", home.url);
    lab.write("parent/Chart.yaml", format!("apiVersion: v2\nname: parent\nversion: 1.0.0\n{dependency}"));
    for line in ["pull mine/demo", "template r mine/demo", "dependency update parent"] {
        lab.good(line);
        assert_eq!((shown(&home), shown(&other)), (basic("bob:hidden"), None), "{line}");
    }
    note(
        &lab,
        &format!("- {{name: mine, url: {}, username: bob, password: hidden, pass_credentials_all: true}}\n", home.url),
    );
    lab.good("pull mine/demo");
    assert_eq!(shown(&other), basic("bob:hidden"));
    // A redirect to another server is not shown it either.
    let target = elsewhere.clone();
    let leads = Server::start(move |_| super::server::moved(&target));
    lab.good(&format!("pull {}/x.tgz --username ann --password secret", leads.url));
    assert_eq!((shown(&leads), shown(&other)), (basic("ann:secret"), None));
}

#[test]
fn dependencies_are_brought_named_and_locked_as_helm_does() {
    let lab = Lab::new();
    let server = repository(&lab, &[("demo", "1.2.0"), ("demo", "1.1.0"), ("other", "0.1.0")]);
    let url = format!("{}/charts", server.url);
    note(&lab, &format!("- name: mine\n  url: {url}\n"));
    lab.chart("local", "local", "3.0.0");
    lab.chart("parent/charts/kept", "kept", "1.0.1");
    lab.chart("old/demo", "demo", "0.9.0");
    lab.good("package old/demo -d parent/charts");
    lab.write(
        "parent/Chart.yaml",
        "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n- {name: demo, version: ~1.1, repository: \"@mine\"}\n- {name: other, version: \"*\", repository: \"alias:mine\"}\n- {name: local, version: \">=2\", repository: \"file://../local\"}\n- {name: kept, version: 1.x}\n",
    );
    let told = lab.good("dependency update parent");
    assert_eq!(
        told,
        format!(
            "Hang tight while we grab the latest from your chart repositories...\n...Successfully got an update from the \"mine\" chart repository\nUpdate Complete. ⎈Happy Helming!⎈\nSaving 4 charts\nDownloading demo from repo {url}\nDownloading other from repo {url}\nDependency kept did not declare a repository. Assuming it exists in the charts directory\nDeleting outdated charts\n"
        )
    );
    let archives = |lab: &Lab| {
        let mut files = lab.files("parent/charts");
        files.retain(|name| name.ends_with(".tgz"));
        files
    };
    assert_eq!(archives(&lab), ["demo-1.1.0.tgz", "local-3.0.0.tgz", "other-0.1.0.tgz"]);
    let lock = lab.text("parent/Chart.lock");
    let list = format!(
        "dependencies:\n- name: demo\n  repository: {url}\n  version: 1.1.0\n- name: other\n  repository: {url}\n  version: 0.1.0\n- name: local\n  repository: file://../local\n  version: 3.0.0\n- name: kept\n  repository: \"\"\n  version: 1.x\ndigest: sha256:"
    );
    assert!(lock.starts_with(&list), "{lock}");
    // Of another time, so that a lock that is written anew shows.
    let head = lock.split("generated: ").next().expect("a time");
    let lock = format!("{head}generated: \"2001-02-03T04:05:06Z\"\n");
    lab.write("parent/Chart.lock", &lock);
    lab.good("dependency update parent");
    assert_eq!(lab.text("parent/Chart.lock"), lock, "the same is not written anew");
    std::fs::remove_file(lab.path("parent/charts/demo-1.1.0.tgz")).unwrap();
    lab.good("dependency build parent");
    assert_eq!(archives(&lab), ["demo-1.1.0.tgz", "local-3.0.0.tgz", "other-0.1.0.tgz"]);
    // Without helm's list the URL does as well.
    let chart = lab.text("parent/Chart.yaml").replace("\"@mine\"", &url).replace("\"alias:mine\"", &url);
    lab.write("parent/Chart.yaml", &chart);
    std::fs::remove_file(lab.path("home/.config/helm/repositories.yaml")).unwrap();
    assert!(lab.good("dependency update parent").starts_with("Getting updates for unmanaged Helm repositories...\n"));
    assert_eq!(lab.text("parent/Chart.lock"), lock);
    // A lock that is not of this Chart.yaml brings nothing.
    lab.write("parent/Chart.yaml", chart.replace("~1.1", "~1.2"));
    assert_eq!(
        lab.bad("dependency build parent"),
        "Error: the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml). Please update the dependencies\n"
    );
    lab.good("dependency update parent");
    assert_eq!(archives(&lab), ["demo-1.2.0.tgz", "local-3.0.0.tgz", "other-0.1.0.tgz"]);
}

/// What a lock pins is fetched once, and is nothing else than what was pinned.
#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_chart_is_kept_and_no_other_is_taken() {
    use masthead::charts::credentials::Login;
    use masthead::charts::error::Error;
    use masthead::charts::fetch::{Fetcher, Options};
    use masthead::charts::lock;
    use masthead::charts::store::Store;

    let lab = Lab::new();
    let server = repository(&lab, &[("demo", "1.2.0")]);
    let fetcher = |store: &str| Fetcher::with(Login::default(), Store::new(lab.path(store)), Options::default());
    let repository = format!("{}/charts", server.url);
    let asked = lock::Asked { repository, name: "demo".to_owned(), version: "^1".to_owned() };
    let (locked, archive) = fetcher("store").resolve(&asked).await.expect("found");
    assert_eq!((locked.resolved.as_str(), archive.as_ref()), ("1.2.0", lab.read("made/demo-1.2.0.tgz").as_slice()));
    assert_eq!(locked.url, format!("{}/charts/demo-1.2.0.tgz", server.url));
    let asked_so_far = server.asked().len();
    let gone = lock::Locked { url: "http://127.0.0.1:1/gone.tgz".to_owned(), ..locked.clone() };
    assert_eq!(fetcher("store").pinned(&gone).await.expect("kept"), archive);
    assert_eq!(server.asked().len(), asked_so_far, "nobody was asked");
    assert_eq!(fetcher("other").pinned(&locked).await.expect("fetched"), archive);
    let other = lock::Locked { digest: format!("sha256:{}", "0a".repeat(32)), ..locked };
    assert!(matches!(fetcher("store").pinned(&other).await, Err(Error::Digest { .. })));
}
