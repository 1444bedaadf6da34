//! An egress proxy (RFC 9110 §9.3.6) behind which every host is the sandbox's directory.
//!
//! The cases of a policy name the hosts of a real ecosystem. Through this proxy
//! a gate asks them by their names, over TLS, and always meets the directory,
//! whose certificate has to name them all.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::SandboxError;

/// A running egress proxy. It stops, and cuts what is open, when it is dropped.
#[derive(Debug)]
pub struct Egress {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Egress {
    /// Starts on a free port of 127.0.0.1; every tunnel leads to this address.
    ///
    /// # Errors
    /// [`SandboxError::Socket`].
    pub async fn start(directory: SocketAddr) -> Result<Self, SandboxError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            // Dropped with this task, and every tunnel with it.
            let mut tunnels = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while tunnels.try_join_next().is_some() {}
                tunnels.spawn(tunnel(client, directory));
            }
        });
        Ok(Self { address, accepting: accepting.abort_handle() })
    }

    /// Its URL, as `[fetch] proxy` takes it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// An error here is one side's hanging up.
async fn tunnel(client: TcpStream, directory: SocketAddr) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    if !asks_for_a_tunnel(&mut client).await? {
        return client
            .write_all(b"HTTP/1.1 405 Method Not Allowed\r\nallow: CONNECT\r\ncontent-length: 0\r\n\r\n")
            .await;
    }
    let mut directory = TcpStream::connect(directory).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut directory).await?;
    Ok(())
}

/// Reads the head of a request.
async fn asks_for_a_tunnel(client: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<bool> {
    let mut head = client.take(HEAD_LIMIT);
    let mut first = String::new();
    head.read_line(&mut first).await?;
    let mut line = String::new();
    while head.read_line(&mut line).await? > 2 {
        line.clear();
    }
    Ok(first.starts_with("CONNECT "))
}

/// A head of this proxy's clients has two lines.
const HEAD_LIMIT: u64 = 8 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::*;
    use crate::model::time::{Clock as _, SystemClock};
    use crate::net::{FetchSettings, Fetcher, UrlTrust};
    use crate::sandbox::{Authority, Directory, KeyKind, Validity};

    #[tokio::test]
    async fn every_host_is_the_directory() {
        let now = SystemClock.now();
        let servers = Authority::root("Servers", now).unwrap();
        let identity = servers.server(&["keys.example"], KeyKind::Ecdsa, &Validity::current(now)).unwrap();
        let directory = Directory::start(&identity).await.unwrap();
        directory.publish_keys("/a.jwks", &[]);
        let egress = Egress::start(directory.address()).await.unwrap();
        let settings = FetchSettings {
            roots: vec![servers.certificate().clone()],
            proxy: Some(Url::parse(&egress.url()).unwrap()),
            ..FetchSettings::default()
        };
        let fetcher = Fetcher::new(&settings).unwrap();
        let ask = async |url: &str| {
            let url = Url::parse(url).unwrap();
            fetcher.get(&url, UrlTrust::FromStatement, 4096, Duration::from_secs(20)).await
        };
        assert_eq!(ask("https://keys.example/a.jwks").await.unwrap(), r#"{"keys":[]}"#);
        assert!(ask("https://other.example/a.jwks").await.is_err(), "its certificate does not name it");
        assert_eq!(directory.fetches("/a.jwks"), 1);
    }

    #[tokio::test]
    async fn nothing_but_tunnels() {
        let egress = Egress::start((Ipv4Addr::LOCALHOST, 1).into()).await.unwrap();
        let mut client = TcpStream::connect(egress.address).await.unwrap();
        client.write_all(b"GET http://keys.example/ HTTP/1.1\r\nhost: keys.example\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    }
}
