//! Kinds of members one by one; every member through the base policy is in the tests of `policy`.

use super::*;
use serde_json::json;

#[test]
fn the_table_is_sorted_for_the_search() {
    assert!(MEMBERS.is_sorted_by(|a, b| a.name < b.name));
    assert!(MEMBERS.iter().all(|entry| member(entry.name) == Some(entry)));
}

#[test]
fn only_members_for_people_are_localised() {
    assert_eq!(member("client_name#pt-BR").map(|member| member.name), Some("client_name"));
    for name in ["redirect_uris#en", "client_name#", "client_name#a_b", "client_name#en#pt", "Client_Name", "jwks "] {
        assert_eq!(member(name), None, "{name}");
    }
}

#[test]
fn addresses_are_absolute_and_of_the_web() {
    let admits = |text: &str| Kind::Page.admits(&json!(text));
    assert!(admits("https://tpp.example/logo.png"));
    for text in ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "/logo", "https:", "https://a b/", "https:\\\\a", ""] {
        assert!(!admits(text), "{text}");
    }
    assert!(!Kind::Addresses.admits(&json!(["https://a.example/", "data:text/html,x"])));
}

#[test]
fn what_the_identity_server_calls_is_outside() {
    let admits = |text: &str| Kind::Endpoint.admits(&json!(text));
    assert!(admits("https://tpp.example/sector.json") && admits("https://tpp.example:8443?x=@"));
    for text in [
        "http://tpp.example/",
        "HTTPS://tpp.example/",
        "https://169.254.169.254/latest",
        "https://localhost/",
        "https://u@tpp.example/",
        "https:///tpp.example/",
        "https:tpp.example",
    ] {
        assert!(!admits(text), "{text}");
    }
    assert!(!Kind::RequestObjects.admits(&json!(["https://tpp.example/", "https://10.0.0.1/"])));
    assert!(!Kind::Page.admits(&json!("http://127.0.0.1/logo")) && Kind::Page.admits(&json!("http://tpp.example/")));
}

#[test]
fn types_are_not_coerced() {
    assert!(!Kind::Boolean.admits(&json!("true")));
    assert!(!Kind::Texts.admits(&json!("code")));
    assert!(!Kind::Texts.admits(&json!(["code", 1])));
    assert!(!Kind::Text.admits(&json!("line\nfeed")));
    assert!(!Kind::Integer.admits(&json!(-1)));
    assert!(!Kind::Word(&["web"]).admits(&json!("WEB")));
}
