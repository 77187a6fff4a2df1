//! The lab's Kubernetes API: enough for `kubectl get`, `kubectl delete` and `kube`.
//!
//! Read: get, list and watch, as objects or as tables. Changed: pods, by DELETE. Pages are not
//! cut: a list has at most a few hundred objects, and a server may answer a limit with more.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Query, Request as HttpRequest, State},
    http::{HeaderMap, Method, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    cluster::{Cluster, Refusal, Wish},
    discovery::{self, Group, Resource},
    selector::{FieldSelector, LabelSelector},
    status::Failure,
    store::Kind,
    table::{self, Include},
    watch::{self, Filter, Shape, shown},
};

/// The largest `DeleteOptions` read.
const LARGEST_BODY: usize = 1 << 16;

/// The API server's state.
pub(super) struct Api {
    cluster: Arc<Cluster>,
    address: String,
    stop: CancellationToken,
}

impl Api {
    /// An API over a cluster, which ends its watches at `stop`.
    pub(super) fn new(
        cluster: Arc<Cluster>,
        address: String,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { cluster, address, stop })
    }

    /// All paths.
    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new().fallback(answer).with_state(self)
    }

    fn list(&self, resource: Resource, query: &Params, filter: &Filter, shape: Shape) -> Answer {
        let kind = resource.kind;
        let (version, objects) = self.cluster.store.list(kind);
        match query.version()? {
            Some(asked) if asked > version => return Err(Failure::future_version(asked, version)),
            Some(asked) if asked < version && query.is("resourceVersionMatch", "Exact") => {
                return Err(Failure::expired_list());
            }
            Some(_) | None => {}
        }
        if query.get("continue").is_some() {
            let message = "invalid continue token: continue key is not valid".to_owned();
            return Err(Failure::bad_request(message));
        }
        let objects: Vec<&Value> = objects
            .iter()
            .map(|object| &**object)
            .filter(|object| filter.matches(object))
            .collect();
        let version = version.to_string();
        let list = match shape {
            Shape::Table(include) => {
                table::table(kind, &objects, &version, include, self.cluster.now())
            }
            Shape::Object => {
                let items = objects.into_iter().map(|object| {
                    let mut item = shown(resource, object);
                    if let Value::Object(fields) = &mut item {
                        // The list names them once for all its items.
                        fields.remove("kind");
                        fields.remove("apiVersion");
                    }
                    item
                });
                json!({
                    "kind": format!("{}List", resource.kind_name()),
                    "apiVersion": resource.group.api_version(),
                    "metadata": {"resourceVersion": version},
                    "items": items.collect::<Vec<_>>(),
                })
            }
        };
        Ok(Json(list).into_response())
    }

    fn watch(&self, resource: Resource, query: &Params, filter: Filter, shape: Shape) -> Answer {
        let from = query.version()?;
        let newest = self.cluster.store.version();
        if let Some(asked) = from
            && asked > newest
        {
            return Err(Failure::future_version(asked, newest));
        }
        let initial_events = query.is_true("sendInitialEvents");
        let request = watch::Request {
            resource,
            filter,
            shape,
            from: if initial_events { None } else { from },
            initial_events,
            bookmarks: query.is_true("allowWatchBookmarks"),
            timeout: query.number("timeoutSeconds")?.map(Duration::from_secs),
        };
        let body = watch::body(Arc::clone(&self.cluster), request, self.stop.clone());
        Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
    }

    fn get(&self, resource: Resource, namespace: &str, name: &str, shape: Shape) -> Answer {
        let object = self.object(resource, namespace, name)?;
        Ok(Json(match shape {
            Shape::Object => shown(resource, &object),
            Shape::Table(include) => {
                let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                table::table(resource.kind, &[&object], version, include, self.cluster.now())
            }
        })
        .into_response())
    }

    fn delete(&self, resource: Resource, namespace: &str, name: &str, wish: &Wish) -> Answer {
        if resource.kind != Kind::Pod {
            return Err(Failure::not_allowed());
        }
        let before = self.object(resource, namespace, name)?;
        self.cluster.delete(name, wish).map_err(|refusal| match refusal {
            Refusal::NotFound => Failure::no_object("pods", "", name),
            Refusal::Precondition(why) => Failure::conflict("pods", name, &why),
        })?;
        let after = self.object(resource, namespace, name).unwrap_or(before);
        Ok(Json(shown(resource, &after)).into_response())
    }

    fn object(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Value>, Failure> {
        self.cluster
            .store
            .get(resource.kind, namespace, name)
            .ok_or_else(|| Failure::no_object(resource.plural(), resource.group.name(), name))
    }
}

type Answer = Result<Response, Failure>;

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Alive,
    Version,
    CoreVersions,
    Groups,
    Group(Group),
    Resources(Group),
    /// A resource, in one namespace or in all.
    Many(Resource, Option<String>),
    One(Resource, String, String),
}

impl Target {
    fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match parts.as_slice() {
            ["healthz" | "livez" | "readyz"] => return Some(Self::Alive),
            ["version"] => return Some(Self::Version),
            ["api"] => return Some(Self::CoreVersions),
            ["apis"] => return Some(Self::Groups),
            ["apis", group] => return Group::named(group).map(Self::Group),
            ["api", "v1", rest @ ..] => (Group::Core, rest),
            ["apis", group, "v1", rest @ ..] => (Group::named(group)?, rest),
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
            _ => None,
        }
    }
}

fn namespaced(resource: Resource) -> Option<Resource> {
    (resource.kind != Kind::Namespace).then_some(resource)
}

async fn answer(
    State(api): State<Arc<Api>>,
    Query(query): Query<HashMap<String, String>>,
    request: HttpRequest,
) -> Response {
    let query = Params(query);
    respond(&api, &query, request).await.unwrap_or_else(Failure::into_response)
}

async fn respond(api: &Api, query: &Params, request: HttpRequest) -> Answer {
    let target = Target::of(request.uri().path()).ok_or_else(Failure::no_resource)?;
    if request.method() == Method::DELETE {
        let Target::One(resource, namespace, name) = target else {
            return Err(Failure::not_allowed());
        };
        let wish = wish(query, request).await?;
        return api.delete(resource, &namespace, &name, &wish);
    }
    if request.method() != Method::GET {
        return Err(Failure::not_allowed());
    }
    let shape = shape(request.headers(), query);
    Ok(match target {
        Target::Alive => "ok".into_response(),
        Target::Version => Json(discovery::version()).into_response(),
        Target::CoreVersions => Json(discovery::core_versions(&api.address)).into_response(),
        Target::Groups => Json(discovery::groups()).into_response(),
        Target::Group(group) => Json(discovery::group(group)).into_response(),
        Target::Resources(group) => Json(discovery::resources(group)).into_response(),
        Target::One(resource, namespace, name) => api.get(resource, &namespace, &name, shape)?,
        Target::Many(resource, namespace) => {
            let labels = query.get("labelSelector").unwrap_or_default();
            let labels = LabelSelector::parse(labels).map_err(|part| {
                Failure::bad_request(format!("unable to parse requirement: {part}"))
            })?;
            let fields = query.get("fieldSelector").unwrap_or_default();
            let fields =
                FieldSelector::parse(fields, resource.kind).map_err(Failure::bad_request)?;
            let filter = Filter { namespace, labels, fields };
            if query.is_true("watch") {
                api.watch(resource, query, filter, shape)?
            } else {
                api.list(resource, query, &filter, shape)?
            }
        }
    })
}

/// A table, if the caller asks for one before anything else it can read.
fn shape(headers: &HeaderMap, query: &Params) -> Shape {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let wants_table = accept.is_some_and(|accept| accept.contains("as=Table;v=v1;"));
    if !wants_table {
        return Shape::Object;
    }
    Shape::Table(match query.get("includeObject") {
        Some("None") => Include::Nothing,
        Some("Object") => Include::Object,
        Some(_) | None => Include::Metadata,
    })
}

/// `DeleteOptions`, as far as the lab knows them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawWish {
    grace_period_seconds: Option<i64>,
    preconditions: RawPreconditions,
    dry_run: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPreconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

/// Reads a deletion's options from its body, and what the query adds to them.
async fn wish(query: &Params, request: HttpRequest) -> Result<Wish, Failure> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("application/json").to_owned();
    let body = to_bytes(request.into_body(), LARGEST_BODY).await;
    let body = body.map_err(|error| Failure::bad_request(error.to_string()))?;
    let raw = if body.is_empty() {
        RawWish::default()
    } else if kind.starts_with("application/json") {
        serde_json::from_slice(&body).map_err(|error| Failure::bad_request(error.to_string()))?
    } else {
        // kubectl and kube send JSON; a client of Go may send protobuf.
        return Err(Failure::unsupported(&kind));
    };
    // As in Kubernetes, a negative grace is one second, and never "at once".
    let said = raw.grace_period_seconds.map(|grace| u64::try_from(grace).unwrap_or(1));
    let grace = match said {
        Some(grace) => Some(grace),
        None => query.number("gracePeriodSeconds")?,
    };
    Ok(Wish {
        grace,
        uid: raw.preconditions.uid,
        version: raw.preconditions.resource_version,
        dry_run: !raw.dry_run.is_empty() || query.get("dryRun").is_some(),
    })
}

/// The parameters of a query.
struct Params(HashMap<String, String>);

impl Params {
    /// A parameter that is there and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    fn is_true(&self, name: &str) -> bool {
        self.is(name, "true") || self.is(name, "1")
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse();
        number.map(Some).map_err(|_error| Failure::bad_request(format!("{name}: `{text}`")))
    }

    /// The version asked for. None and 0 mean any.
    fn version(&self) -> Result<Option<u64>, Failure> {
        match self.get("resourceVersion") {
            None | Some("0") => Ok(None),
            Some(text) => match text.parse() {
                Ok(version) => Ok(Some(version)),
                Err(_) => Err(Failure::bad_version(text)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;
    use crate::{
        clock::Clock,
        lab::{LabPlan, serve::Bound},
        time::Time,
    };

    /// An API over a cluster of one pod, and the pod's name.
    fn api() -> (Arc<Api>, String) {
        let plan = LabPlan::new("homeostat".into(), "dir".into());
        let cluster = Arc::new(Cluster::new(&plan, Clock::starting_at(Time::from_millis(0))));
        let (name, _orders) = cluster.create_pod();
        (Api::new(cluster, String::new(), CancellationToken::new()), name)
    }

    /// Sends a request and returns code and body.
    async fn send(api: &Arc<Api>, method: &str, path: &str, body: &str) -> (u16, Value) {
        let uri: axum::http::Uri = path.parse().unwrap();
        let query = Query::<HashMap<String, String>>::try_from_uri(&uri).unwrap();
        let request = HttpRequest::builder().method(method).uri(uri);
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = answer(State(Arc::clone(api)), query, request).await;
        let code = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (code, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    #[tokio::test]
    async fn a_list_has_what_was_asked_for_and_says_its_version() {
        let (api, name) = api();
        let (code, list) =
            send(&api, "GET", "/api/v1/namespaces/shop/pods?labelSelector=app%3Dapi", "").await;
        assert_eq!((code, &list["kind"]), (200, &json!("PodList")));
        assert_eq!(list["items"][0]["metadata"]["name"], name);
        assert_eq!(list["metadata"]["resourceVersion"], api.cluster.store.version().to_string());
        for path in [
            "/api/v1/namespaces/other/pods",
            "/api/v1/pods?labelSelector=app!%3Dapi",
            "/api/v1/pods?fieldSelector=metadata.name%3Dx",
        ] {
            let (code, list) = send(&api, "GET", path, "").await;
            assert_eq!((code, &list["items"]), (200, &json!([])), "{path}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_answered_is_said_with_the_code_of_kubernetes() {
        let (api, _name) = api();
        for (method, path, want) in [
            ("GET", "/api/v1/namespaces/shop/pods/none", 404),
            ("GET", "/apis/nope/v1/things", 404),
            ("GET", "/api/v1/pods?fieldSelector=spec.nope%3Dx", 400),
            ("GET", "/api/v1/pods?labelSelector=a%20b", 400),
            ("GET", "/api/v1/pods?continue=x", 400),
            ("GET", "/api/v1/pods?resourceVersion=abc", 500),
            ("GET", "/api/v1/pods?resourceVersion=999", 504),
            ("GET", "/api/v1/pods?watch=1&resourceVersion=999", 504),
            ("GET", "/api/v1/pods?resourceVersion=1&resourceVersionMatch=Exact", 410),
            ("POST", "/api/v1/namespaces/shop/pods", 405),
            ("DELETE", "/api/v1/namespaces/shop/pods", 405),
            ("DELETE", "/apis/apps/v1/namespaces/shop/deployments/api", 405),
        ] {
            let (code, body) = send(&api, method, path, "").await;
            assert_eq!(code, want, "{method} {path}");
            assert_eq!((&body["kind"], &body["code"]), (&json!("Status"), &json!(want)), "{path}");
        }
    }

    #[tokio::test]
    async fn a_deletion_reads_its_options_from_body_or_query() {
        for (query, body, want) in [
            ("", "", 30),
            ("", r#"{"gracePeriodSeconds":0}"#, 0),
            ("", r#"{"gracePeriodSeconds":-1}"#, 1),
            ("?gracePeriodSeconds=7", "", 7),
            ("?gracePeriodSeconds=7", r#"{"gracePeriodSeconds":5}"#, 5),
        ] {
            let (api, name) = api();
            let path = format!("/api/v1/namespaces/shop/pods/{name}{query}");
            let (code, pod) = send(&api, "DELETE", &path, body).await;
            let grace = &pod["metadata"]["deletionGracePeriodSeconds"];
            assert_eq!((code, grace), (200, &json!(want)), "{query} {body}");
        }
    }

    #[tokio::test]
    async fn a_deletion_of_another_uid_is_a_conflict_and_deletes_nothing() {
        let (api, name) = api();
        let path = format!("/api/v1/namespaces/shop/pods/{name}");
        let (code, _) = send(&api, "DELETE", &path, r#"{"preconditions":{"uid":"x"}}"#).await;
        assert_eq!(code, 409);
        let (_, pod) = send(&api, "GET", &path, "").await;
        assert_eq!(pod["metadata"]["deletionTimestamp"], Value::Null);
    }

    /// The client library the tool itself uses: its watcher sees the pods there are and what
    /// happens to them, and its deletion reaches the pod.
    #[tokio::test]
    async fn kube_watches_and_deletes() {
        use futures::StreamExt as _;
        use k8s_openapi::api::core::v1::Pod;
        use kube::runtime::watcher::{Config, Event, watcher};

        let (api, name) = api();
        let bound = Bound::to(0, "the API").await.unwrap();
        let url = format!("http://{}", bound.address).parse().unwrap();
        tokio::spawn(bound.serve(Arc::clone(&api).router(), CancellationToken::new()));
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = kube::Client::try_from(kube::Config::new(url)).unwrap();
        let pods: kube::Api<Pod> = kube::Api::namespaced(client, "shop");
        for config in [Config::default(), Config::default().streaming_lists()] {
            let mut events = Box::pin(watcher(pods.clone(), config.labels("app=api")));
            let mut seen = Vec::new();
            loop {
                match events.next().await.unwrap().unwrap() {
                    Event::Init => {}
                    Event::InitApply(pod) => seen.push(pod.metadata.name.unwrap()),
                    Event::InitDone => break,
                    Event::Apply(_) | Event::Delete(_) => panic!("before the list is done"),
                }
            }
            assert_eq!(seen, [name.as_str()]);
        }

        let mut events = Box::pin(watcher(pods.clone(), Config::default()));
        while !matches!(events.next().await.unwrap().unwrap(), Event::InitDone) {}
        pods.delete(&name, &kube::api::DeleteParams::default().grace_period(5)).await.unwrap();
        let Event::Apply(pod) = events.next().await.unwrap().unwrap() else { panic!("no change") };
        assert_eq!(pod.metadata.deletion_grace_period_seconds, Some(5));
        api.cluster.remove(&name);
        let Event::Delete(pod) = events.next().await.unwrap().unwrap() else { panic!("not gone") };
        assert_eq!(pod.metadata.name, Some(name));
    }

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
        check("/api/v1/namespaces/a/namespaces", None);
        check("/apis/apps/v1/pods", None);
    }
}
