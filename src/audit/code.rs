//! Events, outcomes and the stable codes made of them.
//!
//! `DCR010I`: the second digit pair names event and outcome, the letter whether
//! it is information or a refusal. Alerts are written against these codes.

use std::fmt;

use crate::model::facts::Operation;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// An operation of RFC 7591 or RFC 7592.
    Dcr(Operation),
    /// A TLS handshake.
    Handshake,
}

impl Event {
    /// The word of records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dcr(Operation::Register) => "dcr.register",
            Self::Dcr(Operation::Read) => "dcr.read",
            Self::Dcr(Operation::Update) => "dcr.update",
            Self::Dcr(Operation::Delete) => "dcr.delete",
            Self::Handshake => "tls.handshake",
        }
    }

    /// Reads the word of records.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let operations = [Operation::Register, Operation::Read, Operation::Update, Operation::Delete];
        operations.map(Self::Dcr).into_iter().chain([Self::Handshake]).find(|event| event.as_str() == word)
    }

    const fn digit(self) -> u8 {
        match self {
            Self::Dcr(Operation::Register) => 1,
            Self::Dcr(Operation::Read) => 2,
            Self::Dcr(Operation::Update) => 3,
            Self::Dcr(Operation::Delete) => 4,
            Self::Handshake => 5,
        }
    }
}

/// How a decision ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// dcrgate and the identity server said yes.
    Admitted,
    /// dcrgate said no.
    Rejected,
    /// The identity server said no.
    RefusedUpstream,
    /// dcrgate said yes, and the request could not leave: nothing was sent.
    NotSent,
    /// Something was sent, and the identity server did not tell.
    Unknown,
    /// dcrgate stopped between sending and recording.
    Interrupted,
}

impl Outcome {
    /// The word of records and of `audit list outcome:…`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Rejected => "rejected",
            Self::RefusedUpstream => "refused_upstream",
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The code of an event that ended so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub Event, pub Outcome);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.1 {
            Outcome::Admitted => "0I",
            Outcome::Rejected => "0E",
            Outcome::RefusedUpstream => "1E",
            Outcome::NotSent => "4E",
            Outcome::Unknown => "2E",
            Outcome::Interrupted => "3E",
        };
        write!(f, "DCR0{}{end}", self.0.digit())
    }
}

impl serde::Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl serde::Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_stable() {
        let register = Event::Dcr(Operation::Register);
        let cases = [
            (Code(register, Outcome::Admitted), "DCR010I"),
            (Code(register, Outcome::Rejected), "DCR010E"),
            (Code(register, Outcome::RefusedUpstream), "DCR011E"),
            (Code(register, Outcome::Unknown), "DCR012E"),
            (Code(register, Outcome::Interrupted), "DCR013E"),
            (Code(Event::Dcr(Operation::Delete), Outcome::Admitted), "DCR040I"),
            (Code(Event::Handshake, Outcome::Rejected), "DCR050E"),
        ];
        for (code, text) in cases {
            assert_eq!(code.to_string(), text);
            assert_eq!(Event::parse(code.0.as_str()), Some(code.0));
        }
    }
}
