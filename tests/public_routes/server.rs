//! An identity server that answers every request alike, counts them, and can be told otherwise at any time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dcrgate::sandbox::third_party::Protocol;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::gate::Gate;

/// Whole lines, as an answer has them.
pub(crate) type Fields = &'static [(&'static str, &'static str)];

#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    status: u16,
    fields: Fields,
    body: String,
    requests: Vec<http::request::Parts>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let state = State { status: 200, fields: &[], body: "{}".to_owned(), requests: Vec::new() };
        let server = Self { address, state: Arc::new(Mutex::new(state)) };
        let this = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let this = this.clone();
                let service = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(this.answer(request))));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service),
                );
            }
        });
        server
    }

    /// What it answers from now on.
    pub(crate) fn say(&self, status: u16, fields: Fields, body: impl Into<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.status, state.fields, state.body) = (status, fields, body.into());
    }

    /// Heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<http::request::Parts> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).requests.clone()
    }

    fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests.push(request.into_parts().0);
        let answer = Response::builder().status(state.status);
        let answer = state.fields.iter().fold(answer, |answer, (name, value)| answer.header(*name, *value));
        answer.body(Full::from(state.body.clone())).expect("an answer")
    }
}

/// Asks the proxy without a certificate.
pub(crate) async fn ask(gate: &Gate, request: http::request::Builder) -> Response<Bytes> {
    let client = gate.world.third_party(None).expect("a client");
    let request = request.body(Bytes::new()).expect("a request");
    client.send(gate.address, Protocol::Http1, request).await.expect("an answer")
}

/// The values of a header, in order.
pub(crate) fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
}
