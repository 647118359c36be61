//! Pods that answer `/some/path/BYTES` with so many bytes, with as little work as can be.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

struct Conn {
    stream: TcpStream,
    held: Vec<u8>,
    out: Rc<[u8]>,
    at: usize,
}

/// Pods, and the connections to them.
pub struct Pods {
    listeners: Vec<TcpListener>,
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    answers: HashMap<usize, Rc<[u8]>>,
}

impl Pods {
    /// So many of them, on ports that the system chooses. Their tokens begin with 0.
    pub fn new(count: usize, registry: &Registry) -> Result<Self> {
        let mut listeners = Vec::new();
        for at in 0..count {
            let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            registry.register(&mut listener, Token(at), Interest::READABLE)?;
            listeners.push(listener);
        }
        Ok(Self { listeners, conns: Vec::new(), free: Vec::new(), answers: HashMap::new() })
    }

    /// Where they are.
    pub fn places(&self) -> Result<Vec<SocketAddr>> {
        self.listeners.iter().map(|listener| Ok(listener.local_addr()?)).collect()
    }

    /// Something has happened at one of their tokens.
    pub fn ready(&mut self, token: usize, registry: &Registry, room: &mut [u8]) -> Result<()> {
        let Some(at) = token.checked_sub(self.listeners.len()) else { return self.accept(token, registry) };
        if let Some(Some(conn)) = self.conns.get_mut(at)
            && serve(conn, &mut self.answers, room).is_err()
        {
            // A proxy that leaves does it like this.
            self.conns[at] = None;
            self.free.push(at);
        }
        Ok(())
    }

    fn accept(&mut self, listener: usize, registry: &Registry) -> Result<()> {
        while let Ok((mut stream, _)) = self.listeners[listener].accept() {
            stream.set_nodelay(true)?;
            let at = self.free.pop().unwrap_or(self.conns.len());
            let token = Token(self.listeners.len() + at);
            registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            let conn = Some(Conn { stream, held: Vec::new(), out: Rc::default(), at: 0 });
            match self.conns.get_mut(at) {
                Some(place) => *place = conn,
                None => self.conns.push(conn),
            }
        }
        Ok(())
    }
}

fn serve(conn: &mut Conn, answers: &mut HashMap<usize, Rc<[u8]>>, room: &mut [u8]) -> Result<()> {
    if conn.at == conn.out.len() {
        let size = match conn.stream.read(room) {
            Ok(size) => size,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        ensure!(size > 0, "closed");
        conn.held.extend_from_slice(&room[..size]);
        if !conn.held.ends_with(b"\r\n\r\n") {
            return Ok(());
        }
        let line = conn.held.split(|byte| *byte == b' ').nth(1).context("no path")?;
        let bytes: usize = std::str::from_utf8(line)?.rsplit('/').next().context("no size")?.parse()?;
        conn.held.clear();
        let answer = answers.entry(bytes).or_insert_with(|| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nserver: pod\r\ndate: Sat, 21 Nov 2026 15:00:00 GMT\r\ncontent-type: text/plain\r\n\
                cache-control: no-cache\r\ncontent-length: {bytes}\r\n\r\n"
            );
            [head.into_bytes(), vec![b'x'; bytes]].concat().into()
        });
        (conn.out, conn.at) = (answer.clone(), 0);
    }
    while conn.at < conn.out.len() {
        match conn.stream.write(&conn.out[conn.at..]) {
            Ok(size) => conn.at += size,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
