//! Some pods, chosen at random among the ready ones, are deleted at once.
//!
//! Never more than asked for, never one that was not in the plan (each delete names the uid),
//! never the pod that we run in.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Preconditions},
};

use super::FaultError;
use crate::{
    clock::Clock,
    collect::words,
    frame::{FaultAction, FaultRow},
    hypothesis::model::{Amount, KillPods},
    number::{digits, length},
};

/// How long the server may take to answer one request.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// How many pods are listed at a time.
const PAGE: u32 = 500;

/// Who is to be killed, and out of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillPlan {
    /// The pods to delete, by name.
    pub victims: Vec<Victim>,
    /// How many match, are alive, ready, and not ourselves.
    pub population: usize,
    /// How many are to be hit.
    pub expected: usize,
    /// What was asked for, in words, with the rounding.
    pub asked: String,
    /// The seed of the choice: with the same pods it chooses the same.
    pub seed: u64,
}

/// A pod to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Victim {
    /// Its name.
    pub name: String,
    /// Its uid: a successor of the same name is not meant.
    pub uid: String,
}

/// Looks who could be killed, and chooses. Changes nothing.
pub async fn plan_kill(
    client: &Client,
    namespace: &str,
    kill: &KillPods,
    seed: u64,
    own_pod: Option<&str>,
) -> Result<KillPlan, FaultError> {
    plan(client, namespace, &kill.selector.to_string(), kill.amount, seed, own_pod).await
}

async fn plan(
    client: &Client,
    namespace: &str,
    selector: &str,
    amount: Amount,
    seed: u64,
    own_pod: Option<&str>,
) -> Result<KillPlan, FaultError> {
    let pods = list(client, namespace, selector).await?;
    let matching = pods.len();
    let ready: Vec<Victim> = pods
        .into_iter()
        .filter(is_ready)
        .filter(|pod| own_pod.is_none() || pod.metadata.name.as_deref() != own_pod)
        .filter_map(|pod| Some(Victim { name: pod.metadata.name?, uid: pod.metadata.uid? }))
        .collect();
    if ready.is_empty() {
        let (namespace, selector) = (namespace.to_owned(), selector.to_owned());
        return Err(FaultError::NoReadyPod { namespace, selector, matching });
    }
    choose(ready, amount, seed)
}

/// Asks for the deletion of every victim at once; one row for each, in their order. `grace`
/// replaces the pods' own grace period; a part of a second counts as a whole one.
pub async fn kill(
    client: &Client,
    namespace: &str,
    plan: &KillPlan,
    grace: Option<Duration>,
    clock: &Clock,
) -> Vec<FaultRow> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let seconds = grace.map(|grace| {
        let whole = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        u32::try_from(whole).unwrap_or(u32::MAX)
    });
    join_all(plan.victims.iter().map(|victim| delete(&pods, victim, seconds, clock))).await
}

async fn delete(
    pods: &Api<Pod>,
    victim: &Victim,
    grace_seconds: Option<u32>,
    clock: &Clock,
) -> FaultRow {
    let params = DeleteParams {
        grace_period_seconds: grace_seconds,
        preconditions: Some(Preconditions {
            resource_version: None,
            uid: Some(victim.uid.clone()),
        }),
        ..DeleteParams::default()
    };
    let at = clock.now();
    let (ok, detail) =
        match tokio::time::timeout(ANSWER_TIME, pods.delete(&victim.name, &params)).await {
            Ok(Ok(_)) => (true, format!("accepted after {}", length(clock.now().since(at)))),
            Ok(Err(error)) => (false, words(&error)),
            // It may have been heard all the same: what happened to the pod will show.
            Err(_) => (false, format!("no answer within {}", length(ANSWER_TIME))),
        };
    let (object, uid) = (victim.name.clone(), Some(victim.uid.clone()));
    FaultRow { at, action: FaultAction::DeletePod, object, uid, ok, detail }
}

async fn list(client: &Client, namespace: &str, selector: &str) -> Result<Vec<Pod>, FaultError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let refused = |why| FaultError::List { namespace: namespace.to_owned(), why };
    let mut found = Vec::new();
    let mut params = ListParams::default().labels(selector).limit(PAGE);
    loop {
        let page = tokio::time::timeout(ANSWER_TIME, pods.list(&params)).await;
        let page = page
            .map_err(|_elapsed| refused(format!("no answer within {}", length(ANSWER_TIME))))?
            .map_err(|error| refused(words(&error)))?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(found),
        }
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut ready = conditions.into_iter().flatten().filter(|c| c.type_ == "Ready");
    pod.metadata.deletion_timestamp.is_none() && ready.any(|c| c.status == "True")
}

/// Chooses among `ready`, which is not empty.
fn choose(mut ready: Vec<Victim>, amount: Amount, seed: u64) -> Result<KillPlan, FaultError> {
    let population = ready.len();
    let expected = amount.of(population);
    let asked = in_words(amount, population);
    if expected == 0 {
        return Err(FaultError::RoundsToNothing { asked, population });
    }
    if expected > population {
        return Err(FaultError::TooFewPods { asked: expected, population });
    }
    // The server's order is not promised, and the choice should depend on the seed alone.
    ready.sort();
    fastrand::Rng::with_seed(seed).shuffle(&mut ready);
    ready.truncate(expected);
    ready.sort();
    Ok(KillPlan { victims: ready, population, expected, asked, seed })
}

fn in_words(amount: Amount, population: usize) -> String {
    let pods = if population == 1 { "ready pod" } else { "ready pods" };
    match amount {
        Amount::Count(count) => format!("{count} of {population} {pods}"),
        Amount::Share(share) => {
            let (exact, down) = (share.get() * population as f64, share.floor_of(population));
            let said = format!("{share} of {population} {pods} is {down}");
            if (exact - down as f64).abs() < 1e-6 {
                said
            } else {
                format!("{said} ({}, rounded down)", digits(exact))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{
        Json, Router,
        http::{Method, StatusCode, Uri},
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::number::Share;

    fn pods(count: usize) -> Vec<Victim> {
        (0..count).map(|n| Victim { name: format!("p{n}"), uid: format!("u{n}") }).collect()
    }

    fn share(value: f64) -> Amount {
        Amount::Share(Share::new(value).unwrap())
    }

    #[track_caller]
    fn check(population: usize, amount: Amount, expected: usize, asked: &str) {
        let plan = choose(pods(population), amount, 7).unwrap();
        assert_eq!(
            (plan.expected, plan.population, plan.asked.as_str()),
            (expected, population, asked)
        );
        assert_eq!(plan.victims.len(), expected);
    }

    #[test]
    fn a_share_is_rounded_down_and_says_so() {
        check(10, share(0.3), 3, "30 % of 10 ready pods is 3");
        check(9, share(0.3), 2, "30 % of 9 ready pods is 2 (2.7, rounded down)");
        check(1, share(1.0), 1, "100 % of 1 ready pod is 1");
        check(10, Amount::Count(10), 10, "10 of 10 ready pods");
    }

    #[track_caller]
    fn check_refused(population: usize, amount: Amount, error: &str, hint: &str) {
        let refused = choose(pods(population), amount, 7).unwrap_err();
        assert_eq!((refused.to_string().as_str(), refused.hint().unwrap().as_str()), (error, hint));
    }

    #[test]
    fn nothing_and_too_many_are_refused_with_a_way_out() {
        check_refused(
            3,
            share(0.3),
            "30 % of 3 ready pods is 0 (0.9, rounded down): nothing would be killed",
            "a share is rounded down; take `share: 34%` or more, or `count: 1`",
        );
        check_refused(
            3,
            Amount::Count(4),
            "4 were to be killed, and only 3 that match are alive and ready",
            "take `count: 3` or less, or a share",
        );
    }

    #[test]
    fn the_choice_depends_on_the_seed_alone() {
        let chosen = |pods: Vec<Victim>, seed| choose(pods, share(0.3), seed).unwrap().victims;
        let reversed = || pods(10).into_iter().rev().collect();
        assert_eq!(chosen(pods(10), 1), chosen(reversed(), 1));
        assert!((2..20).any(|seed| chosen(pods(10), seed) != chosen(pods(10), 1)));
    }

    #[test]
    fn every_pod_can_be_chosen_and_none_twice() {
        let mut hit = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let victims = choose(pods(10), Amount::Count(3), seed).unwrap().victims;
            assert!(victims.windows(2).all(|pair| pair[0] < pair[1]));
            hit.extend(victims);
        }
        assert_eq!(hit.len(), 10);
    }

    /// A cluster of one page of pods after another, that refuses to delete `b`. It answers each
    /// request with what it was asked, for the test to see.
    async fn cluster(pages: Vec<Vec<Value>>) -> (Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new().fallback({
            let asked = Arc::clone(&asked);
            move |method: Method, uri: Uri, body: String| {
                asked.lock().unwrap().push(format!("{method} {uri} {body}"));
                let query = uri.query().unwrap_or_default();
                let number = usize::from(query.contains("continue="));
                let more = if number + 1 < pages.len() { "more" } else { "" };
                let items = pages.get(number).cloned().unwrap_or_default();
                let (code, answer) = if method == Method::GET {
                    let metadata = json!({"resourceVersion": "1", "continue": more});
                    (200, json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}))
                } else if uri.path().ends_with("/b") {
                    (409, json!({"kind": "Status", "status": "Failure", "message": "the UID in the precondition does not match", "reason": "Conflict", "code": 409}))
                } else {
                    (200, pod("a", true, false))
                };
                async move { (StatusCode::from_u16(code).unwrap(), Json(answer)) }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        drop(rustls::crypto::ring::default_provider().install_default());
        let config = kube::Config::new(server.parse().unwrap());
        (Client::try_from(config).unwrap(), asked)
    }

    fn pod(name: &str, ready: bool, terminating: bool) -> Value {
        let mut metadata = json!({"name": name, "uid": format!("uid-{name}")});
        if terminating {
            metadata["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
        }
        let status = if ready { "True" } else { "False" };
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        })
    }

    #[tokio::test]
    async fn only_pods_that_are_alive_ready_and_not_ourselves_are_counted() {
        let pages = vec![
            vec![pod("a", true, false), pod("starting", false, false)],
            vec![pod("leaving", true, true), pod("me", true, false), pod("b", true, false)],
        ];
        let (client, asked) = cluster(pages).await;
        let plan = plan(&client, "shop", "app=api", share(1.0), 7, Some("me")).await.unwrap();
        let names: Vec<&str> = plan.victims.iter().map(|victim| victim.name.as_str()).collect();
        assert_eq!((names, plan.population), (vec!["a", "b"], 2));
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 2);
        assert!(asked[0].contains("labelSelector=app%3Dapi"), "{}", asked[0]);
    }

    #[tokio::test]
    async fn nobody_to_kill_is_an_error_that_counts_who_matched() {
        let (client, _) = cluster(vec![vec![pod("starting", false, false)]]).await;
        let error = plan(&client, "shop", "app=api", share(1.0), 7, None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no pod of namespace `shop` that matches `app=api` is alive and ready (1 match)"
        );
    }

    #[tokio::test]
    async fn every_victim_is_deleted_by_uid_and_a_refusal_is_kept_in_its_words() {
        let (client, asked) = cluster(Vec::new()).await;
        let victims =
            ["a", "b"].map(|name| Victim { name: name.to_owned(), uid: format!("uid-{name}") });
        let plan = choose(victims.to_vec(), Amount::Count(2), 1).unwrap();
        let grace = Some(Duration::from_millis(1500));
        let rows = kill(&client, "shop", &plan, grace, &Clock::system()).await;
        assert_eq!(
            rows.iter().map(|row| (row.object.as_str(), row.ok)).collect::<Vec<_>>(),
            [("a", true), ("b", false)]
        );
        assert_eq!(rows[1].detail, "the UID in the precondition does not match");
        let asked = asked.lock().unwrap();
        for (request, name) in asked.iter().zip(["a", "b"]) {
            assert!(request.starts_with("DELETE /api/v1/namespaces/shop/pods/"), "{request}");
            assert!(request.contains("\"gracePeriodSeconds\":2"), "{name}: {request}");
            assert!(request.contains("\"preconditions\":{\"uid\":\"uid-"), "{name}: {request}");
        }
    }
}
