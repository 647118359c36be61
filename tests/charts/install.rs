//! `masthead install --verify` at a running control plane: signed charts over HTTP, out of a file, and from a registry
//! that answers only who brings a token.

use std::process::Command;

use masthead_agent::images::digest::Digest;
use serde_json::json;

use super::lab::{Done, Lab};
use super::server::{Asked, Server, index, missing, ok, raw, typed};
use super::signatures::keys;
use crate::push::Site;

/// A registry with the chart `demo` and, where there is one, its signature; each answer costs a token, which anybody may have.
fn registry(archive: &[u8], signature: Option<&str>) -> Server {
    let blob = |bytes: &[u8]| (Digest::of(bytes).to_string(), bytes.to_vec());
    let chart = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    let mut blobs = vec![(chart, blob(archive))];
    blobs.extend(signature.map(|text| ("application/vnd.cncf.helm.chart.provenance.v1.prov", blob(text.as_bytes()))));
    let layers: Vec<_> = blobs
        .iter()
        .map(|(kind, (digest, bytes))| json!({"mediaType": kind, "digest": digest, "size": bytes.len()}))
        .collect();
    let config = json!({"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2});
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string();
    let tag = Digest::of(manifest.as_bytes()).to_string();
    let itself: std::sync::Arc<std::sync::OnceLock<String>> = std::sync::Arc::default();
    let known = itself.clone();
    let server = Server::start(move |asked: &Asked| {
        let path = asked.path.split('?').next().unwrap_or_default();
        if path == "/token" {
            assert!(
                asked.path.contains("scope=repository%3Ax%2Fdemo%3Apull")
                    || asked.path.contains("scope=repository:x/demo:pull"),
                "{}",
                asked.path
            );
            return ok(json!({"token": "open-sesame", "expires_in": 300}).to_string());
        }
        if asked.authorization.as_deref() != Some("Bearer open-sesame") {
            let url = known.get().expect("it serves");
            let challenge = format!("Bearer realm=\"{url}/token\",service=\"test\",scope=\"repository:x/demo:pull\"");
            return raw(format!(
                "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: {challenge}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            ));
        }
        match path {
            "/v2/x/demo/tags/list" => ok(json!({"name": "x/demo", "tags": ["1.0.0"]}).to_string()),
            path if path == "/v2/x/demo/manifests/1.0.0" || path == format!("/v2/x/demo/manifests/{tag}") => {
                typed("application/vnd.oci.image.manifest.v1+json", &manifest)
            }
            path => {
                let found = blobs.iter().find(|(_, (digest, _))| path == format!("/v2/x/demo/blobs/{digest}"));
                found.map_or_else(missing, |(_, (_, bytes))| ok(bytes))
            }
        }
    });
    itself.set(server.url.clone()).expect("set once");
    server
}

/// `masthead install`, by somebody whose files are all in a lab.
async fn install(site: &Site, lab: &std::sync::Arc<Lab>, line: &str) -> Done {
    let data = site.dir.path().join("data").display().to_string();
    let (lab, line) = (lab.clone(), line.to_owned());
    let work = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_masthead"));
        command.arg("install").args(line.split(' ')).args(["--data", &data]);
        lab.finish(&mut command)
    };
    tokio::task::spawn_blocking(work).await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_installed_is_verified_where_that_is_asked() {
    let lab = std::sync::Arc::new(Lab::new());
    if !keys(&lab) {
        return;
    }
    lab.chart("source", "demo", "1.0.0");
    lab.good("package source -d made --sign --key Ann --keyring secret.gpg");
    let (archive, signature) = (lab.read("made/demo-1.0.0.tgz"), lab.text("made/demo-1.0.0.tgz.prov"));
    lab.write("here/demo-1.0.0.tgz", &archive);
    let keyring = format!("--verify --keyring {}", lab.text_of_path("public.gpg"));
    let site = Site::start().await;
    let body = index(&[("demo", "1.0.0", "demo-1.0.0.tgz", "")]);
    let served = (archive.clone(), signature.clone());
    let repository = Server::start(move |asked| match asked.path.as_str() {
        "/index.yaml" => ok(&body),
        "/demo-1.0.0.tgz" => ok(&served.0),
        "/demo-1.0.0.tgz.prov" => ok(&served.1),
        _ => missing(),
    });
    let (signed, bare) = (registry(&archive, Some(&signature)), registry(&archive, None));
    let lock = || {
        let shown = crate::push::git(&site.dir.path().join("data/repo.git"), &["show", "main:masthead.lock"]);
        String::from_utf8_lossy(&shown.stdout).into_owned()
    };

    // Nothing that does not hold is written.
    for (line, expect) in [
        (format!("bad oci://{}/x/demo {keyring}", bare.host()), "failed to fetch provenance"),
        (format!("bad demo --repo {} --verify --keyring none.gpg", repository.url), "failed to load keyring"),
        (format!("bad here/demo-1.0.0.tgz {keyring}"), "demo-1.0.0.tgz.prov"),
        (format!("bad here {keyring}"), "unpacked charts cannot be verified"),
    ] {
        let done = install(&site, &lab, &line).await;
        assert!(!done.is_ok && done.stderr.contains(expect), "{line}: {done:?}");
        assert!(site.running.api.view.commits().is_empty(), "{line}");
    }
    for (line, count) in [
        (format!("over-http demo --repo {} {keyring}", repository.url), 1),
        (format!("with-token oci://{}/x/demo {keyring}", signed.host()), 2),
    ] {
        let done = install(&site, &lab, &line).await;
        assert!(done.is_ok && done.stderr.contains("healthy after"), "{line}: {done:?}");
        assert_eq!(lock().matches("Ann Test <ann@x.io>").count(), count, "{}", lock());
    }
    lab.write("here/demo-1.0.0.tgz.prov", &signature);
    let done = install(&site, &lab, &format!("of-a-file here/demo-1.0.0.tgz {keyring}")).await;
    assert!(done.is_ok && done.stderr.contains("healthy after"), "{done:?}");
    let with_token = |asked: &Asked| asked.authorization.as_deref() == Some("Bearer open-sesame");
    assert!(signed.asked().iter().any(with_token) && !repository.asked().iter().any(with_token));
    let releases = site.running.api.view.read().installed().len();
    assert_eq!(releases, 3);
    site.running.stop().await;
}
