//! Targets by Prometheus' HTTP service discovery: asked again and again, followed as they change.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::Url;
use serde::Deserialize;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Seen,
    outlet::Outlet,
    scrape::Scraper,
    target::{Target, shown},
};
use crate::sample::Labels;

/// The most bytes of an answer of a discovery: some 100 000 targets.
const SIZE_LIMIT: u64 = 16 << 20;

/// The most targets that are followed at once. Above it a Prometheus should be asked instead.
const MAX_TARGETS: usize = 10_000;

/// The targets that are scraped now, whoever named them.
///
/// No two may have the same labels: their samples would be one series.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    scraper: Scraper,
    tasks: TaskTracker,
    taken: Arc<Mutex<HashSet<Labels>>>,
}

/// A target is not followed, because of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotFollowed {
    #[error("another target has the same labels")]
    SameLabels,
    #[error("there are more than {MAX_TARGETS} targets")]
    TooMany,
}

impl Targets {
    pub(super) fn new(scraper: Scraper, tasks: TaskTracker) -> Self {
        Self { scraper, tasks, taken: Arc::default() }
    }

    /// Begins to scrape a target, until the token is cancelled.
    pub(super) fn follow(&self, target: Target) -> Result<CancellationToken, NotFollowed> {
        {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            if taken.len() >= MAX_TARGETS {
                return Err(NotFollowed::TooMany);
            }
            if !taken.insert(target.labels.clone()) {
                return Err(NotFollowed::SameLabels);
            }
        }
        let gone = CancellationToken::new();
        let (scraper, token, taken) = (self.scraper.clone(), gone.clone(), Arc::clone(&self.taken));
        self.tasks.spawn(async move {
            let labels = target.labels.clone();
            scraper.follow(target, token).await;
            // Only now, so that a successor's samples come after the last stale marker.
            taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&labels);
        });
        Ok(gone)
    }

    /// Asks one discovery address at each interval and follows what it names, until the end.
    ///
    /// While it cannot be asked, the targets it named last are kept, as in Prometheus.
    pub(super) async fn discover(self, address: Url, outlet: Outlet) {
        let name = shown(&address);
        let mut known: HashMap<Target, CancellationToken> = HashMap::new();
        let mut said = HashSet::new();
        loop {
            let asked = tokio::select! {
                () = outlet.stopped() => return,
                asked = self.ask(&address) => asked,
            };
            let problems = match asked {
                Ok(found) => self.adopt(found, &mut known),
                Err(why) => {
                    // Each failure counts, so this one is said each time.
                    said.clear();
                    vec![why]
                }
            };
            let now: HashSet<String> = problems.into_iter().collect();
            for why in now.difference(&said) {
                let failed = Seen::DiscoveryFailed { address: name.clone(), why: why.clone() };
                outlet.send(failed).await;
            }
            said = now;
            if !outlet.pause(self.scraper.source.interval).await {
                return;
            }
        }
    }

    async fn ask(&self, address: &Url) -> Result<Found, String> {
        let timeout = self.scraper.source.timeout.max(Duration::from_secs(1));
        let http = &self.scraper.http;
        let answer = http.get(address, "application/json", timeout, SIZE_LIMIT).await;
        read(&answer.map_err(|failure| failure.to_string())?.body)
    }

    /// Ends what is no longer named, begins what is new, and says what cannot be followed.
    fn adopt(&self, found: Found, known: &mut HashMap<Target, CancellationToken>) -> Vec<String> {
        let mut problems = found.problems;
        let named: HashSet<&Target> = found.targets.iter().collect();
        known.retain(|target, gone| {
            let stays = named.contains(target);
            if !stays {
                gone.cancel();
            }
            stays
        });
        for target in &found.targets {
            if known.contains_key(target) {
                continue;
            }
            match self.follow(target.clone()) {
                Ok(gone) => drop(known.insert(target.clone(), gone)),
                Err(why) => problems.push(format!("target `{}`: {why}", target.name())),
            }
        }
        problems
    }
}

/// What a discovery named.
#[derive(Debug, Default)]
struct Found {
    targets: Vec<Target>,
    problems: Vec<String>,
}

#[derive(Deserialize)]
struct RawGroup {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads an answer. A target that makes no address is a problem and takes no other with it.
///
/// Of the labels that begin with `__`, those that say where the page is are used (`__scheme__`,
/// `__metrics_path__`, `__param_…`); all of them are dropped from the series, as in Prometheus.
fn read(body: &[u8]) -> Result<Found, String> {
    let groups: Vec<RawGroup> = serde_json::from_slice(body)
        .map_err(|error| format!("not a list of target groups: {error}"))?;
    let mut found = Found::default();
    for group in groups {
        for address in &group.targets {
            match target(address, &group.labels) {
                Ok(target) => found.targets.push(target),
                Err(why) => found.problems.push(format!("target `{address}`: {why}")),
            }
        }
    }
    Ok(found)
}

fn target(address: &str, labels: &BTreeMap<String, String>) -> Result<Target, String> {
    if address.is_empty() || address.contains(['/', '?', '#', '@']) {
        return Err("not `host:port`".to_owned());
    }
    let said = |name: &str, default: &'static str| {
        labels.get(name).filter(|text| !text.is_empty()).map_or(default, String::as_str)
    };
    let text = format!("{}://{address}", said("__scheme__", "http"));
    let mut url = Url::parse(&text).map_err(|error| error.to_string())?;
    url.set_path(said("__metrics_path__", "/metrics"));
    for (name, value) in labels {
        if let Some(parameter) = name.strip_prefix("__param_") {
            url.query_pairs_mut().append_pair(parameter, value);
        }
    }
    let own = labels.iter().filter(|(name, _)| !name.starts_with("__"));
    Target::new(url, Labels::new(own.map(|(n, v)| (n.clone(), v.clone()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, want: &[&str]) {
        let found = read(json.as_bytes()).unwrap();
        let targets = found.targets.iter().map(|t| format!("{} {}", t.url, t.labels));
        let got: Vec<String> = targets.chain(found.problems).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn groups_become_targets_with_their_labels() {
        check(
            r#"[{"targets":["h:1","h:2"],"labels":{"job":"api","pod":"a","__meta_x":"y"}},{"targets":["h"]}]"#,
            &[
                "http://h:1/metrics {instance=\"h:1\",job=\"api\",pod=\"a\"}",
                "http://h:2/metrics {instance=\"h:2\",job=\"api\",pod=\"a\"}",
                "http://h/metrics {instance=\"h:80\",job=\"scrape\"}",
            ],
        );
    }

    #[test]
    fn labels_say_where_the_page_is() {
        check(
            r#"[{"targets":["h:1"],"labels":{"__scheme__":"https","__metrics_path__":"/m","__param_module":"a b"}}]"#,
            &["https://h:1/m?module=a+b {instance=\"h:1\",job=\"scrape\"}"],
        );
    }

    #[test]
    fn a_bad_target_takes_no_other_with_it() {
        check(
            r#"[{"targets":["http://h:1/metrics","h:2"]}]"#,
            &[
                "http://h:2/metrics {instance=\"h:2\",job=\"scrape\"}",
                "target `http://h:1/metrics`: not `host:port`",
            ],
        );
    }

    #[test]
    fn an_answer_that_is_no_list_is_a_failure() {
        assert!(read(b"<html>").unwrap_err().starts_with("not a list of target groups"));
    }
}
