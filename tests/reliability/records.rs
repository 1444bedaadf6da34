//! The ledger as an auditor reads it: beside a running proxy, or after its end.

use std::path::Path;

use dcrgate::audit::view;
use dcrgate::model::binding::Binding;
use dcrgate::model::id::DecisionId;
use dcrgate::store::{Decision, Filter, Reader};
use serde_json::{Map, Value};

/// The chain of the sandbox's writer.
pub(crate) struct Records(Reader);

impl Records {
    pub(crate) fn of(database: &Path) -> Self {
        Self(Reader::open(database).expect("a ledger"))
    }

    /// Every decision, oldest first, after the whole chain was verified and every entry read.
    pub(crate) fn all(&self) -> Vec<Decision> {
        let head = self.0.verify(WRITER).expect("readable").expect("an unbroken chain");
        let everything = Filter { outcome: None, since: None, limit: u32::MAX };
        let mut decisions = self.0.decisions(&everything).expect("decisions");
        decisions.reverse();
        let entries = self.0.entries(WRITER, 0, u32::MAX).expect("entries");
        assert_eq!(entries.len(), usize::try_from(head.seq).expect("a count"));
        for entry in entries {
            let whole: Result<Map<String, Value>, _> = serde_json::from_slice(&entry.body);
            assert!(whole.is_ok(), "entry {} is torn", entry.seq);
        }
        decisions
    }

    /// How each decision ended, oldest first.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        self.all().iter().map(|decision| decision.outcome().to_owned()).collect()
    }

    /// One decision, with the members of both entries.
    pub(crate) fn record(&self, id: DecisionId) -> Map<String, Value> {
        view::join(&self.decision(id))
    }

    pub(crate) fn decision(&self, id: DecisionId) -> Decision {
        self.0.decision(id).expect("readable").expect("a decision on record")
    }

    /// The refused handshakes and summaries: bodies of entries with this `event`.
    pub(crate) fn events(&self, event: &str) -> Vec<Map<String, Value>> {
        let entries = self.0.entries(WRITER, 0, u32::MAX).expect("entries");
        let bodies = entries.iter().map(|entry| serde_json::from_slice::<Map<String, Value>>(&entry.body));
        bodies.map(|body| body.expect("a whole entry")).filter(|body| body["event"] == event).collect()
    }

    /// Who owns a client.
    pub(crate) fn binding(&self, client_id: &str) -> Option<Binding> {
        self.0.binding("identity-server", client_id).expect("readable")
    }
}

/// The sandbox's `[audit] writer`.
const WRITER: &str = "sandbox";
