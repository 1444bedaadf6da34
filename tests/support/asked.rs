//! An authorization server's endpoint on loopback that answers each form as it is told, and remembers all of them.
//!
//! Included by the tests that need it with `#[path = "support/asked.rs"] mod asked;`.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A running endpoint; it ends with this value.
pub struct Asked {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    answer: Mutex<Told>,
    requests: watch::Sender<Vec<String>>,
}

/// What it does with a request.
#[derive(Clone)]
pub enum Told {
    /// 200 and this JSON.
    Json(String),
    /// These bytes.
    Raw(String),
    /// Nothing, and the connection stays open.
    Silence,
}

impl Asked {
    /// On a free port of 127.0.0.1, without TLS.
    pub async fn answering(answer: Told) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { answer: Mutex::new(answer), requests: watch::Sender::default() });
        let mut serving = JoinSet::new();
        let of_loop = Arc::clone(&shared);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, Arc::clone(&of_loop)));
            }
        });
        Self { address, shared, _serving: serving }
    }

    /// Where to ask it.
    pub fn url(&self) -> String {
        format!("http://{}/asked", self.address)
    }

    /// Host and port.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the answer from now on.
    pub fn set(&self, answer: Told) {
        *self.shared.answer.lock().expect("an answer") = answer;
    }

    /// Every request so far, head and form as they came.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.borrow().clone()
    }

    /// Waits until so many requests have come.
    pub async fn arrived(&self, count: usize) {
        let mut requests = self.shared.requests.subscribe();
        let waiting = requests.wait_for(|seen| seen.len() >= count);
        let came = tokio::time::timeout(std::time::Duration::from_secs(30), waiting).await;
        assert!(came.is_ok(), "no {count} requests came");
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while !is_whole(&text) {
        match socket.read(&mut part).await {
            Ok(read @ 1..) => text.push_str(&String::from_utf8_lossy(&part[..read])),
            _ => return,
        }
    }
    shared.requests.send_modify(|seen| seen.push(text));
    let answer = shared.answer.lock().expect("an answer").clone();
    let bytes = match answer {
        Told::Json(body) => format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ),
        Told::Raw(bytes) => bytes,
        Told::Silence => std::future::pending().await,
    };
    let _ = socket.write_all(bytes.as_bytes()).await;
    let _ = socket.shutdown().await;
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| body.len() >= length.parse::<usize>().expect("a length"))
}
