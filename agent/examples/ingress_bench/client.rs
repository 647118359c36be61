//! A client that asks on all connections at once, each the next as soon as it has its answer; one thread, little work.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

/// What is not measured, at the begin.
const WARM: Duration = Duration::from_millis(300);

/// A connection, perhaps with TLS, in which all bytes are read and written by calls that do not wait.
struct Conn {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    begin: Instant,
    held: Vec<u8>,
    /// Bytes of the answer that have not come; nothing before its head has.
    left: Option<usize>,
}

/// Place, whether by TLS, bytes of an answer, connections, milliseconds → requests in all, rate, p50 and p99 in ms.
pub fn run(args: &[&str]) -> Result<()> {
    let [place, is_tls, bytes, connections, time_ms] = args else { bail!("five words") };
    let (place, is_tls): (SocketAddr, bool) = (place.parse()?, is_tls.parse()?);
    let (connections, time): (usize, Duration) = (connections.parse()?, Duration::from_millis(time_ms.parse()?));
    let request = format!(
        "GET /some/path/{bytes} HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\
        Accept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef\r\n\r\n"
    );
    let mut conns: Vec<Conn> = (0..connections).map(|_| Conn::open(place, is_tls)).collect::<Result<_>>()?;
    conns.iter_mut().try_for_each(|conn| conn.ask(request.as_bytes()))?;
    let (begin, mut all, mut took, mut room) = (Instant::now(), 0_u64, Vec::<u32>::new(), vec![0; 256 << 10]);
    loop {
        let mut fds: Vec<PollFd<'_>> =
            conns.iter().map(|conn| PollFd::new(conn.stream.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::from(5000_u16))?;
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        ensure!(ready.iter().any(|ready| *ready), "no answer within 5 s");
        let now = Instant::now();
        if now > begin + WARM + time {
            break;
        }
        for (conn, _) in conns.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            if !conn.read(&mut room)? {
                continue;
            }
            all += 1;
            if conn.begin > begin + WARM {
                took.push(u32::try_from(conn.begin.elapsed().as_micros())?);
            }
            conn.ask(request.as_bytes())?;
        }
    }
    took.sort_unstable();
    let at = |share: usize| f64::from(took[(took.len() - 1) * share / 100]) / 1e3;
    println!("{all} {} {} {}", took.len() as f64 / time.as_secs_f64(), at(50), at(99));
    Ok(())
}

impl Conn {
    fn open(place: SocketAddr, is_tls: bool) -> Result<Self> {
        let mut stream = TcpStream::connect(place)?;
        stream.set_nodelay(true)?;
        let mut tls = None;
        if is_tls {
            let mut session =
                Box::new(ClientConnection::new(Arc::new(trusting()?), ServerName::try_from("bench.test")?)?);
            while session.is_handshaking() {
                session.complete_io(&mut stream)?;
            }
            tls = Some(session);
        }
        stream.set_nonblocking(true)?;
        Ok(Self { stream, tls, begin: Instant::now(), held: Vec::new(), left: None })
    }

    fn ask(&mut self, request: &[u8]) -> Result<()> {
        self.begin = Instant::now();
        match &mut self.tls {
            Some(tls) => {
                tls.writer().write_all(request)?;
                while tls.wants_write() {
                    tls.write_tls(&mut self.stream)?;
                }
            }
            // A request is far smaller than what the kernel takes at once.
            None => self.stream.write_all(request)?,
        }
        Ok(())
    }

    /// Reads what is there; says whether the answer is whole.
    fn read(&mut self, room: &mut [u8]) -> Result<bool> {
        let Some(tls) = &mut self.tls else {
            return match self.stream.read(room) {
                Ok(0) => bail!("the connection ended: {}", String::from_utf8_lossy(&self.held)),
                Ok(size) => self.take(&room[..size]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(error.into()),
            };
        };
        match tls.read_tls(&mut self.stream) {
            Ok(0) => bail!("the connection ended"),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        tls.process_new_packets()?;
        let mut is_whole = false;
        loop {
            let Some(tls) = &mut self.tls else { return Ok(is_whole) };
            match tls.reader().read(room) {
                Ok(size @ 1..) => is_whole = self.take(&room[..size])?,
                Ok(_) => bail!("the connection ended"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(is_whole),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        let left = match self.left {
            Some(left) => left.checked_sub(bytes.len()).context("the answer is too long")?,
            None => {
                self.held.extend_from_slice(bytes);
                let Some(end) = self.held.windows(4).position(|part| part == b"\r\n\r\n") else { return Ok(false) };
                let head = std::str::from_utf8(&self.held[..end])?.to_ascii_lowercase();
                ensure!(head.starts_with("http/1.1 200"), "no 200: {head}");
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                let length: usize = length.context("no length")?.parse()?;
                let here = self.held.len() - end - 4;
                self.held.clear();
                length.checked_sub(here).context("the answer is too long")?
            }
        };
        self.left = Some(left).filter(|left| *left > 0);
        Ok(left == 0)
    }
}

/// Both proxies have a certificate that was made for this run: it is taken as it is.
#[derive(Debug)]
struct Any;

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn trusting() -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(Any)).with_no_client_auth())
}
