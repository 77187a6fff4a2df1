//! The lab's state as Kubernetes writes it.
//!
//! State goes in, JSON comes out; nothing here decides anything. Shapes and the order of
//! conditions are those of recorded transcripts of Kubernetes 1.36.

mod autoscaler;
mod budget;
mod pod;
mod workload;

use serde_json::{Value, json};

pub(super) use self::{
    autoscaler::{Watched, autoscaler},
    budget::{Budgeted, budget},
    pod::pod,
    workload::{deployment, replica_set, scale},
};
use super::{deployment::Origin, table::seconds};
use crate::time::Time;

/// The lab's one node.
pub(super) const NODE: &str = "lab-node-1";

/// What stays the same as long as the lab runs.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    /// Namespace of everything.
    pub(super) namespace: String,
    /// Name of the deployment and of the container.
    pub(super) app: String,
    /// Whole seconds between two probes, as a manifest can say them.
    pub(super) probe_seconds: u64,
    /// Uid of the deployment.
    pub(super) deployment_uid: String,
    /// When it was created.
    pub(super) created: Time,
}

impl Spec {
    /// Name of a replica set.
    pub(super) fn set_name(&self, origin: &Origin) -> String {
        format!("{}-{}", self.app, origin.hash)
    }

    /// The image the containers claim to run.
    pub(super) fn image() -> &'static str {
        concat!("homeostat.local/lab-pod:v", env!("CARGO_PKG_VERSION"))
    }
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// A namespace.
pub(super) fn namespace(name: &str, uid: String, created: Time) -> Value {
    json!({
        "metadata": {
            "name": name,
            "uid": uid,
            "creationTimestamp": seconds(created),
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

#[cfg(test)]
pub(super) mod testing {
    //! What the tests of several kinds of objects begin with.

    use std::sync::Arc;

    use super::{Origin, Spec};
    use crate::{lab::deployment::Annotations, time::Time};

    pub(crate) const NOW: Time = Time::from_millis(1_795_450_905_500);

    pub(crate) fn spec() -> Spec {
        Spec {
            namespace: "shop".to_owned(),
            app: "api".to_owned(),
            probe_seconds: 1,
            deployment_uid: "deployment".to_owned(),
            created: NOW,
        }
    }

    pub(crate) fn origin() -> Arc<Origin> {
        let (hash, uid) = ("6895588688".to_owned(), "set".to_owned());
        Arc::new(Origin { hash, uid, template: Annotations::new() })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;

    #[test]
    fn a_namespace_reads_as_the_type_of_the_api() {
        let namespace = super::namespace("shop", "u".to_owned(), super::testing::NOW);
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        assert_eq!(namespace.metadata.name.as_deref(), Some("shop"));
    }
}
