//! An identity server that keeps the bytes of each request as they came: what no parser of ours has touched.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The bytes, request by request.
pub(crate) struct Tap {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Tap {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let tap = Self { address: listener.local_addr().expect("an address"), seen: Arc::default() };
        let seen = Arc::clone(&tap.seen);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(keep(socket, Arc::clone(&seen)));
            }
        });
        tap
    }

    /// The configuration with this as its identity server.
    pub(crate) fn instead(&self, text: &str) -> String {
        let own = |line: &str| match line.starts_with("url = \"http://") {
            true => format!("url = \"http://{}\"\n", self.address),
            false => format!("{line}\n"),
        };
        text.lines().map(own).collect()
    }

    /// Everything so far, in lower case.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("seen").clone()
    }
}

/// Reads one request to its end as its own head says it, and answers it.
async fn keep(mut socket: TcpStream, seen: Arc<Mutex<Vec<String>>>) {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while !is_whole(&text) {
        match socket.read(&mut part).await {
            Ok(read @ 1..) => text.push_str(&String::from_utf8_lossy(&part[..read]).to_lowercase()),
            _ => break,
        }
    }
    seen.lock().expect("seen").push(text);
    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length.map(|length| length.parse::<usize>().expect("a length")) {
        _ if head.contains("transfer-encoding: chunked") => {
            body.starts_with("0\r\n") || body.contains("\r\n0\r\n") && body.ends_with("\r\n\r\n")
        }
        Some(length) => body.len() >= length,
        None => true,
    }
}
