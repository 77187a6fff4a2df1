//! What PodDisruptionBudgets say of the pods that are to be killed.
//!
//! A deletion asks no budget, and an eviction may be refused by one. Either way a reader has to
//! know which budgets there were: here they are put in words. Nothing is decided by them.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::{
    Api, Client,
    api::ListParams,
    core::{Selector, SelectorExt as _},
};

use crate::{collect::words, hypothesis::model::KillMeans, number::length};

/// How long the server may take: the pods are about to be killed, and this is only a note.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// A sentence for each budget that covers a pod to be killed; when they cannot be asked for, one
/// that says so. `victims` are the labels of those pods.
pub(super) async fn said(
    client: &Client,
    namespace: &str,
    victims: &[BTreeMap<String, String>],
    means: KillMeans,
) -> Vec<String> {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default();
    let why = match tokio::time::timeout(ANSWER_TIME, budgets.list(&params)).await {
        Ok(Ok(list)) => {
            return list.items.iter().filter_map(|one| sentence(one, victims, means)).collect();
        }
        Ok(Err(error)) => words(&error),
        Err(_) => format!("no answer within {}", length(ANSWER_TIME)),
    };
    vec![format!("the PodDisruptionBudgets of namespace `{namespace}` are not known: {why}")]
}

/// None when the budget covers none of them.
fn sentence(
    budget: &PodDisruptionBudget,
    victims: &[BTreeMap<String, String>],
    means: KillMeans,
) -> Option<String> {
    let name = budget.metadata.name.as_deref().unwrap_or_default();
    // No selector covers nothing, and an empty one everything.
    let selector = budget.spec.as_ref()?.selector.clone()?;
    let covered = match Selector::try_from(selector) {
        Ok(selector) => victims.iter().filter(|labels| selector.matches(labels)).count(),
        Err(error) => {
            return Some(format!("the selector of budget `{name}` cannot be read: {error}"));
        }
    };
    if covered == 0 {
        return None;
    }
    let allowed = budget.status.as_ref().and_then(|status| status.disruptions_allowed).unwrap_or(0);
    let beyond = i32::try_from(covered).unwrap_or(i32::MAX) > allowed;
    let (done, consequence) = match (means, beyond) {
        (KillMeans::Delete, true) => ("deleted", ": deleting does not ask it"),
        (KillMeans::Evict, true) => ("evicted", ": the server refuses what goes beyond"),
        (KillMeans::Delete, false) => ("deleted", ""),
        (KillMeans::Evict, false) => ("evicted", ""),
    };
    let are = if covered == 1 { "is" } else { "are" };
    Some(format!(
        "budget `{name}` allows {allowed} more, {covered} {are} to be {done}{consequence}"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DELETE: KillMeans = KillMeans::Delete;

    #[track_caller]
    fn check(selector: Value, allowed: i32, means: KillMeans, want: Option<&str>) {
        let budget = json!({
            "metadata": {"name": "api"},
            "spec": {"selector": selector},
            "status": {"disruptionsAllowed": allowed},
        });
        let victims = [["app", "api"], ["app", "api"], ["app", "web"]]
            .map(|[key, value]| BTreeMap::from([(key.to_owned(), value.to_owned())]));
        let said = sentence(&serde_json::from_value(budget).unwrap(), &victims, means);
        assert_eq!(said.as_deref(), want);
    }

    #[test]
    fn a_budget_that_covers_victims_is_named_with_what_it_allows() {
        let api = json!({"matchLabels": {"app": "api"}});
        let beyond = "budget `api` allows 1 more, 2 are to be deleted: deleting does not ask it";
        check(api.clone(), 1, DELETE, Some(beyond));
        check(api.clone(), 2, DELETE, Some("budget `api` allows 2 more, 2 are to be deleted"));
        let evicted =
            "budget `api` allows 0 more, 2 are to be evicted: the server refuses what goes beyond";
        check(api, 0, KillMeans::Evict, Some(evicted));
        let web =
            json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]});
        check(web, 1, DELETE, Some("budget `api` allows 1 more, 1 is to be deleted"));
    }

    #[test]
    fn one_that_covers_nobody_is_not_named() {
        check(json!({"matchLabels": {"app": "db"}}), 0, DELETE, None);
        check(Value::Null, 0, DELETE, None);
        check(json!({}), 3, DELETE, Some("budget `api` allows 3 more, 3 are to be deleted"));
    }
}
