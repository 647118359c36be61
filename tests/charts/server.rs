//! A small HTTP server on loopback that answers as it is told, and remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// `Basic …` as it came.
    pub authorization: Option<String>,
}

/// What is answered: bytes as they are, after which the connection ends, or, with `holds`, stays open and silent.
pub struct Answer {
    pub bytes: Vec<u8>,
    pub holds: bool,
}

pub fn ok(body: impl AsRef<[u8]>) -> Answer {
    typed("application/octet-stream", body)
}

pub fn typed(kind: &str, body: impl AsRef<[u8]>) -> Answer {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    raw(bytes)
}

/// Without a length, so that only the end of the connection tells.
pub fn unmeasured(body: impl AsRef<[u8]>) -> Answer {
    let mut bytes = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    bytes.extend_from_slice(body.as_ref());
    raw(bytes)
}

pub fn status(line: &str) -> Answer {
    raw(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
}

pub fn moved(to: &str) -> Answer {
    raw(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
}

pub fn raw(bytes: impl Into<Vec<u8>>) -> Answer {
    Answer { bytes: bytes.into(), holds: false }
}

pub fn missing() -> Answer {
    status("404 Not Found")
}

/// The header that a name and a password make.
pub fn basic(pair: &str) -> Option<String> {
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (asked, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, over): (Arc<Mutex<Vec<Asked>>>, _) = (Arc::clone(&asked), is_over.clone());
        let answer = Arc::new(answer);
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            let mut workers = Vec::new();
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                held.push(stream.try_clone().expect("a socket"));
                let (kept, answer) = (kept.clone(), answer.clone());
                workers.push(std::thread::spawn(move || serve(stream, &kept, &*answer)));
            }
            // Whoever is still held is let go.
            for stream in held {
                let _ = stream.shutdown(std::net::Shutdown::Both);
            }
            for worker in workers {
                let _ = worker.join();
            }
        });
        Server { url, asked, is_over, thread: Some(thread) }
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }

    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // The listener wakes up and sees that it is over.
        let _ = TcpStream::connect(self.host());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Answer) {
    // Whoever wants to speak TLS is told so, as plain servers do.
    let mut first = [0];
    if matches!(stream.peek(&mut first), Ok(1)) && first[0] == 0x16 {
        let mut stream = stream;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
        return;
    }
    let Some(asked) = read(&stream) else { return };
    kept.lock().expect("not poisoned").push(asked.clone());
    let Answer { bytes, holds } = answer(&asked);
    let mut stream = stream;
    // Whoever hangs up in the middle has seen enough.
    if stream.write_all(&bytes).is_err() || !holds {
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // Closing with unread bytes would reset the connection before they are read there.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        return;
    }
    // Until the other side or the server's end hangs up.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut authorization = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            authorization = Some(value.to_owned());
        }
    }
    Some(Asked { path, authorization })
}

/// An index with these charts: name, version, URL, digest.
pub fn index(entries: &[(&str, &str, &str, &str)]) -> String {
    let mut out = "apiVersion: v1\nentries:\n".to_owned();
    let mut last = "";
    for (name, version, url, digest) in entries {
        if *name != last {
            out.push_str(&format!("  {name}:\n"));
            last = name;
        }
        out.push_str(&format!(
            "  - apiVersion: v2\n    name: {name}\n    version: {version}\n    urls:\n    - {url}\n"
        ));
        if !digest.is_empty() {
            out.push_str(&format!("    digest: {digest}\n"));
        }
    }
    out.push_str("generated: \"2026-01-01T00:00:00Z\"\n");
    out
}
