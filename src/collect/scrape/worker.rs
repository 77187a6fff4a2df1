//! One target, scraped at its interval until it is gone.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    exposition::Format,
    families::odd_histograms,
    page::Page,
    staleness::{Scraped, TargetSeries},
    target::Target,
};
use crate::{
    clock::Clock,
    collect::{
        http::{Ask, Http},
        outlet::Outlet,
        secrets,
        seen::{ScrapeFailure, ScrapeSeen, Seen},
    },
    frame::BadLine,
    hypothesis::model::ScrapeSource,
    time::{Time, millis},
};

/// What is asked for: either format, with any name. Protobuf is not, since we cannot read it.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                      text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
                      text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

/// Pages with more bytes than this are taken apart aside: on few processors, a large one would
/// make all others late.
const SMALL: usize = 256 << 10;

/// Scrapes targets; all of them share its connections and limits. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Scraper {
    pub(super) http: Http,
    pub(super) source: Arc<ScrapeSource>,
    pub(super) clock: Clock,
    pub(super) outlet: Outlet,
}

impl Scraper {
    /// Scrapes a target at its place in each interval, until `gone` or the end of the run.
    ///
    /// A target that is gone from discovery ends all its series; the end of the run ends none,
    /// because nothing ended but our looking. A scrape is under way at most once at a time; one
    /// that takes longer than the interval makes the next come at the next free place.
    pub(super) async fn follow(self, target: Target, gone: CancellationToken) {
        let mut series = TargetSeries::new(target.labels.clone(), self.source.honor_labels);
        let mut odd_said = false;
        let offset = target.offset(self.source.interval);
        loop {
            let now = self.clock.now();
            let wait = next_place(now, self.source.interval, offset).since(now);
            let seen = tokio::select! {
                biased;
                () = self.outlet.stopped() => return,
                () = gone.cancelled() => break,
                seen = self.scrape_after(wait, &target, &mut series, &mut odd_said) => seen,
            };
            self.outlet.send(Seen::Scrape(seen)).await;
        }
        let at = self.clock.now();
        let rows = series.gone(at);
        if !rows.is_empty() {
            self.outlet.send(Seen::TargetGone { target: target.name(), at, rows }).await;
        }
    }

    async fn scrape_after(
        &self,
        wait: Duration,
        target: &Target,
        series: &mut TargetSeries,
        odd_said: &mut bool,
    ) -> ScrapeSeen {
        tokio::time::sleep(wait).await;
        let at = self.clock.now();
        let read = self.read(target).await;
        let seconds = self.clock.now().since(at).as_secs_f64();
        let scraped = Scraped { at, seconds };
        let mut seen = ScrapeSeen { target: target.name(), at, ..ScrapeSeen::default() };
        match read {
            Err(failure) => {
                seen.rows = series.failed(scraped);
                seen.failed = Some(failure);
            }
            Ok(mut page) => {
                if !std::mem::replace(odd_said, true) {
                    seen.notes = odd_histograms(&page);
                }
                seen.rows = series.page(scraped, &mut page);
                seen.bad_lines = page.bad_lines;
                let example = |bad: super::page::BadPageLine| BadLine {
                    target: target.name(),
                    at,
                    line: bad.line,
                    text: bad.text,
                    why: bad.why.to_string(),
                };
                seen.bad_line_examples = page.bad.into_iter().map(example).collect();
            }
        }
        seen
    }

    /// The token for targets, when there is one.
    async fn token(&self) -> Result<Option<String>, ScrapeFailure> {
        let Some(path) = self.source.bearer_token_file.clone() else { return Ok(None) };
        let read =
            tokio::task::spawn_blocking(move || secrets::token("bearer_token_file", &path)).await;
        let token = read.expect("reading a file does not panic");
        token.map(Some).map_err(|error| ScrapeFailure::Other(error.to_string()))
    }

    async fn read(&self, target: &Target) -> Result<Page, ScrapeFailure> {
        let ScrapeSource { timeout, size_limit: limit, sample_limit, .. } = *self.source;
        let token = self.token().await?;
        let ask = Ask { url: &target.url, accept: ACCEPT, timeout, limit };
        let answer = self.http.get_as(ask, token.as_deref()).await?;
        let format = format_of(&answer.content_type)?;
        let is_small = answer.body.len() <= SMALL;
        let read = move || match Page::read_up_to(&answer.body, format, sample_limit) {
            Ok(Some(page)) => Ok(page),
            Ok(None) => Err(ScrapeFailure::TooManySamples(sample_limit)),
            Err(error) => Err(ScrapeFailure::NotExposition(error.to_string())),
        };
        if is_small {
            return read();
        }
        tokio::task::spawn_blocking(read).await.expect("reading a page does not panic")
    }
}

/// The format that an answer says it has, as Prometheus 3 decides it; but what says nothing is
/// taken for the text format, as by `fallback_scrape_protocol`.
fn format_of(content_type: &str) -> Result<Format, ScrapeFailure> {
    match content_type.split(';').next().unwrap_or_default().trim() {
        "" | "text/plain" => Ok(Format::Text),
        "application/openmetrics-text" => Ok(Format::OpenMetrics),
        other => {
            let kind: String = other.chars().take(100).collect();
            Err(ScrapeFailure::NotExposition(format!("its content type is `{kind}`")))
        }
    }
}

/// The first time after `now` that lies `offset` behind a multiple of the interval.
fn next_place(now: Time, interval: Duration, offset: Duration) -> Time {
    let just_after = Time::from_millis(now.as_millis() + 1);
    let step = Duration::from_millis(u64::try_from(millis(interval)).unwrap_or(0).max(1));
    just_after.minus(offset).ceil_to(step).plus(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(now: i64, offset: u64, want: i64) {
        let got = next_place(
            Time::from_millis(now),
            Duration::from_secs(1),
            Duration::from_millis(offset),
        );
        assert_eq!(got, Time::from_millis(want));
    }

    #[test]
    fn the_content_type_says_the_format() {
        for (content_type, want) in [
            ("", Some(Format::Text)),
            ("text/plain; version=0.0.4; charset=utf-8", Some(Format::Text)),
            ("application/openmetrics-text; version=1.0.0", Some(Format::OpenMetrics)),
            ("text/html; charset=utf-8", None),
            ("application/json", None),
            ("application/vnd.google.protobuf; encoding=delimited", None),
            ("application/octet-stream", None),
        ] {
            assert_eq!(format_of(content_type).ok(), want, "{content_type}");
        }
    }

    #[test]
    fn a_scrape_comes_at_its_place_and_never_twice_at_one() {
        check(10_000, 0, 11_000);
        check(9_999, 0, 10_000);
        check(10_000, 300, 10_300);
        check(10_300, 300, 11_300);
        check(10_301, 300, 11_300);
    }
}
