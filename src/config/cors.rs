//! `cors` of a route: which pages of other origins may read its answers (WHATWG Fetch §3.2).

use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::values::{self, DAY, MINUTE};
use crate::headers::cors::{Cors, Origins};
use crate::model::address::is_this_machine;
use crate::model::document::{Located, Section};

/// Reads `cors`. `public`: the route hands out only what everyone may see, or leaves it to the identity server.
pub(super) fn cors(section: &Section<'_>, kind: &str, public: bool) -> Option<Cors> {
    let section = section.section("cors")?;
    section.require("origins");
    let origins = section.texts("origins").and_then(|texts| origins(&section, &texts, kind, public));
    let mut max_age = 10 * MINUTE;
    values::duration(&section, "max_age", Duration::ZERO..=DAY, &mut max_age);
    section.finish();
    Some(Cors::new(origins?, max_age))
}

fn origins(section: &Section<'_>, texts: &[Located<String>], kind: &str, public: bool) -> Option<Origins> {
    let faults = section.faults();
    let refuse = |at: &Located<String>, message: String, help: &str| {
        faults.error(Some(&at.place), message, Some(help.to_owned()));
    };
    if texts.is_empty() {
        let place = section.place_of_key("origins");
        faults.error(Some(&place), "an empty list would allow no page", Some("leave out `cors`".to_owned()));
        return None;
    }
    if let Some(any) = texts.iter().find(|text| text.value == "*") {
        if !public {
            let message = format!("`*` would let every page of the web use a {kind} route");
            refuse(any, message, "name the origins, such as \"https://portal.example\"");
            return None;
        }
        if texts.len() > 1 {
            refuse(any, "`*` stands alone: it includes every origin".to_owned(), "origins = [\"*\"]");
            return None;
        }
        return Some(Origins::Any);
    }
    let written = texts.len();
    let read: Vec<HeaderValue> = texts
        .iter()
        .filter_map(|text| match origin(&text.value) {
            Ok(origin) => Some(origin),
            Err(help) => {
                let message = "not the origin of a page: https and a host, or http on this machine".to_owned();
                refuse(text, message, &help);
                None
            }
        })
        .collect();
    (read.len() == written).then_some(Origins::These(read))
}

/// An origin as browsers write it (RFC 6454 §6.2), or what to write instead.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let example = || "write it as a browser does, such as \"https://portal.example\"".to_owned();
    let url = Url::parse(text).map_err(|_| example())?;
    let secure = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url));
    if !secure || url.host_str().is_none_or(|host| host.contains('*')) {
        return Err(example());
    }
    let canonical = url.origin().ascii_serialization();
    if canonical != text {
        return Err(format!("write \"{canonical}\""));
    }
    HeaderValue::try_from(canonical).map_err(|_| example())
}

#[cfg(test)]
mod tests {
    use crate::config::tests::extended;

    fn on(kind: &str, cors: &str) -> Vec<String> {
        let route = format!("[[routes]]\npath = \"/page\"\nkind = \"{kind}\"\ncors = {cors}\n");
        extended(&(route + if kind == "deny" { "" } else { "upstream = \"idp\"\n" }))
    }

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        assert_eq!(on("proxy", r#"{ origins = ["https://portal.example", "http://localhost:3000"] }"#), [""; 0]);
        assert_eq!(on("proxy", r#"{ origins = ["*"], max_age = "0s" }"#), [""; 0]);
        let wrong = "not the origin of a page: https and a host, or http on this machine";
        let example = "write it as a browser does, such as \"https://portal.example\"";
        for (text, help) in [
            ("https://Portal.example/", "write \"https://portal.example\""),
            ("https://portal.example:443", "write \"https://portal.example\""),
            ("https://portal.example/app", "write \"https://portal.example\""),
            ("http://portal.example", example),
            ("https://*.example", example),
            ("portal.example", example),
            ("null", example),
            ("capacitor://localhost", example),
        ] {
            let found = on("proxy", &format!("{{ origins = [\"https://a.example\", \"{text}\"] }}"));
            assert_eq!(found, [format!("29: {wrong} ({help})")], "{text}");
        }
    }

    #[test]
    fn each_fault_has_its_words() {
        for (kind, cors, expected) in [
            ("proxy", "{}", "29: `origins` is missing in `routes[1].cors`"),
            ("proxy", "{ origins = [] }", "29: an empty list would allow no page (leave out `cors`)"),
            (
                "proxy",
                r#"{ origins = ["*", "https://a.example"] }"#,
                "29: `*` stands alone: it includes every origin (origins = [\"*\"])",
            ),
            (
                "proxy",
                r#"{ origins = ["https://a.example"], max_age = "25h" }"#,
                "29: `max_age` must be from 0s to 24h",
            ),
            (
                "proxy",
                r#"{ orgins = ["https://a.example"], origins = ["*"] }"#,
                "29: unknown key `orgins` (did you mean `origins`?)",
            ),
            ("deny", r#"{ origins = ["*"] }"#, "29: `cors` has no meaning on a deny route"),
        ] {
            assert_eq!(on(kind, cors), [expected]);
        }
        assert_eq!(
            extended("cors = { origins = [\"*\"] }\n"),
            ["26: `*` would let every page of the web use a registration route \
              (name the origins, such as \"https://portal.example\")"]
        );
    }
}
