//! Discoveries that are asked again and again: addresses and files that name targets.

use std::{collections::HashSet, time::Duration};

use reqwest::Url;

use super::{
    file_sd::Files,
    groups::{Found, of_json},
    relabel::Relabel,
    targets::{Named, Targets},
};
use crate::collect::{
    http::{Ask, Http, shown},
    outlet::Outlet,
    seen::Seen,
};

/// The most bytes of an answer or a file of a discovery: some 100 000 targets.
pub(super) const SIZE_LIMIT: u64 = 16 << 20;

/// A discovery and what came of it so far.
#[derive(Debug)]
pub(super) struct Discovery {
    /// As it may be shown.
    name: String,
    every: Duration,
    named: Named,
    said: HashSet<String>,
    outlet: Outlet,
}

impl Discovery {
    pub(super) fn new(name: String, every: Duration, targets: Targets, outlet: Outlet) -> Self {
        Self { name, every, named: Named::none(targets), said: HashSet::new(), outlet }
    }

    /// Asks an address at each interval and follows what it names, until the end.
    ///
    /// While it cannot be asked, the targets it named last are kept, as in Prometheus.
    pub(super) async fn ask(mut self, http: Http, url: Url, timeout: Duration, relabel: Relabel) {
        let ask = Ask { url: &url, accept: "application/json", timeout, limit: SIZE_LIMIT };
        loop {
            let asked = tokio::select! {
                () = self.outlet.stopped() => return,
                asked = http.get(ask) => asked,
            };
            let read = match asked {
                Ok(answer) => of_json(&answer.body),
                Err(failure) => Err(failure.to_string()),
            };
            match read {
                Ok(groups) => {
                    let url = shown(&url);
                    let found = Found::of(groups, &[("__meta_url", &url)], &relabel);
                    self.take(&found, Vec::new()).await;
                }
                Err(why) => self.fail(vec![why]).await,
            }
            if !self.outlet.pause(self.every).await {
                return;
            }
        }
    }

    /// Looks at files at each interval and follows what they name, until the end.
    pub(super) async fn look(mut self, mut files: Files) {
        loop {
            // Files may lie on a slow disk; nobody else should wait for it.
            let looked = tokio::task::spawn_blocking(move || {
                let seen = files.look();
                (files, seen)
            });
            let looked = tokio::select! {
                () = self.outlet.stopped() => return,
                looked = looked => looked,
            };
            let (back, (found, failures)) = looked.expect("looking at files does not panic");
            files = back;
            self.take(&found, failures).await;
            if !self.outlet.pause(self.every).await {
                return;
            }
        }
    }

    /// Follows what was found. A problem is said when it is new, a failure each time.
    async fn take(&mut self, found: &Found, failures: Vec<String>) {
        let problems: HashSet<String> = self.named.become_what_was(found).into_iter().collect();
        let new: Vec<String> = problems.difference(&self.said).cloned().collect();
        self.said = problems;
        self.say(new).await;
        self.fail(failures).await;
    }

    async fn fail(&mut self, failures: Vec<String>) {
        self.say(failures).await;
    }

    async fn say(&self, what: Vec<String>) {
        for why in what {
            let failed = Seen::DiscoveryFailed { address: self.name.clone(), why };
            self.outlet.send(failed).await;
        }
    }
}
