//! A path and a body → the answer of the control plane, over one connection that is kept.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use crate::client::error::Error;
use crate::client::locate::{Address, Args};

/// How long a connection and a TLS handshake may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Bytes of an answer at most.
const ANSWER_MAX: usize = 512 * 1024 * 1024;

/// Bytes of one line of a watch at most; an object has at most 1.5 MB.
const LINE_MAX: usize = 16 * 1024 * 1024;

/// The media types of a table, as kubectl asks for it.
pub const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Plain JSON.
pub const JSON: &str = "application/json";

type Sender = SendRequest<Full<Bytes>>;

/// A client of one control plane.
pub struct Rest {
    address: Address,
    authorization: Option<HeaderValue>,
    tls: Option<TlsConnector>,
    /// The connection of the last request, if it can be used again.
    kept: Mutex<Option<Sender>>,
}

/// A connection as bytes.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Rest {
    /// A client of the control plane at `api_url`. The token is that of `MASTHEAD_TOKEN` or of the file `token` in the data
    /// directory, the CA that of its `pki`.
    ///
    /// # Errors
    /// The address is none, or the CA cannot be read.
    pub fn to(api_url: &str, data_dir: Option<&Path>) -> Result<Rest> {
        let address = Address::parse(api_url)?;
        let token = std::env::var("MASTHEAD_TOKEN").ok().filter(|token| !token.is_empty());
        let token = token.or_else(|| std::fs::read_to_string(data_dir?.join("token")).ok());
        let authorization = token
            .map(|token| HeaderValue::from_str(&format!("Bearer {}", token.trim())))
            .transpose()
            .context("the token is no text for a header")?;
        let authorization = authorization.map(|mut value| {
            value.set_sensitive(true);
            value
        });
        let tls = if address.tls { Some(connector(data_dir)?) } else { None };
        Ok(Rest { address, authorization, tls, kept: Mutex::new(None) })
    }

    /// A client of the control plane that flags name.
    ///
    /// # Errors
    /// As [`Rest::to`], or there is none.
    pub fn find(args: &Args) -> Result<Rest> {
        Rest::to(&args.url()?, Some(args.data()))
    }

    /// Where the control plane answers.
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// Reads JSON.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.json(Method::GET, path, JSON, None).await
    }

    /// Reads JSON of a form of its own, such as [`TABLE`].
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn get_as(&self, path: &str, accept: &str) -> Result<Value> {
        self.json(Method::GET, path, accept, None).await
    }

    /// Sends JSON.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.json(Method::POST, path, JSON, Some(body)).await
    }

    /// Deletes, with `DeleteOptions`.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn delete(&self, path: &str, options: &Value) -> Result<Value> {
        self.json(Method::DELETE, path, JSON, Some(options)).await
    }

    /// Reads the objects of a list.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut list = self.get(path).await?;
        Ok(list
            .get_mut("items")
            .map(Value::take)
            .and_then(|items| if let Value::Array(items) = items { Some(items) } else { None })
            .unwrap_or_default())
    }

    /// Reads text.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn text(&self, path: &str) -> Result<String> {
        let body = self.whole(Method::GET, path, "*/*", None).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Begins to read a body that may never end, on a connection of its own.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn stream(&self, path: &str, accept: &str) -> Result<Pieces> {
        self.stream_of(self.request(Method::GET, path, accept, None)?, path).await
    }

    /// Sends JSON and begins to read what comes of it, line by line, on a connection of its own.
    ///
    /// # Errors
    /// Any of [`Error`].
    pub async fn post_and_follow(&self, path: &str, body: &Value) -> Result<Pieces> {
        self.stream_of(self.request(Method::POST, path, JSON, Some(body))?, path).await
    }

    async fn stream_of(&self, request: Request<Full<Bytes>>, path: &str) -> Result<Pieces> {
        let mut sender = self.connect().await?;
        let response = sender.send_request(request).await.map_err(|error| self.unreachable(&error))?;
        let code = response.status();
        let pieces = Pieces {
            body: response.into_body(),
            _sender: Some(sender),
            buffer: BytesMut::new(),
            path: path.to_owned(),
        };
        if code.is_success() { Ok(pieces) } else { Err(Error::of(code.as_u16(), &pieces.collect().await?).into()) }
    }

    /// Asks for another protocol on a connection of its own; the answer is not looked at.
    ///
    /// # Errors
    /// The control plane cannot be reached.
    pub async fn raw(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        self.complete(&mut request);
        let mut sender = self.connect().await?;
        Ok(sender.send_request(request).await.map_err(|error| self.unreachable(&error))?)
    }

    fn unreachable(&self, why: &dyn std::error::Error) -> Error {
        let mut text = why.to_string();
        let mut source = why.source();
        while let Some(inner) = source {
            text.push_str(&format!(": {inner}"));
            source = inner.source();
        }
        Error::Unreachable { url: self.url(), why: text }
    }

    async fn json(&self, method: Method, path: &str, accept: &str, body: Option<&Value>) -> Result<Value> {
        let bytes = self.whole(method, path, accept, body).await?;
        Ok(serde_json::from_slice(&bytes)
            .map_err(|error| Error::Answer { path: path.to_owned(), why: error.to_string() })?)
    }

    async fn whole(&self, method: Method, path: &str, accept: &str, body: Option<&Value>) -> Result<Bytes> {
        let mut kept = self.kept.lock().await;
        // A kept connection may have been closed meanwhile; then the request has not begun and a new one takes it.
        let mut sender = match kept.take().filter(Sender::is_ready) {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let request = self.request(method, path, accept, body)?;
        let response = sender.send_request(request).await.map_err(|error| self.unreachable(&error))?;
        let code = response.status();
        let pieces =
            Pieces { body: response.into_body(), _sender: None, buffer: BytesMut::new(), path: path.to_owned() };
        let bytes = pieces.collect().await?;
        if sender.ready().await.is_ok() {
            *kept = Some(sender);
        }
        if code.is_success() { Ok(bytes) } else { Err(Error::of(code.as_u16(), &bytes).into()) }
    }

    fn request(&self, method: Method, path: &str, accept: &str, body: Option<&Value>) -> Result<Request<Full<Bytes>>> {
        let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let mut request =
            Request::builder().method(method).uri(path).header(header::ACCEPT, accept).body(Full::new(bytes.into()))?;
        if body.is_some() {
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        self.complete(&mut request);
        Ok(request)
    }

    fn complete(&self, request: &mut Request<Full<Bytes>>) {
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(&self.address.authority()) {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("masthead/", env!("CARGO_PKG_VERSION"))));
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
    }

    async fn connect(&self) -> Result<Sender> {
        let late =
            Error::Unreachable { url: self.url(), why: format!("no connection within {} s", CONNECT_MAX.as_secs()) };
        let stream = tokio::time::timeout(CONNECT_MAX, self.dial()).await.map_err(|_| late)??;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.unreachable(&error))?;
        // It ends with its sender; what breaks it is told to the request.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    async fn dial(&self) -> Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect((self.address.host.as_str(), self.address.port))
            .await
            .map_err(|error| self.unreachable(&error))?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::try_from(self.address.host.clone())
            .with_context(|| format!("{:?} is no name of a server", self.address.host))?;
        Ok(Box::new(tls.connect(name, tcp).await.map_err(|error| self.unreachable(&error))?))
    }
}

/// Trusts the CA of the data directory alone.
fn connector(data_dir: Option<&Path>) -> Result<TlsConnector> {
    let Some(data) = data_dir else {
        bail!("https needs the CA of the control plane: give --data with its pki/ca.crt")
    };
    let path = data.join("pki/ca.crt");
    let pem =
        std::fs::read(&path).with_context(|| format!("reading the CA of the control plane, {}", path.display()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&pem)? {
        roots.add(certificate).with_context(|| path.display().to_string())?;
    }
    if roots.is_empty() {
        bail!("{} holds no certificate", path.display());
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().context("the CA is not PEM")
}

/// A body as it comes.
pub struct Pieces {
    body: Incoming,
    /// The connection lives as long as its body.
    _sender: Option<Sender>,
    buffer: BytesMut,
    path: String,
}

impl Pieces {
    /// The next bytes; nothing at the end.
    ///
    /// # Errors
    /// The body broke off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|error| Error::Answer { path: self.path.clone(), why: error.to_string() })?;
            if let Ok(bytes) = frame.into_data()
                && !bytes.is_empty()
            {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// The next line as JSON; nothing at the end.
    ///
    /// # Errors
    /// The body broke off, or a line is too long or no JSON.
    pub async fn line(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(at + 1);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Ok(Some(
                    serde_json::from_slice(&line)
                        .map_err(|error| Error::Answer { path: self.path.clone(), why: error.to_string() })?,
                ));
            }
            if self.buffer.len() > LINE_MAX {
                return Err(Error::Long { path: self.path.clone(), max: LINE_MAX }.into());
            }
            match self.chunk().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }

    async fn collect(mut self) -> Result<Bytes> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.chunk().await? {
            if all.len() + bytes.len() > ANSWER_MAX {
                return Err(Error::Long { path: self.path, max: ANSWER_MAX }.into());
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }
}

/// Percent-encodes a part of a path or a value of a query.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
