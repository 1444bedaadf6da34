//! What a request may lay over a template.

use serde_json::json;

use super::*;

fn template(more: &str) -> Template {
    let text = format!(
        "id = 'app'\nversion = '1'\ntitle = 't'\nsoftware_id = 'app'\nmode = 'expand'\ntoken_scope = 'dcr'\n\
         instance = ['client_name', 'redirect_uris']\n[metadata]\nclient_name = 'App'\nscope = 'openid'\n{more}"
    );
    Template::read("app.toml", &text, &Faults::new()).unwrap()
}

/// Field and detail of each failure.
type Refused = Vec<(Option<String>, String)>;

fn laid(request: &Value) -> Result<(Value, Vec<String>), Refused> {
    let mut trace = Trace::new();
    match template("").lay(request.as_object().unwrap(), &mut trace) {
        Ok((members, own)) => Ok((Value::Object(members), own)),
        Err(Misplaced) => Err(trace
            .failures()
            .map(|step| {
                assert_eq!(&*step.rule.id, "template.members");
                (step.rule.field.as_deref().map(str::to_owned), step.detail.as_deref().unwrap().to_owned())
            })
            .collect()),
    }
}

#[test]
fn what_is_left_to_instances_is_laid_over_and_nothing_else() {
    let (members, own) = laid(&json!({"software_id": "app"})).unwrap();
    assert_eq!((members, own), (json!({"client_name": "App", "scope": "openid", "software_id": "app"}), vec![]));
    let own_name = json!({"software_id": "app", "client_name": "Mine", "client_name#de": "Meins", "scope": null});
    let (members, own) = laid(&own_name).unwrap();
    let expected = json!({"client_name": "Mine", "client_name#de": "Meins", "scope": "openid", "software_id": "app"});
    assert_eq!((members, own), (expected, vec!["client_name".to_owned(), "client_name#de".to_owned()]));

    let refused = laid(&json!({"software_id": "app", "scope": "openid admin", "redirect_uris": "x", "x-y": 1}));
    let told = |field: Option<&str>, detail: &str| (field.map(str::to_owned), detail.to_owned());
    let mut refused = refused.unwrap_err();
    refused.sort();
    assert_eq!(refused, [told(None, "x-y"), told(Some("redirect_uris"), "\"x\""), told(Some("scope"), "scope")]);
}

#[test]
fn a_changed_template_keeps_what_is_the_clients_own() {
    let metadata = json!({"client_name": "Mine", "redirect_uris": ["https://a.example"], "scope": "openid"});
    let metadata = metadata.as_object().unwrap();
    let changed = template("grant_types = ['authorization_code']\n");
    let own = ["client_name".to_owned(), "scope".to_owned()];
    assert_eq!(
        Value::Object(changed.renew(metadata, &own)),
        json!({"client_name": "Mine", "grant_types": ["authorization_code"], "scope": "openid", "software_id": "app"})
    );
    assert_eq!(changed.renew(metadata, &[])["client_name"], "App");
    assert!(!changed.renew(metadata, &[]).contains_key("redirect_uris"));
    assert_ne!(changed.digest, template("").digest);
}
