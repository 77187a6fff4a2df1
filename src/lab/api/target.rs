//! Paths of the Kubernetes API, and what they mean.

use crate::lab::{
    discovery::{Group, Resource},
    store::Kind,
};

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Whether the server is there.
    Alive,
    /// Its version.
    Version,
    /// The versions of the core group.
    CoreVersions,
    /// All other groups.
    Groups,
    /// One of them.
    Group(Group),
    /// The resources of a group.
    Resources(Group),
    /// A resource, in one namespace or in all.
    Many(Resource, Option<String>),
    /// One object, by namespace and name.
    One(Resource, String, String),
    /// What lies below one object.
    Below(Below, String, String),
}

/// The resources below others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    /// `pods/NAME/eviction`
    Eviction,
    /// `deployments/NAME/scale`
    Scale,
}

impl Target {
    /// The meaning of a path, if it has one.
    pub(super) fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match parts.as_slice() {
            ["healthz" | "livez" | "readyz"] => return Some(Self::Alive),
            ["version"] => return Some(Self::Version),
            ["api"] => return Some(Self::CoreVersions),
            ["apis"] => return Some(Self::Groups),
            ["apis", group] => return Group::named(group).map(Self::Group),
            ["api", "v1", rest @ ..] => (Group::Core, rest),
            ["apis", group, version, rest @ ..] => {
                let group = Group::named(group)?;
                if *version != group.version() {
                    return None;
                }
                (group, rest)
            }
            _ => return None,
        };
        let named = |plural| Resource::named(group, plural);
        match *rest {
            [] => Some(Self::Resources(group)),
            [plural] => Some(Self::Many(named(plural)?, None)),
            ["namespaces", name] => {
                Some(Self::One(named("namespaces")?, String::new(), name.to_owned()))
            }
            ["namespaces", namespace, plural] => {
                Some(Self::Many(namespaced(named(plural)?)?, Some(namespace.to_owned())))
            }
            ["namespaces", namespace, plural, name] => {
                Some(Self::One(namespaced(named(plural)?)?, namespace.to_owned(), name.to_owned()))
            }
            ["namespaces", namespace, plural, name, below] => {
                let below = match (named(plural)?.kind, below) {
                    (Kind::Pod, "eviction") => Below::Eviction,
                    (Kind::Deployment, "scale") => Below::Scale,
                    _ => return None,
                };
                Some(Self::Below(below, namespace.to_owned(), name.to_owned()))
            }
            _ => None,
        }
    }
}

fn namespaced(resource: Resource) -> Option<Resource> {
    (resource.kind != Kind::Namespace).then_some(resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_kubernetes() {
        let pods = Resource { group: Group::Core, kind: Kind::Pod };
        let check = |path, want| assert_eq!(Target::of(path), want, "{path}");
        check("/api/v1", Some(Target::Resources(Group::Core)));
        check("/api/v1/pods", Some(Target::Many(pods, None)));
        check("/api/v1/namespaces/a/pods", Some(Target::Many(pods, Some("a".to_owned()))));
        let one = Target::One(pods, "a".to_owned(), "b".to_owned());
        check("/api/v1/namespaces/a/pods/b", Some(one));
        check("/api/v1/namespaces/a/pods/b/log", None);
        let below = |below| Some(Target::Below(below, "a".to_owned(), "b".to_owned()));
        check("/api/v1/namespaces/a/pods/b/eviction", below(Below::Eviction));
        check("/apis/apps/v1/namespaces/a/deployments/b/scale", below(Below::Scale));
        check("/apis/apps/v1/namespaces/a/replicasets/b/scale", None);
        check("/apis/autoscaling/v1", None);
        check("/apis/autoscaling/v2", Some(Target::Resources(Group::Autoscaling)));
        check("/api/v1/namespaces/a/namespaces", None);
        check("/apis/apps/v1/pods", None);
    }
}
