//! Floor 0: the words of the field as types. Data, names, times, evidence.
//!
//! What belongs here: a value that several modules speak of, its parsing, its
//! comparison and its printed form. What never will: sockets, files, databases,
//! policy, HTTP status codes. The one reader of the wall clock is
//! [`time::SystemClock`]; everything else takes the time as a value.

pub mod address;
pub mod binding;
pub mod certificate;
pub mod claim;
pub mod client_path;
pub mod digest;
pub mod document;
pub mod error_code;
pub mod evidence;
pub mod facts;
pub mod id;
pub mod json;
pub mod key;
pub mod metadata;
pub mod name;
pub mod path;
pub mod peer;
pub mod revocation_list;
pub mod route_path;
pub mod sector;
pub mod statement;
pub mod thumbprint;
pub mod time;
pub mod token;
pub mod trace;
