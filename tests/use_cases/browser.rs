//! As much of a browser as signing in needs: cookies by path, redirects within the site, forms.

use std::net::SocketAddr;

use bytes::Bytes;
use dcrgate::sandbox::ThirdParty;
use dcrgate::sandbox::third_party::Protocol;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Method, Request, Response};
use url::Url;
use url::form_urlencoded::Serializer;

/// A browser that knows one site.
pub(crate) struct Browser<'a> {
    third_party: &'a ThirdParty,
    proxy: SocketAddr,
    site: Url,
    cookies: Vec<Cookie>,
}

struct Cookie {
    path: String,
    name: String,
    value: String,
}

/// Where a chain of redirects ended.
pub(crate) enum Landed {
    /// At a page of the site.
    Page(String),
    /// At another address: an application's.
    Away(Url),
}

/// Redirects in a row; a sign-in has three.
const REDIRECTS: usize = 10;

impl<'a> Browser<'a> {
    /// At this site, reached through the proxy.
    pub(crate) fn at(site: &str, third_party: &'a ThirdParty, proxy: SocketAddr) -> Self {
        Self { third_party, proxy, site: site.parse().expect("a URL"), cookies: Vec::new() }
    }

    /// Opens an address of the site.
    pub(crate) async fn open(&mut self, target: &str) -> Landed {
        let url = self.site.join(target).expect("a URL");
        self.follow(Method::GET, url, String::new()).await
    }

    /// Fills in the form of a page and sends it.
    pub(crate) async fn submit(&mut self, page: &str, fields: &[(&str, &str)]) -> Landed {
        let form = page.split_once("<form").map_or_else(|| panic!("no form: {page}"), |(_, form)| form);
        let url = self.site.join(attribute(form, "action").expect("an action")).expect("a URL");
        let mut body = Serializer::new(String::new());
        let hidden = form.split("<input").skip(1).filter(|input| attribute(input, "type") == Some("hidden"));
        for input in hidden {
            body.append_pair(attribute(input, "name").expect("a name"), attribute(input, "value").unwrap_or(""));
        }
        body.extend_pairs(fields);
        self.follow(Method::POST, url, body.finish()).await
    }

    async fn follow(&mut self, mut method: Method, mut url: Url, mut body: String) -> Landed {
        for _ in 0..REDIRECTS {
            if url.origin() != self.site.origin() {
                return Landed::Away(url);
            }
            let answer = self.send(method, &url, std::mem::take(&mut body)).await;
            self.remember(&url, &answer);
            method = Method::GET;
            if answer.status().is_redirection() {
                let target = answer.headers()[LOCATION].to_str().expect("text");
                url = url.join(target).expect("a URL");
                continue;
            }
            assert_eq!(answer.status(), 200, "{url}: {answer:?}");
            return Landed::Page(String::from_utf8(answer.into_body().to_vec()).expect("text"));
        }
        panic!("more than {REDIRECTS} redirects");
    }

    async fn send(&self, method: Method, url: &Url, body: String) -> Response<Bytes> {
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let mut request = Request::builder().method(method).uri(target);
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|cookie| url.path().starts_with(&cookie.path))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request = request.body(Bytes::from(body)).expect("a request");
        self.third_party.send(self.proxy, Protocol::Http1, request).await.expect("an answer")
    }

    /// RFC 6265 §5.3, as far as one site needs it. One with an empty value is one that is taken back.
    fn remember(&mut self, url: &Url, answer: &Response<Bytes>) {
        for header in answer.headers().get_all(SET_COOKIE) {
            let mut parts = header.to_str().expect("text").split("; ");
            let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
            let path = parts.find_map(|part| part.strip_prefix("path=").or_else(|| part.strip_prefix("Path=")));
            let path = path.unwrap_or(url.path()).to_owned();
            self.cookies.retain(|cookie| cookie.name != name || cookie.path != path);
            if !value.is_empty() {
                self.cookies.push(Cookie { path, name: name.to_owned(), value: value.to_owned() });
            }
        }
    }
}

/// The value of an attribute of the first tag in this text.
fn attribute<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let tag = text.split_once('>').map_or(text, |(tag, _)| tag);
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}
