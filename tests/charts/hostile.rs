//! Repositories and registries that lie, trickle, lead astray and send too much: a clear error, and nothing written.

use std::time::Duration;

use masthead::charts::access::Times;
use masthead::charts::credentials::Login;
use masthead::charts::fetch::{Fetcher, Options};
use masthead::charts::lock::Asked;
use masthead::charts::store::Store;
use masthead_agent::images::digest::Digest;
use serde_json::json;

use super::archive;
use super::lab::Lab;
use super::server::{self, Answer, Server, index, missing, moved, ok, raw, status, typed, unmeasured};

/// KiB of address space for a run, of which the stack for renders takes one GiB and the program itself a part.
const SPACE_KIB: u64 = 3 << 20;

fn good() -> Vec<u8> {
    archive::of_one("demo/Chart.yaml", b"apiVersion: v2\nname: demo\nversion: 1.0.0\n")
}

/// Runs `pull demo` at a repository, and holds what is told to what is expected and the folder to its emptiness.
fn refuses(what: &str, answer: impl Fn(&server::Asked) -> Answer + Send + Sync + 'static, expect: &[&str]) -> Server {
    let lab = Lab::new();
    let server = Server::start(answer);
    let done = lab.run_within(SPACE_KIB, &format!("pull demo --repo {}", server.url));
    assert!(!done.is_ok, "{what}: {done:?}");
    assert!(done.stderr.starts_with("Error: ") && done.stderr.len() < 4096, "{what}: {done:?}");
    for words in expect {
        assert!(done.stderr.contains(words), "{what}: {words:?} is not in {}", done.stderr);
    }
    assert_eq!(lab.files(""), Vec::<String>::new(), "{what}");
    assert!(!lab.path("home/.cache/masthead/charts").exists(), "{what}: it was kept");
    server
}

/// The index as it should be, and this for the archive.
fn refuses_archive(what: &str, make: impl Fn() -> Answer + Send + Sync + 'static, expect: &[&str]) {
    let body = index(&[("demo", "1.0.0", "demo-1.0.0.tgz", "")]);
    refuses(what, move |asked| if asked.path == "/index.yaml" { ok(&body) } else { make() }, expect);
}

#[test]
fn indexes() {
    let cannot = "is not a valid chart repository or cannot be reached";
    let large = "more than 67108864 bytes (index_bytes)";
    let head = |length: u64| raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n"));
    refuses("100 MB that are announced", move |_| head(100_000_000), &[cannot, large]);
    refuses("100 MB that are not", |_| unmeasured(vec![b'#'; 100_000_000]), &[cannot, large]);
    refuses("a web page", |_| ok("<!DOCTYPE html><html>log in</html>"), &[cannot, "a web page came"]);
    refuses("a page that says so", |_| typed("text/html; charset=utf-8", "<h1>x</h1>"), &["a web page came"]);
    refuses("nothing", |_| ok(""), &[cannot, "empty index.yaml file"]);
    refuses("a list", |_| ok("- a\n- b\n"), &["it is no index"]);
    refuses("no YAML", |_| ok("entries:\n  demo:\n  - version: [\n"), &["does not read"]);
    refuses("no UTF-8", |_| ok(b"entries:\n  demo:\n  - version: \xff\n"), &["does not read"]);
    refuses("another chart", |_| ok(index(&[("x", "1.0.0", "x.tgz", "")])), &["chart \"demo\" not found in http://"]);
    refuses("no URL", |_| ok("entries:\n  demo:\n  - version: 1.0.0\n"), &["it has no URL for demo 1.0.0"]);
    refuses("401", |_| status("401 Unauthorized"), &["the server answers 401 Unauthorized"]);
    refuses("500", |_| status("500 Internal Server Error"), &["the server answers 500"]);
    refuses("no HTTP", |_| raw("SSH-2.0-OpenSSH\r\n"), &[cannot, "no answer"]);
    refuses("a hang-up", |_| raw(""), &[cannot, "no answer"]);
    refuses("half of it", |_| raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"), &["the answer broke off"]);
    let bomb = format!("x: &a [{}]\n", "1,".repeat(100)) + &"y: [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n".repeat(1_000);
    refuses("aliases", move |_| ok(format!("{bomb}entries:\n   demo: 5\n")), &["of http://127.0.0.1"]);
    let many = "  - version: 1.0.0\n    urls: [x.tgz]\n".repeat(1_000_000);
    refuses("a million versions", move |_| ok(format!("entries:\n  demo:\n{many}")), &["more than 50000 versions"]);
}

/// An index of a million charts is nothing bad: one of them is found within bounds.
#[test]
fn a_million_charts() {
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    for at in 0..1_000_000 {
        text.push_str(&format!("  c{at}:\n  - version: 1.0.0\n    urls: [x.tgz]\n"));
    }
    text.push_str("  demo:\n  - version: 1.0.0\n    urls: [demo-1.0.0.tgz]\n");
    let lab = Lab::new();
    let server = Server::start(move |asked| if asked.path == "/index.yaml" { ok(&text) } else { ok(good()) });
    let done = lab.run_within(SPACE_KIB, &format!("pull demo --repo {}", server.url));
    assert!(done.is_ok, "{done:?}");
    assert_eq!(lab.files(""), ["demo-1.0.0.tgz"]);
}

#[test]
fn addresses() {
    let only = "only https://, http:// and oci:// are supported";
    for (url, expect) in [
        ("file:///etc/passwd", only),
        ("ftp://x/demo.tgz", only),
        ("gopher://127.0.0.1/x", only),
        ("http://169.254.169.254/latest", "link-local addresses are not asked"),
        ("//169.254.169.254/latest", "link-local addresses are not asked"),
        ("http://[", "is no chart repository"),
    ] {
        let body = index(&[("demo", "1.0.0", url, "")]);
        let server =
            refuses(url, move |asked| if asked.path == "/index.yaml" { ok(&body) } else { ok(good()) }, &[expect]);
        assert_eq!(server.asked().len(), 1, "{url}");
    }
    // A path may climb, but not out of the server.
    let body = index(&[("demo", "1.0.0", "../../../../etc/passwd", "")]);
    let server = refuses(
        "a climbing path",
        move |asked| if asked.path == "/index.yaml" { ok(&body) } else { missing() },
        &["404"],
    );
    assert_eq!(server.asked().last().map(|asked| asked.path.clone()).as_deref(), Some("/etc/passwd"));
    for (to, expect) in [
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("ftp://127.0.0.1/x", "ftp://127.0.0.1/x"),
        ("http://169.254.169.254/latest", "link-local addresses are not asked"),
        ("/index.yaml", "more than redirects = 10"),
    ] {
        let server = refuses(to, move |_| moved(to), &["redirected and not followed", expect]);
        assert!(server.asked().len() <= 12, "{to}");
    }
    // Plain HTTP where TLS is spoken.
    let lab = Lab::new();
    let server = Server::start(|_| ok("x"));
    let told = lab.bad(&format!("pull demo --repo {}", server.url.replace("http://", "https://")));
    assert!(told.contains("cannot be reached") && told.contains("no connection"), "{told}");
}

#[test]
fn archives() {
    let whole = good();
    let half = whole[..whole.len() / 2].to_vec();
    refuses_archive("half of one", move || ok(&half), &["the archive does not unpack"]);
    let longer = good();
    refuses_archive(
        "longer than announced",
        move || {
            raw([b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\nconnection: close\r\n\r\n".as_slice(), &longer].concat())
        },
        &["the archive does not unpack"],
    );
    let shorter = good();
    refuses_archive(
        "shorter than announced",
        move || raw([b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n".as_slice(), &shorter].concat()),
        &["the answer broke off"],
    );
    refuses_archive("a web page", || ok("<html>moved</html>"), &["a web page came"]);
    refuses_archive("text", || ok("hello"), &["does not appear to be a gzipped archive"]);
    refuses_archive("nothing", || ok(""), &["does not appear to be a gzipped archive"]);
    refuses_archive("40 MB", || ok(vec![0; 40 << 20]), &["more than 33554432 bytes (archive_bytes)"]);
    refuses_archive("40 MB without a length", || unmeasured(vec![0; 40 << 20]), &["more than 33554432 bytes"]);
    let bomb = archive::packed(&[&archive::header("demo/Chart.yaml", 7 << 30), &vec![0; 200 << 20]]);
    refuses_archive("a bomb", move || ok(&bomb), &["the archive does not unpack"]);
    refuses_archive(
        "a climbing name",
        || ok(archive::of_one("demo/../../x", b"x")),
        &["illegally references parent directory"],
    );
    refuses_archive("no file", || ok(archive::of_one("demo/", b"")), &["no files in chart archive"]);
    let body = index(&[("demo", "1.0.0", "demo-1.0.0.tgz", &"0a".repeat(32))]);
    refuses(
        "another digest",
        move |asked| if asked.path == "/index.yaml" { ok(&body) } else { ok(good()) },
        &["has the digest sha256:", "not sha256:0a0a"],
    );
}

/// What a registry says of one chart.
fn registry(manifest: serde_json::Value, blob: Vec<u8>) -> impl Fn(&server::Asked) -> Answer + Send + Sync {
    let manifest = manifest.to_string();
    move |asked| match asked.path.as_str() {
        path if path.starts_with("/v2/x/demo/tags/list") => {
            ok(json!({"name": "x/demo", "tags": ["1.0.0"]}).to_string())
        }
        "/v2/x/demo/manifests/1.0.0" => typed("application/vnd.oci.image.manifest.v1+json", &manifest),
        path if path.starts_with("/v2/x/demo/blobs/") => ok(&blob),
        _ => missing(),
    }
}

fn manifest(digest: &Digest, size: u64) -> serde_json::Value {
    json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2},
        "layers": [{
            "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "digest": digest.to_string(), "size": size,
        }],
    })
}

#[test]
fn registries() {
    let chart = good();
    let (digest, size) = (Digest::of(&chart), chart.len() as u64);
    let refuses = |what: &str, answer: Box<dyn Fn(&server::Asked) -> Answer + Send + Sync>, expect: &str| {
        let lab = Lab::new();
        let server = Server::start(answer);
        let line = format!("pull oci://{}/x/demo", server.host());
        let done = lab.run_within(SPACE_KIB, &line);
        assert!(!done.is_ok && done.stderr.starts_with("Error: ") && done.stderr.contains(expect), "{what}: {done:?}");
        assert_eq!(lab.files(""), Vec::<String>::new(), "{what}");
    };
    let lab = Lab::new();
    let honest = Server::start(registry(manifest(&digest, size), chart.clone()));
    lab.good(&format!("pull oci://{}/x/demo", honest.host()));

    let with = |manifest: serde_json::Value, blob: &[u8]| Box::new(registry(manifest, blob.to_vec()));
    refuses("less than it is", with(manifest(&digest, size - 1), &chart), "its manifest says that sha256:");
    refuses("more than it is", with(manifest(&digest, size + 1), &chart), "its manifest says that sha256:");
    refuses("too much", with(manifest(&digest, 10 << 30), &chart), "more than 33554432 bytes (archive_bytes)");
    refuses("another blob", with(manifest(&digest, 5), b"other"), "digest is sha256:");
    refuses(
        "a bomb of a manifest",
        Box::new(
            |asked: &server::Asked| {
                if asked.path.contains("/tags/") { ok("{\"tags\":[\"1.0.0\"]}") } else { ok(vec![b' '; 5 << 20]) }
            },
        ),
        "more than manifest_bytes",
    );
    refuses(
        "no manifest",
        Box::new(
            |asked: &server::Asked| {
                if asked.path.contains("/tags/") { ok("{\"tags\":[\"1.0.0\"]}") } else { ok("<html>") }
            },
        ),
        "is no artifact of a chart",
    );
    let mut image = manifest(&digest, size);
    image["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
    refuses("an image", with(image, &chart), "is a application/vnd.oci.image.config.v1+json, not a chart");
    let mut empty = manifest(&digest, size);
    empty["layers"] = json!([]);
    refuses("no chart in it", with(empty, &chart), "has no layer with a chart");
    refuses("no tags", Box::new(|_: &server::Asked| ok("{\"tags\":[]}")), "Unable to locate any tags");
    refuses(
        "other tags",
        Box::new(|_: &server::Asked| ok("{\"tags\":[\"latest\",\"v1\"]}")),
        "Unable to locate any tags",
    );
    refuses("tags that are none", Box::new(|_: &server::Asked| ok("<html>")), "Error: ");
    refuses("401", Box::new(|_: &server::Asked| status("401 Unauthorized")), "denied");
    let text = b"no archive";
    refuses("text", with(manifest(&Digest::of(text), 10), text), "does not appear to be a gzipped archive");
}

/// Servers that take their time: both bounds on waiting end it, whichever comes first.
#[tokio::test(flavor = "multi_thread")]
async fn slow_servers() {
    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(300);
    let silent = Times { connect: LONG, silence: SHORT, whole: LONG };
    let whole = Times { connect: LONG, silence: LONG, whole: SHORT };
    let folder = tempfile::tempdir().expect("a folder");
    let fetcher = |times: Times| {
        Fetcher::with(Login::default(), Store::new(folder.path().join("kept")), Options { times, ..Options::default() })
    };
    let body = index(&[("demo", "1.0.0", "demo-1.0.0.tgz", "")]);
    let held = |bytes: &str| Answer { bytes: bytes.as_bytes().to_vec(), holds: true };
    let asked = |repository: &str| Asked {
        repository: repository.to_owned(),
        name: "demo".to_owned(),
        version: "1.0.0".to_owned(),
    };
    let mute = Server::start(move |_| held(""));
    let begun = Server::start(move |_| held("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"));
    let archive = Server::start(move |asked| match asked.path.as_str() {
        "/index.yaml" => ok(&body),
        _ => held("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"),
    });
    for times in [silent, whole] {
        for server in [&mute, &begun, &archive] {
            let told = fetcher(times).resolve(&asked(&server.url)).await.expect_err("too slow").to_string();
            assert!(told.starts_with(&server.url) && told.contains("no answer in time"), "{told}");
        }
    }
    let told = fetcher(whole).resolve(&asked(&format!("oci://{}/x", mute.host()))).await.expect_err("too slow");
    assert!(told.to_string().contains("no answer in time"), "{told}");
    assert!(!folder.path().join("kept").exists());
}
