//! Target groups: what Prometheus' HTTP and file service discovery have in common.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;

use super::{relabel::Relabel, target::Target};
use crate::sample::Labels;

/// What a discovery named.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) targets: Vec<Target>,
    /// What cannot be scraped, as sentences.
    pub(super) problems: Vec<String>,
}

/// Some targets and the labels that they share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Groups as JSON.
pub(super) fn of_json(text: &[u8]) -> Result<Vec<Group>, String> {
    serde_json::from_slice(text).map_err(|error| format!("not a list of target groups: {error}"))
}

/// Groups as YAML. A file without any text names no target, as in Prometheus.
pub(super) fn of_yaml(text: &[u8]) -> Result<Vec<Group>, String> {
    // Every target is an event. The text itself is limited, so only repetition has to be.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 8,
            max_nodes: 2_000_000,
            max_events: 4_000_000,
            max_aliases: 1000,
            max_documents: 1,
        },
        with_snippet: false,
    };
    let text = std::str::from_utf8(text).map_err(|error| format!("not UTF-8: {error}"))?;
    let groups: Result<Option<Vec<Group>>, _> = serde_saphyr::from_str_with_options(text, options);
    groups
        .map(Option::unwrap_or_default)
        .map_err(|error| format!("not a list of target groups: {}", error.without_snippet()))
}

impl Found {
    /// The targets of groups. One that makes no address is a problem and takes no other with it.
    ///
    /// `said` are labels that the discovery itself adds to each.
    pub(super) fn of(groups: Vec<Group>, said: &[(&str, &str)], relabel: &Relabel) -> Self {
        let mut found = Self::default();
        for mut group in groups {
            for (name, value) in said {
                group.labels.insert((*name).to_owned(), (*value).to_owned());
            }
            for address in &group.targets {
                match target(address, &group.labels, relabel) {
                    Ok(target) => found.targets.extend(target),
                    Err(why) => found.problems.push(format!("target `{address}`: {why}")),
                }
            }
        }
        found
    }

    /// Adds what another part of the same discovery named.
    pub(super) fn extend(&mut self, other: &Self) {
        self.targets.extend(other.targets.iter().cloned());
        self.problems.extend(other.problems.iter().cloned());
    }
}

/// Of the labels that begin with `__`, those that say where the page is are used (`__scheme__`,
/// `__metrics_path__`, `__param_…`).
fn target(
    address: &str,
    labels: &BTreeMap<String, String>,
    relabel: &Relabel,
) -> Result<Option<Target>, String> {
    if address.is_empty() || address.contains(['/', '?', '#', '@', '\\']) {
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
    relabel.target(url, Labels::new(labels.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(groups: Result<Vec<Group>, String>, want: &[&str]) {
        let found = Found::of(groups.unwrap(), &[("__meta_x", "y")], &Relabel::default());
        let targets = found.targets.iter().map(|t| format!("{} {}", t.url, t.labels));
        let got: Vec<String> = targets.chain(found.problems).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn groups_become_targets_with_their_labels() {
        let want = [
            "http://h:1/metrics {instance=\"h:1\",job=\"api\",pod=\"a\"}",
            "http://h:2/metrics {instance=\"h:2\",job=\"api\",pod=\"a\"}",
            "http://h/metrics {instance=\"h:80\",job=\"scrape\"}",
        ];
        check(
            of_json(
                br#"[{"targets":["h:1","h:2"],"labels":{"job":"api","pod":"a","__meta_x":"z"}},{"targets":["h"]}]"#,
            ),
            &want,
        );
        check(
            of_yaml(
                b"- targets: [\"h:1\", \"h:2\"]\n  labels: {job: api, pod: a}\n- targets: [h]\n",
            ),
            &want,
        );
    }

    #[test]
    fn labels_say_where_the_page_is() {
        check(
            of_json(
                br#"[{"targets":["h:1"],"labels":{"__scheme__":"https","__metrics_path__":"/m","__param_module":"a b"}}]"#,
            ),
            &["https://h:1/m?module=a+b {instance=\"h:1\",job=\"scrape\"}"],
        );
    }

    #[test]
    fn a_bad_target_takes_no_other_with_it() {
        check(
            of_json(br#"[{"targets":["http://h:1/metrics","h:2","me@h:3"]}]"#),
            &[
                "http://h:2/metrics {instance=\"h:2\",job=\"scrape\"}",
                "target `http://h:1/metrics`: not `host:port`",
                "target `me@h:3`: not `host:port`",
            ],
        );
    }

    #[test]
    fn a_file_without_text_names_no_target() {
        check(of_yaml(b""), &[]);
        check(of_yaml(b"# none yet\n"), &[]);
        check(of_json(b"[]"), &[]);
    }

    #[test]
    fn what_is_no_list_of_groups_is_a_failure() {
        let deep = "[".repeat(100_000);
        let laughs = "a: &a [x, x]\nb: &b [*a, *a]\n".to_owned();
        for text in [
            "<html>",
            "{\"targets\": []}",
            "[{\"targets\": \"h:1\"}]",
            "[{\"target\": []}]",
            &deep,
            &laughs,
        ] {
            assert!(of_json(text.as_bytes()).is_err(), "{text:.40}");
            let why = of_yaml(text.as_bytes()).unwrap_err();
            assert!(why.starts_with("not a list of target groups: "), "{text:.40}: {why}");
        }
        assert!(of_json(b"").is_err(), "an empty text is no JSON");
    }
}
