//! The lab's Kubernetes API: enough for `kube`, and for `kubectl` to get, delete, scale and restart.
//!
//! Read: get, list and watch, as objects or as tables. Changed: pods, by DELETE and by eviction;
//! the deployment's replicas and the annotations of its template. `target` reads paths, `query`
//! parameters, `body` bodies; `page` cuts lists.

mod body;
mod page;
mod query;
mod target;

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Query, Request as HttpRequest, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::{
    query::Params,
    target::{Below, Target},
};
use super::{
    cluster::{Change, Cluster, Refusal, Wish},
    discovery::{self, Group, Resource},
    objects,
    selector::{FieldSelector, LabelSelector},
    status::Failure,
    store::Kind,
    table::{self, Include},
    watch::{self, Filter, Shape, shown},
};

/// The one deployment's kind, as it is patched.
const DEPLOYMENT: Resource = Resource { group: Group::Apps, kind: Kind::Deployment };

/// The kind that is evicted.
const POD: Resource = Resource { group: Group::Core, kind: Kind::Pod };

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
        let means = |object: &Value| filter.matches(object);
        let page = page::page(&self.cluster.store, resource.kind, query, means)?;
        let mut list = match shape {
            Shape::Table(include) => {
                let objects: Vec<&Value> = page.objects.iter().map(|object| &**object).collect();
                table::table(resource.kind, &objects, "", include, self.cluster.now())
            }
            Shape::Object => {
                let items = page.objects.iter().map(|object| {
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
                    "items": items.collect::<Vec<_>>(),
                })
            }
        };
        list["metadata"] = page.metadata;
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
        if initial_events && !query.is("resourceVersionMatch", "NotOlderThan") {
            let field = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting \
                         resourceVersionMatch to NotOlderThan";
            return Err(Failure::invalid("ListOptions.meta.k8s.io", "", field));
        }
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
        self.cluster.delete(name, wish).map_err(|refusal| refused(resource, name, refusal))?;
        let after = self.object(resource, namespace, name).unwrap_or(before);
        Ok(Json(shown(resource, &after)).into_response())
    }

    fn evict(&self, namespace: &str, name: &str, wish: &Wish) -> Answer {
        self.object(POD, namespace, name)?;
        self.cluster.evict(name, wish).map_err(|refusal| refused(POD, name, refusal))?;
        let done = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "code": 201,
        });
        Ok((StatusCode::CREATED, Json(done)).into_response())
    }

    /// Changes the deployment, which must be there, and returns what it is then.
    fn change(&self, namespace: &str, name: &str, change: &Change) -> Result<Arc<Value>, Failure> {
        self.object(DEPLOYMENT, namespace, name)?;
        self.cluster.change(change).map_err(|refusal| refused(DEPLOYMENT, name, refusal))?;
        self.object(DEPLOYMENT, namespace, name)
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

fn refused(resource: Resource, name: &str, refusal: Refusal) -> Failure {
    let (plural, group) = (resource.plural(), resource.group.name());
    match refusal {
        Refusal::NotFound => Failure::no_object(plural, group, name),
        Refusal::Precondition(why) => Failure::conflict(plural, group, name, &why),
        Refusal::Budget { budget, desired, healthy } => Failure::budget(&budget, desired, healthy),
    }
}

async fn answer(
    State(api): State<Arc<Api>>,
    Query(query): Query<HashMap<String, String>>,
    request: HttpRequest,
) -> Response {
    let query = Params(query);
    let mut response = respond(&api, &query, request).await.unwrap_or_else(Failure::into_response);
    let fresh = HeaderValue::from_static("no-cache, private");
    response.headers_mut().insert(header::CACHE_CONTROL, fresh);
    response
}

async fn respond(api: &Api, query: &Params, request: HttpRequest) -> Answer {
    let target = Target::of(request.uri().path()).ok_or_else(Failure::no_page)?;
    let method = request.method().clone();
    match target {
        Target::One(resource, namespace, name) if method == Method::DELETE => {
            let wish = body::deletion(query, request).await?;
            api.delete(resource, &namespace, &name, &wish)
        }
        Target::One(DEPLOYMENT, namespace, name) if method == Method::PATCH => {
            let change = body::patch(query, &name, request).await?;
            let object = api.change(&namespace, &name, &change)?;
            Ok(Json(shown(DEPLOYMENT, &object)).into_response())
        }
        Target::Below(Below::Eviction, namespace, name) if method == Method::POST => {
            let wish = body::eviction(query, &name, request).await?;
            api.evict(&namespace, &name, &wish)
        }
        Target::Below(Below::Scale, namespace, name) => {
            let object = match method {
                Method::GET => api.object(DEPLOYMENT, &namespace, &name)?,
                Method::PATCH => {
                    let change = body::patch(query, &name, request).await?;
                    api.change(&namespace, &name, &change)?
                }
                Method::PUT => {
                    let change = body::scale(query, &name, request).await?;
                    api.change(&namespace, &name, &change)?
                }
                _ => return Err(Failure::not_allowed()),
            };
            Ok(Json(objects::scale(&object)).into_response())
        }
        Target::Alive
        | Target::Version
        | Target::CoreVersions
        | Target::Groups
        | Target::Group(_)
        | Target::Resources(_)
        | Target::Many(..)
        | Target::One(..)
        | Target::Below(Below::Eviction, ..) => {
            if method != Method::GET {
                return Err(Failure::not_allowed());
            }
            read(api, query, request.headers(), target)
        }
    }
}

fn read(api: &Api, query: &Params, headers: &HeaderMap, target: Target) -> Answer {
    let shape = shape(headers, query);
    Ok(match target {
        Target::Alive => "ok".into_response(),
        Target::Version => Json(discovery::version()).into_response(),
        Target::CoreVersions => Json(discovery::core_versions(&api.address)).into_response(),
        Target::Groups => Json(discovery::groups()).into_response(),
        Target::Group(group) => Json(discovery::group(group)).into_response(),
        Target::Resources(group) => Json(discovery::resources(group)).into_response(),
        Target::One(resource, namespace, name) => api.get(resource, &namespace, &name, shape)?,
        Target::Below(..) => return Err(Failure::not_allowed()),
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

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};

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
        let name = cluster.one_pod().name;
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
            ("GET", "/api/v1/pods?fieldSelector=spec.nope%3Dx", 400),
            ("GET", "/api/v1/pods?labelSelector=a%20b", 400),
            ("GET", "/api/v1/pods?continue=x", 400),
            ("GET", "/api/v1/pods?resourceVersion=abc", 500),
            ("GET", "/api/v1/pods?resourceVersion=999", 504),
            ("GET", "/api/v1/pods?watch=1&resourceVersion=999", 504),
            ("GET", "/api/v1/pods?watch=1&sendInitialEvents=true", 422),
            ("POST", "/api/v1/namespaces/shop/pods", 405),
            ("DELETE", "/api/v1/namespaces/shop/pods", 405),
            ("DELETE", "/apis/apps/v1/namespaces/shop/deployments/api", 405),
            ("POST", "/api/v1/namespaces/shop/pods/none/eviction", 404),
            ("GET", "/api/v1/namespaces/shop/pods/none/eviction", 405),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/none", 404),
            ("PATCH", "/apis/apps/v1/namespaces/shop/replicasets/none", 405),
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
}
