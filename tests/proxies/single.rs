//! Single-use things, quotas and repeated requests under load.

use dcrgate::sandbox::token_issuer::{TokenIssuer, with_tokens};
use http::header::AUTHORIZATION;

use crate::applicant::{Applicant, soon};
use crate::fleet::{Fleet, count, varied};
use crate::postgres::Postgres;
use crate::programs::{self, or_skip};

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_statement_and_a_duplicate_registration_are_caught_whichever_proxy_sees_them() {
    let server = or_skip!(Postgres::shared());
    let fleet = Fleet::on(server.database()).await;
    let mut requests = Vec::new();
    for number in 0..SOFTWARES {
        let mut applicant = Applicant::new(&fleet.world, &format!("replayed {number}"));
        // The same statement in three bodies, and a second statement of the same software.
        requests.extend((0..3).map(|blanks| (applicant.clone(), varied(&applicant, blanks))));
        applicant.state(&fleet.world, |draft| draft.claim("jti", format!("another {number}")));
        requests.push((applicant.clone(), varied(&applicant, 0)));
    }
    let answers = fleet.at_once(requests).await;
    for (number, of_one) in answers.chunks(4).enumerate() {
        let told: Vec<_> = of_one.iter().map(|answer| answer.outcome()).collect();
        assert_eq!(count(of_one, 201), 1, "{number}: {told:?}");
        assert_eq!(count(of_one, 400), 3, "{number}: {told:?}");
    }
    assert_eq!(fleet.world.identity_server.requests().len(), SOFTWARES);
    assert_eq!((fleet.ended("admitted"), fleet.ended("rejected")), (SOFTWARES, SOFTWARES * 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_use_token_registers_one_client_whichever_proxy_sees_it() {
    let server = or_skip!(Postgres::shared());
    let policy = "[checks.registration.duplicates]\nmode = \"off\"\n[checks.token.single-use]\n";
    let fleet = Fleet::with(server.database(), policy, |text| with_tokens(&text, "required", "")).await;
    let issuer = TokenIssuer::publish(&fleet.world.directory).expect("an issuer");
    let mut requests = Vec::new();
    for number in 0..TOKENS {
        let token = issuer.sign(issuer.token(fleet.world.now()).expect("a token")).expect("a token");
        for user in 0..3 {
            let applicant = Applicant::new(&fleet.world, &format!("token {number} {user}"));
            let mut request = varied(&applicant, 0);
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"));
            requests.push((applicant, request));
        }
    }
    let answers = fleet.at_once(requests).await;
    for of_one in answers.chunks(3) {
        let told: Vec<_> = of_one.iter().map(|answer| answer.outcome()).collect();
        assert_eq!((count(of_one, 201), count(of_one, 401)), (1, 2), "{told:?}");
    }
    assert_eq!(fleet.world.identity_server.requests().len(), TOKENS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_counted_over_all_proxies() {
    let server = or_skip!(Postgres::shared());
    let policy = "[checks.registration.duplicates]\nmode = \"off\"\n\
                  [checks.registration.quota]\nlimit = 4\nwindow = \"1h\"\nper = \"certificate\"\n";
    let fleet = Fleet::with(server.database(), policy, |text| text).await;
    let applicant = Applicant::new(&fleet.world, "many clients");
    let requests = (0..12).map(|number| {
        let mut applicant = applicant.clone();
        applicant.state(&fleet.world, |draft| draft.claim("jti", format!("client {number}")));
        (applicant.clone(), varied(&applicant, 0))
    });
    let answers = fleet.at_once(requests.collect()).await;
    let told: Vec<_> = answers.iter().map(|answer| answer.outcome()).collect();
    assert_eq!((count(&answers, 201), count(&answers, 429)), (4, 8), "{told:?}");
    assert!(answers.iter().filter(|answer| answer.status == 429).all(|answer| answer.retry_after.is_some()));
    assert_eq!(fleet.world.identity_server.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_at_two_proxies_makes_one_registration_and_gets_one_answer() {
    let server = or_skip!(Postgres::shared());
    let fleet = Fleet::on(server.database()).await;
    let applicants: Vec<_> =
        (0..SOFTWARES).map(|number| Applicant::new(&fleet.world, &format!("twice {number}"))).collect();
    let twice = applicants
        .iter()
        .flat_map(|applicant| [(applicant.clone(), varied(applicant, 0)), (applicant.clone(), varied(applicant, 0))]);
    let answers = fleet.at_once(twice.collect()).await;
    for (applicant, pair) in applicants.iter().zip(answers.chunks(2)) {
        let told: Vec<_> = pair.iter().map(|answer| answer.outcome()).collect();
        assert!(count(pair, 201) >= 1 && count(pair, 201) + count(pair, 503) == 2, "{told:?}");
        let first = pair.iter().find(|answer| answer.status == 201).expect("a client");
        // Whoever was told to come again gets the answer at any of them.
        for proxy in &fleet.proxies {
            let again = soon(applicant.apply(proxy.address)).await;
            assert_eq!((again.status, &again.bytes, again.id()), (201, &first.bytes, first.id()));
        }
    }
    assert_eq!(fleet.world.identity_server.requests().len(), SOFTWARES);
    assert_eq!(fleet.ended("admitted"), SOFTWARES);
}

const SOFTWARES: usize = 12;
const TOKENS: usize = 8;
