//! What rules looked at, told after the decision.

use super::*;

/// Each rule with what it looked at, as `path=value`, and how many more there are.
fn looked_at(policy: &Policy, request: Value) -> Vec<(String, Vec<String>, usize)> {
    let mut kept = None;
    let (trace, ..) = told(policy, request, |facts| *kept.insert(facts));
    let looked = policy.looked_at(&kept.unwrap(), &trace);
    let told = |looked: &LookedAt| {
        let value = |looked: &Looked| looked.value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
        looked.values.iter().map(|looked| format!("{}={}", looked.path, value(looked))).collect()
    };
    looked.iter().map(|(id, looked)| (id.to_string(), told(looked), looked.more)).collect()
}

fn rule(id: &str, rest: &str) -> String {
    format!("[[rule]]\nid = 'p.{id}'\nerror = 'invalid_client_metadata'\nmessage = 'm'\n{rest}\n")
}

#[test]
fn facts_under_their_path_and_names_with_what_they_came_to() {
    let text = [
        "[let]\nwanted = \"words(metadata.scope)\"\nbroken = \"request.client_uri == 'x'\"\n[forward.defaults]\nscope = 'a b'\n"
            .to_owned(),
        rule("scope", "require = \"wanted.all(metadata, metadata != 'z') && request['x'] == 1 && operation == 'read'\""),
        rule("broken", "require = \"broken\""),
        rule("both", "when = \"has(request.client_name)\"\nrequire = \"size(request.client_name) < now\""),
    ]
    .concat();
    let found = looked_at(&policy(&text), json!({ "x": 2, "client_name": "n" }));
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            ("p.both".to_owned(), texts(&["request.client_name=\"n\"", "now=1795521600"]), 0),
            ("p.broken".to_owned(), texts(&["broken=-"]), 0),
            ("p.scope".to_owned(), texts(&["wanted=[\"a\",\"b\"]", "request['x']=2", "operation=\"register\""]), 0),
        ]
    );
}

#[test]
fn what_did_not_apply_tells_its_condition_and_what_was_held_back_nothing() {
    let text = [
        rule("first", "require = \"has(request.scope)\""),
        rule("second", "after = ['p.first']\nrequire = \"request.scope != 'z'\""),
        rule("third", "when = \"has(request.jwks)\"\nrequire = \"has(request.scope)\""),
    ]
    .concat();
    let found = looked_at(&policy(&text), json!({}));
    let told: Vec<_> = found.iter().map(|(id, values, _)| (id.as_str(), values.concat())).collect();
    let wanted = [("p.first", "request.scope=-"), ("p.second", ""), ("p.third", "request.jwks=-")];
    assert_eq!(told, wanted.map(|(id, values)| (id, values.to_owned())));
}

#[test]
fn eight_are_told_and_the_rest_counted() {
    let names: Vec<String> = (0..10).map(|i| format!("request['m{i}'] == {i}")).collect();
    let text = rule("many", &format!("require = \"{} && request['m0'] == 0\"", names.join(" && ")));
    let found = looked_at(&policy(&text), json!({ "m0": 0, "m9": 9 }));
    assert_eq!((found[0].1.len(), found[0].2), (8, 2));
    assert_eq!((found[0].1[0].as_str(), found[0].1[1].as_str()), ("request['m0']=0", "request['m1']=-"));
}
