//! Floor 3: the ledger. What is recorded of decisions, and when it must be on disk.
//!
//! [`Ledger`] wraps the store with records: it opens admitted decisions (the only
//! way to send anything), closes them, refuses, and counts what strangers cause.
//! [`Operator`] is who acts on the command line, [`Record`] says what is recorded, [`Text`] how a stranger's words are, [`view`]
//! puts the entries of a decision together again. Tokens and bodies are never
//! recorded, nor anything of proxied traffic.

mod code;
mod ledger;
mod note;
mod record;
mod strangers;
mod text;
pub mod view;

pub use code::{Code, Event, Outcome};
pub use ledger::{Admission, CloseError, Conclusion, Ledger, RefuseError, interrupted};
pub use note::{Operator, release};
pub use record::{
    Client, Correlation, Ending, Policy, Record, Request, Response, Signed, Source, Statement, Subject, Template, Tls,
    Token,
};
pub use strangers::StrangerLimits;
pub use text::Text;
