//! The same request again: what makes two requests the same, and the answer that the first one got.

use http::Response;

use super::answer::{Correlation, Refusal, correlate};
use super::carry_out;
use super::registration::Attempt;
use super::routes::PolicyUse;
use crate::model::digest::Digest;
use crate::model::peer::Peer;
use crate::store::Stored;
use crate::upstream::Body;

impl Attempt {
    /// Route, party and body: two requests with the same key are the same request.
    ///
    /// The party is whoever holds client certificate and token or, without either, the certificate that signed the
    /// statement. Without any of them a request is like no other: the same bytes may come from two parties (a
    /// statement that every copy of a program carries), and neither may get the other's secrets.
    pub(super) fn request_key(&self, policy: &PolicyUse, signer: Option<&Peer>) -> Digest {
        let host = self.host.public_base.as_str();
        let id = self.id.to_string();
        let certificate = self.connection.peer().or(signer).map(|party| party.certificate.thumbprint);
        let token = self.caller.token().map(|token| token.digest);
        let party = match (&certificate, &token) {
            (Some(_), _) => "certificate",
            (None, Some(_)) => "token",
            (None, None) => id.as_str(),
        };
        Digest::of_parts(&[
            host.as_bytes(),
            b"\n",
            self.route.path.as_bytes(),
            b"\n",
            policy.policy.id().as_bytes(),
            b"\n",
            party.as_bytes(),
            b"\n",
            certificate.as_ref().map_or(&[], |digest| digest.as_bytes().as_slice()),
            self.body_digest.as_bytes(),
            // Another token is another right, and another quota that it counts against.
            token.as_ref().map_or(&[], |digest| digest.as_bytes().as_slice()),
        ])
    }

    /// The answer that this request got before, or that says why that cannot be told.
    pub(super) async fn answered_before(&self, key: &Digest) -> Option<Response<Body>> {
        match self.recording.ledger.store().answer(key, self.now).await {
            Ok(None) => None,
            Ok(Some(stored)) => Some(self.repeat(stored)),
            Err(error) => Some(self.store_failed(&error)),
        }
    }

    /// The stored answer, under the id of the decision that it was made for.
    pub(super) fn repeat(&self, stored: Stored) -> Response<Body> {
        let sealed = match stored {
            Stored::InProgress => return Refusal::InProgress.answer(self.correlation),
            Stored::Answer(sealed) => sealed,
        };
        match self.recording.sealer.open(&sealed).ok().and_then(|answer| carry_out::unpack(&answer)) {
            Some(mut response) => {
                correlate(response.headers_mut(), Correlation { decision: Some(sealed.decision), ..self.correlation });
                tracing::info!(decision_id = %sealed.decision, "registration repeated, answered as before");
                response
            }
            None => {
                tracing::error!(decision_id = %sealed.decision, "a stored answer does not open");
                Refusal::Internal.answer(self.correlation)
            }
        }
    }
}
