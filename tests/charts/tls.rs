//! A repository over TLS whose authority the machine does not know, and one that wants to be shown a certificate.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::lab::Lab;
use super::server::index;

struct Secure {
    url: String,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Secure {
    fn start(config: ServerConfig, files: Vec<(String, Vec<u8>)>) -> Secure {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let config = Arc::new(config);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                // Whoever does not like our certificate hangs up.
                let _ = serve(stream, config.clone(), &files);
            }
        });
        Secure { url, is_over, thread: Some(thread) }
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.url.trim_start_matches("https://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, files: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut path = String::new();
    let mut lines = BufReader::new(&mut stream).lines();
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
    }
    drop(lines);
    let body = files.iter().find(|(name, _)| *name == path).map(|(_, body)| body.as_slice()).unwrap_or_default();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// An authority, a server's and a client's certificate, by the functions of charts that make such.
fn certificates(lab: &Lab) {
    lab.chart("pki", "pki", "1.0.0");
    let template = r#"{{ $ca := genCA "authority" 365 }}
{{ $server := genSignedCert "127.0.0.1" (list "127.0.0.1") (list "localhost") 365 $ca }}
{{ $client := genSignedCert "client" (list) (list "client") 365 $ca }}
ca: {{ $ca.Cert | toJson }}
server: {{ $server.Cert | toJson }}
serverKey: {{ $server.Key | toJson }}
client: {{ $client.Cert | toJson }}
clientKey: {{ $client.Key | toJson }}
"#;
    lab.write("pki/templates/map.yaml", template);
    let made = lab.good("template r pki");
    for (name, file) in [
        ("ca", "ca.pem"),
        ("server", "server.pem"),
        ("serverKey", "server.key"),
        ("client", "client.pem"),
        ("clientKey", "client.key"),
    ] {
        let line = made.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).expect(name);
        let text: String = serde_json::from_str(line).expect("JSON");
        lab.write(file, text);
    }
}

fn pem(lab: &Lab, name: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(&lab.read(name)).map(|one| one.expect("a certificate").into_owned()).collect()
}

#[test]
fn certificates_are_checked_as_the_flags_say() {
    let lab = Lab::new();
    certificates(&lab);
    lab.chart("demo", "demo", "1.0.0");
    lab.good("package demo -d made");
    let files = vec![
        ("/index.yaml".to_owned(), index(&[("demo", "1.0.0", "demo-1.0.0.tgz", "")]).into_bytes()),
        ("/demo-1.0.0.tgz".to_owned(), lab.read("made/demo-1.0.0.tgz")),
    ];
    let _ = rustls::crypto::ring::default_provider().install_default();
    let key = || PrivateKeyDer::from_pem_slice(&lab.read("server.key")).expect("a key");
    let open = ServerConfig::builder().with_no_client_auth().with_single_cert(pem(&lab, "server.pem"), key());
    let mut roots = RootCertStore::empty();
    pem(&lab, "ca.pem").into_iter().for_each(|one| roots.add(one).expect("a root"));
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let strict =
        ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(pem(&lab, "server.pem"), key());
    let open = Secure::start(open.expect("a config"), files.clone());
    let strict = Secure::start(strict.expect("a config"), files);

    let told = lab.bad(&format!("pull demo --repo {}", open.url));
    assert!(told.contains("cannot be reached") && told.to_lowercase().contains("certificate"), "{told}");
    assert!(!lab.path("demo-1.0.0.tgz").exists());
    lab.good(&format!("pull demo --repo {} --ca-file ca.pem", open.url));
    lab.good(&format!("pull demo --repo {} --insecure-skip-tls-verify", open.url));
    let told = lab.bad(&format!("pull demo --repo {} --ca-file client.pem", open.url));
    assert!(told.to_lowercase().contains("certificate"), "{told}");
    lab.bad(&format!("pull demo --repo {} --ca-file none.pem", open.url));

    let shown = "--cert-file client.pem --key-file client.key";
    lab.bad(&format!("pull demo --repo {} --ca-file ca.pem", strict.url));
    lab.good(&format!("pull demo --repo {} --ca-file ca.pem {shown}", strict.url));
    // The same out of helm's list.
    let files = ["ca.pem", "client.pem", "client.key"].map(|name| lab.text_of_path(name));
    let [ca, cert, key] = files;
    lab.write(
        "home/.config/helm/repositories.yaml",
        format!(
            "repositories:\n- {{name: mine, url: \"{}\", caFile: {ca}, certFile: {cert}, keyFile: {key}}}\n",
            strict.url
        ),
    );
    lab.good("template r mine/demo");
}
