//! A public document of the identity server, asked for on our own behalf: nothing of a client's travels.

use std::time::Duration;

use http::header::{ACCEPT, HOST};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use url::Url;

use super::body::Body;
use super::connect::Upstream;
use super::forward::PublicTarget;
use super::gated::{Reply, SendError, Sent};

impl Upstream {
    /// Gets a document of at most so many bytes, all of it within `deadline` and the limit for answers. `headers` say
    /// under which name we are known.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn document(
        &self,
        target: PublicTarget,
        mut headers: HeaderMap,
        bytes: usize,
        deadline: Duration,
    ) -> Result<Reply, SendError> {
        headers.remove(HOST);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let mut outgoing = Request::new(Body::Empty);
        *outgoing.headers_mut() = headers;
        *outgoing.uri_mut() = self.uri(target.into_inner()).ok_or(SendError::address())?;
        let exchange = async {
            let response = self.proxied.request(outgoing).await.map_err(|error| SendError::from_client(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, bytes).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    SendError::TooLarge
                } else {
                    SendError::BrokenOff { sent: Sent::Perhaps }
                }
            })?;
            Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(deadline.min(self.answer_timeout), exchange)
            .await
            .unwrap_or(Err(SendError::TimedOut { sent: Sent::Perhaps }))
    }

    /// Whether two are the same server, whatever they are called.
    pub fn is_same_server(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority == other.authority
    }

    /// Whether a URL leads to this server: host and port.
    pub fn is_at(&self, url: &Url) -> bool {
        let default = if self.scheme == http::uri::Scheme::HTTPS { 443 } else { 80 };
        self.is_on_host_of(url) && url.port_or_known_default() == Some(self.authority.port_u16().unwrap_or(default))
    }

    /// Whether a URL leads to the machine of this server, whatever the port.
    pub fn is_on_host_of(&self, url: &Url) -> bool {
        let plain = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
        url.host_str().is_some_and(|host| plain(host) == plain(self.authority.host()))
    }
}
