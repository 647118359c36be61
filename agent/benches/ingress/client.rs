//! A connection of the client: a request, and its answer read to the end.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};

/// A connection, perhaps with TLS, in which all bytes are read and written by calls that do not wait.
pub struct Conn {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// When its request was begun.
    pub begin: Instant,
    /// The proxy takes no other request on it.
    pub is_last: bool,
    held: Vec<u8>,
    /// Bytes of the answer that have not come; nothing before its head has.
    left: Option<usize>,
    /// The head that came last, and the length it says: most are the same for a second.
    known: (Vec<u8>, usize),
}

impl Conn {
    /// Opens one; its events have this token.
    pub fn open(place: SocketAddr, is_tls: bool, token: usize, registry: &Registry) -> Result<Self> {
        let mut stream = std::net::TcpStream::connect(place)?;
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
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, Token(token), Interest::READABLE)?;
        Ok(Self {
            stream,
            tls,
            begin: Instant::now(),
            is_last: false,
            held: Vec::new(),
            left: None,
            known: Default::default(),
        })
    }

    /// Asks.
    pub fn ask(&mut self, request: &[u8]) -> Result<()> {
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

    /// Reads all that is there; says whether the answer is whole.
    pub fn read(&mut self, room: &mut [u8]) -> Result<bool> {
        let mut is_whole = false;
        loop {
            let read = match &mut self.tls {
                Some(tls) => tls.read_tls(&mut self.stream),
                None => self.stream.read(room),
            };
            let size = match read {
                Ok(0) => bail!("the connection ended: {}", String::from_utf8_lossy(&self.held)),
                Ok(size) => size,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(is_whole),
                Err(error) => return Err(error.into()),
            };
            if self.tls.is_some() {
                is_whole |= self.take_tls(room)?;
                continue;
            }
            is_whole |= self.take(&room[..size])?;
            if size < room.len() {
                return Ok(is_whole);
            }
        }
    }

    fn take_tls(&mut self, room: &mut [u8]) -> Result<bool> {
        let mut is_whole = false;
        while let Some(tls) = &mut self.tls {
            tls.process_new_packets()?;
            match tls.reader().read(room) {
                Ok(size @ 1..) => is_whole |= self.take(&room[..size])?,
                Ok(_) => bail!("the connection ended"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(is_whole)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<bool> {
        let left = match self.left {
            Some(left) => left.checked_sub(bytes.len()).context("the answer is too long")?,
            None if self.held.is_empty() && !self.known.0.is_empty() && bytes.starts_with(&self.known.0) => {
                let here = bytes.len() - self.known.0.len();
                self.known.1.checked_sub(here).context("the answer is too long")?
            }
            None => {
                self.held.extend_from_slice(bytes);
                let Some(end) = self.held.windows(4).position(|part| part == b"\r\n\r\n") else { return Ok(false) };
                let head = std::str::from_utf8(&self.held[..end])?.to_ascii_lowercase();
                ensure!(head.starts_with("http/1.1 200"), "no 200: {head}");
                let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                let length: usize = length.context("no length")?.parse()?;
                self.is_last = head.contains("connection: close");
                let here = self.held.len() - end - 4;
                self.held.truncate(end + 4);
                self.known = (std::mem::take(&mut self.held), length);
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
