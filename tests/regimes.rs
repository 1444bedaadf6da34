//! Every regime over the wire: the cases of each pack, with real certificates, signatures and key sets, against
//! the assembled server.

#![cfg(test)]
use std::sync::Arc;

use dcrgate::model::time::Clock;
use dcrgate::sandbox::clock::WorldClock;
use dcrgate::sandbox::regime::Regime;
use dcrgate::server::Server;

async fn plays(pack: &str) {
    let home = tempfile::tempdir().expect("a directory");
    let clock = Arc::new(WorldClock::default());
    let regime = Regime::create(home.path(), 0, pack, Arc::clone(&clock)).await.expect("a world");
    let server = Server::start(&regime.configuration(), clock as Arc<dyn Clock>).await.expect("the server starts");
    let proxy = *server.addresses().values().next().expect("a listener");
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _dropped = stopped.await;
    }));
    let outcomes = regime.play(proxy).await.expect("it is played");
    let wrong: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| Some(format!("{}: {}", outcome.sent, outcome.difference.as_ref()?)))
        .collect();
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), outcomes.len());
    let admitted = outcomes.iter().filter(|outcome| outcome.status == Some(201)).count();
    assert!(admitted > 0 && admitted < outcomes.len(), "{admitted} of {} admitted", outcomes.len());
    drop(stop);
    running.await.expect("the server ends without a panic");
}

/// One test for each pack, so that they run side by side.
macro_rules! packs {
    ($($test:ident: $name:literal),+ $(,)?) => {
        const PLAYED: &[&str] = &[$(concat!($name, ".toml")),+];

        $(#[tokio::test]
        async fn $test() {
            plays($name).await;
        })+
    };
}

packs![
    cdr_australia: "cdr-australia",
    fapi2: "fapi2",
    mcp: "mcp",
    mobile: "mobile",
    open_finance_brasil: "open-finance-brasil",
    open_insurance_brasil: "open-insurance-brasil",
    portal: "portal",
    psd2_eidas: "psd2-eidas",
    rfc7591: "rfc7591",
    udap: "udap",
    uk_open_banking: "uk-open-banking",
];

#[test]
fn every_pack_is_played() {
    let packs: Vec<&str> = dcrgate::policy::packs::PACKS.iter().map(|(file, _)| *file).collect();
    assert_eq!(PLAYED, packs);
}
