//! Some pods, chosen at random among the ready ones, are deleted or evicted at once.
//!
//! Never more than asked for, never one that was not in the plan (each request names the uid),
//! never the pod that we run in, and never one that nothing would put back, unless told.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::{core::v1::Pod, policy::v1::Eviction},
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, ObjectMeta, Preconditions},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{FaultError, budgets};
use crate::{
    clock::Clock,
    collect::words,
    frame::{FaultAction, FaultRow},
    hypothesis::model::{Amount, KillMeans, KillPods, Unowned},
    number::{digits, length},
    time::Time,
};

/// How long the server may take to answer one request.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// How long answers are still waited for once the killing is to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How many pods are listed at a time.
const PAGE: u32 = 500;

/// Who is to be killed, and out of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KillPlan {
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
    /// What the PodDisruptionBudgets say of it, a sentence each; or why they are not known.
    pub budgets: Vec<String>,
}

/// A pod to be deleted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Victim {
    /// Its name.
    pub name: String,
    /// Its uid: a successor of the same name is not meant.
    pub uid: String,
}

/// Looks who could be killed, and chooses. Changes nothing.
pub(crate) async fn plan_kill(
    client: &Client,
    namespace: &str,
    kill: &KillPods,
    seed: u64,
    own_pod: Option<&str>,
) -> Result<KillPlan, FaultError> {
    let selector = kill.selector.to_string();
    let pods = list(client, namespace, &selector).await?;
    let matching = pods.len();
    let ready: Vec<Pod> = pods
        .into_iter()
        .filter(is_ready)
        .filter(|pod| own_pod.is_none() || pod.metadata.name.as_deref() != own_pod)
        .collect();
    if ready.is_empty() {
        let namespace = namespace.to_owned();
        return Err(FaultError::NoReadyPod { namespace, selector, matching });
    }
    match kill.unowned {
        Unowned::Refuse => refuse_unowned(&ready, &selector)?,
        Unowned::Take => {}
    }
    let mut plan = choose(ready.iter().filter_map(Victim::of).collect(), kill.amount, seed)?;
    let chosen = |pod: &&Pod| {
        plan.victims.iter().any(|victim| Some(&victim.uid) == pod.metadata.uid.as_ref())
    };
    let labels: Vec<BTreeMap<String, String>> = ready
        .iter()
        .filter(chosen)
        .map(|pod| pod.metadata.labels.clone().unwrap_or_default())
        .collect();
    plan.budgets = budgets::said(client, namespace, &labels, kill.means).await;
    Ok(plan)
}

impl Victim {
    fn of(pod: &Pod) -> Option<Self> {
        Some(Self { name: pod.metadata.name.clone()?, uid: pod.metadata.uid.clone()? })
    }
}

/// Refuses when any of the pods that could be chosen has no controller. To count them out would
/// make the share one of another number than the one that people see; to leave it to the choice
/// would make the same hypothesis run on one night and not on the next.
fn refuse_unowned(ready: &[Pod], selector: &str) -> Result<(), FaultError> {
    let owned = |pod: &Pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        owners.into_iter().any(|owner| owner.controller == Some(true))
    };
    let pods: Vec<String> = ready
        .iter()
        .filter(|pod| !owned(pod))
        .filter_map(|pod| pod.metadata.name.clone())
        .collect();
    if pods.is_empty() {
        return Ok(());
    }
    Err(FaultError::Unowned { selector: selector.to_owned(), pods })
}

/// Asks for the end of every victim at once. `grace` replaces the pods' own grace period; a part
/// of a second counts as a whole one.
///
/// Each request is a task of its own, which goes on while the caller does something else.
pub(crate) fn kill(
    client: &Client,
    namespace: &str,
    plan: &KillPlan,
    kill: &KillPods,
    clock: &Clock,
) -> Killing {
    let seconds = kill.grace.map(|grace| {
        let whole = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        u32::try_from(whole).unwrap_or(u32::MAX)
    });
    let (closed, given_up) = (CancellationToken::new(), CancellationToken::new());
    let mut requests = JoinSet::new();
    for victim in &plan.victims {
        let request = KillRequest {
            pods: Api::namespaced(client.clone(), namespace),
            victim: victim.clone(),
            means: kill.means,
            grace_seconds: seconds,
            clock: clock.clone(),
            closed: closed.clone(),
            given_up: given_up.clone(),
        };
        requests.spawn(request.answer());
    }
    Killing { requests, closed, given_up }
}

/// Requests for the end of pods, under way. When it is dropped, all of them are given up.
#[derive(Debug)]
pub(crate) struct Killing {
    /// None of a request that was never sent.
    requests: JoinSet<Option<FaultRow>>,
    /// Cancelled when no further request may be sent.
    closed: CancellationToken,
    /// Cancelled when no answer is waited for any longer.
    given_up: CancellationToken,
}

impl Killing {
    /// The next row, in the order of the answers; none when every victim has had its row. The
    /// future may be dropped and asked for again.
    pub(crate) async fn next(&mut self) -> Option<FaultRow> {
        while let Some(ended) = self.requests.join_next().await {
            let row = ended.expect("a request for the end of a pod does not panic");
            if row.is_some() {
                return row;
            }
        }
        None
    }

    /// Sends nothing more. Requests that were sent have a second to be answered, or less when
    /// `hurried` is ready sooner; then they are given up. One row for each that has had none.
    pub(crate) async fn stop(mut self, hurried: impl Future<Output = ()>) -> Vec<FaultRow> {
        self.closed.cancel();
        let given_up = self.given_up.clone();
        let give_up = async {
            tokio::select! {
                () = sleep(LAST_ANSWERS) => {}
                () = hurried => {}
            }
            given_up.cancel();
        };
        let answers = async {
            let mut rows = Vec::new();
            while let Some(row) = self.next().await {
                rows.push(row);
            }
            rows
        };
        tokio::pin!(answers);
        tokio::select! {
            rows = &mut answers => rows,
            () = give_up => answers.await,
        }
    }
}

/// One request for the end of a pod.
struct KillRequest {
    pods: Api<Pod>,
    victim: Victim,
    means: KillMeans,
    grace_seconds: Option<u32>,
    clock: Clock,
    closed: CancellationToken,
    given_up: CancellationToken,
}

impl KillRequest {
    /// None when it was not sent any more.
    async fn answer(self) -> Option<FaultRow> {
        if self.closed.is_cancelled() {
            return None;
        }
        let at = self.clock.now();
        let (ok, detail) = self.outcome(at).await;
        let action = match self.means {
            KillMeans::Delete => FaultAction::DeletePod,
            KillMeans::Evict => FaultAction::EvictPod,
        };
        let (object, uid) = (self.victim.name, Some(self.victim.uid));
        Some(FaultRow { at, action, object, uid, ok, detail })
    }

    /// Whether it was accepted, and in what words. Without an answer the server may have heard it
    /// all the same: what became of the pod is seen by the watch, or by nobody.
    async fn outcome(&self, at: Time) -> (bool, String) {
        let waited = || length(self.clock.now().since(at));
        tokio::select! {
            biased;
            answer = timeout(ANSWER_TIME, self.send()) => match answer {
                Ok(Ok(())) => (true, format!("accepted after {}", waited())),
                Ok(Err(error)) => (false, refusal(&error)),
                Err(_) => {
                    let limit = length(ANSWER_TIME);
                    (false, format!("no answer within {limit}: {}", FaultRow::UNANSWERED))
                }
            },
            () = self.given_up.cancelled() => {
                let waited = waited();
                let said = FaultRow::UNANSWERED;
                (false, format!("no answer after {waited}, given up when the run was stopped: {said}"))
            }
        }
    }

    async fn send(&self) -> Result<(), kube::Error> {
        match self.means {
            KillMeans::Delete => delete(&self.pods, &self.victim, self.grace_seconds).await,
            KillMeans::Evict => evict(&self.pods, &self.victim, self.grace_seconds).await,
        }
    }
}

async fn delete(
    pods: &Api<Pod>,
    victim: &Victim,
    grace_seconds: Option<u32>,
) -> Result<(), kube::Error> {
    let preconditions =
        kube::api::Preconditions { resource_version: None, uid: Some(victim.uid.clone()) };
    let params = DeleteParams {
        grace_period_seconds: grace_seconds,
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    pods.delete(&victim.name, &params).await.map(drop)
}

/// The body is our own: that of the library's `evict` names its options `delete_options`, which a
/// server does not know, and the uid and the grace period would be lost without a word.
async fn evict(
    pods: &Api<Pod>,
    victim: &Victim,
    grace_seconds: Option<u32>,
) -> Result<(), kube::Error> {
    let eviction = Eviction {
        metadata: ObjectMeta { name: Some(victim.name.clone()), ..ObjectMeta::default() },
        delete_options: Some(DeleteOptions {
            grace_period_seconds: grace_seconds.map(i64::from),
            preconditions: Some(Preconditions {
                resource_version: None,
                uid: Some(victim.uid.clone()),
            }),
            ..DeleteOptions::default()
        }),
    };
    let params = PostParams::default();
    let answer: Result<serde_json::Value, _> =
        pods.create_subresource("eviction", &victim.name, &params, &eviction).await;
    answer.map(drop)
}

/// The server's words, with its reasons: of a budget, only they say which and why.
fn refusal(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return words(error) };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.fold(words(error), |text, cause| format!("{text} {}", cause.message))
}

async fn list(client: &Client, namespace: &str, selector: &str) -> Result<Vec<Pod>, FaultError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let refused = |why| FaultError::List { namespace: namespace.to_owned(), why };
    let mut found = Vec::new();
    let mut params = ListParams::default().labels(selector).limit(PAGE);
    loop {
        let page = timeout(ANSWER_TIME, pods.list(&params)).await;
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
    Ok(KillPlan { victims: ready, population, expected, asked, seed, budgets: Vec::new() })
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
        Amount::ShareAtMost { share, max } => {
            let said = in_words(Amount::Share(share), population);
            if share.floor_of(population) > max { format!("{said}, capped at {max}") } else { said }
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
    use crate::{hypothesis::selector::LabelSelector, number::Share};

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

    #[test]
    fn a_cap_is_said_where_it_counts() {
        let capped = |max| {
            let share = Share::new(0.3).unwrap();
            Amount::ShareAtMost { share, max }
        };
        check(100, capped(5), 5, "30 % of 100 ready pods is 30, capped at 5");
        check(9, capped(2), 2, "30 % of 9 ready pods is 2 (2.7, rounded down)");
        check(9, capped(1), 1, "30 % of 9 ready pods is 2 (2.7, rounded down), capped at 1");
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

    /// A cluster of one page of pods after another, that refuses whatever is asked of `b` and
    /// answers nothing of `silent`. It keeps each request, for the test to see.
    async fn cluster(pages: Vec<Vec<Value>>) -> (Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let app = Router::new().fallback({
            let asked = Arc::clone(&asked);
            move |method: Method, uri: Uri, body: String| {
                asked.lock().unwrap().push(format!("{method} {uri} {body}"));
                let (code, answer) = answer(&pages, &method, &uri);
                async move {
                    if uri.path().ends_with("/silent") {
                        std::future::pending::<()>().await;
                    }
                    (StatusCode::from_u16(code).unwrap(), Json(answer))
                }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut config = kube::Config::new(server.parse().unwrap());
        config.default_retry = false;
        (Client::try_from(config).unwrap(), asked)
    }

    fn answer(pages: &[Vec<Value>], method: &Method, uri: &Uri) -> (u16, Value) {
        let number = usize::from(uri.query().unwrap_or_default().contains("continue="));
        if uri.path().ends_with("/poddisruptionbudgets") {
            let message = "poddisruptionbudgets.policy is forbidden";
            return (403, status(message, "Forbidden", 403));
        }
        if method == Method::GET {
            let more = if number + 1 < pages.len() { "more" } else { "" };
            let items = pages.get(number).cloned().unwrap_or_default();
            let metadata = json!({"resourceVersion": "1", "continue": more});
            let list = json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items});
            return (200, list);
        }
        match uri.path().rsplit('/').take(2).collect::<Vec<_>>()[..] {
            ["b", _] => {
                (409, status("the UID in the precondition does not match", "Conflict", 409))
            }
            ["eviction", "b"] => {
                let message = "Cannot evict pod as it would violate the pod's disruption budget.";
                let mut refused = status(message, "TooManyRequests", 429);
                let cause = "The disruption budget api needs 2 healthy pods and has 2 currently";
                refused["details"] =
                    json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]});
                (429, refused)
            }
            ["eviction", _] => (201, json!({"kind": "Status", "status": "Success", "code": 201})),
            _ => (200, pod("a", true, false)),
        }
    }

    fn status(message: &str, reason: &str, code: u16) -> Value {
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code})
    }

    fn pod(name: &str, ready: bool, terminating: bool) -> Value {
        let owner = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "api", "uid": "rs", "controller": true,
        });
        let mut metadata =
            json!({"name": name, "uid": format!("uid-{name}"), "ownerReferences": [owner]});
        if terminating {
            metadata["deletionTimestamp"] = json!("2026-11-23T12:00:00Z");
        }
        let status = if ready { "True" } else { "False" };
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        })
    }

    /// All that match `app=api`.
    fn all(means: KillMeans, unowned: Unowned) -> KillPods {
        let selector = LabelSelector::parse("app=api").unwrap();
        let grace = Some(Duration::from_millis(1500));
        KillPods { selector, amount: share(1.0), grace, means, unowned }
    }

    #[tokio::test]
    async fn only_pods_that_are_alive_ready_and_not_ourselves_are_counted() {
        let pages = vec![
            vec![pod("a", true, false), pod("starting", false, false)],
            vec![pod("leaving", true, true), pod("me", true, false), pod("b", true, false)],
        ];
        let (client, asked) = cluster(pages).await;
        let kill = all(KillMeans::Delete, Unowned::Refuse);
        let plan = plan_kill(&client, "shop", &kill, 7, Some("me")).await.unwrap();
        let names: Vec<&str> = plan.victims.iter().map(|victim| victim.name.as_str()).collect();
        assert_eq!((names, plan.population), (vec!["a", "b"], 2));
        assert_eq!(
            plan.budgets,
            ["the PodDisruptionBudgets of namespace `shop` are not known: \
              poddisruptionbudgets.policy is forbidden"]
        );
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 3);
        assert!(asked[0].contains("labelSelector=app%3Dapi"), "{}", asked[0]);
    }

    #[tokio::test]
    async fn nobody_to_kill_is_an_error_that_counts_who_matched() {
        let (client, _) = cluster(vec![vec![pod("starting", false, false)]]).await;
        let kill = all(KillMeans::Delete, Unowned::Refuse);
        let error = plan_kill(&client, "shop", &kill, 7, None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "no pod of namespace `shop` that matches `app=api` is alive and ready (1 match)"
        );
    }

    #[tokio::test]
    async fn a_pod_that_nothing_puts_back_is_killed_only_when_told() {
        let mut bare = pod("bare", true, false);
        bare["metadata"].as_object_mut().unwrap().remove("ownerReferences");
        let mut kept = pod("kept", true, false);
        kept["metadata"]["ownerReferences"][0]["controller"] = json!(false);
        let (client, _) = cluster(vec![vec![pod("a", true, false), bare, kept]]).await;
        let kill = all(KillMeans::Delete, Unowned::Refuse);
        let error = plan_kill(&client, "shop", &kill, 7, None).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "`bare`, `kept` have no controller, so nothing would put them back"
        );
        let kill = all(KillMeans::Delete, Unowned::Take);
        assert_eq!(plan_kill(&client, "shop", &kill, 7, None).await.unwrap().population, 3);
    }

    fn kill_named(client: &Client, names: [&str; 2], means: KillMeans) -> Killing {
        let victim = |name: &str| Victim { name: name.to_owned(), uid: format!("uid-{name}") };
        let plan = choose(names.map(victim).to_vec(), Amount::Count(2), 1).unwrap();
        kill(client, "shop", &plan, &all(means, Unowned::Refuse), &Clock::system())
    }

    async fn kill_both(means: KillMeans) -> (Vec<FaultRow>, Vec<String>) {
        let (client, asked) = cluster(Vec::new()).await;
        let mut killing = kill_named(&client, ["a", "b"], means);
        let mut rows = Vec::new();
        while let Some(row) = killing.next().await {
            rows.push(row);
        }
        rows.sort_by(|a, b| a.object.cmp(&b.object));
        let said: Vec<_> = rows.iter().map(|row| (row.object.as_str(), row.ok)).collect();
        assert_eq!(said, [("a", true), ("b", false)]);
        let mut asked = asked.lock().unwrap().clone();
        asked.sort();
        (rows, asked)
    }

    #[tokio::test]
    async fn an_answer_does_not_wait_for_the_others_and_no_answer_is_no_success() {
        let (client, _) = cluster(Vec::new()).await;
        let mut killing = kill_named(&client, ["a", "silent"], KillMeans::Delete);
        let first = killing.next().await.unwrap();
        assert_eq!((first.object.as_str(), first.ok), ("a", true));
        let rows = killing.stop(std::future::ready(())).await;
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((row.object.as_str(), row.ok), ("silent", false));
        assert!(row.detail.starts_with("no answer after "), "{}", row.detail);
        let end = ", given up when the run was stopped: it may have been killed";
        assert!(row.detail.ends_with(end), "{}", row.detail);
    }

    #[tokio::test]
    async fn once_stopped_nothing_more_is_asked_for() {
        let (client, asked) = cluster(Vec::new()).await;
        // On this one thread no request has been begun yet.
        let killing = kill_named(&client, ["a", "b"], KillMeans::Delete);
        assert_eq!(killing.stop(std::future::pending()).await, []);
        assert_eq!(*asked.lock().unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn every_victim_is_deleted_by_uid_and_a_refusal_is_kept_in_its_words() {
        let (rows, asked) = kill_both(KillMeans::Delete).await;
        assert_eq!(rows[1].detail, "the UID in the precondition does not match");
        assert!(rows.iter().all(|row| row.action == FaultAction::DeletePod));
        assert_eq!(asked.len(), 2);
        for (request, name) in asked.iter().zip(["a", "b"]) {
            let path = format!("DELETE /api/v1/namespaces/shop/pods/{name}?");
            assert!(request.starts_with(&path), "{request}");
            assert!(request.contains("\"gracePeriodSeconds\":2"), "{name}: {request}");
            assert!(request.contains("\"preconditions\":{\"uid\":\"uid-"), "{name}: {request}");
        }
    }

    #[tokio::test]
    async fn an_eviction_names_the_uid_too_and_is_asked_for_once() {
        let (rows, asked) = kill_both(KillMeans::Evict).await;
        assert_eq!(
            rows[1].detail,
            "Cannot evict pod as it would violate the pod's disruption budget. \
             The disruption budget api needs 2 healthy pods and has 2 currently"
        );
        assert!(rows.iter().all(|row| row.action == FaultAction::EvictPod));
        assert_eq!(asked.len(), 2, "a refusal is an answer: {asked:?}");
        for (request, name) in asked.iter().zip(["a", "b"]) {
            let path = format!("POST /api/v1/namespaces/shop/pods/{name}/eviction?");
            assert!(request.starts_with(&path), "{request}");
            let options = format!(
                "\"deleteOptions\":{{\"gracePeriodSeconds\":2,\"preconditions\":{{\"uid\":\"uid-{name}\"}}"
            );
            assert!(request.contains(&options), "{request}");
        }
    }
}
