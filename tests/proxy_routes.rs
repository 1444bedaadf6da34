//! Routes of kind `proxy`, the edge path: bodies stream both ways, and heads arrive as they left.
//!
//! Behind the proxy stands a server of this test that says exactly what a case needs.

#![cfg(test)]

#[path = "support/gate.rs"]
mod gate;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use dcrgate::sandbox::third_party::Protocol;
use gate::{Gate, PATIENCE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A body that is given piece by piece; a fault breaks it off.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl Pieces {
    fn new() -> (mpsc::Sender<io::Result<Bytes>>, Self) {
        let (sender, receiver) = mpsc::channel(1);
        (sender, Self(receiver))
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

type Answer = Response<BoxBody<Bytes, io::Error>>;

fn whole(bytes: impl Into<Bytes>) -> BoxBody<Bytes, io::Error> {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// A server over HTTP/1.1 that ends with the test.
async fn upstream(answer: impl Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(answer(request))));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

/// A proxy whose `/echo` and `/document` lead to such a server.
async fn proxy(answer: impl Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static) -> Gate {
    let address = upstream(answer).await;
    let route = "\n[[routes]]\npath = \"/document\"\nkind = \"proxy\"\nupstream = \"identity-server\"\n";
    Gate::with(|text| gate::before(address, &text) + route).await
}

/// Sends over a connection of its own and gives the head of the answer, with its body still to come.
async fn send(gate: &Gate, protocol: Protocol, mut request: Request<Pieces>) -> Response<Incoming> {
    let client = gate.world.third_party(None).expect("a client");
    let stream = TokioIo::new(client.handshake(gate.address, protocol).await.expect("a connection"));
    let answer = match protocol {
        Protocol::Http1 => {
            request.headers_mut().insert("host", "localhost".parse().expect("a value"));
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            soon(sender.send_request(request)).await
        }
        Protocol::Http2 => {
            *request.version_mut() = Version::HTTP_2;
            *request.uri_mut() = format!("https://localhost{}", request.uri()).parse().expect("a URI");
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2");
            tokio::spawn(connection);
            soon(sender.send_request(request)).await
        }
    };
    answer.expect("an answer")
}

/// A request without a body, whose answer is read to its end.
async fn ask(gate: &Gate, protocol: Protocol, request: http::request::Builder) -> (http::response::Parts, Bytes) {
    let (_, nothing) = Pieces::new();
    let answer = send(gate, protocol, request.body(nothing).expect("a request")).await;
    let (parts, body) = answer.into_parts();
    (parts, soon(body.collect()).await.expect("a whole body").to_bytes())
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

#[tokio::test(flavor = "multi_thread")]
async fn five_megabytes_go_both_ways_in_lockstep() {
    let gate = proxy(|request| Response::new(request.into_body().map_err(io::Error::other).boxed())).await;
    for protocol in BOTH {
        let (pieces, body) = Pieces::new();
        let request = Request::post("/echo").body(body).expect("a request");
        let mut answer = send(&gate, protocol, request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        // None is sent before the one before has come back: a proxy that waits for the whole waits for ever.
        for index in 0..80_u8 {
            let piece: Bytes = (0..=u8::MAX).map(|at| at ^ index).cycle().take(65_536).collect();
            pieces.send(Ok(piece.clone())).await.expect("the request goes on");
            let mut back = Vec::new();
            while back.len() < piece.len() {
                let frame = soon(answer.frame()).await.expect("more to come").expect("a frame");
                back.extend_from_slice(&frame.into_data().expect("data"));
            }
            assert!(back == piece, "{protocol:?}: piece {index} was changed");
        }
        drop(pieces);
        let rest = soon(answer.into_body().collect()).await.expect("an end").to_bytes();
        assert!(rest.is_empty(), "{protocol:?}: nothing follows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_on_one_side_breaks_off_on_the_other() {
    let (told, mut hears) = mpsc::channel(1);
    let gate = proxy(move |_| {
        let (pieces, body) = Pieces::new();
        told.try_send(pieces).expect("one at a time");
        Response::new(body.boxed())
    })
    .await;
    for protocol in BOTH {
        let (_, nothing) = Pieces::new();
        let mut answer = send(&gate, protocol, Request::get("/echo").body(nothing).expect("a request")).await;
        let pieces = hears.recv().await.expect("the answer's body");
        pieces.send(Ok(Bytes::from_static(b"half"))).await.expect("sent");
        assert_eq!(soon(answer.frame()).await.expect("half").expect("half").into_data().expect("data"), "half");
        pieces.send(Err(io::Error::other("broken"))).await.expect("sent");
        assert!(soon(answer.frame()).await.expect("no end").is_err(), "{protocol:?}: half was told as the whole");

        // A client that hangs up: the identity server does not go on for nobody.
        let (_, nothing) = Pieces::new();
        let answer = send(&gate, protocol, Request::get("/echo").body(nothing).expect("a request")).await;
        let pieces = hears.recv().await.expect("the answer's body");
        drop(answer);
        soon(pieces.closed()).await;
    }
}

const DOCUMENT: &[u8] = b"\x8b\x02\x80not really brotli\x00\xff\x03";

fn document(request: &Request<Incoming>) -> Answer {
    let answer = Response::builder()
        .header("etag", "\"v1\"")
        .header("cache-control", "max-age=60")
        .header("set-cookie", "a=1; Path=/; Secure")
        .header("set-cookie", "b=2; HttpOnly")
        .header("x-own", "kept")
        .header("keep-alive", "timeout=5")
        .header("connection", "keep-alive, x-private")
        .header("x-private", "of this connection");
    if request.headers().get("if-none-match").is_some_and(|tag| tag == "\"v1\"") {
        return answer.status(StatusCode::NOT_MODIFIED).body(whole("")).expect("an answer");
    }
    let answer = answer.header("content-type", "application/json").header("content-encoding", "br");
    if request.uri().query() == Some("unsized") {
        return answer.body(Pieces::new().1.boxed()).expect("an answer");
    }
    let body = if request.method() == Method::HEAD { whole("") } else { whole(DOCUMENT) };
    answer.header("content-length", DOCUMENT.len()).body(body).expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_answers_arrive_as_they_left() {
    let gate = proxy(|request| document(&request)).await;
    for protocol in BOTH {
        let (got, body) = ask(&gate, protocol, Request::get("/document")).await;
        assert_eq!((got.status, &*body), (StatusCode::OK, DOCUMENT), "{protocol:?}");
        let cookies: Vec<_> = got.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; Path=/; Secure", "b=2; HttpOnly"]);
        assert_eq!(
            (&got.headers["content-encoding"], &got.headers["x-own"]),
            (&"br".parse().unwrap(), &"kept".parse().unwrap())
        );
        for gone in ["keep-alive", "connection", "x-private", "transfer-encoding"] {
            assert!(!got.headers.contains_key(gone), "{gone} over {protocol:?}");
        }

        let (head, body) = ask(&gate, protocol, Request::head("/document")).await;
        assert!(body.is_empty());
        assert_eq!(head.headers["content-length"], DOCUMENT.len().to_string(), "{protocol:?}");
        let undated = |mut headers: HeaderMap| {
            headers.remove("date");
            headers
        };
        assert_eq!(undated(head.headers), undated(got.headers), "HEAD tells what GET does, over {protocol:?}");

        let (head, _) = ask(&gate, protocol, Request::head("/document?unsized")).await;
        assert!(!head.headers.contains_key("content-length"), "a length is not made up: {:?}", head.headers);

        let conditional = Request::get("/document").header("if-none-match", "\"v1\"");
        let (unchanged, body) = ask(&gate, protocol, conditional).await;
        assert_eq!((unchanged.status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{protocol:?}");
        assert_eq!(unchanged.headers["etag"], "\"v1\"");
        for made_up in ["content-length", "content-type"] {
            assert!(!unchanged.headers.contains_key(made_up), "{made_up} over {protocol:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_of_requests_arrive_as_they_left() {
    let (told, mut hears) = mpsc::channel(1);
    let gate = proxy(move |request| {
        told.try_send(request.into_parts().0).expect("one at a time");
        Response::new(whole(""))
    })
    .await;
    let kept = [
        ("authorization", "DPoP token"),
        ("dpop", "proof"),
        ("range", "bytes=0-1"),
        ("accept-encoding", "br"),
        ("origin", "https://tpp.example"),
    ];
    let target = "/document?a=1&b=%2F&c=%C3%BC&&d";
    for protocol in BOTH {
        let request = Request::options(target).header("x-list", "1").header("x-list", "2");
        let request = request.header("cookie", "a=1").header("cookie", "b=2; c=3");
        ask(&gate, protocol, kept.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await;
        let seen = hears.recv().await.expect("a request");
        assert_eq!((seen.method, seen.uri.to_string().as_str()), (Method::OPTIONS, target), "{protocol:?}");
        for (name, value) in kept {
            assert_eq!(seen.headers[name], value, "{protocol:?}");
        }
        assert_eq!(seen.headers.get_all("x-list").iter().collect::<Vec<_>>(), ["1", "2"]);
        // RFC 9113 §8.2.3: HTTP/2 may split cookies, HTTP/1.1 knows one field.
        assert_eq!(seen.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"], "{protocol:?}");
    }
}
