//! What is scraped: an address and the labels that its samples get.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use reqwest::Url;

use crate::{collect::http::shown, sample::Labels, time::millis};

/// The `job` of a target that names none.
pub(in crate::collect) const DEFAULT_JOB: &str = "scrape";

/// A page to scrape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::collect) struct Target {
    /// The whole address; it may carry a password, so it is never shown.
    pub(in crate::collect) url: Url,
    /// `instance`, `job` and what discovery said.
    pub(in crate::collect) labels: Labels,
}

impl Target {
    /// A target with labels of its own; `instance` and `job` are added where they are missing.
    pub(in crate::collect) fn new(url: Url, mut labels: Labels) -> Result<Self, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("`{}` is neither http nor https", url.scheme()));
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err("it has no host".to_owned());
        };
        if labels.get("instance").is_none() {
            labels.set("instance", format!("{host}:{port}"));
        }
        if labels.get("job").is_none() {
            labels.set("job", DEFAULT_JOB);
        }
        Ok(Self { url, labels })
    }

    /// The address as it may be shown.
    pub(in crate::collect) fn name(&self) -> String {
        shown(&self.url)
    }

    /// When in the interval it is scraped, so that many targets spread over it evenly. The same
    /// target always has the same place.
    pub(in crate::collect) fn offset(&self, interval: Duration) -> Duration {
        // `DefaultHasher::new` has fixed keys, so the place is the same in every run.
        let mut hasher = DefaultHasher::new();
        self.labels.hash(&mut hasher);
        let interval = u64::try_from(millis(interval)).unwrap_or(0).max(1);
        Duration::from_millis(hasher.finish() % interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Target {
        fn fixed(address: &str) -> Result<Self, String> {
            let url = Url::parse(address).map_err(|error| error.to_string())?;
            Self::new(url, Labels::default())
        }
    }

    #[test]
    fn a_fixed_target_is_named_by_host_and_port() {
        let target = Target::fixed("http://127.0.0.1:9000/metrics").unwrap();
        assert_eq!(target.labels.to_string(), "{instance=\"127.0.0.1:9000\",job=\"scrape\"}");
        let target = Target::fixed("https://api.example/metrics").unwrap();
        assert_eq!(target.labels.get("instance"), Some("api.example:443"));
    }

    #[test]
    fn no_secret_of_an_address_is_shown() {
        let target = Target::fixed("http://me:pass@h:1/metrics?token=t#f").unwrap();
        assert_eq!(target.name(), "http://h:1/metrics");
        assert_eq!(target.labels.get("instance"), Some("h:1"));
    }

    #[test]
    fn what_cannot_be_scraped_is_refused() {
        for address in ["metrics", "ftp://h/metrics", "file:///etc/passwd"] {
            assert!(Target::fixed(address).is_err(), "{address}");
        }
    }

    #[test]
    fn targets_spread_over_the_interval() {
        let interval = Duration::from_secs(1);
        let offset = |n| Target::fixed(&format!("http://h:{n}/")).unwrap().offset(interval);
        let early = (1..=1000).filter(|n| offset(*n) < interval / 2).count();
        assert!((400..600).contains(&early), "{early}");
    }
}
