//! What a Kubernetes server answered, in its own words.

use crate::causes::with_causes;

/// An error of the Kubernetes client in one sentence: the server's own when it gave one.
pub(crate) fn words(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return with_causes(error) };
    if status.message.is_empty() {
        format!("status {} {}", status.code, status.reason)
    } else {
        status.message.clone()
    }
}

/// Whether the server understood who we are and said no.
pub(super) fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}
