//! A pod that answers `/some/path/BYTES` with so many bytes, in one thread with as little work as can be.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

struct Conn {
    stream: TcpStream,
    held: Vec<u8>,
    out: Vec<u8>,
    at: usize,
}

pub fn run() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?);
    let (mut conns, mut answers) = (Vec::<Conn>::new(), HashMap::new());
    let mut room = vec![0; 64 << 10];
    loop {
        let mut fds = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        fds.extend(conns.iter().map(|conn| {
            let wants = if conn.at < conn.out.len() { PollFlags::POLLOUT } else { PollFlags::POLLIN };
            PollFd::new(conn.stream.as_fd(), wants)
        }));
        poll(&mut fds, PollTimeout::NONE)?;
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let mut at = 0;
        conns.retain_mut(|conn| {
            at += 1;
            !ready[at] || serve(conn, &mut answers, &mut room).is_ok()
        });
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            conns.push(Conn { stream, held: Vec::new(), out: Vec::new(), at: 0 });
        }
    }
}

fn serve(conn: &mut Conn, answers: &mut HashMap<usize, Vec<u8>>, room: &mut [u8]) -> Result<()> {
    if conn.at == conn.out.len() {
        let size = conn.stream.read(room)?;
        anyhow::ensure!(size > 0, "closed");
        conn.held.extend_from_slice(&room[..size]);
        let Some(end) = conn.held.windows(4).position(|part| part == b"\r\n\r\n") else { return Ok(()) };
        let line = conn.held.split(|byte| *byte == b' ').nth(1).context("no path")?;
        let bytes: usize = std::str::from_utf8(line)?.rsplit('/').next().context("no size")?.parse()?;
        conn.held.drain(..end + 4);
        let answer = answers.entry(bytes).or_insert_with(|| {
            let head = format!(
                "HTTP/1.1 200 OK\r\nserver: pod\r\ndate: Sat, 21 Nov 2026 15:00:00 GMT\r\ncontent-type: text/plain\r\n\
                cache-control: no-cache\r\ncontent-length: {bytes}\r\n\r\n"
            );
            [head.into_bytes(), vec![b'x'; bytes]].concat()
        });
        conn.out.clear();
        conn.at = 0;
        conn.out.extend_from_slice(answer);
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
