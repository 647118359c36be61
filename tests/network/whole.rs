//! Two nodes with services, names and an Ingress: a rollout under load, and what is killed meanwhile, costs no request.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;

use super::gateways::a_gateway_is_served;
use super::lab::Lab;
use super::load::{Answer, Load, Manner, ask, ask_any};
use super::manifests::{certificate, names, tls_ingress, web};

const REPLICAS: usize = 6;
/// Clients that ask one after the other, with a pause in which a slow machine does something else.
const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn two_nodes_serve_through_all_that_happens_to_them() {
    let Some(lab) = Lab::up(2) else { return };
    let began = Instant::now();
    let told = |what: &str| println!("{what} after {:?}", began.elapsed());
    let (secret, trusted) = certificate("cert", "tls.test");
    lab.site.write("web.yaml", &web(REPLICAS, "v1"));
    lab.site.write("names.yaml", &names());
    lab.site.write("tls.yaml", &format!("{secret}---\n{}", tls_ingress("tls.test", "cert")));
    lab.site.push_healthy("v1");
    told("healthy");
    ingress_answers_at_the_nodes(&lab, &trusted);
    told("Ingress");
    what_is_wrong_is_told(&lab);
    told("faults");
    a_gateway_is_served(&lab);
    told("gateway");
    names_are_known_inside(&lab);
    told("names");
    a_rollout_loses_nothing(&lab);
    told("rollout");
    an_agent_dies_under_load(&lab);
    told("agent");
    a_node_is_lost(&lab);
    told("node");
    the_control_plane_is_gone(&lab);
    told("control plane");
    lab.down();
    told("down");
}

/// A request by TLS, of a client that trusts these certificates alone.
async fn tls(place: SocketAddr, host: &str, trusted: &[u8]) -> std::io::Result<Answer> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(trusted.to_vec())).expect("a certificate");
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let stream = TcpStream::connect(place).await?;
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    ask(&mut stream, host, true).await
}

async fn plain(place: SocketAddr, host: &str) -> std::io::Result<Answer> {
    ask_any(&mut TcpStream::connect(place).await?, host, true).await
}

fn ingress_answers_at_the_nodes(lab: &Lab, trusted: &[u8]) {
    for node in lab.names() {
        // The Ingress of a node follows the push a moment after it is healthy.
        lab.until(&format!("the Ingress of {node} answers by TLS"), || {
            let answer = lab.wait("an answer", tls(lab.address(&node, 443), "tls.test", trusted));
            answer.is_ok_and(|answer| answer.body.starts_with("Hello from Masthead v1 from web-"))
        });
        let answer = lab.wait("an answer", plain(lab.address(&node, 80), "web.test")).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = lab.wait("an answer", plain(lab.address(&node, 80), "tls.test")).expect("an answer");
        assert!(answer.status == 308 && answer.head.contains("location: https://tls.test/"), "{answer:?}");
        let answer = lab.wait("an answer", plain(lab.address(&node, 80), "other.test")).expect("an answer");
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    let mut expect: Vec<IpAddr> = lab.names().iter().map(|node| lab.address(node, 80).ip()).collect();
    expect.sort();
    lab.until("the Ingress' status has the addresses of the nodes", || {
        let status = &lab.site.json(&["get", "ingress", "web", "-o", "json"])["status"]["loadBalancer"]["ingress"];
        let told = status.as_array().into_iter().flatten().filter_map(|entry| entry["ip"].as_str()?.parse().ok());
        let mut told: Vec<IpAddr> = told.collect();
        told.sort();
        told == expect
    });
}

/// An Ingress without its Secret, and two that want the same: the rest is served, and Events say what is not.
fn what_is_wrong_is_told(lab: &Lab) {
    let late = web(REPLICAS, "v1");
    let late = late.split("---\n").last().expect("an Ingress").replace("name: web\nspec", "name: web-too\nspec");
    lab.site.write("wrong.yaml", &format!("{}---\n{late}", tls_ingress("bare.test", "none")));
    let (taken, said) = lab.site.push("two Ingresses that can't be served as they ask", &["-o", "no-wait"]);
    assert!(taken, "{said}");
    let told = ["there is no Secret \"none\"", "is answered by Ingress default/web, which is older"];
    lab.until("Events tell what is wrong", || {
        let events = lab.site.ok(&["events"]);
        told.iter().all(|words| events.contains(words))
    });
    // The commit waits for what it asks for, and says so.
    lab.until("the status says what is waited for", || lab.site.ok(&["status"]).contains("SecretNotFound"));
    let node = lab.names().remove(0);
    let answer = lab.wait("an answer", plain(lab.address(&node, 80), "bare.test")).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    // Pods that were still coming up were nothing wrong, and no node tells again what the control plane has told.
    let events = lab.site.ok(&["events"]);
    assert!(!events.contains("no ready endpoint"), "{events}");
    let secrets = events.lines().filter(|line| line.contains("Ingress/bare-test") && line.contains("Secret")).count();
    assert_eq!(secrets, 1, "{events}");
    fs::remove_file(lab.site.dir.path().join("clone/wrong.yaml")).expect("a file");
    lab.site.push_healthy("without them");
}

fn names_are_known_inside(lab: &Lab) {
    let look = |args: &[&str]| {
        let command = [&["exec", "tools", "--", "/bin/busybox", "nslookup"], args].concat();
        let said = lab.site.masthead(&command);
        said.out + &said.err
    };
    let address = |pod: &str| {
        let pod = lab.site.json(&["get", "pod", pod, "-o", "json"]);
        pod["status"]["podIP"].as_str().expect("an address").to_owned()
    };
    let (web, first, second) = (lab.service("web", 80).ip().to_string(), address("db-0"), address("db-1"));
    let check = |args: &[&str], expect: &[&str]| {
        // Records follow the endpoints a moment later.
        lab.until(&format!("nslookup {args:?} says {expect:?}"), || {
            let said = look(args);
            expect.iter().all(|words| said.contains(words))
        });
    };
    check(&["-type=a", "web.default.svc.cluster.local"], &[&web]);
    check(&["-type=a", "db.default.svc.cluster.local"], &[&first, &second]);
    check(&["-type=a", "db-1.db.default.svc.cluster.local"], &[&second]);
    check(&["-type=srv", "_sql._tcp.db.default.svc.cluster.local"], &["5432 db-0.db.default.svc.cluster.local"]);
    check(&[&first], &["db-0.db.default.svc.cluster.local"]);
    check(&[&web], &["web.default.svc.cluster.local"]);
}

fn a_rollout_loses_nothing(lab: &Lab) {
    let node = lab.names().remove(0);
    let groups = [(lab.service("web", 80), Manner::Anew, 10), (lab.address(&node, 80), Manner::Kept, 40)];
    let load = Load::start(lab, &groups, PAUSE);
    load.more(lab, " v1 ", 200);
    lab.site.write("web.yaml", &web(REPLICAS, "v2"));
    lab.site.push_healthy("v2");
    lab.until("the old pods are gone", || lab.site.pods("web").len() == REPLICAS);
    load.more(lab, " v2 ", 200);
    load.end(lab).assert_whole("a rollout");
}

fn an_agent_dies_under_load(lab: &Lab) {
    let node = lab.names().remove(0);
    let service = lab.service("web", 80);
    let load = Load::start(lab, &[(service, Manner::Anew, 4), (service, Manner::Held, 4)], PAUSE);
    load.more(lab, " v2 ", 100);
    let before = lab.agent(&node).expect("an agent");
    kill(before, Signal::SIGKILL).expect("a kill");
    lab.until("the agent runs again", || lab.agent(&node).is_some_and(|now| now != before));
    // It has taken up its tables again when its Ingress answers.
    lab.until("its Ingress answers again", || {
        let answer = lab.wait("an answer", plain(lab.address(&node, 80), "web.test"));
        answer.is_ok_and(|answer| answer.status == 200)
    });
    load.more(lab, " v2 ", 100);
    load.end(lab).assert_whole("an agent killed and started again");
}

/// A node without power: within the time of its lease its endpoints leave, and who talks to others notices nothing.
fn a_node_is_lost(lab: &Lab) {
    let nodes = lab.names();
    let (stays, goes) = (&nodes[0], &nodes[1]);
    let pods = lab.pods_by_node("web");
    let address = |pod: &serde_json::Value| pod["status"]["podIP"].as_str().expect("an address").to_owned();
    let survivor = format!("{}:8080", address(&pods[stays][0])).parse().expect("an address");
    let lost: Vec<String> = pods[goes].iter().map(address).collect();
    let load = Load::start(lab, &[(survivor, Manner::Held, 4)], PAUSE);
    load.more(lab, " v2 ", 20);
    lab.site.ok(&["node", "stop", goes]);
    let began = Instant::now();
    lab.until("its endpoints have left", || lab.endpoints("web").iter().all(|ip| !lost.contains(ip)));
    println!("the endpoints of a lost node left after {:?}", began.elapsed());
    let answer = lab.wait("an answer", plain(lab.address(stays, 80), "web.test")).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    load.more(lab, " v2 ", 20);
    load.end(lab).assert_whole("a node without power");
    lab.site.ok(&["node", "start", goes]);
}

/// The daemon killed with its agents: what the kernel holds serves on; after a start all is steered again.
fn the_control_plane_is_gone(lab: &Lab) {
    lab.until("all pods are ready", || lab.endpoints("web").len() == REPLICAS);
    let gone = std::env::var("MASTHEAD_GONE_S").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let service = lab.service("web", 80);
    let load = Load::start(lab, &[(service, Manner::Anew, 4), (service, Manner::Held, 4)], PAUSE);
    load.more(lab, " v2 ", 50);
    lab.kill();
    let began = Instant::now();
    load.more(lab, " v2 ", 500);
    while began.elapsed() < Duration::from_secs(gone) {
        load.more(lab, " v2 ", 500);
    }
    lab.start();
    load.more(lab, " v2 ", 50);
    load.end(lab).assert_whole(&format!("a control plane that was gone for {:?}", began.elapsed()));
    lab.site.write("web.yaml", &web(REPLICAS, "v3"));
    lab.site.push_healthy("v3");
}
