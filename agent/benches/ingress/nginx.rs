//! nginx with one worker: tuned, or as Debian ships it, in a directory of its own.

use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::Setting;
use crate::process::end;

pub struct Nginx {
    pub places: Vec<SocketAddr>,
    child: Child,
    dir: tempfile::TempDir,
}

impl Nginx {
    pub fn start(
        pods: &[SocketAddr],
        certificate: &rcgen::CertifiedKey<rcgen::KeyPair>,
        setting: Setting,
    ) -> Result<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else { bail!("nginx is not installed") };
        let dir = tempfile::tempdir()?;
        // Its worker is another user, who may have bodies to put aside.
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755))?;
        // Ports that were free a moment ago; nothing else of this program asks for one.
        let free = || -> Result<SocketAddr> { Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?) };
        let (plain, tls) = (free()?, free()?);
        let servers: String = pods.iter().map(|pod| format!("server {pod};")).collect();
        std::fs::write(dir.path().join("cert.pem"), certificate.cert.pem())?;
        std::fs::write(dir.path().join("key.pem"), certificate.signing_key.serialize_pem())?;
        let at = dir.path().display();
        let own = format!(
            "client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c; uwsgi_temp_path {at}/d;
            scgi_temp_path {at}/e; ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;"
        );
        let http = match setting {
            Setting::Tuned => tuned(&servers, "access_log off;"),
            Setting::Logs => tuned(&servers, &format!("access_log {at}/access.log combined buffer=64k flush=1s;")),
            Setting::Debian => debian(&servers, &format!("access_log {at}/access.log;")),
        };
        let Http { connections, http, listen, location } = http;
        let config = format!(
            "daemon off; pid {at}/pid; error_log {at}/error.log; worker_processes 1;
            events {{ worker_connections {connections}; }}
            http {{ {own} {http}
              server {{ listen {plain}{listen}; listen {tls} ssl{listen}; server_name bench.test;
                location / {{ proxy_pass http://pods; {location} }} }} }}"
        );
        let path = dir.path().join("nginx.conf");
        std::fs::write(&path, config)?;
        let mut command = Command::new(program);
        let child = command.arg("-c").arg(&path).arg("-p").arg(dir.path()).stdin(Stdio::null()).stderr(Stdio::null());
        let child = child.spawn().context("nginx does not start")?;
        let begin = Instant::now();
        while std::net::TcpStream::connect(plain).is_err() {
            if begin.elapsed() > Duration::from_secs(20) {
                let log = std::fs::read_to_string(dir.path().join("error.log"));
                bail!("nginx does not listen: {}", log.as_deref().map_or("no log", |text| text));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { places: vec![plain, tls], child, dir })
    }

    /// Its processes: the first one, and the worker.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let first = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children"))?;
        let workers = children.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
        Ok([vec![first], workers].concat())
    }

    /// How much it has logged.
    pub fn log_bytes(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.dir.path().join("access.log"))?.len())
    }
}

/// The parts in which settings differ.
struct Http {
    connections: usize,
    http: String,
    listen: &'static str,
    location: &'static str,
}

/// Connections to the pods are kept, and the pods are told what the Ingress tells them.
fn tuned(servers: &str, log: &str) -> Http {
    Http {
        connections: 4096,
        http: format!(
            "{log} keepalive_requests 100000000; tcp_nodelay on;
            upstream pods {{ {servers} keepalive 128; keepalive_requests 100000000; }}"
        ),
        listen: " reuseport",
        location: "proxy_http_version 1.1; proxy_set_header Connection \"\";
            proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Real-IP $remote_addr;",
    }
}

/// What `/etc/nginx/nginx.conf` of Debian 12 says, but for one worker and for where files are.
fn debian(servers: &str, log: &str) -> Http {
    Http {
        connections: 768,
        http: format!(
            "sendfile on; tcp_nopush on; types_hash_max_size 2048; include /etc/nginx/mime.types;
            default_type application/octet-stream; ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
            ssl_prefer_server_ciphers on; {log} gzip on; upstream pods {{ {servers} }}"
        ),
        listen: "",
        location: "include /etc/nginx/proxy_params;",
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM to the first process ends its workers, too.
        end(&mut self.child);
    }
}
