//! Documents and sections, read with faults.

use super::*;

fn problems(text: &str, read: impl Fn(Section<'_>)) -> Vec<String> {
    let faults = Faults::new();
    let document = Document::parse("t.toml", text, &faults);
    read(document.root(&faults));
    faults.into_problems().iter().map(ToString::to_string).collect()
}

#[test]
fn reports_every_fault_with_its_line() {
    let found = problems("a = 1\nlisten = \"x\"\nwait = \"soon\"\n", |root| {
        assert!(root.text("a").is_none());
        root.text("listener");
        root.duration("wait");
        root.finish();
    });
    assert_eq!(
        found,
        [
            "t.toml:1: `a` has to be a string, not an integer",
            "t.toml:3: `wait` is not a duration (write a number and a unit, such as \"15m\", \"24h\" or \"500ms\")",
            "t.toml:2: unknown key `listen` (did you mean `listener`?)",
        ]
    );
}

#[test]
fn keeps_the_order_of_the_file() {
    let faults = Faults::new();
    let document = Document::parse("t.toml", "[let]\nzeta = \"1\"\nalpha = \"2\"\n", &faults);
    let names: Vec<String> =
        document.root(&faults).section("let").unwrap().text_entries().into_iter().map(|(key, _)| key.value).collect();
    assert_eq!(names, ["zeta", "alpha"]);
}

#[test]
fn syntax_errors_do_not_hide_the_rest() {
    let found = problems("a = \nb = 2\n", |root| {
        root.text("b");
        root.finish();
    });
    assert!(found.iter().any(|problem| problem.starts_with("t.toml:1: ")), "{found:?}");
    assert!(found.iter().any(|problem| problem.contains("`b` has to be a string")), "{found:?}");
}

#[test]
fn an_integer_that_no_setting_can_hold_is_a_fault() {
    let found = problems("most = 9223372036854775807\nleast = -9223372036854775808\n", |root| {
        assert_eq!(root.integer("most", 0..=i64::MAX).map(|found| found.value), Some(i64::MAX));
        assert_eq!(root.integer("least", i64::MIN..=0).map(|found| found.value), Some(i64::MIN));
    });
    assert_eq!(found, [""; 0]);
    let found = problems("a = 1\nb = [9223372036854775808]\n[c]\nd = 0xFFFFFFFFFFFFFFFF\n", |_| {});
    let range = "an integer is from -9223372036854775808 to 9223372036854775807";
    assert_eq!(found, [format!("t.toml:2: {range}"), format!("t.toml:4: {range}")]);
}
