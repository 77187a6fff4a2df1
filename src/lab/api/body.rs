//! The bodies that the API reads: options of a deletion, an eviction, changes of the deployment.

use std::collections::BTreeMap;

use axum::{body::to_bytes, extract::Request, http::header};
use serde::{Deserialize, de::DeserializeOwned};

use super::query::Params;
use crate::lab::{
    cluster::{Change, Wish},
    status::Failure,
};

/// The largest body read.
const LARGEST: usize = 1 << 16;

/// The most pods that somebody may ask for: each is a process.
const MOST_REPLICAS: u64 = 500;

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
pub(super) async fn deletion(query: &Params, request: Request) -> Result<Wish, Failure> {
    let raw: Option<RawWish> = read(request, &["application/json"]).await?;
    checked(raw.unwrap_or_default(), query)
}

fn checked(raw: RawWish, query: &Params) -> Result<Wish, Failure> {
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

/// `policy/v1` Eviction.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawEviction {
    metadata: RawName,
    delete_options: RawWish,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawName {
    name: String,
}

/// Reads the eviction of a pod.
pub(super) async fn eviction(
    query: &Params,
    name: &str,
    request: Request,
) -> Result<Wish, Failure> {
    let raw: Option<RawEviction> = read(request, &["application/json"]).await?;
    let raw = raw.unwrap_or_default();
    if !raw.metadata.name.is_empty() && raw.metadata.name != name {
        let message = "name in URL does not match name in Eviction object".to_owned();
        return Err(Failure::bad_request(message));
    }
    checked(raw.delete_options, query)
}

/// A patch of the deployment. A merge patch and a strategic one say the same here.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawPatch {
    kind: String,
    api_version: String,
    metadata: RawVersion,
    spec: RawSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RawVersion {
    name: String,
    namespace: String,
    resource_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawSpec {
    replicas: Option<i64>,
    template: RawTemplate,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawTemplate {
    metadata: RawAnnotated,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawAnnotated {
    annotations: BTreeMap<String, Option<String>>,
}

/// A `Scale` that replaces another; what else it says is the server's own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawScale {
    metadata: RawScaled,
    spec: RawReplicas,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawScaled {
    resource_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawReplicas {
    replicas: Option<i64>,
}

/// Reads a patch of the deployment, or of its scale.
pub(super) async fn patch(query: &Params, name: &str, request: Request) -> Result<Change, Failure> {
    let kinds = ["application/strategic-merge-patch+json", "application/merge-patch+json"];
    let raw: RawPatch = read(request, &kinds).await?.unwrap_or_default();
    tracing::debug!(kind = raw.kind, version = raw.api_version, name = raw.metadata.name, "patch");
    Ok(Change {
        replicas: replicas(name, raw.spec.replicas)?,
        template: raw.spec.template.metadata.annotations.into_iter().collect(),
        version: raw.metadata.resource_version,
        dry_run: query.get("dryRun").is_some(),
    })
}

/// Reads a scale that replaces the one there is.
pub(super) async fn scale(query: &Params, name: &str, request: Request) -> Result<Change, Failure> {
    let raw: RawScale = read(request, &["application/json"]).await?.unwrap_or_default();
    Ok(Change {
        replicas: replicas(name, raw.spec.replicas)?,
        template: Vec::new(),
        version: raw.metadata.resource_version.filter(|version| !version.is_empty()),
        dry_run: query.get("dryRun").is_some(),
    })
}

fn replicas(name: &str, asked: Option<i64>) -> Result<Option<usize>, Failure> {
    let Some(asked) = asked else { return Ok(None) };
    let invalid = |why: &str| {
        let field = format!("spec.replicas: Invalid value: {asked}: {why}");
        Failure::invalid("Deployment.apps", name, &field)
    };
    match u64::try_from(asked) {
        Err(_) => Err(invalid("must be greater than or equal to 0")),
        Ok(asked) if asked > MOST_REPLICAS => Err(invalid("the lab has room for 500 pods")),
        Ok(_) => Ok(usize::try_from(asked).ok()),
    }
}

/// Reads a body of one of these types; an empty one is none.
async fn read<T: DeserializeOwned>(request: Request, types: &[&str]) -> Result<Option<T>, Failure> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.map(str::to_owned);
    let body = to_bytes(request.into_body(), LARGEST).await;
    let body = body.map_err(|error| Failure::bad_request(error.to_string()))?;
    if body.is_empty() {
        return Ok(None);
    }
    // kubectl and kube send JSON; a client of Go may send protobuf.
    let kind = kind.as_deref().unwrap_or("application/json");
    if !types.iter().any(|known| kind.starts_with(known)) {
        return Err(Failure::unsupported(kind, types));
    }
    let read = serde_json::from_slice(&body);
    read.map(Some).map_err(|error| Failure::bad_request(error.to_string()))
}
