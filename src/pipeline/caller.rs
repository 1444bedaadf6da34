//! Who asks, as far as it is known before a byte of the body is read: certificate and initial access token.
//!
//! They choose the policy of the route that judges. Who passes none of its first
//! gates is refused here, without being read.

use std::sync::Arc;

use http::HeaderMap;

use super::connection::Connection;
use super::decide::{self, Decision, Question, admits_caller, decide};
use super::decode::Sent;
use super::gather;
use super::routes::{Choice, PolicyUse, RegistrationRoute};
use super::snapshot::Snapshot;
use super::template::TemplateUse;
use super::token::{self, Presenter, TokenRule, Unfit};
use crate::model::evidence::{Evidence, Known, Token};
use crate::model::facts::Operation;
use crate::model::id::AuthorityName;
use crate::model::peer::{Judgement, Peer};
use crate::model::time::Timestamp;
use crate::model::token::AccessToken;
use crate::model::trace::{Outcome, Trace};
use crate::policy::Gate;
use crate::store::Standing;

/// What is known of whoever asks.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    peer: Known<(Arc<Peer>, Arc<Judgement>)>,
    token: Known<Token>,
    remote: std::net::IpAddr,
    now: Timestamp,
}

impl Caller {
    /// Reads certificate and token. A token is looked at only when the certificate would do, so that a stranger
    /// causes neither a signature's verification nor a fetch.
    pub(super) async fn gather(
        snapshot: &Snapshot,
        route: &RegistrationRoute,
        connection: &Connection,
        (headers, target): (&HeaderMap, token::Target<'_>),
        now: Timestamp,
    ) -> Self {
        let mut caller = Self {
            peer: gather::peer(connection, snapshot, now),
            token: Known::Absent,
            remote: connection.remote.ip(),
            now,
        };
        if route.policies.iter().any(|policy| caller.may_pass(policy)) {
            let trusted = route.policies.iter().any(|policy| caller.is_trusted_by(policy));
            let presenter = if trusted { Presenter::Trusted } else { Presenter::Stranger(caller.remote) };
            let request = token::Request { headers, target, presenter };
            caller.token = token::gather(snapshot, route.token.as_ref(), &request).await;
        }
        caller
    }

    /// Whoever manages a client: known by the certificate, and by a token that the client's binding is asked about.
    pub(super) fn of_connection(snapshot: &Snapshot, connection: &Connection, now: Timestamp) -> Self {
        let remote = connection.remote.ip();
        Self { peer: gather::peer(connection, snapshot, now), token: Known::Absent, remote, now }
    }

    /// The same caller at a later time: a certificate may have expired, or a reload may distrust its authority.
    pub(super) fn again(&self, snapshot: &Snapshot, connection: &Connection, now: Timestamp) -> Self {
        Self { peer: gather::peer(connection, snapshot, now), token: self.token.clone(), remote: self.remote, now }
    }

    /// The policy that judges, where its first gates let the caller through.
    pub(super) fn policy<'r>(&self, route: &'r RegistrationRoute) -> Option<&'r PolicyUse> {
        let nothing = Sent::nothing();
        self.chosen(route).filter(|policy| admits_caller(&self.question(policy, route, &nothing), &self.evidence()))
    }

    /// Why nothing of the body is read, under the policy that was chosen or, where none is, of the route.
    pub(super) fn refusal<'r>(&self, route: &'r RegistrationRoute) -> Option<(&'r PolicyUse, Decision)> {
        let nothing = Sent::nothing();
        if let Some(policy) = self.chosen(route) {
            return Some((policy, decide(&self.question(policy, route, &nothing), &self.evidence())));
        }
        let policy = route.policies.first()?;
        let mut trace = Trace::new();
        let named = route.policies.iter().filter_map(|policy| policy.choice.authority.clone());
        let named: Vec<_> = named.collect();
        if !named.is_empty() {
            let (outcome, why) = self.without_authority(&named);
            trace.push(policy.policy.gate(Gate::CertificateTrusted), outcome, why);
        }
        if route.policies.iter().any(|policy| policy.choice.token_scope.is_some()) {
            decide::refuse_token(&policy.policy, &self.without_scope(route), &mut trace);
        }
        let token = self.token().map(Arc::clone);
        Some((policy, Decision { token, ..Decision::refused(trace) }))
    }

    /// Whose refusal it is that is recorded.
    pub(super) fn standing(&self, route: &RegistrationRoute) -> Standing {
        let trusted = route.policies.iter().any(|policy| self.is_trusted_by(policy));
        if trusted || matches!(self.valid_token(route.token.as_ref()), Ok(Some(_))) {
            Standing::Trusted
        } else {
            Standing::Stranger
        }
    }

    /// The same without what the token says: whose a proof is that was used before is not known.
    pub(super) fn standing_by_certificate(&self, route: &RegistrationRoute) -> Standing {
        let trusted = route.policies.iter().any(|policy| self.is_trusted_by(policy));
        if trusted { Standing::Trusted } else { Standing::Stranger }
    }

    /// A question of this caller's.
    pub(super) fn question<'q>(
        &self,
        policy: &'q PolicyUse,
        route: &'q RegistrationRoute,
        request: &'q Sent,
    ) -> Question<'q> {
        Question {
            policy: &policy.policy,
            authorities: &policy.authorities,
            operation: Operation::Register,
            remote: Some(self.remote),
            token: route.token.as_ref(),
            request,
            now: self.now,
        }
    }

    /// A question of this caller's about a client that it owns.
    pub(super) fn question_of_owner<'q>(
        &self,
        policy: &'q PolicyUse,
        operation: Operation,
        request: &'q Sent,
    ) -> Question<'q> {
        Question {
            policy: &policy.policy,
            authorities: &policy.authorities,
            operation,
            remote: Some(self.remote),
            token: None,
            request,
            now: self.now,
        }
    }

    /// What is known so far.
    pub(super) fn evidence(&self) -> Evidence {
        Evidence {
            peer: self.peer.clone(),
            token: self.token.clone(),
            statement_key: Known::Absent,
            signer: Known::Absent,
            software_keys: Known::Absent,
            sector: Known::Absent,
            binding: Known::Absent,
        }
    }

    /// The token, where its issuer vouches for it.
    pub(super) fn token(&self) -> Option<&Arc<AccessToken>> {
        match &self.token {
            Known::Value(Token::Vouched(token)) => Some(token),
            _ => None,
        }
    }

    /// The word that tokens of this route have to hold, where this caller's does not.
    pub(super) fn missing_scope<'r>(&self, route: &'r RegistrationRoute) -> Option<&'r str> {
        let wanted = &route.token.as_ref()?.issuer.terms.scope;
        let token = self.token()?;
        (!token::has_scope(&token.claims, wanted)).then_some(wanted)
    }

    /// Whether a certificate or a token says who it is; both are proved by the time that a policy lets the caller
    /// through.
    pub(super) fn is_known(&self) -> bool {
        self.peer.value().is_some() || self.token().is_some()
    }

    /// Whether a template is for this caller: one of its authorities vouches for the certificate, and the token has its
    /// word, where it asks for them.
    pub(super) fn may_use(&self, used: &TemplateUse, route: &RegistrationRoute) -> Result<(), Unfit> {
        let unfit = |gate, why: &str| Err(Unfit { gate, why: why.into() });
        let vouched = || self.peer.value().is_some_and(|(_, judged)| judged.trusted_by(&used.authorities).is_some());
        if !used.authorities.is_empty() && !vouched() {
            return unfit(Gate::CertificateTrusted, "no authority of the template vouches for the certificate");
        }
        let Some(word) = &used.template.token_scope else { return Ok(()) };
        match self.valid_token(route.token.as_ref())? {
            None => unfit(Gate::TokenPresent, "the template takes a token"),
            Some(token) if token::has_scope(&token.claims, word) => Ok(()),
            Some(_) => unfit(Gate::TokenScope, "the template takes another scope"),
        }
    }

    /// The first policy that is for this caller.
    fn chosen<'r>(&self, route: &'r RegistrationRoute) -> Option<&'r PolicyUse> {
        route.policies.iter().find(|policy| self.is_meant(&policy.choice, route.token.as_ref()))
    }

    fn is_meant(&self, choice: &Choice, rule: Option<&TokenRule>) -> bool {
        let by_authority = choice.authority.as_ref().is_none_or(|authority| {
            let judgement = self.peer.value().map(|(_, judgement)| judgement);
            judgement.is_some_and(|judgement| judgement.trusted_by(std::slice::from_ref(authority)).is_some())
        });
        by_authority
            && choice.token_scope.as_ref().is_none_or(|word| match self.valid_token(rule) {
                Ok(Some(token)) => token::has_scope(&token.claims, word),
                Ok(None) | Err(_) => false,
            })
    }

    /// Whether the certificate, or that there is none, is no hindrance.
    pub(super) fn may_pass(&self, policy: &PolicyUse) -> bool {
        self.is_trusted_by(policy) || (!policy.policy.certificate().required && matches!(self.peer, Known::Absent))
    }

    pub(super) fn is_trusted_by(&self, policy: &PolicyUse) -> bool {
        self.peer.value().is_some_and(|(_, judgement)| judgement.trusted_by(&policy.authorities).is_some())
    }

    fn valid_token(&self, rule: Option<&TokenRule>) -> Result<Option<&Arc<AccessToken>>, Unfit> {
        let certificate = self.peer.value().map(|(peer, _)| &peer.certificate.thumbprint);
        token::judge(rule, &self.token, certificate, self.now)
    }

    /// What is said of the certificate where no policy is for the caller: whether one of these authorities trusts it.
    fn without_authority(&self, named: &[AuthorityName]) -> (Outcome, Option<Box<str>>) {
        let why = match &self.peer {
            Known::Absent => "no client certificate was presented".into(),
            Known::Unavailable(why) => (&**why).into(),
            Known::Value((_, judgement)) if judgement.trusted_by(named).is_some() => return (Outcome::Pass, None),
            Known::Value((_, judgement)) => judgement
                .distrust(named)
                .map_or_else(|| "no authority of the route is configured".into(), |why| why.to_string().into()),
        };
        (Outcome::Fail, Some(why))
    }

    /// Why no policy is for the scope of this caller's token.
    fn without_scope(&self, route: &RegistrationRoute) -> Unfit {
        let why = |gate, why: &str| Unfit { gate, why: why.into() };
        match self.valid_token(route.token.as_ref()) {
            Ok(Some(_)) => why(Gate::TokenScope, "no policy of this route is for the token's scope"),
            Ok(None) => why(Gate::TokenPresent, "without a token no policy of this route is for the caller"),
            Err(unfit) => unfit,
        }
    }
}
