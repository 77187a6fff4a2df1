//! What the hypothesis says of the labels of targets: `labels`, `keep` and `drop`.
//!
//! This is the part of Prometheus' relabelling that people ask for when they watch one system:
//! naming where a target belongs, and leaving targets out. The rest of `relabel_configs` rewrites
//! addresses and names by regular expressions; whoever needs it has a Prometheus to ask.

use std::collections::BTreeMap;

use reqwest::Url;

use super::target::Target;
use crate::{
    hypothesis::{model::ScrapeSource, selector::Matcher},
    sample::Labels,
};

/// What all targets of a source have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Relabel {
    labels: BTreeMap<String, String>,
    filters: Vec<Matcher>,
}

impl Relabel {
    pub(super) fn of(source: &ScrapeSource) -> Self {
        Self { labels: source.labels.clone(), filters: source.filters.clone() }
    }

    /// The target at an address that was discovered with these labels; none when it is left out.
    ///
    /// The filters see all labels, those that begin with `__` among them. Those are then dropped:
    /// they are between a discovery and the scraper, as in Prometheus.
    pub(super) fn target(&self, url: Url, mut labels: Labels) -> Result<Option<Target>, String> {
        for (name, value) in &self.labels {
            labels.set(name, value.as_str());
        }
        let mut target = Target::new(url, labels)?;
        let value = |matcher: &Matcher| target.labels.get(&matcher.label).unwrap_or_default();
        if !self.filters.iter().all(|matcher| matcher.holds_for(value(matcher))) {
            return Ok(None);
        }
        let own = target.labels.iter().filter(|(name, _)| !name.starts_with("__"));
        target.labels = Labels::new(own.map(|(n, v)| (n.to_owned(), v.to_owned())));
        Ok(Some(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hypothesis::selector::MatchHow;

    #[track_caller]
    fn check(
        labels: &[(&str, &str)],
        filters: &[(&str, MatchHow, &str)],
        discovered: &[(&str, &str)],
        want: Option<&str>,
    ) {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
        };
        let filter = |(label, how, value): &(&str, MatchHow, &str)| {
            Matcher::new(*label, *how, *value).unwrap()
        };
        let relabel = Relabel {
            labels: pairs(labels).into_iter().collect(),
            filters: filters.iter().map(filter).collect(),
        };
        let url = Url::parse("http://h:1/metrics").unwrap();
        let target = relabel.target(url, Labels::new(pairs(discovered))).unwrap();
        assert_eq!(target.map(|t| t.labels.to_string()).as_deref(), want);
    }

    #[test]
    fn what_the_hypothesis_says_replaces_what_was_discovered() {
        let want = Some("{cluster=\"a\",instance=\"h:1\",job=\"api\"}");
        check(&[("cluster", "a"), ("job", "api")], &[], &[("job", "web")], want);
    }

    #[test]
    fn labels_between_discovery_and_scraper_are_seen_by_filters_and_dropped() {
        let discovered = [("__meta_zone", "a"), ("__name__", "x")];
        let want = Some("{instance=\"h:1\",job=\"scrape\"}");
        check(&[], &[("__meta_zone", MatchHow::Matches, "a|b")], &discovered, want);
        check(&[], &[("__meta_zone", MatchHow::MatchesNot, "a|b")], &discovered, None);
    }

    #[test]
    fn a_pattern_is_held_against_the_whole_value_and_a_missing_label_is_empty() {
        check(&[], &[("job", MatchHow::Matches, "scr")], &[], None);
        check(&[], &[("zone", MatchHow::Matches, "a")], &[], None);
        check(
            &[],
            &[("zone", MatchHow::MatchesNot, ".+")],
            &[],
            Some("{instance=\"h:1\",job=\"scrape\"}"),
        );
    }
}
