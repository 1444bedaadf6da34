//! A request that names a template is laid over it before the route's policy judges.
//!
//! First who asks: the template says which token or certificate it takes. Then
//! what: nothing but what it leaves to its instances. From there on it is a
//! request like any other; of one that is passed on, no more leaves than came.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::caller::Caller;
use super::decide::{Decision, refuse_token};
use super::decode::Sent;
use super::routes::{PolicyUse, RegistrationRoute};
use crate::model::binding::{Binding, MadeFrom};
use crate::model::id::AuthorityName;
use crate::model::metadata;
use crate::model::trace::Trace;
use crate::policy::template::{self, Misplaced, Passage, Template};

/// A template as a deployment uses it.
#[derive(Debug)]
pub struct TemplateUse {
    /// The `[templates.NAME]`.
    pub name: Box<str>,
    /// What its file says.
    pub template: Arc<Template>,
    /// One of these has to vouch for the client certificate; empty where none is asked for.
    pub authorities: Vec<AuthorityName>,
}

/// What a request was made from.
#[derive(Debug, Clone)]
pub struct Made {
    /// The template.
    pub used: Arc<TemplateUse>,
    /// As the client's binding keeps it.
    pub from: MadeFrom,
}

impl Made {
    /// What of the judged metadata travels: all of it or, where the identity server has the template too, what came.
    pub(super) fn leaving(&self, metadata: Map<String, Value>) -> Map<String, Value> {
        let template = &self.used.template;
        match template.mode {
            Passage::Expand => metadata,
            Passage::Pass => {
                let own = |name: &String| self.from.own.contains(name);
                let mut leaving: Map<String, Value> = metadata.into_iter().filter(|(name, _)| own(name)).collect();
                leaving.insert("software_id".to_owned(), Value::String(template.software_id.clone()));
                leaving
            }
        }
    }
}

/// The request as the policy judges it, and what it was made from. One with a software statement, or that names no
/// template of the route, is judged as it came.
///
/// # Errors
/// The refusal, where the template is not for this caller or leaves less to its instances.
pub(super) fn expand(
    caller: &Caller,
    route: &RegistrationRoute,
    policy: &PolicyUse,
    sent: Sent,
) -> Result<(Sent, Option<Made>), Box<Decision>> {
    let Some(used) = named(route, &sent) else { return Ok((sent, None)) };
    let template = &used.template;
    let mut trace = Trace::new();
    if let Err(unfit) = caller.may_use(used, route) {
        refuse_token(&policy.policy, &unfit, &mut trace);
    }
    // All failures in one answer, but what is asked of a caller is not told to who may not ask.
    if trace.failures().next().is_none()
        && let Ok((members, own)) = template.lay(&sent.members, &mut trace)
    {
        let from = MadeFrom { name: used.name.to_string(), digest: template.digest, own };
        return Ok((Sent { members, jws: None }, Some(Made { used: Arc::clone(used), from })));
    }
    let token = caller.token().map(Arc::clone);
    let from = MadeFrom { name: used.name.to_string(), digest: template.digest, own: Vec::new() };
    let made = Some(Made { used: Arc::clone(used), from });
    Err(Box::new(Decision { token, template: made, ..Decision::refused(trace) }))
}

/// An update of a client that was made from a template, as the policy judges it: the client stays what the template
/// made it but for what is left to instances. (RFC 7592 §2.2 has the members that are left out forgotten; those of the
/// template are not the client's to forget.)
///
/// # Errors
/// The refusal, where the request changes more.
pub(super) fn keep(
    templates: &[Arc<TemplateUse>],
    binding: &Binding,
    sent: Sent,
) -> Result<(Sent, Option<Made>), Box<Decision>> {
    let Some(from) = &binding.template else { return Ok((sent, None)) };
    let used = templates.iter().find(|used| *used.name == *from.name);
    // Of a template that is not configured any more, what is the client's own is known.
    let leaves =
        |name: &str| used.map_or_else(|| from.own.iter().any(|own| own == name), |used| used.template.leaves(name));
    let is_fixed = |name: &String| !from.own.contains(name);
    let fixed = binding.metadata.iter().filter(|(name, _)| is_fixed(name));
    let fixed: Map<String, Value> = fixed.map(|(name, value)| (name.clone(), value.clone())).collect();
    // What the server gave out comes back with an update, and does not travel.
    let is_issued = |name: &str| metadata::member(name).is_some_and(|member| member.kind == metadata::Kind::Issued);
    let (issued, said): (Map<String, Value>, Map<String, Value>) =
        sent.members.into_iter().partition(|(name, _)| is_issued(name));
    let mut trace = Trace::new();
    match template::lay(&said, fixed, leaves, &mut trace) {
        Ok((mut members, own)) => {
            members.extend(issued);
            let from = MadeFrom { own, ..from.clone() };
            let made = used.map(|used| Made { used: Arc::clone(used), from });
            Ok((Sent { members, jws: sent.jws }, made))
        }
        Err(Misplaced) => Err(Box::new(Decision::refused(trace))),
    }
}

fn named<'r>(route: &'r RegistrationRoute, sent: &Sent) -> Option<&'r Arc<TemplateUse>> {
    if sent.jws.is_some() || sent.members.get("software_statement").is_some_and(|statement| !statement.is_null()) {
        return None;
    }
    let software = sent.members.get("software_id")?.as_str()?;
    route.templates.iter().find(|used| used.template.software_id == software)
}
