//! A repository by URL whose server is gone for a while.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::machine::machine;
use super::parts::{Ends, serve};
use super::site::{MASTHEAD, Said, Site, said};

/// The command line on the daemon of a data directory.
fn asked(data: &Path, args: &[&str]) -> Said {
    said(Command::new(MASTHEAD).env("MASTHEAD_DATA", data).args(args))
}

/// The colour that a control plane has applied.
fn colour(data: &Path) -> Option<String> {
    let object: Value = serde_json::from_str(&asked(data, &["get", "configmap", "settings", "-o", "json"]).out).ok()?;
    object["data"]["colour"].as_str().map(str::to_owned)
}

fn trouble(data: &Path) -> String {
    let status: Value = serde_json::from_str(&asked(data, &["status", "-o", "json"]).out).unwrap_or_default();
    status["repository"]["trouble"].to_string()
}

fn settings(colour: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\ndata:\n  colour: {colour}\n")
}

/// The web hook that means "look now".
fn hook() {
    let mut stream = TcpStream::connect("127.0.0.1:7170").expect("a connection");
    let request = "POST /apis/masthead.dev/v1/poll HTTP/1.1\r\nHost: 127.0.0.1:7170\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("200 OK") && answer.contains("true"), "{answer}");
}

#[test]
fn a_repository_by_url_whose_server_is_gone_for_a_while() {
    machine(&["busybox", "git", "ip"], || {
        let Some(mut site) = Site::new() else { return };
        // One control plane hosts the repository, another one watches it by its URL.
        serve(&mut site, &[]);
        site.write("settings.yaml", &settings("blue"));
        site.push_healthy("blue");
        let watcher = site.data.with_file_name("watcher");
        let data = watcher.display().to_string();
        let url = site.status()["repository"]["url"].as_str().expect("a URL").to_owned();
        let listen = ["--listen", "127.0.0.1:7170", "--listen-nodes", "127.0.0.1:7171"];
        let args = ["serve", "--data", &data, "--repo", &url, "--branch", "main"];
        let _watching = Ends(site.spawn(&[&args[..], &listen].concat()));
        site.until("the watcher has applied the first", || colour(&watcher).as_deref() == Some("blue"));
        assert_eq!(trouble(&watcher), "null");

        let mut ended = site.children.remove(0);
        ended.kill().expect("a kill");
        ended.wait().expect("its end");
        hook();
        site.until("the watcher says what is wrong", || trouble(&watcher).contains("127.0.0.1:7070"));
        assert_eq!(colour(&watcher).as_deref(), Some("blue"), "trouble took away what was applied");

        serve(&mut site, &[]);
        site.until("the watcher has no trouble any more", || trouble(&watcher) == "null");
        assert_eq!(colour(&watcher).as_deref(), Some("blue"));
        site.write("settings.yaml", &settings("red"));
        site.push_healthy("red");
        hook();
        site.until("the watcher has applied the second", || colour(&watcher).as_deref() == Some("red"));
        site.down();
    });
}
