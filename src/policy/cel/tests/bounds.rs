//! What an expression, and a policy, may cost.

use serde_json::json;

use super::*;

#[test]
fn concatenation_does_not_hide_what_a_comprehension_walks() {
    let long = ["request.contacts"; 8].join(" + ");
    let walk = format!("({long}).all(a, ({long}).exists(b, a == b))");
    let refused = ["p.toml:2: the expression may take too long: avoid comprehensions within comprehensions"];
    assert_eq!(faults_of(&walk), refused);
    assert_eq!(faults_of("(request.contacts + request.contacts).all(a, a in request.contacts)"), [""; 0]);
}

#[test]
fn copies_are_counted() {
    let refused = ["p.toml:2: the expression may take too long: avoid comprehensions within comprehensions"];
    let pairs = |of: &str| format!("request.contacts.map(a, request.contacts.map(b, {of}))");
    let lists = ["request.contacts"; 20].join(", ");
    assert_eq!(faults_of(&pairs(&format!("[{lists}]"))), refused);
    assert_eq!(faults_of(&pairs("[a, b, request.contacts]")), refused);
    assert_eq!(faults_of(&pairs(&format!("{{'k': [{lists}]}}"))), refused);
    assert_eq!(faults_of(&pairs("size(request.contacts + request.contacts + request.contacts)")), refused);
    assert_eq!(faults_of(&pairs("request")), refused);
    for cheap in ["b", "b == a", "'b'"] {
        assert_eq!(faults_of(&pairs(cheap)), [""; 0], "{cheap}");
    }
    assert_eq!(faults_of(&format!("[{lists}].all(l, l == request.contacts)")), [""; 0]);
}

#[test]
fn a_parameter_may_be_long_and_is_counted_as_long_as_it_is() {
    let faults = |count: usize| {
        let Value::Object(params) = json!({ "hosts": vec!["h"; count] }) else { unreachable!() };
        let faults = Faults::new();
        let mut builder = Builder::new(Schema::of(&params), &faults);
        builder.expression(located("params.hosts.all(a, params.hosts.exists(b, a == b))"), Scope::Decision);
        builder.finish();
        faults.into_problems().len()
    };
    assert_eq!((faults(100), faults(1000)), (0, 1));
}

#[test]
fn all_expressions_of_a_policy_are_bounded_together() {
    let params = params();
    let faults = Faults::new();
    let mut builder = Builder::new(Schema::of(&params), &faults);
    for _ in 0..40 {
        builder.expression(located("request.contacts.all(a, request.contacts.exists(b, a == b))"), Scope::Decision);
    }
    builder.finish();
    let problems: Vec<String> = faults.into_problems().iter().map(ToString::to_string).collect();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.starts_with("p.toml:2: the expressions of this policy may take too long together: "), "{problem}");
}

/// Without the bound the last name holds a gigabyte, made of sixty bytes.
#[test]
fn names_that_double_each_other_come_to_an_end() {
    for doubled in ["LAST + LAST", "[LAST, LAST]", "{'a': LAST, 'b': LAST}"] {
        let params = params();
        let faults = Faults::new();
        let mut builder = Builder::new(Schema::of(&params), &faults);
        builder.named(located("a0"), located("request.client_name"));
        for index in 1..=24 {
            let source = doubled.replace("LAST", &format!("a{}", index - 1));
            builder.named(located(&format!("a{index}")), located(&source));
        }
        let slots =
            ["size(a8) > 0", "size(a24) > 0"].map(|source| builder.expression(located(source), Scope::Decision));
        let mut compiled = builder.finish();
        let codes = slots.map(|slot| compiled.take(slot).unwrap());
        let request = Map::from_iter([("client_name".to_owned(), Value::from("n".repeat(60)))]);
        let facts = Facts::of(&request, Timestamp::from_unix_seconds(0));
        let mut uses = Uses::default();
        codes.iter().for_each(|code| uses.add(&compiled.library.uses(code)));
        let values = Values::new(&compiled.library, &uses, &facts).unwrap();
        let mut session = Session::new(&compiled.library, &values);
        assert_eq!(session.holds(&codes[0]), Ok(true), "{doubled}");
        let fault = session.holds(&codes[1]).unwrap_err().to_string();
        assert!(fault.starts_with("`a1") && fault.ends_with(" is too large"), "{doubled}: {fault}");
    }
}
