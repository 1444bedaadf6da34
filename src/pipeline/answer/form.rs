//! What is told of a request that cannot be read.

use http::StatusCode;

use super::Told;
use crate::model::error_code::ErrorCode;
use crate::pipeline::decode::{Form, FormFault};

/// The status and text of a fault of form.
pub(super) fn form(fault: &FormFault) -> Told {
    let (status, description) = match fault {
        FormFault::MediaType(Form::Json) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be application/json in UTF-8, without a content coding".to_owned(),
        ),
        FormFault::MediaType(Form::Jws) => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body has to be a signed request as application/jose or application/jwt, without a content coding"
                .to_owned(),
        ),
        FormFault::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than a registration request may be".to_owned())
        }
        FormFault::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time".to_owned()),
        FormFault::Broken => (StatusCode::BAD_REQUEST, "the body broke off".to_owned()),
        FormFault::Json(fault) => (StatusCode::BAD_REQUEST, fault.to_string()),
        FormFault::Jws(fault) => {
            (StatusCode::BAD_REQUEST, format!("the body has to be one JWS in compact form, and it {fault}"))
        }
    };
    Told { status, error: ErrorCode::InvalidRequest, description, retry_after: None }
}
