//! What a decision changes about who owns a client.

use crate::model::binding::Binding;
use crate::model::id::DecisionId;

/// What becomes of a client's binding when a decision ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindingChange {
    /// A client that now exists. It takes the place of what was bound under its id: some identity servers give an
    /// id out again.
    Registered(Box<Binding>),
    /// The client as it now is, bound by the same registration. Nothing where it was deleted meanwhile.
    Updated(Box<Binding>),
    /// A client that existed before it was known here. Nothing where it was bound meanwhile.
    Adopted(Box<Binding>),
    /// The client is gone, and with it the claims that stay for as long as it lives: its slot, live quota.
    Deleted {
        /// The `[upstreams.NAME]`.
        upstream: String,
        /// The client.
        client_id: String,
        /// The decision that registered it and holds the claims.
        decision: DecisionId,
    },
}
