//! The Ingress with one worker, told of the pods by a manifest.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine as _;
use bytes::Bytes;
use masthead_agent::ingress::access::To;
use masthead_agent::ingress::options::Options;
use masthead_agent::ingress::run;
use masthead_wire::manifest::NodeManifest;
use masthead_wire::object::Attachment;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::process::Part;

type Certificate = rcgen::CertifiedKey<rcgen::KeyPair>;

pub fn start(pods: &[SocketAddr], certificate: &Certificate, log: Option<&PathBuf>) -> Result<Part> {
    let log = log.map_or(Ok("-"), |path| path.to_str().context("a path that is no text"))?;
    let (certificate, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    let pods: Vec<String> = pods.iter().map(ToString::to_string).collect();
    let words = ["masthead", log, &certificate, &key];
    Part::start(&words.into_iter().chain(pods.iter().map(String::as_str)).collect::<Vec<_>>())
}

/// Runs it until it is told to end: the log's file or `-`, the certificate, its key, the pods.
pub fn run(args: &[&str]) -> Result<()> {
    let [log, certificate, key, pods @ ..] = args else { anyhow::bail!("a log, a certificate, a key and pods") };
    let pods: Vec<SocketAddr> = pods.iter().map(|pod| pod.parse()).collect::<Result<_, _>>()?;
    let manifest = manifest(certificate, key, &pods)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (_tx, rx) = watch::channel(Some(Arc::new(manifest)));
        let options = Options {
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            http_port: Some(0),
            https_port: Some(0),
            workers: 1,
            access_log: if *log == "-" { To::Nowhere } else { To::File(log.into()) },
            ..Options::default()
        };
        let (stop, mut told) = (CancellationToken::new(), signal(SignalKind::terminate())?);
        let handle = run::start(rx, options, stop.clone());
        let mut listening = handle.listening.clone();
        let all = listening.wait_for(|all| all.len() == 2).await?.clone();
        let place = |is_tls: bool| all.iter().find(|place| place.is_tls == is_tls).context("no port");
        println!("{} {}", place(false)?.address, place(true)?.address);
        told.recv().await;
        stop.cancel();
        handle.task.await?;
        Ok(())
    })
}

fn manifest(certificate: &str, key: &str, pods: &[SocketAddr]) -> Result<NodeManifest> {
    let mut manifest = NodeManifest::default();
    let mut put = |kind: &str, object: serde_json::Value| -> Result<()> {
        let attachment = Attachment::parse(kind, Bytes::from(object.to_string()))?;
        manifest.content.insert_attachment(Arc::new(attachment));
        Ok(())
    };
    put("Service", json!({"metadata": {"namespace": "n", "name": "web"}, "spec": {"ports": [{"port": 80}]}}))?;
    for (at, pod) in pods.iter().enumerate() {
        put(
            "EndpointSlice",
            json!({"metadata": {"namespace": "n", "name": format!("web-{at}"),
            "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
            "endpoints": [{"addresses": [pod.ip().to_string()]}], "ports": [{"port": pod.port()}]}),
        )?;
    }
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    put(
        "Secret",
        json!({"metadata": {"namespace": "n", "name": "cert"}, "data": {"tls.crt": encode(certificate), "tls.key": encode(key)}}),
    )?;
    let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
    let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
    put(
        "Ingress",
        json!({"metadata": {"namespace": "n", "name": "web", "annotations": {"masthead.dev/ssl-redirect": "false"}},
        "spec": {"ingressClassName": "masthead", "rules": [{"host": "bench.test", "http": {"paths": paths}}],
        "tls": [{"hosts": ["bench.test"], "secretName": "cert"}]}}),
    )?;
    Ok(manifest)
}
