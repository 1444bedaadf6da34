//! What each gate is, apart from any policy: the words that callers are told, and the settings.

use crate::checks::{About, Fault, WRITES};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Operation;

pub(super) static CERTIFICATE_TRUSTED: About = About {
    id: "certificate.trusted",
    summary: "an authority of the policy trusts the client certificate",
    clause: "RFC 8705 2.1",
    error: ErrorCode::InvalidClient,
    field: None,
    operations: &Operation::ALL,
    faults: &[Fault {
        message: "the client certificate is missing or not trusted here",
        hint: "connect with a valid transport certificate of this ecosystem, and send its intermediate certificates",
    }],
    settings: &[
        ("required", "whether there has to be one; one that is shown has to be trusted all the same (true)"),
        ("pinned", "SHA-256 of the certificates or public keys that are accepted, and no others (any)"),
    ],
};

pub(super) static STATEMENT_PRESENT: About = About {
    id: "statement.present",
    summary: "the request holds a software statement",
    clause: "RFC 7591 3.1.1",
    error: ErrorCode::InvalidSoftwareStatement,
    field: Some("software_statement"),
    operations: WRITES,
    faults: &[Fault {
        message: "software_statement is missing or is not a string",
        hint: "send the software statement that the directory issued for this software",
    }],
    settings: &[("required", "whether there has to be one (true)")],
};

pub(super) static STATEMENT_KEYS: About = About {
    id: "statement.keys",
    summary: "the keys that sign software statements are known",
    clause: "",
    error: ErrorCode::TemporarilyUnavailable,
    field: None,
    operations: WRITES,
    faults: &[Fault {
        message: "the keys of the directory cannot be fetched at the moment",
        hint: "send the same request again later",
    }],
    settings: &[],
};

pub(super) static STATEMENT_SIGNATURE: About = About {
    id: "statement.signature",
    summary: "a key of the directory signed the software statement with an accepted algorithm",
    clause: "RFC 7591 2.3, RFC 7515",
    error: ErrorCode::InvalidSoftwareStatement,
    field: Some("software_statement"),
    operations: WRITES,
    faults: &[Fault {
        message: "the software statement is not signed by the directory",
        hint: "send the software statement exactly as the directory issued it",
    }],
    settings: &[
        ("algorithms", "accepted JWS algorithms"),
        ("signer", "directory: a key of the key set; certificate: the leaf of the header's x5c (directory)"),
        ("key_set", "role of the key set, which the deployment fills (statement)"),
    ],
};

pub(super) static STATEMENT_CERTIFICATE: About = About {
    id: "statement.certificate",
    summary: "an authority of the policy trusts the certificate that signed the software statement",
    clause: "RFC 7515 4.1.6",
    error: ErrorCode::UnapprovedSoftwareStatement,
    field: Some("software_statement"),
    operations: WRITES,
    faults: &[Fault {
        message: "the certificate that signed the software statement is not trusted here",
        hint: "sign with a valid certificate of this trust community, and put its chain into x5c, leaf first",
    }],
    settings: &[],
};

pub(super) static REQUEST_KEYS: About = About {
    id: "request.keys",
    summary: "the keys that sign the software's requests are known",
    clause: "",
    error: ErrorCode::TemporarilyUnavailable,
    field: None,
    operations: WRITES,
    faults: &[Fault {
        message: "the key set of the software cannot be fetched at the moment",
        hint: "send the same request again later",
    }],
    settings: &[],
};

pub(super) static REQUEST_SIGNATURE: About = About {
    id: "request.signature",
    summary: "the body is a compact JWS, which a key of the software signed with an accepted algorithm",
    clause: "RFC 7515, RFC 8725 3.1",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: WRITES,
    faults: &[Fault {
        message: "the request is not signed by a key of the software",
        hint: "sign the request with a key of the key set that the software statement names, and send no key with it",
    }],
    settings: &[
        ("algorithms", "accepted JWS algorithms"),
        ("claim", "claim of the statement that holds the address of the software's key set"),
        ("fetch_hosts", "hosts from which a key set may be fetched"),
    ],
};
