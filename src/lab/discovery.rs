//! What the lab's Kubernetes API serves, and how it says so.

use serde_json::{Value, json};

use super::store::Kind;

/// A group of resources under one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// `v1`, under `/api/v1`
    Core,
    /// `apps/v1`
    Apps,
    /// `events.k8s.io/v1`
    Events,
    /// `policy/v1`
    Policy,
    /// `autoscaling/v2`
    Autoscaling,
}

/// A kind as one group serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// Through which group.
    pub(super) group: Group,
    /// Which kind.
    pub(super) kind: Kind,
}

impl Group {
    /// The group that is served under a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMED.into_iter().find(|group| group.name() == name)
    }

    /// All but the core group, which has no name.
    const NAMED: [Self; 4] = [Self::Apps, Self::Autoscaling, Self::Events, Self::Policy];

    /// Its name; the core group's is empty.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Core => "",
            Self::Apps => "apps",
            Self::Events => "events.k8s.io",
            Self::Policy => "policy",
            Self::Autoscaling => "autoscaling",
        }
    }

    /// Group and version.
    pub(super) fn api_version(self) -> &'static str {
        match self {
            Self::Core => "v1",
            Self::Apps => "apps/v1",
            Self::Events => "events.k8s.io/v1",
            Self::Policy => "policy/v1",
            Self::Autoscaling => "autoscaling/v2",
        }
    }

    /// The one version it is served in.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Core | Self::Apps | Self::Events | Self::Policy => "v1",
            Self::Autoscaling => "v2",
        }
    }

    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Core => &[Kind::Event, Kind::Namespace, Kind::Pod],
            Self::Apps => &[Kind::Deployment, Kind::ReplicaSet],
            Self::Events => &[Kind::Event],
            Self::Policy => &[Kind::Budget],
            Self::Autoscaling => &[Kind::Autoscaler],
        }
    }
}

impl Resource {
    /// The resource a group serves under a plural.
    pub(super) fn named(group: Group, plural: &str) -> Option<Self> {
        let kinds = group.kinds().iter().map(|kind| Self { group, kind: *kind });
        kinds.into_iter().find(|resource| resource.plural() == plural)
    }

    /// Its name in paths.
    pub(super) fn plural(self) -> &'static str {
        match self.kind {
            Kind::Pod => "pods",
            Kind::Event => "events",
            Kind::Namespace => "namespaces",
            Kind::ReplicaSet => "replicasets",
            Kind::Deployment => "deployments",
            Kind::Budget => "poddisruptionbudgets",
            Kind::Autoscaler => "horizontalpodautoscalers",
        }
    }

    /// Its name in objects.
    pub(super) fn kind_name(self) -> &'static str {
        match self.kind {
            Kind::Pod => "Pod",
            Kind::Event => "Event",
            Kind::Namespace => "Namespace",
            Kind::ReplicaSet => "ReplicaSet",
            Kind::Deployment => "Deployment",
            Kind::Budget => "PodDisruptionBudget",
            Kind::Autoscaler => "HorizontalPodAutoscaler",
        }
    }

    fn describe(self) -> Value {
        let short = match self.kind {
            Kind::Pod => "po",
            Kind::Event => "ev",
            Kind::Namespace => "ns",
            Kind::ReplicaSet => "rs",
            Kind::Deployment => "deploy",
            Kind::Budget => "pdb",
            Kind::Autoscaler => "hpa",
        };
        let (verbs, in_all): (&[&str], _) = match self.kind {
            Kind::Pod => (&["delete", "get", "list", "watch"], true),
            Kind::Deployment => (&["get", "list", "patch", "watch"], true),
            Kind::ReplicaSet | Kind::Autoscaler => (&["get", "list", "watch"], true),
            Kind::Event | Kind::Namespace | Kind::Budget => (&["get", "list", "watch"], false),
        };
        let mut resource = json!({
            "name": self.plural(),
            "singularName": self.kind_name().to_lowercase(),
            "namespaced": self.kind != Kind::Namespace,
            "kind": self.kind_name(),
            "verbs": verbs,
            "shortNames": [short],
        });
        if in_all {
            resource["categories"] = json!(["all"]);
        }
        resource
    }

    /// The resources below this one.
    fn below(self) -> Option<Value> {
        match self.kind {
            Kind::Pod => Some(json!({
                "name": "pods/eviction",
                "singularName": "",
                "namespaced": true,
                "group": "policy",
                "version": "v1",
                "kind": "Eviction",
                "verbs": ["create"],
            })),
            Kind::Deployment => Some(json!({
                "name": "deployments/scale",
                "singularName": "",
                "namespaced": true,
                "group": "autoscaling",
                "version": "v1",
                "kind": "Scale",
                "verbs": ["get", "patch", "update"],
            })),
            Kind::Event | Kind::Namespace | Kind::ReplicaSet | Kind::Budget | Kind::Autoscaler => {
                None
            }
        }
    }
}

/// `/version`
pub(super) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": concat!("v1.36.0+homeostat-lab-", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": "loopback/lab",
    })
}

/// `/api`
pub(super) fn core_versions(server: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    })
}

/// `/apis`
pub(super) fn groups() -> Value {
    json!({
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": Group::NAMED.map(bare),
    })
}

/// `/apis/GROUP`
pub(super) fn group(group: Group) -> Value {
    let mut value = bare(group);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    value
}

/// `/api/v1`, `/apis/GROUP/VERSION`
pub(super) fn resources(group: Group) -> Value {
    let kinds = group.kinds().iter().map(|kind| Resource { group, kind: *kind });
    let resources: Vec<Value> = kinds
        .flat_map(|resource| [resource.describe()].into_iter().chain(resource.below()))
        .collect();
    json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group.api_version(),
        "resources": resources,
    })
}

fn bare(group: Group) -> Value {
    let version = json!({"groupVersion": group.api_version(), "version": group.version()});
    json!({"name": group.name(), "versions": [version], "preferredVersion": version})
}
