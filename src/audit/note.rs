//! Acts of an operator, as notes in the ledger: who did what, and why.

use super::text::Text;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::store::{Entry, EntryEvent, Freeing, Standing};

/// Who works on the command line, as the operating system knows them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Operator {
    /// The number of the account; `None` where the system does not tell.
    pub uid: Option<u32>,
    /// Its name; `None` where the system does not tell.
    pub name: Option<String>,
    /// Who became that account with `sudo`, by their own word.
    pub sudo_user: Option<String>,
}

/// The note of claims that are freed. They are freed in the same transaction.
pub fn release(operator: &Operator, reason: &str, at: Timestamp, what: &Freeing) -> Entry {
    #[derive(serde::Serialize)]
    struct Note<'a> {
        schema: &'static str,
        event: &'static str,
        code: &'static str,
        time: Timestamp,
        operator: &'a Operator,
        reason: Text<'a>,
        decision: DecisionId,
        upstream: Option<Text<'a>>,
        client_id: Option<Text<'a>>,
    }
    let (decision, client) = match what {
        Freeing::Claims(decision) => (*decision, None),
        Freeing::Client { upstream, client_id, decision } => (*decision, Some((upstream, client_id))),
    };
    let note = Note {
        schema: "dcrgate.audit/1",
        event: "operator.release",
        code: "DCR080I",
        time: at,
        operator,
        reason: Text::long(reason),
        decision,
        upstream: client.map(|(upstream, _)| Text::new(upstream)),
        client_id: client.map(|(_, client_id)| Text::long(client_id)),
    };
    let body = serde_json::to_vec(&note).unwrap_or_else(|_| b"null".to_vec());
    Entry { at, event: EntryEvent::Note(body), standing: Standing::Trusted }
}
