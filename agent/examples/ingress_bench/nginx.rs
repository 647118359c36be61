//! nginx with one worker and a configuration of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub struct Nginx {
    pub places: Vec<SocketAddr>,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Nginx {
    pub fn start(pods: &[SocketAddr], certificate: &rcgen::CertifiedKey<rcgen::KeyPair>) -> Result<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else { bail!("nginx is not installed") };
        let dir = tempfile::tempdir()?;
        // Ports that were free a moment ago; nothing else of this program asks for one.
        let free = || -> Result<SocketAddr> { Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?) };
        let (plain, tls) = (free()?, free()?);
        let servers: String = pods.iter().map(|pod| format!("server {pod};")).collect();
        let at = dir.path().display();
        std::fs::write(dir.path().join("cert.pem"), certificate.cert.pem())?;
        std::fs::write(dir.path().join("key.pem"), certificate.signing_key.serialize_pem())?;
        let config = format!(
            "daemon off; pid {at}/pid; error_log {at}/error.log; worker_processes 1;
            events {{ worker_connections 4096; }}
            http {{ access_log off; client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;
              uwsgi_temp_path {at}/d; scgi_temp_path {at}/e; keepalive_requests 100000000; tcp_nodelay on;
              ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;
              upstream pods {{ {servers} keepalive 128; keepalive_requests 100000000; }}
              server {{ listen {plain} reuseport; listen {tls} ssl reuseport; server_name bench.test;
                location / {{ proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection \"\";
                  proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
                  proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
                  proxy_set_header X-Forwarded-Port $server_port; proxy_set_header X-Real-IP $remote_addr; }} }} }}"
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
        Ok(Self { places: vec![plain, tls], child, _dir: dir })
    }

    /// Its processes: the first one, and the worker.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let first = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children"))?;
        let workers = children.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
        Ok([vec![first], workers].concat())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM to the first process ends its workers, too.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0));
        if nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).is_ok() {
            let _ = self.child.wait();
        }
    }
}
